/* SPDX-License-Identifier: MIT */
/* Samples of the reductions that are more than a sum: `dims` is the list of axes (empty: all),
 * n[0] is keepdim, n[1] the form that takes no axes, n[2] the correction or the order. */
#include "samples.h"

/* ---- a set of elements for each result --------------------------------------------------- */

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

typedef double of_set(int64_t n, const double *x, const ky_sample *s);

static void each_set(const nd *x, const ky_sample *s, of_set *f, nd *out) {
  static double set[ND_MAX];
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK];
  int rank = 0;
  kept_shape(x, s, out);
  for (int64_t r = 0; r < out->count; r++) {
    int64_t n = 0;
    for (int64_t k = 0; k < x->count; k++) {
      nd_index(x, k, index);
      if (nd_place(out, x->rank, index) == r) set[n++] = x->at[k];
    }
    out->at[r] = f(n, set, s);
  }
  for (int k = 0; k < x->rank; k++)
    if (s->n[0] || !reduces(s, x->rank, k)) dims[rank++] = out->dims[k];
  nd_shape(out, rank, dims);
}

static double of_prod(int64_t n, const double *x, const ky_sample *s) {
  double r = 1;
  (void)s;
  for (int64_t k = 0; k < n; k++) r *= x[k];
  return r;
}

static double of_variance(int64_t n, const double *x, const ky_sample *s) {
  double mean = n ? x[0] : 0, r = 0; /* exact where all elements are equal */
  for (int64_t k = 0; k < n; k++) mean += (x[k] - x[0]) / (double)n;
  for (int64_t k = 0; k < n; k++) r += (x[k] - mean) * (x[k] - mean);
  return r / fmax(0, (double)(n - s->n[2]));
}

static double of_std(int64_t n, const double *x, const ky_sample *s) {
  return sqrt(of_variance(n, x, s));
}

static double of_norm(int64_t n, const double *x, const ky_sample *s) {
  double one = 0, two = 0, most = 0;
  for (int64_t k = 0; k < n; k++) {
    one += fabs(x[k]);
    two += x[k] * x[k];
    most = fmax(most, fabs(x[k]));
  }
  return s->n[2] == KY_NORM_1 ? one : s->n[2] == KY_NORM_2 ? sqrt(two) : most;
}

static double of_logsumexp(int64_t n, const double *x, const ky_sample *s) {
  double top = -INFINITY, r = 0;
  (void)s;
  for (int64_t k = 0; k < n; k++) top = fmax(top, x[k]);
  for (int64_t k = 0; k < n && !isinf(top); k++) r += exp(x[k] - top);
  return isinf(top) ? top : top + log(r);
}

static double of_any(int64_t n, const double *x, const ky_sample *s) {
  double r = 0;
  (void)s;
  for (int64_t k = 0; k < n; k++) r = fmax(r, x[k]);
  return r;
}

static double of_all(int64_t n, const double *x, const ky_sample *s) {
  double r = 1;
  (void)s;
  for (int64_t k = 0; k < n; k++) r = fmin(r, x[k]);
  return r;
}

#define ORACLE(name)                                                                           \
  static void oracle_##name(const nd *const *x, const ky_sample *s, nd *out) {                 \
    each_set(x[0], s, of_##name, out);                                                         \
  }
#define PLAIN(name)                                                                            \
  ORACLE(name)                                                                                 \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    if (s->n[1]) return ky_##name##_all(t, x[0]);                                              \
    return ky_##name(t, x[0], s->dims.rank, s->dims.dims, (int)s->n[0]);                       \
  }
#define NUMBERED(name)                                                                         \
  ORACLE(name)                                                                                 \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    if (s->n[1]) return ky_##name##_all(t, x[0], (int)s->n[2]);                                \
    return ky_##name(t, x[0], s->dims.rank, s->dims.dims, (int)s->n[0], (int)s->n[2]);         \
  }
PLAIN(prod)
PLAIN(logsumexp)
PLAIN(any)
PLAIN(all)
NUMBERED(variance)
NUMBERED(std)
NUMBERED(norm)

