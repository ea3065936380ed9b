/* SPDX-License-Identifier: MIT */
/* Layers with a table or a scale: embedding; normalisation by statistics of x alone. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <string.h>

#include "../block.h"

typedef struct scaled {
  ky_module base;
  ky_allocator allocator;
  ky_tensor *weight, *bias; /* NULL for none */
  int64_t padding;          /* embedding: a row, or -1 */
  int64_t groups;           /* of groupnorm */
  double eps;               /* of a norm */
} scaled;

static ky_var forward_embedding(ky_module *m, ky_tape *t, ky_var x) {
  const scaled *e = (const scaled *)m;
  return ky_embedding(t, ky_param(t, e->weight), x, e->padding);
}

static ky_var forward_layernorm(ky_module *m, ky_tape *t, ky_var x) {
  const scaled *e = (const scaled *)m;
  return ky_layernorm(t, x, 1, ky_param(t, e->weight), ky_param(t, e->bias), e->eps);
}

static ky_var forward_rmsnorm(ky_module *m, ky_tape *t, ky_var x) {
  const scaled *e = (const scaled *)m;
  return ky_rmsnorm(t, x, 1, ky_param(t, e->weight), e->eps);
}

static ky_var forward_groupnorm(ky_module *m, ky_tape *t, ky_var x) {
  const scaled *e = (const scaled *)m;
  const ky_var weight = ky_param(t, e->weight), bias = ky_param(t, e->bias);
  return ky_groupnorm(t, x, e->groups, weight, bias, e->eps);
}

static ky_var forward_instancenorm(ky_module *m, ky_tape *t, ky_var x) {
  const scaled *e = (const scaled *)m;
  if (!e->weight) return ky_instancenorm(t, x, ky_none(), ky_none(), e->eps);
  const ky_var weight = ky_param(t, e->weight), bias = ky_param(t, e->bias);
  return ky_instancenorm(t, x, weight, bias, e->eps);
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const scaled *e = (const scaled *)m;
  const ky_status status = e->weight ? visit(user, "weight", e->weight) : KY_OK;
  return status == KY_OK && e->bias ? visit(user, "bias", e->bias) : status;
}

static void destroy(ky_module *m) {
  scaled *e = (scaled *)m;
  ky_tensor_free(e->weight);
  ky_tensor_free(e->bias);
  ky__block_free(e->allocator, e, sizeof *e);
}

#define X(op)                                                                                  \
  static const ky_module_kind op = {.size = sizeof(ky_module_kind),                            \
                                    .name = #op,                                               \
                                    .forward = forward_##op,                                   \
                                    .weights = weights,                                        \
                                    .free = destroy};
X(embedding)
X(layernorm)
X(rmsnorm)
X(groupnorm)
X(instancenorm)
#undef X

static scaled *begin(const ky_module_kind *kind, const ky_allocator *allocator) {
  ky_allocator used;
  scaled *e = ky__block_new(allocator, sizeof *e, &used);
  if (!e) return NULL;
  e->base.kind = kind;
  e->allocator = used;
  return e;
}

static ky_status finish(scaled *e, ky_status status, ky_module **out) {
  if (status == KY_OK)
    *out = &e->base;
  else
    destroy(&e->base);
  return status;
}

static void clear_row(ky_tensor *table, int64_t row) {
  const ky_array a = ky_tensor_array(table);
  const size_t bytes = (size_t)a.dims[1] * ky_dtype_size(a.dtype);
  memset((char *)ky_tensor_write(table) + (size_t)row * bytes, 0, bytes);
}

ky_status ky_nn_embedding(const ky_allocator *allocator, ky_dtype dtype, int64_t rows,
                          int64_t width, int64_t padding, ky_rng *rng, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (padding < -1 || (padding >= 0 && padding >= rows)) return KY_BAD_INDEX;
  scaled *e = begin(&embedding, allocator);
  if (!e) return KY_NO_MEMORY;
  e->padding = padding;
  ky_status status = ky_tensor_new(allocator, dtype, KY_SHAPE(rows, width), &e->weight);
  if (status == KY_OK && rng) status = ky_init_normal(e->weight, rng, 0, 1);
  if (status == KY_OK && rng && padding >= 0) clear_row(e->weight, padding);
  return finish(e, status, out);
}

/* tensors: 2 for weight and bias, 1 for the weight alone. groups: 1 where there are none. */
static ky_status make_norm(const ky_module_kind *kind, const ky_allocator *allocator,
                           ky_dtype dtype, int64_t width, int64_t groups, double eps,
                           int tensors, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (!(eps >= 0) || groups < 1) return KY_BAD_ARGUMENT;
  if (width % groups) return KY_BAD_SHAPE;
  scaled *e = begin(kind, allocator);
  if (!e) return KY_NO_MEMORY;
  e->groups = groups;
  e->eps = eps;
  ky_status status = KY_OK;
  if (tensors > 0) status = ky_tensor_new(allocator, dtype, KY_SHAPE(width), &e->weight);
  if (status == KY_OK && tensors > 1)
    status = ky_tensor_new(allocator, dtype, KY_SHAPE(width), &e->bias);
  if (status == KY_OK && tensors > 0) status = ky_init_constant(e->weight, 1);
  return finish(e, status, out);
}

ky_status ky_nn_layernorm(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                          double eps, ky_module **out) {
  return make_norm(&layernorm, allocator, dtype, width, 1, eps, 2, out);
}

ky_status ky_nn_rmsnorm(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                        double eps, ky_module **out) {
  return make_norm(&rmsnorm, allocator, dtype, width, 1, eps, 1, out);
}

ky_status ky_nn_groupnorm(const ky_allocator *allocator, ky_dtype dtype, int64_t channels,
                          int64_t groups, double eps, ky_module **out) {
  return make_norm(&groupnorm, allocator, dtype, channels, groups, eps, 2, out);
}

ky_status ky_nn_instancenorm(const ky_allocator *allocator, ky_dtype dtype, int64_t channels,
                             double eps, int affine, ky_module **out) {
  return make_norm(&instancenorm, allocator, dtype, channels, 1, eps, affine ? 2 : 0, out);
}
