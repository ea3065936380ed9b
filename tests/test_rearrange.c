/* SPDX-License-Identifier: MIT */
/* Functions that record several instructions to move or choose elements. Their operand holds 1,
 * 2, 3, ..., so that a result says where each of its elements came from, and what the gradient
 * must be. */
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "kytape.h"

#define MOST 64

static const double numbers[MOST] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                     12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                     23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

static ky_tape *t;

static int set_up(void **state) {
  (void)state;
  t = ky_tape_new(NULL);
  return t ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  ky_tape_free(t);
  return 0;
}

/* A watched operand 1, 2, 3, ... */
static ky_var operand(int rank, const int64_t *dims) {
  const ky_var x = ky_input(t, KY_F64, rank, dims, numbers);
  assert_int_equal(ky_watch(t, x), KY_OK);
  return x;
}

static void read(ky_array array, double *out) {
  assert_in_range(array.count, 0, MOST);
  int64_t index[KY_MAX_RANK] = {0};
  for (int64_t n = 0; n < array.count; n++) {
    int64_t at = 0;
    for (int k = 0; k < array.rank; k++) at += index[k] * array.strides[k];
    out[n] = ((const double *)array.data)[at];
    for (int k = array.rank; k-- > 0;) {
      if (++index[k] < array.dims[k]) break;
      index[k] = 0;
    }
  }
}

/* r must have the dims and elements given, 0 where x has no part in it, and its adjoint must go
 * where the elements came from. */
static void expect(ky_var x, ky_var r, int rank, const int64_t *dims, const double *want) {
  if (ky_tape_check(t) != KY_OK) fail_msg("%s", ky_tape_message(t));
  double got[MOST], cotangent[MOST], gradient[MOST] = {0};
  ky_array array;
  assert_int_equal(ky_data(t, r, &array), KY_OK);
  assert_int_equal(array.rank, rank);
  for (int k = 0; k < rank; k++) assert_int_equal(array.dims[k], dims[k]);
  read(array, got);
  for (int64_t n = 0; n < array.count; n++) {
    assert_true(got[n] == want[n]);
    cotangent[n] = (double)(n * n + 1);
    if (want[n] != 0) gradient[(int)want[n] - 1] += cotangent[n];
  }
  assert_int_equal(ky_backward_from(t, r, cotangent, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &array), KY_OK);
  read(array, got);
  for (int64_t n = 0; n < array.count; n++) assert_true(got[n] == gradient[n]);
  assert_int_equal(ky_tape_verify(t), KY_OK);
}

#define WANT(...)                                                                              \
  (const double[]) { __VA_ARGS__ }

/* The call must fail with a message that names it and its line, and record nothing. */
static void refused(ky_var r, ky_status status, const char *says) {
  assert_int_equal(r.id, 0);
  const char *message = ky_tape_message(t);
  if (!strstr(message, says) || !strstr(message, "test_rearrange.c:"))
    fail_msg("\"%s\" lacks \"%s\"", message, says);
  assert_int_equal(ky_tape_check(t), status);
}

static void axes_of_one(void **state) {
  (void)state;
  ky_var x = operand(KY_SHAPE(1, 2, 1, 2));
  expect(x, ky_squeeze(t, x, 0, NULL), KY_SHAPE(2, 2), WANT(1, 2, 3, 4));
  expect(x, ky_squeeze(t, x, KY_AXES(-2)), KY_SHAPE(1, 2, 2), WANT(1, 2, 3, 4));
  expect(x, ky_squeeze(t, x, KY_AXES(1)), KY_SHAPE(1, 2, 1, 2), WANT(1, 2, 3, 4));
  expect(x, ky_unsqueeze(t, x, 0), KY_SHAPE(1, 1, 2, 1, 2), WANT(1, 2, 3, 4));
  expect(x, ky_unsqueeze(t, x, -1), KY_SHAPE(1, 2, 1, 2, 1), WANT(1, 2, 3, 4));
  ky_var s = operand(KY_SCALAR);
  expect(s, ky_unsqueeze(t, s, 0), KY_SHAPE(1), WANT(1));
  expect(s, ky_squeeze(t, s, 0, NULL), KY_SCALAR, WANT(1));
  refused(ky_squeeze(t, x, KY_AXES(4)), KY_BAD_AXIS, "squeeze: axis 4 is not in -4..3");
  refused(ky_squeeze(t, x, KY_AXES(0, -4)), KY_BAD_AXIS, "squeeze: axis -4 is repeated");
  refused(ky_squeeze(t, x, 1, NULL), KY_BAD_ARGUMENT,
          "squeeze: 1 axes, but their array is null");
  refused(ky_unsqueeze(t, x, 5), KY_BAD_AXIS, "unsqueeze: axis 5 is not in -5..4");
  refused(ky_unsqueeze(t, ky_none(), 0), KY_BAD_VAR, "unsqueeze: ");
}

