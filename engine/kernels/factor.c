/* SPDX-License-Identifier: MIT */
/* Blocked triangular solves, Cholesky and LU. Products add, they do not subtract: so one factor
 * is negated first, which is little work for a block. */
#include "kernels/factor.h"

#define BLOCK  KY_FACTOR_BLOCK
#define NARROW 16 /* columns that are eliminated one by one */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void *element(const ky_factoring *q, const ky_matrix *x, size_t i, size_t j) {
  const ptrdiff_t at = (ptrdiff_t)i * x->row + (ptrdiff_t)j * x->column;
  return (char *)x->data + at * (ptrdiff_t)ky_dtype_size(q->dtype);
}

static ky_matrix part(const ky_factoring *q, const ky_matrix *x, size_t i, size_t j) {
  return (ky_matrix){element(q, x, i, j), x->row, x->column};
}

/* c [m,n] = c + a [m,k] b [k,n] */
static void add_product(const ky_factoring *q, size_t m, size_t n, size_t k, ky_matrix a,
                        ky_matrix b, ky_matrix c) {
  const ky_product p = {.m = m, .n = n, .k = k, .a = a, .b = b, .d = c, .c = c};
  q->multiply(q->context, q->dtype, &p);
}

/* ---- triangular solve -------------------------------------------------------------------- */

/* Rows that further blocks need are kept negated until the end. */
void ky__solve_triangle(const ky_factoring *q, size_t n, size_t k, ky_triangle a, void *b) {
  ky_matrix l = a.matrix, x = {b, (ptrdiff_t)k, 1};
  if (n == 0 || k == 0) return;
  if (a.upper) { /* from the last row to the first it is a lower one */
    l = (ky_matrix){element(q, &l, n - 1, n - 1), -l.row, -l.column};
    x = (ky_matrix){element(q, &x, n - 1, 0), -x.row, 1};
  }
  const ky_triangle_kernels *kernels = q->kernels->triangle;
  size_t last = 0;
  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t rows = least(BLOCK, n - i);
    const ky_matrix rest = part(q, &x, i, 0);
    if (i > 0) add_product(q, rows, k, i, part(q, &l, i, 0), x, rest);
    kernels->solve[q->dtype](rows, k, part(q, &l, i, i), a.unit, rest.data, rest.row);
    if (i + rows < n)
      kernels->negate[q->dtype](rows, k, rest.data, rest.row, rest.data, rest.row);
    last = i;
  }
  if (last > 0) kernels->negate[q->dtype](last, k, x.data, x.row, x.data, x.row);
}

/* ---- cholesky ---------------------------------------------------------------------------- */

/* The rows below a diagonal block: x a' = rows, by way of their transpose. */
static void solve_below(const ky_factoring *q, size_t n, size_t rows, ky_triangle a,
                        ky_matrix below) {
  const ky_copy_kernels *copy = q->kernels->copy;
  copy->plane(q->dtype, n, rows, q->room, (ptrdiff_t)rows, 1, 0, below.data, below.column,
              below.row);
  ky__solve_triangle(q, n, rows, a, q->room);
  copy->plane(q->dtype, rows, n, below.data, below.row, below.column, 0, q->room, 1,
              (ptrdiff_t)rows);
}

/* Factors a diagonal block in place. */
typedef size_t diagonal_fn(const ky_factoring *q, size_t n, ky_matrix l);

static size_t by_kernel(const ky_factoring *q, size_t n, ky_matrix l) {
  return q->kernels->triangle->cholesky[q->dtype](n, l.data, l.row);
}

static size_t in_blocks(const ky_factoring *q, size_t n, ky_matrix l, size_t size,
                        diagonal_fn *diagonal) {
  for (size_t j = 0; j < n; j += size) {
    const size_t columns = least(size, n - j), end = j + columns;
    const ky_matrix block = part(q, &l, j, j), left = part(q, &l, j, 0);
    if (j > 0) {
      const ky_matrix negated = {q->room, (ptrdiff_t)j, 1};
      q->kernels->triangle->negate[q->dtype](columns, j, negated.data, negated.row, left.data,
                                             left.row);
      add_product(q, n - j, columns, j, left, ky__transposed(negated), block);
    }
    const size_t bad = diagonal(q, columns, block);
    if (bad < columns) return j + bad;
    if (end < n)
      solve_below(q, columns, n - end, (ky_triangle){block, false, false}, part(q, &l, end, j));
  }
  return n;
}

static size_t in_narrow_blocks(const ky_factoring *q, size_t n, ky_matrix l) {
  return in_blocks(q, n, l, NARROW, by_kernel);
}

size_t ky__cholesky(const ky_factoring *q, size_t n, void *a) {
  const ky_matrix l = {a, (ptrdiff_t)n, 1};
  const size_t bad = in_blocks(q, n, l, BLOCK, in_narrow_blocks);
  for (size_t i = 0; i + 1 < n && bad == n; i++)
    q->kernels->copy->fill(q->dtype, n - 1 - i, element(q, &l, i, i + 1), 0, 0);
  return bad;
}

/* ---- adjoint of cholesky ----------------------------------------------------------------- */

/* Both end with twice the gradient of the block, in its lower triangle. */
typedef void pull_diagonal_fn(const ky_factoring *q, size_t n, ky_matrix l, ky_matrix g);

static void pull_by_kernel(const ky_factoring *q, size_t n, ky_matrix l, ky_matrix g) {
  q->kernels->triangle->pull_cholesky[q->dtype](n, l.data, l.row, g.data, g.row);
}

