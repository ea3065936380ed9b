/* SPDX-License-Identifier: MIT */
/* Rotary embedding: the table of angles, and the rotations. */
#include "kernels/rope.h"

#include "kernels/loops.h"

#define CHUNK 128 /* frequencies at a time */

/* Not inlined, so that it is libm's pow at every level: positions multiply its error, and with
 * AVX-512 (which converts size_t to double) gcc would take the vector library's. */
static __attribute__((noinline)) double frequency_of(double base, size_t j, size_t pairs) {
  return pow(base, -(double)j / (double)pairs);
}

INLINE double cosine_of(double frequency, double position, double unused) {
  (void)unused;
  return cos(frequency * position);
}

INLINE double sine_of(double frequency, double position, double unused) {
  (void)unused;
  return sin(frequency * position);
}

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/rope.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/rope.inc"
#undef REAL
#undef NAME

const ky_rope_kernels KY_TABLE(ky__rope) = {
    .table = {table_f32, table_f64},
    .rotate = {rotate_f32, rotate_f64},
};
