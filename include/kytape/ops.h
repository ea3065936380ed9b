/* SPDX-License-Identifier: MIT */
/* The recording functions: each appends the instructions it needs to a tape and returns its
 * result. Many have an opcode and append one instruction; others are compositions and append
 * several, or none: then the result is the operand itself, as with ky_roll by 0. Nothing runs
 * until a sweep or a read, but on a tape with KY_EAGER.
 *
 * Common to all of them:
 *   dtypes     f32 and f64 unless said otherwise; operands of one operation have one dtype.
 *   shapes     "x [m,k]" names extents; elementwise operations broadcast by NumPy's rule
 *              (aligned at the last axis, an extent of 1 stretches). Negative axes count from
 *              the end.
 *   ownership  vars belong to the tape; arrays passed in are borrowed only where that is said.
 *   errors     the null var, and the tape is as it was: BAD_VAR (an operand is null, of another
 *              tape or rewound), BAD_DTYPE, BAD_SHAPE, BAD_AXIS, BAD_ARGUMENT, NO_MEMORY. The
 *              first one stays pending in the tape with the source line and the shapes, until
 *              ky_tape_check; while one is pending nothing is recorded, and all of them give
 *              the null var. So does a null tape.
 *   source     the macros at the end pass __FILE__ and __LINE__ along; (ky_add)(t, a, b), or
 *              KY_NO_SITES defined before the include, calls the function alone. It records
 *              with the line that was noted last, by a macro or ky_at: bindings and overloaded
 *              operators call ky_at first, and ky_at(t, NULL, 0) for no line.
 *
 * In formulas r is the result, g its adjoint, ga what operand a's adjoint gets. */
#ifndef KYTAPE_OPS_H
#define KYTAPE_OPS_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "No value": for an optional operand. */
static inline ky_var ky_none(void) {
  ky_var none = {0, 0, 0};
  return none;
}

/* ---- Leaves ---------------------------------------------------------------------------- */

/* A host array, dense and row-major, of any dtype. Not differentiated unless ky_watch asks for
 * it. One of bf16 or f16 is an f32 value: each forward sweep converts it, exactly.
 * data: borrowed; read by each forward sweep, and by the reverse sweep that belongs to it,
 * until the value is rewound, the tape freed, or ky_input_set names another array: what is
 * there may change between steps, not between the two sweeps of one. NULL: there is none yet,
 * and sweeps fail with BAD_ARGUMENT until ky_input_set, or ky_exec_input, has named some.
 * Errors: BAD_SHAPE, BAD_DTYPE. */
KY_API ky_var ky_input(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims,
                       const void *data);

/* Lets `input` read `data` from now on, with the same shape and dtype. What was recorded from
 * `input` on is pending again; call ky_forward to replay the whole tape. Executions of programs
 * have inputs of their own: see ky_exec_input.
 * Errors: BAD_VAR, BAD_ARGUMENT (not an input, or data is null), or a pending error. */
KY_API ky_status ky_input_set(ky_tape *t, ky_var input, const void *data);

/* A weight: differentiated. The same tensor recorded twice is the same var, with one gradient.
 * A weight of bf16 or f16 is an f32 value, as with ky_input, and its gradient is f32.
 * weight: borrowed until the value is rewound or the tape freed.
 * Errors: BAD_ARGUMENT (null). */
KY_API ky_var ky_param(ky_tape *t, ky_tensor *weight);

/* A copy of `data` (dense, row-major, any dtype) that the tape keeps. Not differentiated. */
KY_API ky_var ky_constant(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims,
                          const void *data);

/* `value` everywhere, any dtype. Errors: BAD_ARGUMENT (an integer dtype cannot hold it). */
KY_API ky_var ky_full(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double value);

/* ky_full of rank 0. */
KY_API ky_var ky_scalar(ky_tape *t, ky_dtype dtype, double value);

/* r[i] = start + i -> [count], any dtype. Errors: BAD_ARGUMENT (an integer dtype cannot hold
 * it), BAD_SHAPE (count is negative). */
KY_API ky_var ky_iota(ky_tape *t, ky_dtype dtype, int64_t count, double start);

/* ---- Unary, elementwise: x [...] -> [...] ------------------------------------------------ */

/* -x; ga = -g. */
KY_API ky_var ky_neg(ky_tape *t, ky_var x);

/* |x|; ga = g sign(x), 0 at 0. */
KY_API ky_var ky_abs(ky_tape *t, ky_var x);

