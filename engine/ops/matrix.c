/* SPDX-License-Identifier: MIT */
/* Linear algebra over the last two axes: triangular_solve, cholesky, solve, logdet, logabsdet.
 * The other axes are batch axes, the same in both operands. Each matrix is brought to a dense
 * place and goes through kernels/factor.h. Adjoints: Giles, "Collected matrix derivative
 * results for forward and reverse mode algorithmic differentiation" (2008). */
#include <math.h>

#include "kernels/factor.h"
#include "kernels/gemm.h"
#include "kytape/ops.h"
#include "ops/family.h"

/* ---- batches of matrices ----------------------------------------------------------------- */

/* A stack of matrices. */
typedef struct stack {
  const ky_layout *layout;
  char *data;
  size_t size; /* of an element */
  size_t rows, columns;
} stack;

static stack stack_of(const ky_layout *layout, ky_dtype dtype, const void *data) {
  return (stack){layout, (char *)(uintptr_t)data, ky_dtype_size(dtype),
                 (size_t)layout->dims[layout->rank - 2],
                 (size_t)layout->dims[layout->rank - 1]};
}

static stack value(const ky_frame *f, ky_id id) {
  return stack_of(ky__layout(f->code, id), (ky_dtype)f->code->ins[id].dtype, ky__data(f, id));
}

static int64_t batches(const ky_layout *l) {
  int64_t count = 1;
  for (int k = 0; k + 2 < l->rank; k++) count *= l->dims[k];
  return count;
}

/* The n-th matrix of a stack, which may be strided. */
static ky_matrix matrix(const stack *s, int64_t n) {
  const ky_layout *l = s->layout;
  int64_t offset = 0;
  for (int k = l->rank - 2; k-- > 0;) {
    offset += n % l->dims[k] * l->strides[k];
    n /= l->dims[k];
  }
  return (ky_matrix){s->data + offset * (int64_t)s->size, l->strides[l->rank - 2],
                     l->strides[l->rank - 1]};
}

/* The n-th of dense matrices of the same shape. */
static ky_matrix dense_matrix(const stack *s, const void *data, int64_t n) {
  const size_t bytes = s->rows * s->columns * s->size;
  return (ky_matrix){(char *)(uintptr_t)data + (size_t)n * bytes, (ptrdiff_t)s->columns, 1};
}

static ky_matrix turned(ky_matrix m) { return (ky_matrix){m.data, m.column, m.row}; }

/* to = beta to + from */
static void copy(const ky_frame *f, ky_dtype dtype, size_t rows, size_t columns, ky_matrix to,
                 int beta, ky_matrix from) {
  f->kernels->copy->plane(dtype, rows, columns, to.data, to.row, to.column, beta, from.data,
                          from.row, from.column);
}

/* c = beta c + a b */
static void multiply(const ky_frame *f, ky_dtype dtype, size_t m, size_t n, size_t k,
                     ky_matrix a, ky_matrix b, int beta, ky_matrix c) {
  ky_product p = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = c};
  if (beta) p.d = c;
  ky__multiply(f->kernels, dtype, &p);
}

static ky_factoring factoring(const ky_frame *f, ky_id pc) {
  return (ky_factoring){f->kernels, (ky_dtype)f->code->ins[pc].dtype, NULL};
}

/* Room for a matrix; null and a fault when memory ran out. */
static ky_matrix room(ky_frame *f, ky_dtype dtype, size_t rows, size_t columns) {
  return (ky_matrix){ky__scratch(f, rows * columns * ky_dtype_size(dtype)), (ptrdiff_t)columns,
                     1};
}

/* Room for what a factorisation of n rows moves. */
static void *factor_room(ky_frame *f, ky_dtype dtype, size_t n) {
  return room(f, dtype, n, n < KY_FACTOR_BLOCK ? n : KY_FACTOR_BLOCK).data;
}

static double element(ky_dtype dtype, ky_matrix m, size_t i, size_t j) {
  const ptrdiff_t at = (ptrdiff_t)i * m.row + (ptrdiff_t)j * m.column;
  return dtype == KY_F32 ? (double)((const float *)m.data)[at] : ((const double *)m.data)[at];
}

