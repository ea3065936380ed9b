/* SPDX-License-Identifier: MIT */
/* The network by hand. One sample has loops of its own, which read a weight twice and write it
 * once. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "hand/hand.h"
#include "hand/hand_layer.h"

size_t hand_mlp_room(size_t batch) { return batch * (4 * HAND_HIDDEN + HAND_CLASSES); }

/* Mean cross entropy of z [batch,classes]; z becomes its gradient, times `scale`. */
static double cross_entropy(size_t batch, float *z, const int64_t *labels, float scale) {
  double loss = 0;
  for (size_t r = 0; r < batch; r++, z += HAND_CLASSES) {
    float top = z[0], sum = 0;
    for (int k = 1; k < HAND_CLASSES; k++) top = z[k] > top ? z[k] : top;
    const float chosen = z[labels[r]] - top;
    for (int k = 0; k < HAND_CLASSES; k++) sum += z[k] = expf(z[k] - top);
    const float factor = scale / (float)batch / sum;
    for (int k = 0; k < HAND_CLASSES; k++) z[k] *= factor;
    z[labels[r]] -= scale / (float)batch;
    loss += (double)(logf(sum) - chosen);
  }
  return loss / (double)batch;
}

/* ---- batches ----------------------------------------------------------------------------- */

static double step_batch(hand_mlp *net, size_t batch, const float *x, const int64_t *labels,
                         float rate, float *room) {
  const size_t in = HAND_IN, hidden = HAND_HIDDEN, classes = HAND_CLASSES;
  float *h1 = room, *h2 = h1 + batch * hidden, *g1 = h2 + batch * hidden;
  float *g2 = g1 + batch * hidden, *z = g2 + batch * hidden;
  hand_layer(batch, in, hidden, h1, x, net->w1, net->b1, 1);
  hand_layer(batch, hidden, hidden, h2, h1, net->w2, net->b2, 1);
  hand_layer(batch, hidden, classes, z, h2, net->w3, net->b3, 0);
  const double loss = cross_entropy(batch, z, labels, -rate);
  hand_layer_bias(batch, classes, z, NULL, net->b3);
  hand_layer_input(batch, hidden, classes, g2, z, net->w3);
  hand_layer_update(batch, hidden, classes, net->w3, z, h2);
  hand_layer_bias(batch, hidden, g2, h2, net->b2);
  hand_layer_input(batch, hidden, hidden, g1, g2, net->w2);
  hand_layer_update(batch, hidden, hidden, net->w2, g2, h1);
  hand_layer_bias(batch, hidden, g1, h1, net->b1);
  hand_layer_update(batch, in, hidden, net->w1, g1, x);
  return loss;
}

/* ---- one sample -------------------------------------------------------------------------- */

/* A vector of the compiler's, wherever it lies. Never passed by value: how that is done depends
 * on the instruction set. */
typedef float lanes
    __attribute__((vector_size(8 * sizeof(float)), aligned(sizeof(float)), may_alias));

static const lanes *at(const float *x) { return (const lanes *)x; }

static float total(const lanes *v) {
  float sum = 0;
  for (int k = 0; k < 8; k++) sum += (*v)[k];
  return sum;
}

/* y [out] = w x + b, two rows at a time, then relu if asked for. */
static void layer_one(size_t in, size_t out, float *restrict y, const float *restrict x,
                      const float *restrict w, const float *restrict b, int relu) {
  for (size_t k = 0; k < out; k += 2) {
    const float *w0 = w + k * in, *w1 = w0 + in;
    lanes s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0};
    for (size_t i = 0; i < in; i += 16) {
      const lanes even = *at(x + i), odd = *at(x + i + 8);
      s0 += *at(w0 + i) * even;
      s1 += *at(w1 + i) * even;
      t0 += *at(w0 + i + 8) * odd;
      t1 += *at(w1 + i + 8) * odd;
    }
    s0 += t0;
    s1 += t1;
    const float z0 = b[k] + total(&s0), z1 = b[k + 1] + total(&s1);
    y[k] = relu && z0 <= 0 ? 0 : z0;
    y[k + 1] = relu && z1 <= 0 ? 0 : z1;
  }
}

