/* SPDX-License-Identifier: MIT */
/* Samples of attention: n[0] is 1 for causal, s[0] the scale; a fourth operand is the mask. */
#include "samples.h"

/* Score of row i and column j of head (b, h); -infinity where it is not seen. */
static double score(const nd *const *x, const ky_sample *s, const int64_t at[KY_MAX_RANK]) {
  const nd *q = x[0], *k = x[1];
  const int64_t group = q->dims[1] / k->dims[1], width = q->dims[3];
  const int64_t row = (at[0] * q->dims[1] + at[1]) * q->dims[2] + at[2];
  const int64_t column = (at[0] * k->dims[1] + at[1] / group) * k->dims[2] + at[3];
  const double scale = s->s[0] != 0 ? s->s[0] : 1 / sqrt((double)width);
  double sum = 0;
  for (int64_t d = 0; d < width; d++) sum += q->at[row * width + d] * k->at[column * width + d];
  sum *= scale;
  if (s->n[0] && at[3] > at[2]) return -INFINITY;
  if (s->operands < 4) return sum;
  const double m = x[3]->at[nd_place(x[3], 4, at)];
  if (s->kind[3] == MASK) return m != 0 ? sum : -INFINITY;
  return sum + m;
}

static void row_of(const nd *const *x, const ky_sample *s, int64_t at[KY_MAX_RANK],
                   double *out) {
  const nd *k = x[1], *v = x[2];
  const int64_t columns = k->dims[2], width = v->dims[3];
  const int64_t group = x[0]->dims[1] / k->dims[1];
  const double *values = v->at + (at[0] * k->dims[1] + at[1] / group) * columns * width;
  double top = -INFINITY, total = 0;
  for (at[3] = 0; at[3] < columns; at[3]++) top = fmax(top, score(x, s, at));
  for (int64_t e = 0; e < width; e++) out[e] = 0;
  if (top == -INFINITY) return;
  for (at[3] = 0; at[3] < columns; at[3]++) {
    const double w = exp(score(x, s, at) - top);
    total += w;
    for (int64_t e = 0; e < width; e++) out[e] += w * values[at[3] * width + e];
  }
  for (int64_t e = 0; e < width; e++) out[e] /= total;
}

static void oracle(const nd *const *x, const ky_sample *s, nd *out) {
  const nd *q = x[0];
  const int64_t dims[4] = {q->dims[0], q->dims[1], q->dims[2], x[2]->dims[3]};
  nd_shape(out, 4, dims);
  double *row = out->at;
  for (int64_t b = 0; b < dims[0]; b++)
    for (int64_t h = 0; h < dims[1]; h++)
      for (int64_t i = 0; i < dims[2]; i++, row += dims[3])
        row_of(x, s, (int64_t[KY_MAX_RANK]){b, h, i}, row);
}

static ky_var record(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_var mask = s->operands > 3 ? x[3] : ky_none();
  return ky_attention(t, x[0], x[1], x[2], mask, (int)s->n[0], s->s[0]);
}

/* clang-format off */
#define QKV(b, h, n, t, s, d, e) DIMS(b, h, t, d), DIMS(b, n, s, d), DIMS(b, n, s, e)
#define MASKED .kind = {REAL, REAL, REAL, MASK}, .operands = 4
/* clang-format on */

