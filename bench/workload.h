/* SPDX-License-Identifier: MIT */
/* The workloads. Each makes its variants agree before it times them. */
#ifndef KYBENCH_WORKLOAD_H
#define KYBENCH_WORKLOAD_H

#include <stdbool.h>

#include "kytape.h"
#include "measure.h"
#include "sheet.h"

/* One row a workload: name (workload_<name>.c), what it is. They run in this order. */
#define WORKLOADS(X)                                                                           \
  X(demo, "one training step of the demo: 3-2-4 network, one sample, f64")                     \
  X(chain, "y = y x; y = y + x in turn, f64 scalars; forward and backward")                    \
  X(diamond, "x = a x + b x, repeated; f64 scalars; forward and backward")                     \
  X(mlp, "one training step of 784-512-512-10, relu, cross entropy, f32")                      \
  X(cnn, "one training step of conv3x3x32, conv3x3x32, max pool, 128, 10 on 28x28, f32")       \
  X(gpt, "one training step of a transformer, AdamW, f32")                                     \
  X(lstm, "one training step of a letter model, 2 layers of 128, cross entropy, f32")          \
  X(mlpdeep, "one training step of 20 layers of 64, batch 16, relu, squared error, f32")       \
  X(chainwise, "sum of tanh(x) x + sigmoid(x) / 2, f32; value and gradient")                   \
  X(softmaxce, "cross entropy of 1024 rows of 1000 logits, f32; value and gradient")           \
  X(layernorm, "layernorm of rows of 768, f32; value and gradients")                           \
  X(attention, "causal attention, f32; value and gradients")                                   \
  X(rosenbrock, "100 (b - a^2)^2 + (1 - a)^2 over neighbours, f64; value and gradient")        \
  X(gmm, "log-likelihood of a Gaussian mixture, f64; value and all gradients")                 \
  X(compile, "compiling a tape, and freeing the program")                                      \
  X(barrier, "waking a team of threads, and meeting at the end of the job")                    \
  X(ops, "every opcode alone, forward and reverse, beside what it cannot do without; f32")     \
  X(overhead, "forward time of one instruction, and what of it is not the kernel, f32")        \
  X(reverse, "reverse time of one instruction, and what of it is not the kernel, f32")

typedef struct bench_setup {
  bool quick;
  bool torch;       /* PyTorch is there and asked for */
  const char *only; /* of ops: opcodes whose names contain this; null: all */
  bench_pace pace;
} bench_setup;

/* Adds rows to the sheet, and its own columns. False, with a message on stderr, when a variant
 * fails or two variants disagree. */
#define X(name, title) bool workload_##name(const bench_setup *setup, bench_sheet *sheet);
WORKLOADS(X)
#undef X

/* Whether got is within `tolerance`, relative to want (absolute below 1); a message if not. */
bool bench_agree(const char *workload, bench_variant variant, const char *what, double got,
                 double want, double tolerance);

/* The same for n elements of f32 or f64, `tolerance` relative to the largest of want. */
bool bench_agree_all(const char *workload, bench_variant variant, const char *what,
                     ky_dtype dtype, size_t n, const void *got, const void *want,
                     double tolerance);

/* Zeros, to be freed. Ends the program when memory runs out. */
void *bench_alloc(size_t count, size_t size);

/* The same at the start of a cache line, as the tape's values are. */
void *bench_alloc_aligned(size_t bytes);

/* realloc, but it ends the program when memory runs out. */
void *bench_resize(void *block, size_t count, size_t size);

/* f32 or f64, uniform in [-bound, bound); the same on every machine, and in bench/torch, for
 * the same seed. */
void bench_random(ky_dtype dtype, uint32_t seed, size_t n, void *x, double bound);

#endif
