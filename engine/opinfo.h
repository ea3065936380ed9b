/* SPDX-License-Identifier: MIT */
/* What a row of ops.def says, as data. */
#ifndef KY_OPINFO_H
#define KY_OPINFO_H

#include "code.h"
#include "instr.h"

/* One row an attr of ops.def: name; pool words at b that belong to an instruction, KY_OWN_WORDS
 * where instructions differ; bits of the operands that may be absent, 0. */
#define KY_ATTRS(X)                                                                            \
  X(NONE, 0, 0)                                                                                \
  X(IMM, 0, 0)                                                                                 \
  X(IMM2, 2, 0)                                                                                \
  X(BIND, 0, 0)                                                                                \
  X(BLOB, 0, 0)                                                                                \
  X(AXES, 0, 0)                                                                                \
  X(AXES_N, 0, 0)                                                                              \
  X(AXIS, 0, 0)                                                                                \
  X(AXIS_KEEP, 0, 0)                                                                           \
  X(OPT_C, 0, 0x4)                                                                             \
  X(TRANS, 0, 0)                                                                               \
  X(REDUCTION, 0, 0)                                                                           \
  X(SHAPE, 0, 0)                                                                               \
  X(PERM, 0, 0)                                                                                \
  X(SLICE, 4, 0)                                                                               \
  X(LIST_AXIS, KY_OWN_WORDS, 0)                                                                \
  X(AXIS_C, 0, 0)                                                                              \
  X(ORDER, 0, 0)                                                                               \
  X(PADDING, 0, 0)                                                                             \
  X(CLASSES, 0, 0)                                                                             \
  X(DIAGONAL, 0, 0)                                                                            \
  X(PAD, KY_OWN_WORDS, 0)                                                                      \
  X(LIST_NORM, 5, 0x6)                                                                         \
  X(LIST_CONV, KY_CONV_WORDS, 0x4)                                                             \
  X(POOL, KY_POOL_WORDS, 0)                                                                    \
  X(RESIZE, 0, 0)                                                                              \
  X(FUSED, KY_OWN_WORDS, 0)                                                                    \
  X(MATRICES, 0, 0)                                                                            \
  X(TRIANGLE, 0, 0)                                                                            \
  X(DTYPE, 0, 0)                                                                               \
  X(LIST_CLASS, 7, 0x4)                                                                        \
  X(CUSTOM, KY_OWN_WORDS, 0)                                                                   \
  X(ROPE, 2, 0)                                                                                \
  X(ATTENTION, 6, 0x8)                                                                         \
  X(CTC, 6, 0)                                                                                 \
  X(RECURRENT, 4, 0xc)                                                                         \
  X(RANDOM, 3, 0)

#define KY_OWN_WORDS UINT32_MAX

typedef enum ky_attr {
#define X(name, ...) KY_ATTR_##name,
  KY_ATTRS(X)
#undef X
} ky_attr;

typedef enum ky_trait {
  KY_TRAIT_LEAF,
  KY_TRAIT_ELEM,
  KY_TRAIT_PROD,
  KY_TRAIT_ROWS,
  KY_TRAIT_PART,
  KY_TRAIT_VIEW
} ky_trait;

#define KY_READS_A 0x01u
#define KY_READS_B 0x02u
#define KY_READS_C 0x04u
#define KY_READS_R 0x08u
#define KY_READS_X 0x10u

#define KY_ARITY_LIST 255u

#define OP(name, arity, attr, rule, ...) ky_rule ky__rule_##rule;
#include "ops.def"
#undef OP

typedef struct ky_opinfo {
  const char *name;
  uint8_t arity; /* or KY_ARITY_LIST */
  uint8_t attr;  /* ky_attr */
  uint8_t trait; /* ky_trait */
  uint8_t reads; /* KY_READS_x */
  bool differentiable;
  ky_rule *rule;
} ky_opinfo;

extern const ky_opinfo ky__opinfo[KY_OP_COUNT];

/* How long the operand list of a LIST row is: c, or with an aux buffer c's low byte. */
static inline uint32_t ky__list_length(const ky_ins *i) {
  const bool has_aux = (ky__opinfo[i->op].reads & KY_READS_X) != 0;
  return has_aux ? i->c & ((1u << KY_AUX_SHIFT) - 1) : i->c;
}

/* Whether operand k may be absent. */
bool ky__optional(const ky_opinfo *info, uint32_t k);

/* Pool words at b that belong to an instruction. */
uint32_t ky__pool_words(const ky_code *code, const ky_ins *i);

/* Operands of an instruction, in order; an absent optional operand is 0. */
uint32_t ky__operand_count(const ky_code *code, ky_id pc);
ky_id ky__operand(const ky_code *code, ky_id pc, uint32_t k);

/* Whether the adjoint of an instruction reads its k-th operand; its result. What the row says,
 * and of a fused instruction what its program says. */
bool ky__reads_operand(const ky_code *code, ky_id pc, uint32_t k);
bool ky__reads_result(const ky_code *code, ky_id pc);

/* The user's operation of an instruction of attr CUSTOM. */
const struct ky_custom_op *ky__custom_op(const ky_code *code, const ky_ins *i);

/* Whether an instruction has an adjoint. */
bool ky__has_adjoint(const ky_code *code, const ky_ins *i);

/* Whether an instruction gives the same value for the same operands, so that passes may run it
 * once instead of twice. */
bool ky__is_pure(const ky_code *code, const ky_ins *i);

#endif
