/* SPDX-License-Identifier: MIT */
/* Memory of programs and executions: what fails when allocations fail, what is asked for and
 * when, how much the plan saves, and that compiling long tapes takes a time in proportion. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"
#include "kytape/program.h"

static const double x8[8] = {1, -2, 0.5, 3, -1, 0.25, 2, -0.75};
static const int64_t labels4[4] = {0, 2, 2, 1};

static ky_tensor *weight(ky_dtype dtype, int rank, const int64_t *dims) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, dtype, rank, dims, &w), KY_OK);
  double *p = ky_tensor_write(w);
  for (int64_t k = 0; dtype == KY_F64 && k < ky_tensor_count(w); k++)
    p[k] = 0.3 * (double)(k % 5) - 0.5;
  return w;
}

/* Something of every kind of memory: scratch, aux buffers, pools, constants to fold and to
 * repeat, values without names, one that is computed again, and `layouts` shapes that occur but
 * once. */
static ky_var record(ky_tape *t, ky_tensor *w, int layouts, ky_var *keep) {
  ky_var x = ky_input(t, KY_F64, KY_SHAPE(4, 2), x8), pw = ky_param(t, w);
  ky_var c = ky_reshape(t, ky_iota(t, KY_F64, 4, 1), KY_SHAPE(2, 2));
  ky_var flipped = ky_slice(t, c, 0, INT64_MAX, INT64_MIN, -1);
  ky_var turned = ky_matmul(t, ky_matmul(t, flipped, flipped), ky_mul_scalar(t, c, 0.125));
  ky_var y = ky_linear(t, ky_matmul(t, x, turned), pw, ky_none());
  ky_var norm = ky_mul(t, ky_sum_all(t, y), ky_full(t, KY_F64, KY_SHAPE(64, 64), 0.5));
  norm = ky_layernorm(t, norm, 1, ky_none(), ky_none(), 1e-3);
  norm = ky_square(t, ky_matmul(t, norm, ky_full(t, KY_F64, KY_SHAPE(64, 128), 0.5)));
  y = ky_where(t, ky_gt_scalar(t, y, 0.1), y, ky_mul_scalar(t, y, 0.5));
  ky_var twice = ky_mul(t, ky_exp(t, ky_neg(t, x)), ky_exp(t, ky_neg(t, x)));
  y = ky_concat(t, 2, (ky_var[]){y, twice}, 1);
  *keep = ky_clamp(t, y, -2, 2);
  ky_var loss = ky_mean_all(
      t, ky_cross_entropy(t, *keep, ky_input(t, KY_I64, KY_SHAPE(4), labels4), KY_REDUCE_NONE));
  loss = ky_add(t, loss, ky_mean_all(t, norm));
  for (int k = 0; k < layouts; k++)
    loss = ky_add(t, loss, ky_sum_all(t, ky_full(t, KY_F64, KY_SHAPE(k + 1, 1), 1)));
  return ky_where(t, ky_gt_scalar(t, loss, 0), loss, ky_neg(t, loss)); /* scratch at rank 0 */
}

/* What a tour computes; compared bit by bit. */
typedef struct souvenir {
  double loss, kept[4 * 5], grad[3 * 2];
} souvenir;

static ky_status run(const ky_program *p, const ky_allocator *allocator, ky_var root,
                     ky_var keep, souvenir *s) {
  ky_exec *e = (ky_exec *)s;
  const ky_exec_options o = {.size = sizeof o, .allocator = *allocator};
  const ky_status status = ky_exec_new(p, &o, &e);
  if (status != KY_OK) {
    assert_null(e);
    return status;
  }
  for (int k = 0; k < 2; k++) {
    ky_grads grads;
    assert_int_equal(ky_exec_step(e, &grads), KY_OK);
    assert_int_equal(grads.count, 1);
    memcpy(s->grad, grads.pairs[0].grad, sizeof s->grad);
    assert_int_equal(ky_exec_item(e, root, &s->loss), KY_OK);
    assert_int_equal(ky_exec_read(e, keep, s->kept, sizeof s->kept), KY_OK);
  }
  ky_exec_free(e);
  return KY_OK;
}

static ky_status tour(ky_tape *t, const ky_allocator *allocator, ky_var root, ky_var keep,
                      souvenir *s) {
  ky_program *p = (ky_program *)s;
  const ky_compile_options o = {.size = sizeof o,
                                .allocator = *allocator,
                                .keep = &keep,
                                .keep_count = 1,
                                .fuse_least = 1};
  ky_status status = ky_compile(t, root, &o, &p);
  if (status != KY_OK) assert_null(p);
  if (status == KY_OK) status = run(p, allocator, root, keep, s);
  ky_program_free(p);
  return status;
}

