/* SPDX-License-Identifier: MIT */
/* Attention of several heads: a linear layer, ky_attention on views of what it gives, and
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
  int64_t width, heads;
  int causal;
  ky_tensor *weight[WEIGHTS]; /* biases: NULL for none */
} attention;

/* x times rows first..end-1 of a weight, plus those of its bias, if there is one. */
static ky_var project(ky_tape *t, ky_var x, ky_tensor *const weight[2], int64_t first,
                      int64_t end) {
  ky_var part[2] = {ky_none(), ky_none()};
  for (int k = 0; k < 2; k++) {
    if (!weight[k]) continue;
    part[k] = ky_param(t, weight[k]);
    const ky_array whole = ky_tensor_array(weight[k]);
    if (end - first < whole.dims[0]) part[k] = ky_slice(t, part[k], 0, first, end, 1);
  }
  return ky_linear(t, x, part[0], part[1]);
}

/* Queries of x, keys and values of `memory`: by one product where these are one. */
static void project_in(ky_tape *t, const attention *a, ky_var x, ky_var memory,
                       ky_var part[3]) {
  ky_tensor *const *weight = a->weight + W_IN;
  const int64_t n = a->width;
  if (memory.tape == x.tape && memory.id == x.id && memory.era == x.era) {
    ky_split(t, project(t, x, weight, 0, 3 * n), -1, 3, NULL, part);
  } else {
    part[0] = project(t, x, weight, 0, n);
    ky_split(t, project(t, memory, weight, n, 3 * n), -1, 2, NULL, part + 1);
  }
}

/* [b,t,c] as [b,heads,t,c/heads], a view. */
static ky_var heads_of(ky_tape *t, const attention *a, ky_var x) {
  ky_array shape;
  if (ky_shape(t, x, &shape) != KY_OK) return ky_none();
  const int64_t dims[4] = {shape.dims[0], shape.dims[1], a->heads, a->width / a->heads};
  return ky_transpose(t, ky_reshape(t, x, 4, dims), 1, 2);
}

/* Whether a value is of rank 3, as far as it is one. */
static bool has_rank_3(ky_tape *t, const char *name, ky_var x) {
  ky_array shape;
  if (ky_shape(t, x, &shape) != KY_OK || shape.rank == 3) return true; /* else linear refuses */
  char text[80];
  snprintf(text, sizeof text, "attention: %s is of rank %d, wants [b,t,width]", name,
           shape.rank);
  ky_tape_fail(t, KY_BAD_SHAPE, text);
  return false;
}

static ky_var attend(const attention *a, ky_tape *t, ky_var x, ky_var memory, ky_var mask) {
  if (!has_rank_3(t, "x", x) || !has_rank_3(t, "memory", memory)) return ky_none();
  ky_var part[3];
  project_in(t, a, x, memory, part);
  for (int k = 0; k < 3; k++) part[k] = heads_of(t, a, part[k]);
  ky_var y = ky_attention(t, part[0], part[1], part[2], mask, a->causal, 0);
  ky_array shape;
  if (ky_shape(t, x, &shape) != KY_OK) return ky_none();
  y = ky_reshape(t, ky_transpose(t, y, 1, 2), 3, shape.dims);
  return project(t, y, a->weight + W_OUT, 0, a->width);
}

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  return attend((const attention *)m, t, x, x, ky_none());
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

ky_var ky_nn_attention_forward(ky_tape *t, ky_module *m, ky_var x, ky_var memory, ky_var mask) {
  if (m && m->kind == &kind)
    return attend((const attention *)m, t, x, memory.id ? memory : x, mask);
  char text[128];
  snprintf(text, sizeof text, "attention: wants a module of ky_nn_attention, got %s",
           m ? ky_module_name(m) : "null");
  return ky_tape_fail(t, KY_BAD_ARGUMENT, text);
}

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
  a->width = width;
  a->heads = heads;
  a->causal = causal;
  const ky_status status = fill(a, dtype, width, bias, rng);
  if (status == KY_OK)
    *out = &a->base;
  else
    destroy(&a->base);
  return status;
}
