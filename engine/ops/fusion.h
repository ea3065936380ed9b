/* SPDX-License-Identifier: MIT */
/* The register program of a fused instruction: a run of elementwise instructions over one index
 * space, and what is left of it when it is written into the pool.
 *
 * In the pool at b, each field with the number of its lowest bit:
 *   c words   operand ids
 *   a word    space 0, dtype 32, steps 40, keep 48, reads_result 49, turns 50
 *   a word    ending 0, axes 16, forward_registers 24, reverse_registers 32, reads 40
 *   a step    op 0, refs 16, 24 and 32, forward 40, reverse 48, adjoint 56
 *             s as the bits of a double
 *             u as the bits of a double
 *
 * Steps are in single assignment form: a ref below the number of inputs is that input, the next
 * one the result of step 0, and so on. The last step's result is the instruction's, or what its
 * `ending` reduces. Registers hold one tile. Which step gets which register, forward and in
 * reverse, and what the reverse sweep reads, follows from the rest and from which inputs want a
 * gradient: it is worked out once, and written down so that running costs no thought. */
#ifndef KY_FUSION_H
#define KY_FUSION_H

#include "code.h"

#define KY_FUSION_INPUTS 16u
#define KY_FUSION_STEPS  32u
#define KY_NO_REGISTER   0xffu
#define KY_REF_NONE      0xffu
#define KY_SEED_REGISTER 0xfeu /* stands for the adjoint that the last step starts with */

typedef struct ky_step {
  uint16_t op;
  uint8_t ref[3];
  uint8_t forward; /* of the result; none: it goes to memory */
  uint8_t reverse; /* of the result, computed again; none: not needed, or read from memory */
  uint8_t adjoint; /* of the result's adjoint, maybe that of the step it is the same as; none:
                      not wanted, or the last step's */
  double s, u;
} ky_step;

typedef struct ky_fusion {
  uint32_t space; /* layout: dense, with the dims of every step's result */
  uint8_t dtype;  /* of all that is no mask: KY_F32, KY_F64 */
  uint8_t inputs, steps;
  uint16_t ending; /* KY_OP_sum, KY_OP_mean over `axes`, with `keep`; or KY_OP_nop */
  uint8_t axes;
  bool keep;
  uint8_t forward_registers, reverse_registers;
  uint16_t reads; /* bit k: the reverse sweep reads input k */
  bool reads_result;
  bool turns; /* the reverse sweep computes every step, so that it can do without a forward one
               */
  ky_step step[KY_FUSION_STEPS];
} ky_fusion;

/* ---- what an opcode is as a step ------------------------------------------------------- */

typedef enum ky_form_kind {
  KY_NO_STEP,
  KY_MAP1,
  KY_MAP2,
  KY_MAP3,
  KY_TEST1,
  KY_TEST2,
  KY_SELECT
} ky_form_kind;

/* What p and q of an adjoint formula are: nothing, an operand, the result. */
typedef enum ky_saved { KY_SAVED_N, KY_SAVED_A, KY_SAVED_B, KY_SAVED_C, KY_SAVED_R } ky_saved;

typedef struct ky_form {
  uint8_t kind; /* ky_form_kind */
  uint8_t operands;
  uint8_t scalars;     /* how many of s, u it has */
  uint8_t pulled;      /* bit k: operand k can get a gradient */
  uint8_t identity;    /* bit k: what operand k gets is g itself */
  uint8_t saved[3][2]; /* ky_saved of the formula for operand k */
} ky_form;

extern const ky_form ky__forms[KY_OP_COUNT];

/* ---- the program ----------------------------------------------------------------------- */

/* Works out registers and reads from all the rest. wants: bit k: input k wants a gradient. */
void ky__fusion_settle(ky_fusion *p, uint32_t wants);

/* Pool words behind the operand ids. */
static inline uint32_t ky__fusion_words(uint32_t steps) { return 2 + 3 * steps; }

static inline uint32_t ky__fusion_steps(const ky_code *code, const ky_ins *i) {
  return (uint32_t)(code->pool[i->b + i->c] >> 40 & 0xff);
}

void ky__fusion_encode(const ky_fusion *p, int64_t *words);

/* The program of instruction `i`; false unless it lies in the pool and is no longer than a
 * program can be. */
bool ky__fusion_decode(const ky_code *code, const ky_ins *i, ky_fusion *p);

/* Whether some operand that wants a gradient gets one: each way to it may end inside of the
 * run, at a comparison. */
bool ky__fused_wants(const ky_code *code, const ky_ins *i);

/* The layout of the index space of the instruction; KY_OP_sum, KY_OP_mean or KY_OP_nop. */
static inline uint32_t ky__fused_space(const ky_code *code, const ky_ins *i) {
  return (uint32_t)code->pool[i->b + i->c];
}

static inline uint16_t ky__fused_ending(const ky_code *code, const ky_ins *i) {
  return (uint16_t)code->pool[i->b + i->c + 1];
}

/* Whether the reverse sweep gives something to operand n of step k, other than by handing on
 * what the step itself has got. wants: as for ky__fusion_settle. */
bool ky__fusion_pulls(const ky_fusion *p, uint32_t k, uint32_t n, uint32_t wants);

/* The ref that the formula for operand n of step k reads as its p (which 0) or q (1), or
 * `none`. */
uint32_t ky__fusion_saved(const ky_fusion *p, uint32_t k, uint32_t n, int which, uint32_t none);

/* What a tile of the adjoint still does once it has begun to give to an operand. */
typedef struct ky_afterwards {
  bool contributes; /* it does give to it */
  bool reads_g;     /* reads the adjoint of the result */
  uint16_t reads;   /* bit k: reads input k */
} ky_afterwards;

/* For operand k of the fused instruction `pc`. */
ky_afterwards ky__fused_afterwards(const ky_code *code, ky_id pc, uint32_t k);

/* Whether the adjoint of the instruction reads operand k; its result. */
static inline bool ky__fused_reads(const ky_code *code, const ky_ins *i, uint32_t k) {
  return (uint64_t)code->pool[i->b + i->c + 1] >> (40 + k) & 1;
}

static inline bool ky__fused_reads_result(const ky_code *code, const ky_ins *i) {
  return (uint64_t)code->pool[i->b + i->c] >> 49 & 1;
}

/* One line a step: "r1 = mul r0 %2". The text of step k < steps, or of the ending for k ==
 * steps. */
void ky__fusion_say(ky_text *text, const ky_code *code, ky_id pc, const ky_fusion *p,
                    uint32_t k);

#endif
