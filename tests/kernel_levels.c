/* SPDX-License-Identifier: MIT */
/* Arrays of either dtype, and the levels. */
#include "kernel_levels.h"

double get(ky_dtype dtype, const void *a, ptrdiff_t i) {
  return dtype == KY_F32 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

void put(ky_dtype dtype, void *a, ptrdiff_t i, double value) {
  if (dtype == KY_F32)
    ((float *)a)[i] = (float)value;
  else
    ((double *)a)[i] = value;
}

void *at(ky_dtype dtype, const void *a, ptrdiff_t i) {
  return (char *)(uintptr_t)a + i * (ptrdiff_t)ky_dtype_size(dtype);
}

bool same(double a, double b) {
  return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

bool within(ky_dtype dtype, double got, double want, double ulps, double norm) {
  const double epsilon = dtype == KY_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
  const double smallest = fmax(norm, dtype == KY_F32 ? (double)FLT_MIN : DBL_MIN);
  return same(got, want) || fabs(got - want) <= ulps * epsilon * fmax(fabs(want), smallest);
}

void draw(ky_dtype dtype, array *a, int count, double low, double high, int special) {
  const double tiny = dtype == KY_F32 ? 0x1p-140 : 0x1p-1060;
  const double specials[] = {0,  -0.0, INFINITY, -INFINITY, NAN, tiny, -tiny, 1,
                             -1, 0.5,  88.5,     -104,      710, -746, 1e30,  -3e4};
  uint32_t state = 12345u + (uint32_t)special;
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    const double u = (double)(state >> 8) * 0x1p-24;
    const bool plain = special < 0 || (i + special) % 3;
    put(dtype, a, i, plain ? low + u * (high - low) : specials[(i + special) / 3 % 16]);
  }
}

static const ky_dtype dtypes[] = {KY_F32, KY_F64};

void each_level(void (*check)(const ky_kernels *kernels, ky_dtype dtype)) {
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    for (int d = 0; kernels && d < LIST(dtypes); d++) check(kernels, dtypes[d]);
  }
}
