/* SPDX-License-Identifier: MIT */
/* See kernel_calls.h. */
#include "kernel_calls.h"

#include "kernels/kernels.h"

/* Rank 0 has no kernel: it is one operation of C. */
static void points(const kernel_calls *c) {
  const volatile float *a = c->a, *b = c->b;
  float *r = c->results;
  for (size_t k = 0; k < c->count; k++) {
    const float x = *a;
    r[k] = c->op == ADD ? x + *b : c->op == MUL ? x * *b : x <= 0 ? 0 : x;
  }
}

void kernel_calls_run(const kernel_calls *c) {
  const ky_kernels *kernels = ky__kernels();
  const size_t n = c->n;
  float *r = c->results;
  if (n == 0)
    points(c);
  else if (c->op == SUM)
    for (size_t k = 0; k < c->count; k++) kernels->reduce->mean_run[KY_F32](n, r + k, 1, c->a);
  else if (c->op == RELU)
    for (size_t k = 0; k < c->count; k++)
      kernels->elementwise->map_relu[KY_F32](n, r + k * n, c->a, 1, 0, 0);
  else {
    ky_map2 *const kernel = c->op == ADD ? kernels->elementwise->map_add[KY_F32]
                                         : kernels->elementwise->map_mul[KY_F32];
    for (size_t k = 0; k < c->count; k++) kernel(n, r + k * n, c->a, 1, c->b, 1);
  }
}

void kernel_calls_pull(const kernel_calls *c) {
  const ky_elementwise_kernels *e = ky__kernels()->elementwise;
  const size_t n = c->n;
  float *r = c->results;
  if (n == 0)
    points(c);
  else if (c->op == RELU)
    for (size_t k = 0; k < c->count; k++)
      e->pull_relu[KY_F32](n, r + k * n, 0, c->a, c->a, 1, 0, 0);
  else {
    ky_pull2 *const kernel = c->op == ADD ? e->pull_add_a[KY_F32] : e->pull_mul_a[KY_F32];
    for (size_t k = 0; k < c->count; k++) kernel(n, r + k * n, 0, c->a, c->b, 1, c->a, 1);
  }
}
