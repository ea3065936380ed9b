/* SPDX-License-Identifier: MIT */
/* Layers that make rows of samples, and samples of rows. The first axis is the batch's. */
#define KY_NO_SITES
#include "../block.h"
#include "kytape/nn.h"

typedef struct shaping {
  ky_module base;
  ky_allocator allocator;
  int rank; /* of a sample; 0 for flatten */
  int64_t dims[KY_MAX_RANK];
} shaping;

static void destroy(ky_module *m) {
  shaping *s = (shaping *)m;
  ky__block_free(s->allocator, s, sizeof *s);
}

/* What is no value of the tape, reshape refuses. */
static ky_var forward_flatten(ky_module *m, ky_tape *t, ky_var x) {
  (void)m;
  ky_array a = {0};
  int64_t dims[2] = {1, 1};
  ky_shape(t, x, &a);
  for (int k = 0; k < a.rank; k++) dims[k > 0] *= a.dims[k];
  return ky_reshape(t, x, 2, dims);
}

static ky_var forward_unflatten(ky_module *m, ky_tape *t, ky_var x) {
  const shaping *s = (const shaping *)m;
  ky_array a = {0};
  int64_t dims[KY_MAX_RANK] = {1};
  ky_shape(t, x, &a);
  if (a.rank > 0) dims[0] = a.dims[0];
  for (int k = 0; k < s->rank; k++) dims[k + 1] = s->dims[k];
  return ky_reshape(t, x, s->rank + 1, dims);
}

static const ky_module_kind kind_flatten = {.size = sizeof kind_flatten,
                                            .name = "flatten",
                                            .forward = forward_flatten,
                                            .free = destroy};

static const ky_module_kind kind_unflatten = {.size = sizeof kind_unflatten,
                                              .name = "unflatten",
                                              .forward = forward_unflatten,
                                              .free = destroy};

static ky_status make(const ky_allocator *allocator, const ky_module_kind *kind, int rank,
                      const int64_t *dims, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (rank < 0 || rank >= KY_MAX_RANK) return KY_BAD_SHAPE;
  if (rank > 0 && !dims) return KY_BAD_ARGUMENT;
  for (int k = 0; k < rank; k++)
    if (dims[k] < 0) return KY_BAD_SHAPE;
  ky_allocator used;
  shaping *s = ky__block_new(allocator, sizeof *s, &used);
  if (!s) return KY_NO_MEMORY;
  s->base.kind = kind;
  s->allocator = used;
  s->rank = rank;
  for (int k = 0; k < rank; k++) s->dims[k] = dims[k];
  *out = &s->base;
  return KY_OK;
}

ky_status ky_nn_flatten(const ky_allocator *allocator, ky_module **out) {
  return make(allocator, &kind_flatten, 0, NULL, out);
}

ky_status ky_nn_unflatten(const ky_allocator *allocator, int rank, const int64_t *dims,
                          ky_module **out) {
  return make(allocator, &kind_unflatten, rank, dims, out);
}
