/* SPDX-License-Identifier: MIT */
/* The recording functions of ops_indexing.h: those whose attributes need more than the table
 * says, and those that are made of others. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "tape/composition.h"

/* ---- by index ---------------------------------------------------------------------------- */

/* Operands a and b, an axis of the result in c. */
static ky_var along_axis(ky_tape *t, ky_draft *d, ky_var x, int64_t axis, ky_var index,
                         int rank) {
  ky__axis_from_front(&axis, rank, &d->fault);
  d->ins.a = ky__operand_id(t, d, x);
  d->ins.b = ky__operand_id(t, d, index);
  d->ins.c = (uint32_t)axis;
  return ky__record(t, d);
}

ky_var ky_gather(ky_tape *t, ky_var x, int64_t axis, ky_var index) {
  ky_draft d;
  ky__draft(&d, KY_OP_gather);
  const ky_id id = ky__operand_id(t, &d, x);
  return along_axis(t, &d, x, axis, index, id ? ky__layout(&t->code, id)->rank : 0);
}

ky_var ky_scatter_sum(ky_tape *t, ky_var x, int64_t axis, ky_var index, int rank,
                      const int64_t *dims) {
  ky_draft d;
  ky__draft(&d, KY_OP_scatter_sum);
  ky__operand_id(t, &d, x);
  ky__operand_id(t, &d, index);
  ky__draft_dims(&d, rank, dims);
  return along_axis(t, &d, x, axis, index, d.shape.rank);
}

ky_var ky_scatter_add(ky_tape *t, ky_var x, int64_t axis, ky_var index, ky_var source) {
  ky_layout to, at, from;
  if (!ky__look(t, x, "scatter_add", &to) || !ky__look(t, index, "scatter_add", &at) ||
      !ky__look(t, source, "scatter_add", &from))
    return ky_none();
  const ky_ins *ins = t->code.ins;
  if (!ky__one_dtype(t, "scatter_add", ins[x.id].dtype, ins[source.id].dtype)) return ky_none();
  if (to.rank != at.rank || to.rank != from.rank)
    return ky__refuse(t, KY_BAD_SHAPE, "scatter_add", "ranks %d, %d and %d differ", to.rank,
                      at.rank, from.rank);
  for (int k = 0; k < at.rank; k++)
    if (at.dims[k] > from.dims[k])
      return ky__refuse(t, KY_BAD_SHAPE, "scatter_add",
                        "axis %d has %lld indices for %lld elements", k, (long long)at.dims[k],
                        (long long)from.dims[k]);
  const ky_composition c = ky__begin_composition(t, "scatter_add");
  for (int k = 0; k < at.rank; k++)
    if (at.dims[k] < from.dims[k]) source = ky_slice(t, source, k, 0, at.dims[k], 1);
  const ky_var sums = ky_scatter_sum(t, source, axis, index, to.rank, to.dims);
  return ky__composed(&c, ky_add(t, x, sums));
}

/* A vector of indices as the index of a gather or scatter: along `axis` of dims, broadcast
 * along the others. Only views, and whole runs move at a time. */
static ky_var spread_index(ky_tape *t, ky_var index, int64_t n, int64_t axis, ky_layout l) {
  int64_t ones[KY_MAX_RANK];
  for (int k = 0; k < l.rank; k++) ones[k] = k == axis ? n : 1;
  l.dims[axis] = n;
  return ky_expand(t, ky_reshape(t, index, l.rank, ones), l.rank, l.dims);
}

ky_var ky_index_select(ky_tape *t, ky_var x, int64_t axis, ky_var index) {
  ky_layout l, i;
  if (!ky__look(t, x, "index_select", &l) || !ky__look(t, index, "index_select", &i) ||
      !ky__axis(t, "index_select", l.rank, &axis))
    return ky_none();
  if (i.rank > 1)
    return ky__refuse(t, KY_BAD_SHAPE, "index_select", "wants a vector of indices, got rank %d",
                      i.rank);
  const ky_composition c = ky__begin_composition(t, "index_select");
  return ky__composed(&c, ky_gather(t, x, axis, spread_index(t, index, i.count, axis, l)));
}

