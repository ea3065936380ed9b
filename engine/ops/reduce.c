/* SPDX-License-Identifier: MIT */
/* Reductions: sum, mean, max and min over a set of axes, argmax and argmin along one. The loops
 * are those of kernels/reduce.h; this file turns axes and layouts into plans for them. */
#include "ops/reduced.h"

/* ---- rules ------------------------------------------------------------------------------- */

static ky_status answer_reduced(ky_query *q, ky_dtype dtype, uint32_t axes) {
  const uint32_t keep = q->ins->c;
  if (keep <= 1) return ky__answer_reduced(q, dtype, axes, keep);
  return ky__fail(q->fault, KY_BAD_ARGUMENT, "keepdim is %u, wants 0 or 1", (unsigned)keep);
}

/* BAD_SHAPE when one of `axes` is empty. */
static ky_status need_choice(const ky_query *q, uint32_t axes) {
  const ky_layout *in = ky__layout_of(q, q->ins->a);
  for (int k = 0; k < in->rank; k++)
    if ((axes >> k & 1u) && in->dims[k] == 0)
      return ky__fail(q->fault, KY_BAD_SHAPE, "nothing to choose from: axis %d has extent 0",
                      k);
  return KY_OK;
}

ky_status ky__rule_reduce(ky_query *q) {
  KY_TRY(ky__need_float(q, q->ins->a));
  return answer_reduced(q, ky__dtype_of(q, q->ins->a), q->ins->b);
}

ky_status ky__rule_extremum(ky_query *q) {
  KY_TRY(ky__need_float(q, q->ins->a));
  KY_TRY(need_choice(q, q->ins->b));
  return answer_reduced(q, ky__dtype_of(q, q->ins->a), q->ins->b);
}

ky_status ky__rule_argmax(ky_query *q) {
  const int rank = ky__layout_of(q, q->ins->a)->rank;
  if (q->ins->b >= (uint32_t)rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of a value of rank %d", (unsigned)q->ins->b,
                    rank);
  KY_TRY(need_choice(q, 1u << q->ins->b));
  return answer_reduced(q, KY_I64, 1u << q->ins->b);
}

/* ---- plans ------------------------------------------------------------------------------- */

static void result_strides(const ky_code *code, ky_id pc, uint32_t axes,
                           int64_t strides[KY_MAX_RANK]) {
  ky__reduced_strides(code, pc, axes, code->ins[pc].c != 0, strides);
}

static void plan_forward(const ky_code *code, ky_id pc, uint32_t axes, ky_reduce_plan *plan) {
  int64_t strides[KY_MAX_RANK];
  result_strides(code, pc, axes, strides);
  ky__plan_reduction(plan, ky__layout(code, code->ins[pc].a), strides);
}

/* ---- sum and mean ------------------------------------------------------------------------ */

/* A reduction whose results are shared out along the outermost axis that is kept. */
typedef struct shared_sum {
  const ky_frame *f;
  ky_reduce_plan plan;
  ky_dtype dtype;
  double n;
  void *out;
  const void *in;
} shared_sum;

static void add_up_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared_sum *s = context;
  const int64_t size = (int64_t)ky_dtype_size(s->dtype), from = (int64_t)begin;
  ky_reduce_plan plan = s->plan;
  plan.kept.dims[0] = (int64_t)(end - begin);
  s->f->kernels->reduce->mean[s->dtype](
      &plan, (char *)s->out + from * plan.kept.strides[0][0] * size, s->n,
      (const char *)s->in + from * plan.kept.strides[1][0] * size);
}

/* r = sum / n */
static void add_up(ky_frame *f, ky_id pc, double n) {
  const ky_ins *i = &f->code->ins[pc];
  if (ky__class(i) == KY_GENERAL) {
    shared_sum s = {.f = f,
                    .dtype = (ky_dtype)i->dtype,
                    .n = n,
                    .out = ky__data(f, pc),
                    .in = ky__data(f, i->a)};
    plan_forward(f->code, pc, i->b, &s.plan);
    const size_t outer = (size_t)s.plan.kept.dims[0];
    const size_t count = (size_t)ky__layout(f->code, i->a)->count;
    ky__team_run(f->team, outer, ky__grain_of(f, outer ? count / outer : 0), add_up_some, &s);
    return;
  }
  const size_t count = (size_t)ky__layout(f->code, i->a)->count;
  ky__sum_run(f, (ky_dtype)i->dtype, count, ky__data(f, pc), 0, n, ky__data(f, i->a));
}

/* One number for all, g / n, by elements. */
typedef struct shared_spread {
  ky_spread_kernel *kernel;
  ky_dest to;
  const void *g;
  double n;
  size_t size;
} shared_spread;

static void spread_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared_spread *s = context;
  s->kernel(end - begin, ky__element(s->to.ptr, begin, s->size), s->to.beta, s->g, 0, s->n);
}

static void spread_strip(const void *context, const ky_strip *t) {
  const shared_spread *s = context;
  s->kernel(t->n, t->at[0], s->to.beta, t->at[1], t->step[1], s->n);
}

