/* SPDX-License-Identifier: MIT */
/* Losses: cross entropy with class indices, and the elementwise losses of pairs. The formulas
 * are in kernels/softmax.c and kernels/loss.c; this file checks labels, reduces, and brings
 * strided operands to the kernels. */
#include "kytape/ops.h"
#include "ops/family.h"

/* ---- reductions
 * -------------------------------------------------------------------------------- */

static inline ky_reduction reduction_of(const ky_ins *i) {
  return (ky_reduction)(i->c & 0xffu);
}

/* What g is multiplied by for each of `count` losses. */
static inline double weight_of(const ky_ins *i, int64_t count) {
  return reduction_of(i) == KY_REDUCE_MEAN ? 1 / (double)count : 1;
}

/* The reduced result; the mean of nothing is 0 / 0. */
static inline void put_reduced(ky_frame *f, ky_id pc, double total, int64_t count) {
  const ky_ins *i = &f->code->ins[pc];
  const double value = reduction_of(i) == KY_REDUCE_MEAN ? total / (double)count : total;
  if (i->dtype == KY_F64)
    f->val[pc].f64 = value;
  else
    f->val[pc].f32 = (float)value;
}

/* One loss for each element of `kept`, or one in all. */
static ky_status answer_reduced(ky_query *q, ky_dtype dtype, const ky_layout *kept) {
  const ky_reduction reduction = reduction_of(q->ins);
  if (reduction > KY_REDUCE_MEAN)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "unknown reduction %d", (int)reduction);
  if (reduction == KY_REDUCE_NONE) return ky__answer(q, dtype, kept);
  q->dtype = (uint8_t)dtype;
  q->layout = 0;
  return KY_OK;
}

/* ---- cross entropy
 * ------------------------------------------------------------------------------ */

ky_status ky__rule_cross_entropy(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b;
  KY_TRY(ky__need_float(q, a));
  const ky_dtype dtype = ky__dtype_of(q, a), index = ky__dtype_of(q, b);
  if (index != KY_I32 && index != KY_I64)
    return ky__fail(q->fault, KY_BAD_DTYPE, "labels must be i32 or i64, got %s",
                    ky_dtype_name(index));
  const ky_layout logits = *ky__layout_of(q, a), labels = *ky__layout_of(q, b);
  if (logits.rank != labels.rank + 1)
    return ky__fail(q->fault, KY_BAD_SHAPE, "logits of rank %d want labels of rank %d, got %d",
                    (int)logits.rank, (int)logits.rank - 1, (int)labels.rank);
  for (int k = 0; k < labels.rank; k++)
    if (logits.dims[k] != labels.dims[k])
      return ky__fail(q->fault, KY_BAD_SHAPE, "extents %lld and %lld of axis %d differ",
                      (long long)logits.dims[k], (long long)labels.dims[k], k);
  if (logits.dims[labels.rank] == 0 && labels.count > 0)
    return ky__fail(q->fault, KY_BAD_SHAPE, "there are labels but no classes");
  q->klass = logits.dense && labels.dense ? KY_FLAT : KY_GENERAL;
  q->aux_bytes = (size_t)labels.count * ky_dtype_size(dtype);
  return answer_reduced(q, dtype, &labels);
}

#define BATCH 64

/* Rows of logits that follow each other at one distance, with their labels. */
typedef struct batch {
  ky_loop loop; /* over the rows: array 0 dense, 1 the logits, 2 the labels */
  ky_walk walk;
  int64_t taken; /* rows of the current run */
  int64_t first; /* the batch's first row, counted over all */
  size_t rows;
  ky_pitch pitch;
  const void *logits; /* its first element */
  int64_t label[BATCH];
} batch;

static void plan_batches(const ky_frame *f, const ky_ins *i, batch *b) {
  const ky_layout *logits = ky__layout(f->code, i->a), *labels = ky__layout(f->code, i->b);
  const ky_layout dense = ky__dense(labels);
  int64_t strides[3][KY_MAX_RANK];
  for (int k = 0; k < labels->rank; k++) {
    strides[0][k] = dense.strides[k];
    strides[1][k] = logits->strides[k];
    strides[2][k] = labels->strides[k];
  }
  ky__loop_plan(&b->loop, labels, 3, strides);
  b->walk = (ky_walk){0};
  b->taken = 0;
  b->pitch = (ky_pitch){b->loop.strides[1][b->loop.rank - 1], logits->strides[labels->rank]};
}

