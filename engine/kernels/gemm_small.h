/* SPDX-License-Identifier: MIT */
/* Matrix products by kernels of our own: small and thin ones, and all of them where there is no
 * BLIS. */
#ifndef KY_GEMM_SMALL_H
#define KY_GEMM_SMALL_H

#include <stdbool.h>

#include "kernels/level.h"
#include "kytape/base.h"

/* A matrix somewhere in memory: element (i, j) is at data[i * row + j * column]. */
typedef struct ky_matrix {
  void *data;
  ptrdiff_t row, column;
} ky_matrix;

static inline ky_matrix ky__transposed(ky_matrix x) {
  return (ky_matrix){x.data, x.column, x.row};
}

/* How the sums of a product are formed. Those of tiles and of BLIS run along k in order, those
 * of dots in lanes. */
typedef enum ky_gemm_way {
  KY_GEMM_ANY, /* whichever suits the product best */
  KY_GEMM_TILES,
  KY_GEMM_DOTS,
  KY_GEMM_BLIS
} ky_gemm_way;

/* c [m,n] = d + a [m,k] b [k,n]; no d where its data is null, and d may be c. Any strides, but
 * c overlaps neither a nor b, nor a d that is not c. */
typedef struct ky_product {
  size_t m, n, k;
  ky_matrix a, b, d, c;
  ky_gemm_way way;
} ky_product;

/* Sums of more terms are added up from sums of this many. */
#define KY_GEMM_DEPTH 256

/* m or n up to which dots are the best way, where a and b both run along k, */
#define KY_GEMM_THIN 8
/* with this many terms at least. */
#define KY_GEMM_LONG 32

/* The best way for a product, BLIS aside. */
static inline ky_gemm_way ky__gemm_own_way(const ky_product *p) {
  const bool dots = p->a.column == 1 && p->b.row == 1 && p->k >= KY_GEMM_LONG &&
                    (p->m <= KY_GEMM_THIN || p->n <= KY_GEMM_THIN);
  return dots ? KY_GEMM_DOTS : KY_GEMM_TILES;
}

/* m and n are not 0; k may be. */
typedef void ky_gemm_kernel(const ky_product *product);

/* y [m] = d + a [m,k] x, each sum along k in order; d steps by `step`, and may be null or y. */
typedef void ky_map_vector(size_t m, size_t k, void *y, ky_matrix a, const void *x,
                           const void *d, ptrdiff_t step);

/* c [m,n] = beta c + a b', dense. */
typedef void ky_add_outer(size_t m, size_t n, void *c, int beta, const void *a, const void *b);

/* Indexed by dtype, for the ways of our own. `go_on` forms a product some terms at a time: its
 * sums start with d. Rows of b, c and d are contiguous, and there are at most KY_GEMM_DEPTH
 * terms in all. */
typedef struct ky_gemm_small_kernels {
  ky_gemm_kernel *multiply[2];
  ky_gemm_kernel *go_on[2];
  ky_map_vector *map_vector[2];
  ky_add_outer *add_outer[2];
} ky_gemm_small_kernels;

#define X(level, supported) extern const ky_gemm_small_kernels ky__gemm_small_##level;
KY_LEVELS(X)
#undef X

#endif
