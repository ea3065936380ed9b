/* SPDX-License-Identifier: MIT */
/* The memory plan: every value, adjoint and aux buffer is live for an interval of one time
 * line, and gets a place in one arena that nothing else has during that interval (placement.c).
 *
 * With N instructions, instruction pc runs at time pc and its adjoint at time 2N - pc. What an
 * adjoint reads is what its row of ops.def declares, so a value that no adjoint reads dies with
 * its last use in the forward sweep. Both ends of an interval are inclusive: what dies where
 * something is born does not share its place with it, because kernels may not overlap. Unless
 * it hands its place down: an elementwise instruction may write where it has just read. A value
 * that is computed again (recomputation.c) has an interval in each sweep. */
#include <string.h>

#include "opinfo.h"
#include "ops/family.h"
#include "ops/overwrite.h"
#include "ops/turn.h"
#include "tape/placement.h"
#include "tape/program.h"
#include "tape/recomputation.h"

/* ---- intervals --------------------------------------------------------------------------- */

typedef struct planner {
  ky_pass *pass;
  ky_program *p;
  uint64_t end;          /* a time after everything */
  uint8_t *active;       /* per instruction: its adjoint runs */
  ky_id *base;           /* per instruction: whose memory it lives in */
  uint64_t *death;       /* per instruction: last use of its memory */
  ky_id *again;          /* per instruction: see ky__find_recomputed */
  uint64_t *again_death; /* per instruction: last use of its second memory */
  uint64_t *adjoint_birth;
  uint64_t *adjoint_death;
  ky_tenant *tenants;
  size_t tenant_count, tenant_room;
  uint32_t *value_of; /* per instruction: its value's tenant, index + 1; 0 for none */
  uint32_t *adjoint_of;
} planner;

static uint64_t reverse_time(const planner *q, ky_id pc) {
  return 2 * (uint64_t)q->p->code.count - pc;
}

static void find_bases(planner *q) {
  const ky_code *code = &q->p->code;
  for (ky_id pc = 1; pc < code->count; pc++)
    q->base[pc] = code->ins[pc].flags & KY_VIEW ? q->base[code->ins[pc].a] : pc;
}

static void live_until(planner *q, ky_id id, uint64_t time) {
  const ky_id owner = q->base[id];
  const bool again = q->again[owner] && time > q->p->code.count;
  uint64_t *death = again ? &q->again_death[owner] : &q->death[owner];
  if (*death < time) *death = time;
}

/* Which adjoints run: those that the root reaches through operands that want a gradient. */
static void find_active(planner *q) {
  const ky_code *code = &q->p->code;
  if (q->p->root) q->active[q->p->root] = 1;
  for (ky_id pc = q->p->root; pc > 0; pc--) {
    if (!q->active[pc]) continue;
    const ky_ins *i = &code->ins[pc];
    const bool list = ky__opinfo[i->op].arity == KY_ARITY_LIST;
    const uint32_t operands = ky__operand_count(code, pc);
    for (uint32_t k = 0; k < operands; k++) {
      const ky_id id = ky__operand(code, pc, k);
      const bool wants = list ? ky__wants(code, id) : (i->flags >> k & 1) != 0;
      if (!wants) continue;
      q->active[id] = 1;
      const uint64_t now = reverse_time(q, pc);
      if (q->adjoint_birth[id] == 0) q->adjoint_birth[id] = now;
    }
  }
}

static void find_value_lives(planner *q) {
  const ky_code *code = &q->p->code;
  for (ky_id pc = 1; pc < code->count; pc++) {
    const bool lasting = q->p->keep[pc] || pc <= q->p->constants;
    live_until(q, pc, lasting ? q->end : pc);
    if (q->active[pc] && ky__reads_result(code, pc)) live_until(q, pc, reverse_time(q, pc));
    const uint32_t operands = ky__operand_count(code, pc);
    for (uint32_t k = 0; k < operands; k++) {
      const ky_id id = ky__operand(code, pc, k);
      if (!id) continue;
      live_until(q, id, pc);
      if (q->active[pc] && ky__reads_operand(code, pc, k))
        live_until(q, id, reverse_time(q, pc));
    }
  }
}

