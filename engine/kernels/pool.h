/* SPDX-License-Identifier: MIT */
/* Largest element and mean of windows over dense planes; dense planes resampled. Kernels are
 * indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_POOL_H
#define KY_POOL_H

#include <stdbool.h>

#include "kernels/level.h"
#include "kytape/base.h"

/* x, gx [planes,in 0,in 1]; r, g, at [planes,out 0,out 1]. The window of result o begins at
 * place o * stride - padding; each has an element of x at least. */
typedef struct ky_pool {
  size_t planes;
  int64_t in[2], out[2], kernel[2], stride[2], padding[2];
  const void *x;
  void *r;
  int32_t *at; /* of the largest: its place in the plane */

  const void *g; /* adjoint */
  void *gx;
  int beta;
} ky_pool;

typedef void ky_pool_kernel(const ky_pool *s);

/* Place o of an axis is weight[0] times place at[0] plus weight[1] times place at[1]. */
typedef struct ky_resample_place {
  int32_t at[2];
  double weight[2];
} ky_resample_place;

/* x, gx [planes,in 0,in 1]; r, g [planes,out 0,out 1]; place [out] for each axis; room: in 1
 * elements. nearest: the weights are 1 and 0. */
typedef struct ky_resample {
  size_t planes;
  int64_t in[2], out[2];
  const ky_resample_place *place[2];
  void *room;
  bool nearest;
  const void *x;
  void *r;

  const void *g; /* adjoint */
  void *gx;
  int beta;
} ky_resample;

typedef void ky_resample_kernel(const ky_resample *s);

typedef struct ky_pool_kernels {
  ky_pool_kernel *max[2], *max_pull[2], *mean[2], *mean_pull[2];
  ky_resample_kernel *resample[2], *resample_pull[2];
} ky_pool_kernels;

#define X(level, supported) extern const ky_pool_kernels ky__pool_##level;
KY_LEVELS(X)
#undef X

#endif