ky_var ky_segment_sum(ky_tape *t, ky_var x, ky_var ids, int64_t count) {
  ky_layout l, i;
  if (!ky__look(t, x, "segment_sum", &l) || !ky__look(t, ids, "segment_sum", &i))
    return ky_none();
  if (l.rank == 0 || i.rank != 1 || i.count != l.dims[0])
    return ky__refuse(t, KY_BAD_SHAPE, "segment_sum",
                      "wants a vector of ids, one for each row");
  const ky_composition c = ky__begin_composition(t, "segment_sum");
  const ky_var index = spread_index(t, ids, i.count, 0, l);
  l.dims[0] = count;
  return ky__composed(&c, ky_scatter_sum(t, x, 0, index, l.rank, l.dims));
}

ky_var ky_embedding(ky_tape *t, ky_var table, ky_var index, int64_t padding) {
  ky_draft d;
  ky__draft(&d, KY_OP_embedding);
  d.ins.a = ky__operand_id(t, &d, table);
  d.ins.b = ky__operand_id(t, &d, index);
  if (padding < -1 || padding >= UINT32_MAX)
    ky__fail(&d.fault, KY_BAD_INDEX, "padding %lld is neither -1 nor a row",
             (long long)padding);
  d.ins.c = (uint32_t)padding + 1;
  return ky__record(t, &d);
}

ky_var ky_one_hot(ky_tape *t, ky_var index, int64_t classes, ky_dtype dtype) {
  ky_draft d;
  ky__draft(&d, KY_OP_one_hot);
  d.ins.a = ky__operand_id(t, &d, index);
  if (classes < 0 || classes > UINT32_MAX)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "%lld classes", (long long)classes);
  d.ins.b = (uint32_t)classes;
  d.ins.c = (uint32_t)dtype;
  return ky__record(t, &d);
}

/* ---- by mask ----------------------------------------------------------------------------- */

ky_var ky_masked_fill(ky_tape *t, ky_var x, ky_var mask, double value) {
  ky_layout l;
  if (!ky__look(t, x, "masked_fill", &l) || !ky__look(t, mask, "masked_fill", &l))
    return ky_none();
  if (t->code.ins[mask.id].dtype != KY_MASK)
    return ky__refuse(t, KY_BAD_DTYPE, "masked_fill", "wants a mask, got %s",
                      ky_dtype_name((ky_dtype)t->code.ins[mask.id].dtype));
  const ky_composition c = ky__begin_composition(t, "masked_fill");
  const ky_var fill = ky_scalar(t, (ky_dtype)t->code.ins[x.id].dtype, value);
  return ky__composed(&c, ky_where(t, mask, fill, x));
}

/* ---- by order ---------------------------------------------------------------------------- */

/* The composition's result: x at the indices `order`, which the caller may want, too. */
static ky_var chosen(const ky_composition *c, ky_var x, int64_t axis, ky_var order,
                     ky_var *indices) {
  const ky_var r = ky__composed(c, order.id ? ky_gather(c->t, x, axis, order) : order);
  if (indices) *indices = r.id ? order : ky_none();
  return r;
}

ky_var ky_sort(ky_tape *t, ky_var x, int64_t axis, int descending, ky_var *indices) {
  if (indices) *indices = ky_none();
  if (!t) return ky_none();
  const ky_composition c = ky__begin_composition(t, "sort");
  return chosen(&c, x, axis, ky_argsort(t, x, axis, descending), indices);
}

ky_var ky_topk(ky_tape *t, ky_var x, int64_t k, int64_t axis, int largest, ky_var *indices) {
  ky_layout l;
  if (indices) *indices = ky_none();
  if (!ky__look(t, x, "topk", &l) || !ky__axis(t, "topk", l.rank, &axis)) return ky_none();
  if (k < 0 || k > l.dims[axis])
    return ky__refuse(t, KY_BAD_ARGUMENT, "topk", "%lld elements of %lld", (long long)k,
                      (long long)l.dims[axis]);
  const ky_composition c = ky__begin_composition(t, "topk");
  const ky_var order = ky_slice(t, ky_argsort(t, x, axis, largest), axis, 0, k, 1);
  return chosen(&c, x, axis, order, indices);
}
