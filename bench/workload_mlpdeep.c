/* SPDX-License-Identifier: MIT */
/* mlpdeep: many small layers, so that what is paid per instruction shows. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "hand/hand.h"
#include "recursive/recursive.h"
#include "torch/torch.h"

#define RATE          1e-3
#define LAYERS        20
#define WIDTH         64
#define BATCH         16
#define CHECKED_STEPS 3
#define TOLERANCE     2e-5

/* Weights and data of one variant. */
typedef struct net {
  float *w[LAYERS], *b[LAYERS];
  const float *x, *y;
  double loss;
} net;

static void net_open(net *n, const float *x, const float *y) {
  *n = (net){.x = x, .y = y};
  for (uint32_t k = 0; k < LAYERS; k++) {
    n->w[k] = bench_alloc_aligned(WIDTH * WIDTH * sizeof(float));
    n->b[k] = bench_alloc_aligned(WIDTH * sizeof(float));
    bench_random(KY_F32, 200 + k, WIDTH * WIDTH, n->w[k], 0.3);
    bench_random(KY_F32, 300 + k, WIDTH, n->b[k], 0.1);
  }
}

static void net_close(net *n) {
  for (int k = 0; k < LAYERS; k++) {
    free(n->w[k]);
    free(n->b[k]);
  }
}

/* ---- tape -------------------------------------------------------------------------------- */

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

static void tape_open(taped *s, net *n) {
  taped_open(s, &model, n);
  for (int k = 0; k < LAYERS; k++) {
    taped_weight(s, KY_F32, KY_SHAPE(WIDTH, WIDTH), n->w[k]);
    taped_weight(s, KY_F32, KY_SHAPE(WIDTH), n->b[k]);
  }
  taped_start(s, RATE);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  net net;
  rec_heap heap;
  rec_tensor *w[LAYERS], *b[LAYERS];
  rec_grads grads;
} rec_state;

static void recursive(void *state) {
  rec_state *s = state;
  rec_heap *heap = &s->heap;
  rec_tensor *y = rec_input(heap, KY_F32, KY_SHAPE(BATCH, WIDTH), s->net.y);
  rec_tensor *h = rec_input(heap, KY_F32, KY_SHAPE(BATCH, WIDTH), s->net.x);
  for (int k = 0; k < LAYERS; k++) {
    h = rec_linear(heap, h, rec_keep(s->w[k]), rec_keep(s->b[k]));
    if (k + 1 < LAYERS) h = rec_relu(heap, h);
  }
  rec_tensor *loss = rec_mse(heap, h, y);
  rec_backward(heap, loss, &s->grads);
  s->net.loss = rec_item(loss);
  rec_descend(&s->grads, RATE);
  rec_clear(heap, &s->grads);
  rec_drop(heap, loss);
}

static void rec_open(rec_state *s, const float *x, const float *y) {
  *s = (rec_state){0};
  net_open(&s->net, x, y);
  for (int k = 0; k < LAYERS; k++) {
    s->w[k] = rec_weight(&s->heap, KY_F32, KY_SHAPE(WIDTH, WIDTH), s->net.w[k]);
    s->b[k] = rec_weight(&s->heap, KY_F32, KY_SHAPE(WIDTH), s->net.b[k]);
  }
}

static void rec_close(rec_state *s) {
  rec_grads_free(&s->heap, &s->grads);
  for (int k = 0; k < LAYERS; k++) {
    rec_drop(&s->heap, s->w[k]);
    rec_drop(&s->heap, s->b[k]);
  }
  net_close(&s->net);
}

/* ---- by hand, and the bound -------------------------------------------------------------- */

typedef struct hand_state {
  net net;
  float *room;
} hand_state;

static hand_mlpdeep weights_of(hand_state *s) {
  return (hand_mlpdeep){LAYERS, WIDTH, s->net.w, s->net.b};
}

static void by_hand(void *state) {
  hand_state *s = state;
  hand_mlpdeep weights = weights_of(s);
  s->net.loss = hand_mlpdeep_step(&weights, BATCH, s->net.x, s->net.y, (float)RATE, s->room);
}

