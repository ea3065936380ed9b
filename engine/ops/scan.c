/* SPDX-License-Identifier: MIT */
/* Running sums and products along one axis. The row kernels are in kernels/scan.c; this file
 * takes them along any axis of dense and strided operands. */
#include "kernels/kernels.h"
#include "ops/family.h"

/* The rows of an instruction: loops over all axes but its own; array 0 has the strides of the
 * dense result, array 1 those of the operand. */
typedef struct rows {
  ky_loop loop;
  size_t n; /* elements of a row */
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
  p->n = (size_t)result->dims[i->b];
  p->at_r = (ky_pitch){p->loop.strides[0][last], result->strides[i->b]};
  p->at_x = (ky_pitch){p->loop.strides[1][last], operand->strides[i->b]};
}

/* A scan of some arrays: r (or gx, with beta) from x and, in the adjoints, g. */
typedef struct scan {
  const ky_scan_kernels *kernels;
  ky_dtype dtype;
  const rows *rows;
  void *r;
  int beta;
  const void *g, *x;
  void *gx;
} scan;

static void sum_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const scan *s = context;
  const size_t size = ky_dtype_size(s->dtype), count = (size_t)part->dims[part->rank - 1];
  do {
    s->kernels->sum[s->dtype](count, s->rows->n, ky__run(s->r, &at, 0, size), s->beta,
                              s->rows->at_r, ky__run(s->x, &at, 1, size), s->rows->at_x);
  } while (ky__loop_next(part, &at));
}

static void product_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const scan *s = context;
  const size_t size = ky_dtype_size(s->dtype), count = (size_t)part->dims[part->rank - 1];
  do {
    s->kernels->product[s->dtype](count, s->rows->n, ky__run(s->r, &at, 0, size), s->rows->at_r,
                                  ky__run(s->x, &at, 1, size), s->rows->at_x);
  } while (ky__loop_next(part, &at));
}

static void pull_product_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const scan *s = context;
  const size_t size = ky_dtype_size(s->dtype), count = (size_t)part->dims[part->rank - 1];
  do {
    s->kernels->pull_product[s->dtype](
        count, s->rows->n, ky__run(s->gx, &at, 0, size), s->beta, ky__run(s->g, &at, 0, size),
        ky__run(s->r, &at, 0, size), s->rows->at_r, ky__run(s->x, &at, 1, size), s->rows->at_x);
  } while (ky__loop_next(part, &at));
}

static scan scan_of(const ky_frame *f, ky_id pc, const rows *p) {
  return (scan){
      .kernels = f->kernels->scan, .dtype = (ky_dtype)f->code->ins[pc].dtype, .rows = p};
}

void fwd_cumsum(ky_frame *f, ky_id pc) {
  if (ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  scan s = scan_of(f, pc, &p);
  s.r = ky__data(f, pc);
  s.x = ky__data(f, f->code->ins[pc].a);
  ky__share_loop(f, &p.loop, 0, p.n, 1, sum_part, &s);
}

/* The running sum of g from the last element to the first. */
void vjp_cumsum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  const ptrdiff_t size = (ptrdiff_t)ky_dtype_size((ky_dtype)i->dtype);
  const ptrdiff_t last = (ptrdiff_t)(p.n - 1) * p.at_r.step * size;
  for (int k = 0; k < p.loop.rank; k++) p.loop.strides[1][k] = p.loop.strides[0][k];
  p.at_r.step = -p.at_r.step;
  p.at_x = p.at_r;
  scan s = scan_of(f, pc, &p);
  s.r = (char *)d.ptr + last;
  s.beta = d.beta;
  s.x = (const char *)ky__adjoint(f, pc) + last;
  ky__share_loop(f, &p.loop, 0, p.n, 1, sum_part, &s);
}

void fwd_cumprod(ky_frame *f, ky_id pc) {
  if (ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  scan s = scan_of(f, pc, &p);
  s.r = ky__data(f, pc);
  s.x = ky__data(f, f->code->ins[pc].a);
  ky__share_loop(f, &p.loop, 0, p.n, 1, product_part, &s);
}

void vjp_cumprod(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, &p);
  scan s = scan_of(f, pc, &p);
  s.r = ky__data(f, pc);
  s.gx = d.ptr;
  s.beta = d.beta;
  s.g = ky__adjoint(f, pc);
  s.x = ky__data(f, i->a);
  ky__share_loop(f, &p.loop, 0, p.n, 1, pull_product_part, &s);
}
