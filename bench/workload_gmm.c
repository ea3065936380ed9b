/* SPDX-License-Identifier: MIT */
/* gmm: the log-likelihood of n points x in d dimensions under a mixture of K Gaussians, in the
 * parametrisation of ADBench (Srajer, Kukelova, Fitzgibbon 2018) without its prior. Component k
 * has weight exp(alpha[k]) up to normalisation, mean m[k], and as inverse square root of its
 * covariance the triangular Q[k] = diag(exp(l[k])) + (the part of L[k] below the diagonal):
 *
 *   sum over i of log sum over k of exp(alpha[k] + sum(l[k]) - |Q[k] x[i] - Q[k] m[k]|^2 / 2)
 *     - n log sum exp(alpha) - n d log(2 pi) / 2
 *
 * With z = [1, x], of e = d + 1 elements, and R[k] = [-Q[k] m[k], Q[k]], the square is |R z|^2:
 * the sum over all pairs i >= j of (R' R)[i,j] z[i] z[j], twice where i > j. So all distances
 * are one product, of [n,pairs] with [K,pairs]: half of what Q x takes for every k, and nothing
 * as large as [n,K,d] is in memory. The data are not differentiated, so the reverse sweep has
 * one large product too. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define LOG_2PI   1.8378770664093453
#define TOLERANCE 1e-9

typedef struct mixture {
  int64_t n, d, k;
  int64_t pairs;
  int64_t *first, *second, *place; /* [pairs]: i, j, and e i + j */
  double *times;                   /* [pairs]: -1 where i > j, -1/2 where i = j */
  double *x, *mask, *identity;     /* mask [d,d]: 1 below the diagonal */
  double *weight[4];               /* alpha [k], means [k,d], logs [k,d], lower [k,d,d] */
  hand_gmm hand;
  double *gradient, *room;
  double value;
} mixture;

/* log sum exp over the last axis, which is kept. */
static ky_var log_sum_exp(ky_tape *t, ky_var x) {
  const ky_var top = ky_max(t, x, KY_AXES(-1), 1);
  const ky_var sum = ky_sum(t, ky_exp(t, ky_sub(t, x, top)), KY_AXES(-1), 1);
  return ky_add(t, ky_log(t, sum), top);
}

/* R [k,d,e] */
static ky_var factors(taped *s) {
  ky_tape *t = s->t;
  const mixture *p = s->problem;
  const int64_t d = p->d, k = p->k;
  const ky_var means = s->param[1], logs = s->param[2], lower = s->param[3];
  const ky_var mask = ky_constant(t, KY_F64, KY_SHAPE(d, d), p->mask);
  const ky_var identity = ky_constant(t, KY_F64, KY_SHAPE(d, d), p->identity);
  const ky_var scale = ky_reshape(t, ky_exp(t, logs), KY_SHAPE(k, d, 1));
  const ky_var q = ky_add(t, ky_mul(t, lower, mask), ky_mul(t, scale, identity));
  const ky_var c = ky_matmul(t, q, ky_reshape(t, means, KY_SHAPE(k, d, 1)));
  return ky_concat(t, 2, (ky_var[]){ky_neg(t, c), q}, 2);
}

/* -|Q x - Q m|^2 / 2 of all points and components [n,k]. */
static ky_var distances(taped *s) {
  ky_tape *t = s->t;
  const mixture *p = s->problem;
  const int64_t n = p->n, d = p->d, k = p->k, e = d + 1;
  const ky_var first = ky_constant(t, KY_I64, KY_SHAPE(p->pairs), p->first);
  const ky_var second = ky_constant(t, KY_I64, KY_SHAPE(p->pairs), p->second);
  const ky_var place = ky_constant(t, KY_I64, KY_SHAPE(p->pairs), p->place);
  const ky_var times = ky_constant(t, KY_F64, KY_SHAPE(p->pairs), p->times);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(n, d), p->x);
  const ky_var z = ky_concat(t, 2, (ky_var[]){ky_full(t, KY_F64, KY_SHAPE(n, 1), 1), x}, 1);
  const ky_var products =
      ky_mul(t, ky_index_select(t, z, 1, first), ky_index_select(t, z, 1, second));
  const ky_var r = factors(s);
  const ky_var form = ky_matmul(t, ky_transpose(t, r, 1, 2), r);
  const ky_var lower = ky_index_select(t, ky_reshape(t, form, KY_SHAPE(k, e * e)), 1, place);
  return ky_linear(t, products, ky_mul(t, lower, times), ky_none());
}

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const mixture *p = s->problem;
  const ky_var alpha = s->param[0], logs = s->param[2];
  const ky_var base = ky_add(t, alpha, ky_sum(t, logs, KY_AXES(1), 0));
  const ky_var all = ky_sum_all(t, log_sum_exp(t, ky_add(t, base, distances(s))));
  const ky_var none =
      ky_mul_scalar(t, ky_reshape(t, log_sum_exp(t, alpha), KY_SCALAR), (double)p->n);
  return ky_add_scalar(t, ky_sub(t, all, none), -0.5 * (double)(p->n * p->d) * LOG_2PI);
}

static const taped_model model = {"gmm", record, NULL};

