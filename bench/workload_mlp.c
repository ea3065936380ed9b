/* SPDX-License-Identifier: MIT */
/* mlp: a network large enough for its matrix products to matter. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "hand/hand.h"
#include "recursive/recursive.h"
#include "torch/torch.h"

#define RATE          1e-3
#define ARRAYS        6
#define LAYERS        3
#define CHECKED_STEPS 3

static const int64_t dims[ARRAYS][2] = {{HAND_HIDDEN, HAND_IN},      {HAND_HIDDEN, 1},
                                        {HAND_HIDDEN, HAND_HIDDEN},  {HAND_HIDDEN, 1},
                                        {HAND_CLASSES, HAND_HIDDEN}, {HAND_CLASSES, 1}};

static const size_t width[LAYERS + 1] = {HAND_IN, HAND_HIDDEN, HAND_HIDDEN, HAND_CLASSES};

/* Weights w1 b1 w2 b2 w3 b3 and data of one variant. */
typedef struct net {
  size_t batch;
  float *array[ARRAYS];
  const float *x;
  const int64_t *labels;
  double loss;
} net;

static int rank_of(int k) { return k % 2 ? 1 : 2; }

static size_t count_of(int k) { return (size_t)(dims[k][0] * dims[k][1]); }

static void net_open(net *n, size_t batch, const float *x, const int64_t *labels) {
  *n = (net){.batch = batch, .x = x, .labels = labels};
  for (int k = 0; k < ARRAYS; k++) {
    n->array[k] = bench_alloc_aligned(count_of(k) * sizeof(float));
    bench_random(KY_F32, 100 + (uint32_t)k, count_of(k), n->array[k], 0.04);
  }
}

static void net_close(net *n) {
  for (int k = 0; k < ARRAYS; k++) free(n->array[k]);
}

/* ---- tape -------------------------------------------------------------------------------- */

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

static void tape_open(taped *s, net *n) {
  taped_open(s, &model, n);
  for (int k = 0; k < ARRAYS; k++) taped_weight(s, KY_F32, rank_of(k), dims[k], n->array[k]);
  taped_start(s, RATE);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  net net;
  rec_heap heap;
  rec_tensor *weight[ARRAYS];
  rec_grads grads;
} rec_state;

static rec_tensor *rec_layer(rec_state *s, rec_tensor *x, int layer) {
  rec_tensor *w = rec_keep(s->weight[2 * layer]), *b = rec_keep(s->weight[2 * layer + 1]);
  return rec_linear(&s->heap, x, w, b);
}

static void recursive(void *state) {
  rec_state *s = state;
  rec_heap *h = &s->heap;
  rec_tensor *x = rec_input(h, KY_F32, KY_SHAPE((int64_t)s->net.batch, HAND_IN), s->net.x);
  rec_tensor *h1 = rec_relu(h, rec_layer(s, x, 0));
  rec_tensor *h2 = rec_relu(h, rec_layer(s, h1, 1));
  rec_tensor *loss = rec_cross_entropy(h, rec_layer(s, h2, 2), s->net.labels);
  rec_backward(h, loss, &s->grads);
  s->net.loss = rec_item(loss);
  rec_descend(&s->grads, RATE);
  rec_clear(h, &s->grads);
  rec_drop(h, loss);
}

static void rec_open(rec_state *s, size_t batch, const float *x, const int64_t *labels) {
  *s = (rec_state){0};
  net_open(&s->net, batch, x, labels);
  for (int k = 0; k < ARRAYS; k++)
    s->weight[k] = rec_weight(&s->heap, KY_F32, rank_of(k), dims[k], s->net.array[k]);
}

static void rec_close(rec_state *s) {
  rec_grads_free(&s->heap, &s->grads);
  for (int k = 0; k < ARRAYS; k++) rec_drop(&s->heap, s->weight[k]);
  net_close(&s->net);
}

/* ---- by hand, and the bound -------------------------------------------------------------- */

typedef struct hand_state {
  net net;
  float *room;
} hand_state;

