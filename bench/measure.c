/* SPDX-License-Identifier: MIT */
/* The clock, the adaptive loop, and order statistics. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds_of(const bench_cell *cell, uint64_t calls) {
  if (cell->timed) return cell->timed(cell->state, calls);
  const double start = bench_now();
  for (uint64_t i = 0; i < calls; i++) cell->call(cell->state);
  return bench_now() - start;
}

/* Finds how many calls make a sample; the calls made on the way warm the caches up. */
static void calibrate(const bench_pace *pace, bench_cell *cell) {
  cell->samples = 0;
  cell->spent = 0;
  cell->calls = 1;
  for (;;) {
    const double seconds = seconds_of(cell, cell->calls);
    if (seconds > pace->slow) { /* it will not be called often: this counts */
      cell->sample[cell->samples++] = 1e9 * seconds / (double)cell->calls;
      cell->spent = seconds;
      return;
    }
    if (seconds >= pace->sample) return;
    const double factor = pace->sample / (seconds + 1e-9);
    cell->calls *= factor > 8 ? 8 : 2;
  }
}

static int open_for_more(const bench_pace *pace, const bench_cell *cell) {
  if (cell->samples == BENCH_SAMPLES || cell->spent > pace->slow) return 0;
  return cell->samples < pace->least || cell->spent < pace->cell;
}

void bench_measure(const bench_pace *pace, int count, bench_cell *cells) {
  for (int k = 0; k < count; k++) calibrate(pace, &cells[k]);
  for (int busy = 1; busy;) {
    busy = 0;
    for (int k = 0; k < count; k++) {
      bench_cell *cell = &cells[k];
      if (!open_for_more(pace, cell)) continue;
      busy = 1;
      const double seconds = seconds_of(cell, cell->calls);
      cell->spent += seconds;
      cell->sample[cell->samples++] = 1e9 * seconds / (double)cell->calls;
    }
  }
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(int n, double *values) {
  if (n == 0) return NAN;
  qsort(values, (size_t)n, sizeof *values, by_value);
  return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

static void add_cells(const bench_cell *cells, const int list[], double sign, int *n,
                      double total[BENCH_SAMPLES]) {
  for (; *list >= 0; list++) {
    const bench_cell *cell = &cells[*list];
    if (cell->samples < *n) *n = cell->samples;
    for (int i = 0; i < *n; i++) total[i] += sign * cell->sample[i];
  }
}

double bench_difference(const bench_cell *cells, const int plus[], const int minus[]) {
  double total[BENCH_SAMPLES] = {0};
  int n = BENCH_SAMPLES;
  add_cells(cells, plus, 1, &n, total);
  add_cells(cells, minus, -1, &n, total);
  return bench_median(n, total);
}

bench_stats bench_summary(const bench_cell *cell) {
  double sorted[BENCH_SAMPLES];
  const int n = cell->samples;
  memcpy(sorted, cell->sample, (size_t)n * sizeof *sorted);
  const double median = bench_median(n, sorted);
  const int low = (n - 1) / 10;
  return (bench_stats){median, sorted[0], (sorted[n - 1 - low] - sorted[low]) / median, n,
                       cell->calls};
}
