/* SPDX-License-Identifier: MIT */
/* Samples of the losses: n[0] is the reduction. */
#include "samples.h"

#include <string.h>

#include "close.h"

/* Losses in out, one each, become what the reduction says. */
static void reduce(const ky_sample *s, nd *out) {
  if (s->n[0] == KY_REDUCE_NONE) return;
  double sum = 0;
  for (int64_t n = 0; n < out->count; n++) sum += out->at[n];
  const double count = s->n[0] == KY_REDUCE_MEAN ? (double)out->count : 1;
  nd_shape(out, 0, NULL);
  out->at[0] = sum / count;
}

/* ---- cross_entropy ---------------------------------------------------------------------- */

static void oracle_cross_entropy(const nd *const *x, const ky_sample *s, nd *out) {
  const int64_t classes = x[0]->dims[x[0]->rank - 1];
  nd_shape(out, x[1]->rank, x[1]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    const double *row = x[0]->at + n * classes;
    const double chosen = row[(int64_t)x[1]->at[n]];
    double top = -INFINITY, sum = 0;
    for (int64_t k = 0; k < classes; k++) top = fmax(top, row[k]);
    for (int64_t k = 0; k < classes; k++) sum += exp(row[k] - top);
    out->at[n] = top - chosen + log(sum);
  }
  reduce(s, out);
}

static ky_var record_cross_entropy(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_cross_entropy(t, x[0], x[1], (ky_reduction)s->n[0]);
}

#define LABELS(classes) .domain = {{0}, {0, (classes)-1, INTEGER, 0}}
static const ky_sample samples_of_cross_entropy[] = {
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, LABELS(5)},
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT32}, LABELS(5), .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, LABELS(5), .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(5), {0}}, .kind = {REAL, INT64}, LABELS(5)},
    {.shape = {DIMS(5), {0}}, .kind = {REAL, INT32}, LABELS(5), .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3)}, .kind = {REAL, INT64}, LABELS(4)},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3)},
     .kind = {REAL, INT32},
     LABELS(4),
     .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(3, 37), DIMS(3)}, .kind = {REAL, INT32}, LABELS(37), .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(37, 2), DIMS(37)}, .kind = {REAL, INT64}, LABELS(2), .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(0, 5), DIMS(0)}, .kind = {REAL, INT64}, LABELS(5)},
    {.shape = {DIMS(0, 5), DIMS(0)}, .kind = {REAL, INT64}, LABELS(5), .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(0, 5), DIMS(0)}, .kind = {REAL, INT64}, LABELS(5), .n = {KY_REDUCE_MEAN}},
};

/* clang-format off */
#define TWO_CLASSES {.shape = {DIMS(2), {0}}, .kind = {REAL, INT32}}
/* clang-format on */
static const ky_example examples_cross_entropy[] = {
    {TWO_CLASSES, .x = {{1000, -1000}, {0}}, .r = {0}, .grad = {{0, 0}}},
    {TWO_CLASSES, .x = {{1000, -1000}, {1}}, .r = {2000}, .grad = {{1, -1}}},
    {TWO_CLASSES, .x = {{0, 0}, {1}}, .r = {0.6931471805599453}, .grad = {{0.5, -0.5}}},
    {TWO_CLASSES, .x = {{-INFINITY, 0}, {1}}, .r = {0}, .grad = {{0, 0}}},
    {TWO_CLASSES, .x = {{NAN, 0}, {1}}, .r = {NAN}, .forward_only = true},
};

static const ky_refusal refusals_of_cross_entropy[] = {
    {{.shape = {DIMS(4, 5), DIMS(3)}, .kind = {REAL, INT64}},
     KY_BAD_SHAPE,
     "cross_entropy: [4,5] x [3]: extents 4 and 3"},
    {{.shape = {DIMS(4, 5), DIMS(4, 5)}, .kind = {REAL, INT64}},
     KY_BAD_SHAPE,
     "[4,5] x [4,5]: "},
    {{.shape = {{0}, {0}}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "[] x []: "},
    {{.shape = {DIMS(2, 0), DIMS(2)}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "no classes"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, MASK}},
     KY_BAD_DTYPE,
     "i32 or i64, got mask"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, .n = {3}},
     KY_BAD_ARGUMENT,
     "unknown reduction 3"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, .n = {-1}},
     KY_BAD_ARGUMENT,
     "unknown reduction -1"},
};

/* The status and message of a label that is no class. */
static void check_label(ky_dtype dtype, const void *labels, const char *says) {
  const float logits[6] = {0};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(2, 3), logits);
  const ky_var y = ky_input(t, dtype, KY_SHAPE(2), labels);
  ky_cross_entropy(t, x, y, KY_REDUCE_MEAN);
  const ky_status status = ky_forward(t);
  const bool said = strstr(ky_tape_message(t), says) != NULL;
  ky_tape_free(t);
  assert_int_equal(status, KY_BAD_INDEX);
  assert_true(said);
}

static void check_labels(void) {
  check_label(KY_I32, (const int32_t[]){0, 3},
              "cross_entropy: label 3 of row 1 is not in 0..2");
  check_label(KY_I64, (const int64_t[]){-1, 0}, "label -1 of row 0");
  check_label(KY_I64, (const int64_t[]){0, INT64_MAX}, "label 9223372036854775807");
  check_label(KY_I64, (const int64_t[]){(int64_t)1 << 32, 0}, "label 4294967296");
}

