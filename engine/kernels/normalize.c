/* SPDX-License-Identifier: MIT */
/* Normalisation of dense rows. As many rows as a vector has lanes are summed side by side,
 * since the totals of so many take hardly longer than those of one. The adjoint takes rows in
 * blocks that stay in cache, so that the sums over columns for the weights do not read memory a
 * second time. */
#include "kernels/normalize.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/vectors.h"

/* Of loops that it has inlined into others, gcc spills the sums. */
#define APART static __attribute__((noinline))

#define SUMS   32    /* partial sums of a row: element i goes to number i modulo 32, */
#define BLOCK  2048  /* and the total of so many elements to a double */
#define TILE   4     /* vectors of columns that are summed side by side, */
#define ROWS   64    /* over no more rows than this */
#define CACHED 16384 /* elements of a block of rows of the adjoint, */
#define NEAR   4096  /* and of the rows that are summed side by side */

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#include "kernels/normalize.inc"
#undef REAL
#undef REAL_BYTES
#undef NAME

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#include "kernels/normalize.inc"
#undef REAL
#undef REAL_BYTES
#undef NAME

const ky_normalize_kernels KY_TABLE(ky__normalize) = {
    .map = {map_f32, map_f64},
    .pull = {pull_f32, pull_f64},
};
