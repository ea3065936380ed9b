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

/* A linear layer copies what has no matrix of rows in its memory; its result never. Where it
 * streams its weight's gradient, its input's adjoint has sums under way. */
static size_t scratch_of_linear(const ky_code *code, ky_id pc) {
  size_t bytes = 0;
  if (ky__streams_weight(code, pc))
    bytes += ky__value_bytes(code, ky__operand(code, pc, 0)) + KY_ALIGN;
  for (uint32_t k = 0; k < 2; k++) {
    const ky_id id = ky__operand(code, pc, k);
    if (!ky__layout(code, id)->dense) bytes += ky__value_bytes(code, id) + KY_ALIGN;
  }
  return bytes;
}

/* Most instructions ask for no more than a copy of their result and of their operands. */
static size_t copies_of(const ky_code *code, ky_id pc) {
  const ky_class class = ky__class(&code->ins[pc]);
  if (class == KY_FLAT || (class == KY_POINT && code->ins[pc].op != KY_OP_where)) return 0;
  size_t bytes = ky__value_bytes(code, pc) + KY_ALIGN;
  const uint32_t operands = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < operands; k++)
    bytes += ky__value_bytes(code, ky__operand(code, pc, k)) + KY_ALIGN;
  return bytes;
}

static size_t scratch_of(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_op op = (ky_op)code->ins[pc].op;
  const uint8_t attr = ky__opinfo[op].attr;
  if (op == KY_OP_linear) return scratch_of_linear(code, pc);
  if (op == KY_OP_matmul || op == KY_OP_reshape || op == KY_OP_permute) return 0;
  if (attr == KY_ATTR_FUSED) return ky__fused_scratch(code, pc, threads);
  if (attr == KY_ATTR_LIST_CONV) return ky__convolution_scratch(code, pc, threads);
  if (attr == KY_ATTR_RESIZE) return ky__resample_scratch(code, pc, threads);
  if (attr == KY_ATTR_ORDER) return ky__argsort_scratch(code, pc, threads);
  if (attr == KY_ATTR_LIST_CLASS) /* weights, and their sums */
    return 2 * ((size_t)ky__layout(code, ky__operand(code, pc, 2))->count * sizeof(double) +
                KY_ALIGN);
  const size_t sequence = ky__sequence_scratch(code, pc, threads);
  return sequence ? sequence : copies_of(code, pc);
}

size_t ky__scratch_bound(const ky_code *code, uint32_t threads) {
  size_t bound = 0;
  for (ky_id pc = 1; pc < code->count; pc++) {
    const size_t bytes = scratch_of(code, pc, threads);
    if (bytes > bound) bound = bytes;
  }
  return bound;
}
