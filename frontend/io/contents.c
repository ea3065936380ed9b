/* SPDX-License-Identifier: MIT */
/* The arrays of a checkpoint, and what its files have in common. */
#define _POSIX_C_SOURCE 200809L /* strerror_r */
#include "contents.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../optim/optimizer.h"

/* ---- messages ---------------------------------------------------------------------------- */

#define PATH_BYTES 512 /* of a path in a message */

ky_status ky__checkpoint_fail(ky_checkpoint *c, ky_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message, sizeof c->message, format, arguments);
  va_end(arguments);
  return status;
}

ky_status ky__checkpoint_blame(ky_checkpoint *c, ky_status status, const char *path,
                               const char *format, ...) {
  const size_t length = strlen(path);
  const bool cut = length > PATH_BYTES;
  const int n = snprintf(c->message, sizeof c->message, "%s%s: ", cut ? "..." : "",
                         cut ? path + length - PATH_BYTES : path);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message + n, sizeof c->message - (size_t)n, format, arguments);
  va_end(arguments);
  return status;
}

ky_status ky__checkpoint_no_memory(ky_checkpoint *c) {
  return ky__checkpoint_fail(c, KY_NO_MEMORY, "%s", ky_status_text(KY_NO_MEMORY));
}

ky_status ky__checkpoint_enter(ky_checkpoint *c, bool good, const char *call) {
  if (!c) return KY_BAD_ARGUMENT;
  c->message[0] = 0;
  if (good) return KY_OK;
  return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "%s: an argument is null", call);
}

ky_status ky__checkpoint_no_file(ky_checkpoint *c, const char *path, const char *what,
                                 int number) {
  char why[128];
  if (strerror_r(number, why, sizeof why) != 0) snprintf(why, sizeof why, "error %d", number);
  return ky__checkpoint_blame(c, KY_NO_FILE, path, "cannot be %s: %s", what, why);
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

/* ---- arrays ------------------------------------------------------------------------------ */

static ky_saved *append_saved(ky_checkpoint *c, ky_list *saved, const ky_entry *e,
                              ky_optimizer *o) {
  ky_saved *s = ky__list_append(&c->allocator, saved);
  if (!s) return NULL;
  s->dtype = e->dtype;
  s->rank = e->rank;
  memcpy(s->dims, e->dims, sizeof s->dims);
  s->tensor = e->tensor;
  s->data = e->data;
  s->optimizer = o;
  s->first = saved->count - 1;
  s->group = 1;
  return s;
}

/* What an optimizer may remember of a tensor: its arrays, and the number of its steps. */
static ky_status list_group(ky_checkpoint *c, ky_list *saved, const ky_keeper *k,
                            const ky_entry *e) {
  const size_t arrays = k->optimizer->buffers, first = saved->count;
  for (size_t i = 0; i <= arrays; i++) {
    const bool steps = i == arrays;
    ky_saved *s = append_saved(c, saved, e, k->optimizer);
    if (!s) return ky__checkpoint_no_memory(c);
    snprintf(s->name, sizeof s->name, "%s.%s.%s", k->prefix, e->name,
             steps ? "steps" : k->optimizer->kind->names[i]);
    s->dtype = steps ? KY_I64 : e->dtype == KY_F64 ? KY_F64 : KY_F32;
    s->rank = steps ? 0 : e->rank;
    s->part = steps ? KY_STEPS : i;
    s->first = first;
    s->group = arrays + 1;
  }
  return KY_OK;
}

/* Of how many tensors an optimizer remembers something: always there, so that a file without
 * this optimizer is told from one before its first step. */
static ky_status list_count(ky_checkpoint *c, ky_list *saved, ky_keeper *k) {
  const ky_entry *entries = c->entries.at;
  k->tensors = 0;
  for (size_t i = 0; i < c->entries.count; i++)
    k->tensors +=
        entries[i].trained && ky__optimizer_slot(k->optimizer, entries[i].tensor, false);
  const ky_entry count = {.dtype = KY_I64, .data = &k->tensors};
  ky_saved *s = append_saved(c, saved, &count, NULL);
  if (!s) return ky__checkpoint_no_memory(c);
  snprintf(s->name, sizeof s->name, "%s.tensors", k->prefix);
  return KY_OK;
}

static ky_status list_all(ky_checkpoint *c, ky_list *saved) {
  const ky_entry *entries = c->entries.at;
  ky_keeper *keepers = c->keepers.at;
  for (size_t k = 0; k < c->entries.count; k++) {
    ky_saved *s = append_saved(c, saved, &entries[k], NULL);
    if (!s) return ky__checkpoint_no_memory(c);
    memcpy(s->name, entries[k].name, sizeof entries[k].name);
  }
  for (size_t j = 0; j < c->keepers.count; j++) {
    ky_status status = list_count(c, saved, &keepers[j]);
    for (size_t k = 0; keepers[j].optimizer->buffers && k < c->entries.count; k++)
      if (status == KY_OK && entries[k].trained)
        status = list_group(c, saved, &keepers[j], &entries[k]);
    if (status != KY_OK) return status;
  }
  return KY_OK;
}

static int compare_names(const void *a, const void *b) {
  return strcmp((*(ky_saved *const *)a)->name, (*(ky_saved *const *)b)->name);
}

static ky_status sort(ky_checkpoint *c, const ky_list *saved, ky_list *by_name) {
  for (size_t k = 0; k < saved->count; k++) {
    ky_saved **place = ky__list_append(&c->allocator, by_name);
    if (!place) return ky__checkpoint_no_memory(c);
    *place = (ky_saved *)saved->at + k;
  }
  if (!by_name->count) return KY_OK;
  qsort(by_name->at, by_name->count, sizeof(ky_saved *), compare_names);
  ky_saved *const *s = by_name->at;
  for (size_t k = 1; k < by_name->count; k++)
    if (compare_names(&s[k - 1], &s[k]) == 0)
      return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "two arrays are named %s", s[k]->name);
  return KY_OK;
}

ky_status ky__list_saved(ky_checkpoint *c, ky_list *saved, ky_list *by_name) {
  *saved = (ky_list){.size = sizeof(ky_saved)};
  *by_name = (ky_list){.size = sizeof(ky_saved *)};
  const ky_status status = list_all(c, saved);
  return status == KY_OK ? sort(c, saved, by_name) : status;
}

/* ---- elements ---------------------------------------------------------------------------- */

size_t ky__saved_bytes(const ky_saved *s) {
  size_t bytes = 0;
  ky__array_bytes(s->dtype, s->rank, s->dims, &bytes);
  return bytes;
}

/* What is not in a tensor. */
static void *elsewhere(const ky_saved *s) {
  if (!s->optimizer) return s->data;
  ky_slot *slot = ky__optimizer_slot(s->optimizer, s->tensor, false);
  if (!slot) return NULL;
  return s->part == KY_STEPS ? (void *)&slot->steps : ky__slot_array(slot, s->part);
}

static bool is_tensor(const ky_saved *s) { return s->tensor && !s->optimizer; }

const void *ky__saved_data(const ky_saved *s) {
  return is_tensor(s) ? ky_tensor_data(s->tensor) : elsewhere(s);
}

void *ky__saved_write(const ky_saved *s) {
  return is_tensor(s) ? ky_tensor_write(s->tensor) : elsewhere(s);
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
