/* SPDX-License-Identifier: MIT */
/* Initial values of weights. */
#include "kytape/nn.h"

#include <math.h>

/* The two ends of a weight w [out,in,...]. */
typedef struct fans {
  double in, out;
} fans;

static ky_status fans_of(const ky_array *w, fans *f) {
  if (w->rank < 2) return KY_BAD_SHAPE;
  double field = 1;
  for (int k = 2; k < w->rank; k++) field *= (double)w->dims[k];
  *f = (fans){(double)w->dims[1] * field, (double)w->dims[0] * field};
  return KY_OK;
}

/* An empty weight has nothing to fill, and its fans may be 0. */
static ky_status fill_symmetric(ky_tensor *w, ky_rng *rng, double bound) {
  if (!rng) return KY_BAD_ARGUMENT;
  return ky_tensor_array(w).count == 0 ? KY_OK : ky_init_uniform(w, rng, -bound, bound);
}

ky_status ky_init_constant(ky_tensor *w, double value) {
  if (!w) return KY_BAD_ARGUMENT;
  const ky_dtype dtype = ky_tensor_dtype(w);
  const size_t size = ky_dtype_size(dtype);
  char *data = ky_tensor_write(w);
  for (int64_t k = 0; k < ky_tensor_count(w); k++)
    ky_convert(dtype, data + (size_t)k * size, KY_F64, &value, 1);
  return KY_OK;
}

/* ky_rng_uniform or ky_rng_normal. */
typedef ky_status fill(ky_rng *rng, ky_dtype dtype, size_t count, double a, double b,
                       void *out);

#define CHUNK 256 /* a multiple of a block's numbers: fills of chunks go on like one */

/* A half gets what f32 would get, rounded. A fill of nothing judges the arguments before the
 * weight counts as changed. */
static ky_status fill_with(fill *f, ky_tensor *w, ky_rng *rng, double a, double b) {
  if (!w) return KY_BAD_ARGUMENT;
  const ky_dtype dtype = ky_tensor_dtype(w);
  const int wide = dtype == KY_F32 || dtype == KY_F64;
  const ky_status status = f(rng, wide ? dtype : KY_F32, 0, a, b, NULL);
  if (status != KY_OK) return status;
  const size_t count = (size_t)ky_tensor_count(w);
  if (wide) return f(rng, dtype, count, a, b, ky_tensor_write(w));
  char *data = ky_tensor_write(w);
  for (size_t k = 0; k < count; k += CHUNK) {
    const size_t n = count - k < CHUNK ? count - k : CHUNK;
    float room[CHUNK];
    f(rng, KY_F32, n, a, b, room);
    ky_convert(dtype, data + k * ky_dtype_size(dtype), KY_F32, room, (int64_t)n);
  }
  return KY_OK;
}

ky_status ky_init_uniform(ky_tensor *w, ky_rng *rng, double lo, double hi) {
  return fill_with(ky_rng_uniform, w, rng, lo, hi);
}

ky_status ky_init_normal(ky_tensor *w, ky_rng *rng, double mean, double deviation) {
  return fill_with(ky_rng_normal, w, rng, mean, deviation);
}

ky_status ky_init_xavier_uniform(ky_tensor *w, ky_rng *rng, double gain) {
  if (!w || !isfinite(gain) || gain <= 0) return KY_BAD_ARGUMENT;
  const ky_array array = ky_tensor_array(w);
  fans f;
  const ky_status status = fans_of(&array, &f);
  if (status != KY_OK) return status;
  return fill_symmetric(w, rng, gain * sqrt(6 / (f.in + f.out)));
}

ky_status ky_init_kaiming_uniform(ky_tensor *w, ky_rng *rng, double slope) {
  if (!w || !isfinite(slope)) return KY_BAD_ARGUMENT;
  const ky_array array = ky_tensor_array(w);
  fans f;
  const ky_status status = fans_of(&array, &f);
  if (status != KY_OK) return status;
  return fill_symmetric(w, rng, sqrt(6 / ((1 + slope * slope) * f.in)));
}
