/* SPDX-License-Identifier: MIT */
/* Operations that surround or cut off: pad, tril and triu. A row of the result is some runs of
 * a row of the operand, and the rest is one value; their adjoints move the same runs the other
 * way. */
#include <string.h>

#include "kytape/ops.h"
#include "ops/family.h"

/* Row `row` of `space`, its last axis aside. */
static void stand_at(const ky_layout *space, size_t row, int64_t index[KY_MAX_RANK]) {
  for (int k = space->rank - 1; k-- > 0;) {
    index[k] = (int64_t)row % space->dims[k];
    row /= (size_t)space->dims[k];
  }
}

/* Moves on to the next row of `space`, its last axis aside; false behind the last. */
static bool next_row(const ky_layout *space, int64_t index[KY_MAX_RANK]) {
  for (int k = space->rank - 1; k-- > 0;) {
    if (++index[k] < space->dims[k]) return true;
    index[k] = 0;
  }
  return false;
}

/* ---- triangles --------------------------------------------------------------------------- */

ky_status ky__rule_triangle(ky_query *q) {
  const int rank = ky__layout_of(q, q->ins->a)->rank;
  if (rank < 2) return ky__fail(q->fault, KY_BAD_SHAPE, "wants a matrix, got rank %d", rank);
  q->klass = KY_GENERAL;
  return ky__answer_like(q, ky__dtype_of(q, q->ins->a), q->ins->a);
}

static int64_t between(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

/* to = beta to + the triangle of from, to dense; nothing outside of it. */
typedef struct triangle {
  const ky_frame *f;
  const ky_layout *space;
  ky_dtype dtype;
  bool lower;
  int64_t diagonal;
  char *to;
  int beta;
  const char *from;
  const int64_t *strides; /* of from */
} triangle;

static void move_row(const triangle *t, const int64_t *index, char *row) {
  const int64_t size = (int64_t)ky_dtype_size(t->dtype);
  const int column = t->space->rank - 1;
  const int64_t n = t->space->dims[column], on = index[column - 1] + t->diagonal;
  const int64_t low = t->lower ? 0 : between(on, 0, n);
  const int64_t high = t->lower ? between(on + 1, 0, n) : n;
  int64_t offset = low * t->strides[column];
  for (int k = 0; k < column; k++) offset += index[k] * t->strides[k];
  if (!t->beta) {
    memset(row, 0, (size_t)(low * size));
    memset(row + high * size, 0, (size_t)((n - high) * size));
  }
  if (low < high)
    t->f->kernels->copy->run(t->dtype, (size_t)(high - low), row + low * size, 1, t->beta,
                             t->from + offset * size, t->strides[column]);
}

static void move_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const triangle *t = context;
  const size_t bytes = (size_t)t->space->dims[t->space->rank - 1] * ky_dtype_size(t->dtype);
  int64_t index[KY_MAX_RANK] = {0};
  stand_at(t->space, begin, index);
  for (size_t row = begin; row < end; row++, next_row(t->space, index))
    move_row(t, index, t->to + row * bytes);
}

static void move_triangle(const ky_frame *f, ky_id pc, bool lower, void *to, int beta,
                          const void *from, const int64_t *strides) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *space = ky__layout(f->code, pc);
  if (space->count == 0) return;
  triangle t = {f,          space, (ky_dtype)i->dtype, lower,  (int32_t)i->b,
                (char *)to, beta,  (const char *)from, strides};
  const size_t n = (size_t)space->dims[space->rank - 1];
  ky__team_run(f->team, (size_t)space->count / n, ky__grain_of(f, n), move_rows, &t);
}

static void keep_triangle(ky_frame *f, ky_id pc, bool lower) {
  const ky_id a = f->code->ins[pc].a;
  move_triangle(f, pc, lower, ky__data(f, pc), 0, ky__data(f, a),
                ky__layout(f->code, a)->strides);
}

