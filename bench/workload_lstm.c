/* SPDX-License-Identifier: MIT */
/* lstm: a language model of letters, two recurrent layers, whose steps wait for each other. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "torch/torch.h"

#define RATE          1e-1
#define LAYERS        2
#define ARRAYS        (1 + 4 * LAYERS + 2)
#define CHECKED_STEPS 3
#define LETTERS       65
#define WIDTH         128

/* The embedding; of each layer w_ih, w_hh, b_ih, b_hh; weight and bias behind them. */
static const struct {
  int rank;
  int64_t dims[2];
} weights[ARRAYS] = {
    {2, {LETTERS, WIDTH}},   {2, {4 * WIDTH, WIDTH}}, {2, {4 * WIDTH, WIDTH}},
    {1, {4 * WIDTH, 1}},     {1, {4 * WIDTH, 1}},     {2, {4 * WIDTH, WIDTH}},
    {2, {4 * WIDTH, WIDTH}}, {1, {4 * WIDTH, 1}},     {1, {4 * WIDTH, 1}},
    {2, {LETTERS, WIDTH}},   {1, {LETTERS, 1}},
};

typedef struct net {
  int64_t steps, batch;
  float *array[ARRAYS];
  const int64_t *letters, *labels;
} net;

static size_t count_of(int k) {
  return (size_t)(weights[k].dims[0] * (weights[k].rank > 1 ? weights[k].dims[1] : 1));
}

static void net_open(net *n, const net *like) {
  *n = *like;
  for (int k = 0; k < ARRAYS; k++) {
    n->array[k] = bench_alloc_aligned(count_of(k) * sizeof(float));
    bench_random(KY_F32, 500 + (uint32_t)k, count_of(k), n->array[k], 0.088);
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
  s->data[0] = n->letters;
  s->data[1] = n->labels;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_I64, KY_SHAPE(n->steps, n->batch), n->letters);
  s->input[1] = ky_input(t, KY_I64, KY_SHAPE(n->steps, n->batch), n->labels);
  ky_var h = ky_embedding(t, w[0], s->input[0], -1);
  for (int k = 0; k < LAYERS; k++) {
    const ky_var *own = w + 1 + 4 * k;
    const ky_rnn_weights layer = {own[0], own[1], own[2], own[3]};
    h = ky_lstm(t, h, &layer, ky_none(), ky_none(), NULL, NULL);
  }
  const ky_var logits = ky_linear(t, h, w[ARRAYS - 2], w[ARRAYS - 1]);
  return ky_cross_entropy(t, logits, s->input[1], KY_REDUCE_MEAN);
}

static const taped_model model = {"lstm", record, NULL};

static void tape_open(taped *s, net *n) {
  taped_open(s, &model, n);
  for (int k = 0; k < ARRAYS; k++)
    taped_weight(s, KY_F32, weights[k].rank, weights[k].dims, n->array[k]);
  taped_start(s, RATE);
}

/* ---- the bound --------------------------------------------------------------------------- */

/* Arrays of the products. */
enum { X, W, GATES, LOGITS, W_OUT };

/* y = x w', gx = g w, gw = g' x. */
static void add_layer(bound *b, size_t rows, size_t in, size_t out, int x, int w, int y) {
  const bound_matrix turned = {y, true};
  bound_add_product(b, (bound_product){rows, out, in, {x, false}, {w, true}, y, false});
  bound_add_product(b, (bound_product){rows, in, out, {y, false}, {w, false}, x, false});
  bound_add_product(b, (bound_product){out, in, rows, turned, {x, false}, w, true});
}

/* The recurrent products of a layer are those of its steps, but for the weights' gradient. The
 * gates' activations count as so many tanh; the reverse sweep needs those of the cells again.
 */
