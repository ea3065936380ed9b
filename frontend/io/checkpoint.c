/* SPDX-License-Identifier: MIT */
/* Checkpoints as lists: what is added to them. Knows no file. */
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
  (*out)->keepers.size = sizeof(ky_keeper);
  return KY_OK;
}

const char *ky_checkpoint_message(const ky_checkpoint *c) { return c ? c->message : ""; }

void ky_checkpoint_free(ky_checkpoint *c) {
  if (!c) return;
  ky__list_empty(&c->allocator, &c->entries);
  ky__list_empty(&c->allocator, &c->keepers);
  ky__block_free(c->allocator, c, sizeof *c);
}

/* ---- names ------------------------------------------------------------------------------- */

/* "prefix.name", or one of them alone where the other is empty. */
static ky_status make_name(ky_checkpoint *c, char to[KY_CHECKPOINT_NAME], const char *prefix,
                           const char *name) {
  const size_t dot = *prefix && *name, first = strlen(prefix), last = strlen(name);
  if (first + last == 0) return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a name is empty");
  if (first + dot + last >= KY_CHECKPOINT_NAME)
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a name is longer than %d bytes: %s%s%s",
                               KY_CHECKPOINT_NAME - 1, prefix, dot ? "." : "", name);
  memcpy(to, prefix, first);
  if (dot) to[first] = '.';
  memcpy(to + first + dot, name, last + 1);
  if (!ky__is_utf8(to))
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "a name is not UTF-8: %s", to);
  if (strcmp(to, KY_SAFETENSORS_METADATA) == 0)
    return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "files use the name %s for other things",
                               to);
  return KY_OK;
}

static ky_status taken(ky_checkpoint *c, const char *name) {
  return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "%s is there already", name);
}

/* ---- adding ------------------------------------------------------------------------------ */

/* Of a tensor that is there by another name, optimizers need not be asked again. */
static ky_status add(ky_checkpoint *c, const char *prefix, const char *name, ky_entry e) {
  const ky_status status = make_name(c, e.name, prefix ? prefix : "", name);
  if (status != KY_OK) return status;
  const ky_entry *there = c->entries.at;
  for (size_t k = 0; k < c->entries.count; k++) {
    if (strcmp(there[k].name, e.name) == 0) return taken(c, e.name);
    if (e.tensor && there[k].tensor == e.tensor && there[k].trained) e.trained = false;
  }
  ky_entry *place = ky__list_append(&c->allocator, &c->entries);
  if (!place) return ky__checkpoint_no_memory(c);
  *place = e;
  return KY_OK;
}

static ky_status add_tensor(ky_checkpoint *c, const char *prefix, const char *name,
                            ky_tensor *w, bool trained) {
  const ky_array array = ky_tensor_array(w);
  ky_entry e = {.tensor = w, .trained = trained, .dtype = array.dtype, .rank = array.rank};
  memcpy(e.dims, array.dims, sizeof e.dims);
  return add(c, prefix, name, e);
}

ky_status ky_checkpoint_add(ky_checkpoint *c, const char *name, ky_tensor *w) {
  const ky_status status = ky__checkpoint_enter(c, name && w, "checkpoint_add");
  return status == KY_OK ? add_tensor(c, NULL, name, w, true) : status;
}

ky_status ky_checkpoint_add_array(ky_checkpoint *c, const char *name, ky_dtype dtype, int rank,
                                  const int64_t *dims, void *data) {
  const ky_status status =
      ky__checkpoint_enter(c, name && data && (rank <= 0 || dims), "checkpoint_add_array");
  if (status != KY_OK) return status;
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
  return add(c, NULL, name, e);
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
  ky_status status = ky__checkpoint_enter(c, m, "checkpoint_add_module");
  if (status != KY_OK) return status;
  const size_t before = c->entries.count;
  status = ky_module_weights(m, visit_tensor, &(adding){c, prefix, true});
  if (status == KY_OK) status = ky_module_buffers(m, visit_tensor, &(adding){c, prefix, false});
  if (status == KY_OK) return KY_OK;
  c->entries.count = before;
  return c->message[0] ? status
                       : ky__checkpoint_fail(c, status, "the path of a weight is too long");
}

ky_status ky_checkpoint_add_optimizer(ky_checkpoint *c, const char *prefix, ky_optimizer *o) {
  ky_status status = ky__checkpoint_enter(c, prefix && o, "checkpoint_add_optimizer");
  if (status != KY_OK) return status;
  ky_keeper made = {.optimizer = o};
  status = make_name(c, made.prefix, prefix, "");
  if (status != KY_OK) return status;
  const ky_keeper *there = c->keepers.at;
  for (size_t k = 0; k < c->keepers.count; k++) {
    if (strcmp(there[k].prefix, prefix) == 0) return taken(c, prefix);
    if (there[k].optimizer == o)
      return ky__checkpoint_fail(c, KY_BAD_ARGUMENT, "the optimizer %s is there already, as %s",
                                 prefix, there[k].prefix);
  }
  ky_keeper *place = ky__list_append(&c->allocator, &c->keepers);
  if (!place) return ky__checkpoint_no_memory(c);
  *place = made;
  return KY_OK;
}
