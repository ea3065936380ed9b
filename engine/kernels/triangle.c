/* SPDX-License-Identifier: MIT */
/* Blocks of triangular solves and factorisations. */
#include "kernels/triangle.h"

#include <math.h>

#include "kernels/loops.h"

#define STRIP 32 /* columns of a right side that stay in registers */

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/triangle.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/triangle.inc"
#undef REAL
#undef NAME

const ky_triangle_kernels KY_TABLE(ky__triangle) = {
    .solve = {solve_f32, solve_f64},
    .cholesky = {cholesky_f32, cholesky_f64},
    .pull_cholesky = {pull_cholesky_f32, pull_cholesky_f64},
    .lu = {lu_f32, lu_f64},
    .swap = {swap_f32, swap_f64},
    .negate = {negate_f32, negate_f64},
    .reflect = {reflect_f32, reflect_f64},
};
