/* SPDX-License-Identifier: MIT */
/* Recording functions that choose elements: by integers, by masks, by order. What ops.h says of
 * all recording functions holds here.
 *
 * Indices are i32 or i64 and count from 0. They are read by the sweeps, not when recorded: one
 * out of range is BAD_INDEX in the sweep, "index 7 at [1,2] is not in 0..4". Sums are formed in
 * row-major order of the indices, so that results do not depend on anything else. */
#ifndef KYTAPE_OPS_INDEXING_H
#define KYTAPE_OPS_INDEXING_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- By index ---------------------------------------------------------------------------- */

/* r[i,j,k] = x[i, index[i,j,k], k] for axis 1 (torch.gather). x of any dtype; index of x's
 * rank, its extents not above those of x but along the axis -> the shape of index. ga: g summed
 * where indices repeat. Errors: BAD_AXIS, BAD_SHAPE, BAD_DTYPE; in the sweeps BAD_INDEX. */
KY_API ky_var ky_gather(ky_tape *t, ky_var x, int64_t axis, ky_var index);

/* r = 0, then r[i, index[i,j,k], k] += x[i,j,k] for axis 1: the adjoint of ky_gather. x and
 * index of one shape -> dims, whose extents are not below those of x but along the axis. ga = g
 * at the indices. Errors: BAD_AXIS, BAD_SHAPE, BAD_DTYPE; in the sweeps BAD_INDEX. */
KY_API ky_var ky_scatter_sum(ky_tape *t, ky_var x, int64_t axis, ky_var index, int rank,
                             const int64_t *dims);

/* x + ky_scatter_sum(source) (torch.scatter_add). index: extents not above those of source,
 * which is cut to them -> the shape of x. gx = g, gsource = g at the indices. Errors: those of
 * ky_scatter_sum. */
KY_API ky_var ky_scatter_add(ky_tape *t, ky_var x, int64_t axis, ky_var index, ky_var source);

/* The slices of x along an axis that `index` names (torch.index_select).
 *   x of any dtype, index [n] or [] -> x's shape with n along the axis
 *   ga: g summed where indices repeat
 * Errors: BAD_AXIS, BAD_SHAPE (index is not a vector), BAD_DTYPE; in the sweeps BAD_INDEX. */
KY_API ky_var ky_index_select(ky_tape *t, ky_var x, int64_t axis, ky_var index);

/* Rows of a table [v,d]; index [...] -> [...,d]. ga: each row the sum of g over its indices,
 * but 0 for row `padding` (-1: there is none). Errors: BAD_SHAPE, BAD_DTYPE, BAD_INDEX (padding
 * is not -1 or a row); in the sweeps BAD_INDEX, unless rows are empty: then no index is looked
 * at. */
KY_API ky_var ky_embedding(ky_tape *t, ky_var table, ky_var index, int64_t padding);

/* Sums of the rows of x that have one id: r[ids[i]] += x[i]. x [n,...], ids [n] -> [count,...],
 * 0 where there is no id. ga[i] = g[ids[i]]. Errors: BAD_SHAPE, BAD_DTYPE; in the sweeps
 * BAD_INDEX. */
KY_API ky_var ky_segment_sum(ky_tape *t, ky_var x, ky_var ids, int64_t count);

/* 1 at the index, 0 elsewhere, in any dtype (PyTorch: i64). index [...] -> [...,classes]. No
 * gradient passes. Errors: BAD_DTYPE, BAD_SHAPE, BAD_ARGUMENT (classes is negative or above
 * UINT32_MAX); in the sweeps BAD_INDEX. */
KY_API ky_var ky_one_hot(ky_tape *t, ky_var index, int64_t classes, ky_dtype dtype);

/* ---- By mask ----------------------------------------------------------------------------- */

/* `value` where the mask is 1, x elsewhere; x of any dtype, mask and x broadcast. ga = g where
 * the mask is 0, else 0. Errors: BAD_DTYPE, BAD_SHAPE, BAD_ARGUMENT (an integer dtype cannot
 * hold it). */
KY_API ky_var ky_masked_fill(ky_tape *t, ky_var x, ky_var mask, double value);

/* ---- By order: x of any dtype; a NaN counts as larger than everything -------------------- */

/* Positions (i64) of the elements along an axis from the smallest to the largest, or from the
 * largest down; equal elements keep their order. x [...] -> [...]. No gradient passes. Errors:
 * BAD_AXIS, BAD_SHAPE (2^32 elements or more). */
KY_API ky_var ky_argsort(ky_tape *t, ky_var x, int64_t axis, int descending);

/* The elements along an axis in the order of ky_argsort, of which it is a ky_gather; ga = g
 * where the elements came from. indices: gets the positions unless null. Errors: BAD_AXIS. */
KY_API ky_var ky_sort(ky_tape *t, ky_var x, int64_t axis, int descending, ky_var *indices);

/* The k largest (or smallest) elements along an axis, in that order; ga = g where they came
 * from, 0 elsewhere. x [...,n] -> [...,k] for the last axis. indices: gets their positions
 * (i64) unless null. Errors: BAD_AXIS, BAD_ARGUMENT (k is not in 0..n). */
KY_API ky_var ky_topk(ky_tape *t, ky_var x, int64_t k, int64_t axis, int largest,
                      ky_var *indices);

/* Index (i64) of the smallest element along an axis, the first on a tie; a NaN counts as the
 * smallest here. No gradient passes. Errors: BAD_AXIS, BAD_SHAPE (nothing to choose from). */
KY_API ky_var ky_argmin(ky_tape *t, ky_var x, int64_t axis, int keepdim);

/* ---- Source lines ------------------------------------------------------------------------ */

#ifndef KY_NO_SITES
  #define ky_gather(t, ...)       ky_gather(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_scatter_sum(t, ...)  ky_scatter_sum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_scatter_add(t, ...)  ky_scatter_add(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_index_select(t, ...) ky_index_select(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_embedding(t, ...)    ky_embedding(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_segment_sum(t, ...)  ky_segment_sum(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_one_hot(t, ...)      ky_one_hot(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_masked_fill(t, ...)  ky_masked_fill(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_argsort(t, ...)      ky_argsort(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_sort(t, ...)         ky_sort(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_topk(t, ...)         ky_topk(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_argmin(t, ...)       ky_argmin(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
