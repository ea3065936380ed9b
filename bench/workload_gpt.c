/* SPDX-License-Identifier: MIT */
/* gpt: a language model of letters, layers of attention and of wide perceptrons behind layer
 * norms, trained by AdamW. */
#include <stdio.h>
#include <stdlib.h>

#include "training.h"

#define RATE      1e-3
#define LETTERS   65
#define PER_LAYER 12

typedef struct net {
  int64_t layers, heads, width, time, batch;
  const int64_t *letters, *labels;
} net;

static int arrays_of(const net *n) { return 2 + PER_LAYER * (int)n->layers + 3; }

/* Embeddings of letters and of places; in each layer norm, qkv, projection, norm, wide and
 * narrow linear layer, each a weight and a bias; the last norm; the output without bias. */
static training_weight weight(const void *problem, int k) {
  const net *n = problem;
  const int64_t w = n->width;
  const double range = 0.05;
  const int64_t layer[PER_LAYER][2] = {{w, 0},     {w, 0},     {3 * w, w}, {3 * w, 0},
                                       {w, w},     {w, 0},     {w, 0},     {w, 0},
                                       {4 * w, w}, {4 * w, 0}, {w, 4 * w}, {w, 0}};
  if (k == 0) return (training_weight){2, {LETTERS, w}, range};
  if (k == 1) return (training_weight){2, {n->time, w}, range};
  const int last = k - 2 - PER_LAYER * (int)n->layers;
  if (last == 2) return (training_weight){2, {LETTERS, w}, range};
  if (last >= 0) return (training_weight){1, {w}, range};
  const int64_t *dims = layer[(k - 2) % PER_LAYER];
  return (training_weight){dims[1] ? 2 : 1, {dims[0], dims[1]}, range};
}

/* ---- tape -------------------------------------------------------------------------------- */

/* [b,t,c], maybe a view, as [b,h,t,c/h]. */
static ky_var heads(ky_tape *t, const net *n, ky_var x) {
  const int64_t dims[] = {n->batch, n->time, n->heads, n->width / n->heads};
  return ky_transpose(t, ky_reshape(t, x, 4, dims), 1, 2);
}

/* Weights are small numbers around 0; a norm's scale is one more. */
static ky_var norm(ky_tape *t, ky_var x, const ky_var *w) {
  return ky_layernorm(t, x, 1, ky_add_scalar(t, w[0], 1), w[1], 1e-5);
}

static ky_var layer(ky_tape *t, const net *n, ky_var x, const ky_var *w) {
  ky_var part[3];
  const ky_var qkv = ky_linear(t, norm(t, x, w), w[2], w[3]);
  ky_split(t, qkv, -1, 3, NULL, part);
  ky_var y = ky_attention(t, heads(t, n, part[0]), heads(t, n, part[1]), heads(t, n, part[2]),
                          ky_none(), 1, 0);
  y = ky_reshape(t, ky_transpose(t, y, 1, 2), KY_SHAPE(n->batch, n->time, n->width));
  x = ky_add(t, x, ky_linear(t, y, w[4], w[5]));
  y = ky_gelu(t, ky_linear(t, norm(t, x, w + 6), w[8], w[9]));
  return ky_add(t, x, ky_linear(t, y, w[10], w[11]));
}

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const net *n = s->problem;
  const ky_var *w = s->param, *end = w + arrays_of(n) - 3;
  s->data[0] = n->letters;
  s->data[1] = n->labels;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_I64, KY_SHAPE(n->batch, n->time), n->letters);
  s->input[1] = ky_input(t, KY_I64, KY_SHAPE(n->batch, n->time), n->labels);
  ky_var x = ky_add(t, ky_embedding(t, w[0], s->input[0], -1), w[1]);
  for (int k = 0; k < n->layers; k++) x = layer(t, n, x, w + 2 + PER_LAYER * k);
  const ky_var logits = ky_linear(t, norm(t, x, end), end[2], ky_none());
  return ky_cross_entropy(t, logits, s->input[1], KY_REDUCE_MEAN);
}

static const taped_model model = {"gpt", record, NULL};

/* ---- the bound --------------------------------------------------------------------------- */

/* Arrays of the products. */
enum { X, W, Y, Q, K, SCORES };