/* As with mlp: y = x w', gx = g w, w += g' x. */
static void bound_fill(bound *b) {
  *b = (bound){.dtype = KY_F32, .bytes = 2.0 * LAYERS * WIDTH * WIDTH * sizeof(float)};
  for (int k = 0; k < LAYERS; k++) {
    const bound_matrix x = {k, false}, w = {LAYERS + 1 + k, true};
    bound_add_product(b, (bound_product){BATCH, WIDTH, WIDTH, x, w, k + 1, false});
  }
  for (int k = LAYERS; k-- > 0;) {
    const bound_matrix x = {k, false}, w = {LAYERS + 1 + k, false};
    const bound_matrix g = {k + 1, false}, turned = {k + 1, true};
    if (k > 0) bound_add_product(b, (bound_product){BATCH, WIDTH, WIDTH, g, w, k, false});
    bound_add_product(b, (bound_product){WIDTH, WIDTH, BATCH, turned, x, w.array, true});
  }
  bound_open(b);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  net net[3];
  taped tape[3]; /* recorded, replayed, compiled */
  rec_state recursive;
  hand_state hand;
  bound bound;
  double first; /* loss */
} variants;

static bool agree(bench_variant variant, double loss, const net *got, const net *want) {
  if (!bench_agree("mlpdeep", variant, "loss", loss, want->loss, TOLERANCE)) return false;
  for (int k = 0; k < LAYERS; k++) {
    char what[24];
    snprintf(what, sizeof what, "layer %d", k);
    if (!bench_agree_all("mlpdeep", variant, what, KY_F32, WIDTH * WIDTH, got->w[k], want->w[k],
                         TOLERANCE) ||
        !bench_agree_all("mlpdeep", variant, what, KY_F32, WIDTH, got->b[k], want->b[k],
                         TOLERANCE))
      return false;
  }
  return true;
}

static bool check(variants *v) {
  static bench_call *const step[] = {taped_recorded, taped_replayed, taped_compiled};
  for (int k = 0; k < CHECKED_STEPS; k++) {
    by_hand(&v->hand);
    if (k == 0) v->first = v->hand.net.loss;
    recursive(&v->recursive);
    for (int i = 0; i < 3; i++) step[i](&v->tape[i]);
  }
  for (int i = 0; i < 3; i++) {
    const bench_variant variant = (bench_variant)(BENCH_RECORDED + i);
    if (!taped_ok(&v->tape[i], variant) ||
        !agree(variant, v->tape[i].value, &v->net[i], &v->hand.net))
      return false;
  }
  return agree(BENCH_RECURSIVE, v->recursive.net.loss, &v->recursive.net, &v->hand.net);
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, variants *v) {
  static const char title[] = "step";
  const hand_mlpdeep weights = weights_of(&v->hand);
  contest c;
  contest_open(&c, setup, sheet, title, &v->bound);
  contest_add_taped(&c, &v->tape[0], &v->tape[1], &v->tape[2]);
  contest_add(&c, BENCH_RECURSIVE, recursive, &v->recursive);
  contest_add(&c, BENCH_HAND, by_hand, &v->hand);
  contest_run(&c);
  contest_row(&c, BENCH_RECURSIVE)->bytes = (double)v->recursive.heap.peak;
  contest_row(&c, BENCH_HAND)->bytes =
      (double)(hand_mlpdeep_room(&weights, BATCH) * sizeof(float));
  contest_close(&c);
  return torch_run(setup, sheet, title, "20", v->first, TOLERANCE);
}

bool workload_mlpdeep(const bench_setup *setup, bench_sheet *sheet) {
  variants *v = bench_alloc(1, sizeof *v);
  float *x = bench_alloc_aligned(BATCH * WIDTH * sizeof *x);
  float *y = bench_alloc_aligned(BATCH * WIDTH * sizeof *y);
  bench_random(KY_F32, 8, BATCH * WIDTH, x, 1);
  bench_random(KY_F32, 9, BATCH * WIDTH, y, 1);
  for (int k = 0; k < 3; k++) {
    net_open(&v->net[k], x, y);
    tape_open(&v->tape[k], &v->net[k]);
  }
  taped_compile(&v->tape[2]);
  rec_open(&v->recursive, x, y);
  net_open(&v->hand.net, x, y);
  const hand_mlpdeep weights = weights_of(&v->hand);
  v->hand.room = bench_alloc_aligned(hand_mlpdeep_room(&weights, BATCH) * sizeof(float));
  bound_fill(&v->bound);
  bool good = check(v) && measure(setup, sheet, v);
  for (int k = 0; k < 3; k++) {
    good = good && taped_ok(&v->tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&v->tape[k]);
    net_close(&v->net[k]);
  }
  rec_close(&v->recursive);
  net_close(&v->hand.net);
  free(v->hand.room);
  bound_close(&v->bound);
  free(x);
  free(y);
  free(v);
  return good;
}
