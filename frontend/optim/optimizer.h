/* SPDX-License-Identifier: MIT */
/* What every optimizer begins with, the kind that says how it steps, and what is remembered and
 * set of single weights. */
#ifndef KY_OPTIMIZER_H
#define KY_OPTIMIZER_H

#include <stdbool.h>

#include "kytape/optim.h"
#include "weight_table.h"

/* What an optimizer remembers of a weight: `buffers` arrays of `count` elements, one behind the
 * other, of the weight's dtype (f32 for bf16 and f16), all zero before the first step. */
typedef struct ky_slot {
  const ky_tensor *weight;
  ky_dtype dtype;
  size_t count;
  uint64_t steps; /* that it has taken */
  void *state;
} ky_slot;

/* What is multiplied for one weight. */
typedef struct ky_factors {
  const ky_tensor *weight;
  double rate, decay;
} ky_factors;

/* What a step of one weight is made with, besides the options of the kind. */
typedef struct ky_step {
  const ky_slot *slot; /* null without buffers; its steps include this one */
  double scale;        /* of the gradient */
  double rate;         /* of this weight */
  double decay;        /* what the option is multiplied by */
} ky_step;

typedef struct ky_optimizer_kind {
  size_t bytes;             /* of the optimizer's own struct */
  const char *const *names; /* of what it remembers; null when that is never anything */

  /* Changes n elements of a weight, from the `first` on, by g; indexed by dtype. w, g: the
   * first of them. */
  void (*change[2])(const ky_optimizer *o, const ky_step *step, size_t first, size_t n, void *w,
                    const void *g);

  /* The same by left right', of a whole number of rows, without buffers; null: not that way. */
  void (*change_outer[2])(const ky_optimizer *o, const ky_step *step,
                          const ky_update_part *part);
} ky_optimizer_kind;

/* The first member of every optimizer's own struct. */
struct ky_optimizer {
  const ky_optimizer_kind *kind;
  ky_allocator allocator;
  size_t buffers; /* arrays that it remembers for each weight; without any there are no slots */
  double rate;
  ky_update update;        /* of programs */
  ky_step now;             /* of the weight that a program updates */
  double clip;             /* largest norm of all gradients; 0 for any */
  ky_weight_table slots;   /* of ky_slot */
  ky_weight_table factors; /* of ky_factors; those of other weights are 1 */
};

/* Makes an optimizer of `kind`, zeroed otherwise. Errors: those of ky_sgd_new. */
ky_status ky__optimizer_new(const ky_allocator *allocator, const ky_optimizer_kind *kind,
                            double rate, size_t buffers, ky_optimizer **out);

/* What is remembered of a weight, valid until something is of another one. Null when nothing
 * is; with `make` a memory of zeros then, or null when memory ran out. */
ky_slot *ky__optimizer_slot(ky_optimizer *o, const ky_tensor *weight, bool make);

/* Forgets the steps of a weight, not its factors. */
void ky__optimizer_forget_steps(ky_optimizer *o, const ky_tensor *weight);

/* The k-th array of a slot. */
void *ky__slot_array(const ky_slot *slot, size_t k);

#endif
