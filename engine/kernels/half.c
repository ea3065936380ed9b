/* SPDX-License-Identifier: MIT */
/* bf16 is the upper half of an f32: shifts. f16 has another exponent: the processor converts it
 * where it can (all with AVX2 have F16C), else integers give the same bits. */
#include "kernels/half.h"

#include <string.h>

#ifdef __F16C__
  #include <immintrin.h>
#endif

static inline uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static inline float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* ---- bf16 ------------------------------------------------------------------------------- */

static void widen_bf16(size_t n, float *restrict r, const uint16_t *restrict x) {
  for (size_t i = 0; i < n; i++) r[i] = float_of((uint32_t)x[i] << 16);
}

static void narrow_bf16(size_t n, uint16_t *restrict r, const float *restrict x) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t u = bits_of(x[i]);
    const uint32_t rounded = (u + 0x7FFFu + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40u;
    r[i] = (uint16_t)((u & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
  }
}

/* ---- f16 -------------------------------------------------------------------------------- */

#ifdef __F16C__

static void widen_f16(size_t n, float *restrict r, const uint16_t *restrict x) {
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    __m128i h;
    memcpy(&h, x + i, sizeof h);
    _mm256_storeu_ps(r + i, _mm256_cvtph_ps(h));
  }
  for (; i < n; i++) r[i] = _cvtsh_ss(x[i]);
}

static void narrow_f16(size_t n, uint16_t *restrict r, const float *restrict x) {
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
    memcpy(r + i, &h, sizeof h);
  }
  for (; i < n; i++) r[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

#else

  #define BIAS (112u << 23) /* between the exponents of f32 and f16 */

static inline uint32_t widen_one(uint32_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, rest = h & 0x7FFFu;
  if (rest > 0x7C00u) return sign | 0x7FC00000u | rest << 13;
  if (rest == 0x7C00u) return sign | 0x7F800000u;
  if (rest >= 0x400u) return sign | ((rest << 13) + BIAS);
  return sign | bits_of((float)rest * 0x1p-24f); /* a denormal */
}

static inline uint32_t narrow_one(uint32_t u) {
  const uint32_t sign = u >> 16 & 0x8000u, rest = u & 0x7FFFFFFFu;
  if (rest > 0x7F800000u) return sign | 0x7E00u | (rest >> 13 & 0x3FFu);
  if (rest >= 0x477FF000u) return sign | 0x7C00u; /* halfway to 65536 and above */
  /* a denormal: the last place of 0.5 is its last place, so that the addition rounds */
  if (rest < 0x38800000u) return sign | (bits_of(float_of(rest) + 0.5f) - 0x3F000000u);
  return sign | (rest - BIAS + 0xFFFu + (rest >> 13 & 1)) >> 13;
}

static void widen_f16(size_t n, float *restrict r, const uint16_t *restrict x) {
  for (size_t i = 0; i < n; i++) r[i] = float_of(widen_one(x[i]));
}

static void narrow_f16(size_t n, uint16_t *restrict r, const float *restrict x) {
  for (size_t i = 0; i < n; i++) r[i] = (uint16_t)narrow_one(bits_of(x[i]));
}

#endif

const ky_half_kernels KY_TABLE(ky__half) = {
    .widen = {widen_bf16, widen_f16},
    .narrow = {narrow_bf16, narrow_f16},
};
