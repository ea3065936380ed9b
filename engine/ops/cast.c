/* SPDX-License-Identifier: MIT */
/* What becomes of an element by itself, whatever its dtype: casts, logic on masks, isfinite. */
#include "ops/family.h"

static ky_class class_of(const ky_layout *operand) {
  return operand->rank == 0 ? KY_POINT : operand->dense ? KY_FLAT : KY_GENERAL;
}

/* ---- cast -------------------------------------------------------------------------------- */

ky_status ky__rule_cast(ky_query *q) {
  const ky_layout operand = *ky__layout_of(q, q->ins->a);
  const ky_dtype dtype = (ky_dtype)q->ins->b;
  if (!ky__is_value(dtype))
    return ky__fail(q->fault, KY_BAD_DTYPE, "values cannot be of dtype %u",
                    (unsigned)q->ins->b);
  q->klass = (uint8_t)class_of(&operand);
  return ky__answer(q, dtype, &operand);
}

void fwd_cast(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype to = (ky_dtype)i->dtype, from = (ky_dtype)f->code->ins[i->a].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  ky_loop loop;
  ky__plan(&loop, space, 1, &operand);
  if (ky__loop_empty(&loop)) return;
  const int last = loop.rank - 1;
  ky_walk w = {0};
  do {
    f->kernels->cast->convert(
        to, from, (size_t)loop.dims[last], ky__run(ky__data(f, pc), &w, 0, ky_dtype_size(to)),
        ky__run(ky__data(f, i->a), &w, 1, ky_dtype_size(from)), loop.strides[1][last]);
  } while (ky__loop_next(&loop, &w));
}

void vjp_cast(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype to = (ky_dtype)f->code->ins[i->a].dtype, from = (ky_dtype)i->dtype;
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const size_t count = (size_t)ky__layout(f->code, pc)->count;
  if (d.beta)
    f->kernels->cast->convert_add(to, from, count, d.ptr, ky__adjoint(f, pc));
  else
    f->kernels->cast->convert(to, from, count, d.ptr, ky__adjoint(f, pc), 1);
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

static void combine(ky_frame *f, ky_id pc, ky_logic which, ky_id a, ky_id b) {
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 2,
           (const ky_layout *const[]){ky__layout(f->code, a), ky__layout(f->code, b)});
  if (ky__loop_empty(&loop)) return;
  const int last = loop.rank - 1;
  ky_walk w = {0};
  do {
    f->kernels->test->combine(which, (size_t)loop.dims[last],
                              ky__run(ky__data(f, pc), &w, 0, 1),
                              ky__run(ky__data(f, a), &w, 1, 1), loop.strides[1][last],
                              ky__run(ky__data(f, b), &w, 2, 1), loop.strides[2][last]);
  } while (ky__loop_next(&loop, &w));
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

void fwd_isfinite(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  ky_loop loop;
  ky__plan(&loop, space, 1, &operand);
  if (ky__loop_empty(&loop)) return;
  const int last = loop.rank - 1;
  ky_walk w = {0};
  do {
    f->kernels->test->finite(dtype, (size_t)loop.dims[last], ky__run(ky__data(f, pc), &w, 0, 1),
                             ky__run(ky__data(f, i->a), &w, 1, ky_dtype_size(dtype)),
                             loop.strides[1][last]);
  } while (ky__loop_next(&loop, &w));
}
