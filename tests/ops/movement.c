/* SPDX-License-Identifier: MIT */
/* Samples of the operations that move elements without computing: any dtype, and views wherever
 * there can be one. */
#include "samples.h"

#include <string.h>

#include "close.h"

#define ANYWHERE -3, 3, UNIFORM, 0

/* A view of an array of every dtype. */
/* clang-format off */
#define EACH_KIND(...)                                                                         \
  {__VA_ARGS__}, {__VA_ARGS__, .kind = {INT32}}, {__VA_ARGS__, .kind = {INT64}},               \
  {__VA_ARGS__, .kind = {MASK}}
/* clang-format on */

/* ---- reshape: dims ---------------------------------------------------------------------- */

static void oracle_reshape(const nd *const *x, const ky_sample *s, nd *out) {
  int64_t dims[KY_MAX_RANK], known = 1;
  for (int k = 0; k < s->dims.rank; k++)
    if (s->dims.dims[k] >= 0) known *= s->dims.dims[k];
  for (int k = 0; k < s->dims.rank; k++)
    dims[k] = s->dims.dims[k] >= 0 ? s->dims.dims[k] : x[0]->count / known;
  nd_shape(out, s->dims.rank, dims);
  memcpy(out->at, x[0]->at, (size_t)x[0]->count * sizeof(double));
}

static ky_var record_reshape(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_reshape(t, x[0], s->dims.rank, s->dims.dims);
}

static const ky_sample samples_of_reshape[] = {
    EACH_KIND(.shape = {DIMS(2, 3, 4)}, .dims = DIMS(6, 4)),
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(4, -1)},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(24)},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(2, 3, 2, 2)},
    {.shape = {DIMS(37)}, .dims = DIMS(37, 1)},
    {.shape = {{0}}, .dims = DIMS(1)},
    {.shape = {DIMS(1, 1)}, .dims = {0}},
    {.shape = {DIMS(0, 3)}, .dims = DIMS(3, 0)},
    {.shape = {DIMS(0, 3)}, .dims = DIMS(-1, 3)},
};

static const ky_refusal refusals_of_reshape[] = {
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(4)},
     KY_BAD_SHAPE,
     "[2,3]: 6 elements do not fit [4]"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(4, -1)}, KY_BAD_SHAPE, "6 elements do not fit"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(-1, -1)}, KY_BAD_SHAPE, "more than one -1"},
    {{.shape = {DIMS(0, 3)}, .dims = DIMS(0, -1)}, KY_BAD_SHAPE, "-1"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(-2, 3)}, KY_BAD_SHAPE, "-2"},
    {{.shape = {DIMS(2, 3)}, .dims = {9, {1}}}, KY_BAD_SHAPE, "rank 9"},
};

const ky_samples samples_reshape = {.operands = 1,
                                    .domain = {{ANYWHERE}},
                                    .any_dtype = true,
                                    .whole = oracle_reshape,
                                    .record = record_reshape,
                                    LIST(sample, samples_of_reshape),
                                    LIST(refusal, refusals_of_reshape)};

/* ---- permute: dims are the axes --------------------------------------------------------- */

static int axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

static void oracle_permute(const nd *const *x, const ky_sample *s, nd *out) {
  const int rank = x[0]->rank;
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < rank; k++) dims[k] = x[0]->dims[axis_of(s->dims.dims[k], rank)];
  nd_shape(out, rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t to[KY_MAX_RANK], from[KY_MAX_RANK];
    nd_index(out, n, to);
    for (int k = 0; k < rank; k++) from[axis_of(s->dims.dims[k], rank)] = to[k];
    out->at[n] = x[0]->at[nd_place(x[0], rank, from)];
  }
}

static ky_var record_permute(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_permute(t, x[0], s->dims.rank, s->dims.dims);
}

static const ky_sample samples_of_permute[] = {
    EACH_KIND(.shape = {DIMS(2, 3, 4)}, .dims = DIMS(2, 0, 1)),
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0, 1, 2)},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(-1, -2, -3)},
    {.shape = {DIMS(3, 37)}, .dims = DIMS(1, 0)},
    {.shape = {DIMS(5)}, .dims = DIMS(0)},
    {.shape = {{0}}, .dims = {0}},
    {.shape = {DIMS(2, 0, 3)}, .dims = DIMS(2, 1, 0)},
    {.shape = {DIMS(2, 1, 3, 2)}, .dims = DIMS(3, 1, 0, 2)},
};

