/* SPDX-License-Identifier: MIT */
/* Samples of conv and conv_transpose: n[0] names the options; operands are x, w and, with
 * three, the bias. */
#include "samples.h"

#include <string.h>

/* ---- the oracles: plain loops over all indices ------------------------------------------- */

enum { PLAIN, PADDED, STRIDED, DILATED, GROUPED, MIXED, LARGE_STRIDE, WIDE, FOUR, BAD, ANY };

static const ky_conv_options options[] = {
    [PLAIN] = {.size = sizeof(ky_conv_options)},
    [PADDED] = {sizeof(ky_conv_options), .padding = {1, 2, 1}},
    [STRIDED] = {sizeof(ky_conv_options), .stride = {2, 3, 2}, .padding = {1, 0, 1},
                 .output_padding = {1, 2, 0}},
    [DILATED] = {sizeof(ky_conv_options), .padding = {2, 3, 1}, .dilation = {2, 3, 2}},
    [GROUPED] = {sizeof(ky_conv_options), .padding = {1, 1, 1}, .groups = 2},
    [MIXED] = {sizeof(ky_conv_options), .stride = {2, 1, 3}, .padding = {1, 2, 3},
               .dilation = {3, 2, 2}, .output_padding = {2}, .groups = 3},
    [LARGE_STRIDE] = {sizeof(ky_conv_options), .stride = {5, 4, 4},
                      .output_padding = {3, 1, 3}},
    [WIDE] = {sizeof(ky_conv_options), .padding = {4, 5, 4}},
    [FOUR] = {sizeof(ky_conv_options), .padding = {1, 1, 1}, .groups = 4},
};

/* What n stands for. ANY: n[1] is the number of groups, n[2 + k] has the numbers of axis k:
 * stride
 * + 16 padding + 256 dilation + 4096 output padding. */
static ky_conv_options options_of(const ky_sample *s) {
  if (s->n[0] != ANY) return options[s->n[0]];
  ky_conv_options o = {.size = sizeof o, .groups = s->n[1]};
  for (int k = 0; k < 3; k++) {
    o.stride[k] = s->n[2 + k] & 15;
    o.padding[k] = s->n[2 + k] >> 4 & 15;
    o.dilation[k] = s->n[2 + k] >> 8 & 15;
    o.output_padding[k] = s->n[2 + k] >> 12;
  }
  return o;
}

typedef struct geometry {
  int axes;
  int64_t groups;
  int64_t stride[3], padding[3], dilation[3], extra[3];
} geometry;

static geometry geometry_of(const nd *x, const ky_sample *s, bool turned) {
  const ky_conv_options o = options_of(s);
  geometry g = {x->rank - 2, o.groups ? o.groups : 1, {0}, {0}, {0}, {0}};
  for (int k = 0; k < 3; k++) {
    g.stride[k] = o.stride[k] ? o.stride[k] : 1;
    g.padding[k] = o.padding[k];
    g.dilation[k] = o.dilation[k] ? o.dilation[k] : 1;
    g.extra[k] = turned ? o.output_padding[k] : 0;
  }
  return g;
}

/* Offset of [a,b,place...] in `x`; -1 outside. */
static int64_t offset(const nd *x, int64_t a, int64_t b, const int64_t *place) {
  int64_t at = a * x->dims[1] + b;
  for (int k = 0; k < x->rank - 2; k++) {
    if (place[k] < 0 || place[k] >= x->dims[2 + k]) return -1;
    at = at * x->dims[2 + k] + place[k];
  }
  return at;
}

/* Calls for each (n, o, place of y, c, tap): x at place stride + tap dilation - padding. */
static void slide(const geometry *g, const nd *x, const nd *w, const nd *y, double *to,
                  const double *from, bool turned) {
  int64_t at[KY_MAX_RANK], tap[KY_MAX_RANK];
  const int64_t results = w->dims[0] / g->groups, channels = w->dims[1];
  for (int64_t n = 0; n < y->count; n++) {
    nd_index(y, n, at);
    const int64_t group = at[1] / results;
    for (int64_t k = 0; k < nd_extent(w, 1, w->rank); k++) {
      nd_index(w, at[1] * nd_extent(w, 1, w->rank) + k, tap);
      int64_t place[3];
      for (int d = 0; d < g->axes; d++)
        place[d] = at[2 + d] * g->stride[d] + tap[2 + d] * g->dilation[d] - g->padding[d];
      const int64_t there = offset(x, at[0], group * channels + tap[1], place);
      if (there < 0) continue;
      const double weight = w->at[at[1] * nd_extent(w, 1, w->rank) + k];
      to[turned ? there : n] += weight * from[turned ? n : there];
    }
  }
}

