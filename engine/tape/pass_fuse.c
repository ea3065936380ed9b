/* SPDX-License-Identifier: MIT */
/* Fusion: a run of elementwise instructions over one index space whose results nobody else
 * reads becomes one instruction, in the place of its last; a sum or mean that alone reads the
 * run's result becomes its end. Groups grow from their last instruction upwards, in one walk
 * from the end of the code. One instruction alone is fused where it would walk narrow rows.
 *
 * Bits stay as they are. A group gives its contributions to adjoints all at once, when its last
 * instruction's adjoint runs, which is earlier than its upper members' would have. So an
 * instruction may join only if that leaves the contributions to each of its operands in their
 * order. Two of them may come in any order, their sum is the same; an instruction that adds one
 * term after the other to an element, or nothing at all, counts as two. */
#include <string.h>

#include "base/memory.h"
#include "opinfo.h"
#include "ops/family.h"
#include "ops/fused.h"
#include "ops/tile.h"
#include "tape/program.h"

/* What the walk knows of an instruction. */
typedef struct member {
  ky_id
      group; /* the last instruction of its group; itself when it is that; 0: cannot be fused */
  ky_id home;   /* the group, or instruction, of all that read it so far; 0: nobody */
  ky_id lowest; /* of the contributions to its adjoint so far, the time of the last one */
  ky_id next;   /* the next member of its group; for the last one, the first */
  uint32_t contributions;
  uint8_t steps, inputs; /* of its group, for the last one */
  bool shared;           /* more than one group reads it */
  uint8_t ref;           /* within the program that is being written; of `owner` */
  ky_id owner;
} member;

typedef struct fuser {
  ky_pass *pass;
  ky_code *code;
  member *at;
} fuser;

/* ---- what can be fused ---------------------------------------------------------------- */

/* dtype of what an elementwise instruction computes with, masks aside. */
static ky_dtype real_of(const ky_code *code, ky_id id) {
  const ky_ins *i = &code->ins[id];
  const ky_form_kind kind = (ky_form_kind)ky__forms[i->op].kind;
  const bool test = kind == KY_TEST1 || kind == KY_TEST2;
  return (ky_dtype)(test ? code->ins[i->a].dtype : i->dtype);
}

/* The layout of the index space that an instruction would be fused over; 0 when it cannot be.
 */
static uint32_t space_of(const fuser *z, ky_id id) {
  const ky_code *code = z->code;
  const ky_ins *i = &code->ins[id];
  const bool reduces = i->op == KY_OP_sum || i->op == KY_OP_mean;
  const uint32_t space = code->layout[reduces ? i->a : id];
  const ky_layout *layout = &code->layouts.at[space];
  ky_pattern pattern;
  if (layout->count < z->pass->fuse_least || !layout->dense) return 0;
  if (reduces) return ky__pattern_of(layout, i->b, &pattern) ? space : 0;
  if (ky__forms[i->op].kind == KY_NO_STEP || !ky__is_float(real_of(code, id))) return 0;
  for (uint32_t k = 0; k < ky__operand_count(code, id); k++) {
    const ky_id operand = ky__operand(code, id, k);
    if (ky__wants(code, operand) && !ky__sums_in_tiles(ky__layout(code, operand), layout))
      return 0;
  }
  return space;
}

static bool contributes(const ky_code *code, ky_id pc, uint32_t k) {
  const ky_ins *i = &code->ins[pc];
  if (ky__opinfo[i->op].arity == KY_ARITY_LIST)
    return ky__has_adjoint(code, i) && ky__wants(code, ky__operand(code, pc, k));
  return i->flags >> k & 1;
}

/* Whether an adjoint adds to an element of an operand's adjoint not one number but several, or
 * none where its own would be zero: a -0 that is there already becomes +0 by adding a zero, and
 * stays otherwise. */
static bool adds_otherwise(const ky_code *code, ky_id pc) {
  const uint8_t trait = ky__opinfo[code->ins[pc].op].trait;
  return trait == KY_TRAIT_PART || trait == KY_TRAIT_PROD;
}

static void count_contributions(fuser *z) {
  for (ky_id pc = 1; pc < z->code->count; pc++) {
    const uint32_t weight = adds_otherwise(z->code, pc) ? 2 : 1;
    for (uint32_t k = 0; k < ky__operand_count(z->code, pc); k++)
      if (contributes(z->code, pc, k))
        z->at[ky__operand(z->code, pc, k)].contributions += weight;
  }
}

/* ---- grouping ------------------------------------------------------------------------- */

