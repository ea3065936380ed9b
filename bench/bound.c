/* SPDX-License-Identifier: MIT */
/* See bound.h. */
#include "bound.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/gemm.h"
#include "workload.h"

#define GAP 320 /* bytes between arrays, lest all begin at the same place of a page */

void bound_add_product(bound *b, bound_product p) {
  if (b->product_count == b->product_room) {
    b->product_room = b->product_room ? 2 * b->product_room : 16;
    b->products = bench_resize(b->products, b->product_room, sizeof *b->products);
  }
  b->products[b->product_count++] = p;
}

void bound_add_layers(bound *b, size_t batch, int layers, const size_t *width) {
  for (int k = 0; k < layers; k++) {
    const bound_matrix x = {k, false}, w = {layers + 1 + k, true};
    bound_add_product(b, (bound_product){batch, width[k + 1], width[k], x, w, k + 1, false});
  }
  for (int k = layers; k-- > 0;) {
    const bound_matrix x = {k, false}, w = {layers + 1 + k, false};
    const bound_matrix g = {k + 1, false}, turned = {k + 1, true};
    if (k > 0)
      bound_add_product(b, (bound_product){batch, width[k], width[k + 1], g, w, k, false});
    bound_add_product(b,
                      (bound_product){width[k + 1], width[k], batch, turned, x, w.array, true});
  }
}

double bound_flops(const bound *b) {
  double total = 0;
  for (size_t k = 0; k < b->product_count; k++) {
    const bound_product *p = &b->products[k];
    total += 2 * (double)p->m * (double)p->n * (double)p->k;
  }
  return b->repeats > 0 ? b->repeats * total : total;
}

static int array_count(const bound *b) {
  int count = 0;
  for (size_t k = 0; k < b->product_count; k++) {
    const bound_product *p = &b->products[k];
    const int used[3] = {p->a.array, p->b.array, p->c};
    for (int i = 0; i < 3; i++) count = used[i] >= count ? used[i] + 1 : count;
  }
  return count;
}

static size_t elements_of(const bound *b, int array) {
  size_t most = 0;
  for (size_t k = 0; k < b->product_count; k++) {
    const bound_product *p = &b->products[k];
    const size_t size[3] = {p->m * p->k, p->k * p->n, p->m * p->n};
    const int used[3] = {p->a.array, p->b.array, p->c};
    for (int i = 0; i < 3; i++)
      if (used[i] == array && size[i] > most) most = size[i];
  }
  return most;
}

static size_t stride_of(const bound *b, int array) {
  return elements_of(b, array) * ky_dtype_size(b->dtype) / 64 * 64 + 64 + GAP;
}

void bound_open(bound *b) {
  const int count = array_count(b);
  size_t bytes = 0;
  for (int k = 0; k < count; k++) bytes += stride_of(b, k);
  char *at = b->block = bench_alloc_aligned(bytes);
  b->array = bench_alloc((size_t)count, sizeof *b->array);
  for (int k = 0; k < count; at += stride_of(b, k), k++) b->array[k] = at;
  const size_t half = (size_t)(b->bytes / 2);
  b->from = half ? bench_alloc_aligned(half) : NULL;
  b->to = half ? bench_alloc_aligned(half) : NULL;
}

void bound_close(bound *b) {
  free(b->products);
  free(b->block);
  free(b->array);
  free(b->from);
  free(b->to);
}

/* ---- the cells --------------------------------------------------------------------------- */

static ky_matrix matrix(const bound *b, bound_matrix which, size_t rows, size_t columns) {
  const ptrdiff_t row = which.swapped ? 1 : (ptrdiff_t)columns;
  const ptrdiff_t column = which.swapped ? (ptrdiff_t)rows : 1;
  return (ky_matrix){b->array[which.array], row, column};
}

static void run_products(void *state) {
  const bound *b = state;
  ky_gemm *const gemm = ky__gemm[b->dtype];
  for (size_t k = 0; k < b->product_count; k++) {
    const bound_product *p = &b->products[k];
    const bound_matrix c = {p->c, false};
    gemm(p->m, p->n, p->k, matrix(b, p->a, p->m, p->k), matrix(b, p->b, p->k, p->n), p->adds,
         matrix(b, c, p->m, p->n));
  }
}

static void run_functions(void *state) {
  const bound *b = state;
  static rate_call *const calls[BOUND_FUNCTION_COUNT] = {
#define X(name, ...) rate_##name,
      RATE_FUNCTIONS_1(X) RATE_FUNCTIONS_2(X)
#undef X
  };
  for (int k = 0; k < BOUND_FUNCTION_COUNT; k++)
    if (b->calls[k] > 0) calls[k]((size_t)b->calls[k]);
}

static void run_copy(void *state) {
  const bound *b = state;
  rate_copy((size_t)(b->bytes / 2) / RATE_LINE, b->to, b->from);
}

static bool calls_functions(const bound *b) {
  double calls = 0;
  for (int k = 0; k < BOUND_FUNCTION_COUNT; k++) calls += b->calls[k];
  return calls > 0;
}

int bound_cells(bound *b, bench_cell *cells) {
  int count = 0;
  if (b->product_count > 0) cells[count++] = (bench_cell){.call = run_products, .state = b};
  if (calls_functions(b)) cells[count++] = (bench_cell){.call = run_functions, .state = b};
  if (b->to) cells[count++] = (bench_cell){.call = run_copy, .state = b};
  return count;
}

typedef struct parts {
  double products, functions, memory;
} parts;

static parts parts_of(const bound *b, const bench_cell *cells) {
  const double repeats = b->repeats > 0 ? b->repeats : 1;
  parts p = {0};
  if (b->product_count > 0) p.products = repeats * bench_summary(cells++).median;
  if (calls_functions(b)) p.functions = repeats * bench_summary(cells++).median;
  if (b->to) p.memory = bench_summary(cells).median;
  return p;
}

double bound_time(const bound *b, const bench_cell *cells) {
  const parts p = parts_of(b, cells);
  const double longer = fmax(p.products + p.functions, p.memory);
  return longer > 0 ? longer : NAN;
}

const char *bound_limit(const bound *b, const bench_cell *cells) {
  const parts p = parts_of(b, cells);
  if (p.products + p.functions + p.memory == 0) return NULL;
  if (p.memory > p.products + p.functions) return "memory";
  return p.products > p.functions ? "products" : "functions";
}
