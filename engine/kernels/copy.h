/* SPDX-License-Identifier: MIT */
/* Copies of elements of any dtype, strided on both sides; fills; the search for what is not
 * finite. */
#ifndef KY_COPY_H
#define KY_COPY_H

#include "kernels/level.h"
#include "kytape/base.h"

/* dst[i sd] = beta dst[i sd] + src[i ss]; beta 1 for f32 and f64 only. */
typedef void ky_copy_run_kernel(ky_dtype dtype, size_t n, void *dst, ptrdiff_t sd, int beta,
                                const void *src, ptrdiff_t ss);

/* The same for a plane: element (i, j) stands at i * rd + j * sd, and at i * rs + j * ss. Made
 * for planes that lie along memory in one direction here, in the other there. */
typedef void ky_copy_plane_kernel(ky_dtype dtype, size_t rows, size_t n, void *dst,
                                  ptrdiff_t rd, ptrdiff_t sd, int beta, const void *src,
                                  ptrdiff_t rs, ptrdiff_t ss);

/* n elements of `dtype`, the first `start`, each `step` after the one before. */
typedef void ky_fill_kernel(ky_dtype dtype, size_t n, void *dst, double start, double step);

/* Index of the first element that is NaN or infinite, n when there is none. f32 and f64. */
typedef size_t ky_first_nonfinite_kernel(ky_dtype dtype, size_t n, const void *x, ptrdiff_t sx);

typedef struct ky_copy_kernels {
  ky_copy_run_kernel *run;
  ky_copy_plane_kernel *plane;
  ky_fill_kernel *fill;
  ky_first_nonfinite_kernel *first_nonfinite;
} ky_copy_kernels;

#define X(level, supported) extern const ky_copy_kernels ky__copy_##level;
KY_LEVELS(X)
#undef X

#endif