/* -1, 0 or 1; ga = 0. */
KY_API ky_var ky_sign(ky_tape *t, ky_var x);

/* x^2; ga = 2 g x. */
KY_API ky_var ky_square(ky_tape *t, ky_var x);

/* x^(1/2), NaN below 0; ga = g / 2r. */
KY_API ky_var ky_sqrt(ky_tape *t, ky_var x);

/* x^(-1/2); ga = -g r^3 / 2. */
KY_API ky_var ky_rsqrt(ky_tape *t, ky_var x);

/* 1 / x; ga = -g r^2. */
KY_API ky_var ky_recip(ky_tape *t, ky_var x);

/* e^x; ga = g r. */
KY_API ky_var ky_exp(ky_tape *t, ky_var x);

/* Natural logarithm, NaN below 0; ga = g / x. */
KY_API ky_var ky_log(ky_tape *t, ky_var x);

/* ln(1 + x), accurate near 0; ga = g / (1 + x). */
KY_API ky_var ky_log1p(ky_tape *t, ky_var x);

/* e^x - 1, accurate near 0; ga = g (r + 1). */
KY_API ky_var ky_expm1(ky_tape *t, ky_var x);

/* Sine of x in radians; ga = g cos x. */
KY_API ky_var ky_sin(ky_tape *t, ky_var x);

/* Cosine of x in radians; ga = -g sin x. */
KY_API ky_var ky_cos(ky_tape *t, ky_var x);

/* Hyperbolic tangent; ga = g (1 - r^2). */
KY_API ky_var ky_tanh(ky_tape *t, ky_var x);

/* 1 / (1 + e^-x), without overflow at either end; ga = g r (1 - r). */
KY_API ky_var ky_sigmoid(ky_tape *t, ky_var x);

/* max(x, 0); ga = 0 where r <= 0 (0 at 0), else g. */
KY_API ky_var ky_relu(ky_tape *t, ky_var x);

/* ln(1 + e^x), without overflow; ga = g sigmoid(x). */
KY_API ky_var ky_softplus(ky_tape *t, ky_var x);

/* min(max(x, lo), hi); ga = g where lo <= x <= hi, else 0. NaN stays NaN. */
KY_API ky_var ky_clamp(ky_tape *t, ky_var x, double lo, double hi);

/* ---- With a scalar: x [...] -> [...]; s is rounded to the dtype of x --------------------- */

/* Integers are compared with s as f64, in which they are exact up to 2^53. */

/* x + s; ga = g. */
KY_API ky_var ky_add_scalar(ky_tape *t, ky_var x, double s);

/* x s; ga = g s. */
KY_API ky_var ky_mul_scalar(ky_tape *t, ky_var x, double s);

/* x / s; ga = g / s. */
KY_API ky_var ky_div_scalar(ky_tape *t, ky_var x, double s);

/* s - x; ga = -g. */
KY_API ky_var ky_rsub_scalar(ky_tape *t, ky_var x, double s);

/* s / x; ga = -g s / x^2. */
KY_API ky_var ky_rdiv_scalar(ky_tape *t, ky_var x, double s);

/* x^s; ga = g s x^(s-1), 0 for s = 0. */
KY_API ky_var ky_pow_scalar(ky_tape *t, ky_var x, double s);

/* max(x, s); ga = g where x > s or x is NaN, g/2 where x = s, else 0. */
KY_API ky_var ky_maximum_scalar(ky_tape *t, ky_var x, double s);

/* min(x, s); ga = g where x < s or x is NaN, g/2 where x = s, else 0. */
KY_API ky_var ky_minimum_scalar(ky_tape *t, ky_var x, double s);

/* x < s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_lt_scalar(ky_tape *t, ky_var x, double s);

/* x <= s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_le_scalar(ky_tape *t, ky_var x, double s);

/* x == s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_eq_scalar(ky_tape *t, ky_var x, double s);

/* x != s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_ne_scalar(ky_tape *t, ky_var x, double s);

/* x > s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_gt_scalar(ky_tape *t, ky_var x, double s);

/* x >= s as a mask; x of any dtype. No gradient passes. */
KY_API ky_var ky_ge_scalar(ky_tape *t, ky_var x, double s);

/* ---- Binary, elementwise with broadcasting ----------------------------------------------- */

/* a + b; ga = g, gb = g. */
KY_API ky_var ky_add(ky_tape *t, ky_var a, ky_var b);

