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

/* Convolution, without a flip of the kernel; x is 0 outside.
 *   r[n,o,p] = bias[o] + sum over c, t of w[o,c,t] x[n,c,p stride + t dilation - padding]
 *   x [n,c,...], w [o,c/groups,k...], bias [o] or ky_none() -> [n,o,...] with extents
 *   (in + 2 padding - dilation (k-1) - 1) / stride + 1, rounded down
 *   gx = conv_transpose of g by w; gw[o,c,t] = sum of g[n,o,p] x there; gbias = sum of g
 * options: NULL for stride 1 and no padding; read during the call.
 * Errors: BAD_SHAPE (ranks, channels, groups, bias, a kernel larger than the padded x),
 * BAD_ARGUMENT (options). Source: Dumoulin and Visin, "A guide to convolution arithmetic for
 * deep learning". */
KY_API ky_var ky_conv1d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);
KY_API ky_var ky_conv2d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);
KY_API ky_var ky_conv3d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                        const ky_conv_options *options);

/* Transposed convolution: the adjoint of ky_conv for its x, plus bias.
 *   r[n,o,p stride + t dilation - padding] is the sum of x[n,c,p] w[c,o,t]
 *   x [n,c,...], w [c,o/groups,k...], bias [o] or ky_none() -> [n,o,...] with extents
 *   (in - 1) stride - 2 padding + dilation (k-1) + output_padding + 1
 *   gx = conv of g by w
 * Errors: those of ky_conv1d; BAD_ARGUMENT (output_padding is not less than stride or
 * dilation), BAD_SHAPE (the result would be empty). */
KY_API ky_var ky_conv_transpose1d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);
KY_API ky_var ky_conv_transpose2d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);
KY_API ky_var ky_conv_transpose3d(ky_tape *t, ky_var x, ky_var w, ky_var bias,
                                  const ky_conv_options *options);

/* ---- Pooling ----------------------------------------------------------------------------- */

/* A window. Set `size` to sizeof(ky_pool_options). */
typedef struct ky_pool_options {
  size_t size;
  int64_t kernel[2];  /* places of the window along each axis */
  int64_t stride[2];  /* from one window to the next; 0: the kernel, so that none meet */
  int64_t padding[2]; /* before and behind x; half of the kernel at most */
} ky_pool_options;

/* Largest element of each window; NaN if there is one; padding is smaller than all.
 *   x [n,c,...] -> [n,c,...] with extents (in + 2 padding - kernel) / stride + 1, rounded down
 *   gx = g where the element was taken, the first on a tie, summed over windows
 * Keeps an int32 for each result. options: read during the call. Errors: BAD_SHAPE (rank, a
 * kernel larger than the padded x, an empty axis), BAD_ARGUMENT (options). */
KY_API ky_var ky_max_pool1d(ky_tape *t, ky_var x, const ky_pool_options *options);
KY_API ky_var ky_max_pool2d(ky_tape *t, ky_var x, const ky_pool_options *options);

/* Mean of each window, with zeros for padding, which count as in PyTorch: the sum is divided by
 * the kernel's places. gx = g / places, summed over windows. Shapes and errors: those of
 * ky_max_pool1d. */
KY_API ky_var ky_avg_pool1d(ky_tape *t, ky_var x, const ky_pool_options *options);
KY_API ky_var ky_avg_pool2d(ky_tape *t, ky_var x, const ky_pool_options *options);

/* Means of windows that cover x, as many as asked for: window k of m over n places is
 * floor(k n / m) .. ceil((k + 1) n / m) - 1.
 *   x [n,c,...] -> [n,c,length] or [n,c,height,width]
 *   gx = g / places, summed over windows
 * Errors: BAD_SHAPE (rank, an extent is not positive). */
KY_API ky_var ky_adaptive_avg_pool1d(ky_tape *t, ky_var x, int64_t length);
KY_API ky_var ky_adaptive_avg_pool2d(ky_tape *t, ky_var x, int64_t height, int64_t width);

/* ---- Resampling -------------------------------------------------------------------------- */

/* The nearest place: r[p] = x[floor(p in / out)] along each axis.
 *   x [n,c,...] -> [n,c,length] or [n,c,height,width], smaller or larger
 *   gx = sum of g over the places that show it
 * Errors: BAD_SHAPE (rank, an extent is not positive). */
KY_API ky_var ky_upsample_nearest1d(ky_tape *t, ky_var x, int64_t length);
KY_API ky_var ky_upsample_nearest2d(ky_tape *t, ky_var x, int64_t height, int64_t width);

/* Linear and bilinear interpolation. Place p of the result is place q of x along an axis:
 *   with align_corners     q = p (in - 1) / (out - 1)
 *   without                q = (p + 1/2) in / out - 1/2, but not before the first place
 * gx = g, by the same weights. Shapes and errors: those of ky_upsample_nearest1d. */
KY_API ky_var ky_upsample_linear1d(ky_tape *t, ky_var x, int64_t length, int align_corners);
KY_API ky_var ky_upsample_bilinear2d(ky_tape *t, ky_var x, int64_t height, int64_t width,
                                     int align_corners);

#ifndef KY_NO_SITES
  #define ky_conv1d(t, ...) ky_conv1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv2d(t, ...) ky_conv2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv3d(t, ...) ky_conv3d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose1d(t, ...)                                                          \
    ky_conv_transpose1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose2d(t, ...)                                                          \
    ky_conv_transpose2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_conv_transpose3d(t, ...)                                                          \
    ky_conv_transpose3d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_max_pool1d(t, ...) ky_max_pool1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_max_pool2d(t, ...) ky_max_pool2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_avg_pool1d(t, ...) ky_avg_pool1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_avg_pool2d(t, ...) ky_avg_pool2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_adaptive_avg_pool1d(t, ...)                                                       \
    ky_adaptive_avg_pool1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_adaptive_avg_pool2d(t, ...)                                                       \
    ky_adaptive_avg_pool2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_upsample_nearest1d(t, ...)                                                        \
    ky_upsample_nearest1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_upsample_nearest2d(t, ...)                                                        \
    ky_upsample_nearest2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_upsample_linear1d(t, ...)                                                         \
    ky_upsample_linear1d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_upsample_bilinear2d(t, ...)                                                       \
    ky_upsample_bilinear2d(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
