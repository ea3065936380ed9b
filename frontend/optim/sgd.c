/* SPDX-License-Identifier: MIT */
/* Gradient descent: plain, with weight decay, with momentum, with Nesterov's momentum. */
#include <math.h>
#include <stdbool.h>

#include "../options.h"
#include "clones.h"
#include "optimizer.h"

typedef struct sgd {
  ky_optimizer optimizer;
  ky_sgd_options options;
} sgd;

#define REAL       float
#define NAME(name) name##_f32
#include "sgd.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "sgd.inc"
#undef REAL
#undef NAME

static const char *const names[] = {"momentum"};

static const ky_optimizer_kind kind = {.bytes = sizeof(sgd),
                                       .names = names,
                                       .change = {change_f32, change_f64},
                                       .change_outer = {change_outer_f32, change_outer_f64}};

static bool are_good(const ky_sgd_options *o) {
  if (!(o->momentum >= 0 && isfinite(o->momentum) && isfinite(o->dampening))) return false;
  if (!(o->weight_decay >= 0 && isfinite(o->weight_decay))) return false;
  return !o->nesterov || (o->momentum > 0 && o->dampening == 0);
}

ky_status ky_sgd_new(const ky_allocator *allocator, double rate, const ky_sgd_options *options,
                     ky_optimizer **out) {
  if (out) *out = NULL;
  ky_sgd_options o = {0};
  if (!ky__options(&o, sizeof o, options) || !are_good(&o)) return KY_BAD_ARGUMENT;
  ky_optimizer *made;
  const ky_status status =
      ky__optimizer_new(allocator, &kind, rate, o.momentum != 0 ? 1 : 0, out ? &made : NULL);
  if (status != KY_OK) return status;
  ((sgd *)made)->options = o;
  *out = made;
  return KY_OK;
}
