# SPDX-License-Identifier: MIT
"""Reductions and running sums: ops.h, ops_reductions.h. n: keepdim, a number, then the axes, none
of which means all."""
import math

import torch

from make_golden import Sample, f64, mask, op, real

INF, NAN = math.inf, math.nan
OVER = [((), ()), ((5,), ()), ((2, 3, 4), ()), ((2, 3, 4), (0,)), ((2, 3, 4), (1,)),
        ((2, 3, 4), (-1,)), ((2, 3, 2), (0, 2)), ((2, 3, 2), (-1, 1)), ((3, 17), (1,)),
        ((17, 3), (0,)), ((3, 1), (1,)), ((1,), (0,))]
NOTHING = [((0,), ()), ((3, 0), (1,)), ((0, 3), (0,)), ((0, 3), (1,)), ((2, 0), ())]
ROWS = [[1, 3, 2, 3], [2, 2, 2, 2], [1, NAN, 2, 3], [-INF, -1, -2, -3], [1, INF, 2, 3],
        [0, -0.0, 0, -0.0], [1, -1, 1, -1], [INF, -INF, 0, 1], [0, 2, 3, 4], [0, 0, 3, 4],
        [-INF, -INF, -INF, -INF], [INF, INF, 1, 1], [1000, 1000, 999, -1000], [-3, 1, 3, 2],
        [1e200, 1e200, 1e-200, 1], [1e-200, 1e-200, 0, 1e-200]]


def dims(x, n):
    return tuple(n[2:]) or tuple(range(x.dim()))


def reduction(name, fn, over=OVER + NOTHING, rows=ROWS, numbers=(0,), low=-2.0, measure="norm",
              flat=lambda row: False):
    """fn(x, axes, keepdim, number). flat: rows whose slopes differ from PyTorch's on purpose."""
    samples = [Sample(real(shape, low, 2.0, name), n=(keep, number) + axes)
               for number in numbers for keep, (shape, axes) in
               ((k % 2, one) for k, one in enumerate(over))]
    samples += [Sample(f64(*row), n=(0, number), constant=(0,) if flat(row) else ())
                for number in numbers for row in rows]
    op(name, lambda x, n, s: fn(x[0], dims(x[0], n), n[0] != 0, n[1]), samples, measure)


def one_by_one(fn):
    """A function of one axis, over several."""
    def over(x, axes, keep, number):
        if x.dim() == 0:
            return fn(x.reshape(1), 0).reshape(())
        kept = [k for k in range(x.dim()) if k not in [a % x.dim() for a in axes]]
        moved = x.permute(*kept, *[a % x.dim() for a in axes])
        count = math.prod(x.shape[a] for a in axes)
        r = fn(moved.reshape(*[x.shape[k] for k in kept], count), -1)
        if keep:
            r = r.reshape([1 if k not in kept else x.shape[k] for k in range(x.dim())])
        return r
    return over


def has_nan(row):
    return any(math.isnan(v) for v in row)


def finite(row):
    return all(math.isfinite(v) for v in row)


reduction("sum", lambda x, axes, keep, k: torch.sum(x, axes, keep))
reduction("mean", lambda x, axes, keep, k: torch.mean(x, axes, keep))
# Of a set with a NaN nothing equals the extremum: PyTorch shares g among 0 elements, which makes NaN
# of all slopes; they are 0 here.
reduction("max", lambda x, axes, keep, k: torch.amax(x, axes, keep), OVER, flat=has_nan)
reduction("min", lambda x, axes, keep, k: torch.amin(x, axes, keep), OVER, flat=has_nan)
# A zero makes the other slopes 0 here, also where it meets an infinity.
reduction("prod", one_by_one(lambda x, axis: torch.prod(x, axis)),
          flat=lambda row: 0 in row and not finite(row))
# Of a single number PyTorch's corrected variance has an infinite slope, the library's NaN.
reduction("variance", lambda x, axes, keep, k: torch.var(x, axes, unbiased=k != 0, keepdim=keep),
          OVER[1:] + NOTHING, numbers=(0, 1))
reduction("std", lambda x, axes, keep, k: torch.std(x, axes, unbiased=k != 0, keepdim=keep),
          OVER[1:] + NOTHING, numbers=(0, 1))
reduction("norm", lambda x, axes, keep, k: torch.linalg.vector_norm(
    x, (1, 2, INF)[k - 1], axes, keep), numbers=(1, 2))
reduction("norm_inf", lambda x, axes, keep, k: torch.linalg.vector_norm(x, INF, axes, keep), OVER)
reduction("logsumexp", lambda x, axes, keep, k: torch.logsumexp(x, axes, keep), OVER)

QUANTIFIED = [((5,), ()), ((2, 3, 4), ()), ((2, 3, 4), (0,)), ((2, 3, 4), (-1,)),
              ((2, 3, 2), (0, 2)), ((), ()), ((0,), ()), ((3, 0), (1,)), ((0, 3), (1,))]
for name in ("any", "all"):
    op(name, lambda x, n, s, fn=one_by_one(getattr(torch, name)):
        fn(x[0], dims(x[0], n), n[0] != 0, 0),
       [Sample(mask(shape, seed), n=(seed, 0) + axes)
        for seed in (0, 1) for shape, axes in QUANTIFIED])

ALONG = [((5,), 0), ((1,), 0), ((2, 3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((3, 17), 1),
         ((17, 3), 0), ((0,), 0), ((2, 0), 1), ((2, 0), 0)]
# PyTorch divides by the elements, which makes NaN of what is not finite or overflows; the library does
# not divide.
for name, flat in (("cumsum", lambda row: False), ("cumprod", lambda row: not finite(row) or max(row) > 1e9)):
    op(name, lambda x, n, s, fn=getattr(torch, name): fn(x[0], n[0]),
       [Sample(real(shape, -1.5, 1.5, name), n=(axis,)) for shape, axis in ALONG] +
       [Sample(f64(*row), n=(0,), constant=(0,) if flat(row) else ()) for row in ROWS], "norm")

# n: axis, keepdim
for name in ("argmax", "argmin"):
    op(name, lambda x, n, s, fn=getattr(torch, name): fn(x[0], n[0], n[1] != 0),
       [Sample(real(shape, seed=name), n=(axis, k % 2))
        for k, (shape, axis) in enumerate(ALONG) if 0 not in shape] +
       [Sample(f64(*row), n=(0, 0)) for row in
        ([1, 3, 2, 3], [1, NAN, 2, NAN], [-INF, -INF, -INF, -INF], [INF, 1, INF, -INF])] +
       [Sample(real((0, 3)), n=(1, 0))])
for name in ("softmax", "log_softmax"):
    op(name, lambda x, n, s, fn=getattr(torch, name): fn(x[0], n[0]),
       [Sample(real(shape, seed=name), n=(axis,)) for shape, axis in ALONG] +
       [Sample(f64(*row), n=(0,)) for row in ROWS], "norm")
