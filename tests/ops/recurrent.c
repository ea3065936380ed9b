/* SPDX-License-Identifier: MIT */
/* Samples of LSTM and GRU, cells and sequences. n[0]: which of the optional operands of a
 * sequence are there, bit 0 the state, bit 1 the other. */
#include "samples.h"

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* ---- cells ------------------------------------------------------------------------------- */

/* Gates of one row, before the activations. */
static void lstm_row(int64_t n, const double *gates, const double *before, double *h,
                     double *c) {
  for (int64_t j = 0; j < n; j++) {
    c[j] = sigmoid(gates[n + j]) * (before ? before[j] : 0) +
           sigmoid(gates[j]) * tanh(gates[2 * n + j]);
    h[j] = sigmoid(gates[3 * n + j]) * tanh(c[j]);
  }
}

static void gru_row(int64_t n, const double *x, const double *s, const double *before,
                    double *h) {
  for (int64_t j = 0; j < n; j++) {
    const double r = sigmoid(x[j] + s[j]), z = sigmoid(x[n + j] + s[n + j]);
    h[j] = (1 - z) * tanh(x[2 * n + j] + r * s[2 * n + j]) + z * (before ? before[j] : 0);
  }
}

static void oracle_lstm_cell(const nd *const *x, const ky_sample *s, nd *out) {
  (void)s;
  const int last = x[1]->rank - 1;
  const int64_t n = x[1]->dims[last];
  int64_t dims[KY_MAX_RANK] = {0};
  for (int k = 0; k <= last; k++) dims[k] = x[1]->dims[k] * (k == last ? 2 : 1);
  nd_shape(out, last + 1, dims);
  for (int64_t k = 0; k < x[1]->count; k += n)
    lstm_row(n, x[0]->at + 4 * k, x[1]->at + k, out->at + 2 * k, out->at + 2 * k + n);
}

static void oracle_gru_cell(const nd *const *x, const ky_sample *s, nd *out) {
  (void)s;
  const int64_t n = x[2]->dims[x[2]->rank - 1];
  nd_shape(out, x[2]->rank, x[2]->dims);
  for (int64_t k = 0; k < out->count; k += n)
    gru_row(n, x[0]->at + 3 * k, x[1]->at + 3 * k, x[2]->at + k, out->at + k);
}

static ky_var record_lstm_cell(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_lstm_cell(t, x[0], x[1]);
}

static ky_var record_gru_cell(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_gru_cell(t, x[0], x[1], x[2]);
}

static const ky_sample lstm_cells[] = {
    {.shape = {DIMS(2, 12), DIMS(2, 3)}},       {.shape = {DIMS(4), DIMS(1)}},
    {.shape = {DIMS(2, 3, 20), DIMS(2, 3, 5)}}, {.shape = {DIMS(3, 148), DIMS(3, 37)}},
    {.shape = {DIMS(1, 1200), DIMS(1, 300)}},   {.shape = {DIMS(0, 8), DIMS(0, 2)}},
    {.shape = {DIMS(2, 0), DIMS(2, 0)}},
};
static const ky_sample gru_cells[] = {
    {.shape = {DIMS(2, 9), DIMS(2, 9), DIMS(2, 3)}},
    {.shape = {DIMS(3), DIMS(3), DIMS(1)}},
    {.shape = {DIMS(2, 3, 15), DIMS(2, 3, 15), DIMS(2, 3, 5)}},
    {.shape = {DIMS(3, 111), DIMS(3, 111), DIMS(3, 37)}},
    {.shape = {DIMS(1, 900), DIMS(1, 900), DIMS(1, 300)}},
    {.shape = {DIMS(0, 6), DIMS(0, 6), DIMS(0, 2)}},
    {.shape = {DIMS(2, 0), DIMS(2, 0), DIMS(2, 0)}},
};

/* `gates` operands [..., factor n], then the state [..., n]. */
static ky_sample random_cell(ky_dice *dice, int gates, int64_t factor) {
  ky_extents lead = {(int)dice_roll(dice, 0, 2), {0}};
  for (int k = 0; k < lead.rank; k++)
    lead.dims[k] = dice_roll(dice, 0, 19) ? dice_extent(dice, 4) : 0;
  const int64_t n = dice_extent(dice, lead.rank < 2 ? 33 : 9);
  ky_sample s = {.n = {0}};
  for (int k = 0; k <= gates; k++) {
    s.shape[k] = lead;
    s.shape[k].dims[s.shape[k].rank++] = k < gates ? factor * n : n;
  }
  return s;
}

