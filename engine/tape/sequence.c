/* SPDX-License-Identifier: MIT */
/* Recording of the operations on sequences. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include <math.h>
#include <string.h>

#include "tape/tape.h"

static int64_t bits_of(double value) {
  int64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Ids of `count` operands, of which those from number `required` on may be ky_none(), then two
 * more words. */
static ky_var record_list(ky_tape *t, ky_draft *d, int count, int required, const ky_var *vars,
                          int64_t first, int64_t second) {
  int64_t words[8];
  for (int k = 0; k < count; k++) {
    const bool absent = k >= required && vars[k].id == 0 && t->pending == KY_OK;
    words[k] = absent ? 0 : ky__operand_id(t, d, vars[k]);
  }
  words[count] = first;
  words[count + 1] = second;
  d->ins.b = ky__push(t, d, (uint32_t)count + 2, words);
  d->ins.c = (uint32_t)count;
  return ky__record(t, d);
}

ky_var ky_rope(ky_tape *t, ky_var x, int64_t first, double base, ky_rope_pairs pairs) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, KY_OP_rope);
  if ((unsigned)pairs > KY_ROPE_NEIGHBOURS)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "unknown pairs %d", (int)pairs);
  d.ins.a = ky__operand_id(t, &d, x);
  d.ins.b = ky__push(t, &d, 2, (const int64_t[]){first, bits_of(base)});
  d.ins.c = (uint32_t)pairs;
  return ky__record(t, &d);
}

ky_var ky_attention(ky_tape *t, ky_var q, ky_var k, ky_var v, ky_var mask, int causal,
                    double scale) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, KY_OP_attention);
  if (!isfinite(scale))
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "scale is %g, wants a finite number", scale);
  const ky_id id = ky__operand_id(t, &d, q);
  if (id && scale == 0) {
    const ky_layout *l = ky__layout(&t->code, id);
    const int64_t width = l->rank ? l->dims[l->rank - 1] : 1;
    scale = width > 0 ? 1 / sqrt((double)width) : 1;
  }
  return record_list(t, &d, 4, 3, (ky_var[]){q, k, v, mask}, causal != 0, bits_of(scale));
}
