/* SPDX-License-Identifier: MIT */
/* Matrix products: matmul over batches with transpose flags, and the linear layer. Transposes
 * are swapped strides: no operand of a matmul is ever copied. */
#include "kernels/gemm.h"
#include "ops/family.h"

#include <string.h>

/* ---- shared products --------------------------------------------------------------------- */

#define FLOPS 32.0 /* that take as long as an element of other work */

typedef struct shares {
  const ky_kernels *kernels;
  ky_dtype dtype;
  const ky_product *whole;
  size_t count;
} shares;

static void multiply_shares(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shares *s = context;
  for (size_t k = begin; k < end; k++) {
    const ky_product share = ky__gemm_share(s->dtype, s->whole, s->count, k);
    ky__multiply(s->kernels, s->dtype, &share);
  }
}

static double flops_of(const ky_product *p) {
  return 2 * (double)p->m * (double)p->n * (double)p->k;
}

void ky__product(const ky_frame *f, ky_dtype dtype, const ky_product *p) {
  const size_t threads = ky__team_size(f->team);
  const double worth = threads > 1 ? flops_of(p) / (FLOPS * (double)f->grain) : 1;
  if (worth < 2) {
    ky__multiply(f->kernels, dtype, p);
    return;
  }
  shares s = {f->kernels, dtype, p, worth < (double)threads ? (size_t)worth : threads};
  ky__team_run(f->team, s.count, 1, multiply_shares, &s);
}

/* ---- matmul: rule ------------------------------------------------------------------------ */

#define TRANS_A 1u
#define TRANS_B 2u

/* A layout without its last two axes. */
static ky_layout batch_of(const ky_layout *l) {
  ky_layout batch = *l;
  batch.rank = l->rank - 2;
  return batch;
}

ky_status ky__rule_matmul(ky_query *q) {
  const ky_ins *i = q->ins;
  KY_TRY(ky__need_float(q, i->a));
  KY_TRY(ky__need_same_dtype(q, i->a, i->b));
  if (i->c & ~(TRANS_A | TRANS_B))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "unknown transpose flags 0x%x", (unsigned)i->c);
  const ky_layout a = *ky__layout_of(q, i->a), b = *ky__layout_of(q, i->b);
  if (a.rank < 2 || b.rank < 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "operands need rank 2 or more");
  const int64_t *da = a.dims + a.rank - 2, *db = b.dims + b.rank - 2;
  const int ta = (i->c & TRANS_A) != 0, tb = (i->c & TRANS_B) != 0;
  if (da[!ta] != db[tb])
    return ky__fail(q->fault, KY_BAD_SHAPE, "inner extents %lld and %lld differ",
                    (long long)da[!ta], (long long)db[tb]);
  ky_layout out;
  const ky_layout batch_a = batch_of(&a), batch_b = batch_of(&b);
  KY_TRY(ky__broadcast(&batch_a, &batch_b, &out, q->fault));
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < out.rank; k++) dims[k] = out.dims[k];
  dims[out.rank] = da[ta];
  dims[out.rank + 1] = db[!tb];
  KY_TRY(ky__layout_dense(out.rank + 2, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, i->a), &out);
}

/* ---- matrices ---------------------------------------------------------------------------- */

/* A stack of matrices: the last two axes as a matrix, the others as batch axes with their
 * layout. */
typedef struct stack {
  ky_matrix matrix;
  ky_layout batch;
} stack;

static stack stack_of(const void *data, const ky_layout *l, bool transposed) {
  stack s = {{(void *)(uintptr_t)data, l->strides[l->rank - 2], l->strides[l->rank - 1]},
             batch_of(l)};
  if (transposed) s.matrix = (ky_matrix){s.matrix.data, s.matrix.column, s.matrix.row};
  return s;
}

static stack operand(const ky_frame *f, ky_id id, bool transposed) {
  return stack_of(ky__data(f, id), ky__layout(f->code, id), transposed);
}

/* Extents of a product: c [m,n] = a [m,k] b [k,n]. */
typedef struct extents {
  int64_t m, n, k;
} extents;

/* Products of one form at equal distances. */
typedef struct batch {
  const ky_frame *f;
  ky_dtype dtype;
  ky_product p; /* the first */
  int beta;
  int64_t step[3]; /* bytes from one c, a, b to the next */
} batch;

static ky_product product_at(const batch *run, size_t k) {
  ky_product p = run->p;
  p.c.data = (char *)p.c.data + (int64_t)k * run->step[0];
  p.a.data = (char *)p.a.data + (int64_t)k * run->step[1];
  p.b.data = (char *)p.b.data + (int64_t)k * run->step[2];
  if (run->beta) p.d = p.c;
  return p;
}

