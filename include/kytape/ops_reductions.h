/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: reductions that are more than a sum, and running sums.
 * What ops.h says about dtypes, axes, errors and source lines holds here. */
#ifndef KYTAPE_OPS_REDUCTIONS_H
#define KYTAPE_OPS_REDUCTIONS_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Product over axes; 1 where there is nothing to multiply. ga = g times the product of the
 * others, also where elements are 0. Errors: BAD_AXIS. */
KY_API ky_var ky_prod(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_prod over all axes -> []. */
KY_API ky_var ky_prod_all(ky_tape *t, ky_var x);

/* Mean square distance to the mean over axes of n elements.
 *   r = sum (x - mean)^2 / (n - correction), NaN where n - correction is 0 or less
 *   ga = 2 g (x - mean) / (n - correction)
 * correction: 1 for an estimate from a sample (PyTorch's default), 0 for the biased variance.
 * Errors: BAD_AXIS, BAD_ARGUMENT (another correction). */
KY_API ky_var ky_variance(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim,
                          int correction);

/* ky_variance over all axes -> []. */
KY_API ky_var ky_variance_all(ky_tape *t, ky_var x, int correction);

/* Square root of ky_variance. ga = g (x - mean) / ((n - correction) r), 0 where r is 0. Errors:
 * those of ky_variance. */
KY_API ky_var ky_std(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim,
                     int correction);

/* ky_std over all axes -> []. */
KY_API ky_var ky_std_all(ky_tape *t, ky_var x, int correction);

/* Orders of ky_norm. */
enum {
  KY_NORM_1 = 1,   /* sum |x| */
  KY_NORM_2 = 2,   /* (sum x^2)^(1/2) */
  KY_NORM_INF = 3, /* max |x| */
};

/* Norm over axes; 0 of nothing. NaN comes through. ga:
 *   KY_NORM_1     g sign(x)
 *   KY_NORM_2     g x / r, 0 where r is 0
 *   KY_NORM_INF   g sign(x) / ties where |x| = r
 * Errors: BAD_AXIS, BAD_ARGUMENT (unknown order). */
KY_API ky_var ky_norm(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim,
                      int order);

/* ky_norm over all axes -> []. */
KY_API ky_var ky_norm_all(ky_tape *t, ky_var x, int order);

/* ln sum e^x over axes, without overflow; -inf of nothing. ga = g e^(x - r).
 * Errors: BAD_AXIS. */
KY_API ky_var ky_logsumexp(ky_tape *t, ky_var x, int count, const int64_t *axes, int keepdim);

/* ky_logsumexp over all axes -> []. */
KY_API ky_var ky_logsumexp_all(ky_tape *t, ky_var x);

/* Whether a mask has a 1 over axes, as a mask; 0 of nothing. No gradient passes. Errors:
 * BAD_DTYPE (not a mask), BAD_AXIS. */
KY_API ky_var ky_any(ky_tape *t, ky_var mask, int count, const int64_t *axes, int keepdim);

/* ky_any over all axes -> []. */
KY_API ky_var ky_any_all(ky_tape *t, ky_var mask);

/* Whether a mask has no 0 over axes, as a mask; 1 of nothing. No gradient passes. Errors:
 * BAD_DTYPE (not a mask), BAD_AXIS. */
KY_API ky_var ky_all(ky_tape *t, ky_var mask, int count, const int64_t *axes, int keepdim);

/* ky_all over all axes -> []. */
KY_API ky_var ky_all_all(ky_tape *t, ky_var mask);

/* Sums up to and with each element along an axis: r[i] = x[0] + ... + x[i]. x [...] -> [...].
 * ga[i] = g[i] + g[i+1] + .... Errors: BAD_AXIS. */
KY_API ky_var ky_cumsum(ky_tape *t, ky_var x, int64_t axis);

/* Products up to and with each element along an axis: r[i] = x[0] ... x[i]. x [...] -> [...].
 * ga[i] = sum over k >= i of g[k] times the product of x[0], ..., x[k] without x[i], also where
 * elements are 0. Errors: BAD_AXIS. */
KY_API ky_var ky_cumprod(ky_tape *t, ky_var x, int64_t axis);

#ifndef KY_NO_SITES
  #define ky_prod(t, ...)          ky_prod(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_prod_all(t, ...)      ky_prod_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_variance(t, ...)      ky_variance(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_variance_all(t, ...)  ky_variance_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_std_all(t, ...)       ky_std_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_norm_all(t, ...)      ky_norm_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_std(t, ...)           ky_std(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_norm(t, ...)          ky_norm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logsumexp(t, ...)     ky_logsumexp(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_logsumexp_all(t, ...) ky_logsumexp_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_any(t, ...)           ky_any(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_any_all(t, ...)       ky_any_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_all(t, ...)           ky_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_all_all(t, ...)       ky_all_all(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cumsum(t, ...)        ky_cumsum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cumprod(t, ...)       ky_cumprod(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
