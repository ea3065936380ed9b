/* SPDX-License-Identifier: MIT */
/* Leaves: values that come from outside of the tape or out of nothing. Their adjoints stay
 * where they are, for the caller to read. */
#include <string.h>

#include "ops/family.h"

ky_status ky__rule_leaf(ky_query *q) {
  q->klass = q->shape->rank == 0 ? KY_POINT : KY_FLAT;
  return ky__answer(q, (ky_dtype)q->ins->dtype, q->shape);
}

/* Integers must be able to hold both ends of what a fill writes, which are integers then. */
ky_status ky__rule_fill(ky_query *q) {
  const ky_ins *i = q->ins;
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const double low = dtype == KY_I32 ? INT32_MIN : dtype == KY_I64 ? -0x1p63 : 0;
  const double high = dtype == KY_I32 ? INT32_MAX : dtype == KY_I64 ? 0x1p63 - 1024 : 1;
  const double steps =
      i->op == KY_OP_iota && q->shape->count ? (double)(q->shape->count - 1) : 0;
  const bool inside = i->imm >= low && i->imm + steps <= high;
  const bool holds = ky__is_float(dtype) || (inside && i->imm == (double)(int64_t)i->imm);
  if (!holds && steps == 0)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "%s cannot hold %g", ky_dtype_name(dtype),
                    i->imm);
  if (!holds)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "%s cannot hold %g to %g", ky_dtype_name(dtype),
                    i->imm, i->imm + steps);
  return ky__rule_leaf(q);
}

/* Lets the value of `pc` be `data`, which stays where it is unless it fits the word. */
static void refer(ky_frame *f, ky_id pc, const void *data) {
  ky_word *word = &f->val[pc];
  if (!ky__is_point(f->code, pc))
    word->ptr = (void *)(uintptr_t)data;
  else if (f->code->ins[pc].dtype == KY_F64)
    memcpy(word, data, sizeof word->f64);
  else
    memcpy(word, data, ky_dtype_size((ky_dtype)f->code->ins[pc].dtype));
}

void fwd_nop(ky_frame *f, ky_id pc) {
  (void)f;
  (void)pc;
}

/* The elements of a bound array of dtype `from`; halves become f32 in memory of the value's
 * own, and so does f32 that stands in for them. */
static void load(ky_frame *f, ky_id pc, ky_dtype from, const void *data) {
  if (!f->code->ins[pc].c) {
    refer(f, pc, data);
    return;
  }
  const size_t count = (size_t)ky__layout(f->code, pc)->count;
  if (ky__is_half(from))
    f->kernels->half->widen[from - KY_BF16](count, ky__data(f, pc), data);
  else if (count)
    memcpy(ky__data(f, pc), data, count * sizeof(float));
}

void fwd_input(ky_frame *f, ky_id pc) {
  const ky_bind *bind = &f->bind[f->code->ins[pc].b];
  if (bind->data || ky__layout(f->code, pc)->count == 0)
    load(f, pc, bind->dtype, bind->data);
  else
    ky__fail(f->fault, KY_BAD_ARGUMENT,
             "it has no data yet: see ky_input_set, and for programs ky_exec_input");
}

void vjp_input(ky_frame *f, ky_id pc) {
  (void)f;
  (void)pc;
}

void fwd_param(ky_frame *f, ky_id pc) {
  ky_bind *bind = &f->bind[f->code->ins[pc].b];
  bind->version = ky_tensor_version(bind->weight);
  load(f, pc, ky_tensor_dtype(bind->weight), ky_tensor_data(bind->weight));
}

void vjp_param(ky_frame *f, ky_id pc) {
  (void)f;
  (void)pc;
}

void fwd_constant(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  refer(f, pc, f->code->blobs.chunks[i->a].base + (size_t)i->b * KY_ALIGN);
}

static void fill(ky_frame *f, ky_id pc, double step) {
  const ky_ins *i = &f->code->ins[pc];
  f->kernels->copy->fill((ky_dtype)i->dtype, (size_t)ky__layout(f->code, pc)->count,
                         ky__data(f, pc), i->imm, step);
}

void fwd_full(ky_frame *f, ky_id pc) { fill(f, pc, 0); }

void fwd_iota(ky_frame *f, ky_id pc) { fill(f, pc, 1); }
