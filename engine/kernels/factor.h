/* SPDX-License-Identifier: MIT */
/* Triangular solves and factorisations of dense row-major matrices, in blocks: what is not on
 * the diagonal goes to the matrix product. Results depend on the data alone. */
#ifndef KY_FACTOR_H
#define KY_FACTOR_H

#include "kernels/kernels.h"

#define KY_FACTOR_BLOCK 64

/* ky__multiply, or what shares its work among threads. */
typedef void ky_multiply_fn(const void *context, ky_dtype dtype, const ky_product *p);

/* What all of them need. room: of factorisations of n rows, n * min(n, KY_FACTOR_BLOCK)
 * elements. */
typedef struct ky_factoring {
  const ky_kernels *kernels;
  ky_dtype dtype;
  ky_multiply_fn *multiply;
  const void *context; /* its first argument */
  void *room;
} ky_factoring;

typedef struct ky_triangle {
  ky_matrix matrix; /* any strides; the other triangle is not read */
  bool upper, unit; /* unit: the diagonal is all ones, and is not read either */
} ky_triangle;

static inline ky_triangle ky__transposed_triangle(ky_triangle a) {
  return (ky_triangle){ky__transposed(a.matrix), !a.upper, a.unit};
}

/* b [n,k], dense = the solution x of a x = b. */
void ky__solve_triangle(const ky_factoring *q, size_t n, size_t k, ky_triangle a, void *b);

/* a [n,n], of which the lower triangle is read, becomes the lower triangular l with a = l l'.
 * Returns the number of the first pivot that is not positive, which is left in its place; n
 * when all are. */
size_t ky__cholesky(const ky_factoring *q, size_t n, void *a);

/* The adjoint of ky__cholesky, for its l: g, of which the lower triangle is read, the gradient
 * of l, becomes that of a, which is symmetric. Source: Murray, "Differentiation of the Cholesky
 * decomposition" (2016), section 4.2. */
void ky__pull_cholesky(const ky_factoring *q, size_t n, const void *l, void *g);

/* a [n,n] becomes l (below the diagonal, with ones on it) and u, such that l u is a after row i
 * was swapped with row pivots[i], for all i in order. Returns the number of the first pivot
 * that is 0; n when none is. */
size_t ky__lu(const ky_factoring *q, size_t n, void *a, int32_t *pivots);

/* b [n,k] = the solution x of a x = b, or of a' x = b, by what ky__lu made of a. */
void ky__lu_solve(const ky_factoring *q, size_t n, size_t k, const void *lu,
                  const int32_t *pivots, bool transposed, void *b);

#endif
