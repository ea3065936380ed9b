/* SPDX-License-Identifier: MIT */
/* Linear algebra beyond single opcodes' samples: matrices that cannot be factored, large ones,
 * compiled ones, and what is composed. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"
#include "kytape/program.h"
#include "kytape/rng.h"

static int make_tape(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int free_tape(void **state) {
  ky_tape_free(*state);
  return 0;
}

/* ---- faults ------------------------------------------------------------------------------ */

static void check_singular(ky_tape *t, const char *says) {
  assert_int_equal(ky_forward(t), KY_SINGULAR);
  if (!strstr(ky_tape_message(t), says) || !strstr(ky_tape_message(t), ".c:"))
    fail_msg("\"%s\" lacks \"%s\" or a source line", ky_tape_message(t), says);
}

static void what_lies_before_a_failure_can_be_read_and_differentiated(void **state) {
  ky_tape *t = *state;
  const double singular[4] = {1, 1, 1, 1};
  double value;
  ky_array g;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 2), singular);
  const ky_var before = ky_sum_all(t, ky_square(t, x)), failing = ky_cholesky(t, x);
  assert_int_equal(ky_watch(t, x), KY_OK);
  assert_int_equal(ky_item(t, before, &value), KY_OK);
  assert_close(value, 4, 0);
  assert_int_equal(ky_backward(t, before, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  assert_close(((const double *)g.data)[3], 2, 0);
  assert_int_equal(ky_data(t, failing, &g), KY_SINGULAR);
  const ky_var behind = ky_add(t, x, x);
  assert_int_equal(ky_data(t, behind, &g), KY_SINGULAR);
}

static void cholesky_names_matrix_and_pivot(void **state) {
  ky_tape *t = *state;
  const double bad[8] = {1, 0, 0, 1, 4, 2, 2, 1}, good[8] = {1, 0, 0, 1, 4, 2, 2, 2};
  const double unknown[8] = {1, 0, 0, 1, NAN, 2, 2, 2};
  double last;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 2, 2), bad);
  const ky_var sum = ky_sum_all(t, ky_cholesky(t, x));
  check_singular(t, "cholesky: matrix 1 is not positive definite: pivot 1 is 0");
  assert_int_equal(ky_input_set(t, x, unknown), KY_OK);
  check_singular(t, "pivot 0 is nan");
  assert_int_equal(ky_input_set(t, x, good), KY_OK);
  assert_int_equal(ky_item(t, sum, &last), KY_OK);
  assert_close(last, 2 + 2 + 1 + 1, DBL_EPSILON);
}

/* Until it is rewound, or its input changes: above. */
static void what_failed_fails_each_sweep_that_comes_by_it(void **state) {
  ky_tape *t = *state;
  const double bad[4] = {1, 2, 2, 1};
  double value;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 2), bad);
  const ky_mark mark = ky_tape_mark(t);
  const ky_var sum = ky_sum_all(t, ky_cholesky(t, x));
  for (int k = 0; k < 2; k++) {
    check_singular(t, "pivot 1 is -3");
    assert_int_equal(ky_item(t, sum, &value), KY_SINGULAR);
    assert_int_equal(ky_tape_check(t), KY_OK);
  }
  assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  assert_int_equal(ky_item(t, ky_sum_all(t, x), &value), KY_OK);
}

static void solve_names_matrix_and_pivot(void **state) {
  ky_tape *t = *state;
  const double a[8] = {1, 2, 3, 4, 1, 2, 2, 4}, b[2] = {1, 1};
  ky_solve(t, ky_input(t, KY_F64, KY_SHAPE(2, 2, 2), a),
           ky_input(t, KY_F64, KY_SHAPE(2, 1), b));
  check_singular(t, "solve: matrix 1 is singular: pivot 1 is 0");
}

static void logdet_of_a_singular_matrix_has_no_gradient(void **state) {
  ky_tape *t = *state;
  const double a[4] = {1, 2, 2, 4};
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 2), a);
  assert_int_equal(ky_watch(t, x), KY_OK);
  const ky_var r = ky_logdet(t, x);
  double value;
  assert_int_equal(ky_item(t, r, &value), KY_OK);
  assert_true(value == -(double)INFINITY);
  assert_int_equal(ky_backward(t, r, NULL), KY_SINGULAR);
  assert_non_null(strstr(ky_tape_message(t), "logdet: matrix 0 is singular: pivot 1 is 0"));
}

/* ---- large matrices ---------------------------------------------------------------------- */

#define N 150 /* more than two blocks, and a rest */
#define K 3

typedef struct equations {
  double a[N * N], l[N * N], b[N * K]; /* a = l l' + 1 */
} equations;

static equations *make_system(void) {
  equations *s = malloc(sizeof *s);
  assert_non_null(s);
  ky_rng rng = ky_rng_seed(5, 0);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, N * N, 0, 1, s->l), KY_OK);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, N * K, 0, 1, s->b), KY_OK);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double sum = i == j ? N : 0;
      for (int k = 0; k < N; k++) sum += s->l[i * N + k] * s->l[j * N + k];
      s->a[i * N + j] = sum;
    }
  return s;
}

