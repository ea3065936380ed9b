/* SPDX-License-Identifier: MIT */
/* A tape as a Graphviz digraph. Leaves are boxes, what is differentiated is drawn bold. */
#include <stdio.h>

#include "opinfo.h"
#include "tape/tape.h"

ky_status ky_tape_dot(const ky_tape *t, FILE *out) {
  if (!t || !out) return KY_BAD_ARGUMENT;
  const ky_code *code = &t->code;
  fputs("digraph tape {\n  rankdir=TB;\n  node [fontname=\"monospace\", shape=ellipse];\n",
        out);
  for (ky_id pc = 1; pc < code->count; pc++) {
    char dims[128];
    ky_text text = {dims, sizeof dims, 0};
    ky__say_dims(&text, ky__layout(code, pc));
    const ky_opinfo *info = &ky__opinfo[code->ins[pc].op];
    fprintf(out, "  v%u [label=\"%%%u %s\\n%s %s\"%s%s];\n", (unsigned)pc, (unsigned)pc,
            info->name, ky_dtype_name((ky_dtype)code->ins[pc].dtype), dims,
            info->trait == KY_TRAIT_LEAF ? ", shape=box" : "",
            ky__wants(code, pc) ? ", style=bold" : "");
    const uint32_t count = ky__operand_count(code, pc);
    for (uint32_t k = 0; k < count; k++) {
      const ky_id id = ky__operand(code, pc, k);
      if (id) fprintf(out, "  v%u -> v%u;\n", (unsigned)id, (unsigned)pc);
    }
  }
  fputs("}\n", out);
  return KY_OK;
}
