/* SPDX-License-Identifier: MIT */
/* Actions of layers: convolutions, pooling, resampling, linear algebra, attention, recurrent
 * ones, CTC, random numbers, operations of one's own. Knows the public API alone. */
#include "kytape/custom.h"
#include "kytape/ops.h"
#include "random_operands.h"

enum { MOST_CHANNELS = 8, MOST_ROWS = 8 };

/* `v` with axes of 1 in front, or its first ones made one, so that there are `rank`. */
static ky_var with_rank(random_tape *r, const random_value *v, int rank, int64_t *dims) {
  const int extra = v->shape.rank - rank;
  for (int k = 0; k < rank; k++) dims[k] = k + extra < 0 ? 1 : v->shape.dims[k + extra];
  for (int k = 0; k < extra; k++) dims[0] *= v->shape.dims[k];
  return extra ? ky_reshape(r->tape, v->var, rank, dims) : v->var;
}

/* A leaf or, where it is left out, none. */
static ky_var leaf(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims) {
  const random_value *v = rt_leaf(r, dtype, rank, dims, 0);
  return v ? v->var : ky_none();
}

static ky_var leaf_or_none(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims) {
  return rt_below(r, 2) ? leaf(r, dtype, rank, dims) : ky_none();
}

/* Integers 0..most. */
static ky_var whole(random_tape *r, int rank, const int64_t *dims, int64_t most) {
  const random_value *v = rt_leaf(r, rt_below(r, 2) ? KY_I32 : KY_I64, rank, dims, most + 1);
  return v ? v->var : ky_none();
}

/* ---- images ------------------------------------------------------------------------------ */

typedef ky_var convolve(ky_tape *, ky_var, ky_var, ky_var, const ky_conv_options *);

static ky_var act_convolve(random_tape *r) {
  static convolve *const forward[] = {ky_conv1d, ky_conv2d, ky_conv3d};
  static convolve *const transposed[] = {ky_conv_transpose1d, ky_conv_transpose2d,
                                         ky_conv_transpose3d};
  const random_value *v = rt_pick(r, rt_real, NULL);
  if (!v) return ky_none();
  const int axes = 1 + rt_below(r, 3);
  int64_t dims[5], kernel[5];
  const ky_var x = with_rank(r, v, 2 + axes, dims);
  if (dims[1] > MOST_CHANNELS) return ky_none();
  const bool turned = rt_below(r, 2), apart = rt_below(r, 3) == 0;
  ky_conv_options o = {.size = sizeof o, .groups = apart ? dims[1] : 1};
  const int64_t out = (1 + rt_below(r, 3)) * o.groups;
  kernel[0] = turned ? dims[1] : out;
  kernel[1] = (turned ? out : dims[1]) / (o.groups ? o.groups : 1);
  for (int k = 0; k < axes; k++) {
    kernel[2 + k] = 1 + rt_below(r, 3);
    o.stride[k] = 1 + rt_below(r, 2);
    o.padding[k] = rt_below(r, 3);
    o.dilation[k] = 1 + rt_below(r, 2);
    o.output_padding[k] = turned && o.stride[k] > 1 ? rt_below(r, 2) : 0;
  }
  const ky_var w = leaf(r, v->shape.dtype, 2 + axes, kernel),
               b = leaf_or_none(r, v->shape.dtype, 1, &out);
  if (!w.id) return ky_none();
  convolve *const of = turned ? transposed[axes - 1] : forward[axes - 1];
  const ky_var y = of(r->tape, x, w, b, &o);
  return axes < 3 ? y : ky_reshape(r->tape, y, KY_SHAPE(-1));
}

