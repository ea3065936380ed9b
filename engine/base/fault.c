/* SPDX-License-Identifier: MIT */
/* Statuses, faults and the text in them. */
#include "base/fault.h"

#include <stdio.h>

const char *ky_status_text(ky_status status) {
  static const char *const text[] = {
#define X(name, text) text,
      KY_STATUSES(X)
#undef X
  };
  const size_t k = (size_t)status;
  return k < sizeof text / sizeof *text ? text[k] : "unknown status";
}

void ky__say_list(ky_text *text, const char *format, va_list args) {
  if (text->length + 1 >= text->size) return;
  const size_t room = text->size - text->length;
  const int n = vsnprintf(text->at + text->length, room, format, args);
  if (n > 0) text->length += (size_t)n < room ? (size_t)n : room - 1;
}

void ky__say(ky_text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  ky__say_list(text, format, args);
  va_end(args);
}

ky_status ky__fail(ky_fault *fault, ky_status status, const char *format, ...) {
  if (fault->status != KY_OK) return status;
  fault->status = status;
  ky_text text = {fault->text, sizeof fault->text, 0};
  va_list args;
  va_start(args, format);
  ky__say_list(&text, format, args);
  va_end(args);
  return status;
}

ky_status ky__check_list(ky_fault *fault, const char *things, const void *list, int64_t count,
                         int64_t least, int64_t most) {
  if (count < least)
    return ky__fail(fault, KY_BAD_ARGUMENT, "%lld %s, wants %lld or more", (long long)count,
                    things, (long long)least);
  if (count > most)
    return ky__fail(fault, KY_BAD_ARGUMENT, "%lld %s, wants %lld at most", (long long)count,
                    things, (long long)most);
  if (list || count == 0) return KY_OK;
  return ky__fail(fault, KY_BAD_ARGUMENT, "%lld %s, but their array is null", (long long)count,
                  things);
}
