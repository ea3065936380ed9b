/* SPDX-License-Identifier: MIT */
/* Rotary embedding. Cosines and sines are those of the positions, made anew in each sweep: they
 * cost a few per cent of what they are used for, and nothing has to be kept. Pool at b: the
 * first position, and the base. */
#include <float.h>

#include "kernels/kernels.h"
#include "ops/family.h"
#include "ops/sequence.h"

ky_status ky__rule_rope(ky_query *q) {
  const ky_ins *i = q->ins;
  KY_TRY(ky__need_float(q, i->a));
  const ky_layout *x = ky__layout_of(q, i->a);
  const double base = ky__pool_f64(q->code, i->b + 1);
  if (x->rank < 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants [...,t,d], got rank %d", (int)x->rank);
  if (x->dims[x->rank - 1] % 2 != 0)
    return ky__fail(q->fault, KY_BAD_SHAPE, "a width of %lld has no pairs",
                    (long long)x->dims[x->rank - 1]);
  if (!(base > 0) || base > DBL_MAX)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "base is %g, wants a positive number", base);
  q->klass = x->dense ? KY_FLAT : KY_GENERAL;
  return ky__answer_like(q, ky__dtype_of(q, i->a), i->a);
}

size_t ky__rope_scratch(const ky_code *code, ky_id pc) {
  const ky_layout *l = ky__layout(code, pc);
  return (size_t)(l->dims[l->rank - 2] * l->dims[l->rank - 1]) *
             ky_dtype_size((ky_dtype)code->ins[pc].dtype) +
         KY_ALIGN;
}

/* to (dense) = beta to + from, rotated or rotated back; from has the strides of `layout`. */
typedef struct rotation {
  const ky_frame *f;
  ky_dtype dtype;
  const ky_layout *layout;
  bool neighbours, back;
  int beta;
  char *to;
  const char *from, *cosines, *sines;
} rotation;

static void rotate_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const rotation *w = context;
  const ky_layout *l = w->layout;
  const int last = l->rank - 1;
  const size_t rows = (size_t)l->dims[last - 1], width = (size_t)l->dims[last];
  const size_t size = ky_dtype_size(w->dtype);
  for (size_t n = begin; n < end; n++)
    w->f->kernels->rope->rotate[w->dtype](
        rows, width / 2, w->neighbours, w->back, w->to + n * rows * width * size, w->beta,
        w->from + ky__offset_of(l, last - 1, (int64_t)n) * (int64_t)size, l->strides[last - 1],
        l->strides[last], w->cosines, w->sines);
}

/* The rest of `w` is filled in. */
static void rotate(ky_frame *f, ky_id pc, rotation *w) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *l = w->layout;
  if (l->count == 0) return;
  w->f = f;
  w->dtype = (ky_dtype)i->dtype;
  w->neighbours = i->c != 0;
  const size_t rows = (size_t)l->dims[l->rank - 2], pairs = (size_t)l->dims[l->rank - 1] / 2;
  const ky_place mark = ky__arena_mark(&f->scratch);
  char *cosines = ky__scratch(f, 2 * rows * pairs * ky_dtype_size(w->dtype));
  if (!cosines) return;
  char *sines = cosines + rows * pairs * ky_dtype_size(w->dtype);
  f->kernels->rope->table[w->dtype](rows, pairs, (double)f->code->pool[i->b],
                                    ky__pool_f64(f->code, i->b + 1), cosines, sines);
  w->cosines = cosines;
  w->sines = sines;
  const size_t matrices = (size_t)l->count / (2 * rows * pairs);
  ky__team_run(f->team, matrices, ky__grain_of(f, 2 * rows * pairs), rotate_some, w);
  ky__arena_reset(&f->scratch, mark);
}

void fwd_rope(ky_frame *f, ky_id pc) {
  const ky_id a = f->code->ins[pc].a;
  rotation w = {
      .layout = ky__layout(f->code, a), .to = ky__data(f, pc), .from = ky__data(f, a)};
  rotate(f, pc, &w);
}

void vjp_rope(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout dense = ky__dense(ky__layout(f->code, pc));
  rotation w = {
      .layout = &dense, .back = true, .beta = d.beta, .to = d.ptr, .from = ky__adjoint(f, pc)};
  rotate(f, pc, &w);
}
