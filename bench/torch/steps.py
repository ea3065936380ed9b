# SPDX-License-Identifier: MIT
"""The workloads of kybench in PyTorch, as its users write them.

    steps.py version
    steps.py WORKLOAD ARGUMENT THREADS

makes a step and prints the root's value and bytes. Then it reads numbers, one a line, makes so many
steps twice and prints the seconds that the second time took: the first wakes threads and caches up.
Data are those of bench_random in workload.c. The bytes are what a step adds to the resident set at
its height: gradients and intermediate values, but neither weights nor data nor what the optimizer
keeps; whole pages.
"""
import ctypes
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(1)  # kybench says so

MASK = 0xFFFFFFFF


def random(dtype, seed, shape, bound):
    """Uniform in [-bound, bound), the same numbers as bench_random in C."""
    count = 1
    for extent in shape:
        count *= extent
    h = (torch.arange(count, dtype=torch.int64) + seed * 0x9E3779B9) & MASK
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & MASK
    h = ((h ^ (h >> 15)) * 0x846CA68B) & MASK
    h = h ^ (h >> 16)
    x = bound * (2 * (h.to(torch.float64) / 2**32) - 1)
    return x.to(dtype).reshape(shape)


def training(weights, rate, loss_of):
    """A step of gradient descent in place; returns the loss before it."""
    for w in weights:
        w.requires_grad_(True)

    def step():
        loss = loss_of()
        grads = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            torch._foreach_add_(weights, grads, alpha=-rate)
        return loss

    return step


def gradient(weights, value_of):
    """Value and gradients; returns the value."""
    for w in weights:
        w.requires_grad_(True)

    def step():
        value = value_of()
        torch.autograd.grad(value, weights)
        return value

    return step


def demo(_):
    f64 = torch.float64
    x = torch.tensor([1, 9, 5], dtype=f64)  # the second sample, which comes first in kybench
    y = torch.tensor([1, 0, 0, 0], dtype=f64)
    w1 = torch.tensor([[0.49671415, -0.1382643, 0.64768854],
                       [1.52302986, -0.23415337, -0.23413696]], dtype=f64)
    b1 = torch.tensor([1.57921282, 0.76743473], dtype=f64)
    w2 = torch.tensor([[-0.46947439, 0.54256004], [-0.46341769, -0.46572975],
                       [0.24196227, -1.91328024], [-1.72491783, -0.56228753]], dtype=f64)
    b2 = torch.tensor([-1.01283112, 0.31424733, -0.90802408, -1.4123037], dtype=f64)

    def loss():
        p = torch.sigmoid(F.linear(torch.sin(F.linear(x, w1, b1)), w2, b2))
        return F.binary_cross_entropy(p, y, reduction="sum")

    return training([w1, b1, w2, b2], 0.1, loss)


def mlp(batch):
    batch = int(batch)
    f32 = torch.float32
    dims = [(512, 784), (512,), (512, 512), (512,), (10, 512), (10,)]
    w = [random(f32, 100 + k, shape, 0.04) for k, shape in enumerate(dims)]
    x = random(f32, 7, (batch, 784), 1)
    labels = torch.arange(batch) * 7 % 10

    def loss():
        h = F.relu(F.linear(x, w[0], w[1]))
        h = F.relu(F.linear(h, w[2], w[3]))
        return F.cross_entropy(F.linear(h, w[4], w[5]), labels)

    return training(w, 1e-3, loss)


