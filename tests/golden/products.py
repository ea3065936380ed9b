# SPDX-License-Identifier: MIT
"""Matrix products: ops.h."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, op, real

SHAPES = [((2, 3), (3, 4)), ((1, 1), (1, 1)), ((1, 5), (5, 1)), ((5, 1), (1, 5)), ((7, 9), (9, 6)),
          ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((0, 3), (3, 2)),
          ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0, 2, 3), (3, 2))]
ODD = [Sample(f64(1, math.nan, 0, 2).reshape(2, 2), f64(1, 2, 3, 4).reshape(2, 2)),
       Sample(f64(1, math.inf, 0, 2).reshape(2, 2), f64(1, 0, 3, 4).reshape(2, 2))]
op("matmul", lambda x, n, s: x[0] @ x[1],
   [Sample(real(a), real(b, seed=1)) for a, b in SHAPES] + ODD, "norm")
op("matmul_trans", lambda x, n, s: (x[0].mT if n[0] & 1 else x[0]) @ (x[1].mT if n[0] & 2 else x[1]),
   [Sample(real(a), real(b, seed=1), n=(flags,)) for a, b, flags in
    [((3, 2), (3, 4), 1), ((2, 3), (4, 3), 2), ((3, 2), (4, 3), 3), ((2, 3), (3, 4), 0),
     ((2, 4, 3), (2, 5, 4), 3), ((9, 7), (9, 6), 1), ((2, 3, 4), (5, 4), 2), ((0, 2), (0, 3), 1),
     ((1, 1), (1, 1), 3)]], "norm")
op("linear", lambda x, n, s: F.linear(*x),
   [Sample(*(real(shape, seed=k) for k, shape in enumerate(shapes))) for shapes in
    [((2, 3), (4, 3), (4,)), ((2, 3), (4, 3)), ((3,), (4, 3), (4,)), ((3,), (4, 3)),
     ((2, 3, 4), (5, 4), (5,)), ((1, 1), (1, 1), (1,)), ((6, 9), (7, 9), (7,)),
     ((0, 3), (2, 3), (2,)), ((2, 0), (3, 0), (3,)), ((2, 3), (0, 3), (0,))]], "norm")
