/* SPDX-License-Identifier: MIT */
/* What workloads need to compare variants. */
#include "workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64 /* bytes of the cache */

bool bench_agree(const char *workload, bench_variant variant, const char *what, double got,
                 double want, double tolerance) {
  const double scale = fabs(want) > 1 ? fabs(want) : 1;
  if (fabs(got - want) <= tolerance * scale) return true; /* false for NaN */
  fprintf(stderr, "kybench: %s, %s: %s is %.17g, wants %.17g\n", workload,
          bench_variant_name(variant), what, got, want);
  return false;
}

static double element(ky_dtype dtype, const void *x, size_t k) {
  return dtype == KY_F32 ? (double)((const float *)x)[k] : ((const double *)x)[k];
}

bool bench_agree_all(const char *workload, bench_variant variant, const char *what,
                     ky_dtype dtype, size_t n, const void *got, const void *want,
                     double tolerance) {
  double scale = 0;
  if (!got) n = 0;
  for (size_t k = 0; k < n; k++) scale = fmax(scale, fabs(element(dtype, want, k)));
  for (size_t k = 0; k < n; k++) {
    const double g = element(dtype, got, k), w = element(dtype, want, k);
    if (fabs(g - w) <= tolerance * scale) continue; /* false for NaN */
    fprintf(stderr, "kybench: %s, %s: %s [%zu] is %.17g, wants %.17g\n", workload,
            bench_variant_name(variant), what, k, g, w);
    return false;
  }
  if (!got)
    fprintf(stderr, "kybench: %s, %s: no %s\n", workload, bench_variant_name(variant), what);
  return got;
}

static void *must(void *block) {
  if (block) return block;
  fprintf(stderr, "kybench: out of memory\n");
  exit(EXIT_FAILURE);
}

void *bench_alloc(size_t count, size_t size) { return must(calloc(count ? count : 1, size)); }

void *bench_alloc_aligned(size_t bytes) {
  const size_t whole = (bytes + LINE) / LINE * LINE;
  return memset(must(aligned_alloc(LINE, whole)), 0, whole);
}

void *bench_resize(void *block, size_t count, size_t size) {
  return must(realloc(block, count * size));
}

/* A number's bits, stirred (Wellons, "Prospecting for hash functions", lowbias32). */
static uint32_t stir(uint32_t h) {
  h = (h ^ h >> 16) * 0x7feb352d;
  h = (h ^ h >> 15) * 0x846ca68b;
  return h ^ h >> 16;
}

void bench_random(ky_dtype dtype, uint32_t seed, size_t n, void *x, double bound) {
  for (size_t k = 0; k < n; k++) {
    const double unit = stir((uint32_t)k + seed * 0x9e3779b9) * 0x1p-32;
    const double value = bound * (2 * unit - 1);
    if (dtype == KY_F32)
      ((float *)x)[k] = (float)value;
    else
      ((double *)x)[k] = value;
  }
}
