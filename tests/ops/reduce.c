/* SPDX-License-Identifier: MIT */
/* Samples of the reductions: `dims` is the list of axes (empty: all), n[0] is keepdim. */
#include "samples.h"

/* ---- sum, mean, max, min ---------------------------------------------------------------- */

/* Whether the sample reduces axis k of a value of rank `rank`. */
static bool reduces(const ky_sample *s, int rank, int k) {
  for (int n = 0; n < s->dims.rank; n++)
    if (s->dims.dims[n] == k || s->dims.dims[n] == k - rank) return true;
  return s->dims.rank == 0;
}

/* Shape of the result with reduced axes as 1. */
static void kept_shape(const nd *x, const ky_sample *s, nd *out) {
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < x->rank; k++) dims[k] = reduces(s, x->rank, k) ? 1 : x->dims[k];
  nd_shape(out, x->rank, dims);
}

/* Takes out reduced axes unless they are to be kept. */
static void settle_shape(const nd *x, const ky_sample *s, nd *out) {
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < x->rank; k++)
    if (s->n[0] || !reduces(s, x->rank, k)) dims[rank++] = out->dims[k];
  nd_shape(out, rank, dims);
}

static void fold(const nd *x, const ky_sample *s, double start, double (*add)(double, double),
                 nd *out) {
  kept_shape(x, s, out);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = start;
  for (int64_t n = 0; n < x->count; n++) {
    int64_t index[KY_MAX_RANK];
    nd_index(x, n, index);
    double *r = &out->at[nd_place(out, x->rank, index)];
    *r = add(*r, x->at[n]);
  }
}

static double plus(double a, double b) { return a + b; }

static void oracle_sum(const nd *const *x, const ky_sample *s, nd *out) {
  fold(x[0], s, 0, plus, out);
  settle_shape(x[0], s, out);
}

static void oracle_mean(const nd *const *x, const ky_sample *s, nd *out) {
  fold(x[0], s, 0, plus, out);
  double count = 1;
  for (int k = 0; k < x[0]->rank; k++)
    if (reduces(s, x[0]->rank, k)) count *= (double)x[0]->dims[k];
  for (int64_t n = 0; n < out->count; n++) out->at[n] /= count;
  settle_shape(x[0], s, out);
}

/* NaN if either is. */
static double larger(double a, double b) { return a > b || isnan(a) ? a : b; }

static double smaller(double a, double b) { return a < b || isnan(a) ? a : b; }

static void oracle_max(const nd *const *x, const ky_sample *s, nd *out) {
  fold(x[0], s, -INFINITY, larger, out);
  settle_shape(x[0], s, out);
}

static void oracle_min(const nd *const *x, const ky_sample *s, nd *out) {
  fold(x[0], s, INFINITY, smaller, out);
  settle_shape(x[0], s, out);
}

/* n[1]: the form that takes no axes. */
#define RECORD(name)                                                                           \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    if (s->n[1]) return ky_##name##_all(t, x[0]);                                              \
    return ky_##name(t, x[0], s->dims.rank, s->dims.dims, (int)s->n[0]);                       \
  }
RECORD(sum)
RECORD(mean)
RECORD(max)
RECORD(min)

/* clang-format off */
#define NOT_EMPTY                                                                              \
  {.shape = {{0}}},                                                                            \
  {.shape = {{0}}, .n = {1, 0}},                                                               \
  {.shape = {DIMS(5)}, .n = {0, 1}},                                                           \
  {.shape = {DIMS(1)}, .dims = DIMS(0)},                                                       \
  {.shape = {DIMS(37)}, .dims = DIMS(0), .n = {1}},                                            \
  {.shape = {DIMS(37)}, .dims = DIMS(-1)},                                                     \
  {.shape = {DIMS(2, 3, 4)}},                                                                  \
  {.shape = {DIMS(2, 3, 4)}, .n = {1}},                                                        \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0)},                                                 \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(1), .n = {1}},                                       \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(-1)},                                                \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0, 2)},                                              \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(2, 0), .n = {1}},                                    \
  {.shape = {DIMS(2, 3, 4, 2)}, .dims = DIMS(-3, 3)},                                          \
  {.shape = {DIMS(37, 3)}, .dims = DIMS(0)},                                                   \
  {.shape = {DIMS(3, 37)}, .dims = DIMS(1)},                                                   \
  {.shape = {DIMS(3, 1, 2)}, .dims = DIMS(1)},                                                 \
  {.shape = {DIMS(3, 0)}, .dims = DIMS(0)}

#define EMPTY                                                                                  \
  {.shape = {DIMS(0)}, .n = {0, 1}},                                                           \
  {.shape = {DIMS(3, 0)}, .dims = DIMS(1)},                                                    \
  {.shape = {DIMS(0, 3)}, .dims = DIMS(0), .n = {1}}

#define BAD_AXES                                                                               \
  {{.shape = {DIMS(2, 3)}, .dims = DIMS(2)}, KY_BAD_AXIS, "axis 2 is not in -2..1"},           \
  {{.shape = {DIMS(2, 3)}, .dims = DIMS(-3)}, KY_BAD_AXIS, "axis -3 is not in -2..1"},         \
  {{.shape = {DIMS(2, 3)}, .dims = DIMS(1, -1)}, KY_BAD_AXIS, "axis -1 is repeated"},          \
  {{.shape = {{0}}, .dims = DIMS(0)}, KY_BAD_AXIS, "axis 0"},                                  \
  {{.shape = {DIMS(2)}, .dims = {-1, {0}}}, KY_BAD_ARGUMENT, "-1 axes"}
