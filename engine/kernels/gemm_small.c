/* SPDX-License-Identifier: MIT */
/* Small and thin products, compiled once per level. A sum runs along k in order, one
 * multiply-add a term, in pieces of DEPTH terms that are then added up: whichever tile an
 * element lies in, its bits are the same, and BLIS's kernels sum in just this way. The
 * exception are thin products whose operands both run along k: turning them would cost more
 * than the product, so their sums are formed in lanes. Nothing is read or written outside of
 * the operands. */
#include "kernels/gemm_small.h"

#include <stdbool.h>
#include <stdint.h>

#include "kernels/vectors.h"

#define DEPTH        KY_GEMM_DEPTH
#define WIDE         2    /* vectors in a row of a tile */
#define STRIP_BYTES  1024 /* in a row of a strip */
#define SHALLOW      32   /* rows of b that stream side by side, */
#define SHALLOW_COPY 128  /* when they are copied first, */
#define FEW_ROWS     8    /* when they are a multiple of PAGE bytes apart */
#define PAGE         4096
#define OFTEN        24   /* rows of a that a copy of b pays for, */
#define LONG         128  /* terms, */
#define APART        1024 /* bytes from one row of b to the next */
#define DOT_COLUMNS  2    /* dot products side by side */
#define TINY         24   /* m n k up to which scalars win */

/* Rows of a tile: its sums, a row of b and an element of a fill the registers. */
#if defined(__AVX512F__)
  #define ROWS              8
  #define DOT_ROWS          4
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#elif defined(__AVX2__)
  #define ROWS              6
  #define DOT_ROWS          2
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4) F(5) F(6)
#else
  #define ROWS              4
  #define DOT_ROWS          2
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4)
#endif
#define CARRY (STRIP_BYTES / REAL_BYTES)

/* Element (i, j) of a matrix. */
#define AT(x, i, j)                                                                            \
  ((REAL *)(x).data + ((ptrdiff_t)(i) * (x).row + (ptrdiff_t)(j) * (x).column))

/* c' = d' + b' a'. */
static ky_product transposed_product(const ky_product *x) {
  ky_product t = *x;
  t.m = x->n, t.n = x->m;
  t.a = ky__transposed(x->b), t.b = ky__transposed(x->a);
  t.d = ky__transposed(x->d), t.c = ky__transposed(x->c);
  return t;
}

static bool is_tiny(const ky_product *x) {
  return x->k == 0 ||
         (x->m <= TINY && x->n <= TINY && x->k <= TINY && x->m * x->n * x->k <= TINY);
}

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#include "kernels/gemm_small.inc"

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#include "kernels/gemm_small.inc"

const ky_gemm_small_kernels KY_TABLE(ky__gemm_small) = {
    {gemm_f32, gemm_f64},
    {go_on_f32, go_on_f64},
    {map_vector_f32, map_vector_f64},
    {add_outer_f32, add_outer_f64},
};
