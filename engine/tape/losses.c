/* SPDX-License-Identifier: MIT */
/* Losses that are compositions. Operands are checked here, so that an error names the loss;
 * what is recorded then can only run out of memory. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include <math.h>

#include "tape/composition.h"

/* Two shapes, for a message. */
typedef struct shapes {
  char a[96], b[96];
} shapes;

static shapes say_shapes(const ky_layout *a, const ky_layout *b) {
  shapes s;
  ky_text first = {s.a, sizeof s.a, 0}, second = {s.b, sizeof s.b, 0};
  ky__say_dims(&first, a);
  ky__say_dims(&second, b);
  return s;
}

/* A loss of `count` operands that broadcast against each other; false, with a pending error,
 * otherwise. */
static bool begin(ky_composition *c, ky_tape *t, const char *name, int count,
                  const ky_var *vars, ky_reduction reduction) {
  if (!ky__compose(c, t, name, count, count, vars) || !ky__known_reduction(c, reduction))
    return false;
  ky_layout space = *ky__var_layout(c, vars[0]);
  for (int k = 1; k < count; k++) {
    ky_fault fault = {0};
    const ky_layout so_far = space;
    if (ky__broadcast(&so_far, ky__var_layout(c, vars[k]), &space, &fault) == KY_OK) continue;
    const shapes said = say_shapes(&so_far, ky__var_layout(c, vars[k]));
    return ky__refuse(c->t, fault.status, c->name, "%s x %s: %s", said.a, said.b, fault.text),
           false;
  }
  return true;
}

static bool same_shapes(const ky_composition *c, int count, const ky_var *vars) {
  const ky_layout *first = ky__var_layout(c, vars[0]);
  for (int k = 1; k < count; k++) {
    if (ky__same_dims(first, ky__var_layout(c, vars[k]))) continue;
    const shapes said = say_shapes(first, ky__var_layout(c, vars[k]));
    return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "shapes %s and %s differ", said.a, said.b),
           false;
  }
  if (first->rank > 0) return true;
  return ky__refuse(c->t, KY_BAD_SHAPE, c->name, "wants vectors, got rank 0"), false;
}

static ky_var distance(ky_tape *t, ky_var a, ky_var b) { return ky_abs(t, ky_sub(t, a, b)); }

/* m (d - m / 2) with m = min(d, knee): d^2 / 2 up to the knee, a line behind it. */
static ky_var bent(ky_tape *t, ky_var d, double knee) {
  const ky_var m = ky_minimum_scalar(t, d, knee);
  return ky_mul(t, m, ky_sub(t, d, ky_mul_scalar(t, m, 0.5)));
}

ky_var ky_l1(ky_tape *t, ky_var a, ky_var b, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "l1", 2, (ky_var[]){a, b}, reduction)) return (ky_var){0};
  return ky__reduced(&c, distance(t, a, b), reduction);
}

ky_var ky_smooth_l1(ky_tape *t, ky_var a, ky_var b, double beta, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "smooth_l1", 2, (ky_var[]){a, b}, reduction)) return (ky_var){0};
  if (!(beta >= 0 && beta < INFINITY))
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "beta is %g, wants 0 or more", beta);
  const ky_var d = distance(t, a, b);
  return ky__reduced(&c, beta == 0 ? d : ky_div_scalar(t, bent(t, d, beta), beta), reduction);
}

ky_var ky_huber(ky_tape *t, ky_var a, ky_var b, double delta, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "huber", 2, (ky_var[]){a, b}, reduction)) return (ky_var){0};
  if (!(delta > 0 && delta < INFINITY))
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "delta is %g, wants more than 0", delta);
  return ky__reduced(&c, bent(t, distance(t, a, b), delta), reduction);
}

/* The logarithm is taken of 1 where p is 0, so that neither it nor its derivative is infinite.
 */
ky_var ky_kl_div(ky_tape *t, ky_var log_q, ky_var p, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "kl_div", 2, (ky_var[]){log_q, p}, reduction)) return (ky_var){0};
  const ky_var one = ky_scalar(t, (ky_dtype)t->code.ins[p.id].dtype, 1);
  const ky_var log_p = ky_log(t, ky_where(t, ky_eq_scalar(t, p, 0), one, p));
  return ky__reduced(&c, ky_sub(t, ky_mul(t, p, log_p), ky_mul(t, p, log_q)), reduction);
}

ky_var ky_kl_div_log(ky_tape *t, ky_var log_q, ky_var log_p, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "kl_div_log", 2, (ky_var[]){log_q, log_p}, reduction)) return (ky_var){0};
  return ky__reduced(&c, ky_mul(t, ky_exp(t, log_p), ky_sub(t, log_p, log_q)), reduction);
}

