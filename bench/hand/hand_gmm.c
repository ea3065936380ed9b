/* SPDX-License-Identifier: MIT */
/* The mixture by hand. With y = Q x - c, c = Q mean, and the responsibilities r, the gradient
 * of Q is -Q S + c m' + (Q m - w c) mean' where S, m and w are the sums of r x x', r x and r:
 * so y is used while it is in the cache and never kept. Q is triangular and S symmetric; both
 * are worked out in an upper and a lower half of their rows, which leaves out a quarter of the
 * products. A few components share a product, because packing x costs as much as multiplying
 * with one of them. */
#include <math.h>
#include <string.h>

#include "hand/hand.h"
#include "kernels/gemm.h"

#define LOG_2PI 1.8378770664093453
#define GROUP   4

/* How `room` is used. Upper halves have h = d / 2 columns, lower ones all d. */
typedef struct gmm_room {
  double *inner; /* [k,n]: of all components; then the responsibilities */
  double *top, *sum;
  double *y_up, *y_low;       /* of a group, [n,g h]: Q x, then r x */
  double *q_up, *q_low;       /* [g h,h] and [g h,d] */
  double *s_up, *s_low;       /* likewise */
  double *c, *m, *w;          /* [g,d], [g,d], [g] */
  double *s, *qs_up, *qs_low; /* of one component */
} gmm_room;

size_t hand_gmm_room(const hand_gmm *p) {
  const size_t d = p->d;
  return p->k * p->n + 2 * p->n + GROUP * (p->n * d + 2 * d * d + 2 * d + 1) + 2 * d * d;
}

static double *take(double **at, size_t count) {
  double *const part = *at;
  *at += count;
  return part;
}

static gmm_room divide(const hand_gmm *p, double *at) {
  const size_t n = p->n, d = p->d, h = d / 2;
  gmm_room r;
  r.inner = take(&at, p->k * n);
  r.y_up = take(&at, GROUP * n * h);
  r.y_low = take(&at, GROUP * n * h);
  r.q_up = take(&at, GROUP * h * h);
  r.q_low = take(&at, GROUP * h * d);
  r.s_up = take(&at, GROUP * h * h);
  r.s_low = take(&at, GROUP * h * d);
  r.s = take(&at, d * d);
  r.qs_up = take(&at, h * h);
  r.qs_low = take(&at, h * d);
  r.top = take(&at, n);
  r.sum = take(&at, n);
  r.c = take(&at, GROUP * d);
  r.m = take(&at, GROUP * d);
  r.w = take(&at, GROUP);
  return r;
}

static ky_matrix rows_of(const double *data, size_t stride) {
  return (ky_matrix){(void *)(uintptr_t)data, (ptrdiff_t)stride, 1};
}

static ky_matrix swapped(const double *data, size_t stride) {
  return (ky_matrix){(void *)(uintptr_t)data, 1, (ptrdiff_t)stride};
}

/* Row i of the matrix of component g of a group. */
static double *row_of(double *up, double *low, size_t d, size_t g, size_t i) {
  const size_t h = d / 2;
  return i < h ? up + (g * h + i) * h : low + (g * h + i - h) * d;
}

/* Q and c of component k, the g-th of its group. */
static void factor(const hand_gmm *p, size_t k, size_t g, const gmm_room *r) {
  const size_t d = p->d;
  const double *lower = p->lower + k * d * d, *logs = p->logs + k * d;
  const double *mean = p->means + k * d;
  for (size_t i = 0; i < d; i++) {
    double *restrict q = row_of(r->q_up, r->q_low, d, g, i), dot = 0;
    memcpy(q, lower + i * d, i * sizeof *q);
    q[i] = exp(logs[i]);
    for (size_t j = i + 1; j < (i < d / 2 ? d / 2 : d); j++) q[j] = 0;
    for (size_t j = 0; j <= i; j++) dot += q[j] * mean[j];
    r->c[g * d + i] = dot;
  }
}

/* inner = alpha + sum of logs - |Q x - c|^2 / 2 of the `group` components from k on. */
static void distances(const hand_gmm *p, size_t k, size_t group, const gmm_room *r) {
  const size_t n = p->n, d = p->d, h = d / 2, wide = group * h;
  ky_gemm *const gemm = ky__gemm[KY_F64];
  gemm(n, wide, h, rows_of(p->x, d), swapped(r->q_up, h), 0, rows_of(r->y_up, wide));
  gemm(n, wide, d, rows_of(p->x, d), swapped(r->q_low, d), 0, rows_of(r->y_low, wide));
  for (size_t g = 0; g < group; g++) {
    const double *restrict c = r->c + g * d;
    double base = p->alpha[k + g];
    for (size_t j = 0; j < d; j++) base += p->logs[(k + g) * d + j];
    for (size_t i = 0; i < n; i++) {
      const double *restrict up = r->y_up + i * wide + g * h;
      const double *restrict low = r->y_low + i * wide + g * h;
      double square = 0;
      for (size_t j = 0; j < h; j++) {
        const double a = up[j] - c[j], b = low[j] - c[h + j];
        square += a * a + b * b;
      }
      r->inner[(k + g) * n + i] = base - 0.5 * square;
    }
  }
}

