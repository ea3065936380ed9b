/* SPDX-License-Identifier: MIT */
/* Draws sheets as bars: the ratio of each variant's median to that of hand-written C, on a
 * logarithmic axis. Cases without hand-written C are left out. */
#ifndef KYBENCH_PLOT_H
#define KYBENCH_PLOT_H

#include <stdio.h>

#include "sheet.h"

/* An SVG of `count` sheets. */
void plot_sheets(FILE *out, size_t count, const bench_sheet *sheets);

#endif