def cnn(batch):
    batch = int(batch)
    f32 = torch.float32
    dims = [((32, 1, 3, 3), 0.3), ((32,), 0.1), ((32, 32, 3, 3), 0.06), ((32,), 0.05),
            ((128, 4608), 0.015), ((128,), 0.015), ((10, 128), 0.09), ((10,), 0.09)]
    w = [random(f32, 400 + k, shape, bound) for k, (shape, bound) in enumerate(dims)]
    x = random(f32, 17, (batch, 1, 28, 28), 1)
    labels = torch.arange(batch) * 7 % 10

    def loss():
        h = F.relu(F.conv2d(x, w[0], w[1]))
        h = F.max_pool2d(F.relu(F.conv2d(h, w[2], w[3])), 2)
        h = F.relu(F.linear(h.flatten(1), w[4], w[5]))
        return F.cross_entropy(F.linear(h, w[6], w[7]), labels)

    return training(w, 1e-2, loss)


def lstm(argument):
    steps, batch = (int(word) for word in argument.split(","))
    f32 = torch.float32
    layer = [(512, 128), (512, 128), (512,), (512,)]
    dims = [(65, 128)] + layer + layer + [(65, 128), (65,)]
    w = [random(f32, 500 + k, shape, 0.088) for k, shape in enumerate(dims)]
    k = torch.arange(steps * batch)
    letters, labels = (k * k % 65).reshape(steps, batch), (k * k + k) % 65
    zeros = torch.zeros(2, batch, 128)

    def loss():
        h = F.embedding(letters, w[0])
        h = torch._VF.lstm(h, (zeros, zeros), w[1:9], True, 2, 0.0, True, False, False)[0]
        return F.cross_entropy(F.linear(h, w[9], w[10]).flatten(0, 1), labels)

    return training(w, 1e-1, loss)