const ky_samples samples_cross_entropy = {.operands = 2,
                                          .domain = {{-3, 3, UNIFORM, 0}, {0, 1, INTEGER, 0}},
                                          .whole = oracle_cross_entropy,
                                          .record = record_cross_entropy,
                                          LIST(sample, samples_of_cross_entropy),
                                          LIST(example, examples_cross_entropy),
                                          LIST(refusal, refusals_of_cross_entropy),
                                          .also = check_labels};

/* ---- losses of two values of one shape -------------------------------------------------- */

static const ky_sample pairs[] = {
    {.shape = {DIMS(3, 4), DIMS(3, 4)}},
    {.shape = {DIMS(3, 4), DIMS(3, 4)}, .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(3, 4), DIMS(3, 4)}, .n = {KY_REDUCE_MEAN}},
    {.shape = {{0}, {0}}},
    {.shape = {{0}, {0}}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(1, 4), DIMS(1, 4)}, .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(37), DIMS(37)}},
    {.shape = {DIMS(37), DIMS(37)}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3, 4)}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(0), DIMS(0)}},
    {.shape = {DIMS(0), DIMS(0)}, .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(2, 0), DIMS(2, 0)}, .n = {KY_REDUCE_MEAN}},
};

static const ky_refusal refusals_of_pairs[] = {
    {{.shape = {DIMS(2, 3), DIMS(3, 3)}}, KY_BAD_SHAPE, "[2,3] x [3,3]: extents 2 and 3"},
    {{.shape = {DIMS(2, 3), DIMS(3)}}, KY_BAD_SHAPE, "[2,3] x [3]: ranks 2 and 1"},
    {{.shape = {DIMS(2), DIMS(2)}, .n = {3}}, KY_BAD_ARGUMENT, "unknown reduction 3"},
};

#define SAMPLES(name, expression, where_a, where_b)                                            \
  static void oracle_##name(const nd *const *x, const ky_sample *s, nd *out) {                 \
    nd_shape(out, x[0]->rank, x[0]->dims);                                                     \
    for (int64_t n = 0; n < out->count; n++) {                                                 \
      const double a = x[0]->at[n], b = x[1]->at[n];                                           \
      out->at[n] = expression;                                                                 \
    }                                                                                          \
    reduce(s, out);                                                                            \
  }                                                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name(t, x[0], x[1], (ky_reduction)s->n[0]);                                    \
  }                                                                                            \
  const ky_samples samples_##name = {.operands = 2,                                            \
                                     .domain = {{where_a}, {where_b}},                         \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, pairs),                                      \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, refusals_of_pairs)};

#define ANYWHERE -3, 3, UNIFORM, 0
#define INSIDE   0.1, 0.9, UNIFORM, 0

/* clang-format off */
#define AT(a, b, value, slope_a, slope_b)                                                      \
  {.x = {{a}, {b}}, .r = {value}, .grad = {{slope_a}, {slope_b}}}
#define AT_F64(a, b, value, slope_a, slope_b)                                                  \
  {.x = {{a}, {b}}, .r = {value}, .grad = {{slope_a}, {slope_b}}, .f64_only = true}
/* clang-format on */

/* -ln q and -ln(1 - q) where p is clipped to q = 1e-7, and to q = 1 - 1e-7 as a double. */
#define LOW_FAR   16.11809565095832
#define LOW_NEAR  1.0000000500000033e-07
#define HIGH_NEAR 1.0000000494736474e-07
#define HIGH_FAR  16.118095651484676
static const ky_example examples_bce[] = {
    AT_F64(0, 1, LOW_FAR, 0, LOW_FAR - LOW_NEAR), /* clipped: no gradient of p */
    AT_F64(0, 0, LOW_NEAR, 0, LOW_FAR - LOW_NEAR),
    AT_F64(1, 1, HIGH_NEAR, 0, HIGH_NEAR - HIGH_FAR),
    AT_F64(1, 0, HIGH_FAR, 0, HIGH_NEAR - HIGH_FAR),
    AT_F64(1e-7, 1, LOW_FAR, -1e7, LOW_FAR - LOW_NEAR), /* the edges are not clipped */
    AT_F64(1 - 1e-7, 0, HIGH_FAR, 1 / (1 - (1 - 1e-7)), HIGH_NEAR - HIGH_FAR),
    AT(0.5, 1, 0.6931471805599453, -2, 0),
    {.x = {{NAN}, {1}}, .r = {NAN}, .forward_only = true},
};
static const ky_example examples_bce_with_logits[] = {
    AT(0, 1, 0.6931471805599453, -0.5, 0),
    AT(1000, 1, 0, 0, -1000),
    AT(1000, 0, 1000, 1, -1000),
    AT(-1000, 1, 1000, -1, 1000),
    AT(-1000, 0, 0, 0, 1000),
    {.x = {{NAN}, {1}}, .r = {NAN}, .forward_only = true},
};
static const ky_example examples_mse[] = {
    AT(3, 1, 4, 4, -4),
    AT(1, 1, 0, 0, 0),
    {.x = {{NAN}, {1}}, .r = {NAN}, .forward_only = true},
};

SAMPLES(bce, log(a) * -b - (1 - b) * log(1 - a), INSIDE, INSIDE)
SAMPLES(bce_with_logits, fmax(a, 0) + log1p(exp(-fabs(a))) - a * b, ANYWHERE, INSIDE)
SAMPLES(mse, (a - b) * (a - b), ANYWHERE, ANYWHERE)
