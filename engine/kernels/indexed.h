/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that indices name: they are taken from there or added there. */
#ifndef KY_INDEXED_H
#define KY_INDEXED_H

#include <stdbool.h>

#include "kytape/base.h"

/* Indices of dtype i32 or i64: the i-th names the place data[i stride] * pitch, if it is in
 * 0..extent-1. */
typedef struct ky_indices {
  const void *data;
  ptrdiff_t stride;
  ky_dtype dtype;
  uint64_t extent;
  int64_t pitch;
} ky_indices;

/* The place that the first index names; false when it is not in range. */
bool ky__place_of(const ky_indices *x, int64_t *place);

/* n rows of m elements that follow each other on both sides: the one at flat + i sf becomes
 * beta times itself + the one at table + place i + i st; beta 1 for f32 and f64 only. Stops at
 * the first index that is not in range and returns its i; n when there is none. */
size_t ky__take(ky_dtype dtype, size_t n, size_t m, void *flat, ptrdiff_t sf, int beta,
                const void *table, ptrdiff_t st, const ky_indices *x);

/* The row at table + place i + i st gets the one at flat + i sf added, in the order of i, but
 * for the places of the index `passed`; -1 for none. f32 and f64. Returns as ky__take. */
size_t ky__put(ky_dtype dtype, size_t n, size_t m, void *table, ptrdiff_t st,
               const ky_indices *x, int64_t passed, const void *flat, ptrdiff_t sf);

#endif