/* The last reader of a weight's value and the last contributor to its gradient is the first
 * instruction that has it, or a view of it, as operand. */
static ky_status find_dues(planner *q) {
  ky_program *p = q->p;
  const ky_code *code = &p->code;
  ky_id *first_use = ky__pass_alloc(q->pass, code->count, sizeof *first_use);
  /* weights by where they are due, as heads and links */
  ky_id *due = ky__pass_alloc(q->pass, code->count, sizeof *due);
  ky_id *next = ky__pass_alloc(q->pass, code->count, sizeof *next);
  const bool ok = first_use && due && next;
  for (ky_id pc = ok ? code->count : 0; pc-- > 1;) {
    const uint32_t operands = ky__operand_count(code, pc);
    for (uint32_t k = 0; k < operands; k++) first_use[ky__operand(code, pc, k)] = pc;
  }
  for (ky_id id = ok ? p->root : 0; id > 0; id--) {
    if (code->ins[id].op != KY_OP_param || !q->active[id] || !p->wanted[id]) continue;
    const ky_id after = first_use[id] && first_use[id] <= p->root ? first_use[id] : id;
    if (p->updates && !p->keep[id]) q->adjoint_death[id] = reverse_time(q, after);
    next[id] = due[after];
    due[after] = id;
  }
  p->due_count = 0;
  for (ky_id after = ok ? p->root : 0; after > 0; after--)
    for (ky_id id = due[after]; id; id = next[id])
      p->dues[p->due_count++] = (ky_due){
          .after = after,
          .param = id,
          .streams =
              code->ins[after].b == id && !p->keep[id] && ky__streams_weight(code, after),
      };
  ky__pass_free(q->pass, first_use, code->count, sizeof *first_use);
  ky__pass_free(q->pass, due, code->count, sizeof *due);
  ky__pass_free(q->pass, next, code->count, sizeof *next);
  return ok ? KY_OK : KY_NO_MEMORY;
}

/* Returns its index + 1. */
static uint32_t add_tenant(planner *q, size_t bytes, uint64_t birth, uint64_t death,
                           size_t *place) {
  const size_t padded = (bytes + KY_ALIGN - 1) & ~(size_t)(KY_ALIGN - 1);
  q->tenants[q->tenant_count++] = (ky_tenant){.birth = birth,
                                              .death = death,
                                              .until = death,
                                              .bytes = padded ? padded : KY_ALIGN,
                                              .place = place};
  return (uint32_t)q->tenant_count;
}

static ky_status aux_bytes(planner *q, ky_id pc, size_t *bytes) {
  *bytes = 0;
  const ky_layout shape = ky__dense(ky__layout(&q->p->code, pc));
  ky_query query = {.code = &q->p->code,
                    .ins = &q->p->code.ins[pc],
                    .shape = &shape,
                    .fault = q->pass->fault};
  const ky_op op = (ky_op)query.ins->op;
  if (!(ky__opinfo[op].reads & KY_READS_X)) return KY_OK;
  KY_TRY(ky__opinfo[op].rule(&query));
  *bytes = query.aux_bytes;
  return KY_OK;
}

