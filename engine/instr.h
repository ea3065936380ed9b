/* SPDX-License-Identifier: MIT */
/* The instruction: 16 bytes, four to a cache line, one output each. The output's id is the
 * instruction's index; operands have smaller ids; id 0 is the NOP that every tape starts with
 * and means "no value".
 *
 *   byte  0     1     2      3      4           8           12
 *        +-----------+------+------+-----------+-----------+-----------+
 *        |    op     | type | flags|     a     |     b     |     c     |
 *        +-----------+------+------+-----------+-----------+-----------+
 *                                              |          imm          |
 *                                              +-----------------------+
 *   flags  7    6    5  4  3   2   1   0
 *         self view   class    c   b   a     <- "operand wants a gradient"
 *
 * Bit 7: the value itself is differentiated (a param, or watched). What a, b, c and imm mean
 * beyond operands is the row's `attr` column in ops.def; what does not fit lives in the pool.
 */
#ifndef KY_INSTR_H
#define KY_INSTR_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t ky_id;

typedef struct ky_ins {
  uint16_t op;   /* ky_op */
  uint8_t dtype; /* ky_dtype of the result */
  uint8_t flags;
  ky_id a;
  union {
    struct {
      uint32_t b, c;
    };
    double imm;
  };
} ky_ins;

static_assert(sizeof(ky_ins) == 16, "four instructions to a cache line");

typedef enum ky_op {
#define OP(name, ...) KY_OP_##name,
#include "ops.def"
#undef OP
  KY_OP_COUNT
} ky_op;

#define KY_WANT_A    0x01u
#define KY_WANT_B    0x02u
#define KY_WANT_C    0x04u
#define KY_WANT_SELF 0x80u
#define KY_WANT_ANY  0x87u
#define KY_VIEW      0x40u /* the result shares its operand's memory */

/* How an instruction's operands lie over its result, decided when it is recorded. */
typedef enum ky_class {
  KY_POINT,   /* everything has rank 0: operands and result are words of the frame */
  KY_FLAT,    /* dense, all of one shape: one loop over the elements */
  KY_A_ONE,   /* b is dense with the result's shape, a has one element */
  KY_B_ONE,   /* a is dense with the result's shape, b has one element */
  KY_GENERAL, /* rows, columns, strided views: nested loops */
  KY_TINY,    /* linear: few weights and one sample, both dense: two plain loops */
} ky_class;

#define KY_CLASS_SHIFT 3u

static inline ky_class ky__class(const ky_ins *i) {
  return (ky_class)((i->flags >> KY_CLASS_SHIFT) & 7u);
}

#endif
