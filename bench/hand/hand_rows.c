/* SPDX-License-Identifier: MIT */
/* Layernorm and attention by hand: value and gradients, row by row. Attention takes blocks
 * of rows, which see the columns before them; products are the engine's. */
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

/* Row i of `seen` scores becomes weights of columns 0..i. */
static void weigh(size_t i, size_t seen, float scale, float *restrict s) {
  float top = s[0], sum = 0;
  for (size_t k = 1; k <= i; k++) top = s[k] > top ? s[k] : top;
  for (size_t k = 0; k <= i; k++) sum += s[k] = expf((s[k] - top) * scale);
  const float part = 1 / sum;
  for (size_t k = 0; k <= i; k++) s[k] *= part;
  for (size_t k = i + 1; k < seen; k++) s[k] = 0;
}

/* What weights get becomes what scores get. */
static void unweigh(size_t i, size_t seen, float scale, const float *restrict p,
                    float *restrict g) {
  float sum = 0;
  for (size_t k = 0; k <= i; k++) sum += p[k] * g[k];
  for (size_t k = 0; k <= i; k++) g[k] = scale * p[k] * (g[k] - sum);
  for (size_t k = i + 1; k < seen; k++) g[k] = 0;
}

/* Rows first..first + rows - 1 of one head, which see as many columns as there are up to the
 * last of them. Adds to gk and gv, or stores; returns their part of the sum. */
static double attend(const hand_attention *a, size_t head, size_t first, size_t rows,
                     float *room) {
  ky_gemm *const gemm = ky__gemm[KY_F32];
  const size_t d = a->d, seen = first + rows, at = head * a->t * d, here = at + first * d;
  const float scale = 1 / sqrtf((float)d), *const target = a->target + here;
  const int adds = seen < a->t;
  float *const p = room, *const gp = p + rows * seen, *const r = gp + rows * seen;
  gemm(rows, seen, d, rows_of(a->q + here, d), swapped(a->k + at, d), 0, rows_of(p, seen));
  for (size_t i = 0; i < rows; i++) weigh(first + i, seen, scale, p + i * seen);
  gemm(rows, d, seen, rows_of(p, seen), rows_of(a->v + at, d), 0, rows_of(r, d));
  float value = 0;
  for (size_t i = 0; i < rows * d; i++) value += r[i] * target[i];
  gemm(seen, d, rows, swapped(p, seen), rows_of(target, d), adds, rows_of(a->gv + at, d));
  gemm(rows, seen, d, rows_of(target, d), swapped(a->v + at, d), 0, rows_of(gp, seen));
  for (size_t i = 0; i < rows; i++)
    unweigh(first + i, seen, scale, p + i * seen, gp + i * seen);
  gemm(rows, d, seen, rows_of(gp, seen), rows_of(a->k + at, d), 0, rows_of(a->gq + here, d));
  gemm(seen, d, rows, swapped(gp, seen), rows_of(a->q + here, d), adds, rows_of(a->gk + at, d));
  return (double)value;
}

#define BLOCK 64 /* rows */

size_t hand_attention_room(const hand_attention *a) { return BLOCK * (2 * a->t + a->d); }

/* The last rows of a head first: they see all columns. */
double hand_attention_value(const hand_attention *a, float *room) {
  double total = 0;
  for (size_t head = 0; head < a->heads; head++)
    for (size_t end = a->t; end > 0;) {
      const size_t first = (end - 1) / BLOCK * BLOCK;
      total += attend(a, head, first, end - first, room);
      end = first;
    }
  return total;
}
