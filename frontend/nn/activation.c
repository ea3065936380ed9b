/* SPDX-License-Identifier: MIT */
/* Activations as modules: one recording function each, no weights. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include "../block.h"

typedef struct activation {
  ky_module base;
  ky_allocator allocator;
} activation;

static void destroy(ky_module *m) {
  activation *a = (activation *)m;
  ky__block_free(a->allocator, a, sizeof *a);
}

static ky_status make(const ky_allocator *allocator, const ky_module_kind *kind,
                      ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_allocator used;
  activation *a = ky__block_new(allocator, sizeof *a, &used);
  if (!a) return KY_NO_MEMORY;
  a->base.kind = kind;
  a->allocator = used;
  *out = &a->base;
  return KY_OK;
}

#define ACTIVATIONS(X)                                                                         \
  X(sigmoid)                                                                                   \
  X(relu)                                                                                      \
  X(sin)                                                                                       \
  X(tanh)

#define X(op)                                                                                  \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    (void)m;                                                                                   \
    return ky_##op(t, x);                                                                      \
  }                                                                                            \
  static const ky_module_kind kind_##op = {sizeof(ky_module_kind), #op, forward_##op, NULL,    \
                                           destroy};                                           \
  ky_status ky_nn_##op(const ky_allocator *allocator, ky_module **out) {                       \
    return make(allocator, &kind_##op, out);                                                   \
  }
ACTIVATIONS(X)
#undef X
