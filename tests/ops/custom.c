/* SPDX-License-Identifier: MIT */
/* Samples of custom: operations as a user would write them. n[0] chooses one. They differ in
 * shape rule, in what the adjoint reads, and in whether there is an aux buffer. */
#include "kytape/custom.h"

#include "samples.h"

enum { BLEND, LENGTH, SOFT, PICK, OPERATIONS };

static double get(const void *array, ky_dtype dtype, int64_t at) {
  return dtype == KY_F64 ? ((const double *)array)[at] : (double)((const float *)array)[at];
}

static void put(void *array, ky_dtype dtype, int64_t at, double value) {
  if (dtype == KY_F64)
    ((double *)array)[at] = value;
  else
    ((float *)array)[at] = (float)value;
}

static void give(const ky_custom_dest *to, ky_dtype dtype, int64_t at, double value) {
  if (to->gx) put(to->gx, dtype, at, value + (to->beta ? get(to->gx, dtype, at) : 0));
}

/* BAD_DTYPE unless the result's dtype is a float, and that of each operand in `reals`. */
static ky_status need_floats(const ky_custom_shape_call *call, unsigned reals) {
  bool good = call->dtype == KY_F32 || call->dtype == KY_F64;
  for (size_t k = 0; k < call->count; k++)
    if (reals & 1u << k) good &= call->x[k].dtype == call->dtype;
  return good ? KY_OK : KY_BAD_DTYPE;
}

/* ---- a b + sin a, of two values of one shape --------------------------------------------- */

static ky_status blend_shape(ky_custom_shape_call *call) {
  if (call->x[0].count != call->x[1].count) return KY_BAD_SHAPE;
  return need_floats(call, 3);
}

static ky_status blend(const ky_custom_forward_call *call) {
  for (int64_t n = 0; n < call->result->count; n++) {
    const ky_dtype dtype = call->result->dtype;
    const double a = get(call->x[0].data, dtype, n), b = get(call->x[1].data, dtype, n);
    put(call->r, dtype, n, a * b + sin(a));
  }
  return KY_OK;
}

static ky_status pull_blend(const ky_custom_adjoint_call *call) {
  const ky_dtype dtype = call->result->dtype;
  for (int64_t n = 0; n < call->result->count; n++) { /* the second operand first */
    const double a = get(call->x[0].data, dtype, n), g = get(call->g, dtype, n);
    give(&call->to[1], dtype, n, g * a);
  }
  for (int64_t n = 0; n < call->result->count; n++) {
    const double a = get(call->x[0].data, dtype, n), b = get(call->x[1].data, dtype, n);
    give(&call->to[0], dtype, n, get(call->g, dtype, n) * (b + cos(a)));
  }
  return KY_OK;
}

/* ---- length of vectors: reads operand and result ----------------------------------------- */

static ky_status length_shape(ky_custom_shape_call *call) {
  if (call->rank == 0) return KY_BAD_SHAPE;
  call->rank--;
  return need_floats(call, 1);
}

static ky_status length(const ky_custom_forward_call *call) {
  const int64_t n = call->x[0].dims[call->x[0].rank - 1];
  const ky_dtype dtype = call->result->dtype;
  for (int64_t i = 0; i < call->result->count; i++) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += pow(get(call->x[0].data, dtype, i * n + j), 2);
    put(call->r, dtype, i, sqrt(sum));
  }
  return KY_OK;
}

static ky_status pull_length(const ky_custom_adjoint_call *call) {
  const int64_t n = call->x[0].dims[call->x[0].rank - 1];
  const ky_dtype dtype = call->result->dtype;
  for (int64_t i = 0; i < call->result->count; i++) {
    const double r = get(call->result->data, dtype, i), g = get(call->g, dtype, i);
    for (int64_t j = 0; j < n; j++)
      give(call->to, dtype, i * n + j, g * get(call->x[0].data, dtype, i * n + j) / r);
  }
  return KY_OK;
}

/* ---- softplus, which leaves its slope in the aux buffer and reads nothing else ----------- */

static ky_status soft_shape(ky_custom_shape_call *call) {
  call->aux_bytes = (size_t)call->x[0].count * sizeof(double);
  return need_floats(call, 1);
}

static ky_status soft(const ky_custom_forward_call *call) {
  for (int64_t n = 0; n < call->result->count; n++) {
    const double a = get(call->x[0].data, call->result->dtype, n);
    put(call->r, call->result->dtype, n, log1p(exp(a)));
    ((double *)call->aux)[n] = 1 / (1 + exp(-a));
  }
  return KY_OK;
}

static ky_status pull_soft(const ky_custom_adjoint_call *call) {
  const ky_dtype dtype = call->result->dtype;
  for (int64_t n = 0; n < call->result->count; n++)
    give(call->to, dtype, n, get(call->g, dtype, n) * ((const double *)call->aux)[n]);
  return KY_OK;
}

/* ---- operands of several dtypes: a or c, as the integer b says --------------------------- */

static ky_status pick_shape(ky_custom_shape_call *call) {
  if (call->x[1].dtype != KY_I32) return KY_BAD_DTYPE;
  return need_floats(call, 5);
}

static ky_status pick(const ky_custom_forward_call *call) {
  const ky_dtype dtype = call->result->dtype;
  for (int64_t n = 0; n < call->result->count; n++) {
    const bool first = ((const int32_t *)call->x[1].data)[n] == 0;
    put(call->r, dtype, n, get(call->x[first ? 0 : 2].data, dtype, n));
  }
  return KY_OK;
}

