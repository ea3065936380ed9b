/* SPDX-License-Identifier: MIT */
/* Register programs: what opcodes are as steps, the assignment of registers, the pool words,
 * the text. Nothing here touches an element. */
#include "ops/fusion.h"

#include <string.h>

#include "kernels/test.h"
#include "opinfo.h"
#include "ops/family.h"
#include "ops/tile.h"

/* ---- forms ---------------------------------------------------------------------------- */

enum {
  N = KY_SAVED_N,
  G = KY_SAVED_N,
  A = KY_SAVED_A,
  X = KY_SAVED_A,
  B = KY_SAVED_B,
  C = KY_SAVED_C,
  R = KY_SAVED_R
};

#define IS_G 1
#define IS_A 0
#define IS_B 0
#define IS_C 0
#define IS_R 0
#define IS_N 0

const ky_form ky__forms[KY_OP_COUNT] = {
#define UNARY(name, given, stored, ...)                                                        \
  [KY_OP_##name] = {                                                                           \
      .kind = KY_MAP1, .operands = 1, .scalars = given, .pulled = 1, .saved = {{stored, N}}},
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, vector, primal, pa, qa, adjoint_a, pb, qb, adjoint_b)                     \
  [KY_OP_##name] = {.kind = KY_MAP2,                                                           \
                    .operands = 2,                                                             \
                    .pulled = 3,                                                               \
                    .identity = IS_##pa | IS_##pb << 1,                                        \
                    .saved = {{pa, qa}, {pb, qb}}},
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, primal, pa, qa, adjoint_a, pb, qb, adjoint_b, pc, qc, adjoint_c)         \
  [KY_OP_##name] = {.kind = KY_MAP3,                                                           \
                    .operands = 3,                                                             \
                    .pulled = 7,                                                               \
                    .identity = IS_##pa | IS_##pb << 1 | IS_##pc << 2,                         \
                    .saved = {{pa, qa}, {pb, qb}, {pc, qc}}},
