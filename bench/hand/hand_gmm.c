/* SPDX-License-Identifier: MIT */
/* The mixture by hand, by the formulas of workload_gmm.c, in one walk over the points: those of
 * a block are squared up, compared with all components, and weighed while they are in the
 * cache. With the responsibilities r and G = sum of r z z', the gradient of R is -R G. */
#include <math.h>
#include <string.h>

#include "hand/hand.h"
#include "kernels/gemm.h"

#define LOG_2PI 1.8378770664093453
#define BLOCK   128 /* points */

/* How `room` is used; e = d + 1 and pairs = e (e + 1) / 2. */
typedef struct gmm_room {
  double *z, *pairs; /* of a block: [BLOCK,e] and [BLOCK,pairs] */
  double *inner;     /* [BLOCK,k]; then the responsibilities */
  double *base;      /* [k] */
  double *form, *g;  /* of all components, [k,pairs]: those of R' R, and their gradients */
  double *r, *gr;    /* of one component, [d,e] */
  double *square;    /* [e,e] */
} gmm_room;

static size_t pairs_of(const hand_gmm *p) { return (p->d + 1) * (p->d + 2) / 2; }

size_t hand_gmm_room(const hand_gmm *p) {
  const size_t e = p->d + 1, pairs = pairs_of(p);
  return BLOCK * (e + pairs + p->k) + p->k * (1 + 2 * pairs) + 2 * p->d * e + e * e;
}

static double *take(double **at, size_t count) {
  double *const part = *at;
  *at += count;
  return part;
}

static gmm_room divide(const hand_gmm *p, double *at) {
  const size_t e = p->d + 1, pairs = pairs_of(p);
  gmm_room r;
  r.pairs = take(&at, BLOCK * pairs);
  r.form = take(&at, p->k * pairs);
  r.g = take(&at, p->k * pairs);
  r.inner = take(&at, BLOCK * p->k);
  r.z = take(&at, BLOCK * e);
  r.r = take(&at, p->d * e);
  r.gr = take(&at, p->d * e);
  r.square = take(&at, e * e);
  r.base = take(&at, p->k);
  return r;
}

static ky_matrix rows_of(const double *data, size_t stride) {
  return (ky_matrix){(void *)(uintptr_t)data, (ptrdiff_t)stride, 1};
}

static ky_matrix swapped(const double *data, size_t stride) {
  return (ky_matrix){(void *)(uintptr_t)data, 1, (ptrdiff_t)stride};
}

/* R = [-Q m, Q] of component k. */
static void factor(const hand_gmm *p, size_t k, double *restrict r) {
  const size_t d = p->d, e = d + 1;
  const double *restrict mean = p->means + k * d;
  memset(r, 0, d * e * sizeof *r);
  for (size_t i = 0; i < d; i++) {
    double *restrict q = r + i * e + 1, dot = 0;
    memcpy(q, p->lower + (k * d + i) * d, i * sizeof *q);
    q[i] = exp(p->logs[k * d + i]);
    for (size_t j = 0; j <= i; j++) dot += q[j] * mean[j];
    q[-1] = -dot;
  }
}

/* What is the same for all points. */
static void prepare(const hand_gmm *p, const gmm_room *r) {
  const size_t d = p->d, e = d + 1;
  for (size_t k = 0; k < p->k; k++) {
    double *restrict form = r->form + k * pairs_of(p), base = p->alpha[k];
    for (size_t i = 0; i < d; i++) base += p->logs[k * d + i];
    r->base[k] = base;
    factor(p, k, r->r);
    ky__gemm[KY_F64](e, e, d, swapped(r->r, e), rows_of(r->r, e), 0, rows_of(r->square, e));
    for (size_t i = 0; i < e; i++) {
      const double *restrict row = r->square + i * e;
      for (size_t j = 0; j < i; j++) *form++ = -row[j];
      *form++ = -0.5 * row[i];
    }
  }
}

