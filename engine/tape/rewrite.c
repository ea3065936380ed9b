/* SPDX-License-Identifier: MIT */
/* What passes rewrite code with: dropping and merging instructions, making constants. */
#include <string.h>

#include "base/memory.h"
#include "opinfo.h"
#include "tape/program.h"

void *ky__pass_alloc(ky_pass *pass, size_t count, size_t element) {
  void *array = ky__resize(&pass->program->allocator, NULL, 0, (count + 1) * element);
  if (array)
    memset(array, 0, (count + 1) * element);
  else
    ky__fail(pass->fault, KY_NO_MEMORY, "no memory for a pass");
  return array;
}

void ky__pass_free(ky_pass *pass, void *array, size_t count, size_t element) {
  if (array) ky__resize(&pass->program->allocator, array, (count + 1) * element, 0);
}

bool ky__is_constant(const ky_code *code, ky_id id) {
  const ky_op op = (ky_op)code->ins[id].op;
  return op == KY_OP_constant || op == KY_OP_full || op == KY_OP_iota;
}

/* ---- rebuilding -------------------------------------------------------------------------- */

/* Whether an instruction does nothing but refer to an array of the caller's. */
static bool is_reference(const ky_code *code, ky_id id) {
  const ky_ins *i = &code->ins[id];
  return ky__opinfo[i->op].attr == KY_ATTR_BIND && ky__is_elsewhere(i) &&
         !ky__is_point(code, id);
}

enum { CONSTANT, REFERENCE, OTHER };

static int rank_of(const ky_code *code, ky_id id) {
  return ky__is_constant(code, id) ? CONSTANT : is_reference(code, id) ? REFERENCE : OTHER;
}

/* The new order, by rank: where each instruction goes, 0 for nowhere. Returns how many there
 * are, the NOP included. */
static uint32_t number(ky_program *p, const uint8_t *live, const ky_id *become, ky_id *to) {
  const ky_code *code = &p->code;
  ky_id next = 1;
  for (int rank = CONSTANT; rank <= OTHER; rank++) {
    for (ky_id id = 1; id < code->count; id++)
      if (live[id] && (!become || become[id] == id) && rank_of(code, id) == rank)
        to[id] = next++;
    if (rank == CONSTANT) p->constants = next - 1;
    if (rank == REFERENCE) p->references = next - 1;
  }
  return next;
}

static void rename_operands(ky_code *code, ky_ins *i, const ky_id *to) {
  const uint8_t arity = ky__opinfo[i->op].arity;
  if (arity == KY_ARITY_LIST) {
    for (uint32_t k = 0; k < ky__list_length(i); k++)
      code->pool[i->b + k] = to[(ky_id)code->pool[i->b + k]];
    return;
  }
  if (arity > 0) i->a = to[i->a];
  if (arity > 1) i->b = to[i->b];
  if (arity > 2) i->c = to[i->c];
}

/* Moves one array into its new order. */
static ky_status permute(ky_pass *pass, void *array, size_t element, const ky_id *to) {
  const uint32_t count = pass->program->code.count;
  char *copy = ky__pass_alloc(pass, count, element);
  if (!copy) return KY_NO_MEMORY;
  memcpy(copy, array, count * element);
  for (ky_id id = 1; id < count; id++)
    if (to[id]) memcpy((char *)array + to[id] * element, copy + id * element, element);
  ky__pass_free(pass, copy, count, element);
  return KY_OK;
}

static ky_status permute_all(ky_pass *pass, const ky_id *to) {
  ky_program *p = pass->program;
  KY_TRY(permute(pass, p->code.ins, sizeof *p->code.ins, to));
  KY_TRY(permute(pass, p->code.layout, sizeof *p->code.layout, to));
  KY_TRY(permute(pass, p->code.site, sizeof *p->code.site, to));
  KY_TRY(permute(pass, p->keep, sizeof *p->keep, to));
  return permute(pass, p->wanted, sizeof *p->wanted, to);
}

ky_status ky__rebuild(ky_pass *pass, const uint8_t *live, const ky_id *become) {
  ky_program *p = pass->program;
  ky_code *code = &p->code;
  const uint32_t count = code->count;
  ky_id *to = ky__pass_alloc(pass, count, sizeof *to);
  if (!to) return KY_NO_MEMORY;
  const uint32_t left = number(p, live, become, to);
  ky_status status = permute_all(pass, to);
  if (become) /* after the move: what the names of merged instructions stand for */
    for (ky_id id = 1; id < count; id++) to[id] = to[become[id]];
  for (uint32_t k = 0; k < code->bind_count; k++) p->binds[k].id = 0;
  for (ky_id id = 1; id < left && status == KY_OK; id++) {
    rename_operands(code, &code->ins[id], to);
    if (ky__opinfo[code->ins[id].op].attr == KY_ATTR_BIND) p->binds[code->ins[id].b].id = id;
  }
  for (uint32_t k = 0; k < p->map_count && status == KY_OK; k++) p->map[k] = to[p->map[k]];
  if (status == KY_OK) {
    p->root = to[p->root];
    code->count = left;
  }
  ky__pass_free(pass, to, count, sizeof *to);
  return status;
}

/* ---- constants --------------------------------------------------------------------------- */

ky_status ky__make_constant(ky_pass *pass, ky_id id, const void *data, size_t bytes) {
  ky_code *code = &pass->program->code;
  char *blob = ky__arena_alloc(&code->blobs, bytes);
  if (!blob) return ky__fail(pass->fault, KY_NO_MEMORY, "no memory for a constant");
  if (bytes) memcpy(blob, data, bytes);
  pass->constants++;
  ky_ins *i = &code->ins[id];
  const uint8_t class_bits = code->layout[id] == 0 ? KY_POINT : KY_FLAT;
  *i = (ky_ins){.op = KY_OP_constant,
                .dtype = i->dtype,
                .flags = (uint8_t)(class_bits << KY_CLASS_SHIFT),
                .a = code->blobs.current};
  i->b = (uint32_t)((size_t)(blob - code->blobs.chunks[i->a].base) / KY_ALIGN);
  return KY_OK;
}
