/* SPDX-License-Identifier: MIT */
/* Reductions that are more than a sum: prod, variance, std, norm, logsumexp, any, all. The
 * loops are those of kernels/statistic.h; this file turns axes and layouts into plans for them.
 */
#include "kernels/kernels.h"
#include "ops/reduced.h"

/* What c says in its low byte: bit 0 keeps reduced axes; above, the number of attr AXES_N. */
static bool keeps(const ky_ins *i) { return i->c & 1u; }
static uint32_t number_of(const ky_ins *i) { return (i->c & ((1u << KY_AUX_SHIFT) - 1)) >> 1; }

/* ---- rules ------------------------------------------------------------------------------- */

ky_status ky__rule_statistic(ky_query *q) {
  KY_TRY(ky__need_float(q, q->ins->a));
  return ky__answer_reduced(q, ky__dtype_of(q, q->ins->a), q->ins->b, keeps(q->ins));
}

ky_status ky__rule_variance(ky_query *q) {
  const uint32_t correction = number_of(q->ins);
  if (correction > 1)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "correction %u, wants 0 or 1",
                    (unsigned)correction);
  KY_TRY(ky__rule_statistic(q));
  q->aux_bytes = (size_t)q->code->layouts.at[q->layout].count * ky_dtype_size(q->dtype);
  return KY_OK;
}

ky_status ky__rule_norm(ky_query *q) {
  const uint32_t order = number_of(q->ins);
  if (order < 1 || order > 3)
    return ky__fail(q->fault, KY_BAD_ARGUMENT,
                    "order %u, wants KY_NORM_1, KY_NORM_2 or KY_NORM_INF", (unsigned)order);
  return ky__rule_statistic(q);
}

ky_status ky__rule_quantifier(ky_query *q) {
  const ky_dtype dtype = ky__dtype_of(q, q->ins->a);
  if (dtype != KY_MASK)
    return ky__fail(q->fault, KY_BAD_DTYPE, "wants a mask, got %s", ky_dtype_name(dtype));
  return ky__answer_reduced(q, KY_MASK, q->ins->b, keeps(q->ins));
}

/* ---- sweeps ------------------------------------------------------------------------------ */

typedef struct statistic {
  ky_statistic_fn *kernel;
  ky_statistic whole;
  size_t size; /* of an element */
} statistic;

static void take_part(const void *context, const ky_reduce_plan *part, const int64_t *offset) {
  const statistic *c = context;
  ky_statistic s = c->whole;
  s.plan = part;
  s.r = ky__moved(s.r, offset[0], c->size);
  s.mean = ky__moved(s.mean, offset[0], c->size);
  s.g = ky__moved(s.g, offset[0], c->size);
  s.x = ky__moved(s.x, offset[1], c->size);
  s.gx = ky__moved(s.gx, offset[2], c->size);
  c->kernel(&s);
}

static void share(const ky_frame *f, ky_id pc, const ky_reduce_plan *plan,
                  ky_statistic_fn *kernel, ky_statistic s) {
  const statistic c = {kernel, s, ky_dtype_size((ky_dtype)f->code->ins[pc].dtype)};
  ky__share_reduction(f, plan, take_part, &c);
}

static void reduce(ky_frame *f, ky_id pc, ky_statistic_fn *kernel, ky_statistic s) {
  const ky_ins *i = &f->code->ins[pc];
  int64_t strides[KY_MAX_RANK];
  ky__reduced_strides(f->code, pc, i->b, keeps(i), strides);
  ky_reduce_plan plan;
  ky__plan_reduction(&plan, ky__layout(f->code, i->a), strides);
  s.x = ky__data(f, i->a);
  s.r = ky__data(f, pc);
  share(f, pc, &plan, kernel, s);
}

/* Kernels get the result only if the row declares that its adjoint reads it. */
static void pull(ky_frame *f, ky_id pc, ky_statistic_fn *kernel, ky_statistic s) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  int64_t strides[KY_MAX_RANK];
  ky__reduced_strides(f->code, pc, i->b, keeps(i), strides);
  ky_reduce_plan plan;
  ky__plan_share(&plan, ky__layout(f->code, i->a), strides);
  s.x = ky__data(f, i->a);
  s.r = ky__opinfo[i->op].reads & KY_READS_R ? ky__data(f, pc) : NULL;
  s.g = ky__adjoint(f, pc);
  s.gx = d.ptr;
  s.beta = d.beta;
  share(f, pc, &plan, kernel, s);
}

