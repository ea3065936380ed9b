/* SPDX-License-Identifier: MIT */
/* Positions in order along an axis: argsort. Sorted values are a gather of what it finds, so it
 * has no derivative of its own. */
#include "ops/argsort.h"

#include "kernels/order.h"
#include "ops/family.h"

/* The lines of an operand along one axis: array 0 is the dense result with its dims, 1 the
 * operand. */
typedef struct lines {
  ky_loop loop;
  size_t length;
  int64_t stride;     /* of the operand along the axis */
  int64_t out_stride; /* of the result */
} lines;

static lines lines_of(const ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *operand = ky__layout(f->code, i->a);
  ky_layout space = *operand;
  space.dims[i->b] = 1;
  const ky_layout result = ky__dense(operand);
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
  const ky_layout *operand = ky__layout_of(q, q->ins->a);
  if (q->ins->b >= (uint32_t)operand->rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of a value of rank %d", (unsigned)q->ins->b,
                    operand->rank);
  if (q->ins->c > 1)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "descending is %u, wants 0 or 1",
                    (unsigned)q->ins->c);
  if (operand->dims[q->ins->b] > UINT32_MAX)
    return ky__fail(q->fault, KY_BAD_SHAPE, "more elements than can be sorted");
  q->klass = KY_GENERAL;
  return ky__answer_like(q, KY_I64, q->ins->a);
}

/* Lines that are worked on, each thread with room of its own. */
typedef struct ordering {
  const lines *lines;
  ky_dtype dtype;
  int64_t *out;
  const void *x;
  int descending;
  char *room;
  size_t room_bytes; /* a thread's */
} ordering;

size_t ky__argsort_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_ins *i = &code->ins[pc];
  const size_t length = (size_t)ky__layout(code, i->a)->dims[i->b];
  return threads * ky__argsort_room((ky_dtype)code->ins[i->a].dtype, length) + KY_ALIGN;
}

static void sort_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  const ordering *o = context;
  const lines *l = o->lines;
  const int last = part->rank - 1;
  const size_t size = ky_dtype_size(o->dtype);
  void *room = o->room + piece * o->room_bytes;
  do {
    int64_t *out = ky__run(o->out, &at, 0, sizeof *out);
    const char *x = ky__run(o->x, &at, 1, size);
    for (int64_t k = 0; k < part->dims[last]; k++)
      ky__argsort(o->dtype, l->length, out + k * part->strides[0][last], l->out_stride,
                  x + k * part->strides[1][last] * (int64_t)size, l->stride, o->descending,
                  room);
  } while (ky__loop_next(part, &at));
}

#define PASSES 8 /* over a line when it is sorted, each as long as other work on it */

void fwd_argsort(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const lines l = lines_of(f, pc);
  if (ky__layout(f->code, pc)->count == 0) return;
  ordering o = {.lines = &l,
                .dtype = (ky_dtype)f->code->ins[i->a].dtype,
                .out = ky__data(f, pc),
                .x = ky__data(f, i->a),
                .descending = (int)i->c};
  o.room_bytes = ky__argsort_room(o.dtype, l.length);
  const ky_place mark = ky__arena_mark(&f->scratch);
  o.room = ky__scratch(f, ky__team_size(f->team) * o.room_bytes);
  if (o.room) ky__share_loop(f, &l.loop, 0, PASSES * l.length, 1, sort_part, &o);
  ky__arena_reset(&f->scratch, mark);
}
