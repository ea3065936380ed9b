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

/* adj[id] = beta adj[id] + x, which it returns. */
static inline float give_f32(ky_word *adj, uint8_t *seen, ky_id id, float x) {
  const float sum = seen[id] ? adj[id].f32 + x : x;
  adj[id].f32 = sum;
  seen[id] = 1;
  return sum;
}

static inline double give_f64(ky_word *adj, uint8_t *seen, ky_id id, double x) {
  const double sum = seen[id] ? adj[id].f64 + x : x;
  adj[id].f64 = sum;
  seen[id] = 1;
  return sum;
}

/* Threaded code: a handler goes to the next one itself. A jump of its own lets the processor
 * foresee what comes behind each opcode; with one switch for all, opcodes that alternate took
 * three times as long. Labels as values are an extension of gcc and clang. A label is kept as
 * its distance from `stop`, so that an opcode without a handler, 0, stops.
 *
 * What a handler has just computed stays in a register as well, for the next one: in a chain,
 * reading it back from memory takes longer than the arithmetic. In reverse so does the adjoint
 * of another operand, `held`, as the next handler often adds to it again. */
#pragma GCC diagnostic ignored "-Wpedantic"
#define AT(name) (int)((const char *)&&name - (const char *)&&stop)
#define GO(entry)                                                                              \
  if (head_of(i) & head_of(&not_scalar)) goto stop;                                            \
  goto *(void *)((char *)&&stop + handler[i->op][(entry) + i->dtype])
#define BEFORE (ky_id)(pc - 1)

/* ---- forward ----------------------------------------------------------------------------- */

#define WAYS         2
#define LABELS(name) AT(name##_f32), AT(name##_f64)
#define NEXT_UP()                                                                              \
  i++;                                                                                         \
  if (++pc == end) goto stop;                                                                  \
  GO(0)

/* The handlers of a row for one type: real is float or double, m the word's member f32 or f64.
 */
#define OPERAND(side, m) (i->side == BEFORE ? last_##m : v[i->side].m)
#define MAP1(name, given, real, m)                                                             \
  name##_##m : {                                                                               \
    const scalars k = scalars_of(f->code, i, given);                                           \
    v[pc].m = last_##m = primal_##name##_##m(OPERAND(a, m), (real)k.s, (real)k.u);             \
    NEXT_UP();                                                                                 \
  }
#define MAP2(name, m)                                                                          \
  name##_##m : v[pc].m = last_##m = primal_##name##_##m(OPERAND(a, m), OPERAND(b, m));         \
  NEXT_UP();
#define MAP3(name, m)                                                                          \
  name##_##m : v[pc].m = last_##m =                                                            \
      primal_##name##_##m(OPERAND(a, m), OPERAND(b, m), OPERAND(c, m));                        \
  NEXT_UP();

ky_id ky__points_forward(ky_frame *f, ky_id begin, ky_id end) {
#include "ops/point_table.inc"
  const ky_ins *i = &f->code->ins[begin];
  ky_word *v = f->val;
  size_t pc = begin;
  float last_f32 = v[BEFORE].f32;
  double last_f64 = v[BEFORE].f64;
  if (pc == end) goto stop;
  GO(0);
#define UNARY(name, given, ...) MAP1(name, given, float, f32) MAP1(name, given, double, f64)
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...) MAP2(name, f32) MAP2(name, f64)
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...) MAP3(name, f32) MAP3(name, f64)
#include "kernels/ternary.def"
#undef TERNARY
stop:
  return (ky_id)pc;
}
#undef WAYS
#undef LABELS

/* ---- reverse ----------------------------------------------------------------------------- */