static const ky_refusal refusals_of_permute[] = {
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(0, 0)}, KY_BAD_AXIS, "[2,3]: axis 0 is repeated"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(0, 2)}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(0)}, KY_BAD_AXIS, "[2,3]: 1 axes"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(0, 1, 2)}, KY_BAD_AXIS, "[2,3]: 3 axes"},
    {{.shape = {DIMS(2, 3)}, .dims = {9, {0}}}, KY_BAD_AXIS, "9 axes"},
};

const ky_samples samples_permute = {.operands = 1,
                                    .domain = {{ANYWHERE}},
                                    .any_dtype = true,
                                    .whole = oracle_permute,
                                    .record = record_permute,
                                    LIST(sample, samples_of_permute),
                                    LIST(refusal, refusals_of_permute)};

/* ---- slice: n is axis, start, stop, step ------------------------------------------------ */

/* Where Python would start or stop: from the end if negative, then cut to what a step can
 * reach. */
static int64_t cut(int64_t position, int64_t n, int64_t step) {
  const int64_t first = step > 0 ? 0 : -1, last = step > 0 ? n : n - 1;
  if (position < 0) position = position < -n ? -1 : position + n;
  return position < first ? first : position > last ? last : position;
}

static void oracle_slice(const nd *const *x, const ky_sample *s, nd *out) {
  const int rank = x[0]->rank, axis = axis_of(s->n[0], rank);
  const int64_t n = x[0]->dims[axis], far = n + 1; /* a step that leaves the array */
  const int64_t step = s->n[3] > far ? far : s->n[3] < -far ? -far : s->n[3];
  const int64_t start = cut(s->n[1], n, step), stop = cut(s->n[2], n, step);
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK], count = 0;
  for (int64_t p = start; step > 0 ? p < stop : p > stop; p += step) count++;
  memcpy(dims, x[0]->dims, sizeof dims);
  dims[axis] = count;
  nd_shape(out, rank, dims);
  for (int64_t k = 0; k < out->count; k++) {
    nd_index(out, k, index);
    index[axis] = start + index[axis] * step;
    int64_t flat = 0;
    for (int d = 0; d < rank; d++) flat = flat * x[0]->dims[d] + index[d];
    out->at[k] = x[0]->at[flat];
  }
}

static ky_var record_slice(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_slice(t, x[0], s->n[0], s->n[1], s->n[2], s->n[3]);
}

static const ky_sample samples_of_slice[] = {
    EACH_KIND(.shape = {DIMS(2, 5, 3)}, .n = {1, 1, 4, 2}),
    {.shape = {DIMS(7)}, .n = {0, 0, INT64_MAX, 1}},
    {.shape = {DIMS(7)}, .n = {0, INT64_MAX, INT64_MIN, -1}},
    {.shape = {DIMS(7)}, .n = {-1, -3, -1, 1}},
    {.shape = {DIMS(7)}, .n = {0, 5, 0, -2}},
    {.shape = {DIMS(7)}, .n = {0, -100, 100, 3}},
    {.shape = {DIMS(7)}, .n = {0, 100, -100, -3}},
    {.shape = {DIMS(7)}, .n = {0, 4, 2, 1}}, /* nothing */
    {.shape = {DIMS(7)}, .n = {0, 2, 4, -1}},
    {.shape = {DIMS(7)}, .n = {0, 1, 7, 100}},
    {.shape = {DIMS(7)}, .n = {0, 1, 7, INT64_MAX}},
    {.shape = {DIMS(7)}, .n = {0, 6, INT64_MIN, INT64_MIN}},
    {.shape = {DIMS(3, 37)}, .n = {1, 3, 30, 1}},
    {.shape = {DIMS(3, 4)}, .n = {0, 2, 3, 1}},
    {.shape = {DIMS(0, 3)}, .n = {0, 0, 5, 1}},
    {.shape = {DIMS(0, 3)}, .n = {0, INT64_MAX, INT64_MIN, -1}},
    {.shape = {DIMS(0, 3)}, .n = {1, 1, 3, 1}},
};

