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
  const int64_t offset = ky__offset_of(l, l->rank - 2, n);
  return (ky_matrix){s->data + offset * (int64_t)s->size, l->strides[l->rank - 2],
                     l->strides[l->rank - 1]};
}

/* The n-th of dense matrices of the same shape. */
static ky_matrix dense_matrix(const stack *s, const void *data, int64_t n) {
  const size_t bytes = s->rows * s->columns * s->size;
  return (ky_matrix){(char *)(uintptr_t)data + (size_t)n * bytes, (ptrdiff_t)s->columns, 1};
}

/* to = beta to + from */
static void copy(const ky_frame *f, ky_dtype dtype, size_t rows, size_t columns, ky_matrix to,
                 int beta, ky_matrix from) {
  f->kernels->copy->plane(dtype, rows, columns, to.data, to.row, to.column, beta, from.data,
                          from.row, from.column);
}

/* c = beta c + a b */
static void multiply(const ky_factoring *q, size_t m, size_t n, size_t k, ky_matrix a,
                     ky_matrix b, int beta, ky_matrix c) {
  ky_product p = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = c};
  if (beta) p.d = c;
  q->multiply(q->context, q->dtype, &p);
}

static void multiply_alone(const void *context, ky_dtype dtype, const ky_product *p) {
  ky__multiply(((const ky_frame *)context)->kernels, dtype, p);
}

static void multiply_shared(const void *context, ky_dtype dtype, const ky_product *p) {
  ky__product(context, dtype, p);
}

/* Bytes that a factorisation of n rows moves. */
static size_t factor_bytes(const stack *a) {
  const size_t n = a->rows;
  return n * (n < KY_FACTOR_BLOCK ? n : KY_FACTOR_BLOCK) * a->size;
}

static ky_matrix matrix_at(void *room, size_t columns) {
  return (ky_matrix){room, (ptrdiff_t)columns, 1};
}

static double element(ky_dtype dtype, ky_matrix m, size_t i, size_t j) {
  const ptrdiff_t at = (ptrdiff_t)i * m.row + (ptrdiff_t)j * m.column;
  return dtype == KY_F32 ? (double)((const float *)m.data)[at] : ((const double *)m.data)[at];
}

/* ---- sweeps over a batch ------------------------------------------------------------------
 */

#define FINE SIZE_MAX

typedef struct batch batch;

/* What an instruction does with matrix k, in a room of its own, which is q's too. The number of
 * a pivot that forbids it, or FINE. */
typedef size_t matrix_fn(const batch *s, const ky_factoring *q, int64_t k);

typedef struct failure {
  int64_t matrix; /* -1 for none */
  size_t pivot;
} failure;

struct batch {
  ky_frame *f;
  ky_id pc;
  const ky_ins *ins;
  stack a, b, r;
  ky_dest da, db;
  matrix_fn *one;
  ky_multiply_fn *multiply;
  char *rooms;
  size_t room_bytes; /* a thread's */
  failure failed[KY_MAX_THREADS];
};

static void batch_of(batch *s, ky_frame *f, ky_id pc) {
  s->f = f;
  s->pc = pc;
  s->ins = &f->code->ins[pc];
  s->a = value(f, s->ins->a);
  s->da = s->db = (ky_dest){NULL, 0};
}

/* Of the adjoint of a solution r of a and b. */
static void batch_of_solution(batch *s, ky_frame *f, ky_id pc) {
  batch_of(s, f, pc);
  s->b = value(f, s->ins->b);
  s->r = value(f, pc);
  s->db = ky__dest(f, s->ins->b, s->ins->flags & KY_WANT_B); /* written first; a may be b */
  s->da = ky__dest(f, s->ins->a, s->ins->flags & KY_WANT_A);
}

static void take_matrices(void *context, uint32_t piece, size_t begin, size_t end) {
  batch *s = context;
  ky_factoring q = {.kernels = s->f->kernels,
                    .dtype = (ky_dtype)s->ins->dtype,
                    .multiply = s->multiply,
                    .context = s->f,
                    .room = s->rooms + piece * s->room_bytes};
  for (size_t k = begin; k < end; k++) {
    const size_t pivot = s->one(s, &q, (int64_t)k);
    if (pivot == FINE) continue;
    s->failed[piece] = (failure){(int64_t)k, pivot};
    return;
  }
}

