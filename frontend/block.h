/* SPDX-License-Identifier: MIT */
/* The memory of one frontend object, from the user's allocator or malloc. The object keeps the
 * allocator to be freed with. Knows nothing of what is inside. */
#ifndef KY_BLOCK_H
#define KY_BLOCK_H

#include "kytape/base.h"

/* `bytes` (at least 1) of zeros; NULL when memory runs out. wanted: NULL for malloc. *used:
 * what to free the block with. */
void *ky__block_new(const ky_allocator *wanted, size_t bytes, ky_allocator *used);

/* used: a copy, for it may live in the block. NULL is fine. */
void ky__block_free(ky_allocator used, void *block, size_t bytes);

#endif