/* gx += w' g with the old w, if asked for; w += g x': of two rows, */
static void update_two(size_t in, float *restrict gx, float *restrict w, const float *g,
                       const float *restrict x) {
  float *restrict w0 = w, *restrict w1 = w + in;
  const float g0 = g[0], g1 = g[1];
  if (gx)
    for (size_t i = 0; i < in; i++) gx[i] += g0 * w0[i] + g1 * w1[i];
  for (size_t i = 0; i < in; i++) {
    w0[i] += g0 * x[i];
    w1[i] += g1 * x[i];
  }
}

/* and of four. */
static void update_four(size_t in, float *restrict gx, float *restrict w, const float *g,
                        const float *restrict x) {
  float *restrict w0 = w, *restrict w1 = w0 + in, *restrict w2 = w1 + in,
                  *restrict w3 = w2 + in;
  const float g0 = g[0], g1 = g[1], g2 = g[2], g3 = g[3];
  if (gx)
    for (size_t i = 0; i < in; i++)
      gx[i] += (g0 * w0[i] + g1 * w1[i]) + (g2 * w2[i] + g3 * w3[i]);
  for (size_t i = 0; i < in; i++) {
    w0[i] += g0 * x[i];
    w1[i] += g1 * x[i];
    w2[i] += g2 * x[i];
    w3[i] += g3 * x[i];
  }
}

/* gx [in] = w' g with the old w, if asked for; w += g x', b += g: one pass over the weights, of
 * which a few rows are in the cache when they are read again. */
static void update_one(size_t in, size_t out, float *restrict gx, float *restrict w,
                       float *restrict b, const float *restrict g, const float *restrict x) {
  size_t k = 0;
  if (gx) memset(gx, 0, in * sizeof *gx);
  for (; k + 4 <= out; k += 4) update_four(in, gx, w + k * in, g + k, x);
  for (; k < out; k += 2) update_two(in, gx, w + k * in, g + k, x);
  for (k = 0; k < out; k++) b[k] += g[k];
}

static_assert(HAND_IN % 16 == 0 && HAND_HIDDEN % 16 == 0, "whole vectors");

static double step_one(hand_mlp *net, const float *x, const int64_t *labels, float rate,
                       float *room) {
  float *h1 = room, *h2 = h1 + HAND_HIDDEN, *g1 = h2 + HAND_HIDDEN, *g2 = g1 + HAND_HIDDEN;
  float *z = g2 + HAND_HIDDEN;
  layer_one(HAND_IN, HAND_HIDDEN, h1, x, net->w1, net->b1, 1);
  layer_one(HAND_HIDDEN, HAND_HIDDEN, h2, h1, net->w2, net->b2, 1);
  layer_one(HAND_HIDDEN, HAND_CLASSES, z, h2, net->w3, net->b3, 0);
  const double loss = cross_entropy(1, z, labels, -rate);
  update_one(HAND_HIDDEN, HAND_CLASSES, g2, net->w3, net->b3, z, h2);
  for (int k = 0; k < HAND_HIDDEN; k++) g2[k] = h2[k] > 0 ? g2[k] : 0;
  update_one(HAND_HIDDEN, HAND_HIDDEN, g1, net->w2, net->b2, g2, h1);
  for (int k = 0; k < HAND_HIDDEN; k++) g1[k] = h1[k] > 0 ? g1[k] : 0;
  update_one(HAND_IN, HAND_HIDDEN, NULL, net->w1, net->b1, g1, x);
  return loss;
}

double hand_mlp_step(hand_mlp *net, size_t batch, const float *x, const int64_t *labels,
                     float rate, float *room) {
  if (batch == 1) return step_one(net, x, labels, rate, room);
  return step_batch(net, batch, x, labels, rate, room);
}
