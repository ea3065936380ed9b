/* SPDX-License-Identifier: MIT */
/* Array views as people look at them: one element, or all of them printed. */
#include "tensor/array.h"

#include <math.h>
#include <stdbool.h>

#include "kytape/tensor.h"

#define WHOLE 1000 /* elements that are printed without leaving any out */
#define EDGE  3    /* otherwise, so many at both ends of an axis */

double ky__number(ky_dtype dtype, const void *at) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name: return (double)*(const type *)at;
    KY_DTYPES(X)
#undef X
  case KY_BF16:
  case KY_F16: break;
  }
  double value = (double)NAN;
  ky_convert(KY_F64, &value, dtype, at, 1);
  return value;
}

/* Whether rank and extents, in a struct of the caller's, can be those of an array. */
static bool has_shape(const ky_array *a) {
  if (a->rank < 0 || a->rank > KY_MAX_RANK) return false;
  for (int k = 0; k < a->rank; k++)
    if (a->dims[k] < 0) return false;
  return true;
}

static bool has_elements(const ky_array *a) {
  for (int k = 0; k < a->rank; k++)
    if (a->dims[k] == 0) return false;
  return true;
}

double ky_array_item(const ky_array *a, const int64_t *index) {
  if (!a || !a->data || !has_shape(a) || (a->rank > 0 && !index)) return (double)NAN;
  int64_t place = 0;
  for (int k = 0; k < a->rank; k++) {
    if (index[k] < 0 || index[k] >= a->dims[k]) return (double)NAN;
    place += index[k] * a->strides[k];
  }
  const int64_t size = (int64_t)ky_dtype_size(a->dtype);
  return ky__number(a->dtype, (const char *)a->data + place * size);
}

static void repeat(FILE *out, char c, int count) {
  for (int k = 0; k < count; k++) fputc(c, out);
}

/* Moves index on, and prints what stands between the two elements, or behind the last one;
 * tells whether there is a next one. */
static bool print_between(const ky_array *a, bool whole, int64_t index[KY_MAX_RANK],
                          FILE *out) {
  int axis = a->rank - 1;
  for (; axis >= 0 && index[axis] + 1 == a->dims[axis]; axis--) {
    index[axis] = 0;
    fputc(']', out);
  }
  if (axis < 0) return false;
  const bool skips = !whole && a->dims[axis] > 2 * EDGE + 1 && index[axis] + 1 == EDGE;
  const int inner = a->rank - 1 - axis; /* axes that begin anew */
  fputc(',', out);
  for (int k = 0; k < (skips ? 2 : 1); k++) {
    if (k) fputs("...,", out);
    if (inner)
      fputc('\n', out), repeat(out, ' ', axis + 1);
    else
      fputc(' ', out);
  }
  repeat(out, '[', inner);
  index[axis] = skips ? a->dims[axis] - EDGE : index[axis] + 1;
  return true;
}

ky_status ky_array_print(const ky_array *a, FILE *out) {
  if (!a || !out || !has_shape(a)) return KY_BAD_ARGUMENT;
  const bool empty = !has_elements(a);
  if (!a->data && !empty) return KY_BAD_ARGUMENT;
  if (empty) {
    fputs("[]\n", out);
    return KY_OK;
  }
  int64_t index[KY_MAX_RANK] = {0};
  repeat(out, '[', a->rank);
  const bool real = a->dtype != KY_I32 && a->dtype != KY_I64 && a->dtype != KY_MASK;
  do {
    const double x = ky_array_item(a, index);
    fprintf(out, real ? "%.6g" : "%.0f", isnan(x) ? (double)NAN : x); /* without a sign */
  } while (print_between(a, a->count <= WHOLE, index, out));
  fputc('\n', out);
  return KY_OK;
}