static void pull_triangle(ky_frame *f, ky_id pc, bool lower) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  move_triangle(f, pc, lower, d.ptr, d.beta, ky__adjoint(f, pc),
                ky__layout(f->code, pc)->strides);
}

void fwd_tril(ky_frame *f, ky_id pc) { keep_triangle(f, pc, true); }

void vjp_tril(ky_frame *f, ky_id pc) { pull_triangle(f, pc, true); }

void fwd_triu(ky_frame *f, ky_id pc) { keep_triangle(f, pc, false); }

void vjp_triu(ky_frame *f, ky_id pc) { pull_triangle(f, pc, false); }

/* ---- pad: what stands where -------------------------------------------------------------- */

static ky_pad_mode mode_of(const ky_ins *i) { return (ky_pad_mode)(i->c & 0xffu); }

/* How an axis is padded: `before` elements, the operand's, `after` more. */
typedef struct border {
  int64_t before, inside, after;
  int64_t first_before, first_after; /* the operand's position that the first element shows */
  int64_t step;                      /* from one to the next */
} border;

static border border_of(const ky_code *code, ky_id pc, int axis) {
  const ky_ins *i = &code->ins[pc];
  const int64_t *words = &code->pool[i->b + 2 * (uint32_t)axis];
  border b = {
      .before = words[0], .inside = ky__layout(code, i->a)->dims[axis], .after = words[1]};
  switch (mode_of(i)) {
  case KY_PAD_CONSTANT: break;
  case KY_PAD_REFLECT:
    b.first_before = b.before;
    b.first_after = b.inside - 2;
    b.step = -1;
    break;
  case KY_PAD_REPLICATE: b.first_after = b.inside - 1; break;
  case KY_PAD_CIRCULAR:
    b.first_before = b.inside - b.before;
    b.step = 1;
    break;
  }
  return b;
}

/* The operand's position that element `at` of a padded axis shows; -1 for the constant. */
static int64_t shown(const border *b, ky_pad_mode mode, int64_t at) {
  if (at >= b->before && at < b->before + b->inside) return at - b->before;
  if (mode == KY_PAD_CONSTANT) return -1;
  return at < b->before ? b->first_before + at * b->step
                        : b->first_after + (at - b->before - b->inside) * b->step;
}

static ky_status need_fit(const ky_query *q, int axis, int64_t inside, int64_t before,
                          int64_t after) {
  const ky_pad_mode mode = mode_of(q->ins);
  const int64_t most = before > after ? before : after;
  if (before < 0 || after < 0 || most > INT64_MAX / 16)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "padding %lld and %lld of axis %d",
                    (long long)before, (long long)after, axis);
  const int64_t room = mode == KY_PAD_REFLECT    ? inside - 1
                       : mode == KY_PAD_CIRCULAR ? inside
                                                 : INT64_MAX;
  if (mode == KY_PAD_CONSTANT || most == 0 || (inside > 0 && most <= room)) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "axis %d of extent %lld cannot be padded by %lld",
                  axis, (long long)inside, (long long)most);
}

/* An integer dtype must be able to hold the constant. */
static ky_status need_value(const ky_query *q, ky_dtype dtype, double value) {
  const double low = dtype == KY_I32 ? INT32_MIN : dtype == KY_I64 ? -0x1p63 : 0;
  const double high = dtype == KY_I32 ? INT32_MAX : dtype == KY_I64 ? 0x1p63 - 1024 : 1;
  if (ky__is_float(dtype)) return KY_OK;
  if (value >= low && value <= high && value == (double)(int64_t)value) return KY_OK;
  return ky__fail(q->fault, KY_BAD_ARGUMENT, "%s cannot hold %g", ky_dtype_name(dtype), value);
}

