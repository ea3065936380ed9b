/* SPDX-License-Identifier: MIT */
/* Elementwise kernels over one run of n elements. Arrays are of one dtype, results dense; strides
 * are in elements (1 and 0 have loops of their own). Tables are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_ELEMENTWISE_H
#define KY_ELEMENTWISE_H

#include "kytape/base.h"

typedef void ky_map1(size_t n, void *r, const void *x, ptrdiff_t sx, double s, double u);
typedef void ky_pull1(size_t n, void *gx, int beta, const void *g, const void *p, ptrdiff_t sp,
                      double s, double u);
typedef void ky_map2(size_t n, void *r, const void *a, ptrdiff_t sa, const void *b,
                     ptrdiff_t sb);
typedef void ky_pull2(size_t n, void *gx, int beta, const void *g, const void *p, ptrdiff_t sp,
                      const void *q, ptrdiff_t sq);

#define UNARY(name, ...)                                                                       \
  extern ky_map1 *const ky__map_##name[2];                                                     \
  extern ky_pull1 *const ky__pull_##name[2];
#include "kernels/unary.def"
#undef UNARY

#define BINARY(name, ...)                                                                      \
  extern ky_map2 *const ky__map_##name[2];                                                     \
  extern ky_pull2 *const ky__pull_##name##_a[2];                                               \
  extern ky_pull2 *const ky__pull_##name##_b[2];
#include "kernels/binary.def"
#undef BINARY

#endif
