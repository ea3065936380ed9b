/* SPDX-License-Identifier: MIT */
/* Layouts: dims and strides of a value, interned so that an instruction names one by number and
 * equal numbers mean equal layouts. Broadcasting and the plan of a nested loop over several
 * arrays. Knows no instructions and touches no elements. */
#ifndef KY_LAYOUT_H
#define KY_LAYOUT_H

#include <stdbool.h>

#include "base/fault.h"
#include "kytape/base.h"

typedef struct ky_layout {
  int32_t rank;
  bool dense;    /* row-major without gaps */
  int64_t count; /* product of dims */
  int64_t dims[KY_MAX_RANK];
  int64_t strides[KY_MAX_RANK]; /* in elements */
} ky_layout;

/* The interned layouts; number 0 is rank 0. */
typedef struct ky_layouts {
  ky_allocator allocator;
  ky_layout *at;
  uint32_t count;
  uint32_t capacity;
  uint32_t *slots; /* open addressing; 0 is empty, else number + 1 */
  uint32_t slot_count;
} ky_layouts;

ky_status ky__layouts_init(ky_layouts *l, const ky_allocator *allocator);
void ky__layouts_free(ky_layouts *l);
ky_status ky__layouts_intern(ky_layouts *l, const ky_layout *layout, uint32_t *number);

/* The dense layout of `dims`: the one place where products of extents are checked for overflow.
 * BAD_SHAPE (rank, negative extent, or more than INT64_MAX / 16 elements) with a reason. */
ky_status ky__layout_dense(int rank, const int64_t *dims, ky_layout *out, ky_fault *fault);

/* The dims of `layout`, dense. */
ky_layout ky__dense(const ky_layout *layout);

/* Counts `*axis` from the front: negative ones count from the end. BAD_AXIS, with a reason,
 * unless it is in -rank..rank-1. */
ky_status ky__axis_from_front(int64_t *axis, int rank, ky_fault *fault);

/* Recomputes `count` and `dense` from dims and strides. */
void ky__layout_settle(ky_layout *layout);

bool ky__same_dims(const ky_layout *a, const ky_layout *b);

/* The dense layout that a and b broadcast to, by NumPy's rule; BAD_SHAPE with a reason. */
ky_status ky__broadcast(const ky_layout *a, const ky_layout *b, ky_layout *out,
                        ky_fault *fault);

/* Strides of `operand` in the index space of `over`: 0 on the axes it is broadcast along. */
void ky__broadcast_strides(const ky_layout *operand, const ky_layout *over,
                           int64_t strides[KY_MAX_RANK]);

/* Where the n-th element of the first `axes` axes begins, in row-major order. */
int64_t ky__offset_of(const ky_layout *layout, int axes, int64_t n);

/* "[8,3]"; "[]" for rank 0. */
void ky__say_dims(ky_text *text, const ky_layout *layout);

/* "[7,0]": the place of the n-th element, in row-major order. */
void ky__say_index(ky_text *text, const ky_layout *layout, int64_t n);

/* "axes=0,2", of a bit an axis; nothing for none. */
void ky__say_axes(ky_text *text, uint32_t axes);

/* ---- Nested loops ------------------------------------------------------------------------ */

#define KY_LOOP_ARRAYS 4

/* A loop nest over up to four arrays, axes merged wherever all strides allow. The innermost
 * axis is the last. rank >= 1; extents may be 0. */
typedef struct ky_loop {
  int rank;
  int arrays;
  int64_t dims[KY_MAX_RANK];
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
} ky_loop;

/* Plans the loop over `space` with the given strides of each array. */
void ky__loop_plan(ky_loop *loop, const ky_layout *space, int arrays,
                   int64_t strides[][KY_MAX_RANK]);

/* Walks all but the innermost axis. Start: ky_walk w = {0}; then after each inner run,
 * ky__loop_next moves offset[] on and tells whether there is a further run. */
typedef struct ky_walk {
  int64_t index[KY_MAX_RANK];
  int64_t offset[KY_LOOP_ARRAYS];
} ky_walk;

bool ky__loop_empty(const ky_loop *loop);
bool ky__loop_next(const ky_loop *loop, ky_walk *walk);

#endif
