# SPDX-License-Identifier: MIT
"""Losses: ops.h, ops_losses.h. The first integer is the ky_reduction."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, f64, op, point, real, whole

INF, NAN = math.inf, math.nan
HOW = ["none", "sum", "mean"]
i32, i64 = torch.int32, torch.int64
SHAPES = [(3, 4), (), (7,), (1, 4), (2, 3, 2), (0,)]


def reduced(r, n):
    return (r, r.sum(), r.mean())[n[0]]


def classes(x, labels, fn, n):
    """PyTorch has the classes in axis 1, the library in the last."""
    x = x.movedim(-1, 1) if x.dim() > 1 else x
    return fn(x, labels.long(), reduction=HOW[n[0]])


LABELLED = [((4, 5), (4,), i64), ((4, 5), (4,), i32), ((5,), (), i64), ((2, 3, 4), (2, 3), i64),
            ((7, 2), (7,), i32), ((1, 1), (1,), i64), ((0, 5), (0,), i64)]
for name, fn, high, odd in (
        ("cross_entropy", F.cross_entropy, 3,
         [([1000, -1000], 0), ([1000, -1000], 1), ([-INF, 0], 1), ([NAN, 0], 1), ([0, 0], 1),
          ([1e300, 0], 1), ([-INF, 0], 0), ([INF, 0], 1), ([INF, 0], 0), ([INF, INF], 0),
          ([-INF, -INF], 0), ([INF, -INF, 1], 2), ([-0.0, 0.0], 0), ([5e-324, -5e-324], 1)]),
        ("nll", F.nll_loss, 0, [([-1, -INF], 1), ([NAN, -1], 1), ([0, -0.0], 0)])):
    op(name, lambda x, n, s, fn=fn: classes(x[0], x[1], fn, n),
       [Sample(real(shape, -3, high, name), whole(rows, 0, shape[-1] - 1, kind), n=(how,))
        for shape, rows, kind in LABELLED for how in range(3)] +
       [Sample(f64(*row), torch.tensor(label), n=(0,)) for row, label in odd], "norm")


def pair(name, fn, a=(-3, 3), b=(-3, 3), odd=(), s=((),), measure="norm", flat=()):
    """fn(a, b, *s, reduction). flat: pairs whose second slope differs on purpose."""
    samples = [Sample(real(shape, *a, name), real(shape, *b, name + "b"), n=(how,), s=given)
               for given in s for k, shape in enumerate(SHAPES)
               for how in (range(3) if k == 0 else (k % 3,))]
    samples += [Sample(f64(*[one[0] for one in odd]), f64(*[one[1] for one in odd]), n=(0,), s=given)
                for given in s if odd]
    if flat:
        samples.append(Sample(f64(*[one[0] for one in flat]), f64(*[one[1] for one in flat]), n=(0,),
                              constant=(1,)))
    op(name, lambda x, n, s: fn(x[0], x[1], *s, reduction=HOW[n[0]]), samples, measure)


KINKS = [(0, 0), (1, 0), (-1, 0), (0.5, 0), (-0.5, 0), (2, 0), (1, 1), (-3, 2.5), (NAN, 1), (INF, 0),
         (1e200, -1e200), (1e-200, 0)]
pair("mse", F.mse_loss, odd=KINKS)
pair("l1", F.l1_loss, odd=KINKS)
pair("smooth_l1", lambda a, b, beta, reduction: F.smooth_l1_loss(a, b, beta=beta,
                                                               reduction=reduction),
     odd=KINKS, s=((1,), (0.5,), (2,)))
# With beta 0 PyTorch gives both operands of a tie the same slope, of one sign; 0 here, as l1 has it.
pair("smooth_l1_beta_0", lambda a, b, reduction: F.smooth_l1_loss(a, b, beta=0, reduction=reduction),
     odd=[one for one in KINKS if one[0] != one[1] and not math.isnan(one[0])])
pair("huber", lambda a, b, delta, reduction: F.huber_loss(a, b, delta=delta, reduction=reduction),
     odd=KINKS, s=((1,), (0.5,), (2,)))
pair("bce", F.binary_cross_entropy, (0.1, 0.9), (0, 1), [(0.5, 1), (0.25, 0), (0.75, 0.5), (0.001, 1)])
pair("bce_with_logits", F.binary_cross_entropy_with_logits, (-3, 3), (0, 1),
     [(0, 1), (0, 0), (1000, 1), (1000, 0), (-1000, 1), (-1000, 0), (40, 0.5), (NAN, 1)])
# At p = 0 the slope of p ln p is infinite, and PyTorch's NaN; that of p log_q alone here.
pair("kl_div", F.kl_div, (-3, 0), (0.01, 1), [(-1, 1), (-2, 0.5), (-1, NAN)], flat=[(-1, 0), (0, 0)])
pair("kl_div_log", lambda q, p, reduction: F.kl_div(q, p, reduction=reduction, log_target=True),
     (-3, 0), (-3, 0), [(-1, 0), (-1, -1), (0, -50)])
pair("hinge", lambda x, y, reduction: reduced(F.relu(1 - x * y), [HOW.index(reduction)]),
     odd=[(1, 1), (-1, -1), (2, 1), (0, 1), (0.5, -1), (NAN, 1)])

# n: reduction, axis. s: eps
ANGLES = [((3, 4), 1), ((3, 4), 0), ((5,), 0), ((2, 3, 2), -2), ((2, 1), 1), ((0, 3), 1)]
op("cosine_similarity", lambda x, n, s: F.cosine_similarity(x[0], x[1], n[0], s[0]),
   [Sample(real(shape), real(shape, seed=1), n=(axis,), s=(1e-8,)) for shape, axis in ANGLES] +
   [Sample(f64(1, 2, 3), f64(2, 4, 6), n=(0,), s=(1e-8,)),
    Sample(f64(1, 0), f64(0, 1), n=(0,), s=(1e-8,)), Sample(f64(3, 4), f64(-3, -4), n=(0,), s=(1e-8,))],
   "one")
# PyTorch adds 1e-12 to the squares of both norms.
op("cosine_embedding", lambda x, n, s: F.cosine_embedding_loss(
    x[0], x[1], x[2], margin=s[0], reduction=HOW[n[0]]),
   [Sample(real((4, 3), seed=seed), real((4, 3), seed=seed + 1), f64(1, -1, 1, -1), n=(how,),
           s=(margin,), constant=(2,), within=1e-10)
    for seed in (0, 5) for how in range(3) for margin in (0, 0.25)] +
   [Sample(real((3,)), real((3,), seed=1), point(-1), n=(0,), s=(0,), constant=(2,), within=1e-10)],
   "one")
op("triplet", lambda x, n, s: F.triplet_margin_loss(*x, margin=s[0], reduction=HOW[n[0]]),
   [Sample(*(real(shape, seed=k) for k in range(3)), n=(how,), s=(margin,))
    for shape in ((4, 3), (3,)) for how in range(3) for margin in (1, 0.25)], "norm")
# PyTorch passes the slope of a variance that was raised to eps on to the variance; 0 here.
op("gaussian_nll", lambda x, n, s: F.gaussian_nll_loss(x[0], x[1], x[2], eps=s[0],
                                                       reduction=HOW[n[0]]),
   [Sample(real(shape), real(shape, seed=1), real(of, 0.1, 2), n=(how,), s=(1e-6,))
    for shape, of in (((3, 4), (3, 4)), ((3, 4), (3, 1)), ((5,), (5,))) for how in range(3)] +
   [Sample(f64(1, 2, 3), f64(1, 3, 5), f64(0, 1e-9, 1), n=(0,), s=(1e-6,), constant=(2,))],
   "norm")

# n: reduction, whether a label is ignored, which. s: smoothing. A third operand: weights of the
# classes, of which PyTorch has no gradient.
IGNORING = [((6, 5), (6,), i64, 1, 2), ((4, 5), (4,), i32, 0, 0), ((5,), (), i64, 0, 0),
            ((2, 3, 4), (2, 3), i64, 1, -100), ((7, 2), (7,), i32, 1, 0), ((0, 5), (0,), i64, 0, 0)]


def with_options(x, n, s, fn, **more):
    return classes(x[0], x[1], lambda x, labels, reduction: fn(
        x, labels, weight=WEIGHTS[0], ignore_index=n[2] if n[1] else -100, reduction=reduction,
        **more), n)


WEIGHTS = [None]  # of the sample at work: the functions above have two operands


def chosen(call):
    def run(x, n, s):
        WEIGHTS[0] = x[2] if len(x) > 2 else None
        return call(x, n, s)
    return run


def left_out(labels, ignore, label):
    """Some labels become the one that is ignored."""
    if ignore and labels.numel() > 1:
        labels.reshape(-1)[1::3] = label
    return labels


for name, call, amounts in (
        ("cross_entropy_with", lambda x, n, s: with_options(x, n, s, F.cross_entropy,
                                                            label_smoothing=s[0]), (0, 0.1, 1)),
        ("nll_with", lambda x, n, s: with_options(x, n, s, F.nll_loss), (0,))):
    op(name, chosen(call),
       [Sample(real(shape, -3, 0, name), left_out(whole(rows, 0, shape[-1] - 1, kind), skip, label),
               *([real((shape[-1],), 0.2, 2)] if weighted else []), n=(how, skip, label), s=(amount,),
               constant=(2,))
        for shape, rows, kind, skip, label in IGNORING for how in range(3) for weighted in (0, 1)
        for amount in amounts if amount or weighted or skip], "norm")


def soft(x, n, s):
    last = [y.movedim(-1, 1) if y.dim() > 1 else y for y in x[:2]]
    return F.cross_entropy(*last, weight=x[2] if len(x) > 2 else None, reduction=HOW[n[0]],
                           label_smoothing=s[0])


op("cross_entropy_soft", soft,
   [Sample(real(shape), real(shape, 0, 1, 1), *([real((shape[-1],), 0.2, 2, 2)] if weighted else []),
           n=(how, 0, 0), s=(amount,), constant=(2,))
    for shape in ((4, 5), (5,), (2, 3, 4), (1, 1)) for how in range(3) for weighted in (0, 1)
    for amount in (0, 0.25)], "norm")
