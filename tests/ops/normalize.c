/* SPDX-License-Identifier: MIT */
/* Samples of layernorm and rmsnorm: n[0] is the number of axes, n[1] what the second operand
 * is: 0 the weight, 1 the bias; s[0] is eps. */
#include "samples.h"

static void oracle(bool centred, const nd *const *x, const ky_sample *s, nd *out) {
  const int rank = x[0]->rank;
  const int64_t n = nd_extent(x[0], rank - (int)s->n[0], rank);
  const nd *w = s->operands > 1 && !s->n[1] ? x[1] : NULL;
  const nd *b = s->operands > 2 ? x[2] : s->operands > 1 && s->n[1] ? x[1] : NULL;
  nd_shape(out, rank, x[0]->dims);
  for (int64_t first = 0; first < out->count; first += n) {
    const double *row = x[0]->at + first;
    double mean = 0, square = 0;
    for (int64_t k = 0; k < n && centred; k++) mean += row[k] / (double)n;
    for (int64_t k = 0; k < n; k++) square += (row[k] - mean) * (row[k] - mean) / (double)n;
    for (int64_t k = 0; k < n; k++)
      out->at[first + k] =
          (row[k] - mean) / sqrt(square + s->s[0]) * (w ? w->at[k] : 1) + (b ? b->at[k] : 0);
  }
}

static void oracle_layernorm(const nd *const *x, const ky_sample *s, nd *out) {
  oracle(true, x, s, out);
}

static void oracle_rmsnorm(const nd *const *x, const ky_sample *s, nd *out) {
  oracle(false, x, s, out);
}

static ky_var record_layernorm(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const int operands = s->operands ? s->operands : 3;
  const ky_var w = operands > 1 && !s->n[1] ? x[1] : ky_none();
  const ky_var b = operands > 2 ? x[2] : operands > 1 && s->n[1] ? x[1] : ky_none();
  return ky_layernorm(t, x[0], (int)s->n[0], w, b, s->s[0]);
}

static ky_var record_rmsnorm(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_rmsnorm(t, x[0], (int)s->n[0], s->operands > 1 ? x[1] : ky_none(), s->s[0]);
}

/* eps is large, so that a row of equal elements is no kink for the size of a difference. */
/* clang-format off */
#define PLAIN                                                                                  \
  {.shape = {DIMS(5)}, .n = {1}, .s = {0.1}, .operands = 1},                                   \
  {.shape = {DIMS(3, 1)}, .n = {1}, .s = {0.1}, .operands = 1},                                \
  {.shape = {DIMS(3, 37)}, .n = {1}, .s = {1e-5}, .operands = 1,                               \
   .domain = {{-3, 3, DISTINCT, 0}}},                                                          \
  {.shape = {DIMS(3, 37), DIMS(37)}, .n = {1}, .s = {0.1}, .operands = 2},                     \
  {.shape = {DIMS(2, 3, 4), DIMS(3, 4)}, .n = {2}, .s = {0.1}, .operands = 2},                 \
  {.shape = {DIMS(2, 3, 4), DIMS(2, 3, 4)}, .n = {3}, .s = {0.1}, .operands = 2},              \
  {.shape = {DIMS(0, 4), DIMS(4)}, .n = {1}, .s = {0.1}, .operands = 2},                       \
  {.shape = {DIMS(4, 0), DIMS(0)}, .n = {1}, .s = {0.1}, .operands = 2}
/* clang-format on */

static const ky_sample layernorms[] = {
    {.shape = {DIMS(2, 5), DIMS(5), DIMS(5)}, .n = {1}, .s = {0.1}, .operands = 3},
    {.shape = {DIMS(3, 300), DIMS(300), DIMS(300)}, .n = {1}, .s = {0.1}, .operands = 3},
    {.shape = {DIMS(2, 3, 4), DIMS(3, 4), DIMS(3, 4)}, .n = {2}, .s = {0.1}, .operands = 3},
    {.shape = {DIMS(3, 5), DIMS(5)}, .n = {1, 1}, .s = {0.1}, .operands = 2}, /* a bias alone */
    {.shape = {DIMS(0, 4), DIMS(4), DIMS(4)}, .n = {1}, .s = {0.1}, .operands = 3},
    PLAIN,
};
static const ky_sample rmsnorms[] = {
    {.shape = {DIMS(2, 5), DIMS(5)}, .n = {1}, .s = {0.1}, .operands = 2},
    PLAIN,
};

