/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: losses. What ops.h says about dtypes, errors and source
 * lines holds here.
 *
 *   shapes     of ky_l1 to ky_hinge and of ky_gaussian_nll: operands broadcast against each
 *              other, else BAD_SHAPE; of all others: what is said there.
 *   reduction  makes one number of the losses, or keeps them; BAD_ARGUMENT: it is unknown.
 *   options    null is all zero; read during the call; BAD_ARGUMENT: their size is not set.
 *   recorded   ky_nll and ky_cross_entropy_with have opcodes; the others record instructions of
 *              other functions, whose adjoints are theirs. */
#ifndef KYTAPE_OPS_LOSSES_H
#define KYTAPE_OPS_LOSSES_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Minus the log probability of each row's class: -x[label], along the last axis.
 *   log_p [...,c], labels [...] i32 or i64 -> [...], or [] when reduced
 *   ga = -g at the label, 0 elsewhere
 * Errors: BAD_SHAPE, BAD_DTYPE; in both sweeps BAD_INDEX (a label is not in 0..c-1). */
KY_API ky_var ky_nll(ky_tape *t, ky_var log_p, ky_var labels, ky_reduction reduction);

/* What losses with class labels can be told. Set `size` to sizeof(ky_class_options). */
typedef struct ky_class_options {
  size_t size;
  ky_reduction reduction;
  ky_var weights; /* [c], of the dtype of the rows; ky_none(): every class weighs 1 */
  int ignore;     /* 1: rows with the label ignore_label do not count: loss and gradient 0 */
  int64_t ignore_label; /* need not be a class; PyTorch's is -100 */
  double smoothing;     /* 0 to 1: how much of each label all classes share */
} ky_class_options;

/* ky_cross_entropy with weights w, smoothing s and a label to ignore, as in PyTorch.
 *   (1 - s) w[y] h[y] + s / c sum w h, h = logsumexp(x) - x, y the row's label
 *   logits [...,c], labels [...] i32 or i64 -> [...], or [] when reduced
 *   gx = g ((1 - s) w[y] (p - onehot(y)) + s / c (p sum w - w)), p = softmax(x)
 * The weights get their gradient. The mean is the sum divided by the sum of w[y] over the rows
 * that count (0 / 0 is NaN). One walk, with two numbers a row kept for the adjoint; options
 * that say no more than a reduction record ky_cross_entropy. Errors: BAD_SHAPE, BAD_DTYPE,
 * BAD_ARGUMENT (smoothing); in both sweeps BAD_INDEX (a label is neither in 0..c-1 nor
 * ignored). */
KY_API ky_var ky_cross_entropy_with(ky_tape *t, ky_var logits, ky_var labels,
                                    const ky_class_options *options);

/* Softmax cross entropy with probabilities q as targets, along the last axis.
 *   - sum w q' ln softmax(x), q' = (1 - s) q + s / c
 *   logits and targets [...,c] -> [...], or [] when reduced; the mean is over rows
 * Both operands get gradients. options: as above, without an ignored label. Errors: BAD_SHAPE
 * (shapes differ, rank 0, weights are not [c]), BAD_DTYPE, BAD_ARGUMENT (smoothing, ignore). */
KY_API ky_var ky_cross_entropy_soft(ky_tape *t, ky_var logits, ky_var targets,
                                    const ky_class_options *options);

/* ky_nll with weights and a label to ignore: -w[y] x[y], and a mean as in
 * ky_cross_entropy_with; shapes as of ky_nll. Errors: those of ky_nll, BAD_SHAPE (weights are
 * not [c]), BAD_ARGUMENT (smoothing is not 0); in both sweeps BAD_INDEX (a label is neither in
 * 0..c-1 nor ignored). */
KY_API ky_var ky_nll_with(ky_tape *t, ky_var log_p, ky_var labels,
                          const ky_class_options *options);

/* |a - b|; ga = g sign(a - b), 0 at 0; gb = -ga. */
KY_API ky_var ky_l1(ky_tape *t, ky_var a, ky_var b, ky_reduction reduction);

/* With d = |a - b|: d^2 / (2 beta) where d < beta, else d - beta / 2;
 * ga = g clamp((a - b) / beta, -1, 1), gb = -ga. beta 0 is ky_l1.
 * Errors: BAD_ARGUMENT (beta is negative or not finite). */
KY_API ky_var ky_smooth_l1(ky_tape *t, ky_var a, ky_var b, double beta, ky_reduction reduction);

