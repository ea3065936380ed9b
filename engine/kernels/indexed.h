/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that other numbers name: indices become places, elements are taken
 * from there or added there. */
#ifndef KY_INDEXED_H
#define KY_INDEXED_H

#include "kytape/base.h"

/* place[i] = index[i stride] * pitch for n indices of dtype i32 or i64. Stops at the first that
 * is not in 0..extent-1 and returns its i; n when there is none. */
size_t ky__places(ky_dtype dtype, size_t n, int64_t *place, const void *index, ptrdiff_t stride,
                  int64_t extent, int64_t pitch);

/* flat[i sf] = beta flat[i sf] + table[place[i] + i st]; beta 1 for f32 and f64 only. */
void ky__take(ky_dtype dtype, size_t n, void *flat, ptrdiff_t sf, int beta, const void *table,
              ptrdiff_t st, const int64_t *place);

/* table[place[i] + i st] += flat[i sf], in the order of i. f32 and f64. */
void ky__put(ky_dtype dtype, size_t n, void *table, ptrdiff_t st, const int64_t *place,
             const void *flat, ptrdiff_t sf);

#endif