static ky_sample random_lstm_cell(ky_dice *dice) { return random_cell(dice, 1, 4); }

static ky_sample random_gru_cell(ky_dice *dice) { return random_cell(dice, 2, 3); }

static const ky_example examples_lstm_cell[] = {
    {{.shape = {DIMS(4), DIMS(1)}},
     .x = {{1000, -1000, 1000, 1000}, {5}},
     .r = {0.76159415595576489, 1},
     .grad = {{0, 0, 0, 0}, {0}}},
    {{.shape = {DIMS(4), DIMS(1)}},
     .x = {{-1000, 1000, 0, 0}, {5}},
     .r = {0.49995460213129757, 5},
     .grad = {{0, 0, 0, 0.24997730106564878}, {1.000090791615472}}},
    {{.shape = {DIMS(4), DIMS(1)}},
     .x = {{0, NAN, 0, 0}, {5}},
     .r = {NAN, NAN},
     .forward_only = true},
};
static const ky_example examples_gru_cell[] = {
    {{.shape = {DIMS(3), DIMS(3), DIMS(1)}},
     .x = {{0, 1000, 3}, {0, 1000, 3}, {5}},
     .r = {5},
     .grad = {{0, 0, 0}, {0, 0, 0}, {1}}},
    {{.shape = {DIMS(3), DIMS(3), DIMS(1)}},
     .x = {{-1000, -1000, 0}, {0, 0, 7}, {5}},
     .r = {0},
     .grad = {{0, 0, 1}, {0, 0, 0}, {0}}},
};

static const ky_refusal bad_lstm_cells[] = {
    {{.shape = {DIMS(2, 12), DIMS(2, 4)}}, KY_BAD_SHAPE, "wants gates [...,4n]"},
    {{.shape = {DIMS(2, 13), DIMS(2, 3)}}, KY_BAD_SHAPE, "wants gates [...,4n]"},
    {{.shape = {DIMS(3, 12), DIMS(2, 3)}}, KY_BAD_SHAPE, "[3,12] x [2,3]: wants gates"},
    {{.shape = {DIMS(12), DIMS(1, 3)}}, KY_BAD_SHAPE, "wants gates [...,4n]"},
    {{.shape = {{0}, {0}}}, KY_BAD_SHAPE, "wants gates [...,4n]"},
};
static const ky_refusal bad_gru_cells[] = {
    {{.shape = {DIMS(2, 9), DIMS(2, 9), DIMS(2, 4)}}, KY_BAD_SHAPE, "wants gates [...,3n]"},
    {{.shape = {DIMS(2, 9), DIMS(1, 9), DIMS(2, 3)}}, KY_BAD_SHAPE, "wants gates [...,3n]"},
    {{.shape = {DIMS(3, 9), DIMS(3, 9), DIMS(2, 3)}}, KY_BAD_SHAPE, "wants gates [...,3n]"},
    {{.shape = {{0}, {0}, {0}}}, KY_BAD_SHAPE, "wants gates [...,3n]"},
};

/* ---- sequences: x, w, then the optional operands ----------------------------------------- */

#define STATE 1
#define EXTRA 2

static const nd *optional(const nd *const *x, const ky_sample *s, int which) {
  if (!(s->n[0] & which)) return NULL;
  return x[which == EXTRA && s->n[0] & STATE ? 3 : 2];
}

/* to = from w', of one row */
static void turn(const nd *w, const double *from, double *to) {
  const int64_t n = w->dims[1];
  for (int64_t k = 0; k < w->dims[0]; k++)
    for (int64_t j = 0; from && j < n; j++) to[k] += w->at[k * n + j] * from[j];
}

static void oracle_lstm_sequence(const nd *const *x, const ky_sample *s, nd *out) {
  const nd *w = x[1], *h0 = optional(x, s, STATE), *c0 = optional(x, s, EXTRA);
  const int64_t steps = x[0]->dims[0], batch = x[0]->dims[1], n = w->dims[1];
  nd_shape(out, 3, (const int64_t[]){steps + 1, batch, n});
  for (int64_t b = 0; b < batch; b++) {
    double *cell = out->at + (steps * batch + b) * n;
    const double *h = h0 ? h0->at + b * n : NULL;
    for (int64_t j = 0; j < n; j++) cell[j] = c0 ? c0->at[b * n + j] : 0;
    for (int64_t t = 0; t < steps; t++) {
      double gates[400];
      const int64_t row = t * batch + b;
      for (int64_t k = 0; k < 4 * n; k++) gates[k] = x[0]->at[row * 4 * n + k];
      turn(w, h, gates);
      lstm_row(n, gates, cell, out->at + row * n, cell);
      h = out->at + row * n;
    }
  }
}

