# SPDX-License-Identifier: MIT
"""Unary operations, activations, and those with a scalar: ops.h, ops_elementwise.h."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, mask, op, point, real, whole

INF, NAN = math.inf, math.nan
SHAPES = [(), (3, 4), (7,), (1,), (0,), (2, 0, 3), (3, 1, 2)]
# Zeros, infinities, NaN, denormals, kinks of one function or another, magnitudes.
ODD = [0.0, -0.0, INF, -INF, NAN, 5e-324, -5e-324, 1e-310, 1e-30, -1e-30, 1e-8, 0.5, -0.5, 1, -1,
       1.5, -1.5, 2, -2, 2.5, -2.5, 3, -3, 6, 20, -20, 40, -40]
FAR = [88.8, -88.8, 709.0, -709.0, 746.0, -746.0, 1e4, -1e4, 1e10, -1e10]
HUGE = [1e100, -1e100, 1e300, -1e300]
BELOW_1 = [-INF, 0.0, 1e-30, 0.5, -0.5, -1, -1.5, -2, -20]


def unary(name, fn, low=-3.0, high=3.0, odd=ODD + FAR + HUGE, s=((),), measure="each", slopes=None,
          flat=(), within=None):
    """flat: values whose slopes differ from PyTorch's on purpose; they are not compared."""
    samples = [Sample(real(shape, low, high, name), s=s[0], within=within) for shape in SHAPES]
    samples += [Sample(f64(*[v for v in odd if not has(flat, v)]), s=given, within=within)
                for given in s]
    if flat:
        samples += [Sample(f64(*flat), s=given, constant=(0,), within=within) for given in s]
    op(name, lambda x, n, s: fn(x[0], *s), samples, measure, slopes)


def has(values, v):
    return str(float(v)) in [str(float(w)) for w in values]


def given_slope(value, slope):
    """value(x), whose derivative is slope(x)."""
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return value(x)

        @staticmethod
        def backward(ctx, g):
            return g * slope(*ctx.saved_tensors)
    return Function.apply


unary("neg", torch.neg)
unary("abs", torch.abs)
unary("sign", torch.sign)
unary("square", torch.square)
unary("sqrt", torch.sqrt, 0.1)
unary("rsqrt", torch.rsqrt, 0.1)
unary("recip", torch.reciprocal)
unary("exp", torch.exp)
# Slopes of rounded results, 1 + r, 1 - r^2, cancel.
unary("expm1", torch.expm1, slopes="one")
unary("exp2", torch.exp2)
unary("log", torch.log, 0.1)
unary("log1p", torch.log1p, -0.9)
unary("log2", torch.log2, 0.1)
unary("log10", torch.log10, 0.1)
unary("sin", torch.sin, odd=ODD + FAR)
unary("cos", torch.cos, odd=ODD + FAR)
unary("tan", torch.tan, odd=ODD + FAR)
unary("asin", torch.asin, -1.0, 1.0)
unary("acos", torch.acos, -1.0, 1.0)
unary("atan", torch.atan)
unary("sinh", torch.sinh)
unary("cosh", torch.cosh)
unary("tanh", torch.tanh, slopes="one")
# PyTorch squares, which overflows.
unary("asinh", torch.asinh, flat=HUGE)
# Below 1 the value is NaN; PyTorch has a slope there, (x^2 - 1)^(-1/2), the library NaN.
unary("acosh", torch.acosh, 1.0, odd=[v for v in ODD + FAR if v >= 0], flat=HUGE + BELOW_1)
unary("atanh", torch.atanh, -1.0, 1.0)
unary("erf", torch.erf)
unary("erfc", torch.erfc)
unary("lgamma", torch.lgamma, 0.1, 9.0)
unary("floor", torch.floor)
unary("ceil", torch.ceil)
unary("round", torch.round)
unary("trunc", torch.trunc)
unary("sigmoid", torch.sigmoid)
unary("logsigmoid", F.logsigmoid)
# PyTorch's is x above a threshold of 20; at 37 that is exact.
unary("softplus", lambda x: F.softplus(x, threshold=37))
unary("relu", torch.relu)
# PyTorch subtracts 1 from e^x.
unary("selu", F.selu, measure="one")
# PyTorch adds 1 to erf and to tanh; the limits of slopes are NaN there, numbers here.
unary("gelu", F.gelu, measure="one")
unary("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), measure="one",
      flat=[INF, -INF] + HUGE)
