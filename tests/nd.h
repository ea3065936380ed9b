/* SPDX-License-Identifier: MIT */
/* Small dense arrays of doubles: what the oracles compute with. Plain loops over indices, no
 * strides, nothing shared with the engine that is under test. */
#ifndef KY_TEST_ND_H
#define KY_TEST_ND_H

#include "kytape/base.h"

#define ND_MAX 5200 /* elements; 72 squared: the largest matrix in the samples */

typedef struct nd {
  int rank;
  int64_t dims[KY_MAX_RANK];
  int64_t count;
  double at[ND_MAX];
} nd;

/* Gives `a` a shape; its elements are undefined. Fails the test when it is too large. */
void nd_shape(nd *a, int rank, const int64_t *dims);

/* A copy of shape and elements. */
void nd_copy(nd *to, const nd *from);

/* The shape that a and b broadcast to. */
void nd_broadcast(nd *out, const nd *a, const nd *b);

/* Index of element `flat` of `a`. */
void nd_index(const nd *a, int64_t flat, int64_t index[KY_MAX_RANK]);

/* Where the element at `index` of a space with `rank` axes stands in `a`, which is broadcast to
 * that space: aligned at the last axis, extents of 1 stretched. */
int64_t nd_place(const nd *a, int rank, const int64_t index[KY_MAX_RANK]);

/* Largest finite magnitude; 0 if there is none. */
double nd_norm(const nd *a);

/* Product of the extents of axes first..last-1. */
int64_t nd_extent(const nd *a, int first, int last);

#endif
