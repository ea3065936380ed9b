# SPDX-License-Identifier: MIT
"""Shape, order, repeating, joining, padding, diagonals: ops.h, ops_movement.h."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, mask, op, point, real, whole

NAN = math.nan
END, BEFORE = 2**63 - 1, -2**63


def moves(name, fn, samples, more=()):
    """fn(x, *n) of samples (shape, n); integers and masks move as well."""
    made = [Sample(real(shape, seed=name), n=n) for shape, n in samples]
    shape, n = samples[0]
    made += [Sample(whole(shape, -9, 9), n=n), Sample(mask(shape), n=n),
             Sample(whole(shape, -9, 9, torch.int32), n=n)]
    op(name, lambda x, n, s: fn(x[0], *n), made + list(more))


moves("reshape", lambda x, *dims: x.reshape(dims),
      [((2, 3, 4), (6, 4)), ((2, 3, 4), (4, -1)), ((2, 6), (2, 3, 2)), ((), (1,)),
       ((0, 3), (3, 0)), ((0, 3), (-1, 3)), ((5,), (5, 1))])
moves("permute", lambda x, *axes: x.permute(axes),
      [((2, 3, 4), (2, 0, 1)), ((2, 3), (0, 1)), ((2, 3), (-1, -2)), ((3, 4), (1, 0)), ((5,), (0,)),
       ((2, 0, 3), (2, 1, 0)), ((2, 1, 3, 2), (3, 1, 0, 2))])
moves("expand", lambda x, *dims: x.expand(dims),
      [((3, 1), (2, 3, 4)), ((3,), (3,)), ((3,), (2, 3)), ((1,), (6,)), ((), (2, 2)),
       ((2, 1, 3), (2, 2, 2, 3)), ((1,), (0,)), ((0,), (2, 0))])


def cut(x, axis, start, stop, step):
    """As Python slices, which PyTorch does for positive steps alone."""
    at = list(range(x.shape[axis]))[None if start in (END, BEFORE) else start:
                                    None if stop in (END, BEFORE) else stop:step]
    return x.index_select(axis, torch.tensor(at, dtype=torch.int64))


moves("slice", cut,
      [((2, 5, 3), (1, 1, 4, 2)), ((7,), (0, 0, END, 1)), ((7,), (0, END, BEFORE, -1)),
       ((7,), (-1, -3, -1, 1)), ((7,), (0, 5, 0, -2)), ((7,), (0, -100, 100, 3)),
       ((7,), (0, 4, 2, 1)), ((3, 4), (0, 2, 3, 1)), ((0, 3), (1, 1, 3, 1))])
moves("squeeze", lambda x, *axes: x.squeeze(axes[0]) if axes else x.squeeze(),
      [((2, 1, 3), (1,)), ((2, 1, 3), (0,)), ((2, 1, 3), ()), ((1, 1), ()), ((3, 1), (-1,)),
       ((), ()), ((1, 0), (0,))])
moves("unsqueeze", torch.unsqueeze,
      [((2, 3), (0,)), ((2, 3), (1,)), ((2, 3), (2,)), ((2, 3), (-1,)), ((2, 3), (-3,)), ((), (0,)),
       ((0,), (1,))])
moves("select", torch.select,
      [((2, 3, 4), (0, 1)), ((2, 3, 4), (1, -1)), ((2, 3, 4), (-1, 0)), ((2, 3, 4), (-2, -3)),
       ((5,), (0, 4)), ((1,), (0, -1)), ((3, 0), (0, 2)), ((0, 2), (1, 1))])
moves("transpose", torch.transpose,
      [((2, 3, 4), (0, 2)), ((2, 3, 4), (-1, 1)), ((2, 3), (0, 1)), ((2, 3), (1, 1)), ((5,), (0, 0)),
       ((0, 3), (0, 1)), ((1, 4), (-2, -1))])
moves("flip", lambda x, *axes: x.flip(axes or tuple(range(x.dim()))),
      [((2, 3, 4), (0, 2)), ((2, 3, 4), (-1,)), ((2, 3), ()), ((5,), (0,)), ((1, 1), (0, 1)),
       ((0, 3), (0,)), ((), ())])
moves("roll", lambda x, shift, axis: x.roll(shift, axis),
      [((2, 5), (2, 1)), ((2, 5), (-1, 1)), ((5,), (0, 0)), ((5,), (5, 0)), ((5,), (-12, 0)),
       ((3, 2), (1, -2)), ((0, 3), (1, 0)), ((1,), (7, 0))])
moves("tile", lambda x, *reps: x.repeat(*reps) if len(reps) >= x.dim() else torch.tile(x, reps),
      [((2, 3), (2, 2)), ((2, 3), (2,)), ((2,), (2, 3)), ((2,), (2, 1, 2)), ((), (3,)),
       ((2, 3), (0, 1)), ((1, 2), (3, 1)), ((0,), (2,))])

JOINED = [((2, 3), (2, 1), (2, 2), 1), ((2, 3), (1, 3), (3, 3), -2), ((2,), (3,), (1,), 0),
          ((3, 2), (3, 2), (3, 2), 0), ((3,), (0,), (2,), 0), ((0, 2), (0, 3), (0, 1), 1),
          ((1, 1, 2), (1, 2, 2), (1, 3, 2), 1)]
op("concat", lambda x, n, s: torch.cat(x, n[0]),
   [Sample(*(real(shape, seed=k) for k, shape in enumerate(one[:3])), n=(one[3],))
    for one in JOINED] + [Sample(*(mask((2,), k) for k in range(3)), n=(0,))])
op("stack", lambda x, n, s: torch.stack(x, n[0]),
   [Sample(*(real(shape, seed=k) for k in range(3)), n=(axis,))
    for shape, axis in [((2, 3), 0), ((2, 3), 1), ((2, 3), 2), ((2, 3), -1), ((), 0), ((4,), 0),
                        ((0, 2), 1), ((1,), -1)]])
# n: which part is looked at, the axis, the sizes; equal ones where none are given.
op("split", lambda x, n, s: torch.split(
    x[0], list(n[3:]) or x[0].shape[n[2]] // n[1], n[2])[n[0]],
   [Sample(real((2, 6)), n=(k, 3, 1)) for k in range(3)] +
   [Sample(real((2, 6)), n=(k, 3, -1, 1, 3, 2)) for k in range(3)] +
   [Sample(real((4,)), n=(1, 2, 0)), Sample(real((4,)), n=(0, 2, 0, 0, 4)),
    Sample(real((0, 4)), n=(1, 2, 1))])

# n: the mode, then before and after of each axis; PyTorch pads the last axes, of more dimensions.
MODES = ["constant", "reflect", "replicate", "circular"]


def pad(x, n, s):
    x, mode, around = x[0], MODES[n[0]], []
    for k in reversed(range(x.dim())):
        around += [n[1 + 2 * k], n[2 + 2 * k]]
    if mode == "constant":
        return F.pad(x, around, value=s[0])
    lead = x.reshape(1, 1, *x.shape)
    return F.pad(lead, around, mode=mode)[0, 0]


op("pad", pad,
   [Sample(real((3, 4)), n=(0, 1, 2, 0, 3), s=(1.5,)), Sample(real((5,)), n=(0, 2, 1), s=(NAN,)),
    Sample(real((0,)), n=(0, 2, 1), s=(4,)), Sample(real((2, 2, 2)), n=(0, 1, 0, 0, 1, 1, 1), s=(-1,)),
    Sample(real((3, 4)), n=(1, 2, 1, 3, 0), s=(0,)), Sample(real((5,)), n=(1, 4, 4), s=(0,)),
    Sample(real((3, 4)), n=(2, 1, 2, 5, 3), s=(0,)), Sample(real((1,)), n=(2, 4, 4), s=(0,)),
    Sample(real((3, 4)), n=(3, 3, 1, 0, 4), s=(0,)), Sample(real((3,)), n=(3, 2, 3), s=(0,)),
    Sample(whole((2, 2), -9, 9), n=(0, 1, 1, 0, 1), s=(7,))])

for name in ("tril", "triu"):
    moves(name, getattr(torch, name),
          [((3, 4), (0,)), ((4, 3), (1,)), ((4, 3), (-2,)), ((3, 3), (5,)), ((3, 3), (-5,)),
           ((2, 3, 3), (0,)), ((0, 3), (0,)), ((1, 5), (2,))],
          [Sample(f64(NAN, NAN, -math.inf, math.inf).reshape(2, 2), n=(0,))])
op("diag", lambda x, n, s: torch.diag(x[0], n[0]),
   [Sample(real(shape), n=(k,)) for shape, k in
    [((3, 4), 0), ((3, 4), 1), ((3, 4), -2), ((3, 3), 0), ((3,), 0), ((3,), 2), ((3,), -1), ((1,), 0)]])
op("trace", lambda x, n, s: torch.trace(x[0]),
   [Sample(real(shape)) for shape in
    [(3, 3), (3, 4), (4, 3), (1, 1), (1, 5), (0, 3), (7, 7)]] +
   [Sample(f64(1, NAN, 2, 3).reshape(2, 2))], "norm")
op("iota", lambda x, n, s: torch.arange(n[0], dtype=torch.float64) + s[0],
   [Sample(n=(count,), s=(start,)) for count, start in
    [(5, 0), (0, 0), (1, 0), (7, -1.5), (3, 1e10), (2, 0.1), (37, 3), (4, -4)]])
op("full", lambda x, n, s: torch.full(tuple(n[1:]), s[0], dtype=torch.float64),
   [Sample(n=(0,) + dims, s=(value,)) for dims, value in
    [((2, 3), 1.5), ((4,), NAN), ((4,), math.inf), ((0, 3), 1), ((), -2.5), ((1, 1), 1e300),
     ((2,), 5e-324), ((3,), 0)]])
