/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: normalisation. All of them use the biased variance;
 * weight and bias may be ky_none(). What ops.h says about dtypes, errors and source lines holds
 * here. */
#ifndef KYTAPE_OPS_NORMALIZATION_H
#define KYTAPE_OPS_NORMALIZATION_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Layer normalisation over the last `axes` axes.
 *   r = h weight + bias, h = (x - mean) s, s = 1 / sqrt(variance + eps)
 *   x [...,n], weight and bias [n] (n: the last `axes` extents) -> [...,n]
 *   ga = s (gw - mean gw - h mean gwh), gw = g weight, gwh = gw h
 *   gweight = sum g h, gbias = sum g
 * eps: 0 or more, 1e-5 in PyTorch. Errors: BAD_AXIS (axes is not in 1..rank), BAD_SHAPE,
 * BAD_ARGUMENT (eps). Source: Ba, Kiros and Hinton, "Layer Normalization". */
KY_API ky_var ky_layernorm(ky_tape *t, ky_var x, int axes, ky_var weight, ky_var bias,
                           double eps);

/* Root mean square normalisation over the last `axes` axes.
 *   r = h weight, h = x s, s = 1 / sqrt(mean x^2 + eps)
 *   x [...,n], weight [n] -> [...,n]
 *   ga = s (gw - h mean gwh), gw = g weight, gwh = gw h; gweight = sum g h
 * Errors: those of ky_layernorm. Source: Zhang and Sennrich, "Root Mean Square Layer
 * Normalization". */
KY_API ky_var ky_rmsnorm(ky_tape *t, ky_var x, int axes, ky_var weight, double eps);

/* Group normalisation: the c channels are taken in `groups` equal groups, each of which is
 * normalised over its channels and all axes behind.
 *   x [n,c,...], weight and bias [c] -> [n,c,...]
 * Errors: BAD_SHAPE (rank below 2, c is not a multiple of groups, weight, bias), BAD_ARGUMENT
 * (groups is not positive, eps). Source: Wu and He, "Group Normalization". */
KY_API ky_var ky_groupnorm(ky_tape *t, ky_var x, int64_t groups, ky_var weight, ky_var bias,
                           double eps);

/* Instance normalisation: ky_groupnorm with a group for each channel. */
KY_API ky_var ky_instancenorm(ky_tape *t, ky_var x, ky_var weight, ky_var bias, double eps);

/* Batch normalisation in training: each channel is normalised over the batch and all axes
 * behind it, with the statistics of this batch, through which gradients pass. x [n,c,...],
 * weight and bias [c] -> [n,c,...]. mean, variance: null, or receive the batch's statistics [c]
 * for ky_batchnorm_update; the variance is the biased one. Errors: BAD_SHAPE (rank below 2,
 * weight, bias), BAD_ARGUMENT (eps). Source: Ioffe and Szegedy, "Batch Normalization". */
KY_API ky_var ky_batchnorm(ky_tape *t, ky_var x, ky_var weight, ky_var bias, double eps,
                           ky_var *mean, ky_var *variance);

/* Batch normalisation in inference: (x - mean) / sqrt(variance + eps) weight + bias with given
 * statistics. x [n,c,...]; weight, bias, mean, variance [c] -> [n,c,...]. Errors: those of
 * ky_batchnorm. */
KY_API ky_var ky_batchnorm_inference(ky_tape *t, ky_var x, ky_var weight, ky_var bias,
                                     ky_var mean, ky_var variance, double eps);

/* Moves running statistics towards a batch's.
 *   running = (1 - momentum) running + momentum batch
 *   the batch's variance is first made unbiased, count / (count - 1)
 * Not recorded: call it after the forward sweep with the values of ky_batchnorm's statistics
 * (ky_data, ky_exec_data). Writes through ky_tensor_write, so both get a new version. count:
 * elements a channel of the batch, 2 or more. momentum: 0..1, 0.1 in PyTorch. Errors:
 * BAD_ARGUMENT (null, count, momentum), BAD_SHAPE (not all [c]), BAD_DTYPE; nothing was
 * written. */
KY_API ky_status ky_batchnorm_update(ky_tensor *running_mean, ky_tensor *running_variance,
                                     const ky_array *mean, const ky_array *variance,
                                     int64_t count, double momentum);

#ifndef KY_NO_SITES
  #define ky_layernorm(t, ...)    ky_layernorm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rmsnorm(t, ...)      ky_rmsnorm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_groupnorm(t, ...)    ky_groupnorm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_instancenorm(t, ...) ky_instancenorm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_batchnorm(t, ...)    ky_batchnorm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_batchnorm_inference(t, ...)                                                       \
    ky_batchnorm_inference(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
