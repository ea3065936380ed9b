/* SPDX-License-Identifier: MIT */
/* Elementwise operations and the sum. Points, scalars of f64, are computed without a kernel.
 * Inputs are gone into in their order, as backward of anything does. */
#include "kernels/kernels.h"
#include "recursive/gradfn.h"

static bool is_point(const rec_tensor *t) { return t->count == 1 && t->dtype == KY_F64; }

static double point(const rec_tensor *t) { return *(const double *)t->data; }

/* ---- two inputs -------------------------------------------------------------------------- */

static void backward_add(rec_heap *h, rec_tensor *result, rec_tensor *grad, rec_grads *grads) {
  rec_tensor *a = result->fn->input[0], *b = result->fn->input[1];
  if (a->wants && b->wants) rec_keep(grad); /* both get the gradient itself */
  if (a->wants) rec_descend_into(h, a, grad, grads);
  if (b->wants) rec_descend_into(h, b, grad, grads);
}

rec_tensor *rec_add(rec_heap *h, rec_tensor *a, rec_tensor *b) {
  rec_tensor *const input[3] = {a, b, NULL};
  rec_tensor *r = rec_result(h, a->rank, a->dims, 0, backward_add, input);
  if (is_point(a))
    *(double *)r->data = point(a) + point(b);
  else
    ky__kernels()->elementwise->map_add[a->dtype](a->count, r->data, a->data, 1, b->data, 1);
  return rec_finish(h, r, input);
}

static void multiply(rec_tensor *r, const rec_tensor *a, const rec_tensor *b) {
  if (is_point(r))
    *(double *)r->data = point(a) * point(b);
  else
    ky__kernels()->elementwise->map_mul[r->dtype](r->count, r->data, a->data, 1, b->data, 1);
}

static void backward_mul(rec_heap *h, rec_tensor *result, rec_tensor *grad, rec_grads *grads) {
  rec_tensor *a = result->fn->input[0], *b = result->fn->input[1];
  rec_tensor *for_a = a->wants ? rec_gradient(h, a) : NULL;
  rec_tensor *for_b = b->wants ? rec_gradient(h, b) : NULL;
  if (for_a) multiply(for_a, grad, b);
  if (for_b) multiply(for_b, grad, a);
  rec_drop(h, grad); /* it should not wait for the recursion to come back */
  if (for_a) rec_descend_into(h, a, for_a, grads);
  if (for_b) rec_descend_into(h, b, for_b, grads);
}

rec_tensor *rec_mul(rec_heap *h, rec_tensor *a, rec_tensor *b) {
  rec_tensor *const input[3] = {a, b, NULL};
  rec_tensor *r = rec_result(h, a->rank, a->dims, 0, backward_mul, input);
  multiply(r, a, b);
  return rec_finish(h, r, input);
}

/* ---- functions of one input -------------------------------------------------------------- */

static void backward_function(rec_heap *h, rec_tensor *result, rec_tensor *grad,
                              rec_grads *grads) {
  const rec_grad_fn *fn = result->fn;
  rec_tensor *x = fn->input[0], *for_x = rec_gradient(h, x);
  const void *saved = fn->reads_result ? result->data : x->data;
  fn->pull[x->dtype](x->count, for_x->data, 0, grad->data, saved, 1, fn->factor, 0);
  rec_drop(h, grad);
  rec_descend_into(h, x, for_x, grads);
}

static rec_tensor *function(rec_heap *h, rec_tensor *x, ky_map1 *const map[2],
                            ky_pull1 *const pull[2], bool reads_result, double factor) {
  rec_tensor *const input[3] = {x, NULL, NULL};
  rec_tensor *r = rec_result(h, x->rank, x->dims, 0, backward_function, input);
  map[x->dtype](x->count, r->data, x->data, 1, factor, 0);
  if (r->fn) {
    r->fn->pull = pull;
    r->fn->reads_result = reads_result;
    r->fn->factor = factor;
  }
  return rec_finish(h, r, input);
}

rec_tensor *rec_sin(rec_heap *h, rec_tensor *x) {
  return function(h, x, ky__kernels()->elementwise->map_sin,
                  ky__kernels()->elementwise->pull_sin, false, 0);
}

rec_tensor *rec_tanh(rec_heap *h, rec_tensor *x) {
  return function(h, x, ky__kernels()->elementwise->map_tanh,
                  ky__kernels()->elementwise->pull_tanh, true, 0);
}

rec_tensor *rec_sigmoid(rec_heap *h, rec_tensor *x) {
  return function(h, x, ky__kernels()->elementwise->map_sigmoid,
                  ky__kernels()->elementwise->pull_sigmoid, true, 0);
}

rec_tensor *rec_relu(rec_heap *h, rec_tensor *x) {
  return function(h, x, ky__kernels()->elementwise->map_relu,
                  ky__kernels()->elementwise->pull_relu, true, 0);
}

rec_tensor *rec_scale(rec_heap *h, rec_tensor *x, double s) {
  return function(h, x, ky__kernels()->elementwise->map_mul_scalar,
                  ky__kernels()->elementwise->pull_mul_scalar, false, s);
}

/* ---- sum --------------------------------------------------------------------------------- */

static void backward_sum(rec_heap *h, rec_tensor *result, rec_tensor *grad, rec_grads *grads) {
  rec_tensor *x = result->fn->input[0], *for_x = rec_gradient(h, x);
  ky__kernels()->copy->fill((ky_dtype)x->dtype, x->count, for_x->data, rec_item(grad), 0);
  rec_drop(h, grad);
  rec_descend_into(h, x, for_x, grads);
}

rec_tensor *rec_sum(rec_heap *h, rec_tensor *x) {
  rec_tensor *const input[3] = {x, NULL, NULL};
  rec_tensor *r = rec_result(h, 0, NULL, 0, backward_sum, input);
  ky__kernels()->reduce->mean_run[x->dtype](x->count, r->data, 1, x->data);
  return rec_finish(h, r, input);
}