static void weights(taped *s) {
  const mixture *p = s->problem;
  taped_weight(s, KY_F64, KY_SHAPE(p->k), p->weight[0]);
  taped_weight(s, KY_F64, KY_SHAPE(p->k, p->d), p->weight[1]);
  taped_weight(s, KY_F64, KY_SHAPE(p->k, p->d), p->weight[2]);
  taped_weight(s, KY_F64, KY_SHAPE(p->k, p->d, p->d), p->weight[3]);
}

/* ---- by hand ----------------------------------------------------------------------------- */

static void by_hand(void *state) {
  mixture *p = state;
  p->value = hand_gmm_value(&p->hand, p->room);
}

static void value_by_hand(void *state) {
  mixture *p = state;
  hand_gmm alone = p->hand;
  alone.g_alpha = NULL;
  p->value = hand_gmm_value(&alone, p->room);
}

/* ---- the workload ------------------------------------------------------------------------ */

static void fill_pairs(mixture *p) {
  const int64_t e = p->d + 1;
  p->pairs = e * (e + 1) / 2;
  p->first = bench_alloc((size_t)p->pairs, sizeof *p->first);
  p->second = bench_alloc((size_t)p->pairs, sizeof *p->second);
  p->place = bench_alloc((size_t)p->pairs, sizeof *p->place);
  p->times = bench_alloc((size_t)p->pairs, sizeof *p->times);
  size_t at = 0;
  for (int64_t i = 0; i < e; i++)
    for (int64_t j = 0; j <= i; j++, at++) {
      p->first[at] = i;
      p->second[at] = j;
      p->place[at] = e * i + j;
      p->times[at] = i == j ? -0.5 : -1;
    }
}

static size_t fill(mixture *p) {
  const size_t n = (size_t)p->n, d = (size_t)p->d, k = (size_t)p->k;
  const size_t count[4] = {k, k * d, k * d, k * d * d};
  static const double range[4] = {1, 1, 0.5, 0.1};
  fill_pairs(p);
  p->x = bench_alloc_aligned(n * d * sizeof(double));
  p->mask = bench_alloc(d * d, sizeof(double));
  p->identity = bench_alloc(d * d, sizeof(double));
  bench_random(KY_F64, 1, n * d, p->x, 1);
  for (size_t i = 0; i < d; i++) {
    for (size_t j = 0; j < i; j++) p->mask[i * d + j] = 1;
    p->identity[i * d + i] = 1;
  }
  size_t total = 0;
  for (int i = 0; i < 4; i++) {
    p->weight[i] = bench_alloc_aligned(count[i] * sizeof(double));
    bench_random(KY_F64, 2 + (uint32_t)i, count[i], p->weight[i], range[i]);
    total += count[i];
  }
  double *g = p->gradient = bench_alloc_aligned(total * sizeof(double));
  p->hand = (hand_gmm){n,
                       d,
                       k,
                       p->x,
                       p->weight[0],
                       p->weight[1],
                       p->weight[2],
                       p->weight[3],
                       g,
                       g + k,
                       g + k + k * d,
                       g + k + 2 * k * d};
  p->room = bench_alloc_aligned(hand_gmm_room(&p->hand) * sizeof(double));
  return total;
}

static bound least(const mixture *p, size_t weight_count) {
  const size_t n = (size_t)p->n, d = (size_t)p->d, k = (size_t)p->k, e = d + 1;
  const size_t pairs = (size_t)p->pairs;
  bound b = {.dtype = KY_F64, .bytes = (double)(sizeof(double) * (2 * weight_count + n * d))};
  b.calls[BOUND_exp_f64] = (double)(p->n * p->k);
  const bound_matrix z = {0, false}, form = {1, true}, g = {2, true};
  bound_add_product(&b, (bound_product){n, k, pairs, z, form, 2, false});
  bound_add_product(&b, (bound_product){k, pairs, n, g, z, 1, false});
  for (size_t j = 0; j < k; j++) { /* R' R, and R times what is the gradient of that */
    const bound_matrix r = {3, false}, turned = {3, true}, square = {4, false};
    bound_add_product(&b, (bound_product){e, e, d, turned, r, 4, false});
    bound_add_product(&b, (bound_product){d, e, e, r, square, 5, false});
  }
  return b;
}

bool workload_gmm(const bench_setup *setup, bench_sheet *sheet) {
  mixture p = {
      .n = setup->quick ? 20 : 1000, .d = setup->quick ? 8 : 64, .k = setup->quick ? 5 : 100};
  const size_t count = fill(&p);
  char title[32], argument[32];
  snprintf(title, sizeof title, "n %d, d %d, K %d", (int)p.n, (int)p.d, (int)p.k);
  snprintf(argument, sizeof argument, "%d,%d,%d", (int)p.n, (int)p.d, (int)p.k);
  value_gradient all = {.title = title,
                        .model = &model,
                        .problem = &p,
                        .weights = weights,
                        .hand = by_hand,
                        .hand_value = value_by_hand,
                        .value = &p.value,
                        .gradient = p.gradient,
                        .tolerance = TOLERANCE,
                        .bound = least(&p, count),
                        .argument = argument};
  const bool good = value_gradient_run(setup, sheet, &all);
  for (int k = 0; k < 4; k++) free(p.weight[k]);
  free(p.first);
  free(p.second);
  free(p.place);
  free(p.times);
  free(p.x);
  free(p.mask);
  free(p.identity);
  free(p.gradient);
  free(p.room);
  return good;
}
