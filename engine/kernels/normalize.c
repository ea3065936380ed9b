/* SPDX-License-Identifier: MIT */
/* Normalisation of dense rows. The adjoint takes rows in blocks that stay in cache, so that the
 * sums over columns for the weights do not read memory a second time. */
#include "kernels/normalize.h"

#include <math.h>

#include "kernels/loops.h"

#define SUMS   32    /* independent partial sums of a row */
#define PAIRS  32    /* the same, where two things are summed at once */
#define BLOCK  2048  /* elements summed in REAL before they go into a double, */
#define FEW    16    /* and elements of a column */
#define TILE   32    /* columns added up at a time: two sums of each fit the registers */
#define CACHED 16384 /* elements of a block of rows */
#define SIDE   8     /* rows that are mapped side by side, */
#define NEAR   4096  /* as long as they have no more elements */

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/normalize.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/normalize.inc"
#undef REAL
#undef NAME

const ky_normalize_kernels KY_TABLE(ky__normalize) = {
    .map = {map_f32, map_f64},
    .pull = {pull_f32, pull_f64},
};