static const ky_sample samples[] = {
    {.shape = {QKV(2, 2, 2, 3, 4, 5, 5)}, .operands = 3},
    {.shape = {QKV(1, 1, 1, 1, 1, 1, 1)}, .operands = 3},
    {.shape = {QKV(1, 2, 2, 5, 5, 4, 4)}, .n = {1}, .operands = 3},
    {.shape = {QKV(1, 1, 1, 4, 7, 3, 2)}, .n = {1}, .operands = 3},
    {.shape = {QKV(1, 1, 1, 7, 4, 3, 2)}, .n = {1}, .s = {0.3}, .operands = 3},
    {.shape = {QKV(1, 4, 2, 3, 5, 2, 3)}, .operands = 3},
    {.shape = {QKV(2, 3, 1, 3, 3, 2, 2)}, .n = {1}, .operands = 3},
    {.shape = {QKV(1, 1, 1, 70, 70, 2, 2)}, .n = {1}, .operands = 3}, /* more than a tile */
    {.shape = {QKV(1, 1, 1, 3, 90, 2, 1)}, .operands = 3},
    {.shape = {QKV(1, 1, 1, 33, 37, 16, 17)}, .s = {-0.1}, .operands = 3},
    {.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(2, 2, 3, 4)}, .operands = 4},
    {.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(2, 1, 1, 4)}, .n = {1}, .operands = 4},
    {.shape = {QKV(2, 2, 2, 3, 4, 2, 2), DIMS(3, 4)}, .operands = 4},
    {.shape = {QKV(2, 2, 2, 3, 4, 2, 2), DIMS(2, 3, 1)}, MASKED},
    {.shape = {QKV(1, 2, 2, 3, 4, 2, 2), {0}}, MASKED},
    {.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(2, 1, 3, 4)}, MASKED},
    {.shape = {QKV(2, 2, 2, 3, 40, 2, 2), DIMS(2, 1, 1, 40)}, MASKED},
    {.shape = {QKV(1, 2, 2, 6, 6, 2, 2), DIMS(6, 6)}, .n = {1}, MASKED},
    {.shape = {QKV(0, 2, 2, 3, 4, 2, 2)}, .operands = 3},
    {.shape = {QKV(1, 0, 0, 3, 4, 2, 2)}, .operands = 3},
    {.shape = {QKV(1, 2, 2, 0, 4, 2, 2)}, .operands = 3},
    {.shape = {QKV(1, 2, 2, 3, 0, 2, 2)}, .operands = 3},
    {.shape = {QKV(1, 2, 2, 3, 4, 0, 2)}, .s = {1}, .operands = 3},
    {.shape = {QKV(1, 2, 2, 3, 4, 2, 0)}, .operands = 3},
};

/* A mask of every element, or stretched over heads, over rows too, over batches. */
static ky_extents roll_mask(ky_dice *dice, const ky_extents *q, int64_t columns) {
  const int64_t b = q->dims[0], h = q->dims[1], t = q->dims[2];
  switch (dice_roll(dice, 0, 3)) {
  case 0: return (ky_extents)DIMS(b, h, t, columns);
  case 1: return (ky_extents)DIMS(b, 1, t, columns);
  case 2: return (ky_extents)DIMS(b, 1, 1, columns);
  default: return (ky_extents)DIMS(t, columns);
  }
}

static ky_sample random_sample(ky_dice *dice) {
  const int64_t b = dice_roll(dice, 0, 9) ? dice_roll(dice, 1, 2) : 0;
  const int64_t heads = dice_roll(dice, 1, 2), group = dice_roll(dice, 1, 3);
  const int64_t d = dice_extent(dice, 9), e = dice_extent(dice, 9);
  const int64_t most = b * heads * group * (d + e) > 12 ? 7 : 65;
  const int64_t rows = dice_extent(dice, most), columns = dice_extent(dice, most);
  ky_sample s = {.shape = {QKV(b, heads * group, heads, rows, columns, d, e)},
                 .n = {dice_roll(dice, 0, 1)},
                 .s = {dice_roll(dice, 0, 1) ? 0 : 0.3},
                 .operands = (int)dice_roll(dice, 3, 4)};
  if (dice_roll(dice, 0, 3) == 0) s.shape[1] = s.shape[2] = s.shape[0]; /* may be one var */
  s.shape[3] = roll_mask(dice, &s.shape[0], s.shape[1].dims[2]);
  if (dice_roll(dice, 0, 1)) s.kind[3] = MASK;
  return s;
}

/* clang-format off */
#define ONE_ROW(...) .sample = {.shape = {DIMS(1, 1, 1, 1), DIMS(1, 1, 2, 1),                  \
  DIMS(1, 1, 2, 1), DIMS(2)}, .s = {1}, .operands = 4, __VA_ARGS__}