static void multiply_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const batch *run = context;
  for (size_t k = begin; k < end; k++) {
    const ky_product p = product_at(run, k);
    ky__multiply(run->f->kernels, run->dtype, &p);
  }
}

/* Shares out whole products where there are many of them, else the work of each. */
static void multiply_batch(batch *run, size_t count) {
  if (count >= 4 * (size_t)ky__team_size(run->f->team) && run->step[0] != 0) {
    const double grain = FLOPS * (double)run->f->grain / (1 + flops_of(&run->p));
    ky__team_run(run->f->team, count, 1 + (size_t)grain, multiply_some, run);
    return;
  }
  for (size_t k = 0; k < count; k++) {
    const ky_product p = product_at(run, k);
    ky__product(run->f, run->dtype, &p);
  }
}

/* c [batch,m,n] = beta c + a [batch,m,k] b [batch,k,n], each broadcast over the batch axes of
 * `space`. A c that is broadcast itself adds up the products of several batches: beta is 1
 * then. */
static void multiply(const ky_frame *f, ky_dtype dtype, const ky_layout *space, extents e,
                     const stack *a, const stack *b, int beta, const stack *c) {
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  ky__broadcast_strides(&c->batch, space, strides[0]);
  ky__broadcast_strides(&a->batch, space, strides[1]);
  ky__broadcast_strides(&b->batch, space, strides[2]);
  ky_loop loop;
  ky__loop_plan(&loop, space, 3, strides);
  if (ky__loop_empty(&loop)) return;
  const size_t size = ky_dtype_size(dtype);
  const int64_t count = loop.dims[loop.rank - 1];
  const ky_product p = {.m = (size_t)e.m,
                        .n = (size_t)e.n,
                        .k = (size_t)e.k,
                        .a = a->matrix,
                        .b = b->matrix,
                        .c = c->matrix};
  ky_walk w = {0};
  do {
    batch run = {.f = f, .dtype = dtype, .p = p, .beta = beta};
    run.p.c.data = ky__run(c->matrix.data, &w, 0, size);
    run.p.a.data = ky__run(a->matrix.data, &w, 1, size);
    run.p.b.data = ky__run(b->matrix.data, &w, 2, size);
    for (int n = 0; n < 3; n++) run.step[n] = loop.strides[n][loop.rank - 1] * (int64_t)size;
    multiply_batch(&run, (size_t)count);
  } while (ky__loop_next(&loop, &w));
}

/* ---- matmul: sweeps ---------------------------------------------------------------------- */

/* The extents of matmul `pc`, whose operands carry transpose flags. */
static extents extents_of_matmul(const ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *r = ky__layout(f->code, pc), *a = ky__layout(f->code, i->a);
  return (extents){r->dims[r->rank - 2], r->dims[r->rank - 1],
                   a->dims[a->rank - (i->c & TRANS_A ? 2 : 1)]};
}

void fwd_matmul(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const stack a = operand(f, i->a, i->c & TRANS_A), b = operand(f, i->b, i->c & TRANS_B);
  const stack c = operand(f, pc, false);
  multiply(f, (ky_dtype)i->dtype, &c.batch, extents_of_matmul(f, pc), &a, &b, 0, &c);
}

/* The adjoint of operand `id`, which enters the product with extents [e.m,e.n]: left right,
 * added up over the batch axes it was broadcast along. */
static void pull_factor(ky_frame *f, ky_id pc, ky_id id, unsigned want, bool transposed,
                        extents e, const stack *left, const stack *right) {
  const ky_dest d = ky__dest(f, id, want);
  if (!d.ptr) return;
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  const ky_layout dense = ky__dense(ky__layout(f->code, id));
  const ky_layout space = batch_of(ky__layout(f->code, pc));
  const stack c = stack_of(d.ptr, &dense, transposed);
  int beta = d.beta;
  if (!beta && !ky__same_dims(&c.batch, &space)) { /* several products meet in one matrix */
    f->kernels->copy->fill(dtype, (size_t)dense.count, d.ptr, 0, 0);
    beta = 1;
  }
  multiply(f, dtype, &space, e, left, right, beta, &c);
}

void vjp_matmul(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const bool ta = i->c & TRANS_A, tb = i->c & TRANS_B;
  const extents e = extents_of_matmul(f, pc);
  const ky_layout dense = ky__dense(ky__layout(f->code, pc));
  const stack g = stack_of(ky__adjoint(f, pc), &dense, false);
  const stack a_turned = operand(f, i->a, !ta), b_turned = operand(f, i->b, !tb);
  pull_factor(f, pc, i->b, i->flags & KY_WANT_B, tb, (extents){e.k, e.n, e.m}, &a_turned, &g);
  pull_factor(f, pc, i->a, i->flags & KY_WANT_A, ta, (extents){e.m, e.k, e.n}, &g, &b_turned);
}