unary("silu", F.silu)
unary("mish", F.mish, flat=[INF])
# PyTorch has 1/6 as a float.
unary("hardsigmoid", F.hardsigmoid, within=1e-7)
unary("hardswish", F.hardswish)
# PyTorch differentiates the quotient; at the infinities that is NaN, here the limit 0.
unary("softsign", F.softsign, slopes="one", flat=[INF, -INF])
unary("leaky_relu", lambda x, s: F.leaky_relu(x, s), s=((0.25,), (0.01,), (0,), (1.5,)))
unary("elu", lambda x, s: F.elu(x, s), s=((1,), (0.5,), (2,)), measure="one")
unary("clamp", lambda x, lo, hi: torch.clamp(x, lo, hi),
      s=((-1, 1.5), (0, 0), (-INF, 1), (-1, INF), (-2.5, 2.5)))
unary("hardtanh", lambda x, lo, hi: F.hardtanh(x, lo, hi), s=((-1, 1), (0, 6), (-2.5, 0.5)))

# PyTorch's own polygamma functions are good to nine digits; its zeta function to all.
zeta = torch.special.zeta
unary("digamma", given_slope(torch.digamma, lambda x: zeta(torch.tensor(2.0).double(), x)), 0.1, 9.0,
      [v for v in ODD + FAR if not v <= 0], measure="one", slopes="each",
      flat=[v for v in ODD if v <= 0 or v == INF])
unary("trigamma", given_slope(lambda x: zeta(torch.tensor(2.0).double(), x),
                              lambda x: -2 * zeta(torch.tensor(3.0).double(), x)), 0.1, 9.0,
      [v for v in ODD + FAR if not v <= 0 and v != INF])

# ---- with a scalar ---------------------------------------------------------------------------

unary("add_scalar", lambda x, s: x + s, s=((1.5,), (0,), (INF,), (NAN,), (-1e300,)))
unary("mul_scalar", lambda x, s: x * s, s=((1.5,), (0,), (INF,), (NAN,), (-1e300,)))
unary("div_scalar", lambda x, s: x / s, s=((1.5,), (0,), (INF,), (NAN,), (-1e300,)))
unary("rsub_scalar", lambda x, s: s - x, s=((1.5,), (0,), (INF,), (NAN,), (-1e300,)))
unary("rdiv_scalar", lambda x, s: torch.div(torch.tensor(s, dtype=x.dtype), x), s=((1.5,), (0,), (-2,), (INF,)))
# PyTorch takes roots where it can, which are NaN at -infinity; pow is IEEE's here.
unary("pow_scalar", lambda x, s: torch.pow(x, s), 0.1, odd=[v for v in ODD + FAR + HUGE if v != -INF],
      s=((1.5,), (0,), (1,), (2,), (3,), (-1,), (-2,), (0.5,), (-0.5,), (2.5,), (INF,), (NAN,)))
unary("maximum_scalar", lambda x, s: torch.maximum(x, torch.tensor(s, dtype=x.dtype)),
      s=((1.5,), (0,), (-INF,), (-3,)))
unary("minimum_scalar", lambda x, s: torch.minimum(x, torch.tensor(s, dtype=x.dtype)),
      s=((1.5,), (0,), (-INF,), (-3,)))
for test in ("lt", "le", "eq", "ne", "gt", "ge"):
    unary(test + "_scalar", getattr(torch, test), s=((1.5,), (0,), (INF,), (NAN,), (-3,)))

# ---- tests and dtypes ------------------------------------------------------------------------

unary("isfinite", torch.isfinite)
op("logical_not", lambda x, n, s: torch.logical_not(x[0]),
   [Sample(mask(shape)) for shape in SHAPES + [(9,)]])

# n[0]: 0 f32, 1 f64, 2 i32, 3 i64, 4 mask. PyTorch leaves the conversion of what an integer
# cannot hold to the processor; such elements are not here.
CAST_TO = [torch.float32, torch.float64, torch.int32, torch.int64, torch.bool]
INSIDE = f64(0.0, -0.0, 0.5, -0.5, 0.9, -0.9, 2.5, -2.5, 1e-310, 1e6, -1e6, 2147483647.0)
op("cast", lambda x, n, s: x[0].to(CAST_TO[n[0]]),
   [Sample(f64(*ODD), n=(k,), constant=(0,)) for k in (0, 1, 4)] +
   [Sample(INSIDE, n=(k,)) for k in range(1, 5)] +
   [Sample(whole((2, 3), -9, 9, dtype), n=(k,))
    for dtype in (torch.int32, torch.int64) for k in range(5)] +
   [Sample(mask((5,)), n=(k,)) for k in range(5)] + [Sample(point(-7.5), n=(3,))])
