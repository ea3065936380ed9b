/* SPDX-License-Identifier: MIT */
/* KY_CHECK_FINITE in programs: the first value or adjoint that is not finite ends a sweep with
 * its line, before a weight steps by it; what is finite has the same bits as without the check.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "kytape/nn.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"

static const float inputs[6] = {1, 2, 0.5f, 3, 1.5f, 4}, with_zero[6] = {1, 2, 0, 3, 1.5f, 4};

/* What is to be run: how it is compiled and executed. */
typedef struct way {
  uint32_t tape_flags, exec_flags;
  const char *without;
} way;

/* sum(log(x) * w), of a permuted x. */
typedef struct desk {
  ky_tape *t;
  ky_tensor *w;
  ky_program *p;
  ky_exec *e;
  ky_var x, loss;
  int line; /* of the log */
} desk;

static ky_status count_updates(void *user, const ky_update_part *part) {
  (void)part;
  ++*(int *)user;
  return KY_OK;
}

static void record(desk *d, uint32_t flags, const float *x) {
  const ky_tape_options o = {.size = sizeof o, .flags = flags};
  d->t = ky_tape_new(&o);
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(3, 2), &d->w), KY_OK);
  assert_int_equal(ky_init_constant(d->w, 0.5), KY_OK);
  d->x = ky_input(d->t, KY_F32, KY_SHAPE(2, 3), x);
  d->line = __LINE__ + 1;
  const ky_var log = ky_log(d->t, ky_transpose(d->t, d->x, 0, 1));
  d->loss = ky_sum_all(d->t, ky_mul(d->t, log, ky_param(d->t, d->w)));
}

static void make(desk *d, const way *how, const float *x, int *updates) {
  record(d, how->tape_flags, x);
  const ky_compile_options c = {.size = sizeof c,
                                .updates = updates != NULL,
                                .without = &how->without,
                                .without_count = how->without != NULL,
                                .fuse_least = 1};
  const ky_update counting = {.size = sizeof counting, .apply = count_updates, .user = updates};
  const ky_exec_options o = {
      .size = sizeof o, .flags = how->exec_flags, .update = updates ? &counting : NULL};
  assert_int_equal(ky_compile(d->t, d->loss, &c, &d->p), KY_OK);
  assert_int_equal(ky_exec_new(d->p, &o, &d->e), KY_OK);
}

static void drop(desk *d) {
  ky_exec_free(d->e);
  ky_program_free(d->p);
  ky_tape_free(d->t);
  ky_tensor_free(d->w);
}

static void value_is_named_with_its_line(void **state) {
  (void)state;
  const way ways[] = {{0, KY_CHECK_FINITE, "fuse"}, {KY_CHECK_FINITE, 0, "fuse"}};
  for (int k = 0; k < 2; k++) {
    desk d;
    char words[128];
    make(&d, &ways[k], with_zero, NULL);
    snprintf(words, sizeof words, "test_finite.c:%d: log: the value of %%", d.line);
    assert_int_equal(ky_exec_forward(d.e), KY_NONFINITE);
    assert_non_null(strstr(ky_exec_message(d.e), words));
    assert_non_null(strstr(ky_exec_message(d.e), ": element [2,0] is -inf"));
    assert_int_equal(ky_exec_step(d.e, NULL), KY_NONFINITE);
    assert_int_equal(ky_exec_input(d.e, d.x, inputs), KY_OK);
    assert_int_equal(ky_exec_step(d.e, NULL), KY_OK);
    drop(&d);
  }
}

static void nan_has_no_sign(void **state) {
  (void)state;
  const ky_tape_options o = {.size = sizeof o, .flags = KY_CHECK_FINITE};
  const double x[2] = {1, copysign((double)NAN, -1)};
  ky_tape *t = ky_tape_new(&o);
  ky_input(t, KY_F64, KY_SHAPE(2), x);
  assert_int_equal(ky_forward(t), KY_NONFINITE);
  assert_non_null(strstr(ky_tape_message(t), "input: the value of %1: element [1] is nan"));
  ky_tape_free(t);
}

static void fused_value_is_found(void **state) {
  (void)state;
  const way how = {0, KY_CHECK_FINITE, NULL};
  desk d;
  make(&d, &how, with_zero, NULL);
  assert_int_equal(ky_exec_step(d.e, NULL), KY_NONFINITE);
  assert_non_null(strstr(ky_exec_message(d.e), "test_finite.c:"));
  assert_non_null(strstr(ky_exec_message(d.e), "the value of %"));
  drop(&d);
}