/* ---- linear ------------------------------------------------------------------------------ */

#define FEW 64 /* weights up to which setting a product up takes longer than forming it */

/* Whether a layer has one vector, and hardly any weights. */
static bool is_tiny(const ky_layout *x, const ky_layout *w, const ky_layout *out) {
  return w->count <= FEW && w->dims[1] < KY_GEMM_LONG && x->count == w->dims[1] &&
         out->count == w->dims[0] && x->dense && w->dense;
}

ky_status ky__rule_linear(ky_query *q) {
  const ky_id ids[3] = {q->ins->a, q->ins->b, q->ins->c};
  KY_TRY(ky__need_float(q, ids[0]));
  KY_TRY(ky__need_same_dtype(q, ids[0], ids[1]));
  const ky_layout *x = ky__layout_of(q, ids[0]), *w = ky__layout_of(q, ids[1]);
  if (x->rank < 1 || w->rank != 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants x [...,in] and w [out,in]");
  if (x->dims[x->rank - 1] != w->dims[1])
    return ky__fail(q->fault, KY_BAD_SHAPE,
                    "inner extents %lld and %lld differ: wants x [...,in] and w [out,in]",
                    (long long)x->dims[x->rank - 1], (long long)w->dims[1]);
  if (ids[2]) {
    KY_TRY(ky__need_same_dtype(q, ids[0], ids[2]));
    const ky_layout *bias = ky__layout_of(q, ids[2]);
    if (bias->rank != 1 || bias->dims[0] != w->dims[0])
      return ky__fail(q->fault, KY_BAD_SHAPE, "the bias must be [%lld]", (long long)w->dims[0]);
  }
  int64_t dims[KY_MAX_RANK];
  memcpy(dims, x->dims, sizeof dims);
  dims[x->rank - 1] = w->dims[0];
  ky_layout out;
  KY_TRY(ky__layout_dense(x->rank, dims, &out, q->fault));
  q->klass = is_tiny(x, w, &out) ? KY_TINY : KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, ids[0]), &out);
}

__attribute__((noinline)) static ky_matrix strided_rows(ky_frame *f, ky_id id) {
  const ky_layout *l = ky__layout(f->code, id);
  const int last = l->rank - 1;
  const void *data = f->val[id].ptr;
  if (l->rank <= 2)
    return (ky_matrix){(void *)(uintptr_t)data, l->strides[0], l->strides[last]};
  const ky_dtype dtype = (ky_dtype)f->code->ins[id].dtype;
  const ky_layout dense = ky__dense(l);
  void *copy = ky__scratch(f, (size_t)l->count * ky_dtype_size(dtype));
  if (copy) ky__copy(f, dtype, l, copy, dense.strides, 0, data, l->strides);
  return (ky_matrix){copy, l->dims[last], 1};
}

/* x [...,in] as one matrix [rows,in]; a scratch copy where its strides do not allow that, and a
 * fault when memory ran out. */
static inline ky_matrix rows_of(ky_frame *f, ky_id id) {
  const ky_layout *l = ky__layout(f->code, id);
  if (l->dense) return (ky_matrix){f->val[id].ptr, l->dims[l->rank - 1], 1};
  return strided_rows(f, id);
}

static ky_matrix dense_rows(const void *data, size_t columns) {
  return (ky_matrix){(void *)(uintptr_t)data, (ptrdiff_t)columns, 1};
}

/* Sizes of a linear layer: x [rows,in], w [out,in]. */
typedef struct sizes {
  size_t rows, in, out;
} sizes;

static sizes sizes_of(const ky_frame *f, ky_id pc) {
  const ky_layout *w = ky__layout(f->code, f->code->ins[pc].b), *r = ky__layout(f->code, pc);
  size_t rows = 1;
  for (int k = 0; k + 1 < r->rank; k++) rows *= (size_t)r->dims[k];
  return (sizes){rows, (size_t)w->dims[1], (size_t)w->dims[0]};
}

/* With the bits of ky__product. */
static void map_tiny(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const int64_t *dims = ky__layout(f->code, i->b)->dims;
  const ky_matrix w = {f->val[i->b].ptr, dims[1], 1};
  const void *bias = i->c ? f->val[i->c].ptr : NULL;
  const int64_t step = i->c ? ky__layout(f->code, i->c)->strides[0] : 0;
  f->kernels->gemm_small->map_vector[i->dtype]((size_t)dims[0], (size_t)dims[1], f->val[pc].ptr,
                                               w, f->val[i->a].ptr, bias, step);
}

