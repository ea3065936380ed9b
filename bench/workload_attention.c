/* SPDX-License-Identifier: MIT */
/* attention: causal heads alone. By hand the weights of a block of rows are kept until their
 * gradients are there; the tape keeps a number a row. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define TOLERANCE 1e-4

enum { Q, K, V, TARGET, ARRAYS };

typedef struct problem {
  size_t heads, time, width;
  float *array[ARRAYS], *gradient, *room;
  hand_attention hand;
  double value;
} problem;

static ky_var record(taped *s) {
  const problem *p = s->problem;
  const int64_t dims[4] = {1, (int64_t)p->heads, (int64_t)p->time, (int64_t)p->width};
  const ky_var r = ky_attention(s->t, s->param[Q], s->param[K], s->param[V], ky_none(), 1, 0);
  return ky_sum_all(s->t, ky_mul(s->t, r, ky_input(s->t, KY_F32, 4, dims, p->array[TARGET])));
}

static const taped_model model = {"attention", record, NULL};

static void weights(taped *s) {
  const problem *p = s->problem;
  const int64_t dims[4] = {1, (int64_t)p->heads, (int64_t)p->time, (int64_t)p->width};
  for (int k = Q; k <= V; k++) taped_weight(s, KY_F32, 4, dims, p->array[k]);
}

static void by_hand(void *state) {
  problem *p = state;
  p->value = hand_attention_value(&p->hand, p->room);
}

/* The half of the scores that is seen: two products forward and four in reverse. */
static void bound_fill(bound *b, const problem *p) {
  const size_t t = p->time, d = p->width, seen = t / 2;
  const bound_matrix x = {0, false}, turned = {1, true}, s = {2, false}, s_turned = {2, true};
  *b = (bound){.dtype = KY_F32};
  for (size_t h = 0; h < p->heads; h++)
    for (int k = 0; k < 2; k++) {
      bound_add_product(b, (bound_product){t, seen, d, x, turned, 2, false});
      bound_add_product(b, (bound_product){t, d, seen, s, x, 1, false});
      bound_add_product(b, (bound_product){seen, d, t, s_turned, x, 1, false});
    }
  b->calls[BOUND_exp_f32] = (double)(p->heads * t * seen);
}

bool workload_attention(const bench_setup *setup, bench_sheet *sheet) {
  problem p = {.heads = setup->quick ? 2 : 12, .time = setup->quick ? 16 : 512, .width = 64};
  const size_t count = p.heads * p.time * p.width;
  for (int k = 0; k < ARRAYS; k++) {
    p.array[k] = bench_alloc_aligned(count * sizeof(float));
    bench_random(KY_F32, 1 + (uint32_t)k, count, p.array[k], 1);
  }
  p.gradient = bench_alloc_aligned(3 * count * sizeof(float));
  float *const g = p.gradient;
  p.hand = (hand_attention){p.heads,    p.time,          p.width, p.array[Q], p.array[K],
                            p.array[V], p.array[TARGET], g,       g + count,  g + 2 * count};
  p.room = bench_alloc_aligned(hand_attention_room(&p.hand) * sizeof(float));
  char title[32], argument[32];
  snprintf(title, sizeof title, "%zu heads, %zux%zu", p.heads, p.time, p.width);
  snprintf(argument, sizeof argument, "%zu,%zu,%zu", p.heads, p.time, p.width);
  value_gradient v = {.title = title,
                      .model = &model,
                      .problem = &p,
                      .weights = weights,
                      .hand = by_hand,
                      .value = &p.value,
                      .gradient = p.gradient,
                      .tolerance = TOLERANCE,
                      .argument = argument};
  bound_fill(&v.bound, &p);
  const bool good = value_gradient_run(setup, sheet, &v);
  for (int k = 0; k < ARRAYS; k++) free(p.array[k]);
  free(p.gradient);
  free(p.room);
  return good;
}
