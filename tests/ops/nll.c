/* SPDX-License-Identifier: MIT */
/* Samples of nll: n[0] is the reduction. */
#include <string.h>

#include "close.h"
#include "samples.h"

static void oracle_nll(const nd *const *x, const ky_sample *s, nd *out) {
  const int64_t classes = x[0]->dims[x[0]->rank - 1];
  double total = 0;
  nd_shape(out, x[1]->rank, x[1]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    out->at[n] = -x[0]->at[n * classes + (int64_t)x[1]->at[n]];
    total += out->at[n];
  }
  if (s->n[0] == KY_REDUCE_NONE) return;
  if (s->n[0] == KY_REDUCE_MEAN) total /= (double)out->count;
  nd_shape(out, 0, NULL);
  out->at[0] = total;
}

static ky_var record_nll(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_nll(t, x[0], x[1], (ky_reduction)s->n[0]);
}

static const ky_sample samples_of_nll[] = {
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}},
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT32}, .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(5), {0}}, .kind = {REAL, INT64}},
    {.shape = {DIMS(5), {0}}, .kind = {REAL, INT32}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3)}, .kind = {REAL, INT64}},
    {.shape = {DIMS(2, 3, 4), DIMS(2, 3)}, .kind = {REAL, INT64}, .n = {KY_REDUCE_MEAN}},
    {.shape = {DIMS(0, 5), DIMS(0)}, .kind = {REAL, INT64}, .n = {KY_REDUCE_SUM}},
    {.shape = {DIMS(0, 5), DIMS(0)}, .kind = {REAL, INT64}, .n = {KY_REDUCE_MEAN}},
};

static const ky_example examples_nll[] = {
    {{.shape = {DIMS(3), {0}}, .kind = {REAL, INT64}},
     .x = {{-1, -2, -3}, {2}},
     .r = {3},
     .grad = {{0, 0, -1}}},
    {{.shape = {DIMS(3), {0}}, .kind = {REAL, INT64}},
     .x = {{-1, -INFINITY, NAN}, {1}},
     .r = {INFINITY},
     .grad = {{0, -1, 0}}},
};

static const ky_refusal refusals_of_nll[] = {
    {{.shape = {DIMS(4, 5), DIMS(3)}, .kind = {REAL, INT64}},
     KY_BAD_SHAPE,
     "nll: [4,5] x [3]: extents 4 and 3"},
    {{.shape = {DIMS(4, 5), DIMS(4, 5)}, .kind = {REAL, INT64}},
     KY_BAD_SHAPE,
     "[4,5] x [4,5]: "},
    {{.shape = {DIMS(2, 0), DIMS(2)}, .kind = {REAL, INT64}}, KY_BAD_SHAPE, "no classes"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, MASK}},
     KY_BAD_DTYPE,
     "i32 or i64, got mask"},
    {{.shape = {DIMS(4, 5), DIMS(4)}, .kind = {REAL, INT64}, .n = {3}},
     KY_BAD_ARGUMENT,
     "unknown reduction 3"},
};

static void check_labels(void) {
  const float log_p[6] = {0};
  const int32_t labels[2] = {0, 3};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(2, 3), log_p);
  ky_nll(t, x, ky_input(t, KY_I32, KY_SHAPE(2), labels), KY_REDUCE_MEAN);
  const ky_status status = ky_forward(t);
  const bool said = strstr(ky_tape_message(t), "nll: label 3 of row 1 is not in 0..2") != NULL;
  ky_tape_free(t);
  assert_int_equal(status, KY_BAD_INDEX);
  assert_true(said);
}

const ky_samples samples_nll = {.operands = 2,
                                .domain = {{-3, 0, UNIFORM, 0}, {0, 3, INTEGER, 0}},
                                .whole = oracle_nll,
                                .record = record_nll,
                                LIST(sample, samples_of_nll),
                                LIST(example, examples_nll),
                                LIST(refusal, refusals_of_nll),
                                .also = check_labels};
