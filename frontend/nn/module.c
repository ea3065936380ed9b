/* SPDX-License-Identifier: MIT */
/* The module interface: what can be done with a module of any kind. Knows no kind. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A function of the kind, NULL where the kind was compiled before there was one. */
#define HOOK(kind, name) ((kind)->size > offsetof(ky_module_kind, name) ? (kind)->name : NULL)

#define PATH_BYTES 256

/* ---- weights and buffers ----------------------------------------------------------------- */

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

/* Weights, or buffers. Names need not be put together for those who do not look at them. */
static ky_status each_tensor(const ky_module *m, bool buffers, bool named,
                             ky_weight_visit *visit, void *user) {
  ky_status (*const own)(const ky_module *, ky_weight_visit *, void *) =
      buffers ? HOOK(m->kind, buffers) : m->kind->weights;
  ky_status status = own ? own(m, visit, user) : KY_OK;
  char name[KY_INNER_NAME];
  const ky_module *inside;
  for (size_t k = 0; status == KY_OK && (inside = inner(m, k, name)); k++) {
    below b = {name, visit, user};
    status = named && name[0] ? each_tensor(inside, buffers, named, visit_below, &b)
                              : each_tensor(inside, buffers, named, visit, user);
  }
  return status;
}

ky_status ky_module_weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  return m && visit ? each_tensor(m, false, true, visit, user) : KY_BAD_ARGUMENT;
}

ky_status ky_module_buffers(const ky_module *m, ky_weight_visit *visit, void *user) {
  return m && visit ? each_tensor(m, true, true, visit, user) : KY_BAD_ARGUMENT;
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
  if (m) each_tensor(m, false, false, count_one, &count);
  return count;
}

ky_tensor *ky_module_weight(const ky_module *m, size_t k) {
  weight_search s = {k, NULL};
  if (m) each_tensor(m, false, false, search, &s);
  return s.found;
}

typedef struct path_search {
  const char *path;
  ky_tensor *found;
} path_search;

static ky_status compare_path(void *user, const char *name, ky_tensor *weight) {
  path_search *s = user;
  if (!s->found && strcmp(name, s->path) == 0) s->found = weight;
  return KY_OK;
}

ky_tensor *ky_module_find(const ky_module *m, const char *path) {
  path_search s = {path, NULL};
  for (int buffers = 0; m && path && buffers < 2 && !s.found; buffers++)
    each_tensor(m, buffers, true, compare_path, &s);
  return s.found;
}

/* ---- statistics -------------------------------------------------------------------------- */

ky_status ky_module_statistics(const ky_module *m, ky_statistics_visit *visit, void *user) {
  if (!m || !visit) return KY_BAD_ARGUMENT;
  ky_status (*const own)(const ky_module *, ky_statistics_visit *, void *) =
      HOOK(m->kind, statistics);
  ky_status status = own ? own(m, visit, user) : KY_OK;
  char name[KY_INNER_NAME];
  const ky_module *inside;
  for (size_t k = 0; status == KY_OK && (inside = inner(m, k, name)); k++)
    status = ky_module_statistics(inside, visit, user);
  return status;
}

/* Where values are read from: one of them is null. */
typedef struct source {
  ky_tape *t;
  ky_exec *e;
} source;

static ky_status read_value(const source *s, ky_var v, ky_array *out) {
  return s->t ? ky_data(s->t, v, out) : ky_exec_data(s->e, v, out);
}

static ky_status read_statistics(void *user, const ky_statistics *s) {
  ky_array value;
  const source *from = user;
  const ky_status status = read_value(from, s->mean, &value);
  if (status != KY_OK) return status;
  if (s->count >= 2) return read_value(from, s->variance, &value);
  ky_tape_fail(from->t, KY_BAD_ARGUMENT,
               "module_update: one element a channel has no variance to follow");
  return from->t ? ky_tape_check(from->t) : KY_BAD_ARGUMENT;
}

static ky_status follow_statistics(void *user, const ky_statistics *s) {
  ky_array mean, variance;
  ky_status status = read_value(user, s->mean, &mean);
  if (status == KY_OK) status = read_value(user, s->variance, &variance);
  return status == KY_OK ? ky_batchnorm_update(s->running_mean, s->running_variance, &mean,
                                               &variance, s->count, s->momentum)
                         : status;
}

/* All are looked at before the first one moves. */
static ky_status update(const ky_module *m, source s) {
  const ky_status status = ky_module_statistics(m, read_statistics, &s);
  return status == KY_OK ? ky_module_statistics(m, follow_statistics, &s) : status;
}

ky_status ky_module_update(ky_module *m, ky_tape *t) {
  return t ? update(m, (source){t, NULL}) : KY_BAD_ARGUMENT;
}

ky_status ky_module_update_exec(ky_module *m, ky_exec *e) {
  return e ? update(m, (source){NULL, e}) : KY_BAD_ARGUMENT;
}

typedef struct keeping {
  size_t count, room;
  ky_var *vars;
} keeping;

static ky_status keep(void *user, const ky_statistics *s) {
  keeping *k = user;
  const ky_var both[2] = {s->mean, s->variance};
  for (int i = 0; i < 2; i++, k->count++)
    if (k->count < k->room) k->vars[k->count] = both[i];
  return KY_OK;
}

size_t ky_module_kept(const ky_module *m, size_t room, ky_var *vars) {
  keeping k = {0, vars ? room : 0, vars};
  ky_module_statistics(m, keep, &k);
  return k.count;
}

/* ---- all the rest ------------------------------------------------------------------------ */

ky_var ky_module_forward(ky_tape *t, ky_module *m, ky_var x) {
  if (!t) return ky_none();
  if (!m) return ky_tape_fail(t, KY_BAD_ARGUMENT, "module_forward: the module is null");
  if (m->kind->size <= offsetof(ky_module_kind, free))
    return ky_tape_fail(t, KY_BAD_ARGUMENT, "module_forward: the module's kind has no size");
  if (!x.id) return ky_tape_fail(t, KY_BAD_VAR, "module_forward: the var is null");
  return m->kind->forward(m, t, x);
}

void ky_module_train(ky_module *m, int training) {
  if (!m) return;
  if (HOOK(m->kind, train)) m->kind->train(m, training);
  char name[KY_INNER_NAME];
  ky_module *inside;
  for (size_t k = 0; (inside = inner(m, k, name)); k++) ky_module_train(inside, training);
}

const char *ky_module_name(const ky_module *m) { return m ? m->kind->name : ""; }

void ky_module_free(ky_module *m) {
  if (m && m->kind->free) m->kind->free(m);
}