static const ky_refusal refusals_of_slice[] = {
    {{.shape = {DIMS(2, 3)}, .n = {2, 0, 1, 1}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {DIMS(2, 3)}, .n = {0, 0, 1, 0}}, KY_BAD_ARGUMENT, "[2,3]: the step is 0"},
    {{.shape = {{0}}, .n = {0, 0, 1, 1}}, KY_BAD_AXIS, "axis 0"},
};

const ky_samples samples_slice = {.operands = 1,
                                  .domain = {{ANYWHERE}},
                                  .any_dtype = true,
                                  .whole = oracle_slice,
                                  .record = record_slice,
                                  LIST(sample, samples_of_slice),
                                  LIST(refusal, refusals_of_slice)};

/* ---- expand: dims ----------------------------------------------------------------------- */

static void oracle_expand(const nd *const *x, const ky_sample *s, nd *out) {
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t index[KY_MAX_RANK];
    nd_index(out, n, index);
    out->at[n] = x[0]->at[nd_place(x[0], out->rank, index)];
  }
}

static ky_var record_expand(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_expand(t, x[0], s->dims.rank, s->dims.dims);
}

static const ky_sample samples_of_expand[] = {
    EACH_KIND(.shape = {DIMS(3, 1)}, .dims = DIMS(2, 3, 4)),
    {.shape = {DIMS(3)}, .dims = DIMS(3)},
    {.shape = {DIMS(3)}, .dims = DIMS(2, 3)},
    {.shape = {DIMS(1)}, .dims = DIMS(37)},
    {.shape = {{0}}, .dims = DIMS(2, 2)},
    {.shape = {{0}}, .dims = {0}},
    {.shape = {DIMS(2, 1, 3)}, .dims = DIMS(4, 2, 5, 3)},
    {.shape = {DIMS(1)}, .dims = DIMS(0)},
    {.shape = {DIMS(0)}, .dims = DIMS(2, 0)},
};

static const ky_refusal refusals_of_expand[] = {
    {{.shape = {DIMS(3)}, .dims = DIMS(4)}, KY_BAD_SHAPE, "[3]: does not broadcast to [4]"},
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(3)},
     KY_BAD_SHAPE,
     "[2,3]: does not broadcast to [3]"},
    {{.shape = {DIMS(3)}, .dims = DIMS(3, 1)},
     KY_BAD_SHAPE,
     "[3]: does not broadcast to [3,1]"},
    {{.shape = {DIMS(1)}, .dims = DIMS(-1)}, KY_BAD_SHAPE, "extent -1"},
};

const ky_samples samples_expand = {.operands = 1,
                                   .domain = {{ANYWHERE}},
                                   .any_dtype = true,
                                   .whole = oracle_expand,
                                   .record = record_expand,
                                   LIST(sample, samples_of_expand),
                                   LIST(refusal, refusals_of_expand)};

/* ---- concat: n[0] is the axis, n[1] makes the list null or empty ------------------------ */

static void oracle_concat(const nd *const *x, const ky_sample *s, nd *out) {
  const int rank = x[0]->rank, axis = axis_of(s->n[0], rank);
  int64_t dims[KY_MAX_RANK], begin = 0, index[KY_MAX_RANK];
  memcpy(dims, x[0]->dims, sizeof dims);
  for (int k = 1; k < s->operands; k++) dims[axis] += x[k]->dims[axis];
  nd_shape(out, rank, dims);
  for (int k = 0; k < s->operands; k++) {
    for (int64_t n = 0; n < x[k]->count; n++) {
      nd_index(x[k], n, index);
      index[axis] += begin;
      int64_t flat = 0;
      for (int d = 0; d < rank; d++) flat = flat * dims[d] + index[d];
      out->at[flat] = x[k]->at[n];
    }
    begin += x[k]->dims[axis];
  }
}

static ky_var record_concat(ky_tape *t, const ky_var *x, const ky_sample *s) {
  if (s->n[1] == 1) return ky_concat(t, 2, NULL, s->n[0]);
  if (s->n[1] == 2) return ky_concat(t, 0, x, s->n[0]);
  return ky_concat(t, (size_t)s->operands, x, s->n[0]);
}

