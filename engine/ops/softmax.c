/* SPDX-License-Identifier: MIT */
/* Softmax and log-softmax along one axis. The row kernels are in kernels/softmax.c; this file
 * takes them along any axis of dense and strided operands. */
#include "ops/family.h"

ky_status ky__rule_along(ky_query *q) {
  const ky_id a = q->ins->a;
  KY_TRY(ky__need_float(q, a));
  const ky_layout *operand = ky__layout_of(q, a);
  if (q->ins->b >= (uint32_t)operand->rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of an operand of rank %d",
                    (unsigned)q->ins->b, (int)operand->rank);
  q->klass = operand->dense ? KY_FLAT : KY_GENERAL;
  return ky__answer_like(q, ky__dtype_of(q, a), a);
}

/* Plans the loop over all axes but `axis`: array 0 has the dense strides of the result, array 1
 * those of the operand. */
static void plan_rows(ky_loop *loop, const ky_layout *result, const ky_layout *operand,
                      uint32_t axis) {
  int64_t strides[2][KY_MAX_RANK];
  ky_layout rest = *result;
  rest.dims[axis] = 1;
  for (int k = 0; k < rest.rank; k++) {
    strides[0][k] = result->strides[k];
    strides[1][k] = operand->strides[k];
  }
  ky__loop_plan(loop, &rest, 2, strides);
}

/* Rows at equal distances; array 1 is the operand's, or in reverse that of g. */
typedef struct rows {
  ky_softmax_map *map;
  ky_softmax_pull *pull;
  size_t n, size;
  void *r; /* the result, or the operand's adjoint */
  const void *x, *g;
  ky_pitch at_r, at_x;
  int beta;
} rows;

static void *row_at(const void *base, size_t row, ky_pitch at, size_t size) {
  return (char *)(uintptr_t)base + (ptrdiff_t)row * at.row * (ptrdiff_t)size;
}

static void map_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const rows *s = context;
  s->map(end - begin, s->n, row_at(s->r, begin, s->at_r, s->size), s->at_r,
         row_at(s->x, begin, s->at_x, s->size), s->at_x);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const rows *s = context;
  s->pull(end - begin, s->n, row_at(s->r, begin, s->at_r, s->size), s->beta,
          row_at(s->g, begin, s->at_r, s->size), row_at(s->x, begin, s->at_r, s->size),
          s->at_r);
}

static void along(ky_frame *f, ky_id pc, ky_softmax_map *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *result = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  if (result->count == 0) return;
  ky_loop loop;
  plan_rows(&loop, result, operand, i->b);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype), n = (size_t)result->dims[i->b];
  const int last = loop.rank - 1;
  rows s = {.map = kernels[i->dtype],
            .n = n,
            .size = size,
            .at_r = {loop.strides[0][last], result->strides[i->b]},
            .at_x = {loop.strides[1][last], operand->strides[i->b]}};
  ky_walk w = {0};
  do {
    s.r = ky__run(ky__data(f, pc), &w, 0, size);
    s.x = ky__run(ky__data(f, i->a), &w, 1, size);
    ky__team_run(f->team, (size_t)loop.dims[last], ky__grain_of(f, n), map_rows, &s);
  } while (ky__loop_next(&loop, &w));
}

static void pull_along(ky_frame *f, ky_id pc, ky_softmax_pull *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *result = ky__layout(f->code, pc);
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || result->count == 0) return;
  ky_loop loop;
  plan_rows(&loop, result, result, i->b);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype), n = (size_t)result->dims[i->b];
  const int last = loop.rank - 1;
  rows s = {.pull = kernels[i->dtype],
            .n = n,
            .size = size,
            .at_r = {loop.strides[0][last], result->strides[i->b]},
            .beta = d.beta};
  ky_walk w = {0};
  do {
    s.r = ky__run(d.ptr, &w, 0, size);
    s.g = ky__run(ky__adjoint(f, pc), &w, 0, size);
    s.x = ky__run(ky__data(f, pc), &w, 0, size);
    ky__team_run(f->team, (size_t)loop.dims[last], ky__grain_of(f, n), pull_rows, &s);
  } while (ky__loop_next(&loop, &w));
}

void fwd_softmax(ky_frame *f, ky_id pc) { along(f, pc, f->kernels->softmax->map_softmax); }
void vjp_softmax(ky_frame *f, ky_id pc) {
  pull_along(f, pc, f->kernels->softmax->pull_softmax);
}

void fwd_log_softmax(ky_frame *f, ky_id pc) {
  along(f, pc, f->kernels->softmax->map_log_softmax);
}
void vjp_log_softmax(ky_frame *f, ky_id pc) {
  pull_along(f, pc, f->kernels->softmax->pull_log_softmax);
}
