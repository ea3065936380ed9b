/* SPDX-License-Identifier: MIT */
/* Factors of single weights: a weight steps as with an optimizer that has other numbers, the
 * others as if there were none. */
#include <math.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape.h"

enum { IN = 3, OUT = 2, STEPS = 3, KINDS = 5 };

/* Powers of two, so that products with them are exact. */
#define RATE  0.5
#define DECAY 0.25

/* Optimizers of all kinds, by the numbers that factors multiply. */
static ky_optimizer *make(int kind, double rate, double decay) {
  const ky_sgd_options sgd = {.size = sizeof sgd,
                              .weight_decay = decay,
                              .momentum = kind > 0 ? 0.9 : 0,
                              .nesterov = kind == 2};
  ky_adam_options adam = ky_adam_defaults();
  adam.weight_decay = decay;
  ky_optimizer *o = NULL;
  const ky_status status = kind < 3    ? ky_sgd_new(NULL, rate, &sgd, &o)
                           : kind == 3 ? ky_adam_new(NULL, rate, &adam, &o)
                                       : ky_adamw_new(NULL, rate, &adam, &o);
  assert_int_equal(status, KY_OK);
  return o;
}

/* Two layers and one sample: plain descent takes gradients as outer products in a program. */
typedef struct network {
  ky_tape *t;
  ky_tensor *w[2];
  ky_var param[2], loss;
  double x[IN];
} network;

static void set_up(network *n) {
  *n = (network){.t = ky_tape_new(NULL), .x = {0.5, -1, 2}};
  ky_rng rng = ky_rng_seed(7, 0);
  ky_var y = ky_input(n->t, KY_F64, KY_SHAPE(1, IN), n->x);
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(k ? OUT : IN, IN), &n->w[k]), KY_OK);
    assert_int_equal(ky_init_uniform(n->w[k], &rng, -1, 1), KY_OK);
    n->param[k] = ky_param(n->t, n->w[k]);
    y = ky_tanh(n->t, ky_linear(n->t, y, n->param[k], ky_none()));
  }
  n->loss = ky_sum_all(n->t, ky_square(n->t, y));
}

static void tear_down(network *n) {
  ky_tape_free(n->t);
  for (int k = 0; k < 2; k++) ky_tensor_free(n->w[k]);
}

/* Steps on the tape: all weights by o[0], or the k-th by o[k]. */
static void walk(network *n, ky_optimizer *const o[2], bool apart) {
  for (int step = 0; step < STEPS; step++) {
    ky_grads grads;
    assert_int_equal(ky_forward(n->t), KY_OK);
    assert_int_equal(ky_backward(n->t, n->loss, &grads), KY_OK);
    assert_int_equal(grads.count, 2);
    if (!apart) assert_int_equal(ky_optimizer_step(o[0], &grads), KY_OK);
    for (int k = 0; apart && k < 2; k++)
      assert_int_equal(ky_optimizer_step(o[k], &(ky_grads){1, &grads.pairs[k]}), KY_OK);
  }
}

static void walk_program(network *n, ky_optimizer *o, int threads) {
  ky_program *p;
  ky_exec *e;
  const ky_compile_options options = {.size = sizeof options, .updates = 1};
  const ky_exec_options running = {
      .size = sizeof running, .update = ky_optimizer_update(o), .threads = threads, .grain = 1};
  assert_int_equal(ky_compile(n->t, n->loss, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, &running, &e), KY_OK);
  for (int step = 0; step < STEPS; step++) assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  ky_exec_free(e);
  ky_program_free(p);
}

static void assert_same_weights(const network *a, const network *b) {
  for (int k = 0; k < 2; k++)
    assert_memory_equal(ky_tensor_data(a->w[k]), ky_tensor_data(b->w[k]),
                        (size_t)ky_tensor_count(a->w[k]) * sizeof(double));
}