static ky_var act_pool(random_tape *r) {
  typedef ky_var pool(ky_tape *, ky_var, const ky_pool_options *);
  static pool *const pools[2][2] = {{ky_max_pool1d, ky_max_pool2d},
                                    {ky_avg_pool1d, ky_avg_pool2d}};
  const random_value *v = rt_pick(r, rt_real, NULL);
  if (!v) return ky_none();
  const int axes = 1 + rt_below(r, 2);
  int64_t dims[4];
  const ky_var x = with_rank(r, v, 2 + axes, dims);
  if (rt_below(r, 4) == 0)
    return axes == 1
               ? ky_adaptive_avg_pool1d(r->tape, x, 1 + rt_below(r, 4))
               : ky_adaptive_avg_pool2d(r->tape, x, 1 + rt_below(r, 3), 1 + rt_below(r, 3));
  ky_pool_options o = {.size = sizeof o};
  for (int k = 0; k < axes; k++) {
    o.kernel[k] = 1 + rt_below(r, 3);
    o.stride[k] = rt_below(r, 3);
    o.padding[k] = rt_below(r, (int)o.kernel[k] / 2 + 1);
  }
  return pools[rt_below(r, 2)][axes - 1](r->tape, x, &o);
}

static ky_var act_resample(random_tape *r) {
  const random_value *v = rt_pick(r, rt_real, NULL);
  if (!v) return ky_none();
  const int axes = 1 + rt_below(r, 2), linear = rt_below(r, 2), corners = rt_below(r, 2);
  int64_t dims[4];
  const ky_var x = with_rank(r, v, 2 + axes, dims);
  const int64_t m = 1 + rt_below(r, 6), n = 1 + rt_below(r, 6);
  if (axes == 1)
    return linear ? ky_upsample_linear1d(r->tape, x, n, corners)
                  : ky_upsample_nearest1d(r->tape, x, n);
  return linear ? ky_upsample_bilinear2d(r->tape, x, m, n, corners)
                : ky_upsample_nearest2d(r->tape, x, m, n);
}

/* ---- linear algebra ---------------------------------------------------------------------- */

static ky_var identity(random_tape *r, ky_dtype dtype, int64_t n) {
  const ky_var at = ky_iota(r->tape, KY_I64, n, 0);
  return ky_one_hot(r->tape, at, n, dtype);
}

/* Square, finite and well conditioned whatever x is, as a sweep ends with an error if a matrix
 * is singular. */
static ky_var regular(random_tape *r, const random_value *x, bool symmetric) {
  ky_tape *t = r->tape;
  const int64_t rows = x->shape.dims[x->shape.rank - 2],
                columns = x->shape.dims[x->shape.rank - 1];
  if (rows == 0 || columns == 0 || rows > MOST_ROWS || columns > 64) return ky_none();
  const ky_var zero = ky_scalar(t, x->shape.dtype, 0);
  ky_var a = ky_tanh(t, ky_where(t, ky_isfinite(t, x->var), x->var, zero));
  if (symmetric || rows != columns) a = ky_matmul_trans(t, a, a, KY_TRANS_B);
  return ky_add(t, ky_div_scalar(t, a, (double)(2 * rows * columns)),
                identity(r, x->shape.dtype, rows));
}

static ky_var act_linear_algebra(random_tape *r) {
  const random_value *x = rt_pick(r, rt_matrix, NULL);
  if (!x) return ky_none();
  const int which = rt_below(r, 5), last = x->shape.rank - 1;
  const ky_var a = regular(r, x, which == 0);
  if (!a.id) return ky_none();
  if (which == 0) return ky_cholesky(r->tape, a);
  if (which == 1) return ky_logdet(r->tape, a);
  if (which == 2) return ky_logabsdet(r->tape, a);
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < last; k++) dims[k] = x->shape.dims[k];
  dims[last] = 1 + rt_below(r, 3);
  const int skip = rt_below(r, 2) ? last - 1 : 0; /* batch axes that are left out */
  const ky_var b =
      rt_below(r, 3) ? leaf(r, x->shape.dtype, last + 1 - skip, dims + skip) : x->var;
  if (!b.id) return ky_none();
  return which == 3 ? ky_solve(r->tape, a, b)
                    : ky_triangular_solve(r->tape, a, b, (unsigned)rt_below(r, 8));
}

