/* SPDX-License-Identifier: MIT */
/* Runs of scalar instructions. What is not a row of unary.def, binary.def or ternary.def ends a
 * run. */
#include "ops/point.h"

#include <string.h>

#include "kernels/formulas.h"

#define CLASS_BITS (7u << KY_CLASS_SHIFT)
static_assert(KY_POINT == 0, "no class bit set means rank 0 all around");
static_assert(KY_F32 == 0 && KY_F64 == 1, "the first types have handlers");

/* An instruction's opcode, type and flags at once. */
static inline uint32_t head_of(const ky_ins *i) {
  uint32_t head;
  memcpy(&head, i, sizeof head);
  return head;
}

/* The bits of a head that no scalar instruction has. */
static const ky_ins not_scalar = {.dtype = 0xfe, .flags = CLASS_BITS};

typedef struct scalars {
  double s, u;
} scalars;

static inline scalars scalars_of(const ky_code *code, const ky_ins *i, int count) {
  if (count == 0) return (scalars){0, 0};
  if (count == 1) return (scalars){i->imm, 0};
  return (scalars){ky__pool_f64(code, i->b), ky__pool_f64(code, i->b + 1)};
}

/* What p and q of an adjoint formula stand for. */
#define WORD_X v[i->a]
#define WORD_A v[i->a]
#define WORD_B v[i->b]
#define WORD_C v[i->c]
#define WORD_R v[pc]
#define WORD_N adj[pc]
#define WORD_G adj[pc]

static inline void give_f32(ky_word *adj, uint8_t *seen, ky_id id, float x) {
  adj[id].f32 = seen[id] ? adj[id].f32 + x : x;
  seen[id] = 1;
}

static inline void give_f64(ky_word *adj, uint8_t *seen, ky_id id, double x) {
  adj[id].f64 = seen[id] ? adj[id].f64 + x : x;
  seen[id] = 1;
}

/* Threaded code: a handler goes to the next one itself. A jump of its own lets the processor
 * foresee what comes behind each opcode; with one switch for all, opcodes that alternate took
 * three times as long. Labels as values are an extension of gcc and clang. A label is kept as
 * its distance from `stop`, so that an opcode without a handler, 0, stops. */
#pragma GCC diagnostic ignored "-Wpedantic"
#define AT(name) (int)((const char *)&&name - (const char *)&&stop)
#define GO()                                                                                   \
  if (head_of(i) & head_of(&not_scalar)) goto stop;                                            \
  goto *(void *)((char *)&&stop + handler[i->op][i->dtype])
#define NEXT_UP()                                                                              \
  i++;                                                                                         \
  if (++pc == end) goto stop;                                                                  \
  GO()
#define NEXT_DOWN()                                                                            \
  do {                                                                                         \
    i--;                                                                                       \
    if (--pc == end) goto stop;                                                                \
  } while (!seen[pc]);                                                                         \
  GO()

ky_id ky__points_forward(ky_frame *f, ky_id begin, ky_id end) {
#include "ops/point_table.inc"
  const ky_ins *i = &f->code->ins[begin];
  ky_word *v = f->val;
  size_t pc = begin;
  if (pc == end) goto stop;
  GO();
#define REAL       float
#define MEMBER     f32
#define NAME(name) name##_f32
#include "ops/point_forward.inc"
#undef REAL
#undef MEMBER
#undef NAME
#define REAL       double
#define MEMBER     f64
#define NAME(name) name##_f64
#include "ops/point_forward.inc"
#undef REAL
#undef MEMBER
#undef NAME
stop:
  return (ky_id)pc;
}

ky_id ky__points_reverse(ky_frame *f, ky_id begin, ky_id end) {
#include "ops/point_table.inc"
  const ky_word *v = f->val;
  ky_word *adj = f->adj;
  uint8_t *seen = f->seen;
  size_t pc = (size_t)begin + 1;
  const ky_ins *i = f->code->ins + pc;
  NEXT_DOWN();
#define REAL       float
#define MEMBER     f32
#define NAME(name) name##_f32
#include "ops/point_reverse.inc"
#undef REAL
#undef MEMBER
#undef NAME
#define REAL       double
#define MEMBER     f64
#define NAME(name) name##_f64
#include "ops/point_reverse.inc"
#undef REAL
#undef MEMBER
#undef NAME
stop:
  return (ky_id)pc;
}