/* clang-format on */

static const ky_sample any_size[] = {NOT_EMPTY, EMPTY};
static const ky_sample not_empty[] = {NOT_EMPTY};
static const ky_refusal bad_axes[] = {BAD_AXES};
static const ky_refusal nothing_to_choose[] = {
    BAD_AXES,
    {{.shape = {DIMS(0)}}, KY_BAD_SHAPE, "[0]: nothing to choose from"},
    {{.shape = {DIMS(2, 0)}, .dims = DIMS(1)}, KY_BAD_SHAPE, "[2,0]: nothing to choose from"},
};

/* clang-format off */
#define ROW {.shape = {DIMS(4)}}
/* clang-format on */
static const ky_example examples_max[] = {
    {ROW, .x = {{1, 3, 2, 3}}, .r = {3}, .grad = {{0, 0.5, 0, 0.5}}}, /* ties share */
    {ROW, .x = {{2, 2, 2, 2}}, .r = {2}, .grad = {{0.25, 0.25, 0.25, 0.25}}},
    {ROW, .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW, .x = {{NAN, 1, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW, .x = {{-INFINITY, -1, -2, -3}}, .r = {-1}, .grad = {{0, 1, 0, 0}}},
};
static const ky_example examples_min[] = {
    {ROW, .x = {{1, 3, 1, 3}}, .r = {1}, .grad = {{0.5, 0, 0.5, 0}}},
    {ROW, .x = {{2, 2, 2, 2}}, .r = {2}, .grad = {{0.25, 0.25, 0.25, 0.25}}},
    {ROW, .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW, .x = {{INFINITY, 1, 2, 3}}, .r = {1}, .grad = {{0, 1, 0, 0}}},
};

const ky_samples samples_sum = {.operands = 1,
                                .domain = {{-2, 2, UNIFORM, 0}},
                                .whole = oracle_sum,
                                .record = record_sum,
                                LIST(sample, any_size),
                                LIST(refusal, bad_axes)};
const ky_samples samples_mean = {.operands = 1,
                                 .domain = {{-2, 2, UNIFORM, 0}},
                                 .whole = oracle_mean,
                                 .record = record_mean,
                                 LIST(sample, any_size),
                                 LIST(refusal, bad_axes)};
const ky_samples samples_max = {.operands = 1,
                                .domain = {{-2, 2, DISTINCT, 0}},
                                .whole = oracle_max,
                                .record = record_max,
                                LIST(sample, not_empty),
                                LIST(example, examples_max),
                                LIST(refusal, nothing_to_choose)};
const ky_samples samples_min = {.operands = 1,
                                .domain = {{-2, 2, DISTINCT, 0}},
                                .whole = oracle_min,
                                .record = record_min,
                                LIST(sample, not_empty),
                                LIST(example, examples_min),
                                LIST(refusal, nothing_to_choose)};

/* ---- argmax: n[2] is the axis ----------------------------------------------------------- */

static ky_sample with_axis(const ky_sample *s) {
  ky_sample one = *s;
  one.dims = (ky_extents){1, {s->n[2]}};
  return one;
}

static void oracle_argmax(const nd *const *x, const ky_sample *s, nd *out) {
  const ky_sample one = with_axis(s);
  const int axis = (int)(s->n[2] < 0 ? s->n[2] + x[0]->rank : s->n[2]);
  kept_shape(x[0], &one, out);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t index[KY_MAX_RANK], best = 0;
    double most = -INFINITY;
    nd_index(out, n, index);
    for (index[axis] = 0; index[axis] < x[0]->dims[axis]; index[axis]++) {
      const double candidate = x[0]->at[nd_place(x[0], x[0]->rank, index)];
      if (index[axis] == 0 || (!isnan(most) && !(candidate <= most))) {
        most = candidate;
        best = index[axis];
      }
    }
    out->at[n] = (double)best;
  }
  settle_shape(x[0], &one, out);
}

static ky_var record_argmax(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_argmax(t, x[0], s->n[2], (int)s->n[0]);
}

static const ky_sample samples_of_argmax[] = {
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(37)}, .n = {1, 0, -1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0, 0, 0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {1, 0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0, 0, -1}},
    {.shape = {DIMS(3, 1)}, .n = {0, 0, 1}},
    {.shape = {DIMS(0, 3)}, .n = {0, 0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {INT32}, .n = {0, 0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {INT64}, .n = {0, 0, 1}},
    {.shape = {DIMS(2, 5)}, .kind = {MASK}, .n = {0, 0, 1}},
};

static const ky_example examples_argmax[] = {
    {ROW, .x = {{1, 3, 2, 3}}, .r = {1}}, /* the first of a tie */
    {ROW, .x = {{1, NAN, 9, NAN}}, .r = {1}},
    {ROW, .x = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}}, .r = {0}},
};

static const ky_refusal refusals_of_argmax[] = {
    {{.shape = {DIMS(2, 3)}, .n = {0, 0, 2}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {{0}}}, KY_BAD_AXIS, "axis 0"},
    {{.shape = {DIMS(2, 0)}, .n = {0, 0, 1}}, KY_BAD_SHAPE, "[2,0]: nothing to choose from"},
};

const ky_samples samples_argmax = {.operands = 1,
                                   .domain = {{-2, 2, INTEGER, 0}},
                                   .result = IS_INT64,
                                   .any_dtype = true,
                                   .whole = oracle_argmax,
                                   .record = record_argmax,
                                   LIST(sample, samples_of_argmax),
                                   LIST(example, examples_argmax),
                                   LIST(refusal, refusals_of_argmax)};
