/* SPDX-License-Identifier: MIT */
/* The header of a safetensors file: a JSON object that tells type, shape and place of each
 * array. Before it stand the 8 bytes of its length, the lowest first, and after it the arrays.
 * Knows nothing of tensors or files. */
#ifndef KY_SAFETENSORS_H
#define KY_SAFETENSORS_H

#include <stdbool.h>

#include "kytape/base.h"

#define KY_SAFETENSORS_LENGTH 8 /* bytes in front of the header */

/* One array of a file. */
typedef struct ky_record {
  const char *name; /* in UTF-8 */
  ky_dtype dtype;
  int rank;
  int64_t dims[KY_MAX_RANK];
  size_t begin, end; /* bytes from where arrays begin */
  bool foreign;      /* read only: its type or rank is none of ours */
} ky_record;

/* What a walk over records calls for each; the name is borrowed during the call. Anything but
 * OK ends the walk. */
typedef ky_status ky_record_visit(void *user, const ky_record *record);

/* Writes the length and the header to to[0..room), and returns how many bytes they are, which
 * may be more. Arrays begin there, at a multiple of 8. */
size_t ky__safetensors_write(char *to, size_t room, size_t count, const ky_record *records);

/* Visits the records of the header[0..length) of a file that has `bytes` of arrays, except
 * those whose name has name_bytes or more. Errors: BAD_FILE, and *wrong says why; NO_MEMORY, or
 * what `visit` returned. */
ky_status ky__safetensors_read(const ky_allocator *allocator, const char *header, size_t length,
                               size_t bytes, size_t name_bytes, ky_record_visit *visit,
                               void *user, const char **wrong);

/* The bytes of an array: of known extents, 0 or more. False when they overflow. */
bool ky__array_bytes(ky_dtype dtype, int rank, const int64_t *dims, size_t *bytes);

#endif
