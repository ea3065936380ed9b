/* SPDX-License-Identifier: MIT */
/* Samples of random operations. The oracles know where each element's bits come from, and take
 * them from ky_philox. s: the two parameters; seed 0, draw 0, stream 1. */
#include "samples.h"

#include "kytape/rng.h"

static const double two_pi = 6.283185307179586;

/* Word `word` of the block that element r of a chunk has, 16 blocks a chunk. */
static uint32_t bits(int64_t chunk, int64_t lane, int word) {
  const uint32_t counter[4] = {(uint32_t)(16 * chunk + lane), 1, 0, 0}, key[2] = {0, 0};
  uint32_t out[4];
  ky_philox(counter, key, out);
  return out[word];
}

static uint32_t word_of(int64_t n) { return bits(n / 64, n % 16, (int)(n % 64 / 16)); }

/* The n-th fraction of [0, 1) of an array. */
static double fraction(int64_t n, ky_dtype real) {
  if (real == KY_F32) return (double)(word_of(n) >> 8) * 0x1p-24;
  const int half = (int)(n % 32 / 16);
  const uint32_t low = bits(n / 32, n % 16, 2 * half),
                 high = bits(n / 32, n % 16, 2 * half + 1);
  return (double)(high >> 6) * 0x1p-26 + (double)(low >> 5) * 0x1p-53;
}

static bool happens(int64_t n, double p) { return (double)word_of(n) < p * 0x1p32; }

static void oracle_uniform(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++)
    out->at[n] = s->s[0] + (s->s[1] - s->s[0]) * fraction(n, s->real);
}

static void oracle_normal(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) {
    const int64_t partner = n / 32 * 32 + n % 16; /* pairs stand 16 apart */
    const double radius = sqrt(-2 * log(1 - fraction(partner, s->real)));
    const double angle = two_pi * (fraction(partner + 16, s->real) - 0.5);
    out->at[n] = s->s[0] + s->s[1] * radius * (n % 32 < 16 ? cos(angle) : sin(angle));
  }
}

static void oracle_bernoulli(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = happens(n, s->s[0]);
}

static void oracle_dropout(const nd *const *x, const ky_sample *s, nd *out) {
  nd_shape(out, x[0]->rank, x[0]->dims);
  for (int64_t n = 0; n < out->count; n++)
    out->at[n] = x[0]->at[n] * (happens(n, s->s[0]) ? 0 : 1 / (1 - s->s[0]));
}

static ky_dtype dtype_of(const ky_sample *s) {
  return s->n[0] ? (ky_dtype)s->n[0] : kind_dtype(s->kind[0], s->real);
}

static ky_var record_uniform(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  return ky_uniform(t, dtype_of(s), s->dims.rank, s->dims.dims, s->s[0], s->s[1]);
}

static ky_var record_normal(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  return ky_normal(t, dtype_of(s), s->dims.rank, s->dims.dims, s->s[0], s->s[1]);
}

static ky_var record_bernoulli(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  return ky_bernoulli(t, dtype_of(s), s->dims.rank, s->dims.dims, s->s[0]);
}

static ky_var record_dropout(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_dropout(t, x[0], s->s[0]);
}

static const ky_sample uniforms[] = {
    {.s = {0, 1}},
    {.s = {0, 1}, .dims = DIMS(3, 0)},
    {.s = {-1, 1}, .dims = DIMS(3, 4)},
    {.s = {5, 5.5}, .dims = DIMS(64)},
    {.s = {0, 1}, .dims = DIMS(65)},
    {.s = {-3, 4}, .dims = DIMS(5, 211)},
};

static const ky_sample normals[] = {
    {.s = {0, 1}},
    {.s = {0, 1}, .dims = DIMS(0)},
    {.s = {1, 0}, .dims = DIMS(7)},
    {.s = {-1, 2}, .dims = DIMS(3, 4)},
    {.s = {0, 1}, .dims = DIMS(65)},
    {.s = {0, 1}, .dims = DIMS(5, 211)},
};

static const ky_sample bernoullis[] = {
    {.s = {0.5}},
    {.s = {0.25}, .dims = DIMS(0, 3)},
    {.s = {0}, .dims = DIMS(70)},
    {.s = {1}, .dims = DIMS(70)},
    {.s = {0.3}, .dims = DIMS(5, 211)},
    {.kind = {MASK}, .s = {0.5}},
    {.kind = {MASK}, .s = {0.7}, .dims = DIMS(3, 67)},
};

static const ky_sample dropouts[] = {
    {.shape = {{0}}, .s = {0.5}},        {.shape = {DIMS(3, 4)}, .s = {0.5}},
    {.shape = {DIMS(7)}, .s = {0}},      {.shape = {DIMS(7)}, .s = {1}},
    {.shape = {DIMS(0, 3)}, .s = {0.5}}, {.shape = {DIMS(2, 3, 4)}, .s = {0.1}},
    {.shape = {DIMS(64)}, .s = {0.5}},   {.shape = {DIMS(5, 211)}, .s = {0.25}},
};

