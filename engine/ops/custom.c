/* SPDX-License-Identifier: MIT */
/* custom: calls of the user's functions. They get dense operands, see only what the operation
 * declared, and their destinations work in any order even where an operand is given twice. */
#include "kytape/custom.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/family.h"
#include "tensor/array.h"

/* The words behind the operands' ids. */
static const int64_t *words_of(const ky_code *code, const ky_ins *i) {
  return code->pool + i->b + ky__list_length(i);
}

/* The result's dtype and size of aux were settled when the call was recorded; its shape is the
 * attribute. */
ky_status ky__rule_custom(ky_query *q) {
  const int64_t *word = words_of(q->code, q->ins);
  if (word[KY_CUSTOM_NUMBER] < 0 || word[KY_CUSTOM_NUMBER] >= q->code->custom_count)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "operation %lld does not exist",
                    (long long)word[KY_CUSTOM_NUMBER]);
  KY_TRY(ky__check_dtype(word[KY_CUSTOM_DTYPE], q->fault));
  if (word[KY_CUSTOM_AUX] < 0)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "an aux buffer of %lld bytes",
                    (long long)word[KY_CUSTOM_AUX]);
  q->klass = KY_GENERAL;
  q->aux_bytes = (size_t)word[KY_CUSTOM_AUX];
  return ky__answer(q, (ky_dtype)word[KY_CUSTOM_DTYPE], q->shape);
}

/* Operands, with the elements of those whose bit is set in `shown`. */
static bool gather(ky_frame *f, ky_id pc, uint32_t shown, ky_array x[KY_CUSTOM_OPERANDS]) {
  const uint32_t count = ky__operand_count(f->code, pc);
  for (uint32_t k = 0; k < count; k++) {
    const ky_id id = ky__operand(f->code, pc, k);
    x[k] = ky__describe(f->code, id, NULL, true);
    if (!(shown >> k & 1)) continue;
    x[k].data = ky__dense_value(f, id);
    if (!x[k].data && x[k].count) return false;
  }
  return true;
}

static void *aux_of(const ky_frame *f, ky_id pc) {
  const int64_t bytes = words_of(f->code, &f->code->ins[pc])[KY_CUSTOM_AUX];
  return bytes ? ky__aux(f, pc) : NULL;
}

static void complain(ky_frame *f, const ky_custom_op *op, ky_status status, char *message,
                     size_t size) {
  message[size - 1] = '\0';
  ky__fail(f->fault, status, "%s: %s", op->name, message[0] ? message : ky_status_text(status));
}

static void run_forward(ky_frame *f, ky_id pc) {
  const ky_custom_op *op = ky__custom_op(f->code, &f->code->ins[pc]);
  ky_array x[KY_CUSTOM_OPERANDS];
  if (!gather(f, pc, UINT32_MAX, x)) return;
  char message[256] = "";
  const ky_array result = ky__describe(f->code, pc, NULL, true);
  const ky_custom_forward_call call = {
      .user = op->user,
      .count = ky__operand_count(f->code, pc),
      .x = x,
      .result = &result,
      .r = ky__data(f, pc),
      .aux = aux_of(f, pc),
      .message = message,
      .message_bytes = sizeof message,
  };
  const ky_status status = op->forward(&call);
  if (status != KY_OK) complain(f, op, status, message, sizeof message);
}

void fwd_custom(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  run_forward(f, pc);
  ky__arena_reset(&f->scratch, mark);
}

/* Destinations of all operands. One that is given several times is cleared first, so that its
 * contributions can come in any order. False: nothing is wanted, or there was no memory. */
static bool find_destinations(ky_frame *f, ky_id pc, ky_custom_dest to[KY_CUSTOM_OPERANDS]) {
  const ky_code *code = f->code;
  const uint32_t count = ky__operand_count(code, pc);
  bool wanted = false;
  for (uint32_t k = 0; k < count; k++) {
    const ky_id id = ky__operand(code, pc, k);
    ky_dest d = ky__dest(f, id, ky__wants(code, id));
    if (ky__wants(code, id) && !d.ptr) return false;
    for (uint32_t n = k + 1; n < count && d.ptr && !d.beta; n++) {
      if (ky__operand(code, pc, n) != id) continue;
      memset(d.ptr, 0,
             (size_t)ky__layout(code, id)->count *
                 ky_dtype_size((ky_dtype)code->ins[id].dtype));
      d.beta = 1;
    }
    to[k] = (ky_custom_dest){d.ptr, d.beta};
    wanted |= d.ptr != NULL;
  }
  return wanted;
}

