/* SPDX-License-Identifier: MIT */
/* Operations that move elements without computing: reshape, permute, slice, expand, concat,
 * stop_gradient, for any dtype. A result shares its operand's memory wherever strides can say
 * where its elements are. The exception is rank 0 on either side: such a value lives in a word
 * of the frame, and words move when the frame grows, so nothing may point at one. */
#include <string.h>

#include "ops/family.h"

#define SAY_DIMS 192 /* bytes that hold any dims in words */

/* ---- views ------------------------------------------------------------------------------- */

/* Answers with `layout`, a view of the operand unless a value of rank 0 is involved. */
static ky_status answer_moved(ky_query *q, const ky_layout *layout) {
  const ky_id a = q->ins->a;
  const int rank = ky__layout_of(q, a)->rank;
  q->klass = rank == 0 && layout->rank == 0 ? KY_POINT : KY_GENERAL;
  if (rank == 0 || layout->rank == 0) return ky__answer(q, ky__dtype_of(q, a), layout);
  return ky__answer_view(q, ky__dtype_of(q, a), layout);
}

/* Lets the value of `pc` start `offset` elements into its operand. */
static void refer(ky_frame *f, ky_id pc, int64_t offset) {
  const ky_ins *i = &f->code->ins[pc];
  char *base = ky__data(f, i->a);
  const int64_t bytes = offset * (int64_t)ky_dtype_size((ky_dtype)i->dtype);
  f->val[pc].ptr = bytes ? base + bytes : base; /* an empty base may be null */
}

/* Refers to the operand, or copies it in the index space of `space`. */
static void refer_or_copy(ky_frame *f, ky_id pc, const ky_layout *space,
                          const int64_t *operand_strides) {
  const ky_ins *i = &f->code->ins[pc];
  if (i->flags & KY_VIEW) {
    refer(f, pc, 0);
    return;
  }
  const ky_layout dense = ky__dense(space);
  ky__copy(f, (ky_dtype)i->dtype, space, ky__data(f, pc), dense.strides, 0, ky__data(f, i->a),
           operand_strides);
}

/* ---- stop_gradient ----------------------------------------------------------------------- */

ky_status ky__rule_same(ky_query *q) {
  const ky_layout operand = *ky__layout_of(q, q->ins->a);
  return answer_moved(q, &operand);
}

void fwd_stop_gradient(ky_frame *f, ky_id pc) {
  const ky_layout *operand = ky__layout(f->code, f->code->ins[pc].a);
  refer_or_copy(f, pc, operand, operand->strides);
}

/* ---- reshape ----------------------------------------------------------------------------- */

/* Whether `to`, a dense layout of as many elements, can lie over the memory of `from`; sets its
 * strides then. Both are cut into the shortest runs of axes with equal products; a run of
 * `from` must be evenly spaced in memory to be cut anew (NumPy's rule for a reshape without a
 * copy). */
static bool lay_over(const ky_layout *from, ky_layout *to) {
  if (from->dense || from->count == 0) return true;
  int64_t dims[KY_MAX_RANK], strides[KY_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < from->rank; k++) {
    if (from->dims[k] == 1) continue;
    dims[rank] = from->dims[k];
    strides[rank++] = from->strides[k];
  }
  for (int m = 0, n = 0; m < rank;) {
    int m_end = m + 1, n_end = n + 1;
    int64_t have = dims[m], want = to->dims[n];
    while (have != want)
      if (want < have)
        want *= to->dims[n_end++];
      else
        have *= dims[m_end++];
    for (int k = m; k + 1 < m_end; k++)
      if (strides[k] != strides[k + 1] * dims[k + 1]) return false;
    to->strides[n_end - 1] = strides[m_end - 1];
    for (int k = n_end - 1; k > n; k--) to->strides[k - 1] = to->strides[k] * to->dims[k];
    m = m_end;
    n = n_end;
  }
  return true;
}

