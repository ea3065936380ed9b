/* SPDX-License-Identifier: MIT */
/* The order of a run of elements of any dtype. A NaN counts as larger than everything, as in
 * PyTorch. */
#ifndef KY_ORDER_H
#define KY_ORDER_H

#include "kytape/base.h"

/* order[i so] = positions of the n elements x[i sx] from the smallest to the largest, or the
 * other way round; equal elements keep their order. room: ky__argsort_room bytes. */
void ky__argsort(ky_dtype dtype, size_t n, int64_t *order, ptrdiff_t so, const void *x,
                 ptrdiff_t sx, int descending, void *room);

size_t ky__argsort_room(ky_dtype dtype, size_t n);

#endif
