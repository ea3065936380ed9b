/* SPDX-License-Identifier: MIT */
/* Runs of scalar instructions: elementwise operations on rank 0 values, which live in the words
 * of a frame. No pointers, no shapes, no calls: a tight loop with the formulas inlined. */
#ifndef KY_POINT_H
#define KY_POINT_H

#include "frame.h"

/* Runs forward from `pc` while instructions are scalar; returns the first one that is not, or
 * `end`. */
ky_id ky__points_forward(ky_frame *f, ky_id pc, ky_id end);

/* Runs adjoints from `pc` down while instructions are scalar or have no adjoint; returns the
 * first one that is neither, or `end`. */
ky_id ky__points_reverse(ky_frame *f, ky_id pc, ky_id end);

#endif
