/* SPDX-License-Identifier: MIT */
/* A tape as text: one line an instruction, in aligned columns. All of it comes from the table
 * of opcodes and the attributes; nothing here knows an opcode by name. */
#include <stdio.h>

#include "kytape/custom.h"
#include "kytape/ops.h"
#include "opinfo.h"
#include "ops/convolution.h"
#include "ops/fusion.h"
#include "ops/pooling.h"
#include "tape/program.h"

/* ---- one instruction --------------------------------------------------------------------- */

static void say_permutation(ky_text *text, uint32_t nibbles, uint32_t rank) {
  ky__say(text, "axes=");
  for (uint32_t k = 0; k < rank; k++)
    ky__say(text, "%s%u", k ? "," : "", (unsigned)(nibbles >> 4 * k & 15u));
}

static void say_reduction(ky_text *text, uint32_t reduction) {
  static const char *const name[] = {"none", "sum", "mean"};
  ky__say(text, "%s", name[reduction <= KY_REDUCE_MEAN ? reduction : 0]);
}

/* A position of a slice; the extremes mean "to the end" and are left out, as in Python. */
static void say_position(ky_text *text, int64_t position) {
  if (position != INT64_MAX && position != INT64_MIN)
    ky__say(text, "%lld", (long long)position);
}

static void say_slice(ky_text *text, const int64_t *pool) {
  ky__say(text, "axis=%lld ", (long long)pool[0]);
  say_position(text, pool[1]);
  ky__say(text, ":");
  say_position(text, pool[2]);
  ky__say(text, ":%lld", (long long)pool[3]);
}

/* "reflect 1,1 0,2": what stands before and after each axis. */
static void say_padding(ky_text *text, const ky_code *code, const ky_ins *i) {
  static const char *const name[] = {"constant", "reflect", "replicate", "circular"};
  const uint32_t rank = i->c >> KY_AUX_SHIFT, mode = i->c & 3u;
  ky__say(text, "%s", name[mode]);
  if (mode == KY_PAD_CONSTANT) ky__say(text, "=%.17g", ky__pool_f64(code, i->b + 2 * rank));
  for (uint32_t k = 0; k < rank; k++)
    ky__say(text, " %lld,%lld", (long long)code->pool[i->b + 2 * k],
            (long long)code->pool[i->b + 2 * k + 1]);
}

/* "stride=2,2 padding=1,1 groups=4": what is not as usual. */
static void say_convolution(ky_text *text, const int64_t *pool) {
  static const char *const name[] = {"stride", "padding", "dilation", "output_padding"};
  static const int64_t usual[] = {1, 0, 1, 0};
  for (int n = 0; n < 4; n++) {
    const int64_t *first = pool + KY_CONV_AXIS + n;
    bool other = false;
    for (int k = 0; k < pool[KY_CONV_RANK]; k++) other |= first[4 * k] != usual[n];
    if (!other) continue;
    ky__say(text, "%s%s=", text->length ? " " : "", name[n]);
    for (int k = 0; k < pool[KY_CONV_RANK]; k++)
      ky__say(text, "%s%lld", k ? "," : "", (long long)first[4 * k]);
  }
  if (pool[KY_CONV_GROUPS] != 1)
    ky__say(text, "%sgroups=%lld", text->length ? " " : "", (long long)pool[KY_CONV_GROUPS]);
}

static void say_triangle(ky_text *text, uint32_t flags) {
  ky__say(text, "%s%s%s", flags & KY_UPPER ? "upper" : "lower",
          flags & KY_TRANSPOSED ? " transposed" : "", flags & KY_UNIT_DIAGONAL ? " unit" : "");
}

/* "kernel=3,3 stride=2,2 padding=1,1". */
static void say_window(ky_text *text, const int64_t *pool) {
  static const char *const name[] = {"kernel", "stride", "padding"};
  for (int n = 0; n < 3; n++) {
    ky__say(text, "%s%s=", n ? " " : "", name[n]);
    for (int k = 0; k < pool[KY_POOL_RANK]; k++)
      ky__say(text, "%s%lld", k ? "," : "", (long long)pool[KY_POOL_AXIS + 3 * k + n]);
  }
}

