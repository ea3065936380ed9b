/* SPDX-License-Identifier: MIT */
/* Actions: each picks operands among the values so far and records one or a few instructions.
 * Knows the public API alone. */
#include "kytape/ops.h"
#include "random_operands.h"

#define PICK(array) ((array)[rt_below(r, (int)(sizeof(array) / sizeof *(array)))])

/* ---- actions ----------------------------------------------------------------------------- */

/* x brought to 0.5..1.5, mostly: for functions with poles and steep ones. */
static ky_var tame(random_tape *r, ky_var x) {
  if (rt_below(r, 8) == 0) return x;
  return ky_add_scalar(r->tape, ky_sigmoid(r->tape, x), 0.5);
}

static ky_var act_unary(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var);
  static function *const gentle[] = {
      ky_neg,      ky_abs,       ky_sign,  ky_square,   ky_sin,         ky_cos,
      ky_tanh,     ky_sigmoid,   ky_relu,  ky_softplus, ky_erf,         ky_erfc,
      ky_floor,    ky_ceil,      ky_round, ky_trunc,    ky_logsigmoid,  ky_selu,
      ky_gelu,     ky_gelu_tanh, ky_silu,  ky_mish,     ky_hardsigmoid, ky_hardswish,
      ky_softsign, ky_atan,      ky_asinh, ky_sinh,     ky_cosh};
  static function *const steep[] = {ky_sqrt,   ky_rsqrt,   ky_recip,   ky_exp,  ky_log,
                                    ky_log1p,  ky_expm1,   ky_asin,    ky_acos, ky_acosh,
                                    ky_atanh,  ky_tan,     ky_exp2,    ky_log2, ky_log10,
                                    ky_lgamma, ky_digamma, ky_trigamma};
  const random_value *x = rt_pick(r, rt_real, NULL);
  if (!x) return ky_none();
  if (rt_below(r, 3)) return PICK(gentle)(r->tape, x->var);
  return PICK(steep)(r->tape, tame(r, x->var));
}

static ky_var act_scalar(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, double);
  static function *const of_reals[] = {
      ky_add_scalar,     ky_mul_scalar,  ky_div_scalar, ky_rsub_scalar, ky_maximum_scalar,
      ky_minimum_scalar, ky_rdiv_scalar, ky_pow_scalar, ky_leaky_relu,  ky_elu};
  static function *const tests[] = {ky_lt_scalar, ky_le_scalar, ky_eq_scalar,
                                    ky_ne_scalar, ky_gt_scalar, ky_ge_scalar};
  const int which = rt_below(r, 15);
  const double s = rt_number(&r->state);
  const random_value *x = rt_pick(r, which < 12 ? rt_real : rt_any, NULL);
  if (!x) return ky_none();
  if (which == 10) return ky_clamp(r->tape, x->var, -1 + s / 8, 1 + s / 8);
  if (which == 11) return ky_hardtanh(r->tape, x->var, -1 + s / 8, 1 + s / 8);
  if (which > 11) return PICK(tests)(r->tape, x->var, s);
  return of_reals[which](r->tape, which < 6 || which > 7 ? x->var : tame(r, x->var),
                         s == 0 ? 0.5 : s);
}

static ky_var act_binary(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, ky_var);
  static function *const plain[] = {ky_add, ky_sub, ky_mul, ky_maximum, ky_minimum};
  static function *const others[] = {ky_atan2, ky_hypot, ky_fmod, ky_copysign, ky_logaddexp};
  const random_value *a = rt_pick(r, rt_real, NULL);
  const random_value *b = !a || rt_below(r, 8) == 0 ? a : rt_partner(r, a);
  if (!b) return ky_none();
  const ky_var x = a->var, y = b->var;
  switch (rt_below(r, 10)) {
  case 0: return ky_div(r->tape, x, tame(r, y));
  case 1: return ky_pow(r->tape, tame(r, x), y);
  case 2:
  case 3: return PICK(others)(r->tape, x, y);
  default: return rt_below(r, 2) ? PICK(plain)(r->tape, x, y) : PICK(plain)(r->tape, y, x);
  }
}

static ky_var act_ternary(random_tape *r) {
  const random_value *a = rt_pick(r, rt_real, NULL), *b = a ? rt_partner(r, a) : NULL;
  const random_value *c = !b ? NULL : rt_below(r, 4) ? rt_partner(r, a) : b;
  if (!c) return ky_none();
  return rt_below(r, 2) ? ky_fma(r->tape, a->var, b->var, c->var)
                        : ky_lerp(r->tape, b->var, a->var, c->var);
}

/* Between reals, or to where a gradient ends. */
static ky_var act_cast(random_tape *r) {
  static const ky_dtype dtypes[] = {KY_F32, KY_F64, KY_F32, KY_F64, KY_I32, KY_I64, KY_MASK};
  const random_value *x = rt_pick(r, rt_below(r, 3) ? rt_real : rt_any, NULL);
  return x ? ky_cast(r->tape, x->var, PICK(dtypes)) : ky_none();
}

