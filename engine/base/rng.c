/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 and the distributions made of it. A block of four words becomes four f32 or two
 * f64; arithmetic is in double, so that both dtypes share it. */
#include "kytape/rng.h"

#include <math.h>

#include "base/fault.h"
#include "base/interval.h"
#include "base/philox.h"

static const double two_pi = 6.283185307179586476925287;

static void next_block(ky_rng *rng, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)rng->position, (uint32_t)(rng->position >> 32),
                               (uint32_t)rng->stream, (uint32_t)(rng->stream >> 32)};
  const uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
  rng->position++;
  ky__philox(counter, key, out);
}

/* 53 bits of two words as a fraction in [0, 1). */
static double fraction(const uint32_t word[2]) {
  const uint64_t bits = (uint64_t)word[1] << 32 | word[0];
  return (double)(bits >> 11) * 0x1p-53;
}

/* A block as uniform fractions in [0, 1). Returns how many. */
static size_t uniform_block(ky_rng *rng, ky_dtype dtype, double u[4]) {
  uint32_t word[4];
  next_block(rng, word);
  if (dtype == KY_F64) {
    u[0] = fraction(word);
    u[1] = fraction(word + 2);
    return 2;
  }
  for (int k = 0; k < 4; k++) u[k] = (double)(word[k] >> 8) * 0x1p-24;
  return 4;
}

/* Box-Muller: two uniform fractions of [0, 1) become two independent standard normals. 1 - u
 * keeps the logarithm away from 0. */
static void box_muller(double u, double angle, double z[2]) {
  const double radius = sqrt(-2 * log(1 - u));
  z[0] = radius * cos(two_pi * angle);
  z[1] = radius * sin(two_pi * angle);
}

/* A block as standard normals. Returns how many. */
static size_t normal_block(ky_rng *rng, ky_dtype dtype, double z[4]) {
  uint32_t word[4];
  next_block(rng, word);
  if (dtype == KY_F64) {
    box_muller(fraction(word), fraction(word + 2), z);
    return 2;
  }
  box_muller((double)word[0] * 0x1p-32, (double)word[1] * 0x1p-32, z);
  box_muller((double)word[2] * 0x1p-32, (double)word[3] * 0x1p-32, z + 2);
  return 4;
}

static void store(ky_dtype dtype, void *out, size_t k, double value) {
  if (dtype == KY_F64)
    ((double *)out)[k] = value;
  else
    ((float *)out)[k] = (float)value;
}

static ky_status check_fill(const ky_rng *rng, ky_dtype dtype, size_t count, const void *out) {
  if (!rng || (!out && count > 0)) return KY_BAD_ARGUMENT;
  return dtype == KY_F32 || dtype == KY_F64 ? KY_OK : KY_BAD_DTYPE;
}

void ky_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  ky__philox(counter, key, out);
}

ky_rng ky_rng_seed(uint64_t seed, uint64_t stream) { return (ky_rng){seed, stream, 0}; }

ky_status ky_rng_uniform(ky_rng *rng, ky_dtype dtype, size_t count, double lo, double hi,
                         void *out) {
  KY_TRY(check_fill(rng, dtype, count, out));
  if (!isfinite(lo) || !isfinite(hi) || !isfinite(hi - lo)) return KY_BAD_ARGUMENT;
  double first, last;
  ky__interval(dtype, lo, hi, &first, &last);
  if (!(first <= last)) return KY_BAD_ARGUMENT;
  for (size_t k = 0; k < count;) {
    double u[4];
    const size_t n = uniform_block(rng, dtype, u);
    for (size_t m = 0; m < n && k < count; m++)
      store(dtype, out, k++, fmin(fmax(lo + (hi - lo) * u[m], first), last));
  }
  return KY_OK;
}

ky_status ky_rng_normal(ky_rng *rng, ky_dtype dtype, size_t count, double mean,
                        double deviation, void *out) {
  KY_TRY(check_fill(rng, dtype, count, out));
  if (!isfinite(mean) || !isfinite(deviation) || deviation < 0) return KY_BAD_ARGUMENT;
  for (size_t k = 0; k < count;) {
    double z[4];
    const size_t n = normal_block(rng, dtype, z);
    for (size_t m = 0; m < n && k < count; m++) store(dtype, out, k++, mean + deviation * z[m]);
  }
  return KY_OK;
}

/* The "inside-out" shuffle of Fisher and Yates. */
ky_status ky_rng_permutation(ky_rng *rng, size_t count, int64_t *out) {
  KY_TRY(check_fill(rng, KY_F64, count, out));
  double u[4];
  for (size_t k = 0, left = 0; k < count; k++) {
    if (left == 0) left = uniform_block(rng, KY_F64, u);
    const size_t at = (size_t)(u[--left] * (double)(k + 1));
    if (at < k) out[k] = out[at];
    out[at] = (int64_t)k;
  }
  return KY_OK;
}
