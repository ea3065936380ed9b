/* SPDX-License-Identifier: MIT */
/* General matrix products: BLIS for large ones, loops of our own for small ones. */
#ifndef KY_GEMM_H
#define KY_GEMM_H

#include "kytape/base.h"

/* A matrix somewhere in memory: element (i, j) is at data[i * row + j * column]. */
typedef struct ky_matrix {
  void *data;
  ptrdiff_t row, column;
} ky_matrix;

/* c [m,n] = beta c + a [m,k] b [k,n]. beta 0 stores, without reading c; 1 adds. Extents may be 0; no
 * stride of an axis longer than 1 is 0. c overlaps neither a nor b. Indexed by dtype. */
typedef void ky_gemm(size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b, int beta,
                     ky_matrix c);
extern ky_gemm *const ky__gemm[2];

/* The same without BLIS, whatever the size: the reference, and the kernel of small products. */
extern ky_gemm *const ky__gemm_small[2];

/* Lets BLIS allocate what it will ever need on this thread. NO_MEMORY when it could not. */
ky_status ky__gemm_warm_up(void);

/* "BLIS 0.9.0, zen3 kernels", and a word about it when those are the generic ones. */
const char *ky__gemm_info(void);

#endif