static ky_status list_tenants(planner *q) {
  ky_program *p = q->p;
  const ky_code *code = &p->code;
  ky_memory *m = &p->memory;
  for (ky_id pc = 1; pc < code->count; pc++) {
    const ky_ins *i = &code->ins[pc];
    const bool point = ky__is_point(code, pc);
    const size_t bytes = ky__value_bytes(code, pc);
    p->value_at[pc] = p->adjoint_at[pc] = KY_NOWHERE;
    if (i->op == KY_OP_param) m->weights += i->c ? bytes / 2 : bytes;
    if (i->op == KY_OP_constant) m->constants += bytes;
    if (!point && !ky__is_elsewhere(i) && !(i->flags & KY_VIEW)) {
      const bool constant = pc <= p->constants;
      *(constant ? &m->constants : &m->activations) += bytes;
      q->value_of[pc] = add_tenant(q, bytes, constant ? 0 : pc, q->death[pc], &p->value_at[pc]);
    }
    size_t aux;
    KY_TRY(aux_bytes(q, pc, &aux));
    if (aux) {
      m->activations += aux;
      add_tenant(q, aux, pc, q->active[pc] ? reverse_time(q, pc) : pc,
                 &p->aux_at[i->c >> KY_AUX_SHIFT]);
    }
    if (!point && q->active[pc]) {
      m->adjoints += bytes;
      q->adjoint_of[pc] =
          add_tenant(q, bytes, q->adjoint_birth[pc], q->adjoint_death[pc], &p->adjoint_at[pc]);
    }
  }
  for (uint32_t k = 0; k < p->again_count; k++) {
    ky_again *a = &p->again[k];
    if (q->base[a->id] == a->id)
      add_tenant(q, ky__value_bytes(code, a->id), reverse_time(q, a->before),
                 q->again_death[a->id], &a->at);
  }
  return KY_OK;
}

/* ---- places handed down ------------------------------------------------------------------ */

static bool can_inherit(const planner *q, uint32_t heir, uint32_t from) {
  if (!heir || !from) return false;
  const ky_tenant *new = &q->tenants[heir - 1], *old = &q->tenants[from - 1];
  return old->death == new->birth && old->birth < old->death && old->bytes == new->bytes &&
         !old->has_heir && !new->over;
}

static void inherit(planner *q, uint32_t heir, uint32_t from) {
  ky_tenant *new = &q->tenants[heir - 1], *old = &q->tenants[from - 1];
  new->over = old->over ? old->over : from;
  old->has_heir = true;
  q->tenants[new->over - 1].until = new->death;
}

/* The tenant that the value of `id` lies with; none where that is a leaf, which is read again
 * in the next run. */
static uint32_t lies_with(const planner *q, ky_id id) {
  const ky_id owner = q->base[id];
  return ky__opinfo[q->p->code.ins[owner].op].trait == KY_TRAIT_LEAF ? 0 : q->value_of[owner];
}

static void hand_to_result(planner *q, ky_id pc) {
  const ky_code *code = &q->p->code;
  const uint32_t heir = q->value_of[pc];
  const uint32_t operands = heir ? ky__operand_count(code, pc) : 0;
  for (uint32_t k = 0; k < operands; k++) {
    const uint32_t from = lies_with(q, ky__operand(code, pc, k));
    if (can_inherit(q, heir, from) && ky__result_over_operand(code, q->base, pc, k))
      inherit(q, heir, from);
  }
}

/* To the adjoints that begin with `pc`. */
static void hand_to_operands(planner *q, ky_id pc) {
  const ky_code *code = &q->p->code;
  const uint32_t operands = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < operands; k++) {
    const ky_id id = ky__operand(code, pc, k);
    if (q->adjoint_birth[id] != reverse_time(q, pc)) continue;
    const uint32_t heir = q->adjoint_of[id], value = lies_with(q, id);
    if (can_inherit(q, heir, q->adjoint_of[pc]) && ky__pull_over_adjoint(code, pc, k))
      inherit(q, heir, q->adjoint_of[pc]);
    else if (can_inherit(q, heir, value) && ky__pull_over_operand(code, q->base, pc, k))
      inherit(q, heir, value);
  }
}

static void hand_down(planner *q) {
  for (ky_id pc = 1; pc < q->p->code.count; pc++) hand_to_result(q, pc);
  for (ky_id pc = q->p->root; pc > 0; pc--)
    if (q->active[pc]) hand_to_operands(q, pc);
}

/* ---- the plan ---------------------------------------------------------------------------- */

