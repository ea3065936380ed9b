/* SPDX-License-Identifier: MIT */
/* Recording of what slides a window over an image: its options become words of the pool. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "base/options.h"
#include "ops/convolution.h"
#include "ops/pooling.h"
#include "tape/composition.h"

/* ---- convolutions ------------------------------------------------------------------------ */

static int64_t or_one(int64_t value) { return value ? value : 1; }

/* Copies the options of a call, or makes them the draft's fault. */
static void take(ky_draft *d, void *to, size_t size, const void *options) {
  if (ky__take_options(to, size, options)) return;
  ky__fail(&d->fault, KY_BAD_ARGUMENT, "the options have size %zu, wants %zu",
           *(const size_t *)options, size);
}

static ky_var record_conv(ky_tape *t, ky_op op, int axes, const ky_var vars[3],
                          const ky_conv_options *options) {
  if (!t) return (ky_var){0};
  ky_conv_options o = {0};
  ky_draft d;
  ky__draft(&d, op);
  take(&d, &o, sizeof o, options);
  int64_t words[KY_CONV_WORDS] = {[KY_CONV_RANK] = axes};
  words[KY_CONV_GROUPS] = or_one(o.groups);
  for (int k = 0; k < 3; k++) {
    int64_t *axis = words + KY_CONV_AXIS + 4 * k;
    const bool there = k < axes;
    axis[KY_CONV_STRIDE] = there ? or_one(o.stride[k]) : 1;
    axis[KY_CONV_PADDING] = there ? o.padding[k] : 0;
    axis[KY_CONV_DILATION] = there ? or_one(o.dilation[k]) : 1;
    axis[KY_CONV_OUTPUT_PADDING] = there ? o.output_padding[k] : 0;
  }
  ky__push_operands(t, &d, 3, vars);
  ky__push(t, &d, KY_CONV_WORDS - KY_CONV_RANK, words + KY_CONV_RANK);
  return ky__record(t, &d);
}

#define CONV(op, axes)                                                                         \
  ky_var ky_##op##axes##d(ky_tape *t, ky_var x, ky_var w, ky_var bias,                         \
                          const ky_conv_options *options) {                                    \
    return record_conv(t, KY_OP_##op, axes, (const ky_var[]){x, w, bias}, options);            \
  }
CONV(conv, 1)
CONV(conv, 2)
CONV(conv, 3)
CONV(conv_transpose, 1)
CONV(conv_transpose, 2)
CONV(conv_transpose, 3)
#undef CONV

/* ---- pooling ----------------------------------------------------------------------------- */

static ky_var record_pool(ky_tape *t, ky_op op, int axes, ky_var x,
                          const ky_pool_options *options) {
  if (!t) return (ky_var){0};
  ky_pool_options o = {0};
  ky_draft d;
  ky__draft(&d, op);
  d.ins.a = ky__operand_id(t, &d, x);
  if (!options) ky__fail(&d.fault, KY_BAD_ARGUMENT, "the options are null");
  take(&d, &o, sizeof o, options);
  int64_t words[KY_POOL_WORDS] = {[KY_POOL_RANK] = axes};
  for (int k = 0; k < 2; k++) {
    int64_t *axis = words + KY_POOL_AXIS + 3 * k;
    axis[KY_POOL_KERNEL] = k < axes ? o.kernel[k] : 1;
    axis[KY_POOL_STRIDE] = k < axes && o.stride[k] ? o.stride[k] : axis[KY_POOL_KERNEL];
    axis[KY_POOL_PADDING] = k < axes ? o.padding[k] : 0;
  }
  d.ins.b = ky__push(t, &d, KY_POOL_WORDS, words);
  return ky__record(t, &d);
}

#define POOL(op, axes)                                                                         \
  ky_var ky_##op##axes##d(ky_tape *t, ky_var x, const ky_pool_options *options) {              \
    return record_pool(t, KY_OP_##op, axes, x, options);                                       \
  }
POOL(max_pool, 1)
POOL(max_pool, 2)
POOL(avg_pool, 1)
POOL(avg_pool, 2)
#undef POOL

/* The means of windows along one axis as a matrix [m,n]. */
static ky_var averaging(ky_tape *t, ky_dtype dtype, int64_t n, int64_t m) {
  const int64_t dims[2] = {m, n};
  const ky_var place = ky_iota(t, KY_F64, n, 0), number = ky_iota(t, KY_F64, m, 0);
  const int64_t column[2] = {m, 1};
  const ky_var begin =
      ky_floor(t, ky_div_scalar(t, ky_mul_scalar(t, number, (double)n), (double)m));
  const ky_var end = ky_ceil(
      t, ky_div_scalar(t, ky_mul_scalar(t, ky_add_scalar(t, number, 1), (double)n), (double)m));
  const ky_var first = ky_reshape(t, begin, 2, column), behind = ky_reshape(t, end, 2, column);
  const ky_var covers = ky_logical_and(t, ky_ge(t, place, first), ky_lt(t, place, behind));
  const ky_var weight = ky_recip(t, ky_sub(t, behind, first));
  const ky_var matrix = ky_where(t, covers, weight, ky_scalar(t, KY_F64, 0));
  return ky_cast(t, ky_expand(t, matrix, 2, dims), dtype);
}

/* Where windows are equal it is a mean or avg_pool; else two products with matrices of means.
 */
static ky_var adaptive(ky_composition *c, ky_var x, int axes, const int64_t *out) {
  ky_tape *t = c->t;
  const ky_layout shape = *ky__layout(&t->code, x.id);
  const ky_dtype dtype = (ky_dtype)t->code.ins[x.id].dtype;
  bool one = true, equal = true;
  ky_pool_options window = {.size = sizeof window};
  if (shape.rank != axes + 2)
    return ky__refuse(c->t, KY_BAD_SHAPE, c->name,
                      "wants rank %d, batch and channels first, got %d", axes + 2,
                      (int)shape.rank);
  for (int k = 0; k < axes; k++) {
    if (out[k] < 1 || shape.dims[2 + k] < 1)
      return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "%lld places of axis %d become %lld",
                        (long long)shape.dims[2 + k], k, (long long)out[k]);
    one &= out[k] == 1;
    equal &= shape.dims[2 + k] % out[k] == 0;
    window.kernel[k] = shape.dims[2 + k] / out[k];
  }
  if (one) return ky_mean(t, x, axes, (const int64_t[]){2, 3}, 1);
  if (equal) return record_pool(t, KY_OP_avg_pool, axes, x, &window);
  const int last = axes - 1;
  ky_var r = ky_linear(t, x, averaging(t, dtype, shape.dims[2 + last], out[last]), (ky_var){0});
  if (axes == 2) r = ky_matmul(t, averaging(t, dtype, shape.dims[2], out[0]), r);
  return r;
}

