/* SPDX-License-Identifier: MIT */
/* nll: minus the element of each row that a class index names. One element a row is touched, so
 * there is no kernel; the rule is cross entropy's. */
#include <string.h>

#include "kytape/ops.h"
#include "ops/family.h"

ky_status ky__rule_nll(ky_query *q) {
  KY_TRY(ky__rule_cross_entropy(q));
  q->aux_bytes = 0;
  return KY_OK;
}

/* Rows of the operand one after the other, with their labels. */
typedef struct rows {
  ky_loop loop; /* over the labels: array 0 dense, 1 the rows, 2 the labels */
  ky_walk walk;
  int64_t at; /* within the innermost run */
  int64_t classes, step;
  int64_t row;   /* its number */
  int64_t label; /* its class */
  int64_t place; /* of the labelled element in the operand */
} rows;

static void plan_rows(const ky_frame *f, const ky_ins *i, rows *p) {
  const ky_layout *x = ky__layout(f->code, i->a), *labels = ky__layout(f->code, i->b);
  const ky_layout dense = ky__dense(labels);
  int64_t strides[3][KY_MAX_RANK];
  for (int k = 0; k < labels->rank; k++) {
    strides[0][k] = dense.strides[k];
    strides[1][k] = x->strides[k];
    strides[2][k] = labels->strides[k];
  }
  ky__loop_plan(&p->loop, labels, 3, strides);
  p->walk = (ky_walk){0};
  p->at = 0;
  p->classes = x->dims[x->rank - 1];
  p->step = x->strides[x->rank - 1];
}

/* Moves on to the next row; false behind the last, and after a fault: a label is the caller's,
 * and may have changed since the forward sweep. There must be rows. */
static bool next_row(ky_frame *f, const ky_ins *i, rows *p) {
  const int last = p->loop.rank - 1;
  if (p->at == p->loop.dims[last]) {
    if (!ky__loop_next(&p->loop, &p->walk)) return false;
    p->at = 0;
  }
  const void *labels = ky__data(f, i->b);
  const int64_t from = p->walk.offset[2] + p->at * p->loop.strides[2][last];
  p->label = f->code->ins[i->b].dtype == KY_I32 ? ((const int32_t *)labels)[from]
                                                : ((const int64_t *)labels)[from];
  p->row = p->walk.offset[0] + p->at * p->loop.strides[0][last];
  if (p->label < 0 || p->label >= p->classes) {
    ky__fail(f->fault, KY_BAD_INDEX, "label %lld of row %lld is not in 0..%lld",
             (long long)p->label, (long long)p->row, (long long)(p->classes - 1));
    return false;
  }
  p->place = p->walk.offset[1] + p->at * p->loop.strides[1][last] + p->label * p->step;
  p->at++;
  return true;
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
  if (count > 0) {
    rows p;
    plan_rows(f, i, &p);
    while (next_row(f, i, &p)) {
      const double loss = -get(ky__data(f, i->a), dtype, p.place);
      if (reduction == KY_REDUCE_NONE) put(ky__data(f, pc), dtype, p.row, loss);
      total += loss;
    }
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
  if (count == 0) return;
  const ky_reduction reduction = (ky_reduction)i->c;
  const double weight = reduction == KY_REDUCE_MEAN ? 1 / (double)count : 1;
  const void *g = ky__adjoint(f, pc);
  rows p;
  plan_rows(f, i, &p);
  while (next_row(f, i, &p)) {
    const int64_t at = p.row * p.classes + p.label;
    const double one = get(g, dtype, reduction == KY_REDUCE_NONE ? p.row : 0);
    put(d.ptr, dtype, at, get(d.ptr, dtype, at) - weight * one);
  }
}