/* ---- rules ------------------------------------------------------------------------------- */

static ky_status need_square(const ky_query *q, ky_id id) {
  KY_TRY(ky__need_float(q, id));
  const ky_layout *l = ky__layout_of(q, id);
  if (l->rank < 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants matrices, got rank %d", (int)l->rank);
  if (l->dims[l->rank - 2] == l->dims[l->rank - 1]) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "wants square matrices, got %lld x %lld",
                  (long long)l->dims[l->rank - 2], (long long)l->dims[l->rank - 1]);
}

/* Equations a x = b, one for each matrix of a batch; the result is like b. */
static ky_status answer_solution(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b;
  KY_TRY(need_square(q, a));
  KY_TRY(ky__need_same_dtype(q, a, b));
  const ky_layout la = *ky__layout_of(q, a), lb = *ky__layout_of(q, b);
  if (lb.rank < 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants right sides [n,k], got rank %d",
                    (int)lb.rank);
  if (lb.dims[lb.rank - 2] != la.dims[la.rank - 1])
    return ky__fail(q->fault, KY_BAD_SHAPE, "%lld equations have right sides of %lld rows",
                    (long long)la.dims[la.rank - 1], (long long)lb.dims[lb.rank - 2]);
  bool same = la.rank == lb.rank;
  for (int k = 0; same && k + 2 < la.rank; k++) same = la.dims[k] == lb.dims[k];
  if (!same) return ky__fail(q->fault, KY_BAD_SHAPE, "batch axes differ");
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, a), &lb);
}

/* Aux bytes of an instruction that keeps lu and pivots of its operand. */
static size_t lu_bytes(const ky_query *q) {
  const ky_layout *a = ky__layout_of(q, q->ins->a);
  const size_t n = (size_t)a->dims[a->rank - 1], count = (size_t)batches(a);
  return count * n * (n * ky_dtype_size(ky__dtype_of(q, q->ins->a)) + sizeof(int32_t));
}

ky_status ky__rule_triangular_solve(ky_query *q) {
  const uint32_t known = KY_UPPER | KY_TRANSPOSED | KY_UNIT_DIAGONAL;
  if (q->ins->c & ~known)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "unknown flags 0x%x", (unsigned)q->ins->c);
  return answer_solution(q);
}

ky_status ky__rule_cholesky(ky_query *q) {
  KY_TRY(need_square(q, q->ins->a));
  const ky_layout a = *ky__layout_of(q, q->ins->a);
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &a);
}

ky_status ky__rule_solve(ky_query *q) {
  KY_TRY(answer_solution(q));
  q->aux_bytes = lu_bytes(q);
  return KY_OK;
}

ky_status ky__rule_logdet(ky_query *q) {
  KY_TRY(need_square(q, q->ins->a));
  ky_layout batch = *ky__layout_of(q, q->ins->a);
  batch.rank -= 2;
  ky__layout_settle(&batch);
  q->klass = KY_GENERAL;
  q->aux_bytes = lu_bytes(q);
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &batch);
}

/* ---- triangular_solve -------------------------------------------------------------------- */

/* The operand as its flags show it; `back`: transposed once more. */
static ky_triangle triangle(const ky_ins *i, ky_matrix a, bool back) {
  const ky_triangle t = {a, (i->c & KY_UPPER) != 0, (i->c & KY_UNIT_DIAGONAL) != 0};
  return ((i->c & KY_TRANSPOSED) != 0) != back ? ky__transposed(t) : t;
}

void fwd_triangular_solve(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const stack a = value(f, i->a), b = value(f, i->b), r = value(f, pc);
  if (r.layout->count == 0) return;
  const ky_factoring q = factoring(f, pc);
  for (int64_t n = 0; n < batches(a.layout); n++) {
    const ky_matrix x = matrix(&r, n);
    copy(f, q.dtype, b.rows, b.columns, x, 0, matrix(&b, n));
    ky__solve_triangle(&q, b.rows, b.columns, triangle(i, matrix(&a, n), false), x.data);
  }
}

