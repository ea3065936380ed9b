# SPDX-License-Identifier: MIT
"""Writes the golden values: what PyTorch says each operator and its gradient are, in float64.

    python3 make_golden.py [family ...]        # python3-torch, 1.13; all families by default

A family is a file <family>.py here, which calls op(name, function, samples) for its operators
and becomes <family>.txt. How a sample's operands and attributes become a ky_ call stands in
calls.def. The format is a list of words, NaN and infinities as strtod reads them:

    op NAME MEASURE SLOPES SAMPLES   what rounding of values and gradients is measured against
    sample
    t NUMBER                         tolerance, relative to that; a few roundings if not given
    n COUNT integers                 attributes, as the row of calls.def reads them
    s COUNT numbers
    x DTYPE RANK extents elements    an operand; there may be several
    r DTYPE RANK extents elements    the result
    w elements                       the cotangent, in the result's shape: f64 results alone
    g OPERAND elements               d sum(r w) / d operand, in the operand's shape
"""
import importlib
import os
import random
import sys
import warnings

warnings.filterwarnings("ignore")
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = ["elementwise", "binary", "reductions", "movement", "indexing", "products",
            "linear_algebra", "losses", "normalization", "windows", "sequence"]
DTYPES = {torch.float64: "f64", torch.float32: "f32", torch.int64: "i64", torch.int32: "i32",
          torch.bool: "mask"}


class Sample:
    """Operands (tensors), integer attributes n, scalar attributes s. constant: operands that get
    no gradient. within: what PyTorch is good to, where it is not a few roundings."""

    def __init__(self, *x, n=(), s=(), constant=(), within=None):
        self.x, self.n, self.s, self.constant, self.within = x, n, s, constant, within


def short(v):
    """The shortest number that reads back as v."""
    if isinstance(v, (bool, int)):
        return str(int(v))
    if v != v:
        return "nan"
    return str(int(v)) if v == int_or_none(v) and str(v)[0] != "-" else repr(v)


def int_or_none(v):
    return int(v) if abs(v) < 1e6 and v == int(v) else None


def words(t):
    return " ".join(short(v) for v in t.reshape(-1).tolist())


def array(t):
    dims = "".join(f" {d}" for d in t.shape)
    return f"{DTYPES[t.dtype]} {t.dim()}{dims} {words(t)}".rstrip()


class Family:
    def __init__(self):
        self.lines, self.names = [], set()
        self.draw = random.Random()

    def cotangent(self, r):
        return torch.tensor([self.draw.choice([-1, 1]) * self.draw.randint(10, 100) / 64
                             for _ in range(r.numel())], dtype=torch.float64).reshape(r.shape)

    def write(self, function, sample):
        x = [t.clone() for t in sample.x]
        for k, t in enumerate(x):
            if t.dtype == torch.float64 and k not in sample.constant:
                t.requires_grad_(True)
        out = ["sample"] + ([f"t {sample.within}"] if sample.within else [])
        if sample.n:
            out.append(f"n {len(sample.n)} " + " ".join(str(int(v)) for v in sample.n))
        if sample.s:
            out.append(f"s {len(sample.s)} " + " ".join(short(float(v)) for v in sample.s))
        out += ["x " + array(t.detach()) for t in x]
        r = function(x, sample.n, sample.s)
        out.append("r " + array(r.detach()))
        if r.dtype == torch.float64 and r.requires_grad:
            w = self.cotangent(r)
            grads = torch.autograd.grad(r, [t for t in x if t.requires_grad], w,
                                        allow_unused=True)
            out.append(f"w {words(w)}".rstrip())
            wanted = [k for k, t in enumerate(x) if t.requires_grad]
            out += [f"g {k} {words(g)}".rstrip() for k, g in zip(wanted, grads) if g is not None]
        self.lines += out


family = None


def op(name, function, samples, measure="each", slopes=None):
    """One operator: function(x, n, s) of the operands and attributes of each sample.

    measure: "each" when an element is computed alone, and its rounding relative to itself;
    "norm" when elements are sums, whose terms may cancel, relative to the largest there is;
    "one": relative to 1 where the largest is smaller (differences of terms of that order).
    slopes: the same for the gradients, measure if not given.

    Where the library differs from PyTorch on purpose, the family says so and leaves it out."""
    assert name not in family.names and len(samples) >= 8, (name, len(samples))
    family.names.add(name)
    family.draw.seed(name)  # what is drawn here does not depend on other operators
    family.lines.append(f"op {name} {measure} {slopes or measure} {len(samples)}")
    for sample in samples:
        family.write(function, sample)


# ---- what the samples are made of ------------------------------------------------------------

def real(shape, low=-3.0, high=3.0, seed=0):
    """Random numbers of three decimals."""
    draw = random.Random(f"{tuple(shape)} {low} {high} {seed}")
    n = 1
    for d in shape:
        n *= d
    values = [round(draw.uniform(low, high), 3) for _ in range(n)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def point(value):
    return torch.tensor(float(value), dtype=torch.float64)


def whole(shape, low, high, dtype=torch.int64, seed=0):
    """Random integers in low..high."""
    draw = random.Random(f"{tuple(shape)} {low} {high} {seed}")
    n = 1
    for d in shape:
        n *= d
    values = [draw.randint(low, high) for _ in range(n)]
    return torch.tensor(values, dtype=dtype).reshape(shape)


def mask(shape, seed=0):
    return whole(shape, 0, 1, seed=seed).bool()


def main():
    global family
    sys.path.insert(0, HERE)
    sys.modules["make_golden"] = sys.modules["__main__"]
    torch.set_num_threads(1)
    for name in sys.argv[1:] or FAMILIES:
        family = Family()
        importlib.import_module(name)
        text = "\n".join(family.lines) + "\n"
        with open(os.path.join(HERE, name + ".txt"), "w") as out:
            out.write(text)
        print(f"{name}: {len(family.names)} operators, {len(text)} bytes")


if __name__ == "__main__":
    main()
