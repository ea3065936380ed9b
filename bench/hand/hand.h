/* SPDX-License-Identifier: MIT */
/* The workloads as one would write them by hand: no tape, no nodes, forward and backward fused
 * as far as they go. The bound that a tape can hope for. */
#ifndef KYBENCH_HAND_H
#define KYBENCH_HAND_H

#include <stddef.h>
#include <stdint.h>

/* ---- chain: y = y x; y = y + x, n operations, starting at y = x
 * ------------------------------- */

/* Returns y; keeps the y's that are multiplied in saved[(n + 1) / 2]. */
double hand_chain_forward(size_t n, double x, double *saved);

/* Returns dy/dx. */
double hand_chain_backward(size_t n, double x, const double *saved);

/* ---- diamond: x = a x + b x, depth times
 * --------------------------------------------------------- */

/* Returns the last x, starting at x0; saved[depth]; the derivatives with respect to a and b. */
double hand_diamond(size_t depth, double x0, double a, double b, double *saved, double grad[2]);

/* ---- demo: linear 3->2, sin, linear 2->4, sigmoid, binary cross entropy
 * ----------------------------- */

typedef struct hand_demo {
  double w1[2][3], b1[2], w2[4][2], b2[4];
} hand_demo;

/* One step of gradient descent; returns the summed loss before it. */
double hand_demo_step(hand_demo *net, const double x[3], const double y[4], double rate);

/* ---- mlp: 784-512-512-10, relu, mean cross entropy
 * ----------------------------------------------------- */

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

#endif