/* to = beta to + from, in the triangle; elsewhere to = beta to. from is [n,n], or null where to
 * has the sum already. */
static void add_triangle(ky_frame *f, ky_dtype dtype, size_t n, ky_triangle to, int beta,
                         ky_matrix from) {
  const size_t off = to.unit ? 1 : 0;
  const ky_matrix m = to.matrix;
  const size_t size = ky_dtype_size(dtype);
  for (size_t i = 0; i < n; i++) { /* row i has columns first..end-1 */
    const size_t first = to.upper ? (i + off < n ? i + off : n) : 0;
    const size_t end = to.upper ? n : i + 1 - off;
    char *row = (char *)m.data + (ptrdiff_t)i * m.row * (ptrdiff_t)size;
    if (from.data)
      f->kernels->copy->run(dtype, end - first, row + first * size, 1, beta,
                            (char *)from.data + (i * n + first) * size, 1);
    if (beta) continue;
    f->kernels->copy->fill(dtype, first, row, 0, 0);
    f->kernels->copy->fill(dtype, n - end, row + end * size, 0, 0);
  }
}

/* ga = beta ga - gb r' in the triangle, for op(a) = a; - r gb' for its transpose. z is gb, and
 * is left negated. */
static void pull_triangle(ky_frame *f, ky_id pc, const stack *b, ky_matrix ga, int beta,
                          ky_matrix z, ky_matrix r, ky_matrix square) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const size_t n = b->rows, k = b->columns;
  const bool trans = i->c & KY_TRANSPOSED;
  const ky_triangle place = {ga, (i->c & KY_UPPER) != 0, (i->c & KY_UNIT_DIAGONAL) != 0};
  f->kernels->triangle->negate[dtype](n, k, z.data, z.row, z.data, z.row);
  multiply(f, dtype, n, n, k, trans ? r : z, turned(trans ? z : r), 0, beta ? square : ga);
  add_triangle(f, dtype, n, place, beta, beta ? square : (ky_matrix){NULL, 0, 0});
}

