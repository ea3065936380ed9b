/* SPDX-License-Identifier: MIT */
/* Samples of rope: n[0] is the first position, n[1] the pairing; s[0] the base. */
#include "samples.h"

static void oracle(const nd *const *x, const ky_sample *s, nd *out) {
  const nd *a = x[0];
  const int64_t t = a->dims[a->rank - 2], d = a->dims[a->rank - 1], pairs = d / 2;
  nd_shape(out, a->rank, a->dims);
  for (int64_t n = 0; n < out->count; n += d)
    for (int64_t j = 0; j < pairs; j++) {
      const double position = (double)(s->n[0] + n / d % t);
      const double angle = position * pow(s->s[0], -(double)j / (double)pairs);
      const int64_t u = n + (s->n[1] ? 2 * j : j), v = s->n[1] ? u + 1 : u + pairs;
      out->at[u] = a->at[u] * cos(angle) - a->at[v] * sin(angle);
      out->at[v] = a->at[v] * cos(angle) + a->at[u] * sin(angle);
    }
}

static ky_var record(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_rope(t, x[0], s->n[0], s->s[0], (ky_rope_pairs)s->n[1]);
}

static const ky_sample samples[] = {
    {.shape = {DIMS(3, 4)}, .s = {10000}},
    {.shape = {DIMS(3, 4)}, .n = {0, 1}, .s = {10000}},
    {.shape = {DIMS(1, 2)}, .n = {7, 1}, .s = {2}},
    {.shape = {DIMS(2, 3, 5, 6)}, .n = {100, 0}, .s = {10000}},
    {.shape = {DIMS(2, 3, 5, 6)}, .n = {-3, 1}, .s = {500}},
    {.shape = {DIMS(2, 3, 38)}, .s = {10000}},
    {.shape = {DIMS(2, 3, 74)}, .n = {0, 1}, .s = {10000}},
    {.shape = {DIMS(2, 2, 300)}, .n = {1}, .s = {0.5}},
    {.shape = {DIMS(3, 2)}, .n = {1000000}, .s = {1}},
    {.shape = {DIMS(0, 3, 4)}, .s = {10000}},
    {.shape = {DIMS(2, 0, 4)}, .s = {10000}},
    {.shape = {DIMS(2, 3, 0)}, .s = {10000}},
};

static ky_sample random_sample(ky_dice *dice) {
  static const double bases[] = {10000, 500, 2, 1};
  ky_sample s = {.n = {dice_roll(dice, -5, 1000), dice_roll(dice, 0, 1)},
                 .s = {bases[dice_roll(dice, 0, 3)]}};
  ky_extents *x = &s.shape[0];
  x->rank = (int)dice_roll(dice, 2, 4);
  for (int k = 0; k < x->rank - 1; k++)
    x->dims[k] = dice_roll(dice, 0, 19) ? dice_extent(dice, 5) : 0;
  x->dims[x->rank - 1] = 2 * dice_extent(dice, x->rank < 4 ? 33 : 9);
  return s;
}

static const ky_example examples[] = {
    {{.shape = {DIMS(1, 4)}, .s = {10000}},
     .x = {{1, 2, 3, 4}},
     .r = {1, 2, 3, 4},
     .grad = {{1, 1, 1, 1}}},
    {{.shape = {DIMS(1, 2)}, .n = {1}, .s = {10000}},
     .x = {{1, 0}},
     .r = {0.54030230586813977, 0.8414709848078965},
     .grad = {{1.3817732906760363, -0.30116867893975674}}},
    {{.shape = {DIMS(1, 2)}, .s = {10000}},
     .x = {{NAN, 1}},
     .r = {NAN, NAN},
     .forward_only = true},
};

static const ky_refusal refusals[] = {
    {{.shape = {DIMS(4)}, .s = {10000}}, KY_BAD_SHAPE, "[4]: wants [...,t,d], got rank 1"},
    {{.shape = {DIMS(2, 3)}, .s = {10000}}, KY_BAD_SHAPE, "a width of 3 has no pairs"},
    {{.shape = {DIMS(2, 4)}}, KY_BAD_ARGUMENT, "base is 0"},
    {{.shape = {DIMS(2, 4)}, .s = {INFINITY}}, KY_BAD_ARGUMENT, "base is inf"},
    {{.shape = {DIMS(2, 4)}, .s = {NAN}}, KY_BAD_ARGUMENT, "base is"},
    {{.shape = {DIMS(2, 4)}, .n = {0, 2}, .s = {10}}, KY_BAD_ARGUMENT, "unknown pairs 2"},
};

const ky_samples samples_rope = {.operands = 1,
                                 .domain = {{-2, 2, UNIFORM, 0}},
                                 .whole = oracle,
                                 .record = record,
                                 LIST(sample, samples),
                                 .random = random_sample,
                                 LIST(example, examples),
                                 LIST(refusal, refusals)};
