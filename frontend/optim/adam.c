/* SPDX-License-Identifier: MIT */
/* Adam, and AdamW, whose weight decay goes past the moments. */
#include <math.h>
#include <stdbool.h>

#include "../options.h"
#include "clones.h"
#include "optimizer.h"

typedef struct adam {
  ky_optimizer optimizer;
  ky_adam_options options;
  bool decoupled;
} adam;

#define MOMENTS 2

#define REAL       float
#define NAME(name) name##_f32
#define SQRT       sqrtf
#include "adam.inc"
#undef REAL
#undef NAME
#undef SQRT

#define REAL       double
#define NAME(name) name##_f64
#define SQRT       sqrt
#include "adam.inc"
#undef REAL
#undef NAME
#undef SQRT

static const char *const names[MOMENTS] = {"moment1", "moment2"};

static const ky_optimizer_kind kind = {
    .bytes = sizeof(adam), .names = names, .change = {change_f32, change_f64}};

ky_adam_options ky_adam_defaults(void) {
  return (ky_adam_options){
      .size = sizeof(ky_adam_options), .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

ky_adam_options ky_adamw_defaults(void) {
  ky_adam_options o = ky_adam_defaults();
  o.weight_decay = 0.01;
  return o;
}

static bool are_good(const ky_adam_options *o) {
  if (o->beta2 == 0 && o->epsilon == 0) return false; /* 0 / 0 where a gradient is 0 */
  return o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1 && o->epsilon >= 0 &&
         isfinite(o->epsilon) && o->weight_decay >= 0 && isfinite(o->weight_decay);
}

static ky_status make(const ky_allocator *allocator, double rate,
                      const ky_adam_options *options, ky_adam_options defaults, bool decoupled,
                      ky_optimizer **out) {
  if (out) *out = NULL;
  ky_adam_options o = defaults;
  if (!ky__options(&o, sizeof o, options) || !are_good(&o)) return KY_BAD_ARGUMENT;
  ky_optimizer *made;
  const ky_status status =
      ky__optimizer_new(allocator, &kind, rate, MOMENTS, out ? &made : NULL);
  if (status != KY_OK) return status;
  ((adam *)made)->options = o;
  ((adam *)made)->decoupled = decoupled;
  *out = made;
  return KY_OK;
}

ky_status ky_adam_new(const ky_allocator *allocator, double rate,
                      const ky_adam_options *options, ky_optimizer **out) {
  return make(allocator, rate, options, ky_adam_defaults(), false, out);
}

ky_status ky_adamw_new(const ky_allocator *allocator, double rate,
                       const ky_adam_options *options, ky_optimizer **out) {
  return make(allocator, rate, options, ky_adamw_defaults(), true, out);
}
