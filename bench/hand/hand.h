/* SPDX-License-Identifier: MIT */
/* The workloads as one would write them by hand: no tape, no nodes, forward and backward fused
 * as far as they go. The bound that a tape can hope for. */
#ifndef KYBENCH_HAND_H
#define KYBENCH_HAND_H

#include <stddef.h>
#include <stdint.h>

/* ---- chain: y = y x; y = y + x, n operations, starting at y = x */

/* Returns y; keeps the y's that are multiplied in saved[(n + 1) / 2]. */
double hand_chain_forward(size_t n, double x, double *saved);

/* Returns dy/dx. */
double hand_chain_backward(size_t n, double x, const double *saved);

/* ---- diamond: x = a x + b x, depth times */

/* Returns the last x, starting at x0; saved[depth]; the derivatives with respect to a and b. */
double hand_diamond(size_t depth, double x0, double a, double b, double *saved, double grad[2]);

/* ---- demo: linear 3->2, sin, linear 2->4, sigmoid, binary cross entropy */

typedef struct hand_demo {
  double w1[2][3], b1[2], w2[4][2], b2[4];
} hand_demo;

/* One step of gradient descent; returns the summed loss before it. */
double hand_demo_step(hand_demo *net, const double x[3], const double y[4], double rate);

/* ---- mlp: 784-512-512-10, relu, mean cross entropy */

#define HAND_IN      784
#define HAND_HIDDEN  512
#define HAND_CLASSES 10

typedef struct hand_mlp {
  float *w1, *b1, *w2, *b2, *w3, *b3;
} hand_mlp;

/* What a step needs beside weights and inputs, in floats. */
size_t hand_mlp_room(size_t batch);

/* One step of gradient descent; returns the loss before it. x [batch,784]. */
double hand_mlp_step(hand_mlp *net, size_t batch, const float *x, const int64_t *labels,
                     float rate, float *room);

/* ---- mlpdeep: layers of equal width, relu between them, mean squared error */

typedef struct hand_mlpdeep {
  size_t layers, width;
  float *const *weight; /* of each layer two, [width,width] and [width] */
} hand_mlpdeep;

size_t hand_mlpdeep_room(const hand_mlpdeep *net, size_t batch);

/* Like hand_mlp_step; x and y [batch,width]. */
double hand_mlpdeep_step(const hand_mlpdeep *net, size_t batch, const float *x, const float *y,
                         float rate, float *room);

/* ---- chainwise: sum of tanh(x) x + sigmoid(x) / 2 */

/* Returns the sum; g gets its gradient. */
double hand_chainwise(size_t n, const float *x, float *g);

/* ---- softmaxce: mean cross entropy of rows of logits */

/* x [rows,classes]; returns the loss; g gets its gradient. */
double hand_softmaxce(size_t rows, size_t classes, const float *x, const int64_t *labels,
                      float *g);

/* ---- layernorm: sum of layernorm(x) target; attention: sum of attention(q, k, v) target,
 * causal */

/* x, target and gx [rows,n], w, b, gw, gb [n]. Returns the sum. */
double hand_layernorm(size_t rows, size_t n, const float *x, const float *w, const float *b,
                      const float *target, float *gx, float *gw, float *gb);

/* Arrays [heads,t,d]. */
typedef struct hand_attention {
  size_t heads, t, d;
  const float *q, *k, *v, *target;
  float *gq, *gk, *gv;
} hand_attention;

/* What it needs beside all that, in floats. */
size_t hand_attention_room(const hand_attention *a);

/* Returns the sum. */
double hand_attention_value(const hand_attention *a, float *room);

/* ---- rosenbrock: sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2 */

/* n of at least 2; returns the sum; g gets its gradient. */
double hand_rosenbrock(size_t n, const double *x, double *g);

/* ---- gmm: log-likelihood of a mixture, parametrised as in workload_gmm.c */

typedef struct hand_gmm {
  size_t n, d, k;
  const double *x, *alpha, *means, *logs, *lower;
  double *g_alpha, *g_means, *g_logs, *g_lower; /* all null: the value alone */
} hand_gmm;

/* What it needs beside all that, in doubles. */
size_t hand_gmm_room(const hand_gmm *m);
double hand_gmm_value(const hand_gmm *m, double *room);

#endif
