/* SPDX-License-Identifier: MIT */
/* Samples of the operations that choose elements by integers, and of those that find positions.
 */
#include "samples.h"

#include <string.h>

#include "close.h"

#define ANYWHERE      -3, 3, UNIFORM, 0
#define BELOW(extent) .domain = {{0}, {0, (extent)-1, INTEGER, 0}}

static int axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

/* Where the element at `index` of a smaller array stands in `a`, its axis replaced by `at`. */
static int64_t moved_place(const nd *a, const int64_t index[KY_MAX_RANK], int axis, double at) {
  int64_t flat = 0;
  for (int d = 0; d < a->rank; d++)
    flat = flat * a->dims[d] + (d == axis ? (int64_t)at : index[d]);
  return flat;
}

/* The forward sweep of `v` must stop with a message that contains `says`. */
static void expect_bad_index(ky_tape *t, ky_var v, const char *says) {
  ky_array array;
  assert_int_equal(ky_data(t, v, &array), KY_BAD_INDEX);
  if (!strstr(ky_tape_message(t), says)) fail_msg("%s", ky_tape_message(t));
}

static const float six[6] = {0, 1, 2, 3, 4, 5};

/* ---- gather: n[0] is the axis ------------------------------------------------------------ */

static void oracle_gather(const nd *const *x, const ky_sample *s, nd *out) {
  int64_t index[KY_MAX_RANK];
  nd_shape(out, x[1]->rank, x[1]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    nd_index(out, n, index);
    out->at[n] = x[0]->at[moved_place(x[0], index, axis_of(s->n[0], x[0]->rank), x[1]->at[n])];
  }
}

static ky_var record_gather(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_gather(t, x[0], s->n[0], x[1]);
}

static const ky_sample samples_of_gather[] = {
    {.shape = {DIMS(3, 4), DIMS(2, 4)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 4), DIMS(3, 6)}, .kind = {REAL, INT32}, BELOW(4), .n = {1}},
    {.shape = {DIMS(3, 4), DIMS(2, 2)}, .kind = {REAL, INT64}, BELOW(4), .n = {-1}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 5, 3)}, .kind = {REAL, INT32}, BELOW(3), .n = {1}},
    {.shape = {DIMS(5), DIMS(600)}, .kind = {REAL, INT64}, BELOW(5)},
    {.shape = {DIMS(3, 37), DIMS(3, 37)}, .kind = {REAL, INT64}, BELOW(37), .n = {1}},
    {.shape = {DIMS(3, 0), DIMS(4, 0)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(0, 3), DIMS(0, 3)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 2), DIMS(0, 2)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 2), DIMS(2, 2)}, .kind = {INT32, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 2), DIMS(2, 2)}, .kind = {INT64, INT32}, BELOW(3)},
    {.shape = {DIMS(3, 2), DIMS(2, 2)}, .kind = {MASK, INT64}, BELOW(3)},
};

static const ky_example examples_gather[] = {
    {{.shape = {DIMS(4), DIMS(3)}, .kind = {REAL, INT64}}, /* repeated indices add up */
     .x = {{5, NAN, 7, -INFINITY}, {2, 0, 2}},
     .r = {7, 5, 7},
     .grad = {{1, 0, 2, 0}}},
};