/* z = [1, x] of points, and its products with itself. */
static void square_up(const hand_gmm *p, size_t first, size_t count, const gmm_room *r) {
  const size_t d = p->d, e = d + 1, pairs = pairs_of(p);
  for (size_t n = 0; n < count; n++) {
    double *restrict z = r->z + n * e, *restrict to = r->pairs + n * pairs;
    z[0] = 1;
    memcpy(z + 1, p->x + (first + n) * d, d * sizeof *z);
    for (size_t i = 0; i < e; i++)
      for (size_t j = 0; j <= i; j++) *to++ = z[i] * z[j];
  }
}

/* log sum exp of a row, which becomes the responsibilities. */
static double normalise(size_t k, const double *restrict base, double *restrict row) {
  double top = -INFINITY, sum = 0;
  for (size_t i = 0; i < k; i++) {
    row[i] += base[i];
    top = row[i] > top ? row[i] : top;
  }
  for (size_t i = 0; i < k; i++) sum += row[i] = exp(row[i] - top);
  for (size_t i = 0; i < k; i++) row[i] *= 1 / sum;
  return top + log(sum);
}

/* Gradients of component k. */
static void differentiate(const hand_gmm *p, size_t k, const gmm_room *r) {
  const size_t d = p->d, e = d + 1;
  const double *restrict mean = p->means + k * d, *restrict g = r->g + k * pairs_of(p);
  const double weight = g[0];
  double *restrict square = r->square, *restrict g_mean = p->g_means + k * d;
  for (size_t i = 0; i < e; i++)
    for (size_t j = 0; j <= i; j++) square[i * e + j] = square[j * e + i] = *g++;
  factor(p, k, r->r);
  ky__gemm[KY_F64](d, e, e, rows_of(r->r, e), rows_of(square, e), 0, rows_of(r->gr, e));
  for (size_t i = 0; i < d; i++) {
    const double *restrict q = r->r + i * e + 1, *restrict gq = r->gr + i * e + 1;
    double *restrict out = p->g_lower + (k * d + i) * d;
    const double gc = gq[-1];
    g_mean[i] = 0; /* row i is the first that adds to it */
    for (size_t j = 0; j <= i; j++) {
      g_mean[j] += gc * q[j];
      out[j] = gc * mean[j] - gq[j];
    }
    p->g_logs[k * d + i] = weight + out[i] * q[i];
    memset(out + i, 0, (d - i) * sizeof *out);
  }
}

/* The term of the weights of the components, and what it adds to their gradient. */
static double weigh(const hand_gmm *p, const gmm_room *r) {
  const double n = (double)p->n;
  double top = -INFINITY, sum = 0;
  for (size_t k = 0; k < p->k; k++) top = p->alpha[k] > top ? p->alpha[k] : top;
  for (size_t k = 0; k < p->k; k++) sum += exp(p->alpha[k] - top);
  for (size_t k = 0; p->g_alpha && k < p->k; k++)
    p->g_alpha[k] = r->g[k * pairs_of(p)] - n * exp(p->alpha[k] - top) / sum;
  return -n * (top + log(sum) + 0.5 * (double)p->d * LOG_2PI);
}

double hand_gmm_value(const hand_gmm *p, double *room) {
  const gmm_room r = divide(p, room);
  const size_t pairs = pairs_of(p);
  ky_gemm *const gemm = ky__gemm[KY_F64];
  double total = 0;
  prepare(p, &r);
  for (size_t first = 0; first < p->n; first += BLOCK) {
    const size_t count = p->n - first < BLOCK ? p->n - first : BLOCK;
    square_up(p, first, count, &r);
    gemm(count, p->k, pairs, rows_of(r.pairs, pairs), swapped(r.form, pairs), 0,
         rows_of(r.inner, p->k));
    for (size_t i = 0; i < count; i++) total += normalise(p->k, r.base, r.inner + i * p->k);
    if (p->g_alpha)
      gemm(p->k, pairs, count, swapped(r.inner, p->k), rows_of(r.pairs, pairs), first > 0,
           rows_of(r.g, pairs));
  }
  for (size_t k = 0; p->g_alpha && k < p->k; k++) differentiate(p, k, &r);
  return total + weigh(p, &r);
}
