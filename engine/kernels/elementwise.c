/* SPDX-License-Identifier: MIT */
/* Elementwise kernels: loops.h with the formulas of formulas.h, for float and double. */
#include "kernels/elementwise.h"

#include "kernels/loops.h"

#include "kernels/formulas.h"

/* Quick forms round once where they multiply and add. */
#ifdef __FMA__
  #define HAS_FMA 1
#else
  #define HAS_FMA 0
#endif

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

const ky_elementwise_kernels KY_TABLE(ky__elementwise) = {
#define UNARY(name, ...)                                                                       \
  .map_##name = {map_##name##_f32, map_##name##_f64},                                          \
  .pull_##name = {pull_##name##_f32, pull_##name##_f64},
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                      \
  .map_##name = {map_##name##_f32, map_##name##_f64},                                          \
  .pull_##name##_a = {pull_##name##_a_f32, pull_##name##_a_f64},                               \
  .pull_##name##_b = {pull_##name##_b_f32, pull_##name##_b_f64},
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...)                                                                     \
  .map_##name = {map_##name##_f32, map_##name##_f64},                                          \
  .pull_##name##_a = {pull_##name##_a_f32, pull_##name##_a_f64},                               \
  .pull_##name##_b = {pull_##name##_b_f32, pull_##name##_b_f64},                               \
  .pull_##name##_c = {pull_##name##_c_f32, pull_##name##_c_f64},
#include "kernels/ternary.def"
#undef TERNARY
};
