/* SPDX-License-Identifier: MIT */
/* layernorm: one normalisation of many rows, scaled and shifted: bound by memory. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define TOLERANCE 2e-4 /* gradients of the scale add up thousands of rows in f32 by hand */

typedef struct rows {
  size_t rows, n;
  float *x, *w, *b, *target, *gradient;
  double value;
} rows;

static ky_var record(taped *s) {
  const rows *p = s->problem;
  const ky_var target =
      ky_input(s->t, KY_F32, KY_SHAPE((int64_t)p->rows, (int64_t)p->n), p->target);
  const ky_var y = ky_layernorm(s->t, s->param[0], 1, s->param[1], s->param[2], 1e-5);
  return ky_sum_all(s->t, ky_mul(s->t, y, target));
}

static const taped_model model = {"layernorm", record, NULL};

static void weights(taped *s) {
  const rows *p = s->problem;
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)p->rows, (int64_t)p->n), p->x);
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)p->n), p->w);
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)p->n), p->b);
}

static void by_hand(void *state) {
  rows *p = state;
  float *gw = p->gradient + p->rows * p->n;
  p->value =
      hand_layernorm(p->rows, p->n, p->x, p->w, p->b, p->target, p->gradient, gw, gw + p->n);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t count, size_t n) {
  const size_t all = count * n, bytes = all * sizeof(float);
  rows p = {.rows = count, .n = n};
  float **const array[] = {&p.x, &p.target, &p.w, &p.b};
  for (int k = 0; k < 4; k++) {
    const size_t size = k < 2 ? all : n;
    *array[k] = bench_alloc_aligned(size * sizeof(float));
    bench_random(KY_F32, 1 + (uint32_t)k, size, *array[k], 1);
  }
  p.gradient = bench_alloc_aligned((all + 2 * n) * sizeof(float));
  char title[32], argument[32];
  snprintf(title, sizeof title, "%zux%zu", count, n);
  snprintf(argument, sizeof argument, "%zu,%zu", count, n);
  value_gradient v = {.title = title,
                      .model = &model,
                      .problem = &p,
                      .weights = weights,
                      .hand = by_hand,
                      .value = &p.value,
                      .gradient = p.gradient,
                      .tolerance = TOLERANCE,
                      .bound = {.bytes = 3 * (double)bytes}, /* x and target in, gx out */
                      .argument = argument};
  const bool good = value_gradient_run(setup, sheet, &v);
  for (int k = 0; k < 4; k++) free(*array[k]);
  free(p.gradient);
  return good;
}

bool workload_layernorm(const bench_setup *setup, bench_sheet *sheet) {
  if (!run_case(setup, sheet, 32, 768)) return false;
  return setup->quick || run_case(setup, sheet, 8192, 768);
}
