/* SPDX-License-Identifier: MIT */
/* Actions that work along axes: statistics, running sums, movement, indices, normalisation, and
 * the losses that are compositions. Knows the public API alone. */
#include "kytape/ops.h"
#include "random_operands.h"

#define PICK(array) ((array)[rt_below(r, (int)(sizeof(array) / sizeof *(array)))])

static int some_axis(random_tape *r, const random_value *x) {
  const int axis = rt_below(r, x->shape.rank);
  return rt_below(r, 2) ? axis : axis - x->shape.rank;
}

static int64_t extent(const random_value *x, int axis) {
  return x->shape.dims[axis < 0 ? axis + x->shape.rank : axis];
}

/* Some of the axes of `x`, none of which means all. */
static int some_axes(random_tape *r, const random_value *x, int64_t *axes) {
  int count = 0;
  for (int k = 0; k < x->shape.rank; k++)
    if (rt_below(r, 2)) axes[count++] = rt_below(r, 2) ? k : k - x->shape.rank;
  return count;
}

/* Integers below `classes`. */
static const random_value *indices(random_tape *r, int rank, const int64_t *dims,
                                   int64_t classes) {
  if (classes == 0) return NULL;
  return rt_leaf(r, rt_below(r, 2) ? KY_I32 : KY_I64, rank, dims, classes);
}

/* ---- reductions and running sums --------------------------------------------------------- */

static ky_var act_statistic(random_tape *r) {
  static const int orders[] = {KY_NORM_1, KY_NORM_2, KY_NORM_INF};
  const random_value *x = rt_pick(r, rt_real, NULL);
  if (!x) return ky_none();
  int64_t axes[KY_MAX_RANK] = {0};
  const int count = some_axes(r, x, axes), keep = rt_below(r, 2);
  switch (rt_below(r, 7)) {
  case 0: return ky_prod(r->tape, x->var, count, axes, keep);
  case 1: return ky_logsumexp(r->tape, x->var, count, axes, keep);
  case 2: return ky_std(r->tape, x->var, count, axes, keep, rt_below(r, 2));
  case 3: return ky_norm(r->tape, x->var, count, axes, keep, PICK(orders));
  case 4: return ky_any(r->tape, ky_gt_scalar(r->tape, x->var, 0), count, axes, keep);
  case 5: return ky_all(r->tape, ky_lt_scalar(r->tape, x->var, 0), count, axes, keep);
  default: return ky_variance(r->tape, x->var, count, axes, keep, rt_below(r, 2));
  }
}

static ky_var act_along(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = some_axis(r, x);
  switch (rt_below(r, 4)) {
  case 0: return ky_cumsum(r->tape, x->var, axis);
  case 1: return ky_cumprod(r->tape, x->var, axis);
  case 2: return ky_argmin(r->tape, x->var, axis, rt_below(r, 2));
  default: return ky_argsort(r->tape, x->var, axis, rt_below(r, 2));
  }
}

/* ---- movement ---------------------------------------------------------------------------- */

static ky_var act_pad(random_tape *r) {
  const random_value *x = rt_pick(r, rt_below(r, 5) ? rt_real : rt_any, NULL);
  if (!x) return ky_none();
  int64_t before[KY_MAX_RANK] = {0}, after[KY_MAX_RANK] = {0};
  for (int k = 0; k < x->shape.rank; k++) {
    before[k] = rt_below(r, 3);
    after[k] = rt_below(r, 3);
  }
  return ky_pad(r->tape, x->var, x->shape.rank, before, after, (ky_pad_mode)rt_below(r, 4),
                rt_below(r, 2));
}

static ky_var act_part_of_split(random_tape *r, const random_value *x) {
  ky_var parts[2] = {{0}};
  const int axis = some_axis(r, x);
  const int64_t n = extent(x, axis), first = rt_below(r, (int)n + 1);
  if (ky_split(r->tape, x->var, axis, 2, (const int64_t[]){first, n - first}, parts) != KY_OK)
    return ky_none();
  return parts[rt_below(r, 2)];
}