/* clang-format on */
static const ky_example examples[] = {
    {ONE_ROW(.kind = {REAL, REAL, REAL, MASK}), .x = {{1}, {1, 2}, {3, 4}, {0, 0}}, .r = {0},
     .grad = {{0}, {0, 0}, {0, 0}}},
    {ONE_ROW(.kind = {REAL, REAL, REAL, MASK}), .x = {{1}, {1, 2}, {3, 4}, {0, 1}}, .r = {4},
     .grad = {{0}, {0, 0}, {0, 1}}},
    {ONE_ROW(.n = {0}), .x = {{1}, {1, 2}, {3, 4}, {-INFINITY, -INFINITY}}, .r = {0},
     .grad = {{0}, {0, 0}, {0, 0}, {0, 0}}},
    {ONE_ROW(.n = {0}), .x = {{1}, {1, 2}, {3, 4}, {0, -INFINITY}}, .r = {3},
     .grad = {{0}, {0, 0}, {1, 0}, {0, 0}}},
    {ONE_ROW(.n = {1}), .x = {{1}, {1, 2}, {3, 4}, {5, 5}}, .r = {3},
     .grad = {{0}, {0, 0}, {1, 0}, {0, 0}}},
    {ONE_ROW(.n = {0}), .x = {{1}, {2000, 2000}, {3, 4}, {0, 0}}, .r = {3.5},
     .grad = {{0}, {-0.25, 0.25}, {0.5, 0.5}, {-0.25, 0.25}}},
    {ONE_ROW(.n = {0}), .x = {{1}, {NAN, 1}, {3, 4}, {0, 0}}, .r = {NAN}, .forward_only = true},
    {ONE_ROW(.n = {0}), .x = {{NAN}, {1, 1}, {3, 4}, {-INFINITY, 0}}, .r = {NAN},
     .forward_only = true},
};

static const ky_refusal refusals[] = {
    {{.shape = {DIMS(2, 3, 4), DIMS(2, 3, 4), DIMS(2, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "of rank 4, got 3, 3 and 3"},
    {{.shape = {DIMS(2, 2, 3, 4), DIMS(1, 2, 3, 4), DIMS(2, 2, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "batches of q and k, 2 and 1"},
    {{.shape = {DIMS(2, 2, 3, 4), DIMS(2, 2, 3, 4), DIMS(1, 2, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "batches of q and v, 2 and 1"},
    {{.shape = {DIMS(2, 2, 3, 4), DIMS(2, 2, 3, 4), DIMS(2, 1, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "heads of k and v, 2 and 1"},
    {{.shape = {DIMS(2, 2, 3, 4), DIMS(2, 2, 3, 4), DIMS(2, 2, 5, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "lengths of k and v, 3 and 5"},
    {{.shape = {DIMS(2, 2, 3, 4), DIMS(2, 2, 3, 5), DIMS(2, 2, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "widths of q and k, 4 and 5"},
    {{.shape = {DIMS(2, 3, 3, 4), DIMS(2, 2, 3, 4), DIMS(2, 2, 3, 4)}, .operands = 3},
     KY_BAD_SHAPE,
     "3 heads of q do not share 2"},
    {{.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(2, 2, 4, 3)}, .operands = 4},
     KY_BAD_SHAPE,
     "the mask [2,2,4,3] does not broadcast to [2,2,3,4]"},
    {{.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(1, 1, 1, 1, 4)}, .operands = 4},
     KY_BAD_SHAPE,
     "does not broadcast"},
    {{.shape = {QKV(2, 2, 1, 3, 4, 2, 2), DIMS(4)},
      .kind = {REAL, REAL, REAL, INT32},
      .operands = 4},
     KY_BAD_DTYPE,
     "f64 and i32 differ"},
    {{.shape = {QKV(1, 1, 1, 3, 4, 2, 2)}, .s = {INFINITY}, .operands = 3},
     KY_BAD_ARGUMENT,
     "scale is inf"},
};

/* Where all keys or all values are one, gradients cancel to nothing. */
const ky_samples samples_attention = {.operands = 4,
                                      .domain = {{-2, 2, UNIFORM, 0},
                                                 {-2, 2, DISTINCT, 0},
                                                 {-2, 2, DISTINCT, 0},
                                                 {-2, 2, UNIFORM, 0}},
                                      .whole = oracle,
                                      .record = record,
                                      LIST(sample, samples),
                                      .random = random_sample,
                                      LIST(example, examples),
                                      LIST(refusal, refusals)};
