/* SPDX-License-Identifier: MIT */
/* Dead code: what leads to no named value goes. */
#include "opinfo.h"
#include "tape/program.h"

ky_status ky__pass_dead(ky_pass *pass) {
  ky_program *p = pass->program;
  const uint32_t count = p->code.count;
  uint8_t *live = ky__pass_alloc(pass, count, sizeof *live);
  if (!live) return KY_NO_MEMORY;
  for (ky_id id = count; id-- > 1;) {
    if (!live[id] && !p->keep[id]) continue;
    live[id] = 1;
    const uint32_t operands = ky__operand_count(&p->code, id);
    for (uint32_t k = 0; k < operands; k++) live[ky__operand(&p->code, id, k)] = 1;
  }
  const ky_status status = ky__rebuild(pass, live, NULL);
  ky__pass_free(pass, live, count, sizeof *live);
  return status;
}
