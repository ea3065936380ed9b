/* SPDX-License-Identifier: MIT */
/* Chainwise, softmaxce and rosenbrock by hand: value and gradient in one pass over memory.
 * Compiled with the liberties that let the compiler vectorise sums and calls of libm; sums are
 * formed in blocks, so that f32 does not lose what it adds up. */
#include <math.h>

#include "hand/hand.h"

#define BLOCK 2048
#define LANES 64

double hand_chainwise(size_t n, const float *restrict x, float *restrict g) {
  double total = 0;
  for (size_t start = 0; start < n; start += BLOCK) {
    const size_t stop = n - start < BLOCK ? n : start + BLOCK;
    float sum = 0;
    for (size_t k = start; k < stop; k++) {
      const float t = tanhf(x[k]), p = 1 / (1 + expf(-x[k]));
      sum += t * x[k] + 0.5F * p;
      g[k] = t + x[k] * (1 - t * t) + 0.5F * p * (1 - p);
    }
    total += (double)sum;
  }
  return total;
}

/* Of many elements at once: of one alone it is a chain in which each waits for the one before.
 * The last ones are looked at twice rather than one by one. */
static float largest(size_t n, const float *restrict x) {
  float top[LANES], all = x[0];
  for (size_t k = 1; n < LANES && k < n; k++) all = x[k] > all ? x[k] : all;
  if (n < LANES) return all;
  for (int j = 0; j < LANES; j++) top[j] = x[j];
  for (size_t k = LANES; k < n; k += LANES) {
    const float *restrict part = k + LANES <= n ? x + k : x + n - LANES;
    for (int j = 0; j < LANES; j++) top[j] = part[j] > top[j] ? part[j] : top[j];
  }
  for (int j = 0; j < LANES; j++) all = top[j] > all ? top[j] : all;
  return all;
}

double hand_softmaxce(size_t rows, size_t classes, const float *restrict x,
                      const int64_t *labels, float *restrict g) {
  double loss = 0;
  for (size_t r = 0; r < rows; r++, x += classes, g += classes) {
    const float top = largest(classes, x);
    float sum = 0;
    for (size_t k = 0; k < classes; k++) sum += g[k] = expf(x[k] - top);
    const float factor = 1 / (sum * (float)rows);
    for (size_t k = 0; k < classes; k++) g[k] *= factor;
    g[labels[r]] -= 1 / (float)rows;
    loss += (double)(logf(sum) + top - x[labels[r]]);
  }
  return loss / (double)rows;
}

double hand_rosenbrock(size_t n, const double *restrict x, double *restrict g) {
  double sum = 0;
  for (size_t k = 1; k + 1 < n; k++) {
    const double before = x[k] - x[k - 1] * x[k - 1], after = x[k + 1] - x[k] * x[k];
    const double rest = 1 - x[k];
    sum += 100 * after * after + rest * rest;
    g[k] = 200 * before - 400 * x[k] * after - 2 * rest;
  }
  const double first = x[1] - x[0] * x[0], rest = 1 - x[0];
  const double last = x[n - 1] - x[n - 2] * x[n - 2];
  g[0] = -400 * x[0] * first - 2 * rest;
  g[n - 1] = 200 * last;
  return sum + 100 * first * first + rest * rest;
}