/* ---- samples ----------------------------------------------------------------------------- */

/* clang-format off */
#define SHAPES(form, ...)                                                                      \
  {.shape = {{0}}, .n = {0, 0, form}, __VA_ARGS__},                                            \
  {.shape = {DIMS(5)}, .n = {0, 0, form}, __VA_ARGS__},                                        \
  {.shape = {DIMS(3)}, .dims = DIMS(0), .n = {1, 0, form}, __VA_ARGS__},                       \
  {.shape = {DIMS(37)}, .dims = DIMS(-1), .n = {0, 0, form}, __VA_ARGS__},                     \
  {.shape = {DIMS(2, 3, 4)}, .n = {1, 0, form}, __VA_ARGS__},                                  \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0), .n = {0, 0, form}, __VA_ARGS__},                 \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(1), .n = {1, 0, form}, __VA_ARGS__},                 \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(-1), .n = {0, 0, form}, __VA_ARGS__},                \
  {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(2, 0), .n = {1, 0, form}, __VA_ARGS__},              \
  {.shape = {DIMS(37, 3)}, .dims = DIMS(0), .n = {0, 0, form}, __VA_ARGS__},                   \
  {.shape = {DIMS(3, 37)}, .dims = DIMS(1), .n = {0, 0, form}, __VA_ARGS__},                   \
  {.shape = {DIMS(4, 131)}, .dims = DIMS(0), .n = {0, 0, form}, __VA_ARGS__},                  \
  {.shape = {DIMS(3, 0)}, .dims = DIMS(0), .n = {0, 0, form}, __VA_ARGS__}

#define EMPTY(form)                                                                            \
  {.shape = {DIMS(0)}, .n = {0, 0, form}},                                                     \
  {.shape = {DIMS(3, 0)}, .dims = DIMS(1), .n = {0, 0, form}},                                 \
  {.shape = {DIMS(0, 3)}, .dims = DIMS(0), .n = {1, 0, form}}

#define ALL_FORM {.shape = {DIMS(2, 3)}, .n = {0, 1}}

#define BAD_AXES(form)                                                                         \
  {{.shape = {DIMS(2, 3)}, .dims = DIMS(2), .n = {0, 0, form}}, KY_BAD_AXIS,                   \
   "axis 2 is not in -2..1"},                                                                  \
  {{.shape = {DIMS(2, 3)}, .dims = DIMS(1, -1), .n = {0, 0, form}}, KY_BAD_AXIS,               \
   "axis -1 is repeated"},                                                                     \
  {{.shape = {{0}}, .dims = DIMS(0), .n = {0, 0, form}}, KY_BAD_AXIS, "axis 0"},               \
  {{.shape = {DIMS(2)}, .dims = {-1, {0}}, .n = {0, 0, form}}, KY_BAD_ARGUMENT, "-1 axes"}

#define ROW(...) {.shape = {DIMS(4)}, __VA_ARGS__}
/* clang-format on */

static const ky_sample plain[] = {SHAPES(0, .s = {0}), EMPTY(0), ALL_FORM};
static const ky_sample masks[] = {SHAPES(0, .kind = {MASK}),
                                  {.shape = {DIMS(2, 3)}, .n = {0, 1}, .kind = {MASK}},
                                  {.shape = {DIMS(0)}, .kind = {MASK}},
                                  {.shape = {DIMS(3, 0)}, .dims = DIMS(1), .kind = {MASK}}};