/* Largest element of m [N,N] x [N,k] - b [N,k]. */
static double residual(const double *m, bool transposed, int k, const double *x,
                       const double *b) {
  double most = 0;
  for (int i = 0; i < N; i++)
    for (int c = 0; c < k; c++) {
      double sum = -b[i * k + c];
      for (int j = 0; j < N; j++) sum += m[transposed ? j * N + i : i * N + j] * x[j * k + c];
      most = fmax(most, fabs(sum));
    }
  return most;
}

/* Norms are a few hundred, condition numbers a few; sums of N terms. */
#define LARGE_TOLERANCE (1000 * N * DBL_EPSILON)

static void large_systems_are_solved(void **state) {
  ky_tape *t = *state;
  equations *s = make_system();
  static double x[N * K], l[N * N], y[N * K], z[N * K], scaled[N * N];
  const ky_var a = ky_input(t, KY_F64, KY_SHAPE(N, N), s->a);
  const ky_var b = ky_input(t, KY_F64, KY_SHAPE(N, K), s->b), factor = ky_cholesky(t, a);
  const ky_var half = ky_triangular_solve(t, factor, b, 0);
  assert_int_equal(ky_read(t, ky_solve(t, a, b), x, sizeof x), KY_OK);
  assert_int_equal(ky_read(t, factor, l, sizeof l), KY_OK);
  assert_int_equal(ky_read(t, half, y, sizeof y), KY_OK);
  assert_int_equal(ky_read(t, ky_triangular_solve(t, factor, half, KY_TRANSPOSED), z, sizeof z),
                   KY_OK);
  double det, sum = 0, off = 0;
  assert_int_equal(ky_item(t, ky_logdet(t, a), &det), KY_OK);
  const double solved = residual(s->a, false, K, x, s->b),
               forth = residual(l, false, K, y, s->b);
  const double back = residual(l, true, K, z, y);
  for (int i = 0; i < N; i++) {
    sum += 2 * log(l[i * N + i]);
    for (int j = 0; j < N; j++) scaled[i * N + j] = l[j * N + i];
  }
  off = residual(l, false, N, scaled, s->a);
  free(s);
  assert_close(solved, 0, LARGE_TOLERANCE);
  assert_close(forth, 0, LARGE_TOLERANCE);
  assert_close(back, 0, LARGE_TOLERANCE);
  assert_close(off, 0, LARGE_TOLERANCE);
  assert_close(det, sum, LARGE_TOLERANCE);
  for (int k = 0; k < N * K; k++) assert_close(z[k], x[k], LARGE_TOLERANCE);
}

/* ---- programs ---------------------------------------------------------------------------- */

/* A Gaussian's log-likelihood, in ways that meet in one number. */
static ky_var record_all(ky_tape *t, ky_var x, ky_var b) {
  const ky_var n = ky_constant(t, KY_F64, KY_SHAPE(2, 2), (const double[]){9, 0, 0, 9});
  const ky_var a = ky_add(t, ky_matmul_trans(t, x, x, KY_TRANS_B), n), l = ky_cholesky(t, a);
  const ky_var y = ky_triangular_solve(t, l, b, 0), z = ky_solve(t, ky_add(t, x, n), b);
  return ky_add(t, ky_sum_all(t, ky_add(t, ky_square(t, y), z)),
                ky_sum_all(t, ky_add(t, ky_logdet(t, a), ky_logabsdet(t, ky_sub(t, x, n)))));
}

static void program_agrees_with_the_tape_and_allocates_nothing(void **state) {
  ky_tape *t = *state;
  const double x[12] = {1, 2, 3, 4, -1, 2, 0.5, 3, 2, 2, -3, 1}, b[4] = {1, -2, 3, 4};
  const ky_var vx = ky_input(t, KY_F64, KY_SHAPE(3, 2, 2), x);
  const ky_var vb = ky_input(t, KY_F64, KY_SHAPE(2, 2), b);
  assert_int_equal(ky_watch(t, vx), KY_OK);
  assert_int_equal(ky_watch(t, vb), KY_OK);
  const ky_var r = record_all(t, vx, vb);
  assert_int_equal(ky_backward(t, r, NULL), KY_OK);
  ky_program *p;
  ky_exec *e;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_exec_options options = {.size = sizeof options, .allocator = fault_allocator(&fa)};
  assert_int_equal(ky_compile(t, r, NULL, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, &options, &e), KY_OK);
  const size_t requests = fa.requests;
  const ky_status first = ky_exec_step(e, NULL), second = ky_exec_step(e, NULL);
  const size_t more = fa.requests - requests;
  ky_array g[2], h[2];
  double value[2];
  bool same = ky_item(t, r, &value[0]) == KY_OK && ky_exec_item(e, r, &value[1]) == KY_OK;
  for (int k = 0; k < 2; k++) {
    same &=
        ky_grad(t, k ? vb : vx, &g[k]) == KY_OK && ky_exec_grad(e, k ? vb : vx, &h[k]) == KY_OK;
    same = same && memcmp(g[k].data, h[k].data, (size_t)g[k].count * sizeof(double)) == 0;
  }
  ky_exec_free(e);
  ky_program_free(p);
  fault_allocator_free(&fa);
  assert_int_equal(first, KY_OK);
  assert_int_equal(second, KY_OK);
  assert_int_equal(more, 0);
  assert_true(same);
  assert_close(value[0], value[1], 0);
}

