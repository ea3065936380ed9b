/* SPDX-License-Identifier: MIT */
/* Softmax, its logarithm, and cross entropy with class indices, over rows of n elements.
 * Kernels are indexed by dtype: KY_F32, KY_F64. Sums are formed in double, in an order that
 * depends on the sizes and strides alone. */
#ifndef KY_SOFTMAX_H
#define KY_SOFTMAX_H

#include "kernels/level.h"
#include "kytape/base.h"

/* Element j of row i of an array stands at i * row + j * step. */
typedef struct ky_pitch {
  ptrdiff_t row, step;
} ky_pitch;

/* r = softmax(x), or its logarithm. */
typedef void ky_softmax_map(size_t rows, size_t n, void *r, ky_pitch at_r, const void *x,
                            ky_pitch at_x);

/* gx = beta gx + what the rows of x get; gx, g and the result r have one pitch. */
typedef void ky_softmax_pull(size_t rows, size_t n, void *gx, int beta, const void *g,
                             const void *r, ky_pitch at);

/* sums[2 i] = the largest x of row i, sums[2 i + 1] = sum e^(x - largest), loss[i] = ln sum e^x
 * - x[label[i]], and the sum of the losses. loss may be null. Labels are in 0..n-1. */
typedef double ky_cross_entropy_map(size_t rows, size_t n, void *loss, void *sums,
                                    const void *x, ky_pitch at, const int64_t *label);

/* gx (dense) = beta gx + scale g[i sg] (softmax(x) - onehot(label[i])) for each row i. */
typedef void ky_cross_entropy_pull(size_t rows, size_t n, void *gx, int beta, const void *g,
                                   ptrdiff_t sg, double scale, const void *sums, const void *x,
                                   ky_pitch at, const int64_t *label);

/* Both at once: the sum of the losses, and gx (dense) = scale g times the slope of loss[i]. */
typedef double ky_cross_entropy_turn(size_t rows, size_t n, void *gx, const void *g,
                                     double scale, const void *x, ky_pitch at,
                                     const int64_t *label);

/* What goes with the labels of a cross entropy: weights of the classes (null: all 1), their
 * total, and how much of a label all classes share. */
typedef struct ky_class_terms {
  const void *weight;
  double total, smoothing;
} ky_class_terms;

/* sums as above; with s = smoothing, w = weight, h = ln sum e^x - x: loss[i] = (1 - s) w h at
 * the label + s / n times the sum of w h over all classes, and the sum of the losses. A label
 * below 0 leaves its row out. */
typedef double ky_class_loss_map(size_t rows, size_t n, void *loss, void *sums, const void *x,
                                 ky_pitch at, const int64_t *label, const ky_class_terms *c);

/* gx (dense) = beta gx + scale g[i sg] times the slope of loss[i]. */
typedef void ky_class_loss_pull(size_t rows, size_t n, void *gx, int beta, const void *g,
                                ptrdiff_t sg, double scale, const void *sums, const void *x,
                                ky_pitch at, const int64_t *label, const ky_class_terms *c);

/* Both at once: the sum of the losses, and gx (dense) = scale g times the slope of loss[i]. */
typedef double ky_class_loss_turn(size_t rows, size_t n, void *gx, const void *g, double scale,
                                  const void *x, ky_pitch at, const int64_t *label,
                                  const ky_class_terms *c);

/* gw += scale g[i sg] times the slope of loss[i] by the weights, - shift at the label. */
typedef void ky_class_weight_pull(size_t rows, size_t n, double *gw, const void *g,
                                  ptrdiff_t sg, double scale, double shift, const void *sums,
                                  const void *x, ky_pitch at, const int64_t *label,
                                  double smoothing);

typedef struct ky_softmax_kernels {
  ky_softmax_map *map_softmax[2], *map_log_softmax[2];
  ky_softmax_pull *pull_softmax[2], *pull_log_softmax[2];
  ky_cross_entropy_map *map_cross_entropy[2];
  ky_cross_entropy_pull *pull_cross_entropy[2];
  ky_cross_entropy_turn *turn_cross_entropy[2];
  ky_class_loss_map *map_class_loss[2];
  ky_class_loss_pull *pull_class_loss[2];
  ky_class_loss_turn *turn_class_loss[2];
  ky_class_weight_pull *pull_class_weights[2];
} ky_softmax_kernels;

#define X(level, supported) extern const ky_softmax_kernels ky__softmax_##level;
KY_LEVELS(X)
#undef X

#endif
