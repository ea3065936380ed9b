/* SPDX-License-Identifier: MIT */
/* Layernorm and attention by hand: value and gradients, row by row. Attention keeps the weights
 * of one head; products are the engine's. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "hand/hand.h"
#include "kernels/gemm.h"

double hand_layernorm(size_t rows, size_t n, const float *restrict x, const float *restrict w,
                      const float *restrict b, const float *restrict target, float *restrict gx,
                      float *restrict gw, float *restrict gb) {
  double total = 0;
  memset(gw, 0, n * sizeof *gw);
  memset(gb, 0, n * sizeof *gb);
  for (size_t r = 0; r < rows; r++, x += n, target += n, gx += n) {
    float sum = 0, square = 0, value = 0, p = 0, q = 0;
    for (size_t k = 0; k < n; k++) sum += x[k];
    const float mean = sum / (float)n;
    for (size_t k = 0; k < n; k++) square += (x[k] - mean) * (x[k] - mean);
    const float scale = 1 / sqrtf(square / (float)n + 1e-5F);
    for (size_t k = 0; k < n; k++) {
      const float h = (x[k] - mean) * scale, g = target[k];
      value += (h * w[k] + b[k]) * g;
      p += g * w[k];
      q += g * w[k] * h;
      gw[k] += g * h;
      gb[k] += g;
    }
    p /= (float)n;
    q /= (float)n;
    for (size_t k = 0; k < n; k++)
      gx[k] = scale * (target[k] * w[k] - p - (x[k] - mean) * scale * q);
    total += (double)value;
  }
  return total;
}

/* ---- attention --------------------------------------------------------------------------- */

static ky_matrix rows_of(const float *data, size_t columns) {
  return (ky_matrix){(void *)(uintptr_t)data, (ptrdiff_t)columns, 1};
}

static ky_matrix swapped(const float *data, size_t columns) {
  return (ky_matrix){(void *)(uintptr_t)data, 1, (ptrdiff_t)columns};
}

/* Row i of scores becomes weights of columns 0..i. */
static void weigh(size_t i, size_t t, float scale, float *restrict s) {
  float top = s[0], sum = 0;
  for (size_t k = 1; k <= i; k++) top = s[k] > top ? s[k] : top;
  for (size_t k = 0; k <= i; k++) sum += s[k] = expf((s[k] - top) * scale);
  const float part = 1 / sum;
  for (size_t k = 0; k <= i; k++) s[k] *= part;
  for (size_t k = i + 1; k < t; k++) s[k] = 0;
}

/* What weights get becomes what scores get. */
static void unweigh(size_t i, size_t t, float scale, const float *restrict p,
                    float *restrict g) {
  float sum = 0;
  for (size_t k = 0; k <= i; k++) sum += p[k] * g[k];
  for (size_t k = 0; k <= i; k++) g[k] = scale * p[k] * (g[k] - sum);
  for (size_t k = i + 1; k < t; k++) g[k] = 0;
}

double hand_attention(size_t heads, size_t t, size_t d, const float *q, const float *k,
                      const float *v, const float *target, float *gq, float *gk, float *gv,
                      float *room) {
  ky_gemm *const gemm = ky__gemm[KY_F32];
  float *const p = room, *const gp = room + t * t, *const r = gp + t * t;
  const float scale = 1 / sqrtf((float)d);
  double total = 0;
  for (size_t h = 0; h < heads; h++) {
    const size_t at = h * t * d;
    gemm(t, t, d, rows_of(q + at, d), swapped(k + at, d), 0, rows_of(p, t));
    for (size_t i = 0; i < t; i++) weigh(i, t, scale, p + i * t);
    gemm(t, d, t, rows_of(p, t), rows_of(v + at, d), 0, rows_of(r, d));
    float value = 0;
    for (size_t i = 0; i < t * d; i++) value += r[i] * target[at + i];
    total += (double)value;
    gemm(t, d, t, swapped(p, t), rows_of(target + at, d), 0, rows_of(gv + at, d));
    gemm(t, t, d, rows_of(target + at, d), swapped(v + at, d), 0, rows_of(gp, t));
    for (size_t i = 0; i < t; i++) unweigh(i, t, scale, p + i * t, gp + i * t);
    gemm(t, d, t, rows_of(gp, t), rows_of(k + at, d), 0, rows_of(gq + at, d));
    gemm(t, d, t, swapped(gp, t), rows_of(q + at, d), 0, rows_of(gk + at, d));
  }
  return total;
}
