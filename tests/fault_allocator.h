/* SPDX-License-Identifier: MIT */
/* An allocator for tests: counts calls and live bytes, fails when told to, checks that the
 * library gives block sizes back as it got them, and keeps red zones around every block. It
 * keeps books of its own on malloc, so it sees what sanitizers see and works without them.
 *
 *   ky_fault_allocator fa;
 *   fault_allocator_init(&fa);
 *   ky_tape *t = ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options),
 *                                               .allocator = fault_allocator(&fa)});
 *   fault_allocator_fail_once(&fa, 3);          the third request from now on fails
 *   ...
 *   ky_tape_free(t);
 *   assert_null(fault_allocator_complaint(&fa)); sizes right, red zones intact
 *   assert_int_equal(fa.live_blocks, 0);
 *   fault_allocator_free(&fa);                   frees what leaked */
#ifndef KY_TEST_FAULT_ALLOCATOR_H
#define KY_TEST_FAULT_ALLOCATOR_H

#include <stdbool.h>

#include "kytape/base.h"

struct ky_fault_block;

typedef struct ky_fault_allocator {
  /* to read at will */
  size_t requests; /* calls that ask for memory: new blocks and changes of size */
  size_t releases; /* calls that free */
  size_t failures; /* requests that were made to fail */
  size_t live_bytes;
  size_t live_blocks;
  size_t peak_bytes;

  /* private */
  size_t fail_at; /* in requests; 0: never */
  bool persistent;
  struct ky_fault_block *blocks;
  char complaint[160];
} ky_fault_allocator;

/* All zero: nothing fails. The struct must stay where it is while its blocks live. */
void fault_allocator_init(ky_fault_allocator *fa);

/* Frees blocks that are still alive. */
void fault_allocator_free(ky_fault_allocator *fa);

/* The allocator to hand to the library. */
ky_allocator fault_allocator(ky_fault_allocator *fa);

/* The n-th request from now on fails (n = 1: the next one), once or with all after it. Calls
 * that free never fail. */
void fault_allocator_fail_once(ky_fault_allocator *fa, size_t n);
void fault_allocator_fail_from(ky_fault_allocator *fa, size_t n);

/* Nothing fails from now on. */
void fault_allocator_relent(ky_fault_allocator *fa);

/* What the library did wrong first: a wrong old_bytes, an unknown pointer, a red zone written
 * to (also of blocks still alive). NULL when nothing. Borrowed. */
const char *fault_allocator_complaint(ky_fault_allocator *fa);

#endif
