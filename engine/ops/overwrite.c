/* SPDX-License-Identifier: MIT */
/* Who reads and writes elements at one and the same position, and in which order; and who has
 * read all before it writes. */
#include "ops/overwrite.h"

#include "opinfo.h"
#include "ops/family.h"
#include "ops/fusion.h"

static bool is_fused(const ky_code *code, ky_id pc) {
  return ky__opinfo[code->ins[pc].op].attr == KY_ATTR_FUSED;
}

/* Elements of the index space that an elementwise instruction walks. */
static int64_t space_count(const ky_code *code, ky_id pc) {
  const uint32_t space =
      is_fused(code, pc) ? ky__fused_space(code, &code->ins[pc]) : code->layout[pc];
  return code->layouts.at[space].count;
}

/* Whether all operands that lie in the memory of operand k have it element for element as the
 * index space runs: none is a part of it, or in another order, or broadcast. */
static bool lies_as_space(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k) {
  const ky_id owner = base[ky__operand(code, pc, k)];
  const int64_t count = space_count(code, pc);
  if (ky__layout(code, owner)->count != count) return false;
  for (uint32_t n = 0; n < ky__operand_count(code, pc); n++) {
    const ky_id id = ky__operand(code, pc, n);
    const ky_layout *layout = ky__layout(code, id);
    if (base[id] == owner && !(layout->dense && layout->count == count)) return false;
  }
  return true;
}

static bool is_dense_loop(const ky_code *code, ky_id pc) {
  const ky_class class = ky__class(&code->ins[pc]);
  return class == KY_FLAT || class == KY_A_ONE || class == KY_B_ONE;
}

static bool is_map(const ky_code *code, ky_id pc) {
  const ky_form_kind kind = (ky_form_kind)ky__forms[code->ins[pc].op].kind;
  return kind == KY_MAP1 || kind == KY_MAP2;
}

bool ky__result_over_operand(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k) {
  const ky_dtype dtype = (ky_dtype)code->ins[ky__operand(code, pc, k)].dtype;
  if (ky_dtype_size(dtype) != ky_dtype_size((ky_dtype)code->ins[pc].dtype)) return false;
  if (is_fused(code, pc)) {
    if (ky__fused_ending(code, &code->ins[pc]) != KY_OP_nop) return false;
  } else if (!is_map(code, pc) || !is_dense_loop(code, pc)) {
    return false;
  }
  return lies_as_space(code, base, pc, k);
}

/* Whether operand k is the last that a map contributes to, and gets nothing from it before. */
static bool is_pulled_last(const ky_code *code, ky_id pc, uint32_t k) {
  const ky_ins *i = &code->ins[pc];
  if (!is_map(code, pc) || ky__class(i) == KY_POINT || !(i->flags >> k & 1)) return false;
  for (uint32_t n = 0; n < ky__operand_count(code, pc); n++)
    if (i->flags >> n & 1 &&
        (n > k || (n < k && ky__operand(code, pc, n) == ky__operand(code, pc, k))))
      return false;
  return true;
}

bool ky__pull_over_adjoint(const ky_code *code, ky_id pc, uint32_t k) {
  if (ky__layout(code, ky__operand(code, pc, k))->count != space_count(code, pc)) return false;
  if (code->ins[pc].op == KY_OP_reshape) return true;
  if (!is_fused(code, pc)) return is_pulled_last(code, pc, k);
  const ky_afterwards rest = ky__fused_afterwards(code, pc, k);
  return rest.contributes && !rest.reads_g;
}

/* Whether a product's adjoint has read operand k for the last time when it begins to give to
 * it: these leave their first operand to the end. */
static bool is_done_with(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k) {
  for (uint32_t n = 1; n < ky__operand_count(code, pc); n++)
    if (base[ky__operand(code, pc, n)] == base[ky__operand(code, pc, 0)]) return false;
  switch (code->ins[pc].op) {
  case KY_OP_linear:
    return k == 0 && ky__class(&code->ins[pc]) != KY_TINY && !ky__streams_weight(code, pc);
  case KY_OP_matmul:
  case KY_OP_conv:
  case KY_OP_conv_transpose: return k == 0;
  default: return false;
  }
}

bool ky__pull_over_operand(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k) {
  if (is_done_with(code, base, pc, k)) return true;
  const bool fused = is_fused(code, pc);
  if (!fused && !is_pulled_last(code, pc, k)) return false;
  if (!lies_as_space(code, base, pc, k)) return false;
  if (!fused) return true;
  const ky_afterwards rest = ky__fused_afterwards(code, pc, k);
  const ky_id owner = base[ky__operand(code, pc, k)];
  for (uint32_t n = 0; n < ky__operand_count(code, pc); n++)
    if (rest.reads >> n & 1 && base[ky__operand(code, pc, n)] == owner) return false;
  return rest.contributes;
}
