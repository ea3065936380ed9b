/* SPDX-License-Identifier: MIT */
/* Timing: cells are calls that are timed side by side, a sample of each in turn, so that what
 * the machine does in the meantime falls on all alike. Knows nothing of what it times. */
#ifndef KYBENCH_MEASURE_H
#define KYBENCH_MEASURE_H

#include <stdint.h>

#define BENCH_SAMPLES 301

typedef void bench_call(void *state);

/* Makes `calls` calls where they can be timed; returns the seconds they took. */
typedef double bench_timed(void *state, uint64_t calls);

typedef struct bench_cell {
  bench_call *call;
  bench_timed *timed; /* instead of `call`, for what happens elsewhere; else null */
  void *state;
  uint64_t calls; /* in a sample */
  int samples;
  double spent;                 /* seconds */
  double sample[BENCH_SAMPLES]; /* nanoseconds a call; equal indices are neighbours in time */
} bench_cell;

/* How long to look. A cell gets `least` samples, except that one which is `slow` gets fewer. */
typedef struct bench_pace {
  double cell;   /* seconds a cell may take */
  double sample; /* seconds a sample should take */
  double slow;   /* seconds after which a cell is left alone, whatever it has */
  int least;
} bench_pace;

typedef struct bench_stats {
  double median, min; /* nanoseconds a call */
  double spread;      /* (90th - 10th percentile) / median */
  int samples;
  uint64_t calls;
} bench_stats;

/* Seconds of a clock that only goes forward. */
double bench_now(void);

/* Fills in all of cells but `call`, `timed` and `state`. In a round they run in their order. */
void bench_measure(const bench_pace *pace, int count, bench_cell *cells);

bench_stats bench_summary(const bench_cell *cell);

/* Sorts; NaN for n = 0. */
double bench_median(int n, double *values);

/* The median of what the cells in `plus` take together more than those in `minus`, among
 * neighbours in time. Both are lists of indices that -1 ends. */
double bench_difference(const bench_cell *cells, const int plus[], const int minus[]);

#endif
