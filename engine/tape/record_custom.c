/* SPDX-License-Identifier: MIT */
/* ky_custom: asks the user's shape function, and puts the operation into the code's table. */
#define KY_NO_SITES
#include "kytape/custom.h"

#include <string.h>

#include "base/memory.h"
#include "ops/family.h"
#include "tape/tape.h"

/* The operation's number in the table; operations are told apart by their address. */
static int64_t number_of(ky_tape *t, ky_draft *d, const ky_custom_op *op) {
  ky_code *code = &t->code;
  for (uint32_t k = 0; k < code->custom_count; k++)
    if (code->customs[k] == op) return k;
  if (ky__grow(&t->allocator, &code->customs, &code->custom_capacity, code->custom_count + 1,
               sizeof *code->customs) != KY_OK) {
    ky__fail(&d->fault, KY_NO_MEMORY, "no memory for the table of operations");
    return 0;
  }
  code->customs[code->custom_count] = op;
  return code->custom_count++;
}

static ky_status check(ky_draft *d, const ky_custom_op *op, size_t count, const ky_var *x) {
  if (!op || op->size < sizeof *op || !op->name || !op->forward)
    return ky__fail(&d->fault, KY_BAD_ARGUMENT, "the operation %s",
                    !op                     ? "is null"
                    : op->size < sizeof *op ? "has no known size"
                    : !op->name             ? "has no name"
                                            : "has no forward function");
  ky_fault fault = {0};
  if (ky__check_list(&fault, "operands", x, (int64_t)count, 1, KY_CUSTOM_OPERANDS) == KY_OK)
    return KY_OK;
  return ky__fail(&d->fault, fault.status, "%s: %s", op->name, fault.text);
}

/* Runs the shape function; fills in the draft's shape and words. */
static ky_status ask(ky_tape *t, ky_draft *d, const ky_custom_op *op, size_t count,
                     const ky_var *vars, int64_t word[KY_CUSTOM_WORDS]) {
  ky_array x[KY_CUSTOM_OPERANDS];
  char message[256] = "";
  for (size_t k = 0; k < count; k++) x[k] = ky__describe(&t->code, vars[k].id, NULL, true);
  ky_custom_shape_call call = {.user = op->user,
                               .count = count,
                               .x = x,
                               .message = message,
                               .message_bytes = sizeof message};
  call.dtype = x[0].dtype;
  call.rank = x[0].rank;
  memcpy(call.dims, x[0].dims, sizeof call.dims);
  const ky_status status = op->shape ? op->shape(&call) : KY_OK;
  message[sizeof message - 1] = '\0';
  if (status != KY_OK)
    return ky__fail(&d->fault, status, "%s: %s", op->name,
                    message[0] ? message : ky_status_text(status));
  if (call.aux_bytes > INT64_MAX / 4)
    return ky__fail(&d->fault, KY_BAD_ARGUMENT, "%s: %zu aux bytes", op->name, call.aux_bytes);
  word[KY_CUSTOM_NUMBER] = number_of(t, d, op);
  word[KY_CUSTOM_DTYPE] = (int64_t)call.dtype;
  word[KY_CUSTOM_AUX] = (int64_t)call.aux_bytes;
  ky_fault fault = {0};
  if (ky__layout_dense(call.rank, call.dims, &d->shape, &fault) == KY_OK) return KY_OK;
  return ky__fail(&d->fault, fault.status, "%s: %s", op->name, fault.text);
}

ky_var ky_custom(ky_tape *t, const ky_custom_op *op, size_t count, const ky_var *x) {
  if (!t || t->pending != KY_OK) return (ky_var){0};
  ky_draft d;
  ky__draft(&d, KY_OP_custom);
  int64_t word[KY_CUSTOM_WORDS];
  if (check(&d, op, count, x) != KY_OK) return ky__record(t, &d);
  for (size_t k = 0; k < count; k++) ky__operand_id(t, &d, x[k]);
  if (d.fault.status != KY_OK || ask(t, &d, op, count, x, word) != KY_OK)
    return ky__record(t, &d);
  ky__push_operands(t, &d, (uint32_t)count, x);
  ky__push(t, &d, KY_CUSTOM_WORDS, word);
  return ky__record(t, &d);
}
