/* SPDX-License-Identifier: MIT */
/* diamond: every value is used twice, so the number of paths doubles at each level. Naive
 * recursion walks them all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "recursive/recursive.h"
#include "workload.h"

#define DEPTH_MOST 24
#define X0         1.25
#define A0         0.625
#define B0         0.375

/* The results of a variant: value, d/da, d/db. */
typedef struct results {
  double value, grad[2];
} results;

/* ---- tape -------------------------------------------------------------------------------- */

typedef struct tape_state {
  int depth;
  double a0, b0;
  ky_tape *t;
  ky_tensor *weight[2];
  ky_var a, b, x;
  ky_mark start;
  results results;
  ky_status status;
} tape_state;

static void keep_status(tape_state *s, ky_status status) {
  if (s->status == KY_OK) s->status = status;
}

static void tape_differentiate(tape_state *s) {
  ky_grads grads;
  keep_status(s, ky_backward(s->t, s->x, &grads));
  keep_status(s, ky_item(s->t, s->x, &s->results.value));
  for (size_t k = 0; k < 2; k++)
    s->results.grad[k] = k < grads.count ? *(const double *)grads.pairs[k].grad : (double)NAN;
}

static void recorded(void *state) {
  tape_state *s = state;
  ky_tape *t = s->t;
  keep_status(s, ky_tape_rewind(t, s->start));
  ky_var x = ky_scalar(t, KY_F64, X0);
  for (int k = 0; k < s->depth; k++) x = ky_add(t, ky_mul(t, s->a, x), ky_mul(t, s->b, x));
  s->x = x;
  tape_differentiate(s);
}

static void replayed(void *state) {
  tape_state *s = state;
  keep_status(s, ky_forward(s->t));
  tape_differentiate(s);
}

static void tape_open(tape_state *s, int depth) {
  *s = (tape_state){.depth = depth, .a0 = A0, .b0 = B0, .t = ky_tape_new(NULL)};
  keep_status(s, ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &s->a0, &s->weight[0]));
  keep_status(s, ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &s->b0, &s->weight[1]));
  s->a = ky_param(s->t, s->weight[0]);
  s->b = ky_param(s->t, s->weight[1]);
  s->start = ky_tape_mark(s->t);
}

static void tape_close(tape_state *s) {
  ky_tape_free(s->t);
  ky_tensor_free(s->weight[0]);
  ky_tensor_free(s->weight[1]);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  int depth;
  double x0, a0, b0;
  rec_heap heap;
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

/* ---- by hand ----------------------------------------------------------------------------- */

typedef struct hand_state {
  int depth;
  double saved[DEPTH_MOST];
  results results;
} hand_state;

static void by_hand(void *state) {
  hand_state *s = state;
  s->results.value = hand_diamond((size_t)s->depth, X0, A0, B0, s->saved, s->results.grad);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  tape_state recorded, replayed;
  rec_state recursive;
  hand_state hand;
} variants;

static bool agree(bench_variant variant, const results *got, const results *want) {
  return bench_agree("diamond", variant, "the value", got->value, want->value, 1e-9) &&
         bench_agree("diamond", variant, "d/da", got->grad[0], want->grad[0], 1e-9) &&
         bench_agree("diamond", variant, "d/db", got->grad[1], want->grad[1], 1e-9);
}

static bool check(variants *v) {
  by_hand(&v->hand);
  recorded(&v->recorded);
  recorded(&v->replayed);
  replayed(&v->replayed);
  recursive(&v->recursive);
  return bench_ok("diamond", BENCH_RECORDED, v->recorded.status, v->recorded.t) &&
         bench_ok("diamond", BENCH_REPLAYED, v->replayed.status, v->replayed.t) &&
         agree(BENCH_RECORDED, &v->recorded.results, &v->hand.results) &&
         agree(BENCH_REPLAYED, &v->replayed.results, &v->hand.results) &&
         agree(BENCH_RECURSIVE, &v->recursive.results, &v->hand.results);
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v) {
  static const bench_variant order[] = {BENCH_RECORDED, BENCH_REPLAYED, BENCH_RECURSIVE,
                                        BENCH_HAND};
  bench_cell cells[] = {{.call = recorded, .state = &v->recorded},
                        {.call = replayed, .state = &v->replayed},
                        {.call = recursive, .state = &v->recursive},
                        {.call = by_hand, .state = &v->hand}};
  bench_measure(&setup->pace, 4, cells);
  const double bytes[] = {(double)ky_tape_bytes(v->recorded.t),
                          (double)ky_tape_bytes(v->replayed.t), (double)v->recursive.heap.peak,
                          (double)v->hand.depth * (double)sizeof(double)};
  char title[32];
  snprintf(title, sizeof title, "depth %d", v->hand.depth);
  for (int k = 0; k < 4; k++) {
    bench_row *row = bench_sheet_row(sheet, title, order[k]);
    row->time = bench_summary(&cells[k]);
    row->instructions = k < 2 ? ky_tape_length(v->replayed.t) - 1 : 0;
    row->bytes = bytes[k];
  }
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, int depth) {
  variants *v = bench_alloc(1, sizeof *v);
  tape_open(&v->recorded, depth);
  tape_open(&v->replayed, depth);
  rec_open(&v->recursive, depth);
  v->hand.depth = depth;
  const bool good = check(v);
  if (good) measure(setup, sheet, v);
  tape_close(&v->recorded);
  tape_close(&v->replayed);
  rec_close(&v->recursive);
  free(v);
  return good;
}

bool workload_diamond(const bench_setup *setup, bench_sheet *sheet) {
  const int most = setup->quick ? 12 : DEPTH_MOST;
  for (int depth = most / 3; depth <= most; depth += most / 3)
    if (!run_case(setup, sheet, depth)) return false;
  return true;
}
