/* SPDX-License-Identifier: MIT */
/* mlp: a network large enough for its matrix products to matter. They are timed alone too, with
 * the same shapes and transposes, as the rate to measure the others by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hand/hand.h"
#include "kernels/gemm.h"
#include "recursive/recursive.h"
#include "workload.h"

#define RATE          1e-3
#define ARRAYS        6
#define LAYERS        3
#define CHECKED_STEPS 3

static const bench_extra extras[] = {
    {"GFLOP/s", "gflops", "%.1f"},
    {"of the products' rate", "share_of_products_rate", "%.0f%%"},
};

enum { EXTRA_RATE, EXTRA_SHARE, EXTRA_COUNT };

static const int64_t dims[ARRAYS][2] = {{HAND_HIDDEN, HAND_IN},      {HAND_HIDDEN, 1},
                                        {HAND_HIDDEN, HAND_HIDDEN},  {HAND_HIDDEN, 1},
                                        {HAND_CLASSES, HAND_HIDDEN}, {HAND_CLASSES, 1}};

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
    bench_random_f32(100 + (uint64_t)k, count_of(k), n->array[k], 0.04);
  }
}

static void net_close(net *n) {
  for (int k = 0; k < ARRAYS; k++) free(n->array[k]);
}

/* ---- tape -------------------------------------------------------------------------------- */

typedef struct tape_state {
  net net;
  ky_tape *t;
  ky_tensor *weight[ARRAYS];
  ky_var param[ARRAYS], x, labels, loss;
  ky_optimizer *optimizer;
  ky_mark step;
  ky_status status;
} tape_state;

static void keep_status(tape_state *s, ky_status status) {
  if (s->status == KY_OK) s->status = status;
}

static void tape_record(tape_state *s) {
  ky_tape *t = s->t;
  const ky_var *w = s->param;
  s->x = ky_input(t, KY_F32, KY_SHAPE((int64_t)s->net.batch, HAND_IN), s->net.x);
  s->labels = ky_input(t, KY_I64, KY_SHAPE((int64_t)s->net.batch), s->net.labels);
  const ky_var h1 = ky_relu(t, ky_linear(t, s->x, w[0], w[1]));
  const ky_var h2 = ky_relu(t, ky_linear(t, h1, w[2], w[3]));
  const ky_var logits = ky_linear(t, h2, w[4], w[5]);
  s->loss = ky_cross_entropy(t, logits, s->labels, KY_REDUCE_MEAN);
}

static void tape_learn(tape_state *s) {
  ky_grads grads;
  keep_status(s, ky_backward(s->t, s->loss, &grads));
  keep_status(s, ky_item(s->t, s->loss, &s->net.loss));
  keep_status(s, ky_optimizer_step(s->optimizer, &grads));
}

static void recorded(void *state) {
  tape_state *s = state;
  keep_status(s, ky_tape_rewind(s->t, s->step));
  tape_record(s);
  tape_learn(s);
}

static void replayed(void *state) {
  tape_state *s = state;
  keep_status(s, ky_input_set(s->t, s->x, s->net.x));
  keep_status(s, ky_input_set(s->t, s->labels, s->net.labels));
  keep_status(s, ky_forward(s->t));
  tape_learn(s);
}

static void tape_open(tape_state *s, size_t batch, const float *x, const int64_t *labels) {
  *s = (tape_state){.t = ky_tape_new(NULL)};
  net_open(&s->net, batch, x, labels);
  for (int k = 0; k < ARRAYS; k++) {
    keep_status(
        s, ky_tensor_wrap(NULL, KY_F32, rank_of(k), dims[k], s->net.array[k], &s->weight[k]));
    s->param[k] = ky_param(s->t, s->weight[k]);
  }
  s->step = ky_tape_mark(s->t);
  tape_record(s);
  keep_status(s, ky_sgd_new(NULL, RATE, &s->optimizer));
}

static void tape_close(tape_state *s) {
  ky_tape_free(s->t);
  ky_optimizer_free(s->optimizer);
  for (int k = 0; k < ARRAYS; k++) ky_tensor_free(s->weight[k]);
  net_close(&s->net);
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

/* ---- by hand ----------------------------------------------------------------------------- */

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

/* ---- the products alone ------------------------------------------------------------------ */

/* y = x w', gw = g' x, gx = g w of each layer; the gradient of the first layer's input is
 * nobody's. */
typedef struct products_state {
  size_t batch;
  float *block;
  float *x[LAYERS + 1], *w[LAYERS], *gw[LAYERS];
} products_state;

static const size_t width[LAYERS + 1] = {HAND_IN, HAND_HIDDEN, HAND_HIDDEN, HAND_CLASSES};

static ky_matrix rows_of(float *data, size_t columns) {
  return (ky_matrix){data, (ptrdiff_t)columns, 1};
}

static ky_matrix turned(float *data, size_t columns) {
  return (ky_matrix){data, 1, (ptrdiff_t)columns};
}

static void products(void *state) {
  const products_state *s = state;
  ky_gemm *const gemm = ky__gemm[KY_F32];
  const size_t m = s->batch;
  for (int k = 0; k < LAYERS; k++) {
    const size_t in = width[k], out = width[k + 1];
    gemm(m, out, in, rows_of(s->x[k], in), turned(s->w[k], in), 0, rows_of(s->x[k + 1], out));
  }
  for (int k = LAYERS; k-- > 0;) {
    const size_t in = width[k], out = width[k + 1];
    gemm(out, in, m, turned(s->x[k + 1], out), rows_of(s->x[k], in), 0, rows_of(s->gw[k], in));
    if (k > 0)
      gemm(m, in, out, rows_of(s->x[k + 1], out), rows_of(s->w[k], in), 0,
           rows_of(s->x[k], in));
  }
}

static double operations(size_t batch) {
  double total = 0;
  for (int k = 0; k < LAYERS; k++)
    total += 2.0 * (k > 0 ? 3 : 2) * (double)(batch * width[k] * width[k + 1]);
  return total;
}

/* One block for all, with gaps: arrays whose sizes are whole pages must not all begin at the
 * same place of a page. */
static void products_open(products_state *s, size_t batch) {
  const size_t gap = 80;
  size_t floats = 0;
  for (int k = 0; k <= LAYERS; k++) floats += batch * width[k] + gap;
  for (int k = 0; k < LAYERS; k++) floats += 2 * (width[k] * width[k + 1] + gap);
  s->batch = batch;
  float *at = s->block = bench_alloc_aligned(floats * sizeof(float));
  for (int k = 0; k <= LAYERS; k++) {
    s->x[k] = at;
    at += batch * width[k] + gap;
  }
  for (int k = 0; k < LAYERS; k++) {
    const size_t count = width[k] * width[k + 1];
    s->w[k] = at;
    s->gw[k] = at + count + gap;
    at += 2 * (count + gap);
    bench_random_f32(2, count, s->w[k], 0.04);
  }
  bench_random_f32(1, batch * width[0], s->x[0], 1);
}

static void products_close(products_state *s) { free(s->block); }

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  tape_state recorded, replayed;
  rec_state recursive;
  hand_state hand;
  products_state products;
} variants;

