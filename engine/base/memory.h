/* SPDX-License-Identifier: MIT */
/* Calls of the user's allocator, and arrays that grow. */
#ifndef KY_MEMORY_H
#define KY_MEMORY_H

#include "kytape/base.h"

/* The caller's allocator, or malloc for NULL or one without a function. */
ky_allocator ky__allocator(const ky_allocator *wanted);

void *ky__resize(const ky_allocator *a, void *ptr, size_t old_bytes, size_t new_bytes);

#define KY_GROW_LEAST 16u

/* Makes room for `need` elements in an array of `*capacity`: at least KY_GROW_LEAST, and
 * doubles. The array is as it was when this fails. */
ky_status ky__grow(const ky_allocator *a, void *array_pointer, uint32_t *capacity,
                   uint32_t need, size_t element);

#endif
