/* SPDX-License-Identifier: MIT */
/* Copies of runs of elements, fills, and the search for what is not finite. */
#include "kernels/copy.h"

#include <math.h>
#include <string.h>

#define COPY(name, type)                                                                       \
  static void name(size_t n, type *dst, ptrdiff_t sd, const type *src, ptrdiff_t ss) {         \
    for (size_t i = 0; i < n; i++) dst[(ptrdiff_t)i * sd] = src[(ptrdiff_t)i * ss];            \
  }
COPY(copy_1, uint8_t)
COPY(copy_4, uint32_t)
COPY(copy_8, uint64_t)
#undef COPY

#define ADD(name, type)                                                                        \
  static void name(size_t n, type *restrict dst, ptrdiff_t sd, const type *restrict src,       \
                   ptrdiff_t ss) {                                                             \
    if (sd == 1 && ss == 1)                                                                    \
      for (size_t i = 0; i < n; i++) dst[i] += src[i];                                         \
    else                                                                                       \
      for (size_t i = 0; i < n; i++) dst[(ptrdiff_t)i * sd] += src[(ptrdiff_t)i * ss];         \
  }
ADD(add_f32, float)
ADD(add_f64, double)
#undef ADD

void ky__copy_run(ky_dtype dtype, size_t n, void *dst, ptrdiff_t sd, int beta, const void *src,
                  ptrdiff_t ss) {
  const size_t size = ky_dtype_size(dtype);
  if (beta && dtype == KY_F32)
    add_f32(n, dst, sd, src, ss);
  else if (beta)
    add_f64(n, dst, sd, src, ss);
  else if (sd == 1 && ss == 1)
    memcpy(dst, src, n * size);
  else if (size == 1)
    copy_1(n, dst, sd, src, ss);
  else if (size == 4)
    copy_4(n, dst, sd, src, ss);
  else
    copy_8(n, dst, sd, src, ss);
}

void ky__fill(ky_dtype dtype, size_t n, void *dst, double start, double step) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name:                                                                              \
    for (size_t i = 0; i < n; i++) ((type *)dst)[i] = (type)(start + (double)i * step);        \
    break;
    KY_DTYPES(X)
#undef X
  }
}

size_t ky__first_nonfinite(ky_dtype dtype, size_t n, const void *x, ptrdiff_t sx) {
  size_t i = 0;
  if (dtype == KY_F32)
    while (i < n && isfinite(((const float *)x)[(ptrdiff_t)i * sx])) i++;
  else
    while (i < n && isfinite(((const double *)x)[(ptrdiff_t)i * sx])) i++;
  return i;
}
