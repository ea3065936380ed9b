/* SPDX-License-Identifier: MIT */
/* What workloads have in common that ask for a value and its gradient and change no weight: the
 * variants, their agreement, the columns. */
#ifndef KYBENCH_VALUE_GRADIENT_H
#define KYBENCH_VALUE_GRADIENT_H

#include "contest.h"
#include "recursive/recursive.h"

typedef struct value_gradient {
  const char *title;
  const taped_model *model;
  void *problem;             /* of the model and of the calls by hand */
  void (*weights)(taped *s); /* adds them */

  bench_call *hand;       /* value and gradient, */
  bench_call *hand_value; /* and the value alone; may be null */
  rec_model *recursive;   /* may be null */

  const double *value;  /* where the call by hand leaves it */
  const void *gradient; /* by hand: f32 or f64, weight after weight */
  double tolerance;     /* between two orders of summation */

  bound bound;          /* filled in, not open */
  const char *argument; /* of steps.py; null: not in PyTorch */
} value_gradient;

/* Makes the variants agree, times them, adds the rows; frees what `bound` holds. False, with a
 * message, when something fails. */
bool value_gradient_run(const bench_setup *setup, bench_sheet *sheet, value_gradient *v);

#endif
