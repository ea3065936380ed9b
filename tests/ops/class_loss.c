/* SPDX-License-Identifier: MIT */
/* Samples of cross_entropy_with: n[0] is the reduction, n[1] whether a label is ignored and
 * n[2] which, s[0] the smoothing. */
#include <string.h>

#include "close.h"
#include "samples.h"

static void oracle_cross_entropy_with(const nd *const *x, const ky_sample *s, nd *out) {
  const int64_t classes = x[0]->dims[x[0]->rank - 1];
  double total = 0, mass = 0;
  nd_shape(out, x[1]->rank, x[1]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    const double *row = x[0]->at + n * classes;
    const int64_t label = (int64_t)x[1]->at[n];
    out->at[n] = 0;
    if (s->n[1] && label == s->n[2]) continue;
    double sum = 0, all = 0, here = 0;
    for (int64_t k = 0; k < classes; k++) sum += exp(row[k]);
    for (int64_t k = 0; k < classes; k++) {
      const double w = s->operands == 3 ? x[2]->at[k] : 1, h = w * (log(sum) - row[k]);
      all += h;
      if (k != label) continue;
      here = h;
      mass += w;
    }
    out->at[n] = (1 - s->s[0]) * here + s->s[0] / (double)classes * all;
    total += out->at[n];
  }
  if (s->n[0] == KY_REDUCE_NONE) return;
  if (s->n[0] == KY_REDUCE_MEAN) total /= mass;
  nd_shape(out, 0, NULL);
  out->at[0] = total;
}

static ky_var record_cross_entropy_with(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_class_options o = {.size = sizeof o,
                              .reduction = (ky_reduction)s->n[0],
                              .weights = s->operands == 3 ? x[2] : ky_none(),
                              .ignore = (int)s->n[1],
                              .ignore_label = s->n[2],
                              .smoothing = s->s[0]};
  return ky_cross_entropy_with(t, x[0], x[1], &o);
}

#define LABELS(least, most) .domain = {{0}, {least, most, INTEGER, 0}}
#define PAIR                .operands = 2
#define TRIPLE              .operands = 3
static const ky_sample samples_of_class_loss[] = {
    {.shape = {DIMS(4, 5), DIMS(4), DIMS(5)}, .kind = {REAL, INT64}, TRIPLE, LABELS(0, 4)},
    {.shape = {DIMS(4, 5), DIMS(4), DIMS(5)},
     .kind = {REAL, INT32},
     TRIPLE,
     LABELS(0, 4),
     .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(4, 5), DIMS(4), DIMS(5)},
     .kind = {REAL, INT64},
     TRIPLE,
     LABELS(0, 4),
     .s = {0.2}, /* without, labels that are all the same make the slope of the weights 0 */
     .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(6, 37), DIMS(6), DIMS(37)},
     .kind = {REAL, INT64},
     TRIPLE,
     LABELS(-1, 36),
     .s = {0.1},
     .n = {KY_REDUCE_MEAN, 1, -1}},
    {.shape = {DIMS(7, 3), DIMS(7), DIMS(3)},
     .kind = {REAL, INT32},
     TRIPLE,
     LABELS(0, 2),
     .s = {0.25},
     .n = {KY_REDUCE_NONE, 1, 2}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3)},
     .kind = {REAL, INT64},
     PAIR,
     LABELS(0, 3),
     .s = {0.3},
     .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(9, 4), DIMS(9)},
     .kind = {REAL, INT64},
     PAIR,
     LABELS(0, 3),
     .n = {KY_REDUCE_SUM, 1, 1}},
    {.shape = {DIMS(5), {0}}, .kind = {REAL, INT32}, PAIR, LABELS(0, 4), .s = {0.9}},
    {.shape = {DIMS(5), {0}, DIMS(5)},
     .kind = {REAL, INT64},
     TRIPLE,
     LABELS(0, 4),
     .s = {0.5},
     .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(17, 300), DIMS(17), DIMS(300)},
     .kind = {REAL, INT64},
     TRIPLE,
     LABELS(0, 299),
     .s = {0.1},
     .n = {KY_REDUCE_MEAN, 1, 7}},
    {.shape = {DIMS(0, 5), DIMS(0), DIMS(5)},
     .kind = {REAL, INT64},
     TRIPLE,
     LABELS(0, 4),
     .s = {0.1},
     .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(0, 5), DIMS(0)},
     .kind = {REAL, INT64},
     PAIR,
     LABELS(0, 4),
     .s = {0.1},
     .n = {KY_REDUCE_MEAN}},
};

