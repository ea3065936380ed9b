/* SPDX-License-Identifier: MIT */
/* mlpdeep: many small layers, so that what is paid per instruction shows. */
#include <stdlib.h>

#include "hand/hand.h"
#include "training.h"

#define RATE      1e-3
#define LAYERS    20
#define WIDTH     64
#define BATCH     16
#define TOLERANCE 2e-5

typedef struct net {
  const float *x, *y;
} net;

static training_weight weight(const void *problem, int k) {
  (void)problem;
  return k % 2 ? (training_weight){1, {WIDTH}, 0.1} : (training_weight){2, {WIDTH, WIDTH}, 0.3};
}

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const net *n = s->problem;
  s->data[0] = n->x;
  s->data[1] = n->y;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_F32, KY_SHAPE(BATCH, WIDTH), n->x);
  s->input[1] = ky_input(t, KY_F32, KY_SHAPE(BATCH, WIDTH), n->y);
  ky_var h = s->input[0];
  for (int k = 0; k < LAYERS; k++) {
    h = ky_linear(t, h, s->param[2 * k], s->param[2 * k + 1]);
    if (k + 1 < LAYERS) h = ky_relu(t, h);
  }
  return ky_mse(t, h, s->input[1], KY_REDUCE_MEAN);
}

static const taped_model model = {"mlpdeep", record, NULL};

static rec_tensor *recursive(const void *problem, rec_heap *heap, rec_tensor *const *w) {
  const net *n = problem;
  rec_tensor *y = rec_input(heap, KY_F32, KY_SHAPE(BATCH, WIDTH), n->y);
  rec_tensor *h = rec_input(heap, KY_F32, KY_SHAPE(BATCH, WIDTH), n->x);
  for (int k = 0; k < LAYERS; k++) {
    h = rec_linear(heap, h, rec_keep(w[2 * k]), rec_keep(w[2 * k + 1]));
    if (k + 1 < LAYERS) h = rec_relu(heap, h);
  }
  return rec_mse(heap, h, y);
}

static hand_mlpdeep weights_of(float *const *w) { return (hand_mlpdeep){LAYERS, WIDTH, w}; }

static double by_hand(const void *problem, float *const *w, float *room) {
  const net *n = problem;
  const hand_mlpdeep weights = weights_of(w);
  return hand_mlpdeep_step(&weights, BATCH, n->x, n->y, (float)RATE, room);
}

bool workload_mlpdeep(const bench_setup *setup, bench_sheet *sheet) {
  float *x = bench_alloc_aligned(BATCH * WIDTH * sizeof *x);
  float *y = bench_alloc_aligned(BATCH * WIDTH * sizeof *y);
  bench_random(KY_F32, 8, BATCH * WIDTH, x, 1);
  bench_random(KY_F32, 9, BATCH * WIDTH, y, 1);
  net n = {x, y};
  const hand_mlpdeep weights = weights_of(NULL);
  training v = {.title = "step",
                .model = &model,
                .problem = &n,
                .weights = 2 * LAYERS,
                .weight = weight,
                .seed = 200,
                .rate = RATE,
                .hand = by_hand,
                .room = hand_mlpdeep_room(&weights, BATCH),
                .recursive = recursive,
                .tolerance = TOLERANCE,
                .passes = 2,
                .argument = "20",
                .torch_tolerance = TOLERANCE};
  size_t width[LAYERS + 1];
  for (int k = 0; k <= LAYERS; k++) width[k] = WIDTH;
  bound_add_layers(&v.bound, BATCH, LAYERS, width);
  const bool good = training_run(setup, sheet, &v);
  free(x);
  free(y);
  return good;
}
