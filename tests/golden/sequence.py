# SPDX-License-Identifier: MIT
"""Sequences: ops_sequence.h."""
import math

import torch
import torch.nn.functional as F

from make_golden import Sample, op, real, whole

HOW = ["none", "sum", "mean"]


# n: causal, whether there is a mask. s: scale, 0 for the default. Rows that see nothing are 0 in the
# library and NaN in PyTorch.
def attention(x, n, s):
    q, k, v = x[:3]
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = (q @ k.mT) * (s[0] or 1 / math.sqrt(q.shape[3]))
    if n[0]:
        scores = scores.masked_fill(torch.ones(scores.shape[2:]).tril() == 0, -math.inf)
    if n[1]:
        scores = scores.masked_fill(~x[3], -math.inf) if x[3].dtype == torch.bool else scores + x[3]
    return torch.softmax(scores, 3) @ v


def qkv(b, h, g, t, s, d, e):
    return real((b, h, t, d)), real((b, g, s, d), seed=1), real((b, g, s, e), seed=2)


def seen(shape):
    m = whole(shape, 0, 1).bool()
    m[..., 0] = True
    return m


op("attention", attention,
   [Sample(*qkv(*extents), n=(causal, 0), s=(scale,)) for extents, causal, scale in
    [((2, 2, 2, 3, 4, 5, 5), 0, 0), ((1, 2, 2, 5, 5, 4, 4), 1, 0), ((1, 1, 1, 1, 1, 1, 1), 0, 0),
     ((1, 4, 2, 3, 5, 2, 3), 0, 0.3), ((2, 3, 1, 3, 3, 2, 2), 1, 0), ((1, 1, 1, 7, 4, 3, 2), 1, 0),
     ((1, 1, 1, 4, 7, 3, 2), 1, 0), ((0, 2, 2, 3, 4, 2, 2), 0, 0)]] +
   [Sample(*qkv(2, 2, 1, 3, 4, 2, 2), m, n=(causal, 1), s=(0,)) for m, causal in
    [(real((2, 2, 3, 4)), 0), (real((3, 4)), 1), (real((2, 1, 1, 4)), 0), (seen((2, 1, 3, 4)), 0),
     (seen((3, 4)), 1)]], "norm")