/* ---- sequences --------------------------------------------------------------------------- */

static ky_var act_attention(random_tape *r) {
  const random_value *v = rt_pick(r, rt_real_with_axis, NULL);
  if (!v) return ky_none();
  int64_t dims[4];
  const ky_var q = with_rank(r, v, 4, dims);
  if (dims[2] > 64 || dims[3] > 64) return ky_none();
  const int64_t heads = rt_below(r, 2) ? dims[1] : 1;
  const bool self = heads == dims[1] && rt_below(r, 2);
  const int64_t columns = self ? dims[2] : 1 + rt_below(r, 5);
  const ky_dtype dtype = v->shape.dtype;
  const ky_var k = self ? q : leaf(r, dtype, KY_SHAPE(dims[0], heads, columns, dims[3]));
  const ky_var u = rt_below(r, 3) == 0
                       ? k
                       : leaf(r, dtype, KY_SHAPE(dims[0], heads, columns, 1 + rt_below(r, 4)));
  if (!k.id || !u.id) return ky_none();
  const ky_var mask =
      leaf_or_none(r, rt_below(r, 2) ? KY_MASK : dtype, KY_SHAPE(dims[2], columns));
  return ky_attention(r->tape, q, k, u, mask, rt_below(r, 2), rt_below(r, 2) ? 0 : 0.5);
}

static ky_var act_rope(random_tape *r) {
  const random_value *x = rt_pick(r, rt_matrix, NULL);
  return x ? ky_rope(r->tape, x->var, rt_below(r, 9), 100, (ky_rope_pairs)rt_below(r, 2))
           : ky_none();
}

/* What the gates of a cell are given: copies of the state, or a leaf. */
static ky_var gates(random_tape *r, ky_dtype dtype, ky_var h, int rank, const int64_t *state,
                    int count) {
  if (rt_below(r, 2)) return ky_concat(r->tape, (size_t)count, (ky_var[]){h, h, h, h}, -1);
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < rank; k++) dims[k] = state[k];
  dims[rank - 1] *= count;
  return leaf(r, dtype, rank, dims);
}

static ky_var act_cell(random_tape *r) {
  const random_value *h = rt_pick(r, rt_real_with_axis, NULL);
  if (!h) return ky_none();
  const ky_array *s = &h->shape;
  const int count = 3 + rt_below(r, 2);
  const ky_var x = gates(r, s->dtype, h->var, s->rank, s->dims, count);
  if (!x.id) return ky_none();
  if (count == 4) return ky_lstm_cell(r->tape, x, h->var);
  const ky_var y = rt_below(r, 4) ? gates(r, s->dtype, h->var, s->rank, s->dims, count) : x;
  return y.id ? ky_gru_cell(r->tape, x, y, h->var) : ky_none();
}

static ky_var act_recurrent(random_tape *r) {
  const random_value *v = rt_pick(r, rt_real_with_axis, NULL);
  if (!v) return ky_none();
  int64_t dims[3];
  const ky_var h = with_rank(r, v, 3, dims);
  const int64_t n = dims[2];
  const int count = 3 + rt_below(r, 2);
  if (n > MOST_CHANNELS) return ky_none();
  const ky_dtype dtype = v->shape.dtype;
  const bool copies = rt_below(r, 2);
  if (!copies) r->depends = r->wants = false; /* h gives its shape alone */
  const ky_var x = copies ? ky_concat(r->tape, (size_t)count, (ky_var[]){h, h, h, h}, -1)
                          : leaf(r, dtype, 3, (const int64_t[]){dims[0], dims[1], count * n});
  const ky_var w = x.id ? leaf(r, dtype, KY_SHAPE(count * n, n)) : x;
  if (!w.id) return ky_none();
  const ky_var h0 = leaf_or_none(r, dtype, KY_SHAPE(dims[1], n));
  if (count == 3)
    return ky_gru_sequence(r->tape, x, w, h0, leaf_or_none(r, dtype, KY_SHAPE(3 * n)));
  return ky_lstm_sequence(r->tape, x, w, h0, leaf_or_none(r, dtype, KY_SHAPE(dims[1], n)));
}