static void pull_tiny(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const int64_t *dims = ky__layout(f->code, i->b)->dims;
  const size_t out = (size_t)dims[0], in = (size_t)dims[1];
  const ky_gemm_small_kernels *kernels = f->kernels->gemm_small;
  const void *g = f->adj[pc].ptr;
  const ky_dest dx = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (dx.ptr) {
    const ky_matrix turned_w = {f->val[i->b].ptr, 1, (ptrdiff_t)in};
    kernels->map_vector[i->dtype](in, out, dx.ptr, turned_w, g, dx.beta ? dx.ptr : NULL, 1);
  }
  const ky_dest dw = ky__dest(f, i->b, i->flags & KY_WANT_B);
  if (dw.ptr) kernels->add_outer[i->dtype](out, in, dw.ptr, dw.beta, g, f->val[i->a].ptr);
  const ky_dest db = ky__dest(f, i->c, i->flags & KY_WANT_C);
  if (db.ptr) f->kernels->copy->run((ky_dtype)i->dtype, out, db.ptr, 1, db.beta, g, 1);
}

void fwd_linear(ky_frame *f, ky_id pc) {
  if (ky__class(&f->code->ins[pc]) == KY_TINY) {
    map_tiny(f, pc);
    return;
  }
  const ky_ins *i = &f->code->ins[pc];
  const sizes s = sizes_of(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  ky_product p = {.m = s.rows,
                  .n = s.out,
                  .k = s.in,
                  .a = rows_of(f, i->a),
                  .b = ky__transposed(rows_of(f, i->b)),
                  .c = dense_rows(ky__data(f, pc), s.out)};
  if (i->c) /* in every row */
    p.d = (ky_matrix){ky__data(f, i->c), 0, ky__layout(f->code, i->c)->strides[0]};
  if (f->fault->status == KY_OK) ky__product(f, (ky_dtype)i->dtype, &p);
  ky__arena_reset(&f->scratch, mark);
}

/* The adjoint of the input: dx = g w. */
static ky_product input_product(ky_frame *f, ky_id pc, sizes s, ky_matrix g, ky_dest dx) {
  ky_product p = {.m = s.rows,
                  .n = s.in,
                  .k = s.out,
                  .a = g,
                  .b = rows_of(f, f->code->ins[pc].b),
                  .c = dense_rows(dx.ptr, s.in)};
  if (dx.beta) p.d = p.c;
  return p;
}

/* The adjoint of the weight: dw = g' x. */
static ky_product weight_product(ky_frame *f, ky_id pc, sizes s, ky_matrix g, ky_dest dw) {
  ky_product p = {.m = s.out,
                  .n = s.in,
                  .k = s.rows,
                  .a = ky__transposed(g),
                  .b = rows_of(f, f->code->ins[pc].a),
                  .c = dense_rows(dw.ptr, s.in)};
  if (dw.beta) p.d = p.c;
  return p;
}

#define STREAMED ((size_t)1 << 13) /* bytes of a part: with the rows it changes in L1 */
#define TILE     ((size_t)4)       /* rows that are worth a part */
#define CACHED   ((size_t)1 << 15) /* bytes of a weight that is in L1 when it is read again */

/* The gradient of a weight, g' x, for a sink: some rows at a time, each piece in one place. The
 * input's adjoint can come along, so that the weight's rows are fetched once: they are terms of
 * its sums. */
typedef struct stream {
  const ky_frame *f;
  ky_dtype dtype;
  ky_product whole;
  size_t rows;             /* of a part: a power of two */
  const ky_product *input; /* null: does not come along */
  void *carry;             /* sums of the input's adjoint under way */
  bool outer;              /* the sink takes the factors of a single sample */
} stream;

static ky_matrix from_row(ky_matrix x, size_t row, ky_dtype dtype) {
  x.data = (char *)x.data + (ptrdiff_t)row * x.row * (ptrdiff_t)ky_dtype_size(dtype);
  return x;
}

/* Adds the terms of rows begin..end-1 to the input's adjoint, in the order of ky__multiply. */
static void pull_rows(const stream *s, size_t begin, size_t end) {
  ky_product p = *s->input;
  const size_t whole = p.k, count = p.m * p.n;
  p.k = end - begin;
  p.a = ky__transposed(from_row(ky__transposed(p.a), begin, s->dtype));
  p.b = from_row(p.b, begin, s->dtype);
  p.c = dense_rows(s->carry, p.n);
  p.d = begin % KY_GEMM_DEPTH ? p.c : (ky_matrix){NULL, 0, 0};
  s->f->kernels->gemm_small->go_on[s->dtype](&p);
  if (end % KY_GEMM_DEPTH && end < whole) return;
  const int beta = begin >= KY_GEMM_DEPTH || s->input->d.data;
  s->f->kernels->copy->run(s->dtype, count, s->input->c.data, 1, beta, s->carry, 1);
}

static void stream_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const stream *s = context;
  const ky_sink *sink = &s->f->sink;
  const size_t n = s->whole.n;
  ky_product part = s->whole;
  part.c = from_row(part.c, begin, s->dtype);
  for (size_t row = begin; row < end; row += s->rows) {
    part.m = end - row < s->rows ? end - row : s->rows;
    part.a = from_row(s->whole.a, row, s->dtype);
    if (s->input) pull_rows(s, row, row + part.m);
    if (s->outer) {
      sink->take_outer(sink->context, row * n, part.m * n, n, part.a.data, part.b.data);
      continue;
    }
    ky__multiply(s->f->kernels, s->dtype, &part);
    sink->take(sink->context, row * n, part.m * n, part.c.data);
  }
}