/* a - b; ga = g, gb = -g. */
KY_API ky_var ky_sub(ky_tape *t, ky_var a, ky_var b);

/* a b; ga = g b, gb = g a. */
KY_API ky_var ky_mul(ky_tape *t, ky_var a, ky_var b);

/* a / b; ga = g / b, gb = -g r / b. */
KY_API ky_var ky_div(ky_tape *t, ky_var a, ky_var b);

/* a^b; ga = g b a^(b-1), 0 for b = 0; gb = g r ln a, 0 for a = 0 and b >= 0. */
KY_API ky_var ky_pow(ky_tape *t, ky_var a, ky_var b);

/* The larger; it gets g, both get g/2 on a tie. NaN wins, and both get g then. */
KY_API ky_var ky_maximum(ky_tape *t, ky_var a, ky_var b);

/* The smaller; it gets g, both get g/2 on a tie. NaN wins, and both get g then. */
KY_API ky_var ky_minimum(ky_tape *t, ky_var a, ky_var b);

/* a < b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_lt(ky_tape *t, ky_var a, ky_var b);

/* a <= b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_le(ky_tape *t, ky_var a, ky_var b);

/* a == b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_eq(ky_tape *t, ky_var a, ky_var b);

/* a != b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_ne(ky_tape *t, ky_var a, ky_var b);

/* a > b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_gt(ky_tape *t, ky_var a, ky_var b);

/* a >= b as a mask; a and b of any one dtype. No gradient passes. */
KY_API ky_var ky_ge(ky_tape *t, ky_var a, ky_var b);

/* b where the mask is 1, c where it is 0; b and c of any one dtype, all three broadcast.
 * gb = g where the mask is 1 and 0 elsewhere, gc the other way round.
 * Errors: BAD_DTYPE (the first operand is not a mask). */
KY_API ky_var ky_where(ky_tape *t, ky_var mask, ky_var b, ky_var c);

/* ---- Products ---------------------------------------------------------------------------- */

enum {
  KY_TRANS_A = 1, /* the last two axes of a are swapped */
  KY_TRANS_B = 2, /* those of b */
};

/* Matrix product r = a b over the last two axes; the leading (batch) axes broadcast.
 *   a [...,m,k], b [...,k,n] -> [...,m,n]
 *   ga = g b', gb = a' g
 * Errors: BAD_SHAPE (rank below 2, inner extents differ, batch axes do not broadcast). */
KY_API ky_var ky_matmul(ky_tape *t, ky_var a, ky_var b);

/* ky_matmul with transposed operands, without a copy: a is [...,k,m] under KY_TRANS_A, b is
 * [...,n,k] under KY_TRANS_B. Errors: those of ky_matmul, BAD_ARGUMENT (unknown flags). */
KY_API ky_var ky_matmul_trans(ky_tape *t, ky_var a, ky_var b, unsigned flags);

/* r = x w' + bias, as in PyTorch.
 *   x [...,in], w [out,in], bias [out] or ky_none() -> [...,out]
 *   gx = g w, gw = g' x, gbias = sum of g
 * Errors: BAD_SHAPE. */
KY_API ky_var ky_linear(ky_tape *t, ky_var x, ky_var w, ky_var bias);

/* ---- Reductions -------------------------------------------------------------------------- */

/* KY_AXES(0, 2) stands for (count, axes) like KY_SHAPE. A count of 0 reduces over all axes, and
 * so does the _all form. keepdim: 1 leaves reduced axes in place with extent 1. */
#define KY_AXES(...) KY_SHAPE(__VA_ARGS__)

/* Sum over axes; 0 where there is nothing to add. ga = g. Errors: BAD_AXIS (out of range or
 * repeated). */
