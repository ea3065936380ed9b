/* SPDX-License-Identifier: MIT */
/* Recording of normalisations: layernorm and rmsnorm are opcodes, the others compositions. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "ops/family.h"
#include "tape/composition.h"

/* ---- opcodes ----------------------------------------------------------------------------- */

static ky_var record_norm(ky_tape *t, ky_op op, ky_var x, int axes, ky_var weight, ky_var bias,
                          double eps) {
  if (!t) return (ky_var){0};
  ky_draft d;
  ky__draft(&d, op);
  ky__push_operands(t, &d, 3, (ky_var[]){x, weight, bias});
  ky__push(t, &d, 2, (const int64_t[]){axes, ky__f64_bits(eps)});
  return ky__record(t, &d);
}

ky_var ky_layernorm(ky_tape *t, ky_var x, int axes, ky_var weight, ky_var bias, double eps) {
  return record_norm(t, KY_OP_layernorm, x, axes, weight, bias, eps);
}

ky_var ky_rmsnorm(ky_tape *t, ky_var x, int axes, ky_var weight, double eps) {
  return record_norm(t, KY_OP_rmsnorm, x, axes, weight, (ky_var){0}, eps);
}

/* ---- compositions: x [n,c,...], all others [c] ------------------------------------------- */

/* vars[0] is x. Those from number `required` on may be absent. */
static bool begin(ky_composition *c, ky_tape *t, const char *name, int count, int required,
                  const ky_var *vars, double eps) {
  if (!ky__compose(c, t, name, count, required, vars)) return false;
  const ky_layout *x = ky__var_layout(c, vars[0]);
  if (x->rank < 2)
    return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "wants [n,c,...], got rank %d",
                      (int)x->rank),
           false;
  for (int k = 1; k < count; k++) {
    if (!vars[k].id) continue;
    const ky_layout *v = ky__var_layout(c, vars[k]);
    char got[96];
    ky_text text = {got, sizeof got, 0};
    ky__say_dims(&text, v);
    if (v->rank != 1 || v->dims[0] != x->dims[1])
      return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "%s does not fit %lld channels", got,
                        (long long)x->dims[1]),
             false;
  }
  if (eps >= 0) return true;
  return ky__refuse(c->t, KY_BAD_ARGUMENT, c->name, "eps is %g, wants 0 or more", eps), false;
}

/* [c] as [c,1,...], which broadcasts to x. */
static ky_var per_channel(const ky_composition *c, ky_var v, int rank) {
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < rank - 1; k++) dims[k] = 1;
  dims[0] = ky__var_layout(c, v)->dims[0];
  return ky_reshape(c->t, v, rank - 1, dims);
}

static ky_var affine(const ky_composition *c, ky_var h, ky_var weight, ky_var bias, int rank) {
  if (weight.id) h = ky_mul(c->t, h, per_channel(c, weight, rank));
  if (bias.id) h = ky_add(c->t, h, per_channel(c, bias, rank));
  return h;
}

/* Groups are rows of a layernorm. wanted: null for as many as channels. */
static ky_var groups_of(ky_tape *t, const char *name, ky_var x, const int64_t *wanted,
                        ky_var weight, ky_var bias, double eps) {
  ky_composition c;
  if (!begin(&c, t, name, 3, 1, (ky_var[]){x, weight, bias}, eps)) return (ky_var){0};
  const ky_layout shape = *ky__var_layout(&c, x);
  const int64_t channels = shape.dims[1];
  const int64_t groups = wanted ? *wanted : channels;
  if (wanted && (groups < 1 || channels % groups != 0))
    return ky__refuse(c.t, groups < 1 ? KY_BAD_ARGUMENT : KY_BAD_SHAPE, c.name,
                      "%lld channels in %lld groups", (long long)channels, (long long)groups);
  int64_t each = groups ? channels / groups : 0;
  for (int k = 2; k < shape.rank; k++) each *= shape.dims[k];
  const int64_t dims[3] = {shape.dims[0], groups, each};
  const ky_var rows = ky_reshape(t, x, 3, dims);
  const ky_var h = ky_layernorm(t, rows, 1, (ky_var){0}, (ky_var){0}, eps);
  const ky_var back = ky_reshape(t, h, shape.rank, shape.dims);
  return ky__composed(&c, affine(&c, back, weight, bias, shape.rank));
}

ky_var ky_groupnorm(ky_tape *t, ky_var x, int64_t groups, ky_var weight, ky_var bias,
                    double eps) {
  return groups_of(t, "groupnorm", x, &groups, weight, bias, eps);
}

