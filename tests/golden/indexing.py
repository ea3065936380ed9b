# SPDX-License-Identifier: MIT
"""Choosing by index, by mask, by order: ops_indexing.h. The first integer is the axis."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, mask, op, point, real, whole

INF, NAN = math.inf, math.nan
i32, i64 = torch.int32, torch.int64

op("gather", lambda x, n, s: torch.gather(x[0], n[0], x[1].long()),
   [Sample(real(shape), whole(index, 0, top - 1, kind), n=(axis,))
    for shape, index, top, axis, kind in
    [((3, 4), (2, 4), 3, 0, i64), ((3, 4), (3, 6), 4, 1, i32), ((3, 4), (2, 2), 4, -1, i64),
     ((2, 3, 4), (2, 5, 3), 3, 1, i32), ((5,), (40,), 5, 0, i64), ((3, 0), (4, 0), 3, 0, i64),
     ((3, 2), (0, 2), 3, 0, i64), ((1,), (3,), 1, 0, i64)]] +
   [Sample(f64(5, NAN, 7, -INF), torch.tensor([2, 0, 2]), n=(0,))])
op("scatter_sum", lambda x, n, s: torch.zeros(n[1:], dtype=torch.float64).scatter_add(
    n[0], x[1].long(), x[0]),
   [Sample(real(shape), whole(shape, 0, top - 1, kind), n=(axis,) + dims)
    for shape, top, axis, kind, dims in
    [((5, 3), 4, 0, i64, (4, 3)), ((5, 3), 2, 1, i32, (6, 2)), ((2, 7, 3), 3, -2, i64, (2, 3, 4)),
     ((30,), 4, 0, i64, (4,)), ((0, 3), 4, 0, i64, (4, 3)), ((0, 3), 4, 0, i64, (0, 3)),
     ((1,), 1, 0, i32, (1,)), ((4,), 9, 0, i64, (9,))]], "norm")
# PyTorch's adjoint wants source and index of one shape.
op("scatter_add", lambda x, n, s: x[0].scatter_add(
    n[0], x[1].long(), x[2][tuple(slice(d) for d in x[1].shape)]),
   [Sample(real(shape), whole(index, 0, top - 1, kind), real(source, seed=1), n=(axis,))
    for shape, index, source, top, axis, kind in
    [((4, 3), (5, 3), (5, 3), 4, 0, i64), ((4, 3), (2, 2), (5, 3), 4, 0, i64),
     ((4, 3), (4, 6), (4, 7), 3, 1, i32), ((5,), (20,), (20,), 5, 0, i64),
     ((5,), (0,), (3,), 5, 0, i64), ((2, 3, 2), (2, 3, 4), (2, 3, 4), 2, -1, i64),
     ((1,), (1,), (1,), 1, 0, i32), ((3,), (2,), (2,), 3, 0, i64)]], "norm")
op("index_select", lambda x, n, s: torch.index_select(x[0], n[0], x[1].long()),
   [Sample(real(shape), whole(index, 0, top - 1, kind), n=(axis,))
    for shape, index, top, axis, kind in
    [((4, 3), (5,), 4, 0, i64), ((4, 3), (2,), 3, 1, i32), ((4, 3), (3,), 3, -1, i64),
     ((2, 3, 4), (7,), 3, 1, i64), ((5,), (1,), 5, 0, i64), ((5,), (0,), 5, 0, i64),
     ((3, 0), (2,), 3, 0, i32), ((1,), (4,), 1, 0, i64)]])
op("embedding", lambda x, n, s: F.embedding(x[1].long(), x[0], n[0] if n[0] >= 0 else None),
   [Sample(real(table), whole(index, 0, top - 1, kind), n=(padding,))
    for table, index, top, padding, kind in
    [((5, 3), (4,), 5, -1, i64), ((5, 3), (2, 6), 5, 2, i32), ((5, 1), (30,), 5, 0, i64),
     ((3, 4), (), 3, -1, i64), ((3, 4), (0, 2), 3, -1, i64), ((3, 0), (2,), 3, -1, i64),
     ((2, 2), (9,), 2, 1, i64), ((4, 2), (2, 2, 2), 4, 3, i32)]], "norm")
op("segment_sum", lambda x, n, s: torch.zeros((n[0],) + tuple(x[0].shape[1:]),
                                             dtype=torch.float64).index_add(0, x[1].long(), x[0]),
   [Sample(real(shape), whole((shape[0],), 0, count - 1, kind), n=(count,))
    for shape, count, kind in
    [((5, 3), 4, i64), ((5,), 2, i32), ((9, 2), 3, i64), ((4, 2, 2), 3, i64), ((0, 3), 4, i64),
     ((1, 1), 1, i64), ((3, 0), 2, i64), ((6, 1), 7, i32)]], "norm")
op("one_hot", lambda x, n, s: F.one_hot(x[0].long(), n[0]),
   [Sample(whole(shape, 0, classes - 1, kind), n=(classes,)) for shape, classes, kind in
    [((4,), 5, i64), ((2, 3), 3, i32), ((), 4, i64), ((5,), 1, i64), ((1,), 9, i32),
     ((2, 2, 2), 2, i64), ((7,), 7, i64), ((3,), 4, i32)]])
op("masked_fill", lambda x, n, s: x[0].masked_fill(x[1], s[0]),
   [Sample(real(a), mask(b), s=(value,)) for a, b, value in
    [((3, 4), (3, 4), 1.5), ((3, 4), (4,), -INF), ((3, 4), (3, 1), NAN), ((), (), 0),
     ((5,), (), 2), ((0, 2), (2,), 1), ((2, 3, 2), (3, 1), 1e300)]] +
   [Sample(f64(NAN, INF, 1, -0.0), torch.tensor([True, False, True, False]), s=(-1,))])

ORDERED = [((6,), 0), ((2, 5), 0), ((2, 5), 1), ((2, 3, 4), -2), ((3, 1), 1), ((0,), 0), ((1,), 0)]
TIES = [f64(1, NAN, -INF, 1, NAN, INF), f64(0.0, -0.0, 0.0, -1), f64(2, 2, 2, 2),
        f64(INF, -INF, INF, 0)]
for name, which in (("argsort", 1), ("sort", 0)):
    op(name, lambda x, n, s, k=which: torch.sort(x[0], dim=n[0], descending=n[1] != 0,
                                                stable=True)[k],
       [Sample(real(shape, seed=name), n=(axis, down)) for shape, axis in ORDERED for down in (0, 1)] +
       [Sample(row, n=(0, down)) for row in TIES for down in (0, 1)])
# n: k, axis, largest. Which one of equal elements is taken is not defined by PyTorch: none here.
for name, which in (("topk", 0), ("topk_indices", 1)):
    op(name, lambda x, n, s, k=which: torch.topk(x[0], n[0], n[1], n[2] != 0, True)[k],
       [Sample(real(shape, seed=name), n=(k, axis, largest))
        for shape, k, axis in [((6,), 2, 0), ((6,), 6, 0), ((2, 5), 1, 0), ((2, 5), 3, -1),
                               ((2, 3, 4), 2, 1), ((4,), 0, 0)] for largest in (0, 1)] +
       [Sample(f64(1, NAN, -INF, 3, INF), n=(3, 0, 1)), Sample(f64(1, NAN, -INF, 3, INF), n=(5, 0, 0))])
