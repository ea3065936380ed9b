/* SPDX-License-Identifier: MIT */
/* Samples of max_pool, avg_pool and of upsampling, each over one or two axes: the rank of the
 * operand says which. */
#include "samples.h"

/* ---- pooling: n is kernel, stride, padding, of the second axis one after the other ------- */

typedef struct window {
  int axes;
  int64_t kernel[2], stride[2], padding[2];
} window;

static window window_of(const nd *x, const ky_sample *s) {
  window w = {.axes = x->rank - 2};
  for (int k = 0; k < 2; k++) {
    w.kernel[k] = s->n[3 * k];
    w.stride[k] = s->n[3 * k + 1] ? s->n[3 * k + 1] : w.kernel[k];
    w.padding[k] = s->n[3 * k + 2];
  }
  return w;
}

/* Element [a,b,place...] of x; false outside. */
static bool look(const nd *x, const int64_t *at, const int64_t *place, double *value) {
  int64_t flat = at[0] * x->dims[1] + at[1];
  for (int k = 0; k < x->rank - 2; k++) {
    if (place[k] < 0 || place[k] >= x->dims[2 + k]) return false;
    flat = flat * x->dims[2 + k] + place[k];
  }
  *value = x->at[flat];
  return true;
}

static void pool(const nd *x, const ky_sample *s, bool largest, nd *out) {
  const window w = window_of(x, s);
  int64_t dims[KY_MAX_RANK] = {x->dims[0], x->dims[1]}, taps = 1;
  for (int k = 0; k < w.axes; k++) {
    dims[2 + k] = (x->dims[2 + k] + 2 * w.padding[k] - w.kernel[k]) / w.stride[k] + 1;
    taps *= w.kernel[k];
  }
  nd_shape(out, x->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t at[KY_MAX_RANK];
    double most = -INFINITY, sum = 0;
    nd_index(out, n, at);
    for (int64_t t = 0; t < taps; t++) {
      const int64_t tap[2] = {w.axes == 2 ? t / w.kernel[1] : t, t % w.kernel[1]};
      int64_t place[2];
      double value;
      for (int k = 0; k < w.axes; k++)
        place[k] = at[2 + k] * w.stride[k] + tap[k] - w.padding[k];
      if (!look(x, at, place, &value)) continue;
      sum += value;
      if (value > most || isnan(value)) most = value;
    }
    out->at[n] = largest ? most : sum / (double)taps;
  }
}

static void oracle_max(const nd *const *x, const ky_sample *s, nd *out) {
  pool(x[0], s, true, out);
}

static void oracle_avg(const nd *const *x, const ky_sample *s, nd *out) {
  pool(x[0], s, false, out);
}

typedef ky_var pool_recorder(ky_tape *t, ky_var x, const ky_pool_options *o);

static ky_var record_pool(ky_tape *t, ky_var x, const ky_sample *s, pool_recorder *one,
                          pool_recorder *two) {
  const ky_pool_options o = {.size = s->dims.rank == 1 ? 8 : sizeof o,
                             .kernel = {s->n[0], s->n[3]},
                             .stride = {s->n[1], s->n[4]},
                             .padding = {s->n[2], s->n[5]}};
  const ky_pool_options *const used = s->dims.rank == 2 ? NULL : &o;
  return s->shape[0].rank == 4 ? two(t, x, used) : one(t, x, used);
}

static ky_var record_max(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return record_pool(t, x[0], s, ky_max_pool1d, ky_max_pool2d);
}

static ky_var record_avg(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return record_pool(t, x[0], s, ky_avg_pool1d, ky_avg_pool2d);
}

static const ky_sample windows[] = {
    {.shape = {DIMS(2, 3, 8)}, .n = {2, 0, 0, 1}},
    {.shape = {DIMS(2, 2, 9)}, .n = {3, 2, 1, 1}},
    {.shape = {DIMS(1, 2, 11)}, .n = {3, 1, 0, 1}},
    {.shape = {DIMS(1, 2, 13)}, .n = {4, 3, 2, 1}},
    {.shape = {DIMS(2, 3, 6, 8)}, .n = {2, 2, 0, 2, 2, 0}},
    {.shape = {DIMS(1, 2, 7, 9)}, .n = {2, 0, 0, 2, 0, 0}}, /* the rim is left out */
    {.shape = {DIMS(1, 2, 8, 70)}, .n = {2, 0, 0, 2, 0, 0}},
    {.shape = {DIMS(2, 2, 7, 6)}, .n = {3, 2, 1, 3, 2, 1}},
    {.shape = {DIMS(1, 2, 5, 40)}, .n = {3, 1, 1, 3, 1, 1}},
    {.shape = {DIMS(1, 2, 6, 7)}, .n = {3, 3, 0, 2, 3, 1}},
    {.shape = {DIMS(1, 2, 5, 6)}, .n = {2, 5, 1, 1, 4, 0}}, /* gaps between windows */
    {.shape = {DIMS(1, 2, 4, 5)}, .n = {4, 1, 2, 5, 1, 2}}, /* the whole plane */
    {.shape = {DIMS(3, 2, 1, 1)}, .n = {1, 0, 0, 1, 0, 0}},
    {.shape = {DIMS(1, 1, 2, 1)}, .n = {2, 2, 0, 2, 2, 1}},
    {.shape = {DIMS(0, 2, 4, 4)}, .n = {2, 2, 0, 2, 2, 0}},
    {.shape = {DIMS(2, 0, 4)}, .n = {2, 2, 0, 1}},
};