#include "kernels/ternary.def"
#undef TERNARY
#define TEST(name, sign)                                                                       \
  [KY_OP_##name] = {.kind = KY_TEST2, .operands = 2},                                          \
  [KY_OP_##name##_scalar] = {.kind = KY_TEST1, .operands = 1, .scalars = 1},
    KY_TESTS(TEST)
#undef TEST
        [KY_OP_where] = {.kind = KY_SELECT,
                         .operands = 3,
                         .pulled = 6,
                         .saved = {{N, N}, {A, N}, {A, N}}},
};

/* ---- registers ------------------------------------------------------------------------ */

/* From when to when something needs a register, both ends inclusive: kernels may not overlap.
 */
typedef struct life {
  uint32_t birth, death;
  bool needed;
} life;

/* Gives registers to `count` lives that lie below `end`; returns how many it takes. */
static uint8_t assign(const life *lives, uint32_t count, uint32_t end, uint8_t *registers) {
  uint64_t taken = 0;
  uint8_t most = 0;
  memset(registers, KY_NO_REGISTER, count);
  for (uint32_t time = 0; time < end; time++) {
    for (uint32_t k = 0; k < count; k++)
      if (lives[k].needed && lives[k].death + 1 == time)
        taken &= ~((uint64_t)1 << registers[k]);
    for (uint32_t k = 0; k < count; k++) {
      if (!lives[k].needed || lives[k].birth != time) continue;
      uint8_t free = 0;
      while (taken >> free & 1) free++;
      taken |= (uint64_t)1 << free;
      registers[k] = free;
      if (free >= most) most = (uint8_t)(free + 1);
    }
  }
  return most;
}

static_assert(2 * KY_FUSION_STEPS <= 64, "a bit a register");

static void last_use(life *lives, uint32_t ref, uint32_t inputs, uint32_t time) {
  if (ref >= inputs && lives[ref - inputs].death < time) lives[ref - inputs].death = time;
}

static void settle_forward(ky_fusion *p) {
  life lives[KY_FUSION_STEPS] = {0};
  uint8_t registers[KY_FUSION_STEPS];
  for (uint32_t k = 0; k < p->steps; k++) {
    const bool stored = k + 1 == p->steps && p->ending == KY_OP_nop;
    lives[k] = (life){k, k, !stored};
    for (uint32_t n = 0; n < ky__forms[p->step[k].op].operands; n++)
      last_use(lives, p->step[k].ref[n], p->inputs, k);
  }
  p->forward_registers = assign(lives, p->steps, p->steps, registers);
  for (uint32_t k = 0; k < p->steps; k++) p->step[k].forward = registers[k];
}

/* What the reverse sweep does with the steps of a program, as bits. */
typedef struct activity {
  uint32_t wants;  /* has a gradient somewhere below */
  uint32_t active; /* and is reached from the result */
  uint32_t needed; /* its value is read */
} activity;

uint32_t ky__fusion_saved(const ky_fusion *p, uint32_t k, uint32_t n, int which,
                          uint32_t none) {
  const ky_step *s = &p->step[k];
  switch ((ky_saved)ky__forms[s->op].saved[n][which]) {
  case KY_SAVED_A: return s->ref[0];
  case KY_SAVED_B: return s->ref[1];
  case KY_SAVED_C: return s->ref[2];
  case KY_SAVED_R: return p->inputs + k;
  case KY_SAVED_N: break;
  }
  return none;
}

static bool ref_wants(const ky_fusion *p, uint32_t ref, uint32_t inputs_wanted,
                      uint32_t steps_wanted) {
  return ref < p->inputs ? inputs_wanted >> ref & 1 : steps_wanted >> (ref - p->inputs) & 1;
}

/* Marks the value `ref` as read. */
static void need(ky_fusion *p, activity *a, uint32_t ref) {
  if (ref < p->inputs)
    p->reads |= (uint16_t)(1u << ref);
  else
    a->needed |= 1u << (ref - p->inputs);
}

/* The steps through which gradients reach the inputs that want them. */
static uint32_t wanted_steps(const ky_fusion *p, uint32_t wants) {
  uint32_t steps = 0;
  for (uint32_t k = 0; k < p->steps; k++)
    for (uint32_t n = 0; n < ky__forms[p->step[k].op].operands; n++)
      if (ky__forms[p->step[k].op].pulled >> n & 1 &&
          ref_wants(p, p->step[k].ref[n], wants, steps))
        steps |= 1u << k;
  return steps;
}

static activity find_activity(ky_fusion *p, uint32_t wants) {
  activity a = {.wants = wanted_steps(p, wants)};
  const uint32_t last = p->steps - 1u, none = UINT32_MAX;
  a.active = a.wants & 1u << last;
  for (uint32_t k = p->steps; k-- > 0;) {
    const ky_step *step = &p->step[k];
    const ky_form *form = &ky__forms[step->op];
    for (uint32_t n = 0; n < form->operands && a.active >> k & 1; n++) {
      if (!(form->pulled >> n & 1) || !ref_wants(p, step->ref[n], wants, a.wants)) continue;
      if (step->ref[n] >= p->inputs) a.active |= 1u << (step->ref[n] - p->inputs);
      for (int m = 0; m < 2; m++)
        if (ky__fusion_saved(p, k, n, m, none) != none)
          need(p, &a, ky__fusion_saved(p, k, n, m, none));
    }
  }
  if (p->turns) {
    a.needed = UINT32_MAX >> (31 - last);
  } else if (a.needed >> last & 1 && p->ending == KY_OP_nop) {
    p->reads_result = true;
    a.needed &= ~(1u << last);
  }
  for (uint32_t k = p->steps; k-- > 0;)
    for (uint32_t n = 0; n < ky__forms[p->step[k].op].operands && a.needed >> k & 1; n++)
      need(p, &a, p->step[k].ref[n]);
  return a;
}

/* How many contributions each step's adjoint gets. */
static void count_contributions(const ky_fusion *p, activity a, uint8_t *counts) {
  memset(counts, 0, p->steps);
  for (uint32_t k = 0; k < p->steps; k++) {
    const ky_form *form = &ky__forms[p->step[k].op];
    for (uint32_t n = 0; n < form->operands && a.active >> k & 1; n++)
      if (form->pulled >> n & 1 && p->step[k].ref[n] >= p->inputs)
        counts[p->step[k].ref[n] - p->inputs]++;
  }
}

/* Which step's adjoint serves for step k too: a sum hands its own on, to who gets no other. */
static void find_holders(const ky_fusion *p, activity a, uint8_t *holders) {
  uint8_t counts[KY_FUSION_STEPS];
  count_contributions(p, a, counts);
  for (uint32_t k = 0; k < KY_FUSION_STEPS; k++) holders[k] = (uint8_t)k;
  for (uint32_t k = p->steps; k-- > 0;) {
    const ky_form *form = &ky__forms[p->step[k].op];
    for (uint32_t n = 0; n < form->operands && a.active >> k & 1; n++) {
      if (!(form->identity >> n & 1) || p->step[k].ref[n] < p->inputs) continue;
      const uint32_t to = p->step[k].ref[n] - p->inputs;
      if (counts[to] == 1) holders[to] = holders[k];
    }
  }
}

/* Step k is computed again at time k, its adjoint runs at time 2 steps - 1 - k. */
static void settle_reverse(ky_fusion *p, activity a) {
  life lives[2 * KY_FUSION_STEPS] = {0};
  uint8_t registers[2 * KY_FUSION_STEPS], holders[KY_FUSION_STEPS];
  const uint32_t steps = p->steps, last = steps - 1, end = 2 * steps, none = UINT32_MAX;
  find_holders(p, a, holders);
  for (uint32_t k = 0; k < steps; k++) {
    lives[k] = (life){k, k, a.needed >> k & 1};
    lives[steps + k] =
        (life){end, end - 1 - k, a.active >> k & 1 && k < last && holders[k] == k};
    for (uint32_t n = 0; n < ky__forms[p->step[k].op].operands && a.needed >> k & 1; n++)
      last_use(lives, p->step[k].ref[n], p->inputs, k);
  }
  for (uint32_t k = steps; k-- > 0;) {
    const ky_form *form = &ky__forms[p->step[k].op];
    const uint32_t now = end - 1 - k;
    if (a.active >> k & 1 && lives[steps + holders[k]].death < now)
      lives[steps + holders[k]].death = now;
    for (uint32_t n = 0; n < form->operands && a.active >> k & 1; n++) {
      if (!(form->pulled >> n & 1)) continue;
      for (int m = 0; m < 2; m++) {
        const uint32_t ref = ky__fusion_saved(p, k, n, m, none);
        if (ref != none) last_use(lives, ref, p->inputs, now);
      }
      const uint32_t ref = p->step[k].ref[n];
      if (ref >= p->inputs && lives[steps + ref - p->inputs].birth > now)
        lives[steps + ref - p->inputs].birth = now;
    }
  }
  p->reverse_registers = assign(lives, end, end, registers);
  for (uint32_t k = 0; k < steps; k++) {
    const bool active = a.active >> k & 1 && k < last;
    p->step[k].reverse = registers[k];
    p->step[k].adjoint = !active              ? KY_NO_REGISTER
                         : holders[k] == last ? KY_SEED_REGISTER
                                              : registers[steps + holders[k]];
  }
}

void ky__fusion_settle(ky_fusion *p, uint32_t wants) {
  p->reads = 0;
  p->reads_result = false;
  settle_forward(p);
  settle_reverse(p, find_activity(p, wants));
}

/* ---- the order of contributions --------------------------------------------------------- */

bool ky__fusion_pulls(const ky_fusion *p, uint32_t k, uint32_t n, uint32_t wants) {
  const ky_step *s = &p->step[k];
  const uint32_t ref = s->ref[n];
  const bool last = k + 1 == p->steps;
  if ((s->adjoint == KY_NO_REGISTER && !last) || !(ky__forms[s->op].pulled >> n & 1))
    return false;
  if (ref < p->inputs) return wants >> ref & 1;
  const uint8_t own = last ? KY_SEED_REGISTER : s->adjoint;
  const uint8_t to = p->step[ref - p->inputs].adjoint;
  return to != KY_NO_REGISTER && to != own;
}

ky_afterwards ky__fused_afterwards(const ky_code *code, ky_id pc, uint32_t k) {
  ky_afterwards rest = {0};
  ky_fusion p;
  if (!ky__fusion_decode(code, &code->ins[pc], &p)) return rest;
  uint32_t wants = 0;
  for (uint32_t n = 0; n < p.inputs; n++)
    wants |= (uint32_t)ky__wants(code, ky__operand(code, pc, n)) << n;
  rest.reads_g = p.ending != KY_OP_nop; /* spread over elements that are still to come */
  for (uint32_t step = p.steps; step-- > 0;) {
    const ky_form *form = &ky__forms[p.step[step].op];
    const bool seeded = step + 1 == p.steps || p.step[step].adjoint == KY_SEED_REGISTER;
    for (uint32_t n = 0; n < form->operands; n++) {
      if (!ky__fusion_pulls(&p, step, n, wants)) continue;
      for (int m = 0; m < 2 && rest.contributes; m++) {
        const uint32_t ref = ky__fusion_saved(&p, step, n, m, p.inputs);
        if (ref < p.inputs) rest.reads |= (uint16_t)(1u << ref);
      }
      rest.reads_g |= rest.contributes && seeded;
      rest.contributes |= p.step[step].ref[n] == k;
    }
  }
  return rest;
}

/* ---- pool words ----------------------------------------------------------------------- */

static int64_t word(uint64_t bits) {
  union {
    uint64_t u;
    int64_t i;
  } w = {.u = bits};
  return w.i;
}

static uint8_t byte(uint64_t bits, int at) { return (uint8_t)(bits >> at); }

void ky__fusion_encode(const ky_fusion *p, int64_t *words) {
  words[0] = word(p->space | (uint64_t)p->dtype << 32 | (uint64_t)p->steps << 40 |
                  (uint64_t)p->keep << 48 | (uint64_t)p->reads_result << 49 |
                  (uint64_t)p->turns << 50);
  words[1] = word(p->ending | (uint64_t)p->axes << 16 | (uint64_t)p->forward_registers << 24 |
                  (uint64_t)p->reverse_registers << 32 | (uint64_t)p->reads << 40);
  for (uint32_t k = 0; k < p->steps; k++) {
    const ky_step *s = &p->step[k];
    int64_t *at = words + 2 + (size_t)3 * k;
    at[0] = word(s->op | (uint64_t)s->ref[0] << 16 | (uint64_t)s->ref[1] << 24 |
                 (uint64_t)s->ref[2] << 32 | (uint64_t)s->forward << 40 |
                 (uint64_t)s->reverse << 48 | (uint64_t)s->adjoint << 56);
    at[1] = ky__f64_bits(s->s);
    at[2] = ky__f64_bits(s->u);
  }
}

bool ky__fusion_decode(const ky_code *code, const ky_ins *i, ky_fusion *p) {
  const uint64_t at = (uint64_t)i->b + i->c;
  if (i->c > KY_FUSION_INPUTS || at + ky__fusion_words(0) > code->pool_count) return false;
  const uint64_t head = (uint64_t)code->pool[at], more = (uint64_t)code->pool[at + 1];
  p->space = (uint32_t)head;
  p->dtype = byte(head, 32);
  p->inputs = (uint8_t)i->c;
  p->steps = byte(head, 40);
  p->keep = head >> 48 & 1;
  p->reads_result = head >> 49 & 1;
  p->turns = head >> 50 & 1;
  p->ending = (uint16_t)more;
  p->axes = byte(more, 16);
  p->forward_registers = byte(more, 24);
  p->reverse_registers = byte(more, 32);
  p->reads = (uint16_t)(more >> 40);
  if (p->steps == 0 || p->steps > KY_FUSION_STEPS ||
      at + ky__fusion_words(p->steps) > code->pool_count)
    return false;
  for (uint32_t k = 0; k < p->steps; k++) {
    const uint32_t from = (uint32_t)at + 2 + 3 * k;
    const uint64_t bits = (uint64_t)code->pool[from];
    p->step[k] = (ky_step){.op = (uint16_t)bits,
                           .ref = {byte(bits, 16), byte(bits, 24), byte(bits, 32)},
                           .forward = byte(bits, 40),
                           .reverse = byte(bits, 48),
                           .adjoint = byte(bits, 56),
                           .s = ky__pool_f64(code, from + 1),
                           .u = ky__pool_f64(code, from + 2)};
  }
  return true;
}

bool ky__fused_wants(const ky_code *code, const ky_ins *i) {
  ky_fusion p;
  if (!ky__fusion_decode(code, i, &p)) return false;
  uint32_t wants = 0;
  for (uint32_t k = 0; k < p.inputs; k++)
    wants |= (uint32_t)ky__wants(code, (ky_id)code->pool[i->b + k]) << k;
  return wanted_steps(&p, wants) >> (p.steps - 1u) & 1;
}

/* ---- text ----------------------------------------------------------------------------- */

static void say_ref(ky_text *text, const ky_code *code, ky_id pc, const ky_fusion *p,
                    uint32_t ref) {
  if (ref < p->inputs)
    ky__say(text, " %%%u", (unsigned)ky__operand(code, pc, ref));
  else
    ky__say(text, " r%u", (unsigned)(ref - p->inputs));
}

void ky__fusion_say(ky_text *text, const ky_code *code, ky_id pc, const ky_fusion *p,
                    uint32_t k) {
  if (k == p->steps) {
    ky__say(text, "%s", ky__opinfo[p->ending].name);
    say_ref(text, code, pc, p, p->inputs + k - 1);
    ky__say(text, p->axes ? " " : "");
    ky__say_axes(text, p->axes);
    if (p->keep) ky__say(text, " keep");
    return;
  }
  const ky_step *s = &p->step[k];
  const ky_form *form = &ky__forms[s->op];
  ky__say(text, "r%u = %s", (unsigned)k, ky__opinfo[s->op].name);
  for (uint32_t n = 0; n < form->operands; n++) say_ref(text, code, pc, p, s->ref[n]);
  if (form->scalars > 0) ky__say(text, " %.17g", s->s);
  if (form->scalars > 1) ky__say(text, " %.17g", s->u);
}

/* ---- rule ----------------------------------------------------------------------------- */

/* dtype of what `ref` stands for. */
static ky_dtype dtype_of(const ky_query *q, const ky_fusion *p, uint32_t ref) {
  if (ref < p->inputs) return ky__dtype_of(q, (ky_id)q->code->pool[q->ins->b + ref]);
  const ky_form_kind kind = (ky_form_kind)ky__forms[p->step[ref - p->inputs].op].kind;
  return kind == KY_TEST1 || kind == KY_TEST2 ? KY_MASK : (ky_dtype)p->dtype;
}

static ky_status check_step(const ky_query *q, const ky_fusion *p, uint32_t k) {
  const ky_step *s = &p->step[k];
  if (s->op >= KY_OP_COUNT || ky__forms[s->op].kind == KY_NO_STEP)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "step %u: opcode %u is no step", (unsigned)k,
                    (unsigned)s->op);
  const ky_form *form = &ky__forms[s->op];
  for (uint32_t n = 0; n < form->operands; n++) {
    if (s->ref[n] >= p->inputs + k)
      return ky__fail(q->fault, KY_BAD_ARGUMENT, "step %u: operand %u is not known yet",
                      (unsigned)k, (unsigned)n);
    const ky_dtype wanted = form->kind == KY_SELECT && n == 0 ? KY_MASK : (ky_dtype)p->dtype;
    const ky_dtype got = dtype_of(q, p, s->ref[n]);
    if (got != wanted)
      return ky__fail(q->fault, KY_BAD_DTYPE, "step %u: operand %u must be %s, got %s",
                      (unsigned)k, (unsigned)n, ky_dtype_name(wanted), ky_dtype_name(got));
  }
  return KY_OK;
}

