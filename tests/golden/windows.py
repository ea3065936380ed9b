# SPDX-License-Identifier: MIT
"""Convolutions, pooling, resampling: ops_convolution.h. n of a convolution: groups, then stride,
padding, dilation and output padding of three axes; of pooling: kernel, stride, padding of two
axes; of resampling: the new extents, then whether corners are aligned."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, op, real

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def conv(x, n, s):
    k = x[0].dim() - 2
    return CONVS[k](x[0], x[1], x[2] if len(x) > 2 else None, n[1:1 + k], n[4:4 + k], n[7:7 + k],
                    n[0])


def conv_transpose(x, n, s):
    k = x[0].dim() - 2
    return TRANSPOSED[k](x[0], x[1], x[2] if len(x) > 2 else None, n[1:1 + k], n[4:4 + k],
                         n[10:10 + k], n[0], n[7:7 + k])


def options(groups=1, stride=1, padding=0, dilation=1, extra=0):
    three = [v if isinstance(v, tuple) else (v, v, v) for v in (stride, padding, dilation, extra)]
    return (groups,) + tuple(v for values in three for v in (values + (0, 0))[:3])


def layers(*rows):
    """x, w and, unless None, the channels of the bias; options."""
    return [Sample(real(x), real(w, -1, 1, 1), *([real((b,), -1, 1, 2)] if b else []),
                   n=options(**how)) for x, w, b, how in rows]


op("conv1d", conv, layers(
    ((2, 3, 9), (4, 3, 3), 4, {}), ((2, 3, 9), (4, 3, 3), None, dict(padding=2)),
    ((1, 4, 8), (6, 2, 3), 6, dict(groups=2, stride=2)), ((1, 4, 9), (4, 1, 3), 4, dict(groups=4)),
    ((1, 2, 11), (3, 2, 3), 3, dict(dilation=3, padding=1)), ((1, 1, 1), (1, 1, 1), 1, {}),
    ((3, 2, 4), (5, 2, 4), 5, {}), ((2, 1, 20), (2, 1, 5), 2, dict(stride=3, padding=4)))
   + [Sample(f64(1, math.nan, 3, 4).reshape(1, 1, 4), f64(1, 2).reshape(1, 1, 2), n=options())],
   "norm")
op("conv2d", conv, layers(
    ((2, 3, 5, 6), (4, 3, 3, 2), 4, {}), ((2, 3, 5, 6), (4, 3, 3, 2), None, dict(padding=(1, 2))),
    ((1, 2, 7, 8), (3, 2, 3, 4), 3, dict(stride=(2, 3), padding=(1, 0))),
    ((1, 2, 6, 7), (2, 2, 3, 3), 2, dict(dilation=2, padding=2)),
    ((2, 4, 5, 4), (6, 2, 3, 3), 6, dict(groups=2, padding=1)),
    ((2, 4, 5, 9), (4, 1, 3, 3), 4, dict(groups=4, padding=1)),
    ((2, 4, 5, 5), (3, 4, 1, 1), 3, {}), ((1, 2, 2, 2), (2, 2, 3, 3), 2, dict(padding=4)),
    ((1, 3, 9, 9), (17, 3, 3, 3), 17, dict(stride=2, padding=1)),
    ((1, 6, 4, 4), (1, 6, 3, 3), 1, dict(padding=1))), "norm")
op("conv3d", conv, layers(
    ((1, 2, 3, 4, 5), (2, 2, 2, 3, 2), 2, {}), ((1, 1, 3, 3, 3), (2, 1, 3, 3, 3), 2, dict(padding=1)),
    ((1, 2, 4, 4, 4), (2, 2, 2, 2, 2), None, dict(stride=2)),
    ((1, 2, 3, 3, 3), (4, 1, 2, 2, 2), 4, dict(groups=2)),
    ((1, 1, 5, 4, 3), (1, 1, 3, 2, 2), 1, dict(dilation=(2, 1, 2))),
    ((2, 2, 2, 2, 2), (2, 2, 1, 1, 1), 2, {}), ((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), 1, {}),
    ((1, 2, 2, 3, 4), (3, 2, 3, 2, 2), 3, dict(padding=(1, 0, 1), stride=(1, 2, 1)))), "norm")
op("conv_transpose1d", conv_transpose, layers(
    ((2, 3, 7), (3, 4, 3), 4, {}), ((2, 3, 7), (3, 4, 3), None, dict(padding=1)),
    ((1, 4, 5), (4, 3, 3), 6, dict(groups=2, stride=2)), ((1, 4, 5), (4, 1, 3), 4, dict(groups=4)),
    ((1, 2, 4), (2, 3, 3), 3, dict(dilation=3, padding=1)), ((1, 1, 1), (1, 1, 1), 1, {}),
    ((1, 2, 4), (2, 2, 3), 2, dict(stride=3, extra=2)),
    ((1, 2, 3), (2, 2, 2), 2, dict(stride=4))), "norm")
op("conv_transpose2d", conv_transpose, layers(
    ((2, 3, 4, 5), (3, 4, 3, 2), 4, {}), ((2, 3, 4, 5), (3, 4, 3, 3), None, dict(padding=(1, 2))),
    ((1, 2, 3, 3), (2, 3, 3, 4), 3, dict(stride=(2, 3), padding=(1, 0), extra=(1, 2))),
    ((1, 2, 4, 5), (2, 2, 3, 3), 2, dict(dilation=2, padding=2)),
    ((2, 4, 3, 3), (4, 2, 2, 2), 4, dict(groups=2, stride=2)), ((1, 4, 3, 9), (4, 1, 3, 3), 4, dict(groups=4)),
    ((2, 4, 4, 5), (4, 3, 1, 1), 3, {}), ((1, 2, 2, 2), (2, 17, 2, 2), 17, dict(stride=2))), "norm")
op("conv_transpose3d", conv_transpose, layers(
    ((1, 2, 2, 3, 2), (2, 2, 2, 2, 3), 2, {}), ((1, 1, 2, 2, 2), (1, 2, 3, 3, 3), 2, dict(padding=1)),
    ((1, 2, 2, 2, 2), (2, 2, 2, 2, 2), None, dict(stride=2, extra=1)),
    ((1, 2, 2, 2, 2), (2, 2, 2, 2, 2), 4, dict(groups=2)),
    ((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), 1, dict(dilation=(2, 1, 2))),
    ((2, 2, 2, 2, 2), (2, 2, 1, 1, 1), 2, {}), ((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), 1, {}),
    ((1, 2, 2, 2, 2), (2, 1, 2, 3, 2), 1, dict(stride=(1, 2, 3), padding=(0, 1, 1)))), "norm")


def pool(of):
    def call(x, n, s):
        k = x[0].dim() - 2
        return of[k](x[0], n[:k], n[2:2 + k], n[4:4 + k])
    return call


LINES = [((2, 3, 8), (2, 2, 0)), ((2, 2, 9), (3, 2, 1)), ((1, 2, 11), (3, 1, 0)), ((1, 2, 13), (4, 3, 2)),
         ((1, 1, 1), (1, 1, 0)), ((1, 2, 7), (7, 1, 3)), ((1, 2, 6), (2, 4, 0)), ((3, 1, 5), (5, 5, 0))]
PLANES = [((2, 3, 6, 8), (2, 2, 2, 2, 0, 0)), ((1, 2, 7, 9), (2, 2, 2, 2, 0, 0)),
          ((2, 2, 7, 6), (3, 3, 2, 2, 1, 1)), ((1, 2, 5, 9), (3, 3, 1, 1, 1, 1)),
          ((1, 2, 6, 7), (3, 2, 3, 3, 0, 1)), ((1, 1, 4, 5), (4, 5, 1, 1, 2, 2)),
          ((3, 2, 1, 1), (1, 1, 1, 1, 0, 0)), ((1, 1, 5, 6), (2, 2, 5, 4, 1, 0))]
ODD = [f64(1, 1, 3, 3), f64(math.nan, 1, 2, math.nan), f64(-math.inf, -math.inf, math.inf, 1),
       f64(0.0, -0.0, -0.0, 0.0), f64(math.inf, -math.inf, math.inf, math.inf), f64(5e-324, 0, -5e-324, 1e-310),
       f64(1, math.nan, math.nan, math.nan), f64(1e308, 1e308, -1e308, -1)]


def windows(rows, odd):
    three = [(v[0], 1, v[1], 1, v[2], 0) if len(v) == 3 else v for _, v in rows]
    made = [Sample(real(shape), n=n) for (shape, _), n in zip(rows, three)]
    return made + odd


odd_1d = [Sample(x.reshape(1, 1, 4), n=(2, 1, 2, 1, 0, 0)) for x in ODD]
odd_2d = [Sample(x.reshape(1, 1, 2, 2), n=(2, 2, 2, 2, 0, 0)) for x in ODD]
op("max_pool1d", pool({1: F.max_pool1d}), windows(LINES, odd_1d))
op("max_pool2d", pool({2: F.max_pool2d}), windows(PLANES, odd_2d))
op("avg_pool1d", pool({1: F.avg_pool1d}), windows(LINES, odd_1d), "norm")
op("avg_pool2d", pool({2: F.avg_pool2d}), windows(PLANES, odd_2d), "norm")
op("adaptive_avg_pool1d", lambda x, n, s: F.adaptive_avg_pool1d(x[0], n[0]),
   [Sample(real(shape), n=(m,)) for shape, m in
    [((2, 3, 7), 3), ((2, 3, 7), 1), ((1, 2, 8), 4), ((1, 2, 5), 5), ((1, 2, 4), 9), ((1, 1, 10), 7),
     ((1, 1, 1), 3), ((2, 1, 6), 4)]], "norm")
op("adaptive_avg_pool2d", lambda x, n, s: F.adaptive_avg_pool2d(x[0], tuple(n)),
   [Sample(real(shape), n=m) for shape, m in
    [((2, 3, 7, 5), (3, 2)), ((2, 3, 7, 5), (1, 1)), ((1, 2, 8, 6), (4, 3)), ((1, 2, 5, 4), (5, 4)),
     ((1, 2, 3, 4), (7, 2)), ((1, 1, 6, 6), (4, 1)), ((1, 1, 1, 1), (2, 3)), ((2, 1, 4, 9), (2, 4))]],
   "norm")

# Interpolation by scale factors that are no binary fractions is left out of nearest: PyTorch
# rounds them before it multiplies.
LENGTHS = [((2, 3, 5), 10), ((2, 3, 8), 4), ((1, 2, 5), 1), ((1, 2, 1), 4), ((1, 2, 4), 4), ((1, 1, 3), 12),
           ((1, 2, 6), 3), ((2, 1, 4), 16)]
SIZES = [((2, 2, 3, 4), (6, 8)), ((1, 2, 4, 4), (2, 8)), ((1, 2, 1, 1), (3, 2)), ((1, 1, 6, 9), (3, 9)),
         ((1, 2, 1, 3), (1, 1)), ((1, 1, 2, 2), (8, 4)), ((2, 1, 5, 3), (5, 3)), ((1, 1, 4, 6), (1, 2))]
op("upsample_nearest1d", lambda x, n, s: F.interpolate(x[0], size=n[0], mode="nearest"),
   [Sample(real(shape), n=(m,)) for shape, m in LENGTHS])
op("upsample_nearest2d", lambda x, n, s: F.interpolate(x[0], size=tuple(n), mode="nearest"),
   [Sample(real(shape), n=m) for shape, m in SIZES])
op("upsample_linear1d",
   lambda x, n, s: F.interpolate(x[0], size=n[0], mode="linear", align_corners=bool(n[1])),
   [Sample(real(shape), n=(m, k)) for shape, m in LENGTHS + [((1, 2, 5), 7), ((1, 2, 7), 3)]
    for k in (0, 1)], "norm")
op("upsample_bilinear2d",
   lambda x, n, s: F.interpolate(x[0], size=tuple(n[:2]), mode="bilinear", align_corners=bool(n[2])),
   [Sample(real(shape), n=m + (k,)) for shape, m in SIZES + [((1, 2, 5, 3), (7, 4)), ((1, 2, 7, 9), (3, 11))]
    for k in (0, 1)], "norm")
