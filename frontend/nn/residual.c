/* SPDX-License-Identifier: MIT */
/* A module with a way around it: x + m(x). */
#define KY_NO_SITES
#include "kytape/nn.h"

#include "../block.h"

typedef struct residual {
  ky_module base;
  ky_allocator allocator;
  ky_module *inner;
} residual;

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  return ky_add(t, x, ky_module_forward(t, ((const residual *)m)->inner, x));
}

static ky_module *inner(const ky_module *m, size_t k, char name[KY_INNER_NAME]) {
  (void)name;
  return k == 0 ? ((const residual *)m)->inner : NULL;
}

static void destroy(ky_module *m) {
  residual *r = (residual *)m;
  ky_module_free(r->inner);
  ky__block_free(r->allocator, r, sizeof *r);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "residual",
                                    .forward = forward,
                                    .free = destroy,
                                    .inner = inner};

ky_status ky_nn_residual(const ky_allocator *allocator, ky_module **module, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  if (out != module) *out = NULL;
  if (!module || !*module) return KY_BAD_ARGUMENT;
  ky_module *inside = *module;
  ky_allocator used;
  residual *r = ky__block_new(allocator, sizeof *r, &used);
  if (!r) return KY_NO_MEMORY;
  r->base.kind = &kind;
  r->allocator = used;
  r->inner = inside;
  *module = NULL;
  *out = &r->base; /* may be where the inner one was */
  return KY_OK;
}
