/* SPDX-License-Identifier: MIT */
/* The verifier: every instruction is held against its row as if it came from somewhere else.
 * First what makes it safe to look at (opcode, operands, pool, binding, layout), then what the
 * row's own rule says of dtype, shape and class, then the flags that the reverse sweep trusts.
 */
#include "opinfo.h"
#include "tape/program.h"

static ky_status check_operands(const ky_code *code, ky_id pc, ky_fault *fault) {
  const ky_ins *i = &code->ins[pc];
  const ky_opinfo *info = &ky__opinfo[i->op];
  if (info->arity == KY_ARITY_LIST &&
      (i->b > code->pool_count || ky__list_length(i) > code->pool_count - i->b ||
       ky__list_length(i) == 0))
    return ky__fail(fault, KY_BAD_TAPE, "the operand list lies outside of the pool");
  const uint32_t count = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < count; k++) {
    const ky_id id = ky__operand(code, pc, k);
    if (id == 0 && !ky__optional(info, k))
      return ky__fail(fault, KY_BAD_TAPE, "operand %u is missing", k);
    if (id >= pc)
      return ky__fail(fault, KY_BAD_TAPE, "operand %u is %%%u, which comes later", k,
                      (unsigned)id);
  }
  return KY_OK;
}

static ky_status check_attributes(const ky_code *code, ky_id pc, ky_fault *fault) {
  const ky_ins *i = &code->ins[pc];
  const ky_attr attr = (ky_attr)ky__opinfo[i->op].attr;
  const uint32_t words =
      attr == KY_ATTR_FUSED ? 0 : ky__pool_words(code, i); /* checked elsewhere */
  if (words && (i->b > code->pool_count || code->pool_count - i->b < words))
    return ky__fail(fault, KY_BAD_TAPE, "attributes lie outside of the pool");
  if (attr == KY_ATTR_BIND && i->b >= code->bind_count)
    return ky__fail(fault, KY_BAD_TAPE, "binding %u does not exist", (unsigned)i->b);
  if (attr == KY_ATTR_BIND && i->c && !(ky__is_half(i->c) && i->dtype == KY_F32))
    return ky__fail(fault, KY_BAD_TAPE, "an array of dtype %u cannot be loaded as %s",
                    (unsigned)i->c, ky_dtype_name((ky_dtype)i->dtype));
  if (attr == KY_ATTR_BLOB) {
    const size_t bytes =
        (size_t)ky__layout(code, pc)->count * ky_dtype_size((ky_dtype)i->dtype);
    const ky_arena *blobs = &code->blobs;
    if (i->a >= blobs->count || (size_t)i->b * KY_ALIGN > blobs->chunks[i->a].size ||
        blobs->chunks[i->a].size - (size_t)i->b * KY_ALIGN < bytes)
      return ky__fail(fault, KY_BAD_TAPE, "the constant lies outside of its memory");
  }
  return KY_OK;
}

/* The answer of the row's rule must be what the tape says. */
static ky_status check_result(ky_code *code, ky_id pc, ky_fault *fault) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout shape = ky__dense(ky__layout(code, pc));
  ky_fault reason = {0};
  ky_query q = {.code = code, .ins = i, .shape = &shape, .fault = &reason};
  if (ky__opinfo[i->op].rule(&q) != KY_OK)
    return ky__fail(fault, KY_BAD_TAPE, "%s", reason.text);
  if (q.dtype != i->dtype)
    return ky__fail(fault, KY_BAD_TAPE, "dtype is %s, the rule says %s",
                    ky_dtype_name((ky_dtype)i->dtype), ky_dtype_name((ky_dtype)q.dtype));
  if (q.layout != code->layout[pc])
    return ky__fail(fault, KY_BAD_TAPE, "the shape or strides are not those of the rule");
  if (q.klass != (uint8_t)ky__class(i))
    return ky__fail(fault, KY_BAD_TAPE, "the layout class is not that of the rule");
  if (q.view != ((i->flags & KY_VIEW) != 0))
    return ky__fail(fault, KY_BAD_TAPE, "the view flag is not that of the rule");
  if (q.aux_bytes && i->c >> KY_AUX_SHIFT >= code->aux_count)
    return ky__fail(fault, KY_BAD_TAPE, "aux buffer %u does not exist",
                    (unsigned)(i->c >> KY_AUX_SHIFT));
  return KY_OK;
}

static ky_status check_flags(const ky_code *code, ky_id pc, ky_fault *fault) {
  const ky_ins *i = &code->ins[pc];
  const uint8_t wanted = ky__wanted_flags(code, i);
  const uint8_t operand_bits = KY_WANT_A | KY_WANT_B | KY_WANT_C;
  if ((i->flags & operand_bits) != wanted)
    return ky__fail(fault, KY_BAD_TAPE, "the gradient flags are not those of the operands");
  if ((i->flags & KY_WANT_SELF) && !ky__has_adjoint(code, i))
    return ky__fail(fault, KY_BAD_TAPE, "is differentiated, but has no derivative");
  return KY_OK;
}

static ky_status check(ky_code *code, ky_id pc, ky_fault *fault) {
  const ky_ins *i = &code->ins[pc];
  if (i->op == KY_OP_nop || i->op >= KY_OP_COUNT)
    return ky__fail(fault, KY_BAD_TAPE, "opcode %u does not exist", (unsigned)i->op);
  if (!ky__is_value(i->dtype))
    return ky__fail(fault, KY_BAD_TAPE, "dtype %u does not exist", (unsigned)i->dtype);
  if (code->layout[pc] >= code->layouts.count)
    return ky__fail(fault, KY_BAD_TAPE, "layout %u does not exist", (unsigned)code->layout[pc]);
  if (code->site[pc] >> KY_SITE_SHIFT > code->file_count)
    return ky__fail(fault, KY_BAD_TAPE, "source file %u does not exist",
                    (unsigned)(code->site[pc] >> KY_SITE_SHIFT));
  KY_TRY(check_operands(code, pc, fault));
  KY_TRY(check_attributes(code, pc, fault));
  KY_TRY(check_result(code, pc, fault));
  return check_flags(code, pc, fault);
}

ky_status ky__verify_code(ky_code *code, ky_id *pc, ky_fault *fault) {
  *pc = 0;
  if (code->ins[0].op != KY_OP_nop)
    return ky__fail(fault, KY_BAD_TAPE, "instruction 0 is not the NOP");
  for (*pc = 1; *pc < code->count; ++*pc) KY_TRY(check(code, *pc, fault));
  return KY_OK;
}

ky_status ky_tape_verify(ky_tape *t) {
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  ky_id pc;
  ky_fault fault = {0};
  if (ky__verify_code(&t->code, &pc, &fault) == KY_OK) return KY_OK;
  if (pc == 0) return ky__error(t, KY_BAD_TAPE, "verify: %s", fault.text);
  const uint16_t op = t->code.ins[pc].op;
  return ky__error(t, KY_BAD_TAPE, "verify: %%%u %s: %s", (unsigned)pc,
                   op < KY_OP_COUNT ? ky__opinfo[op].name : "?", fault.text);
}
