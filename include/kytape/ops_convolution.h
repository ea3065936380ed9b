/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: convolutions, pooling and resampling of images. Layouts
 * are those of PyTorch: batch, channels, then one axis (1d: length), two (2d: height, width) or
 * three (3d: depth, height, width). What ops.h says about dtypes, errors and source lines holds
 * here. */
#ifndef KYTAPE_OPS_CONVOLUTION_H
#define KYTAPE_OPS_CONVOLUTION_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Convolutions ------------------------------------------------------------------------ */

/* How a kernel slides. Set `size` to sizeof(ky_conv_options); entry k of an array is for the
 * k-th axis behind the channels, others are not read. */
typedef struct ky_conv_options {
  size_t size;
  int64_t stride[3];         /* places from one result to the next; 0: 1 */
  int64_t padding[3];        /* zeros before and behind x */
  int64_t dilation[3];       /* places from one tap of the kernel to the next; 0: 1 */
  int64_t output_padding[3]; /* conv_transpose: what the result is longer by, at its end */
  int64_t groups;            /* channels are taken in so many groups, by themselves; 0: 1 */
} ky_conv_options;

/* Convolution, without a flip of the kernel: r[n,o,p] = bias[o] + sum over c, t of w[o,c,t]
 * x[n,c,p stride + t dilation - padding], 0 outside of x. x [n,c,...], w [o,c/groups,k...],
 * bias [o] or ky_none() -> [n,o,...] with extents (in + 2 padding - dilation (k-1) - 1) /
 * stride + 1, rounded down. gx = conv_transpose of g by w; gw[o,c,t] = sum of g[n,o,p] x there,
 * gbias = sum of g. options: NULL for stride 1 and no padding; read during the call. Errors:
 * BAD_SHAPE (ranks, channels, groups, bias, a kernel larger than the padded x), BAD_ARGUMENT
 * (options). Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning".
 */
KY_API ky_var ky_conv1d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);
KY_API ky_var ky_conv2d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);
KY_API ky_var ky_conv3d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);

/* Transposed convolution: the adjoint of ky_conv for its x, plus bias: r[n,o,p stride + t
 * dilation
 * - padding] is the sum of x[n,c,p] w[c,o,t]. x [n,c,...], w [c,o/groups,k...], bias [o] or
 * ky_none() -> [n,o,...] with extents (in - 1) stride - 2 padding + dilation (k-1) +
 * output_padding
 * + 1. gx = conv of g by w. Errors: those of ky_conv1d; BAD_ARGUMENT (output_padding is not
 * less than stride or dilation), BAD_SHAPE (the result would be empty). */
KY_API ky_var ky_conv_transpose1d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);
KY_API ky_var ky_conv_transpose2d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);
KY_API ky_var ky_conv_transpose3d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);

#ifndef KY_NO_SITES
  #define ky_conv1d(t, ...) ky_conv1d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv2d(t, ...) ky_conv2d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv3d(t, ...) ky_conv3d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose1d(t, ...)                                                          \
    ky_conv_transpose1d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose2d(t, ...)                                                          \
    ky_conv_transpose2d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose3d(t, ...)                                                          \
    ky_conv_transpose3d(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
