/* SPDX-License-Identifier: MIT */
/* Losses: cross entropy with class indices, and the elementwise losses of pairs. The formulas
 * are in kernels/softmax.c and kernels/loss.c; this file reduces, and brings strided operands
 * to the kernels. */
#include <assert.h>

#include "kytape/ops.h"
#include "ops/labelled.h"
#include "ops/turn.h"

/* ---- reductions -------------------------------------------------------------------------- */

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
  KY_TRY(ky__check_reduction(reduction, q->fault));
  if (reduction == KY_REDUCE_NONE) return ky__answer(q, dtype, kept);
  q->dtype = (uint8_t)dtype;
  q->layout = 0;
  return KY_OK;
}

/* ---- cross entropy ----------------------------------------------------------------------- */

ky_status ky__rule_cross_entropy(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b;
  KY_TRY(ky__need_labelled(q, a, b));
  const ky_dtype dtype = ky__dtype_of(q, a);
  const ky_layout logits = *ky__layout_of(q, a), labels = *ky__layout_of(q, b);
  q->klass = logits.dense && labels.dense ? KY_FLAT : KY_GENERAL;
  q->aux_bytes = 2 * (size_t)labels.count * ky_dtype_size(dtype);
  return answer_reduced(q, dtype, &labels);
}

/* A batch of rows, shared out by rows; one loss each is kept, so that they are added up in
 * order. */
typedef struct shared_rows {
  const ky_frame *f;
  ky_batch b;
  ky_dtype dtype;
  size_t n, size;
  void *loss, *sums, *ga; /* of the batch's first row; loss may be null */
  const char *g;
  int64_t sg;
  int beta;
  double weight;
  double one[KY_BATCH];
} shared_rows;

static const char *row_of(const shared_rows *s, size_t k) {
  return (const char *)s->b.data + (int64_t)k * s->b.pitch.row * (int64_t)s->size;
}

static void map_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  shared_rows *s = context;
  for (size_t k = begin; k < end; k++)
    s->one[k] = s->f->kernels->softmax->map_cross_entropy[s->dtype](
        1, s->n, s->loss ? ky__element(s->loss, k, s->size) : NULL,
        ky__element(s->sums, 2 * k, s->size), row_of(s, k), s->b.pitch, s->b.label + k);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared_rows *s = context;
  s->f->kernels->softmax->pull_cross_entropy[s->dtype](
      end - begin, s->n, ky__element(s->ga, begin * s->n, s->size), s->beta,
      s->g + s->sg * (int64_t)(begin * s->size), s->sg, s->weight,
      ky__element(s->sums, 2 * begin, s->size), row_of(s, begin), s->b.pitch,
      s->b.label + begin);
}

static void turn_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  shared_rows *s = context;
  for (size_t k = begin; k < end; k++)
    s->one[k] = s->f->kernels->softmax->turn_cross_entropy[s->dtype](
        1, s->n, ky__element(s->ga, k * s->n, s->size), s->g, s->weight, row_of(s, k),
        s->b.pitch, s->b.label + k);
}

/* Before the first batch. */
static void start_rows(ky_frame *f, ky_id pc, shared_rows *s) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *logits = ky__layout(f->code, i->a);
  s->f = f;
  s->dtype = (ky_dtype)i->dtype;
  s->n = (size_t)logits->dims[logits->rank - 1];
  s->size = ky_dtype_size(s->dtype);
  s->weight = weight_of(i, ky__layout(f->code, i->b)->count);
  ky__batches(f, i->a, i->b, &s->b);
}

static double sum_of_losses(const shared_rows *s) {
  double sum = 0;
  for (size_t k = 0; k < s->b.rows; k++) sum += s->one[k];
  return sum;
}

void fwd_cross_entropy(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const int64_t count = ky__layout(f->code, i->b)->count;
  const bool reduced = reduction_of(i) != KY_REDUCE_NONE;
  double total = 0;
  if (count > 0) {
    shared_rows s;
    start_rows(f, pc, &s);
    s.loss = NULL;
    while (ky__next_batch(f, &s.b)) {
      const size_t first = (size_t)s.b.first;
      s.sums = ky__element(ky__aux(f, pc), 2 * first, s.size);
      if (!reduced) s.loss = ky__element(ky__data(f, pc), first, s.size);
      ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), map_rows, &s);
      total += sum_of_losses(&s);
    }
  }
  if (reduced) put_reduced(f, pc, total, count);
}

void vjp_cross_entropy(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, i->a)->count == 0) return;
  shared_rows s;
  start_rows(f, pc, &s);
  s.sg = reduction_of(i) == KY_REDUCE_NONE;
  s.beta = d.beta;
  while (ky__next_batch(f, &s.b)) {
    const size_t first = (size_t)s.b.first;
    s.sums = ky__element(ky__aux(f, pc), 2 * first, s.size);
    s.ga = ky__element(d.ptr, first * s.n, s.size);
    s.g = ky__element(ky__adjoint(f, pc), s.sg ? first : 0, s.size);
    ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), pull_rows, &s);
  }
}

bool ky__cross_entropy_turns(const ky_ins *i) {
  return reduction_of(i) != KY_REDUCE_NONE && i->flags & KY_WANT_A;
}

void ky__cross_entropy_turn(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const int64_t count = ky__layout(f->code, i->b)->count;
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  assert(!d.beta); /* the root is the first to contribute */
  double total = 0;
  if (count > 0 && d.ptr) {
    shared_rows s;
    start_rows(f, pc, &s);
    s.g = ky__adjoint(f, pc);
    while (ky__next_batch(f, &s.b)) {
      s.ga = ky__element(d.ptr, (size_t)s.b.first * s.n, s.size);
      ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), turn_rows, &s);
      total += sum_of_losses(&s);
    }
  }
  put_reduced(f, pc, total, count);
}

/* ---- pairs ------------------------------------------------------------------------------- */

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
