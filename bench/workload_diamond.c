/* SPDX-License-Identifier: MIT */
/* diamond: every value is used twice, so the number of paths doubles at each level. Naive
 * recursion walks them all. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define DEPTH_MOST 24
#define X0         1.25
#define A0         0.625
#define B0         0.375
#define TOLERANCE  1e-9

typedef struct diamond {
  int depth;
  double a0, b0;
  double saved[DEPTH_MOST];
  double value, grad[2]; /* by hand: d/da, d/db */
} diamond;

/* ---- tape -------------------------------------------------------------------------------- */

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const diamond *d = s->problem;
  const ky_var a = s->param[0], b = s->param[1];
  ky_var x = ky_scalar(t, KY_F64, X0);
  for (int k = 0; k < d->depth; k++) x = ky_add(t, ky_mul(t, a, x), ky_mul(t, b, x));
  return x;
}

static const taped_model model = {"diamond", record, NULL};

static void weights(taped *s) {
  diamond *d = s->problem;
  taped_weight(s, KY_F64, KY_SCALAR, &d->a0);
  taped_weight(s, KY_F64, KY_SCALAR, &d->b0);
}

/* ---- recursive --------------------------------------------------------------------------- */

static rec_tensor *recursive(const void *problem, rec_heap *h, rec_tensor *const *w) {
  static const double x0 = X0;
  const diamond *d = problem;
  rec_tensor *x = rec_input(h, KY_F64, KY_SCALAR, &x0);
  for (int k = 0; k < d->depth; k++) {
    rec_tensor *left = rec_mul(h, rec_keep(w[0]), rec_keep(x));
    x = rec_add(h, left, rec_mul(h, rec_keep(w[1]), x));
  }
  return x;
}

/* ---- the workload ------------------------------------------------------------------------ */

static void by_hand(void *state) {
  diamond *d = state;
  d->value = hand_diamond((size_t)d->depth, X0, A0, B0, d->saved, d->grad);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, int depth) {
  diamond d = {.depth = depth, .a0 = A0, .b0 = B0};
  char title[32];
  snprintf(title, sizeof title, "depth %d", depth);
  value_gradient all = {.title = title,
                        .model = &model,
                        .problem = &d,
                        .weights = weights,
                        .hand = by_hand,
                        .recursive = recursive,
                        .value = &d.value,
                        .gradient = d.grad,
                        .tolerance = TOLERANCE};
  const bool good = value_gradient_run(setup, sheet, &all);
  return good;
}

bool workload_diamond(const bench_setup *setup, bench_sheet *sheet) {
  const int most = setup->quick ? 12 : DEPTH_MOST;
  for (int depth = most / 3; depth <= most; depth += most / 3)
    if (!run_case(setup, sheet, depth)) return false;
  return true;
}
