/* SPDX-License-Identifier: MIT */
/* Recording of what slides a window over an image: its options become words of the pool. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "ops/convolution.h"
#include "ops/family.h"
#include "tape/tape.h"

/* ---- convolutions ------------------------------------------------------------------------ */

static int64_t or_one(int64_t value) { return value ? value : 1; }

static ky_var record_conv(ky_tape *t, ky_op op, int axes, const ky_var vars[3],
                          const ky_conv_options *options) {
  if (!t) return (ky_var){0};
  const ky_conv_options usual = {.size = sizeof usual}, *o = options ? options : &usual;
  ky_draft d;
  ky__draft(&d, op);
  if (o->size < sizeof *o)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "the options have size %zu, wants %zu", o->size,
             sizeof *o);
  int64_t words[KY_CONV_WORDS] = {[KY_CONV_RANK] = axes};
  for (int k = 0; k < 3; k++) {
    const bool absent = k == 2 && vars[k].id == 0 && t->pending == KY_OK;
    if (!absent) words[k] = ky__operand_id(t, &d, vars[k]);
  }
  if (d.fault.status != KY_OK) o = &usual;
  words[KY_CONV_GROUPS] = or_one(o->groups);
  for (int k = 0; k < 3; k++) {
    int64_t *axis = words + KY_CONV_AXIS + 4 * k;
    const bool there = k < axes;
    axis[KY_CONV_STRIDE] = there ? or_one(o->stride[k]) : 1;
    axis[KY_CONV_PADDING] = there ? o->padding[k] : 0;
    axis[KY_CONV_DILATION] = there ? or_one(o->dilation[k]) : 1;
    axis[KY_CONV_OUTPUT_PADDING] = there ? o->output_padding[k] : 0;
  }
  d.ins.b = ky__push(t, &d, KY_CONV_WORDS, words);
  d.ins.c = 3;
  return ky__record(t, &d);
}

#define CONV(op, axes)                                                                         \
  ky_var ky_##op##axes##d(ky_tape *t, ky_var x, ky_var w, ky_var bias,                         \
                          const ky_conv_options *options) {                                    \
    return record_conv(t, KY_OP_##op, axes, (const ky_var[]){x, w, bias}, options);            \
  }
CONV(conv, 1)
CONV(conv, 2)
CONV(conv, 3)
CONV(conv_transpose, 1)
CONV(conv_transpose, 2)
CONV(conv_transpose, 3)
#undef CONV