static ky_var act_rearrange(random_tape *r) {
  const random_value *x = rt_pick(r, rt_with_axis, NULL);
  if (!x) return ky_none();
  int64_t axes[KY_MAX_RANK] = {0};
  const int rank = x->shape.rank;
  switch (rt_below(r, 7)) {
  case 0: return ky_flip(r->tape, x->var, some_axes(r, x, axes), axes);
  case 1: return ky_roll(r->tape, x->var, rt_below(r, 9) - 4, some_axis(r, x));
  case 2:
    for (int k = 0; k < rank; k++) axes[k] = 1 + rt_below(r, 2);
    return ky_tile(r->tape, x->var, rank, axes);
  case 3: return ky_squeeze(r->tape, x->var, some_axes(r, x, axes), axes);
  case 4: return ky_transpose(r->tape, x->var, some_axis(r, x), some_axis(r, x));
  case 5: return act_part_of_split(r, x);
  default:
    return rank < RT_MOST_RANK ? ky_unsqueeze(r->tape, x->var, rt_below(r, rank + 1))
                               : ky_none();
  }
}

static ky_var act_stack(random_tape *r) {
  const random_value *x = rt_pick(r, rt_any, NULL), *y = x ? rt_twin(r, x) : NULL;
  if (!y || x->shape.rank == RT_MOST_RANK) return ky_none();
  const ky_var both[3] = {x->var, y->var, x->var};
  return ky_stack(r->tape, (size_t)(2 + rt_below(r, 2)), both, rt_below(r, x->shape.rank + 1));
}

static ky_var act_diagonal(random_tape *r) {
  const random_value *x = rt_pick(r, rt_matrix, NULL);
  if (!x) return ky_none();
  const int diagonal = rt_below(r, 5) - 2;
  switch (rt_below(r, 4)) {
  case 0: return ky_tril(r->tape, x->var, diagonal);
  case 1: return ky_triu(r->tape, x->var, diagonal);
  case 2: return ky_trace(r->tape, x->var);
  default: return ky_diag(r->tape, x->var, diagonal);
  }
}

/* ---- indices and masks ------------------------------------------------------------------- */

static ky_var act_gather(random_tape *r) {
  const random_value *x = rt_pick(r, rt_below(r, 5) ? rt_real_with_axis : rt_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = some_axis(r, x);
  const int64_t n = extent(x, axis), count = 1 + rt_below(r, 5);
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < x->shape.rank; k++) dims[k] = x->shape.dims[k];
  switch (rt_below(r, 3)) {
  case 0: {
    const random_value *at = indices(r, 1, &count, n);
    return at ? ky_index_select(r->tape, x->var, axis, at->var) : ky_none();
  }
  case 1: {
    const random_value *at = indices(r, x->shape.rank, dims, count);
    dims[axis < 0 ? axis + x->shape.rank : axis] = count;
    return at ? ky_scatter_sum(r->tape, x->var, axis, at->var, x->shape.rank, dims) : ky_none();
  }
  default: {
    dims[axis < 0 ? axis + x->shape.rank : axis] = count;
    const random_value *at = indices(r, x->shape.rank, dims, n);
    return at ? ky_gather(r->tape, x->var, axis, at->var) : ky_none();
  }
  }
}

static ky_var act_lookup(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int64_t rows = x->shape.dims[0], count = 1 + rt_below(r, 5);
  if (rt_below(r, 3) == 0) {
    const random_value *ids = indices(r, 1, &rows, count);
    return ids ? ky_segment_sum(r->tape, x->var, ids->var, count) : ky_none();
  }
  const random_value *at = indices(r, rt_below(r, 3), (const int64_t[]){count, 2}, rows);
  if (!at) return ky_none();
  return ky_embedding(r->tape, x->var, at->var, rt_below(r, (int)rows + 1) - 1);
}

static ky_var act_one_hot(random_tape *r) {
  const int64_t count = 1 + rt_below(r, 5), classes = 1 + rt_below(r, 6);
  const random_value *at = indices(r, rt_below(r, 2), &count, classes);
  return at ? ky_one_hot(r->tape, at->var, classes, r->real) : ky_none();
}

static ky_var act_order(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = some_axis(r, x);
  if (rt_below(r, 2)) return ky_sort(r->tape, x->var, axis, rt_below(r, 2), NULL);
  return ky_topk(r->tape, x->var, rt_below(r, (int)extent(x, axis) + 1), axis, rt_below(r, 2),
                 NULL);
}

