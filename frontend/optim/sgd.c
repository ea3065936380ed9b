/* SPDX-License-Identifier: MIT */
/* Gradient descent without state. */
#include "optimizer.h"

static void descend_f32(size_t n, float *restrict w, const float *restrict g, float rate) {
  for (size_t k = 0; k < n; k++) w[k] -= rate * g[k];
}

static void descend_f64(size_t n, double *restrict w, const double *restrict g, double rate) {
  for (size_t k = 0; k < n; k++) w[k] -= rate * g[k];
}

static ky_status step(ky_optimizer *o, const ky_grads *grads) {
  for (size_t k = 0; k < grads->count; k++) {
    const ky_grad_pair *pair = &grads->pairs[k];
    const size_t count = (size_t)ky_tensor_count(pair->weight);
    void *data = ky_tensor_write(pair->weight);
    if (ky_tensor_dtype(pair->weight) == KY_F64)
      descend_f64(count, data, pair->grad, o->rate);
    else
      descend_f32(count, data, pair->grad, (float)o->rate);
  }
  return KY_OK;
}

static const ky_optimizer_kind kind = {sizeof(ky_optimizer), step, NULL};

ky_status ky_sgd_new(const ky_allocator *allocator, double rate, ky_optimizer **out) {
  return ky__optimizer_new(allocator, &kind, rate, out);
}