ky_var ky_hinge(ky_tape *t, ky_var x, ky_var y, ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "hinge", 2, (ky_var[]){x, y}, reduction)) return (ky_var){0};
  return ky__reduced(&c, ky_relu(t, ky_rsub_scalar(t, ky_mul(t, x, y), 1)), reduction);
}

/* ---- vectors ----------------------------------------------------------------------------- */

static ky_var cosine(ky_tape *t, ky_var a, ky_var b, int64_t axis, double eps) {
  const ky_var dot = ky_sum(t, ky_mul(t, a, b), KY_AXES(axis), 0);
  const ky_var la = ky_maximum_scalar(t, ky_norm(t, a, KY_AXES(axis), 0, KY_NORM_2), eps);
  const ky_var lb = ky_maximum_scalar(t, ky_norm(t, b, KY_AXES(axis), 0, KY_NORM_2), eps);
  return ky_div(t, ky_div(t, dot, la), lb);
}

ky_var ky_cosine_similarity(ky_tape *t, ky_var a, ky_var b, int64_t axis, double eps) {
  ky_composition c;
  const ky_var vars[2] = {a, b};
  if (!ky__compose(&c, t, "cosine_similarity", 2, 2, vars) || !same_shapes(&c, 2, vars))
    return (ky_var){0};
  if (!ky__axis(t, c.name, ky__var_layout(&c, a)->rank, &axis)) return (ky_var){0};
  if (!(eps > 0))
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "eps is %g, wants more than 0", eps);
  return ky__composed(&c, cosine(t, a, b, axis, eps));
}

/* BAD_SHAPE unless y broadcasts against vectors [...,n] without their last axis. */
static bool fits_rows(const ky_composition *c, ky_var vectors, ky_var y) {
  ky_layout rows = *ky__var_layout(c, vectors), space;
  rows.rank--;
  ky__layout_settle(&rows);
  ky_fault fault = {0};
  if (ky__broadcast(&rows, ky__var_layout(c, y), &space, &fault) == KY_OK) return true;
  return ky__refuse(c->t, fault.status, c->name, "%s", fault.text), false;
}

ky_var ky_cosine_embedding(ky_tape *t, ky_var a, ky_var b, ky_var y, double margin,
                           ky_reduction reduction) {
  ky_composition c;
  const ky_var vars[3] = {a, b, y};
  if (!ky__compose(&c, t, "cosine_embedding", 3, 3, vars) || !same_shapes(&c, 2, vars) ||
      !fits_rows(&c, a, y) || !ky__known_reduction(&c, reduction))
    return (ky_var){0};
  const ky_var cos = cosine(t, a, b, -1, 1e-8);
  const ky_var apart = ky_relu(t, ky_add_scalar(t, cos, -margin));
  return ky__reduced(&c, ky_where(t, ky_gt_scalar(t, y, 0), ky_rsub_scalar(t, cos, 1), apart),
                     reduction);
}

static ky_var apart(ky_tape *t, ky_var a, ky_var b) {
  return ky_norm(t, ky_add_scalar(t, ky_sub(t, a, b), 1e-6), KY_AXES(-1), 0, KY_NORM_2);
}

ky_var ky_triplet(ky_tape *t, ky_var anchor, ky_var positive, ky_var negative, double margin,
                  ky_reduction reduction) {
  ky_composition c;
  const ky_var vars[3] = {anchor, positive, negative};
  if (!begin(&c, t, "triplet", 3, vars, reduction) || !same_shapes(&c, 3, vars))
    return (ky_var){0};
  const ky_var near = apart(t, anchor, positive), far = apart(t, anchor, negative);
  return ky__reduced(&c, ky_relu(t, ky_add_scalar(t, ky_sub(t, near, far), margin)), reduction);
}

/* ---- likelihoods ------------------------------------------------------------------------- */

ky_var ky_gaussian_nll(ky_tape *t, ky_var mean, ky_var y, ky_var variance, double eps,
                       ky_reduction reduction) {
  ky_composition c;
  if (!begin(&c, t, "gaussian_nll", 3, (ky_var[]){mean, y, variance}, reduction))
    return (ky_var){0};
  if (!(eps > 0))
    return ky__refuse(c.t, KY_BAD_ARGUMENT, c.name, "eps is %g, wants more than 0", eps);
  const ky_var v = ky_maximum_scalar(t, variance, eps);
  const ky_var off = ky_div(t, ky_square(t, ky_sub(t, mean, y)), v);
  return ky__reduced(&c, ky_mul_scalar(t, ky_add(t, ky_log(t, v), off), 0.5), reduction);
}
