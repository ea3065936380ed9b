/* SPDX-License-Identifier: MIT */
/* The memory of one frontend object, from the user's allocator or malloc. */
#include "block.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_resize(void *user, void *ptr, size_t old_bytes, size_t new_bytes) {
  (void)user;
  (void)old_bytes;
  if (new_bytes > 0) return realloc(ptr, new_bytes);
  free(ptr);
  return NULL;
}

void *ky__block_new(const ky_allocator *wanted, size_t bytes, ky_allocator *used) {
  *used = wanted && wanted->resize ? *wanted : (ky_allocator){NULL, malloc_resize};
  void *block = used->resize(used->user, NULL, 0, bytes);
  if (block) memset(block, 0, bytes);
  return block;
}

void ky__block_free(ky_allocator used, void *block, size_t bytes) {
  if (block) used.resize(used.user, block, bytes, 0);
}
