/* SPDX-License-Identifier: MIT */
/* Reductions over any set of axes. Tables are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_REDUCE_H
#define KY_REDUCE_H

#include "tensor/layout.h"

/* A reduction as two loop nests: over what is kept (array 0 the result, 1 the input) and over
 * what is reduced for each of these (array 0 the input). */
typedef struct ky_reduce_plan {
  ky_loop kept;
  ky_loop reduced;
} ky_reduce_plan;

/* Plans the reduction of an array with layout `in`; out_strides are the result's strides in the
 * index space of `in`, 0 on the axes to reduce (an axis of extent 1 counts as kept). */
void ky__plan_reduction(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides);

/* The same with the input's adjoint, a dense array, as array 2 of kept and 1 of reduced. */
void ky__plan_share(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides);

/* out = beta out + scale * sum(in). Sums of floats are formed in double, blockwise. An empty
 * sum is 0. */
typedef void ky_sum(const ky_reduce_plan *plan, void *out, int beta, double scale,
                    const void *in);
extern ky_sum *const ky__sum[2];

/* out [n] = beta out + the sum of the rows of in [rows,n], both dense. */
typedef void ky_sum_rows(size_t rows, size_t n, void *out, int beta, const void *in);
extern ky_sum_rows *const ky__sum_rows[2];

/* out = sum(in) / n; NaN for n = 0. */
typedef void ky_mean(const ky_reduce_plan *plan, void *out, double n, const void *in);
extern ky_mean *const ky__mean[2];

/* ky__mean of one dense run of `count` elements: the same bits, no plan. */
typedef void ky_mean_run(size_t count, void *out, double n, const void *in);
extern ky_mean_run *const ky__mean_run[2];

/* gx[i] = beta gx[i] + g[i sg] / n, for one run: what a sum or mean gives back. */
typedef void ky_spread(size_t count, void *gx, int beta, const void *g, ptrdiff_t sg, double n);
extern ky_spread *const ky__spread[2];

/* out = the largest (smallest) element; NaN when there is one. Nothing to reduce must not
 * occur. */
typedef void ky_extremum(const ky_reduce_plan *plan, void *out, const void *in);
extern ky_extremum *const ky__max[2];
extern ky_extremum *const ky__min[2];

/* gx = beta gx + g / ties where x equals the extremum r, else + 0: what an extremum gives back.
 * A NaN equals nothing and passes nothing on. The plan is ky__plan_share's; g and r lie alike.
 */
typedef void ky_share(const ky_reduce_plan *plan, void *gx, int beta, const void *g,
                      const void *r, const void *x);
extern ky_share *const ky__share[2];

/* out = position of the first largest element along the reduced axis, which must not be empty;
 * a NaN counts as the largest. Any dtype of `in`. */
void ky__argmax(ky_dtype dtype, const ky_reduce_plan *plan, int64_t *out, const void *in);

#endif
