/* SPDX-License-Identifier: MIT */
/* Batch normalisation as a module: by the statistics of the batch in training, which it hands
 * out for its running ones to follow, and by the running ones in inference. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include <string.h>

#include "../block.h"

#define RECORDINGS 8 /* in training, that are known */

/* What one of them leaves behind. */
typedef struct recording {
  ky_var mean, variance;
  int64_t count; /* elements of a channel */
} recording;

typedef struct batchnorm {
  ky_module base;
  ky_allocator allocator;
  ky_dtype dtype; /* of the statistics */
  double eps, momentum;
  int training;
  ky_tensor *weight, *bias, *running_mean, *running_variance;
  int recordings;
  recording recording[RECORDINGS]; /* the last one first */
} batchnorm;

/* Puts a recording in front. On its tape there is none any more that came later: it was
 * rewound. */
static void remember(batchnorm *b, recording last) {
  recording *known = b->recording;
  int kept = 0;
  for (int k = 0; k < b->recordings; k++)
    if (known[k].mean.tape != last.mean.tape || known[k].mean.id < last.mean.id)
      known[kept++] = known[k];
  if (kept == RECORDINGS) kept--;
  memmove(known + 1, known, (size_t)kept * sizeof *known);
  known[0] = last;
  b->recordings = kept + 1;
}

static ky_var running(const batchnorm *b, ky_tape *t, const ky_tensor *statistic) {
  return ky_input(t, b->dtype, KY_SHAPE(ky_tensor_count(statistic)), ky_tensor_data(statistic));
}

static ky_var forward(ky_module *m, ky_tape *t, ky_var x) {
  batchnorm *b = (batchnorm *)m;
  const ky_var weight = ky_param(t, b->weight), bias = ky_param(t, b->bias);
  if (!b->training)
    return ky_batchnorm_inference(t, x, weight, bias, running(b, t, b->running_mean),
                                  running(b, t, b->running_variance), b->eps);
  recording last;
  const ky_var y = ky_batchnorm(t, x, weight, bias, b->eps, &last.mean, &last.variance);
  ky_array shape;
  if (!y.id || ky_shape(t, x, &shape) != KY_OK) return y;
  last.count = shape.dims[1] ? shape.count / shape.dims[1] : 0;
  remember(b, last);
  return y;
}

static ky_status weights(const ky_module *m, ky_weight_visit *visit, void *user) {
  const batchnorm *b = (const batchnorm *)m;
  const ky_status status = visit(user, "weight", b->weight);
  return status == KY_OK ? visit(user, "bias", b->bias) : status;
}

static ky_status buffers(const ky_module *m, ky_weight_visit *visit, void *user) {
  const batchnorm *b = (const batchnorm *)m;
  const ky_status status = visit(user, "running_mean", b->running_mean);
  return status == KY_OK ? visit(user, "running_var", b->running_variance) : status;
}

static void train(ky_module *m, int training) { ((batchnorm *)m)->training = training; }

static ky_status statistics(const ky_module *m, ky_statistics_visit *visit, void *user) {
  const batchnorm *b = (const batchnorm *)m;
  ky_status status = KY_OK;
  for (int k = 0; k < b->recordings; k++) {
    const ky_statistics s = {.mean = b->recording[k].mean,
                             .variance = b->recording[k].variance,
                             .count = b->recording[k].count,
                             .momentum = b->momentum,
                             .running_mean = b->running_mean,
                             .running_variance = b->running_variance};
    status = visit(user, &s);
    if (status != KY_BAD_VAR) break;
  }
  return status;
}

static void destroy(ky_module *m) {
  batchnorm *b = (batchnorm *)m;
  ky_tensor_free(b->weight);
  ky_tensor_free(b->bias);
  ky_tensor_free(b->running_mean);
  ky_tensor_free(b->running_variance);
  ky__block_free(b->allocator, b, sizeof *b);
}

static const ky_module_kind kind = {.size = sizeof kind,
                                    .name = "batchnorm",
                                    .forward = forward,
                                    .weights = weights,
                                    .free = destroy,
                                    .buffers = buffers,
                                    .train = train,
                                    .statistics = statistics};

static ky_status fill(batchnorm *b, ky_dtype dtype, int64_t channels) {
  const ky_allocator *a = &b->allocator;
  ky_status status = ky_tensor_new(a, dtype, KY_SHAPE(channels), &b->weight);
  if (status == KY_OK) status = ky_tensor_new(a, dtype, KY_SHAPE(channels), &b->bias);
  if (status == KY_OK)
    status = ky_tensor_new(a, b->dtype, KY_SHAPE(channels), &b->running_mean);
  if (status == KY_OK)
    status = ky_tensor_new(a, b->dtype, KY_SHAPE(channels), &b->running_variance);
  if (status == KY_OK) status = ky_init_constant(b->weight, 1);
  return status == KY_OK ? ky_init_constant(b->running_variance, 1) : status;
}

ky_status ky_nn_batchnorm(const ky_allocator *allocator, ky_dtype dtype, int64_t channels,
                          double eps, double momentum, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (!(eps >= 0) || !(momentum >= 0 && momentum <= 1)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  batchnorm *b = ky__block_new(allocator, sizeof *b, &used);
  if (!b) return KY_NO_MEMORY;
  b->base.kind = &kind;
  b->allocator = used;
  b->dtype = dtype == KY_F64 ? KY_F64 : KY_F32;
  b->eps = eps;
  b->momentum = momentum;
  b->training = 1;
  const ky_status status = fill(b, dtype, channels);
  if (status == KY_OK)
    *out = &b->base;
  else
    destroy(&b->base);
  return status;
}