void vjp_triangular_solve(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest db = ky__dest(f, i->b, i->flags & KY_WANT_B); /* written first; a may be b */
  const ky_dest da = ky__dest(f, i->a, i->flags & KY_WANT_A);
  const ky_factoring q = factoring(f, pc);
  const stack a = value(f, i->a), b = value(f, i->b), r = value(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix z = room(f, q.dtype, b.rows, b.columns);
  const ky_matrix square = da.beta ? room(f, q.dtype, a.rows, a.rows) : z;
  if (f->fault->status == KY_OK) {
    for (int64_t n = 0; n < batches(a.layout) && a.rows; n++) {
      copy(f, q.dtype, b.rows, b.columns, z, 0, dense_matrix(&b, ky__adjoint(f, pc), n));
      ky__solve_triangle(&q, b.rows, b.columns, triangle(i, matrix(&a, n), true), z.data);
      if (db.ptr) copy(f, q.dtype, b.rows, b.columns, dense_matrix(&b, db.ptr, n), db.beta, z);
      if (da.ptr)
        pull_triangle(f, pc, &b, dense_matrix(&a, da.ptr, n), da.beta, z, matrix(&r, n),
                      square);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- cholesky ---------------------------------------------------------------------------- */

void fwd_cholesky(ky_frame *f, ky_id pc) {
  const stack a = value(f, f->code->ins[pc].a), r = value(f, pc);
  if (r.layout->count == 0) return;
  const size_t n = a.rows;
  ky_factoring q = factoring(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  q.room = factor_room(f, q.dtype, n);
  for (int64_t k = 0; k < batches(a.layout) && f->fault->status == KY_OK; k++) {
    const ky_matrix l = matrix(&r, k);
    copy(f, q.dtype, n, n, l, 0, matrix(&a, k));
    const size_t bad = ky__cholesky(&q, n, l.data);
    if (bad < n)
      ky__fail(f->fault, KY_SINGULAR, "matrix %lld is not positive definite: pivot %zu is %g",
               (long long)k, bad, element(q.dtype, l, bad, bad));
  }
  ky__arena_reset(&f->scratch, mark);
}

/* With s = r' g, made symmetric by its lower half: ga = r'^-1 s r^-1 / 2. g counts where r is
 * not the constant 0. Leaves it in x. */
static void pull_factor(const ky_factoring *q, ky_frame *f, size_t n, ky_matrix r, ky_matrix g,
                        ky_matrix x, ky_matrix y) {
  const ky_triangle back = ky__transposed((ky_triangle){r, false, false});
  copy(f, q->dtype, n, n, x, 0, g);
  add_triangle(f, q->dtype, n, (ky_triangle){x, false, false}, 0, (ky_matrix){NULL, 0, 0});
  multiply(f, q->dtype, n, n, n, turned(r), x, 0, y);
  f->kernels->triangle->mirror[q->dtype](n, y.data);
  ky__solve_triangle(q, n, n, back, y.data);
  copy(f, q->dtype, n, n, x, 0, turned(y)); /* solves work on columns */
  ky__solve_triangle(q, n, n, back, x.data);
  f->kernels->triangle->symmetrize[q->dtype](n, x.data);
}

void vjp_cholesky(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_factoring q = factoring(f, pc);
  const stack r = value(f, pc);
  const size_t n = r.rows;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix x = room(f, q.dtype, n, n), y = room(f, q.dtype, n, n);
  for (int64_t k = 0; k < batches(r.layout) && n && f->fault->status == KY_OK; k++) {
    pull_factor(&q, f, n, matrix(&r, k), dense_matrix(&r, ky__adjoint(f, pc), k), x, y);
    copy(f, q.dtype, n, n, dense_matrix(&r, d.ptr, k), d.beta, x);
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- lu ---------------------------------------------------------------------------------- */

/* What is kept of the k-th operand matrix, in the aux buffer: all lu, then all pivots. */
typedef struct kept {
  ky_matrix lu;
  int32_t *pivots;
} kept;

static kept kept_of(const ky_frame *f, ky_id pc, const stack *a, int64_t k) {
  char *aux = ky__aux(f, pc);
  const size_t bytes = (size_t)batches(a->layout) * a->rows * a->rows * a->size;
  return (kept){dense_matrix(a, aux, k),
                (int32_t *)(void *)(aux + bytes) + (size_t)k * a->rows};
}

/* Factors the k-th matrix; the number of the first pivot that is 0. */
static size_t factor(ky_frame *f, const ky_factoring *q, const stack *a, int64_t k, kept to) {
  copy(f, q->dtype, a->rows, a->rows, to.lu, 0, matrix(a, k));
  return ky__lu(q, a->rows, to.lu.data, to.pivots);
}

static void fail_singular(ky_frame *f, int64_t k, size_t pivot) {
  ky__fail(f->fault, KY_SINGULAR, "matrix %lld is singular: pivot %zu is 0", (long long)k,
           pivot);
}

void fwd_solve(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const stack a = value(f, i->a), b = value(f, i->b), r = value(f, pc);
  if (a.layout->count == 0) return;
  ky_factoring q = factoring(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  q.room = factor_room(f, q.dtype, a.rows);
  for (int64_t k = 0; k < batches(a.layout) && f->fault->status == KY_OK; k++) {
    const kept to = kept_of(f, pc, &a, k);
    const size_t bad = factor(f, &q, &a, k, to);
    if (bad < a.rows) {
      fail_singular(f, k, bad);
      break;
    }
    if (b.columns == 0) continue;
    const ky_matrix x = matrix(&r, k);
    copy(f, q.dtype, b.rows, b.columns, x, 0, matrix(&b, k));
    ky__lu_solve(&q, b.rows, b.columns, to.lu.data, to.pivots, false, x.data);
  }
  ky__arena_reset(&f->scratch, mark);
}

void vjp_solve(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest db = ky__dest(f, i->b, i->flags & KY_WANT_B); /* written first; a may be b */
  const ky_dest da = ky__dest(f, i->a, i->flags & KY_WANT_A);
  const ky_factoring q = factoring(f, pc);
  const stack a = value(f, i->a), b = value(f, i->b), r = value(f, pc);
  const size_t n = b.rows, columns = b.columns;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix z = room(f, q.dtype, n, columns);
  for (int64_t k = 0; k < batches(a.layout) && n && f->fault->status == KY_OK; k++) {
    const kept from = kept_of(f, pc, &a, k);
    if (columns) copy(f, q.dtype, n, columns, z, 0, dense_matrix(&b, ky__adjoint(f, pc), k));
    ky__lu_solve(&q, n, columns, from.lu.data, from.pivots, true, z.data);
    if (db.ptr && columns)
      copy(f, q.dtype, n, columns, dense_matrix(&b, db.ptr, k), db.beta, z);
    if (!da.ptr) continue;
    f->kernels->triangle->negate[q.dtype](n, columns, z.data, z.row, z.data, z.row);
    multiply(f, q.dtype, n, n, columns, z, turned(matrix(&r, k)), da.beta,
             dense_matrix(&a, da.ptr, k));
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- determinants ------------------------------------------------------------------------ */

/* ln |det| by the pivots; *negative: what is the sign of det. */
static double log_pivots(ky_dtype dtype, size_t n, kept from, bool *negative) {
  double sum = 0;
  *negative = false;
  for (size_t i = 0; i < n; i++) {
    const double pivot = element(dtype, from.lu, i, i);
    sum += log(fabs(pivot));
    *negative ^= (pivot < 0) != ((size_t)from.pivots[i] != i);
  }
  return sum;
}

static void forward_logdet(ky_frame *f, ky_id pc, bool absolute) {
  const stack a = value(f, f->code->ins[pc].a);
  ky_factoring q = factoring(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  q.room = factor_room(f, q.dtype, a.rows);
  for (int64_t k = 0; k < batches(a.layout) && f->fault->status == KY_OK; k++) {
    bool negative = false;
    double r = 0;
    if (a.rows) {
      const kept to = kept_of(f, pc, &a, k);
      const size_t bad = factor(f, &q, &a, k, to);
      r = log_pivots(q.dtype, a.rows, to, &negative);
      if (bad < a.rows) negative = false;
    }
    if (negative && !absolute) r = (double)NAN;
    f->kernels->copy->fill(q.dtype, 1, (char *)ky__data(f, pc) + (size_t)k * a.size, r, 0);
  }
  ky__arena_reset(&f->scratch, mark);
}

void fwd_logdet(ky_frame *f, ky_id pc) { forward_logdet(f, pc, false); }

void fwd_logabsdet(ky_frame *f, ky_id pc) { forward_logdet(f, pc, true); }

static size_t zero_pivot(ky_dtype dtype, size_t n, ky_matrix lu) {
  size_t i = 0;
  while (i < n && element(dtype, lu, i, i) != 0) i++;
  return i;
}

void vjp_logdet(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_factoring q = factoring(f, pc);
  const stack a = value(f, i->a);
  const size_t n = a.rows;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix z = room(f, q.dtype, n, n);
  const ky_matrix g = {(void *)(uintptr_t)ky__adjoint(f, pc), 1, 1};
  for (int64_t k = 0; k < batches(a.layout) && n && f->fault->status == KY_OK; k++) {
    const kept from = kept_of(f, pc, &a, k);
    const size_t bad = zero_pivot(q.dtype, n, from.lu);
    if (bad < n) fail_singular(f, k, bad);
    f->kernels->copy->fill(q.dtype, n * n, z.data, 0, 0);
    for (size_t j = 0; j < n; j++)
      f->kernels->copy->fill(q.dtype, 1, (char *)z.data + j * (n + 1) * a.size,
                             element(q.dtype, g, (size_t)k, 0), 0);
    ky__lu_solve(&q, n, n, from.lu.data, from.pivots, true, z.data);
    copy(f, q.dtype, n, n, dense_matrix(&a, d.ptr, k), d.beta, z);
  }
  ky__arena_reset(&f->scratch, mark);
}

void vjp_logabsdet(ky_frame *f, ky_id pc) { vjp_logdet(f, pc); }