static ky_var act_ctc(random_tape *r) {
  const random_value *v = rt_pick(r, rt_real_with_axis, NULL);
  if (!v) return ky_none();
  int64_t dims[3];
  const ky_var x = with_rank(r, v, 3, dims);
  const int64_t batch = dims[1], classes = dims[2], length = 1 + rt_below(r, 3);
  if (classes < 2) return ky_none();
  const ky_var targets = whole(r, 2, (const int64_t[]){batch, length}, classes - 2),
               steps = whole(r, 1, &batch, dims[0]), lengths = whole(r, 1, &batch, length);
  if (!targets.id || !steps.id || !lengths.id) return ky_none();
  const ky_var log_p = rt_below(r, 4) ? ky_log_softmax(r->tape, x, -1) : x;
  return ky_ctc(r->tape, log_p, targets, steps, lengths, classes - 1, rt_below(r, 2),
                (ky_reduction)rt_below(r, 3));
}

static ky_var act_class_loss(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real_with_axis, NULL);
  if (!x) return ky_none();
  const int last = x->shape.rank - 1;
  const int64_t classes = x->shape.dims[last];
  if (classes == 0) return ky_none();
  const ky_var labels = whole(r, last, x->shape.dims, classes - 1);
  if (!labels.id) return ky_none();
  const ky_class_options o = {.size = sizeof o,
                              .reduction = (ky_reduction)rt_below(r, 3),
                              .weights = leaf_or_none(r, x->shape.dtype, 1, &classes),
                              .ignore = rt_below(r, 2),
                              .ignore_label = rt_below(r, 2),
                              .smoothing = rt_below(r, 3) / 4.0};
  return ky_cross_entropy_with(r->tape, x->var, labels, &o);
}

/* ---- random numbers, and where no gradient passes ---------------------------------------- */

static ky_var act_draw(random_tape *r) {
  const random_value *x = rt_pick(r, rt_real, NULL);
  if (!x) return ky_none();
  const ky_array *s = &x->shape;
  const int which = rt_below(r, 5);
  if (which == 0) return ky_dropout(r->tape, x->var, rt_below(r, 5) / 4.0);
  r->wants = false;
  if (which == 4) return ky_stop_gradient(r->tape, x->var);
  r->depends = true; /* on the draw */
  switch (which) {
  case 1: return ky_uniform(r->tape, s->dtype, s->rank, s->dims, -1, 2);
  case 2: return ky_normal(r->tape, s->dtype, s->rank, s->dims, 0.5, 2);
  default:
    return ky_bernoulli(r->tape, rt_below(r, 2) ? KY_MASK : s->dtype, s->rank, s->dims, 0.5);
  }
}

/* ---- operations of one's own ------------------------------------------------------------- */

static double element(ky_dtype dtype, const void *x, int64_t k) {
  return dtype == KY_F32 ? (double)((const float *)x)[k] : ((const double *)x)[k];
}

static void store(ky_dtype dtype, void *r, int64_t k, double x) {
  if (dtype == KY_F32)
    ((float *)r)[k] = (float)x;
  else
    ((double *)r)[k] = x;
}

static void give(ky_dtype dtype, const ky_custom_dest *to, int64_t k, double x) {
  store(dtype, to->gx, k, to->beta ? element(dtype, to->gx, k) + x : x);
}

/* r = x0 x1, which its adjoint reads. */
static ky_status times_shape(ky_custom_shape_call *c) {
  bool same = c->x[0].dtype == c->x[1].dtype && c->x[0].rank == c->x[1].rank;
  for (int k = 0; same && k < c->x[0].rank; k++) same = c->x[0].dims[k] == c->x[1].dims[k];
  return same ? KY_OK : KY_BAD_SHAPE;
}