static const ky_sample spreads[] = {
    SHAPES(0, .s = {0}),
    EMPTY(0),
    {.shape = {DIMS(5)}, .n = {0, 0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(1), .n = {1, 0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0, 2), .n = {0, 0, 1}},
    {.shape = {DIMS(4, 131)}, .dims = DIMS(0), .n = {0, 0, 1}},
    {.shape = {DIMS(0)}, .n = {0, 0, 1}},
    {.shape = {DIMS(2, 3)}, .n = {0, 1, 1}},
};
/* Sets of two or more elements: the root has a kink where the variance is 0. */
static const ky_sample roots[] = {
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(5)}, .n = {1, 0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(1), .n = {1, 0, 1}},
    {.shape = {DIMS(2, 3, 4)}, .dims = DIMS(0, 2), .n = {0, 0, 0}},
    {.shape = {DIMS(3, 37)}, .dims = DIMS(-1), .n = {0, 0, 1}},
    {.shape = {DIMS(4, 131)}, .dims = DIMS(0)},
    {.shape = {DIMS(0, 3)}, .dims = DIMS(1)},
    {.shape = {DIMS(0)}, .n = {0, 0, 1}},
    {.shape = {DIMS(3, 0)}, .dims = DIMS(0)},
    {.shape = {DIMS(2, 3)}, .n = {0, 1, 1}},
};
/* clang-format off */
#define POSITIVE .domain = {{0.5, 4, DISTINCT, 0}}
/* clang-format on */
static const ky_sample norms[] = {
    SHAPES(KY_NORM_1, .s = {0}),
    SHAPES(KY_NORM_2, .s = {0}),
    SHAPES(KY_NORM_INF, POSITIVE),
    EMPTY(KY_NORM_1),
    EMPTY(KY_NORM_2),
    EMPTY(KY_NORM_INF),
    {.shape = {DIMS(2, 3)}, .n = {0, 1, KY_NORM_2}},
};

/* ---- kinks, ties, extremes --------------------------------------------------------------- */

static const ky_example examples_prod[] = {
    {ROW(), .x = {{2, 0, 3, 4}}, .r = {0}, .grad = {{0, 24, 0, 0}}},
    {ROW(), .x = {{2, 0, 0, 4}}, .r = {0}, .grad = {{0, 0, 0, 0}}},
    {ROW(), .x = {{0, 0, 0, 0}}, .r = {0}, .grad = {{0, 0, 0, 0}}},
    {ROW(), .x = {{-1, 2, -0.5, 4}}, .r = {4}, .grad = {{-4, 2, -8, 1}}},
    {ROW(), .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW(), .x = {{1, INFINITY, 2, 3}}, .r = {INFINITY}, .forward_only = true},
    {{.shape = {DIMS(0)}}, .r = {1}},
};
static const ky_example examples_variance[] = {
    {ROW(), .x = {{1, 1, 1, 1}}, .r = {0}, .grad = {{0, 0, 0, 0}}},
    {ROW(.n = {0, 0, 1}), .x = {{1, 2, 4, 5}}, .r = {10.0 / 3},
     .grad = {{-4.0 / 3, -2.0 / 3, 2.0 / 3, 4.0 / 3}}},
    {ROW(), .x = {{1000001, 1000002, 1000004, 1000005}}, .r = {2.5},
     .grad = {{-1, -0.5, 0.5, 1}}},
    {ROW(), .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {{.shape = {DIMS(1)}, .n = {0, 0, 1}}, .x = {{3}}, .r = {NAN}, .grad = {{NAN}}},
};
static const ky_example examples_std[] = {
    {ROW(), .x = {{1, 1, 1, 1}}, .r = {0}, .grad = {{0, 0, 0, 0}}}, /* the kink */
    {ROW(), .x = {{1, 3, 1, 3}}, .r = {1}, .grad = {{-0.25, 0.25, -0.25, 0.25}}},
    {ROW(), .x = {{1, INFINITY, 2, 3}}, .r = {NAN}, .forward_only = true},
    {{.shape = {DIMS(1)}, .n = {0, 0, 1}}, .x = {{3}}, .r = {NAN}, .grad = {{NAN}}},
};
static const ky_example examples_norm[] = {
    {ROW(.n = {0, 0, KY_NORM_1}), .x = {{-1, 0, 2, -3}}, .r = {6}, .grad = {{-1, 0, 1, -1}}},
    {ROW(.n = {0, 0, KY_NORM_1}), .x = {{-1, NAN, 2, 0}}, .r = {NAN}, .grad = {{-1, 0, 1, 0}}},
    {ROW(.n = {0, 0, KY_NORM_2}), .x = {{0, 0, 0, 0}}, .r = {0}, .grad = {{0, 0, 0, 0}}},
    {ROW(.n = {0, 0, KY_NORM_2}), .x = {{3, 0, -4, 0}}, .r = {5}, .grad = {{0.6, 0, -0.8, 0}}},
    {ROW(.n = {0, 0, KY_NORM_2}), .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW(.n = {0, 0, KY_NORM_INF}), .x = {{-3, 1, 3, 2}}, .r = {3},
     .grad = {{-0.5, 0, 0.5, 0}}},
    {ROW(.n = {0, 0, KY_NORM_INF}), .x = {{0, 0, 0, 0}}, .r = {0}, .grad = {{0, 0, 0, 0}}},
    {ROW(.n = {0, 0, KY_NORM_INF}), .x = {{1, NAN, 2, 3}}, .r = {NAN}, .forward_only = true},
    {ROW(.n = {0, 0, KY_NORM_INF}), .x = {{1, -INFINITY, 2, 3}}, .r = {INFINITY},
     .grad = {{0, -1, 0, 0}}},
};
static const ky_example examples_logsumexp[] = {
    {ROW(), .x = {{1000, 1000, -1000, 1000}}, .r = {1001.0986122886681},
     .grad = {{1. / 3, 1. / 3, 0, 1. / 3}}, .f64_only = true},
    {ROW(), .x = {{-1000, -INFINITY, -INFINITY, -INFINITY}}, .r = {-1000},
     .grad = {{1, 0, 0, 0}}},
    {ROW(), .x = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}}, .r = {-INFINITY},
     .forward_only = true},
    {ROW(), .x = {{0, INFINITY, 0, 0}}, .r = {INFINITY}, .forward_only = true},
    {ROW(), .x = {{0, NAN, 0, 0}}, .r = {NAN}, .forward_only = true},
    {{.shape = {DIMS(0)}}, .r = {-INFINITY}},
};