static const ky_refusal refusals_of_gather[] = {
    {{.shape = {DIMS(2, 3), DIMS(2, 3)}, .kind = {REAL, INT64}, .n = {2}},
     KY_BAD_AXIS,
     "axis 2 is not in -2..1"},
    {{.shape = {DIMS(2, 3), DIMS(3)}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "[2,3] x [3]: "},
    {{.shape = {DIMS(2, 3), DIMS(3, 3)}, .kind = {REAL, INT64}, .n = {1}},
     KY_BAD_SHAPE,
     "axis 0 has 3 indices for 2 elements"},
    {{.shape = {DIMS(0), DIMS(2)}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "nothing to point at"},
    {{.shape = {{0}, {0}}, .kind = {REAL, INT64}}, KY_BAD_AXIS, "axis 0"},
};

static void bad_gathers(void) {
  static const int64_t bad[2][2] = {{0, 1}, {1, 2}}, negative[2] = {0, -1};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(2, 3), six);
  const ky_var at = ky_input(t, KY_I64, KY_SHAPE(2, 2), bad);
  expect_bad_index(t, ky_gather(t, x, 0, at), "gather: index 2 at [1,1] is not in 0..1");
  ky_tape_free(t);
  t = ky_tape_new(NULL);
  const ky_var y = ky_input(t, KY_F32, KY_SHAPE(2, 3), six);
  const ky_var i = ky_input(t, KY_I64, KY_SHAPE(2), negative);
  expect_bad_index(t, ky_index_select(t, y, 1, i), "index -1 at [1] is not in 0..2");
  ky_tape_free(t);
}

const ky_samples samples_gather = {.operands = 2,
                                   .domain = {{ANYWHERE}, {0, 1, INTEGER, 0}},
                                   .any_dtype = true,
                                   .whole = oracle_gather,
                                   .record = record_gather,
                                   LIST(sample, samples_of_gather),
                                   LIST(example, examples_gather),
                                   LIST(refusal, refusals_of_gather),
                                   .also = bad_gathers};

/* ---- scatter_sum: n[0] is the axis, dims the result's ------------------------------------ */

static void oracle_scatter_sum(const nd *const *x, const ky_sample *s, nd *out) {
  int64_t index[KY_MAX_RANK];
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = 0;
  for (int64_t n = 0; n < x[0]->count; n++) {
    nd_index(x[0], n, index);
    out->at[moved_place(out, index, axis_of(s->n[0], out->rank), x[1]->at[n])] += x[0]->at[n];
  }
}

static ky_var record_scatter_sum(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const int64_t *dims = s->n[1] ? NULL : s->dims.dims;
  return ky_scatter_sum(t, x[0], s->n[0], x[1], s->dims.rank, dims);
}

static const ky_sample samples_of_scatter_sum[] = {
    {.shape = {DIMS(5, 3), DIMS(5, 3)}, .kind = {REAL, INT64}, BELOW(4), .dims = DIMS(4, 3)},
    {.shape = {DIMS(5, 3), DIMS(5, 3)},
     .kind = {REAL, INT32},
     BELOW(2),
     .n = {1},
     .dims = DIMS(6, 2)},
    {.shape = {DIMS(2, 7, 3), DIMS(2, 7, 3)},
     .kind = {REAL, INT64},
     BELOW(3),
     .n = {-2},
     .dims = DIMS(2, 3, 4)},
    {.shape = {DIMS(300), DIMS(300)}, .kind = {REAL, INT64}, BELOW(40), .dims = DIMS(40)},
    {.shape = {DIMS(0, 3), DIMS(0, 3)}, .kind = {REAL, INT64}, BELOW(4), .dims = DIMS(4, 3)},
    {.shape = {DIMS(0, 3), DIMS(0, 3)}, .kind = {REAL, INT64}, BELOW(4), .dims = DIMS(0, 3)},
};

static const ky_refusal refusals_of_scatter_sum[] = {
    {{.shape = {DIMS(2), DIMS(3)}, .kind = {REAL, INT64}, .dims = DIMS(4)},
     KY_BAD_SHAPE,
     "[2] x [3]: every element wants one index"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .dims = DIMS(4, 2)},
     KY_BAD_SHAPE,
     "indices of rank 1 for rank 2"},
    {{.shape = {DIMS(2, 3), DIMS(2, 3)}, .kind = {REAL, INT64}, .dims = DIMS(4, 2)},
     KY_BAD_SHAPE,
     "axis 1 has 3 indices for 2 elements"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .n = {1}, .dims = DIMS(4)},
     KY_BAD_AXIS,
     "axis 1 is not in -1..0"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .dims = DIMS(0)},
     KY_BAD_SHAPE,
     "nothing to point at"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .dims = DIMS(-4)},
     KY_BAD_SHAPE,
     "extent -4"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .dims = {9, {1}}},
     KY_BAD_SHAPE,
     "rank 9"},
    {{.shape = {DIMS(2), DIMS(2)}, .kind = {REAL, INT64}, .n = {0, 1}, .dims = DIMS(4)},
     KY_BAD_ARGUMENT,
     "dims is null"},
};

static void bad_scatters(void) {
  static const int64_t bad[3] = {0, 1, 9};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(3, 2), six);
  const ky_var at = ky_input(t, KY_I64, KY_SHAPE(3), bad);
  expect_bad_index(t, ky_segment_sum(t, x, at, 2), "index 9 at [2] is not in 0..1");
  ky_tape_free(t);
}

const ky_samples samples_scatter_sum = {.operands = 2,
                                        .domain = {{ANYWHERE}, {0, 1, INTEGER, 0}},
                                        .whole = oracle_scatter_sum,
                                        .record = record_scatter_sum,
                                        LIST(sample, samples_of_scatter_sum),
                                        LIST(refusal, refusals_of_scatter_sum),
                                        .also = bad_scatters};

