/* SPDX-License-Identifier: MIT */
/* Samples of ctc: n[0] is the reduction, n[1] the blank, n[2] zero_infinity. */
#include "samples.h"

/* Sum of the probabilities of the paths of a sample, state by state. */
static double paths(const nd *x, const double *targets, int64_t b, int64_t steps,
                    int64_t length, int64_t blank) {
  double p[64] = {1}, q[64];
  const int64_t n = 2 * length + 1, batch = x->dims[1], classes = x->dims[2];
  for (int64_t t = 0; t < steps; t++) {
    for (int64_t s = 0; s < n; s++) {
      const int64_t label = s % 2 ? (int64_t)targets[s / 2] : blank;
      const bool skips = s % 2 && s > 1 && targets[s / 2] != targets[s / 2 - 1];
      double sum = p[s] + (s > 0 ? p[s - 1] : 0) + (skips ? p[s - 2] : 0);
      if (t == 0) sum = s < 2;
      q[s] = sum * exp(x->at[(t * batch + b) * classes + label]);
    }
    for (int64_t s = 0; s < n; s++) p[s] = q[s];
  }
  return p[n - 1] + (n > 1 ? p[n - 2] : 0);
}

static void oracle(const nd *const *x, const ky_sample *s, nd *out) {
  const nd *targets = x[1];
  const int64_t batch = x[0]->dims[1];
  nd_shape(out, 1, &batch);
  double total = 0, weighted = 0;
  for (int64_t b = 0, first = 0; b < batch; b++) {
    const int64_t steps = (int64_t)x[2]->at[b], length = (int64_t)x[3]->at[b];
    const double loss = -log(paths(x[0], targets->at + first, b, steps, length, s->n[1]));
    out->at[b] = s->n[2] && isinf(loss) ? 0 : loss;
    total += out->at[b];
    weighted += out->at[b] / (double)(length > 0 ? length : 1) / (double)batch;
    first += targets->rank == 2 ? targets->dims[1] : length;
  }
  if (s->n[0] == KY_REDUCE_NONE) return;
  nd_shape(out, 0, NULL);
  out->at[0] = s->n[0] == KY_REDUCE_SUM ? total : batch ? weighted : NAN;
}

static ky_var record(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_ctc(t, x[0], x[1], x[2], x[3], s->n[1], (int)s->n[2], (ky_reduction)s->n[0]);
}

/* clang-format off */
#define INTEGERS(low, high) {(low), (high), INTEGER, 0}
#define X {-3, -0.25, UNIFORM, 0}
#define ROWS(t, b, c, s) .shape = {DIMS(t, b, c), DIMS(b, s), DIMS(b), DIMS(b)}
#define JOINED(t, b, c, s) .shape = {DIMS(t, b, c), DIMS(s), DIMS(b), DIMS(b)}
#define ONLY(n) {(n), (n) + 1e-9, INTEGER, 0}
/* Lengths of two types: one var as both makes no sense. */
#define LONG .kind = {REAL, INT64, INT64, INT32}
#define SHORT .kind = {REAL, INT32, INT32, INT64}
/* clang-format on */
static const ky_sample samples[] = {
    {ROWS(6, 3, 4, 2), LONG, .domain = {X, INTEGERS(1, 3), INTEGERS(5, 6), INTEGERS(1, 2)}},
    {ROWS(6, 3, 4, 2), SHORT, .domain = {X, INTEGERS(1, 3), INTEGERS(4, 6), INTEGERS(0, 2)},
     .n = {KY_REDUCE_SUM}},
    {ROWS(6, 3, 4, 2), LONG, .domain = {X, INTEGERS(1, 3), INTEGERS(4, 6), INTEGERS(0, 2)},
     .n = {KY_REDUCE_MEAN}},
    {ROWS(9, 2, 5, 4), LONG, .domain = {X, INTEGERS(0, 3), INTEGERS(7, 9), INTEGERS(2, 4)},
     .n = {KY_REDUCE_MEAN, 4}},
    {ROWS(15, 2, 3, 7), SHORT, .domain = {X, INTEGERS(1, 2), INTEGERS(14, 15), INTEGERS(6, 7)}},
    {JOINED(7, 3, 4, 9), LONG, .domain = {X, INTEGERS(1, 3), INTEGERS(6, 7), INTEGERS(2, 3)},
     .n = {KY_REDUCE_MEAN}},
    {JOINED(7, 3, 4, 9), SHORT, .domain = {X, INTEGERS(1, 3), INTEGERS(6, 7), INTEGERS(0, 3)},
     .n = {0, 0, 1}},
    {ROWS(4, 1, 2, 1), LONG, .domain = {X, ONLY(0), INTEGERS(1, 4), ONLY(1)}, .n = {0, 1}},
    {ROWS(3, 2, 3, 0), LONG, .domain = {X, INTEGERS(0, 1), INTEGERS(1, 3), ONLY(0)}},
    {ROWS(3, 0, 3, 2), LONG, .domain = {X, INTEGERS(0, 1), INTEGERS(0, 1), INTEGERS(0, 1)}},
    {ROWS(3, 0, 3, 2), LONG, .domain = {X, INTEGERS(0, 1), INTEGERS(0, 1), INTEGERS(0, 1)},
     .n = {KY_REDUCE_SUM}},
};

