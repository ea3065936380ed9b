/* SPDX-License-Identifier: MIT */
/* Convolution layers of one and two axes: weights, and the options they slide with. */
#define KY_NO_SITES
#include <math.h>

#include "../block.h"
#include "../options.h"
#include "kytape/nn.h"

typedef struct convolution {
  ky_module base;
  ky_allocator allocator;
  ky_conv_options options;
  ky_tensor *weight;
  ky_tensor *bias; /* NULL for none */
} convolution;

static ky_var bias_of(const convolution *layer, ky_tape *t) {
  return layer->bias ? ky_param(t, layer->bias) : ky_none();
}

static ky_var forward_1d(ky_module *m, ky_tape *t, ky_var x) {
  const convolution *layer = (const convolution *)m;
  const ky_var weight = ky_param(t, layer->weight);
  return ky_conv1d(t, x, weight, bias_of(layer, t), &layer->options);
}

static ky_var forward_2d(ky_module *m, ky_tape *t, ky_var x) {
  const convolution *layer = (const convolution *)m;
  const ky_var weight = ky_param(t, layer->weight);
  return ky_conv2d(t, x, weight, bias_of(layer, t), &layer->options);
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const convolution *layer = (const convolution *)m;
  const ky_status status = visit(user, "weight", layer->weight);
  return status == KY_OK && layer->bias ? visit(user, "bias", layer->bias) : status;
}

static void destroy(ky_module *m) {
  convolution *layer = (convolution *)m;
  ky_tensor_free(layer->weight);
  ky_tensor_free(layer->bias);
  ky__block_free(layer->allocator, layer, sizeof *layer);
}

static const ky_module_kind kinds[] = {
    {.size = sizeof(ky_module_kind),
     .name = "conv1d",
     .forward = forward_1d,
     .weights = weights,
     .free = destroy},
    {.size = sizeof(ky_module_kind),
     .name = "conv2d",
     .forward = forward_2d,
     .weights = weights,
     .free = destroy},
};

/* Uniform in [-k, k), k = 1 / sqrt of the elements that one result is made of. */
static ky_status draw(const convolution *layer, ky_rng *rng) {
  const ky_array w = ky_tensor_array(layer->weight);
  double fan = 1;
  for (int k = 1; k < w.rank; k++) fan *= (double)w.dims[k];
  if (!rng || fan == 0) return KY_OK;
  const double bound = 1 / sqrt(fan);
  const ky_status status = ky_init_uniform(layer->weight, rng, -bound, bound);
  return status == KY_OK && layer->bias ? ky_init_uniform(layer->bias, rng, -bound, bound)
                                        : status;
}

/* dims: of the weight. */
static ky_status make(const ky_allocator *allocator, ky_dtype dtype, int rank,
                      const int64_t *dims, const ky_conv_options *options, int bias,
                      ky_rng *rng, ky_module **out) {
  ky_allocator used;
  convolution *layer = ky__block_new(allocator, sizeof *layer, &used);
  if (!layer) return KY_NO_MEMORY;
  layer->base.kind = &kinds[rank - 3];
  layer->allocator = used;
  layer->options = *options;
  ky_status status = ky_tensor_new(allocator, dtype, rank, dims, &layer->weight);
  if (status == KY_OK && bias)
    status = ky_tensor_new(allocator, dtype, KY_SHAPE(dims[0]), &layer->bias);
  if (status == KY_OK) status = draw(layer, rng);
  if (status == KY_OK)
    *out = &layer->base;
  else
    destroy(&layer->base);
  return status;
}

static ky_status make_sized(const ky_allocator *allocator, ky_dtype dtype, int axes,
                            int64_t inputs, int64_t outputs, const int64_t *kernel,
                            const ky_conv_options *options, int bias, ky_rng *rng,
                            ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_conv_options o = {.size = sizeof o};
  if (!ky__options(&o, sizeof o, options) || !kernel || o.groups < 0) return KY_BAD_ARGUMENT;
  const int64_t groups = o.groups ? o.groups : 1;
  if (inputs % groups || outputs % groups) return KY_BAD_SHAPE;
  int64_t dims[4] = {outputs, inputs / groups};
  for (int k = 0; k < axes; k++) {
    if (kernel[k] < 1) return KY_BAD_SHAPE;
    dims[2 + k] = kernel[k];
  }
  return make(allocator, dtype, axes + 2, dims, &o, bias, rng, out);
}

ky_status ky_nn_conv1d(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                       int64_t outputs, int64_t kernel, const ky_conv_options *options,
                       int bias, ky_rng *rng, ky_module **out) {
  return make_sized(allocator, dtype, 1, inputs, outputs, &kernel, options, bias, rng, out);
}

ky_status ky_nn_conv2d(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                       int64_t outputs, const int64_t kernel[2], const ky_conv_options *options,
                       int bias, ky_rng *rng, ky_module **out) {
  return make_sized(allocator, dtype, 2, inputs, outputs, kernel, options, bias, rng, out);
}
