/* SPDX-License-Identifier: MIT */
/* Activity: only adjoints that lead from the root to a wanted value are computed. */
#include "opinfo.h"
#include "tape/program.h"

ky_status ky__pass_activity(ky_pass *pass) {
  ky_program *p = pass->program;
  ky_code *code = &p->code;
  for (ky_id id = 1; id < code->count; id++) {
    ky_ins *i = &code->ins[id];
    i->flags = (uint8_t)(i->flags & ~KY_WANT_ANY);
    if (p->wanted[id]) i->flags |= KY_WANT_SELF;
    i->flags |= ky__wanted_flags(code, i);
  }
  return KY_OK;
}