static void call_adjoint(ky_frame *f, ky_id pc, const ky_array *x, const ky_custom_dest *to) {
  const ky_custom_op *op = ky__custom_op(f->code, &f->code->ins[pc]);
  char message[256] = "";
  const void *r = op->reads & KY_CUSTOM_READS_RESULT ? ky__data(f, pc) : NULL;
  const ky_array result = ky__describe(f->code, pc, r, true);
  const ky_custom_adjoint_call call = {
      .user = op->user,
      .count = ky__operand_count(f->code, pc),
      .x = x,
      .result = &result,
      .g = ky__adjoint(f, pc),
      .aux = aux_of(f, pc),
      .to = to,
      .message = message,
      .message_bytes = sizeof message,
  };
  const ky_status status = op->adjoint(&call);
  if (status != KY_OK) complain(f, op, status, message, sizeof message);
}

/* ---- whether an adjoint honours beta ----------------------------------------------------- */

static double element(const void *array, ky_dtype dtype, int64_t n) {
  return ky__number(dtype, (const char *)array + n * (int64_t)ky_dtype_size(dtype));
}

/* What two calls left for operand k: one stored over NaN, one added to `before`, which is as
 * large as anything that was stored. */
static void compare(ky_frame *f, ky_id pc, uint32_t k, const void *stored, const void *added,
                    double before) {
  const ky_id id = ky__operand(f->code, pc, k);
  const ky_dtype dtype = (ky_dtype)f->code->ins[id].dtype;
  const char *name = ky__custom_op(f->code, &f->code->ins[pc])->name;
  const int64_t count = ky__layout(f->code, id)->count;
  for (int64_t n = 0; n < count; n++) {
    const double s = element(stored, dtype, n), a = element(added, dtype, n);
    if (fabs(a - before - s) <= before / 1024 || (isnan(s) && isnan(a))) continue;
    ky__fail(f->fault, KY_BAD_GRADIENT,
             "%s: the adjoint does not honour beta: to element %lld of operand %u it stores "
             "%.9g (beta 0, over NaN), and adds %.9g (beta 1, to %.9g)",
             name, (long long)n, (unsigned)k, s, a - before, before);
    return;
  }
}

/* The largest number of an array, at least 1. */
static double largest(const void *array, ky_dtype dtype, int64_t count) {
  double most = 1;
  for (int64_t n = 0; n < count; n++)
    if (fabs(element(array, dtype, n)) > most) most = fabs(element(array, dtype, n));
  return most;
}

/* Calls the adjoint with memory of its own, once to store and once to add. */
static void probe(ky_frame *f, ky_id pc, const ky_array *x, const ky_custom_dest *to) {
  const uint32_t count = ky__operand_count(f->code, pc);
  ky_custom_dest store[KY_CUSTOM_OPERANDS], add[KY_CUSTOM_OPERANDS];
  double before[KY_CUSTOM_OPERANDS];
  for (int adding = 0; adding < 2; adding++) {
    ky_custom_dest *d = adding ? add : store;
    for (uint32_t k = 0; k < count; k++) {
      d[k] = (ky_custom_dest){NULL, adding};
      if (!to[k].gx) continue;
      const size_t bytes = (size_t)x[k].count * ky_dtype_size(x[k].dtype);
      d[k].gx = ky__scratch(f, bytes);
      if (!d[k].gx && bytes) return;
      if (adding) before[k] = largest(store[k].gx, x[k].dtype, x[k].count);
      f->kernels->copy->fill(x[k].dtype, (size_t)x[k].count, d[k].gx,
                             adding ? before[k] : (double)NAN, 0);
    }
    call_adjoint(f, pc, x, d);
    if (f->fault->status != KY_OK) return;
  }
  for (uint32_t k = 0; k < count && f->fault->status == KY_OK; k++)
    if (to[k].gx) compare(f, pc, k, store[k].gx, add[k].gx, before[k]);
}

static void run_adjoint(ky_frame *f, ky_id pc) {
  const ky_custom_op *op = ky__custom_op(f->code, &f->code->ins[pc]);
  if (!op->adjoint) return;
  ky_array x[KY_CUSTOM_OPERANDS];
  ky_custom_dest to[KY_CUSTOM_OPERANDS];
  if (!find_destinations(f, pc, to) || !gather(f, pc, op->reads, x)) return;
  if (f->probes) probe(f, pc, x, to);
  if (f->fault->status == KY_OK) call_adjoint(f, pc, x, to);
}

void vjp_custom(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  run_adjoint(f, pc);
  ky__arena_reset(&f->scratch, mark);
}
