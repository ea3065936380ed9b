/* SPDX-License-Identifier: MIT */
/* Convolution layers of one to three axes and their transposes: weights, and the options they
 * slide with. */
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

typedef struct convolution_kind {
  ky_module_kind base;
  ky_var (*record)(ky_tape *t, ky_var x, ky_var w, ky_var bias, const ky_conv_options *options);
  int axes;
  int transposed; /* inputs come first in the weight */
} convolution_kind;

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const convolution *layer = (const convolution *)m;
  const ky_var weight = ky_param(t, layer->weight);
  const ky_var bias = layer->bias ? ky_param(t, layer->bias) : ky_none();
  return ((const convolution_kind *)m->kind)->record(t, x, weight, bias, &layer->options);
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

#define KIND(op, axes, transposed)                                                             \
  static const convolution_kind op = {{.size = sizeof(ky_module_kind),                         \
                                       .name = #op,                                            \
                                       .forward = forward,                                     \
                                       .weights = weights,                                     \
                                       .free = destroy},                                       \
                                      ky_##op,                                                 \
                                      axes,                                                    \
                                      transposed};
KIND(conv1d, 1, 0)
KIND(conv2d, 2, 0)
KIND(conv3d, 3, 0)
KIND(conv_transpose1d, 1, 1)
KIND(conv_transpose2d, 2, 1)
KIND(conv_transpose3d, 3, 1)
#undef KIND

/* Uniform in [-k, k), k = 1 / sqrt of the elements behind the first axis of the weight. */
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
static ky_status make(const ky_allocator *allocator, const convolution_kind *kind,
                      ky_dtype dtype, const int64_t *dims, int64_t outputs,
                      const ky_conv_options *options, int bias, ky_rng *rng, ky_module **out) {
  ky_allocator used;
  convolution *layer = ky__block_new(allocator, sizeof *layer, &used);
  if (!layer) return KY_NO_MEMORY;
  layer->base.kind = &kind->base;
  layer->allocator = used;
  layer->options = *options;
  ky_status status = ky_tensor_new(allocator, dtype, kind->axes + 2, dims, &layer->weight);
  if (status == KY_OK && bias)
    status = ky_tensor_new(allocator, dtype, KY_SHAPE(outputs), &layer->bias);
  if (status == KY_OK) status = draw(layer, rng);
  if (status == KY_OK)
    *out = &layer->base;
  else
    destroy(&layer->base);
  return status;
}

static ky_status make_sized(const ky_allocator *allocator, const convolution_kind *kind,
                            ky_dtype dtype, int64_t inputs, int64_t outputs,
                            const int64_t *kernel, const ky_conv_options *options, int bias,
                            ky_rng *rng, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_conv_options o = {.size = sizeof o};
  if (!ky__options(&o, sizeof o, options) || !kernel || o.groups < 0) return KY_BAD_ARGUMENT;
  const int64_t groups = o.groups ? o.groups : 1;
  if (inputs % groups || outputs % groups) return KY_BAD_SHAPE;
  int64_t dims[5] = {outputs, inputs / groups};
  if (kind->transposed) {
    dims[0] = inputs;
    dims[1] = outputs / groups;
  }
  for (int k = 0; k < kind->axes; k++) {
    if (kernel[k] < 1) return KY_BAD_SHAPE;
    dims[2 + k] = kernel[k];
  }
  return make(allocator, kind, dtype, dims, outputs, &o, bias, rng, out);
}

#define X(op)                                                                                  \
  ky_status ky_nn_##op(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,          \
                       int64_t outputs, int64_t kernel, const ky_conv_options *options,        \
                       int bias, ky_rng *rng, ky_module **out) {                               \
    return make_sized(allocator, &op, dtype, inputs, outputs, &kernel, options, bias, rng,     \
                      out);                                                                    \
  }
X(conv1d)
X(conv_transpose1d)
#undef X

#define X(op, axes)                                                                            \
  ky_status ky_nn_##op(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,          \
                       int64_t outputs, const int64_t kernel[axes],                            \
                       const ky_conv_options *options, int bias, ky_rng *rng,                  \
                       ky_module **out) {                                                      \
    return make_sized(allocator, &op, dtype, inputs, outputs, kernel, options, bias, rng,      \
                      out);                                                                    \
  }
X(conv2d, 2)
X(conv3d, 3)
X(conv_transpose2d, 2)
X(conv_transpose3d, 3)
#undef X
