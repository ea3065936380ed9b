/* SPDX-License-Identifier: MIT */
/* nll: minus the element of each row that a class index names. One element a row is touched, so
 * there is no kernel; the rule is cross entropy's. */
#include <string.h>

#include "kytape/ops.h"
#include "ops/labelled.h"

ky_status ky__rule_nll(ky_query *q) {
  KY_TRY(ky__rule_cross_entropy(q));
  q->aux_bytes = 0;
  return KY_OK;
}

static double get(const void *array, ky_dtype dtype, int64_t at) {
  return dtype == KY_F64 ? ((const double *)array)[at] : (double)((const float *)array)[at];
}

static void put(void *array, ky_dtype dtype, int64_t at, double value) {
  if (dtype == KY_F64)
    ((double *)array)[at] = value;
  else
    ((float *)array)[at] = (float)value;
}

void fwd_nll(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const int64_t count = ky__layout(f->code, i->b)->count;
  const ky_reduction reduction = (ky_reduction)i->c;
  double total = 0;
  ky_batch b;
  ky__batches(f, i->a, i->b, &b);
  while (count > 0 && ky__next_batch(f, &b))
    for (size_t k = 0; k < b.rows; k++) {
      const int64_t at = (int64_t)k * b.pitch.row + b.label[k] * b.pitch.step;
      const double loss = -get(b.data, dtype, at);
      if (reduction == KY_REDUCE_NONE) put(ky__data(f, pc), dtype, b.first + (int64_t)k, loss);
      total += loss;
    }
  if (reduction != KY_REDUCE_NONE)
    put(ky__data(f, pc), dtype, 0, reduction == KY_REDUCE_MEAN ? total / (double)count : total);
}

void vjp_nll(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  if (!d.beta)
    memset(d.ptr, 0, (size_t)ky__layout(f->code, i->a)->count * ky_dtype_size(dtype));
  const int64_t count = ky__layout(f->code, i->b)->count;
  const ky_reduction reduction = (ky_reduction)i->c;
  const double weight = reduction == KY_REDUCE_MEAN ? 1 / (double)count : 1;
  const void *g = ky__adjoint(f, pc);
  const ky_layout *x = ky__layout(f->code, i->a);
  const int64_t classes = x->dims[x->rank - 1];
  ky_batch b;
  ky__batches(f, i->a, i->b, &b);
  while (count > 0 && ky__next_batch(f, &b))
    for (size_t k = 0; k < b.rows; k++) {
      const int64_t row = b.first + (int64_t)k, at = row * classes + b.label[k];
      const double one = get(g, dtype, reduction == KY_REDUCE_NONE ? row : 0);
      put(d.ptr, dtype, at, get(d.ptr, dtype, at) - weight * one);
    }
}
