/* SPDX-License-Identifier: MIT */
/* Losses with class labels and options: cross_entropy_with is an opcode, the others
 * compositions. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "base/options.h"
#include "tape/composition.h"

/* False, with a pending error, when the options have no size; for a null tape, too. */
static bool take(ky_tape *t, const char *name, const ky_class_options *options,
                 ky_class_options *o) {
  *o = (ky_class_options){0};
  if (!t) return false;
  if (ky__take_options(o, sizeof *o, options)) return true;
  ky__refuse(t, KY_BAD_ARGUMENT, name, "the options have size %zu, wants %zu", options->size,
             sizeof *o);
  return false;
}

/* ---- the opcode -------------------------------------------------------------------------- */

/* Whether the options say no more than a reduction; a null var that came from an error says so
 * in the tape, whichever instruction is recorded. */
static bool is_plain(const ky_class_options *o) {
  return !o->weights.id && !o->ignore && o->smoothing == 0;
}

ky_var ky_cross_entropy_with(ky_tape *t, ky_var logits, ky_var labels,
                             const ky_class_options *options) {
  ky_class_options o;
  if (!take(t, "cross_entropy_with", options, &o)) return (ky_var){0};
  if (is_plain(&o)) return ky_cross_entropy(t, logits, labels, o.reduction);
  ky_draft d;
  ky__draft(&d, KY_OP_cross_entropy_with);
  ky__push_operands(t, &d, 3, (ky_var[]){logits, labels, o.weights});
  ky__push(t, &d, 4,
           (const int64_t[]){(int64_t)o.reduction, o.ignore != 0, o.ignore ? o.ignore_label : 0,
                             ky__f64_bits(o.smoothing)});
  return ky__record(t, &d);
}

/* ---- compositions ------------------------------------------------------------------------ */

/* Rows and weights are floats of one dtype, and there is a weight a class; false, with a
 * pending error, otherwise. `vars` ends with the weights, which may be none. */
static bool begin(ky_composition *c, ky_tape *t, const char *name, int count,
                  const ky_var *vars, const ky_class_options *o) {
  if (!ky__compose(c, t, name, count, count - 1, vars)) return false;
  const ky_layout *rows = ky__var_layout(c, vars[0]);
  if (rows->rank == 0)
    return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "wants rows, got rank 0"), false;
  if (!ky__known_reduction(c, o->reduction)) return false;
  if (!(o->smoothing >= 0 && o->smoothing <= 1))
    return ky__refuse(c->t, KY_BAD_ARGUMENT, c->name, "smoothing is %g, wants 0 to 1",
                      o->smoothing),
           false;
  if (!o->weights.id) return true;
  const ky_layout *weights = ky__var_layout(c, o->weights);
  if (weights->rank == 1 && weights->dims[0] == rows->dims[rows->rank - 1]) return true;
  char dims[128];
  ky_text text = {dims, sizeof dims, 0};
  ky__say_dims(&text, weights);
  return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "weights are %s, want [%lld]", dims,
                    (long long)rows->dims[rows->rank - 1]),
         false;
}

ky_var ky_cross_entropy_soft(ky_tape *t, ky_var logits, ky_var targets,
                             const ky_class_options *options) {
  ky_composition c;
  ky_class_options o;
  if (!take(t, "cross_entropy_soft", options, &o)) return (ky_var){0};
  if (!begin(&c, t, "cross_entropy_soft", 3, (ky_var[]){logits, targets, o.weights}, &o))
    return (ky_var){0};
  const ky_layout *rows = ky__var_layout(&c, logits);
  if (!ky__same_dims(rows, ky__var_layout(&c, targets)))
    return ky__refuse(c.t, KY_BAD_SHAPE, c.name, "the shapes of logits and targets differ");
  if (o.ignore)
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "probabilities have no label to ignore");
  const double classes = (double)rows->dims[rows->rank - 1];
  ky_var q = targets;
  if (o.smoothing > 0)
    q = ky_add_scalar(t, ky_mul_scalar(t, q, 1 - o.smoothing), o.smoothing / classes);
  if (o.weights.id) q = ky_mul(t, q, o.weights);
  ky_var loss = ky_mul(t, ky_log_softmax(t, logits, -1), q);
  loss = ky_neg(t, ky_sum(t, loss, KY_AXES(-1), 0));
  return ky__reduced(&c, loss, o.reduction);
}

/* What the rows of labels weigh: [...] */
static ky_var row_weights(const ky_composition *c, ky_var labels, ky_var weights) {
  const ky_layout shape = *ky__var_layout(c, labels);
  const ky_var flat = ky_reshape(c->t, labels, 1, &shape.count);
  return ky_reshape(c->t, ky_gather(c->t, weights, 0, flat), shape.rank, shape.dims);
}

ky_var ky_nll_with(ky_tape *t, ky_var log_p, ky_var labels, const ky_class_options *options) {
  ky_composition c;
  ky_class_options o;
  if (!take(t, "nll_with", options, &o)) return (ky_var){0};
  if (!begin(&c, t, "nll_with", 2, (ky_var[]){log_p, o.weights}, &o)) return (ky_var){0};
  if (o.smoothing > 0)
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "smoothing is %g, wants 0", o.smoothing);
  const char *reason = ky__bad_var(t, labels);
  if (reason) return ky__refuse(c.t, KY_BAD_VAR, c.name, "%s", reason);
  const ky_dtype index = (ky_dtype)t->code.ins[labels.id].dtype;
  if (index != KY_I32 && index != KY_I64)
    return ky__refuse(c.t, KY_BAD_DTYPE, c.name, "labels must be i32 or i64, got %s",
                      ky_dtype_name(index));
  if (is_plain(&o)) return ky__composed(&c, ky_nll(t, log_p, labels, o.reduction));
  const ky_dtype dtype = (ky_dtype)t->code.ins[log_p.id].dtype;
  ky_var counts = {0}, y = labels, mass = {0};
  if (o.ignore) { /* ignored labels need not be classes, so class 0 stands in for them */
    const ky_var ignored = ky_constant(t, KY_I64, KY_SCALAR, &o.ignore_label);
    counts = ky_ne(t, ky_cast(t, labels, KY_I64), ignored);
    y = ky_where(t, counts, labels, ky_full(t, index, KY_SCALAR, 0));
  }
  ky_var loss = ky_nll(t, log_p, y, KY_REDUCE_NONE);
  if (o.weights.id) {
    mass = row_weights(&c, y, o.weights);
    loss = ky_mul(t, loss, mass);
  }
  if (o.ignore) {
    const ky_var zero = ky_full(t, dtype, KY_SCALAR, 0);
    loss = ky_where(t, counts, loss, zero);
    mass = o.weights.id ? ky_where(t, counts, mass, zero) : ky_cast(t, counts, dtype);
  }
  if (o.reduction != KY_REDUCE_NONE) loss = ky_sum_all(t, loss);
  if (o.reduction == KY_REDUCE_MEAN) loss = ky_div(t, loss, ky_sum_all(t, mass));
  return ky__composed(&c, loss);
}
