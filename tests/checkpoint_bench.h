/* SPDX-License-Identifier: MIT */
/* What the tests of checkpoints begin with: one on an allocator that can fail, and its file. */
#ifndef KY_TEST_CHECKPOINT_BENCH_H
#define KY_TEST_CHECKPOINT_BENCH_H

#include "close.h"
#include "fault_allocator.h"
#include "kytape.h"

#define PATH "test_checkpoint.safetensors"

typedef struct fixture {
  ky_fault_allocator fa;
  ky_allocator allocator;
  ky_checkpoint *c;
} fixture;

/* Setup and teardown. The latter fails where memory leaked, and removes the file. */
int checkpoint_open(void **state);
int checkpoint_close(void **state);
#define CHECKPOINT_TEST(name)                                                                  \
  cmocka_unit_test_setup_teardown(name, checkpoint_open, checkpoint_close)

/* The file's bytes; reading gives none where there is no file. */
void write_bytes(const void *bytes, size_t count);
size_t read_bytes(char *to, size_t room);

/* A file with this header, and `count` bytes of arrays. */
void write_file(const char *header, const void *arrays, size_t count);

void assert_says(const ky_checkpoint *c, const char *part);

#endif