/* A new tape for each attempt, since folding lets it run; its memory fails as well. */
static bool attempt(ky_tensor *w, int layouts, size_t n, bool persistent,
                    const souvenir *want) {
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator failing = fault_allocator(&fa);
  ky_tape *t =
      ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options), .allocator = failing});
  ky_var keep, root = record(t, w, layouts, &keep);
  if (persistent)
    fault_allocator_fail_from(&fa, n);
  else
    fault_allocator_fail_once(&fa, n);
  souvenir got = {0};
  const ky_status status = tour(t, &failing, root, keep, &got);
  const bool reached = fa.failures > 0;
  assert_int_equal(status, reached ? KY_NO_MEMORY : KY_OK);
  fault_allocator_relent(&fa);
  assert_int_equal(tour(t, &failing, root, keep, &got), KY_OK);
  assert_memory_equal(&got, want, sizeof got);
  ky_tape_free(t);
  assert_null(fault_allocator_complaint(&fa));
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
  return reached;
}

static void each_failing_allocation_is_a_status(void **state) {
  const bool persistent = *(bool *)*state;
  ky_tensor *w = weight(KY_F64, KY_SHAPE(3, 2));
  /* the table of layouts is full, and about to grow, for one of these counts */
  for (int layouts = 21; layouts < 27; layouts++) {
    ky_tape *t = ky_tape_new(NULL);
    ky_var keep, root = record(t, w, layouts, &keep);
    souvenir want = {0};
    double value;
    assert_int_equal(tour(t, &(ky_allocator){0}, root, keep, &want), KY_OK);
    assert_int_equal(ky_item(t, root, &value), KY_OK);
    assert_memory_equal(&value, &want.loss, sizeof value);
    ky_tape_free(t);
    size_t n = 1;
    while (attempt(w, layouts, n, persistent, &want)) n++;
    assert_true(n > 60);
  }
  ky_tensor_free(w);
}

static void an_execution_allocates_the_total_and_then_nothing(void **state) {
  (void)state;
  ky_tensor *w = weight(KY_F64, KY_SHAPE(3, 2));
  ky_tape *t = ky_tape_new(NULL);
  ky_var keep, root = record(t, w, 3, &keep);
  ky_program *p;
  ky_exec *e;
  assert_int_equal(ky_compile(t, root, NULL, &p), KY_OK);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_exec_options o = {.size = sizeof o, .allocator = fault_allocator(&fa)};
  assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
  assert_int_equal(fa.live_bytes, ky_program_memory(p).total);
  assert_int_equal(fa.live_bytes, fa.peak_bytes);
  const size_t requests = fa.requests;
  for (int k = 0; k < 3; k++) assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(fa.requests, requests);
  ky_exec_free(e);
  assert_null(fault_allocator_complaint(&fa));
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
  ky_program_free(p);
  ky_tape_free(t);
  ky_tensor_free(w);
}

/* In a chain of n values of 8 KiB that all survive until the reverse sweep, adjoints take one
 * place after the other: each that of the next. */
static void the_arena_is_shared(void **state) {
  (void)state;
  enum { N = 10, BYTES = 8192 };
  static const double x[BYTES / sizeof(double)];
  ky_tape *t = ky_tape_new(NULL);
  ky_var v = ky_input(t, KY_F64, KY_SHAPE(BYTES / sizeof(double)), x);
  assert_int_equal(ky_watch(t, v), KY_OK);
  for (int k = 0; k < N; k++) v = ky_exp(t, v);
  ky_program *p;
  static const char *const fuse[] = {"fuse"};
  const char *const *passes = ky_program_passes();
  size_t count = 0;
  for (int k = 0; passes[k]; k++) count |= strcmp(passes[k], "fuse") == 0;
  assert_int_equal(ky_compile(t, v,
                              &(ky_compile_options){.size = sizeof(ky_compile_options),
                                                    .without = fuse,
                                                    .without_count = count},
                              &p),
                   KY_OK);
  const ky_memory m = ky_program_memory(p);
  assert_int_equal(m.weights, 0);
  assert_int_equal(m.activations, N * BYTES);
  assert_int_equal(m.adjoints, (N + 1) * BYTES);
  assert_true(m.arena <= (N + 1) * BYTES);
  assert_true(m.total > m.arena);
  ky_program_free(p);
  ky_tape_free(t);
}

