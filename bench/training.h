/* SPDX-License-Identifier: MIT */
/* What workloads have in common that train a network: a set of the same weights for each
 * variant, the agreement of all of them, the rows. */
#ifndef KYBENCH_TRAINING_H
#define KYBENCH_TRAINING_H

#include "contest.h"
#include "recursive/recursive.h"

/* A weight in f32, and the bound of its first, random values. */
typedef struct training_weight {
  int rank;
  int64_t dims[4];
  double bound;
} training_weight;

typedef struct training {
  const char *title;
  const taped_model *model;
  void *problem; /* of the model, and of what else is called */
  int weights;
  training_weight (*weight)(const void *problem, int k);
  uint32_t seed; /* of weight 0; the next ones follow */
  double rate;   /* of the optimizer */
  bool adamw;    /* instead of gradient descent */

  /* A step by hand, which returns the loss before it, and what it needs beside weights and
   * inputs, in floats; null: there is none. */
  double (*hand)(const void *problem, float *const *weight, float *room);
  size_t room;

  rec_model *recursive; /* the loss in the recursive design; null with `hand` */
  double tolerance;     /* between these and the tapes, of which each gives the same bits */

  bound bound; /* filled in, but for what weights move; not open */
  int passes;  /* times that a step reads or writes a weight, with what belongs to it */
  const char *argument; /* of steps.py */
  double torch_tolerance;
} training;

/* Makes the variants agree, times them, adds the rows; frees what `bound` holds. False, with a
 * message, when something fails. */
bool training_run(const bench_setup *setup, bench_sheet *sheet, training *v);

#endif
