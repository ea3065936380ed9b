/* SPDX-License-Identifier: MIT */
/* A checkpoint's way back from a file. Its header is looked at, and the arrays are read, before
 * anything changes. */
#define _XOPEN_SOURCE 700 /* fdopen, fstat, fseeko */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../block.h"
#include "../optim/optimizer.h"
#include "contents.h"

#define CHUNK 512 /* elements */

/* A file that is read, and what of it is in memory: the header, then the arrays. */
typedef struct input {
  ky_checkpoint *c;
  const char *path;
  FILE *file;
  size_t header_bytes, array_bytes; /* of the file; before the header is its length */
  char *block;
  size_t block_bytes;
} input;

/* ---- the file ---------------------------------------------------------------------------- */

static ky_status no_file(const input *in) {
  return ky__checkpoint_no_file(in->c, in->path, "read", errno);
}

static ky_status no_safetensors(const input *in, const char *why) {
  return ky__checkpoint_blame(in->c, KY_BAD_FILE, in->path, "is no safetensors file: %s", why);
}

static ky_status get_block(input *in, size_t bytes) {
  const ky_allocator *a = &in->c->allocator;
  ky__block_free(*a, in->block, in->block_bytes);
  in->block = bytes ? a->resize(a->user, NULL, 0, bytes) : NULL;
  in->block_bytes = in->block ? bytes : 0;
  return in->block || !bytes ? KY_OK : ky__checkpoint_no_memory(in->c);
}

static ky_status read_bytes(const input *in, size_t at, size_t count, void *to) {
  errno = EIO; /* where the file has become shorter than it was */
  const bool good =
      fseeko(in->file, (off_t)at, SEEK_SET) == 0 && fread(to, 1, count, in->file) == count;
  return good ? KY_OK : no_file(in);
}

/* What is no regular file, a pipe say, is not waited for. */
static FILE *open_at_once(const char *path) {
  const int number = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  FILE *file = number < 0 ? NULL : fdopen(number, "rb");
  if (number >= 0 && !file) close(number);
  return file;
}

/* Opens the file, and reads its header. */
static ky_status open_file(input *in) {
  in->file = open_at_once(in->path);
  struct stat info;
  if (!in->file || fstat(fileno(in->file), &info) != 0) return no_file(in);
  if (!S_ISREG(info.st_mode))
    return ky__checkpoint_blame(in->c, KY_NO_FILE, in->path,
                                "cannot be read: it is no regular file");
  unsigned char bytes[KY_SAFETENSORS_LENGTH];
  const uint64_t size = (uint64_t)info.st_size;
  if (size < sizeof bytes || size > SIZE_MAX / 2) return no_safetensors(in, "of this size");
  ky_status status = read_bytes(in, 0, sizeof bytes, bytes);
  if (status != KY_OK) return status;
  if (memcmp(bytes, "PK", 2) == 0)
    return no_safetensors(in, "it is a zip, as torch.save makes");
  uint64_t length = 0;
  for (size_t k = 0; k < sizeof bytes; k++) length |= (uint64_t)bytes[k] << 8 * k;
  if (length > KY_SAFETENSORS_MOST) return no_safetensors(in, "its header is too long");
  if (length > size - sizeof bytes) return no_safetensors(in, "its header is cut short");
  in->header_bytes = (size_t)length;
  in->array_bytes = (size_t)(size - sizeof bytes - length);
  status = get_block(in, in->header_bytes);
  return status == KY_OK ? read_bytes(in, sizeof bytes, in->header_bytes, in->block) : status;
}

/* ---- what is in it ----------------------------------------------------------------------- */

typedef struct search {
  const input *in;
  const ky_list *by_name;
} search;

static int against_name(const void *name, const void *saved) {
  return strcmp(name, (*(ky_saved *const *)saved)->name);
}

static bool is_float(ky_dtype dtype) {
  return dtype == KY_F32 || dtype == KY_F64 || dtype == KY_BF16 || dtype == KY_F16;
}

/* Floating types are converted, but for the caller's arrays. */
static bool fits(const ky_saved *s, ky_dtype stored) {
  return stored == s->dtype || (s->tensor && is_float(s->dtype) && is_float(stored));
}

static ky_saved *listed(const search *f, const char *name) {
  ky_saved **place = f->by_name->count ? bsearch(name, f->by_name->at, f->by_name->count,
                                                 sizeof *place, against_name)
                                       : NULL;
  return place ? *place : NULL;
}

