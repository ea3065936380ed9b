/* SPDX-License-Identifier: MIT */
/* The deep network by hand. */
#include "hand/hand.h"
#include "hand/hand_layer.h"

/* Results of all layers, and two gradients that take turns. */
size_t hand_mlpdeep_room(const hand_mlpdeep *net, size_t batch) {
  return (net->layers + 2) * batch * net->width;
}

/* g = scale times the gradient of the mean squared error; returns the error. */
static double squared_error(size_t n, float *restrict g, const float *restrict p,
                            const float *restrict y, float scale) {
  const float factor = 2 * scale / (float)n;
  float sum = 0;
  for (size_t k = 0; k < n; k++) {
    const float d = p[k] - y[k];
    sum += d * d;
    g[k] = factor * d;
  }
  return (double)sum / (double)n;
}

double hand_mlpdeep_step(const hand_mlpdeep *net, size_t batch, const float *x, const float *y,
                         float rate, float *room) {
  const size_t width = net->width, size = batch * width, last = net->layers - 1;
  float *g = room + net->layers * size, *gx = g + size;
  for (size_t k = 0; k <= last; k++)
    hand_layer(batch, width, width, room + k * size, k ? room + (k - 1) * size : x,
               net->weight[2 * k], net->weight[2 * k + 1], k < last);
  const double loss = squared_error(size, g, room + last * size, y, -rate);
  for (size_t k = net->layers; k-- > 0;) {
    hand_layer_bias(batch, width, g, k < last ? room + k * size : NULL, net->weight[2 * k + 1]);
    if (k > 0) hand_layer_input(batch, width, width, gx, g, net->weight[2 * k]);
    hand_layer_update(batch, width, width, net->weight[2 * k], g,
                      k ? room + (k - 1) * size : x);
    float *const swap = g;
    g = gx;
    gx = swap;
  }
  return loss;
}
