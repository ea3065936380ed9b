/* SPDX-License-Identifier: MIT */
/* The rows of unary.def, binary.def and ternary.def as inline functions, for float and double:
 * primal_tanh_f32(x, s, u), adjoint_tanh_f32(g, p, s, u), primal_mul_f64(a, b),
 * adjoint_mul_a_f64(g, p, q), ...
 *
 * A formula may ask for one exponential, EXP, of what does not depend on g.
 * primal_silu_asks_f32(x, s, u, &y) tells whether it does, and of what; once e = e^y is there,
 * primal_silu_given_f32(e, x, s, u) is the formula. Likewise adjoint_silu_asks_f32(p, s, u,
 * &y), adjoint_silu_given_f32(e, g, p, s, u), primal_logaddexp_asks_f32(a, b, &y), ...
 *
 * Of formulas that have a quick form, QUICK(general, quick), primal_digamma_given_f32(e, x, s,
 * u) is that form: NaN where it does not know. */
#ifndef KY_FORMULAS_H
#define KY_FORMULAS_H

#include <math.h>
#include <stdbool.h>

/* lgamma without the global variable that it writes; not in ISO C, and so not declared. */
double lgamma_r(double x, int *sign);
float lgammaf_r(float x, int *sign);

/* What the rows call by these names. */
#define SIGMOID(x)                 NAME(sigmoid_of)(x, EXP(-M(fabs)(x)))
#define LGAMMA(x)                  NAME(lgamma_of)(x)
#define ELU(x, above, below)       NAME(elu_of)(x, above, below)
#define ELU_SLOPE(x, above, below) NAME(elu_slope_of)(x, EXP(x), above, below)
#define NORMAL_CDF(x)              NAME(normal_cdf_of)(x)
#define NORMAL_PDF(x)              (SQRT_HALF * INV_SQRT_PI * EXP(C(-0.5) * (x) * (x)))
#define GELU_TANH_CDF(x)           NAME(sigmoid_of)(x, EXP(-M(fabs)(NAME(gelu_tanh_of)(x))))
#define GELU_TANH_SLOPE(x)         NAME(gelu_tanh_slope_of)(x, GELU_TANH_CDF(x))
#define SILU_SLOPE(x)              NAME(silu_slope_of)(x, SIGMOID(x))
#define MISH(x)                    NAME(mish_of)(x, EXP((x) > 20 ? 20 : (x)))
#define MISH_SLOPE(x)              NAME(mish_slope_of)(x, EXP((x) > 20 ? 20 : (x)))
#define ATAN2_SLOPE(a, b)          NAME(atan2_slope_of)(a, b)
#define QUICK_PSI(name, x)                                                                     \
  QUICK(NAME(name##_of)(x), NAME(if_near)(x, NAME(name##_near)(x)))
#define DIGAMMA(x)                 QUICK_PSI(digamma, x)
#define TRIGAMMA(x)                QUICK_PSI(trigamma, x)
#define TETRAGAMMA(x)              QUICK_PSI(tetragamma, x)
#define FMOD(a, b)                 QUICK(M(fmod)(a, b), NAME(near_fmod_of)(a, b))
#define CLAMP(x, lo, hi)           NAME(clamp_of)(x, lo, hi)
#define DIFFERENCE(a, b)           NAME(difference_of)(a, b)

#define NEAR        1000 /* far from where products of SHIFTED cubes overflow */
#define PI          C(3.14159265358979323846)
#define LN_2        C(0.69314718055994530942)
#define LN_10       C(2.30258509299404568402)
#define SQRT_HALF   C(0.70710678118654752440)
#define INV_SQRT_PI C(0.56418958354775628695)
#define SELU_SCALE  C(1.05070098735548049342)
#define SELU_ALPHA  C(1.67326324235437728482)

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#define C(value)   value##f
#define LGAMMA_R   lgammaf_r
#define SHIFTED    3 /* steps to where asymptotic series begin, */
#define TERMS      4 /* and their length, which is even */
#define INTEGERS   0x1p23f
#include "kernels/formulas.inc"
#undef REAL
#undef NAME
#undef M
#undef C
#undef LGAMMA_R
#undef SHIFTED
#undef TERMS
#undef INTEGERS

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#define C(value)   value
#define LGAMMA_R   lgamma_r
#define SHIFTED    8
#define TERMS      8
#define INTEGERS   0x1p52
#include "kernels/formulas.inc"
#undef REAL
#undef NAME
#undef M
#undef C
#undef LGAMMA_R
#undef SHIFTED
#undef TERMS
#undef INTEGERS

#undef SIGMOID
#undef LGAMMA
#undef ELU
#undef ELU_SLOPE
#undef NORMAL_CDF
#undef NORMAL_PDF
#undef GELU_TANH_CDF
#undef GELU_TANH_SLOPE
#undef SILU_SLOPE
#undef MISH
#undef MISH_SLOPE
#undef ATAN2_SLOPE
#undef QUICK_PSI
#undef DIGAMMA
#undef TRIGAMMA
#undef TETRAGAMMA
#undef FMOD
#undef CLAMP
#undef DIFFERENCE
#undef NEAR
#undef PI
#undef LN_2
#undef LN_10
#undef SQRT_HALF
#undef INV_SQRT_PI
#undef SELU_SCALE
#undef SELU_ALPHA
#endif