static ky_var act_logic(random_tape *r) {
  const random_value *a = rt_pick(r, rt_mask, NULL);
  if (a && rt_below(r, 3) == 0) return ky_logical_not(r->tape, a->var);
  const random_value *b = a ? rt_partner(r, a) : NULL;
  if (!b) {
    const random_value *x = rt_pick(r, rt_any, NULL);
    return x ? ky_isfinite(r->tape, x->var) : ky_none();
  }
  return rt_below(r, 2) ? ky_logical_and(r->tape, a->var, b->var)
                        : ky_logical_or(r->tape, a->var, b->var);
}

static ky_var act_compare(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, ky_var);
  static function *const tests[] = {ky_lt, ky_le, ky_eq, ky_ne, ky_gt, ky_ge};
  const random_value *a = rt_pick(r, rt_any, NULL), *b = a ? rt_partner(r, a) : NULL;
  return b ? tests[rt_below(r, 6)](r->tape, a->var, b->var) : ky_none();
}

static ky_var act_where(random_tape *r) {
  const random_value *b = rt_pick(r, rt_below(r, 5) ? rt_real : rt_any, NULL),
                     *c = b ? rt_partner(r, b) : NULL;
  if (!c) return ky_none();
  const random_value *m = rt_below(r, 2) ? rt_pick(r, rt_mask, NULL) : NULL;
  if (m) return ky_where(r->tape, m->var, b->var, c->var);
  return ky_where(r->tape, ky_gt_scalar(r->tape, b->var, rt_number(&r->state)), b->var, c->var);
}

static ky_var act_matmul(random_tape *r) {
  const random_value *a = rt_pick(r, rt_matrix, NULL);
  if (!a) return ky_none();
  const unsigned flags = (unsigned)rt_below(r, 4);
  const int last = a->shape.rank - 1;
  const int64_t inner = a->shape.dims[flags & KY_TRANS_A ? last - 1 : last],
                n = 1 + rt_below(r, 4);
  const random_value *b = rt_below(r, 2) ? rt_pick(r, rt_matrix, a) : NULL;
  if (!b)
    b = flags & KY_TRANS_B ? rt_leaf(r, a->shape.dtype, KY_SHAPE(n, inner), 0)
                           : rt_leaf(r, a->shape.dtype, KY_SHAPE(inner, n), 0);
  if (!b) return ky_none();
  return flags ? ky_matmul_trans(r->tape, a->var, b->var, flags)
               : ky_matmul(r->tape, a->var, b->var);
}

static ky_var act_linear(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int64_t in = x->shape.dims[x->shape.rank - 1], out = 1 + rt_below(r, 4);
  const random_value *w = rt_leaf(r, x->shape.dtype, KY_SHAPE(out, in), 0);
  if (!w) return ky_none();
  if (rt_below(r, 3) == 0) return ky_linear(r->tape, x->var, w->var, ky_none());
  const random_value *b = rt_leaf(r, x->shape.dtype, KY_SHAPE(out), 0);
  return b ? ky_linear(r->tape, x->var, w->var, b->var) : ky_none();
}

static ky_var act_reduce(random_tape *r) {
  typedef ky_var some(ky_tape *, ky_var, int, const int64_t *, int);
  typedef ky_var all(ky_tape *, ky_var);
  static some *const over[] = {ky_sum, ky_mean, ky_max, ky_min};
  static all *const over_all[] = {ky_sum_all, ky_mean_all, ky_max_all, ky_min_all};
  if (rt_below(r, 6) == 0) {
    const random_value *x = rt_pick(r, rt_with_axis, NULL);
    return x ? ky_argmax(r->tape, x->var, rt_below(r, x->shape.rank), rt_below(r, 2))
             : ky_none();
  }
  const random_value *x = rt_pick(r, rt_real, NULL);
  if (!x) return ky_none();
  if (x->shape.rank == 0 || rt_below(r, 4) == 0)
    return over_all[rt_below(r, 4)](r->tape, x->var);
  int64_t axes[KY_MAX_RANK] = {0};
  int count = 0;
  for (int k = 0; k < x->shape.rank; k++)
    if (rt_below(r, 2)) axes[count++] = rt_below(r, 2) ? k : k - x->shape.rank;
  return over[rt_below(r, 4)](r->tape, x->var, count, axes, rt_below(r, 2));
}

static ky_var act_reshape(random_tape *r) {
  const random_value *x = rt_pick(r, rt_any, NULL);
  if (!x) return ky_none();
  int64_t dims[KY_MAX_RANK + 1];
  int rank = 0;
  switch (rt_below(r, 4)) {
  case 0: dims[rank++] = -1; break;
  case 1: /* as if transposed */
    for (int k = x->shape.rank; k-- > 0;) dims[rank++] = x->shape.dims[k];
    break;
  case 2: /* one axis more, somewhere */
    for (int k = 0, at = rt_below(r, x->shape.rank + 1); k <= x->shape.rank; k++) {
      if (k == at) dims[rank++] = 1;
      if (k < x->shape.rank) dims[rank++] = x->shape.dims[k];
    }
    break;
  default: /* the last two axes become one */
    for (int k = 0; k + 2 < x->shape.rank; k++) dims[rank++] = x->shape.dims[k];
    dims[rank++] = -1;
  }
  return rank > RT_MOST_RANK ? ky_none() : ky_reshape(r->tape, x->var, rank, dims);
}

