/* SPDX-License-Identifier: MIT */
/* Running sums and products along one axis. The row kernels are in kernels/scan.c; this file
 * takes them along any axis of dense and strided operands. */
#include "kernels/kernels.h"
#include "ops/family.h"

/* The rows of an instruction: loops over all axes but its own; array 0 has the strides of the
 * dense result, array 1 those of the operand. */
typedef struct rows {
  ky_loop loop;
  size_t count, n; /* rows of an innermost run, elements of a row */
  ky_pitch at_r, at_x;
} rows;

static void plan_rows(const ky_code *code, ky_id pc, rows *p) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *result = ky__layout(code, pc), *operand = ky__layout(code, i->a);
  int64_t strides[2][KY_MAX_RANK];
  ky_layout rest = *result;
  rest.dims[i->b] = 1;
  for (int k = 0; k < rest.rank; k++) {
    strides[0][k] = result->strides[k];
    strides[1][k] = operand->strides[k];
  }
  ky__loop_plan(&p->loop, &rest, 2, strides);
  const int last = p->loop.rank - 1;
  p->count = (size_t)p->loop.dims[last];
  p->n = (size_t)result->dims[i->b];
  p->at_r = (ky_pitch){p->loop.strides[0][last], result->strides[i->b]};
  p->at_x = (ky_pitch){p->loop.strides[1][last], operand->strides[i->b]};
}

void fwd_cumsum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  if (ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  void *r = ky__data(f, pc);
  const void *x = ky__data(f, i->a);
  ky_walk w = {0};
  do {
    f->kernels->scan->sum[i->dtype](p.count, p.n, ky__run(r, &w, 0, size), 0, p.at_r,
                                    ky__run(x, &w, 1, size), p.at_x);
  } while (ky__loop_next(&p.loop, &w));
}

/* The running sum of g from the last element to the first. */
void vjp_cumsum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const char *g = ky__adjoint(f, pc);
  const ky_pitch back = {p.at_r.row, -p.at_r.step};
  const ptrdiff_t last = (ptrdiff_t)(p.n - 1) * p.at_r.step * (ptrdiff_t)size;
  ky_walk w = {0};
  do {
    f->kernels->scan->sum[i->dtype](p.count, p.n, ky__run((char *)d.ptr + last, &w, 0, size),
                                    d.beta, back, ky__run(g + last, &w, 0, size), back);
  } while (ky__loop_next(&p.loop, &w));
}

void fwd_cumprod(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  if (ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  void *r = ky__data(f, pc);
  const void *x = ky__data(f, i->a);
  ky_walk w = {0};
  do {
    f->kernels->scan->product[i->dtype](p.count, p.n, ky__run(r, &w, 0, size), p.at_r,
                                        ky__run(x, &w, 1, size), p.at_x);
  } while (ky__loop_next(&p.loop, &w));
}

void vjp_cumprod(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const void *g = ky__adjoint(f, pc), *r = ky__data(f, pc), *x = ky__data(f, i->a);
  ky_walk w = {0};
  do {
    f->kernels->scan->pull_product[i->dtype](p.count, p.n, ky__run(d.ptr, &w, 0, size), d.beta,
                                             ky__run(g, &w, 0, size), ky__run(r, &w, 0, size),
                                             p.at_r, ky__run(x, &w, 1, size), p.at_x);
  } while (ky__loop_next(&p.loop, &w));
}