static void by_hand(void *state) {
  hand_state *s = state;
  float *const *a = s->net.array;
  hand_mlp weights = {a[0], a[1], a[2], a[3], a[4], a[5]};
  s->net.loss =
      hand_mlp_step(&weights, s->net.batch, s->net.x, s->net.labels, (float)RATE, s->room);
}

/* y = x w', gx = g w and w += g' x of each layer; the gradient of the first layer's input is
 * nobody's. Gradients take the place of results. A weight is read and written. */
static void bound_fill(bound *b, size_t batch) {
  *b = (bound){.dtype = KY_F32};
  for (int k = 0; k < LAYERS; k++) {
    const bound_matrix x = {k, false}, w = {LAYERS + 1 + k, true};
    bound_add_product(b, (bound_product){batch, width[k + 1], width[k], x, w, k + 1, false});
  }
  for (int k = LAYERS; k-- > 0;) {
    const bound_matrix x = {k, false}, w = {LAYERS + 1 + k, false};
    const bound_matrix g = {k + 1, false}, turned = {k + 1, true};
    if (k > 0)
      bound_add_product(b, (bound_product){batch, width[k], width[k + 1], g, w, k, false});
    bound_add_product(b,
                      (bound_product){width[k + 1], width[k], batch, turned, x, w.array, true});
    b->bytes += 2 * (double)(width[k] * width[k + 1] * sizeof(float));
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

/* Two orders of summation in f32 differ by more than one rounding. */
static bool agree(bench_variant variant, double loss, const net *got, const net *want) {
  if (!bench_agree("mlp", variant, "loss", loss, want->loss, 1e-5)) return false;
  for (int k = 0; k < ARRAYS; k++) {
    char what[24];
    snprintf(what, sizeof what, "weight %d", k);
    if (!bench_agree_all("mlp", variant, what, KY_F32, count_of(k), got->array[k],
                         want->array[k], 2e-5))
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

static bool measure(const bench_setup *setup, bench_sheet *sheet, variants *v, size_t batch) {
  char title[32], argument[16];
  contest c;
  snprintf(title, sizeof title, "batch %zu", batch);
  snprintf(argument, sizeof argument, "%zu", batch);
  contest_open(&c, setup, sheet, title, &v->bound);
  contest_add_taped(&c, &v->tape[0], &v->tape[1], &v->tape[2]);
  contest_add(&c, BENCH_RECURSIVE, recursive, &v->recursive);
  contest_add(&c, BENCH_HAND, by_hand, &v->hand);
  contest_run(&c);
  contest_row(&c, BENCH_RECURSIVE)->bytes = (double)v->recursive.heap.peak;
  contest_row(&c, BENCH_HAND)->bytes = (double)(hand_mlp_room(batch) * sizeof(float));
  contest_close(&c);
  return torch_run(setup, sheet, title, argument, v->first, 1e-5);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t batch) {
  variants *v = bench_alloc(1, sizeof *v);
  float *x = bench_alloc_aligned(batch * HAND_IN * sizeof *x);
  int64_t *labels = bench_alloc(batch, sizeof *labels);
  bench_random(KY_F32, 7, batch * HAND_IN, x, 1);
  for (size_t k = 0; k < batch; k++) labels[k] = (int64_t)(k * 7 % HAND_CLASSES);
  for (int k = 0; k < 3; k++) {
    net_open(&v->net[k], batch, x, labels);
    tape_open(&v->tape[k], &v->net[k]);
  }
  taped_compile(&v->tape[2]);
  taped_share(&v->tape[2]);
  rec_open(&v->recursive, batch, x, labels);
  net_open(&v->hand.net, batch, x, labels);
  v->hand.room = bench_alloc_aligned(hand_mlp_room(batch) * sizeof(float));
  bound_fill(&v->bound, batch);
  bool good = check(v) && measure(setup, sheet, v, batch);
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
  free(labels);
  free(v);
  return good;
}

bool workload_mlp(const bench_setup *setup, bench_sheet *sheet) {
  const size_t batches[] = {1, 32, 256};
  for (int k = 0; k < (setup->quick ? 2 : 3); k++)
    if (!run_case(setup, sheet, batches[k])) return false;
  return true;
}