KY_API ky_var ky_sum(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_sum over all axes -> []. */
KY_API ky_var ky_sum_all(ky_tape *t, ky_var x);

/* Mean over axes of n elements; NaN for n = 0. ga = g / n. Errors: BAD_AXIS. */
KY_API ky_var ky_mean(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_mean over all axes -> []. */
KY_API ky_var ky_mean_all(ky_tape *t, ky_var x);

/* Largest element over axes; NaN if there is one. Ties share: ga = g / ties where x = r.
 * Errors: BAD_AXIS, BAD_SHAPE (nothing to choose from). */
KY_API ky_var ky_max(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_max over all axes -> []. */
KY_API ky_var ky_max_all(ky_tape *t, ky_var x);

/* Smallest element over axes; NaN if there is one. Ties share: ga = g / ties where x = r.
 * Errors: BAD_AXIS, BAD_SHAPE (nothing to choose from). */
KY_API ky_var ky_min(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_min over all axes -> []. */
KY_API ky_var ky_min_all(ky_tape *t, ky_var x);

/* Index (i64) of the largest element along an axis, the first on a tie; a NaN counts as the
 * largest. x of any dtype. No gradient passes. Errors: BAD_AXIS, BAD_SHAPE (nothing to choose
 * from). */
KY_API ky_var ky_argmax(ky_tape *t, ky_var x, int64_t axis, int keepdim);

/* ---- Movement, for any dtype; views of the operand's memory where its strides allow ------ */

/* The same elements in row-major order in another shape; one extent may be -1, worked out from
 * the others. ga = g. Errors: BAD_SHAPE (another number of elements). */
KY_API ky_var ky_reshape(ky_tape *t, ky_var x, int rank, const int64_t *dims);

/* Axis k of the result is axis axes[k] of x. ga = g, permuted back. Errors: BAD_AXIS (rank is
 * not that of x; out of range or repeated). */
KY_API ky_var ky_permute(ky_tape *t, ky_var x, int rank, const int64_t *axes);

/* Elements start, start + step, ... before stop along one axis, with Python's meaning of
 * negative and too large positions; INT64_MAX is the end, INT64_MIN before the first (for
 * negative steps). A step of -1 flips. ga = g in the slice, 0 elsewhere. Errors: BAD_AXIS,
 * BAD_ARGUMENT (step is 0). */
KY_API ky_var ky_slice(ky_tape *t, ky_var x, int64_t axis, int64_t start, int64_t stop,
                       int64_t step);

/* x broadcast to dims; of rank 0 it is copied. ga = g summed over the new and stretched axes.
 * Errors: BAD_SHAPE. */
KY_API ky_var ky_expand(ky_tape *t, ky_var x, int rank, const int64_t *dims);

/* `count` operands one after the other along an axis; their other extents agree. Each operand's
 * adjoint is its part of g. vars: read during the call. Errors: BAD_AXIS, BAD_SHAPE,
 * BAD_ARGUMENT (none, or null). */
KY_API ky_var ky_concat(ky_tape *t, size_t count, const ky_var *vars, int64_t axis);

/* ---- Probabilities and losses ------------------------------------------------------------ */

/* What becomes of the elementwise losses. */
typedef enum ky_reduction {
  KY_REDUCE_NONE, /* kept, one each */
  KY_REDUCE_SUM,
  KY_REDUCE_MEAN, /* over all elements; NaN for none */
} ky_reduction;

/* e^x / sum e^x along an axis, without overflow. ga = r (g - sum g r). Errors: BAD_AXIS. */
KY_API ky_var ky_softmax(ky_tape *t, ky_var x, int64_t axis);

/* x - ln sum e^x along an axis, without overflow. ga = g - e^r sum g. Errors: BAD_AXIS. */
KY_API ky_var ky_log_softmax(ky_tape *t, ky_var x, int64_t axis);

/* Softmax cross entropy with class indices: logsumexp(x) - x[label], along the last axis.
 *   logits [...,c], labels [...] i32 or i64 -> [...], or [] when reduced
 *   ga = g (softmax(x) - onehot(label))
 * Errors: BAD_SHAPE, BAD_DTYPE; in the forward sweep BAD_INDEX (a label is not in 0..c-1). */
KY_API ky_var ky_cross_entropy(ky_tape *t, ky_var logits, ky_var labels,
                               ky_reduction reduction);

/* Binary cross entropy of probabilities: -y ln q - (1-y) ln(1-q), with q = p clipped to
 * [1e-7, 1 - 1e-7]: what lies outside has no gradient. For logits there is ky_bce_with_logits.
 *   p and y of one shape -> the same, or [] when reduced
 *   gp = g (q - y) / (q (1-q)) where p is not clipped, else 0; gy = g (ln(1-q) - ln q)
 * Errors: BAD_SHAPE. */
KY_API ky_var ky_bce(ky_tape *t, ky_var p, ky_var y, ky_reduction reduction);

/* Binary cross entropy of logits: max(x,0) - x y + ln(1 + e^-|x|), without overflow.
 *   x and y of one shape -> the same, or [] when reduced
 *   gx = g (sigmoid(x) - y), gy = -g x
 * Errors: BAD_SHAPE. */
KY_API ky_var ky_bce_with_logits(ky_tape *t, ky_var x, ky_var y, ky_reduction reduction);

/* Squared error (a - b)^2.
 *   a and b of one shape -> the same, or [] when reduced
 *   ga = 2 g (a - b), gb = -ga
 * Errors: BAD_SHAPE. */
KY_API ky_var ky_mse(ky_tape *t, ky_var a, ky_var b, ky_reduction reduction);

#include "ops_indexing.h"
#include "ops_movement.h"

/* ---- Source lines ---------------------------------------------------------------------- */

#ifndef KY_NO_SITES
  #define ky_input(t, ...)       ky_input(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_param(t, ...)       ky_param(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_constant(t, ...)    ky_constant(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_full(t, ...)        ky_full(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_scalar(t, ...)      ky_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_iota(t, ...)        ky_iota(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_neg(t, ...)         ky_neg(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_abs(t, ...)         ky_abs(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sign(t, ...)        ky_sign(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_square(t, ...)      ky_square(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sqrt(t, ...)        ky_sqrt(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rsqrt(t, ...)       ky_rsqrt(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_recip(t, ...)       ky_recip(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_exp(t, ...)         ky_exp(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_log(t, ...)         ky_log(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_log1p(t, ...)       ky_log1p(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_expm1(t, ...)       ky_expm1(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sin(t, ...)         ky_sin(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cos(t, ...)         ky_cos(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_tanh(t, ...)        ky_tanh(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sigmoid(t, ...)     ky_sigmoid(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_relu(t, ...)        ky_relu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_softplus(t, ...)    ky_softplus(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_clamp(t, ...)       ky_clamp(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_add_scalar(t, ...)  ky_add_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mul_scalar(t, ...)  ky_mul_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_div_scalar(t, ...)  ky_div_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rsub_scalar(t, ...) ky_rsub_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rdiv_scalar(t, ...) ky_rdiv_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_pow_scalar(t, ...)  ky_pow_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_maximum_scalar(t, ...)                                                            \
    ky_maximum_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_minimum_scalar(t, ...)                                                            \
    ky_minimum_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lt_scalar(t, ...)     ky_lt_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_le_scalar(t, ...)     ky_le_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_eq_scalar(t, ...)     ky_eq_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ne_scalar(t, ...)     ky_ne_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gt_scalar(t, ...)     ky_gt_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ge_scalar(t, ...)     ky_ge_scalar(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_add(t, ...)           ky_add(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sub(t, ...)           ky_sub(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mul(t, ...)           ky_mul(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_div(t, ...)           ky_div(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_pow(t, ...)           ky_pow(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_maximum(t, ...)       ky_maximum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_minimum(t, ...)       ky_minimum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lt(t, ...)            ky_lt(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_le(t, ...)            ky_le(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_eq(t, ...)            ky_eq(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ne(t, ...)            ky_ne(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gt(t, ...)            ky_gt(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ge(t, ...)            ky_ge(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_where(t, ...)         ky_where(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_matmul(t, ...)        ky_matmul(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_matmul_trans(t, ...)  ky_matmul_trans(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_linear(t, ...)        ky_linear(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sum(t, ...)           ky_sum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sum_all(t, ...)       ky_sum_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mean(t, ...)          ky_mean(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mean_all(t, ...)      ky_mean_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_max(t, ...)           ky_max(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_max_all(t, ...)       ky_max_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_min(t, ...)           ky_min(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_min_all(t, ...)       ky_min_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_argmax(t, ...)        ky_argmax(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_reshape(t, ...)       ky_reshape(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_permute(t, ...)       ky_permute(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_slice(t, ...)         ky_slice(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_expand(t, ...)        ky_expand(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_concat(t, ...)        ky_concat(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_softmax(t, ...)       ky_softmax(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_log_softmax(t, ...)   ky_log_softmax(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cross_entropy(t, ...) ky_cross_entropy(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_bce(t, ...)           ky_bce(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_bce_with_logits(t, ...)                                                           \
    ky_bce_with_logits(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_mse(t, ...) ky_mse(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif

/* Continued by families. */
#include "ops_convolution.h"
#include "ops_elementwise.h"
#include "ops_linear_algebra.h"
#include "ops_losses.h"
#include "ops_normalization.h"
#include "ops_random.h"
#include "ops_reductions.h"
#include "ops_sequence.h"
#endif