/* The dims asked for as a dense layout, an extent of -1 worked out from `count`. */
static ky_status infer_dims(const ky_query *q, int64_t count, ky_layout *out) {
  char place[SAY_DIMS];
  ky_text text = {place, sizeof place, 0};
  ky__say_dims(&text, q->shape);
  ky_layout known = *q->shape;
  int inferred = -1;
  for (int k = 0; k < known.rank; k++) {
    if (known.dims[k] != -1) continue;
    if (inferred >= 0)
      return ky__fail(q->fault, KY_BAD_SHAPE, "%s has more than one -1", place);
    inferred = k;
    known.dims[k] = 1;
  }
  KY_TRY(ky__layout_dense(known.rank, known.dims, out, q->fault));
  if (inferred >= 0) {
    if (out->count == 0)
      return ky__fail(q->fault, KY_BAD_SHAPE, "the -1 in %s could be anything", place);
    known.dims[inferred] = count / out->count;
    KY_TRY(ky__layout_dense(known.rank, known.dims, out, q->fault));
  }
  if (out->count == count) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "%lld elements do not fit %s", (long long)count,
                  place);
}

ky_status ky__rule_reshape(ky_query *q) {
  const ky_layout operand = *ky__layout_of(q, q->ins->a);
  ky_layout out;
  KY_TRY(infer_dims(q, operand.count, &out));
  if (lay_over(&operand, &out)) return answer_moved(q, &out);
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &out);
}

void fwd_reshape(ky_frame *f, ky_id pc) {
  const ky_layout *operand = ky__layout(f->code, f->code->ins[pc].a);
  refer_or_copy(f, pc, operand, operand->strides);
}

void vjp_reshape(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  ky__copy_run(f, (ky_dtype)i->dtype, (size_t)ky__layout(f->code, pc)->count, d.ptr, d.beta,
               ky__adjoint(f, pc));
}

/* ---- permute ----------------------------------------------------------------------------- */

static int source_axis(const ky_ins *i, int k) { return (int)(i->b >> 4 * k & 15u); }

ky_status ky__rule_permute(ky_query *q) {
  const ky_ins *i = q->ins;
  const ky_layout operand = *ky__layout_of(q, i->a);
  if (i->c != (uint32_t)operand.rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "%u axes for a value of rank %d", (unsigned)i->c,
                    operand.rank);
  ky_layout out = operand;
  unsigned met = 0;
  for (int k = 0; k < operand.rank; k++) {
    const int axis = source_axis(i, k);
    if (axis >= operand.rank)
      return ky__fail(q->fault, KY_BAD_AXIS, "axis %d is not in 0..%d", axis, operand.rank - 1);
    if (met >> axis & 1u) return ky__fail(q->fault, KY_BAD_AXIS, "axis %d is repeated", axis);
    met |= 1u << axis;
    out.dims[k] = operand.dims[axis];
    out.strides[k] = operand.strides[axis];
  }
  return answer_moved(q, &out);
}

void fwd_permute(ky_frame *f, ky_id pc) {
  const ky_layout *operand = ky__layout(f->code, f->code->ins[pc].a);
  refer_or_copy(f, pc, operand, operand->strides);
}

void vjp_permute(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout *space = ky__layout(f->code, pc);
  const ky_layout dense = ky__dense(space), target = ky__dense(ky__layout(f->code, i->a));
  int64_t strides[KY_MAX_RANK];
  for (int k = 0; k < space->rank; k++) strides[k] = target.strides[source_axis(i, k)];
  ky__copy(f, (ky_dtype)i->dtype, space, d.ptr, strides, d.beta, ky__adjoint(f, pc),
           dense.strides);
}

/* ---- slice ------------------------------------------------------------------------------- */

/* The positions that a slice takes: count of them, from start on, none outside of the axis. */
typedef struct positions {
  int axis;
  int64_t start, step, count;
} positions;

static int64_t bounded(int64_t at, int64_t extent, int64_t low, int64_t high) {
  if (at < 0) at += extent;
  return at < low ? low : at > high ? high : at;
}

/* Python's reading of the pool's axis, start, stop, step, of which axis and step were checked.
 * Where the step is never taken it becomes 1, so that it overflows nothing. */
