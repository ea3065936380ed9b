/* SPDX-License-Identifier: MIT */
/* The linear layer: x w' + b. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <math.h>

#include "../block.h"

typedef struct linear {
  ky_module base;
  ky_allocator allocator;
  ky_tensor *weight;
  ky_tensor *bias; /* NULL for none */
} linear;

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const linear *layer = (const linear *)m;
  const ky_var weight = ky_param(t, layer->weight);
  return ky_linear(t, x, weight, layer->bias ? ky_param(t, layer->bias) : ky_none());
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const linear *layer = (const linear *)m;
  const ky_status status = visit(user, "weight", layer->weight);
  return status == KY_OK && layer->bias ? visit(user, "bias", layer->bias) : status;
}

static void destroy(ky_module *m) {
  linear *layer = (linear *)m;
  ky_tensor_free(layer->weight);
  ky_tensor_free(layer->bias);
  ky__block_free(layer->allocator, layer, sizeof *layer);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "linear",
                                    .forward = forward,
                                    .weights = weights,
                                    .free = destroy};

ky_status ky_nn_linear(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                       int64_t outputs, int bias, ky_rng *rng, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_allocator used;
  linear *layer = ky__block_new(allocator, sizeof *layer, &used);
  if (!layer) return KY_NO_MEMORY;
  layer->base.kind = &kind;
  layer->allocator = used;
  ky_status status = ky_tensor_new(allocator, dtype, KY_SHAPE(outputs, inputs), &layer->weight);
  if (status == KY_OK && bias)
    status = ky_tensor_new(allocator, dtype, KY_SHAPE(outputs), &layer->bias);
  if (status == KY_OK && rng && inputs > 0) {
    const double bound = 1 / sqrt((double)inputs);
    status = ky_init_uniform(layer->weight, rng, -bound, bound);
    if (status == KY_OK && bias) status = ky_init_uniform(layer->bias, rng, -bound, bound);
  }
  if (status == KY_OK)
    *out = &layer->base;
  else
    destroy(&layer->base);
  return status;
}
