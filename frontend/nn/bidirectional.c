/* SPDX-License-Identifier: MIT */
/* Two modules on one sequence: one reads it from the front, the other from the end. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <stdio.h>

#include "../block.h"

typedef struct bidirectional {
  ky_module base;
  ky_allocator allocator;
  ky_module *ahead, *back;
} bidirectional;

static ky_var turned(ky_tape *t, ky_var x) { return ky_flip(t, x, KY_AXES(0)); }

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const bidirectional *b = (const bidirectional *)m;
  const ky_var both[2] = {ky_module_forward(t, b->ahead, x),
                          turned(t, ky_module_forward(t, b->back, turned(t, x)))};
  return ky_concat(t, 2, both, -1);
}

static ky_module *inner(const ky_module *m, size_t k, char name[KY_INNER_NAME]) {
  const bidirectional *b = (const bidirectional *)m;
  snprintf(name, KY_INNER_NAME, "%s", k == 0 ? "ahead" : "back");
  return k == 0 ? b->ahead : k == 1 ? b->back : NULL;
}

static void destroy(ky_module *m) {
  bidirectional *b = (bidirectional *)m;
  ky_module_free(b->ahead);
  ky_module_free(b->back);
  ky__block_free(b->allocator, b, sizeof *b);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "bidirectional",
                                    .forward = forward,
                                    .free = destroy,
                                    .inner = inner};

ky_status ky_nn_bidirectional(const ky_allocator *allocator, ky_module **ahead,
                              ky_module **back, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  if (out != ahead && out != back) *out = NULL;
  if (!ahead || !back || !*ahead || !*back || *ahead == *back) return KY_BAD_ARGUMENT;
  ky_allocator used;
  bidirectional *b = ky__block_new(allocator, sizeof *b, &used);
  if (!b) return KY_NO_MEMORY;
  b->base.kind = &kind;
  b->allocator = used;
  b->ahead = *ahead;
  b->back = *back;
  *ahead = *back = NULL;
  *out = &b->base; /* may be where one of them was */
  return KY_OK;
}
