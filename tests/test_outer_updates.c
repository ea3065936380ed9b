/* SPDX-License-Identifier: MIT */
/* Updates within a program by the gradient of one sample, which is an outer product and is not
 * put together for those who take it as it is. */
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"

#define WIDTH 136 /* WIDTH^2 weights of f32 or more are more than is taken at once */
#define STEPS 3

/* Two layers on one sample: the second hands a gradient on, the first does not. */
typedef struct network {
  ky_tape *t;
  ky_tensor *w[2];
  ky_var loss, param[2];
  ky_program *p;
  ky_exec *e;
  ky_optimizer *o;
} network;

static void fill(ky_tensor *w, int64_t seed) {
  float x[WIDTH * WIDTH];
  for (int64_t k = 0; k < WIDTH * WIDTH; k++)
    x[k] = (float)((k * 2654435 + seed * 97) % 2001 - 1000) / 8000;
  assert_int_equal(ky_tensor_assign(w, KY_F32, x), KY_OK);
}

static void set_up(network *n, ky_dtype dtype, double decay) {
  static float x[WIDTH];
  for (int k = 0; k < WIDTH; k++) x[k] = (float)(k % 7 - 3) / 4; /* zeros, too */
  *n = (network){.t = ky_tape_new(NULL)};
  const ky_dtype values = dtype == KY_F64 ? KY_F64 : KY_F32;
  ky_var y = ky_cast(n->t, ky_input(n->t, KY_F32, KY_SHAPE(1, WIDTH), x), values);
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_tensor_new(NULL, dtype, KY_SHAPE(WIDTH, WIDTH), &n->w[k]), KY_OK);
    fill(n->w[k], k);
    n->param[k] = ky_param(n->t, n->w[k]);
    y = ky_relu(n->t, ky_linear(n->t, y, n->param[k], ky_none()));
  }
  n->loss = ky_mean_all(n->t, ky_square(n->t, y));
  const ky_sgd_options options = {.size = sizeof options, .weight_decay = decay};
  assert_int_equal(ky_sgd_new(NULL, 0.5, &options, &n->o), KY_OK);
}

static void start(network *n, const ky_update *update, int threads) {
  const ky_compile_options options = {.size = sizeof options, .updates = 1};
  const ky_exec_options running = {
      .size = sizeof running, .update = update, .threads = threads, .grain = 64};
  assert_int_equal(ky_compile(n->t, n->loss, &options, &n->p), KY_OK);
  assert_int_equal(ky_exec_new(n->p, &running, &n->e), KY_OK);
}

static void tear_down(network *n) {
  ky_exec_free(n->e);
  ky_program_free(n->p);
  ky_tape_free(n->t);
  ky_optimizer_free(n->o);
  for (int k = 0; k < 2; k++) ky_tensor_free(n->w[k]);
}

static void check_bits(ky_dtype dtype, double decay, int threads) {
  network tape, program;
  set_up(&tape, dtype, decay);
  set_up(&program, dtype, decay);
  const ky_update *update = ky_optimizer_update(program.o);
  assert_true(update->outer);
  start(&program, update, threads);
  for (int step = 0; step < STEPS; step++) {
    ky_grads grads;
    assert_int_equal(ky_forward(tape.t), KY_OK);
    assert_int_equal(ky_backward(tape.t, tape.loss, &grads), KY_OK);
    assert_int_equal(ky_optimizer_step(tape.o, &grads), KY_OK);
    assert_int_equal(ky_exec_step(program.e, NULL), KY_OK);
  }
  for (int k = 0; k < 2; k++)
    assert_memory_equal(ky_tensor_data(tape.w[k]), ky_tensor_data(program.w[k]),
                        WIDTH * WIDTH * ky_dtype_size(dtype));
  tear_down(&tape);
  tear_down(&program);
}

static void sgd_steps_by_outer_products_with_the_same_bits(void **state) {
  (void)state;
  static const ky_dtype dtypes[] = {KY_F32, KY_F64, KY_BF16};
  for (int d = 0; d < 3; d++)
    for (int threads = 1; threads <= 3; threads++) {
      check_bits(dtypes[d], 0, threads);
      check_bits(dtypes[d], 0.25, threads);
    }
}

static void momentum_and_adam_want_gradients_put_together(void **state) {
  (void)state;
  ky_optimizer *o;
  const ky_sgd_options options = {.size = sizeof options, .momentum = 0.5};
  assert_int_equal(ky_sgd_new(NULL, 0.5, &options, &o), KY_OK);
  assert_false(ky_optimizer_update(o)->outer);
  ky_optimizer_free(o);
  assert_int_equal(ky_adam_new(NULL, 0.5, NULL, &o), KY_OK);
  assert_false(ky_optimizer_update(o)->outer);
  ky_optimizer_free(o);
}

/* What an update of the user's own was called with. */
typedef struct witness {
  const network *n;
  float gradient[2][WIDTH * WIDTH];
  int whole, outer; /* parts */
} witness;

static ky_status witness_part(void *user, const ky_update_part *part) {
  witness *w = user;
  float *to = w->gradient[part->weight == w->n->w[1]];
  *(part->grad ? &w->whole : &w->outer) += 1;
  if (part->grad) {
    memcpy(to + part->first, part->grad, part->count * sizeof *to);
    return KY_OK;
  }
  const float *left = part->left, *right = part->right;
  assert_int_equal(part->width, WIDTH);
  assert_int_equal(part->first % WIDTH, 0);
  assert_int_equal(part->count % WIDTH, 0);
  for (size_t k = 0; k < part->count; k++)
    to[part->first + k] = left[k / WIDTH] * right[k % WIDTH];
  return KY_OK;
}

static void check_parts(ky_dtype dtype, int outer) {
  network n;
  static witness w;
  set_up(&n, dtype, 0);
  w = (witness){.n = &n};
  const ky_update update = {
      .size = sizeof update, .apply = witness_part, .user = &w, .outer = outer};
  start(&n, &update, 1);
  ky_grads grads;
  assert_int_equal(ky_backward(n.t, n.loss, &grads), KY_OK);
  assert_int_equal(ky_exec_step(n.e, NULL), KY_OK);
  assert_int_equal(grads.count, 2);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < WIDTH * WIDTH; i++)
      assert_true(w.gradient[k][i] == ((const float *)grads.pairs[k].grad)[i]);
  const bool expected = outer && dtype == KY_F32; /* else it is rounded when it is stored */
  assert_true(expected ? w.outer > 0 && w.whole == 0 : w.outer == 0 && w.whole > 0);
  tear_down(&n);
}

static void users_get_outer_products_if_they_want_them(void **state) {
  (void)state;
  check_parts(KY_F32, 1);
  check_parts(KY_F32, 0);
  check_parts(KY_BF16, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sgd_steps_by_outer_products_with_the_same_bits),
      cmocka_unit_test(momentum_and_adam_want_gradients_put_together),
      cmocka_unit_test(users_get_outer_products_if_they_want_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