static ky_status plan(planner *q) {
  ky_program *p = q->p;
  p->turns = p->root == p->code.count - 1 && ky__turns(&p->code, &p->code.ins[p->root]);
  find_active(q);
  find_bases(q);
  if (ky__find_recomputed(p, q->active, q->base, q->again))
    KY_TRY(ky__list_recomputed(q->pass, q->base, q->again));
  const uint32_t count = p->code.count;
  q->tenant_room = 2 * (size_t)count + p->code.aux_count + p->again_count;
  q->tenants = ky__pass_alloc(q->pass, q->tenant_room, sizeof *q->tenants);
  if (!q->tenants) return KY_NO_MEMORY;
  for (ky_id id = 1; id < count; id++)
    q->adjoint_death[id] = p->wanted[id] ? q->end : reverse_time(q, id);
  if (p->root) q->adjoint_birth[p->root] = p->root; /* seeded before the first adjoint runs */
  find_value_lives(q);
  KY_TRY(find_dues(q));
  KY_TRY(list_tenants(q));
  hand_down(q);
  KY_TRY(ky__place(q->pass, q->tenants, q->tenant_count, q->end, &p->memory.arena));
  p->memory.scratch = ky__scratch_bound(&p->code, 1);
  if (p->memory.scratch > KY_MOST_BYTES)
    return ky__fail(q->pass->fault, KY_NO_MEMORY,
                    "no memory for the scratch of one instruction");
  p->memory.total = ky__exec_bytes(p);
  return KY_OK;
}

ky_status ky__plan_memory(ky_pass *pass) {
  ky_program *p = pass->program;
  const uint32_t count = p->code.count;
  planner q = {.pass = pass, .p = p, .end = 2 * (uint64_t)count};
  q.active = ky__pass_alloc(pass, count, sizeof *q.active);
  q.base = ky__pass_alloc(pass, count, sizeof *q.base);
  q.death = ky__pass_alloc(pass, count, sizeof *q.death);
  q.adjoint_birth = ky__pass_alloc(pass, count, sizeof *q.adjoint_birth);
  q.adjoint_death = ky__pass_alloc(pass, count, sizeof *q.adjoint_death);
  q.again = ky__pass_alloc(pass, count, sizeof *q.again);
  q.again_death = ky__pass_alloc(pass, count, sizeof *q.again_death);
  q.value_of = ky__pass_alloc(pass, count, sizeof *q.value_of);
  q.adjoint_of = ky__pass_alloc(pass, count, sizeof *q.adjoint_of);
  p->value_at = ky__pass_alloc(pass, p->capacity, sizeof *p->value_at);
  p->adjoint_at = ky__pass_alloc(pass, p->capacity, sizeof *p->adjoint_at);
  p->aux_at = ky__pass_alloc(pass, p->code.aux_count, sizeof *p->aux_at);
  p->dues = ky__pass_alloc(pass, p->code.bind_count, sizeof *p->dues);
  const bool ok = q.active && q.base && q.death && q.again && q.again_death &&
                  q.adjoint_birth && q.adjoint_death && q.value_of && q.adjoint_of &&
                  p->value_at && p->adjoint_at && p->aux_at && p->dues;
  const ky_status status = ok ? plan(&q) : KY_NO_MEMORY;
  ky__pass_free(pass, q.active, count, sizeof *q.active);
  ky__pass_free(pass, q.base, count, sizeof *q.base);
  ky__pass_free(pass, q.death, count, sizeof *q.death);
  ky__pass_free(pass, q.adjoint_birth, count, sizeof *q.adjoint_birth);
  ky__pass_free(pass, q.adjoint_death, count, sizeof *q.adjoint_death);
  ky__pass_free(pass, q.again, count, sizeof *q.again);
  ky__pass_free(pass, q.again_death, count, sizeof *q.again_death);
  ky__pass_free(pass, q.tenants, q.tenant_room, sizeof *q.tenants);
  ky__pass_free(pass, q.value_of, count, sizeof *q.value_of);
  ky__pass_free(pass, q.adjoint_of, count, sizeof *q.adjoint_of);
  return status;
}