static ky_status find(void *user, const ky_record *r) {
  const search *f = user;
  ky_saved *s = listed(f, r->name);
  if (!s) return KY_OK;
  ky_checkpoint *c = f->in->c;
  const char *path = f->in->path;
  if (s->found) return ky__checkpoint_blame(c, KY_BAD_FILE, path, "has %s twice", s->name);
  const bool same_shape =
      r->rank == s->rank && memcmp(r->dims, s->dims, (size_t)r->rank * sizeof *r->dims) == 0;
  if (!r->known || !same_shape || !fits(s, r->dtype))
    return ky__checkpoint_blame(c, same_shape ? KY_BAD_DTYPE : KY_BAD_SHAPE, path,
                                "%s is %s, not %s", s->name,
                                r->known ? ky__shape_text(r->dtype, r->rank, r->dims).at
                                         : "of a type or rank that kytape lacks",
                                ky__shape_text(s->dtype, s->rank, s->dims).at);
  s->found = true;
  s->stored = r->dtype;
  s->begin = r->begin;
  return KY_OK;
}

/* What the file has instead of a name: of the arrays that are not in the list, the one whose
 * name ends most like it. */
typedef struct instead {
  search in;
  const char *name;
  size_t count, alike;
  char nearest[KY_SAVED_NAME];
} instead;

static size_t common_end(const char *a, const char *b) {
  size_t n = 0, i = strlen(a), j = strlen(b);
  while (i > 0 && j > 0 && a[--i] == b[--j]) n++;
  return n;
}

static ky_status weigh(void *user, const ky_record *r) {
  instead *n = user;
  if (listed(&n->in, r->name)) return KY_OK;
  const size_t alike = common_end(r->name, n->name);
  if (n->count++ > 0 && alike <= n->alike) return KY_OK;
  n->alike = alike;
  snprintf(n->nearest, sizeof n->nearest, "%s", r->name);
  for (char *c = n->nearest; *c; c++) /* the file chose it */
    if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
  return KY_OK;
}

static ky_status blame_lack(const search *f, const char *name) {
  const input *in = f->in;
  instead n = {.in = *f, .name = name};
  const char *wrong;
  const ky_status status =
      ky__safetensors_read(&in->c->allocator, in->block, in->header_bytes, in->array_bytes,
                           KY_SAVED_NAME, weigh, &n, &wrong);
  if (status == KY_NO_MEMORY) return ky__checkpoint_no_memory(in->c);
  char rest[64] = "";
  if (n.count > 1)
    snprintf(rest, sizeof rest, ", and %zu more that are not in the list", n.count - 1);
  return ky__checkpoint_blame(in->c, KY_BAD_FILE, in->path, "lacks %s%s%s%s", name,
                              n.count ? "; it has " : "", n.count ? n.nearest : "", rest);
}

/* An optimizer may have remembered nothing of a tensor; everything else must be there. */
static ky_status check_complete(const search *f, const ky_list *saved) {
  const ky_saved *s = saved->at;
  for (size_t k = 0; k < saved->count; k++) {
    bool wanted = !s[k].optimizer;
    for (size_t j = s[k].first; j < s[k].first + s[k].group; j++) wanted |= s[j].found;
    if (wanted && !s[k].found) return blame_lack(f, s[k].name);
  }
  return KY_OK;
}

static ky_status look(input *in, const ky_list *saved, const ky_list *by_name) {
  search f = {in, by_name};
  const char *wrong;
  const ky_status status =
      ky__safetensors_read(&in->c->allocator, in->block, in->header_bytes, in->array_bytes,
                           KY_SAVED_NAME, find, &f, &wrong);
  if (status == KY_NO_MEMORY) return ky__checkpoint_no_memory(in->c);
  if (status == KY_OK) return check_complete(&f, saved);
  return in->c->message[0] ? status : no_safetensors(in, wrong);
}

/* ---- the arrays -------------------------------------------------------------------------- */

static size_t stored_bytes(const ky_saved *s) {
  return ky__saved_bytes(s) / ky_dtype_size(s->dtype) * ky_dtype_size(s->stored);
}

/* Reads the arrays that were found into the block, one behind the other. */
static ky_status read_arrays(input *in, const ky_list *saved) {
  const ky_saved *s = saved->at;
  const size_t first = KY_SAFETENSORS_LENGTH + in->header_bytes;
  size_t bytes = 0;
  for (size_t k = 0; k < saved->count; k++) bytes += s[k].found ? stored_bytes(&s[k]) : 0;
  ky_status status = get_block(in, bytes);
  char *to = in->block;
  for (size_t k = 0; status == KY_OK && k < saved->count; k++) {
    if (!s[k].found) continue;
    const size_t count = stored_bytes(&s[k]);
    if (count) status = read_bytes(in, first + s[k].begin, count, to);
    if (status != KY_OK) return status;
    ky__turn_bytes(ky_dtype_size(s[k].stored), count / ky_dtype_size(s[k].stored), to);
    to += count;
  }
  return status;
}