static ky_extents roll_extents(ky_dice *dice) {
  ky_extents e = {(int)dice_roll(dice, 0, 3), {0}};
  for (int k = 0; k < e.rank; k++)
    e.dims[k] = dice_roll(dice, 0, 19) ? dice_extent(dice, e.rank == 1 ? 65 : 9) : 0;
  if (e.rank == 1) e.dims[0] *= dice_roll(dice, 1, 9);
  return e;
}

static ky_sample random_uniform(ky_dice *dice) {
  const double low = (double)dice_roll(dice, -4, 4);
  return (ky_sample){.s = {low, low + (double)dice_roll(dice, 1, 8) / 2},
                     .dims = roll_extents(dice)};
}

static ky_sample random_normal(ky_dice *dice) {
  return (ky_sample){.s = {(double)dice_roll(dice, -4, 4), (double)dice_roll(dice, 0, 8) / 2},
                     .dims = roll_extents(dice)};
}

static ky_sample random_bernoulli(ky_dice *dice) {
  ky_sample s = {.s = {(double)dice_roll(dice, 0, 8) / 8}, .dims = roll_extents(dice)};
  if (dice_roll(dice, 0, 1)) s.kind[0] = MASK;
  return s;
}

static ky_sample random_dropout(ky_dice *dice) {
  return (ky_sample){.s = {(double)dice_roll(dice, 0, 8) / 8}, .shape = {roll_extents(dice)}};
}

/* clang-format off */
#define VAST ((int64_t)1 << 40)
#define REFUSALS(x, y)                                                                         \
  {{.s = {x, y}, .dims = DIMS(2, -1)}, KY_BAD_SHAPE, "extent -1 of axis 1"},                   \
  {{.s = {x, y}, .dims = DIMS(VAST, VAST)}, KY_BAD_SHAPE, "overflow"},                         \
  {{.s = {x, y}, .n = {99}}, KY_BAD_DTYPE, "dtype 99"},                                        \
  {{.s = {x, y}, .kind = {INT32}, .dims = DIMS(2)}, KY_BAD_DTYPE, "not i32"}
/* clang-format on */

static const ky_refusal bad_uniforms[] = {
    REFUSALS(0, 1),
    {{.s = {0, 1}, .kind = {MASK}}, KY_BAD_DTYPE, "makes f32 or f64, not mask"},
    {{.s = {1, 1}}, KY_BAD_ARGUMENT, "lo < hi, got 1 and 1"},
    {{.s = {0, INFINITY}}, KY_BAD_ARGUMENT, "got 0 and inf"},
    {{.s = {NAN, 1}}, KY_BAD_ARGUMENT, "finite"},
    {{.s = {-DBL_MAX, DBL_MAX}}, KY_BAD_ARGUMENT, "finite"},
};

static const ky_refusal bad_normals[] = {
    REFUSALS(0, 1),
    {{.s = {0, 1}, .kind = {MASK}}, KY_BAD_DTYPE, "makes f32 or f64, not mask"},
    {{.s = {0, -1}}, KY_BAD_ARGUMENT, "got 0 and -1"},
    {{.s = {INFINITY, 1}}, KY_BAD_ARGUMENT, "finite mean"},
    {{.s = {0, NAN}}, KY_BAD_ARGUMENT, "deviation"},
};

static const ky_refusal bad_bernoullis[] = {
    REFUSALS(0.5, 0),
    {{.s = {-0.1}}, KY_BAD_ARGUMENT, "the probability is -0.1"},
    {{.s = {1.5}}, KY_BAD_ARGUMENT, "the probability is 1.5"},
    {{.s = {NAN}}, KY_BAD_ARGUMENT, "the probability is"},
};

static const ky_refusal bad_dropouts[] = {
    {{.shape = {DIMS(2)}, .s = {-0.1}}, KY_BAD_ARGUMENT, "the probability is -0.1"},
    {{.shape = {DIMS(2)}, .s = {1.5}}, KY_BAD_ARGUMENT, "the probability is 1.5"},
    {{.shape = {DIMS(2)}, .s = {NAN}}, KY_BAD_ARGUMENT, "the probability is"},
};

static const ky_example drops[] = {
    {{.shape = {DIMS(3)}, .s = {1}},
     .x = {{1, INFINITY, NAN}},
     .r = {0, NAN, NAN},
     .forward_only = true},
    {{.shape = {DIMS(3)}, .s = {0}},
     .x = {{1, INFINITY, NAN}},
     .r = {1, INFINITY, NAN},
     .forward_only = true},
};

#define LEAF(name)                                                                             \
  const ky_samples samples_##name = {.whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, name##s),                                    \
                                     .random = random_##name,                                  \
                                     LIST(refusal, bad_##name##s)};
LEAF(uniform)
LEAF(normal)
LEAF(bernoulli)

const ky_samples samples_dropout = {.operands = 1,
                                    .domain = {{-2, 2, UNIFORM, 0}},
                                    .whole = oracle_dropout,
                                    .record = record_dropout,
                                    LIST(sample, dropouts),
                                    .random = random_dropout,
                                    LIST(example, drops),
                                    LIST(refusal, bad_dropouts)};