/* clang-format off */
#define ROW .shape = {DIMS(4)}, .n = {1}, .operands = 1
/* clang-format on */
static const ky_example examples_layernorm[] = {
    {{ROW, .s = {1e-5}}, .x = {{2, 2, 2, 2}}, .r = {0, 0, 0, 0}, .grad = {{0, 0, 0, 0}}},
    {{ROW}, .x = {{1, -1, 1, -1}}, .r = {1, -1, 1, -1}, .grad = {{0, 0, 0, 0}}},
    {{ROW}, .x = {{1, NAN, 1, -1}}, .r = {NAN, NAN, NAN, NAN}, .forward_only = true},
    {{.shape = {DIMS(2), DIMS(2), DIMS(2)}, .n = {1}, .operands = 3, .s = {0}},
     .x = {{3, 5}, {2, 3}, {10, 20}},
     .r = {8, 23},
     .grad = {{0, 0}, {-1, 1}, {1, 1}}},
};
static const ky_example examples_rmsnorm[] = {
    {{ROW, .s = {1e-5}}, .x = {{0, 0, 0, 0}}, .r = {0, 0, 0, 0}, .forward_only = true},
    {{ROW}, .x = {{2, -2, 2, -2}}, .r = {1, -1, 1, -1}, .grad = {{0.5, 0.5, 0.5, 0.5}}},
    {{ROW}, .x = {{1, NAN, 1, -1}}, .r = {NAN, NAN, NAN, NAN}, .forward_only = true},
};

/* clang-format off */
#define REFUSALS                                                                               \
  {{.shape = {DIMS(2, 3)}, .n = {3}, .operands = 1}, KY_BAD_AXIS, "over 3 axes, wants 1 to 2"},\
  {{.shape = {DIMS(2, 3)}, .n = {0}, .operands = 1}, KY_BAD_AXIS, "over 0 axes, wants 1 to 2"},\
  {{.shape = {{0}}, .n = {1}, .operands = 1}, KY_BAD_AXIS, "has no axis to be over"},        \
  {{.shape = {DIMS(2, 3)}, .n = {1}, .s = {-1}, .operands = 1}, KY_BAD_ARGUMENT, "eps is -1"}, \
  {{.shape = {DIMS(2, 3)}, .n = {1}, .s = {NAN}, .operands = 1}, KY_BAD_ARGUMENT, "eps is"},   \
  {{.shape = {DIMS(2, 3), DIMS(2)}, .n = {1}, .operands = 2}, KY_BAD_SHAPE,                    \
   "the weight is [2], wants [3]"},                                                            \
  {{.shape = {DIMS(2, 3), DIMS(3)}, .n = {2}, .operands = 2}, KY_BAD_SHAPE,                    \
   "the weight is [3], wants [2,3]"}
/* clang-format on */
static const ky_refusal bad_layernorms[] = {
    REFUSALS,
    {{.shape = {DIMS(2, 3), DIMS(3), DIMS(1)}, .n = {1}, .operands = 3},
     KY_BAD_SHAPE,
     "the bias is [1], wants [3]"},
};
static const ky_refusal bad_rmsnorms[] = {REFUSALS};

#define SAMPLES(name)                                                                          \
  const ky_samples samples_##name = {                                                          \
      .operands = 3,                                                                           \
      .domain = {{-2, 2, UNIFORM, 0}, {-2, 2, UNIFORM, 0}, {-2, 2, UNIFORM, 0}},               \
      .whole = oracle_##name,                                                                  \
      .record = record_##name,                                                                 \
      LIST(sample, name##s),                                                                   \
      LIST(example, examples_##name),                                                          \
      LIST(refusal, bad_##name##s)};
SAMPLES(layernorm)
SAMPLES(rmsnorm)
