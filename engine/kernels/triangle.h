/* SPDX-License-Identifier: MIT */
/* Diagonal blocks of triangular solves and factorisations, a few dozen rows each: what is left
 * when factor.c has given all else to the matrix product. Indexed by dtype: KY_F32, KY_F64.
 * Matrices are row-major; what is said to be a `pitch` is the distance of rows. */
#ifndef KY_TRIANGLE_H
#define KY_TRIANGLE_H

#include "kernels/gemm_small.h"

/* b [n,k] = the solution x of a x = b, a lower triangular; unit: with ones on its diagonal,
 * which is not read. a: any strides. */
typedef void ky_solve_kernel(size_t n, size_t k, ky_matrix a, bool unit, void *b,
                             ptrdiff_t pitch);

/* The lower triangle of a becomes l with a = l l'. Returns the number of the first pivot that
 * is not positive, and leaves it in its place; n when all are. */
typedef size_t ky_cholesky_kernel(size_t n, void *a, ptrdiff_t pitch);

/* The adjoint of that, by row after row from the last one up. g, of which the lower triangle is
 * read and written, is the gradient of l, and becomes twice that of a, which is symmetric. */
typedef void ky_pull_cholesky_kernel(size_t n, const void *l, ptrdiff_t l_pitch, void *g,
                                     ptrdiff_t g_pitch);

/* Columns column..column+n-1 of rows first..m-1 of a [m,width] become those of l (below the
 * diagonal, which is at row first) and u, with the largest pivots; rows are swapped whole.
 * pivots[i]: with which row row i was swapped. Returns the number of the first row that has
 * no pivot but 0; m when all have one. */
typedef size_t ky_lu_kernel(size_t m, size_t width, size_t first, size_t n, void *a,
                            int32_t *pivots);

/* Exchanges x [n] and y [n]. */
typedef void ky_swap_kernel(size_t n, void *x, void *y);

/* r = -x, [rows,n]. r may be x. */
typedef void ky_negate_kernel(size_t rows, size_t n, void *r, ptrdiff_t r_pitch, const void *x,
                              ptrdiff_t x_pitch);

/* r [n,n] = factor x, where x is made symmetric by its lower triangle. r may be x. */
typedef void ky_reflect_kernel(size_t n, double factor, void *r, ptrdiff_t r_pitch,
                               const void *x, ptrdiff_t x_pitch);

typedef struct ky_triangle_kernels {
  ky_solve_kernel *solve[2];
  ky_cholesky_kernel *cholesky[2];
  ky_pull_cholesky_kernel *pull_cholesky[2];
  ky_lu_kernel *lu[2];
  ky_swap_kernel *swap[2];
  ky_negate_kernel *negate[2];
  ky_reflect_kernel *reflect[2];
} ky_triangle_kernels;

#define X(level, supported) extern const ky_triangle_kernels ky__triangle_##level;
KY_LEVELS(X)
#undef X

#endif
