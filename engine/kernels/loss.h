/* SPDX-License-Identifier: MIT */
/* Losses of pairs (a, b), elementwise, over one run of n elements with strides in elements.
 * Kernels are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_LOSS_H
#define KY_LOSS_H

#include "kernels/level.h"
#include "kytape/base.h"

/* One row a loss: its name, and which formulas call a function of libm, as in binary.def. */
#define KY_PAIR_LOSSES(X) X(bce, P | B) X(bce_with_logits, P | A) X(mse, 0)

/* r[i] = the loss of pair i. */
typedef void ky_pair_map(size_t n, void *r, const void *a, ptrdiff_t sa, const void *b,
                         ptrdiff_t sb);

/* The sum of the losses, formed in double. */
typedef double ky_pair_sum(size_t n, const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb);

/* gx[i] = beta gx[i] + scale g[i sg] times the loss's derivative; sg is 0 or 1. */
typedef void ky_pair_pull(size_t n, void *gx, int beta, const void *g, ptrdiff_t sg,
                          double scale, const void *a, ptrdiff_t sa, const void *b,
                          ptrdiff_t sb);

typedef struct ky_pair_loss {
  ky_pair_map *map;
  ky_pair_sum *sum;
  ky_pair_pull *pull_a, *pull_b;
} ky_pair_loss;

typedef struct ky_loss_kernels {
#define X(name, vector) ky_pair_loss name[2];
  KY_PAIR_LOSSES(X)
#undef X
} ky_loss_kernels;

#define X(level, supported) extern const ky_loss_kernels ky__loss_##level;
KY_LEVELS(X)
#undef X

#endif
