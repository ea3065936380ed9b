/* SPDX-License-Identifier: MIT */
/* Samples of what has to do with dtypes and masks alone: cast, isfinite, logical_not. */
#include "close.h"
#include "samples.h"

/* ---- cast -------------------------------------------------------------------------------- */

/* Drawn elements are exact in f32. n[0] is the dtype; with n[1] the result is cast to REAL
 * again. */
static double oracle_cast(const double *x, const ky_sample *s) {
  return s->n[0] == KY_MASK                       ? x[0] != 0
         : s->n[0] == KY_F32 || s->n[0] == KY_F64 ? x[0]
                                                  : trunc(x[0]);
}

static ky_var record_cast(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_var r = ky_cast(t, x[0], (ky_dtype)s->n[0]);
  return s->n[1] ? ky_cast(t, r, s->real) : r;
}

static const ky_sample samples_of_cast[] = {
    {.n = {KY_F32, 1}},
    {.n = {KY_F64, 1}},
    {.n = {KY_I32}},
    {.n = {KY_I64}},
    {.n = {KY_MASK}},
    {.kind = {INT32}, .n = {KY_F32}},
    {.kind = {INT32}, .n = {KY_F64}},
    {.kind = {INT32}, .n = {KY_I32}},
    {.kind = {INT32}, .n = {KY_I64}},
    {.kind = {INT32}, .n = {KY_MASK}},
    {.kind = {INT64}, .n = {KY_F32}},
    {.kind = {INT64}, .n = {KY_F64}},
    {.kind = {INT64}, .n = {KY_I32}},
    {.kind = {INT64}, .n = {KY_I64}},
    {.kind = {INT64}, .n = {KY_MASK}},
    {.kind = {MASK}, .n = {KY_F32}},
    {.kind = {MASK}, .n = {KY_F64}},
    {.kind = {MASK}, .n = {KY_I32}},
    {.kind = {MASK}, .n = {KY_I64}},
    {.kind = {MASK}, .n = {KY_MASK}},
};

#define TO(dtype, x0, value)                                                                   \
  {                                                                                            \
    .sample.n = {dtype}, .x = {{x0}}, .r = { value }                                           \
  }
static const ky_example examples_cast[] = {
    TO(KY_I32, -2.75, -2),          TO(KY_I32, NAN, 0),
    TO(KY_I32, 1e30, INT32_MAX),    TO(KY_I32, 0x1p31, INT32_MAX),
    TO(KY_I32, -0x1p31, INT32_MIN), TO(KY_I32, -INFINITY, INT32_MIN),
    TO(KY_I64, -2.75, -2),          TO(KY_I64, NAN, 0),
    TO(KY_I64, -0x1p63, -0x1p63),   TO(KY_I64, INFINITY, 0x1p63), /* INT64_MAX as a double */
    TO(KY_I64, -INFINITY, -0x1p63), TO(KY_MASK, NAN, 1),
    TO(KY_MASK, -0.0, 0),           TO(KY_MASK, 1e-30, 1),
};
#undef TO

static const ky_refusal refusals_of_cast[] = {
    {{.shape = {DIMS(2)}, .n = {99}}, KY_BAD_DTYPE, "[2]: values cannot be of dtype 99"},
};

