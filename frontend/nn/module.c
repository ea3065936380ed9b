/* SPDX-License-Identifier: MIT */
/* The module interface: what can be done with a module of any kind. Knows no kind. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <stdio.h>

/* A function of the kind, NULL where the kind was compiled before there was one. */
#define HOOK(kind, name) ((kind)->size > offsetof(ky_module_kind, name) ? (kind)->name : NULL)

#define PATH_BYTES 256

/* ---- weights ----------------------------------------------------------------------------- */

/* The visitor that puts the name of a module inside in front. */
typedef struct below {
  const char *name;
  ky_weight_visit *visit;
  void *user;
} below;

static ky_status visit_below(void *user, const char *name, ky_tensor *weight) {
  const below *b = user;
  char path[PATH_BYTES];
  const int length = snprintf(path, sizeof path, "%s.%s", b->name, name);
  if (length < 0 || length >= PATH_BYTES) return KY_BAD_ARGUMENT;
  return b->visit(b->user, path, weight);
}

static ky_module *inner(const ky_module *m, size_t k, char name[KY_INNER_NAME]) {
  name[0] = 0;
  return HOOK(m->kind, inner) ? m->kind->inner(m, k, name) : NULL;
}

ky_status ky_module_weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  if (!m || !visit) return KY_BAD_ARGUMENT;
  ky_status status = m->kind->weights ? m->kind->weights(m, visit, user) : KY_OK;
  char name[KY_INNER_NAME];
  const ky_module *inside;
  for (size_t k = 0; status == KY_OK && (inside = inner(m, k, name)); k++) {
    below b = {name, visit, user};
    status = name[0] ? ky_module_weights(inside, visit_below, &b)
                     : ky_module_weights(inside, visit, user);
  }
  return status;
}

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

/* ---- all the rest ------------------------------------------------------------------------ */

ky_var ky_module_forward(ky_tape *t, ky_module *m, ky_var x) {
  if (!m) return ky_tape_fail(t, KY_BAD_ARGUMENT, "module_forward: the module is null");
  return m->kind->forward(m, t, x);
}

const char *ky_module_name(const ky_module *m) { return m ? m->kind->name : ""; }

void ky_module_free(ky_module *m) {
  if (m && m->kind->free) m->kind->free(m);
}
