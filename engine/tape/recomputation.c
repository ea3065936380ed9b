/* SPDX-License-Identifier: MIT */
/* Recomputation: a normalisation whose result only the products behind it read back takes a
 * small part of their time, and its operands are alive, as its own adjoint reads them. So the
 * result is not kept from sweep to sweep. The forward function that has computed it computes it
 * again, with the same bits. */
#include "tape/recomputation.h"

#include "opinfo.h"

#define LEAST 128 /* columns of a product that takes many times as long as what it reads */
#define SMALL ((size_t)32 << 10) /* bytes below which there is little to save */
#define KEPT  UINT32_MAX

static bool is_norm(const ky_code *code, ky_id pc) {
  return ky__opinfo[code->ins[pc].op].attr == KY_ATTR_LIST_NORM &&
         ky__value_bytes(code, pc) >= SMALL;
}

static bool has_norm(const ky_code *code) {
  for (ky_id pc = 1; pc < code->count; pc++)
    if (is_norm(code, pc)) return true;
  return false;
}

/* Whether an adjoint that reads operand k takes long, compared with computing the operand. */
static bool takes_long(const ky_code *code, ky_id pc, uint32_t k) {
  const ky_op op = (ky_op)code->ins[pc].op;
  const ky_layout *r = ky__layout(code, pc);
  if (op != KY_OP_linear && op != KY_OP_matmul) return false;
  return k == 0 && r->rank > 0 && r->dims[r->rank - 1] >= LEAST;
}

/* From the end, so that the first to be found comes first in the reverse sweep. Operands are
 * alive where a norm's own adjoint runs. */
bool ky__find_recomputed(const ky_program *p, const uint8_t *active, const ky_id *base,
                         ky_id *before) {
  const ky_code *code = &p->code;
  if (!has_norm(code)) return false;
  bool found = false;
  for (ky_id pc = code->count; pc-- > 1;) {
    const uint32_t operands = ky__operand_count(code, pc);
    if (!is_norm(code, base[pc]) || !active[base[pc]] || p->keep[pc]) before[base[pc]] = KEPT;
    for (uint32_t k = 0; active[pc] && k < operands; k++) {
      ky_id *first = &before[base[ky__operand(code, pc, k)]];
      if (!ky__reads_operand(code, pc, k)) continue;
      if (!takes_long(code, pc, k))
        *first = KEPT;
      else if (!*first)
        *first = pc;
    }
  }
  for (ky_id pc = 1; pc < code->count; pc++) {
    if (before[pc] == KEPT) before[pc] = 0;
    found |= before[pc] != 0;
  }
  return found;
}

ky_status ky__list_recomputed(ky_pass *pass, const ky_id *base, const ky_id *before) {
  ky_program *p = pass->program;
  const uint32_t count = p->code.count;
  ky_id *head = ky__pass_alloc(pass, count, sizeof *head); /* lists by `before` */
  ky_id *next = ky__pass_alloc(pass, count, sizeof *next);
  for (ky_id pc = head && next ? count : 0; pc-- > 1;) {
    const ky_id first = before[base[pc]];
    if (!first) continue;
    next[pc] = head[first];
    head[first] = pc;
    p->again_count++;
  }
  p->again = ky__pass_alloc(pass, p->again_count, sizeof *p->again);
  const bool ok = head && next && p->again;
  uint32_t listed = 0;
  for (ky_id first = ok ? count : 0; first-- > 1;)
    for (ky_id pc = head[first]; pc; pc = next[pc])
      p->again[listed++] = (ky_again){first, pc, KY_NOWHERE};
  ky__pass_free(pass, head, count, sizeof *head);
  ky__pass_free(pass, next, count, sizeof *next);
  return ok ? KY_OK : KY_NO_MEMORY;
}