/* ---- embedding: n[0] is the padding + 1 -------------------------------------------------- */

static void oracle_embedding(const nd *const *x, const ky_sample *s, nd *out) {
  (void)s;
  int64_t dims[KY_MAX_RANK];
  const int64_t d = x[0]->dims[1];
  memcpy(dims, x[1]->dims, sizeof dims);
  dims[x[1]->rank] = d;
  nd_shape(out, x[1]->rank + 1, dims);
  for (int64_t n = 0; n < out->count; n++)
    out->at[n] = x[0]->at[(int64_t)x[1]->at[n / d] * d + n % d];
}

static ky_var record_embedding(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_embedding(t, x[0], x[1], s->n[0] - 1);
}

static const ky_sample samples_of_embedding[] = {
    {.shape = {DIMS(5, 3), DIMS(4)}, .kind = {REAL, INT64}, BELOW(5)},
    {.shape = {DIMS(5, 3), DIMS(2, 7)}, .kind = {REAL, INT32}, BELOW(5)},
    {.shape = {DIMS(5, 1), DIMS(300)}, .kind = {REAL, INT32}, BELOW(5)},
    {.shape = {DIMS(3, 37), {0}}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 4), DIMS(0, 2)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(3, 0), DIMS(2)}, .kind = {REAL, INT64}, BELOW(3)},
    {.shape = {DIMS(0, 4), DIMS(0)}, .kind = {REAL, INT64}, BELOW(3)},
};

static const ky_example examples_embedding[] = {
    {{.shape = {DIMS(3, 2), DIMS(4)}, .kind = {REAL, INT64}, .n = {2}}, /* row 1 is padding */
     .x = {{1, 2, 3, 4, 5, 6}, {1, 0, 0, 1}},
     .r = {3, 4, 1, 2, 1, 2, 3, 4},
     .grad = {{2, 2, 0, 0, 0, 0}}},
    {{.shape = {DIMS(3, 1), DIMS(4)}, .kind = {REAL, INT32}, .n = {1}},
     .x = {{1, 2, 3}, {2, 0, 2, 1}},
     .r = {3, 1, 3, 2},
     .grad = {{0, 1, 2}}},
};

static const ky_refusal refusals_of_embedding[] = {
    {{.shape = {DIMS(3), DIMS(2)}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "got rank 1"},
    {{.shape = {DIMS(3, 2), DIMS(2)}, .kind = {REAL, INT64}, .n = {4}},
     KY_BAD_INDEX,
     "[3,2] x [2]: padding 3 is not in 0..2"},
    {{.shape = {DIMS(3, 2), DIMS(2)}, .kind = {REAL, INT64}, .n = {-1}},
     KY_BAD_INDEX,
     "padding -2"},
    {{.shape = {DIMS(0, 2), DIMS(2)}, .kind = {REAL, INT64}},
     KY_BAD_SHAPE,
     "nothing to point at"},
};

static void bad_embeddings(void) {
  static const int32_t bad[4] = {0, 1, 2, -7}, good[4] = {0, 1, 2, 2};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(3, 2), six);
  const ky_var at = ky_input(t, KY_I32, KY_SHAPE(2, 2), good);
  assert_int_equal(ky_watch(t, x), KY_OK);
  const ky_var r = ky_embedding(t, x, at, -1);
  assert_int_equal(ky_forward(t), KY_OK);
  assert_int_equal(ky_backward(t, r, NULL), KY_OK);
  assert_int_equal(ky_input_set(t, at, bad), KY_OK);
  expect_bad_index(t, r, "embedding: index -7 at [1,1] is not in 0..2");
  ky_tape_free(t);
}

const ky_samples samples_embedding = {.operands = 2,
                                      .domain = {{ANYWHERE}, {0, 1, INTEGER, 0}},
                                      .whole = oracle_embedding,
                                      .record = record_embedding,
                                      LIST(sample, samples_of_embedding),
                                      LIST(example, examples_embedding),
                                      LIST(refusal, refusals_of_embedding),
                                      .also = bad_embeddings};

/* ---- one_hot: n[0] is the number of classes, n[1] makes the dtype a bad one -------------- */

static void oracle_one_hot(const nd *const *x, const ky_sample *s, nd *out) {
  int64_t dims[KY_MAX_RANK];
  memcpy(dims, x[0]->dims, sizeof dims);
  dims[x[0]->rank] = s->n[0];
  nd_shape(out, x[0]->rank + 1, dims);
  for (int64_t n = 0; n < out->count; n++)
    out->at[n] = (int64_t)x[0]->at[n / s->n[0]] == n % s->n[0];
}

