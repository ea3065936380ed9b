/* SPDX-License-Identifier: MIT */
/* See opcode.h. */
#include "opcodes/opcode.h"

#include <stdlib.h>

#include "workload.h"

void scene_open(scene *s) { *s = (scene){.t = ky_tape_new(NULL)}; }

void scene_close(scene *s) {
  ky_tape_free(s->t);
  for (int k = 0; k < s->arrays; k++) {
    ky_tensor_free(s->weight[k]);
    free(s->array[k]);
  }
}

static size_t count_of(int rank, const int64_t *dims) {
  size_t count = 1;
  for (int k = 0; k < rank; k++) count *= (size_t)dims[k];
  return count;
}

static void *add_array(scene *s, size_t bytes) {
  return s->array[s->arrays++] = bench_alloc_aligned(bytes);
}

static float *uniform(scene *s, double lo, double hi, size_t n) {
  float *x = add_array(s, n * sizeof *x);
  bench_random(KY_F32, (uint32_t)s->arrays, n, x, (hi - lo) / 2);
  for (size_t k = 0; k < n; k++) x[k] += (float)((lo + hi) / 2);
  return x;
}

static ky_var param(scene *s, int rank, const int64_t *dims, float *x) {
  ky_tensor **w = &s->weight[s->arrays - 1];
  const ky_status status = ky_tensor_wrap(NULL, KY_F32, rank, dims, x, w);
  if (s->status == KY_OK) s->status = status;
  return *w ? ky_param(s->t, *w) : ky_none();
}

ky_var scene_between(scene *s, double lo, double hi, int rank, const int64_t *dims) {
  return param(s, rank, dims, uniform(s, lo, hi, count_of(rank, dims)));
}

ky_var scene_given(scene *s, int rank, const int64_t *dims) {
  return scene_between(s, 0.05, 0.95, rank, dims);
}

ky_var scene_dominant(scene *s, int64_t n) {
  float *x = add_array(s, (size_t)(n * n) * sizeof *x);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) x[i * n + j] = i == j ? 2 : 1 / (float)n;
  return param(s, KY_SHAPE(n, n), x);
}

ky_var scene_target(scene *s, int rank, const int64_t *dims) {
  return ky_input(s->t, KY_F32, rank, dims, uniform(s, 0.05, 0.95, count_of(rank, dims)));
}

ky_var scene_mask(scene *s, int rank, const int64_t *dims) {
  const size_t n = count_of(rank, dims);
  const float *x = uniform(s, 0, 1, n);
  uint8_t *mask = add_array(s, n);
  for (size_t k = 0; k < n; k++) mask[k] = x[k] < 0.5F;
  return ky_input(s->t, KY_MASK, rank, dims, mask);
}

ky_var scene_indices(scene *s, int64_t first, int64_t last, int rank, const int64_t *dims) {
  const size_t n = count_of(rank, dims);
  const float *x = uniform(s, 0, 0.999, n);
  int64_t *index = add_array(s, n * sizeof *index);
  for (size_t k = 0; k < n; k++) index[k] = first + (int64_t)(x[k] * (float)(last - first));
  return ky_input(s->t, KY_I64, rank, dims, index);
}