static ky_var act_permute(random_tape *r) {
  const random_value *x = rt_pick(r, rt_with_axis, NULL);
  if (!x) return ky_none();
  int64_t axes[KY_MAX_RANK] = {0};
  for (int k = 0; k < x->shape.rank; k++) {
    const int at = rt_below(r, k + 1);
    axes[k] = axes[at];
    axes[at] = k;
  }
  return ky_permute(r->tape, x->var, x->shape.rank, axes);
}

static ky_var act_slice(random_tape *r) {
  static const int64_t steps[] = {1, 1, 2, -1, -2, 3};
  const random_value *x = rt_pick(r, rt_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = rt_below(r, x->shape.rank), extent = (int)x->shape.dims[axis];
  const int64_t step = steps[rt_below(r, 6)];
  int64_t start = rt_below(r, extent + 2), stop = start + rt_below(r, extent + 1) - extent / 2;
  if (rt_below(r, 2)) start = step > 0 ? 0 : INT64_MAX;
  if (rt_below(r, 2)) stop = step > 0 ? INT64_MAX : INT64_MIN;
  return ky_slice(r->tape, x->var, axis, start, stop, step);
}

static ky_var act_expand(random_tape *r) {
  const random_value *x = rt_pick(r, rt_any, NULL);
  if (!x) return ky_none();
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  if (x->shape.rank < RT_MOST_RANK && rt_below(r, 2)) dims[rank++] = 1 + rt_below(r, 3);
  for (int k = 0; k < x->shape.rank; k++)
    dims[rank++] = x->shape.dims[k] == 1 ? 1 + rt_below(r, 3) : x->shape.dims[k];
  return ky_expand(r->tape, x->var, rank, dims);
}

static ky_var act_concat(random_tape *r) {
  const random_value *x = rt_pick(r, rt_with_axis, NULL);
  if (!x) return ky_none();
  ky_var parts[4] = {x->var};
  size_t count = 1;
  for (int more = rt_below(r, 4); more > 0; more--) {
    const random_value *next = rt_below(r, 4) ? rt_twin(r, x) : x;
    if (!next) return ky_none();
    parts[count++] = next->var;
  }
  return ky_concat(r->tape, count, parts, rt_below(r, x->shape.rank));
}

static ky_var act_softmax(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = rt_below(r, x->shape.rank);
  return rt_below(r, 2) ? ky_softmax(r->tape, x->var, axis)
                        : ky_log_softmax(r->tape, x->var, axis);
}

static ky_var act_cross_entropy(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const ky_reduction how = (ky_reduction)rt_below(r, 3);
  const int last = x->shape.rank - 1;
  const int64_t classes = x->shape.dims[last];
  if (classes == 0) return ky_none();
  if (rt_below(r, 3) == 0)
    return ky_cross_entropy(r->tape, x->var, ky_argmax(r->tape, x->var, last, 0), how);
  const random_value *labels =
      rt_leaf(r, rt_below(r, 2) ? KY_I32 : KY_I64, last, x->shape.dims, classes);
  return labels ? ky_cross_entropy(r->tape, x->var, labels->var, how) : ky_none();
}

static ky_var act_pair_loss(random_tape *r) {
  const random_value *a = rt_pick(r, rt_real, NULL), *b = a ? rt_twin(r, a) : NULL;
  if (!b) return ky_none();
  const ky_reduction how = (ky_reduction)rt_below(r, 3);
  switch (rt_below(r, 3)) {
  case 0: return ky_bce(r->tape, ky_sigmoid(r->tape, a->var), b->var, how);
  case 1: return ky_bce_with_logits(r->tape, a->var, b->var, how);
  default: return ky_mse(r->tape, a->var, b->var, how);
  }
}

static ky_var act_leaf(random_tape *r) {
  rt_typical_leaf(r);
  return ky_none();
}

/* Elementwise ones more often: they make long runs. */
static rt_action *const actions[] = {
    act_unary,         act_unary,         act_unary,         act_unary,
    act_unary,         act_scalar,        act_scalar,        act_scalar,
    act_scalar,        act_binary,        act_binary,        act_binary,
    act_binary,        act_binary,        act_binary,        act_ternary,
    act_where,         act_compare,       act_logic,         act_cast,
    act_matmul,        act_linear,        act_reduce,        act_reduce,
    act_leaf,          act_reshape,       act_permute,       act_slice,
    act_expand,        act_concat,        act_leaf,          act_softmax,
    act_cross_entropy, act_pair_loss,     rt_act_along_axes, rt_act_along_axes,
    rt_act_along_axes, rt_act_along_axes, rt_act_along_axes, rt_act_in_layers,
    rt_act_in_layers,  rt_act_in_layers};

ky_var rt_act(random_tape *r) { return PICK(actions)(r); }
