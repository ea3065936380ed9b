/* SPDX-License-Identifier: MIT */
/* Chain, diamond and demo by hand. */
#include <math.h>

#include "hand/hand.h"

double hand_chain_forward(size_t n, double x, double *saved) {
  double y = x;
  for (size_t k = 0; k < n / 2; k++) {
    saved[k] = y;
    y = y * x + x;
  }
  if (n % 2) {
    saved[n / 2] = y;
    y *= x;
  }
  return y;
}

double hand_chain_backward(size_t n, double x, const double *saved) {
  double g = 1, gx = 0;
  if (n % 2) {
    gx += g * saved[n / 2];
    g *= x;
  }
  for (size_t k = n / 2; k-- > 0;) {
    gx += g + g * saved[k];
    g *= x;
  }
  return gx + g; /* the chain starts at x */
}

double hand_diamond(size_t depth, double x0, double a, double b, double *saved,
                    double grad[2]) {
  double x = x0, g = 1;
  for (size_t k = 0; k < depth; k++) {
    saved[k] = x;
    x = a * x + b * x;
  }
  grad[0] = grad[1] = 0;
  for (size_t k = depth; k-- > 0;) {
    grad[0] += g * saved[k];
    grad[1] += g * saved[k];
    g *= a + b;
  }
  return x;
}

#define CLIP 1e-7

/* A label that is 0 or 1 needs one logarithm. */
static double loss_of(double p, double y) {
  const double q = p < CLIP ? CLIP : p > 1 - CLIP ? 1 - CLIP : p;
  if (y == 0) return -log1p(-q);
  if (y == 1) return -log(q);
  return -y * log(q) - (1 - y) * log1p(-q);
}

double hand_demo_step(hand_demo *net, const double x[3], const double y[4], double rate) {
  double slope[2], h[2], g1[2] = {0, 0}, loss = 0;
  for (int i = 0; i < 2; i++) {
    const double z =
        net->b1[i] + net->w1[i][0] * x[0] + net->w1[i][1] * x[1] + net->w1[i][2] * x[2];
    h[i] = sin(z);
    slope[i] = cos(z);
  }
  for (int o = 0; o < 4; o++) {
    const double z = net->b2[o] + net->w2[o][0] * h[0] + net->w2[o][1] * h[1];
    const double e = exp(z < 0 ? z : -z), p = (z < 0 ? e : 1) / (1 + e);
    loss += loss_of(p, y[o]);
    const double g = p < CLIP || p > 1 - CLIP ? 0 : p - y[o]; /* of loss and sigmoid together */
    for (int i = 0; i < 2; i++) {
      g1[i] += g * net->w2[o][i];
      net->w2[o][i] -= rate * g * h[i];
    }
    net->b2[o] -= rate * g;
  }
  for (int i = 0; i < 2; i++) {
    const double g = g1[i] * slope[i];
    for (int k = 0; k < 3; k++) net->w1[i][k] -= rate * g * x[k];
    net->b1[i] -= rate * g;
  }
  return loss;
}
