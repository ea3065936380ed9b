/* SPDX-License-Identifier: MIT */
/* Normalisation of dense rows: layernorm, and without a mean rmsnorm. Kernels are indexed by
 * dtype: KY_F32, KY_F64. Sums are formed blockwise, in an order that depends on n alone; the
 * totals of the blocks of a row are added up in double. */
#ifndef KY_NORMALIZE_H
#define KY_NORMALIZE_H

#include "kernels/level.h"
#include "kytape/base.h"

/* x, r, g, gx [rows,n], whose rows are `pitch` elements apart; w, b, gw, gb [n]; mean, rstd
 * [rows]. */
typedef struct ky_normalize {
  size_t rows, n, pitch;
  const void *x;
  const void *w, *b; /* null: 1 and 0 */
  void *mean;        /* null: rows are not centred */
  void *rstd;        /* 1 / sqrt(variance + eps) */
  double eps;
  void *r;

  const void *g; /* adjoint; gx, gw, gb: null when not wanted */
  void *gx, *gw, *gb;
  int beta_x, beta_w, beta_b;
} ky_normalize;

/* gw and gb alone can be had for some of the columns, with the bits that all of them have. */
typedef void ky_normalize_fn(const ky_normalize *s);

typedef struct ky_normalize_kernels {
  ky_normalize_fn *map[2], *pull[2];
} ky_normalize_kernels;

#define X(level, supported) extern const ky_normalize_kernels ky__normalize_##level;
KY_LEVELS(X)
#undef X

#endif
