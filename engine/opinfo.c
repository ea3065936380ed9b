/* SPDX-License-Identifier: MIT */
/* The rows of ops.def as a table. */
#include "opinfo.h"

#include "kytape/custom.h"
#include "ops/convolution.h"
#include "ops/fusion.h"
#include "ops/pooling.h"

enum { A = KY_READS_A, B = KY_READS_B, C = KY_READS_C, R = KY_READS_R, X = KY_READS_X };
enum { CONST = 0, DIFF = 1 };
enum { LIST = KY_ARITY_LIST };

const ky_opinfo ky__opinfo[KY_OP_COUNT] = {
/* clang-format off */
#define OP(name, arity, attr, rule, grad, reads, trait)                                        \
  [KY_OP_##name] = {#name, arity, KY_ATTR_##attr, KY_TRAIT_##trait, reads, grad,               \
                    ky__rule_##rule},
/* clang-format on */
#include "ops.def"
#undef OP
};

static const struct {
  uint32_t words, optional;
} attrs[] = {
#define X(name, words, optional) {words, optional},
    KY_ATTRS(X)
#undef X
};

bool ky__optional(const ky_opinfo *info, uint32_t k) {
  return k < 32 && attrs[info->attr].optional >> k & 1;
}

uint32_t ky__pool_words(const ky_code *code, const ky_ins *i) {
  const uint8_t attr = ky__opinfo[i->op].attr;
  if (attrs[attr].words != KY_OWN_WORDS) return attrs[attr].words;
  if (attr == KY_ATTR_PAD) return 2 * (i->c >> KY_AUX_SHIFT) + 1;
  if (attr == KY_ATTR_CUSTOM) return ky__list_length(i) + KY_CUSTOM_WORDS;
  if (attr == KY_ATTR_FUSED) return i->c + ky__fusion_words(ky__fusion_steps(code, i));
  return i->c + 1; /* LIST_AXIS */
}

uint32_t ky__operand_count(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const uint8_t arity = ky__opinfo[i->op].arity;
  return arity == KY_ARITY_LIST ? ky__list_length(i) : arity;
}

ky_id ky__operand(const ky_code *code, ky_id pc, uint32_t k) {
  const ky_ins *i = &code->ins[pc];
  if (ky__opinfo[i->op].arity == KY_ARITY_LIST) return (ky_id)code->pool[i->b + k];
  return k == 0 ? i->a : k == 1 ? i->b : i->c;
}

bool ky__reads_operand(const ky_code *code, ky_id pc, uint32_t k) {
  const ky_ins *i = &code->ins[pc];
  const ky_opinfo *info = &ky__opinfo[i->op];
  if (info->attr == KY_ATTR_FUSED) return ky__fused_reads(code, i, k);
  if (info->attr == KY_ATTR_CUSTOM) return ky__custom_op(code, i)->reads >> k & 1;
  if (info->attr == KY_ATTR_RECURRENT && k == 0) return false; /* the gates are kept instead */
  return info->arity == KY_ARITY_LIST ? (info->reads & KY_READS_A) != 0 : info->reads >> k & 1;
}

bool ky__reads_result(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_opinfo *info = &ky__opinfo[i->op];
  if (info->attr == KY_ATTR_FUSED) return ky__fused_reads_result(code, i);
  if (info->attr == KY_ATTR_CUSTOM)
    return (ky__custom_op(code, i)->reads & KY_CUSTOM_READS_RESULT) != 0;
  return (info->reads & KY_READS_R) != 0;
}

const ky_custom_op *ky__custom_op(const ky_code *code, const ky_ins *i) {
  return code->customs[code->pool[i->b + ky__list_length(i) + KY_CUSTOM_NUMBER]];
}

bool ky__has_adjoint(const ky_code *code, const ky_ins *i) {
  if (ky__opinfo[i->op].attr == KY_ATTR_CUSTOM) return ky__custom_op(code, i)->adjoint != NULL;
  return ky__opinfo[i->op].differentiable;
}

bool ky__is_pure(const ky_code *code, const ky_ins *i) {
  return ky__opinfo[i->op].attr != KY_ATTR_CUSTOM ||
         (ky__custom_op(code, i)->flags & KY_CUSTOM_PURE) != 0;
}