/* ga = g / n, all along the reduced axes */
static void spread(ky_frame *f, ky_id pc, double n) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout *space = ky__layout(f->code, i->a);
  shared_spread s = {f->kernels->reduce->spread[i->dtype], d, ky__adjoint(f, pc), n,
                     ky_dtype_size((ky_dtype)i->dtype)};
  if (ky__layout(f->code, pc)->count == 1) {
    ky__team_run(f->team, (size_t)space->count, f->grain, spread_some, &s);
    return;
  }
  int64_t strides[2][KY_MAX_RANK];
  const ky_layout dense = ky__dense(space);
  for (int k = 0; k < space->rank; k++) strides[0][k] = dense.strides[k];
  result_strides(f->code, pc, i->b, strides[1]);
  ky_loop loop;
  ky__loop_plan(&loop, space, 2, strides);
  const ky_walked arrays[] = {{d.ptr, s.size}, {s.g, s.size}};
  ky__walk(f, &loop, 1, arrays, spread_strip, &s);
}

static double reduced_count(const ky_code *code, ky_id pc) {
  return (double)ky__reduced_count(code, pc, code->ins[pc].b);
}

void fwd_sum(ky_frame *f, ky_id pc) { add_up(f, pc, 1); }

void vjp_sum(ky_frame *f, ky_id pc) { spread(f, pc, 1); }

void fwd_mean(ky_frame *f, ky_id pc) { add_up(f, pc, reduced_count(f->code, pc)); }

void vjp_mean(ky_frame *f, ky_id pc) { spread(f, pc, reduced_count(f->code, pc)); }

/* ---- max and min ------------------------------------------------------------------------- */

/* A choice, or what its adjoint shares out. */
typedef struct choice {
  const ky_reduce_kernels *kernels;
  ky_extremum_kernel *extremum;
  bool largest; /* of positions */
  ky_dtype dtype;
  size_t size; /* of an element of x, and of what lies like it */
  ky_dest to;
  const void *g, *x;
  void *r;
} choice;

static void choose_part(const void *context, const ky_reduce_plan *part,
                        const int64_t *offset) {
  const choice *c = context;
  const int64_t size = (int64_t)c->size;
  c->extremum(part, (char *)c->r + offset[0] * size, (const char *)c->x + offset[1] * size);
}

static void share_part(const void *context, const ky_reduce_plan *part, const int64_t *offset) {
  const choice *c = context;
  const int64_t size = (int64_t)c->size;
  c->kernels->share[c->dtype](part, (char *)c->to.ptr + offset[2] * size, c->to.beta,
                              (const char *)c->g + offset[0] * size,
                              (const char *)c->r + offset[0] * size,
                              (const char *)c->x + offset[1] * size);
}

static void place_part(const void *context, const ky_reduce_plan *part, const int64_t *offset) {
  const choice *c = context;
  c->kernels->position(c->largest, c->dtype, part, (int64_t *)c->r + offset[0],
                       (const char *)c->x + offset[1] * (int64_t)c->size);
}

static choice choice_of(const ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  return (choice){.kernels = f->kernels->reduce,
                  .dtype = dtype,
                  .size = ky_dtype_size(dtype),
                  .x = ky__data(f, i->a),
                  .r = ky__data(f, pc)};
}

static void choose(ky_frame *f, ky_id pc, ky_extremum_kernel *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  ky_reduce_plan plan;
  plan_forward(f->code, pc, i->b, &plan);
  choice c = choice_of(f, pc);
  c.extremum = kernels[i->dtype];
  ky__share_reduction(f, &plan, choose_part, &c);
}

/* The elements equal to the result share g. */
static void share(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  int64_t strides[KY_MAX_RANK];
  result_strides(f->code, pc, i->b, strides);
  ky_reduce_plan plan;
  ky__plan_share(&plan, ky__layout(f->code, i->a), strides);
  choice c = choice_of(f, pc);
  c.to = d;
  c.g = ky__adjoint(f, pc);
  ky__share_reduction(f, &plan, share_part, &c);
}

void fwd_max(ky_frame *f, ky_id pc) { choose(f, pc, f->kernels->reduce->max); }

void vjp_max(ky_frame *f, ky_id pc) { share(f, pc); }

void fwd_min(ky_frame *f, ky_id pc) { choose(f, pc, f->kernels->reduce->min); }

void vjp_min(ky_frame *f, ky_id pc) { share(f, pc); }

/* ---- argmax and argmin ------------------------------------------------------------------- */

static void place(ky_frame *f, ky_id pc, bool largest) {
  ky_reduce_plan plan;
  plan_forward(f->code, pc, 1u << f->code->ins[pc].b, &plan);
  choice c = choice_of(f, pc);
  c.largest = largest;
  ky__share_reduction(f, &plan, place_part, &c);
}

void fwd_argmax(ky_frame *f, ky_id pc) { place(f, pc, true); }

void fwd_argmin(ky_frame *f, ky_id pc) { place(f, pc, false); }