/* way: 0 on the tape, else the threads of a program. */
static void check_kind(int kind, int way) {
  network a, b;
  set_up(&a);
  set_up(&b);
  ky_optimizer *const apart[2] = {make(kind, 0.1, 0.2), make(kind, 0.1 * RATE, 0.2 * DECAY)};
  ky_optimizer *const one[2] = {make(kind, 0.1, 0.2), NULL};
  assert_int_equal(ky_optimizer_set_factors(one[0], b.w[1], RATE, DECAY), KY_OK);
  walk(&a, apart, true);
  if (way)
    walk_program(&b, one[0], way);
  else
    walk(&b, one, false);
  assert_same_weights(&a, &b);
  for (int k = 0; k < 2; k++) ky_optimizer_free(apart[k]);
  ky_optimizer_free(one[0]);
  tear_down(&a);
  tear_down(&b);
}

static void a_weight_steps_by_its_factors(void **state) {
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int way = 0; way < 3; way++) check_kind(kind, way);
}

static void forgetting_a_weight_forgets_its_factors(void **state) {
  (void)state;
  network a, b;
  set_up(&a);
  set_up(&b);
  ky_optimizer *const plain[2] = {make(1, 0.1, 0.2), NULL};
  ky_optimizer *const reset[2] = {make(1, 0.1, 0.2), NULL};
  assert_int_equal(ky_optimizer_set_factors(reset[0], b.w[0], RATE, DECAY), KY_OK);
  ky_optimizer_forget(reset[0], b.w[0]);
  walk(&a, plain, false);
  walk(&b, reset, false);
  assert_same_weights(&a, &b);
  ky_optimizer_free(plain[0]);
  ky_optimizer_free(reset[0]);
  tear_down(&a);
  tear_down(&b);
}

/* A new run starts from the same weights, and takes the same way. */
static void forgetting_all_keeps_factors(void **state) {
  (void)state;
  network a, b;
  set_up(&a);
  set_up(&b);
  ky_optimizer *const o[2] = {make(1, 0.1, 0.2), NULL};
  for (int k = 0; k < 2; k++)
    assert_int_equal(ky_optimizer_set_factors(o[0], (k ? &b : &a)->w[1], 0, 0), KY_OK);
  walk(&a, o, false);
  ky_optimizer_forget_all(o[0]);
  walk(&b, o, false);
  assert_same_weights(&a, &b);
  ky_optimizer_free(o[0]);
  tear_down(&a);
  tear_down(&b);
}

static void bad_factors_are_refused(void **state) {
  (void)state;
  network n;
  set_up(&n);
  ky_optimizer *o = make(0, 0.1, 0);
  const double bad[][2] = {{NAN, 1}, {INFINITY, 1}, {1, -1}, {1, NAN}, {1, INFINITY}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    assert_int_equal(ky_optimizer_set_factors(o, n.w[0], bad[k][0], bad[k][1]),
                     KY_BAD_ARGUMENT);
  assert_int_equal(ky_optimizer_set_factors(NULL, n.w[0], 1, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_optimizer_set_factors(o, NULL, 1, 1), KY_BAD_ARGUMENT);
  ky_optimizer_free(o);
  tear_down(&n);
}

static void factors_need_memory(void **state) {
  (void)state;
  network n;
  set_up(&n);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  ky_optimizer *o;
  assert_int_equal(ky_sgd_new(&allocator, 0.1, NULL, &o), KY_OK);
  fault_allocator_fail_once(&fa, 1);
  assert_int_equal(ky_optimizer_set_factors(o, n.w[0], 1, 0), KY_NO_MEMORY);
  assert_int_equal(ky_optimizer_set_factors(o, n.w[0], 1, 0), KY_OK);
  ky_optimizer_free(o);
  const size_t left = fa.live_blocks;
  fault_allocator_free(&fa);
  tear_down(&n);
  assert_int_equal(left, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_weight_steps_by_its_factors),
      cmocka_unit_test(forgetting_a_weight_forgets_its_factors),
      cmocka_unit_test(forgetting_all_keeps_factors),
      cmocka_unit_test(bad_factors_are_refused),
      cmocka_unit_test(factors_need_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
