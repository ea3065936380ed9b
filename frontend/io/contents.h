/* SPDX-License-Identifier: MIT */
/* What a checkpoint names, and the arrays that this is when a file is written or read. They are
 * listed anew for each file, because optimizers begin to remember when they step. */
#ifndef KY_CONTENTS_H
#define KY_CONTENTS_H

#include <stdbool.h>

#include "kytape/checkpoint.h"
#include "safetensors.h"

/* What was added: a tensor, or an array of the caller's. */
typedef struct ky_entry {
  char name[KY_CHECKPOINT_NAME];
  ky_tensor *tensor; /* null for an array */
  bool trained;      /* optimizers may remember something of it */
  ky_dtype dtype;
  int rank;
  int64_t dims[KY_MAX_RANK];
  void *data;
} ky_entry;

typedef struct ky_remembering {
  char name[KY_CHECKPOINT_NAME];
  ky_optimizer *optimizer;
} ky_remembering;

/* A vector of equal things. */
typedef struct ky_list {
  void *at;
  size_t count, room, size;
} ky_list;

struct ky_checkpoint {
  ky_allocator allocator;
  ky_list entries, optimizers;
  char message[1024];
};

/* One array of a file. */
typedef struct ky_saved {
  ky_entry e;              /* as if it had been added; data may be null until it is known */
  const ky_entry *of;      /* the tensor of which an optimizer remembers this; else null */
  ky_optimizer *optimizer; /* that does so, */
  size_t part;             /* and what: PART_STEPS, or the number of an array */
  bool found;              /* in the file, */
  ky_dtype stored;         /* of this type, */
  size_t begin;            /* there */
} ky_saved;

#define PART_STEPS SIZE_MAX

/* Keeps the message, cut to what fits, and returns the status. */
ky_status ky__checkpoint_fail(ky_checkpoint *c, ky_status status, const char *format, ...);
ky_status ky__checkpoint_no_memory(ky_checkpoint *c);
ky_status ky__checkpoint_no_file(ky_checkpoint *c, const char *path, const char *what,
                                 int number);
ky_status ky__checkpoint_null(ky_checkpoint *c, const char *call);

/* "prefix.name", or the name alone without a prefix. Errors: BAD_ARGUMENT (too long). */
ky_status ky__checkpoint_join(ky_checkpoint *c, char to[KY_CHECKPOINT_NAME], const char *prefix,
                              const char *name);

/* "f32 [2,3]" */
typedef struct ky_shape_text {
  char at[256];
} ky_shape_text;
ky_shape_text ky__shape_text(ky_dtype dtype, int rank, const int64_t *dims);

/* A new thing at the end, zeroed; null when memory ran out. */
void *ky__list_append(const ky_allocator *a, ky_list *l);
void ky__list_empty(const ky_allocator *a, ky_list *l);

/* The arrays to write, or all that may be read, as ky_saved; and pointers to them in the order
 * of their names. What one optimizer remembers of one tensor is side by side.
 * Errors: NO_MEMORY, BAD_ARGUMENT (two have one name, or one is too long). */
ky_status ky__list_saved(ky_checkpoint *c, bool written, ky_list *items, ky_list *sorted);

size_t ky__saved_bytes(const ky_saved *i);

/* The elements, to read or to change. An optimizer remembers them already. */
const void *ky__saved_data(const ky_saved *i);
void *ky__saved_write(const ky_saved *i);

/* Elements of a file have their lowest byte first: turns them where those of memory have not. */
void ky__turn_bytes(size_t size, size_t count, void *elements);

#endif