static ky_var record_one_hot(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_one_hot(t, x[0], s->n[0], s->n[1] ? (ky_dtype)99 : KY_I64);
}

#define CLASSES(count) .domain = {{0, (count)-1, INTEGER, 0}}, .n = {count}
static const ky_sample samples_of_one_hot[] = {
    {.shape = {DIMS(4)}, .kind = {INT64}, CLASSES(5)},
    {.shape = {DIMS(2, 7)}, .kind = {INT32}, CLASSES(3)},
    {.shape = {{0}}, .kind = {INT64}, CLASSES(37)},
    {.shape = {DIMS(0, 3)}, .kind = {INT64}, CLASSES(2)},
};

static const ky_refusal refusals_of_one_hot[] = {
    {{.shape = {DIMS(2)}, .kind = {INT64}, .n = {0}}, KY_BAD_SHAPE, "[2]: there are indices"},
    {{.shape = {DIMS(2)}, .kind = {INT64}, .n = {-1}}, KY_BAD_ARGUMENT, "-1 classes"},
    {{.shape = {DIMS(2)}, .kind = {INT64}, .n = {3, 1}},
     KY_BAD_DTYPE,
     "values cannot be of dtype 99"},
};

static void other_one_hots(void) {
  static const int64_t at[2] = {2, 0}, bad[2] = {2, 3};
  static const float ones[6] = {0, 0, 1, 1, 0, 0};
  static const uint8_t mask[6] = {0, 0, 1, 1, 0, 0};
  ky_array array;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var i = ky_input(t, KY_I64, KY_SHAPE(2), at);
  assert_int_equal(ky_data(t, ky_one_hot(t, i, 3, KY_F32), &array), KY_OK);
  assert_memory_equal(array.data, ones, sizeof ones);
  assert_int_equal(ky_data(t, ky_one_hot(t, i, 3, KY_MASK), &array), KY_OK);
  assert_memory_equal(array.data, mask, sizeof mask);
  assert_int_equal(ky_input_set(t, i, bad), KY_OK);
  expect_bad_index(t, ky_one_hot(t, i, 3, KY_I32), "index 3 at [1] is not in 0..2");
  ky_tape_free(t);
}

const ky_samples samples_one_hot = {.operands = 1,
                                    .domain = {{0, 1, INTEGER, 0}},
                                    .result = IS_INT64,
                                    .whole = oracle_one_hot,
                                    .record = record_one_hot,
                                    LIST(sample, samples_of_one_hot),
                                    LIST(refusal, refusals_of_one_hot),
                                    .also = other_one_hots};

/* ---- argsort: n is axis, descending ------------------------------------------------------ */

/* Whether a stands before b in a rising order. */
static bool before(double a, double b) { return a < b || (isnan(b) && !isnan(a)); }

/* An element's position is how many stand before it. */
static void oracle_argsort(const nd *const *x, const ky_sample *s, nd *out) {
  const int axis = axis_of(s->n[0], x[0]->rank);
  int64_t index[KY_MAX_RANK];
  nd_shape(out, x[0]->rank, x[0]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    nd_index(out, n, index);
    const int64_t self = index[axis];
    int64_t place = 0;
    for (int64_t k = 0; k < x[0]->dims[axis]; k++) {
      const double a = x[0]->at[moved_place(x[0], index, axis, (double)k)], b = x[0]->at[n];
      const bool less = s->n[1] ? before(b, a) : before(a, b);
      const bool more = s->n[1] ? before(a, b) : before(b, a);
      place += less || (!more && k < self);
    }
    out->at[moved_place(out, index, axis, (double)place)] = (double)self;
  }
}

static ky_var record_argsort(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_argsort(t, x[0], s->n[0], (int)s->n[1]);
}