/* Runs `one` for all matrices, which threads take; where there are fewer than threads, these
 * share products instead. Returns the first that failed. */
static failure each_matrix(batch *s, size_t room_bytes, matrix_fn *one) {
  ky_frame *f = s->f;
  const size_t count = (size_t)batches(s->a.layout), n = s->a.rows;
  const bool apart = count >= ky__team_size(f->team);
  s->one = one;
  s->multiply = apart ? multiply_alone : multiply_shared;
  s->room_bytes = room_bytes;
  const size_t grain = apart ? ky__grain_of(f, n * n * (1 + n / 16)) : count + 1;
  const uint32_t pieces = ky__team_pieces(f->team, count, grain);
  for (uint32_t k = 0; k < KY_MAX_THREADS && k < pieces; k++) s->failed[k].matrix = -1;
  const ky_place mark = ky__arena_mark(&f->scratch);
  s->rooms = ky__scratch(f, pieces * room_bytes);
  if (s->rooms) ky__team_run(f->team, count, grain, take_matrices, s);
  ky__arena_reset(&f->scratch, mark);
  for (uint32_t k = 0; k < pieces; k++)
    if (s->failed[k].matrix >= 0) return s->failed[k];
  return (failure){-1, 0};
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
  return ky__answer_like(q, ky__dtype_of(q, a), b);
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
  q->klass = KY_GENERAL;
  return ky__answer_like(q, ky__dtype_of(q, q->ins->a), q->ins->a);
}

ky_status ky__rule_solve(ky_query *q) {
  KY_TRY(answer_solution(q));
  q->aux_bytes = lu_bytes(q);
  return KY_OK;
}

ky_status ky__rule_logdet(ky_query *q) {
  KY_TRY(need_square(q, q->ins->a));
  ky_layout rest = *ky__layout_of(q, q->ins->a);
  rest.rank -= 2;
  ky__layout_settle(&rest);
  q->klass = KY_GENERAL;
  q->aux_bytes = lu_bytes(q);
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &rest);
}

/* ---- triangular_solve -------------------------------------------------------------------- */

/* The operand as its flags show it; `back`: transposed once more. */
static ky_triangle triangle(const ky_ins *i, ky_matrix a, bool back) {
  const ky_triangle t = {a, (i->c & KY_UPPER) != 0, (i->c & KY_UNIT_DIAGONAL) != 0};
  return ((i->c & KY_TRANSPOSED) != 0) != back ? ky__transposed_triangle(t) : t;
}

static size_t solve_triangle(const batch *s, const ky_factoring *q, int64_t k) {
  const ky_matrix x = matrix(&s->r, k);
  copy(s->f, q->dtype, s->b.rows, s->b.columns, x, 0, matrix(&s->b, k));
  ky__solve_triangle(q, s->b.rows, s->b.columns, triangle(s->ins, matrix(&s->a, k), false),
                     x.data);
  return FINE;
}

void fwd_triangular_solve(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  s.b = value(f, s.ins->b);
  s.r = value(f, pc);
  if (s.r.layout->count) each_matrix(&s, 0, solve_triangle);
}

/* to = beta to + from, in the triangle; elsewhere to = beta to. from is [n,n], or null where to
 * has the sum already. */
