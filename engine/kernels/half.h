/* SPDX-License-Identifier: MIT */
/* Conversion between f32 and the 16-bit floats, which are storage and nothing else. Indexed by
 * dtype - KY_BF16. */
#ifndef KY_HALF_H
#define KY_HALF_H

#include "kernels/level.h"
#include "kytape/base.h"

/* r = x, exactly. A NaN stays one; a signalling f16 NaN becomes quiet. */
typedef void ky_widen(size_t n, float *r, const uint16_t *x);

/* r = x rounded to the nearest, to even on a tie; beyond the largest: infinity. A NaN keeps
 * sign and leading bits, and is quiet. */
typedef void ky_narrow(size_t n, uint16_t *r, const float *x);

typedef struct ky_half_kernels {
  ky_widen *widen[2];
  ky_narrow *narrow[2];
} ky_half_kernels;

#define X(level, supported) extern const ky_half_kernels ky__half_##level;
KY_LEVELS(X)
#undef X

#endif