static const ky_sample samples_of_argsort[] = {
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(37)}, .n = {0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {1, 1}},
    {.shape = {DIMS(2, 7, 4)}, .n = {-2}},
    {.shape = {DIMS(2, 3, 4)}, .n = {-1}},
    {.shape = {DIMS(3, 1)}, .n = {1}},
    {.shape = {DIMS(3, 0)}, .n = {1}},
    {.shape = {DIMS(0, 3)}, .n = {1}},
    {.shape = {DIMS(900)}, .domain = {{-3, 3, UNIFORM, 0}}},
    {.shape = {DIMS(211, 3)}, .n = {0, 1}, .domain = {{-300, 300, UNIFORM, 0}}},
    {.shape = {DIMS(2, 9)}, .kind = {INT32}, .n = {1}},
    {.shape = {DIMS(2, 9)}, .kind = {INT64}, .n = {1, 1}},
    {.shape = {DIMS(2, 9)}, .kind = {MASK}, .n = {1}},
    {.shape = {DIMS(2, 90)}, .kind = {INT32}, .n = {1, 1}},
    {.shape = {DIMS(2, 90)}, .kind = {INT64}, .n = {1}},
    {.shape = {DIMS(2, 90)}, .kind = {MASK}, .n = {1}},
};

static const ky_example examples_argsort[] = {
    {{.shape = {DIMS(6)}},
     .x = {{1, NAN, -INFINITY, 1, NAN, INFINITY}},
     .r = {2, 0, 3, 5, 1, 4}},
    {{.shape = {DIMS(6)}, .n = {0, 1}},
     .x = {{1, NAN, -INFINITY, 1, NAN, INFINITY}},
     .r = {1, 4, 5, 0, 3, 2}},
    {{.shape = {DIMS(4)}},
     .x = {{0.0, -0.0, 0.0, -1}},
     .r = {3, 0, 1, 2}}, /* zeros are equal */
};

static const ky_refusal refusals_of_argsort[] = {
    {{.shape = {DIMS(2, 3)}, .n = {2}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {{0}}}, KY_BAD_AXIS, "axis 0"},
};

const ky_samples samples_argsort = {.operands = 1,
                                    .domain = {{-2, 2, INTEGER, 0}},
                                    .result = IS_INT64,
                                    .any_dtype = true,
                                    .whole = oracle_argsort,
                                    .record = record_argsort,
                                    LIST(sample, samples_of_argsort),
                                    LIST(example, examples_argsort),
                                    LIST(refusal, refusals_of_argsort)};

/* ---- argmin: n is keepdim, axis ---------------------------------------------------------- */

static void oracle_argmin(const nd *const *x, const ky_sample *s, nd *out) {
  const int axis = axis_of(s->n[1], x[0]->rank);
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK];
  memcpy(dims, x[0]->dims, sizeof dims);
  dims[axis] = 1;
  nd_shape(out, x[0]->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    nd_index(out, n, index);
    int64_t best = 0;
    for (int64_t k = 1; k < x[0]->dims[axis]; k++) {
      const double least = x[0]->at[moved_place(x[0], index, axis, (double)best)];
      if (!isnan(least) && !(x[0]->at[moved_place(x[0], index, axis, (double)k)] >= least))
        best = k;
    }
    out->at[n] = (double)best;
  }
  if (s->n[0]) return;
  for (int d = axis; d + 1 < out->rank; d++) out->dims[d] = out->dims[d + 1];
  out->rank--;
}

static ky_var record_argmin(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_argmin(t, x[0], s->n[1], (int)s->n[0]);
}

static const ky_sample samples_of_argmin[] = {
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(37)}, .n = {1, -1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0, 0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {1, 1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0, -1}},
    {.shape = {DIMS(3, 1)}, .n = {0, 1}},
    {.shape = {DIMS(0, 3)}, .n = {0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {INT32}, .n = {0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {INT64}, .n = {0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {MASK}, .n = {0, 1}},
};

static const ky_example examples_argmin[] = {
    {{.shape = {DIMS(4)}}, .x = {{2, 1, 3, 1}}, .r = {1}}, /* the first of a tie */
    {{.shape = {DIMS(4)}}, .x = {{1, NAN, -9, NAN}}, .r = {1}},
    {{.shape = {DIMS(4)}}, .x = {{INFINITY, INFINITY, INFINITY, INFINITY}}, .r = {0}},
};

static const ky_refusal refusals_of_argmin[] = {
    {{.shape = {DIMS(2, 3)}, .n = {0, 2}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {{0}}}, KY_BAD_AXIS, "axis 0"},
    {{.shape = {DIMS(2, 0)}, .n = {0, 1}}, KY_BAD_SHAPE, "[2,0]: nothing to choose from"},
};

const ky_samples samples_argmin = {.operands = 1,
                                   .domain = {{-2, 2, INTEGER, 0}},
                                   .result = IS_INT64,
                                   .any_dtype = true,
                                   .whole = oracle_argmin,
                                   .record = record_argmin,
                                   LIST(sample, samples_of_argmin),
                                   LIST(example, examples_argmin),
                                   LIST(refusal, refusals_of_argmin)};
