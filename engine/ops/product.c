/* SPDX-License-Identifier: MIT */
/* Matrix products: matmul over batches with transpose flags, and the linear layer. Transposes are
 * swapped strides, so no operand is copied unless a stride is 0 or negative. */
#include "kernels/copy.h"
#include "kernels/gemm.h"
#include "ops/family.h"

/* ---- matmul: rule ------------------------------------------------------------------------------- */

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

/* ---- matrices -------------------------------------------------------------------------------------- */

/* A stack of matrices: the last two axes as a matrix, the others as batch axes with their layout. */
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

/* An operand as it lies, or as a dense scratch copy where a stride is one that GEMM refuses; a fault
 * when memory ran out. */
static stack operand(ky_frame *f, ky_id id, bool transposed) {
  const ky_layout *l = ky__layout(f->code, id);
  const int row = l->rank - 2, column = l->rank - 1;
  const bool fits = (l->strides[row] > 0 || l->dims[row] <= 1) &&
                    (l->strides[column] > 0 || l->dims[column] <= 1);
  if (fits) return stack_of(ky__data(f, id), l, transposed);
  const ky_dtype dtype = (ky_dtype)f->code->ins[id].dtype;
  const ky_layout dense = ky__dense(l);
  void *copy = ky__scratch(f, (size_t)l->count * ky_dtype_size(dtype));
  if (copy) ky__copy(dtype, l, copy, dense.strides, 0, ky__data(f, id), l->strides);
  return stack_of(copy, &dense, transposed);
}

/* c [batch,m,n] = beta c + a [batch,m,k] b [batch,k,n], each broadcast over the batch axes of
 * `space`. A c that is broadcast itself adds up the products of several batches: beta is 1 then. */
static void multiply(ky_dtype dtype, const ky_layout *space, int64_t m, int64_t n, int64_t k,
                     const stack *a, const stack *b, int beta, const stack *c) {
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  ky__broadcast_strides(&c->batch, space, strides[0]);
  ky__broadcast_strides(&a->batch, space, strides[1]);
  ky__broadcast_strides(&b->batch, space, strides[2]);
  ky_loop loop;
  ky__loop_plan(&loop, space, 3, strides);
  if (ky__loop_empty(&loop)) return;
  const size_t size = ky_dtype_size(dtype);
  const int last = loop.rank - 1;
  ky_walk w = {0};
  do {
    ky_matrix x[3] = {c->matrix, a->matrix, b->matrix};
    for (int n_array = 0; n_array < 3; n_array++)
      x[n_array].data = ky__run(x[n_array].data, &w, n_array, size);
    for (int64_t j = 0; j < loop.dims[last]; j++) {
      ky__gemm[dtype]((size_t)m, (size_t)n, (size_t)k, x[1], x[2], beta, x[0]);
      for (int n_array = 0; n_array < 3; n_array++)
        x[n_array].data =
            (char *)x[n_array].data + loop.strides[n_array][last] * (int64_t)size;
    }
  } while (ky__loop_next(&loop, &w));
}

/* ---- matmul: sweeps ------------------------------------------------------------------------------- */

static void product(ky_frame *f, ky_id pc, const stack *a, const stack *b) {
  const ky_layout *out = ky__layout(f->code, pc), *la = ky__layout(f->code, f->code->ins[pc].a);
  const bool ta = (f->code->ins[pc].c & TRANS_A) != 0;
  const stack c = stack_of(ky__data(f, pc), out, false);
  multiply((ky_dtype)f->code->ins[pc].dtype, &c.batch, out->dims[out->rank - 2],
           out->dims[out->rank - 1], la->dims[la->rank - (ta ? 2 : 1)], a, b, 0, &c);
}

void fwd_matmul(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_place mark = ky__arena_mark(&f->scratch);
  const stack a = operand(f, i->a, i->c & TRANS_A), b = operand(f, i->b, i->c & TRANS_B);
  if (f->fault->status == KY_OK) product(f, pc, &a, &b);
  ky__arena_reset(&f->scratch, mark);
}

/* The adjoint of operand `id`: left right, added up over the batch axes it was broadcast along.
 * [rows, columns] is the operand as it enters the product, `inner` the extent summed over. */
static void pull_factor(ky_frame *f, ky_id pc, ky_id id, unsigned want, bool transposed,
                        int64_t rows, int64_t columns, int64_t inner, const stack *left,
                        const stack *right) {
  const ky_dest d = ky__dest(f, id, want);
  if (!d.ptr) return;
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  const ky_layout dense = ky__dense(ky__layout(f->code, id));
  const ky_layout space = batch_of(ky__layout(f->code, pc));
  const stack c = stack_of(d.ptr, &dense, transposed);
  int beta = d.beta;
  if (!beta && !ky__same_dims(&c.batch, &space)) { /* several products meet in one matrix */
    ky__fill(dtype, (size_t)dense.count, d.ptr, 0, 0);
    beta = 1;
  }
  multiply(dtype, &space, rows, columns, inner, left, right, beta, &c);
}

