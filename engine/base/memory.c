/* SPDX-License-Identifier: MIT */
/* Calls of the user's allocator, and arrays that grow. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_resize(void *user, void *ptr, size_t old_bytes, size_t new_bytes) {
  (void)user;
  (void)old_bytes;
  if (new_bytes == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_bytes);
}

ky_allocator ky__allocator(const ky_allocator *wanted) {
  if (wanted && wanted->resize) return *wanted;
  return (ky_allocator){NULL, malloc_resize};
}

void *ky__resize(const ky_allocator *a, void *ptr, size_t old_bytes, size_t new_bytes) {
  if (!ptr && new_bytes == 0) return NULL;
  return a->resize(a->user, ptr, old_bytes, new_bytes);
}

ky_status ky__grow(const ky_allocator *a, void *array_pointer, uint32_t *capacity,
                   uint32_t need, size_t element) {
  if (need <= *capacity) return KY_OK;
  const uint32_t doubled = *capacity > UINT32_MAX / 2 ? UINT32_MAX : 2 * *capacity;
  uint32_t size = doubled > need ? doubled : need;
  if (size < KY_GROW_LEAST) size = KY_GROW_LEAST;
  void *array;
  memcpy(&array, array_pointer, sizeof array);
  array = ky__resize(a, array, *capacity * element, size * element);
  if (!array) return KY_NO_MEMORY;
  memcpy(array_pointer, &array, sizeof array);
  *capacity = size;
  return KY_OK;
}
