/* SPDX-License-Identifier: MIT */
/* Operations on sequences against what they are made of, and in compiled programs. */
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape.h"

/* A few thousand roundings at most. */
#define TOLERANCE 1e-12

static void fill(size_t n, double *x, uint32_t seed) {
  ky_rng rng = ky_rng_seed(seed, 0);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, n, -1, 1, x), KY_OK);
}

static void same(const void *got, const double *want, size_t n) {
  const double *x = got;
  for (size_t k = 0; k < n; k++) assert_close(x[k], want[k], TOLERANCE);
}

/* Gradients of two roots with respect to `count` vars of n[k] elements are equal. */
static void same_gradients(ky_tape *t, ky_var a, ky_var b, int count, const ky_var *vars) {
  double *kept[8] = {NULL};
  ky_array g;
  assert_int_equal(ky_backward(t, a, NULL), KY_OK);
  for (int k = 0; k < count; k++) {
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    kept[k] = malloc((size_t)g.count * sizeof **kept);
    assert_non_null(kept[k]);
    memcpy(kept[k], g.data, (size_t)g.count * sizeof **kept);
  }
  assert_int_equal(ky_backward(t, b, NULL), KY_OK);
  for (int k = 0; k < count; k++) {
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    same(g.data, kept[k], (size_t)g.count);
    free(kept[k]);
  }
}

/* The program of a root gives the tape's value and gradients, to the bit. */
static void compiles(ky_tape *t, ky_var root, int count, const ky_var *vars) {
  ky_program *p;
  ky_exec *e;
  double value, again;
  const ky_compile_options options = {
      .size = sizeof options, .wrt_count = (size_t)count, .wrt = vars};
  assert_int_equal(ky_compile(t, root, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(ky_backward(t, root, NULL), KY_OK);
  assert_int_equal(ky_item(t, root, &value), KY_OK);
  assert_int_equal(ky_exec_item(e, root, &again), KY_OK);
  assert_true(value == again);
  for (int k = 0; k < count; k++) {
    ky_array g, h;
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    assert_int_equal(ky_exec_grad(e, vars[k], &h), KY_OK);
    assert_memory_equal(g.data, h.data, (size_t)g.count * sizeof(double));
  }
  ky_exec_free(e);
  ky_program_free(p);
}

static ky_var watched(ky_tape *t, int rank, const int64_t *dims, const double *x) {
  const ky_var v = ky_input(t, KY_F64, rank, dims, x);
  assert_int_equal(ky_watch(t, v), KY_OK);
  return v;
}

/* ---- attention --------------------------------------------------------------------------- */

/* Long rows, several tiles, heads that share, and a bias. */
static void attention_is_its_composition(void **state) {
  enum { B = 1, H = 2, T = 70, S = 700, D = 3 };
  ky_tape *t = *state;
  static double q[B * H * T * D], k[B * S * D], v[B * S * D], bias[T * S];
  fill(B * H * T * D, q, 1);
  fill(B * S * D, k, 2);
  fill(B * S * D, v, 3);
  fill((size_t)T * S, bias, 4);
  const ky_var x[4] = {watched(t, KY_SHAPE(B, H, T, D), q), watched(t, KY_SHAPE(B, 1, S, D), k),
                       watched(t, KY_SHAPE(B, 1, S, D), v), watched(t, KY_SHAPE(T, S), bias)};
  const ky_var r = ky_attention(t, x[0], x[1], x[2], x[3], 0, 0.7);
  const ky_var scores = ky_mul_scalar(t, ky_matmul_trans(t, x[0], x[1], KY_TRANS_B), 0.7);
  const ky_var w = ky_softmax(t, ky_add(t, scores, x[3]), -1);
  const ky_var want = ky_matmul(t, w, x[2]);
  const ky_var a = ky_sum_all(t, ky_square(t, r)), b = ky_sum_all(t, ky_square(t, want));
  ky_array got, should;
  assert_int_equal(ky_data(t, r, &got), KY_OK);
  assert_int_equal(ky_data(t, want, &should), KY_OK);
  same(got.data, should.data, (size_t)got.count);
  same_gradients(t, a, b, 4, x);
  compiles(t, a, 4, x);
}

static int set_up(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  ky_tape_free(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(attention_is_its_composition, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