/* Pooling, views and sums work where their operands lie; a strided image is copied. */
static void scratch_is_planned_for_what_takes_it(void **state) {
  (void)state;
  static const float x[8 * 16 * 16];
  const ky_pool_options halves = {.size = sizeof halves, .kernel = {2, 2}};
  for (int strided = 0; strided < 2; strided++) {
    ky_tape *t = ky_tape_new(NULL);
    ky_var v = ky_input(t, KY_F32, KY_SHAPE(2, 4, 16, 16), x);
    assert_int_equal(ky_watch(t, v), KY_OK);
    if (strided) v = ky_slice(t, v, 3, 0, 12, 1);
    ky_var y = ky_mean(t, ky_max_pool2d(t, v, &halves), KY_AXES(3), 0);
    y = ky_cumsum(t, ky_slice(t, y, 2, 0, 4, 1), 0);
    ky_program *p;
    assert_int_equal(ky_compile(t, ky_sum_all(t, y), NULL, &p), KY_OK);
    const size_t scratch = ky_program_memory(p).scratch, copy = 2 * 4 * 16 * 12 * sizeof *x;
    if (strided)
      assert_true(scratch >= copy && scratch < copy + 256);
    else
      assert_int_equal(scratch, 0);
    ky_program_free(p);
    ky_tape_free(t);
  }
}

/* The adjoint of the first layer's result is the largest and comes late, when smaller ones have
 * cut up what was left before. Two values and an adjoint live at once, and of the pooling two
 * arrays: hardly more is taken. */
static void convolutions_take_what_lives_at_once(void **state) {
  (void)state;
  static const float x[8 * 28 * 28];
  enum { FIRST = 8 * 4 * 26 * 26 * 4, SECOND = 8 * 4 * 24 * 24 * 4, POOLED = SECOND / 4 };
  const ky_pool_options halves = {.size = sizeof halves, .kernel = {2, 2}};
  ky_tensor *w[3] = {weight(KY_F32, KY_SHAPE(4, 1, 3, 3)), weight(KY_F32, KY_SHAPE(4, 4, 3, 3)),
                     weight(KY_F32, KY_SHAPE(16, 576))};
  ky_tape *t = ky_tape_new(NULL);
  ky_var v = ky_input(t, KY_F32, KY_SHAPE(8, 1, 28, 28), x);
  for (int k = 0; k < 2; k++)
    v = ky_relu(t, ky_conv2d(t, v, ky_param(t, w[k]), ky_none(), NULL));
  v = ky_reshape(t, ky_max_pool2d(t, v, &halves), KY_SHAPE(8, 576));
  v = ky_sum_all(t, ky_square(t, ky_linear(t, v, ky_param(t, w[2]), ky_none())));
  ky_program *p;
  const ky_compile_options o = {.size = sizeof o, .updates = 1};
  assert_int_equal(ky_compile(t, v, &o, &p), KY_OK);
  assert_true(ky_program_memory(p).arena <= FIRST + 2 * SECOND + 3 * POOLED);
  ky_program_free(p);
  ky_tape_free(t);
  for (int k = 0; k < 3; k++) ky_tensor_free(w[k]);
}

/* Views cost nothing, but their adjoints would: exabytes here, and several of them at once. */
static void what_no_memory_can_hold_is_refused(void **state) {
  (void)state;
  for (int bits = 45; bits <= 58; bits += 13) {
    ky_tape *t = ky_tape_new(NULL);
    ky_var x = ky_input(t, KY_F64, KY_SHAPE(1), x8), wide[9], root = {0};
    assert_int_equal(ky_watch(t, x), KY_OK);
    for (int k = 0; k < 9; k++) wide[k] = ky_expand(t, x, KY_SHAPE((int64_t)1 << bits));
    for (int k = 0; k < 9; k++) {
      ky_var first = ky_sum_all(t, ky_slice(t, wide[k], 0, 0, 1, 1));
      root = k ? ky_add(t, root, first) : first;
    }
    ky_program *p = NULL;
    ky_exec *e = NULL;
    const ky_status status = ky_compile(t, root, NULL, &p);
    assert_int_equal(status, bits < 50 ? KY_OK : KY_NO_MEMORY);
    if (p) assert_int_equal(ky_exec_new(p, NULL, &e), KY_NO_MEMORY);
    assert_null(e);
    ky_program_free(p);
    ky_tape_free(t);
  }
}

/* ---- long tapes -------------------------------------------------------------------------- */

