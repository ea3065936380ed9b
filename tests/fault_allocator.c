/* SPDX-License-Identifier: MIT */
/* Blocks hang in a doubly linked list; each is laid out as
 *   header | red zone | bytes of the caller | red zone */
#include "fault_allocator.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RED_BYTES  64u
#define RED_VALUE  0xA5
#define NEW_VALUE  0xCB /* fresh memory is not zero, so that nobody counts on it */
#define DEAD_VALUE 0xDD

typedef struct ky_fault_block {
  alignas(max_align_t) struct ky_fault_block *next;
  struct ky_fault_block *previous;
  size_t bytes;
} ky_fault_block;

static unsigned char *payload(ky_fault_block *b) {
  return (unsigned char *)(b + 1) + RED_BYTES;
}

__attribute__((format(printf, 2, 3))) static void complain(ky_fault_allocator *fa,
                                                           const char *format, ...) {
  if (fa->complaint[0]) return;
  va_list args;
  va_start(args, format);
  vsnprintf(fa->complaint, sizeof fa->complaint, format, args);
  va_end(args);
}

static void check_zone(ky_fault_allocator *fa, const unsigned char *zone, size_t bytes,
                       const char *where) {
  for (size_t k = 0; k < RED_BYTES; k++)
    if (zone[k] != RED_VALUE) {
      complain(fa, "byte %zu of the red zone %s a block of %zu bytes was written", k, where,
               bytes);
      return;
    }
}

static void check_block(ky_fault_allocator *fa, ky_fault_block *b) {
  check_zone(fa, payload(b) - RED_BYTES, b->bytes, "before");
  check_zone(fa, payload(b) + b->bytes, b->bytes, "behind");
}

static ky_fault_block *new_block(ky_fault_allocator *fa, size_t bytes) {
  if (bytes > SIZE_MAX - sizeof(ky_fault_block) - 2 * RED_BYTES) return NULL;
  ky_fault_block *b = malloc(sizeof *b + 2 * RED_BYTES + bytes);
  if (!b) return NULL;
  *b = (ky_fault_block){.next = fa->blocks, .bytes = bytes};
  if (fa->blocks) fa->blocks->previous = b;
  fa->blocks = b;
  memset(payload(b) - RED_BYTES, RED_VALUE, RED_BYTES);
  memset(payload(b), NEW_VALUE, bytes);
  memset(payload(b) + bytes, RED_VALUE, RED_BYTES);
  fa->live_blocks++;
  fa->live_bytes += bytes;
  if (fa->peak_bytes < fa->live_bytes) fa->peak_bytes = fa->live_bytes;
  return b;
}

static void drop_block(ky_fault_allocator *fa, ky_fault_block *b) {
  check_block(fa, b);
  if (b->previous) b->previous->next = b->next;
  if (b->next) b->next->previous = b->previous;
  if (fa->blocks == b) fa->blocks = b->next;
  fa->live_blocks--;
  fa->live_bytes -= b->bytes;
  memset(payload(b), DEAD_VALUE, b->bytes);
  free(b);
}

/* The block at `ptr`; searched, so that a wild pointer is noticed before it is used. */
static ky_fault_block *find_block(ky_fault_allocator *fa, const void *ptr, size_t old_bytes) {
  ky_fault_block *b = fa->blocks;
  while (b && payload(b) != ptr) b = b->next;
  if (!b)
    complain(fa, "%p is not a live block", ptr);
  else if (b->bytes != old_bytes)
    complain(fa, "a block of %zu bytes was said to have %zu", b->bytes, old_bytes);
  return b;
}

static bool must_fail(ky_fault_allocator *fa) {
  fa->requests++;
  if (fa->fail_at == 0 || fa->requests < fa->fail_at) return false;
  if (!fa->persistent) fa->fail_at = 0;
  fa->failures++;
  return true;
}

static void *fault_resize(void *user, void *ptr, size_t old_bytes, size_t new_bytes) {
  ky_fault_allocator *fa = user;
  ky_fault_block *old = NULL;
  if (ptr) {
    old = find_block(fa, ptr, old_bytes);
    if (!old) return NULL;
  } else if (old_bytes != 0) {
    complain(fa, "no block was said to have %zu bytes", old_bytes);
  }
  if (new_bytes == 0) {
    fa->releases++;
    if (old) drop_block(fa, old);
    return NULL;
  }
  if (must_fail(fa)) return NULL;
  ky_fault_block *b = new_block(fa, new_bytes); /* always moves: stale pointers show */
  if (!b) return NULL;
  if (old) {
    memcpy(payload(b), ptr, old->bytes < new_bytes ? old->bytes : new_bytes);
    drop_block(fa, old);
  }
  return payload(b);
}

void fault_allocator_init(ky_fault_allocator *fa) { *fa = (ky_fault_allocator){0}; }

void fault_allocator_free(ky_fault_allocator *fa) {
  while (fa->blocks) drop_block(fa, fa->blocks);
}

ky_allocator fault_allocator(ky_fault_allocator *fa) {
  return (ky_allocator){fa, fault_resize};
}

void fault_allocator_fail_once(ky_fault_allocator *fa, size_t n) {
  fa->fail_at = fa->requests + n;
  fa->persistent = false;
}

void fault_allocator_fail_from(ky_fault_allocator *fa, size_t n) {
  fa->fail_at = fa->requests + n;
  fa->persistent = true;
}

void fault_allocator_relent(ky_fault_allocator *fa) { fa->fail_at = 0; }

const char *fault_allocator_complaint(ky_fault_allocator *fa) {
  for (ky_fault_block *b = fa->blocks; b; b = b->next) check_block(fa, b);
  return fa->complaint[0] ? fa->complaint : NULL;
}
