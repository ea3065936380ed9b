/* SPDX-License-Identifier: MIT */
/* Conversion between dtypes over one run of n elements, for any pair. */
#ifndef KY_CAST_H
#define KY_CAST_H

#include "kernels/level.h"
#include "kytape/base.h"

/* r[i] = x[i sx] as `to`, which had dtype `from`. To an integer: towards zero, NaN as 0, what
 * is out of range as the nearest there is; between integers the low bits. To a mask: != 0. */
typedef void ky_convert_run(ky_dtype to, ky_dtype from, size_t n, void *r, const void *x,
                            ptrdiff_t sx);

/* gx[i] += g[i] for floats; gx of dtype `to`, g of `from`. */
typedef void ky_convert_add(ky_dtype to, ky_dtype from, size_t n, void *gx, const void *g);

typedef struct ky_cast_kernels {
  ky_convert_run *convert;
  ky_convert_add *convert_add;
} ky_cast_kernels;

#define X(level, supported) extern const ky_cast_kernels ky__cast_##level;
KY_LEVELS(X)
#undef X

#endif
