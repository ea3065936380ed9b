# SPDX-License-Identifier: MIT
"""Normalisation: ops_normalization.h. n[0] is the number of axes or groups, n[1] which of weight
and bias there are: 0 neither, 1 the weight, 2 both, 3 the bias alone; s[0] is eps. Rows of few elements
cancel to 0 and nearly so, and are measured against 1."""
import torch
import torch.nn.functional as F

from make_golden import Sample, f64, op, real


def operands(n, x):
    return {0: (None, None), 1: (x[1:2] or [None])[0:1] + [None], 2: x[1:3],
            3: [None] + x[1:2]}[n[1]]


def parameters(shape, which):
    count = {0: 0, 1: 1, 2: 2, 3: 1}[which]
    return [real(shape, 0.5, 2, k) for k in range(count)]


def rows(which):
    made = [Sample(real(shape), *parameters(shape[len(shape) - axes:], k), n=(axes, k), s=(eps,))
            for shape, axes, eps in [((2, 5), 1, 1e-5), ((2, 3, 4), 2, 1e-5), ((5,), 1, 0.1),
                                     ((3, 17), 1, 1e-5), ((0, 4), 1, 1e-5), ((3, 1), 1, 0.1)]
            for k in which]
    made += [Sample(f64(2, 2, 2, 2), n=(1, 0), s=(1e-5,)), Sample(f64(1, -1, 1, -1), n=(1, 0), s=(0,)),
             Sample(f64(1e100, -1e100, 0, 1e100), n=(1, 0), s=(1e-5,)),
             Sample(f64(0, 0, 0), n=(1, 0), s=(1e-5,)),
             Sample(f64(1, float("nan"), 2), n=(1, 0), s=(1e-5,))]
    return made


op("layernorm", lambda x, n, s: F.layer_norm(x[0], x[0].shape[x[0].dim() - n[0]:],
                                             *operands(n, x), s[0]), rows((0, 1, 2, 3)), "one")


def rmsnorm(x, n, s):
    axes = tuple(range(-n[0], 0))
    h = x[0] * torch.rsqrt(x[0].square().mean(axes, keepdim=True) + s[0])
    return h * x[1] if n[1] else h


op("rmsnorm", rmsnorm, rows((0, 1)), "one")

CHANNELS = [((2, 4, 3), 2), ((2, 4), 2), ((1, 6, 2, 2), 3), ((3, 4, 5), 1), ((2, 3, 4), 3)]
op("groupnorm", lambda x, n, s: F.group_norm(x[0], n[0], *operands(n, x), s[0]),
   [Sample(real(shape), *parameters((shape[1],), k), n=(groups, k), s=(1e-5,))
    for shape, groups in CHANNELS for k in (0, 1, 2)], "one")
op("instancenorm", lambda x, n, s: F.instance_norm(x[0], None, None, *operands(n, x), True, 0.1, s[0]),
   [Sample(real(shape), *parameters((shape[1],), k), n=(0, k), s=(1e-5,))
    for shape in ((2, 4, 3), (1, 6, 2, 2), (3, 2, 5)) for k in (0, 1, 2)], "one")
BATCHES = [(4, 3), (2, 3, 4), (2, 1, 2, 2), (3, 5, 2)]
op("batchnorm", lambda x, n, s: F.batch_norm(x[0], None, None, *operands(n, x), True, 0.1, s[0]),
   [Sample(real(shape), *parameters((shape[1],), k), n=(0, k), s=(1e-5,))
    for shape in BATCHES for k in (0, 1, 2)], "one")
# operands: x, mean, variance, then weight and bias
op("batchnorm_inference", lambda x, n, s: F.batch_norm(
    x[0], x[1].detach(), x[2].detach(), *operands(n, [x[0]] + x[3:]), False, 0.1, s[0]),
   [Sample(real(shape), real((shape[1],)), real((shape[1],), 0.1, 2), *parameters((shape[1],), k),
           n=(0, k), s=(1e-5,), constant=(1, 2))
    for shape in BATCHES for k in (0, 1, 2)], "one")
