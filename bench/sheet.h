/* SPDX-License-Identifier: MIT */
/* What a workload found: a sheet of rows, one a case and variant. The ratios between variants
 * are worked out from it, never stored. Knows not how it was measured, nor how it is shown. */
#ifndef KYBENCH_SHEET_H
#define KYBENCH_SHEET_H

#include <stddef.h>

#include "measure.h"

/* One row a variant: name, how it is spelled in tables and files. */
#define BENCH_VARIANTS(X)                                                                      \
  X(RECORDED, "tape, recorded")                                                                \
  X(REPLAYED, "tape, replayed")                                                                \
  X(COMPILED, "compiled")                                                                      \
  X(TWO_THREADS, "compiled, 2 threads")                                                        \
  X(RECURSIVE, "recursive")                                                                    \
  X(HAND, "hand-written C")                                                                    \
  X(TORCH, "PyTorch")                                                                          \
  X(TORCH_TWO, "PyTorch, 2 threads")                                                           \
  X(FORWARD, "forward sweep")                                                                  \
  X(REVERSE, "reverse sweep")

typedef enum bench_variant {
#define X(name, text) BENCH_##name,
  BENCH_VARIANTS(X)
#undef X
} bench_variant;

const char *bench_variant_name(bench_variant variant);

#define BENCH_EXTRAS 6

/* A column of one workload alone. */
typedef struct bench_extra {
  const char *name;   /* in tables */
  const char *key;    /* in files */
  const char *format; /* of a double */
} bench_extra;

typedef struct bench_row {
  char title[32]; /* the case */
  bench_variant variant;
  bench_stats time;           /* of a step; a NaN median: could not be measured */
  double bound;               /* nanoseconds that a step cannot do without; NaN: not known */
  double flops;               /* of a step's products; 0: not counted */
  double instructions;        /* of a step; 0: not counted */
  double bytes;               /* at most, besides weights, inputs, optimizer; 0: not counted */
  double extra[BENCH_EXTRAS]; /* NaN: none */
  char note[64];
} bench_row;

typedef struct bench_sheet {
  const char *name;
  const char *title;
  const bench_extra *extras;
  int extra_count;
  bench_row *rows;
  size_t count, capacity;
} bench_sheet;

/* A further row with nothing but its title and variant, to fill in before the next one is asked
 * for. Ends the program when memory runs out. */
bench_row *bench_sheet_row(bench_sheet *sheet, const char *title, bench_variant variant);
void bench_sheet_free(bench_sheet *sheet);

/* The median of `variant` in the same case as `row`; NaN when there is none. */
double bench_sheet_median(const bench_sheet *sheet, const bench_row *row,
                          bench_variant variant);

#endif