static size_t rows_of_part(size_t row_bytes) {
  size_t rows = TILE;
  while (2 * rows * row_bytes <= STREAMED && rows < KY_GEMM_DEPTH) rows *= 2;
  return rows;
}

/* Whether the input's adjoint may come along when its weight is streamed: a single thread takes
 * the rows in order, and the sums of ky__multiply are in order, too. */
static bool comes_along(const ky_frame *f, const ky_product *input) {
  return ky__team_size(f->team) == 1 && input->m <= KY_GEMM_THIN && input->b.column == 1 &&
         ky__gemm_own_way(input) == KY_GEMM_TILES;
}

bool ky__streams_weight(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  if (i->op != KY_OP_linear) return false;
  const ky_layout *w = ky__layout(code, i->b), *r = ky__layout(code, pc);
  return r->count <= KY_GEMM_THIN * w->dims[0] &&
         (size_t)w->count * ky_dtype_size((ky_dtype)i->dtype) > CACHED;
}

/* input: null when it is not wanted. */
static void stream_weight(ky_frame *f, ky_dtype dtype, const ky_product *p,
                          const ky_product *input) {
  const size_t row_bytes = p->n * ky_dtype_size(dtype);
  stream s = {.f = f, .dtype = dtype, .whole = *p, .rows = rows_of_part(row_bytes)};
  s.outer = f->sink.take_outer && p->k == 1 && p->a.row == 1 && p->b.column == 1;
  if (s.outer) s.rows *= 2; /* the gradient needs no room in L1 */
  if (input && comes_along(f, input)) {
    s.input = input;
    s.carry = ky__scratch(f, input->m * row_bytes);
    if (!s.carry) return;
  } else if (input) {
    ky__product(f, dtype, input);
  }
  if (f->sink.begin(f->sink.context))
    ky__team_run(f->team, p->m, ky__grain_of(f, p->n), stream_rows, &s);
}

void vjp_linear(ky_frame *f, ky_id pc) {
  if (ky__class(&f->code->ins[pc]) == KY_TINY) {
    pull_tiny(f, pc);
    return;
  }
  const ky_ins *i = &f->code->ins[pc];
  const sizes s = sizes_of(f, pc);
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix g = dense_rows(ky__adjoint(f, pc), s.out);
  const ky_dest dw = ky__dest(f, i->b, i->flags & KY_WANT_B);
  const ky_dest dx = ky__dest(f, i->a, i->flags & KY_WANT_A);
  ky_product input, weight;
  if (dx.ptr) input = input_product(f, pc, s, g, dx);
  if (dw.ptr) weight = weight_product(f, pc, s, g, dw);
  if (f->fault->status == KY_OK) {
    if (dw.ptr && f->sink.pc == pc && !dw.beta && i->a != i->b) {
      stream_weight(f, dtype, &weight, dx.ptr ? &input : NULL);
    } else { /* the input's adjoint may lie where the input does */
      if (dw.ptr) ky__product(f, dtype, &weight);
      if (dx.ptr) ky__product(f, dtype, &input);
    }
  }
  const ky_dest db = ky__dest(f, i->c, i->flags & KY_WANT_C);
  if (db.ptr)
    ky__sum_to(f, dtype, db, ky__layout(f->code, i->c), g.data, ky__layout(f->code, pc));
  ky__arena_reset(&f->scratch, mark);
}