/* Windows that fit, and a rest that they leave. */
static ky_sample random_window(ky_dice *dice) {
  const int axes = (int)dice_roll(dice, 1, 2);
  ky_sample s = {.n = {1, 0, 0, 1, 0, 0}};
  s.shape[0] = (ky_extents){
      axes + 2, {dice_roll(dice, 0, 9) ? dice_roll(dice, 1, 2) : 0, dice_roll(dice, 1, 3)}};
  for (int k = 0; k < axes; k++) {
    const int64_t kernel = dice_roll(dice, 1, 5), padding = dice_roll(dice, 0, kernel / 2);
    const int64_t least = kernel - 2 * padding > 1 ? kernel - 2 * padding : 1;
    const int64_t extent = dice_extent(dice, axes == 1 ? 33 : 7);
    s.n[3 * k] = kernel;
    s.n[3 * k + 1] = dice_roll(dice, 0, 4);
    s.n[3 * k + 2] = padding;
    s.shape[0].dims[2 + k] = extent < least ? least : extent;
  }
  return s;
}

/* clang-format off */
#define FOUR(...) {.shape = {DIMS(1, 1, 4)}, .n = {__VA_ARGS__, 1}}
static const ky_example examples_max[] = {
    /* a tie: the first */
    {FOUR(2, 2, 0), .x = {{1, 1, 3, 4}}, .r = {1, 4}, .grad = {{1, 0, 0, 1}}},
    {FOUR(3, 1, 0), .x = {{1, 5, 5, 2}}, .r = {5, 5}, .grad = {{0, 2, 0, 0}}},
    {FOUR(2, 2, 1), .x = {{-1, -2, -3, -4}}, .r = {-1, -2, -4}, .grad = {{1, 1, 0, 1}}},
    {FOUR(2, 2, 0), .x = {{NAN, 1, 1, NAN}}, .r = {NAN, NAN}, .grad = {{1, 0, 0, 1}}},
    {FOUR(2, 2, 0), .x = {{-INFINITY, -INFINITY, -INFINITY, 0}}, .r = {-INFINITY, 0},
     .grad = {{1, 0, 0, 1}}},
    {{.shape = {DIMS(1, 1, 2, 2)}, .n = {2, 2, 0, 2, 2, 0}}, .x = {{1, 2, 2, 2}}, .r = {2},
     .grad = {{0, 1, 0, 0}}},
    {{.shape = {DIMS(1, 1, 2, 2)}, .n = {2, 2, 0, 2, 2, 0}}, .x = {{1, 2, NAN, 3}}, .r = {NAN},
     .grad = {{0, 0, 1, 0}}},
};
static const ky_example examples_avg[] = {
    {FOUR(2, 2, 1), .x = {{2, 2, 4, 8}}, .r = {1, 3, 4}, .grad = {{0.5, 0.5, 0.5, 0.5}}},
    {FOUR(3, 1, 0), .x = {{3, 3, 6, INFINITY}}, .r = {4, INFINITY},
     .grad = {{1. / 3, 2. / 3, 2. / 3, 1. / 3}}},
};

