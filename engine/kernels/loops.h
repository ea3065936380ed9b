/* SPDX-License-Identifier: MIT */
/* Loops over elements, for float and double: map1_f32, pull2_f64, ... They take the formula as
 * a constant function pointer, which inlining turns into the formula itself.
 *
 * What a formula gives for an element must not depend on where the element stands. Arithmetic
 * does not, however it is vectorised; but the vector library and libm round differently. A
 * formula that calls the library is therefore `by_vector`: computed for whole vectors of
 * elements, the last ones together with made-up ones. */
#ifndef KY_LOOPS_H
#define KY_LOOPS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/compiler.h"
#include "kernels/vector_math.h"

#define LANES 16 /* independent partial sums of a run */
#define BATCH 64 /* elements whose exponentials are computed together */

/* Before a loop whose result may lie exactly where an operand does, or apart from it: then no
 * element depends on another, and it is vectorised without asking how they overlap. */
#ifdef __clang__
  #define EACH _Pragma("clang loop vectorize(assume_safety)")
  #pragma clang diagnostic ignored "-Wpass-failed" /* formulas that are calls stay loops */
#else
  #define EACH SIMD
#endif

#define LINE  64 /* bytes of a cache line */
#define AHEAD 2  /* rows that are asked for before their turn */

INLINE void clear(double lane[LANES]) { SIMD for (size_t k = 0; k < LANES; k++) lane[k] = 0; }

INLINE double total_of(double lane[LANES]) {
  for (size_t width = LANES / 2; width > 0; width /= 2)
    SIMD for (size_t k = 0; k < width; k++) lane[k] += lane[k + width];
  return lane[0];
}

/* For loops of one argument. */
INLINE double log_of(double x, double unused, double unused_too) {
  (void)unused, (void)unused_too;
  return log(x);
}

/* The first argument of by_vector loops: bits for primal and adjoints, as in the .def files. */
enum { P = 1, A = 2, B = 4, Q = 8 };

#define REAL       float
#define INDEX      int32_t
#define EXP        expf
#define NAME(name) name##_f32
#include "kernels/loops.inc"
#undef REAL
#undef INDEX
#undef EXP
#undef NAME

#define REAL       double
#define INDEX      int64_t
#define EXP        exp
#define NAME(name) name##_f64
#include "kernels/loops.inc"
#undef REAL
#undef INDEX
#undef EXP
#undef NAME

#endif