void vjp_matmul(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const bool ta = i->c & TRANS_A, tb = i->c & TRANS_B;
  const ky_layout *la = ky__layout(f->code, i->a);
  const ky_layout out = ky__dense(ky__layout(f->code, pc));
  const int64_t m = out.dims[out.rank - 2], n = out.dims[out.rank - 1];
  const int64_t k = la->dims[la->rank - (ta ? 2 : 1)];
  const void *g = ky__adjoint(f, pc);
  const stack g_stack = stack_of(g, &out, false);
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (i->flags & KY_WANT_A) {
    const stack b_turned = operand(f, i->b, !tb);
    if (f->fault->status == KY_OK)
      pull_factor(f, pc, i->a, i->flags & KY_WANT_A, ta, m, k, n, &g_stack, &b_turned);
  }
  if (i->flags & KY_WANT_B) {
    const stack a_turned = operand(f, i->a, !ta);
    if (f->fault->status == KY_OK)
      pull_factor(f, pc, i->b, i->flags & KY_WANT_B, tb, k, n, m, &a_turned, &g_stack);
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- linear ------------------------------------------------------------------------------------------ */

ky_status ky__rule_linear(ky_query *q) {
  const ky_id ids[3] = {q->ins->a, q->ins->b, q->ins->c};
  KY_TRY(ky__need_float(q, ids[0]));
  KY_TRY(ky__need_same_dtype(q, ids[0], ids[1]));
  const ky_layout x = *ky__layout_of(q, ids[0]), w = *ky__layout_of(q, ids[1]);
  if (x.rank < 1 || w.rank != 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants x [...,in] and w [out,in]");
  if (x.dims[x.rank - 1] != w.dims[1])
    return ky__fail(q->fault, KY_BAD_SHAPE, "inner extents %lld and %lld differ",
                    (long long)x.dims[x.rank - 1], (long long)w.dims[1]);
  if (ids[2]) {
    KY_TRY(ky__need_same_dtype(q, ids[0], ids[2]));
    const ky_layout bias = *ky__layout_of(q, ids[2]);
    if (bias.rank != 1 || bias.dims[0] != w.dims[0])
      return ky__fail(q->fault, KY_BAD_SHAPE, "the bias must be [%lld]", (long long)w.dims[0]);
  }
  ky_layout out = x;
  out.dims[x.rank - 1] = w.dims[0];
  KY_TRY(ky__layout_dense(out.rank, out.dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, ids[0]), &out);
}

/* x [...,in] as one matrix [rows, in]; a scratch copy where its strides do not allow that, and a
 * fault when memory ran out. */
static ky_matrix rows_of(ky_frame *f, ky_id id) {
  const ky_layout *l = ky__layout(f->code, id);
  const int last = l->rank - 1;
  const void *data = ky__data(f, id);
  if (l->dense) return (ky_matrix){(void *)(uintptr_t)data, l->dims[last], 1};
  const bool one_row_axis = l->rank == 2 && (l->strides[0] > 0 || l->dims[0] == 1) &&
                            (l->strides[1] > 0 || l->dims[1] == 1);
  if (one_row_axis) return (ky_matrix){(void *)(uintptr_t)data, l->strides[0], l->strides[1]};
  const ky_dtype dtype = (ky_dtype)f->code->ins[id].dtype;
  const ky_layout dense = ky__dense(l);
  void *copy = ky__scratch(f, (size_t)l->count * ky_dtype_size(dtype));
  if (copy) ky__copy(dtype, l, copy, dense.strides, 0, data, l->strides);
  return (ky_matrix){copy, l->dims[last], 1};
}

static ky_matrix turned(ky_matrix x) { return (ky_matrix){x.data, x.column, x.row}; }

/* Extents of a linear layer: x [rows,in], w [out,in]. */
typedef struct extents {
  size_t rows, in, out;
} extents;

static extents extents_of(const ky_frame *f, ky_id pc) {
  const ky_layout *w = ky__layout(f->code, f->code->ins[pc].b), *r = ky__layout(f->code, pc);
  size_t rows = 1;
  for (int k = 0; k + 1 < r->rank; k++) rows *= (size_t)r->dims[k];
  return (extents){rows, (size_t)w->dims[1], (size_t)w->dims[0]};
}

void fwd_linear(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const extents e = extents_of(f, pc);
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix x = rows_of(f, i->a), w = rows_of(f, i->b);
  const ky_matrix r = {ky__data(f, pc), (ptrdiff_t)e.out, 1};
  if (f->fault->status == KY_OK) {
    if (i->c) { /* the bias in every row, then the product on top */
      const ky_layout *bias = ky__layout(f->code, i->c);
      const size_t size = ky_dtype_size(dtype);
      for (size_t k = 0; k < e.rows; k++)
        ky__copy_run(dtype, e.out, (char *)r.data + k * e.out * size, 1, 0, ky__data(f, i->c),
                     bias->strides[0]);
    }
    ky__gemm[dtype](e.rows, e.out, e.in, x, turned(w), i->c != 0, r);
  }
  ky__arena_reset(&f->scratch, mark);
}

void vjp_linear(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const extents e = extents_of(f, pc);
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_place mark = ky__arena_mark(&f->scratch);
  const ky_matrix g = {(void *)(uintptr_t)ky__adjoint(f, pc), (ptrdiff_t)e.out, 1};
  const ky_dest dx = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (dx.ptr) {
    const ky_matrix w = rows_of(f, i->b);
    if (f->fault->status == KY_OK)
      ky__gemm[dtype](e.rows, e.in, e.out, g, w, dx.beta,
                      (ky_matrix){dx.ptr, (ptrdiff_t)e.in, 1});
  }
  const ky_dest dw = ky__dest(f, i->b, i->flags & KY_WANT_B);
  if (dw.ptr) {
    const ky_matrix x = rows_of(f, i->a);
    if (f->fault->status == KY_OK)
      ky__gemm[dtype](e.out, e.in, e.rows, turned(g), x, dw.beta,
                      (ky_matrix){dw.ptr, (ptrdiff_t)e.in, 1});
  }
  const ky_dest db = ky__dest(f, i->c, i->flags & KY_WANT_C);
  if (db.ptr) ky__sum_to(dtype, db, ky__layout(f->code, i->c), g.data, ky__layout(f->code, pc));
  ky__arena_reset(&f->scratch, mark);
}
