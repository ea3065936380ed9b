/* SPDX-License-Identifier: MIT */
/* See hand_layer.h. */
#include "hand/hand_layer.h"

#include <stdint.h>

#include "kernels/gemm.h"

static ky_matrix rows_of(const float *data, size_t columns) {
  return (ky_matrix){(void *)(uintptr_t)data, (ptrdiff_t)columns, 1};
}

static ky_matrix swapped(const float *data, size_t columns) {
  return (ky_matrix){(void *)(uintptr_t)data, 1, (ptrdiff_t)columns};
}

void hand_layer(size_t batch, size_t in, size_t out, float *restrict y, const float *x,
                const float *w, const float *restrict b, int relu) {
  ky__gemm[KY_F32](batch, out, in, rows_of(x, in), swapped(w, in), 0, rows_of(y, out));
  for (size_t r = 0; r < batch; r++, y += out)
    for (size_t k = 0; k < out; k++) {
      const float z = y[k] + b[k];
      y[k] = relu && z <= 0 ? 0 : z;
    }
}

void hand_layer_input(size_t batch, size_t in, size_t out, float *gx, const float *g,
                      const float *w) {
  ky__gemm[KY_F32](batch, in, out, rows_of(g, out), rows_of(w, in), 0, rows_of(gx, in));
}

void hand_layer_update(size_t batch, size_t in, size_t out, float *w, const float *g,
                       const float *x) {
  ky__gemm[KY_F32](out, in, batch, swapped(g, out), rows_of(x, in), 1, rows_of(w, in));
}

void hand_layer_bias(size_t batch, size_t out, float *restrict g, const float *restrict y,
                     float *restrict b) {
  for (size_t r = 0; r < batch; r++, g += out) {
    if (y)
      for (size_t k = 0; k < out; k++) g[k] = y[r * out + k] > 0 ? g[k] : 0;
    for (size_t k = 0; k < out; k++) b[k] += g[k];
  }
}