/* What is in the file of an optimizer is in the list, too. The count has been read. */
static ky_status check_count(const input *in, const ky_list *saved, const ky_keeper *k,
                             int64_t count) {
  const ky_saved *s = saved->at;
  int64_t found = 0;
  for (size_t i = 0; i < saved->count; i++)
    found += s[i].optimizer == k->optimizer && s[i].part == KY_STEPS && s[i].found;
  if (found == count) return KY_OK;
  return ky__checkpoint_blame(in->c, KY_BAD_FILE, in->path,
                              "%s remembers %lld tensors there, of which the list has %lld",
                              k->prefix, (long long)count, (long long)found);
}

/* Whether numbers in the arrays that were read are what they may be. */
static ky_status check_numbers(const input *in, const ky_list *saved) {
  const ky_saved *s = saved->at;
  const ky_keeper *keepers = in->c->keepers.at;
  const char *from = in->block;
  for (size_t k = 0; k < saved->count; from += s[k].found ? stored_bytes(&s[k]) : 0, k++) {
    int64_t number = 0;
    if (!s[k].found || s[k].dtype != KY_I64 || s[k].rank > 0) continue;
    memcpy(&number, from, sizeof number);
    if (s[k].optimizer && number < 0)
      return ky__checkpoint_blame(in->c, KY_BAD_FILE, in->path, "%s is negative", s[k].name);
    for (size_t j = 0; j < in->c->keepers.count; j++)
      if (s[k].data == &keepers[j].tensors) {
        const ky_status status = check_count(in, saved, &keepers[j], number);
        if (status != KY_OK) return status;
      }
  }
  return KY_OK;
}

/* Makes the optimizers remember what was found. Where memory runs out, they remember what they
 * did. */
static ky_status make_room(const input *in, const ky_list *saved) {
  ky_saved *s = saved->at;
  size_t k = 0;
  bool good = true;
  for (; good && k < saved->count; k++) {
    if (!s[k].optimizer || !s[k].found || ky__saved_data(&s[k])) continue;
    s[k].made = good = ky__optimizer_slot(s[k].optimizer, s[k].tensor, true);
  }
  if (good) return KY_OK;
  while (k-- > 0)
    if (s[k].made) ky__optimizer_forget_steps(s[k].optimizer, s[k].tensor);
  return ky__checkpoint_no_memory(in->c);
}

/* Takes over one array; returns where the next one begins. */
static const char *take(const ky_saved *s, const char *from) {
  char *to = ky__saved_write(s);
  const size_t size = ky_dtype_size(s->dtype), stored = ky_dtype_size(s->stored);
  const size_t count = ky__saved_bytes(s) / size;
  double room[CHUNK]; /* aligned, unlike the block */
  for (size_t k = 0; k < count; k += CHUNK) {
    const size_t n = count - k < CHUNK ? count - k : CHUNK;
    memcpy(room, from, n * stored);
    if (s->stored != s->dtype)
      ky_convert(s->dtype, to + k * size, s->stored, room, (int64_t)n);
    else
      memcpy(to + k * size, room, n * size);
    for (size_t j = k; s->dtype == KY_MASK && j < k + n; j++) to[j] = to[j] != 0;
    from += n * stored;
  }
  return from;
}

static void take_all(const input *in, const ky_list *saved) {
  const ky_saved *s = saved->at;
  const char *from = in->block;
  for (size_t k = 0; k < saved->count; k++)
    if (!s[k].found) ky__optimizer_forget_steps(s[k].optimizer, s[k].tensor);
  for (size_t k = 0; k < saved->count; k++)
    if (s[k].found) from = take(&s[k], from);
}

static ky_status read_file(input *in, const ky_list *saved, const ky_list *by_name) {
  ky_status status = open_file(in);
  if (status == KY_OK) status = look(in, saved, by_name);
  if (status == KY_OK) status = read_arrays(in, saved);
  if (status == KY_OK) status = check_numbers(in, saved);
  if (status == KY_OK) status = make_room(in, saved);
  if (status == KY_OK) take_all(in, saved);
  return status;
}

ky_status ky_checkpoint_read(ky_checkpoint *c, const char *path) {
  ky_status status = ky__checkpoint_enter(c, path, "checkpoint_read");
  if (status != KY_OK) return status;
  ky_list saved, by_name;
  input in = {.c = c, .path = path};
  status = ky__list_saved(c, &saved, &by_name);
  if (status == KY_OK) status = read_file(&in, &saved, &by_name);
  if (in.file) fclose(in.file);
  ky__block_free(c->allocator, in.block, in.block_bytes);
  ky__list_empty(&c->allocator, &by_name);
  ky__list_empty(&c->allocator, &saved);
  return status;
}
