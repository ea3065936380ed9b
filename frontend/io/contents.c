/* SPDX-License-Identifier: MIT */
/* The arrays of a checkpoint, and what its files have in common. */
#define _POSIX_C_SOURCE 200809L /* strerror_r */
#include "contents.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../block.h"
#include "../optim/optimizer.h"

/* ---- messages ---------------------------------------------------------------------------- */

ky_status ky__checkpoint_fail(ky_checkpoint *c, ky_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message, sizeof c->message, format, arguments);
  va_end(arguments);
  return status;
}

ky_status ky__checkpoint_no_memory(ky_checkpoint *c) {
  return ky__checkpoint_fail(c, KY_NO_MEMORY, "%s", ky_status_text(KY_NO_MEMORY));
}

ky_status ky__checkpoint_no_file(ky_checkpoint *c, const char *path, const char *what,
                                 int number) {
  char why[128];
  if (strerror_r(number, why, sizeof why) != 0) snprintf(why, sizeof why, "error %d", number);
  return ky__checkpoint_fail(c, KY_NO_FILE, "%s: cannot be %s: %s", path, what, why);
}

ky_shape_text ky__shape_text(ky_dtype dtype, int rank, const int64_t *dims) {
  ky_shape_text text;
  size_t n = (size_t)snprintf(text.at, sizeof text.at, "%s [", ky_dtype_name(dtype));
  for (int k = 0; k < rank; k++)
    n += (size_t)snprintf(text.at + n, sizeof text.at - n, k ? ",%lld" : "%lld",
                          (long long)dims[k]);
  snprintf(text.at + n, sizeof text.at - n, "]");
  return text;
}

ky_status ky__checkpoint_null(ky_checkpoint *c, const char *call) {
  return c ? ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "%s: an argument is null", call)
           : KY_BAD_ARGUMENT;
}

ky_status ky__checkpoint_join(ky_checkpoint *c, char to[KY_CHECKPOINT_NAME], const char *prefix,
                              const char *name) {
  const bool bare = !prefix || !*prefix;
  const int n =
      snprintf(to, KY_CHECKPOINT_NAME, "%s%s%s", bare ? "" : prefix, bare ? "" : ".", name);
  if (n < 0 || n >= KY_CHECKPOINT_NAME)
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a name is longer than %d bytes: %s",
                               KY_CHECKPOINT_NAME - 1, to);
  return KY_OK;
}

/* ---- lists ------------------------------------------------------------------------------- */

void *ky__list_append(const ky_allocator *a, ky_list *l) {
  if (l->count == l->room) {
    const size_t room = l->room ? 2 * l->room : 16;
    void *at = a->resize(a->user, l->at, l->room * l->size, room * l->size);
    if (!at) return NULL;
    l->at = at;
    l->room = room;
  }
  return memset((char *)l->at + l->count++ * l->size, 0, l->size);
}

void ky__list_empty(const ky_allocator *a, ky_list *l) {
  ky__block_free(*a, l->at, l->room * l->size);
  l->at = NULL;
  l->count = l->room = 0;
}

/* ---- arrays ------------------------------------------------------------------------------ */

/* What `o` remembers of a tensor, or would: its number of steps and its arrays. */
static ky_status list_memories(ky_checkpoint *c, ky_list *items, const ky_remembering *r,
                               const ky_entry *of) {
  ky_optimizer *o = r->optimizer;
  char name[KY_CHECKPOINT_NAME];
  for (size_t k = 0; k <= o->buffers; k++) {
    const bool steps = k == o->buffers;
    ky_status status = ky__checkpoint_join(c, name, r->name, of->name);
    ky_saved *i = status == KY_OK ? ky__list_append(&c->allocator, items) : NULL;
    if (!i) return status == KY_OK ? ky__checkpoint_no_memory(c) : status;
    status = ky__checkpoint_join(c, i->e.name, name, steps ? "steps" : o->kind->names[k]);
    if (status != KY_OK) return status;
    i->of = of;
    i->optimizer = o;
    i->part = steps ? PART_STEPS : k;
    i->e.dtype = steps ? KY_I64 : of->dtype == KY_F64 ? KY_F64 : KY_F32;
    i->e.rank = steps ? 0 : of->rank;
    memcpy(i->e.dims, of->dims, sizeof i->e.dims);
  }
  return KY_OK;
}

static ky_status list_items(ky_checkpoint *c, bool written, ky_list *items) {
  const ky_entry *entries = c->entries.at;
  const ky_remembering *r = c->optimizers.at;
  for (size_t k = 0; k < c->entries.count; k++) {
    ky_saved *i = ky__list_append(&c->allocator, items);
    if (!i) return ky__checkpoint_no_memory(c);
    i->e = entries[k];
  }
  for (size_t j = 0; j < c->optimizers.count; j++)
    for (size_t k = 0; r[j].optimizer->buffers && k < c->entries.count; k++) {
      const bool wanted =
          entries[k].trained &&
          (!written || ky__optimizer_slot(r[j].optimizer, entries[k].tensor, false));
      const ky_status status = wanted ? list_memories(c, items, &r[j], &entries[k]) : KY_OK;
      if (status != KY_OK) return status;
    }
  return KY_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(ky_saved *const *)a)->e.name, (*(ky_saved *const *)b)->e.name);
}

static ky_status sort(ky_checkpoint *c, ky_list *items, ky_list *sorted) {
  for (size_t k = 0; k < items->count; k++) {
    ky_saved **place = ky__list_append(&c->allocator, sorted);
    if (!place) return ky__checkpoint_no_memory(c);
    *place = (ky_saved *)items->at + k;
  }
  if (!sorted->count) return KY_OK;
  qsort(sorted->at, sorted->count, sizeof(ky_saved *), by_name);
  ky_saved *const *s = sorted->at;
  for (size_t k = 1; k < sorted->count; k++)
    if (by_name(&s[k - 1], &s[k]) == 0)
      return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "two arrays are named %s", s[k]->e.name);
  return KY_OK;
}

ky_status ky__list_saved(ky_checkpoint *c, bool written, ky_list *items, ky_list *sorted) {
  *items = (ky_list){.size = sizeof(ky_saved)};
  *sorted = (ky_list){.size = sizeof(ky_saved *)};
  const ky_status status = list_items(c, written, items);
  return status == KY_OK ? sort(c, items, sorted) : status;
}

/* ---- elements ---------------------------------------------------------------------------- */

size_t ky__saved_bytes(const ky_saved *i) {
  size_t bytes = 0;
  ky__array_bytes(i->e.dtype, i->e.rank, i->e.dims, &bytes);
  return bytes;
}

/* What an optimizer remembers, or the caller's array. */
static void *remembered(const ky_saved *i) {
  if (!i->of) return i->e.data;
  ky_slot *slot = ky__optimizer_slot(i->optimizer, i->of->tensor, false);
  return i->part == PART_STEPS ? (void *)&slot->steps : ky__slot_array(slot, i->part);
}

const void *ky__saved_data(const ky_saved *i) {
  return i->e.tensor ? ky_tensor_data(i->e.tensor) : remembered(i);
}

void *ky__saved_write(const ky_saved *i) {
  return i->e.tensor ? ky_tensor_write(i->e.tensor) : remembered(i);
}

void ky__turn_bytes(size_t size, size_t count, void *elements) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  for (char *e = elements; e < (char *)elements + count * size; e += size)
    for (size_t k = 0; k < size / 2; k++) {
      const char byte = e[k];
      e[k] = e[size - 1 - k];
      e[size - 1 - k] = byte;
    }
#else
  (void)size, (void)count, (void)elements;
#endif
}