static positions positions_of(const ky_code *code, const ky_ins *i) {
  const int64_t *word = &code->pool[i->b];
  const int64_t extent = ky__layout(code, i->a)->dims[word[0]], step = word[3];
  const bool down = step < 0;
  const int64_t low = down ? -1 : 0, high = down ? extent - 1 : extent;
  const int64_t start = bounded(word[1], extent, low, high);
  const int64_t stop = bounded(word[2], extent, low, high);
  const int64_t distance = down ? start - stop : stop - start;
  const uint64_t stride = down ? 0 - (uint64_t)step : (uint64_t)step;
  const int64_t count = distance > 0 ? (int64_t)((uint64_t)(distance - 1) / stride) + 1 : 0;
  return (positions){(int)word[0], count ? start : 0, count > 1 ? step : 1, count};
}

ky_status ky__rule_slice(ky_query *q) {
  const int64_t *word = &q->code->pool[q->ins->b];
  ky_layout out = *ky__layout_of(q, q->ins->a);
  if (word[0] < 0 || word[0] >= out.rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %lld of a value of rank %d",
                    (long long)word[0], out.rank);
  if (word[3] == 0) return ky__fail(q->fault, KY_BAD_ARGUMENT, "the step is 0");
  const positions p = positions_of(q->code, q->ins);
  out.dims[p.axis] = p.count;
  out.strides[p.axis] *= p.step;
  return answer_moved(q, &out);
}

void fwd_slice(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const positions p = positions_of(f->code, i);
  const bool empty = ky__layout(f->code, pc)->count == 0;
  refer(f, pc, empty ? 0 : p.start * ky__layout(f->code, i->a)->strides[p.axis]);
}

void vjp_slice(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const size_t size = ky_dtype_size(dtype);
  const ky_layout *space = ky__layout(f->code, pc);
  const ky_layout dense = ky__dense(space), target = ky__dense(ky__layout(f->code, i->a));
  if (!d.beta) ky__clear(f, d.ptr, (size_t)target.count * size);
  if (space->count == 0) return;
  const positions p = positions_of(f->code, i);
  int64_t strides[KY_MAX_RANK];
  memcpy(strides, target.strides, sizeof strides);
  strides[p.axis] *= p.step;
  char *first = (char *)d.ptr + p.start * target.strides[p.axis] * (int64_t)size;
  ky__copy(f, dtype, space, first, strides, d.beta, ky__adjoint(f, pc), dense.strides);
}

/* ---- expand ------------------------------------------------------------------------------ */

ky_status ky__rule_expand(ky_query *q) {
  const ky_layout operand = *ky__layout_of(q, q->ins->a);
  ky_layout out;
  KY_TRY(ky__layout_dense(q->shape->rank, q->shape->dims, &out, q->fault));
  const int lead = out.rank - operand.rank;
  bool fits = lead >= 0;
  for (int k = 0; k < operand.rank && fits; k++)
    fits = operand.dims[k] == 1 || operand.dims[k] == out.dims[k + lead];
  if (!fits) {
    char place[SAY_DIMS];
    ky_text text = {place, sizeof place, 0};
    ky__say_dims(&text, &out);
    return ky__fail(q->fault, KY_BAD_SHAPE, "does not broadcast to %s", place);
  }
  ky__broadcast_strides(&operand, &out, out.strides);
  return answer_moved(q, &out);
}

void fwd_expand(ky_frame *f, ky_id pc) {
  const ky_layout *space = ky__layout(f->code, pc);
  int64_t strides[KY_MAX_RANK];
  ky__broadcast_strides(ky__layout(f->code, f->code->ins[pc].a), space, strides);
  refer_or_copy(f, pc, space, strides);
}

void vjp_expand(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  ky__sum_to(f, (ky_dtype)i->dtype, d, ky__layout(f->code, i->a), ky__adjoint(f, pc),
             ky__layout(f->code, pc));
}

/* ---- concat ------------------------------------------------------------------------------ */

