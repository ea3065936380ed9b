# SPDX-License-Identifier: MIT
"""Binary and ternary elementwise operations with broadcasting: ops.h, ops_elementwise.h."""
import math

import torch

from make_golden import Sample, f64, mask, op, real, whole

INF, NAN = math.inf, math.nan
SHAPES = [((), ()), ((3, 4), (3, 4)), ((2, 3, 2), (2,)), ((2,), (2, 3, 2)), ((3, 2), (3, 1)),
          ((3, 1), (1, 4)), ((2, 3), ()), ((), (5,)), ((1,), (7,)), ((0, 3), (3,)),
          ((3, 0), (1, 1)), ((2, 1, 2), (1, 3, 1))]
ODD = [0.0, -0.0, INF, -INF, NAN, 1, -1, 0.5, 2, -3]


def pairs(odd):
    """All pairs, as two vectors."""
    return f64(*[a for a in odd for _ in odd]), f64(*[b for _ in odd for b in odd])


def binary(name, fn, low=-3.0, high=3.0, odd=ODD, measure="each", more=()):
    # gradients of broadcast operands are sums
    samples = [Sample(real(a, low, high, name + "a"), real(b, low, high, name + "b"))
               for a, b in SHAPES]
    op(name, lambda x, n, s: fn(x[0], x[1]), samples + [Sample(*pairs(odd))] + list(more),
       measure, "norm")


binary("add", torch.add)
binary("sub", torch.sub)
binary("mul", torch.mul)
binary("div", torch.div)
binary("pow", torch.pow, 0.1)
binary("maximum", torch.maximum)
binary("minimum", torch.minimum)
# PyTorch's slopes square, which overflows.
FAR = f64(1e200, 1e-200, 1e300), f64(1e200, 1e-200, -1e-300)
binary("atan2", torch.atan2, more=[Sample(*FAR, constant=(0, 1))])
binary("hypot", torch.hypot, more=[Sample(*FAR)])
binary("fmod", torch.fmod)
# PyTorch's slope is r / a, NaN for an infinite a and for NaN; a sign here.
binary("copysign", torch.copysign, odd=[v for v in ODD if math.isfinite(v)],
       more=[Sample(f64(INF, -INF, INF, -INF, NAN, 1), f64(-1, -1, 1, INF, 1, -INF), constant=(0,))])
# Equal infinities share the slope here; PyTorch's are NaN.
binary("logaddexp", torch.logaddexp, odd=[v for v in ODD if v != -INF and v != INF], more=[
    Sample(f64(INF, -INF, INF, -INF, INF), f64(INF, -INF, -INF, 1, 1), constant=(0, 1)),
    Sample(f64(-INF, 1, INF, -INF), f64(1, -INF, 1, INF)),
    Sample(f64(1000, -1000, 0), f64(0, -1000, 1e-30))])

for test in ("lt", "le", "eq", "ne", "gt", "ge"):
    binary(test, getattr(torch, test), more=[
        Sample(whole((3, 4), -2, 2, dtype), whole((4,), -2, 2, dtype, 1))
        for dtype in (torch.int32, torch.int64)] + [Sample(mask((5,)), mask((5,), 1))])
for logic in ("logical_and", "logical_or"):
    op(logic, lambda x, n, s, fn=getattr(torch, logic): fn(x[0], x[1]),
       [Sample(mask(a), mask(b, 1)) for a, b in SHAPES])

# ---- three operands --------------------------------------------------------------------------

THREE = [((), (), ()), ((3, 2), (3, 2), (3, 2)), ((3, 1), (4,), (3, 4)), ((), (2, 3), (3,)),
         ((2, 3, 2), (), (3, 1)), ((2,), (2, 1, 2), (3, 1)), ((0,), (1,), (0,)),
         ((2, 0, 3), (3,), ())]
TRIPLES = ([0.0, INF, 1, NAN, -2, 3], [1, 0.0, NAN, 2, INF, -0.0], [0.0, 1, 0.5, -1, 2, NAN])


def ternary(name, fn, odd):
    op(name, lambda x, n, s: fn(*x),
       [Sample(*(real(shape, seed=name + str(k)) for k, shape in enumerate(three)))
        for three in THREE] + [Sample(*(f64(*v) for v in odd))])


ternary("fma", lambda a, b, c: torch.addcmul(c, a, b), TRIPLES)
ternary("lerp", torch.lerp,
        ([2, 1e18, 1, -1, INF, NAN, 2, 2, 3], [6, 1, 1e18, -1, 1, 1, NAN, INF, 3],
         [0.25, 1, 0, 0.5, 0.5, 0, 1, 0.75, NAN]))
op("where", lambda x, n, s: torch.where(*x),
   [Sample(mask(a), real(b, seed=1), real(c, seed=2)) for a, b, c in THREE] +
   [Sample(mask((4,)), f64(NAN, 1, INF, -0.0), f64(1, NAN, -INF, 2)),
    Sample(mask((2, 3)), whole((3,), -9, 9), whole((2, 1), -9, 9))])
