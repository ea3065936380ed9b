/* SPDX-License-Identifier: MIT */
/* Steps of connectionist temporal classification. What is not there is -infinity, of which no
 * difference is formed: the largest of three such terms counts as 0. */
#include "kernels/ctc.h"

#include "kernels/loops.h"

#define CHUNK 128

INLINE double exp_of_sum(double x, double shift, double unused) {
  (void)unused;
  return exp(x + shift);
}

static void step_chunk(size_t m, double *restrict out, const double *restrict from,
                       const double *restrict skip) {
  double far[CHUNK], top[CHUNK], sum[CHUNK], term[CHUNK];
  for (ptrdiff_t k = 0; k < (ptrdiff_t)m; k++) {
    far[k] = from[k - 2] + skip[k];
    const double best = larger_f64(larger_f64(from[k], from[k - 1]), far[k]);
    top[k] = best == -INFINITY ? 0 : best;
  }
  map2_f64(exp_of_difference_f64, true, m, sum, from, 1, top, 1);
  map2_f64(exp_of_difference_f64, true, m, term, from - 1, 1, top, 1);
  for (size_t k = 0; k < m; k++) sum[k] += term[k];
  map2_f64(exp_of_difference_f64, true, m, term, far, 1, top, 1);
  for (size_t k = 0; k < m; k++) sum[k] += term[k];
  map1_f64(log_of, true, m, term, sum, 1, 0, 0);
  for (size_t k = 0; k < m; k++) out[k] = top[k] + term[k];
}

static void step(size_t n, double *out, const double *from, const double *skip) {
  for (size_t s = 0; s < n; s += CHUNK)
    step_chunk(n - s < CHUNK ? n - s : CHUNK, out + s, from + s, skip + s);
}

static void joint(size_t n, double *out, const double *a, const double *b, double shift) {
  double sum[CHUNK];
  for (size_t s = 0; s < n; s += CHUNK) {
    const size_t m = n - s < CHUNK ? n - s : CHUNK;
    for (size_t k = 0; k < m; k++) sum[k] = a[s + k] + b[s + k];
    map1_f64(exp_of_sum, true, m, out + s, sum, 1, shift, 0);
  }
}

const ky_ctc_kernels KY_TABLE(ky__ctc) = {.step = step, .joint = joint};
