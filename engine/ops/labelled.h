/* SPDX-License-Identifier: MIT */
/* Rows of numbers with a class label each: what they must look like, and a walk over them in
 * batches. */
#ifndef KY_LABELLED_H
#define KY_LABELLED_H

#include "ops/family.h"

/* Refuses what are not rows [...,c] with labels [...] of an integer type. */
ky_status ky__need_labelled(const ky_query *q, ky_id rows, ky_id labels);

#define KY_BATCH 256 /* rows */

/* Rows that follow each other at one distance, with their labels. */
typedef struct ky_batch {
  ky_id row_id, label_id;
  bool leaves_out; /* rows whose label is `left_out` get the label -1 */
  int64_t left_out;
  ky_loop loop; /* over the rows: array 0 dense, 1 the rows, 2 the labels */
  ky_walk walk;
  int64_t taken; /* rows of the current run */

  /* the batch */
  int64_t first; /* its first row, counted over all */
  size_t rows;
  ky_pitch pitch;
  const void *data; /* its first element */
  int64_t label[KY_BATCH];
} ky_batch;

void ky__batches(const ky_frame *f, ky_id rows, ky_id labels, ky_batch *b);

/* Moves on to the next batch; false behind the last, and after a fault: a label out of range is
 * one whenever it is read, as the array is the caller's and may have changed since the forward
 * sweep. There must be rows. */
bool ky__next_batch(ky_frame *f, ky_batch *b);

#endif
