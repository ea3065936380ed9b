/* SPDX-License-Identifier: MIT */
/* A checkpoint's way to a file. */
#define _POSIX_C_SOURCE 200809L /* fsync */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../block.h"
#include "contents.h"

#define CHUNK 4096 /* bytes */

/* Gives each item its place: larger elements first, so that all are aligned. */
static void lay_out(ky_list *items, ky_record *records) {
  ky_saved *i = items->at;
  size_t at = 0, count = 0;
  for (size_t size = 8; size; size /= 2)
    for (size_t k = 0; k < items->count; k++) {
      if (ky_dtype_size(i[k].e.dtype) != size) continue;
      ky_record r = {.name = i[k].e.name, .dtype = i[k].e.dtype, .rank = i[k].e.rank};
      memcpy(r.dims, i[k].e.dims, sizeof r.dims);
      i[k].begin = r.begin = at;
      at = r.end = at + ky__saved_bytes(&i[k]);
      records[count++] = r;
    }
}

static bool write_elements(FILE *file, const ky_saved *i) {
  const char *from = ky__saved_data(i);
  const size_t bytes = ky__saved_bytes(i), size = ky_dtype_size(i->e.dtype);
  char room[CHUNK];
  for (size_t k = 0; k < bytes; k += CHUNK) {
    const size_t n = bytes - k < CHUNK ? bytes - k : CHUNK;
    memcpy(room, from + k, n);
    ky__turn_bytes(size, n / size, room);
    if (fwrite(room, 1, n, file) != n) return false;
  }
  return true;
}

static bool write_arrays(FILE *file, const ky_list *items) {
  const ky_saved *i = items->at;
  for (size_t size = 8; size; size /= 2)
    for (size_t k = 0; k < items->count; k++)
      if (ky_dtype_size(i[k].e.dtype) == size && !write_elements(file, &i[k])) return false;
  return true;
}

static bool write_file(const char *path, const char *header, size_t length,
                       const ky_list *items) {
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  bool good = fwrite(header, 1, length, file) == length && write_arrays(file, items) &&
              fflush(file) == 0;
  if (good && fsync(fileno(file)) != 0) good = errno == EINVAL || errno == EROFS; /* a pipe */
  const int number = errno;
  if (fclose(file) != 0) return false;
  errno = number;
  return good;
}

/* The file grows under another name, and then takes the place of the old one. */
static ky_status replace(ky_checkpoint *c, const char *path, const char *header, size_t length,
                         const ky_list *items) {
  static const char ending[] = ".part";
  const size_t bytes = strlen(path) + sizeof ending;
  char *part = c->allocator.resize(c->allocator.user, NULL, 0, bytes);
  if (!part) return ky__checkpoint_no_memory(c);
  memcpy(part, path, strlen(path));
  memcpy(part + strlen(path), ending, sizeof ending);
  ky_status status = KY_OK;
  if (!write_file(part, header, length, items) || rename(part, path) != 0) {
    status = ky__checkpoint_no_file(c, path, "written", errno);
    remove(part);
  }
  ky__block_free(c->allocator, part, bytes);
  return status;
}

static ky_status write_items(ky_checkpoint *c, const char *path, ky_list *items) {
  ky_allocator used;
  const size_t bytes = (items->count + 1) * sizeof(ky_record);
  ky_record *records = ky__block_new(&c->allocator, bytes, &used);
  if (!records) return ky__checkpoint_no_memory(c);
  lay_out(items, records);
  const size_t length = ky__safetensors_write(NULL, 0, items->count, records);
  char *header = used.resize(used.user, NULL, 0, length);
  ky_status status = header ? KY_OK : ky__checkpoint_no_memory(c);
  if (header) {
    ky__safetensors_write(header, length, items->count, records);
    status = replace(c, path, header, length, items);
  }
  ky__block_free(used, header, length);
  ky__block_free(used, records, bytes);
  return status;
}

ky_status ky_checkpoint_write(ky_checkpoint *c, const char *path) {
  if (!c || !path) return ky__checkpoint_null(c, "checkpoint_write");
  ky_list items, sorted;
  ky_status status = ky__list_saved(c, true, &items, &sorted);
  if (status == KY_OK) status = write_items(c, path, &items);
  ky__list_empty(&c->allocator, &sorted);
  ky__list_empty(&c->allocator, &items);
  return status;
}
