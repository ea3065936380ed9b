/* SPDX-License-Identifier: MIT */
/* Samples of cumsum and cumprod: n[0] is the axis. */
#include "samples.h"

#define ORACLE(name, start, expression)                                                        \
  static void oracle_##name(const nd *const *x, const ky_sample *s, nd *out) {                 \
    const int axis = (int)(s->n[0] < 0 ? s->n[0] + x[0]->rank : s->n[0]);                      \
    nd_shape(out, x[0]->rank, x[0]->dims);                                                     \
    for (int64_t n = 0; n < out->count; n++) {                                                 \
      int64_t index[KY_MAX_RANK];                                                              \
      nd_index(out, n, index);                                                                 \
      double r = start;                                                                        \
      for (int64_t k = 0, last = index[axis]; k <= last; k++) {                                \
        index[axis] = k;                                                                       \
        const double a = x[0]->at[nd_place(x[0], x[0]->rank, index)];                          \
        r = expression;                                                                        \
      }                                                                                        \
      out->at[n] = r;                                                                          \
    }                                                                                          \
  }                                                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name(t, x[0], s->n[0]);                                                        \
  }
ORACLE(cumsum, 0, r + a)
ORACLE(cumprod, 1, r *a)

static const ky_sample along[] = {
    {.shape = {DIMS(2, 3)}, .n = {-1}},
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(1)}},
    {.shape = {DIMS(3, 17)}, .n = {1}},
    {.shape = {DIMS(17, 3)}, .n = {0}},
    {.shape = {DIMS(4, 131)}, .n = {0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {2}},
    {.shape = {DIMS(3, 1)}, .n = {1}},
    {.shape = {DIMS(0)}},
    {.shape = {DIMS(2, 0)}, .n = {0}},
    {.shape = {DIMS(2, 0)}, .n = {1}},
};

/* clang-format off */
#define ROW {.shape = {DIMS(4)}}
/* clang-format on */
static const ky_example examples_cumsum[] = {
    {ROW, .x = {{1, 2, 3, 4}}, .r = {1, 3, 6, 10}, .grad = {{4, 3, 2, 1}}},
    {ROW, .x = {{1, NAN, 3, 4}}, .r = {1, NAN, NAN, NAN}, .grad = {{4, 3, 2, 1}}},
    {ROW, .x = {{1, INFINITY, 3, 4}}, .r = {1, INFINITY, INFINITY, INFINITY},
     .grad = {{4, 3, 2, 1}}},
};
static const ky_example examples_cumprod[] = {
    {ROW, .x = {{2, 3, 4, 5}}, .r = {2, 6, 24, 120}, .grad = {{76, 50, 36, 24}}},
    {ROW, .x = {{2, 0, 3, 4}}, .r = {2, 0, 0, 0}, .grad = {{1, 32, 0, 0}}},
    {ROW, .x = {{0, 0, 3, 4}}, .r = {0, 0, 0, 0}, .grad = {{1, 0, 0, 0}}},
    {ROW, .x = {{2, 0, 0, 4}}, .r = {2, 0, 0, 0}, .grad = {{1, 2, 0, 0}}},
    {ROW, .x = {{1, NAN, 3, 4}}, .r = {1, NAN, NAN, NAN}, .forward_only = true},
};

static const ky_refusal bad_axis[] = {
    {{.shape = {DIMS(2, 3)}, .n = {2}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {DIMS(2, 3)}, .n = {-3}}, KY_BAD_AXIS, "axis -3 is not in -2..1"},
    {{.shape = {{0}}}, KY_BAD_AXIS, "axis 0"},
};

#define SAMPLES(name, low, high)                                                               \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{low, high, UNIFORM, 0}},                      \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, along),                                      \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, bad_axis)};
SAMPLES(cumsum, -2, 2)
SAMPLES(cumprod, -1.5, 1.5)
