/* SPDX-License-Identifier: MIT */
/* Options structs begin with their size, so that they can grow. */
#ifndef KY_FRONTEND_OPTIONS_H
#define KY_FRONTEND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Copies what both sides know of the caller's options, which may be null, to `to`; false when
 * their size was not set. */
static inline bool ky__options(void *to, size_t known, const void *options) {
  size_t size;
  if (!options) return true;
  memcpy(&size, options, sizeof size);
  if (size <= sizeof size) return false;
  memcpy(to, options, size < known ? size : known);
  return true;
}

#endif
