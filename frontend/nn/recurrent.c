/* SPDX-License-Identifier: MIT */
/* Recurrent layers: LSTM and GRU, several of them one on top of the other. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <math.h>
#include <stdio.h>

#include "../block.h"

#define LSTM_GATES 4
#define GRU_GATES  3

enum { W_IH, W_HH, B_IH, B_HH, WEIGHTS };

static const char *const weight_names[WEIGHTS] = {"weight_ih", "weight_hh", "bias_ih",
                                                  "bias_hh"};

typedef struct recurrent {
  ky_module base;
  ky_allocator allocator;
  int64_t gates; /* LSTM_GATES or GRU_GATES */
  size_t layers;
  ky_tensor *weight[][WEIGHTS]; /* biases are NULL for none */
} recurrent;

static size_t bytes_of(size_t layers) {
  return sizeof(recurrent) + layers * WEIGHTS * sizeof(ky_tensor *);
}

static ky_var param(ky_tape *t, ky_tensor *w) { return w ? ky_param(t, w) : ky_none(); }

static ky_rnn_weights weights_of(const recurrent *m, ky_tape *t, size_t layer) {
  ky_tensor *const *w = m->weight[layer];
  const ky_rnn_weights vars = {param(t, w[W_IH]), param(t, w[W_HH]), param(t, w[B_IH]),
                               param(t, w[B_HH])};
  return vars;
}

/* One layer on x, from the state `before`; after: null, or gets the state that it ends with. */
static ky_var forward_layer(const recurrent *r, ky_tape *t, size_t layer, ky_var x,
                            ky_rnn_state before, ky_rnn_state *after) {
  const ky_rnn_weights w = weights_of(r, t, layer);
  ky_var *h = after ? &after->h : NULL, *c = after ? &after->c : NULL;
  return r->gates == LSTM_GATES ? ky_lstm(t, x, &w, before.h, before.c, h, c)
                                : ky_gru(t, x, &w, before.h, h);
}

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const recurrent *r = (const recurrent *)m;
  const ky_rnn_state zeros = {ky_none(), ky_none()};
  for (size_t k = 0; k < r->layers; k++) x = forward_layer(r, t, k, x, zeros, NULL);
  return x;
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const recurrent *r = (const recurrent *)m;
  ky_status status = KY_OK;
  for (size_t k = 0; k < r->layers; k++)
    for (int w = 0; w < WEIGHTS && status == KY_OK; w++) {
      char name[48];
      if (!r->weight[k][w]) continue;
      snprintf(name, sizeof name, "%s_l%zu", weight_names[w], k);
      status = visit(user, name, r->weight[k][w]);
    }
  return status;
}

static void destroy(ky_module *m) {
  recurrent *r = (recurrent *)m;
  for (size_t k = 0; k < r->layers; k++)
    for (int w = 0; w < WEIGHTS; w++) ky_tensor_free(r->weight[k][w]);
  ky__block_free(r->allocator, r, bytes_of(r->layers));
}

static const ky_module_kind lstm = {.size = sizeof lstm,
                                    .name = "lstm",
                                    .forward = forward,
                                    .weights = weights,
                                    .free = destroy};
static const ky_module_kind gru = {
    .size = sizeof gru, .name = "gru", .forward = forward, .weights = weights, .free = destroy};

/* The module as what it is; null, and a pending error of the tape, when it is another. */
static const recurrent *recurrent_of(ky_tape *t, const ky_module *m) {
  if (m && (m->kind == &lstm || m->kind == &gru)) return (const recurrent *)m;
  char text[128];
  snprintf(text, sizeof text, "recurrent: wants a module of ky_nn_lstm or ky_nn_gru, got %s",
           m ? ky_module_name(m) : "null");
  ky_tape_fail(t, KY_BAD_ARGUMENT, text);
  return NULL;
}

ky_var ky_nn_recurrent_forward(ky_tape *t, ky_module *m, ky_var x, const ky_rnn_state *before,
                               ky_rnn_state *after) {
  const ky_rnn_state none = {ky_none(), ky_none()};
  const recurrent *r = recurrent_of(t, m);
  if (!r) return ky_none();
  for (size_t k = 0; k < r->layers; k++) {
    const ky_rnn_state state = before ? before[k] : none;
    if (after) after[k] = none;
    if (state.c.id && r->gates == GRU_GATES)
      ky_tape_fail(t, KY_BAD_ARGUMENT, "gru: a state has an h alone, got a c, too");
    x = forward_layer(r, t, k, x, state, after ? &after[k] : NULL);
  }
  return x;
}

static ky_status fill(recurrent *r, size_t layer, ky_dtype dtype, int64_t rows, int64_t inputs,
                      int64_t n, int bias, ky_rng *rng) {
  ky_tensor **w = r->weight[layer];
  ky_status status = ky_tensor_new(&r->allocator, dtype, KY_SHAPE(rows, inputs), &w[W_IH]);
  if (status == KY_OK)
    status = ky_tensor_new(&r->allocator, dtype, KY_SHAPE(rows, n), &w[W_HH]);
  for (int k = B_IH; k < WEIGHTS && bias && status == KY_OK; k++)
    status = ky_tensor_new(&r->allocator, dtype, KY_SHAPE(rows), &w[k]);
  const double bound = n > 0 ? 1 / sqrt((double)n) : 1;
  for (int k = 0; k < WEIGHTS && rng && status == KY_OK; k++)
    if (w[k] && ky_tensor_count(w[k]) > 0) status = ky_init_uniform(w[k], rng, -bound, bound);
  return status;
}

static ky_status make(const ky_module_kind *kind, const ky_allocator *allocator, ky_dtype dtype,
                      int64_t gates, int64_t inputs, int64_t n, int layers, int bias,
                      ky_rng *rng, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (layers < 1) return KY_BAD_ARGUMENT;
  if (n < 0 || n > INT64_MAX / gates) return KY_BAD_SHAPE;
  ky_allocator used;
  recurrent *r = ky__block_new(allocator, bytes_of((size_t)layers), &used);
  if (!r) return KY_NO_MEMORY;
  r->base.kind = kind;
  r->allocator = used;
  r->gates = gates;
  r->layers = (size_t)layers;
  ky_status status = KY_OK;
  for (size_t k = 0; k < r->layers && status == KY_OK; k++)
    status = fill(r, k, dtype, gates * n, k ? n : inputs, n, bias, rng);
  if (status == KY_OK)
    *out = &r->base;
  else
    destroy(&r->base);
  return status;
}

ky_status ky_nn_lstm(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs, int64_t n,
                     int layers, int bias, ky_rng *rng, ky_module **out) {
  return make(&lstm, allocator, dtype, LSTM_GATES, inputs, n, layers, bias, rng, out);
}

ky_status ky_nn_gru(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs, int64_t n,
                    int layers, int bias, ky_rng *rng, ky_module **out) {
  return make(&gru, allocator, dtype, GRU_GATES, inputs, n, layers, bias, rng, out);
}
