/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: random numbers, counter-based. Nothing is stored: a
 * number is a function of the tape's seed and draw (see ky_tape_seed), of which random
 * operation it is on the tape, and of its place; so it does not depend on the order in which
 * things run, nor on whether they run compiled. Operations that are written twice are
 * independent. What ops.h says about dtypes, errors and source lines holds here. No gradient
 * passes into what is drawn.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011),
 * Philox4x32-10. Not for cryptography. */
#ifndef KYTAPE_OPS_RANDOM_H
#define KYTAPE_OPS_RANDOM_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers uniform in [lo, hi), never hi itself, from 24 random bits (f32) or 53 (f64). -> dims.
 * The same bits on every machine. Errors: BAD_DTYPE (not f32 or f64), BAD_ARGUMENT (lo < hi
 * does not hold, or one is not finite, or their distance), BAD_SHAPE. */
KY_API ky_var ky_uniform(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double lo,
                         double hi);

/* Numbers of the normal distribution, by Box and Muller's transform: at most 5.8 (f32) or 8.6
 * (f64) deviations from the mean. -> dims. The last bits depend on the processor's instruction
 * set. Differentiable parameters: mean + deviation * ky_normal(t, ..., 0, 1). Errors: BAD_DTYPE
 * (not f32 or f64), BAD_ARGUMENT (not finite, or deviation is negative), BAD_SHAPE. */
KY_API ky_var ky_normal(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double mean,
                        double deviation);

/* 1 with probability p (a multiple of 2^-32, p is rounded to it), else 0. -> dims. The same on
 * every machine and in every dtype. With probabilities of one's own for each element: ky_lt of
 * a ky_uniform and them. Errors: BAD_DTYPE (not f32, f64 or mask), BAD_ARGUMENT (p is not in
 * 0..1), BAD_SHAPE. */
KY_API ky_var ky_bernoulli(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double p);

/* x m, where each m is 0 with probability p, else 1 / (1 - p), so that the mean stays; for p =
 * 1 all are 0. x [...] -> the same. ga = g m, with m drawn again in the reverse sweep. For
 * training: in inference, leave it out. An infinity or NaN that is dropped gives NaN, as in
 * PyTorch. Errors: BAD_ARGUMENT (p is not in 0..1). Source: Srivastava et al., "Dropout". */
KY_API ky_var ky_dropout(ky_tape *t, ky_var x, double p);

#ifndef KY_NO_SITES
  #define ky_uniform(t, ...)   ky_uniform(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_normal(t, ...)    ky_normal(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_bernoulli(t, ...) ky_bernoulli(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_dropout(t, ...)   ky_dropout(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
