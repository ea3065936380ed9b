/* SPDX-License-Identifier: MIT */
/* Softmax and what is made of it. Contiguous rows are worked on one after the other; rows that
 * lie across memory are worked on side by side, a tile of them at a time. */
#include "kernels/softmax.h"

#include <math.h>
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))
#define LANES  8  /* independent partial results of a row */
#define TILE   64 /* rows side by side */

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#include "kernels/softmax.inc"
#undef REAL
#undef NAME
#undef M

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#include "kernels/softmax.inc"
#undef REAL
#undef NAME
#undef M

ky_softmax_map *const ky__map_softmax[2] = {softmax_f32, softmax_f64};
ky_softmax_map *const ky__map_log_softmax[2] = {log_softmax_f32, log_softmax_f64};
ky_softmax_pull *const ky__pull_softmax[2] = {pull_softmax_f32, pull_softmax_f64};
ky_softmax_pull *const ky__pull_log_softmax[2] = {pull_log_softmax_f32, pull_log_softmax_f64};
ky_cross_entropy_map *const ky__map_cross_entropy[2] = {cross_entropy_f32, cross_entropy_f64};
ky_cross_entropy_pull *const ky__pull_cross_entropy[2] = {pull_cross_entropy_f32,
                                                          pull_cross_entropy_f64};
