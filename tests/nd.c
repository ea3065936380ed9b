/* SPDX-License-Identifier: MIT */
/* Indices of small dense arrays, the slow and obvious way. */
#include "nd.h"

#include <math.h>
#include <string.h>

#include "close.h"

void nd_shape(nd *a, int rank, const int64_t *dims) {
  assert_in_range(rank, 0, KY_MAX_RANK);
  a->rank = rank;
  for (int k = 0; k < rank; k++) a->dims[k] = dims[k];
  a->count = nd_extent(a, 0, rank);
  assert_in_range(a->count, 0, ND_MAX);
}

void nd_copy(nd *to, const nd *from) {
  nd_shape(to, from->rank, from->dims);
  memcpy(to->at, from->at, (size_t)from->count * sizeof *from->at);
}

void nd_broadcast(nd *out, const nd *a, const nd *b) {
  const nd *wide = a->rank >= b->rank ? a : b, *narrow = wide == a ? b : a;
  const int extra = wide->rank - narrow->rank;
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < wide->rank; k++) {
    const int64_t n = k < extra ? 1 : narrow->dims[k - extra];
    dims[k] = wide->dims[k] == 1 ? n : wide->dims[k];
  }
  nd_shape(out, wide->rank, dims);
}

void nd_index(const nd *a, int64_t flat, int64_t index[KY_MAX_RANK]) {
  for (int k = a->rank; k-- > 0;) {
    index[k] = flat % a->dims[k];
    flat /= a->dims[k];
  }
}

int64_t nd_place(const nd *a, int rank, const int64_t index[KY_MAX_RANK]) {
  const int extra = rank - a->rank;
  int64_t flat = 0;
  for (int k = 0; k < a->rank; k++)
    flat = flat * a->dims[k] + (a->dims[k] == 1 ? 0 : index[k + extra]);
  return flat;
}

int64_t nd_extent(const nd *a, int first, int last) {
  int64_t n = 1;
  for (int k = first; k < last; k++) n *= a->dims[k];
  return n;
}

double nd_norm(const nd *a) {
  double norm = 0;
  for (int64_t k = 0; k < a->count; k++)
    if (isfinite(a->at[k])) norm = fmax(norm, fabs(a->at[k]));
  return norm;
}
