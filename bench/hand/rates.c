/* SPDX-License-Identifier: MIT */
/* See rates.h. Compiled with the liberties that let the compiler call libm's vector forms. */
#include "hand/rates.h"

#include <math.h>

#define BLOCK 1024

/* So that a call through a pointer is a known one. */
#define INLINE static inline __attribute__((always_inline))

static float x_f32[BLOCK], r_f32[BLOCK];
static double x_f64[BLOCK], r_f64[BLOCK];

/* The compiler must neither know the data nor drop the results. */
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory")

/* Does nothing while the data are what they were, so that it does not count. */
static void fill(double lo, double hi) {
  static double filled[2];
  if (filled[0] == lo && filled[1] == hi) return;
  for (int k = 0; k < BLOCK; k++) {
    x_f64[k] = lo + k * (hi - lo) / BLOCK;
    x_f32[k] = (float)x_f64[k];
  }
  filled[0] = lo;
  filled[1] = hi;
}

INLINE void run_f32(size_t n, float (*f)(float), double lo, double hi) {
  fill(lo, hi);
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f32);
    for (int k = 0; k < BLOCK; k++) r_f32[k] = f(x_f32[k]);
    KEEP(r_f32);
  }
}

INLINE void run_f64(size_t n, double (*f)(double), double lo, double hi) {
  fill(lo, hi);
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f64);
    for (int k = 0; k < BLOCK; k++) r_f64[k] = f(x_f64[k]);
    KEEP(r_f64);
  }
}

INLINE void run_two(size_t n, float (*f)(float, float), double lo, double hi) {
  fill(lo, hi);
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f32);
    for (int k = 0; k < BLOCK; k++) r_f32[k] = f(x_f32[k], x_f32[BLOCK - 1 - k]);
    KEEP(r_f32);
  }
}

INLINE float quotient(float a, float b) { return a / b; }

/* Of quotients below 2^23, whose rounding may have made them one too large. */
INLINE float remainder_of(float a, float b) {
  const float x = fabsf(a), y = fabsf(b), r = fmaf(-truncf(x / y), y, x);
  return copysignf(r < 0 ? r + y : r, a);
}

/* The first three derivatives of the gamma function's logarithm, of positive numbers: no vector
 * library has them. Recurrence to x + 4, then the asymptotic series (NIST Digital Library of
 * Mathematical Functions, 5.5, 5.11, 5.15). */
INLINE float digamma(float x) {
  const float a = x + 1, b = x + 2, c = x + 3, z = x + 4;
  const float xa = x * a, bc = b * c, low = (x + a) * bc + (b + c) * xa, v = 1 / z, w = v * v;
  const float series = w * (1 / 12.0f - w * (1 / 120.0f - w * (1 / 252.0f - w / 240)));
  return logf(z) - 0.5f * v - series - low / (xa * bc);
}

INLINE float trigamma(float x) {
  const float a = x + 1, b = x + 2, c = x + 3, z = x + 4;
  const float x2 = x * x, a2 = a * a, b2 = b * b, c2 = c * c, xa = x2 * a2, bc = b2 * c2;
  const float low = (x2 + a2) * bc + (b2 + c2) * xa, v = 1 / z, w = v * v;
  const float series = w * (1 / 6.0f - w * (1 / 30.0f - w * (1 / 42.0f - w / 30)));
  return (1 + 0.5f * v + series) * v + low / (xa * bc);
}

INLINE float tetragamma(float x) {
  const float a = x + 1, b = x + 2, c = x + 3, z = x + 4;
  const float x3 = x * x * x, a3 = a * a * a, b3 = b * b * b, c3 = c * c * c;
  const float xa = x3 * a3, bc = b3 * c3, v = 1 / z, w = v * v;
  const float low = (x3 + a3) * bc + (b3 + c3) * xa;
  const float series = w * (1 / 2.0f - w * (1 / 6.0f - w * (1 / 6.0f - w * 3 / 10)));
  return -w * (1 + v + series) - 2 * low / (xa * bc);
}

#define X(name, dtype, function, lo, hi)                                                       \
  void rate_##name(size_t n) { run_##dtype(n, function, lo, hi); }
RATE_FUNCTIONS_1(X)
#undef X

#define X(name, function, lo, hi)                                                              \
  void rate_##name(size_t n) { run_two(n, function, lo, hi); }
RATE_FUNCTIONS_2(X)
#undef X

#ifdef __AVX512F__
  #define VECTOR 64
#elif defined __AVX__
  #define VECTOR 32
#else
  #define VECTOR 16
#endif

typedef float vector __attribute__((vector_size(VECTOR), may_alias));

void rate_copy(size_t lines, void *to, const void *from) {
  vector *t = to;
  const vector *f = from;
#pragma GCC unroll 4
  for (size_t k = 0; k < lines * RATE_LINE / VECTOR; k++) {
    t[k] = f[k];
    KEEP(t); /* lest the compiler call memcpy after all */
  }
}
