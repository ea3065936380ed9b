/* SPDX-License-Identifier: MIT */
/* The linear layer and the losses. */
#include "kernels/kernels.h"
#include "kernels/gemm.h"
#include "recursive/gradfn.h"

/* ---- linear ------------------------------------------------------------------------------ */

/* x [rows,in], w [out,in]. */
typedef struct extents {
  size_t rows, in, out;
} extents;

static extents extents_of(const rec_tensor *x, const rec_tensor *w) {
  const size_t out = (size_t)w->dims[0], in = (size_t)w->dims[1];
  return (extents){x->count / in, in, out};
}

/* The bias gets the gradient summed over the rows: of one row, the gradient itself. */
static rec_tensor *for_bias(rec_heap *h, const rec_tensor *bias, rec_tensor *grad, extents e) {
  if (e.rows == 1) return rec_keep(grad);
  rec_tensor *sum = rec_gradient(h, bias);
  const ky_layout rows = {.rank = 2,
                          .dense = true,
                          .count = (int64_t)(e.rows * e.out),
                          .dims = {(int64_t)e.rows, (int64_t)e.out},
                          .strides = {(int64_t)e.out, 1}};
  ky_reduce_plan plan;
  ky__plan_reduction(&plan, &rows, (const int64_t[]){0, 1});
  ky__kernels()->reduce->sum[bias->dtype](&plan, sum->data, 0, 1, grad->data);
  return sum;
}

static void backward_linear(rec_heap *h, rec_tensor *result, rec_tensor *grad,
                            rec_grads *grads) {
  rec_tensor *x = result->fn->input[0], *w = result->fn->input[1], *bias = result->fn->input[2];
  const extents e = extents_of(x, w);
  ky_gemm *const gemm = ky__gemm[x->dtype];
  const ptrdiff_t in = (ptrdiff_t)e.in, out = (ptrdiff_t)e.out;
  if (w->wants) {
    rec_tensor *for_w = rec_gradient(h, w);
    gemm(e.out, e.in, e.rows, (ky_matrix){grad->data, 1, out}, (ky_matrix){x->data, in, 1}, 0,
         (ky_matrix){for_w->data, in, 1});
    rec_descend_into(h, w, for_w, grads);
  }
  if (bias->wants) rec_descend_into(h, bias, for_bias(h, bias, grad, e), grads);
  rec_tensor *for_x = x->wants ? rec_gradient(h, x) : NULL;
  if (for_x)
    gemm(e.rows, e.in, e.out, (ky_matrix){grad->data, out, 1}, (ky_matrix){w->data, in, 1}, 0,
         (ky_matrix){for_x->data, in, 1});
  rec_drop(h, grad);
  if (for_x) rec_descend_into(h, x, for_x, grads);
}

rec_tensor *rec_linear(rec_heap *h, rec_tensor *x, rec_tensor *w, rec_tensor *bias) {
  rec_tensor *const input[3] = {x, w, bias};
  const extents e = extents_of(x, w);
  const int64_t dims[2] = {x->dims[0], (int64_t)e.out};
  const bool one_row = x->rank == 1;
  rec_tensor *r = rec_result(h, x->rank, one_row ? &dims[1] : dims, 0, backward_linear, input);
  const ptrdiff_t in = (ptrdiff_t)e.in, out = (ptrdiff_t)e.out;
  const size_t row_bytes = r->count / e.rows * (x->dtype == KY_F64 ? 8 : 4);
  for (size_t k = 0; k < e.rows; k++)
    ky__kernels()->copy->run((ky_dtype)x->dtype, e.out, (char *)r->data + k * row_bytes, 1, 0,
                             bias->data, 1);
  ky__gemm[x->dtype](e.rows, e.out, e.in, (ky_matrix){x->data, in, 1},
                     (ky_matrix){w->data, 1, in}, 1, (ky_matrix){r->data, out, 1});
  return rec_finish(h, r, input);
}

/* ---- binary cross entropy ---------------------------------------------------------------- */

