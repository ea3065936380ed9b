/* SPDX-License-Identifier: MIT */
/* The header of a safetensors file: a JSON object that tells type, shape and place of each
 * array. Before it stand the 8 bytes of its length, the lowest first, and after it the arrays.
 * Knows nothing of tensors or files. */
#ifndef KY_SAFETENSORS_H
#define KY_SAFETENSORS_H

#include <stdbool.h>

#include "kytape/base.h"

#define KY_SAFETENSORS_LENGTH   8              /* bytes in front of the header, */
#define KY_SAFETENSORS_MOST     100000000      /* and of the header at most */
#define KY_SAFETENSORS_METADATA "__metadata__" /* is no array's name */

/* One array of a file. */
typedef struct ky_record {
  const char *name; /* in UTF-8 */
  ky_dtype dtype;
  int rank; /* if more than KY_MAX_RANK, dims are the first ones */
  int64_t dims[KY_MAX_RANK];
  size_t begin, end; /* bytes from where arrays begin */
  bool known; /* reading: it is of a type and rank of ours, and its shape and place agree */
} ky_record;

/* What a walk over records calls for each; the name is borrowed during the call. Anything but
 * OK ends the walk. */
typedef ky_status ky_record_visit(void *user, const ky_record *record);

/* Writes the length and the header to to[0..room), and returns how many bytes they are, which
 * may be more. Arrays begin there, at a multiple of 8. */
size_t ky__safetensors_write(char *to, size_t room, size_t count, const ky_record *records);

/* Visits the records of the header[0..length) of a file that has `bytes` of arrays, except
 * those whose name has name_bytes or more. Every place is within the arrays. Lenient: what is
 * no JSON may pass where it leaves no doubt about names, types, shapes and places.
 * Errors: BAD_FILE, and *wrong says why; NO_MEMORY, or what `visit` returned. */
ky_status ky__safetensors_read(const ky_allocator *allocator, const char *header, size_t length,
                               size_t bytes, size_t name_bytes, ky_record_visit *visit,
                               void *user, const char **wrong);

/* Whether a text is UTF-8. */
bool ky__is_utf8(const char *text);

/* The bytes of an array. False where an extent is negative, or where their product overflows,
 * extents of 0 aside. */
bool ky__array_bytes(ky_dtype dtype, int rank, const int64_t *dims, size_t *bytes);

#endif
