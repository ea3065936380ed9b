/* SPDX-License-Identifier: MIT */
/* See rates.h. Compiled with the liberties that let the compiler call the vector forms of libm.
 */
#include "hand/rates.h"

#include <math.h>

#define BLOCK 1024

static float x_f32[BLOCK], r_f32[BLOCK];
static double x_f64[BLOCK], r_f64[BLOCK];

/* The compiler must neither know the data nor drop the results. */
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory")

/* -4 to 4. */
static void fill(void) {
  if (x_f64[0] < 0) return;
  for (int k = 0; k < BLOCK; k++) {
    x_f64[k] = (k - BLOCK / 2) * (8.0 / BLOCK);
    x_f32[k] = (float)x_f64[k];
  }
}

void rate_exp_f32(size_t n) {
  fill();
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f32);
    for (int k = 0; k < BLOCK; k++) r_f32[k] = expf(x_f32[k]);
    KEEP(r_f32);
  }
}

void rate_tanh_f32(size_t n) {
  fill();
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f32);
    for (int k = 0; k < BLOCK; k++) r_f32[k] = tanhf(x_f32[k]);
    KEEP(r_f32);
  }
}

void rate_exp_f64(size_t n) {
  fill();
  for (size_t done = 0; done < n; done += BLOCK) {
    KEEP(x_f64);
    for (int k = 0; k < BLOCK; k++) r_f64[k] = exp(x_f64[k]);
    KEEP(r_f64);
  }
}

typedef float line __attribute__((vector_size(RATE_LINE), may_alias));

void rate_copy(size_t lines, void *to, const void *from) {
  line *t = to;
  const line *f = from;
  for (size_t k = 0; k < lines; k++) {
    t[k] = f[k];
    KEEP(t); /* lest the compiler call memcpy after all */
  }
}
