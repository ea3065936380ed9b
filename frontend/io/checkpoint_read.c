/* SPDX-License-Identifier: MIT */
/* A checkpoint's way back from a file. All of the file is looked at before anything changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../block.h"
#include "../optim/optimizer.h"
#include "contents.h"

#define FIRST_BYTES 65536 /* of a file's block in memory */
#define CHUNK       512   /* elements */

/* ---- the file ---------------------------------------------------------------------------- */

typedef struct block {
  char *at;
  size_t bytes, room;
} block;

static ky_status grow(ky_checkpoint *c, block *b) {
  const size_t room = b->room ? 2 * b->room : FIRST_BYTES;
  char *at = c->allocator.resize(c->allocator.user, b->at, b->room, room);
  if (!at) return ky__checkpoint_no_memory(c);
  b->at = at;
  b->room = room;
  return KY_OK;
}

static ky_status read_all(ky_checkpoint *c, const char *path, block *b) {
  FILE *file = fopen(path, "rb");
  if (!file) return ky__checkpoint_no_file(c, path, "read", errno);
  ky_status status = KY_OK;
  while (status == KY_OK && !feof(file)) {
    if (b->bytes == b->room) status = grow(c, b);
    if (status == KY_OK) b->bytes += fread(b->at + b->bytes, 1, b->room - b->bytes, file);
    if (ferror(file)) status = ky__checkpoint_no_file(c, path, "read", errno);
  }
  fclose(file);
  return status;
}

/* ---- what is in it ----------------------------------------------------------------------- */

typedef struct search {
  ky_checkpoint *c;
  const char *path;
  const ky_list *sorted;
} search;

static int against_name(const void *name, const void *item) {
  return strcmp(name, (*(ky_saved *const *)item)->e.name);
}

static bool is_float(ky_dtype dtype) {
  return dtype == KY_F32 || dtype == KY_F64 || dtype == KY_BF16 || dtype == KY_F16;
}

/* Floating types are converted, but for the caller's arrays. */
static bool fits(const ky_saved *i, ky_dtype stored) {
  const bool converts = (i->e.tensor || i->of) && is_float(i->e.dtype) && is_float(stored);
  return stored == i->e.dtype || converts;
}

static ky_status find(void *user, const ky_record *r) {
  const search *s = user;
  ky_saved **place = s->sorted->count ? bsearch(r->name, s->sorted->at, s->sorted->count,
                                                sizeof *place, against_name)
                                      : NULL;
  if (!place) return KY_OK;
  ky_saved *i = *place;
  const ky_shape_text wanted = ky__shape_text(i->e.dtype, i->e.rank, i->e.dims);
  if (i->found)
    return ky__checkpoint_fail(s->c, KY_BAD_FILE, "%s: has %s twice", s->path, r->name);
  if (r->foreign)
    return ky__checkpoint_fail(s->c, KY_BAD_DTYPE,
                               "%s: %s is of a type or rank that kytape lacks, not %s", s->path,
                               r->name, wanted.at);
  const bool same_shape = r->rank == i->e.rank &&
                          memcmp(r->dims, i->e.dims, (size_t)r->rank * sizeof *r->dims) == 0;
  if (!same_shape || !fits(i, r->dtype))
    return ky__checkpoint_fail(s->c, same_shape ? KY_BAD_DTYPE : KY_BAD_SHAPE,
                               "%s: %s is %s, not %s", s->path, r->name,
                               ky__shape_text(r->dtype, r->rank, r->dims).at, wanted.at);
  i->found = true;
  i->stored = r->dtype;
  i->begin = r->begin;
  return KY_OK;
}

/* Finds the items, and where arrays begin. */
static ky_status look(ky_checkpoint *c, const char *path, const block *b, const ky_list *sorted,
                      const char **arrays) {
  uint64_t length = 0;
  for (size_t k = 0; k < KY_SAFETENSORS_LENGTH && k < b->bytes; k++)
    length |= (uint64_t)(unsigned char)b->at[k] << 8 * k;
  if (b->bytes < KY_SAFETENSORS_LENGTH || length > b->bytes - KY_SAFETENSORS_LENGTH)
    return ky__checkpoint_fail(c, KY_BAD_FILE, "%s: is no safetensors file, or is cut short",
                               path);
  const char *header = b->at + KY_SAFETENSORS_LENGTH, *wrong;
  *arrays = header + length;
  search s = {c, path, sorted};
  c->message[0] = 0;
  const ky_status status = ky__safetensors_read(
      &c->allocator, header, (size_t)length, b->bytes - KY_SAFETENSORS_LENGTH - (size_t)length,
      KY_CHECKPOINT_NAME, find, &s, &wrong);
  if (status == KY_NO_MEMORY) return ky__checkpoint_no_memory(c);
  if (status == KY_OK || c->message[0]) return status;
  return ky__checkpoint_fail(c, status, "%s: is no safetensors file: %s", path, wrong);
}

