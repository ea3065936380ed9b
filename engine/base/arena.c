/* SPDX-License-Identifier: MIT */
/* An arena: memory handed out upwards and taken back all at once, to a mark. */
#include "base/arena.h"

#include "base/memory.h"

#define FIRST_CHUNK ((size_t)16 << 10)
#define LARGE_CHUNK ((size_t)32 << 20) /* chunks double up to here */

void ky__arena_init(ky_arena *a, const ky_allocator *allocator) {
  *a = (ky_arena){.allocator = *allocator};
}

void ky__arena_free(ky_arena *a) {
  for (uint32_t k = 0; k < a->count; k++)
    ky__resize(&a->allocator, a->chunks[k].block, a->chunks[k].block_bytes, 0);
  ky__resize(&a->allocator, a->chunks, a->capacity * sizeof *a->chunks, 0);
  a->chunks = NULL;
  a->count = a->capacity = a->current = 0;
  a->used = 0;
}

static ky_status add_chunk(ky_arena *a, size_t need) {
  size_t size = a->count ? 2 * a->chunks[a->count - 1].size : FIRST_CHUNK;
  if (size > LARGE_CHUNK) size = LARGE_CHUNK;
  if (size < need) size = need;
  if (size > SIZE_MAX - KY_ALIGN - KY_SLACK) return KY_NO_MEMORY;
  if (ky__grow(&a->allocator, &a->chunks, &a->capacity, a->count + 1, sizeof *a->chunks) !=
      KY_OK)
    return KY_NO_MEMORY;
  const size_t block_bytes = size + KY_ALIGN + KY_SLACK;
  void *block = ky__resize(&a->allocator, NULL, 0, block_bytes);
  if (!block) return KY_NO_MEMORY;
  const uintptr_t base = ((uintptr_t)block + KY_ALIGN - 1) & ~(uintptr_t)(KY_ALIGN - 1);
  a->chunks[a->count++] = (ky_chunk){(char *)base, size, block, block_bytes};
  return KY_OK;
}

/* Moves to the first chunk from here on with room for `bytes`; false when there is none. */
static int seek(ky_arena *a, size_t bytes) {
  for (uint32_t k = a->current; k < a->count; k++) {
    const size_t used = k == a->current ? a->used : 0;
    if (a->chunks[k].size - used < bytes) continue;
    a->current = k;
    a->used = used;
    return 1;
  }
  return 0;
}

ky_status ky__arena_reserve(ky_arena *a, size_t bytes) {
  const size_t whole = ky__arena_whole(bytes);
  if (whole < bytes) return KY_NO_MEMORY;
  for (uint32_t k = a->current; k < a->count; k++)
    if (a->chunks[k].size - (k == a->current ? a->used : 0) >= whole) return KY_OK;
  return add_chunk(a, whole);
}

size_t ky__arena_request(size_t bytes) {
  const size_t whole = ky__arena_whole(bytes), size = whole > FIRST_CHUNK ? whole : FIRST_CHUNK;
  return size + KY_ALIGN + KY_SLACK + KY_GROW_LEAST * sizeof(ky_chunk);
}

void *ky__arena_extend(ky_arena *a, size_t bytes) {
  const size_t whole = ky__arena_whole(bytes);
  if (whole < bytes) return NULL;
  if (!seek(a, whole) && (add_chunk(a, whole) != KY_OK || !seek(a, whole))) return NULL;
  return ky__arena_alloc(a, bytes); /* which has room now */
}

size_t ky__arena_bytes(const ky_arena *a) {
  size_t bytes = a->capacity * sizeof *a->chunks;
  for (uint32_t k = 0; k < a->count; k++) bytes += a->chunks[k].block_bytes;
  return bytes;
}
