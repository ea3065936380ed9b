/* SPDX-License-Identifier: MIT */
/* Recording functions, continued: more elementwise operations, activations, casts. What ops.h
 * says of all of them holds here. Included by it. */
#ifndef KYTAPE_OPS_ELEMENTWISE_H
#define KYTAPE_OPS_ELEMENTWISE_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Unary, elementwise: x [...] -> [...] ------------------------------------------------ */

/* Angle in -pi/2..pi/2, NaN outside of -1..1; ga = g / (1 - x^2)^(1/2), infinite at -1
 * and 1. */
KY_API ky_var ky_asin(ky_tape *t, ky_var x);

/* Angle in 0..pi, NaN outside of -1..1; ga = -g / (1 - x^2)^(1/2), infinite at -1 and 1. */
KY_API ky_var ky_acos(ky_tape *t, ky_var x);

/* Angle in -pi/2..pi/2; ga = g / (1 + x^2). */
KY_API ky_var ky_atan(ky_tape *t, ky_var x);

/* Hyperbolic sine; ga = g cosh x. */
KY_API ky_var ky_sinh(ky_tape *t, ky_var x);

/* Hyperbolic cosine; ga = g sinh x. */
KY_API ky_var ky_cosh(ky_tape *t, ky_var x);

/* Inverse of sinh; ga = g / (x^2 + 1)^(1/2). */
KY_API ky_var ky_asinh(ky_tape *t, ky_var x);

/* Inverse of cosh, NaN below 1; ga = g / (x^2 - 1)^(1/2), infinite at 1. */
KY_API ky_var ky_acosh(ky_tape *t, ky_var x);

/* Inverse of tanh, infinite at -1 and 1, NaN beyond; ga = g / (1 - x^2). */
KY_API ky_var ky_atanh(ky_tape *t, ky_var x);

/* Tangent of x in radians; ga = g (1 + r^2). */
KY_API ky_var ky_tan(ky_tape *t, ky_var x);

/* 2^x; ga = g r ln 2. */
KY_API ky_var ky_exp2(ky_tape *t, ky_var x);

/* Logarithm to base 2, NaN below 0; ga = g / (x ln 2). */
KY_API ky_var ky_log2(ky_tape *t, ky_var x);

/* Logarithm to base 10, NaN below 0; ga = g / (x ln 10). */
KY_API ky_var ky_log10(ky_tape *t, ky_var x);

/* Error function, 2/pi^(1/2) times the integral of e^-u^2 over 0..x;
 * ga = 2 g e^-x^2 / pi^(1/2). */
KY_API ky_var ky_erf(ky_tape *t, ky_var x);

/* 1 - erf(x), accurate for large x; ga = -2 g e^-x^2 / pi^(1/2). */
KY_API ky_var ky_erfc(ky_tape *t, ky_var x);

/* ln |Gamma(x)|, infinite at 0, -1, -2, ...; ga = g digamma(x). */
KY_API ky_var ky_lgamma(ky_tape *t, ky_var x);

/* Derivative of lgamma; at 0 infinite with the sign of -x, NaN at -1, -2, ...;
 * ga = g trigamma(x). Near its zeros (1.4616..., -0.504..., ...) the error is a few roundings
 * of 1, not of r. */
KY_API ky_var ky_digamma(ky_tape *t, ky_var x);

/* Second derivative of lgamma, infinite at 0, -1, -2, ...; ga = g times the third one. */
KY_API ky_var ky_trigamma(ky_tape *t, ky_var x);

/* The next integer towards -infinity; ga = 0. */
KY_API ky_var ky_floor(ky_tape *t, ky_var x);

/* The next integer towards infinity; ga = 0. */
KY_API ky_var ky_ceil(ky_tape *t, ky_var x);

/* The nearest integer, the even one of two; ga = 0. */
KY_API ky_var ky_round(ky_tape *t, ky_var x);

/* The next integer towards 0; ga = 0. */
KY_API ky_var ky_trunc(ky_tape *t, ky_var x);