/* Returns the sum over x of log sum exp; inner becomes the responsibilities. */
static double normalise(const hand_gmm *p, const gmm_room *r) {
  const size_t n = p->n;
  double *restrict top = r->top, *restrict sum = r->sum, total = 0;
  memcpy(top, r->inner, n * sizeof *top);
  memset(sum, 0, n * sizeof *sum);
  for (size_t k = 1; k < p->k; k++) {
    const double *restrict a = r->inner + k * n;
    for (size_t i = 0; i < n; i++) top[i] = a[i] > top[i] ? a[i] : top[i];
  }
  for (size_t k = 0; k < p->k; k++) {
    double *restrict a = r->inner + k * n;
    for (size_t i = 0; i < n; i++) sum[i] += a[i] = exp(a[i] - top[i]);
  }
  for (size_t i = 0; i < n; i++) {
    total += top[i] + log(sum[i]);
    sum[i] = 1 / sum[i];
  }
  for (size_t k = 0; k < p->k; k++) {
    double *restrict a = r->inner + k * n;
    for (size_t i = 0; i < n; i++) a[i] *= sum[i];
  }
  return total;
}

/* S, m and w of the `group` components from k on; y becomes r x. */
static void moments(const hand_gmm *p, size_t k, size_t group, const gmm_room *r) {
  const size_t n = p->n, d = p->d, h = d / 2, wide = group * h;
  ky_gemm *const gemm = ky__gemm[KY_F64];
  memset(r->m, 0, group * d * sizeof *r->m);
  memset(r->w, 0, group * sizeof *r->w);
  for (size_t i = 0; i < n; i++)
    for (size_t g = 0; g < group; g++) {
      const double *restrict x = p->x + i * d, share = r->inner[(k + g) * n + i];
      double *restrict up = r->y_up + i * wide + g * h, *restrict m = r->m + g * d;
      double *restrict low = r->y_low + i * wide + g * h;
      r->w[g] += share;
      for (size_t j = 0; j < h; j++) {
        m[j] += up[j] = share * x[j];
        m[h + j] += low[j] = share * x[h + j];
      }
    }
  gemm(wide, h, n, swapped(r->y_up, wide), rows_of(p->x, d), 0, rows_of(r->s_up, h));
  gemm(wide, d, n, swapped(r->y_low, wide), rows_of(p->x, d), 0, rows_of(r->s_low, d));
}

/* Q S of the g-th component, in two halves of its rows; the upper half in h columns. */
static void curve(size_t d, size_t g, const gmm_room *r) {
  const size_t h = d / 2;
  ky_gemm *const gemm = ky__gemm[KY_F64];
  for (size_t i = 0; i < d; i++)
    memcpy(r->s + i * d, row_of(r->s_up, r->s_low, d, g, i), (i < h ? h : d) * sizeof *r->s);
  for (size_t i = 0; i < h; i++)
    for (size_t j = h; j < d; j++) r->s[i * d + j] = r->s[j * d + i];
  gemm(h, h, h, rows_of(r->q_up + g * h * h, h), rows_of(r->s, d), 0, rows_of(r->qs_up, h));
  gemm(h, d, d, rows_of(r->q_low + g * h * d, d), rows_of(r->s, d), 0, rows_of(r->qs_low, d));
}

/* Gradients of component k, the g-th of its group. */
static void differentiate(const hand_gmm *p, size_t k, size_t g, const gmm_room *r) {
  const size_t d = p->d;
  const double *restrict mean = p->means + k * d, *restrict m = r->m + g * d, w = r->w[g];
  double *restrict g_mean = p->g_means + k * d, *g_logs = p->g_logs + k * d;
  curve(d, g, r);
  memset(g_mean, 0, d * sizeof *g_mean);
  for (size_t i = 0; i < d; i++) {
    const double *restrict q = row_of(r->q_up, r->q_low, d, g, i), c = r->c[g * d + i];
    const double *restrict qs = row_of(r->qs_up, r->qs_low, d, 0, i);
    double *restrict out = p->g_lower + (k * d + i) * d, dot = 0;
    for (size_t j = 0; j <= i; j++) dot += q[j] * m[j];
    const double gc = dot - w * c;
    for (size_t j = 0; j <= i; j++) {
      g_mean[j] += gc * q[j];
      out[j] = c * m[j] + gc * mean[j] - qs[j];
    }
    g_logs[i] = w + out[i] * q[i];
    memset(out + i, 0, (d - i) * sizeof *out);
  }
}

double hand_gmm_value(const hand_gmm *p, double *room) {
  const double n = (double)p->n;
  const gmm_room r = divide(p, room);
  for (size_t k = 0; k < p->k; k += GROUP) {
    const size_t group = p->k - k < GROUP ? p->k - k : GROUP;
    for (size_t g = 0; g < group; g++) factor(p, k + g, g, &r);
    distances(p, k, group, &r);
  }
  double total = normalise(p, &r), top = p->alpha[0], sum = 0;
  for (size_t k = 0; k < p->k; k++) top = p->alpha[k] > top ? p->alpha[k] : top;
  for (size_t k = 0; k < p->k; k++) sum += exp(p->alpha[k] - top);
  total -= n * (top + log(sum) + 0.5 * (double)p->d * LOG_2PI);
  if (!p->g_alpha) return total;
  for (size_t k = 0; k < p->k; k += GROUP) {
    const size_t group = p->k - k < GROUP ? p->k - k : GROUP;
    for (size_t g = 0; g < group; g++) factor(p, k + g, g, &r);
    moments(p, k, group, &r);
    for (size_t g = 0; g < group; g++) {
      differentiate(p, k + g, g, &r);
      p->g_alpha[k + g] = r.w[g] - n * exp(p->alpha[k + g] - top) / sum;
    }
  }
  return total;
}
