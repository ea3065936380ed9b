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
  X(overhead, "forward time of one instruction, and what of it is not the kernel, f32")

typedef struct bench_setup {
  bool quick;
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

/* Whether the status is OK; a message if not. */
bool bench_ok(const char *workload, bench_variant variant, ky_status status, const ky_tape *t);

/* Zeros, to be freed. Ends the program when memory runs out. */
void *bench_alloc(size_t count, size_t size);

/* The same at the start of a cache line, as the tape's values are. */
void *bench_alloc_aligned(size_t bytes);

/* Uniform in [-bound, bound); the same on every machine for the same seed. */
void bench_random_f32(uint64_t seed, size_t n, float *x, double bound);

#endif
