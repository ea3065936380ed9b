/* SPDX-License-Identifier: MIT */
/* Updates of weights within a compiled step: when they are called, with what, and what happens
 * when they fail. */
#include <string.h>

#include "program_desk.h"

#define UPDATE(...)                                                                            \
  (ky_update) { .size = sizeof(ky_update), __VA_ARGS__ }

static ky_exec *start_updating(desk *d, const ky_update *update) {
  assert_int_equal(ky_compile(d->t, d->loss, OPTIONS(.updates = 1), &d->p), KY_OK);
  const ky_exec_options o = {.size = sizeof o, .update = update};
  assert_int_equal(ky_exec_new(d->p, &o, &d->e), KY_OK);
  return d->e;
}

/* An update that looks at what it is given, and calls back. */
typedef struct witness {
  desk *d;
  int calls, fail_at, refuse_at;
  size_t elements; /* of the weight being updated, so far */
  const ky_tensor *order[4];
} witness;

static ky_status watch_begin(void *user, const ky_tensor *weight, void **state) {
  witness *v = user;
  v->order[v->calls++ % 4] = weight;
  *state = v;
  v->elements = 0;
  return v->calls == v->refuse_at ? KY_BAD_ARGUMENT : KY_OK;
}

static ky_status watch_update(void *user, const ky_update_part *part) {
  witness *v = user;
  assert_non_null(part->grad);
  assert_ptr_equal(part->state, v);
  assert_ptr_equal(part->weight, v->order[(v->calls - 1) % 4]);
  assert_ptr_equal(part->w, (const float *)ky_tensor_data(part->weight) + part->first);
  assert_int_equal(part->first, v->elements);
  v->elements += part->count;
  assert_true(v->elements <= (size_t)ky_tensor_count(part->weight));
  if (v->calls == v->fail_at) return KY_NONFINITE;
  ((float *)part->w)[0] -= ((const float *)part->grad)[0];
  return KY_OK;
}

static void each_weight_is_updated_once_a_step(void **state) {
  desk *d = *state;
  witness v = {.d = d};
  start_updating(d, &UPDATE(.apply = watch_update, .begin = watch_begin, .user = &v));
  ky_grads grads = {7, NULL};
  ky_array array;
  for (int k = 1; k <= 3; k++) {
    assert_int_equal(ky_exec_step(d->e, &grads), KY_OK);
    assert_int_equal(v.calls, 2 * k);
    assert_int_equal(grads.count, 0);
  }
  assert_ptr_equal(v.order[0], d->weight);
  assert_ptr_equal(v.order[1], d->bias);
  assert_int_equal(ky_exec_grad(d->e, d->w, &array), KY_BAD_VAR);
  assert_non_null(strstr(ky_exec_message(d->e), "name it in ky_compile_options.keep"));
}

static void a_gradient_that_is_kept_outlives_its_update(void **state) {
  desk *d = *state;
  witness v = {.d = d};
  const ky_exec_options o = {
      .size = sizeof o,
      .update = &UPDATE(.apply = watch_update, .begin = watch_begin, .user = &v)};
  ky_array array;
  assert_int_equal(
      ky_compile(d->t, d->loss, OPTIONS(.updates = 1, .keep = &d->w, .keep_count = 1), &d->p),
      KY_OK);
  assert_int_equal(ky_exec_new(d->p, &o, &d->e), KY_OK);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_grad(d->e, d->w, &array), KY_OK);
  assert_int_equal(ky_exec_grad(d->e, d->x, &array), KY_BAD_VAR);
  assert_non_null(strstr(ky_exec_message(d->e), "see ky_watch and ky_compile_options.wrt"));
}

static void a_weight_that_is_not_wanted_is_not_updated(void **state) {
  desk *d = *state;
  witness v = {.d = d};
  const ky_exec_options o = {
      .size = sizeof o,
      .update = &UPDATE(.apply = watch_update, .begin = watch_begin, .user = &v)};
  assert_int_equal(ky_compile(d->t, d->loss,
                              OPTIONS(.updates = 1, .wrt = &d->b, .wrt_count = 1,
                                      .without = ky_program_passes(), .without_count = 1),
                              &d->p),
                   KY_OK);
  assert_int_equal(ky_exec_new(d->p, &o, &d->e), KY_OK);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(v.calls, 1);
  assert_ptr_equal(v.order[0], d->bias);
}

static void a_failing_update_ends_the_step(void **state) {
  desk *d = *state;
  witness v = {.d = d, .fail_at = 2};
  start_updating(d, &UPDATE(.apply = watch_update, .begin = watch_begin, .user = &v));
  double value;
  assert_int_equal(ky_exec_step(d->e, NULL), KY_NONFINITE);
  assert_non_null(strstr(ky_exec_message(d->e), "a value is NaN or infinite"));
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_NOT_RUN);
  assert_int_equal(ky_exec_item(d->e, d->loss, &value), KY_NOT_RUN);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(v.calls, 4);
  assert_int_equal(ky_exec_item(d->e, d->loss, &value), KY_OK);
}

