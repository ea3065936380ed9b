/* SPDX-License-Identifier: MIT */
/* Convolutions as sums over a window that slides: one geometry, and the three maps between its
 * arrays, of which each is the adjoint of another. Channels are innermost in all of them: a
 * tile of points times a panel of channels is a product whose left factor lies where it is in
 * the image (kernels/conv.h). Knows no instructions. */
#ifndef KY_CORRELATE_H
#define KY_CORRELATE_H

#include "frame.h"

#define KY_CONV_AXES 3

/* y [images, groups x outputs, out...] is made of x [images, groups x inputs, in...] by w
 * [groups x outputs, inputs, kernel...]: y at o is the sum over t of x at o stride + t dilation
 * - padding times w at t. Axes that are not there have extents of 1. */
typedef struct ky_conv {
  ky_dtype dtype;
  int64_t images, groups, inputs, outputs;
  struct ky_conv_axis {
    int64_t in, out, kernel, stride, padding, dilation;
  } axis[KY_CONV_AXES];
} ky_conv;

/* An array and its strides: first two axes, then those of the window. */
typedef struct ky_conv_array {
  void *data;
  int64_t strides[2 + KY_CONV_AXES];
} ky_conv_array;

/* Scratch memory that the three take at most. */
size_t ky__conv_scratch(const ky_conv *g, uint32_t threads);

/* Each returns without a result and with a fault when memory ran out. Without a bias `bias` or
 * its data is null; with one, beta is 0 and the result is dense. */

/* y = beta y + x * w + bias, bias [groups x outputs]. */
void ky__conv_apply(ky_frame *f, const ky_conv *g, const ky_conv_array *y, int beta,
                    const ky_conv_array *x, const ky_conv_array *w, const ky_conv_array *bias);

/* x = beta x + the adjoint of that, of y, + bias [groups x inputs]. */
void ky__conv_pull(ky_frame *f, const ky_conv *g, const ky_conv_array *x, int beta,
                   const ky_conv_array *y, const ky_conv_array *w, const ky_conv_array *bias);

/* w = beta w + the sum over all points of y times what of x the window shows there; w is dense.
 */
void ky__conv_weights(ky_frame *f, const ky_conv *g, void *w, int beta, const ky_conv_array *x,
                      const ky_conv_array *y);

#endif
