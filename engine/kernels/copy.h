/* SPDX-License-Identifier: MIT */
/* Copies of runs of elements of any dtype, strided on both sides. */
#ifndef KY_COPY_H
#define KY_COPY_H

#include "kytape/base.h"

/* dst[i sd] = beta dst[i sd] + src[i ss]; beta 1 for f32 and f64 only. */
void ky__copy_run(ky_dtype dtype, size_t n, void *dst, ptrdiff_t sd, int beta, const void *src,
                  ptrdiff_t ss);

/* n elements of `dtype`, the first `start`, each `step` after the one before. */
void ky__fill(ky_dtype dtype, size_t n, void *dst, double start, double step);

/* Index of the first element that is NaN or infinite, n when there is none. f32 and f64. */
size_t ky__first_nonfinite(ky_dtype dtype, size_t n, const void *x, ptrdiff_t sx);

#endif
