/* SPDX-License-Identifier: MIT */
/* Kernels of convolutions, compiled once per level. */
#include "kernels/conv.h"

#include "kernels/vectors.h"

#define WIDE 2 /* vectors in a row of a panel */

/* Rows of a tile: its sums, a row of b and an element of a fill the registers. */
#if defined(__AVX512F__)
  #define ROWS 12
#elif defined(__AVX2__)
  #define ROWS 6
#else
  #define ROWS 4
#endif

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#include "kernels/conv.inc"

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#include "kernels/conv.inc"

const ky_conv_kernels KY_TABLE(ky__conv) = {
    .lanes = {VECTOR_BYTES / 4, VECTOR_BYTES / 8},
    .panel = {WIDE * VECTOR_BYTES / 4, WIDE *VECTOR_BYTES / 8},
    .picked = {picked_f32, picked_f64},
    .transpose = {transpose_plane_f32, transpose_plane_f64},
    .margin = {margin_f32, margin_f64},
    .stencil = {stencil_f32, stencil_f64},
    .stencil_taps = {stencil_taps_f32, stencil_taps_f64},
    .stencil_total = {stencil_total_f32, stencil_total_f64},
};
