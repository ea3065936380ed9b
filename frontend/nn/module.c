/* SPDX-License-Identifier: MIT */
/* The module interface: what can be done with a module of any kind. Knows no kind. */
#define KY_NO_SITES
#include "kytape/nn.h"

/* ky_module_weight as a walk: counts down to the weight that is wanted. */
typedef struct weight_search {
  size_t left;
  ky_tensor *found;
} weight_search;

static ky_status search(void *user, const char *name, ky_tensor *weight) {
  (void)name;
  weight_search *s = user;
  if (s->left == 0 && !s->found) s->found = weight;
  if (s->left > 0) s->left--;
  return KY_OK;
}

static ky_status count_one(void *user, const char *name, ky_tensor *weight) {
  (void)name;
  (void)weight;
  ++*(size_t *)user;
  return KY_OK;
}

ky_var ky_module_forward(ky_tape *t, ky_module *m, ky_var x) {
  if (!m) return ky_tape_fail(t, KY_BAD_ARGUMENT, "module_forward: the module is null");
  return m->kind->forward(m, t, x);
}

ky_status ky_module_weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  if (!m || !visit) return KY_BAD_ARGUMENT;
  return m->kind->weights ? m->kind->weights(m, visit, user) : KY_OK;
}

size_t ky_module_weight_count(const ky_module *m) {
  size_t count = 0;
  ky_module_weights(m, count_one, &count);
  return count;
}

ky_tensor *ky_module_weight(const ky_module *m, size_t k) {
  weight_search s = {k, NULL};
  ky_module_weights(m, search, &s);
  return s.found;
}

const char *ky_module_name(const ky_module *m) { return m ? m->kind->name : ""; }

void ky_module_free(ky_module *m) {
  if (m && m->kind->free) m->kind->free(m);
}
