/* SPDX-License-Identifier: MIT */
/* Layers without weights that make signals and images smaller. */
#define KY_NO_SITES
#include "../block.h"
#include "../options.h"
#include "kytape/nn.h"

typedef struct pooling {
  ky_module base;
  ky_allocator allocator;
  ky_pool_options options;
} pooling;

static void destroy(ky_module *m) {
  pooling *p = (pooling *)m;
  ky__block_free(p->allocator, p, sizeof *p);
}

static ky_status make(const ky_allocator *allocator, const ky_module_kind *kind,
                      const ky_pool_options *options, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_pool_options o = {.size = sizeof o};
  if (!options || !ky__options(&o, sizeof o, options)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  pooling *p = ky__block_new(allocator, sizeof *p, &used);
  if (!p) return KY_NO_MEMORY;
  p->base.kind = kind;
  p->allocator = used;
  p->options = o;
  *out = &p->base;
  return KY_OK;
}

#define X(op)                                                                                  \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    return ky_##op(t, x, &((const pooling *)m)->options);                                      \
  }                                                                                            \
  static const ky_module_kind kind_##op = {                                                    \
      .size = sizeof(ky_module_kind), .name = #op, .forward = forward_##op, .free = destroy};  \
  ky_status ky_nn_##op(const ky_allocator *allocator, const ky_pool_options *options,          \
                       ky_module **out) {                                                      \
    return make(allocator, &kind_##op, options, out);                                          \
  }
X(max_pool1d)
X(max_pool2d)
X(avg_pool1d)
X(avg_pool2d)
#undef X
