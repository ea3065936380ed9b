/* SPDX-License-Identifier: MIT */
/* Softmax and log-softmax along one axis. The row kernels are in kernels/softmax.c; this file
 * takes them along any axis of dense and strided operands. */
#include "ops/family.h"

ky_status ky__rule_along(ky_query *q) {
  const ky_id a = q->ins->a;
  KY_TRY(ky__need_float(q, a));
  const ky_layout operand = *ky__layout_of(q, a);
  if (q->ins->b >= (uint32_t)operand.rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of an operand of rank %d",
                    (unsigned)q->ins->b, (int)operand.rank);
  q->klass = operand.dense ? KY_FLAT : KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, a), &operand);
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

static void along(ky_frame *f, ky_id pc, ky_softmax_map *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *result = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  if (result->count == 0) return;
  ky_loop loop;
  plan_rows(&loop, result, operand, i->b);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype), n = (size_t)result->dims[i->b];
  const int last = loop.rank - 1;
  const ky_pitch at_r = {loop.strides[0][last], result->strides[i->b]};
  const ky_pitch at_x = {loop.strides[1][last], operand->strides[i->b]};
  void *r = ky__data(f, pc);
  const void *x = ky__data(f, i->a);
  ky_walk w = {0};
  do {
    kernels[i->dtype]((size_t)loop.dims[last], n, ky__run(r, &w, 0, size), at_r,
                      ky__run(x, &w, 1, size), at_x);
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
  const ky_pitch at = {loop.strides[0][last], result->strides[i->b]};
  const void *g = ky__adjoint(f, pc), *r = ky__data(f, pc);
  ky_walk w = {0};
  do {
    kernels[i->dtype]((size_t)loop.dims[last], n, ky__run(d.ptr, &w, 0, size), d.beta,
                      ky__run(g, &w, 0, size), ky__run(r, &w, 0, size), at);
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
