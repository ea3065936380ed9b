/* SPDX-License-Identifier: MIT */
/* Running sums and products along one axis. The row kernels are in kernels/scan.c; this file
 * takes them along any axis of dense and strided operands. */
#include "kernels/kernels.h"
#include "ops/family.h"

/* The rows of an instruction: loops over all axes but its own; array 1 has the strides of the
 * operand, the others those of the dense result. */
typedef struct rows {
  ky_loop loop;
  size_t n; /* elements of a row */
  ky_pitch at_r, at_x;
} rows;

static void plan_rows(const ky_code *code, ky_id pc, int arrays, rows *p) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *result = ky__layout(code, pc), *operand = ky__layout(code, i->a);
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  ky_layout rest = *result;
  rest.dims[i->b] = 1;
  for (int n = 0; n < arrays; n++)
    for (int k = 0; k < rest.rank; k++)
      strides[n][k] = n == 1 ? operand->strides[k] : result->strides[k];
  ky__loop_plan(&p->loop, &rest, arrays, strides);
  const int last = p->loop.rank - 1;
  p->n = (size_t)result->dims[i->b];
  p->at_r = (ky_pitch){p->loop.strides[0][last], result->strides[i->b]};
  p->at_x = (ky_pitch){p->loop.strides[1][last], operand->strides[i->b]};
}

/* A scan of rows; a strip is some of them. */
typedef struct scan {
  const ky_scan_kernels *kernels;
  ky_dtype dtype;
  const rows *rows;
  int beta;
} scan;

static void sum_strip(const void *context, const ky_strip *t) {
  const scan *s = context;
  s->kernels->sum[s->dtype](t->n, s->rows->n, t->at[0], s->beta, s->rows->at_r, t->at[1],
                            s->rows->at_x);
}

static void product_strip(const void *context, const ky_strip *t) {
  const scan *s = context;
  s->kernels->product[s->dtype](t->n, s->rows->n, t->at[0], s->rows->at_r, t->at[1],
                                s->rows->at_x);
}

static void pull_product_strip(const void *context, const ky_strip *t) {
  const scan *s = context;
  s->kernels->pull_product[s->dtype](t->n, s->rows->n, t->at[0], s->beta, t->at[2], t->at[3],
                                     s->rows->at_r, t->at[1], s->rows->at_x);
}

static void walk_rows(ky_frame *f, ky_id pc, const rows *p, int beta, const ky_walked *arrays,
                      ky_strip_job *job) {
  const scan s = {f->kernels->scan, (ky_dtype)f->code->ins[pc].dtype, p, beta};
  ky__walk(f, &p->loop, p->n, arrays, job, &s);
}

static void forward(ky_frame *f, ky_id pc, ky_strip_job *job) {
  if (ky__layout(f->code, pc)->count == 0) return;
  const size_t size = ky_dtype_size((ky_dtype)f->code->ins[pc].dtype);
  rows p;
  plan_rows(f->code, pc, 2, &p);
  const ky_walked arrays[] = {{ky__data(f, pc), size}, {ky__data(f, f->code->ins[pc].a), size}};
  walk_rows(f, pc, &p, 0, arrays, job);
}

void fwd_cumsum(ky_frame *f, ky_id pc) { forward(f, pc, sum_strip); }

/* The running sum of g from the last element to the first. */
void vjp_cumsum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  rows p;
  plan_rows(f->code, pc, 2, &p);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const ptrdiff_t last = (ptrdiff_t)(p.n - 1) * p.at_r.step * (ptrdiff_t)size;
  for (int k = 0; k < p.loop.rank; k++) p.loop.strides[1][k] = p.loop.strides[0][k];
  p.at_r.step = -p.at_r.step;
  p.at_x = p.at_r;
  const ky_walked arrays[] = {{(char *)d.ptr + last, size},
                              {(const char *)ky__adjoint(f, pc) + last, size}};
  walk_rows(f, pc, &p, d.beta, arrays, sum_strip);
}

void fwd_cumprod(ky_frame *f, ky_id pc) { forward(f, pc, product_strip); }

void vjp_cumprod(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr || ky__layout(f->code, pc)->count == 0) return;
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  rows p;
  plan_rows(f->code, pc, 4, &p);
  const ky_walked arrays[] = {{d.ptr, size},
                              {ky__data(f, i->a), size},
                              {ky__adjoint(f, pc), size},
                              {ky__data(f, pc), size}};
  walk_rows(f, pc, &p, d.beta, arrays, pull_product_strip);
}
