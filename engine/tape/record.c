/* SPDX-License-Identifier: MIT */
/* Recording one instruction: operands are checked, the row's rule infers the result, storage is
 * laid out. Nothing runs here, except in eager tapes. */
#include <string.h>

#include "base/memory.h"
#include "kernels/gemm.h"
#include "opinfo.h"
#include "ops/fusion.h"
#include "tape/tape.h"

/* ---- source lines ------------------------------------------------------------------------ */

/* The index of `file`, 0 when there are too many. Literals are compared by address first. */
static ky_status file_index(ky_tape *t, const char *file, uint32_t *index) {
  ky_code *code = &t->code;
  *index = 0;
  for (uint32_t k = 0; k < code->file_count && !*index; k++)
    if (code->files[k] == file) *index = k + 1;
  for (uint32_t k = 0; k < code->file_count && !*index; k++)
    if (strcmp(code->files[k], file) == 0) *index = k + 1;
  if (*index || code->file_count + 1 >= KY_SITE_FILES) return KY_OK;
  KY_TRY(ky__grow(&t->allocator, &code->files, &code->file_capacity, code->file_count + 1,
                  sizeof *code->files));
  code->files[code->file_count] = file;
  *index = ++code->file_count;
  return KY_OK;
}

/* Makes the file that ky_at noted the one whose sites are known. */
static ky_status find_file(ky_tape *t) {
  const char *file = t->here.file;
  if (file == t->site_file) return KY_OK;
  uint32_t index = 0;
  if (file) KY_TRY(file_index(t, file, &index));
  t->site_base = index << KY_SITE_SHIFT;
  t->site_file = file;
  return KY_OK;
}

ky_tape *ky_at(ky_tape *t, const char *file, int line) { return ky_here(t, file, line); }

void ky__say_line(ky_text *text, ky_line at) {
  if (!at.file || at.line <= 0) return;
  const char *slash = strrchr(at.file, '/');
  ky__say(text, "%s:%d", slash ? slash + 1 : at.file, at.line);
}

ky_line ky__line_of(const ky_code *code, uint32_t site) {
  const uint32_t file = site >> KY_SITE_SHIFT;
  if (!file) return (ky_line){0};
  return (ky_line){code->files[file - 1], (int)(site & (KY_SITE_LINES - 1))};
}

void ky__say_site(ky_text *text, const ky_code *code, uint32_t site) {
  ky__say_line(text, ky__line_of(code, site));
}

/* ---- drafts ------------------------------------------------------------------------------ */

ky_id ky__operand_id(const ky_tape *t, ky_draft *d, ky_var v) {
  if (!t || d->fault.status != KY_OK) return 0;
  if (ky__is_live(t, v)) return v.id;
  ky__fail(&d->fault, KY_BAD_VAR, "%s", ky__bad_var(t, v));
  return 0;
}

void ky__draft_dims(ky_draft *d, int rank, const int64_t *dims) {
  if (rank < 0 || rank > KY_MAX_RANK)
    ky__fail(&d->fault, KY_BAD_SHAPE, "rank %d is not in 0..%d", rank, KY_MAX_RANK);
  else if (rank > 0 && !dims)
    ky__fail(&d->fault, KY_BAD_ARGUMENT, "dims is null");
  else
    d->shape.rank = rank;
  for (int k = 0; k < d->shape.rank; k++) d->shape.dims[k] = dims[k];
}

uint32_t ky__push(ky_tape *t, ky_draft *d, uint32_t count, const int64_t *words) {
  ky_code *code = &t->code;
  if (count > UINT32_MAX - code->pool_count ||
      ky__grow(&t->allocator, &code->pool, &code->pool_capacity, code->pool_count + count,
               sizeof *code->pool) != KY_OK) {
    ky__fail(&d->fault, KY_NO_MEMORY, "no memory for %u attribute words", (unsigned)count);
    return 0;
  }
  if (count) memcpy(code->pool + code->pool_count, words, count * sizeof *words);
  code->pool_count += count;
  return code->pool_count - count;
}

