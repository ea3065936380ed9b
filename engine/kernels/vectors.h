/* SPDX-License-Identifier: MIT */
/* Vectors of f32 and of f64, as wide as the level that is being compiled has them. A source
 * that is expanded for a REAL names the type NAME(vec) and the functions NAME(load), ...; see
 * vectors.inc. */
#ifndef KY_VECTORS_H
#define KY_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#if defined(__AVX2__)
  #include <immintrin.h>
#endif

#include "kernels/compiler.h"

#if defined(__AVX512F__)
  #define VECTOR_BYTES 64
#elif defined(__AVX2__)
  #define VECTOR_BYTES 32
#else
  #define VECTOR_BYTES 16
#endif
#define LANES    (VECTOR_BYTES / REAL_BYTES)
#define QUARTERS (VECTOR_BYTES / 16) /* four of the widest vector, */
#define QUARTER  (16 / REAL_BYTES)   /* lanes in each */

#if VECTOR_BYTES == 32
/* n words before the middle begins a mask of n words. */
static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#endif

/* Lanes of two vectors of 2, 4, ... lanes: the even ones, then the odd ones, and back. */
#define EVEN2   0, 2
#define EVEN4   0, 2, 4, 6
#define EVEN8   0, 2, 4, 6, 8, 10, 12, 14
#define EVEN16  0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD2    1, 3
#define ODD4    1, 3, 5, 7
#define ODD8    1, 3, 5, 7, 9, 11, 13, 15
#define ODD16   1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define FRONT2  0, 2
#define FRONT4  0, 4, 1, 5
#define FRONT8  0, 8, 1, 9, 2, 10, 3, 11
#define FRONT16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define BACK2   1, 3
#define BACK4   2, 6, 3, 7
#define BACK8   4, 12, 5, 13, 6, 14, 7, 15
#define BACK16  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#if VECTOR_BYTES == 64
  #define ORDER(list) list##16
  #define ISA(op)     _mm512_##op##_ps
  #define MASK        __mmask16
  #define EVEN_ELEMENTS(x, y)                                                                  \
    __builtin_shufflevector(x, y, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30)
  #define ODD_ELEMENTS(x, y)                                                                   \
    __builtin_shufflevector(x, y, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31)
  #define EVEN_QUARTERS(x, y)                                                                  \
    __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
  #define ODD_QUARTERS(x, y)                                                                   \
    __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#elif VECTOR_BYTES == 32
  #define ORDER(list)         list##8
  #define ISA(op)             _mm256_##op##_ps
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2, 8, 10, 4, 6, 12, 14)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3, 9, 11, 5, 7, 13, 15)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15)
#else
  #define ORDER(list)         list##4
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2, 4, 6)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3, 5, 7)
#endif
#define FMA_ONE __builtin_fmaf
#include "kernels/vectors.inc"

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#if VECTOR_BYTES == 64
  #define ORDER(list)         list##8
  #define ISA(op)             _mm512_##op##_pd
  #define MASK                __mmask8
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15)
#elif VECTOR_BYTES == 32
  #define ORDER(list)         list##4
  #define ISA(op)             _mm256_##op##_pd
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 4, 2, 6)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 5, 3, 7)
  #define EVEN_QUARTERS(x, y) __builtin_shufflevector(x, y, 0, 1, 4, 5)
  #define ODD_QUARTERS(x, y)  __builtin_shufflevector(x, y, 2, 3, 6, 7)
#else
  #define ORDER(list)         list##2
  #define EVEN_ELEMENTS(x, y) __builtin_shufflevector(x, y, 0, 2)
  #define ODD_ELEMENTS(x, y)  __builtin_shufflevector(x, y, 1, 3)
#endif
#define FMA_ONE __builtin_fma
#include "kernels/vectors.inc"

#endif
