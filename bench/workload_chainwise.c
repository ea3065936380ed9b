/* SPDX-License-Identifier: MIT */
/* chainwise: elementwise operations on a vector, and a sum. Nothing but their fusion keeps them
 * from going through memory again and again. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define RANGE     4
#define TOLERANCE 1e-5

typedef struct vector {
  size_t n;
  float *x, *gradient;
  double value;
} vector;

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const ky_var x = s->param[0];
  const ky_var a = ky_mul(t, ky_tanh(t, x), x);
  const ky_var b = ky_mul_scalar(t, ky_sigmoid(t, x), 0.5);
  return ky_sum_all(t, ky_add(t, a, b));
}

static const taped_model model = {"chainwise", record, NULL};

static void weights(taped *s) {
  const vector *v = s->problem;
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)v->n), v->x);
}

static void by_hand(void *state) {
  vector *v = state;
  v->value = hand_chainwise(v->n, v->x, v->gradient);
}

static rec_tensor *recursive(const void *problem, rec_heap *h, rec_tensor *const *w) {
  (void)problem;
  rec_tensor *a = rec_mul(h, rec_tanh(h, rec_keep(w[0])), rec_keep(w[0]));
  rec_tensor *b = rec_scale(h, rec_sigmoid(h, rec_keep(w[0])), 0.5);
  return rec_sum(h, rec_add(h, a, b));
}

/* ---- the workload ------------------------------------------------------------------------ */

/* Value and gradient need the two functions once. x is read and the gradient written. */
static bound least(size_t n) {
  bound b = {.bytes = 2 * (double)(n * sizeof(float))};
  b.calls[BOUND_tanh_f32] = b.calls[BOUND_exp_f32] = (double)n;
  return b;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t n) {
  vector v = {n, bench_alloc_aligned(n * sizeof(float)), bench_alloc_aligned(n * sizeof(float)),
              0};
  bench_random(KY_F32, 1, n, v.x, RANGE);
  char title[32], argument[16];
  snprintf(title, sizeof title, "n = %.0e", (double)n);
  snprintf(argument, sizeof argument, "%zu", n);
  value_gradient all = {.title = title,
                        .model = &model,
                        .problem = &v,
                        .weights = weights,
                        .hand = by_hand,
                        .recursive = recursive,
                        .value = &v.value,
                        .gradient = v.gradient,
                        .tolerance = TOLERANCE,
                        .bound = least(n),
                        .argument = argument};
  const bool good = value_gradient_run(setup, sheet, &all);
  free(v.x);
  free(v.gradient);
  return good;
}

bool workload_chainwise(const bench_setup *setup, bench_sheet *sheet) {
  static const size_t sizes[] = {1000, 10000, 100000, 1000000, 4000000};
  for (int k = 0; k < (setup->quick ? 2 : 5); k++)
    if (!run_case(setup, sheet, sizes[k])) return false;
  return true;
}