void ky__push_operands(ky_tape *t, ky_draft *d, uint32_t count, const ky_var *vars) {
  d->ins.b = t->code.pool_count;
  d->ins.c = count;
  for (uint32_t k = 0; k < count && d->fault.status == KY_OK; k++) {
    const bool absent = !vars[k].id && ky__optional(&ky__opinfo[d->ins.op], k);
    const int64_t id = absent ? 0 : ky__operand_id(t, d, vars[k]);
    ky__push(t, d, 1, &id);
  }
}

static ky_var refuse(ky_tape *t, const ky_draft *d, bool operands_known) {
  t->code.pool_count = t->pool_kept;
  if (t->pending != KY_OK) return (ky_var){0};
  ky__set_pending(t, d->fault.status);
  const ky_opinfo *info = &ky__opinfo[d->ins.op];
  ky_text text = {t->message, sizeof t->message, 0};
  ky__say_line(&text, t->here);
  ky__say(&text, "%s%s: ", text.length ? ": " : "", info->name);
  if (operands_known && info->arity != KY_ARITY_LIST) {
    const ky_id operand[3] = {d->ins.a, d->ins.b, d->ins.c};
    uint32_t said = 0;
    for (uint32_t k = 0; k < info->arity; k++) {
      if (!operand[k]) continue;
      if (said++) ky__say(&text, " x ");
      ky__say_dims(&text, ky__layout(&t->code, operand[k]));
    }
    if (said) ky__say(&text, ": ");
  }
  ky__say(&text, "%s", d->fault.text);
  return (ky_var){0};
}

ky_var ky_tape_fail(ky_tape *t, ky_status status, const char *text) {
  if (!t || t->pending != KY_OK) return (ky_var){0};
  ky__set_pending(t, status == KY_OK ? KY_BAD_ARGUMENT : status);
  ky_text message = {t->message, sizeof t->message, 0};
  ky__say_line(&message, t->here);
  ky__say(&message, "%s%s", message.length ? ": " : "",
          text ? text : ky_status_text(t->pending));
  return (ky_var){0};
}

/* ---- appending --------------------------------------------------------------------------- */

#define BYTES(type, member) sizeof *((type *)0)->member
const size_t ky__column_bytes[KY_COLUMNS] = {BYTES(ky_code, ins),  BYTES(ky_code, layout),
                                             BYTES(ky_code, site), BYTES(ky_frame, val),
                                             BYTES(ky_frame, adj), BYTES(ky_frame, seen)};
#undef BYTES

void ky__columns(ky_tape *t, void *columns[KY_COLUMNS]) {
  ky_code *code = &t->code;
  ky_frame *f = &t->frame;
  void *const all[KY_COLUMNS] = {&code->ins, &code->layout, &code->site,
                                 &f->val,    &f->adj,       &f->seen};
  memcpy(columns, all, sizeof all);
}

ky_status ky__reserve(ky_tape *t, uint32_t need) {
  if (need <= t->capacity) return KY_OK;
  void *columns[KY_COLUMNS];
  ky__columns(t, columns);
  for (int k = 0; k < KY_COLUMNS; k++)
    KY_TRY(
        ky__grow(&t->allocator, columns[k], &t->column_capacity[k], need, ky__column_bytes[k]));
  t->capacity = UINT32_MAX;
  for (int k = 0; k < KY_COLUMNS; k++)
    if (t->column_capacity[k] < t->capacity) t->capacity = t->column_capacity[k];
  ky__set_pending(t, t->pending);
  return KY_OK;
}

uint8_t ky__wanted_flags(const ky_code *code, const ky_ins *ins) {
  const ky_opinfo *info = &ky__opinfo[ins->op];
  const bool real = ins->dtype == KY_F32 || ins->dtype == KY_F64;
  if (!real || !ky__has_adjoint(code, ins)) return 0;
  uint8_t flags = 0;
  if (ins->op == KY_OP_fused) return ky__fused_wants(code, ins) ? KY_WANT_A : 0;
  if (info->arity == KY_ARITY_LIST) {
    for (uint32_t k = 0; k < ky__list_length(ins); k++)
      if (ky__wants(code, (ky_id)code->pool[ins->b + k])) flags = KY_WANT_A;
    return flags;
  }
  const ky_id operand[3] = {ins->a, ins->b, ins->c};
  for (uint32_t k = 0; k < info->arity; k++)
    if (ky__wants(code, operand[k])) flags |= (uint8_t)(KY_WANT_A << k);
  return flags;
}

