/* SPDX-License-Identifier: MIT */
/* What becomes of an element by itself, whatever its dtype: casts, logic on masks, isfinite. */
#include "ops/family.h"

static ky_class class_of(const ky_layout *operand) {
  return operand->rank == 0 ? KY_POINT : operand->dense ? KY_FLAT : KY_GENERAL;
}

/* ---- cast -------------------------------------------------------------------------------- */

ky_status ky__rule_cast(ky_query *q) {
  const ky_dtype dtype = (ky_dtype)q->ins->b;
  KY_TRY(ky__check_dtype(q->ins->b, q->fault));
  q->klass = (uint8_t)class_of(ky__layout_of(q, q->ins->a));
  return ky__answer_like(q, dtype, q->ins->a);
}

/* dest, g: of the adjoint, which is dense on both sides. */
typedef struct casting {
  const ky_cast_kernels *kernels;
  ky_dtype to, from;
  ky_dest dest;
  const void *g;
} casting;

static void cast_strip(const void *context, const ky_strip *t) {
  const casting *c = context;
  c->kernels->convert(c->to, c->from, t->n, t->at[0], t->at[1], t->step[1]);
}

static void pull_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const casting *c = context;
  void *gx = ky__element(c->dest.ptr, begin, ky_dtype_size(c->to));
  const void *g = ky__element(c->g, begin, ky_dtype_size(c->from));
  if (c->dest.beta)
    c->kernels->convert_add(c->to, c->from, end - begin, gx, g);
  else
    c->kernels->convert(c->to, c->from, end - begin, gx, g, 1);
}

void fwd_cast(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype to = (ky_dtype)i->dtype, from = (ky_dtype)f->code->ins[i->a].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  ky_loop loop;
  ky__plan(&loop, space, 1, &operand);
  const casting c = {.kernels = f->kernels->cast, .to = to, .from = from};
  const ky_walked arrays[] = {{ky__data(f, pc), ky_dtype_size(to)},
                              {ky__data(f, i->a), ky_dtype_size(from)}};
  ky__walk(f, &loop, 1, arrays, cast_strip, &c);
}

void vjp_cast(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  casting c = {.kernels = f->kernels->cast,
               .to = (ky_dtype)f->code->ins[i->a].dtype,
               .from = (ky_dtype)i->dtype,
               .dest = ky__dest(f, i->a, i->flags & KY_WANT_A)};
  if (!c.dest.ptr) return;
  c.g = ky__adjoint(f, pc);
  ky__team_run(f->team, (size_t)ky__layout(f->code, pc)->count, f->grain, pull_some, &c);
}

/* ---- masks ------------------------------------------------------------------------------- */

ky_status ky__rule_logical(ky_query *q) {
  const ky_id a = q->ins->a, b = ky__opinfo[q->ins->op].arity == 2 ? q->ins->b : a;
  for (int k = 0; k < 2; k++) {
    const ky_dtype dtype = ky__dtype_of(q, k ? b : a);
    if (dtype != KY_MASK)
      return ky__fail(q->fault, KY_BAD_DTYPE, "wants masks, got %s", ky_dtype_name(dtype));
  }
  const ky_layout la = *ky__layout_of(q, a), lb = *ky__layout_of(q, b);
  ky_layout out;
  KY_TRY(ky__broadcast(&la, &lb, &out, q->fault));
  q->klass = out.rank == 0 ? KY_POINT : KY_GENERAL;
  return ky__answer(q, KY_MASK, &out);
}

typedef struct combining {
  ky_combine *kernel;
  ky_logic which;
} combining;

static void combine_strip(const void *context, const ky_strip *t) {
  const combining *c = context;
  c->kernel(c->which, t->n, t->at[0], t->at[1], t->step[1], t->at[2], t->step[2]);
}

static void combine(ky_frame *f, ky_id pc, ky_logic which, ky_id a, ky_id b) {
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 2,
           (const ky_layout *const[]){ky__layout(f->code, a), ky__layout(f->code, b)});
  const combining c = {f->kernels->test->combine, which};
  const ky_walked arrays[] = {{ky__data(f, pc), 1}, {ky__data(f, a), 1}, {ky__data(f, b), 1}};
  ky__walk(f, &loop, 1, arrays, combine_strip, &c);
}

void fwd_logical_and(ky_frame *f, ky_id pc) {
  combine(f, pc, KY_LOGIC_and, f->code->ins[pc].a, f->code->ins[pc].b);
}

void fwd_logical_or(ky_frame *f, ky_id pc) {
  combine(f, pc, KY_LOGIC_or, f->code->ins[pc].a, f->code->ins[pc].b);
}

void fwd_logical_not(ky_frame *f, ky_id pc) {
  combine(f, pc, KY_LOGIC_nor, f->code->ins[pc].a, f->code->ins[pc].a);
}

typedef struct check {
  ky_finite *kernel;
  ky_dtype dtype;
} check;

static void check_strip(const void *context, const ky_strip *t) {
  const check *c = context;
  c->kernel(c->dtype, t->n, t->at[0], t->at[1], t->step[1]);
}

void fwd_isfinite(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  ky_loop loop;
  ky__plan(&loop, space, 1, &operand);
  const check c = {f->kernels->test->finite, dtype};
  const ky_walked arrays[] = {{ky__data(f, pc), 1}, {ky__data(f, i->a), ky_dtype_size(dtype)}};
  ky__walk(f, &loop, 1, arrays, check_strip, &c);
}
