/* SPDX-License-Identifier: MIT */
/* What an operation reads and writes. Looks into the tape: the values of a frame are where the
 * engine keeps them. */
#include <string.h>

#include "op_checks.h"
#include "tape/tape.h"

#define POISON 0xFF /* as a float of any size: NaN; as an index: -1 */

static size_t value_size(const op_case *c, ky_id id) {
  return ky_dtype_size((ky_dtype)c->t->code.ins[id].dtype);
}

/* Overwrites the elements of a value, those and no others. */
static void poison_value(op_case *c, ky_id id) {
  const ky_layout *layout = ky__layout(&c->t->code, id);
  const size_t size = value_size(c, id);
  char *data = ky__data(&c->t->frame, id);
  nd *shape = &c->moved[0]; /* only for its indices */
  nd_shape(shape, layout->rank, layout->dims);
  for (int64_t n = 0; n < layout->count; n++) {
    int64_t index[KY_MAX_RANK], place = 0;
    nd_index(shape, n, index);
    for (int d = 0; d < layout->rank; d++) place += index[d] * layout->strides[d];
    memset(data + place * (int64_t)size, POISON, size);
  }
}

static void poison_arena(const ky_arena *arena) {
  for (uint32_t k = 0; k < arena->count; k++)
    memset(arena->chunks[k].base, POISON, arena->chunks[k].size);
}

/* Overwrites what the reverse sweep may not read. */
static void poison_undeclared(op_case *c) {
  ky_frame *f = &c->t->frame;
  for (int k = 0; k < c->sample.operands; k++)
    if (!ky__reads_operand(f->code, c->r.id, (uint32_t)k)) poison_value(c, c->v[k].id);
  if (!ky__reads_result(f->code, c->r.id)) poison_value(c, c->r.id);
  poison_arena(&f->adjoints);
  poison_arena(&f->scratch);
  memset(f->adj, POISON, c->t->code.count * sizeof *f->adj);
}

static bool poisoned(const char *from, size_t bytes) {
  for (size_t k = 0; k < bytes; k++)
    if ((unsigned char)from[k] != POISON) return false;
  return true;
}

/* Nothing was written between the arrays of an arena, which are aligned, nor behind the last.
 */
static void check_gap(const op_case *c, ky_id id, const void *array) {
  const size_t bytes = (size_t)ky__layout(&c->t->code, id)->count * value_size(c, id);
  const size_t gap = (KY_ALIGN - bytes % KY_ALIGN) % KY_ALIGN;
  if (!poisoned((const char *)array + bytes, gap))
    case_fail(c, "wrote behind the end of %%%u", (unsigned)id);
}

static void check_rest(const op_case *c, const char *what, const ky_arena *arena) {
  if (arena->count == 0) return;
  const ky_chunk *chunk = &arena->chunks[arena->current];
  if (!poisoned(chunk->base + arena->used, chunk->size - arena->used))
    case_fail(c, "wrote to unused memory of the %s", what);
}

static void check_same_gradients(op_case *c) {
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k)) continue;
    case_gradient(c, c->v[k], &c->got);
    case_compare(c, "after poisoning, the gradient", &c->got, &c->grad[k], 0, 0);
  }
}

/* The reverse sweep with everything poisoned that the row does not declare. */
static void check_reads(op_case *c) {
  ky_frame *f = &c->t->frame;
  if (c->t->code.aux_count && !(c->info->reads & KY_READS_X))
    case_fail(c, "has an aux buffer that its row does not declare");
  poison_undeclared(c);
  case_backward(c);
  check_same_gradients(c);
  for (ky_id id = 1; id <= c->r.id; id++)
    if (f->seen[id] && !ky__is_point(&c->t->code, id)) check_gap(c, id, f->adj[id].ptr);
  check_rest(c, "adjoints", &f->adjoints);
}

/* A replay over poisoned memory: forward functions write every element and read no result. */
static void check_replay(op_case *c) {
  ky_code *code = &c->t->code;
  for (int k = 0; k < c->sample.operands; k++)
    if (c->host[k].bytes) memcpy(c->host[k].data, c->host[k].copy, c->host[k].bytes);
  poison_arena(&c->t->values);
  for (ky_id id = 1; id < code->count; id++)
    if (ky__is_point(code, id)) memset(&c->t->frame.val[id], POISON, sizeof(ky_word));
  ky_tape_seed(c->t, 0, 0); /* the same random numbers once more */
  if (ky_forward(c->t) != KY_OK) case_fail(c, "replay: %s", ky_tape_message(c->t));
  for (ky_id id = 1; id < code->count; id++) {
    const ky_op op = (ky_op)code->ins[id].op;
    const bool elsewhere =
        op == KY_OP_input || op == KY_OP_constant || code->ins[id].flags & KY_VIEW;
    if (!elsewhere && !ky__is_point(code, id)) check_gap(c, id, c->t->frame.val[id].ptr);
  }
  check_rest(c, "values", &c->t->values);
}

/* What an instruction takes of the scratch memory it gives back: a replay takes no more. */
static void check_scratch(const op_case *c) {
  const ky_arena *scratch = &c->t->frame.scratch;
  if (scratch->count && (scratch->current || scratch->used))
    case_fail(c, "keeps %zu bytes of scratch memory", scratch->used);
}

void check_memory(op_case *c) {
  case_value(c, c->r, case_result_dtype(c), &c->part);
  bool shared = false;
  for (int k = 0; k < c->sample.operands; k++) shared |= c->source[k] != k;
  if (!shared) check_reads(c);
  check_replay(c);
  case_value(c, c->r, case_result_dtype(c), &c->got);
  case_compare(c, "after a replay, the value", &c->got, &c->part, 0, 0);
  case_backward(c);
  check_same_gradients(c);
  check_scratch(c);
}
