/* SPDX-License-Identifier: MIT */
/* Dropout as a module: there in training, gone in inference. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include "../block.h"

typedef struct dropout {
  ky_module base;
  ky_allocator allocator;
  double p;
  int training;
} dropout;

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const dropout *d = (const dropout *)m;
  return d->training ? ky_dropout(t, x, d->p) : x;
}

static void train(ky_module *m, int training) { ((dropout *)m)->training = training; }

static void destroy(ky_module *m) {
  dropout *d = (dropout *)m;
  ky__block_free(d->allocator, d, sizeof *d);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "dropout",
                                    .forward = forward,
                                    .free = destroy,
                                    .train = train};

ky_status ky_nn_dropout(const ky_allocator *allocator, double p, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (!(p >= 0 && p <= 1)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  dropout *d = ky__block_new(allocator, sizeof *d, &used);
  if (!d) return KY_NO_MEMORY;
  d->base.kind = &kind;
  d->allocator = used;
  d->p = p;
  d->training = 1;
  *out = &d->base;
  return KY_OK;
}