static ky_status check_inputs(const ky_query *q, const ky_fusion *p, uint32_t *wants) {
  const ky_layout space = q->code->layouts.at[p->space];
  *wants = 0;
  for (uint32_t k = 0; k < p->inputs; k++) {
    const ky_id id = (ky_id)q->code->pool[q->ins->b + k];
    const ky_layout *layout = ky__layout_of(q, id);
    ky_layout both;
    KY_TRY(ky__broadcast(layout, &space, &both, q->fault));
    if (!ky__same_dims(&both, &space))
      return ky__fail(q->fault, KY_BAD_SHAPE, "operand %u is larger than the index space",
                      (unsigned)k);
    if (!ky__wants(q->code, id)) continue;
    *wants |= 1u << k;
    if (!ky__sums_in_tiles(layout, &space))
      return ky__fail(q->fault, KY_BAD_SHAPE,
                      "the gradient of operand %u is no sum of rows or columns", (unsigned)k);
  }
  return KY_OK;
}

/* The dims of the result: those of the space, reduced. */
static ky_status answer_ending(ky_query *q, const ky_fusion *p, ky_dtype dtype) {
  const ky_layout space = q->code->layouts.at[p->space];
  ky_pattern pattern;
  if (p->ending == KY_OP_nop && !p->turns) return ky__answer(q, dtype, &space);
  if ((p->ending != KY_OP_sum && p->ending != KY_OP_mean) || p->axes >> space.rank ||
      !ky__is_float(dtype) || !ky__pattern_of(&space, p->axes, &pattern))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "ends in opcode %u over axes 0x%x",
                    (unsigned)p->ending, (unsigned)p->axes);
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < space.rank; k++) {
    const bool reduced = p->axes >> k & 1;
    if (!reduced || p->keep) dims[rank++] = reduced ? 1 : space.dims[k];
  }
  ky_layout out;
  KY_TRY(ky__layout_dense(rank, dims, &out, q->fault));
  return ky__answer(q, dtype, &out);
}

