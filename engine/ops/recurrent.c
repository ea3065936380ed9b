/* SPDX-License-Identifier: MIT */
/* See recurrent.h. Rows of the batch do not meet but in the gradient of the weights, so that
 * threads take rows through all steps; the gradient is one product over all steps. */
#include "ops/recurrent.h"

#include <string.h>

#include "ops/sequence.h"

/* ---- rules ------------------------------------------------------------------------------- */

ky_status ky__need_dims(const ky_query *q, const char *what, ky_id id, int rank,
                        const int64_t *dims) {
  if (!id) return KY_OK;
  const ky_layout *is = ky__layout_of(q, id);
  ky_layout want = {.rank = rank};
  for (int k = 0; k < rank; k++) want.dims[k] = dims[k];
  if (ky__same_dims(is, &want)) return KY_OK;
  char got[96], wanted[96];
  ky_text a = {got, sizeof got, 0}, b = {wanted, sizeof wanted, 0};
  ky__say_dims(&a, is);
  ky__say_dims(&b, &want);
  return ky__fail(q->fault, KY_BAD_SHAPE, "the %s is %s, wants %s", what, got, wanted);
}

ky_status ky__sequence_dims(const ky_query *q, int gates, int64_t dims[3]) {
  ky_id id[KY_SEQ_OPERANDS];
  for (uint32_t k = 0; k < KY_SEQ_OPERANDS; k++) id[k] = ky__seq_operand(q->code, q->ins, k);
  KY_TRY(ky__need_float(q, id[KY_SEQ_X]));
  for (int k = 1; k < KY_SEQ_OPERANDS; k++)
    if (id[k]) KY_TRY(ky__need_same_dtype(q, id[KY_SEQ_X], id[k]));
  const ky_layout *x = ky__layout_of(q, id[KY_SEQ_X]), *w = ky__layout_of(q, id[KY_SEQ_W]);
  if (x->rank != 3 || w->rank != 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants x [t,b,%dn] and w [%dn,n], got ranks %d, %d",
                    gates, gates, (int)x->rank, (int)w->rank);
  const int64_t n = w->dims[1];
  if (w->dims[0] / gates != n || w->dims[0] % gates != 0 || x->dims[2] != w->dims[0])
    return ky__fail(q->fault, KY_BAD_SHAPE,
                    "%d gates want x [t,b,%dn] and w [%dn,n], got "
                    "[.,.,%lld] and [%lld,%lld]",
                    gates, gates, gates, (long long)x->dims[2], (long long)w->dims[0],
                    (long long)n);
  if (x->dims[0] == 0) return ky__fail(q->fault, KY_BAD_SHAPE, "there are no steps");
  dims[0] = x->dims[0];
  dims[1] = x->dims[1];
  dims[2] = n;
  return ky__need_dims(q, "initial state", id[KY_SEQ_STATE], 2, dims + 1);
}

/* ---- operands ---------------------------------------------------------------------------- */

ky_recurrence ky__recurrence(ky_frame *f, ky_id pc, size_t gates_of_n) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *x = ky__layout(f->code, ky__seq_operand(f->code, i, KY_SEQ_X));
  const ky_id w = ky__seq_operand(f->code, i, KY_SEQ_W);
  const ky_layout *lw = ky__layout(f->code, w);
  ky_recurrence s = {.f = f,
                     .dtype = (ky_dtype)i->dtype,
                     .size = ky_dtype_size((ky_dtype)i->dtype),
                     .steps = (size_t)x->dims[0],
                     .batch = (size_t)x->dims[1],
                     .n = (size_t)lw->dims[1],
                     .w = {ky__data(f, w), lw->strides[0], lw->strides[1]}};
  s.gates = gates_of_n * s.n;
  return s;
}

/* ---- products ---------------------------------------------------------------------------- */

void *ky__turned_weights(const ky_recurrence *s) {
  void *room = ky__scratch(s->f, s->n * s->gates * s->size);
  if (room)
    s->f->kernels->copy->plane(s->dtype, s->n, s->gates, room, (ptrdiff_t)s->gates, 1, 0,
                               s->w.data, s->w.column, s->w.row);
  return room;
}

#define ROWS 8 /* of a tile of a product, at most */

size_t ky__recurrence_grain(const ky_recurrence *s) {
  const size_t grain = ky__grain_of(s->f, s->steps * s->gates * (4 + s->n / 16));
  return s->f->grain == 1 ? 1 : (grain + ROWS - 1) / ROWS * ROWS;
}

void ky__recurrent_product(const ky_recurrence *s, size_t begin, size_t end, size_t columns,
                           size_t depth, ky_matrix a, ky_matrix b, ky_matrix d, ky_matrix c) {
  ky_product p = {.m = s->batch, .n = columns, .k = depth, .a = a, .b = b, .d = d, .c = c};
  p.way = ky__gemm_share(s->dtype, &p, 1, 0).way;
  p.m = end - begin;
  ky__multiply(s->f->kernels, s->dtype, &p);
}

void ky__pull_weights(const ky_recurrence *s, ky_dest to, const void *gates_adjoint,
                      const void *out) {
  if (!to.ptr) return;
  const ky_matrix c = ky__rows(s, to.ptr, 0, s->n);
  ky_product p = {.m = s->gates, .n = s->n, .k = (s->steps - 1) * s->batch, .c = c};
  p.a = ky__rows(s, gates_adjoint, s->batch, s->gates);
  p.a = (ky_matrix){p.a.data, p.a.column, p.a.row};
  p.b = ky__rows(s, out, 0, s->n);
  if (to.beta) p.d = c;
  ky__product(s->f, s->dtype, &p);
  if (!s->state) return;
  p.k = s->batch;
  p.a.data = (void *)(uintptr_t)gates_adjoint;
  p.b = ky__rows(s, s->state, 0, s->n);
  p.d = c;
  ky__product(s->f, s->dtype, &p);
}

void ky__give(const ky_recurrence *s, ky_dest to, const void *from, size_t count) {
  if (to.ptr) s->f->kernels->copy->run(s->dtype, count, to.ptr, 1, to.beta, from, 1);
}