static void unchecked_programs_go_on(void **state) {
  (void)state;
  const way how = {0, 0, NULL};
  desk d;
  double loss;
  make(&d, &how, with_zero, NULL);
  assert_int_equal(ky_exec_step(d.e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(d.e, d.loss, &loss), KY_OK);
  assert_close(loss, -(double)INFINITY, 0);
  drop(&d);
}

/* The root is finite, its slope by the weight is not. */
static void adjoint_stops_the_sweep_before_the_step(void **state) {
  (void)state;
  for (int fused = 0; fused < 2; fused++) {
    const char *fuse = "fuse";
    ky_tape *t = ky_tape_new(NULL);
    ky_tensor *w;
    ky_program *p;
    ky_exec *e;
    int updates = 0;
    assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(3), &w), KY_OK);
    const ky_var root = ky_sum_all(t, ky_sqrt(t, ky_param(t, w)));
    const ky_compile_options c = {.size = sizeof c,
                                  .updates = 1,
                                  .without = &fuse,
                                  .without_count = fused ? 0 : 1,
                                  .fuse_least = 1};
    const ky_update counting = {
        .size = sizeof counting, .apply = count_updates, .user = &updates};
    const ky_exec_options o = {.size = sizeof o, .flags = KY_CHECK_FINITE, .update = &counting};
    assert_int_equal(ky_compile(t, root, &c, &p), KY_OK);
    assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
    assert_int_equal(ky_exec_step(e, NULL), KY_NONFINITE);
    assert_non_null(strstr(ky_exec_message(e), "test_finite.c:"));
    assert_non_null(strstr(ky_exec_message(e), "param: the adjoint of %"));
    assert_non_null(strstr(ky_exec_message(e), ": element [0] is inf"));
    assert_int_equal(updates, 0);
    double value; /* there was a forward sweep, but its values are gone */
    assert_int_equal(ky_exec_item(e, root, &value), KY_NOT_RUN);
    assert_string_equal(ky_exec_message(e),
                        "item: the reverse sweep failed, and used the values up");
    assert_int_equal(ky_exec_backward(e, NULL), KY_NOT_RUN);
    assert_non_null(strstr(ky_exec_message(e), "used up by a reverse sweep"));
    assert_int_equal(ky_init_constant(w, 4), KY_OK);
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    assert_int_equal(updates, 1);
    ky_exec_free(e);
    ky_program_free(p);
    ky_tape_free(t);
    ky_tensor_free(w);
  }
}

/* Ten steps of a small network; returns the last loss. */
static double train(uint32_t flags, int threads) {
  float x[16 * 8], y[16 * 4];
  for (int k = 0; k < 16 * 8; k++) x[k] = (float)(k % 13) / 13 - 0.5f;
  for (int k = 0; k < 16 * 4; k++) y[k] = (float)(k % 7) / 7 - 0.5f;
  ky_rng rng = ky_rng_seed(5, 0);
  ky_module *layer[3], *net;
  assert_int_equal(ky_nn_linear(NULL, KY_F32, 8, 32, 1, &rng, &layer[0]), KY_OK);
  assert_int_equal(ky_nn_tanh(NULL, &layer[1]), KY_OK);
  assert_int_equal(ky_nn_linear(NULL, KY_F32, 32, 4, 1, &rng, &layer[2]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 3, layer, &net), KY_OK);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var in = ky_input(t, KY_F32, KY_SHAPE(16, 8), x);
  const ky_var want = ky_input(t, KY_F32, KY_SHAPE(16, 4), y);
  const ky_var loss = ky_loss_mse(t, ky_module_forward(t, net, in), want);
  ky_optimizer *sgd;
  ky_program *p;
  ky_exec *e;
  assert_int_equal(ky_sgd_new(NULL, 0.1, NULL, &sgd), KY_OK);
  const ky_compile_options c = {.size = sizeof c, .updates = 1, .fuse_least = 1};
  const ky_exec_options o = {.size = sizeof o,
                             .flags = flags,
                             .threads = threads,
                             .grain = 1,
                             .update = ky_optimizer_update(sgd)};
  assert_int_equal(ky_compile(t, loss, &c, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
  double value = 0;
  for (int k = 0; k < 10; k++) assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(e, loss, &value), KY_OK);
  ky_exec_free(e);
  ky_program_free(p);
  ky_tape_free(t);
  ky_optimizer_free(sgd);
  ky_module_free(net);
  return value;
}

static void checked_programs_give_the_same_bits(void **state) {
  (void)state;
  const double want = train(0, 1);
  assert_close(train(KY_CHECK_FINITE, 1), want, 0);
  assert_close(train(KY_CHECK_FINITE, 2), want, 0);
}

static void unknown_flags_are_refused(void **state) {
  (void)state;
  desk d;
  char words[64] = "";
  record(&d, 0, inputs);
  const ky_exec_options o = {
      .size = sizeof o, .flags = KY_EAGER, .message = words, .message_bytes = sizeof words};
  assert_int_equal(ky_compile(d.t, d.loss, NULL, &d.p), KY_OK);
  assert_int_equal(ky_exec_new(d.p, &o, &d.e), KY_BAD_ARGUMENT);
  assert_non_null(strstr(words, "unknown flags 0x1"));
  assert_null(d.e);
  drop(&d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(value_is_named_with_its_line),
      cmocka_unit_test(nan_has_no_sign),
      cmocka_unit_test(fused_value_is_found),
      cmocka_unit_test(unchecked_programs_go_on),
      cmocka_unit_test(adjoint_stops_the_sweep_before_the_step),
      cmocka_unit_test(checked_programs_give_the_same_bits),
      cmocka_unit_test(unknown_flags_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
