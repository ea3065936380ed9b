/* SPDX-License-Identifier: MIT */
/* Constant folding: what depends on constants alone is computed now, if its value is small. The
 * tape's own forward functions compute it, so the bits are those of the tape. */
#include <string.h>

#include "opinfo.h"
#include "ops/family.h"
#include "tape/program.h"

#define LARGEST                                                                                \
  65536 /* bytes; beyond, a constant costs more room than computing it costs time */

static bool is_small(const ky_code *code, ky_id id) {
  return ky__value_bytes(code, id) <= LARGEST;
}

/* Whether all operands are folded already; leaves have none and are asked for themselves. */
static bool can_fold(const ky_code *code, ky_id id, const uint8_t *folded) {
  if (!is_small(code, id) || !ky__is_pure(code, &code->ins[id])) return false;
  const uint32_t operands = ky__operand_count(code, id);
  if (ky__opinfo[code->ins[id].op].attr == KY_ATTR_RANDOM) return false;
  if (operands == 0) return ky__is_constant(code, id);
  for (uint32_t k = 0; k < operands; k++) {
    const ky_id operand = ky__operand(code, id, k);
    if (operand && !folded[operand]) return false;
  }
  return true;
}

/* The value of tape id `id` as a constant of the program. The ids are still the tape's. */
static ky_status fold(ky_pass *pass, ky_id id) {
  const ky_code *code = &pass->tape->code;
  if (!ky__layout(code, id)->dense)
    return KY_OK; /* a view is free, and views of it count on its strides */
  return ky__make_constant(pass, id, ky__data(&pass->tape->frame, id),
                           ky__value_bytes(code, id));
}

ky_status ky__pass_fold(ky_pass *pass) {
  ky_tape *t = pass->tape;
  const ky_code *code = &t->code;
  uint8_t *folded = ky__pass_alloc(pass, code->count, sizeof *folded);
  if (!folded) return KY_NO_MEMORY;
  ky_status status = KY_OK;
  for (ky_id id = 1; id < code->count && status == KY_OK; id++) {
    if (!can_fold(code, id, folded) || ky__wants(code, id)) continue;
    t->fault.status = KY_OK;
    folded[id] = id < t->done || ky__sweep_forward(&t->frame, id, id + 1, false) != id;
    if (!folded[id] && t->fault.status == KY_NO_MEMORY)
      status = ky__fail(pass->fault, KY_NO_MEMORY, "%s", t->fault.text);
    if (folded[id] && ky__operand_count(code, id) > 0) status = fold(pass, id);
  }
  t->fault.status = KY_OK;
  ky__pass_free(pass, folded, code->count, sizeof *folded);
  return status;
}
