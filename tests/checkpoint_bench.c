/* SPDX-License-Identifier: MIT */
/* A checkpoint on an allocator that can fail, and files for it. */
#include "checkpoint_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int checkpoint_open(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (!f) return -1;
  *state = f;
  fault_allocator_init(&f->fa);
  f->allocator = fault_allocator(&f->fa);
  return ky_checkpoint_new(&f->allocator, &f->c) == KY_OK ? 0 : -1;
}

int checkpoint_close(void **state) {
  fixture *f = *state;
  ky_checkpoint_free(f->c);
  const int leaked = f->fa.live_blocks != 0 || fault_allocator_complaint(&f->fa) != NULL;
  fault_allocator_free(&f->fa);
  free(f);
  remove(PATH);
  remove(PATH ".part");
  return leaked ? -1 : 0;
}

void write_bytes(const void *bytes, size_t count) {
  FILE *file = fopen(PATH, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, count, file), count);
  assert_int_equal(fclose(file), 0);
}

size_t read_bytes(char *to, size_t room) {
  FILE *file = fopen(PATH, "rb");
  if (!file) return 0;
  const size_t count = fread(to, 1, room, file);
  fclose(file);
  return count;
}

void write_file(const char *header, const void *arrays, size_t count) {
  char bytes[2048] = {0};
  const size_t length = strlen(header);
  assert_in_range(8 + length + count, 8, sizeof bytes);
  bytes[0] = (char)(length & 0xff);
  bytes[1] = (char)(length >> 8);
  memcpy(bytes + 8, header, length);
  if (count) memcpy(bytes + 8 + length, arrays, count);
  write_bytes(bytes, 8 + length + count);
}

void assert_says(const ky_checkpoint *c, const char *part) {
  if (!strstr(ky_checkpoint_message(c), part))
    fail_msg("\"%s\" does not say \"%s\"", ky_checkpoint_message(c), part);
}
