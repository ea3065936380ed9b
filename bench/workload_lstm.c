/* SPDX-License-Identifier: MIT */
/* lstm: a language model of letters, two recurrent layers, whose steps wait for each other. */
#include <stdio.h>
#include <stdlib.h>

#include "training.h"

#define RATE    1e-1
#define LAYERS  2
#define ARRAYS  (1 + 4 * LAYERS + 2)
#define LETTERS 65
#define WIDTH   128

/* The embedding; of each layer w_ih, w_hh, b_ih, b_hh; weight and bias behind them. */
static training_weight weight(const void *problem, int k) {
  (void)problem;
  const double range = 0.088;
  if (k == ARRAYS - 1) return (training_weight){1, {LETTERS}, range};
  if (k == 0 || k == ARRAYS - 2) return (training_weight){2, {LETTERS, WIDTH}, range};
  if ((k - 1) % 4 < 2) return (training_weight){2, {4 * WIDTH, WIDTH}, range};
  return (training_weight){1, {4 * WIDTH}, range};
}

typedef struct net {
  int64_t steps, batch;
  const int64_t *letters, *labels;
} net;

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
 * activations of gates and cells count as so many tanh. */
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
    b->calls[BOUND_tanh_f32] += 5 * (double)(rows * WIDTH);
  }
  add_layer(b, rows, WIDTH, LETTERS, X, W_OUT, LOGITS);
  b->calls[BOUND_exp_f32] += (double)(rows * LETTERS);
}

/* ---- the workload ------------------------------------------------------------------------ */

bool workload_lstm(const bench_setup *setup, bench_sheet *sheet) {
  net n = {.steps = setup->quick ? 4 : 64, .batch = setup->quick ? 4 : 32};
  const size_t count = (size_t)(n.steps * n.batch);
  int64_t *letters = bench_alloc(count, sizeof *letters);
  int64_t *labels = bench_alloc(count, sizeof *labels);
  for (size_t k = 0; k < count; k++) letters[k] = (int64_t)(k * k % LETTERS);
  for (size_t k = 0; k < count; k++) labels[k] = (int64_t)((k * k + k) % LETTERS);
  n.letters = letters;
  n.labels = labels;
  char title[32], argument[32];
  snprintf(title, sizeof title, "%d x %d", (int)n.steps, (int)n.batch);
  snprintf(argument, sizeof argument, "%d,%d", (int)n.steps, (int)n.batch);
  training v = {.title = title,
                .model = &model,
                .problem = &n,
                .weights = ARRAYS,
                .weight = weight,
                .seed = 500,
                .rate = RATE,
                .passes = 2,
                .argument = argument,
                .torch_tolerance = 1e-5};
  bound_fill(&v.bound, &n);
  const bool good = training_run(setup, sheet, &v);
  free(letters);
  free(labels);
  return good;
}
