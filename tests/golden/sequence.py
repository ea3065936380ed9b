# SPDX-License-Identifier: MIT
"""Attention, rotary embedding, recurrent layers: ops_sequence.h."""
import math

import torch

from make_golden import Sample, op, real


def attention(x, n, s):
    q, k, v = x[:3]
    group = q.shape[1] // k.shape[1]
    k, v = (y.repeat_interleave(group, 1) for y in (k, v))
    score = q @ k.mT * (s[0] or 1 / math.sqrt(q.shape[-1]))
    if n[0]:
        score = score.masked_fill(torch.ones(score.shape[-2:]).triu(1).bool(), -math.inf)
    return torch.softmax(score + x[3] if len(x) > 3 else score, -1) @ v


def heads(b, h, kv, t, m, d, e, mask=None, causal=0, scale=0.0):
    x = [real((b, h, t, d)), real((b, kv, m, d), seed=1), real((b, kv, m, e), seed=2)]
    return Sample(*x, *([real(mask, seed=3)] if mask else []), n=(causal,), s=(scale,))


op("attention", attention,
   [heads(1, 1, 1, 1, 1, 1, 1), heads(2, 2, 2, 3, 4, 2, 3), heads(1, 2, 2, 5, 5, 4, 4, causal=1),
    heads(1, 4, 2, 3, 5, 2, 2), heads(1, 1, 1, 4, 7, 3, 2, causal=1),
    heads(1, 1, 1, 6, 6, 3, 2, causal=1, scale=0.3), heads(2, 2, 1, 3, 4, 2, 2, (3, 4)),
    heads(2, 2, 1, 3, 4, 2, 2, (2, 1, 1, 4)), heads(1, 2, 2, 4, 4, 2, 2, (2, 4, 4), 1),
    heads(1, 3, 1, 9, 9, 4, 2, scale=1.5)], "norm")


# n: the first position, the pairs; s: the base
def rope(x, n, s):
    x = x[0]
    t, d = x.shape[-2:]
    power = torch.arange(d // 2, dtype=torch.float64) * (-2 / d)
    angle = (n[0] + torch.arange(t, dtype=torch.float64))[:, None] * s[0] ** power
    u, v = (x[..., 0::2], x[..., 1::2]) if n[1] else (x[..., :d // 2], x[..., d // 2:])
    turned = u * angle.cos() - v * angle.sin(), v * angle.cos() + u * angle.sin()
    return torch.stack(turned, -1).flatten(-2) if n[1] else torch.cat(turned, -1)


op("rope", rope, [Sample(real(shape), n=(first, pairs), s=(base,)) for shape, first, base in
                  [((3, 4), 0, 10000), ((1, 2), 7, 2), ((2, 3, 6), 100, 10000), ((2, 5, 2), -3, 500)]
                  for pairs in (0, 1)], "one")


def lstm_cell(gates, c):
    i, f, g, o = gates.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_cell(x, s, h):
    (xr, xz, xn), (sr, sz, sn) = x.chunk(3, -1), s.chunk(3, -1)
    z = torch.sigmoid(xz + sz)
    return (1 - z) * torch.tanh(xn + torch.sigmoid(xr + sr) * sn) + z * h


SHAPES = [(1,), (2,), (3, 2), (2, 5), (2, 3, 2), (1, 1), (0, 2), (4, 7)]
op("lstm_cell", lambda x, n, s: torch.cat(lstm_cell(*x), -1),
   [Sample(real(shape[:-1] + (4 * shape[-1],)), real(shape, seed=1)) for shape in SHAPES], "one")
op("gru_cell", lambda x, n, s: gru_cell(*x),
   [Sample(real(shape[:-1] + (3 * shape[-1],)), real(shape[:-1] + (3 * shape[-1],), seed=1),
           real(shape, seed=2)) for shape in SHAPES], "one")


def lstm_sequence(x, n, s):
    h, c, out = x[2], x[3], []
    for step in x[0]:
        h, c = lstm_cell(step + h @ x[1].mT, c)
        out.append(h)
    return torch.stack(out + [c])


def gru_sequence(x, n, s):
    h, out = x[2], []
    for step in x[0]:
        h = gru_cell(step, h @ x[1].mT + x[3], h)
        out.append(h)
    return torch.stack(out)


STEPS = [(1, 1, 1), (3, 2, 2), (5, 1, 3), (2, 4, 1), (4, 2, 5), (6, 3, 2), (1, 2, 4), (9, 1, 2)]
op("lstm_sequence", lstm_sequence,
   [Sample(real((t, b, 4 * m)), real((4 * m, m), -1, 1), real((b, m)), real((b, m), seed=1))
    for t, b, m in STEPS], "one")
op("gru_sequence", gru_sequence,
   [Sample(real((t, b, 3 * m)), real((3 * m, m), -1, 1), real((b, m)), real((3 * m,), seed=1))
    for t, b, m in STEPS], "one")


# operands: x, w_ih, w_hh, b_ih, b_hh, h0, c0
def layer(gates, states):
    return [Sample(real((t, b, 3)), real((gates * m, 3), -1, 1), real((gates * m, m), -1, 1, 1),
                   real((gates * m,), seed=2), real((gates * m,), seed=3),
                   *(real((b, m), seed=4 + k) for k in range(states))) for t, b, m in STEPS]


op("lstm", lambda x, n, s: torch._VF.lstm(x[0], (x[5][None], x[6][None]), x[1:5], True, 1, 0.0,
                                          False, False, False)[0], layer(4, 2), "one")
op("gru", lambda x, n, s: torch._VF.gru(x[0], x[5][None], x[1:5], True, 1, 0.0, False, False,
                                        False)[0], layer(3, 1), "one")
