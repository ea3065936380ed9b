/* SPDX-License-Identifier: MIT */
/* Losses of pairs: the formulas and the loops, once for float and once for double. */
#include "kernels/loss.h"

#include "kernels/formulas.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES  8 /* independent partial sums */

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#define C(value)   value##f
#include "kernels/loss.inc"
#undef REAL
#undef NAME
#undef M
#undef C

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#define C(value)   value
#include "kernels/loss.inc"
#undef REAL
#undef NAME
#undef M
#undef C

#define X(name)                                                                                \
  const ky_pair_loss ky__##name[2] = {                                                         \
      {map_##name##_f32, sum_##name##_f32, pull_##name##_a_f32, pull_##name##_b_f32},          \
      {map_##name##_f64, sum_##name##_f64, pull_##name##_a_f64, pull_##name##_b_f64},          \
  };
KY_PAIR_LOSSES(X)
#undef X
