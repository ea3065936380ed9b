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
  const ky_array array = ky_tensor_array(w);
  void *data = ky_tensor_write(w);
  for (int64_t k = 0; k < array.count; k++) {
    if (array.dtype == KY_F64)
      ((double *)data)[k] = value;
    else
      ((float *)data)[k] = (float)value;
  }
  return KY_OK;
}

/* A fill of nothing judges the arguments before the weight counts as changed. */
ky_status ky_init_uniform(ky_tensor *w, ky_rng *rng, double lo, double hi) {
  if (!w) return KY_BAD_ARGUMENT;
  const ky_array array = ky_tensor_array(w);
  const ky_status status = ky_rng_uniform(rng, array.dtype, 0, lo, hi, NULL);
  if (status != KY_OK) return status;
  return ky_rng_uniform(rng, array.dtype, (size_t)array.count, lo, hi, ky_tensor_write(w));
}

ky_status ky_init_normal(ky_tensor *w, ky_rng *rng, double mean, double deviation) {
  if (!w) return KY_BAD_ARGUMENT;
  const ky_array array = ky_tensor_array(w);
  const ky_status status = ky_rng_normal(rng, array.dtype, 0, mean, deviation, NULL);
  if (status != KY_OK) return status;
  return ky_rng_normal(rng, array.dtype, (size_t)array.count, mean, deviation,
                       ky_tensor_write(w));
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
