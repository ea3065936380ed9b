/* SPDX-License-Identifier: MIT */
/* Options structs begin with their size, so that they can grow. */
#ifndef KY_OPTIONS_H
#define KY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Copies what both sides know of the caller's options to `to`, of `known` bytes; what the
 * caller does not know stays. null options are none. False when their size was not set. */
static inline bool ky__take_options(void *to, size_t known, const void *options) {
  size_t size = known;
  if (!options) return true;
  memcpy(&size, options, sizeof size);
  if (size <= sizeof size) return false;
  memcpy(to, options, size < known ? size : known);
  return true;
}

#endif