static void one_of_an_axis(void **state) {
  (void)state;
  ky_var x = operand(KY_SHAPE(2, 3));
  expect(x, ky_select(t, x, 0, 1), KY_SHAPE(3), WANT(4, 5, 6));
  expect(x, ky_select(t, x, -1, -3), KY_SHAPE(2), WANT(1, 4));
  ky_var v = operand(KY_SHAPE(3));
  expect(v, ky_select(t, v, 0, -1), KY_SCALAR, WANT(3));
  refused(ky_select(t, x, 0, 2), KY_BAD_INDEX, "select: index 2 of an axis of 2 elements");
  refused(ky_select(t, x, 1, -4), KY_BAD_INDEX, "select: index -4 of an axis of 3");
  refused(ky_select(t, x, 2, 0), KY_BAD_AXIS, "select: axis 2 is not in -2..1");
  refused(ky_select(t, ky_none(), 0, 0), KY_BAD_VAR, "select: ");
}

static void other_orders(void **state) {
  (void)state;
  ky_var x = operand(KY_SHAPE(2, 3));
  expect(x, ky_transpose(t, x, 0, -1), KY_SHAPE(3, 2), WANT(1, 4, 2, 5, 3, 6));
  expect(x, ky_flip(t, x, KY_AXES(1)), KY_SHAPE(2, 3), WANT(3, 2, 1, 6, 5, 4));
  expect(x, ky_flip(t, x, 0, NULL), KY_SHAPE(2, 3), WANT(6, 5, 4, 3, 2, 1));
  expect(x, ky_roll(t, x, 1, 1), KY_SHAPE(2, 3), WANT(3, 1, 2, 6, 4, 5));
  expect(x, ky_roll(t, x, -4, -1), KY_SHAPE(2, 3), WANT(2, 3, 1, 5, 6, 4));
  expect(x, ky_roll(t, x, 2, 0), KY_SHAPE(2, 3), WANT(1, 2, 3, 4, 5, 6));
  ky_var none = operand(KY_SHAPE(0));
  expect(none, ky_roll(t, none, 3, 0), KY_SHAPE(0), WANT(0));
  refused(ky_transpose(t, x, 0, 2), KY_BAD_AXIS, "transpose: axis 2 is not in -2..1");
  refused(ky_flip(t, x, KY_AXES(0, 0)), KY_BAD_AXIS, "flip: axis 0 is repeated");
  refused(ky_roll(t, x, 1, -3), KY_BAD_AXIS, "roll: axis -3 is not in -2..1");
}