/* How many operands of `pc` the group has not got yet. */
static uint32_t new_inputs(const fuser *z, ky_id pc, ky_id group) {
  uint32_t count = 0;
  for (uint32_t k = 0; k < ky__operand_count(z->code, pc); k++) {
    const ky_id id = ky__operand(z->code, pc, k);
    bool known = z->at[id].home == group && !z->at[id].shared;
    for (uint32_t n = 0; n < k; n++) known |= ky__operand(z->code, pc, n) == id;
    count += !known;
  }
  return count;
}

/* Whether contributions at the time of `group` come no earlier than those of later readers. */
static bool keeps_order(const fuser *z, ky_id pc, ky_id group) {
  for (uint32_t k = 0; k < ky__operand_count(z->code, pc); k++) {
    const member *operand = &z->at[ky__operand(z->code, pc, k)];
    if (contributes(z->code, pc, k) && operand->contributions > 2 && operand->lowest &&
        operand->lowest < group)
      return false;
  }
  return true;
}

/* The group of its readers, if `pc` may join it; else 0. */
static ky_id group_to_join(const fuser *z, ky_id pc) {
  const ky_program *p = z->pass->program;
  const member *m = &z->at[pc];
  const ky_id group = m->home;
  if (!group || m->shared || z->at[group].group != group ||
      z->at[group].steps == KY_FUSION_STEPS)
    return 0;
  if (p->keep[pc] || p->wanted[pc] || p->root == pc || (z->code->ins[pc].flags & KY_WANT_SELF))
    return 0;
  if (ky__forms[z->code->ins[pc].op].kind == KY_NO_STEP) return 0;
  if (space_of(z, pc) != space_of(z, group)) return 0;
  const bool reduces = ky__forms[z->code->ins[group].op].kind == KY_NO_STEP;
  const ky_dtype dtype =
      reduces ? (ky_dtype)z->code->ins[group].dtype : real_of(z->code, group);
  if (real_of(z->code, pc) != dtype) return 0;
  if (z->at[group].inputs - 1u + new_inputs(z, pc, group) > KY_FUSION_INPUTS) return 0;
  return keeps_order(z, pc, group) ? group : 0;
}

static void place(fuser *z, ky_id pc) {
  member *m = &z->at[pc];
  const bool fusible = space_of(z, pc) != 0;
  const ky_id joined = fusible ? group_to_join(z, pc) : 0;
  const ky_id group = joined ? joined : pc;
  member *head = &z->at[group];
  const uint32_t inputs = fusible ? new_inputs(z, pc, group) : 0;
  m->group = fusible ? group : 0;
  if (joined) {
    m->next = head->next;
    head->next = pc;
    head->inputs = (uint8_t)(head->inputs - 1u + inputs);
    head->steps++;
  } else if (m->group) {
    m->next = pc;
    head->inputs = (uint8_t)inputs;
    head->steps = ky__forms[z->code->ins[pc].op].kind != KY_NO_STEP;
  }
  for (uint32_t k = 0; k < ky__operand_count(z->code, pc); k++) {
    member *operand = &z->at[ky__operand(z->code, pc, k)];
    if (operand->home && operand->home != group) operand->shared = true;
    operand->home = group;
    if (contributes(z->code, pc, k)) operand->lowest = group;
  }
}

/* ---- writing the program -------------------------------------------------------------- */

/* The ref of a value in the program of `group`; a new input if it has none. */
static uint8_t input_ref(fuser *z, ky_id id, ky_id group, ky_fusion *p, int64_t *inputs) {
  member *m = &z->at[id];
  if (m->owner != group) {
    m->owner = group;
    m->ref = p->inputs;
    inputs[p->inputs++] = id;
  }
  return m->ref;
}

static double scalar_of(const ky_code *code, const ky_ins *i, uint32_t given, uint32_t which) {
  if (which >= given) return 0;
  return given == 1 ? i->imm : ky__pool_f64(code, i->b + which);
}

