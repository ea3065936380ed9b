/* SPDX-License-Identifier: MIT */
/* Rotations of pairs by angles that grow with a position (rotary embedding). Kernels are
 * indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_ROPE_H
#define KY_ROPE_H

#include <stdbool.h>

#include "kernels/level.h"
#include "kytape/base.h"

/* cosines, sines [positions,pairs] of (first + i) base^(-j / pairs), formed in double. */
typedef void ky_rope_table(size_t positions, size_t pairs, double first, double base,
                           void *cosines, void *sines);

/* Row i of r (dense) = beta r + row i of x, pair j rotated by the angle (i, j) of a table, or
 * back by it. neighbours: pairs are elements 2j and 2j + 1, else j and pairs + j. Element k of
 * row i of x stands at i * row + k * step. */
typedef void ky_rope_rotate(size_t rows, size_t pairs, bool neighbours, bool back, void *r,
                            int beta, const void *x, ptrdiff_t row, ptrdiff_t step,
                            const void *cosines, const void *sines);

typedef struct ky_rope_kernels {
  ky_rope_table *table[2];
  ky_rope_rotate *rotate[2];
} ky_rope_kernels;

#define X(level, supported) extern const ky_rope_kernels ky__rope_##level;
KY_LEVELS(X)
#undef X

#endif