/* What the rows below a diagonal block, from `end` on, get and hand on: to all that their
 * columns j..end-1 were computed from. */
static void pull_below(const ky_factoring *q, size_t n, ky_matrix l, ky_matrix g, size_t j,
                       size_t end) {
  const size_t columns = end - j, rows = n - end;
  const ky_triangle block = {part(q, &l, j, j), false, false};
  const ky_matrix below = part(q, &g, end, j), negated = {q->room, (ptrdiff_t)columns, 1};
  solve_below(q, columns, rows, ky__transposed_triangle(block), below);
  q->kernels->triangle->negate[q->dtype](rows, columns, negated.data, negated.row, below.data,
                                         below.row);
  const ky_matrix turned = ky__transposed(negated);
  add_product(q, columns, columns, rows, turned, part(q, &l, end, j), part(q, &g, j, j));
  if (j == 0) return;
  add_product(q, rows, j, columns, negated, part(q, &l, j, 0), part(q, &g, end, 0));
  add_product(q, columns, j, rows, turned, part(q, &l, end, 0), part(q, &g, j, 0));
}

static void pull_in_blocks(const ky_factoring *q, size_t n, ky_matrix l, ky_matrix g,
                           size_t size, pull_diagonal_fn *diagonal) {
  for (size_t end = n; end > 0;) {
    const size_t columns = end % size ? end % size : size, j = end - columns;
    const ky_matrix block = part(q, &g, j, j);
    if (end < n) pull_below(q, n, l, g, j, end);
    diagonal(q, columns, part(q, &l, j, j), block);
    if (j > 0) {
      const ky_matrix negated = {q->room, (ptrdiff_t)columns, 1};
      q->kernels->triangle->reflect[q->dtype](columns, -1, negated.data, negated.row,
                                              block.data, block.row);
      add_product(q, columns, j, columns, negated, part(q, &l, j, 0), part(q, &g, j, 0));
    }
    end = j;
  }
}

static void pull_in_narrow_blocks(const ky_factoring *q, size_t n, ky_matrix l, ky_matrix g) {
  pull_in_blocks(q, n, l, g, NARROW, pull_by_kernel);
}

void ky__pull_cholesky(const ky_factoring *q, size_t n, const void *l, void *g) {
  const ky_matrix factor = {(void *)(uintptr_t)l, (ptrdiff_t)n, 1}, pull = {g, (ptrdiff_t)n, 1};
  pull_in_blocks(q, n, factor, pull, BLOCK, pull_in_narrow_blocks);
  q->kernels->triangle->reflect[q->dtype](n, 0.5, g, pull.row, g, pull.row);
}

/* ---- lu ---------------------------------------------------------------------------------- */

/* Columns first..first+n-1 are done; takes them out of the columns up to `end`. */
static void eliminate(const ky_factoring *q, size_t rows, ky_matrix a, size_t first, size_t n,
                      size_t end) {
  const size_t next = first + n, columns = end - next;
  if (columns == 0 || next == rows) return;
  const ky_triangle_kernels *kernels = q->kernels->triangle;
  const ky_matrix u = part(q, &a, first, next), negated = {q->room, (ptrdiff_t)columns, 1};
  kernels->solve[q->dtype](n, columns, part(q, &a, first, first), true, u.data, u.row);
  kernels->negate[q->dtype](n, columns, negated.data, negated.row, u.data, u.row);
  add_product(q, rows - next, columns, n, part(q, &a, next, first), negated,
              part(q, &a, next, next));
}

size_t ky__lu(const ky_factoring *q, size_t n, void *a, int32_t *pivots) {
  const ky_matrix whole = {a, (ptrdiff_t)n, 1};
  size_t first_bad = n;
  for (size_t j = 0; j < n; j += BLOCK) {
    const size_t end = least(j + BLOCK, n);
    for (size_t c = j; c < end; c += NARROW) {
      const size_t columns = least(NARROW, end - c);
      const size_t bad = q->kernels->triangle->lu[q->dtype](n, n, c, columns, a, pivots);
      if (first_bad == n) first_bad = bad;
      eliminate(q, n, whole, c, columns, end);
    }
    eliminate(q, n, whole, j, end - j, n);
  }
  return first_bad;
}

static void swap_rows(const ky_factoring *q, size_t k, ky_matrix b, size_t i, size_t j) {
  if (i != j)
    q->kernels->triangle->swap[q->dtype](k, element(q, &b, i, 0), element(q, &b, j, 0));
}

void ky__lu_solve(const ky_factoring *q, size_t n, size_t k, const void *lu,
                  const int32_t *pivots, bool transposed, void *b) {
  const ky_matrix m = {(void *)(uintptr_t)lu, (ptrdiff_t)n, 1}, x = {b, (ptrdiff_t)k, 1};
  const ky_triangle l = {m, false, true}, u = {m, true, false};
  if (!transposed) {
    for (size_t i = 0; i < n; i++) swap_rows(q, k, x, i, (size_t)pivots[i]);
    ky__solve_triangle(q, n, k, l, b);
    ky__solve_triangle(q, n, k, u, b);
    return;
  }
  ky__solve_triangle(q, n, k, ky__transposed_triangle(u), b);
  ky__solve_triangle(q, n, k, ky__transposed_triangle(l), b);
  for (size_t i = n; i-- > 0;) swap_rows(q, k, x, i, (size_t)pivots[i]);
}
