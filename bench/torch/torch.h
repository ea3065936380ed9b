/* SPDX-License-Identifier: MIT */
/* PyTorch on the same work, in a child process: torch/steps.py is run by Debian's own Python,
 * and waits between samples. */
#ifndef KYBENCH_TORCH_H
#define KYBENCH_TORCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Whether PyTorch is there; says on `out` which one, or how to get it. */
bool torch_find(FILE *out);

typedef struct torch_child torch_child;

/* Starts a workload of steps.py, which makes a step. Null, with a message, when that fails. The
 * name lives as long as the child. */
torch_child *torch_open(const char *workload, const char *argument, int threads);
void torch_close(torch_child *c);

/* The root's value in the first step; by how many bytes a step makes the child grow. */
double torch_value(const torch_child *c);
double torch_bytes(const torch_child *c);

/* A bench_timed whose state is the child; infinity once it has failed. */
double torch_time(void *child, uint64_t calls);

#endif
