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

bool bench_ok(const char *workload, bench_variant variant, ky_status status, const ky_tape *t) {
  if (status == KY_OK) return true;
  fprintf(stderr, "kybench: %s, %s: %s: %s\n", workload, bench_variant_name(variant),
          ky_status_text(status), ky_tape_message(t));
  return false;
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

void bench_random_f32(uint64_t seed, size_t n, float *x, double bound) {
  ky_rng rng = ky_rng_seed(seed, 0);
  (void)ky_rng_uniform(&rng, KY_F32, n, -bound, bound, x);
}
