/* SPDX-License-Identifier: MIT */
/* Elementwise kernels: the loops, once for float and once for double. */
#include "kernels/elementwise.h"

#include "kernels/formulas.h"

#define INLINE static inline __attribute__((always_inline))

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/elementwise.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/elementwise.inc"
#undef REAL
#undef NAME

#define UNARY(name, ...)                                                                       \
  ky_map1 *const ky__map_##name[2] = {map_##name##_f32, map_##name##_f64};                     \
  ky_pull1 *const ky__pull_##name[2] = {pull_##name##_f32, pull_##name##_f64};
#include "kernels/unary.def"
#undef UNARY

#define BINARY(name, ...)                                                                      \
  ky_map2 *const ky__map_##name[2] = {map_##name##_f32, map_##name##_f64};                     \
  ky_pull2 *const ky__pull_##name##_a[2] = {pull_##name##_a_f32, pull_##name##_a_f64};         \
  ky_pull2 *const ky__pull_##name##_b[2] = {pull_##name##_b_f32, pull_##name##_b_f64};
#include "kernels/binary.def"
#undef BINARY