static void backward_bce(rec_heap *h, rec_tensor *result, rec_tensor *grad, rec_grads *grads) {
  rec_tensor *p = result->fn->input[0], *y = result->fn->input[1];
  rec_tensor *for_p = rec_gradient(h, p);
  ky__kernels()->loss->bce[p->dtype].pull_a(p->count, for_p->data, 0, grad->data, 0, 1, p->data,
                                            1, y->data, 1);
  rec_drop(h, grad);
  rec_descend_into(h, p, for_p, grads);
}

/* y is data, not something to learn. */
rec_tensor *rec_bce(rec_heap *h, rec_tensor *p, rec_tensor *y) {
  rec_tensor *const input[3] = {p, y, NULL};
  rec_tensor *r = rec_result(h, 0, NULL, 0, backward_bce, input);
  const double sum = ky__kernels()->loss->bce[p->dtype].sum(p->count, p->data, 1, y->data, 1);
  ky__kernels()->copy->fill((ky_dtype)p->dtype, 1, r->data, sum, 0);
  return rec_finish(h, r, input);
}

/* ---- mean squared error ------------------------------------------------------------------ */

static void backward_mse(rec_heap *h, rec_tensor *result, rec_tensor *grad, rec_grads *grads) {
  rec_tensor *p = result->fn->input[0], *y = result->fn->input[1];
  rec_tensor *for_p = rec_gradient(h, p);
  ky__kernels()->loss->mse[p->dtype].pull_a(p->count, for_p->data, 0, grad->data, 0,
                                            1 / (double)p->count, p->data, 1, y->data, 1);
  rec_drop(h, grad);
  rec_descend_into(h, p, for_p, grads);
}

/* y is data here too. */
rec_tensor *rec_mse(rec_heap *h, rec_tensor *p, rec_tensor *y) {
  rec_tensor *const input[3] = {p, y, NULL};
  rec_tensor *r = rec_result(h, 0, NULL, 0, backward_mse, input);
  const double sum = ky__kernels()->loss->mse[p->dtype].sum(p->count, p->data, 1, y->data, 1);
  ky__kernels()->copy->fill((ky_dtype)p->dtype, 1, r->data, sum / (double)p->count, 0);
  return rec_finish(h, r, input);
}

/* ---- cross entropy ----------------------------------------------------------------------- */

static void backward_cross_entropy(rec_heap *h, rec_tensor *result, rec_tensor *grad,
                                   rec_grads *grads) {
  const rec_grad_fn *fn = result->fn;
  rec_tensor *x = fn->input[0], *for_x = rec_gradient(h, x);
  const size_t rows = (size_t)x->dims[0], classes = (size_t)x->dims[1];
  ky__kernels()->softmax->pull_cross_entropy[x->dtype](
      rows, classes, for_x->data, 0, grad->data, 0, 1 / (double)rows, fn->lse, x->data,
      (ky_pitch){(ptrdiff_t)classes, 1}, fn->labels);
  rec_drop(h, grad);
  rec_descend_into(h, x, for_x, grads);
}

rec_tensor *rec_cross_entropy(rec_heap *h, rec_tensor *x, const int64_t *labels) {
  rec_tensor *const input[3] = {x, NULL, NULL};
  const size_t rows = (size_t)x->dims[0], classes = (size_t)x->dims[1];
  rec_tensor *r = rec_result(h, 0, NULL, sizeof(double) + rows * sizeof(double),
                             backward_cross_entropy, input);
  void *lse = (double *)r->data + 1;
  const double total = ky__kernels()->softmax->map_cross_entropy[x->dtype](
      rows, classes, NULL, lse, x->data, (ky_pitch){(ptrdiff_t)classes, 1}, labels);
  ky__kernels()->copy->fill((ky_dtype)x->dtype, 1, r->data, total / (double)rows, 0);
  if (r->fn) {
    r->fn->labels = labels;
    r->fn->lse = lse;
  }
  return rec_finish(h, r, input);
}