static void bound_fill(bound *b, const net *n) {
  const size_t steps = (size_t)n->steps, batch = (size_t)n->batch, rows = steps * batch;
  *b = (bound){.dtype = KY_F32};
  for (int k = 0; k < LAYERS; k++) {
    add_layer(b, rows, WIDTH, 4 * WIDTH, X, W, GATES);
    const bound_matrix x = {X, false}, w = {W, false}, w_turned = {W, true};
    const bound_matrix g = {GATES, false}, g_turned = {GATES, true};
    for (size_t t = 1; t < steps; t++) {
      bound_add_product(b, (bound_product){batch, 4 * WIDTH, WIDTH, x, w_turned, GATES, false});
      bound_add_product(b, (bound_product){batch, WIDTH, 4 * WIDTH, g, w, X, false});
    }
    bound_add_product(b, (bound_product){4 * WIDTH, WIDTH, rows, g_turned, x, W, true});
    b->calls[BOUND_tanh_f32] += 6 * (double)(rows * WIDTH);
  }
  add_layer(b, rows, WIDTH, LETTERS, X, W_OUT, LOGITS);
  b->calls[BOUND_exp_f32] += 2 * (double)(rows * LETTERS);
  for (int k = 0; k < ARRAYS; k++) b->bytes += 2 * (double)(count_of(k) * sizeof(float));
  bound_open(b);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  net net[3];
  taped tape[3]; /* recorded, replayed, compiled */
  bound bound;
  double first; /* loss */
} variants;

static bool check(variants *v) {
  static bench_call *const step[] = {taped_recorded, taped_replayed, taped_compiled};
  for (int k = 0; k < CHECKED_STEPS; k++)
    for (int i = 0; i < 3; i++) {
      step[i](&v->tape[i]);
      if (k == 0 && i == 0) v->first = v->tape[i].value;
    }
  for (int i = 0; i < 3; i++) {
    const bench_variant variant = (bench_variant)(BENCH_RECORDED + i);
    if (!taped_ok(&v->tape[i], variant) ||
        !bench_agree("lstm", variant, "loss", v->tape[i].value, v->tape[0].value, 1e-5))
      return false;
    for (int k = 0; k < ARRAYS; k++) {
      char what[24];
      snprintf(what, sizeof what, "weight %d", k);
      if (!bench_agree_all("lstm", variant, what, KY_F32, count_of(k), v->net[i].array[k],
                           v->net[0].array[k], 2e-5))
        return false;
    }
  }
  return true;
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, variants *v, const net *n) {
  char title[32], argument[32];
  contest c;
  snprintf(title, sizeof title, "%d x %d", (int)n->steps, (int)n->batch);
  snprintf(argument, sizeof argument, "%d,%d", (int)n->steps, (int)n->batch);
  contest_open(&c, setup, sheet, title, &v->bound);
  contest_add_taped(&c, &v->tape[0], &v->tape[1], &v->tape[2]);
  contest_run(&c);
  contest_close(&c);
  return torch_run(setup, sheet, title, argument, v->first, 1e-5);
}

bool workload_lstm(const bench_setup *setup, bench_sheet *sheet) {
  net n = {.steps = setup->quick ? 4 : 64, .batch = setup->quick ? 4 : 32};
  const size_t count = (size_t)(n.steps * n.batch);
  variants *v = bench_alloc(1, sizeof *v);
  int64_t *letters = bench_alloc(count, sizeof *letters);
  int64_t *labels = bench_alloc(count, sizeof *labels);
  for (size_t k = 0; k < count; k++) letters[k] = (int64_t)(k * k % LETTERS);
  for (size_t k = 0; k < count; k++) labels[k] = (int64_t)((k * k + k) % LETTERS);
  n.letters = letters;
  n.labels = labels;
  for (int k = 0; k < 3; k++) {
    net_open(&v->net[k], &n);
    tape_open(&v->tape[k], &v->net[k]);
  }
  taped_compile(&v->tape[2]);
  taped_share(&v->tape[2]);
  bound_fill(&v->bound, &n);
  bool good = check(v) && measure(setup, sheet, v, &n);
  for (int k = 0; k < 3; k++) {
    good = good && taped_ok(&v->tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&v->tape[k]);
    net_close(&v->net[k]);
  }
  bound_close(&v->bound);
  free(letters);
  free(labels);
  free(v);
  return good;
}