static void check_gradient(ky_dtype from, ky_dtype to) {
  const double x64[2] = {1, 2};
  const float x32[2] = {1, 2};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, from, KY_SHAPE(2), from == KY_F32 ? (const void *)x32 : x64);
  assert_int_equal(ky_watch(t, x), KY_OK);
  const ky_var y = ky_cast(t, x, to);
  const ky_var twice = ky_add(t, ky_cast(t, y, from), ky_mul_scalar(t, x, 3));
  ky_array g;
  assert_int_equal(ky_backward(t, ky_add(t, twice, ky_cast(t, y, from)), NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  assert_int_equal(g.dtype, from);
  for (int k = 0; k < 2; k++)
    assert_close(from == KY_F32 ? (double)((const float *)g.data)[k]
                                : ((const double *)g.data)[k],
                 5, 0);
  ky_tape_free(t);
}

/* A float that went through an integer is not connected. */
static void check_integers_stop(void) {
  const float x = 1.5f;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var v = ky_input(t, KY_F32, KY_SCALAR, &x);
  assert_int_equal(ky_watch(t, v), KY_OK);
  const ky_var back = ky_cast(t, ky_cast(t, v, KY_I32), KY_F32);
  double value;
  assert_int_equal(ky_item(t, back, &value), KY_OK);
  assert_close(value, 1, 0);
  assert_int_equal(ky_backward(t, back, NULL), KY_UNCONNECTED);
  assert_int_equal(ky_tape_verify(t), KY_OK);
  ky_tape_free(t);
}

/* The low bits of what an i32 cannot hold, and of a double what a float can hold. */
static void check_narrowing(void) {
  const int64_t wide = ((int64_t)1 << 32) + 5;
  const double fine = 1 + 0x1p-40;
  ky_tape *t = ky_tape_new(NULL);
  double value;
  ky_item(t, ky_cast(t, ky_input(t, KY_I64, KY_SCALAR, &wide), KY_I32), &value);
  assert_close(value, 5, 0);
  ky_item(t, ky_cast(t, ky_input(t, KY_F64, KY_SCALAR, &fine), KY_F32), &value);
  assert_close(value, 1, 0);
  ky_tape_free(t);
}

static void check_casts(void) {
  for (int k = 0; k < 4; k++) check_gradient(k & 1 ? KY_F32 : KY_F64, k & 2 ? KY_F32 : KY_F64);
  check_integers_stop();
  check_narrowing();
}

const ky_samples samples_cast = {.operands = 1,
                                 .domain = {{-3, 3, UNIFORM, 0}},
                                 .result = AS_TOLD,
                                 .any_dtype = true,
                                 .each = oracle_cast,
                                 .record = record_cast,
                                 .shapes = unary_shapes,
                                 .shape_count = UNARY_SHAPES,
                                 LIST(sample, samples_of_cast),
                                 LIST(example, examples_cast),
                                 LIST(refusal, refusals_of_cast),
                                 .also = check_casts};

/* ---- isfinite ---------------------------------------------------------------------------- */

static double oracle_isfinite(const double *x, const ky_sample *s) {
  (void)s;
  return isfinite(x[0]) ? 1 : 0;
}

static ky_var record_isfinite(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_isfinite(t, x[0]);
}

static const ky_sample samples_of_isfinite[] = {
    {.operands = 1}, {.kind = {INT32}}, {.kind = {INT64}}, {.kind = {MASK}}};

static const ky_example examples_isfinite[] = {
    {.x = {{NAN}}, .r = {0}},
    {.x = {{INFINITY}}, .r = {0}},
    {.x = {{-INFINITY}}, .r = {0}},
    {.x = {{(double)FLT_MAX}}, .r = {1}},
    {.x = {{(double)FLT_TRUE_MIN}}, .r = {1}},
};

const ky_samples samples_isfinite = {.operands = 1,
                                     .domain = {{-3, 3, UNIFORM, 0}},
                                     .result = IS_MASK,
                                     .any_dtype = true,
                                     .each = oracle_isfinite,
                                     .record = record_isfinite,
                                     .shapes = unary_shapes,
                                     .shape_count = UNARY_SHAPES,
                                     LIST(sample, samples_of_isfinite),
                                     LIST(example, examples_isfinite)};

/* ---- logical_not ------------------------------------------------------------------------- */

static double oracle_logical_not(const double *x, const ky_sample *s) {
  (void)s;
  return x[0] == 0;
}

static ky_var record_logical_not(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_logical_not(t, x[0]);
}

static const ky_sample samples_of_logical_not[] = {{.kind = {MASK}}};

static const ky_example examples_logical_not[] = {
    {.sample.kind = {MASK}, .x = {{0}}, .r = {1}},
    {.sample.kind = {MASK}, .x = {{1}}, .r = {0}},
};

static const ky_refusal refusals_of_logical_not[] = {
    {{.shape = {DIMS(2)}}, KY_BAD_DTYPE, "[2]: wants masks, got f64"},
};

const ky_samples samples_logical_not = {.operands = 1,
                                        .domain = {{0, 1, INTEGER, 0}},
                                        .result = IS_MASK,
                                        .each = oracle_logical_not,
                                        .record = record_logical_not,
                                        .shapes = unary_shapes,
                                        .shape_count = UNARY_SHAPES,
                                        LIST(sample, samples_of_logical_not),
                                        LIST(example, examples_logical_not),
                                        LIST(refusal, refusals_of_logical_not)};
