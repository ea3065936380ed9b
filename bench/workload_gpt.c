/* SPDX-License-Identifier: MIT */
/* gpt: a language model of letters, layers of attention and of wide perceptrons behind layer
 * norms, trained by AdamW. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "torch/torch.h"

#define RATE          1e-3
#define CHECKED_STEPS 3
#define LETTERS       65
#define MOST_LAYERS   6
#define PER_LAYER     12
#define MOST_ARRAYS   (2 + PER_LAYER * MOST_LAYERS + 3)

typedef struct net {
  int64_t layers, heads, width, time, batch;
  float *array[MOST_ARRAYS];
  const int64_t *letters, *labels;
} net;

/* ---- weights ----------------------------------------------------------------------------- */

typedef struct shape {
  int rank;
  int64_t dims[2];
} shape;

static int arrays_of(const net *n) { return 2 + PER_LAYER * (int)n->layers + 3; }

/* Embeddings of letters and of places; in each layer norm, qkv, projection, norm, wide and
 * narrow linear layer, each a weight and a bias; the last norm, and the output without a bias.
 */
static shape shape_of(const net *n, int k) {
  const int64_t w = n->width;
  const shape layer[PER_LAYER] = {
      {1, {w, 1}}, {1, {w, 1}}, {2, {3 * w, w}}, {1, {3 * w, 1}}, {2, {w, w}},     {1, {w, 1}},
      {1, {w, 1}}, {1, {w, 1}}, {2, {4 * w, w}}, {1, {4 * w, 1}}, {2, {w, 4 * w}}, {1, {w, 1}}};
  if (k == 0) return (shape){2, {LETTERS, w}};
  if (k == 1) return (shape){2, {n->time, w}};
  const int last = k - 2 - PER_LAYER * (int)n->layers;
  if (last < 0) return layer[(k - 2) % PER_LAYER];
  return last < 2 ? (shape){1, {w, 1}} : (shape){2, {LETTERS, w}};
}

static size_t count_of(const net *n, int k) {
  const shape s = shape_of(n, k);
  return (size_t)(s.dims[0] * s.dims[1]);
}

static void net_open(net *n, const net *like) {
  *n = *like;
  for (int k = 0; k < arrays_of(n); k++) {
    n->array[k] = bench_alloc_aligned(count_of(n, k) * sizeof(float));
    bench_random(KY_F32, 600 + (uint32_t)k, count_of(n, k), n->array[k], 0.05);
  }
}

static void net_close(net *n) {
  for (int k = 0; k < arrays_of(n); k++) free(n->array[k]);
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

static void tape_open(taped *s, net *n) {
  taped_open(s, &model, n);
  for (int k = 0; k < arrays_of(n); k++) {
    const shape w = shape_of(n, k);
    taped_weight(s, KY_F32, w.rank, w.dims, n->array[k]);
  }
  ky_optimizer *adamw = NULL;
  taped_keep(s, ky_adamw_new(NULL, RATE, NULL, &adamw));
  taped_start_with(s, adamw);
}

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

/* The half of the scores that is seen: q k', p v; then p, g v' again, and three gradients. */
static void add_attention(bound *b, size_t time, size_t width) {
  const bound_matrix q = {Q, false}, k = {K, false}, k_turned = {K, true};
  const bound_matrix s = {SCORES, false}, s_turned = {SCORES, true};
  const size_t seen = time / 2;
  for (int pass = 0; pass < 3; pass++)
    bound_add_product(b, (bound_product){time, seen, width, q, k_turned, SCORES, false});
  for (int pass = 0; pass < 2; pass++)
    bound_add_product(b, (bound_product){time, width, seen, s, k, Q, false});
  for (int pass = 0; pass < 2; pass++)
    bound_add_product(b, (bound_product){seen, width, time, s_turned, q, K, false});
}

/* The erf of a gelu counts as two exp, as its slope takes one more; AdamW reads and writes a
 * weight and two moments. */
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
    b->calls[BOUND_exp_f32] += 6 * (double)(rows * 4 * w);
    b->calls[BOUND_exp_f32] +=
        2 * (double)(n->batch * n->heads) * (double)(n->time * n->time) / 2;
  }
  add_linear(b, rows, w, LETTERS);
  b->calls[BOUND_exp_f32] += 2 * (double)(rows * LETTERS);
  for (int k = 0; k < arrays_of(n); k++)
    b->bytes += 6 * (double)(count_of(n, k) * sizeof(float));
  bound_open(b);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  net net[3];
  taped tape[3]; /* recorded, replayed, compiled */
  bound bound;
  double first; /* loss */
} variants;

/* A tape and a program have the same bits here. */
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
        !bench_agree("gpt", variant, "loss", v->tape[i].value, v->tape[0].value, 0))
      return false;
  }
  return true;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, const net *n) {
  char title[32], argument[64];
  variants *v = bench_alloc(1, sizeof *v);
  snprintf(title, sizeof title, "%d/%d/%d, %d x %d", (int)n->layers, (int)n->heads,
           (int)n->width, (int)n->batch, (int)n->time);
  snprintf(argument, sizeof argument, "%d,%d,%d,%d,%d", (int)n->layers, (int)n->heads,
           (int)n->width, (int)n->time, (int)n->batch);
  for (int k = 0; k < 3; k++) {
    net_open(&v->net[k], n);
    tape_open(&v->tape[k], &v->net[k]);
  }
  taped_compile(&v->tape[2]);
  taped_share(&v->tape[2]);
  bound_fill(&v->bound, n);
  bool good = check(v);
  if (good) {
    contest c;
    contest_open(&c, setup, sheet, title, &v->bound);
    contest_add_taped(&c, &v->tape[0], &v->tape[1], &v->tape[2]);
    contest_run(&c);
    contest_close(&c);
  }
  for (int k = 0; k < 3; k++) {
    good = good && taped_ok(&v->tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&v->tape[k]);
    net_close(&v->net[k]);
  }
  bound_close(&v->bound);
  const double first = v->first;
  free(v);
  return good && torch_run(setup, sheet, title, argument, first, 1e-4);
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