/* Two entries a handler: its adjoint is in memory, or has just been completed. */
enum { LOAD = 0, CARRIED = 2 };
#define WAYS 4
#define LABELS(name)                                                                           \
  AT(name##_f32), AT(name##_f64), AT(name##_f32_carried), AT(name##_f64_carried)
#define SKIP_DOWN()                                                                            \
  do {                                                                                         \
    i--;                                                                                       \
    if (--pc == end) goto stop;                                                                \
  } while (!seen[pc]);                                                                         \
  GO(LOAD)
#define NEXT_DOWN()                                                                            \
  if (carries) {                                                                               \
    i--;                                                                                       \
    if (--pc == end) goto stop;                                                                \
    GO(CARRIED);                                                                               \
  }                                                                                            \
  SKIP_DOWN()

/* The handlers of a row for one type again; p and q of each side's formula are words. */
#define ENTER(name, real, m)                                                                   \
  name##_##m : carry_##m = adj[pc].m;                                                          \
  name##_##m##_carried:;                                                                       \
  const real g = carry_##m;                                                                    \
  const uint8_t wants = i->flags;                                                              \
  bool carries = false
#define GIVE(side, want, real, m, adjoint)                                                     \
  if (wants & want) {                                                                          \
    const ky_id id = i->side;                                                                  \
    if (id == BEFORE)                                                                          \
      carry_##m = give_##m(adj, seen, id, adjoint), carries = true;                            \
    else if (id == held)                                                                       \
      adj[id].m = held_##m += adjoint;                                                         \
    else                                                                                       \
      held_##m = give_##m(adj, seen, id, adjoint), held = id;                                  \
  }
#define PULL1(name, given, p, real, m)                                                         \
  {                                                                                            \
    ENTER(name, real, m);                                                                      \
    const scalars k = scalars_of(f->code, i, given);                                           \
    GIVE(a, KY_WANT_A, real, m, adjoint_##name##_##m(g, p.m, (real)k.s, (real)k.u))            \
    NEXT_DOWN();                                                                               \
  }
#define PULL2(name, pa, qa, pb, qb, real, m)                                                   \
  {                                                                                            \
    ENTER(name, real, m);                                                                      \
    GIVE(a, KY_WANT_A, real, m, adjoint_##name##_a_##m(g, pa.m, qa.m))                         \
    GIVE(b, KY_WANT_B, real, m, adjoint_##name##_b_##m(g, pb.m, qb.m))                         \
    NEXT_DOWN();                                                                               \
  }
#define PULL3(name, pa, qa, pb, qb, pc_, qc, real, m)                                          \
  {                                                                                            \
    ENTER(name, real, m);                                                                      \
    GIVE(a, KY_WANT_A, real, m, adjoint_##name##_a_##m(g, pa.m, qa.m))                         \
    GIVE(b, KY_WANT_B, real, m, adjoint_##name##_b_##m(g, pb.m, qb.m))                         \
    GIVE(c, KY_WANT_C, real, m, adjoint_##name##_c_##m(g, pc_.m, qc.m))                        \
    NEXT_DOWN();                                                                               \
  }

ky_id ky__points_reverse(ky_frame *f, ky_id begin, ky_id end) {
#include "ops/point_table.inc"
  const ky_word *v = f->val;
  ky_word *adj = f->adj;
  uint8_t *seen = f->seen;
  size_t pc = (size_t)begin + 1;
  float carry_f32 = 0;
  double carry_f64 = 0;
  ky_id held = 0;
  float held_f32 = 0;
  double held_f64 = 0;
  const ky_ins *i = f->code->ins + pc;
  SKIP_DOWN();
#define UNARY(name, given, p, ...)                                                             \
  PULL1(name, given, WORD_##p, float, f32) PULL1(name, given, WORD_##p, double, f64)
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, vector, primal, pa, qa, adjoint_a, pb, qb, adjoint_b)                     \
  PULL2(name, WORD_##pa, WORD_##qa, WORD_##pb, WORD_##qb, float, f32)                          \
  PULL2(name, WORD_##pa, WORD_##qa, WORD_##pb, WORD_##qb, double, f64)
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, primal, pa, qa, adjoint_a, pb, qb, adjoint_b, pc_, qc, adjoint_c)        \
  PULL3(name, WORD_##pa, WORD_##qa, WORD_##pb, WORD_##qb, WORD_##pc_, WORD_##qc, float, f32)   \
  PULL3(name, WORD_##pa, WORD_##qa, WORD_##pb, WORD_##qb, WORD_##pc_, WORD_##qc, double, f64)
#include "kernels/ternary.def"
#undef TERNARY
stop:
  return (ky_id)pc;
}
