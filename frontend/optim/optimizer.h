/* SPDX-License-Identifier: MIT */
/* What every optimizer begins with, and the kind that says how it steps. */
#ifndef KY_OPTIMIZER_H
#define KY_OPTIMIZER_H

#include "kytape/optim.h"

typedef struct ky_optimizer_kind {
  size_t bytes; /* of the optimizer's own struct */

  /* Changes the weights of `grads`, which has no null in it. */
  ky_status (*step)(ky_optimizer *o, const ky_grads *grads);

  /* Frees what the optimizer holds besides its struct; NULL for nothing. */
  void (*release)(ky_optimizer *o);
} ky_optimizer_kind;

/* The first member of every optimizer's own struct. */
struct ky_optimizer {
  const ky_optimizer_kind *kind;
  ky_allocator allocator;
  double rate;
};

/* Makes a zeroed optimizer of `kind`. Errors: those of ky_sgd_new. */
ky_status ky__optimizer_new(const ky_allocator *allocator, const ky_optimizer_kind *kind,
                            double rate, ky_optimizer **out);

#endif