static void oracle_gru_sequence(const nd *const *x, const ky_sample *s, nd *out) {
  const nd *w = x[1], *h0 = optional(x, s, STATE), *bias = optional(x, s, EXTRA);
  const int64_t steps = x[0]->dims[0], batch = x[0]->dims[1], n = w->dims[1];
  nd_shape(out, 3, (const int64_t[]){steps, batch, n});
  for (int64_t b = 0; b < batch; b++) {
    const double *h = h0 ? h0->at + b * n : NULL;
    for (int64_t t = 0; t < steps; t++) {
      double gates[300];
      const int64_t row = t * batch + b;
      for (int64_t k = 0; k < 3 * n; k++) gates[k] = bias ? bias->at[k] : 0;
      turn(w, h, gates);
      gru_row(n, x[0]->at + row * 3 * n, gates, h, out->at + row * n);
      h = out->at + row * n;
    }
  }
}

static ky_var record_lstm_sequence(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_var h0 = s->n[0] & STATE ? x[2] : ky_none();
  const ky_var c0 = s->n[0] & EXTRA ? x[s->n[0] & STATE ? 3 : 2] : ky_none();
  return ky_lstm_sequence(t, x[0], x[1], h0, c0);
}

static ky_var record_gru_sequence(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_var h0 = s->n[0] & STATE ? x[2] : ky_none();
  const ky_var bias = s->n[0] & EXTRA ? x[s->n[0] & STATE ? 3 : 2] : ky_none();
  return ky_gru_sequence(t, x[0], x[1], h0, bias);
}

/* clang-format off */
#define XW(g, t, b, n) DIMS(t, b, (g) * (n)), DIMS((g) * (n), n)
#define LSTM(t, b, h)                                                                          \
  {.shape = {XW(4, t, b, h), DIMS(b, h), DIMS(b, h)}, .n = {3}, .operands = 4}
#define GRU(t, b, h)                                                                           \
  {.shape = {XW(3, t, b, h), DIMS(b, h), DIMS(3 * (h))}, .n = {3}, .operands = 4}
/* clang-format on */
static const ky_sample lstm_sequences[] = {
    LSTM(3, 2, 2),
    {.shape = {XW(4, 1, 1, 1), DIMS(1, 1), DIMS(1, 1)},
     .domain =
         {{-2, 2, UNIFORM, 0}, {-1, 1, UNIFORM, 0}, {-2, 2, UNIFORM, 0}, {-2, 2, UNIFORM, 0}},
     .n = {3},
     .operands = 4},
    LSTM(1, 3, 2),
    LSTM(2, 1, 3),
    LSTM(2, 9, 5),
    LSTM(5, 2, 11),
    LSTM(2, 4, 1), /* weights may be a state as well */
    LSTM(2, 0, 2),
    LSTM(2, 2, 0),
    {.shape = {XW(4, 3, 2, 2)}, .n = {0}, .operands = 2},
    {.shape = {XW(4, 1, 2, 2)}, .n = {0}, .operands = 2},
    {.shape = {XW(4, 3, 2, 2), DIMS(2, 2)}, .n = {STATE}, .operands = 3},
    {.shape = {XW(4, 3, 2, 2), DIMS(2, 2)}, .n = {EXTRA}, .operands = 3},
};
static const ky_sample gru_sequences[] = {
    GRU(3, 2, 2),
    GRU(1, 1, 1),
    GRU(1, 3, 2),
    GRU(2, 1, 3),
    GRU(2, 9, 5),
    GRU(5, 2, 11),
    GRU(2, 3, 1), /* weights may be the state as well */
    GRU(2, 0, 2),
    GRU(2, 2, 0),
    {.shape = {XW(3, 3, 2, 2)}, .n = {0}, .operands = 2},
    {.shape = {XW(3, 1, 2, 2)}, .n = {0}, .operands = 2},
    {.shape = {XW(3, 3, 2, 2), DIMS(2, 2)}, .n = {STATE}, .operands = 3},
    {.shape = {XW(3, 3, 2, 2), DIMS(6)}, .n = {EXTRA}, .operands = 3},
};

