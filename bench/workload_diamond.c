/* SPDX-License-Identifier: MIT */
/* diamond: every value is used twice, so the number of paths doubles at each level. Naive
 * recursion walks them all. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "recursive/recursive.h"
#include "value_gradient.h"

#define DEPTH_MOST 24
#define X0         1.25
#define A0         0.625
#define B0         0.375
#define TOLERANCE  1e-9

/* The results of a variant: value, d/da, d/db. */
typedef struct results {
  double value, grad[2];
} results;

/* The tape's, and by hand. */
typedef struct diamond {
  int depth;
  double a0, b0;
  double saved[DEPTH_MOST];
  results results;
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

typedef struct rec_state {
  rec_heap heap;
  int depth;
  double x0, a0, b0;
  rec_tensor *a, *b;
  rec_grads grads;
  results results;
} rec_state;

static void recursive(void *state) {
  rec_state *s = state;
  rec_heap *h = &s->heap;
  rec_tensor *x = rec_input(h, KY_F64, KY_SCALAR, &s->x0);
  for (int k = 0; k < s->depth; k++) {
    rec_tensor *left = rec_mul(h, rec_keep(s->a), rec_keep(x));
    x = rec_add(h, left, rec_mul(h, rec_keep(s->b), x));
  }
  rec_backward(h, x, &s->grads);
  s->results.value = rec_item(x);
  for (size_t k = 0; k < s->grads.count; k++)
    s->results.grad[s->grads.pairs[k].weight == s->b] = rec_item(s->grads.pairs[k].grad);
  rec_clear(h, &s->grads);
  rec_drop(h, x);
}

static void rec_open(rec_state *s, int depth) {
  *s = (rec_state){.depth = depth, .x0 = X0, .a0 = A0, .b0 = B0};
  s->a = rec_weight(&s->heap, KY_F64, KY_SCALAR, &s->a0);
  s->b = rec_weight(&s->heap, KY_F64, KY_SCALAR, &s->b0);
}

static void rec_close(rec_state *s) {
  rec_grads_free(&s->heap, &s->grads);
  rec_drop(&s->heap, s->a);
  rec_drop(&s->heap, s->b);
}

/* ---- the workload ------------------------------------------------------------------------ */

static void by_hand(void *state) {
  diamond *d = state;
  d->results.value = hand_diamond((size_t)d->depth, X0, A0, B0, d->saved, d->results.grad);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, int depth) {
  diamond d = {.depth = depth, .a0 = A0, .b0 = B0};
  rec_state r;
  rec_open(&r, depth);
  char title[32];
  snprintf(title, sizeof title, "depth %d", depth);
  value_gradient all = {.title = title,
                        .model = &model,
                        .problem = &d,
                        .weights = weights,
                        .hand = by_hand,
                        .recursive = recursive,
                        .recursion = &r,
                        .value = &d.results.value,
                        .recursive_value = &r.results.value,
                        .gradient = d.results.grad,
                        .tolerance = TOLERANCE};
  const bool good = value_gradient_run(setup, sheet, &all);
  rec_close(&r);
  return good;
}

bool workload_diamond(const bench_setup *setup, bench_sheet *sheet) {
  const int most = setup->quick ? 12 : DEPTH_MOST;
  for (int depth = most / 3; depth <= most; depth += most / 3)
    if (!run_case(setup, sheet, depth)) return false;
  return true;
}