void fwd_prod(ky_frame *f, ky_id pc) {
  reduce(f, pc, f->kernels->statistic->prod[f->code->ins[pc].dtype], (ky_statistic){0});
}

void vjp_prod(ky_frame *f, ky_id pc) {
  pull(f, pc, f->kernels->statistic->pull_prod[f->code->ins[pc].dtype], (ky_statistic){0});
}

void fwd_logsumexp(ky_frame *f, ky_id pc) {
  reduce(f, pc, f->kernels->statistic->logsumexp[f->code->ins[pc].dtype], (ky_statistic){0});
}

void vjp_logsumexp(ky_frame *f, ky_id pc) {
  pull(f, pc, f->kernels->statistic->pull_logsumexp[f->code->ins[pc].dtype], (ky_statistic){0});
}

/* ---- variance and its root --------------------------------------------------------------- */

static ky_statistic spread_of(const ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const double n = (double)ky__reduced_count(f->code, pc, i->b);
  const double divisor = n - number_of(i);
  return (ky_statistic){.n = n, .divisor = divisor > 0 ? divisor : 0, .mean = ky__aux(f, pc)};
}

/* Where the result is empty there is no aux buffer, and nothing to do. */
static bool has_results(const ky_frame *f, ky_id pc) {
  return ky__layout(f->code, pc)->count > 0;
}

#define SPREAD(name)                                                                           \
  void fwd_##name(ky_frame *f, ky_id pc) {                                                     \
    if (!has_results(f, pc)) return;                                                           \
    reduce(f, pc, f->kernels->statistic->name[f->code->ins[pc].dtype], spread_of(f, pc));      \
  }                                                                                            \
  void vjp_##name(ky_frame *f, ky_id pc) {                                                     \
    const ky_ins *i = &f->code->ins[pc];                                                       \
    if (has_results(f, pc))                                                                    \
      pull(f, pc, f->kernels->statistic->pull_##name[i->dtype], spread_of(f, pc));             \
    else                                                                                       \
      ky__dest(f, i->a, i->flags &KY_WANT_A); /* empty as well */                              \
  }
SPREAD(variance)
SPREAD(std)
#undef SPREAD

/* ---- norms ------------------------------------------------------------------------------- */

/* The kernels stand in the order of KY_NORM_1, KY_NORM_2, KY_NORM_INF, which are 1, 2, 3. */
void fwd_norm(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  reduce(f, pc, f->kernels->statistic->norm[number_of(i) - 1][i->dtype], (ky_statistic){0});
}

void vjp_norm(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  pull(f, pc, f->kernels->statistic->pull_norm[number_of(i) - 1][i->dtype], (ky_statistic){0});
}

/* ---- masks ------------------------------------------------------------------------------- */

typedef struct quantifier {
  ky_quantify *kernel;
  uint8_t *out;
  const uint8_t *in;
  bool all;
} quantifier;

static void quantify_part(const void *context, const ky_reduce_plan *part,
                          const int64_t *offset) {
  const quantifier *q = context;
  q->kernel(part, q->out + offset[0], q->in + offset[1], q->all);
}

static void quantify(ky_frame *f, ky_id pc, bool all) {
  const ky_ins *i = &f->code->ins[pc];
  int64_t strides[KY_MAX_RANK];
  ky__reduced_strides(f->code, pc, i->b, keeps(i), strides);
  ky_reduce_plan plan;
  ky__plan_reduction(&plan, ky__layout(f->code, i->a), strides);
  const quantifier q = {f->kernels->statistic->quantify, ky__data(f, pc), ky__data(f, i->a),
                        all};
  ky__share_reduction(f, &plan, quantify_part, &q);
}

void fwd_any(ky_frame *f, ky_id pc) { quantify(f, pc, false); }

void fwd_all(ky_frame *f, ky_id pc) { quantify(f, pc, true); }
