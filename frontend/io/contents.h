/* SPDX-License-Identifier: MIT */
/* What a checkpoint names, and the arrays that this is when a file is written or read. They are
 * listed anew for each file, because optimizers begin to remember when they step. */
#ifndef KY_CONTENTS_H
#define KY_CONTENTS_H

#include <stdbool.h>

#include "../list.h"
#include "kytape/checkpoint.h"
#include "safetensors.h"

/* What was added: a tensor, or an array of the caller's. */
typedef struct ky_entry {
  char name[KY_CHECKPOINT_NAME];
  ky_dtype dtype;
  int rank;
  int64_t dims[KY_MAX_RANK];
  ky_tensor *tensor; /* null for an array, */
  void *data;        /* which is here */
  bool trained;      /* optimizers may remember something of the tensor, under this name */
} ky_entry;

/* An optimizer that was added. */
typedef struct ky_keeper {
  char prefix[KY_CHECKPOINT_NAME];
  ky_optimizer *optimizer;
  int64_t tensors; /* of which it remembers something, in the file */
} ky_keeper;

struct ky_checkpoint {
  ky_allocator allocator;
  ky_list entries, keepers;
  char message[1024];
};

/* "prefix.name.moment1" of the longest names */
#define KY_SAVED_NAME (2 * KY_CHECKPOINT_NAME + 32)

/* One array of a file: a tensor, an array (the caller's, or the number of tensors that an
 * optimizer remembers something of), or a part of what an optimizer remembers of a tensor. All
 * of that is one group, side by side; the others are alone. */
typedef struct ky_saved {
  char name[KY_SAVED_NAME];
  ky_dtype dtype;
  int rank;
  int64_t dims[KY_MAX_RANK];
  ky_tensor *tensor;
  void *data;
  ky_optimizer *optimizer; /* null but for what one remembers, */
  size_t part;             /* where it is the number of an array, or KY_STEPS */
  size_t first, group;     /* the place of the group's first array, and how many it has */

  /* reading */
  bool found, made; /* found in the file; the optimizer remembers it because of that */
  ky_dtype stored;  /* its type there, */
  size_t begin;     /* and its place */
} ky_saved;

#define KY_STEPS SIZE_MAX

/* Keeps the message, cut to what fits, and returns the status. Of a path, the end is kept. */
ky_status ky__checkpoint_fail(ky_checkpoint *c, ky_status status, const char *format, ...);
ky_status ky__checkpoint_blame(ky_checkpoint *c, ky_status status, const char *path,
                               const char *format, ...);
ky_status ky__checkpoint_no_memory(ky_checkpoint *c);

/* No message any more. Errors: BAD_ARGUMENT (c is null, or `good` is false). */
ky_status ky__checkpoint_enter(ky_checkpoint *c, bool good, const char *call);

/* What went wrong with a file, by errno. */
ky_status ky__checkpoint_no_file(ky_checkpoint *c, const char *path, const char *what,
                                 int number);

/* "f32 [2,3]" */
typedef struct ky_shape_text {
  char at[256];
} ky_shape_text;
ky_shape_text ky__shape_text(ky_dtype dtype, int rank, const int64_t *dims);

/* All arrays that may be in a file, as ky_saved; and pointers to them in the order of their
 * names. Errors: NO_MEMORY, BAD_ARGUMENT (two have one name). */
ky_status ky__list_saved(ky_checkpoint *c, ky_list *saved, ky_list *by_name);

size_t ky__saved_bytes(const ky_saved *s);

/* The elements, to read and to change; null for what an optimizer does not remember. */
const void *ky__saved_data(const ky_saved *s);
void *ky__saved_write(const ky_saved *s);

/* Elements of a file have their lowest byte first: turns them where those of memory do not. */
void ky__turn_bytes(size_t size, size_t count, void *elements);

#endif