static const ky_refusal bad_windows[] = {
    {{.shape = {DIMS(2, 4)}, .n = {2, 2, 0, 1}}, KY_BAD_SHAPE, "[2,4]: wants rank 3"},
    {FOUR(5, 1, 0), KY_BAD_SHAPE, "[1,1,4]: a window of 5 does not fit axis 0 of extent 4"},
    {FOUR(0, 1, 0), KY_BAD_ARGUMENT, "kernel 0 and stride 1 of axis 0"},
    {FOUR(2, -1, 0), KY_BAD_ARGUMENT, "kernel 2 and stride -1"},
    {FOUR(3, 1, 2), KY_BAD_ARGUMENT, "padding 2 of axis 0, wants 0..1"},
    {FOUR(3, 1, -1), KY_BAD_ARGUMENT, "padding -1"},
    {{.shape = {DIMS(1, 1, 0)}, .n = {2, 2, 1, 1}},
     KY_BAD_SHAPE, "does not fit axis 0 of extent 0"},
    {{.shape = {DIMS(1, 1, 4, 4)}, .n = {2, 2, 0, 5, 1, 0}},
     KY_BAD_SHAPE, "does not fit axis 1"},
    {{.shape = {DIMS(1, 1, 4)}, .n = {2, 2, 0, 1}, .dims = DIMS(1)}, KY_BAD_ARGUMENT,
     "the options have size 8"},
    {{.shape = {DIMS(1, 1, 4)}, .n = {2, 2, 0, 1}, .dims = DIMS(1, 1)}, KY_BAD_ARGUMENT,
     "the options are null"},
};
/* clang-format on */

const ky_samples samples_max_pool = {.operands = 1,
                                     .domain = {{-3, 3, DISTINCT, 0}},
                                     .whole = oracle_max,
                                     .record = record_max,
                                     LIST(sample, windows),
                                     .random = random_window,
                                     LIST(example, examples_max),
                                     LIST(refusal, bad_windows)};
const ky_samples samples_avg_pool = {.operands = 1,
                                     .domain = {{-3, 3, UNIFORM, 0}},
                                     .whole = oracle_avg,
                                     .record = record_avg,
                                     LIST(sample, windows),
                                     .random = random_window,
                                     LIST(example, examples_avg),
                                     LIST(refusal, bad_windows)};

/* ---- upsampling: n is the new extents, then whether corners are aligned ------------------ */

/* Where place k lies: between `at` and the next one. */
static double lies(int64_t in, int64_t out, int64_t k, bool aligned) {
  if (aligned) return out > 1 ? (double)(k * (in - 1)) / (double)(out - 1) : 0;
  return fmax(((double)k + 0.5) * (double)in / (double)out - 0.5, 0);
}

static double between(const nd *x, const int64_t *at, int axis, const int64_t *out,
                      bool aligned, int64_t *place) {
  double value;
  if (axis == x->rank - 2) return look(x, at, place, &value) ? value : NAN;
  const int64_t in = x->dims[2 + axis];
  const double q = lies(in, out[axis], at[2 + axis], aligned);
  const int64_t low = (int64_t)fmin(floor(q), (double)(in - 1));
  place[axis] = low;
  const double first = between(x, at, axis + 1, out, aligned, place);
  place[axis] = low + 1 < in ? low + 1 : low;
  return first + (q - (double)low) * (between(x, at, axis + 1, out, aligned, place) - first);
}

static void resample(const nd *x, const ky_sample *s, bool nearest, nd *out) {
  const int64_t dims[4] = {x->dims[0], x->dims[1], s->n[0], s->n[1]};
  nd_shape(out, x->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t at[KY_MAX_RANK], place[2] = {0};
    nd_index(out, n, at);
    for (int k = 0; k < x->rank - 2; k++) place[k] = at[2 + k] * x->dims[2 + k] / s->n[k];
    if (!nearest || !look(x, at, place, &out->at[n]))
      out->at[n] = between(x, at, 0, s->n, s->n[2] != 0, place);
  }
}

static void oracle_nearest(const nd *const *x, const ky_sample *s, nd *out) {
  resample(x[0], s, true, out);
}

static void oracle_linear(const nd *const *x, const ky_sample *s, nd *out) {
  resample(x[0], s, false, out);
}

static ky_var record_nearest(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return s->shape[0].rank == 4 ? ky_upsample_nearest2d(t, x[0], s->n[0], s->n[1])
                               : ky_upsample_nearest1d(t, x[0], s->n[0]);
}

static ky_var record_linear(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const int aligned = s->n[2] != 0;
  return s->shape[0].rank == 4 ? ky_upsample_bilinear2d(t, x[0], s->n[0], s->n[1], aligned)
                               : ky_upsample_linear1d(t, x[0], s->n[0], aligned);
}

