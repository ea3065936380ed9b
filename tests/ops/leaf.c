/* SPDX-License-Identifier: MIT */
/* Samples of the leaves. They have no operands: their shape is the attribute `dims`, their
 * dtype the kind of operand 0. */
#include "samples.h"

#include <string.h>

#include "close.h"

#define LEAF_MAX 64

/* Element n of the leaves with data: exact in every dtype. */
static double element(const ky_sample *s, int64_t n) {
  return s->kind[0] == MASK ? (double)(n % 2) : (double)(n * 5 % 7 - 2);
}

static void oracle_elements(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = element(s, n);
}

static ky_dtype dtype_of(const ky_sample *s) {
  return s->n[0] ? (ky_dtype)s->n[0] : kind_dtype(s->kind[0], s->real);
}

/* The elements in the sample's dtype, in a static buffer of that dtype. */
static void *elements(const ky_sample *s) {
  static double f64[LEAF_MAX];
  static float f32[LEAF_MAX];
  static int64_t i64[LEAF_MAX];
  static int32_t i32[LEAF_MAX];
  static uint8_t mask[LEAF_MAX];
  for (int64_t n = 0; n < LEAF_MAX; n++) {
    const double x = element(s, n);
    f64[n] = x;
    f32[n] = (float)x;
    i64[n] = (int64_t)x;
    i32[n] = (int32_t)x;
    mask[n] = x > 0;
  }
  switch (dtype_of(s)) {
  case KY_F32: return f32;
  case KY_F64: return f64;
  case KY_I32: return i32;
  case KY_I64: return i64;
  case KY_MASK: return mask;
  case KY_BF16:
  case KY_F16: break;
  }
  return f64;
}

/* clang-format off */
static const ky_sample leaves[] = {
    {.dims = {0}},
    {.dims = DIMS(3, 4)},
    {.dims = DIMS(0, 2)},
    {.dims = DIMS(37)},
    {.kind = {INT32}, .dims = DIMS(2, 3)},
    {.kind = {INT64}, .dims = DIMS(5)},
    {.kind = {INT64}},
    {.kind = {MASK}, .dims = DIMS(5)},
    {.kind = {MASK}},
};

#define VAST ((int64_t)1 << 40)
#define SHAPE_REFUSALS                                                                         \
  {{.dims = DIMS(2, -1)}, KY_BAD_SHAPE, "extent -1 of axis 1"},                                \
  {{.dims = DIMS(VAST, VAST)}, KY_BAD_SHAPE, "overflow"},                                      \
  {{.dims = DIMS(0, VAST, VAST)}, KY_BAD_SHAPE, "overflow"},                                   \
  {{.dims = {9, {1}}}, KY_BAD_SHAPE, "rank 9"},                                                \
  {{.dims = {-1, {1}}}, KY_BAD_SHAPE, "rank -1"},                                              \
  {{.n = {99}}, KY_BAD_DTYPE, "dtype 99"}
/* clang-format on */

/* ---- nop -------------------------------------------------------------------------------- */

static void check_nop(void) {
  ky_tape *t = ky_tape_new(NULL);
  const ky_var nothing = {t, 0, 0};
  double x;
  const uint32_t length = ky_tape_length(t);
  const ky_status status = ky_item(t, ky_none(), &x);
  const ky_status sum = ky_backward(t, nothing, NULL);
  ky_tape_free(t);
  assert_int_equal(length, 1);
  assert_int_equal(status, KY_BAD_VAR);
  assert_int_not_equal(sum, KY_OK);
}

const ky_samples samples_nop = {.also = check_nop};

/* ---- input ------------------------------------------------------------------------------ */

static ky_var record_input(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  return ky_input(t, dtype_of(s), s->dims.rank, s->dims.dims, elements(s));
}

static void check_input_set(void) {
  const double first[] = {1, 2}, second[] = {3, 4};
  double sum[2];
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2), first);
  const ky_var total = ky_sum_all(t, x);
  ky_item(t, total, &sum[0]);
  const ky_status set = ky_input_set(t, x, second);
  ky_item(t, total, &sum[1]);
  const ky_status none = ky_input_set(t, x, NULL), wrong = ky_input_set(t, total, first);
  ky_tape_free(t);
  assert_int_equal(set, KY_OK);
  assert_close(sum[0], 3, 0);
  assert_close(sum[1], 7, 0);
  assert_int_equal(none, KY_BAD_ARGUMENT);
  assert_int_equal(wrong, KY_BAD_ARGUMENT);
}

static const ky_refusal refusals_of_input[] = {SHAPE_REFUSALS};

const ky_samples samples_input = {.whole = oracle_elements,
                                  .record = record_input,
                                  LIST(sample, leaves),
                                  LIST(refusal, refusals_of_input),
                                  .also = check_input_set};

/* ---- param ------------------------------------------------------------------------------ */

static void check_weight(ky_dtype dtype) {
  ky_tensor *w = NULL;
  ky_tensor_new(NULL, dtype, KY_SHAPE(3), &w);
  for (int k = 0; k < 3; k++) {
    if (dtype == KY_F32)
      ((float *)ky_tensor_write(w))[k] = (float)k + 1;
    else
      ((double *)ky_tensor_write(w))[k] = k + 1;
  }
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_param(t, w), again = ky_param(t, w);
  const ky_var root = ky_sum_all(t, ky_mul(t, x, again));
  ky_grads grads;
  double value = 0, grad[3] = {0};
  const ky_status status = ky_backward(t, root, &grads);
  for (int k = 0; k < 3 && grads.count == 1; k++)
    grad[k] = dtype == KY_F32 ? (double)((const float *)grads.pairs[0].grad)[k]
                              : ((const double *)grads.pairs[0].grad)[k];
  ky_item(t, root, &value);
  const bool same_tensor = grads.count == 1 && grads.pairs[0].weight == w;
  ky_tape_free(t);
  ky_tensor_free(w);
  assert_int_equal(status, KY_OK);
  assert_true(same_tensor);
  assert_int_equal(x.id, again.id);
  assert_close(value, 14, 0);
  for (int k = 0; k < 3; k++) assert_close(grad[k], 2 * (k + 1), 0);
}