/* How many items from the k-th on are of one optimizer and tensor, or 1; and how many of these
 * were found. */
static size_t group_at(const ky_list *items, size_t k, size_t *found) {
  const ky_saved *i = items->at;
  size_t n = 1;
  while (i[k].of && k + n < items->count && i[k + n].of == i[k].of &&
         i[k + n].optimizer == i[k].optimizer)
    n++;
  *found = 0;
  for (size_t j = k; j < k + n; j++) *found += i[j].found;
  return n;
}

/* An optimizer may have remembered nothing of a tensor; everything else must be there. */
static ky_status check(ky_checkpoint *c, const char *path, const ky_list *items) {
  const ky_saved *i = items->at;
  size_t found;
  for (size_t k = 0, n; k < items->count; k += n) {
    n = group_at(items, k, &found);
    for (size_t j = k; j < k + n; j++)
      if (!i[j].found && (!i[j].of || found))
        return ky__checkpoint_fail(c, KY_BAD_FILE, "%s: lacks %s", path, i[j].e.name);
  }
  return KY_OK;
}

/* ---- taking it over ---------------------------------------------------------------------- */

/* Makes the optimizers remember what was found. A memory of zeros is as good as none. */
static ky_status make_room(ky_checkpoint *c, const ky_list *items) {
  const ky_saved *i = items->at;
  for (size_t k = 0; k < items->count; k++)
    if (i[k].of && i[k].found && !ky__optimizer_slot(i[k].optimizer, i[k].of->tensor, true))
      return ky__checkpoint_no_memory(c);
  return KY_OK;
}

static void take(const ky_saved *i, const char *from) {
  char *to = ky__saved_write(i);
  const size_t size = ky_dtype_size(i->e.dtype), stored = ky_dtype_size(i->stored);
  const size_t count = ky__saved_bytes(i) / size;
  double room[CHUNK]; /* aligned, unlike the file */
  for (size_t k = 0; k < count; k += CHUNK) {
    const size_t n = count - k < CHUNK ? count - k : CHUNK;
    memcpy(room, from + k * stored, n * stored);
    ky__turn_bytes(stored, n, room);
    if (i->stored == i->e.dtype)
      memcpy(to + k * size, room, n * size);
    else
      ky_convert(i->e.dtype, to + k * size, i->stored, room, (int64_t)n);
  }
}

static ky_status read_items(ky_checkpoint *c, const char *path, const block *b,
                            const ky_list *items, const ky_list *sorted) {
  const ky_saved *i = items->at;
  const char *arrays = NULL;
  ky_status status = look(c, path, b, sorted, &arrays);
  if (status == KY_OK) status = check(c, path, items);
  if (status == KY_OK) status = make_room(c, items);
  if (status != KY_OK) return status;
  for (size_t k = 0; k < items->count; k++) {
    if (i[k].found)
      take(&i[k], arrays + i[k].begin);
    else
      ky_optimizer_forget(i[k].optimizer, i[k].of->tensor);
  }
  return KY_OK;
}

ky_status ky_checkpoint_read(ky_checkpoint *c, const char *path) {
  if (!c || !path) return ky__checkpoint_null(c, "checkpoint_read");
  ky_list items, sorted;
  block b = {0};
  ky_status status = ky__list_saved(c, false, &items, &sorted);
  if (status == KY_OK) status = read_all(c, path, &b);
  if (status == KY_OK) status = read_items(c, path, &b, &items, &sorted);
  ky__block_free(c->allocator, b.at, b.room);
  ky__list_empty(&c->allocator, &sorted);
  ky__list_empty(&c->allocator, &items);
  return status;
}
