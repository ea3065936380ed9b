/* SPDX-License-Identifier: MIT */
/* Optimizers: what a step does to weights, and what it refuses. */
#include <math.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"
#include "kytape/optim.h"

static int make_sgd(void **state) {
  return ky_sgd_new(NULL, 0.5, (ky_optimizer **)state) == KY_OK ? 0 : -1;
}

static int free_optimizer(void **state) {
  ky_optimizer_free(*state);
  return 0;
}

/* ---- steps ----------------------------------------------------------------------------------
 */

static void sgd_descends_along_the_gradient(void **state) {
  double w[3] = {1, 2, 3};
  float v[2] = {1, -1};
  const double gw[3] = {2, 0, -4};
  const float gv[2] = {1, 0.5f};
  ky_tensor *tw, *tv;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(3), w, &tw), KY_OK);
  assert_int_equal(ky_tensor_wrap(NULL, KY_F32, KY_SHAPE(1, 2), v, &tv), KY_OK);
  const ky_grad_pair pairs[2] = {{tw, gw, ky_none()}, {tv, gv, ky_none()}};
  const ky_status status = ky_optimizer_step(*state, &(ky_grads){2, pairs});
  const uint64_t versions = ky_tensor_version(tw) + ky_tensor_version(tv);
  ky_tensor_free(tw);
  ky_tensor_free(tv);
  assert_int_equal(status, KY_OK);
  assert_int_equal(versions, 2);
  const double want[3] = {0, 2, 5};
  for (int k = 0; k < 3; k++) assert_close(w[k], want[k], 0);
  assert_close((double)v[0], 0.5, 0);
  assert_close((double)v[1], -1.25, 0);
}

/* (w - 3)^2 from w = 0: each step of rate 1/4 halves the distance, exactly. */
static void sgd_follows_a_tape(void **state) {
  double w = 0;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  ky_tape *t = ky_tape_new(NULL);
  ky_var loss = ky_square(t, ky_add_scalar(t, ky_param(t, weight), -3));
  ky_status status = ky_optimizer_set_rate(*state, 0.25);
  for (int k = 0; k < 10 && status == KY_OK; k++) {
    ky_grads grads;
    status = ky_forward(t);
    if (status == KY_OK) status = ky_backward(t, loss, &grads);
    if (status == KY_OK) status = ky_optimizer_step(*state, &grads);
  }
  ky_tape_free(t);
  ky_tensor_free(weight);
  assert_int_equal(status, KY_OK);
  assert_close(w, 3 - 3 * 0x1p-10, 0);
}

static void step_makes_the_tape_stale(void **state) {
  double w = 1;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  ky_tape *t = ky_tape_new(NULL);
  ky_var loss = ky_square(t, ky_param(t, weight));
  ky_grads grads;
  const ky_status first = ky_backward(t, loss, &grads);
  const ky_status step = ky_optimizer_step(*state, &grads);
  const ky_status second = ky_backward(t, loss, &grads);
  ky_tape_free(t);
  ky_tensor_free(weight);
  assert_int_equal(first, KY_OK);
  assert_int_equal(step, KY_OK);
  assert_int_equal(second, KY_STALE);
}

static void step_without_gradients_does_nothing(void **state) {
  assert_int_equal(ky_optimizer_step(*state, &(ky_grads){0, NULL}), KY_OK);
}

static void step_accepts_empty_weights(void **state) {
  double none[1] = {42};
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(0, 3), none, &weight), KY_OK);
  const ky_grad_pair pair = {weight, none, ky_none()};
  const ky_status status = ky_optimizer_step(*state, &(ky_grads){1, &pair});
  ky_tensor_free(weight);
  assert_int_equal(status, KY_OK);
  assert_close(none[0], 42, 0);
}

/* ---- errors ---------------------------------------------------------------------------------
 */

static void bad_step_changes_no_weight(void **state) {
  double w = 1;
  const double g = 1;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  const ky_grad_pair no_grad[2] = {{weight, &g, ky_none()}, {weight, NULL, ky_none()}};
  const ky_grad_pair no_weight[2] = {{weight, &g, ky_none()}, {NULL, &g, ky_none()}};
  const ky_status status[] = {
      ky_optimizer_step(*state, &(ky_grads){2, no_grad}),
      ky_optimizer_step(*state, &(ky_grads){2, no_weight}),
      ky_optimizer_step(*state, &(ky_grads){1, NULL}),
      ky_optimizer_step(*state, NULL),
      ky_optimizer_step(NULL, &(ky_grads){1, no_grad}),
  };
  ky_tensor_free(weight);
  for (size_t k = 0; k < sizeof status / sizeof *status; k++)
    assert_int_equal(status[k], KY_BAD_ARGUMENT);
  assert_close(w, 1, 0);
}

static void rate_must_be_finite(void **state) {
  const double bad[] = {NAN, INFINITY, -INFINITY};
  for (int k = 0; k < 3; k++) {
    ky_optimizer *o = *state;
    assert_int_equal(ky_optimizer_set_rate(o, bad[k]), KY_BAD_ARGUMENT);
    assert_close(ky_optimizer_rate(o), 0.5, 0);
    assert_int_equal(ky_sgd_new(NULL, bad[k], &o), KY_BAD_ARGUMENT);
    assert_null(o);
  }
}

static void null_is_an_argument_error(void **state) {
  (void)state;
  assert_int_equal(ky_sgd_new(NULL, 0.1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_optimizer_set_rate(NULL, 0.1), KY_BAD_ARGUMENT);
  assert_true(isnan(ky_optimizer_rate(NULL)));
  ky_optimizer_free(NULL);
}

static void sgd_uses_and_survives_its_allocator(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  ky_optimizer *o;
  fault_allocator_fail_once(&fa, 1);
  const ky_status failed = ky_sgd_new(&allocator, 0.1, &o);
  const bool null = !o;
  const ky_status retried = ky_sgd_new(&allocator, 0.1, &o);
  const size_t live = fa.live_blocks;
  ky_optimizer_free(o);
  const size_t left = fa.live_blocks;
  const char *complaint = fault_allocator_complaint(&fa);
  fault_allocator_free(&fa);
  assert_null(complaint);
  assert_int_equal(failed, KY_NO_MEMORY);
  assert_true(null);
  assert_int_equal(retried, KY_OK);
  assert_int_equal(live, 1);
  assert_int_equal(left, 0);
}

#define WITH_SGD(test) cmocka_unit_test_setup_teardown(test, make_sgd, free_optimizer)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_SGD(sgd_descends_along_the_gradient),
      WITH_SGD(sgd_follows_a_tape),
      WITH_SGD(step_makes_the_tape_stale),
      WITH_SGD(step_without_gradients_does_nothing),
      WITH_SGD(step_accepts_empty_weights),
      WITH_SGD(bad_step_changes_no_weight),
      WITH_SGD(rate_must_be_finite),
      cmocka_unit_test(null_is_an_argument_error),
      cmocka_unit_test(sgd_uses_and_survives_its_allocator),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