static void say_attributes(ky_text *text, const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  switch ((ky_attr)ky__opinfo[i->op].attr) {
  case KY_ATTR_NONE:
  case KY_ATTR_OPT_C:
  case KY_ATTR_RECURRENT:
  case KY_ATTR_BLOB:
  case KY_ATTR_DTYPE:
  case KY_ATTR_MATRICES:
  case KY_ATTR_SHAPE: break;
  case KY_ATTR_IMM: ky__say(text, "%.17g", i->imm); break;
  case KY_ATTR_IMM2:
    ky__say(text, "%.17g %.17g", ky__pool_f64(code, i->b), ky__pool_f64(code, i->b + 1));
    break;
  case KY_ATTR_BIND:
    ky__say(text, "#%u", (unsigned)i->b);
    if (i->c) ky__say(text, " from %s", ky_dtype_name((ky_dtype)i->c));
    break;
  case KY_ATTR_AXES:
    ky__say_axes(text, i->b);
    if (i->c) ky__say(text, " keep");
    break;
  case KY_ATTR_AXES_N:
    ky__say_axes(text, i->b);
    ky__say(text, "%s n=%u", i->c & 1 ? " keep" : "",
            (unsigned)((i->c & ((1u << KY_AUX_SHIFT) - 1)) >> 1));
    break;
  case KY_ATTR_AXIS: ky__say(text, "axis=%u", (unsigned)i->b); break;
  case KY_ATTR_AXIS_KEEP:
    ky__say(text, "axis=%u%s", (unsigned)i->b, i->c ? " keep" : "");
    break;
  case KY_ATTR_TRANS:
    ky__say(text, "%s%s", i->c & KY_TRANS_A ? "trans_a" : "",
            i->c & KY_TRANS_B ? (i->c & KY_TRANS_A ? " trans_b" : "trans_b") : "");
    break;
  case KY_ATTR_REDUCTION: say_reduction(text, i->c & ((1u << KY_AUX_SHIFT) - 1)); break;
  case KY_ATTR_PERM: say_permutation(text, i->b, i->c); break;
  case KY_ATTR_SLICE: say_slice(text, code->pool + i->b); break;
  case KY_ATTR_LIST_AXIS: ky__say(text, "axis=%lld", (long long)code->pool[i->b + i->c]); break;
  case KY_ATTR_AXIS_C: ky__say(text, "axis=%u", (unsigned)i->c); break;
  case KY_ATTR_ORDER:
    ky__say(text, "axis=%u%s", (unsigned)i->b, i->c ? " descending" : "");
    break;
  case KY_ATTR_PADDING:
    if (i->c) ky__say(text, "padding=%u", (unsigned)i->c - 1);
    break;
  case KY_ATTR_CLASSES: ky__say(text, "classes=%u", (unsigned)i->b); break;
  case KY_ATTR_DIAGONAL: ky__say(text, "diagonal=%d", (int)(int32_t)i->b); break;
  case KY_ATTR_PAD: say_padding(text, code, i); break;
  case KY_ATTR_LIST_NORM:
    ky__say(text, "axes=%lld eps=%g", (long long)code->pool[i->b + 3],
            ky__pool_f64(code, i->b + 4));
    break;
  case KY_ATTR_LIST_CLASS:
    say_reduction(text, (uint32_t)code->pool[i->b + 3]);
    if (code->pool[i->b + 4]) ky__say(text, " without=%lld", (long long)code->pool[i->b + 5]);
    if (ky__pool_f64(code, i->b + 6) > 0)
      ky__say(text, " smoothing=%g", ky__pool_f64(code, i->b + 6));
    break;
  case KY_ATTR_CUSTOM: ky__say(text, "%s", ky__custom_op(code, i)->name); break;
  case KY_ATTR_ROPE:
    ky__say(text, "from=%lld base=%g%s", (long long)code->pool[i->b],
            ky__pool_f64(code, i->b + 1), i->c ? " neighbours" : "");
    break;
  case KY_ATTR_CTC:
    ky__say(text, "blank=%lld ", (long long)code->pool[i->b + 4]);
    say_reduction(text, (uint32_t)code->pool[i->b + 5] & 3u);
    if (code->pool[i->b + 5] & 4) ky__say(text, " zero_infinity");
    break;
  case KY_ATTR_ATTENTION:
    ky__say(text, "%sscale=%g", code->pool[i->b + 4] ? "causal " : "",
            ky__pool_f64(code, i->b + 5));
    break;
  case KY_ATTR_TRIANGLE: say_triangle(text, i->c); break;
  case KY_ATTR_RANDOM:
    ky__say(text, "#%lld %.17g %.17g", (long long)code->pool[i->b],
            ky__pool_f64(code, i->b + 1), ky__pool_f64(code, i->b + 2));
    break;
  case KY_ATTR_POOL: say_window(text, code->pool + i->b); break;
  case KY_ATTR_RESIZE:
    if (i->c) ky__say(text, "aligned");
    break;
  case KY_ATTR_LIST_CONV: say_convolution(text, code->pool + i->b); break;
  case KY_ATTR_FUSED: break; /* on lines of its own */
  }
}

