/* SPDX-License-Identifier: MIT */
/* Reductions that are more than a sum: products, variances, norms, log-sum-exp, and the
 * quantifiers of masks. Kernels are indexed by dtype: KY_F32, KY_F64. What is added or
 * multiplied up is formed in double, in an order that depends on sizes and strides alone. */
#ifndef KY_STATISTIC_H
#define KY_STATISTIC_H

#include "kernels/reduce.h"

/* One reduction. The adjoint's plan is ky__plan_share's; r, mean and g lie alike. */
typedef struct ky_statistic {
  const ky_reduce_plan *plan;
  const void *x;
  void *r;
  void *mean;     /* variance, std: of each result's elements */
  double n;       /* variance, std: elements that become one */
  double divisor; /* variance, std: n - correction, at least 0 */
  void *gx;       /* adjoint: gx = beta gx + what x gets; null in the forward kernels */
  int beta;
  const void *g;
} ky_statistic;

typedef void ky_statistic_fn(const ky_statistic *s);

/* out = whether all (any) elements of each set are set; all of none are, any of none is not. */
typedef void ky_quantify(const ky_reduce_plan *plan, uint8_t *out, const uint8_t *in, bool all);

typedef struct ky_statistic_kernels {
  ky_statistic_fn *prod[2], *pull_prod[2]; /* the adjoint is exact with zeros */
  ky_statistic_fn *variance[2], *pull_variance[2];
  ky_statistic_fn *std[2], *pull_std[2];
  ky_statistic_fn *norm[3][2], *pull_norm[3][2]; /* of orders 1, 2, infinite */
  ky_statistic_fn *logsumexp[2], *pull_logsumexp[2];
  ky_quantify *quantify;
} ky_statistic_kernels;

#define X(level, supported) extern const ky_statistic_kernels ky__statistic_##level;
KY_LEVELS(X)
#undef X

#endif
