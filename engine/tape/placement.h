/* SPDX-License-Identifier: MIT */
/* Places in one block of memory for what is live at different times. Knows no instructions. */
#ifndef KY_PLACEMENT_H
#define KY_PLACEMENT_H

#include "tape/program.h"

/* No value or adjoint is larger, layouts see to that: a sum with one more cannot overflow. */
#define KY_MOST_BYTES (SIZE_MAX / 4)

/* Something to be placed. Both ends of a life are inclusive. Times are below 2^33, so they are
 * 64 bits wide. */
typedef struct ky_tenant {
  uint64_t birth, death;
  uint64_t until; /* death of the last one that gets its place after it, one after the other */
  size_t bytes;
  size_t *place;
  uint32_t over; /* who had the place first, that this one gets: index + 1; 0: itself */
  bool has_heir; /* another one gets the place next */
} ky_tenant;

/* Gives them places, in `arena` bytes; times are below `end`, or `end`. */
ky_status ky__place(ky_pass *pass, const ky_tenant *tenants, size_t count, uint64_t end,
                    size_t *arena);

#endif