static void an_update_that_cannot_begin_ends_the_step(void **state) {
  desk *d = *state;
  witness v = {.d = d, .refuse_at = 1};
  start_updating(d, &UPDATE(.apply = watch_update, .begin = watch_begin, .user = &v));
  assert_int_equal(ky_exec_step(d->e, NULL), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_exec_message(d->e), "update of the weight"));
  assert_int_equal(v.elements, 0);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
}

static ky_status call_back(void *user, const ky_update_part *part) {
  witness *v = user;
  desk *d = v->d;
  ky_array array;
  double value;
  float word;
  (void)part;
  v->calls++;
  assert_int_equal(ky_exec_forward(d->e), KY_BUSY);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_BUSY);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_BUSY);
  assert_int_equal(ky_exec_input(d->e, d->x, d->data), KY_BUSY);
  assert_int_equal(ky_exec_bind(d->e, d->x, &(ky_array){0}), KY_BUSY);
  assert_int_equal(ky_exec_data(d->e, d->loss, &array), KY_BUSY);
  assert_int_equal(ky_exec_read(d->e, d->loss, &word, sizeof word), KY_BUSY);
  assert_int_equal(ky_exec_item(d->e, d->loss, &value), KY_BUSY);
  assert_int_equal(ky_exec_grad(d->e, d->w, &array), KY_BUSY);
  assert_int_equal(ky_exec_seed(d->e, 0, 0), KY_BUSY);
  assert_int_equal(ky_exec_draw(d->e, &(uint64_t){0}), KY_BUSY);
  return KY_OK;
}

static void a_busy_execution_says_so(void **state) {
  desk *d = *state;
  witness v = {.d = d};
  start_updating(d, &UPDATE(.apply = call_back, .user = &v));
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(v.calls, 2);
  assert_string_equal(ky_exec_message(d->e), "");
}

/* Both uses of a shared weight must have run: one of its old value, one for its gradient. */
static void a_shared_weight_is_updated_after_its_first_use(void **state) {
  desk *d = *state;
  ky_var turned = ky_permute(d->t, d->w, KY_AXES(1, 0)); /* a view: reads the weight's memory */
  ky_var h = ky_tanh(d->t, ky_matmul(d->t, d->logits, d->w));
  d->loss = ky_mean_all(d->t, ky_square(d->t, ky_matmul(d->t, h, turned)));
  ky_optimizer *sgd;
  assert_int_equal(ky_sgd_new(NULL, 0.5, NULL, &sgd), KY_OK);
  float want[2][OUT * IN];
  for (int k = 0; k < 2; k++) {
    ky_grads grads;
    assert_int_equal(ky_forward(d->t), KY_OK);
    assert_int_equal(ky_backward(d->t, d->loss, &grads), KY_OK);
    assert_int_equal(ky_optimizer_step(sgd, &grads), KY_OK);
    memcpy(want[k], ky_tensor_data(d->weight), sizeof want[k]);
  }
  desk_fill(d);
  start_updating(d, ky_optimizer_update(sgd));
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
    assert_memory_equal(ky_tensor_data(d->weight), want[k], sizeof want[k]);
  }
  ky_optimizer_free(sgd);
}

static void no_optimizer_is_no_update(void **state) {
  (void)state;
  assert_null(ky_optimizer_update(NULL));
}

/* ---- what no update is ------------------------------------------------------------------- */

static void assert_refused(const ky_program *p, const ky_update *update, const char *why) {
  char message[200];
  ky_exec *e;
  const ky_exec_options o = {
      .size = sizeof o, .update = update, .message = message, .message_bytes = sizeof message};
  assert_int_equal(ky_exec_new(p, &o, &e), KY_BAD_ARGUMENT);
  assert_null(e);
  assert_string_equal(message, why);
}

static void an_update_has_size_and_function(void **state) {
  desk *d = *state;
  assert_int_equal(ky_compile(d->t, d->loss, OPTIONS(.updates = 1), &d->p), KY_OK);
  assert_refused(d->p, &(ky_update){0}, "the update has no size");
  assert_refused(d->p, &UPDATE(.apply = NULL), "the update has no apply");
  assert_refused(d->p, NULL, "the program was compiled with updates, none is given");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DESK_TEST(each_weight_is_updated_once_a_step),
      DESK_TEST(a_gradient_that_is_kept_outlives_its_update),
      DESK_TEST(a_weight_that_is_not_wanted_is_not_updated),
      DESK_TEST(a_failing_update_ends_the_step),
      DESK_TEST(an_update_that_cannot_begin_ends_the_step),
      DESK_TEST(a_busy_execution_says_so),
      DESK_TEST(a_shared_weight_is_updated_after_its_first_use),
      DESK_TEST(no_optimizer_is_no_update),
      DESK_TEST(an_update_has_size_and_function),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
