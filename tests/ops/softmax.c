/* SPDX-License-Identifier: MIT */
/* Samples of softmax and log_softmax: n[0] is the axis. */
#include "samples.h"

/* Natural logarithm of the sum of e^(x - a) along the axis, at the place of `index`. */
static double partition(const nd *x, const int64_t *index, int axis, double a) {
  int64_t at[KY_MAX_RANK];
  double top = -INFINITY, sum = 0;
  for (int k = 0; k < x->rank; k++) at[k] = index[k];
  for (at[axis] = 0; at[axis] < x->dims[axis]; at[axis]++)
    top = fmax(top, x->at[nd_place(x, x->rank, at)] - a);
  for (at[axis] = 0; at[axis] < x->dims[axis]; at[axis]++)
    sum += exp(x->at[nd_place(x, x->rank, at)] - a - top);
  return top + log(sum);
}

#define ORACLE(name, expression)                                                               \
  static void oracle_##name(const nd *const *x, const ky_sample *s, nd *out) {                 \
    const int axis = (int)(s->n[0] < 0 ? s->n[0] + x[0]->rank : s->n[0]);                      \
    nd_shape(out, x[0]->rank, x[0]->dims);                                                     \
    for (int64_t n = 0; n < out->count; n++) {                                                 \
      int64_t index[KY_MAX_RANK];                                                              \
      nd_index(out, n, index);                                                                 \
      const double total = partition(x[0], index, axis, x[0]->at[n]);                          \
      out->at[n] = expression;                                                                 \
    }                                                                                          \
  }                                                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name(t, x[0], s->n[0]);                                                        \
  }
ORACLE(softmax, exp(-total))
ORACLE(log_softmax, -total)

static const ky_sample along[] = {
    {.shape = {DIMS(2, 3)}, .n = {-1}},
    {.shape = {DIMS(5)}},
    {.shape = {DIMS(1)}},
    {.shape = {DIMS(3, 37)}, .n = {1}},
    {.shape = {DIMS(37, 3)}, .n = {0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {0}},
    {.shape = {DIMS(2, 3, 4)}, .n = {1}},
    {.shape = {DIMS(2, 3, 4)}, .n = {2}},
    {.shape = {DIMS(3, 1)}, .n = {1}},
    {.shape = {DIMS(0)}},
    {.shape = {DIMS(2, 0)}, .n = {0}},
    {.shape = {DIMS(2, 0)}, .n = {1}},
};

/* clang-format off */
#define PAIR {.shape = {DIMS(2)}}
/* clang-format on */
static const ky_example examples_softmax[] = {
    {PAIR, .x = {{1000, 1000}}, .r = {0.5, 0.5}, .grad = {{0, 0}}},
    {PAIR, .x = {{-1000, -1000}}, .r = {0.5, 0.5}, .grad = {{0, 0}}},
    {PAIR, .x = {{1000, -1000}}, .r = {1, 0}, .grad = {{0, 0}}},
    {PAIR, .x = {{0, -INFINITY}}, .r = {1, 0}, .grad = {{0, 0}}},
    {PAIR, .x = {{0, NAN}}, .r = {NAN, NAN}, .forward_only = true},
};
static const ky_example examples_log_softmax[] = {
    {PAIR, .x = {{1000, 1000}}, .r = {-0.6931471805599453, -0.6931471805599453},
     .grad = {{0, 0}}},
    {PAIR, .x = {{1000, -1000}}, .r = {0, -2000}, .grad = {{-1, 1}}},
    {PAIR, .x = {{0, -INFINITY}}, .r = {0, -INFINITY}, .grad = {{-1, 1}}},
    {PAIR, .x = {{0, NAN}}, .r = {NAN, NAN}, .forward_only = true},
};

static const ky_refusal bad_axis[] = {
    {{.shape = {DIMS(2, 3)}, .n = {2}}, KY_BAD_AXIS, "axis 2 is not in -2..1"},
    {{.shape = {DIMS(2, 3)}, .n = {-3}}, KY_BAD_AXIS, "axis -3 is not in -2..1"},
    {{.shape = {{0}}}, KY_BAD_AXIS, "axis 0"},
};

#define SAMPLES(name)                                                                          \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{-3, 3, UNIFORM, 0}},                          \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, along),                                      \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, bad_axis)};
SAMPLES(softmax)
SAMPLES(log_softmax)
