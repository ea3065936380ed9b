/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: linear algebra. Matrices are the last two axes; the axes
 * before are batch axes. What ops.h says about dtypes, errors and source lines holds here.
 *
 * A matrix that cannot be factored is found when the sweep meets it: SINGULAR, with the number
 * of the matrix in its batch and of the pivot. Each later sweep that comes by it fails, too,
 * until it is rewound or the matrix is another one.
 *
 * Source of the adjoints: Giles, "Collected matrix derivative results for forward and reverse
 * mode algorithmic differentiation" (2008). */
#ifndef KYTAPE_OPS_LINEAR_ALGEBRA_H
#define KYTAPE_OPS_LINEAR_ALGEBRA_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How ky_triangular_solve reads its matrix; 0 is the lower triangle as it is. */
typedef enum ky_triangle_flags {
  KY_UPPER = 1,         /* the upper triangle; the other one is never read */
  KY_TRANSPOSED = 2,    /* a' x = b */
  KY_UNIT_DIAGONAL = 4, /* ones on the diagonal, which is not read either */
} ky_triangle_flags;

/* The solution x of a x = b (a' x = b), a triangular.
 *   a [...,n,n], b [...,n,k] -> [...,n,k]; batch axes broadcast
 *   gb = a'^-1 g; ga = -gb x' in the triangle that is read, 0 elsewhere
 * A zero on the diagonal gives infinities and NaN. flags: of ky_triangle_flags. Errors:
 * BAD_SHAPE (a is not square, b has other rows, batch axes), BAD_ARGUMENT (unknown flags). */
KY_API ky_var ky_triangular_solve(ky_tape *t, ky_var a, ky_var b, unsigned flags);

/* The lower triangular l with l l' = a.
 *   a [...,n,n], symmetric and positive definite: only its lower triangle is read -> [...,n,n]
 *   ga = l'^-1 s l^-1 / 2, s = l' g made symmetric by its lower half
 * ga is symmetric, like PyTorch's. Errors: BAD_SHAPE (a is not square); in the forward sweep
 * SINGULAR (a pivot is not positive). Source: Murray, "Differentiation of the Cholesky
 * decomposition". */
KY_API ky_var ky_cholesky(ky_tape *t, ky_var a);

/* The solution x of a x = b, by LU with partial pivoting.
 *   a [...,n,n], b [...,n,k] -> [...,n,k]; batch axes broadcast
 *   gb = a'^-1 g, ga = -gb x'
 * Errors: BAD_SHAPE (a is not square, b has other rows, batch axes); in the forward sweep
 * SINGULAR (a pivot is 0). */
KY_API ky_var ky_solve(ky_tape *t, ky_var a, ky_var b);

/* ln det a. a [...,n,n] -> [...]; NaN where the determinant is negative, -infinity where it is
 * 0, 0 for n = 0. ga = g a'^-1. Errors: BAD_SHAPE (a is not square); in the reverse sweep
 * SINGULAR (the determinant is 0). */
KY_API ky_var ky_logdet(ky_tape *t, ky_var a);

/* ln |det a|, of either sign; like ky_logdet otherwise. */
KY_API ky_var ky_logabsdet(ky_tape *t, ky_var a);

/* Sum of the products of two vectors. a [n], b [n] -> []. ga = g b, gb = g a. Errors: BAD_SHAPE
 * (not two vectors of one size). */
KY_API ky_var ky_dot(ky_tape *t, ky_var a, ky_var b);

/* All products of the elements of two vectors. a [m], b [n] -> [m,n]. ga = g b, gb = g' a.
 * Errors: BAD_SHAPE (not two vectors). */
KY_API ky_var ky_outer(ky_tape *t, ky_var a, ky_var b);

/* A sum of products by index labels, as in PyTorch:
 *   "bij,bjk->bik"   a batched matrix product
 *   "ii->i"          a diagonal
 *   "ii"             a trace
 *   "i,j->ij"        an outer product
 * Each operand has one letter a-z or A-Z for each axis, operands are parted by commas; blanks
 * do not matter. r at the labels behind "->" is the sum over all others of the products of the
 * operands' elements. Without "->" the output has the labels that occur once, in ASCII order.
 * "..." stands for axes without labels, which broadcast from the last one on, and come first in
 * an output that is not written out; an output without "..." sums over them. An extent of 1
 * stretches. Operands are taken from left to right, each with one matrix product or one product
 * of elements, so their order can matter for speed. vars: `count` operands, read during the
 * call. Errors: BAD_ARGUMENT (a null pointer, an equation that is none or has another number of
 * operands), BAD_SHAPE (ranks or extents, or more than KY_MAX_RANK axes on the way),
 * BAD_DTYPE. */
KY_API ky_var ky_einsum(ky_tape *t, const char *equation, size_t count, const ky_var *vars);

#ifndef KY_NO_SITES
  #define ky_triangular_solve(t, ...)                                                          \
    ky_triangular_solve(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cholesky(t, ...)  ky_cholesky(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_solve(t, ...)     ky_solve(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logdet(t, ...)    ky_logdet(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logabsdet(t, ...) ky_logabsdet(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_einsum(t, ...)    ky_einsum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_dot(t, ...)       ky_dot(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_outer(t, ...)     ky_outer(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