#define ROW(ignore, label)                                                                     \
  {                                                                                            \
    .shape = {DIMS(2), {0}}, .kind = {REAL, INT32}, PAIR, .s = {0.5}, .n = {                   \
      0,                                                                                       \
      ignore,                                                                                  \
      label                                                                                    \
    }                                                                                          \
  }
static const ky_example examples_of_class_loss[] = {
    {ROW(0, 0), .x = {{1000, -1000}, {0}}, .r = {500}, .grad = {{0.25, -0.25}}},
    {ROW(0, 0), .x = {{0, 0}, {1}}, .r = {0.6931471805599453}, .grad = {{0.25, -0.25}}},
    {ROW(0, 0), .x = {{NAN, 0}, {1}}, .r = {NAN}, .forward_only = true},
    {ROW(1, 1), .x = {{NAN, 0}, {1}}, .r = {0}, .grad = {{0, 0}}}, /* does not count */
    {ROW(1, -100), .x = {{INFINITY, 0}, {-100}}, .r = {0}, .grad = {{0, 0}}},
};

static const ky_refusal refusals_of_class_loss[] = {
    {{.shape = {DIMS(4, 5), DIMS(3)}, .kind = {REAL, INT64}, PAIR, .s = {0.1}},
     KY_BAD_SHAPE,
     "extents 4 and 3"},
    {{.shape = {DIMS(4, 5), DIMS(4), DIMS(4)}, .kind = {REAL, INT64}, TRIPLE},
     KY_BAD_SHAPE,
     "weights are [4], want [5]"},
    {{.shape = {DIMS(4, 5), DIMS(4), DIMS(1, 5)}, .kind = {REAL, INT64}, TRIPLE},
     KY_BAD_SHAPE,
     "weights are [1,5], want [5]"},
    {{.shape = {DIMS(2, 0), DIMS(2)}, .kind = {REAL, INT64}, PAIR, .s = {0.1}},
     KY_BAD_SHAPE,
     "no classes"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, MASK}, PAIR, .s = {0.1}},
     KY_BAD_DTYPE,
     "i32 or i64, got mask"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, PAIR, .s = {1.5}},
     KY_BAD_ARGUMENT,
     "smoothing is 1.5, wants 0 to 1"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, PAIR, .s = {NAN}},
     KY_BAD_ARGUMENT,
     "smoothing is "},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, PAIR, .n = {3, 1}},
     KY_BAD_ARGUMENT,
     "unknown reduction 3"},
};

static void check_labels(void) {
  const float logits[6] = {0};
  const int64_t labels[2] = {-100, 3};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(2, 3), logits);
  const ky_class_options o = {.size = sizeof o, .ignore = 1, .ignore_label = -100};
  ky_cross_entropy_with(t, x, ky_input(t, KY_I64, KY_SHAPE(2), labels), &o);
  const ky_status status = ky_forward(t);
  const bool said =
      strstr(ky_tape_message(t), "cross_entropy_with: label 3 of row 1 is not in 0..2") != NULL;
  ky_tape_free(t);
  assert_int_equal(status, KY_BAD_INDEX);
  assert_true(said);
}

const ky_samples samples_cross_entropy_with = {
    .operands = 3,
    .domain = {{-3, 3, UNIFORM, 0}, {0, 1, INTEGER, 0}, {0.2, 2, UNIFORM, 0}},
    .whole = oracle_cross_entropy_with,
    .record = record_cross_entropy_with,
    LIST(sample, samples_of_class_loss),
    LIST(example, examples_of_class_loss),
    LIST(refusal, refusals_of_class_loss),
    .also = check_labels};
