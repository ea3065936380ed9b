/* SPDX-License-Identifier: MIT */
/* Code: the immutable half of a tape. Instructions, what stands beside them, pools and
 * constants. No values, and no pointers but to names of files and to the user's operations:
 * only ids, offsets and pool indices, so that code can be shared and saved. The other half is
 * frame.h. */
#ifndef KY_CODE_H
#define KY_CODE_H

#include "base/arena.h"
#include "base/fault.h"
#include "instr.h"
#include "tensor/layout.h"

typedef struct ky_code {
  ky_ins *ins;
  uint32_t *layout; /* per instruction: index into layouts; 0 is rank 0 */
  uint32_t *site;   /* per instruction: file << KY_SITE_SHIFT | line; file 0 is unknown */
  uint32_t count;

  int64_t *pool; /* attributes that do not fit an instruction; doubles as their bits */
  uint32_t pool_count;
  uint32_t pool_capacity;

  ky_layouts layouts;
  ky_arena blobs; /* constants' bytes */

  const char **files; /* 1-based; the strings are the caller's literals */
  uint32_t file_count;
  uint32_t file_capacity;

  const struct ky_custom_op **customs; /* operations of the user's, which the user keeps */
  uint32_t custom_count;
  uint32_t custom_capacity;

  uint32_t bind_count;   /* inputs and params so far */
  uint32_t aux_count;    /* instructions with an aux buffer so far */
  uint32_t stream_count; /* random instructions so far */
} ky_code;

#define KY_SITE_SHIFT 18u
#define KY_SITE_LINES (1u << KY_SITE_SHIFT)
#define KY_SITE_FILES (1u << (32u - KY_SITE_SHIFT))
#define KY_AUX_SHIFT  8u /* operand c: attribute in the low byte, aux buffer's number above */

/* Words of attr CUSTOM behind the operand ids: number of the operation in `customs`, dtype of
 * the result, bytes of the aux buffer. */
enum { KY_CUSTOM_NUMBER, KY_CUSTOM_DTYPE, KY_CUSTOM_AUX, KY_CUSTOM_WORDS };

/* Whether values can be of this dtype; and whether only what is stored can, in the arrays
 * behind inputs and params. */
static inline bool ky__is_value(unsigned dtype) { return dtype <= KY_MASK; }
static inline bool ky__is_half(unsigned dtype) { return dtype == KY_BF16 || dtype == KY_F16; }

/* Whether a leaf's value is the array it refers to, so that it needs no memory of its own. */
static inline bool ky__is_elsewhere(const ky_ins *i) {
  const bool borrowed = i->op == KY_OP_input || i->op == KY_OP_param;
  return (borrowed && !i->c) || i->op == KY_OP_constant;
}

static inline const ky_layout *ky__layout(const ky_code *code, ky_id id) {
  return &code->layouts.at[code->layout[id]];
}

static inline bool ky__is_point(const ky_code *code, ky_id id) { return code->layout[id] == 0; }

/* Whether a gradient is wanted of the value `id`. */
static inline bool ky__wants(const ky_code *code, ky_id id) {
  return (code->ins[id].flags & KY_WANT_ANY) != 0;
}

static inline int64_t ky__f64_bits(double value) {
  const union {
    double f;
    int64_t i;
  } u = {.f = value};
  return u.i;
}

static inline double ky__pool_f64(const ky_code *code, uint32_t at) {
  union {
    int64_t i;
    double f;
  } u = {.i = code->pool[at]};
  return u.f;
}

/* What a rule is asked, and what it answers. A rule reads the instruction and the dtypes and
 * layouts of its operands; it answers with the result's, or with a status and the reason in
 * `fault`. */
typedef struct ky_query {
  ky_code *code;          /* only to intern layouts */
  const ky_ins *ins;      /* op, operands and attributes are set; dtype and flags are not */
  const ky_layout *shape; /* attr SHAPE and leaves: the wanted dims; else null */
  ky_fault *fault;

  uint8_t dtype;
  uint8_t klass;    /* ky_class */
  bool view;        /* shares its operand's memory */
  uint32_t layout;  /* index of the result's layout */
  size_t aux_bytes; /* size of the aux buffer, 0 for none */
} ky_query;

typedef ky_status ky_rule(ky_query *q);

#endif