ky_var ky_instancenorm(ky_tape *t, ky_var x, ky_var weight, ky_var bias, double eps) {
  return groups_of(t, "instancenorm", x, NULL, weight, bias, eps);
}

/* (x - mean) weight / sqrt(variance + eps) + bias, with mean and variance as they broadcast:
 * the scale is worked out for channels, not for elements. */
static ky_var standardize(const ky_composition *c, ky_var x, ky_var mean, ky_var variance,
                          ky_var weight, ky_var bias, double eps, int rank) {
  ky_tape *t = c->t;
  ky_var scale = ky_rsqrt(t, ky_add_scalar(t, variance, eps));
  if (weight.id) scale = ky_mul(t, scale, per_channel(c, weight, rank));
  const ky_var r = ky_mul(t, ky_sub(t, x, mean), scale);
  return bias.id ? ky_add(t, r, per_channel(c, bias, rank)) : r;
}

ky_var ky_batchnorm(ky_tape *t, ky_var x, ky_var weight, ky_var bias, double eps, ky_var *mean,
                    ky_var *variance) {
  ky_composition c;
  if (mean) *mean = (ky_var){0};
  if (variance) *variance = (ky_var){0};
  if (!begin(&c, t, "batchnorm", 3, 1, (ky_var[]){x, weight, bias}, eps)) return (ky_var){0};
  const int rank = ky__var_layout(&c, x)->rank;
  const int64_t channels = ky__var_layout(&c, x)->dims[1];
  int64_t axes[KY_MAX_RANK] = {0};
  for (int k = 2; k < rank; k++) axes[k - 1] = k;
  const ky_var m = ky_mean(t, x, rank - 1, axes, 1);
  const ky_var v = ky_variance(t, x, rank - 1, axes, 1, 0);
  if (mean) *mean = ky_reshape(t, m, 1, &channels);
  if (variance) *variance = ky_reshape(t, v, 1, &channels);
  const ky_var r = ky__composed(&c, standardize(&c, x, m, v, weight, bias, eps, rank));
  if (!r.id && mean) *mean = (ky_var){0};
  if (!r.id && variance) *variance = (ky_var){0};
  return r;
}

ky_var ky_batchnorm_inference(ky_tape *t, ky_var x, ky_var weight, ky_var bias, ky_var mean,
                              ky_var variance, double eps) {
  ky_composition c;
  if (!begin(&c, t, "batchnorm_inference", 5, 3, (ky_var[]){x, mean, variance, weight, bias},
             eps))
    return (ky_var){0};
  const int rank = ky__var_layout(&c, x)->rank;
  const ky_var m = per_channel(&c, mean, rank), v = per_channel(&c, variance, rank);
  return ky__composed(&c, standardize(&c, x, m, v, weight, bias, eps, rank));
}

/* ---- running statistics ------------------------------------------------------------------ */

static void move_towards(ky_tensor *running, const ky_array *batch, double factor,
                         double momentum) {
  void *at = ky_tensor_write(running);
  for (int64_t k = 0; k < batch->count; k++) {
    const int64_t from = k * batch->strides[0];
    if (batch->dtype == KY_F64) {
      double *r = (double *)at + k;
      const double target = factor * ((const double *)batch->data)[from];
      *r = (1 - momentum) * *r + momentum * target;
    } else {
      float *r = (float *)at + k;
      const double target = factor * (double)((const float *)batch->data)[from];
      *r = (float)((1 - momentum) * (double)*r + momentum * target);
    }
  }
}

ky_status ky_batchnorm_update(ky_tensor *running_mean, ky_tensor *running_variance,
                              const ky_array *mean, const ky_array *variance, int64_t count,
                              double momentum) {
  if (!running_mean || !running_variance || !mean || !variance || count < 2 ||
      !(momentum >= 0 && momentum <= 1))
    return KY_BAD_ARGUMENT;
  const ky_array all[4] = {ky_tensor_array(running_mean), ky_tensor_array(running_variance),
                           *mean, *variance};
  for (int k = 0; k < 4; k++) {
    if (!ky__is_float(all[k].dtype) || all[k].dtype != all[0].dtype) return KY_BAD_DTYPE;
    if (all[k].rank != 1 || all[k].count != all[0].count) return KY_BAD_SHAPE;
    if (!all[k].data && all[k].count) return KY_BAD_ARGUMENT;
  }
  move_towards(running_mean, mean, 1, momentum);
  move_towards(running_variance, variance, (double)count / (double)(count - 1), momentum);
  return KY_OK;
}
