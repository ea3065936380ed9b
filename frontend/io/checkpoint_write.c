/* SPDX-License-Identifier: MIT */
/* A checkpoint's way to a file, which grows beside the old one and then takes its place. */
#define _XOPEN_SOURCE 700 /* realpath, readlink, fsync, fchmod */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../block.h"
#include "contents.h"

#define CHUNK      4096 /* bytes */
#define PART_BYTES 24   /* ".part", a number, and the ending 0 */
#define TRIES      100  /* names of files that grow, where those of others are in the way */
#define LINKS      40   /* one after the other */

/* ---- arrays ------------------------------------------------------------------------------ */

static bool write_elements(FILE *file, const ky_saved *s) {
  const char *from = ky__saved_data(s);
  const size_t bytes = ky__saved_bytes(s), size = ky_dtype_size(s->dtype);
  char room[CHUNK];
  for (size_t k = 0; k < bytes; k += CHUNK) {
    const size_t n = bytes - k < CHUNK ? bytes - k : CHUNK;
    memcpy(room, from + k, n);
    ky__turn_bytes(size, n / size, room);
    if (fwrite(room, 1, n, file) != n) return false;
  }
  return true;
}

/* The arrays in the order of the file: larger elements first, so that all are aligned. What no
 * optimizer remembers is left out. */
static ky_status lay_out(ky_checkpoint *c, const ky_list *saved, ky_list *order,
                         ky_list *records) {
  const ky_saved *s = saved->at;
  size_t at = 0;
  for (size_t size = 8; size; size /= 2)
    for (size_t k = 0; k < saved->count; k++) {
      if (ky_dtype_size(s[k].dtype) != size || !ky__saved_data(&s[k])) continue;
      const ky_saved **place = ky__list_append(&c->allocator, order);
      ky_record *r = place ? ky__list_append(&c->allocator, records) : NULL;
      if (!r) return ky__checkpoint_no_memory(c);
      *place = &s[k];
      *r = (ky_record){.name = s[k].name, .dtype = s[k].dtype, .rank = s[k].rank, .begin = at};
      memcpy(r->dims, s[k].dims, sizeof r->dims);
      r->end = at += ky__saved_bytes(&s[k]);
    }
  return KY_OK;
}

/* ---- files ------------------------------------------------------------------------------- */

typedef struct output {
  const char *header;
  size_t length;
  const ky_list *order; /* of the arrays */
} output;

static bool fill(int file_number, const output *out) {
  FILE *file = fdopen(file_number, "wb");
  if (!file) {
    close(file_number);
    return false;
  }
  const ky_saved *const *s = out->order->at;
  bool good = fwrite(out->header, 1, out->length, file) == out->length;
  for (size_t k = 0; good && k < out->order->count; k++) good = write_elements(file, s[k]);
  good = good && fflush(file) == 0;
  if (good && fsync(file_number) != 0) good = errno == EINVAL; /* some file systems cannot */
  const int number = errno;
  if (fclose(file) != 0) return false;
  errno = number;
  return good;
}

/* Writes to a new file, "path.part" or "path.part1", ..., and lets it take the place of `path`,
 * with the mode of an old file. Otherwise false, and errno says why. */
static bool replace(const char *path, const struct stat *old, char *part, const output *out) {
  int number = -1;
  const size_t length = strlen(path);
  memcpy(part, path, length);
  for (int k = 0; number < 0 && k < TRIES; k++) {
    if (k == 0)
      snprintf(part + length, PART_BYTES, ".part");
    else
      snprintf(part + length, PART_BYTES, ".part%d", k);
    number = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (number < 0 && errno != EEXIST) return false;
  }
  if (number < 0) return false;
  if (old) fchmod(number, old->st_mode & 07777); /* as near to it as may be */
  if (fill(number, out) && rename(part, path) == 0) return true;
  const int why = errno;
  remove(part);
  errno = why;
  return false;
}

/* Where a link at `at` leads to, be there something or not; false when there is no link. */
static bool follow(char at[PATH_MAX]) {
  char text[PATH_MAX];
  const ssize_t length = readlink(at, text, sizeof text);
  const char *slash = length > 0 && text[0] != '/' ? strrchr(at, '/') : NULL;
  const size_t folder = slash ? (size_t)(slash - at) + 1 : 0;
  if (length < 0 || folder + (size_t)length >= PATH_MAX) return false;
  memcpy(at + folder, text, (size_t)length);
  at[folder + (size_t)length] = 0;
  return true;
}

/* A link stays, and what it leads to is replaced. */
static ky_status write_file(ky_checkpoint *c, const char *path, const output *out) {
  char target[PATH_MAX];
  if (strlen(path) >= sizeof target)
    return ky__checkpoint_no_file(c, path, "written", ENAMETOOLONG);
  if (!realpath(path, target)) {
    if (errno == ELOOP) return ky__checkpoint_no_file(c, path, "written", errno);
    strcpy(target, path);
    for (int k = 0; k < LINKS && follow(target); k++) {
    }
  }
  struct stat old;
  const bool exists = stat(target, &old) == 0;
  if (exists && !S_ISREG(old.st_mode))
    return ky__checkpoint_blame(c, KY_NO_FILE, path,
                                "cannot be written: it is no regular file");
  if (exists && access(target, W_OK) != 0)
    return ky__checkpoint_no_file(c, path, "written", errno);
  const size_t bytes = strlen(target) + PART_BYTES;
  char *part = c->allocator.resize(c->allocator.user, NULL, 0, bytes);
  if (!part) return ky__checkpoint_no_memory(c);
  const bool good = replace(target, exists ? &old : NULL, part, out);
  const int why = errno;
  ky__block_free(c->allocator, part, bytes);
  return good ? KY_OK : ky__checkpoint_no_file(c, path, "written", why);
}

static ky_status write_arrays(ky_checkpoint *c, const char *path, const ky_list *order,
                              const ky_list *records) {
  const size_t length = ky__safetensors_write(NULL, 0, records->count, records->at);
  if (length - KY_SAFETENSORS_LENGTH > KY_SAFETENSORS_MOST)
    return ky__checkpoint_blame(c, KY_BAD_ARGUMENT, path,
                                "the header would be longer than the format allows");
  char *header = c->allocator.resize(c->allocator.user, NULL, 0, length);
  if (!header) return ky__checkpoint_no_memory(c);
  ky__safetensors_write(header, length, records->count, records->at);
  const ky_status status = write_file(c, path, &(output){header, length, order});
  ky__block_free(c->allocator, header, length);
  return status;
}

ky_status ky_checkpoint_write(ky_checkpoint *c, const char *path) {
  ky_status status = ky__checkpoint_enter(c, path, "checkpoint_write");
  if (status != KY_OK) return status;
  ky_list saved, by_name, order = {.size = sizeof(ky_saved *)},
                          records = {.size = sizeof(ky_record)};
  status = ky__list_saved(c, &saved, &by_name);
  if (status == KY_OK) status = lay_out(c, &saved, &order, &records);
  if (status == KY_OK) status = write_arrays(c, path, &order, &records);
  ky__list_empty(&c->allocator, &records);
  ky__list_empty(&c->allocator, &order);
  ky__list_empty(&c->allocator, &by_name);
  ky__list_empty(&c->allocator, &saved);
  return status;
}