static ky_var record_adaptive(ky_tape *t, const char *name, ky_var x, int axes,
                              const int64_t *out) {
  ky_composition c;
  if (!ky__compose(&c, t, name, 1, 1, &x)) return (ky_var){0};
  return ky__composed(&c, adaptive(&c, x, axes, out));
}

ky_var ky_adaptive_avg_pool1d(ky_tape *t, ky_var x, int64_t length) {
  return record_adaptive(t, "adaptive_avg_pool1d", x, 1, &length);
}

ky_var ky_adaptive_avg_pool2d(ky_tape *t, ky_var x, int64_t height, int64_t width) {
  return record_adaptive(t, "adaptive_avg_pool2d", x, 2, (const int64_t[]){height, width});
}

/* ---- resampling -------------------------------------------------------------------------- */

static ky_var record_resample(ky_tape *t, ky_op op, ky_var x, int axes, const int64_t *out,
                              bool aligned) {
  if (!t) return (ky_var){0};
  ky_draft d;
  ky__draft(&d, op);
  d.ins.a = ky__operand_id(t, &d, x);
  d.ins.b = (uint32_t)axes;
  d.ins.c = aligned;
  if (d.ins.a) d.shape = ky__dense(ky__layout(&t->code, d.ins.a));
  for (int k = 0; k < axes && d.shape.rank == axes + 2; k++) d.shape.dims[2 + k] = out[k];
  return ky__record(t, &d);
}

ky_var ky_upsample_nearest1d(ky_tape *t, ky_var x, int64_t length) {
  return record_resample(t, KY_OP_upsample_nearest, x, 1, &length, false);
}

ky_var ky_upsample_nearest2d(ky_tape *t, ky_var x, int64_t height, int64_t width) {
  const int64_t out[2] = {height, width};
  return record_resample(t, KY_OP_upsample_nearest, x, 2, out, false);
}

ky_var ky_upsample_linear1d(ky_tape *t, ky_var x, int64_t length, int align_corners) {
  return record_resample(t, KY_OP_upsample_linear, x, 1, &length, align_corners != 0);
}

ky_var ky_upsample_bilinear2d(ky_tape *t, ky_var x, int64_t height, int64_t width,
                              int align_corners) {
  const int64_t out[2] = {height, width};
  return record_resample(t, KY_OP_upsample_linear, x, 2, out, align_corners != 0);
}