/* ---- vectors ----------------------------------------------------------------------------- */

static void dot_and_outer_multiply_vectors(void **state) {
  ky_tape *t = *state;
  const double x[3] = {1, 2, 3}, y[3] = {4, -5, 6}, want[6] = {4, -5, 8, -10, 12, -15};
  const ky_var a = ky_input(t, KY_F64, KY_SHAPE(3), x), b = ky_input(t, KY_F64, KY_SHAPE(3), y);
  assert_int_equal(ky_watch(t, a), KY_OK);
  double dot, outer[6];
  ky_array g;
  const ky_var d = ky_dot(t, a, b), o = ky_outer(t, a, ky_slice(t, b, 0, 0, 2, 1));
  assert_int_equal(ky_item(t, d, &dot), KY_OK);
  assert_int_equal(ky_read(t, o, outer, sizeof outer), KY_OK);
  assert_close(dot, 12, 0);
  for (int k = 0; k < 6; k++) assert_close(outer[k], want[k], 0);
  assert_int_equal(ky_backward(t, d, NULL), KY_OK);
  assert_int_equal(ky_grad(t, a, &g), KY_OK);
  assert_memory_equal(g.data, y, sizeof y);
  assert_int_equal(ky_backward(t, o, NULL), KY_OK);
  assert_int_equal(ky_grad(t, a, &g), KY_OK);
  for (int k = 0; k < 3; k++) assert_close(((const double *)g.data)[k], -1, 0);
}

static void refuses(ky_tape *t, ky_var r, ky_status status, uint32_t length, const char *says) {
  assert_int_equal(r.id, 0);
  assert_int_equal(ky_tape_check(t), status);
  if (!strstr(ky_tape_message(t), says))
    fail_msg("\"%s\" lacks \"%s\"", ky_tape_message(t), says);
  assert_int_equal(ky_tape_length(t), length);
}

static void vectors_are_checked(void **state) {
  ky_tape *t = *state;
  const ky_var v = ky_full(t, KY_F64, KY_SHAPE(3), 1), w = ky_full(t, KY_F64, KY_SHAPE(2), 1);
  const ky_var m = ky_full(t, KY_F64, KY_SHAPE(3, 3), 1),
               f = ky_full(t, KY_F32, KY_SHAPE(3), 1);
  const uint32_t length = ky_tape_length(t);
  refuses(t, ky_dot(t, v, w), KY_BAD_SHAPE, length,
          "dot: wants two vectors of one size, got [3] and [2]");
  refuses(t, ky_dot(t, m, v), KY_BAD_SHAPE, length, "got [3,3] and [3]");
  refuses(t, ky_dot(t, v, f), KY_BAD_DTYPE, length, "dot: dtypes f64 and f32 differ");
  refuses(t, ky_dot(t, v, ky_none()), KY_BAD_VAR, length, "dot: the var is null");
  refuses(t, ky_outer(t, v, m), KY_BAD_SHAPE, length,
          "outer: wants two vectors, got [3] and [3,3]");
  refuses(t, ky_outer(t, v, f), KY_BAD_DTYPE, length, "outer: dtypes");
  assert_int_equal(ky_dot(NULL, v, v).id, 0);
}

/* A batch that was broadcast for a call that is then refused leaves nothing behind. */
static void refused_broadcast_leaves_nothing(void **state) {
  ky_tape *t = *state;
  const ky_var a = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1);
  const ky_var b = ky_full(t, KY_F64, KY_SHAPE(4, 3, 1), 1);
  const uint32_t length = ky_tape_length(t);
  refuses(t, ky_solve(t, a, b), KY_BAD_SHAPE, length, "solve: ");
  refuses(t, ky_triangular_solve(t, a, b, 0), KY_BAD_SHAPE, length, "triangular_solve: ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tape, free_tape)
  const struct CMUnitTest tests[] = {
      TEST(what_lies_before_a_failure_can_be_read_and_differentiated),
      TEST(cholesky_names_matrix_and_pivot),
      TEST(what_failed_fails_each_sweep_that_comes_by_it),
      TEST(solve_names_matrix_and_pivot),
      TEST(logdet_of_a_singular_matrix_has_no_gradient),
      TEST(large_systems_are_solved),
      TEST(program_agrees_with_the_tape_and_allocates_nothing),
      TEST(dot_and_outer_multiply_vectors),
      TEST(vectors_are_checked),
      TEST(refused_broadcast_leaves_nothing),
  };
  return cmocka_run_group_tests_name("linear algebra", tests, NULL, NULL);
}
