/* SPDX-License-Identifier: MIT */
/* Transcendental functions, square roots, divisions and copies at the rate that vectorised
 * loops of the compiler reach. */
#ifndef KYBENCH_RATES_H
#define KYBENCH_RATES_H

#include <stddef.h>

/* One row a function: name, libm's (or rates.c's) with a dtype, and between which bounds its
 * operand lies. */
#define RATE_FUNCTIONS_1(X)                                                                    \
  X(exp_f32, f32, expf, -4, 4)                                                                 \
  X(expm1_f32, f32, expm1f, -4, 4)                                                             \
  X(exp2_f32, f32, exp2f, -4, 4)                                                               \
  X(log_f32, f32, logf, 0.1, 8)                                                                \
  X(log1p_f32, f32, log1pf, 0.1, 8)                                                            \
  X(log2_f32, f32, log2f, 0.1, 8)                                                              \
  X(log10_f32, f32, log10f, 0.1, 8)                                                            \
  X(sin_f32, f32, sinf, -4, 4)                                                                 \
  X(cos_f32, f32, cosf, -4, 4)                                                                 \
  X(tan_f32, f32, tanf, -1.5, 1.5)                                                             \
  X(asin_f32, f32, asinf, -0.9, 0.9)                                                           \
  X(acos_f32, f32, acosf, -0.9, 0.9)                                                           \
  X(atan_f32, f32, atanf, -4, 4)                                                               \
  X(sinh_f32, f32, sinhf, -4, 4)                                                               \
  X(cosh_f32, f32, coshf, -4, 4)                                                               \
  X(tanh_f32, f32, tanhf, -4, 4)                                                               \
  X(asinh_f32, f32, asinhf, -4, 4)                                                             \
  X(acosh_f32, f32, acoshf, 1.1, 8)                                                            \
  X(atanh_f32, f32, atanhf, -0.9, 0.9)                                                         \
  X(erf_f32, f32, erff, -3, 3)                                                                 \
  X(erfc_f32, f32, erfcf, -3, 3)                                                               \
  X(lgamma_f32, f32, lgammaf, 0.1, 8) /* has no vector form */                                 \
  X(digamma_f32, f32, digamma, 0.1, 8)                                                         \
  X(trigamma_f32, f32, trigamma, 0.1, 8)                                                       \
  X(tetragamma_f32, f32, tetragamma, 0.1, 8)                                                   \
  X(sqrt_f32, f32, sqrtf, 0.1, 8)                                                              \
  X(exp_f64, f64, exp, -4, 4)                                                                  \
  X(log_f64, f64, log, 0.1, 8)

/* The same of two operands. */
#define RATE_FUNCTIONS_2(X)                                                                    \
  X(pow_f32, powf, 0.1, 4)                                                                     \
  X(atan2_f32, atan2f, 0.1, 4)                                                                 \
  X(hypot_f32, hypotf, 0.1, 4)                                                                 \
  X(fmod_f32, remainder_of, 0.1, 4)                                                            \
  X(div_f32, quotient, 0.1, 4)

/* At least n evaluations, on data in the first-level cache. */
typedef void rate_call(size_t n);

#define X(name, ...) rate_call rate_##name;
RATE_FUNCTIONS_1(X)
RATE_FUNCTIONS_2(X)
#undef X

/* Copies whole cache lines in a loop, as a kernel's loads and stores would. (memcpy goes past
 * the cache when there is much to copy.) Both at the start of a line. */
void rate_copy(size_t lines, void *to, const void *from);

#define RATE_LINE 64

#endif
