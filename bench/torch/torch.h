/* SPDX-License-Identifier: MIT */
/* PyTorch on the same work, in a child process: torch/steps.py is run by Debian's own Python.
 */
#ifndef KYBENCH_TORCH_H
#define KYBENCH_TORCH_H

#include "workload.h"

/* Whether PyTorch is there; says on `out` which one, or how to get it. */
bool torch_find(FILE *out);

/* Runs a case of the sheet's workload with one thread and with two, if `setup` asks for
 * PyTorch, and adds a row for each. argument: of the workload in steps.py. want: the
 * value of the root in the first step. False, with a message, when that is another one. A child
 * that fails only gets a message. */
bool torch_run(const bench_setup *setup, bench_sheet *sheet, const char *title,
               const char *argument, double want, double tolerance);

#endif