static void start(const nd *const *x, const ky_sample *s, nd *out, const int64_t *dims) {
  nd_shape(out, x[0]->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t at[KY_MAX_RANK];
    nd_index(out, n, at);
    out->at[n] = s->operands == 2 ? 0 : x[2]->at[at[1]];
  }
}

static void oracle_conv(const nd *const *x, const ky_sample *s, nd *out) {
  const geometry g = geometry_of(x[0], s, false);
  int64_t dims[KY_MAX_RANK] = {x[0]->dims[0], x[1]->dims[0]};
  for (int k = 0; k < g.axes; k++)
    dims[2 + k] =
        (x[0]->dims[2 + k] + 2 * g.padding[k] - g.dilation[k] * (x[1]->dims[2 + k] - 1) - 1) /
            g.stride[k] +
        1;
  start(x, s, out, dims);
  slide(&g, x[0], x[1], out, out->at, x[0]->at, false);
}

static void oracle_conv_transpose(const nd *const *x, const ky_sample *s, nd *out) {
  const geometry g = geometry_of(x[0], s, true);
  int64_t dims[KY_MAX_RANK] = {x[0]->dims[0], x[1]->dims[1] * g.groups};
  for (int k = 0; k < g.axes; k++)
    dims[2 + k] = (x[0]->dims[2 + k] - 1) * g.stride[k] - 2 * g.padding[k] +
                  g.dilation[k] * (x[1]->dims[2 + k] - 1) + g.extra[k] + 1;
  start(x, s, out, dims);
  slide(&g, out, x[1], x[0], out->at, x[0]->at, true);
}

typedef ky_var recorder(ky_tape *t, ky_var x, ky_var w, ky_var bias, const ky_conv_options *o);

static ky_var record(ky_tape *t, const ky_var *x, const ky_sample *s,
                     recorder *const by_rank[3], bool turned) {
  const int rank = s->shape[0].rank < 3 ? 3 : s->shape[0].rank > 5 ? 5 : s->shape[0].rank;
  ky_conv_options o = s->n[0] == BAD ? options[PLAIN] : options_of(s);
  if (!turned) memset(o.output_padding, 0, sizeof o.output_padding);
  if (s->n[0] == BAD) {
    o.stride[0] = s->n[1];
    o.padding[0] = s->n[2];
    o.dilation[0] = s->n[3];
    o.groups = s->n[4];
    o.output_padding[0] = s->n[5];
  }
  if (s->dims.rank) o.size = 8;
  const ky_var bias = s->operands == 2 ? ky_none() : x[2];
  return by_rank[rank - 3](t, x[0], x[1], bias, s->n[0] == PLAIN && !s->dims.rank ? NULL : &o);
}

static ky_var record_conv(ky_tape *t, const ky_var *x, const ky_sample *s) {
  static recorder *const by_rank[] = {ky_conv1d, ky_conv2d, ky_conv3d};
  return record(t, x, s, by_rank, false);
}

static ky_var record_conv_transpose(ky_tape *t, const ky_var *x, const ky_sample *s) {
  static recorder *const by_rank[] = {ky_conv_transpose1d, ky_conv_transpose2d,
                                      ky_conv_transpose3d};
  return record(t, x, s, by_rank, true);
}

/* ---- samples ----------------------------------------------------------------------------- */

#define LAYERS(...) .shape = {__VA_ARGS__}

