# SPDX-License-Identifier: MIT
"""Linear algebra: ops_linear_algebra.h. triangular_solve: n[0] is the flags. einsum: the equation is
packed into the integers, eight characters of 7 bits each, the first lowest."""
import torch

from make_golden import Sample, f64, op, real


def square(*shape, shift=None, seed=0):
    """Well-conditioned matrices."""
    n = shape[-1]
    return real(shape, -1, 1, seed=seed) + (n if shift is None else shift) * torch.eye(n)


def positive(*shape, seed=0):
    x = real(shape, -1, 1, seed=seed)
    return x @ x.mT + torch.eye(shape[-1])


def crossed(*shape, seed=0):
    """Rows have to be swapped."""
    return square(*shape, seed=seed).flip(-1)


def triangular(x, n, s):
    a = x[0].mT if n[0] & 2 else x[0]
    upper = bool(n[0] & 1) != bool(n[0] & 2)
    return torch.linalg.solve_triangular(a, x[1], upper=upper, unitriangular=bool(n[0] & 4))


SIDES = [((1, 1), (1, 1)), ((3, 3), (3, 2)), ((4, 4), (4, 1)), ((2, 3, 3), (2, 3, 2)), ((3, 3), (2, 3, 2)),
         ((2, 1, 3, 3), (2, 3, 2)), ((7, 7), (7, 3)), ((18, 18), (18, 2)), ((0, 0), (0, 2)), ((3, 3), (3, 0)),
         ((0, 3, 3), (0, 3, 2))]
op("triangular_solve", triangular,
   [Sample(square(*a), real(b, seed=1), n=(k % 8,)) for k, (a, b) in enumerate(SIDES)] +
   [Sample(square(4, 4), real((4, 3), seed=1), n=(k,)) for k in range(8)] +
   [Sample(f64(0, 0, 1, 1).reshape(2, 2), f64(1, 1).reshape(2, 1), n=(0,), constant=(0, 1))], "norm")
op("solve", lambda x, n, s: torch.linalg.solve(x[0], x[1]),
   [Sample(square(*a), real(b, seed=1)) for a, b in SIDES if a[0] or a[1:] == ()] +
   [Sample(crossed(*a), real(b, seed=1)) for a, b in SIDES if 0 not in a + b] +
   [Sample(f64(0, 2, 4, 0).reshape(2, 2), f64(6, 8).reshape(2, 1))], "norm")
op("cholesky", lambda x, n, s: torch.linalg.cholesky(x[0]),
   [Sample(positive(*a)) for a in
    [(1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (2, 2, 2, 2), (18, 18), (0, 0), (0, 3, 3)]], "norm")
DETERMINANTS = [(1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (2, 2, 2, 2), (18, 18)]
op("logdet", lambda x, n, s: torch.logdet(x[0]),
   [Sample(square(*a)) for a in DETERMINANTS] +
   [Sample(square(2, 2, shift=-3)), Sample(square(0, 0)), Sample(f64(0, -1, 1, 0).reshape(2, 2)),
    Sample(f64(0, 1, 1, 0).reshape(2, 2), constant=(0,)),
    Sample(f64(1, 2, 2, 4).reshape(2, 2), constant=(0,)), Sample(torch.zeros(2, 2, dtype=torch.float64), constant=(0,))],
   "one", "norm")
op("logabsdet", lambda x, n, s: torch.linalg.slogdet(x[0])[1],
   [Sample(square(*a)) for a in DETERMINANTS] + [Sample(crossed(*a)) for a in DETERMINANTS] +
   [Sample(square(3, 3, shift=-3)), Sample(square(0, 0)), Sample(f64(0, 1, 1, 0).reshape(2, 2)),
    Sample(torch.zeros(2, 2, dtype=torch.float64), constant=(0,))], "one", "norm")
op("dot", lambda x, n, s: torch.dot(x[0], x[1]),
   [Sample(real((k,)), real((k,), seed=1)) for k in [0, 1, 2, 3, 7, 16, 33, 65]], "one", "norm")
op("outer", lambda x, n, s: torch.outer(x[0], x[1]),
   [Sample(real((m,)), real((n,), seed=1)) for m, n in
    [(1, 1), (2, 3), (3, 2), (1, 7), (7, 1), (9, 5), (0, 3), (3, 0)]])

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,kj->ik", (2, 3), (4, 3)),
    ("ji,jk->ki", (3, 2), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)), ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("bhqk,bhkd->bqhd", (2, 2, 3, 5), (2, 2, 5, 4)),
    ("bi,bi->b", (3, 4), (3, 4)), ("bi,bi->", (3, 4), (3, 4)), ("i,i", (5,), (5,)), ("i,i->i", (5,), (5,)),
    ("i,j", (2,), (3,)), ("i,j->ji", (2,), (3,)), ("i,j->", (2,), (3,)), ("ij->ji", (2, 3)), ("ba", (2, 3)),
    ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("bii->bi", (2, 3, 3)),
    ("ibi->b", (3, 2, 3)), ("iii->i", (3, 3, 3)), ("iijj->ij", (2, 2, 3, 3)), ("ijij->", (2, 3, 2, 3)),
    ("ii,ij->j", (3, 3), (3, 2)), ("ij,jj->i", (2, 3), (3, 3)), ("ijk,ilm,njm,nlk,abc->", *[(2, 2, 2)] * 5),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("ij,jk,kl", (2, 3), (3, 4), (4, 2)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("i,j,k->kij", (2,), (3,), (4,)),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 2)), ("...ij,jk->...ik", (2, 2, 3, 4), (4, 2)),
    ("...ij,...jk", (3, 1, 2, 3), (2, 3, 2)), ("...->...", (2, 3)), ("...", (2, 3)), ("...i->i...", (2, 3, 4)),
    ("i...->...", (2, 3)), ("...i->", (2, 3)), ("i...i->...", (3, 2, 3)), ("...,...->...", (2, 3), (3,)),
    ("...i,i->...", (2, 3, 4), (4,)), ("...a,...b->ab", (2, 3), (2, 4)), ("i...,i->", (3, 2), (3,)),
    ("ij,j->ij", (2, 1), (3,)), ("ij,ij->i", (2, 3), (2, 1)), ("i,i,i->", (1,), (4,), (1,)),
    ("ij,ik->jk", (1, 2), (3, 4)), (" i j , j k -> i k ", (2, 3), (3, 4)), ("Ab,bA->A", (2, 3), (3, 2)),
    ("bA,Ac", (2, 3), (3, 2)), ("", ()), (",", (), ()), (",i->i", (), (3,)), ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)), ("ij->i", (2, 0)), ("abcdefgh->hgfedcba", (1, 2, 1, 2, 1, 2, 1, 2)),
    ("abcd,efgh->", (1, 2, 1, 2), (2, 1, 2, 1)), ("abcdef,abcdef->abcde", *[(2, 1, 2, 1, 2, 3)] * 2)]


def packed(text):
    parts = [text[k:k + 8] for k in range(0, len(text), 8)]
    return tuple(sum(ord(c) << 7 * k for k, c in enumerate(part)) for part in parts) or (0,)


def unpacked(n):
    return "".join(chr(v >> 7 * k & 127) for v in n for k in range(8)).rstrip("\0")


op("einsum", lambda x, n, s: torch.einsum(unpacked(n), *x),
   [Sample(*(real(shape, seed=k) for k, shape in enumerate(shapes)), n=packed(text))
    for text, *shapes in EQUATIONS], "norm")
