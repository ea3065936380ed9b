/* SPDX-License-Identifier: MIT */
/* An arena: memory handed out upwards and taken back all at once, to a mark. Blocks are 64-byte
 * aligned, never move, and have KY_SLACK readable bytes behind them. Chunks are kept when the
 * arena is reset, so that doing the same again allocates nothing. */
#ifndef KY_ARENA_H
#define KY_ARENA_H

#include "kytape/base.h"

#define KY_ALIGN 64u
#define KY_SLACK 64u

typedef struct ky_chunk {
  char *base; /* aligned */
  size_t size;
  void *block; /* as the allocator gave it */
  size_t block_bytes;
} ky_chunk;

typedef struct ky_arena {
  ky_allocator allocator;
  ky_chunk *chunks;
  uint32_t count;
  uint32_t capacity;
  uint32_t current; /* chunk that is being filled */
  size_t used;      /* bytes of it */
} ky_arena;

/* A position: chunk and offset. */
typedef struct ky_place {
  uint32_t chunk;
  size_t offset;
} ky_place;

void ky__arena_init(ky_arena *a, const ky_allocator *allocator);
void ky__arena_free(ky_arena *a);

/* Makes sure that a block of `bytes` can be had without asking the allocator. */
ky_status ky__arena_reserve(ky_arena *a, size_t bytes);

/* What an empty arena asks the allocator for when it reserves `bytes`. */
size_t ky__arena_request(size_t bytes);

/* What ky__arena_alloc does where the chunk that is being filled has no room. */
void *ky__arena_extend(ky_arena *a, size_t bytes);

/* What a block of `bytes` takes of its chunk; less than bytes when that overflows. */
static inline size_t ky__arena_whole(size_t bytes) {
  return (bytes + KY_ALIGN - 1) & ~(size_t)(KY_ALIGN - 1);
}

/* A block of `bytes` (0 gives a valid pointer too), or NULL when memory runs out. */
static inline void *ky__arena_alloc(ky_arena *a, size_t bytes) {
  const size_t whole = ky__arena_whole(bytes);
  if (whole < bytes || a->current >= a->count || a->chunks[a->current].size - a->used < whole)
    return ky__arena_extend(a, bytes);
  char *const block = a->chunks[a->current].base + a->used;
  a->used += whole;
  return block;
}

static inline ky_place ky__arena_mark(const ky_arena *a) {
  return (ky_place){a->current, a->used};
}

static inline void ky__arena_reset(ky_arena *a, ky_place mark) {
  a->current = mark.chunk;
  a->used = mark.offset;
}

/* What the arena holds from its allocator. */
size_t ky__arena_bytes(const ky_arena *a);

#endif
