/* SPDX-License-Identifier: MIT */
/* Checkpoints as lists: what is added to them. Knows no file. */
#include <stdio.h>
#include <string.h>

#include "../block.h"
#include "contents.h"

ky_status ky_checkpoint_new(const ky_allocator *allocator, ky_checkpoint **out) {
  if (!out) return KY_BAD_ARGUMENT;
  ky_allocator used;
  *out = ky__block_new(allocator, sizeof **out, &used);
  if (!*out) return KY_NO_MEMORY;
  (*out)->allocator = used;
  (*out)->entries.size = sizeof(ky_entry);
  (*out)->optimizers.size = sizeof(ky_remembering);
  return KY_OK;
}

const char *ky_checkpoint_message(const ky_checkpoint *c) { return c ? c->message : ""; }

void ky_checkpoint_free(ky_checkpoint *c) {
  if (!c) return;
  ky__list_empty(&c->allocator, &c->entries);
  ky__list_empty(&c->allocator, &c->optimizers);
  ky__block_free(c->allocator, c, sizeof *c);
}

/* ---- adding ------------------------------------------------------------------------------ */

static ky_status add(ky_checkpoint *c, const char *prefix, const char *name,
                     const ky_entry *what) {
  ky_entry made = *what;
  if (!*name) return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a name is empty");
  const ky_status status = ky__checkpoint_join(c, made.name, prefix, name);
  if (status != KY_OK) return status;
  const ky_entry *entries = c->entries.at;
  for (size_t k = 0; k < c->entries.count; k++)
    if (strcmp(entries[k].name, made.name) == 0)
      return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "%s is there already", made.name);
  ky_entry *place = ky__list_append(&c->allocator, &c->entries);
  if (!place) return ky__checkpoint_no_memory(c);
  *place = made;
  return KY_OK;
}

static ky_status add_tensor(ky_checkpoint *c, const char *prefix, const char *name,
                            ky_tensor *w, bool trained) {
  const ky_array array = ky_tensor_array(w);
  ky_entry e = {.tensor = w, .trained = trained, .dtype = array.dtype, .rank = array.rank};
  memcpy(e.dims, array.dims, sizeof e.dims);
  return add(c, prefix, name, &e);
}

ky_status ky_checkpoint_add(ky_checkpoint *c, const char *name, ky_tensor *w) {
  if (!c || !name || !w) return ky__checkpoint_null(c, "checkpoint_add");
  return add_tensor(c, NULL, name, w, true);
}

ky_status ky_checkpoint_add_array(ky_checkpoint *c, const char *name, ky_dtype dtype, int rank,
                                  const int64_t *dims, void *data) {
  if (!c || !name || !data || (rank > 0 && !dims))
    return ky__checkpoint_null(c, "checkpoint_add_array");
  ky_entry e = {.dtype = dtype, .rank = rank, .data = data};
  size_t bytes;
  if (ky_dtype_size(dtype) == 0)
    return ky__checkpoint_fail(c, KY_BAD_DTYPE, "%s: an unknown type", name);
  if (rank < 0 || rank > KY_MAX_RANK)
    return ky__checkpoint_fail(c, KY_BAD_SHAPE, "%s: rank %d is not in 0..%d", name, rank,
                               KY_MAX_RANK);
  if (rank > 0) memcpy(e.dims, dims, (size_t)rank * sizeof *dims);
  if (!ky__array_bytes(dtype, rank, e.dims, &bytes))
    return ky__checkpoint_fail(c, KY_BAD_SHAPE, "%s: %s has a negative extent or overflows",
                               name, ky__shape_text(dtype, rank, e.dims).at);
  return add(c, NULL, name, &e);
}

typedef struct adding {
  ky_checkpoint *c;
  const char *prefix;
  bool trained;
} adding;

static ky_status visit_tensor(void *user, const char *name, ky_tensor *w) {
  const adding *a = user;
  return add_tensor(a->c, a->prefix, name, w, a->trained);
}

ky_status ky_checkpoint_add_module(ky_checkpoint *c, const char *prefix, ky_module *m) {
  if (!c || !m) return ky__checkpoint_null(c, "checkpoint_add_module");
  const size_t before = c->entries.count;
  c->message[0] = 0;
  ky_status status = ky_module_weights(m, visit_tensor, &(adding){c, prefix, true});
  if (status == KY_OK) status = ky_module_buffers(m, visit_tensor, &(adding){c, prefix, false});
  if (status == KY_OK) return KY_OK;
  c->entries.count = before;
  return c->message[0]
             ? status
             : ky__checkpoint_fail(c, status, "checkpoint_add_module: a path is too long");
}

ky_status ky_checkpoint_add_optimizer(ky_checkpoint *c, const char *prefix, ky_optimizer *o) {
  if (!c || !prefix || !o) return ky__checkpoint_null(c, "checkpoint_add_optimizer");
  if (!*prefix)
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "an optimizer's prefix is empty");
  if (strlen(prefix) >= KY_CHECKPOINT_NAME)
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a prefix is longer than %d bytes",
                               KY_CHECKPOINT_NAME - 1);
  const ky_remembering *there = c->optimizers.at;
  for (size_t k = 0; k < c->optimizers.count; k++)
    if (strcmp(there[k].name, prefix) == 0)
      return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "%s is there already", prefix);
  ky_remembering *r = ky__list_append(&c->allocator, &c->optimizers);
  if (!r) return ky__checkpoint_no_memory(c);
  memcpy(r->name, prefix, strlen(prefix) + 1);
  r->optimizer = o;
  return KY_OK;
}