/* ln sigmoid(x), without overflow; ga = g sigmoid(-x). */
KY_API ky_var ky_logsigmoid(ky_tape *t, ky_var x);

/* Whether x is neither NaN nor infinite, as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_isfinite(ky_tape *t, ky_var x);

/* ---- Activations: x [...] -> [...] ------------------------------------------------------- */

/* x where x > 0, else slope x; ga = g where x > 0, else slope g (slope g at 0). */
KY_API ky_var ky_leaky_relu(ky_tape *t, ky_var x, double slope);

/* x where x > 0, else alpha (e^x - 1); ga = g where x > 0, else g alpha e^x (g alpha at 0).
 * Source: Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by
 * Exponential Linear Units". */
KY_API ky_var ky_elu(ky_tape *t, ky_var x, double alpha);

/* 1.0507... x where x > 0, else 1.0507... 1.6732... (e^x - 1); ga as for ky_elu, times
 * 1.0507... . Source: Klambauer et al., "Self-Normalizing Neural Networks". */
KY_API ky_var ky_selu(ky_tape *t, ky_var x);

/* x Phi(x), Phi the standard normal distribution, by erfc: accurate for large negative x;
 * ga = g (Phi(x) + x Phi'(x)). NaN at -infinity. Source: Hendrycks, Gimpel, "Gaussian Error
 * Linear Units (GELUs)". */
KY_API ky_var ky_gelu(ky_tape *t, ky_var x);

/* ky_gelu's tanh form: x (1 + tanh u) / 2, u = (2/pi)^(1/2) (x + 0.044715 x^3); ga = g r'(x).
 * NaN at -infinity. */
KY_API ky_var ky_gelu_tanh(ky_tape *t, ky_var x);

/* x y, y = sigmoid(x); ga = g y (1 + x (1 - y)). NaN at -infinity. */
KY_API ky_var ky_silu(ky_tape *t, ky_var x);

/* x tanh(softplus(x)), without overflow; ga = g r'(x). NaN at -infinity. Source: Misra, "Mish:
 * A Self Regularized Non-Monotonic Activation Function". */
KY_API ky_var ky_mish(ky_tape *t, ky_var x);

/* (x + 3) / 6 held in 0..1; ga = g / 6 where -3 < x < 3, else 0. */
KY_API ky_var ky_hardsigmoid(ky_tape *t, ky_var x);

/* x hardsigmoid(x); ga = 0 for x < -3, g for x >= 3, else g (x / 3 + 1/2): -g/2 at -3, as in
 * PyTorch. NaN at -infinity. */
KY_API ky_var ky_hardswish(ky_tape *t, ky_var x);

/* min(max(x, lo), hi); ga = g where lo < x < hi, else 0: unlike ky_clamp also 0 at lo and hi.
 * NaN stays NaN, and gets 0. */
KY_API ky_var ky_hardtanh(ky_tape *t, ky_var x, double lo, double hi);

/* x / (1 + |x|); ga = g / (1 + |x|)^2. NaN at both infinities. */
KY_API ky_var ky_softsign(ky_tape *t, ky_var x);

/* ---- Binary and ternary, elementwise with broadcasting ----------------------------------- */

/* Angle of the point (b, a) in -pi..pi, as C's atan2; ga = g b / (a^2 + b^2),
 * gb = -g a / (a^2 + b^2), NaN at the origin. */
KY_API ky_var ky_atan2(ky_tape *t, ky_var a, ky_var b);

/* (a^2 + b^2)^(1/2), without overflow; ga = g a / r, gb = g b / r, NaN at the origin. */
KY_API ky_var ky_hypot(ky_tape *t, ky_var a, ky_var b);

/* Remainder a - b trunc(a/b), with the sign of a; NaN for b = 0. ga = g, gb = -g trunc(a/b). */
KY_API ky_var ky_fmod(ky_tape *t, ky_var a, ky_var b);

/* |a| with the sign of b, also of a zero; ga = g, or -g where the sign changed, 0 for a = 0;
 * gb = 0. */
KY_API ky_var ky_copysign(ky_tape *t, ky_var a, ky_var b);

