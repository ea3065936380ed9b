/* SPDX-License-Identifier: MIT */
/* A fault: the first failure of something, as a status and a sentence. Texts that are built
 * piece by piece. Knows nothing of tapes. */
#ifndef KY_FAULT_H
#define KY_FAULT_H

#include <stdarg.h>

#include "kytape/base.h"

typedef struct ky_fault {
  ky_status status;
  char text[464];
} ky_fault;

#define KY_TRY(expr)                                                                           \
  do {                                                                                         \
    const ky_status ky_try = (expr);                                                           \
    if (ky_try != KY_OK) return ky_try;                                                        \
  } while (0)

/* Keeps `status` and the formatted text unless the fault is set already; returns `status`. */
__attribute__((format(printf, 3, 4))) ky_status ky__fail(ky_fault *fault, ky_status status,
                                                         const char *format, ...);

/* BAD_ARGUMENT unless a list has least..most things, and is not null if it has any. */
ky_status ky__check_list(ky_fault *fault, const char *things, const void *list, int64_t count,
                         int64_t least, int64_t most);

/* A piece of text built piece by piece, cut at the end of its buffer, always terminated. */
typedef struct ky_text {
  char *at;
  size_t size;
  size_t length;
} ky_text;

__attribute__((format(printf, 2, 3))) void ky__say(ky_text *text, const char *format, ...);
void ky__say_list(ky_text *text, const char *format, va_list args);

#endif