/* With d = |a - b|: d^2 / 2 where d < delta, else delta (d - delta / 2);
 * ga = g clamp(a - b, -delta, delta), gb = -ga.
 * Errors: BAD_ARGUMENT (delta is not positive or not finite). */
KY_API ky_var ky_huber(ky_tape *t, ky_var a, ky_var b, double delta, ky_reduction reduction);

/* Kullback-Leibler divergence, elementwise, of log probabilities log_q and probabilities p:
 * p (ln p - log_q), 0 where p is 0 (as in PyTorch NaN where log_q is -infinity there).
 * glog_q = -g p; gp = g (ln p + 1 - log_q), where p is 0: -g log_q.
 * KY_REDUCE_MEAN divides by the number of elements; for the divergence of distributions that
 * are rows, divide a KY_REDUCE_SUM by the number of rows (PyTorch's "batchmean"). */
KY_API ky_var ky_kl_div(ky_tape *t, ky_var log_q, ky_var p, ky_reduction reduction);

/* ky_kl_div with log probabilities on both sides: e^log_p (log_p - log_q). */
KY_API ky_var ky_kl_div_log(ky_tape *t, ky_var log_q, ky_var log_p, ky_reduction reduction);

/* Hinge loss max(0, 1 - x y) of scores x and classes y = -1 or 1;
 * gx = -g y where it is positive, else 0. */
KY_API ky_var ky_hinge(ky_tape *t, ky_var x, ky_var y, ky_reduction reduction);

/* Cosine of the angle between vectors along an axis: sum a b / (max(|a|, eps) max(|b|, eps)).
 *   a and b of one shape -> that without the axis; nothing broadcasts
 * eps: positive, 1e-8 in PyTorch. A zero vector gets a finite gradient. Errors: BAD_SHAPE
 * (shapes differ, rank 0), BAD_AXIS, BAD_ARGUMENT (eps). */
KY_API ky_var ky_cosine_similarity(ky_tape *t, ky_var a, ky_var b, int64_t axis, double eps);

/* With c the cosine along the last axis (eps 1e-8): 1 - c where y > 0, else max(0, c - margin).
 *   a and b [...,n], of one shape, y [...] -> [...], or [] when reduced
 * y broadcasts against the cosines. Errors: BAD_SHAPE (shapes differ, rank 0, y). */
KY_API ky_var ky_cosine_embedding(ky_tape *t, ky_var a, ky_var b, ky_var y, double margin,
                                  ky_reduction reduction);

/* Triplet margin loss max(0, d(anchor, positive) - d(anchor, negative) + margin), where
 * d(u, v) = |u - v + 1e-6|, the 2-norm along the last axis, as in PyTorch.
 *   all [...,n], of one shape -> [...], or [] when reduced
 * Errors: BAD_SHAPE (shapes differ, rank 0). */
KY_API ky_var ky_triplet(ky_tape *t, ky_var anchor, ky_var positive, ky_var negative,
                         double margin, ky_reduction reduction);

/* Negative log likelihood of y under normal distributions, without the constant ln(2 pi) / 2.
 *   (ln v + (mean - y)^2 / v) / 2, v = max(variance, eps); gmean = g (mean - y) / v
 * variance [...,1] broadcasts as well; no gradient passes to a variance below eps. Errors:
 * BAD_ARGUMENT (eps is not positive). */
KY_API ky_var ky_gaussian_nll(ky_tape *t, ky_var mean, ky_var y, ky_var variance, double eps,
                              ky_reduction reduction);

#ifndef KY_NO_SITES
  #define ky_cross_entropy_with(t, ...)                                                        \
    ky_cross_entropy_with(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cross_entropy_soft(t, ...)                                                        \
    ky_cross_entropy_soft(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_nll_with(t, ...)     ky_nll_with(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_nll(t, ...)          ky_nll(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_l1(t, ...)           ky_l1(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_smooth_l1(t, ...)    ky_smooth_l1(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_huber(t, ...)        ky_huber(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_kl_div(t, ...)       ky_kl_div(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_kl_div_log(t, ...)   ky_kl_div_log(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_hinge(t, ...)        ky_hinge(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_triplet(t, ...)      ky_triplet(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gaussian_nll(t, ...) ky_gaussian_nll(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cosine_similarity(t, ...)                                                         \
    ky_cosine_similarity(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_cosine_embedding(t, ...)                                                          \
    ky_cosine_embedding(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
