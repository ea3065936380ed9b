/* SPDX-License-Identifier: MIT */
/* The kernels of all levels. The processor is asked each time, so that there is nothing to set
 * up. */
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>

#define KY_CPU_HAS(feature) __builtin_cpu_supports(feature)

#define TABLE(family, level) &ky__##family##_##level,
#define X(level, supported)  {#level, KY_KERNEL_FAMILIES(TABLE, level)},
static const ky_kernels bundles[KY_LEVEL_COUNT] = {KY_LEVELS(X)};
#undef X
#undef TABLE

static bool can_run(ky_level level) {
  switch (level) {
#define X(name, supported)                                                                     \
  case KY_LEVEL_##name: return supported;
    KY_LEVELS(X)
#undef X
  case KY_LEVEL_COUNT: break;
  }
  return false;
}

const ky_kernels *ky__kernels_at(ky_level level) {
  return can_run(level) ? &bundles[level] : NULL;
}

const ky_kernels *ky__kernels(void) {
  ky_level level = KY_LEVEL_COUNT - 1;
  while (level > 0 && !can_run(level)) level--;
  return &bundles[level];
}
