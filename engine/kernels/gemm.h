/* SPDX-License-Identifier: MIT */
/* General matrix products: kernels of our own, and BLIS for large products. */
#ifndef KY_GEMM_H
#define KY_GEMM_H

#include "kernels/kernels.h"

/* c = d + a b, see ky_product. Extents may be 0. An element has the same bits whatever the
 * other rows and columns are, if only the product goes the same way; which way depends on the
 * extents. Tiles and BLIS agree to the bit where both fuse multiply and add. */
void ky__multiply(const ky_kernels *kernels, ky_dtype dtype, const ky_product *product);

/* Share `part` of `parts` of a product: some of the rows or of the columns of c, maybe none. It
 * goes the way of the whole, so that its bits are those of the whole. */
ky_product ky__gemm_share(ky_dtype dtype, const ky_product *whole, size_t parts, size_t part);

/* c [m,n] = beta c + a [m,k] b [k,n] at the best level. beta 0 stores, without reading c; 1
 * adds. Indexed by dtype. */
typedef void ky_gemm(size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b, int beta,
                     ky_matrix c);
extern ky_gemm *const ky__gemm[2];

/* Lets BLIS allocate what it will ever need for products on `threads` threads at a time, or on
 * all processors if those are more. NO_MEMORY when it could not. */
ky_status ky__gemm_warm_up(uint32_t threads);

/* ky_gemm_info's sentence: who multiplies, and with which kernels. */
const char *ky__gemm_info(void);

#endif
