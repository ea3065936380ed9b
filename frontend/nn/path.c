/* SPDX-License-Identifier: MIT */
/* Names of the weights of modules that stand inside of others. */
#include "path.h"

#include <stdio.h>

#define PATH_BYTES 256

/* The visitor that puts a prefix in front. */
typedef struct below {
  const char *prefix;
  ky_weight_visit *visit;
  void *user;
} below;

static ky_status visit_below(void *user, const char *name, ky_tensor *weight) {
  const below *b = user;
  char path[PATH_BYTES];
  const int length = snprintf(path, sizeof path, "%s.%s", b->prefix, name);
  if (length < 0 || length >= PATH_BYTES) return KY_BAD_ARGUMENT;
  return b->visit(b->user, path, weight);
}

ky_status ky__weights_below(const char *prefix, const ky_module *m, ky_weight_visit *visit,
                            void *user) {
  below b = {prefix, visit, user};
  return ky_module_weights(m, visit_below, &b);
}
