/* SPDX-License-Identifier: MIT */
/* What convolutions are made of: products whose left factor is picked from an array by two
 * lists of offsets, so that no matrix of patches is ever written down; planes with a margin of
 * zeros; planes transposed. Kernels are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_CONV_H
#define KY_CONV_H

#include <stdbool.h>

#include "kernels/level.h"
#include "kytape/base.h"

/* Bytes that a row of a panel takes at most. */
#define KY_PANEL_BYTES 128

/* c [rows,panel] = c0 + a b with b [depth,panel], where a (i,p) = a[row_at[i] + depth_at[p]]
 * and c0 is c if `adds`, else `start` in every row, or 0. Rows of a panel have `columns`
 * elements, whole vectors, and are `panel` elements apart, at most; those of b and c are
 * aligned. rows is not 0. A sum runs along the depth in order and is then added to c0. */
typedef struct ky_picked {
  size_t rows, depth;
  const void *a;
  const ptrdiff_t *row_at, *depth_at;
  const void *b;
  const void *start;
  void *c;
  size_t columns;
  bool adds;
} ky_picked;

typedef void ky_picked_kernel(const ky_picked *product);

/* dst (i,j) = beta dst + src (j,i): dst has rows of n elements, `dst_row` apart, of src element
 * (j,i) is at j * src_row + i. */
typedef void ky_transpose_kernel(size_t rows, size_t n, void *dst, ptrdiff_t dst_row, int beta,
                                 const void *src, ptrdiff_t src_row);

/* A plane of a larger one: dst [height,width], dense, is zero but for `rows` rows from `top`
 * on, which have `columns` elements of src from `left` on. */
typedef struct ky_margin {
  size_t height, width, top, rows, left, columns;
  void *dst;
  const void *src;
  ptrdiff_t src_row, src_column;
} ky_margin;

typedef void ky_margin_kernel(const ky_margin *plane);

/* One channel at a time: r [count], `r_step` apart, = r0 + sum over t of w[t] a[tap_at[t] + j
 * a_step], where r0 is r if `adds`, else 0, plus `start`. */
typedef struct ky_stencil {
  size_t count, taps;
  void *r;
  ptrdiff_t r_step;
  const void *a;
  ptrdiff_t a_step;
  const ptrdiff_t *tap_at;
  const void *w;
  double start;
  bool adds;
} ky_stencil;

typedef void ky_stencil_kernel(const ky_stencil *s);

/* Its adjoint: sums [taps,KY_PANEL_BYTES], lanes that are to be added up, += r[j r_step]
 * a[tap_at[t] + j a_step]. */
typedef void ky_stencil_taps_kernel(const ky_stencil *s, void *sums);

/* w[t] = beta w[t] + the lanes of sums[t]. */
typedef void ky_stencil_total_kernel(size_t taps, void *w, int beta, const void *sums);

typedef struct ky_conv_kernels {
  size_t lanes[2], panel[2]; /* elements of a vector, and of a row of a panel */
  ky_picked_kernel *picked[2];
  ky_transpose_kernel *transpose[2];
  ky_margin_kernel *margin[2];
  ky_stencil_kernel *stencil[2];
  ky_stencil_taps_kernel *stencil_taps[2];
  ky_stencil_total_kernel *stencil_total[2];
} ky_conv_kernels;

#define X(level, supported) extern const ky_conv_kernels ky__conv_##level;
KY_LEVELS(X)
#undef X

#endif