/* "%1 %2 axes=0,1 keep": operands, then attributes. */
static void say_arguments(ky_text *text, const ky_code *code, ky_id pc) {
  const uint32_t count = ky__operand_count(code, pc);
  for (uint32_t k = 0; k < count; k++) {
    const ky_id id = ky__operand(code, pc, k);
    if (id) ky__say(text, "%s%%%u", text->length ? " " : "", (unsigned)id);
  }
  char attributes[192];
  ky_text part = {attributes, sizeof attributes, 0};
  attributes[0] = '\0';
  say_attributes(&part, code, pc);
  if (part.length) ky__say(text, "%s%s", text->length ? " " : "", attributes);
}

/* ---- the columns ------------------------------------------------------------------------- */

enum { ID, NAME, ARGUMENTS, DTYPE, SHAPE, COLUMNS }; /* the source line comes last, unpadded */

typedef struct line {
  char column[COLUMNS][512];
  char site[256];
  size_t width[COLUMNS];
} line;

static void render(const ky_code *code, ky_id pc, line *l) {
  ky_text text[COLUMNS], site = {l->site, sizeof l->site, 0};
  for (int k = 0; k < COLUMNS; k++) {
    l->column[k][0] = '\0';
    text[k] = (ky_text){l->column[k], sizeof l->column[k], 0};
  }
  l->site[0] = '\0';
  const ky_ins *i = &code->ins[pc];
  ky__say(&text[ID], "%%%u", (unsigned)pc);
  ky__say(&text[NAME], "%s", ky__opinfo[i->op].name);
  say_arguments(&text[ARGUMENTS], code, pc);
  ky__say(&text[DTYPE], "%s", ky_dtype_name((ky_dtype)i->dtype));
  ky__say_dims(&text[SHAPE], ky__layout(code, pc));
  ky__say_site(&site, code, code->site[pc]);
  for (int k = 0; k < COLUMNS; k++) l->width[k] = text[k].length;
}

/* The steps of a fused instruction, a line each. */
static void print_steps(const ky_code *code, ky_id pc, FILE *out) {
  ky_fusion p;
  if (!ky__fusion_decode(code, &code->ins[pc], &p)) return;
  for (uint32_t k = 0; k < p.steps + (p.ending != KY_OP_nop ? 1u : 0u); k++) {
    char step[192];
    ky_text text = {step, sizeof step, 0};
    step[0] = '\0';
    ky__fusion_say(&text, code, pc, &p, k);
    fprintf(out, "      %s\n", step);
  }
}

void ky__dump_code(const ky_code *code, FILE *out) {
  size_t width[COLUMNS] = {0};
  line l;
  for (ky_id pc = 1; pc < code->count; pc++) {
    render(code, pc, &l);
    for (int k = 0; k < COLUMNS; k++)
      if (l.width[k] > width[k]) width[k] = l.width[k];
  }
  for (ky_id pc = 1; pc < code->count; pc++) {
    render(code, pc, &l);
    const char *gap = "";
    for (int k = 0; k < COLUMNS; k++, gap = "  ") {
      const bool last = k == COLUMNS - 1 && !l.site[0];
      fprintf(out, "%s%-*s", gap, last ? 0 : (int)width[k], l.column[k]);
    }
    fprintf(out, "%s%s\n", l.site[0] ? "  " : "", l.site);
    if (ky__opinfo[code->ins[pc].op].attr == KY_ATTR_FUSED) print_steps(code, pc, out);
  }
}

ky_status ky_tape_dump(const ky_tape *t, FILE *out) {
  if (!t || !out) return KY_BAD_ARGUMENT;
  ky__dump_code(&t->code, out);
  return KY_OK;
}