/* ln(e^a + e^b), without overflow; ga = g sigmoid(a - b), gb = g sigmoid(b - a), g/2 each where
 * a = b, also if infinite. */
KY_API ky_var ky_logaddexp(ky_tape *t, ky_var a, ky_var b);

/* a b + c, rounded once; ga = g b, gb = g a, gc = g. */
KY_API ky_var ky_fma(ky_tape *t, ky_var a, ky_var b, ky_var c);

/* From a (w = 0) to b (w = 1), exact at both: a + w (b - a);
 * ga = g (1 - w), gb = g w, gw = g (b - a). */
KY_API ky_var ky_lerp(ky_tape *t, ky_var a, ky_var b, ky_var w);

/* ---- Masks and dtypes -------------------------------------------------------------------- */

/* 1 where both masks are, broadcast. No gradient passes. Errors: BAD_DTYPE (not masks). */
KY_API ky_var ky_logical_and(ky_tape *t, ky_var a, ky_var b);

/* 1 where one of two masks is, broadcast. No gradient passes. Errors: BAD_DTYPE (not masks). */
KY_API ky_var ky_logical_or(ky_tape *t, ky_var a, ky_var b);

/* 1 where the mask is 0. No gradient passes. Errors: BAD_DTYPE (not a mask). */
KY_API ky_var ky_logical_not(ky_tape *t, ky_var a);

/* x in another dtype, from any to any. To an integer: towards zero; NaN becomes 0, what is out
 * of range the nearest there is; i64 to i32 keeps the low bits. To a mask: 1 where x is not 0
 * (NaN is not). Between f32 and f64 ga = g, rounded; no gradient passes to or from another
 * dtype. Errors: BAD_DTYPE (unknown). */
KY_API ky_var ky_cast(ky_tape *t, ky_var x, ky_dtype dtype);

/* ---- Source lines ---------------------------------------------------------------------- */

#ifndef KY_NO_SITES
  #define ky_asin(t, ...)        ky_asin(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_acos(t, ...)        ky_acos(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_atan(t, ...)        ky_atan(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sinh(t, ...)        ky_sinh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cosh(t, ...)        ky_cosh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_asinh(t, ...)       ky_asinh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_acosh(t, ...)       ky_acosh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_atanh(t, ...)       ky_atanh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_tan(t, ...)         ky_tan(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_exp2(t, ...)        ky_exp2(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_log2(t, ...)        ky_log2(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_log10(t, ...)       ky_log10(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_erf(t, ...)         ky_erf(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_erfc(t, ...)        ky_erfc(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lgamma(t, ...)      ky_lgamma(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_digamma(t, ...)     ky_digamma(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_trigamma(t, ...)    ky_trigamma(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_floor(t, ...)       ky_floor(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ceil(t, ...)        ky_ceil(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_round(t, ...)       ky_round(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_trunc(t, ...)       ky_trunc(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logsigmoid(t, ...)  ky_logsigmoid(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_isfinite(t, ...)    ky_isfinite(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_leaky_relu(t, ...)  ky_leaky_relu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_elu(t, ...)         ky_elu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_selu(t, ...)        ky_selu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gelu(t, ...)        ky_gelu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gelu_tanh(t, ...)   ky_gelu_tanh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_silu(t, ...)        ky_silu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mish(t, ...)        ky_mish(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_hardsigmoid(t, ...) ky_hardsigmoid(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_hardswish(t, ...)   ky_hardswish(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_hardtanh(t, ...)    ky_hardtanh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_softsign(t, ...)    ky_softsign(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_atan2(t, ...)       ky_atan2(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_hypot(t, ...)       ky_hypot(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_fmod(t, ...)        ky_fmod(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_copysign(t, ...)    ky_copysign(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logaddexp(t, ...)   ky_logaddexp(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_fma(t, ...)         ky_fma(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lerp(t, ...)        ky_lerp(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logical_and(t, ...) ky_logical_and(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logical_or(t, ...)  ky_logical_or(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logical_not(t, ...) ky_logical_not(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cast(t, ...)        ky_cast(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