static ky_status pull_pick(const ky_custom_adjoint_call *call) {
  const ky_dtype dtype = call->result->dtype;
  if (call->to[1].gx) return KY_BAD_DTYPE; /* no gradient of an integer */
  for (int64_t n = 0; n < call->result->count; n++) {
    const bool first = ((const int32_t *)call->x[1].data)[n] == 0;
    const double g = get(call->g, dtype, n);
    give(&call->to[0], dtype, n, first ? g : 0);
    give(&call->to[2], dtype, n, first ? 0 : g);
  }
  return KY_OK;
}

static const ky_custom_op operations[OPERATIONS] = {
    [BLEND] = {sizeof(ky_custom_op), "blend", KY_CUSTOM_PURE, KY_CUSTOM_READS_ALL, NULL,
               blend_shape, blend, pull_blend},
    [LENGTH] = {sizeof(ky_custom_op), "length", 0, KY_CUSTOM_READS(0) | KY_CUSTOM_READS_RESULT,
                NULL, length_shape, length, pull_length},
    [SOFT] = {sizeof(ky_custom_op), "soft", 0, 0, NULL, soft_shape, soft, pull_soft},
    [PICK] = {sizeof(ky_custom_op), "pick", 0, KY_CUSTOM_READS(1), NULL, pick_shape, pick,
              pull_pick},
};

/* ---- samples ----------------------------------------------------------------------------- */

static void oracle_custom(const nd *const *x, const ky_sample *s, nd *out) {
  const int64_t last = x[0]->rank ? x[0]->dims[x[0]->rank - 1] : 1;
  nd_shape(out, x[0]->rank - (s->n[0] == LENGTH), x[0]->dims);
  for (int64_t n = 0; n < out->count; n++) {
    const double *a = x[0]->at + n;
    double sum = 0;
    switch (s->n[0]) {
    case BLEND: out->at[n] = *a * x[1]->at[n] + sin(*a); break;
    case SOFT: out->at[n] = log1p(exp(*a)); break;
    case PICK: out->at[n] = x[1]->at[n] == 0 ? *a : x[2]->at[n]; break;
    default:
      for (int64_t j = 0; j < last; j++) sum += pow(x[0]->at[n * last + j], 2);
      out->at[n] = sqrt(sum);
    }
  }
}

static ky_var record_custom(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_custom(t, &operations[s->n[0]], (size_t)s->operands, x);
}

static const ky_sample samples_of_custom[] = {
    {.shape = {DIMS(3, 4), DIMS(3, 4)}, .n = {BLEND}},
    {.shape = {DIMS(37), DIMS(37)}, .n = {BLEND}},
    {.shape = {{0}, {0}}, .n = {BLEND}},
    {.shape = {DIMS(0, 3), DIMS(0, 3)}, .n = {BLEND}},
    {.shape = {DIMS(1, 1), DIMS(1, 1)}, .n = {BLEND}},
    {.shape = {DIMS(3, 4)}, .operands = 1, .n = {LENGTH}},
    {.shape = {DIMS(5)}, .operands = 1, .n = {LENGTH}},
    {.shape = {DIMS(0, 4)}, .operands = 1, .n = {LENGTH}},
    {.shape = {DIMS(2, 3, 2)}, .operands = 1, .n = {SOFT}},
    {.shape = {{0}}, .operands = 1, .n = {SOFT}},
    {.shape = {DIMS(0)}, .operands = 1, .n = {SOFT}},
    {.shape = {DIMS(4, 3), DIMS(4, 3), DIMS(4, 3)},
     .operands = 3,
     .kind = {REAL, INT32, REAL},
     .domain = {{0}, {0, 1, INTEGER, 0}},
     .n = {PICK}},
};

#define SAMPLES (int64_t)(sizeof samples_of_custom / sizeof *samples_of_custom)

static ky_sample random_custom(ky_dice *dice) {
  ky_sample s = samples_of_custom[dice_roll(dice, 0, SAMPLES - 1)];
  ky_extents e = {(int)dice_roll(dice, s.n[0] == LENGTH, 3), {0}};
  for (int k = 0; k < e.rank; k++)
    e.dims[k] = dice_roll(dice, 0, 19) ? dice_extent(dice, e.rank == 1 ? 65 : 7) : 0;
  if (s.n[0] == LENGTH && e.dims[e.rank - 1] == 0) e.dims[e.rank - 1] = 1; /* kinks at 0 */
  for (int k = 0; k < 3; k++) s.shape[k] = e;
  return s;
}

static const ky_refusal refusals_of_custom[] = {
    {{.shape = {DIMS(2, 3), DIMS(4)}, .n = {BLEND}}, KY_BAD_SHAPE, "custom: blend: shapes do"},
    {{.shape = {{0}}, .operands = 1, .n = {LENGTH}}, KY_BAD_SHAPE, "custom: length: "},
};

const ky_samples samples_custom = {
    .operands = 2,
    .domain = {{0.2, 2, UNIFORM, 0}, {0.2, 2, UNIFORM, 0}, {0.2, 2, UNIFORM, 0}},
    .whole = oracle_custom,
    .record = record_custom,
    LIST(sample, samples_of_custom),
    .random = random_custom,
    LIST(refusal, refusals_of_custom)};