static ky_id part(const ky_code *code, const ky_ins *i, uint32_t k) {
  return (ky_id)code->pool[i->b + k];
}

/* Operand k must be like the first one, but for its extent along `axis`. */
static ky_status need_alike(const ky_query *q, uint32_t k, int axis) {
  const ky_id first = part(q->code, q->ins, 0), id = part(q->code, q->ins, k);
  const ky_dtype wanted = ky__dtype_of(q, first), dtype = ky__dtype_of(q, id);
  if (dtype != wanted)
    return ky__fail(q->fault, KY_BAD_DTYPE, "operand %u is %s, operand 0 is %s", (unsigned)k,
                    ky_dtype_name(dtype), ky_dtype_name(wanted));
  const ky_layout *l0 = ky__layout_of(q, first), *lk = ky__layout_of(q, id);
  bool alike = l0->rank == lk->rank;
  for (int n = 0; n < l0->rank && alike; n++) alike = n == axis || l0->dims[n] == lk->dims[n];
  if (alike) return KY_OK;
  char place[2 * SAY_DIMS];
  ky_text text = {place, sizeof place, 0};
  ky__say(&text, "operand %u is ", (unsigned)k);
  ky__say_dims(&text, lk);
  ky__say(&text, ", operand 0 is ");
  ky__say_dims(&text, l0);
  return ky__fail(q->fault, KY_BAD_SHAPE, "%s: only axis %d may differ", place, axis);
}

ky_status ky__rule_concat(ky_query *q) {
  const ky_ins *i = q->ins;
  if (i->c == 0) return ky__fail(q->fault, KY_BAD_ARGUMENT, "no operands");
  const ky_id first = part(q->code, i, 0);
  const int64_t axis = q->code->pool[i->b + i->c];
  ky_layout out = *ky__layout_of(q, first);
  if (axis < 0 || axis >= out.rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %lld of a value of rank %d", (long long)axis,
                    out.rank);
  for (uint32_t k = 1; k < i->c; k++) {
    KY_TRY(need_alike(q, k, (int)axis));
    const int64_t extent = ky__layout_of(q, part(q->code, i, k))->dims[axis];
    if (extent > INT64_MAX - out.dims[axis]) /* views of one element can be this large */
      return ky__fail(q->fault, KY_BAD_SHAPE, "the extent of axis %lld overflows at operand %u",
                      (long long)axis, (unsigned)k);
    out.dims[axis] += extent;
  }
  const ky_layout wanted = out;
  KY_TRY(ky__layout_dense(wanted.rank, wanted.dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, first), &out);
}

void fwd_concat(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *whole = ky__layout(f->code, pc);
  const int64_t axis = f->code->pool[i->b + i->c];
  const int64_t stride = whole->strides[axis] * (int64_t)ky_dtype_size((ky_dtype)i->dtype);
  char *at = ky__data(f, pc);
  for (uint32_t k = 0; k < i->c; k++) {
    const ky_id id = part(f->code, i, k);
    const ky_layout *operand = ky__layout(f->code, id);
    if (operand->count == 0) continue;
    ky__copy(f, (ky_dtype)i->dtype, operand, at, whole->strides, 0, ky__data(f, id),
             operand->strides);
    at += operand->dims[axis] * stride;
  }
}

void vjp_concat(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *whole = ky__layout(f->code, pc);
  const int64_t axis = f->code->pool[i->b + i->c];
  const int64_t stride = whole->strides[axis] * (int64_t)ky_dtype_size((ky_dtype)i->dtype);
  const char *g = ky__adjoint(f, pc);
  for (uint32_t k = 0; k < i->c; k++) {
    const ky_id id = part(f->code, i, k);
    const ky_layout dense = ky__dense(ky__layout(f->code, id));
    const ky_dest d = ky__dest(f, id, ky__wants(f->code, id));
    if (dense.count == 0) continue;
    if (d.ptr)
      ky__copy(f, (ky_dtype)i->dtype, &dense, d.ptr, dense.strides, d.beta, g, whole->strides);
    g += dense.dims[axis] * stride;
  }
}