ky_status ky__rule_fused(ky_query *q) {
  ky_fusion p;
  if (!ky__fusion_decode(q->code, q->ins, &p))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "the register program does not lie in the pool");
  const ky_layout *space = &q->code->layouts.at[p.space < q->code->layouts.count ? p.space : 0];
  if (p.space >= q->code->layouts.count || !space->dense)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "the index space %u does not exist",
                    (unsigned)p.space);
  if (!ky__is_float(p.dtype))
    return ky__fail(q->fault, KY_BAD_DTYPE, "steps want f32 or f64, got %s",
                    ky_dtype_name((ky_dtype)p.dtype));
  if (space->count == 0) return ky__fail(q->fault, KY_BAD_SHAPE, "the index space is empty");
  for (uint32_t k = 0; k < p.steps; k++) KY_TRY(check_step(q, &p, k));
  uint32_t wants;
  KY_TRY(check_inputs(q, &p, &wants));
  int64_t is[2 + 3 * KY_FUSION_STEPS], should[2 + 3 * KY_FUSION_STEPS];
  ky__fusion_encode(&p, is);
  ky__fusion_settle(&p, wants);
  ky__fusion_encode(&p, should);
  if (memcmp(is, should, ky__fusion_words(p.steps) * sizeof *is) != 0)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "the registers are not those of the program");
  q->klass = KY_GENERAL;
  return answer_ending(q, &p, dtype_of(q, &p, p.inputs + p.steps - 1u));
}
