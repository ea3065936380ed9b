/* SPDX-License-Identifier: MIT */
/* mlp: a network large enough for its matrix products to matter. */
#include <stdio.h>
#include <stdlib.h>

#include "hand/hand.h"
#include "training.h"

#define RATE   1e-3
#define LAYERS 3
#define ARRAYS (2 * LAYERS)

/* Two orders of summation in f32 differ by more than one rounding. */
#define TOLERANCE 2e-5

static const size_t width[LAYERS + 1] = {HAND_IN, HAND_HIDDEN, HAND_HIDDEN, HAND_CLASSES};

/* Weights are w1 b1 w2 b2 w3 b3. */
static training_weight weight(const void *problem, int k) {
  (void)problem;
  const int64_t in = (int64_t)width[k / 2], out = (int64_t)width[k / 2 + 1];
  return (training_weight){k % 2 ? 1 : 2, {out, in}, 0.04};
}

typedef struct net {
  size_t batch;
  const float *x;
  const int64_t *labels;
} net;

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const net *n = s->problem;
  const ky_var *w = s->param;
  s->data[0] = n->x;
  s->data[1] = n->labels;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_F32, KY_SHAPE((int64_t)n->batch, HAND_IN), n->x);
  s->input[1] = ky_input(t, KY_I64, KY_SHAPE((int64_t)n->batch), n->labels);
  const ky_var h1 = ky_relu(t, ky_linear(t, s->input[0], w[0], w[1]));
  const ky_var h2 = ky_relu(t, ky_linear(t, h1, w[2], w[3]));
  const ky_var logits = ky_linear(t, h2, w[4], w[5]);
  return ky_cross_entropy(t, logits, s->input[1], KY_REDUCE_MEAN);
}

static const taped_model model = {"mlp", record, NULL};

static rec_tensor *recursive(const void *problem, rec_heap *heap, rec_tensor *const *w) {
  const net *n = problem;
  rec_tensor *h = rec_input(heap, KY_F32, KY_SHAPE((int64_t)n->batch, HAND_IN), n->x);
  for (int k = 0; k < LAYERS; k++) {
    h = rec_linear(heap, h, rec_keep(w[2 * k]), rec_keep(w[2 * k + 1]));
    if (k + 1 < LAYERS) h = rec_relu(heap, h);
  }
  return rec_cross_entropy(heap, h, n->labels);
}

static double by_hand(const void *problem, float *const *w, float *room) {
  const net *n = problem;
  hand_mlp weights = {w[0], w[1], w[2], w[3], w[4], w[5]};
  return hand_mlp_step(&weights, n->batch, n->x, n->labels, (float)RATE, room);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t batch) {
  float *x = bench_alloc_aligned(batch * HAND_IN * sizeof *x);
  int64_t *labels = bench_alloc(batch, sizeof *labels);
  bench_random(KY_F32, 7, batch * HAND_IN, x, 1);
  for (size_t k = 0; k < batch; k++) labels[k] = (int64_t)(k * 7 % HAND_CLASSES);
  net n = {batch, x, labels};
  char title[32], argument[16];
  snprintf(title, sizeof title, "batch %zu", batch);
  snprintf(argument, sizeof argument, "%zu", batch);
  training v = {.title = title,
                .model = &model,
                .problem = &n,
                .weights = ARRAYS,
                .weight = weight,
                .seed = 100,
                .rate = RATE,
                .hand = by_hand,
                .room = hand_mlp_room(batch),
                .recursive = recursive,
                .tolerance = TOLERANCE,
                .passes = 2,
                .argument = argument,
                .torch_tolerance = 1e-5};
  bound_add_layers(&v.bound, batch, LAYERS, width);
  const bool good = training_run(setup, sheet, &v);
  free(x);
  free(labels);
  return good;
}

bool workload_mlp(const bench_setup *setup, bench_sheet *sheet) {
  const size_t batches[] = {1, 32, 256};
  for (int k = 0; k < (setup->quick ? 2 : 3); k++)
    if (!run_case(setup, sheet, batches[k])) return false;
  return true;
}