static void tiles(void **state) {
  (void)state;
  ky_var x = operand(KY_SHAPE(2, 2));
  expect(x, ky_tile(t, x, KY_SHAPE(2)), KY_SHAPE(2, 4), WANT(1, 2, 1, 2, 3, 4, 3, 4));
  expect(x, ky_tile(t, x, KY_SHAPE(2, 1)), KY_SHAPE(4, 2), WANT(1, 2, 3, 4, 1, 2, 3, 4));
  expect(x, ky_tile(t, x, KY_SHAPE(2, 1, 2)), KY_SHAPE(2, 2, 4),
         WANT(1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
  expect(x, ky_tile(t, x, KY_SHAPE(2, 0)), KY_SHAPE(4, 0), WANT(0));
  expect(x, ky_tile(t, x, 0, NULL), KY_SHAPE(2, 2), WANT(1, 2, 3, 4));
  ky_var deep = operand(KY_SHAPE(1, 1, 1, 1, 1, 1, 2, 1));
  expect(deep, ky_tile(t, deep, KY_SHAPE(2, 1, 1, 1, 1, 1, 1, 2)),
         KY_SHAPE(2, 1, 1, 1, 1, 1, 2, 2), WANT(1, 1, 2, 2, 1, 1, 2, 2));
  refused(ky_tile(t, x, KY_SHAPE(-1)), KY_BAD_ARGUMENT, "tile: -1 repetitions");
  refused(ky_tile(t, x, 2, NULL), KY_BAD_ARGUMENT,
          "tile: 2 repetitions, but their array is null");
  refused(ky_tile(t, x, KY_SHAPE(INT64_MAX)), KY_BAD_SHAPE, "tile: the extent of axis 1");
  refused(ky_tile(t, x, KY_SHAPE(INT64_MAX / 64, 64)), KY_BAD_SHAPE, "tile: ");
}

static void joined_and_parted(void **state) {
  (void)state;
  ky_var x = operand(KY_SHAPE(2, 2));
  const ky_var twice[2] = {x, ky_flip(t, x, KY_AXES(1))};
  expect(x, ky_stack(t, 2, twice, 0), KY_SHAPE(2, 2, 2), WANT(1, 2, 3, 4, 2, 1, 4, 3));
  expect(x, ky_stack(t, 2, twice, 1), KY_SHAPE(2, 2, 2), WANT(1, 2, 2, 1, 3, 4, 4, 3));
  expect(x, ky_stack(t, 2, twice, -1), KY_SHAPE(2, 2, 2), WANT(1, 2, 2, 1, 3, 4, 4, 3));
  ky_var s = operand(KY_SCALAR);
  expect(s, ky_stack(t, 3, (const ky_var[]){s, s, s}, 0), KY_SHAPE(3), WANT(1, 1, 1));
  ky_var parts[3];
  ky_var y = operand(KY_SHAPE(2, 3));
  assert_int_equal(ky_split(t, y, 1, 2, (const int64_t[]){2, 1}, parts), KY_OK);
  expect(y, parts[0], KY_SHAPE(2, 2), WANT(1, 2, 4, 5));
  expect(y, parts[1], KY_SHAPE(2, 1), WANT(3, 6));
  assert_int_equal(ky_split(t, y, -1, 3, NULL, parts), KY_OK);
  expect(y, parts[2], KY_SHAPE(2, 1), WANT(3, 6));
  refused(ky_stack(t, 0, twice, 0), KY_BAD_ARGUMENT, "stack: 0 operands, wants 1 or more");
  refused(ky_stack(t, 2, (const ky_var[]){x, y}, 0), KY_BAD_SHAPE, "stack: the shapes");
  refused(ky_stack(t, 2, (const ky_var[]){x, ky_gt_scalar(t, x, 0)}, 0), KY_BAD_DTYPE,
          "stack: the dtypes");
  refused(ky_stack(t, 2, twice, 3), KY_BAD_AXIS, "stack: axis 3 is not in -3..2");
  assert_int_equal(ky_split(t, y, 1, 2, NULL, parts), KY_BAD_SHAPE);
  refused(parts[0], KY_BAD_SHAPE, "split: 2 equal parts do not make up the extent 3");
  assert_int_equal(ky_split(t, y, 1, 2, (const int64_t[]){2, 2}, parts), KY_BAD_SHAPE);
  refused(parts[0], KY_BAD_SHAPE, "split: 2 sizes do not make up the extent 3");
  assert_int_equal(ky_split(t, y, 1, 0, NULL, parts), KY_BAD_ARGUMENT);
  refused(ky_none(), KY_BAD_ARGUMENT, "split: 0 parts");
}

static void diagonals(void **state) {
  (void)state;
  ky_var m = operand(KY_SHAPE(2, 3)), v = operand(KY_SHAPE(2));
  expect(m, ky_diag(t, m, 0), KY_SHAPE(2), WANT(1, 5));
  expect(m, ky_diag(t, m, 1), KY_SHAPE(2), WANT(2, 6));
  expect(m, ky_diag(t, m, 2), KY_SHAPE(1), WANT(3));
  expect(m, ky_diag(t, m, -1), KY_SHAPE(1), WANT(4));
  expect(m, ky_diag(t, m, 3), KY_SHAPE(0), WANT(0));
  expect(v, ky_diag(t, v, 0), KY_SHAPE(2, 2), WANT(1, 0, 0, 2));
  expect(v, ky_diag(t, v, 1), KY_SHAPE(3, 3), WANT(0, 1, 0, 0, 0, 2, 0, 0, 0));
  expect(v, ky_diag(t, v, -2), KY_SHAPE(4, 4),
         WANT(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0));
  ky_var none = operand(KY_SHAPE(0));
  expect(none, ky_diag(t, none, 1), KY_SHAPE(1, 1), WANT(0));
  expect(none, ky_diag(t, none, 0), KY_SHAPE(0, 0), WANT(0));
  double trace;
  assert_int_equal(ky_item(t, ky_trace(t, m), &trace), KY_OK);
  assert_true(trace == 6);
  refused(ky_diag(t, m, -3), KY_BAD_SHAPE, "diag: [2,3] has no diagonal -3");
  refused(ky_diag(t, ky_unsqueeze(t, m, 0), 0), KY_BAD_SHAPE, "diag: wants rank 1 or 2");
  refused(ky_trace(t, v), KY_BAD_SHAPE, "trace: wants rank 2, got rank 1");
  refused(ky_trace(t, ky_gt_scalar(t, m, 0)), KY_BAD_DTYPE,
          "trace: wants f32 or f64, got mask: see ky_cast");
}

static void chosen_by_index(void **state) {
  (void)state;
  static const int64_t at[3] = {2, 0, 2};
  static const int32_t two[2] = {1, 1};
  ky_var x = operand(KY_SHAPE(2, 3));
  ky_var i = ky_input(t, KY_I64, KY_SHAPE(3), at), j = ky_input(t, KY_I32, KY_SHAPE(2), two);
  expect(x, ky_index_select(t, x, 1, i), KY_SHAPE(2, 3), WANT(3, 1, 3, 6, 4, 6));
  expect(x, ky_index_select(t, x, 0, j), KY_SHAPE(2, 3), WANT(4, 5, 6, 4, 5, 6));
  expect(x, ky_index_select(t, x, -1, ky_scalar(t, KY_I64, 1)), KY_SHAPE(2, 1), WANT(2, 5));
  ky_var mask = ky_gt_scalar(t, x, 4);
  expect(x, ky_masked_fill(t, x, mask, 0), KY_SHAPE(2, 3), WANT(1, 2, 3, 4, 0, 0));
  refused(ky_index_select(t, x, 2, i), KY_BAD_AXIS, "index_select: axis 2");
  refused(ky_index_select(t, x, 0, ky_unsqueeze(t, i, 0)), KY_BAD_SHAPE, "index_select: wants");
  refused(ky_masked_fill(t, x, x, 0), KY_BAD_DTYPE, "masked_fill: wants a mask, got f64");
}

static void sums_by_index(void **state) {
  (void)state;
  static const int64_t ids[3] = {2, 0, 2}, places[2][2] = {{1, 0}, {1, 1}};
  const double segments[6] = {3, 4, 0, 0, 6, 8};
  double got[MOST];
  ky_array array;
  ky_var x = operand(KY_SHAPE(3, 2)), y = operand(KY_SHAPE(3, 2));
  ky_var i = ky_input(t, KY_I64, KY_SHAPE(3), ids);
  ky_var r = ky_segment_sum(t, x, i, 3);
  assert_int_equal(ky_data(t, r, &array), KY_OK);
  read(array, got);
  assert_memory_equal(got, segments, sizeof segments);
  const double cotangent[6] = {1, 2, 3, 4, 5, 6}, back[6] = {5, 6, 1, 2, 5, 6};
  assert_int_equal(ky_backward_from(t, r, cotangent, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &array), KY_OK);
  read(array, got);
  assert_memory_equal(got, back, sizeof back);
  /* index [2,2] of source [3,2], along axis 0 of [3,2]: y[1,0] += 1, y[0,1] += 2, ... */
  ky_var p = ky_input(t, KY_I64, KY_SHAPE(2, 2), places);
  r = ky_scatter_add(t, x, 0, p, y);
  assert_int_equal(ky_data(t, r, &array), KY_OK);
  read(array, got);
  const double sum[6] = {1, 2 + 2, 3 + 1 + 3, 4 + 4, 5, 6};
  assert_memory_equal(got, sum, sizeof sum);
  assert_int_equal(ky_backward_from(t, r, cotangent, NULL), KY_OK);
  assert_int_equal(ky_grad(t, y, &array), KY_OK);
  read(array, got);
  const double taken[6] = {3, 2, 3, 4, 0, 0};
  assert_memory_equal(got, taken, sizeof taken);
  assert_int_equal(ky_tape_verify(t), KY_OK);
  refused(ky_segment_sum(t, x, p, 3), KY_BAD_SHAPE, "segment_sum: wants a vector of ids");
  refused(ky_scatter_add(t, x, 0, i, y), KY_BAD_SHAPE, "scatter_add: ranks 2, 1 and 2 differ");
  refused(ky_scatter_add(t, x, 0, p, ky_gt_scalar(t, y, 0)), KY_BAD_DTYPE,
          "scatter_add: dtypes");
}

static void ordered(void **state) {
  (void)state;
  static const double data[6] = {5, 1, 3, 2, 6, 4};
  static const int64_t first[2] = {1, 2};
  ky_var x = operand(KY_SHAPE(6)), indices;
  ky_var shuffled = ky_add(t, ky_mul_scalar(t, x, 0), ky_input(t, KY_F64, KY_SHAPE(6), data));
  double got[MOST];
  ky_array array;
  assert_int_equal(ky_data(t, ky_sort(t, shuffled, 0, 0, NULL), &array), KY_OK);
  read(array, got);
  assert_memory_equal(got, numbers, 6 * sizeof *got);
  ky_var m = operand(KY_SHAPE(2, 3));
  expect(m, ky_sort(t, m, 1, 1, NULL), KY_SHAPE(2, 3), WANT(3, 2, 1, 6, 5, 4));
  expect(m, ky_sort(t, m, 0, 1, NULL), KY_SHAPE(2, 3), WANT(4, 5, 6, 1, 2, 3));
  expect(m, ky_topk(t, m, 2, -1, 1, NULL), KY_SHAPE(2, 2), WANT(3, 2, 6, 5));
  expect(m, ky_topk(t, m, 2, -1, 0, &indices), KY_SHAPE(2, 2), WANT(1, 2, 4, 5));
  expect(m, ky_topk(t, m, 1, 0, 1, NULL), KY_SHAPE(1, 3), WANT(4, 5, 6));
  expect(m, ky_topk(t, m, 0, 1, 1, NULL), KY_SHAPE(2, 0), WANT(0));
  assert_int_equal(ky_data(t, indices, &array), KY_OK);
  assert_int_equal(array.dtype, KY_I64);
  assert_int_equal(((const int64_t *)array.data)[0], first[0] - 1);
  refused(ky_topk(t, m, 4, 1, 1, &indices), KY_BAD_ARGUMENT, "topk: 4 elements of 3");
  assert_int_equal(indices.id, 0);
  refused(ky_sort(t, m, 2, 0, NULL), KY_BAD_AXIS, "argsort: axis 2 is not in -2..1");
  const ky_var one =
      ky_reshape(t, ky_slice(t, ky_slice(t, m, 0, 0, 1, 1), 1, 0, 1, 1), 1, (int64_t[]){1});
  refused(ky_argsort(t, ky_expand(t, one, 1, (int64_t[]){INT64_C(1) << 32}), 0, 0),
          KY_BAD_SHAPE, "argsort: [4294967296]: more elements than can be sorted");
}

/* Programs plan memory by what the rows declare: the same values and gradients must come out.
 */
static void compiled(void **state) {
  (void)state;
  static const int64_t at[4] = {1, 0, 2, 1};
  double got[MOST], want[MOST];
  ky_array array;
  ky_var x = operand(KY_SHAPE(3, 4)), i = ky_input(t, KY_I64, KY_SHAPE(4), at);
  ky_var e = ky_embedding(t, ky_square(t, x), i, 0);
  e = ky_pad(t, ky_tril(t, e, 0), 2, (const int64_t[]){1, 0}, (const int64_t[]){1, 2},
             KY_PAD_REPLICATE, 0);
  e = ky_topk(t, ky_transpose(t, ky_square(t, e), 0, 1), 3, 0, 1, NULL);
  ky_var root = ky_sum_all(t, ky_square(t, e));
  assert_int_equal(ky_backward(t, root, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &array), KY_OK);
  read(array, want);
  ky_program *p;
  ky_exec *exec;
  const ky_compile_options options = {.size = sizeof options, .fuse_least = 1};
  if (ky_compile(t, root, &options, &p) != KY_OK) fail_msg("%s", ky_tape_message(t));
  assert_int_equal(ky_exec_new(p, NULL, &exec), KY_OK);
  assert_int_equal(ky_exec_step(exec, NULL), KY_OK);
  assert_int_equal(ky_exec_grad(exec, x, &array), KY_OK);
  read(array, got);
  assert_memory_equal(got, want, 12 * sizeof *got);
  ky_exec_free(exec);
  ky_program_free(p);
}

static void dumped(void **state) {
  (void)state;
  static const int64_t at[2] = {1, 0};
  char text[2048];
  ky_var x = operand(KY_SHAPE(2, 2)), i = ky_input(t, KY_I64, KY_SHAPE(2), at);
  ky_gather(t, x, 1, ky_argsort(t, x, 0, 1));
  ky_embedding(t, x, i, 1);
  ky_one_hot(t, i, 5, KY_F32);
  ky_triu(t, x, -1);
  ky_pad(t, x, 2, (const int64_t[]){1, 2}, (const int64_t[]){3, 4}, KY_PAD_CONSTANT, 0.5);
  assert_int_equal(ky_tape_check(t), KY_OK);
  FILE *out = tmpfile();
  assert_non_null(out);
  assert_int_equal(ky_tape_dump(t, out), KY_OK);
  rewind(out);
  text[fread(text, 1, sizeof text - 1, out)] = '\0';
  fclose(out);
  static const char *const lines[] = {
      "argsort    %1 axis=0 descending", "gather     %1 %3 axis=1",
      "embedding  %1 %2 padding=1",      "one_hot    %2 classes=5",
      "triu       %1 diagonal=-1",       "pad        %1 constant=0.5 1,3 2,4"};
  for (size_t k = 0; k < sizeof lines / sizeof *lines; k++)
    if (!strstr(text, lines[k])) fail_msg("no \"%s\" in\n%s", lines[k], text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(axes_of_one, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_of_an_axis, set_up, tear_down),
      cmocka_unit_test_setup_teardown(other_orders, set_up, tear_down),
      cmocka_unit_test_setup_teardown(tiles, set_up, tear_down),
      cmocka_unit_test_setup_teardown(joined_and_parted, set_up, tear_down),
      cmocka_unit_test_setup_teardown(diagonals, set_up, tear_down),
      cmocka_unit_test_setup_teardown(chosen_by_index, set_up, tear_down),
      cmocka_unit_test_setup_teardown(sums_by_index, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ordered, set_up, tear_down),
      cmocka_unit_test_setup_teardown(compiled, set_up, tear_down),
      cmocka_unit_test_setup_teardown(dumped, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("rearrange", tests, NULL, NULL);
}