static void add_triangle(const ky_frame *f, ky_dtype dtype, size_t n, ky_triangle to, int beta,
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
static void pull_triangle(const batch *s, const ky_factoring *q, ky_matrix ga, ky_matrix z,
                          ky_matrix r, ky_matrix square) {
  const size_t n = s->b.rows, k = s->b.columns;
  const uint32_t flags = s->ins->c;
  const int beta = s->da.beta;
  const bool trans = flags & KY_TRANSPOSED;
  const ky_triangle place = {ga, (flags & KY_UPPER) != 0, (flags & KY_UNIT_DIAGONAL) != 0};
  q->kernels->triangle->negate[q->dtype](n, k, z.data, z.row, z.data, z.row);
  multiply(q, n, n, k, trans ? r : z, ky__transposed(trans ? z : r), 0, beta ? square : ga);
  add_triangle(s->f, q->dtype, n, place, beta, beta ? square : (ky_matrix){NULL, 0, 0});
}

static size_t pull_solution(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->b.rows, columns = s->b.columns;
  const ky_matrix z = matrix_at(q->room, columns);
  const ky_matrix square = matrix_at((char *)q->room + n * columns * s->b.size, n);
  copy(s->f, q->dtype, n, columns, z, 0, dense_matrix(&s->b, ky__adjoint(s->f, s->pc), k));
  ky__solve_triangle(q, n, columns, triangle(s->ins, matrix(&s->a, k), true), z.data);
  if (s->db.ptr)
    copy(s->f, q->dtype, n, columns, dense_matrix(&s->b, s->db.ptr, k), s->db.beta, z);
  if (s->da.ptr)
    pull_triangle(s, q, dense_matrix(&s->a, s->da.ptr, k), z, matrix(&s->r, k), square);
  return FINE;
}

void vjp_triangular_solve(ky_frame *f, ky_id pc) {
  batch s;
  batch_of_solution(&s, f, pc);
  const size_t n = s.a.rows, elements = n * s.b.columns + (s.da.beta ? n * n : 0);
  if (n && f->fault->status == KY_OK) each_matrix(&s, elements * s.a.size, pull_solution);
}

/* ---- cholesky ---------------------------------------------------------------------------- */

static size_t factor_cholesky(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->a.rows;
  const ky_matrix l = matrix(&s->r, k);
  copy(s->f, q->dtype, n, n, l, 0, matrix(&s->a, k));
  const size_t bad = ky__cholesky(q, n, l.data);
  return bad < n ? bad : FINE;
}

void fwd_cholesky(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  s.r = value(f, pc);
  if (s.r.layout->count == 0) return;
  const failure bad = each_matrix(&s, factor_bytes(&s.a), factor_cholesky);
  if (bad.matrix >= 0)
    ky__fail(f->fault, KY_SINGULAR, "matrix %lld is not positive definite: pivot %zu is %g",
             (long long)bad.matrix, bad.pivot,
             element((ky_dtype)s.ins->dtype, matrix(&s.r, bad.matrix), bad.pivot, bad.pivot));
}

/* g counts where r is not the constant 0. */
static size_t pull_factor(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->r.rows;
  const ky_matrix g = dense_matrix(&s->r, ky__adjoint(s->f, s->pc), k);
  const ky_matrix ga = dense_matrix(&s->r, s->da.ptr, k);
  const ky_matrix x = s->da.beta ? matrix_at((char *)q->room + factor_bytes(&s->r), n) : ga;
  copy(s->f, q->dtype, n, n, x, 0, g);
  ky__pull_cholesky(q, n, matrix(&s->r, k).data, x.data);
  if (s->da.beta) copy(s->f, q->dtype, n, n, ga, 1, x);
  return FINE;
}

void vjp_cholesky(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  s.da = ky__dest(f, s.ins->a, s.ins->flags & KY_WANT_A);
  s.r = value(f, pc);
  const size_t n = s.r.rows, sum = s.da.beta ? n * n * s.r.size : 0;
  if (s.da.ptr && n) each_matrix(&s, factor_bytes(&s.r) + sum, pull_factor);
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
static size_t factor(const batch *s, const ky_factoring *q, int64_t k, kept to) {
  const size_t n = s->a.rows;
  copy(s->f, q->dtype, n, n, to.lu, 0, matrix(&s->a, k));
  return ky__lu(q, n, to.lu.data, to.pivots);
}

static void fail_singular(ky_frame *f, failure bad) {
  if (bad.matrix >= 0)
    ky__fail(f->fault, KY_SINGULAR, "matrix %lld is singular: pivot %zu is 0",
             (long long)bad.matrix, bad.pivot);
}

static size_t solve(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->b.rows, columns = s->b.columns;
  const kept to = kept_of(s->f, s->pc, &s->a, k);
  const size_t bad = factor(s, q, k, to);
  if (bad < n) return bad;
  if (columns == 0) return FINE;
  const ky_matrix x = matrix(&s->r, k);
  copy(s->f, q->dtype, n, columns, x, 0, matrix(&s->b, k));
  ky__lu_solve(q, n, columns, to.lu.data, to.pivots, false, x.data);
  return FINE;
}

void fwd_solve(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  s.b = value(f, s.ins->b);
  s.r = value(f, pc);
  if (s.a.layout->count) fail_singular(f, each_matrix(&s, factor_bytes(&s.a), solve));
}

static size_t pull_solve(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->b.rows, columns = s->b.columns;
  const kept from = kept_of(s->f, s->pc, &s->a, k);
  const ky_matrix z = matrix_at(q->room, columns);
  if (columns)
    copy(s->f, q->dtype, n, columns, z, 0, dense_matrix(&s->b, ky__adjoint(s->f, s->pc), k));
  ky__lu_solve(q, n, columns, from.lu.data, from.pivots, true, z.data);
  if (s->db.ptr && columns)
    copy(s->f, q->dtype, n, columns, dense_matrix(&s->b, s->db.ptr, k), s->db.beta, z);
  if (!s->da.ptr) return FINE;
  q->kernels->triangle->negate[q->dtype](n, columns, z.data, z.row, z.data, z.row);
  multiply(q, n, n, columns, z, ky__transposed(matrix(&s->r, k)), s->da.beta,
           dense_matrix(&s->a, s->da.ptr, k));
  return FINE;
}

void vjp_solve(ky_frame *f, ky_id pc) {
  batch s;
  batch_of_solution(&s, f, pc);
  if (s.b.rows && f->fault->status == KY_OK)
    each_matrix(&s, s.b.rows * s.b.columns * s.b.size, pull_solve);
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

static size_t take_logabsdet(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->a.rows;
  bool negative = false;
  double r = 0;
  if (n) {
    const kept to = kept_of(s->f, s->pc, &s->a, k);
    const size_t bad = factor(s, q, k, to);
    r = log_pivots(q->dtype, n, to, &negative);
    if (bad < n) negative = false;
  }
  if (negative && s->ins->op == KY_OP_logdet) r = (double)NAN;
  q->kernels->copy->fill(q->dtype, 1, ky__element(ky__data(s->f, s->pc), (size_t)k, s->a.size),
                         r, 0);
  return FINE;
}

void fwd_logdet(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  each_matrix(&s, factor_bytes(&s.a), take_logabsdet);
}

void fwd_logabsdet(ky_frame *f, ky_id pc) { fwd_logdet(f, pc); }

static size_t zero_pivot(ky_dtype dtype, size_t n, ky_matrix lu) {
  size_t i = 0;
  while (i < n && element(dtype, lu, i, i) != 0) i++;
  return i;
}

static size_t pull_logdet(const batch *s, const ky_factoring *q, int64_t k) {
  const size_t n = s->a.rows;
  const ky_dtype dtype = q->dtype;
  const ky_matrix z = matrix_at(q->room, n);
  const ky_matrix g = {(void *)(uintptr_t)ky__adjoint(s->f, s->pc), 1, 1};
  const kept from = kept_of(s->f, s->pc, &s->a, k);
  const size_t bad = zero_pivot(dtype, n, from.lu);
  if (bad < n) return bad;
  q->kernels->copy->fill(dtype, n * n, z.data, 0, 0);
  for (size_t j = 0; j < n; j++)
    q->kernels->copy->fill(dtype, 1, ky__element(z.data, j * (n + 1), s->a.size),
                           element(dtype, g, (size_t)k, 0), 0);
  ky__lu_solve(q, n, n, from.lu.data, from.pivots, true, z.data);
  copy(s->f, dtype, n, n, dense_matrix(&s->a, s->da.ptr, k), s->da.beta, z);
  return FINE;
}

void vjp_logdet(ky_frame *f, ky_id pc) {
  batch s;
  batch_of(&s, f, pc);
  s.da = ky__dest(f, s.ins->a, s.ins->flags & KY_WANT_A);
  const size_t n = s.a.rows;
  if (s.da.ptr && n) fail_singular(f, each_matrix(&s, n * n * s.a.size, pull_logdet));
}

void vjp_logabsdet(ky_frame *f, ky_id pc) { vjp_logdet(f, pc); }
