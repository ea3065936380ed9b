/* SPDX-License-Identifier: MIT */
/* How much scratch memory the instructions of a program ask for. Executions have a block of
 * that size and allocate nothing more. */
#include "opinfo.h"
#include "ops/argsort.h"
#include "ops/convolution.h"
#include "ops/family.h"
#include "ops/fused.h"
#include "ops/pooling.h"
#include "ops/sequence.h"
#include "tape/program.h"

/* Of operands that are not dense, for instructions that copy them. */
static size_t copies_of(const ky_code *code, ky_id pc) {
  size_t bytes = 0;
  const uint32_t operands = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < operands; k++) {
    const ky_id id = ky__operand(code, pc, k);
    if (!ky__layout(code, id)->dense) bytes += ky__value_bytes(code, id) + KY_ALIGN;
  }
  return bytes;
}

/* Where a linear layer streams its weight's gradient, its input's adjoint has sums under way.
 */
static size_t carry_of(const ky_code *code, ky_id pc) {
  return ky__streams_weight(code, pc)
             ? ky__value_bytes(code, ky__operand(code, pc, 0)) + KY_ALIGN
             : 0;
}

/* What an operand gets that was broadcast is summed from one of the result's shape, one operand
 * at a time, unless it is the result's adjoint itself; what where gives always is. */
static size_t summand_of(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  bool sums = false;
  for (uint32_t k = 0; k < ky__operand_count(code, pc); k++) {
    const ky_layout *operand = ky__layout(code, ky__operand(code, pc, k));
    const bool apart = !ky__same_dims(operand, ky__layout(code, pc));
    const bool identity = ky__forms[i->op].identity >> k & 1;
    sums |= i->flags >> k & 1 && (i->op == KY_OP_where || (apart && !identity));
  }
  return sums ? ky__value_bytes(code, pc) + KY_ALIGN : 0;
}

/* Matrices under way: no more than there are in operands and result. */
static size_t matrices_of(const ky_code *code, ky_id pc) {
  size_t bytes = ky__value_bytes(code, pc) + KY_ALIGN;
  const uint32_t operands = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < operands; k++)
    bytes += ky__value_bytes(code, ky__operand(code, pc, k)) + KY_ALIGN;
  return bytes;
}

static size_t scratch_of(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_op op = (ky_op)code->ins[pc].op;
  const uint8_t attr = ky__opinfo[op].attr;
  if (op == KY_OP_linear) return carry_of(code, pc) + copies_of(code, pc);
  if (op == KY_OP_matmul) return 0;
  if (attr == KY_ATTR_FUSED) return ky__fused_scratch(code, pc, threads);
  if (attr == KY_ATTR_LIST_CONV) return ky__convolution_scratch(code, pc, threads);
  if (attr == KY_ATTR_RESIZE) return ky__resample_scratch(code, pc, threads);
  if (attr == KY_ATTR_ORDER) return ky__argsort_scratch(code, pc, threads);
  if (attr == KY_ATTR_LIST_CLASS) /* weights, and their sums */
    return 2 * ((size_t)ky__layout(code, ky__operand(code, pc, 2))->count * sizeof(double) +
                KY_ALIGN);
  if (attr == KY_ATTR_LIST_NORM || attr == KY_ATTR_POOL || attr == KY_ATTR_CUSTOM)
    return copies_of(code, pc);
  const size_t sequence = ky__sequence_scratch(code, pc, threads);
  if (sequence) return sequence;
  switch ((ky_trait)ky__opinfo[op].trait) {
  case KY_TRAIT_ELEM: return summand_of(code, pc);
  case KY_TRAIT_PROD: return matrices_of(code, pc);
  case KY_TRAIT_LEAF:
  case KY_TRAIT_ROWS:
  case KY_TRAIT_PART:
  case KY_TRAIT_VIEW: return 0;
  }
  return 0;
}

size_t ky__scratch_bound(const ky_code *code, uint32_t threads) {
  size_t bound = 0;
  for (ky_id pc = 1; pc < code->count; pc++) {
    const size_t bytes = scratch_of(code, pc, threads);
    if (bytes > bound) bound = bytes;
  }
  return bound;
}