/* Widens the batch's labels. A label out of range is a fault, whenever it is read: the array is
 * the caller's, and may have changed since the forward sweep. */
static bool take_labels(ky_frame *f, const ky_ins *i, batch *b) {
  const ky_layout *logits = ky__layout(f->code, i->a);
  const int64_t classes = logits->dims[logits->rank - 1];
  const int64_t stride = b->loop.strides[2][b->loop.rank - 1];
  const int64_t start = b->walk.offset[2] + b->taken * stride, rows = (int64_t)b->rows;
  const void *from = ky__data(f, i->b);
  if (f->code->ins[i->b].dtype == KY_I32)
    for (int64_t k = 0; k < rows; k++)
      b->label[k] = ((const int32_t *)from)[start + k * stride];
  else
    for (int64_t k = 0; k < rows; k++)
      b->label[k] = ((const int64_t *)from)[start + k * stride];
  for (int64_t k = 0; k < rows; k++) {
    if (b->label[k] >= 0 && b->label[k] < classes) continue;
    ky__fail(f->fault, KY_BAD_INDEX, "label %lld of row %lld is not in 0..%lld",
             (long long)b->label[k], (long long)(b->first + k), (long long)(classes - 1));
    return false;
  }
  return true;
}

/* Moves on to the next batch; false behind the last and after a fault. There must be rows. */
static bool next_batch(ky_frame *f, const ky_ins *i, batch *b) {
  const int64_t run = b->loop.dims[b->loop.rank - 1];
  if (b->taken == run) {
    if (!ky__loop_next(&b->loop, &b->walk)) return false;
    b->taken = 0;
  }
  b->rows = (size_t)(run - b->taken < BATCH ? run - b->taken : BATCH);
  b->first = b->walk.offset[0] + b->taken;
  if (!take_labels(f, i, b)) return false;
  const int64_t at = b->walk.offset[1] + b->taken * b->pitch.row;
  b->logits = (const char *)ky__data(f, i->a) +
              at * (int64_t)ky_dtype_size((ky_dtype)f->code->ins[i->a].dtype);
  b->taken += (int64_t)b->rows;
  return true;
}

void fwd_cross_entropy(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *logits = ky__layout(f->code, i->a), *labels = ky__layout(f->code, i->b);
  const bool reduced = reduction_of(i) != KY_REDUCE_NONE;
  double total = 0;
  if (labels->count > 0) {
    const size_t n = (size_t)logits->dims[labels->rank];
    const int64_t size = (int64_t)ky_dtype_size((ky_dtype)i->dtype);
    char *lse = ky__aux(f, pc), *r = ky__data(f, pc);
    batch b;
    plan_batches(f, i, &b);
    while (next_batch(f, i, &b))
      total += f->kernels->softmax->map_cross_entropy[i->dtype](
          b.rows, n, reduced ? NULL : r + b.first * size, lse + b.first * size, b.logits,
          b.pitch, b.label);
  }
  if (reduced) put_reduced(f, pc, total, labels->count);
}

void vjp_cross_entropy(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *logits = ky__layout(f->code, i->a);
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || logits->count == 0) return;
  const int64_t n = logits->dims[logits->rank - 1];
  const int64_t size = (int64_t)ky_dtype_size((ky_dtype)i->dtype);
  const int64_t sg = reduction_of(i) == KY_REDUCE_NONE;
  const double weight = weight_of(i, ky__layout(f->code, i->b)->count);
  const char *g = ky__adjoint(f, pc), *lse = ky__aux(f, pc);
  char *ga = d.ptr;
  batch b;
  plan_batches(f, i, &b);
  while (next_batch(f, i, &b))
    f->kernels->softmax->pull_cross_entropy[i->dtype](
        b.rows, (size_t)n, ga + b.first * n * size, d.beta, g + sg * b.first * size, sg, weight,
        lse + b.first * size, b.logits, b.pitch, b.label);
}

/* ---- pairs
 * ---------------------------------------------------------------------------------------- */