static const ky_sample samples_of_concat[] = {
    {.shape = {DIMS(2, 3), DIMS(2, 1), DIMS(2, 2)}, .n = {1}},
    {.shape = {DIMS(2, 3), DIMS(1, 3)}, .operands = 2, .n = {-2}},
    {.shape = {DIMS(2, 3, 2), DIMS(2, 1, 2)}, .operands = 2, .n = {1}},
    {.shape = {DIMS(5)}, .operands = 1},
    {.shape = {DIMS(3, 2), DIMS(3, 2), DIMS(3, 2)}, .n = {0}},
    {.shape = {DIMS(37), DIMS(0), DIMS(5)}},
    {.shape = {DIMS(0, 2), DIMS(0, 3)}, .operands = 2, .n = {1}},
    {.shape = {DIMS(2), DIMS(3)}, .kind = {INT32, INT32}, .operands = 2},
    {.shape = {DIMS(2), DIMS(3)}, .kind = {INT64, INT64}, .operands = 2},
    {.shape = {DIMS(2), DIMS(3)}, .kind = {MASK, MASK}, .operands = 2},
};

static const ky_refusal refusals_of_concat[] = {
    {{.shape = {DIMS(2, 3), DIMS(3, 3)}, .operands = 2, .n = {1}}, KY_BAD_SHAPE, "[3,3]"},
    {{.shape = {DIMS(2, 3), DIMS(2)}, .operands = 2, .n = {0}}, KY_BAD_SHAPE, "[2]"},
    {{.shape = {DIMS(2), DIMS(2)}, .operands = 2, .n = {1}}, KY_BAD_AXIS, "axis 1 is not in"},
    {{.shape = {{0}, {0}}, .operands = 2}, KY_BAD_AXIS, "axis 0"},
    {{.shape = {DIMS(2), DIMS(2)}, .operands = 2, .n = {0, 1}},
     KY_BAD_ARGUMENT,
     "concat: 2 operands, but their array is null"},
    {{.shape = {DIMS(2), DIMS(2)}, .operands = 2, .n = {0, 2}},
     KY_BAD_ARGUMENT,
     "concat: 0 operands, wants 1 or more"},
};

const ky_samples samples_concat = {.operands = 3,
                                   .domain = {{ANYWHERE}, {ANYWHERE}, {ANYWHERE}},
                                   .any_dtype = true,
                                   .whole = oracle_concat,
                                   .record = record_concat,
                                   LIST(sample, samples_of_concat),
                                   LIST(refusal, refusals_of_concat)};

/* ---- stop_gradient ---------------------------------------------------------------------- */

static void oracle_stop_gradient(const nd *const *x, const ky_sample *s, nd *out) {
  (void)s;
  nd_copy(out, x[0]);
}

static ky_var record_stop_gradient(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_stop_gradient(t, x[0]);
}

/* x stop(x) + x: the gradient is x + 1, not 2 x + 1. */
static void check_partial_gradient(void) {
  const double data[] = {3, -5};
  ky_array g;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2), data);
  const ky_status watch = ky_watch(t, x);
  const ky_var stopped = ky_stop_gradient(t, x), y = ky_add(t, ky_mul(t, x, stopped), x);
  const ky_status back = ky_backward(t, y, NULL), grad = ky_grad(t, x, &g);
  const double got[2] = {((const double *)g.data)[0], ((const double *)g.data)[1]};
  const ky_status watch_stopped = ky_watch(t, stopped);
  ky_tape_free(t);
  assert_int_equal(watch, KY_OK);
  assert_int_equal(back, KY_OK);
  assert_int_equal(grad, KY_OK);
  assert_close(got[0], 4, 0);
  assert_close(got[1], -4, 0);
  assert_int_equal(watch_stopped, KY_BAD_ARGUMENT);
}

static const ky_sample samples_of_stop_gradient[] = {
    {.shape = {{0}}},
    {.shape = {DIMS(3, 4)}},
    {.shape = {DIMS(0, 2)}},
    {.shape = {DIMS(3, 4)}, .kind = {INT32}},
    {.shape = {DIMS(5)}, .kind = {INT64}},
    {.shape = {DIMS(5)}, .kind = {MASK}},
};

const ky_samples samples_stop_gradient = {.operands = 1,
                                          .domain = {{ANYWHERE}},
                                          .any_dtype = true,
                                          .whole = oracle_stop_gradient,
                                          .record = record_stop_gradient,
                                          LIST(sample, samples_of_stop_gradient),
                                          .also = check_partial_gradient};
