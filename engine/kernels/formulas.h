/* SPDX-License-Identifier: MIT */
/* The rows of unary.def and binary.def as inline functions, for float and double:
 * primal_tanh_f32(x, s, u), adjoint_tanh_f32(g, p, s, u), primal_mul_f64(a, b),
 * adjoint_mul_a_f64(g, p, q), ... */
#ifndef KY_FORMULAS_H
#define KY_FORMULAS_H

#include <math.h>

#define SIGMOID(x) NAME(sigmoid_of)(x)

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#define C(value)   value##f
#include "kernels/formulas.inc"
#undef REAL
#undef NAME
#undef M
#undef C

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#define C(value)   value
#include "kernels/formulas.inc"
#undef REAL
#undef NAME
#undef M
#undef C

#undef SIGMOID
#endif