static ky_sample random_sequence(ky_dice *dice, int64_t gates) {
  const int64_t steps = dice_roll(dice, 1, 5), n = dice_extent(dice, 9);
  const int64_t batch = dice_roll(dice, 0, 19) ? dice_roll(dice, 1, 4) : 0;
  const int64_t there = dice_roll(dice, 0, 3);
  ky_sample s = {.shape = {XW(gates, steps, batch, n)}, .n = {there}, .operands = 2};
  const ky_extents state = DIMS(batch, n), bias = DIMS(3 * n);
  if (there & STATE) s.shape[s.operands++] = state;
  if (there & EXTRA) s.shape[s.operands++] = gates == 4 ? state : bias;
  return s;
}

static ky_sample random_lstm_sequence(ky_dice *dice) { return random_sequence(dice, 4); }

static ky_sample random_gru_sequence(ky_dice *dice) { return random_sequence(dice, 3); }

static const ky_example examples_lstm_sequence[] = {
    {{.shape = {XW(4, 2, 1, 1)}, .operands = 2},
     .x = {{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}, {0, 0, 0, 0}},
     .r = {0.76159415595576489, 0.96402758007581688, 2},
     .grad = {{0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0}}},
};
static const ky_example examples_gru_sequence[] = {
    {{.shape = {XW(3, 2, 1, 1), DIMS(1, 1)}, .n = {STATE}, .operands = 3},
     .x = {{0, 1000, 0, 0, 1000, 0}, {0, 0, 0}, {5}},
     .r = {5, 5},
     .grad = {{0, 0, 0, 0, 0, 0}, {0, 0, 0}, {2}}},
};

/* clang-format off */
#define REFUSALS(g)                                                                            \
  {{.shape = {DIMS(2, 4), DIMS((g), 1)}, .operands = 2}, KY_BAD_SHAPE, "got ranks 2, 2"},      \
  {{.shape = {DIMS(2, 2, (g)), DIMS((g))}, .operands = 2}, KY_BAD_SHAPE, "got ranks 3, 1"},    \
  {{.shape = {DIMS(2, 2, (g)), DIMS((g) + 1, 1)}, .operands = 2}, \
   KY_BAD_SHAPE, " gates want x"}, \
  {{.shape = {DIMS(2, 2, (g)), DIMS(2 * (g), 2)}, .operands = 2}, \
   KY_BAD_SHAPE, " gates want x"}, \
  {{.shape = {DIMS(0, 2, (g)), DIMS((g), 1)}, .operands = 2}, \
   KY_BAD_SHAPE, "there are no steps"}, \
  {{.shape = {XW(g, 3, 2, 2), DIMS(2, 3)}, .n = {STATE}, .operands = 3}, KY_BAD_SHAPE,         \
   "the initial state is [2,3], wants [2,2]"}
/* clang-format on */
static const ky_refusal bad_lstm_sequences[] = {
    REFUSALS(4),
    {{.shape = {XW(4, 3, 2, 2), DIMS(3, 2)}, .n = {EXTRA}, .operands = 3},
     KY_BAD_SHAPE,
     "the initial cell state is [3,2], wants [2,2]"},
};
static const ky_refusal bad_gru_sequences[] = {
    REFUSALS(3),
    {{.shape = {XW(3, 3, 2, 2), DIMS(2)}, .n = {EXTRA}, .operands = 3},
     KY_BAD_SHAPE,
     "the recurrent bias is [2], wants [6]"},
};

/* Small numbers: what is rounded in one step is not blown up by the next. */
#define SAMPLES(name, count)                                                                   \
  const ky_samples samples_##name = {.operands = (count),                                      \
                                     .domain = {{-1, 1, UNIFORM, 0},                           \
                                                {-0.5, 0.5, UNIFORM, 0},                       \
                                                {-1, 1, UNIFORM, 0},                           \
                                                {-1, 1, UNIFORM, 0}},                          \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, name##s),                                    \
                                     .random = random_##name,                                  \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, bad_##name##s)};
SAMPLES(lstm_cell, 2)
SAMPLES(gru_cell, 3)
SAMPLES(lstm_sequence, 4)
SAMPLES(gru_sequence, 4)
