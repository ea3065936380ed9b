/* SPDX-License-Identifier: MIT */
/* What workloads have in common that train a network and have no version by hand: three sets of
 * the same weights, for a tape that is recorded, replayed and compiled, which give the same
 * bits; the rows. */
#ifndef KYBENCH_TRAINING_H
#define KYBENCH_TRAINING_H

#include "contest.h"

/* A weight in f32, and the bound of its first, random values. */
typedef struct training_weight {
  int rank;
  int64_t dims[4];
  double bound;
} training_weight;

typedef struct training {
  const char *title;
  const taped_model *model;
  void *problem; /* of the model */
  int weights;
  training_weight (*weight)(const void *problem, int k);
  uint32_t seed; /* of weight 0; the next ones follow */
  double rate;   /* of the optimizer */
  bool adamw;    /* instead of gradient descent */
  bound bound;   /* filled in, but for what weights move; not open */
  int passes;    /* times that a step reads or writes a weight, with what belongs to it */
  const char *argument; /* of steps.py */
  double torch_tolerance;
} training;

/* Makes the variants agree, times them, adds the rows; frees what `bound` holds. False, with a
 * message, when something fails. */
bool training_run(const bench_setup *setup, bench_sheet *sheet, training *v);

#endif
