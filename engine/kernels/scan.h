/* SPDX-License-Identifier: MIT */
/* Running sums and products along rows of n elements. Kernels are indexed by dtype: KY_F32,
 * KY_F64. What runs along is a double. */
#ifndef KY_SCAN_H
#define KY_SCAN_H

#include "kernels/softmax.h"

/* r = beta r + the sums of x up to each element. Negative steps walk a row backwards. */
typedef void ky_scan_sum(size_t rows, size_t n, void *r, int beta, ky_pitch at_r, const void *x,
                         ky_pitch at_x);

/* r = the products of x up to each element. */
typedef void ky_scan_product(size_t rows, size_t n, void *r, ky_pitch at_r, const void *x,
                             ky_pitch at_x);

/* gx = beta gx + what x gets from g, the adjoint of its products r; gx, g and r have one pitch.
 * No division, so zeros need no care. */
typedef void ky_scan_product_pull(size_t rows, size_t n, void *gx, int beta, const void *g,
                                  const void *r, ky_pitch at, const void *x, ky_pitch at_x);

typedef struct ky_scan_kernels {
  ky_scan_sum *sum[2];
  ky_scan_product *product[2];
  ky_scan_product_pull *pull_product[2];
} ky_scan_kernels;

#define X(level, supported) extern const ky_scan_kernels ky__scan_##level;
KY_LEVELS(X)
#undef X

#endif