/* Inputs come before steps, so they are numbered in a walk of their own. */
static void write_program(fuser *z, ky_id group, ky_fusion *p, int64_t *inputs) {
  const ky_code *code = z->code;
  const ky_ins *end = &code->ins[group];
  const bool reduces = ky__forms[end->op].kind == KY_NO_STEP;
  *p = (ky_fusion){.space = space_of(z, group),
                   .dtype = (uint8_t)(reduces ? end->dtype : real_of(code, group)),
                   .ending = (uint16_t)(reduces ? end->op : KY_OP_nop)};
  if (reduces) {
    p->axes = (uint8_t)end->b;
    p->keep = end->c != 0;
    p->turns = group == z->pass->program->root;
  }
  for (int writing = 0; writing < 2; writing++) {
    for (ky_id pc = z->at[group].next;; pc = z->at[pc].next) {
      if (pc == group && reduces) break;
      const ky_ins *i = &code->ins[pc];
      const ky_form *form = &ky__forms[i->op];
      ky_step *step = &p->step[p->steps];
      if (writing) *step = (ky_step){.op = i->op};
      for (uint32_t k = 0; k < form->operands; k++) {
        const ky_id id = ky__operand(code, pc, k);
        const bool inside = z->at[id].group == group;
        if (writing)
          step->ref[k] = inside ? (uint8_t)(p->inputs + z->at[id].ref) : z->at[id].ref;
        else if (!inside)
          input_ref(z, id, group, p, inputs);
      }
      if (writing) {
        step->s = scalar_of(code, i, form->scalars, 0);
        step->u = scalar_of(code, i, form->scalars, 1);
        z->at[pc].ref = p->steps++;
      }
      if (pc == group) break;
    }
  }
}

/* Puts a program in the place of its group's last instruction. */
static ky_status fuse(fuser *z, ky_id group) {
  ky_fusion p;
  int64_t words[KY_FUSION_INPUTS + 2 + 3 * KY_FUSION_STEPS];
  write_program(z, group, &p, words);
  uint32_t wants = 0;
  for (uint32_t k = 0; k < p.inputs; k++)
    wants |= (uint32_t)ky__wants(z->code, (ky_id)words[k]) << k;
  ky__fusion_settle(&p, wants);
  ky__fusion_encode(&p, words + p.inputs);
  ky_code *code = z->code;
  const uint32_t count = p.inputs + ky__fusion_words(p.steps);
  if (count > UINT32_MAX - code->pool_count ||
      ky__grow(&z->pass->program->allocator, &code->pool, &code->pool_capacity,
               code->pool_count + count, sizeof *code->pool) != KY_OK)
    return ky__fail(z->pass->fault, KY_NO_MEMORY, "no memory for a fused instruction");
  memcpy(code->pool + code->pool_count, words, count * sizeof *words);
  ky_ins *i = &code->ins[group];
  *i = (ky_ins){.op = KY_OP_fused,
                .dtype = i->dtype,
                .flags = (uint8_t)((i->flags & KY_WANT_SELF) | KY_GENERAL << KY_CLASS_SHIFT)};
  i->b = code->pool_count;
  i->c = p.inputs;
  code->pool_count += count;
  i->flags |= ky__wanted_flags(code, i);
  return KY_OK;
}

/* Whether a group becomes a fused instruction: if there is more than one member, or a loop over
 * narrow rows, which tiles save. */
static bool is_worthwhile(const fuser *z, ky_id group) {
  const ky_ins *i = &z->code->ins[group];
  const ky_layout *layout = ky__layout(z->code, group);
  if (z->at[group].next != group) return true;
  return ky__forms[i->op].kind != KY_NO_STEP && ky__class(i) == KY_GENERAL &&
         layout->rank > 1 && layout->dims[layout->rank - 1] <= KY_NARROW;
}

static ky_status fuse_all(fuser *z) {
  const uint32_t count = z->code->count;
  uint8_t *live = ky__pass_alloc(z->pass, count, sizeof *live);
  if (!live) return KY_NO_MEMORY;
  ky_status status = KY_OK;
  for (ky_id pc = 1; pc < count && status == KY_OK; pc++) {
    const member *m = &z->at[pc];
    live[pc] = m->group == pc || !m->group;
    if (m->group == pc && is_worthwhile(z, pc)) status = fuse(z, pc);
  }
  if (status == KY_OK) status = ky__rebuild(z->pass, live, NULL);
  ky__pass_free(z->pass, live, count, sizeof *live);
  return status;
}

ky_status ky__pass_fuse(ky_pass *pass) {
  ky_code *code = &pass->program->code;
  const uint32_t count = code->count;
  fuser z = {pass, code, ky__pass_alloc(pass, count, sizeof *z.at)};
  if (!z.at) return KY_NO_MEMORY;
  count_contributions(&z);
  for (ky_id pc = count; pc-- > 1;) place(&z, pc);
  const ky_status status = fuse_all(&z);
  ky__pass_free(pass, z.at, count, sizeof *z.at);
  return status;
}