static ky_status times(const ky_custom_forward_call *c) {
  const ky_dtype d = c->result->dtype;
  for (int64_t k = 0; k < c->result->count; k++)
    store(d, c->r, k, element(d, c->x[0].data, k) * element(d, c->x[1].data, k));
  return KY_OK;
}

static ky_status times_adjoint(const ky_custom_adjoint_call *c) {
  const ky_dtype d = c->result->dtype;
  for (int side = 0; side < 2; side++)
    for (int64_t k = 0; c->to[side].gx && k < c->result->count; k++)
      give(d, &c->to[side], k, element(d, c->g, k) * element(d, c->x[1 - side].data, k));
  return KY_OK;
}

/* r = x / (1 + |x|); the adjoint reads the result and what forward left. */
static ky_status squash_shape(ky_custom_shape_call *c) {
  c->aux_bytes = (size_t)c->x[0].count * sizeof(double);
  return KY_OK;
}

static ky_status squash(const ky_custom_forward_call *c) {
  const ky_dtype d = c->result->dtype;
  double *slopes = c->aux;
  for (int64_t k = 0; k < c->result->count; k++) {
    const double x = element(d, c->x[0].data, k), scale = 1 / (1 + (x < 0 ? -x : x));
    slopes[k] = scale;
    store(d, c->r, k, x * scale);
  }
  return KY_OK;
}

static ky_status squash_adjoint(const ky_custom_adjoint_call *c) {
  const ky_dtype d = c->result->dtype;
  const double *slopes = c->aux;
  for (int64_t k = 0; k < c->result->count; k++) {
    const double y = element(d, c->result->data, k);
    give(d, &c->to[0], k, element(d, c->g, k) * (slopes[k] * slopes[k] + 0 * y));
  }
  return KY_OK;
}

static ky_var act_custom(random_tape *r) {
  static const ky_custom_op ops[2][2] = {{{.size = sizeof **ops,
                                           .name = "times",
                                           .reads = KY_CUSTOM_READS_ALL,
                                           .shape = times_shape,
                                           .forward = times,
                                           .adjoint = times_adjoint},
                                          {.size = sizeof **ops,
                                           .name = "pure_times",
                                           .flags = KY_CUSTOM_PURE,
                                           .reads = KY_CUSTOM_READS(0) | KY_CUSTOM_READS(1),
                                           .shape = times_shape,
                                           .forward = times,
                                           .adjoint = times_adjoint}},
                                         {{.size = sizeof **ops,
                                           .name = "squash",
                                           .reads = KY_CUSTOM_READS_RESULT,
                                           .shape = squash_shape,
                                           .forward = squash,
                                           .adjoint = squash_adjoint},
                                          {.size = sizeof **ops,
                                           .name = "pure_squash",
                                           .flags = KY_CUSTOM_PURE,
                                           .reads = KY_CUSTOM_READS_RESULT,
                                           .shape = squash_shape,
                                           .forward = squash,
                                           .adjoint = squash_adjoint}}};
  const random_value *x = rt_pick(r, rt_real, NULL);
  if (!x) return ky_none();
  const int pure = rt_below(r, 2);
  if (rt_below(r, 2)) return ky_custom(r->tape, &ops[1][pure], 1, &x->var);
  const random_value *y = rt_below(r, 4) ? rt_twin(r, x) : x;
  return y ? ky_custom(r->tape, &ops[0][pure], 2, (const ky_var[]){x->var, y->var}) : ky_none();
}

/* ---- any of them ------------------------------------------------------------------------- */

ky_var rt_act_in_layers(random_tape *r) {
  static rt_action *const actions[] = {
      act_convolve,   act_convolve, act_pool, act_resample,  act_linear_algebra,
      act_attention,  act_rope,     act_cell, act_recurrent, act_ctc,
      act_class_loss, act_draw,     act_draw, act_custom,    act_linear_algebra};
  return actions[rt_below(r, (int)(sizeof actions / sizeof *actions))](r);
}
