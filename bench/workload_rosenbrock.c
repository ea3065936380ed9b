/* SPDX-License-Identifier: MIT */
/* rosenbrock: one function, recorded in two ways: operation by operation on scalars, a million
 * weights and eight million instructions at the end; and on two slices of a vector. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define TOLERANCE 1e-10

typedef struct point {
  size_t n;
  double *x, *gradient;
  double value;
} point;

/* ---- as scalars -------------------------------------------------------------------------- */

static ky_var record_scalars(taped *s) {
  ky_tape *t = s->t;
  const ky_var *x = s->param;
  ky_var total = ky_none();
  for (size_t k = 0; k + 1 < s->weights; k++) {
    const ky_var valley = ky_square(t, ky_sub(t, x[k + 1], ky_square(t, x[k])));
    const ky_var slope = ky_square(t, ky_rsub_scalar(t, x[k], 1));
    const ky_var term = ky_add(t, ky_mul_scalar(t, valley, 100), slope);
    total = k == 0 ? term : ky_add(t, total, term);
  }
  return total;
}

static void scalars(taped *s) {
  const point *p = s->problem;
  for (size_t k = 0; k < p->n; k++) taped_weight(s, KY_F64, KY_SCALAR, p->x + k);
}

/* ---- as vectors -------------------------------------------------------------------------- */

static ky_var record_vectors(taped *s) {
  ky_tape *t = s->t;
  const point *p = s->problem;
  const int64_t n = (int64_t)p->n;
  const ky_var a = ky_slice(t, s->param[0], 0, 0, n - 1, 1);
  const ky_var b = ky_slice(t, s->param[0], 0, 1, n, 1);
  const ky_var valley = ky_square(t, ky_sub(t, b, ky_square(t, a)));
  const ky_var slope = ky_square(t, ky_rsub_scalar(t, a, 1));
  return ky_sum_all(t, ky_add(t, ky_mul_scalar(t, valley, 100), slope));
}

static void vector(taped *s) {
  const point *p = s->problem;
  taped_weight(s, KY_F64, KY_SHAPE((int64_t)p->n), p->x);
}

/* ---- the workload ------------------------------------------------------------------------ */

static void by_hand(void *state) {
  point *p = state;
  p->value = hand_rosenbrock(p->n, p->x, p->gradient);
}

static const taped_model model_of_scalars = {"rosenbrock", record_scalars, NULL};
static const taped_model model_of_vectors = {"rosenbrock", record_vectors, NULL};

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t n, bool as_scalars) {
  const size_t bytes = n * sizeof(double);
  point p = {n, bench_alloc_aligned(bytes), bench_alloc_aligned(bytes), 0};
  bench_random(KY_F64, 1, n, p.x, 1);
  char title[32], argument[16];
  snprintf(title, sizeof title, "%s, n = %.0e", as_scalars ? "scalars" : "vectors", (double)n);
  snprintf(argument, sizeof argument, "%zu", n);
  value_gradient all = {.title = title,
                        .model = as_scalars ? &model_of_scalars : &model_of_vectors,
                        .problem = &p,
                        .weights = as_scalars ? scalars : vector,
                        .hand = by_hand,
                        .value = &p.value,
                        .gradient = p.gradient,
                        .tolerance = TOLERANCE,
                        .bound = {.bytes = 2 * (double)bytes},
                        .argument = as_scalars ? NULL : argument};
  const bool good = value_gradient_run(setup, sheet, &all);
  free(p.x);
  free(p.gradient);
  return good;
}

bool workload_rosenbrock(const bench_setup *setup, bench_sheet *sheet) {
  const size_t most = setup->quick ? 1000 : 1000000;
  for (int as_scalars = 1; as_scalars >= 0; as_scalars--)
    for (size_t n = 100; n <= most; n *= 10)
      if (!run_case(setup, sheet, n, as_scalars)) return false;
  return true;
}
