/* SPDX-License-Identifier: MIT */
/* Self-attention of several heads: a linear layer, ky_attention on views of what it gives, and
 * a linear layer. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "../block.h"

enum { W_IN, B_IN, W_OUT, B_OUT, WEIGHTS };
static const char *const weight_names[WEIGHTS] = {"in_proj_weight", "in_proj_bias",
                                                  "out_proj.weight", "out_proj.bias"};

typedef struct attention {
  ky_module base;
  ky_allocator allocator;
  int64_t heads;
  int causal;
  ky_tensor *weight[WEIGHTS]; /* biases: NULL for none */
} attention;

static ky_var project(ky_tape *t, ky_var x, ky_tensor *const weight[2]) {
  const ky_var w = ky_param(t, weight[0]);
  return ky_linear(t, x, w, weight[1] ? ky_param(t, weight[1]) : ky_none());
}

/* [b,t,c] as [b,heads,t,c/heads], a view. */
static ky_var heads_of(ky_tape *t, const attention *a, const ky_array *shape, ky_var x) {
  const int64_t dims[4] = {shape->dims[0], shape->dims[1], a->heads, shape->dims[2] / a->heads};
  return ky_transpose(t, ky_reshape(t, x, 4, dims), 1, 2);
}

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  const attention *a = (const attention *)m;
  ky_array shape;
  const bool live = ky_shape(t, x, &shape) == KY_OK; /* else linear refuses it */
  if (live && shape.rank != 3) {
    char text[80];
    snprintf(text, sizeof text, "attention: x is of rank %d, wants [b,t,width]", shape.rank);
    return ky_tape_fail(t, KY_BAD_SHAPE, text);
  }
  const ky_var joint = project(t, x, a->weight + W_IN);
  if (!joint.id) return joint;
  ky_var part[3];
  ky_split(t, joint, -1, 3, NULL, part);
  for (int k = 0; k < 3; k++) part[k] = heads_of(t, a, &shape, part[k]);
  const ky_var y = ky_attention(t, part[0], part[1], part[2], ky_none(), a->causal, 0);
  const ky_var joined = ky_reshape(t, ky_transpose(t, y, 1, 2), 3, shape.dims);
  return project(t, joined, a->weight + W_OUT);
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const attention *a = (const attention *)m;
  ky_status status = KY_OK;
  for (int k = 0; k < WEIGHTS && status == KY_OK; k++)
    if (a->weight[k]) status = visit(user, weight_names[k], a->weight[k]);
  return status;
}

static void destroy(ky_module *m) {
  attention *a = (attention *)m;
  for (int k = 0; k < WEIGHTS; k++) ky_tensor_free(a->weight[k]);
  ky__block_free(a->allocator, a, sizeof *a);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "attention",
                                    .forward = forward,
                                    .weights = weights,
                                    .free = destroy};

static ky_status fill(attention *a, ky_dtype dtype, int64_t width, int bias, ky_rng *rng) {
  ky_tensor **w = a->weight;
  ky_status status = ky_tensor_new(&a->allocator, dtype, KY_SHAPE(3 * width, width), &w[W_IN]);
  if (status == KY_OK)
    status = ky_tensor_new(&a->allocator, dtype, KY_SHAPE(width, width), &w[W_OUT]);
  if (status == KY_OK && bias)
    status = ky_tensor_new(&a->allocator, dtype, KY_SHAPE(3 * width), &w[B_IN]);
  if (status == KY_OK && bias)
    status = ky_tensor_new(&a->allocator, dtype, KY_SHAPE(width), &w[B_OUT]);
  if (status != KY_OK || !rng || width == 0) return status;
  const double bound = 1 / sqrt((double)width);
  status = ky_init_xavier_uniform(w[W_IN], rng, 1);
  return status == KY_OK ? ky_init_uniform(w[W_OUT], rng, -bound, bound) : status;
}

ky_status ky_nn_attention(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                          int64_t heads, int causal, int bias, ky_rng *rng, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (heads < 1) return KY_BAD_ARGUMENT;
  if (width < 0 || width > INT64_MAX / 3 || width % heads != 0) return KY_BAD_SHAPE;
  ky_allocator used;
  attention *a = ky__block_new(allocator, sizeof *a, &used);
  if (!a) return KY_NO_MEMORY;
  a->base.kind = &kind;
  a->allocator = used;
  a->heads = heads;
  a->causal = causal;
  const ky_status status = fill(a, dtype, width, bias, rng);
  if (status == KY_OK)
    *out = &a->base;
  else
    destroy(&a->base);
  return status;
}