ky_status ky__rule_pad(ky_query *q) {
  const ky_ins *i = q->ins;
  ky_layout out = *ky__layout_of(q, i->a);
  const int64_t *words = &q->code->pool[i->b];
  if (mode_of(i) > KY_PAD_CIRCULAR)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "unknown mode %d", (int)mode_of(i));
  if (i->c >> 8 != (uint32_t)out.rank)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "padding of %u axes for a value of rank %d",
                    (unsigned)(i->c >> 8), out.rank);
  if (mode_of(i) == KY_PAD_CONSTANT)
    KY_TRY(need_value(q, ky__dtype_of(q, i->a),
                      ky__pool_f64(q->code, i->b + 2 * (uint32_t)out.rank)));
  for (int k = 0; k < out.rank; k++) {
    KY_TRY(need_fit(q, k, out.dims[k], words[2 * k], words[2 * k + 1]));
    out.dims[k] += words[2 * k] + words[2 * k + 1];
  }
  const ky_layout wanted = out;
  KY_TRY(ky__layout_dense(wanted.rank, wanted.dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, i->a), &out);
}

/* ---- pad: moving rows -------------------------------------------------------------------- */

/* The rows of a padded value and what they show of an operand-shaped array. */
typedef struct rows {
  const ky_frame *f;
  ky_dtype dtype;
  ky_pad_mode mode;
  const ky_layout *space; /* of the result */
  border border[KY_MAX_RANK];
  const int64_t *strides; /* of the operand-shaped array */
  size_t unit;            /* rows that one thread takes together */
  char *shown;            /* the operand-shaped array, */
  char *padded;           /* and that of the result's shape */
  bool empty;             /* there is nothing to show */
  int beta;
  ky_word value; /* of constants */
} rows;

static rows rows_of(const ky_frame *f, ky_id pc, const int64_t *strides) {
  const ky_ins *i = &f->code->ins[pc];
  rows r = {.f = f,
            .dtype = (ky_dtype)i->dtype,
            .mode = mode_of(i),
            .space = ky__layout(f->code, pc),
            .strides = strides,
            .unit = 1};
  for (int k = 0; k < r.space->rank; k++) r.border[k] = border_of(f->code, pc, k);
  return r;
}

static void share_rows(const rows *r, ky_job *job) {
  const size_t n = (size_t)r->space->dims[r->space->rank - 1] * r->unit;
  ky__team_run(r->f->team, (size_t)r->space->count / n, ky__grain_of(r->f, n), job,
               (void *)(uintptr_t)r);
}

/* Where a row's operand row starts, in elements; false for a row of constants. */
static bool find_row(const rows *r, const int64_t *index, int64_t *offset) {
  *offset = 0;
  for (int k = 0; k + 1 < r->space->rank; k++) {
    const int64_t at = shown(&r->border[k], r->mode, index[k]);
    if (at < 0) return false;
    *offset += at * r->strides[k];
  }
  return true;
}

static void pad_row(const rows *r, const int64_t *index, char *to) {
  ky_copy_run_kernel *const run = r->f->kernels->copy->run;
  const int last = r->space->rank - 1;
  const border *b = &r->border[last];
  const int64_t size = (int64_t)ky_dtype_size(r->dtype), stride = r->strides[last];
  const int64_t step = b->step * stride;
  int64_t offset;
  const bool constant = r->empty || !find_row(r, index, &offset);
  const bool edges = !constant && r->mode != KY_PAD_CONSTANT;
  const char *value = (const char *)&r->value;
  const char *row = constant ? value : r->shown + offset * size;
  const char *before = edges ? row + b->first_before * stride * size : value;
  const char *after = edges ? row + b->first_after * stride * size : value;
  run(r->dtype, (size_t)b->before, to, 1, 0, before, edges ? step : 0);
  to += b->before * size;
  run(r->dtype, (size_t)b->inside, to, 1, 0, row, constant ? 0 : stride);
  to += b->inside * size;
  run(r->dtype, (size_t)b->after, to, 1, 0, after, edges ? step : 0);
}

