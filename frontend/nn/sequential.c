/* SPDX-License-Identifier: MIT */
/* Modules one after the other. They are taken only when nothing can fail any more. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <stdio.h>

#include "../block.h"

typedef struct sequential {
  ky_module base;
  ky_allocator allocator;
  size_t count;
  ky_module *module[];
} sequential;

static size_t bytes_of(size_t count) {
  return sizeof(sequential) + count * sizeof(ky_module *);
}

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const sequential *s = (const sequential *)m;
  for (size_t k = 0; k < s->count; k++) x = ky_module_forward(t, s->module[k], x);
  return x;
}

static ky_module *inner(const ky_module *m, size_t k, char name[KY_INNER_NAME]) {
  const sequential *s = (const sequential *)m;
  snprintf(name, KY_INNER_NAME, "%zu", k);
  return k < s->count ? s->module[k] : NULL;
}

static void destroy(ky_module *m) {
  sequential *s = (sequential *)m;
  for (size_t k = 0; k < s->count; k++) ky_module_free(s->module[k]);
  ky__block_free(s->allocator, s, bytes_of(s->count));
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "sequential",
                                    .forward = forward,
                                    .free = destroy,
                                    .inner = inner};

/* An entry of the caller's list may be where the result goes. */
static int is_entry(ky_module **out, size_t count, ky_module **modules) {
  for (size_t k = 0; modules && k < count; k++)
    if (out == &modules[k]) return 1;
  return 0;
}

/* Two entries for one module would free it twice. */
static int is_complete(size_t count, ky_module *const *modules) {
  for (size_t k = 0; k < count; k++) {
    if (!modules[k]) return 0;
    for (size_t m = 0; m < k; m++)
      if (modules[m] == modules[k]) return 0;
  }
  return 1;
}

ky_status ky_nn_sequential(const ky_allocator *allocator, size_t count, ky_module **modules,
                           ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  const int fits = count <= (SIZE_MAX - sizeof(sequential)) / sizeof *modules;
  if (!fits || !is_entry(out, count, modules)) *out = NULL;
  if (count > 0 && !modules) return KY_BAD_ARGUMENT;
  if (!fits) return KY_BAD_SHAPE;
  if (!is_complete(count, modules)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  sequential *s = ky__block_new(allocator, bytes_of(count), &used);
  if (!s) return KY_NO_MEMORY;
  s->base.kind = &kind;
  s->allocator = used;
  s->count = count;
  for (size_t k = 0; k < count; k++) {
    s->module[k] = modules[k];
    modules[k] = NULL;
  }
  *out = &s->base;
  return KY_OK;
}