/* clang-format off */
static const ky_sample convs[] = {
    {LAYERS(DIMS(2, 3, 9), DIMS(4, 3, 3), DIMS(4)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 3, 9), DIMS(4, 3, 3)), .n = {PADDED}, .operands = 2},
    {LAYERS(DIMS(2, 3, 5, 6), DIMS(4, 3, 3, 2), DIMS(4)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 3, 5, 6), DIMS(4, 3, 3, 2)), .n = {PADDED}, .operands = 2},
    {LAYERS(DIMS(2, 2, 7, 8), DIMS(3, 2, 3, 4), DIMS(3)), .n = {STRIDED}},
    {LAYERS(DIMS(1, 2, 6, 7), DIMS(2, 2, 3, 3), DIMS(2)), .n = {DILATED}},
    {LAYERS(DIMS(2, 4, 5, 4), DIMS(6, 2, 3, 3), DIMS(6)), .n = {GROUPED}},
    {LAYERS(DIMS(2, 4, 5, 20), DIMS(4, 1, 3, 3), DIMS(4)), .n = {FOUR}}, /* depthwise */
    {LAYERS(DIMS(1, 4, 9, 6), DIMS(8, 1, 3, 2), DIMS(8)), .n = {FOUR}},
    {LAYERS(DIMS(1, 3, 9, 7), DIMS(3, 1, 3, 3), DIMS(3)), .n = {MIXED}},
    {LAYERS(DIMS(1, 6, 8, 5), DIMS(3, 2, 2, 3), DIMS(3)), .n = {MIXED}},
    {LAYERS(DIMS(1, 2, 9, 9), DIMS(2, 2, 2, 3), DIMS(2)), .n = {LARGE_STRIDE}},
    {LAYERS(DIMS(1, 2, 2, 3), DIMS(2, 2, 3, 2), DIMS(2)), .n = {WIDE}}, /* mostly padding */
    {LAYERS(DIMS(1, 2, 1, 1), DIMS(2, 2, 3, 5)), .n = {PADDED}, .operands = 2},
    {LAYERS(DIMS(1, 2, 3, 4, 5), DIMS(2, 2, 2, 3, 2), DIMS(2)), .n = {PLAIN}},
    {LAYERS(DIMS(1, 2, 4, 4, 5), DIMS(2, 2, 3, 3, 3), DIMS(2)), .n = {STRIDED}},
    {LAYERS(DIMS(2, 2, 3, 4, 3), DIMS(4, 1, 2, 3, 2), DIMS(4)), .n = {GROUPED}},
    {LAYERS(DIMS(3, 5, 4, 4), DIMS(7, 5, 1, 1), DIMS(7)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 3, 30), DIMS(35, 3, 2), DIMS(35)), .n = {PADDED}}, /* two panels */
    {LAYERS(DIMS(1, 2, 11, 12), DIMS(17, 2, 3, 3), DIMS(17)), .n = {PADDED}},
    {LAYERS(DIMS(1, 40, 4, 5), DIMS(3, 40, 3, 3), DIMS(3)), .n = {PADDED}}, /* deep */
    {LAYERS(DIMS(1, 3, 23, 24), DIMS(5, 3, 3, 3)), .n = {PLAIN}, .operands = 2},
    {LAYERS(DIMS(4, 1, 9, 9), DIMS(3, 1, 3, 3), DIMS(3)), .n = {PADDED}},
    {LAYERS(DIMS(1, 20, 5, 6), DIMS(1, 20, 3, 3), DIMS(1)), .n = {PADDED}}, /* one channel */
    {LAYERS(DIMS(1, 3, 8, 70), DIMS(1, 3, 3, 3)), .n = {PADDED}, .operands = 2},
    {LAYERS(DIMS(2, 4, 6, 4), DIMS(6, 2, 1, 1), DIMS(6)), .n = {GROUPED}},
    {LAYERS(DIMS(2, 3, 4, 5), DIMS(4, 3, 1, 1)), .n = {PLAIN}, .operands = 2},
    {LAYERS(DIMS(2, 3, 2, 3, 3), DIMS(2, 3, 1, 1, 1), DIMS(2)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 4, 9), DIMS(4, 4, 1), DIMS(4)), .n = {LARGE_STRIDE}},
    {LAYERS(DIMS(0, 2, 5), DIMS(3, 2, 2), DIMS(3)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 0, 5), DIMS(3, 0, 2), DIMS(3)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 2, 5), DIMS(0, 2, 2), DIMS(0)), .n = {PLAIN}},
    {LAYERS(DIMS(1, 2, 0), DIMS(3, 2, 2), DIMS(3)), .n = {PADDED}},
    {LAYERS(DIMS(1, 1, 1), DIMS(1, 1, 1), DIMS(1)), .n = {PLAIN}},
};
static const ky_sample conv_transposes[] = {
    {LAYERS(DIMS(2, 3, 7), DIMS(3, 4, 3), DIMS(4)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 3, 4, 5), DIMS(3, 4, 3, 5)), .n = {PADDED}, .operands = 2},
    {LAYERS(DIMS(2, 2, 3, 3), DIMS(2, 3, 3, 4), DIMS(3)), .n = {STRIDED}},
    {LAYERS(DIMS(1, 2, 4, 5), DIMS(2, 2, 3, 3), DIMS(2)), .n = {DILATED}},
    {LAYERS(DIMS(2, 4, 4, 4), DIMS(4, 3, 3, 3), DIMS(6)), .n = {GROUPED}},
    {LAYERS(DIMS(2, 4, 4, 20), DIMS(4, 1, 3, 3), DIMS(4)), .n = {FOUR}},
    {LAYERS(DIMS(1, 3, 4, 7), DIMS(3, 2, 3, 3), DIMS(6)), .n = {MIXED}},
    {LAYERS(DIMS(1, 2, 2, 3), DIMS(2, 2, 2, 3), DIMS(2)), .n = {LARGE_STRIDE}},
    {LAYERS(DIMS(1, 2, 9, 9), DIMS(2, 2, 3, 3), DIMS(2)), .n = {WIDE}},
    {LAYERS(DIMS(1, 2, 2, 3, 3), DIMS(2, 2, 3, 2, 2), DIMS(2)), .n = {STRIDED}},
    {LAYERS(DIMS(2, 3, 30), DIMS(3, 35, 2), DIMS(35)), .n = {PLAIN}},
    {LAYERS(DIMS(0, 2, 5), DIMS(2, 3, 2), DIMS(3)), .n = {PLAIN}},
    {LAYERS(DIMS(2, 0, 5), DIMS(0, 3, 2), DIMS(3)), .n = {PLAIN}},
    {LAYERS(DIMS(1, 1, 1), DIMS(1, 1, 1), DIMS(1)), .n = {PLAIN}},
};
/* clang-format on */