static void pad_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const rows *r = context;
  const size_t bytes = (size_t)r->space->dims[r->space->rank - 1] * ky_dtype_size(r->dtype);
  int64_t index[KY_MAX_RANK] = {0};
  stand_at(r->space, begin, index);
  for (size_t row = begin; row < end; row++, next_row(r->space, index))
    pad_row(r, index, r->padded + row * bytes);
}

void fwd_pad(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *operand = ky__layout(f->code, i->a);
  rows r = rows_of(f, pc, operand->strides);
  r.shown = ky__data(f, i->a);
  r.padded = ky__data(f, pc);
  r.empty = operand->count == 0;
  if (r.space->count == 0) return;
  if (r.space->rank == 0) {
    memcpy(r.padded, r.shown, ky_dtype_size(r.dtype));
    return;
  }
  f->kernels->copy->fill(r.dtype, 1, &r.value,
                         ky__pool_f64(f->code, i->b + 2 * (uint32_t)r.space->rank), 0);
  share_rows(&r, pad_rows);
}

/* to[k step] += g[k], one after the other where they meet in one place. */
static void add_edge(const rows *r, int64_t n, char *to, int64_t step, const char *g) {
  ky_copy_run_kernel *const run = r->f->kernels->copy->run;
  const int64_t size = (int64_t)ky_dtype_size(r->dtype);
  if (step != 0) {
    run(r->dtype, (size_t)n, to, step, 1, g, 1);
    return;
  }
  for (int64_t k = 0; k < n; k++) run(r->dtype, 1, to, 1, 1, g + k * size, 1);
}

static void pull_row(const rows *r, const int64_t *index, const char *g) {
  const border *b = &r->border[r->space->rank - 1];
  const int64_t size = (int64_t)ky_dtype_size(r->dtype);
  const bool once = r->mode == KY_PAD_CONSTANT; /* each element is shown once */
  int64_t offset;
  if (!find_row(r, index, &offset)) return;
  char *row = r->shown + offset * size;
  const char *inside = g + b->before * size, *after = inside + b->inside * size;
  r->f->kernels->copy->run(r->dtype, (size_t)b->inside, row, 1, once ? r->beta : 1, inside, 1);
  if (once) return;
  add_edge(r, b->before, row + b->first_before * size, b->step, g);
  add_edge(r, b->after, row + b->first_after * size, b->step, after);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const rows *r = context;
  const size_t bytes = (size_t)r->space->dims[r->space->rank - 1] * ky_dtype_size(r->dtype);
  int64_t index[KY_MAX_RANK] = {0};
  stand_at(r->space, begin * r->unit, index);
  for (size_t row = begin * r->unit; row < end * r->unit; row++, next_row(r->space, index))
    pull_row(r, index, r->padded + row * bytes);
}

/* Rows that may show the same row of the operand: all but those apart on leading axes that are
 * not padded. */
static size_t rows_together(const rows *r) {
  if (r->mode == KY_PAD_CONSTANT) return 1;
  size_t together = 1;
  int k = 0;
  while (k + 1 < r->space->rank && r->border[k].before == 0 && r->border[k].after == 0) k++;
  for (; k + 1 < r->space->rank; k++) together *= (size_t)r->space->dims[k];
  return together;
}

void vjp_pad(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout target = ky__dense(ky__layout(f->code, i->a));
  rows r = rows_of(f, pc, target.strides);
  if (target.count == 0) return;
  r.shown = d.ptr;
  r.padded = (char *)(uintptr_t)ky__adjoint(f, pc);
  r.beta = d.beta;
  if (r.space->rank == 0) {
    f->kernels->copy->run(r.dtype, 1, d.ptr, 1, d.beta, r.padded, 1);
    return;
  }
  if (r.mode != KY_PAD_CONSTANT && !d.beta)
    ky__clear(f, d.ptr, (size_t)target.count * ky_dtype_size(r.dtype));
  r.unit = rows_together(&r);
  share_rows(&r, pull_rows);
}
