/* SPDX-License-Identifier: MIT */
/* Compositions: checks before, clean-up behind. */
#define KY_NO_SITES
#include "tape/composition.h"

#include <string.h>

#include "ops/family.h"

/* ---- operands ---------------------------------------------------------------------------- */

ky_var ky__refuse(ky_tape *t, ky_status status, const char *call, const char *reason, ...) {
  char words[512];
  ky_text text = {words, sizeof words, 0};
  ky__say(&text, "%s: ", call);
  va_list args;
  va_start(args, reason);
  ky__say_list(&text, reason, args);
  va_end(args);
  return ky_tape_fail(t, status, words);
}

bool ky__look(ky_tape *t, ky_var v, const char *call, ky_layout *layout) {
  if (!t || t->pending != KY_OK) return false;
  const char *reason = ky__bad_var(t, v);
  if (reason)
    ky__refuse(t, KY_BAD_VAR, call, "%s", reason);
  else
    *layout = *ky__layout(&t->code, v.id);
  return !reason;
}

bool ky__axis(ky_tape *t, const char *call, int rank, int64_t *axis) {
  ky_fault fault = {0};
  if (ky__axis_from_front(axis, rank, &fault) == KY_OK) return true;
  ky__refuse(t, KY_BAD_AXIS, call, "%s", fault.text);
  return false;
}

bool ky__float_dtype(ky_tape *t, const char *call, unsigned dtype) {
  ky_fault fault = {0};
  if (ky__check_float(dtype, &fault) == KY_OK) return true;
  ky__refuse(t, KY_BAD_DTYPE, call, "%s", fault.text);
  return false;
}

bool ky__one_dtype(ky_tape *t, const char *call, unsigned a, unsigned b) {
  ky_fault fault = {0};
  if (ky__check_dtypes((ky_dtype)a, (ky_dtype)b, &fault) == KY_OK) return true;
  ky__refuse(t, KY_BAD_DTYPE, call, "%s", fault.text);
  return false;
}

bool ky__list(ky_tape *t, const char *call, const char *things, const void *list, int64_t count,
              int64_t least, int64_t most) {
  ky_fault fault = {0};
  if (ky__check_list(&fault, things, list, count, least, most) == KY_OK) return true;
  ky__refuse(t, fault.status, call, "%s", fault.text);
  return false;
}

/* ---- beginning and end ------------------------------------------------------------------- */

ky_composition ky__begin_composition(ky_tape *t, const char *name) {
  return (ky_composition){t, name, ky_tape_mark(t), t->frame.drew, t->pending != KY_OK};
}

bool ky__compose(ky_composition *c, ky_tape *t, const char *name, int count, int required,
                 const ky_var *vars) {
  if (!t || t->pending != KY_OK) return false;
  *c = ky__begin_composition(t, name);
  unsigned first = KY_F32;
  for (int k = 0; k < count; k++) {
    if (k >= required && vars[k].id == 0) continue;
    const char *reason = ky__bad_var(t, vars[k]);
    if (reason) return ky__refuse(t, KY_BAD_VAR, name, "%s", reason), false;
    const unsigned dtype = t->code.ins[vars[k].id].dtype;
    if (!ky__float_dtype(t, name, dtype)) return false;
    if (k == 0) first = dtype;
    if (!ky__one_dtype(t, name, first, dtype)) return false;
  }
  return true;
}

bool ky__known_reduction(const ky_composition *c, ky_reduction reduction) {
  ky_fault fault = {0};
  if (ky__check_reduction(reduction, &fault) == KY_OK) return true;
  return ky__refuse(c->t, fault.status, c->name, "%s", fault.text), false;
}

/* Puts the call's name in front of that of the instruction which failed. */
static void blame_call(const ky_composition *c) {
  ky_tape *t = c->t;
  char place[128], was[sizeof t->message];
  ky_text at = {place, sizeof place, 0}, text = {was, sizeof was, 0};
  ky__say_line(&at, t->here);
  ky__say(&at, at.length ? ": " : "");
  ky__say(&text, "%s", t->message);
  const char *const reason = strncmp(was, place, at.length) ? was : was + at.length;
  const size_t length = strlen(c->name);
  if (strncmp(reason, c->name, length) != 0 || reason[length] != ':')
    ky__error(t, t->pending, "%.*s%s: %s", (int)(reason - was), was, c->name, reason);
}

ky_var ky__composed(const ky_composition *c, ky_var r) {
  if (r.id) return r;
  if (c->t->pending != KY_OK && !c->late) blame_call(c);
  ky__withdraw(c->t, c->mark);
  c->t->frame.drew = c->drew;
  return r;
}

ky_var ky__reduced(const ky_composition *c, ky_var losses, ky_reduction reduction) {
  switch (reduction) {
  case KY_REDUCE_NONE: break;
  case KY_REDUCE_SUM: losses = ky_sum_all(c->t, losses); break;
  case KY_REDUCE_MEAN: losses = ky_mean_all(c->t, losses); break;
  }
  return ky__composed(c, losses);
}
