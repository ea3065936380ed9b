/* SPDX-License-Identifier: MIT */
/* The time that a step cannot do without, measured beside it: its matrix products alone, its
 * functions (transcendental ones, roots, divisions) alone in vectorised loops, and a copy of as
 * many bytes as it has to read and write. Arithmetic and memory may overlap, so the longer of
 * the two is the bound. */
#ifndef KYBENCH_BOUND_H
#define KYBENCH_BOUND_H

#include <stdbool.h>
#include <stddef.h>

#include "hand/rates.h"
#include "kytape/base.h"
#include "measure.h"

typedef enum bound_function {
#define X(name, ...) BOUND_##name,
  RATE_FUNCTIONS_1(X) RATE_FUNCTIONS_2(X)
#undef X
      BOUND_FUNCTION_COUNT
} bound_function;

/* A matrix of a product: the number of its array, and whether it is read with axes swapped. */
typedef struct bound_matrix {
  int array;
  bool swapped;
} bound_matrix;

/* c (=, or += if `adds`) a b with c [m,n], a [m,k], b [k,n]. */
typedef struct bound_product {
  size_t m, n, k;
  bound_matrix a, b;
  int c;
  bool adds;
} bound_product;

#define BOUND_CELLS 3

/* Fill in, then open. Arrays of products are named by small numbers; the same number is the
 * same memory, as large as its largest use. */
typedef struct bound {
  ky_dtype dtype; /* of the products */
  bound_product *products;
  size_t product_count, product_room;
  double calls[BOUND_FUNCTION_COUNT]; /* of each function */
  double repeats; /* how often products and calls are to be taken; 0: once */
  double bytes;   /* read and written together */

  char *block;
  char **array;
  void *from, *to; /* of the copy */
} bound;

void bound_add_product(bound *b, bound_product p);

/* The products of a training step of linear layers one on the other, of widths width[0] to
 * width[layers]: y = x w', gx = g w and w += g' x of each; the gradient of the first layer's
 * input is nobody's. Gradients take the place of results. */
void bound_add_layers(bound *b, size_t batch, int layers, const size_t *width);

/* Makes the arrays. They are zeros, so that products that add do not grow. */
void bound_open(bound *b);
void bound_close(bound *b);

/* Fills in BOUND_CELLS cells at most; returns how many. */
int bound_cells(bound *b, bench_cell *cells);

/* The bound in nanoseconds by the cells when they have been measured; NaN without cells. */
double bound_time(const bound *b, const bench_cell *cells);

/* Which it is: "products", "functions" or "memory"; null without cells. */
const char *bound_limit(const bound *b, const bench_cell *cells);

/* Floating-point operations of the products. */
double bound_flops(const bound *b);

#endif