void ky__spread_wants(ky_tape *t, ky_id begin) {
  for (ky_id id = begin; id < t->code.count; id++)
    t->code.ins[id].flags |= ky__wanted_flags(&t->code, &t->code.ins[id]);
}

/* Room for the result and the aux buffer of the instruction at the end. */
static ky_status allocate(ky_tape *t, const ky_query *q, ky_ins *ins) {
  const ky_layout *layout = &t->code.layouts.at[q->layout];
  if (ky__opinfo[ins->op].trait == KY_TRAIT_PROD && !t->gemm_ready) {
    KY_TRY(ky__gemm_warm_up(1));
    t->gemm_ready = true;
  }
  ky_word *word = &t->frame.val[t->code.count];
  *word = (ky_word){.i64 = 0};
  if (q->layout != 0 && !q->view && !ky__is_elsewhere(ins)) {
    word->ptr = ky__arena_alloc(&t->values, (size_t)layout->count * ky_dtype_size(q->dtype));
    if (!word->ptr) return KY_NO_MEMORY;
  }
  if (!q->aux_bytes) return KY_OK;
  const uint32_t aux = t->code.aux_count;
  if (aux >= UINT32_MAX >> KY_AUX_SHIFT) return KY_NO_MEMORY;
  KY_TRY(
      ky__grow(&t->allocator, &t->frame.aux, &t->aux_capacity, aux + 1, sizeof *t->frame.aux));
  t->frame.aux[aux] = ky__arena_alloc(&t->values, q->aux_bytes);
  if (!t->frame.aux[aux]) return KY_NO_MEMORY;
  ins->c |= aux << KY_AUX_SHIFT;
  t->code.aux_count++;
  return KY_OK;
}

/* Gives back what was laid out for an instruction that is not recorded after all. */
static void withdraw(ky_tape *t, ky_place values, uint32_t aux_count) {
  ky__arena_reset(&t->values, values);
  t->code.aux_count = aux_count;
}

ky_var ky__record(ky_tape *t, ky_draft *d) {
  if (!t) return (ky_var){0};
  if (t->pending != KY_OK || d->fault.status != KY_OK) return refuse(t, d, false);
  ky_query q = {.code = &t->code, .ins = &d->ins, .shape = &d->shape, .fault = &d->fault};
  if (ky__opinfo[d->ins.op].rule(&q) != KY_OK) return refuse(t, d, true);
  const ky_place values = ky__arena_mark(&t->values);
  const uint32_t aux_count = t->code.aux_count, count = t->code.count;
  ky_ins ins = d->ins;
  ins.dtype = q.dtype;
  ins.flags = (uint8_t)(ky__wanted_flags(&t->code, &ins) | (ins.flags & KY_WANT_SELF) |
                        (uint32_t)q.klass << KY_CLASS_SHIFT | (q.view ? KY_VIEW : 0));
  if (count == UINT32_MAX || find_file(t) != KY_OK || ky__reserve(t, count + 1) != KY_OK ||
      allocate(t, &q, &ins) != KY_OK) {
    withdraw(t, values, aux_count);
    ky__fail(&d->fault, KY_NO_MEMORY, "no memory for the instruction or its result");
    return refuse(t, d, true);
  }
  t->code.ins[count] = ins;
  t->code.layout[count] = q.layout;
  const uint32_t line = (uint32_t)t->here.line;
  t->code.site[count] = line < KY_SITE_LINES ? t->site_base | line : 0;
  t->code.count = count + 1;
  if (t->flags & KY_EAGER) {
    const bool drew = t->frame.drew;
    const ky_status status = ky__run_pending(t, count);
    if (status != KY_OK) { /* the message is the sweep's */
      t->frame.drew = drew;
      t->code.count = count;
      t->code.pool_count = t->pool_kept;
      withdraw(t, values, aux_count);
      if (t->pending == KY_OK) ky__set_pending(t, status);
      return (ky_var){0};
    }
  }
  t->pool_kept = t->code.pool_count;
  return ky__newest_var(t, count);
}
