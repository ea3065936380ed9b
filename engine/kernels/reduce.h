/* SPDX-License-Identifier: MIT */
/* Reductions over any set of axes. Kernels are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_REDUCE_H
#define KY_REDUCE_H

#include "kernels/level.h"
#include "tensor/layout.h"

/* A reduction as two loop nests: over what is kept (array 0 the result, 1 the input) and over
 * what is reduced for each of these (array 0 the input). */
typedef struct ky_reduce_plan {
  ky_loop kept;
  ky_loop reduced;
  bool by_columns; /* rows are walked along the kept axis, which lies closer in memory; a part
                      of a plan keeps to it, as the bits of sums depend on it */
} ky_reduce_plan;

/* Kernels work on results that lie side by side in tiles, and on one left over in a way of its
 * own. A plan that is cut here, along its innermost kept axis, has the same tiles. */
#define KY_REDUCE_TILE 256

/* Plans the reduction of an array with layout `in`; out_strides are the result's strides in the
 * index space of `in`, 0 on the axes to reduce (an axis of extent 1 counts as kept). */
void ky__plan_reduction(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides);

/* The same with the input's adjoint, a dense array, as array 2 of kept and 1 of reduced. */
void ky__plan_share(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides);

/* out = beta out + scale * sum(in). Sums of floats are formed in double, blockwise. An empty
 * sum is 0. */
typedef void ky_sum_kernel(const ky_reduce_plan *plan, void *out, int beta, double scale,
                           const void *in);

/* out [n] = beta out + the sum of the rows of in [rows,n], whose rows are `pitch` elements
 * apart. */
typedef void ky_sum_rows_kernel(size_t rows, size_t n, size_t pitch, void *out, int beta,
                                const void *in);

/* out = sum(in) / n; NaN for n = 0. */
typedef void ky_mean_kernel(const ky_reduce_plan *plan, void *out, double n, const void *in);

/* ky_mean_kernel of one dense run of `count` elements: the same bits, no plan. */
typedef void ky_mean_run_kernel(size_t count, void *out, double n, const void *in);

/* What the bits of a sum are. A dense run is summed in pieces of KY_SUM_PIECE elements from its
 * beginning on, the last one shorter; their totals are added up in double, in order. So threads
 * may share a run. The total of a piece: `lane` starts as zeros, takes a block of KY_SUM_BLOCK
 * elements after the other, then the rest, fewer, which gives the total. Columns: the rows in
 * order, total[k] += x[k].
 *
 * These are parts of the sums above, for who meets the elements bit by bit; the same bits. */
#define KY_SUM_LANES 16
#define KY_SUM_BLOCK 512
#define KY_SUM_PIECE 16384
typedef double ky_sum_piece_kernel(size_t n, const void *x); /* of n <= KY_SUM_PIECE elements */
typedef void ky_sum_block_kernel(double lane[KY_SUM_LANES], const void *x);
typedef double ky_sum_rest_kernel(double lane[KY_SUM_LANES], size_t n, const void *x);
typedef void ky_put_rows_kernel(size_t rows, size_t n, void *out, int beta, double divisor,
                                const void *x); /* out[r] = beta out[r] + sum_piece / divisor */
typedef void ky_add_rows_kernel(size_t rows, size_t n, double *total,
                                const void *x); /* total[k] += x[k], x[n + k], ... */

/* gx[i] = beta gx[i] + g[i sg] / n, for one run: the adjoint of a sum or mean. */
typedef void ky_spread_kernel(size_t count, void *gx, int beta, const void *g, ptrdiff_t sg,
                              double n);

/* out = the largest (smallest) element; NaN when there is one. Nothing to reduce must not
 * occur. */
typedef void ky_extremum_kernel(const ky_reduce_plan *plan, void *out, const void *in);

/* gx = beta gx + g / ties where x equals the extremum r, else + 0: the adjoint of an extremum.
 * A NaN equals nothing and passes nothing on. The plan is ky__plan_share's; g, r lie alike. */
typedef void ky_share_kernel(const ky_reduce_plan *plan, void *gx, int beta, const void *g,
                             const void *r, const void *x);

/* out = position of the first largest (smallest) element along the reduced axis, which must not
 * be empty; the first NaN comes before anything else. Any dtype of `in`. */
typedef void ky_position_kernel(bool largest, ky_dtype dtype, const ky_reduce_plan *plan,
                                int64_t *out, const void *in);

typedef struct ky_reduce_kernels {
  ky_sum_kernel *sum[2];
  ky_sum_rows_kernel *sum_rows[2];
  ky_mean_kernel *mean[2];
  ky_mean_run_kernel *mean_run[2];
  ky_sum_piece_kernel *sum_piece[2];
  ky_sum_block_kernel *sum_block[2];
  ky_sum_rest_kernel *sum_rest[2];
  ky_put_rows_kernel *put_rows[2];
  ky_add_rows_kernel *add_rows[2];
  ky_spread_kernel *spread[2];
  ky_extremum_kernel *max[2], *min[2];
  ky_share_kernel *share[2];
  ky_position_kernel *position;
} ky_reduce_kernels;

#define X(level, supported) extern const ky_reduce_kernels ky__reduce_##level;
KY_LEVELS(X)
#undef X

#endif
