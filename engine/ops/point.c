/* SPDX-License-Identifier: MIT */
/* Runs of scalar instructions. What is not a row of unary.def, binary.def or ternary.def ends a
 * run. */
#include "ops/point.h"

#include "kernels/formulas.h"

#define CLASS_BITS (7u << KY_CLASS_SHIFT)
static_assert(KY_POINT == 0, "no class bit set means rank 0 all around");

typedef struct scalars {
  double s, u;
} scalars;

static inline scalars scalars_of(const ky_code *code, const ky_ins *i, int count) {
  if (count == 0) return (scalars){0, 0};
  if (count == 1) return (scalars){i->imm, 0};
  return (scalars){ky__pool_f64(code, i->b), ky__pool_f64(code, i->b + 1)};
}

/* What p and q of an adjoint formula stand for. */
#define WORD_X v[i.a]
#define WORD_A v[i.a]
#define WORD_B v[i.b]
#define WORD_C v[i.c]
#define WORD_R v[pc]
#define WORD_N adj[pc]
#define WORD_G adj[pc]

/* Threaded code: a handler goes to the next one itself. A jump of its own lets the processor
 * foresee what comes behind each opcode; one switch for all is guessed wrong half of the time.
 * Labels as values are an extension of gcc and clang. A label is kept as its distance from
 * `stop`, so that an opcode without a handler, 0, stops. */
#pragma GCC diagnostic ignored "-Wpedantic"
#define AT(name)           (int)((const char *)&&name - (const char *)&&stop)
#define HANDLER(name, ...) [KY_OP_##name] = AT(name),
#define DISPATCH()                                                                             \
  i = ins[pc];                                                                                 \
  if ((i.flags & CLASS_BITS) || i.dtype != DTYPE) goto stop;                                   \
  goto *(void *)((char *)&&stop + handler[i.op])
#define NEXT_UP()                                                                              \
  if (++pc == end) goto stop;                                                                  \
  DISPATCH()
#define NEXT_DOWN()                                                                            \
  do                                                                                           \
    if (--pc == end) goto stop;                                                                \
  while (!seen[pc]);                                                                           \
  g = adj[pc].MEMBER;                                                                          \
  DISPATCH()

#define REAL       float
#define MEMBER     f32
#define NAME(name) name##_f32
#include "ops/point.inc"
#undef REAL
#undef MEMBER
#undef NAME

#define REAL       double
#define MEMBER     f64
#define NAME(name) name##_f64
#include "ops/point.inc"
#undef REAL
#undef MEMBER
#undef NAME

ky_id ky__points_forward(ky_frame *f, ky_id pc, ky_id end) {
  for (ky_id before = end; pc != before;) {
    before = pc;
    pc = forward_f64(f, pc, end);
    pc = forward_f32(f, pc, end);
  }
  return pc;
}

ky_id ky__points_reverse(ky_frame *f, ky_id pc, ky_id end) {
  for (ky_id before = end; pc != before;) {
    before = pc;
    pc = reverse_f64(f, pc, end);
    pc = reverse_f32(f, pc, end);
  }
  return pc;
}
