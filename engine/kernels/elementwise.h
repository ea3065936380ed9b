/* SPDX-License-Identifier: MIT */
/* Elementwise kernels over one run of n elements. Arrays are of one dtype, results dense;
 * strides are in elements (1 and 0 have loops of their own). What an element becomes does not
 * depend on its position or on n. A result may lie exactly where an operand of stride 1 does,
 * but not overlap it otherwise. Kernels are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_ELEMENTWISE_H
#define KY_ELEMENTWISE_H

#include "kernels/level.h"
#include "kytape/base.h"

typedef void ky_map1(size_t n, void *r, const void *x, ptrdiff_t sx, double s, double u);
typedef void ky_pull1(size_t n, void *gx, int beta, const void *g, const void *p, ptrdiff_t sp,
                      double s, double u);
typedef void ky_map2(size_t n, void *r, const void *a, ptrdiff_t sa, const void *b,
                     ptrdiff_t sb);
typedef void ky_map3(size_t n, void *r, const void *a, ptrdiff_t sa, const void *b,
                     ptrdiff_t sb, const void *c, ptrdiff_t sc);
typedef void ky_pull2(size_t n, void *gx, int beta, const void *g, const void *p, ptrdiff_t sp,
                      const void *q, ptrdiff_t sq);

typedef struct ky_elementwise_kernels {
#define UNARY(name, ...)                                                                       \
  ky_map1 *map_##name[2];                                                                      \
  ky_pull1 *pull_##name[2];
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                      \
  ky_map2 *map_##name[2];                                                                      \
  ky_pull2 *pull_##name##_a[2];                                                                \
  ky_pull2 *pull_##name##_b[2];
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...)                                                                     \
  ky_map3 *map_##name[2];                                                                      \
  ky_pull2 *pull_##name##_a[2];                                                                \
  ky_pull2 *pull_##name##_b[2];                                                                \
  ky_pull2 *pull_##name##_c[2];
#include "kernels/ternary.def"
#undef TERNARY
} ky_elementwise_kernels;

#define X(level, supported) extern const ky_elementwise_kernels ky__elementwise_##level;
KY_LEVELS(X)
#undef X

#endif