/* Two orders of summation in f32 differ by more than one rounding. */
static bool agree(bench_variant variant, const net *got, const net *want) {
  if (!bench_agree("mlp", variant, "loss", got->loss, want->loss, 1e-5)) return false;
  for (int k = 0; k < ARRAYS; k++)
    for (size_t i = 0; i < count_of(k); i++) {
      char what[48];
      if (got->array[k][i] == want->array[k][i]) continue;
      snprintf(what, sizeof what, "weight %d[%zu]", k, i);
      if (!bench_agree("mlp", variant, what, (double)got->array[k][i],
                       (double)want->array[k][i], 1e-6))
        return false;
    }
  return true;
}

static bool check(variants *v) {
  for (int k = 0; k < CHECKED_STEPS; k++) {
    by_hand(&v->hand);
    recorded(&v->recorded);
    replayed(&v->replayed);
    recursive(&v->recursive);
  }
  return bench_ok("mlp", BENCH_RECORDED, v->recorded.status, v->recorded.t) &&
         bench_ok("mlp", BENCH_REPLAYED, v->replayed.status, v->replayed.t) &&
         agree(BENCH_RECORDED, &v->recorded.net, &v->hand.net) &&
         agree(BENCH_REPLAYED, &v->replayed.net, &v->hand.net) &&
         agree(BENCH_RECURSIVE, &v->recursive.net, &v->hand.net);
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v, size_t batch) {
  static const bench_variant order[] = {BENCH_RECORDED, BENCH_REPLAYED, BENCH_RECURSIVE,
                                        BENCH_HAND, BENCH_PRODUCTS};
  bench_cell cells[] = {{.call = recorded, .state = &v->recorded},
                        {.call = replayed, .state = &v->replayed},
                        {.call = recursive, .state = &v->recursive},
                        {.call = by_hand, .state = &v->hand},
                        {.call = products, .state = &v->products}};
  bench_measure(&setup->pace, 5, cells);
  const double bytes[] = {(double)ky_tape_bytes(v->recorded.t),
                          (double)ky_tape_bytes(v->replayed.t), (double)v->recursive.heap.peak,
                          (double)(hand_mlp_room(batch) * sizeof(float)), 0};
  const double alone = bench_summary(&cells[4]).median;
  char title[32];
  snprintf(title, sizeof title, "batch %zu", batch);
  for (int k = 0; k < 5; k++) {
    bench_row *row = bench_sheet_row(sheet, title, order[k]);
    row->time = bench_summary(&cells[k]);
    row->instructions = k < 2 ? ky_tape_length(v->replayed.t) - 1 : 0;
    row->bytes = bytes[k];
    row->extra[EXTRA_RATE] = operations(batch) / row->time.median;
    row->extra[EXTRA_SHARE] = 100 * alone / row->time.median;
  }
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t batch) {
  variants *v = bench_alloc(1, sizeof *v);
  float *x = bench_alloc_aligned(batch * HAND_IN * sizeof *x);
  int64_t *labels = bench_alloc(batch, sizeof *labels);
  bench_random_f32(7, batch * HAND_IN, x, 1);
  for (size_t k = 0; k < batch; k++) labels[k] = (int64_t)(k * 7 % HAND_CLASSES);
  tape_open(&v->recorded, batch, x, labels);
  tape_open(&v->replayed, batch, x, labels);
  rec_open(&v->recursive, batch, x, labels);
  net_open(&v->hand.net, batch, x, labels);
  v->hand.room = bench_alloc_aligned(hand_mlp_room(batch) * sizeof(float));
  products_open(&v->products, batch);
  bool good = check(v);
  if (good) measure(setup, sheet, v, batch);
  good = good && bench_ok("mlp", BENCH_REPLAYED, v->replayed.status, v->replayed.t);
  tape_close(&v->recorded);
  tape_close(&v->replayed);
  rec_close(&v->recursive);
  net_close(&v->hand.net);
  free(v->hand.room);
  products_close(&v->products);
  free(x);
  free(labels);
  free(v);
  return good;
}

bool workload_mlp(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  const size_t batches[] = {1, 32, 256};
  for (int k = 0; k < (setup->quick ? 2 : 3); k++)
    if (!run_case(setup, sheet, batches[k])) return false;
  return true;
}