#define RESIZED(aligned)                                                                       \
  {.shape = {DIMS(2, 3, 5)}, .n = {10, 0, aligned}},                                           \
      {.shape = {DIMS(1, 2, 3)}, .n = {6, 0, aligned}},                                        \
      {.shape = {DIMS(2, 3, 7)}, .n = {3, 0, aligned}},                                        \
      {.shape = {DIMS(1, 2, 5)}, .n = {1, 0, aligned}},                                        \
      {.shape = {DIMS(2, 2, 3, 4)}, .n = {6, 8, aligned}},                                     \
      {.shape = {DIMS(2, 2, 3, 4)}, .n = {7, 5, aligned}},                                     \
      {.shape = {DIMS(1, 2, 5, 37)}, .n = {4, 70, aligned}},                                   \
      {.shape = {DIMS(1, 2, 5, 37)}, .n = {10, 74, aligned}},                                  \
      {.shape = {DIMS(1, 1, 6, 9)}, .n = {2, 4, aligned}},                                     \
      {.shape = {DIMS(1, 2, 1, 1)}, .n = {3, 2, aligned}},                                     \
      {.shape = {DIMS(1, 2, 1, 3)}, .n = {1, 1, aligned}},                                     \
      {.shape = {DIMS(0, 2, 2, 2)}, .n = {4, 4, aligned}}, {                                   \
    .shape = {DIMS(2, 0, 2)}, .n = { 4, 0, aligned }                                           \
  }
static ky_sample random_nearest(ky_dice *dice) {
  const int axes = (int)dice_roll(dice, 1, 2);
  ky_sample s = {.n = {0}};
  s.shape[0] = (ky_extents){
      axes + 2, {dice_roll(dice, 0, 9) ? dice_roll(dice, 1, 2) : 0, dice_roll(dice, 1, 3)}};
  for (int k = 0; k < axes; k++) {
    s.shape[0].dims[2 + k] = dice_extent(dice, axes == 1 ? 33 : 9);
    s.n[k] = dice_extent(dice, axes == 1 ? 65 : 17);
  }
  return s;
}

static ky_sample random_linear(ky_dice *dice) {
  ky_sample s = random_nearest(dice);
  s.n[2] = dice_roll(dice, 0, 1);
  return s;
}

static const ky_sample nearests[] = {RESIZED(0)};
static const ky_sample linears[] = {RESIZED(0), RESIZED(1)};

/* clang-format off */
#define TWO(...) {.shape = {DIMS(1, 1, 2)}, .n = {__VA_ARGS__}}
static const ky_example examples_nearest[] = {
    {TWO(4), .x = {{1, 2}}, .r = {1, 1, 2, 2}, .grad = {{2, 2}}},
    {TWO(3), .x = {{1, 2}}, .r = {1, 1, 2}, .grad = {{2, 1}}},
    {TWO(3), .x = {{NAN, 2}}, .r = {NAN, NAN, 2}, .grad = {{2, 1}}},
};
static const ky_example examples_linear[] = {
    {TWO(4), .x = {{0, 8}}, .r = {0, 2, 6, 8}, .grad = {{2, 2}}},
    {TWO(3, 0, 1), .x = {{0, 8}}, .r = {0, 4, 8}, .grad = {{1.5, 1.5}}},
};
static const ky_refusal bad_sizes[] = {
    {{.shape = {DIMS(2, 4)}, .n = {2}}, KY_BAD_SHAPE, "[2,4]: wants rank 3"},
    {TWO(0), KY_BAD_SHAPE, "[1,1,2]: 2 places of axis 0 become 0"},
    {TWO(-1), KY_BAD_SHAPE, "2 places of axis 0 become -1"},
    {TWO(INT64_MAX), KY_BAD_SHAPE, "2 places of axis 0 become 9223372036854775807"},
    {{.shape = {DIMS(1, 1, 0)}, .n = {2}}, KY_BAD_SHAPE, "0 places of axis 0 become 2"},
    {{.shape = {DIMS(1, 1, 2, 2)}, .n = {2, 0}}, KY_BAD_SHAPE, "2 places of axis 1 become 0"},
};
/* clang-format on */

const ky_samples samples_upsample_nearest = {.operands = 1,
                                             .domain = {{-3, 3, UNIFORM, 0}},
                                             .whole = oracle_nearest,
                                             .record = record_nearest,
                                             LIST(sample, nearests),
                                             .random = random_nearest,
                                             LIST(example, examples_nearest),
                                             LIST(refusal, bad_sizes)};
const ky_samples samples_upsample_linear = {.operands = 1,
                                            .domain = {{-3, 3, UNIFORM, 0}},
                                            .whole = oracle_linear,
                                            .record = record_linear,
                                            LIST(sample, linears),
                                            .random = random_linear,
                                            LIST(example, examples_linear),
                                            LIST(refusal, bad_sizes)};