static ky_domain integers(int64_t low, int64_t high) {
  return (ky_domain){(double)low, (double)high + (low == high ? 1e-9 : 0), INTEGER, 0};
}

/* Time enough for all labels, and blanks between them. */
static ky_sample random_sample(ky_dice *dice) {
  const int64_t longest = dice_roll(dice, 0, 5), classes = dice_roll(dice, 2, 6);
  const int64_t least = 2 * longest + 1, steps = least + dice_roll(dice, 0, 3);
  const int64_t batch = dice_roll(dice, 0, 19) ? dice_roll(dice, 1, 4) : 0;
  const int64_t first = dice_roll(dice, 0, 1); /* label; the blank is at the other end */
  ky_sample s = {ROWS(steps, batch, classes, longest),
                 .domain = {X, integers(first, classes - 2 + first), integers(least, steps),
                            integers(longest / 2, longest)},
                 .n = {dice_roll(dice, 0, 2), first ? 0 : classes - 1, dice_roll(dice, 0, 1)}};
  /* one label each would lie as the lengths do, and could be the same var */
  if (dice_roll(dice, 0, 1) && longest != 1) s.shape[1] = (ky_extents)DIMS(batch * longest);
  const bool wide = dice_roll(dice, 0, 1) != 0;
  s.kind[1] = s.kind[2] = wide ? INT64 : INT32;
  s.kind[3] = wide ? INT32 : INT64;
  return s;
}

/* clang-format off */
#define SMALL .sample = {ROWS(2, 1, 2, 2), LONG
/* clang-format on */
static const ky_example examples[] = {{SMALL},
                                      .x = {{-1, -2, -3, -4}, {1, 1}, {2}, {1}},
                                      .r = {4.138005195941749},
                                      .grad = {{-0.4223187982515182, -0.5776812017484818,
                                                -0.4223187982515182, -0.5776812017484818}}},
                        {SMALL}, .x = {{-1, -2, -3, -4}, {1, 1}, {2}, {2}}, .r = {INFINITY},
                        .forward_only = true
}
, {SMALL, .n = {KY_REDUCE_MEAN, 0, 1}}, .x = {{-1, -2, -3, -4}, {1, 1}, {2}, {2}}, .r = {0},
                                        .grad = {{0, 0, 0, 0}}
}
, {SMALL}, .x = {{-1, -2, -3, -4}, {1, 1}, {0}, {0}}, .r = {0}, .grad = {{0, 0, 0, 0}}
}
, {SMALL}, .x = {{-1, -2, -3, -4}, {1, 1}, {0}, {1}}, .r = {INFINITY}, .forward_only = true
}
, {SMALL}, .x = {{-1, -2, -3, -4}, {1, 1}, {2}, {0}}, .r = {4}, .grad = {{-1, 0, -1, 0}}
}
, {SMALL}, .x = {{-INFINITY, 0, 0, -INFINITY}, {1, 1}, {2}, {1}}, .r = {0},
           .grad = {{0, -1, -1, 0}}
}
, {SMALL}, .x = {{-1000, -2000, -3000, -1000}, {1, 1}, {2}, {1}}, .r = {2000},
           .grad = {{-1, 0, 0, -1}}
}
, {SMALL}, .x = {{NAN, -2, -3, -4}, {1, 1}, {2}, {1}}, .r = {NAN}, .forward_only = true
}
,
}
;

static const ky_refusal refusals[] = {
    {{.shape = {DIMS(3, 4), DIMS(4, 2), DIMS(4), DIMS(4)}, LONG}, KY_BAD_SHAPE, "got rank 2"},
    {{.shape = {DIMS(3, 4, 2), DIMS(3, 2), DIMS(4), DIMS(4)}, LONG},
     KY_BAD_SHAPE,
     "4 samples want targets [4,s] or [n]"},
    {{.shape = {DIMS(3, 4, 2), DIMS(4, 2), DIMS(3), DIMS(4)}, LONG},
     KY_BAD_SHAPE,
     "the input lengths are [3], want [4]"},
    {{.shape = {DIMS(3, 4, 2), DIMS(4, 2), DIMS(4), DIMS(4, 1)}, LONG},
     KY_BAD_SHAPE,
     "the target lengths are [4,1], want [4]"},
    {{ROWS(3, 4, 2, 1), LONG, .n = {0, 2}}, KY_BAD_INDEX, "the blank 2 is not in 0..1"},
    {{ROWS(3, 4, 2, 1), LONG, .n = {0, -1}}, KY_BAD_INDEX, "the blank -1 is not in 0..1"},
    {{ROWS(3, 4, 2, 1), LONG, .n = {3}}, KY_BAD_ARGUMENT, "unknown reduction 3"},
};

const ky_samples samples_ctc = {.operands = 4,
                                .domain = {{-3, -0.25, UNIFORM, 0}},
                                .whole = oracle,
                                .record = record,
                                LIST(sample, samples),
                                .random = random_sample,
                                LIST(example, examples),
                                LIST(refusal, refusals)};