/* y = x w', gx = g w, gw = g' x. */
static void add_linear(bound *b, size_t rows, size_t in, size_t out) {
  const bound_matrix x = {X, false}, g = {Y, false}, turned = {Y, true};
  bound_add_product(b, (bound_product){rows, out, in, x, {W, true}, Y, false});
  bound_add_product(b, (bound_product){rows, in, out, g, {W, false}, X, false});
  bound_add_product(b, (bound_product){out, in, rows, turned, x, W, true});
}

/* The half of the scores that is seen: two products forward and four in reverse. */
static void add_attention(bound *b, size_t time, size_t width) {
  const bound_matrix q = {Q, false}, k = {K, false}, k_turned = {K, true};
  const bound_matrix s = {SCORES, false}, s_turned = {SCORES, true};
  const size_t seen = time / 2;
  for (int pass = 0; pass < 2; pass++) {
    bound_add_product(b, (bound_product){time, seen, width, q, k_turned, SCORES, false});
    bound_add_product(b, (bound_product){time, width, seen, s, k, Q, false});
    bound_add_product(b, (bound_product){seen, width, time, s_turned, q, K, false});
  }
}

/* A gelu takes an erf, and its slope an exp. */
static void bound_fill(bound *b, const net *n) {
  const size_t rows = (size_t)(n->batch * n->time), w = (size_t)n->width;
  *b = (bound){.dtype = KY_F32};
  for (int k = 0; k < n->layers; k++) {
    add_linear(b, rows, w, 3 * w);
    for (int64_t h = 0; h < n->batch * n->heads; h++)
      add_attention(b, (size_t)n->time, w / (size_t)n->heads);
    add_linear(b, rows, w, w);
    add_linear(b, rows, w, 4 * w);
    add_linear(b, rows, 4 * w, w);
    b->calls[BOUND_erf_f32] += (double)(rows * 4 * w);
    b->calls[BOUND_exp_f32] += (double)(rows * 4 * w);
    b->calls[BOUND_exp_f32] += (double)(n->batch * n->heads * n->time * n->time) / 2;
  }
  add_linear(b, rows, w, LETTERS);
  b->calls[BOUND_exp_f32] += (double)(rows * LETTERS);
}

/* ---- the workload ------------------------------------------------------------------------ */

static bool run_case(const bench_setup *setup, bench_sheet *sheet, net *n) {
  char title[32], argument[64];
  snprintf(title, sizeof title, "%d/%d/%d, %d x %d", (int)n->layers, (int)n->heads,
           (int)n->width, (int)n->batch, (int)n->time);
  snprintf(argument, sizeof argument, "%d,%d,%d,%d,%d", (int)n->layers, (int)n->heads,
           (int)n->width, (int)n->time, (int)n->batch);
  training v = {.title = title,
                .model = &model,
                .problem = n,
                .weights = arrays_of(n),
                .weight = weight,
                .seed = 600,
                .rate = RATE,
                .adamw = true,
                .passes = 6, /* a weight and two moments, read and written */
                .argument = argument,
                .torch_tolerance = 1e-4};
  bound_fill(&v.bound, n);
  return training_run(setup, sheet, &v);
}

bool workload_gpt(const bench_setup *setup, bench_sheet *sheet) {
  static const net nets[] = {
      {.layers = 4, .heads = 4, .width = 128, .time = 64, .batch = 12},
      {.layers = 6, .heads = 6, .width = 384, .time = 256, .batch = 2},
  };
  static const net glance = {.layers = 2, .heads = 2, .width = 16, .time = 8, .batch = 2};
  bool good = true;
  for (int i = 0; good && i < (setup->quick ? 1 : 2); i++) {
    net n = setup->quick ? glance : nets[i];
    const size_t count = (size_t)(n.batch * n.time);
    int64_t *letters = bench_alloc(count, sizeof *letters);
    int64_t *labels = bench_alloc(count, sizeof *labels);
    for (size_t k = 0; k < count; k++) letters[k] = (int64_t)(k * k % LETTERS);
    for (size_t k = 0; k < count; k++) labels[k] = (int64_t)((k * k + k) % LETTERS);
    n.letters = letters;
    n.labels = labels;
    good = run_case(setup, sheet, &n);
    free(letters);
    free(labels);
  }
  return good;
}