static void compile_timed(ky_tape *t, ky_var root, const char *what, ky_program **p) {
  const clock_t start = clock();
  assert_int_equal(ky_compile(t, root, NULL, p), KY_OK);
  const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  print_message("%u %s: %.0f ns an instruction to compile\n", (unsigned)ky_tape_length(t), what,
                1e9 * seconds / ky_tape_length(t));
}

static void assert_same_bits(ky_tape *t, const ky_program *p, ky_var root, ky_var x) {
  ky_exec *e;
  double want, got;
  ky_array want_grad, got_grad;
  assert_int_equal(ky_backward(t, root, NULL), KY_OK);
  assert_int_equal(ky_item(t, root, &want), KY_OK);
  assert_int_equal(ky_grad(t, x, &want_grad), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(e, root, &got), KY_OK);
  assert_int_equal(ky_exec_grad(e, x, &got_grad), KY_OK);
  assert_memory_equal(&got, &want, sizeof got);
  assert_int_equal(got_grad.count, want_grad.count);
  assert_memory_equal(got_grad.data, want_grad.data, (size_t)got_grad.count * sizeof(double));
  ky_exec_free(e);
}

static void a_million_scalars_compile(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const double half = 0.5;
  ky_var x = ky_input(t, KY_F64, KY_SCALAR, &half), y = x;
  assert_int_equal(ky_watch(t, x), KY_OK);
  while (ky_tape_length(t) < 1000000) y = ky_sin(t, ky_add(t, ky_mul(t, y, x), x));
  ky_program *p;
  compile_timed(t, y, "scalars", &p);
  assert_same_bits(t, p, y, x);
  ky_program_free(p);
  ky_tape_free(t);
}

/* Sizes that fit into each other's gaps badly, and lives of all lengths. */
static void many_tensors_of_many_sizes_compile(void **state) {
  (void)state;
  enum { N = 30000, LIVE = 500 };
  static const double x[4000];
  ky_tape *t = ky_tape_new(NULL);
  ky_var in = ky_input(t, KY_F64, KY_SHAPE(4000), x), live[LIVE], root = ky_sum_all(t, in);
  assert_int_equal(ky_watch(t, in), KY_OK);
  for (int k = 0; k < N; k++) {
    const int64_t size = 1 + (int64_t)k * 7919 % 97 * 8;
    ky_var piece = ky_sin(t, ky_slice(t, in, 0, k % 3000, k % 3000 + size, 1));
    const int place = (int)((int64_t)k * 104729 % LIVE);
    if (k >= LIVE) root = ky_add(t, root, ky_sum_all(t, live[place]));
    live[place] = piece;
    if (k < LIVE) live[k] = piece;
  }
  ky_program *p;
  compile_timed(t, root, "instructions on tensors", &p);
  assert_same_bits(t, p, root, in);
  ky_program_free(p);
  ky_tape_free(t);
}

static void many_weights_compile(void **state) {
  (void)state;
  enum { N = 50000 };
  ky_tensor **w = calloc(N, sizeof(ky_tensor *));
  assert_non_null(w);
  ky_tape *t = ky_tape_new(NULL);
  ky_var first = ky_none(), root = ky_scalar(t, KY_F64, 0);
  for (int k = 0; k < N; k++) {
    w[k] = weight(KY_F64, KY_SCALAR);
    ky_var v = ky_param(t, w[k]);
    if (k == 0) first = v;
    root = ky_add(t, ky_square(t, v), root);
  }
  ky_program *p;
  compile_timed(t, root, "instructions on weights", &p);
  assert_same_bits(t, p, root, first);
  ky_program_free(p);
  ky_tape_free(t);
  for (int k = 0; k < N; k++) ky_tensor_free(w[k]);
  free(w);
}

int main(void) {
  static bool once = false, persistent = true;
  const struct CMUnitTest tests[] = {
      {"each_allocation_failing_once_is_a_status", each_failing_allocation_is_a_status, NULL,
       NULL, &once},
      {"each_allocation_failing_for_good_is_a_status", each_failing_allocation_is_a_status,
       NULL, NULL, &persistent},
      cmocka_unit_test(an_execution_allocates_the_total_and_then_nothing),
      cmocka_unit_test(the_arena_is_shared),
      cmocka_unit_test(scratch_is_planned_for_what_takes_it),
      cmocka_unit_test(convolutions_take_what_lives_at_once),
      cmocka_unit_test(what_no_memory_can_hold_is_refused),
      cmocka_unit_test(a_million_scalars_compile),
      cmocka_unit_test(many_tensors_of_many_sizes_compile),
      cmocka_unit_test(many_weights_compile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
