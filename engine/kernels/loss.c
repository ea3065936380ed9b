/* SPDX-License-Identifier: MIT */
/* Losses of pairs: the formulas, and loops.h with them, for float and double. */
#include "kernels/loss.h"

#include "kernels/loops.h"

#include "kernels/formulas.h"

#define CHUNK 256 /* losses that wait to be summed, or coefficients to be used */

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

#define LOSS(name, real)                                                                       \
  { map_##name##_##real, sum_##name##_##real, pull_##name##_a_##real, pull_##name##_b_##real }
#define X(name, vector) .name = {LOSS(name, f32), LOSS(name, f64)},
const ky_loss_kernels KY_TABLE(ky__loss) = {KY_PAIR_LOSSES(X)};
#undef X
#undef LOSS
