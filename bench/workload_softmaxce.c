/* SPDX-License-Identifier: MIT */
/* softmaxce: a loss over many classes, alone: one instruction that goes over its rows. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "value_gradient.h"

#define CLASSES   1000
#define RANGE     5
#define TOLERANCE 1e-5

typedef struct logits {
  size_t rows;
  float *x, *gradient;
  int64_t *labels;
  double value;
} logits;

static ky_var record(taped *s) {
  const logits *p = s->problem;
  s->data[0] = p->labels;
  s->inputs = 1;
  s->input[0] = ky_input(s->t, KY_I64, KY_SHAPE((int64_t)p->rows), p->labels);
  return ky_cross_entropy(s->t, s->param[0], s->input[0], KY_REDUCE_MEAN);
}

static const taped_model model = {"softmaxce", record, NULL};

static void weights(taped *s) {
  const logits *p = s->problem;
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)p->rows, CLASSES), p->x);
}

static void by_hand(void *state) {
  logits *p = state;
  p->value = hand_softmaxce(p->rows, CLASSES, p->x, p->labels, p->gradient);
}

static rec_tensor *recursive(const void *problem, rec_heap *heap, rec_tensor *const *w) {
  const logits *p = problem;
  return rec_cross_entropy(heap, rec_keep(w[0]), p->labels);
}

/* ---- the workload ------------------------------------------------------------------------ */

bool workload_softmaxce(const bench_setup *setup, bench_sheet *sheet) {
  const size_t rows = setup->quick ? 32 : 1024, n = rows * CLASSES;
  const size_t bytes = n * sizeof(float);
  logits p = {rows, bench_alloc_aligned(bytes), bench_alloc_aligned(bytes),
              bench_alloc(rows, sizeof *p.labels), 0};
  bench_random(KY_F32, 1, n, p.x, RANGE);
  for (size_t k = 0; k < rows; k++) p.labels[k] = (int64_t)(k * 7 % CLASSES);
  char title[32], argument[16];
  snprintf(title, sizeof title, "%zux%d", rows, CLASSES);
  snprintf(argument, sizeof argument, "%zu", rows);
  value_gradient all = {.title = title,
                        .model = &model,
                        .problem = &p,
                        .weights = weights,
                        .hand = by_hand,
                        .recursive = recursive,
                        .value = &p.value,
                        .gradient = p.gradient,
                        .tolerance = TOLERANCE,
                        .bound = {.bytes = 2 * (double)bytes},
                        .argument = argument};
  all.bound.calls[BOUND_exp_f32] = (double)n;
  const bool good = value_gradient_run(setup, sheet, &all);
  free(p.x);
  free(p.gradient);
  free(p.labels);
  return good;
}