static void check_param(void) {
  check_weight(KY_F32);
  check_weight(KY_F64);
}

static ky_var record_no_param(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  (void)s;
  return ky_param(t, NULL);
}

static const ky_refusal refusals_of_param[] = {{{.operands = 0}, KY_BAD_ARGUMENT, "null"}};

const ky_samples samples_param = {
    .record = record_no_param, LIST(refusal, refusals_of_param), .also = check_param};

/* ---- constant --------------------------------------------------------------------------- */

/* The tape has a copy: what the array holds afterwards does not matter. */
static ky_var record_constant(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  void *data = elements(s);
  const ky_var v =
      ky_constant(t, dtype_of(s), s->dims.rank, s->dims.dims, s->n[1] ? NULL : data);
  if (v.id) memset(data, 0xFF, LEAF_MAX * ky_dtype_size(dtype_of(s)));
  return v;
}

static const ky_refusal refusals_of_constant[] = {
    SHAPE_REFUSALS,
    {{.n = {0, 1}, .dims = DIMS(2)}, KY_BAD_ARGUMENT, "data is null"},
};

const ky_samples samples_constant = {.whole = oracle_elements,
                                     .record = record_constant,
                                     LIST(sample, leaves),
                                     LIST(refusal, refusals_of_constant)};

/* ---- full ------------------------------------------------------------------------------- */

static void oracle_full(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, s->dims.rank, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = s->s[0];
}

static ky_var record_full(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  if (s->dims.rank == 0) return ky_scalar(t, dtype_of(s), s->s[0]);
  return ky_full(t, dtype_of(s), s->dims.rank, s->dims.dims, s->s[0]);
}

static const ky_sample samples_of_full[] = {
    {.s = {-1.5}},
    {.s = {0.25}, .dims = DIMS(3, 4)},
    {.s = {INFINITY}, .dims = DIMS(37)},
    {.s = {NAN}, .dims = DIMS(2)},
    {.s = {1}, .dims = DIMS(3, 0)},
    {.kind = {INT32}, .s = {-7}, .dims = DIMS(3)},
    {.kind = {INT64}, .s = {0x1p62}, .dims = DIMS(3)},
    {.kind = {INT64}, .s = {-0x1p63}},
    {.kind = {MASK}, .s = {1}, .dims = DIMS(3)},
};

static const ky_refusal refusals_of_full[] = {
    SHAPE_REFUSALS,
    {{.kind = {INT32}, .s = {0x1p31}}, KY_BAD_ARGUMENT, "i32 cannot hold"},
    {{.kind = {INT64}, .s = {0x1p63}}, KY_BAD_ARGUMENT, "i64 cannot hold"},
    {{.kind = {INT64}, .s = {NAN}}, KY_BAD_ARGUMENT, "i64 cannot hold"},
    {{.kind = {INT64}, .s = {0.5}}, KY_BAD_ARGUMENT, "i64 cannot hold"},
    {{.kind = {MASK}, .s = {2}}, KY_BAD_ARGUMENT, "mask cannot hold"},
};

const ky_samples samples_full = {.whole = oracle_full,
                                 .record = record_full,
                                 LIST(sample, samples_of_full),
                                 LIST(refusal, refusals_of_full)};

/* ---- iota ------------------------------------------------------------------------------- */

static void oracle_iota(const nd *const *x, const ky_sample *s, nd *out) {
  (void)x;
  nd_shape(out, 1, s->dims.dims);
  for (int64_t n = 0; n < out->count; n++) out->at[n] = s->s[0] + (double)n;
}

static ky_var record_iota(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)x;
  return ky_iota(t, dtype_of(s), s->dims.dims[0], s->s[0]);
}

static const ky_sample samples_of_iota[] = {
    {.dims = DIMS(37)},
    {.s = {-1.5}, .dims = DIMS(5)},
    {.dims = DIMS(0)},
    {.dims = DIMS(1)},
    {.kind = {INT32}, .s = {-3}, .dims = DIMS(7)},
    {.kind = {INT64}, .s = {3}, .dims = DIMS(7)},
    {.kind = {MASK}, .dims = DIMS(2)},
};

static const ky_refusal refusals_of_iota[] = {
    {{.dims = DIMS(-1)}, KY_BAD_SHAPE, "extent -1"},
    {{.n = {99}, .dims = DIMS(2)}, KY_BAD_DTYPE, "dtype 99"},
    {{.kind = {MASK}, .dims = DIMS(3)}, KY_BAD_ARGUMENT, "mask cannot hold 0 to 2"},
    {{.kind = {INT32}, .s = {0x1p31 - 2}, .dims = DIMS(3)}, KY_BAD_ARGUMENT, "i32 cannot hold"},
};

const ky_samples samples_iota = {.whole = oracle_iota,
                                 .record = record_iota,
                                 LIST(sample, samples_of_iota),
                                 LIST(refusal, refusals_of_iota)};