static ky_var act_masked_fill(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real, NULL);
  const bool wants = r->wants;
  const random_value *y = x ? rt_partner(r, x) : NULL;
  if (!y) return ky_none();
  r->wants = wants; /* no gradient passes through the mask */
  return ky_masked_fill(r->tape, x->var, ky_lt_scalar(r->tape, y->var, 0), -1);
}

/* ---- normalisation ----------------------------------------------------------------------- */

static ky_var weight_or_none(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims) {
  const random_value *w = rt_below(r, 3) ? rt_leaf(r, dtype, rank, dims, 0) : NULL;
  return w ? w->var : ky_none();
}

static ky_var act_layernorm(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int axes = 1 + rt_below(r, x->shape.rank);
  const int64_t *dims = x->shape.dims + x->shape.rank - axes;
  const ky_var w = weight_or_none(r, x->shape.dtype, axes, dims);
  if (rt_below(r, 3) == 0) return ky_rmsnorm(r->tape, x->var, axes, w, 0.25);
  const ky_var b = weight_or_none(r, x->shape.dtype, axes, dims);
  return ky_layernorm(r->tape, x->var, axes, w, b, 0.25);
}

static ky_var act_channel_norm(random_tape *r) {
  const random_value *x = rt_pick(r, rt_matrix, NULL);
  if (!x) return ky_none();
  const int64_t channels = x->shape.dims[1];
  const ky_dtype dtype = x->shape.dtype;
  const ky_var w = weight_or_none(r, dtype, 1, &channels);
  const ky_var b = weight_or_none(r, dtype, 1, &channels);
  if (rt_below(r, 3) == 0) return ky_groupnorm(r->tape, x->var, 1 + rt_below(r, 2), w, b, 0.25);
  ky_var mean, variance;
  if (rt_below(r, 2)) return ky_batchnorm(r->tape, x->var, w, b, 0.25, &mean, &variance);
  const random_value *m = rt_leaf(r, dtype, 1, &channels, 0);
  const random_value *v = m ? rt_leaf(r, dtype, 1, &channels, 0) : NULL;
  if (!v) return ky_none();
  return ky_batchnorm_inference(r->tape, x->var, w, b, m->var, ky_square(r->tape, v->var),
                                0.25);
}

/* ---- losses ------------------------------------------------------------------------------ */

static ky_var act_distance(random_tape *r) {
  const random_value *a = rt_pick(r, rt_real, NULL), *b = a ? rt_twin(r, a) : NULL;
  if (!b) return ky_none();
  const ky_reduction how = (ky_reduction)rt_below(r, 3);
  ky_tape *t = r->tape;
  const double s = (1 + rt_below(r, 8)) / 4.0;
  switch (rt_below(r, 8)) {
  case 0: return ky_l1(t, a->var, b->var, how);
  case 1: return ky_smooth_l1(t, a->var, b->var, s, how);
  case 2: return ky_huber(t, a->var, b->var, s, how);
  case 3: return ky_kl_div(t, a->var, ky_sigmoid(t, b->var), how);
  case 4: return ky_hinge(t, a->var, ky_sign(t, b->var), how);
  case 5: return ky_gaussian_nll(t, a->var, b->var, ky_softplus(t, a->var), 1e-3, how);
  case 6:
    if (a->shape.rank == 0) return ky_none();
    return ky_cosine_similarity(t, a->var, b->var, some_axis(r, a), 1e-8);
  default:
    if (a->shape.rank == 0) return ky_none();
    return ky_triplet(t, a->var, b->var, a->var, s, how);
  }
}

static ky_var act_nll(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int last = x->shape.rank - 1;
  const random_value *labels = indices(r, last, x->shape.dims, x->shape.dims[last]);
  return labels ? ky_nll(r->tape, x->var, labels->var, (ky_reduction)rt_below(r, 3))
                : ky_none();
}

/* ---- any of them ------------------------------------------------------------------------- */

ky_var rt_act_along_axes(random_tape *r) {
  static rt_action *const actions[] = {
      act_statistic, act_statistic, act_along,     act_pad,          act_rearrange,
      act_rearrange, act_stack,     act_diagonal,  act_gather,       act_gather,
      act_lookup,    act_order,     act_layernorm, act_channel_norm, act_masked_fill,
      act_distance,  act_nll,       act_one_hot};
  return PICK(actions)(r);
}