static const ky_example examples_conv[] = {
    {{LAYERS(DIMS(1, 1, 4), DIMS(1, 1, 2), DIMS(1)), .n = {PLAIN}},
     .x = {{1, 2, 3, 4}, {10, 1}, {100}}, /* the kernel is not flipped */
     .r = {112, 123, 134},
     .grad = {{10, 11, 11, 1}, {6, 9}, {3}}},
    {{LAYERS(DIMS(1, 1, 2), DIMS(1, 1, 2), DIMS(1)), .n = {PLAIN}},
     .x = {{INFINITY, 2}, {1, 1}, {0}},
     .r = {INFINITY},
     .grad = {{1, 1}, {INFINITY, 2}, {1}}},
};
static const ky_example examples_conv_transpose[] = {
    {{LAYERS(DIMS(1, 1, 3), DIMS(1, 1, 2), DIMS(1)), .n = {PLAIN}},
     .x = {{1, 2, 3}, {10, 1}, {100}},
     .r = {110, 121, 132, 103},
     .grad = {{11, 11, 11}, {6, 6}, {4}}},
};

/* clang-format off */
#define X345 DIMS(1, 4, 5)
#define OPTIONS(...) .n = {BAD, __VA_ARGS__}
#define REFUSALS                                                                               \
  {{LAYERS(DIMS(4, 5), X345, DIMS(4))}, KY_BAD_SHAPE, "[4,5] x [1,4,5]: wants rank 3"},        \
  {{LAYERS(X345, DIMS(4, 4), DIMS(4))}, KY_BAD_SHAPE, "[1,4,5] x [4,4]: wants rank 3"},        \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, 0, 1, 3)}, KY_BAD_SHAPE,                  \
   "the 4 channels of x do not make 3 groups"},                                                \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, 0, 1, -1)}, \
   KY_BAD_ARGUMENT, "-1 groups"}, \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(3))}, KY_BAD_SHAPE, "the bias is [3], wants [4]"},        \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(1, 4))}, KY_BAD_SHAPE, "the bias is [1,4], wants [4]"},   \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(-1)}, KY_BAD_ARGUMENT,                       \
   "stride -1, padding 0 and dilation 1 of axis 0"},                                           \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, -2)}, KY_BAD_ARGUMENT, "padding -2"},     \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, 0, -1)}, KY_BAD_ARGUMENT,                 \
   "dilation -1"},                                                                             \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, INT64_MAX)}, \
   KY_BAD_ARGUMENT, "padding "}, \
  {{LAYERS(X345, DIMS(4, 4, 0), DIMS(4))}, KY_BAD_SHAPE, "the kernel has extent 0"},           \
  {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), .dims = DIMS(1)}, KY_BAD_ARGUMENT,                   \
   "the options have size 8"}
