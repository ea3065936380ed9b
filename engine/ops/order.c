/* SPDX-License-Identifier: MIT */
/* Positions by order along an axis: argsort and argmin. Sorted values are a gather of what
 * argsort finds, so neither has a derivative of its own. */
#include "kernels/order.h"

#include "ops/family.h"

/* The lines of an operand along one axis: array 0 is the dense result, 1 the operand. */
typedef struct lines {
  ky_loop loop;
  size_t length;
  int64_t stride;     /* of the operand along the axis */
  int64_t out_stride; /* of a result with the operand's dims */
} lines;

/* kept: the result has the axis, with one element for each of the operand's. */
static lines lines_of(const ky_frame *f, ky_id pc, bool kept) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *operand = ky__layout(f->code, i->a);
  ky_layout space = *operand;
  space.dims[i->b] = 1;
  const ky_layout result = ky__dense(kept ? operand : &space);
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  for (int k = 0; k < space.rank; k++) {
    strides[0][k] = result.strides[k];
    strides[1][k] = operand->strides[k];
  }
  lines l = {.length = (size_t)operand->dims[i->b],
             .stride = operand->strides[i->b],
             .out_stride = result.strides[i->b]};
  ky__loop_plan(&l.loop, &space, 2, strides);
  return l;
}

/* ---- argsort ----------------------------------------------------------------------------- */

ky_status ky__rule_argsort(ky_query *q) {
  const ky_layout operand = *ky__layout_of(q, q->ins->a);
  if (q->ins->b >= (uint32_t)operand.rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of a value of rank %d", (unsigned)q->ins->b,
                    operand.rank);
  if (q->ins->c > 1)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "descending is %u, wants 0 or 1",
                    (unsigned)q->ins->c);
  q->klass = KY_GENERAL;
  return ky__answer(q, KY_I64, &operand);
}

/* Room for the positions of a line, where the result has no dense place for them, for as many
 * again, and for a dense copy of the line. A result without a dense place has two lines at
 * least, so that this is never more than a copy of the result and one of the operand. */
typedef struct desk {
  int64_t *order; /* null: the result's own memory */
  int64_t *spare;
  void *keys;
} desk;

static bool set_up(ky_frame *f, const lines *l, size_t size, desk *d) {
  const bool dense = l->out_stride == 1;
  int64_t *room = ky__scratch(f, l->length * ((dense ? 1 : 2) * sizeof *room + size));
  if (!room) return false;
  d->order = dense ? NULL : room;
  d->spare = dense ? room : room + l->length;
  d->keys = d->spare + l->length;
  return true;
}

static void sort_line(const ky_frame *f, const lines *l, ky_dtype dtype, const desk *d,
                      int64_t *out, const void *x, int descending) {
  const void *keys = x;
  if (l->stride != 1) {
    f->kernels->copy->run(dtype, l->length, d->keys, 1, 0, x, l->stride);
    keys = d->keys;
  }
  int64_t *order = d->order ? d->order : out;
  ky__argsort(dtype, l->length, order, d->spare, keys, descending);
  if (d->order) f->kernels->copy->run(KY_I64, l->length, out, l->out_stride, 0, order, 1);
}

void fwd_argsort(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const size_t size = ky_dtype_size(dtype);
  const lines l = lines_of(f, pc, true);
  const ky_place mark = ky__arena_mark(&f->scratch);
  desk d;
  if (ky__loop_empty(&l.loop) || l.length == 0 || !set_up(f, &l, size, &d)) return;
  const int last = l.loop.rank - 1;
  ky_walk w = {0};
  do {
    int64_t *out = ky__run(ky__data(f, pc), &w, 0, sizeof *out);
    const char *x = ky__run(ky__data(f, i->a), &w, 1, size);
    for (int64_t k = 0; k < l.loop.dims[last]; k++)
      sort_line(f, &l, dtype, &d, out + k * l.loop.strides[0][last],
                x + k * l.loop.strides[1][last] * (int64_t)size, (int)i->c);
  } while (ky__loop_next(&l.loop, &w));
  ky__arena_reset(&f->scratch, mark);
}

/* ---- argmin ------------------------------------------------------------------------------ */

void fwd_argmin(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const size_t size = ky_dtype_size(dtype);
  const lines l = lines_of(f, pc, false);
  if (ky__loop_empty(&l.loop)) return;
  const int last = l.loop.rank - 1;
  ky_walk w = {0};
  do {
    int64_t *out = ky__run(ky__data(f, pc), &w, 0, sizeof *out);
    const char *x = ky__run(ky__data(f, i->a), &w, 1, size);
    for (int64_t k = 0; k < l.loop.dims[last]; k++)
      out[k * l.loop.strides[0][last]] = ky__argmin(
          dtype, l.length, x + k * l.loop.strides[1][last] * (int64_t)size, l.stride);
  } while (ky__loop_next(&l.loop, &w));
}
