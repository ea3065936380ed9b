/* SPDX-License-Identifier: MIT */
/* Constant folding: what depends on constants alone is computed now. The tape's own forward
 * functions compute it, so the bits are those of the tape. A large value that a fused run can
 * compute from small ones is left to it: reading it from memory would take longer. */
#include <string.h>

#include "opinfo.h"
#include "ops/fusion.h"
#include "tape/program.h"

#define SMALL 65536 /* bytes that are read from a cache */

/* What the pass knows of an instruction. */
typedef struct known {
  bool folded;  /* its value is at hand */
  bool read;    /* by an instruction that stays */
  size_t bytes; /* of the memory that a folded value lies in, a view's those of its base */
} known;

static bool is_view(const ky_code *code, ky_id id) {
  return (code->ins[id].flags & KY_VIEW) != 0;
}

/* Whether a value is better computed once than in every run. */
static bool pays(const ky_code *code, ky_id id, const known *at) {
  const ky_op op = (ky_op)code->ins[id].op;
  const size_t bytes = ky__value_bytes(code, id);
  if (bytes <= SMALL || is_view(code, id) || op == KY_OP_constant) return true;
  if (ky__is_constant(code, id)) return false;
  if (ky__forms[op].kind == KY_NO_STEP) return true;
  for (uint32_t k = 0; k < ky__operand_count(code, id); k++)
    if (at[ky__operand(code, id, k)].bytes >= bytes) return true;
  return false;
}

/* Whether all operands are folded already; leaves have none and are asked for themselves. */
static bool can_fold(const ky_code *code, ky_id id, const known *at) {
  if (!ky__is_pure(code, &code->ins[id]) || ky__wants(code, id)) return false;
  const uint32_t operands = ky__operand_count(code, id);
  if (ky__opinfo[code->ins[id].op].attr == KY_ATTR_RANDOM) return false;
  if (operands == 0 && !ky__is_constant(code, id)) return false;
  for (uint32_t k = 0; k < operands; k++) {
    const ky_id operand = ky__operand(code, id, k);
    if (operand && !at[operand].folded) return false;
  }
  return pays(code, id, at);
}

/* Computes the values of all that can be folded. */
static ky_status compute(ky_pass *pass, known *at) {
  ky_tape *t = pass->tape;
  const ky_code *code = &t->code;
  ky_status status = KY_OK;
  for (ky_id id = 1; id < code->count && status == KY_OK; id++) {
    if (!can_fold(code, id, at)) continue;
    t->fault.status = KY_OK;
    at[id].folded = id < t->done || ky__sweep_forward(&t->frame, id, id + 1, false) != id;
    at[id].bytes =
        is_view(code, id) ? at[ky__operand(code, id, 0)].bytes : ky__value_bytes(code, id);
    if (!at[id].folded && t->fault.status == KY_NO_MEMORY)
      status = ky__fail(pass->fault, KY_NO_MEMORY, "%s", t->fault.text);
  }
  t->fault.status = KY_OK;
  return status;
}

/* Whether a folded value stays as it is: a view is free, and views of it may count on its
 * strides. */
static bool stays(const ky_code *code, ky_id id) {
  const bool large = ky__value_bytes(code, id) > SMALL;
  return ky__operand_count(code, id) == 0 || !ky__layout(code, id)->dense ||
         (large && is_view(code, id));
}

/* What instructions that stay read of the folded values becomes constants. */
static ky_status replace(ky_pass *pass, known *at) {
  const ky_code *code = &pass->tape->code; /* the ids are still the tape's */
  for (ky_id id = code->count; id-- > 1;) {
    if (at[id].folded && !at[id].read) continue;
    if (at[id].folded && !stays(code, id)) {
      KY_TRY(ky__make_constant(pass, id, ky__data(&pass->tape->frame, id),
                               ky__value_bytes(code, id)));
      continue;
    }
    for (uint32_t k = 0; k < ky__operand_count(code, id); k++)
      at[ky__operand(code, id, k)].read = true;
  }
  return KY_OK;
}

ky_status ky__pass_fold(ky_pass *pass) {
  const uint32_t count = pass->tape->code.count;
  known *at = ky__pass_alloc(pass, count, sizeof *at);
  if (!at) return KY_NO_MEMORY;
  ky_status status = compute(pass, at);
  if (status == KY_OK) status = replace(pass, at);
  ky__pass_free(pass, at, count, sizeof *at);
  return status;
}