ky_status ky__rule_pairloss(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b;
  KY_TRY(ky__need_float(q, a));
  KY_TRY(ky__need_same_dtype(q, a, b));
  const ky_layout *la = ky__layout_of(q, a), *lb = ky__layout_of(q, b);
  if (la->rank != lb->rank)
    return ky__fail(q->fault, KY_BAD_SHAPE, "ranks %d and %d differ", (int)la->rank,
                    (int)lb->rank);
  for (int k = 0; k < la->rank; k++)
    if (la->dims[k] != lb->dims[k])
      return ky__fail(q->fault, KY_BAD_SHAPE, "extents %lld and %lld of axis %d differ",
                      (long long)la->dims[k], (long long)lb->dims[k], k);
  q->klass = la->rank == 0 ? KY_POINT : la->dense && lb->dense ? KY_FLAT : KY_GENERAL;
  return answer_reduced(q, ky__dtype_of(q, a), la);
}

static void plan_pairs(const ky_frame *f, const ky_ins *i, ky_loop *loop) {
  const ky_layout *a = ky__layout(f->code, i->a), *b = ky__layout(f->code, i->b);
  ky__plan(loop, a, 2, (const ky_layout *const[]){a, b});
}

static void pairs(ky_frame *f, ky_id pc, const ky_pair_loss kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_pair_loss *kernel = &kernels[i->dtype];
  const int64_t count = ky__layout(f->code, i->a)->count;
  const void *a = ky__data(f, i->a), *b = ky__data(f, i->b);
  const bool reduced = reduction_of(i) != KY_REDUCE_NONE;
  if (ky__class(i) != KY_GENERAL) {
    if (reduced)
      put_reduced(f, pc, kernel->sum((size_t)count, a, 1, b, 1), count);
    else
      kernel->map((size_t)count, ky__data(f, pc), a, 1, b, 1);
    return;
  }
  ky_loop loop;
  plan_pairs(f, i, &loop);
  double total = 0;
  if (!ky__loop_empty(&loop)) {
    const size_t size = ky_dtype_size((ky_dtype)i->dtype);
    const int last = loop.rank - 1;
    const size_t n = (size_t)loop.dims[last];
    const int64_t sa = loop.strides[1][last], sb = loop.strides[2][last];
    ky_walk w = {0};
    do {
      const void *run_a = ky__run(a, &w, 1, size), *run_b = ky__run(b, &w, 2, size);
      if (reduced)
        total += kernel->sum(n, run_a, sa, run_b, sb);
      else
        kernel->map(n, ky__run(ky__data(f, pc), &w, 0, size), run_a, sa, run_b, sb);
    } while (ky__loop_next(&loop, &w));
  }
  if (reduced) put_reduced(f, pc, total, count);
}

static void pull_pairs(ky_frame *f, ky_id pc, ky_pair_pull *kernel, ky_dest d) {
  const ky_ins *i = &f->code->ins[pc];
  if (!d.ptr) return;
  const int64_t count = ky__layout(f->code, i->a)->count;
  const double weight = weight_of(i, count);
  const int64_t sg = reduction_of(i) == KY_REDUCE_NONE;
  const void *a = ky__data(f, i->a), *b = ky__data(f, i->b), *g = ky__adjoint(f, pc);
  if (ky__class(i) != KY_GENERAL) {
    kernel((size_t)count, d.ptr, d.beta, g, sg, weight, a, 1, b, 1);
    return;
  }
  ky_loop loop;
  plan_pairs(f, i, &loop);
  if (ky__loop_empty(&loop)) return;
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const int last = loop.rank - 1;
  ky_walk w = {0};
  do {
    kernel((size_t)loop.dims[last], ky__run(d.ptr, &w, 0, size), d.beta,
           sg ? ky__run(g, &w, 0, size) : g, sg, weight, ky__run(a, &w, 1, size),
           loop.strides[1][last], ky__run(b, &w, 2, size), loop.strides[2][last]);
  } while (ky__loop_next(&loop, &w));
}

#define PAIR_LOSS(name, vector)                                                                \
  void fwd_##name(ky_frame *f, ky_id pc) { pairs(f, pc, f->kernels->loss->name); }             \
  void vjp_##name(ky_frame *f, ky_id pc) {                                                     \
    const ky_ins *i = &f->code->ins[pc];                                                       \
    pull_pairs(f, pc, f->kernels->loss->name[i->dtype].pull_a,                                 \
               ky__dest(f, i->a, i->flags &KY_WANT_A));                                        \
    pull_pairs(f, pc, f->kernels->loss->name[i->dtype].pull_b,                                 \
               ky__dest(f, i->b, i->flags &KY_WANT_B));                                        \
  }
KY_PAIR_LOSSES(PAIR_LOSS)
#undef PAIR_LOSS
