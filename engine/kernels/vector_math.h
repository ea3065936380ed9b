/* SPDX-License-Identifier: MIT */
/* The functions of libm, by the vector. glibc's libmvec has them for each level: within 4 ulp,
 * and like libm's where an argument or result is not finite or is zero. This header says so to
 * the vectoriser, before formulas.h uses them. Without libmvec and at the plain level they are
 * called for one element at a time, and KY_VECTOR_BYTES is 0. */
#ifndef KY_VECTOR_MATH_H
#define KY_VECTOR_MATH_H

#include <math.h>

#if !defined KY_LIBMVEC
  #define KY_VECTOR_BYTES 0
#elif defined __AVX512F__
  #define KY_VECTOR_BYTES 64
#elif defined __AVX2__
  #define KY_VECTOR_BYTES 32
#else
  #define KY_VECTOR_BYTES 16
#endif

#if KY_VECTOR_BYTES
  #define BY_VECTOR(name)                                                                      \
    double name(double) __attribute__((simd("notinbranch")));                                  \
    float name##f(float) __attribute__((simd("notinbranch")));
BY_VECTOR(exp)
BY_VECTOR(expm1)
BY_VECTOR(log)
BY_VECTOR(log1p)
BY_VECTOR(sin)
BY_VECTOR(cos)
BY_VECTOR(tanh)
BY_VECTOR(asin)
BY_VECTOR(acos)
BY_VECTOR(atan)
BY_VECTOR(sinh)
BY_VECTOR(cosh)
BY_VECTOR(asinh)
BY_VECTOR(acosh)
BY_VECTOR(atanh)
BY_VECTOR(tan)
BY_VECTOR(exp2)
BY_VECTOR(log2)
BY_VECTOR(log10)
BY_VECTOR(erf)
BY_VECTOR(erfc)
double pow(double, double) __attribute__((simd("notinbranch")));
float powf(float, float) __attribute__((simd("notinbranch")));
double atan2(double, double) __attribute__((simd("notinbranch")));
float atan2f(float, float) __attribute__((simd("notinbranch")));
double hypot(double, double) __attribute__((simd("notinbranch")));
float hypotf(float, float) __attribute__((simd("notinbranch")));
  #undef BY_VECTOR
#endif

#endif
