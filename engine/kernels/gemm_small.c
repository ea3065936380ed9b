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
#if defined(__AVX2__)
  #include <immintrin.h>
#endif

#define DEPTH        KY_GEMM_DEPTH
#define WIDE         2    /* vectors in a row of a tile */
#define STRIP_BYTES  1024 /* in a row of a strip */
#define SHALLOW      32   /* rows of b that stream side by side, */
#define SHALLOW_COPY 128  /* when they are copied first, */
#define FEW_ROWS     8    /* when they are a multiple of PAGE bytes apart */
#define PAGE         4096
#define DOT_COLUMNS  2  /* dot products side by side */
#define TINY         24 /* m n k up to which scalars win */

/* Rows of a tile: its sums, a row of b and an element of a fill the registers. */
#if defined(__AVX512F__)
  #define VECTOR_BYTES      64
  #define ROWS              8
  #define DOT_ROWS          4
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#elif defined(__AVX2__)
  #define VECTOR_BYTES      32
  #define ROWS              6
  #define DOT_ROWS          2
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4) F(5) F(6)
#else
  #define VECTOR_BYTES      16
  #define ROWS              4
  #define DOT_ROWS          2
  #define EACH_ROW_COUNT(F) F(1) F(2) F(3) F(4)
#endif
#define LANES    (VECTOR_BYTES / REAL_BYTES)
#define CARRY    (STRIP_BYTES / REAL_BYTES)
#define QUARTERS (VECTOR_BYTES / 16) /* four of the widest vector, */
#define QUARTER  (16 / REAL_BYTES)   /* lanes in each */

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define UNROLL        _Pragma("GCC unroll 16")

/* Element (i, j) of a matrix. */
#define AT(x, i, j)                                                                            \
  ((REAL *)(x).data + ((ptrdiff_t)(i) * (x).row + (ptrdiff_t)(j) * (x).column))

#if VECTOR_BYTES == 32
/* n words before the middle begins a mask of n words. */
static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#endif

static ky_matrix turned(ky_matrix x) { return (ky_matrix){x.data, x.column, x.row}; }

/* c' = d' + b' a'. */
static ky_product turned_product(const ky_product *x) {
  ky_product t = *x;
  t.m = x->n, t.n = x->m;
  t.a = turned(x->b), t.b = turned(x->a);
  t.d = turned(x->d), t.c = turned(x->c);
  return t;
}

static bool is_tiny(const ky_product *x) {
  return x->k == 0 ||
         (x->m <= TINY && x->n <= TINY && x->k <= TINY && x->m * x->n * x->k <= TINY);
}

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#if VECTOR_BYTES == 64
  #define ISA(op) _mm512_##op##_ps
  #define MASK    __mmask16
  #define EVEN_ELEMENTS(x, y)                                                                  \
    __builtin_shufflevector(x, y, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30)
  #define ODD_ELEMENTS(x, y)                                                                   \
    __builtin_shufflevector(x, y, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31)
  #define EVEN_QUARTERS(x, y)                                                                  \
    __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
  #define ODD_QUARTERS(x, y)                                                                   \
    __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#elif VECTOR_BYTES == 32
  #define ISA(op)             _mm256_##op##_ps
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2, 8, 10, 4, 6, 12, 14)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3, 9, 11, 5, 7, 13, 15)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15)
#else
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3, 5, 7)
#endif
#define FMA_ONE __builtin_fmaf
#include "kernels/gemm_vector.inc"
#include "kernels/gemm_small.inc"

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#if VECTOR_BYTES == 64
  #define ISA(op)             _mm512_##op##_pd
  #define MASK                __mmask8
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15)
#elif VECTOR_BYTES == 32
  #define ISA(op)             _mm256_##op##_pd
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 4, 2, 6)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 5, 3, 7)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 4, 5)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 2, 3, 6, 7)
#else
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3)
#endif
#define FMA_ONE __builtin_fma
#include "kernels/gemm_vector.inc"
#include "kernels/gemm_small.inc"

const ky_gemm_small_kernels KY_TABLE(ky__gemm_small) = {{gemm_f32, gemm_f64}};