def gpt(argument):
    layers, heads, width, time_, batch = (int(word) for word in argument.split(","))
    f32 = torch.float32
    layer = [(width,), (width,), (3 * width, width), (3 * width,), (width, width), (width,),
             (width,), (width,), (4 * width, width), (4 * width,), (width, 4 * width), (width,)]
    dims = [(65, width), (time_, width)] + layer * layers + [(width,), (width,), (65, width)]
    w = [random(f32, 600 + k, shape, 0.05) for k, shape in enumerate(dims)]
    k = torch.arange(batch * time_)
    letters, labels = (k * k % 65).reshape(batch, time_), (k * k + k) % 65
    mask = torch.full((time_, time_), float("-inf")).triu(1)

    def norm(x, w):
        return F.layer_norm(x, (width,), w[0] + 1, w[1])

    def block(x, w):
        q, k, v = (part.view(batch, time_, heads, -1).transpose(1, 2)
                   for part in F.linear(norm(x, w), w[2], w[3]).split(width, -1))
        p = F.softmax(q @ k.transpose(-2, -1) * (width // heads) ** -0.5 + mask, -1)
        y = (p @ v).transpose(1, 2).reshape(batch, time_, width)
        x = x + F.linear(y, w[4], w[5])
        return x + F.linear(F.gelu(F.linear(norm(x, w[6:]), w[8], w[9])), w[10], w[11])

    for one in w:
        one.requires_grad_(True)
    adamw = torch.optim.AdamW(w, lr=1e-3)

    def step():
        x = F.embedding(letters, w[0]) + w[1]
        for i in range(layers):
            x = block(x, w[2 + 12 * i:14 + 12 * i])
        loss = F.cross_entropy(F.linear(norm(x, w[-3:]), w[-1]).flatten(0, 1), labels)
        loss.backward()
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        return loss

    return step


def mlpdeep(layers):
    layers = int(layers)
    f32 = torch.float32
    w = [random(f32, 200 + 2 * k, (64, 64), 0.3) for k in range(layers)]
    b = [random(f32, 201 + 2 * k, (64,), 0.1) for k in range(layers)]
    x = random(f32, 8, (16, 64), 1)
    y = random(f32, 9, (16, 64), 1)

    def loss():
        h = x
        for k in range(layers):
            h = F.linear(h, w[k], b[k])
            if k + 1 < layers:
                h = F.relu(h)
        return F.mse_loss(h, y)

    return training(w + b, 1e-3, loss)


def chainwise(n):
    x = random(torch.float32, 1, (int(n),), 4)
    return gradient([x], lambda: (torch.tanh(x) * x + 0.5 * torch.sigmoid(x)).sum())


def softmaxce(rows):
    rows = int(rows)
    x = random(torch.float32, 1, (rows, 1000), 5)
    labels = torch.arange(rows) * 7 % 1000
    return gradient([x], lambda: F.cross_entropy(x, labels))


def layernorm(argument):
    rows, n = (int(word) for word in argument.split(","))
    f32 = torch.float32
    x, target = random(f32, 1, (rows, n), 1), random(f32, 2, (rows, n), 1)
    w, b = random(f32, 3, (n,), 1), random(f32, 4, (n,), 1)
    return gradient([x, w, b], lambda: (F.layer_norm(x, (n,), w, b) * target).sum())


def attention(argument):
    heads, time_, width = (int(word) for word in argument.split(","))
    f32 = torch.float32
    q, k, v, target = (random(f32, 1 + i, (1, heads, time_, width), 1) for i in range(4))
    mask = torch.full((time_, time_), float("-inf")).triu(1)

    def value():
        p = F.softmax(q @ k.transpose(-2, -1) * width ** -0.5 + mask, -1)
        return (p @ v * target).sum()

    return gradient([q, k, v], value)


def rosenbrock(n):
    x = random(torch.float64, 1, (int(n),), 1)

    def value():
        a, b = x[:-1], x[1:]
        return (100 * (b - a.square()).square() + (1 - a).square()).sum()

    return gradient([x], value)


def gmm(argument):
    n, d, k = (int(word) for word in argument.split(","))
    f64 = torch.float64
    x = random(f64, 1, (n, d), 1)
    alpha = random(f64, 2, (k,), 1)
    means = random(f64, 3, (k, d), 1)
    logs = random(f64, 4, (k, d), 0.5)
    lower = random(f64, 5, (k, d, d), 0.1)

    first, second = torch.tril_indices(d + 1, d + 1)
    times = torch.where(first == second, -0.5, -1.0).to(f64)
    one = torch.ones(n, 1, dtype=f64)

    def value():
        q = torch.tril(lower, -1) + torch.diag_embed(torch.exp(logs))
        r = torch.cat([-torch.matmul(q, means.unsqueeze(2)), q], 2)
        form = torch.matmul(r.transpose(1, 2), r).reshape(k, -1)
        z = torch.cat([one, x], 1)
        pairs = z.index_select(1, first) * z.index_select(1, second)
        lowest = form.index_select(1, first * (d + 1) + second) * times
        inner = alpha + logs.sum(1) + F.linear(pairs, lowest)
        constant = -0.5 * n * d * 1.8378770664093453
        return constant + torch.logsumexp(inner, 1).sum() - n * torch.logsumexp(alpha, 0)

    return gradient([alpha, means, logs, lower], value)


WORKLOADS = {f.__name__: f
             for f in (demo, mlp, cnn, gpt, lstm, mlpdeep, chainwise, softmaxce,
                       layernorm, attention, rosenbrock, gmm)}


def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def height_of(step):
    """Bytes that a step needs; not its first, which makes what stays. Free memory goes back to
    the system before it, so that it counts when it is taken again."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as reset:
            reset.write("5")  # the height is the present
        before = resident("VmRSS")
        step()
        return resident("VmHWM") - before
    except (OSError, AttributeError):
        step()
        return 0  # another system: not counted


def main():
    if sys.argv[1] == "version":
        print(torch.__version__)
        return
    name, argument, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    step = WORKLOADS[name](argument)
    value = step().item()
    print(f"{value:.17g}", height_of(step), flush=True)
    for calls in sys.stdin:
        for _ in range(2):
            start = time.perf_counter()
            for _ in range(int(calls)):
                step()
            seconds = time.perf_counter() - start
        print(f"{seconds:.10g}", flush=True)


main()