/* ---- refusals ---------------------------------------------------------------------------- */

static const ky_refusal bad_axes[] = {BAD_AXES(0)};
static const ky_refusal bad_spreads[] = {
    BAD_AXES(0),
    {{.shape = {DIMS(2)}, .n = {0, 0, 2}}, KY_BAD_ARGUMENT, "correction 2, wants 0 or 1"},
    {{.shape = {DIMS(2)}, .n = {0, 0, -1}}, KY_BAD_ARGUMENT, "the number -1"},
};
static const ky_refusal bad_norms[] = {
    BAD_AXES(KY_NORM_2),
    {{.shape = {DIMS(2)}, .n = {0, 0, 0}}, KY_BAD_ARGUMENT, "order 0, wants KY_NORM_1"},
    {{.shape = {DIMS(2)}, .n = {0, 0, 4}}, KY_BAD_ARGUMENT, "order 4"},
};
static const ky_refusal bad_masks[] = {
    {{.shape = {DIMS(2, 3)}, .dims = DIMS(2), .kind = {MASK}}, KY_BAD_AXIS, "axis 2"},
    {{.shape = {DIMS(2, 3)}, .kind = {INT32}}, KY_BAD_DTYPE, "wants a mask, got i32"},
};

#define SAMPLES(name, where, list, bad)                                                        \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{where}},                                      \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, list),                                       \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, bad)};
#define APART -3, 3, UNIFORM, 0.1
SAMPLES(prod, APART, plain, bad_axes)
SAMPLES(logsumexp, APART, plain, bad_axes)

SAMPLES(norm, APART, norms, bad_norms)
/* Not constant along an axis, where the derivative is all rounding. */
#define SPACED -3, 3, DISTINCT, 0
SAMPLES(variance, SPACED, spreads, bad_spreads)
SAMPLES(std, SPACED, roots, bad_spreads)

#define QUANTIFIER(name)                                                                       \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{0, 1, INTEGER, 0}},                           \
                                     .result = IS_MASK,                                        \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, masks),                                      \
                                     LIST(refusal, bad_masks)};
QUANTIFIER(any)
QUANTIFIER(all)
