/* SPDX-License-Identifier: MIT */
/* What an instruction of the workloads overhead and reverse comes down to: calls of kernels of
 * the engine; and what these workloads have in common. */
#ifndef KYBENCH_KERNEL_CALLS_H
#define KYBENCH_KERNEL_CALLS_H

#include "workload.h"

typedef enum operation { ADD, MUL, RELU, SUM, OPERATIONS } operation;

/* `count` times the operation on n elements of a and b; n = 0 stands for rank 0. Each has a
 * result of its own, of n elements (one for SUM and rank 0), in results[]. */
typedef struct kernel_calls {
  operation op;
  size_t n, count;
  const float *a, *b;
  float *results;
} kernel_calls;

/* Elements of the cases. */
#define KERNEL_CALLS_SIZES 6
#define KERNEL_CALLS_MOST  16384
extern const size_t kernel_calls_sizes[KERNEL_CALLS_SIZES];

#define KERNEL_CALLS_COUNT 256 /* at most */

/* As many calls as have results that fit the second-level cache. */
kernel_calls kernel_calls_open(operation op, size_t n, const float *a, const float *b);
void kernel_calls_close(kernel_calls *c);

void kernel_calls_run(const kernel_calls *c);

/* `count` times what the operation's adjoint hands to its first operand when it gets a: the
 * result is all a as well. Not for SUM. */
void kernel_calls_pull(const kernel_calls *c);

/* There are many cases. */
bench_pace kernel_calls_pace(const bench_setup *setup);

/* Adds a row for the case: an instruction's time out of `cell`. */
bench_row *kernel_calls_row(const kernel_calls *c, bench_sheet *sheet, const bench_cell *cell);

#endif
