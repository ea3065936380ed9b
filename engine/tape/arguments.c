/* SPDX-License-Identifier: MIT */
/* What functions that record several instructions for one call need. */
#include "tape/arguments.h"

ky_var ky__refuse(ky_tape *t, ky_status status, const char *call, const char *reason, ...) {
  ky_fault fault = {0};
  ky_text text = {fault.text, sizeof fault.text, 0};
  ky__say(&text, "%s: ", call);
  va_list args;
  va_start(args, reason);
  ky__say_list(&text, reason, args);
  va_end(args);
  return ky_tape_fail(t, status, fault.text);
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
  if (ky__check_axis(*axis, rank, &fault) != KY_OK) {
    ky__refuse(t, KY_BAD_AXIS, call, "%s", fault.text);
    return false;
  }
  if (*axis < 0) *axis += rank;
  return true;
}
