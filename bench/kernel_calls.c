/* SPDX-License-Identifier: MIT */
/* See kernel_calls.h. */
#include "kernel_calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"

#define RESULT_BYTES ((size_t)1 << 19) /* of all results */

const size_t kernel_calls_sizes[KERNEL_CALLS_SIZES] = {0, 1, 8, 64, 1024, KERNEL_CALLS_MOST};

static const char *const names[OPERATIONS] = {"add", "mul", "relu", "sum"};

kernel_calls kernel_calls_open(operation op, size_t n, const float *a, const float *b) {
  const size_t fitting = RESULT_BYTES / (n * sizeof(float) + 1);
  const size_t count = fitting < KERNEL_CALLS_COUNT ? fitting : KERNEL_CALLS_COUNT;
  return (kernel_calls){op, n, count,
                        a,  b, bench_alloc_aligned(count * (n + 1) * sizeof(float))};
}

void kernel_calls_close(kernel_calls *c) { free(c->results); }

bench_pace kernel_calls_pace(const bench_setup *setup) {
  bench_pace pace = setup->pace;
  pace.cell /= 4;
  pace.sample /= 4;
  return pace;
}

bench_row *kernel_calls_row(const kernel_calls *c, bench_sheet *sheet, const bench_cell *cell) {
  char title[32];
  if (c->n > 0)
    snprintf(title, sizeof title, "%s [%zu]", names[c->op], c->n);
  else
    snprintf(title, sizeof title, "%s []", names[c->op]);
  bench_row *row = bench_sheet_row(sheet, title, BENCH_REPLAYED);
  row->time = bench_summary(cell);
  row->time.median /= (double)c->count;
  row->time.min /= (double)c->count;
  return row;
}

/* ---- the calls --------------------------------------------------------------------------- */

/* Rank 0 has no kernel: it is one operation of C. */
static void points(const kernel_calls *c) {
  const volatile float *a = c->a, *b = c->b;
  float *r = c->results;
  for (size_t k = 0; k < c->count; k++) {
    const float x = *a;
    r[k] = c->op == ADD ? x + *b : c->op == MUL ? x * *b : x <= 0 ? 0 : x;
  }
}

void kernel_calls_run(const kernel_calls *c) {
  const ky_kernels *kernels = ky__kernels();
  const size_t n = c->n;
  float *r = c->results;
  if (n == 0)
    points(c);
  else if (c->op == SUM)
    for (size_t k = 0; k < c->count; k++) kernels->reduce->mean_run[KY_F32](n, r + k, 1, c->a);
  else if (c->op == RELU)
    for (size_t k = 0; k < c->count; k++)
      kernels->elementwise->map_relu[KY_F32](n, r + k * n, c->a, 1, 0, 0);
  else {
    ky_map2 *const kernel = c->op == ADD ? kernels->elementwise->map_add[KY_F32]
                                         : kernels->elementwise->map_mul[KY_F32];
    for (size_t k = 0; k < c->count; k++) kernel(n, r + k * n, c->a, 1, c->b, 1);
  }
}

void kernel_calls_pull(const kernel_calls *c) {
  const ky_elementwise_kernels *e = ky__kernels()->elementwise;
  const size_t n = c->n;
  float *r = c->results;
  if (n == 0)
    points(c);
  else if (c->op == RELU)
    for (size_t k = 0; k < c->count; k++)
      e->pull_relu[KY_F32](n, r + k * n, 0, c->a, c->a, 1, 0, 0);
  else {
    ky_pull2 *const kernel = c->op == ADD ? e->pull_add_a[KY_F32] : e->pull_mul_a[KY_F32];
    for (size_t k = 0; k < c->count; k++) kernel(n, r + k * n, 0, c->a, c->b, 1, c->a, 1);
  }
}
