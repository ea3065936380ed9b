/* SPDX-License-Identifier: MIT */
/* What an instruction of the overhead workload comes down to: calls of kernels of the engine.
 */
#ifndef KYBENCH_KERNEL_CALLS_H
#define KYBENCH_KERNEL_CALLS_H

#include <stddef.h>

typedef enum operation { ADD, MUL, RELU, SUM, OPERATIONS } operation;

/* `count` times the operation on n elements of a and b; n = 0 stands for rank 0. Each has a
 * result of its own, of n elements (one for SUM and rank 0), in results[]. */
typedef struct kernel_calls {
  operation op;
  size_t n, count;
  const float *a, *b;
  float *results;
} kernel_calls;

void kernel_calls_run(const kernel_calls *c);

/* `count` times what the operation's adjoint hands to its first operand when it gets a: the
 * result is all a as well. Not for SUM. */
void kernel_calls_pull(const kernel_calls *c);

#endif
