/* SPDX-License-Identifier: MIT */
/* See rates.h. Compiled with the liberties that let the compiler call the vector forms of libm.
 */
#include "hand/rates.h"

#include <math.h>

#define BLOCK 1024
#define INLINE                                                                                 \
  static inline __attribute__((always_inline)) /* so that a call is a known one                \
                                                */

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