# n: first position, 1 pairs neighbours. s: base
def rope(x, n, s):
    x = x[0]
    t, d = x.shape[-2:]
    angle = torch.outer(n[0] + torch.arange(t).double(), s[0] ** (-torch.arange(0, d, 2).double() / d))
    c, z = angle.cos(), angle.sin()
    u, v = (x[..., 0::2], x[..., 1::2]) if n[1] else (x[..., :d // 2], x[..., d // 2:])
    r = u * c - v * z, v * c + u * z
    return torch.stack(r, -1).reshape(x.shape) if n[1] else torch.cat(r, -1)


op("rope", rope,
   [Sample(real(shape), n=(first, pairs), s=(base,)) for shape, first, base in
    [((3, 4), 0, 10000), ((2, 3, 6), 7, 10000), ((2, 2, 5, 8), 100, 500), ((1, 2), -1, 2),
     ((0, 4), 0, 10000)] for pairs in (0, 1)], "norm")


def gates(kind, width, batch, steps=1):
    """The modules' own arithmetic: x, w_ih, w_hh, b_ih, b_hh, then the states."""
    return [real((steps, batch, 3)), real((kind * width, 3), -1, 1, 1),
            real((kind * width, width), -1, 1, 2), real((kind * width,), -1, 1, 3),
            real((kind * width,), -1, 1, 4), real((batch, width), -1, 1, 5),
            real((batch, width), -1, 1, 6)]


def layer(name, x, states):
    """Output and last states of torch.nn.LSTM or GRU, one after the other."""
    function = torch._VF.lstm if name == "lstm" else torch._VF.gru
    states = tuple(s.unsqueeze(0) for s in states)
    r = function(x[0], states if name == "lstm" else states[0], list(x[1:5]), True, 1, 0.0, False,
                 False, False)
    return torch.cat(list(r))


EXTENTS = [(1, 1, 1), (2, 3, 4), (5, 2, 3), (3, 1, 2), (4, 1, 1), (1, 3, 5), (2, 2, 7), (6, 1, 3)]
op("lstm", lambda x, n, s: layer("lstm", x, x[5:7]),
   [Sample(*gates(4, w, b, t)) for w, b, t in EXTENTS], "norm")
op("gru", lambda x, n, s: layer("gru", x, x[5:6]),
   [Sample(*gates(3, w, b, t)[:6]) for w, b, t in EXTENTS], "norm")
# With the identity as recurrent weights of the input the gates are the operands themselves.
op("lstm_cell", lambda x, n, s: torch.cat(torch._VF.lstm_cell(
    x[0], (torch.zeros_like(x[1]), x[1]), torch.eye(x[0].shape[1]).double(),
    torch.zeros(x[0].shape[1], x[1].shape[1]).double(), None, None), 1),
   [Sample(real((b, 4 * w)), real((b, w), seed=1)) for w, b, _ in EXTENTS], "one")


def sequence(name, x, states):
    kind = {"lstm": 4, "gru": 3}[name]
    eye, w = torch.eye(x[1].shape[0]).double(), x[1]
    bias = x[3] if name == "gru" else torch.zeros(w.shape[0]).double()
    return layer(name, [x[0], eye, w, torch.zeros(kind * w.shape[1]).double(), bias], states)


op("lstm_sequence", lambda x, n, s: sequence("lstm", x, x[2:4])[
    [k for k in range(len(x[0]) + 2) if k != len(x[0])]],
   [Sample(real((t, b, 4 * w)), real((4 * w, w), -1, 1, 1), real((b, w), -1, 1, 2),
           real((b, w), -1, 1, 3)) for w, b, t in EXTENTS], "norm")
op("gru_sequence", lambda x, n, s: sequence("gru", x, x[2:3])[:-1],
   [Sample(real((t, b, 3 * w)), real((3 * w, w), -1, 1, 1), real((b, w), -1, 1, 2),
           real((3 * w,), -1, 1, 3)) for w, b, t in EXTENTS], "norm")


def gru_cell(x, n, s):
    a, b, h = x
    r, z = (a + b).chunk(3, 1)[:2]
    r, z = torch.sigmoid(r), torch.sigmoid(z)
    return (1 - z) * torch.tanh(a.chunk(3, 1)[2] + r * b.chunk(3, 1)[2]) + z * h


op("gru_cell", gru_cell,
   [Sample(real((b, 3 * w)), real((b, 3 * w), seed=1), real((b, w), seed=2))
    for w, b, _ in EXTENTS], "one")

# n: reduction, blank, zero_infinity. Through log_softmax, see ky_ctc.
CTC = [((6, 3, 4), [[1, 2], [3, 3], [2, 0]], [6, 5, 6], [2, 2, 1]),
       ((5, 2, 3), [[1, 2, 1], [2, 0, 0]], [5, 3], [3, 0]),
       ((7, 2, 5), [4, 1, 1, 2], [7, 6], [3, 1]), ((1, 1, 2), [[1]], [1], [1])]
op("ctc", lambda x, n, s: F.ctc_loss(
    F.log_softmax(x[0], -1), x[1], x[2], x[3], blank=n[1], reduction=HOW[n[0]],
    zero_infinity=bool(n[2])),
   [Sample(real(shape), torch.tensor(targets), torch.tensor(steps), torch.tensor(lengths),
           n=(how, 0, 0)) for shape, targets, steps, lengths in CTC for how in range(3)] +
   [Sample(real((3, 2, 3)), torch.tensor([[0, 0, 1], [0, 1, 0]]), torch.tensor([3, 3]),
           torch.tensor([3, 2]), n=(how, 2, 1)) for how in range(3)], "norm")