/* clang-format on */
static const ky_refusal bad_convs[] = {
    REFUSALS,
    {{LAYERS(X345, DIMS(3, 3, 2), DIMS(3))},
     KY_BAD_SHAPE,
     "a group of the weight takes 3 channels; x has 4, in 1 groups"},
    {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, 0, 1, 2)},
     KY_BAD_SHAPE,
     "a group of the weight takes 4 channels; x has 4, in 2 groups"},
    {{LAYERS(X345, DIMS(3, 2, 2), DIMS(3)), OPTIONS(1, 0, 1, 2)},
     KY_BAD_SHAPE,
     "the 3 channels of the result do not make 2 groups"},
    {{LAYERS(X345, DIMS(4, 4, 6), DIMS(4))},
     KY_BAD_SHAPE,
     "[1,4,5] x [4,4,6]: a window of 6 does not fit axis 0, padded to 5"},
    {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(2, 0, 1, 1, 1)},
     KY_BAD_ARGUMENT,
     "output padding is for conv_transpose"},
};
static const ky_refusal bad_conv_transposes[] = {
    REFUSALS,
    {{LAYERS(X345, DIMS(3, 3, 2), DIMS(3))},
     KY_BAD_SHAPE,
     "[1,4,5] x [3,3,2]: the weight takes 3 channels, x has 4"},
    {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(1, 3, 1, 1)},
     KY_BAD_SHAPE,
     "[1,4,5] x [4,4,2]: axis 0 of the result would have extent 0"},
    {{LAYERS(X345, DIMS(4, 4, 2), DIMS(4)), OPTIONS(2, 0, 1, 1, 2)},
     KY_BAD_ARGUMENT,
     "output padding 2 of axis 0, wants less"},
};

/* ---- random samples ---------------------------------------------------------------------- */

/* An axis of x, long enough for a result, and its extents and options. */
static void roll_axis(ky_dice *dice, bool turned, int64_t most, int64_t *x, int64_t *kernel,
                      int64_t *words) {
  const int64_t stride = dice_roll(dice, 1, 3), dilation = dice_roll(dice, 1, 3);
  const int64_t padding = dice_roll(dice, 0, 3), larger = stride > dilation ? stride : dilation;
  const int64_t extra = turned ? dice_roll(dice, 0, larger - 1) : 0;
  *kernel = dice_roll(dice, 1, 4);
  *x = dice_extent(dice, most);
  const int64_t reach = dilation * (*kernel - 1) + 1;
  while (turned ? (*x - 1) * stride - 2 * padding + reach + extra < 1
                : *x + 2 * padding < reach)
    ++*x;
  *words = stride + 16 * padding + 256 * dilation + 4096 * extra;
}

static ky_sample roll_sample(ky_dice *dice, bool turned) {
  static const int64_t most[] = {33, 9, 4};
  const int axes = (int)dice_roll(dice, 1, 3);
  const int64_t groups = dice_roll(dice, 0, 2) ? 1 : dice_roll(dice, 2, 3);
  const int64_t in = dice_roll(dice, 1, 4), out = dice_roll(dice, 1, 4);
  ky_sample s = {.n = {ANY, groups}, .operands = (int)dice_roll(dice, 2, 3)};
  ky_extents *x = &s.shape[0], *w = &s.shape[1];
  *x = (ky_extents){axes + 2, {dice_roll(dice, 0, 9) ? dice_roll(dice, 1, 2) : 0, groups * in}};
  *w = (ky_extents){axes + 2, {groups * (turned ? in : out), turned ? out : in}};
  s.shape[2] = (ky_extents){1, {groups * out}};
  for (int k = 0; k < axes; k++)
    roll_axis(dice, turned, most[axes - 1], &x->dims[2 + k], &w->dims[2 + k], &s.n[2 + k]);
  return s;
}

/* Elements of the result, at most. */
static int64_t reach_of(const ky_sample *s) {
  int64_t n = 2 * s->shape[2].dims[0];
  for (int k = 2; k < s->shape[0].rank; k++)
    n *= 3 * s->shape[0].dims[k] + 3 * s->shape[1].dims[k];
  return n;
}

static ky_sample random_conv(ky_dice *dice) { return roll_sample(dice, false); }

static ky_sample random_conv_transpose(ky_dice *dice) {
  ky_sample s = roll_sample(dice, true);
  while (reach_of(&s) > ND_MAX) s = roll_sample(dice, true);
  return s;
}

#define SAMPLES(name)                                                                          \
  const ky_samples samples_##name = {                                                          \
      .operands = 3,                                                                           \
      .domain = {{-2, 2, UNIFORM, 0}, {-1, 1, UNIFORM, 0}, {-1, 1, UNIFORM, 0}},               \
      .whole = oracle_##name,                                                                  \
      .record = record_##name,                                                                 \
      LIST(sample, name##s),                                                                   \
      .random = random_##name,                                                                 \
      LIST(example, examples_##name),                                                          \
      LIST(refusal, bad_##name##s)};
SAMPLES(conv)
SAMPLES(conv_transpose)
