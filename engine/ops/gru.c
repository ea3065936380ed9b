/* SPDX-License-Identifier: MIT */
/* GRU: the cell, and whole sequences. A sequence keeps its activated gates and the recurrent
 * part of the new state, which the reset gate multiplies. Gates in PyTorch's order: r, z, n. */
#include <string.h>

#include "ops/recurrent.h"
#include "ops/sequence.h"

#define GATES 3
#define SAVED 4 /* rows of n that are kept of a row */

/* ---- the cell: a what the input gives the gates, b what the state gives, c the state ----- */

ky_status ky__rule_gru_cell(ky_query *q) {
  const ky_ins *i = q->ins;
  KY_TRY(ky__need_float(q, i->a));
  KY_TRY(ky__need_same_dtype(q, i->a, i->b));
  KY_TRY(ky__need_same_dtype(q, i->a, i->c));
  const ky_layout a = *ky__layout_of(q, i->a), b = *ky__layout_of(q, i->b);
  const ky_layout h = *ky__layout_of(q, i->c);
  const int last = h.rank - 1;
  bool fits = h.rank >= 1 && a.rank == h.rank && ky__same_dims(&a, &b);
  for (int k = 0; fits && k < last; k++) fits = a.dims[k] == h.dims[k];
  if (!fits || a.dims[last] % GATES != 0 || a.dims[last] / GATES != h.dims[last])
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants gates [...,3n], twice, and a state [...,n]");
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, i->a), &h);
}

/* Operands, and scratch for one row: what is saved, the output, three adjoints. */
typedef struct cell {
  size_t rows, n, size;
  const char *x, *h, *previous;
  char *row;
} cell;

#define CELL_ROWS (SAVED + 1 + 2 * GATES + 1)

static bool take_cell(ky_frame *f, ky_id pc, cell *c) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *l = ky__layout(f->code, i->c);
  c->n = (size_t)l->dims[l->rank - 1];
  c->rows = c->n ? (size_t)l->count / c->n : 0;
  c->size = ky_dtype_size((ky_dtype)i->dtype);
  c->x = ky__dense_value(f, i->a);
  c->h = ky__dense_value(f, i->b);
  c->previous = ky__dense_value(f, i->c);
  c->row = ky__scratch(f, CELL_ROWS * c->n * c->size);
  return f->fault->status == KY_OK;
}

size_t ky__gru_cell_scratch(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *l = ky__layout(code, i->c);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype), count = (size_t)l->count;
  return 2 * ky__padded(GATES * count * size) + ky__padded(count * size) +
         ky__padded(CELL_ROWS * (size_t)l->dims[l->rank - 1] * size) + KY_ALIGN;
}

static ky_gru_rows map_row(const ky_frame *f, ky_dtype dtype, const cell *c, size_t k,
                           void *out) {
  const size_t bytes = c->n * c->size;
  ky_gru_rows r = {.rows = 1,
                   .n = c->n,
                   .x = c->x + k * GATES * bytes,
                   .h = c->h + k * GATES * bytes,
                   .previous = c->previous + k * bytes,
                   .saved = c->row,
                   .out = out};
  f->kernels->recurrent->map_gru[dtype](&r);
  return r;
}

void fwd_gru_cell(ky_frame *f, ky_id pc) {
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  const ky_place mark = ky__arena_mark(&f->scratch);
  cell c;
  if (take_cell(f, pc, &c))
    for (size_t k = 0; k < c.rows; k++)
      map_row(f, dtype, &c, k, ky__element(ky__data(f, pc), k * c.n, c.size));
  ky__arena_reset(&f->scratch, mark);
}

static void give_row(const ky_frame *f, ky_dtype dtype, ky_dest d, size_t row, size_t n,
                     const void *from) {
  if (d.ptr)
    f->kernels->copy->run(dtype, n, ky__element(d.ptr, row * n, ky_dtype_size(dtype)), 1,
                          d.beta, from, 1);
}

void vjp_gru_cell(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_dest da = ky__dest(f, i->a, i->flags & KY_WANT_A);
  const ky_dest db = ky__dest(f, i->b, i->flags & KY_WANT_B);
  const ky_dest dc = ky__dest(f, i->c, i->flags & KY_WANT_C);
  const ky_place mark = ky__arena_mark(&f->scratch);
  cell c;
  if (take_cell(f, pc, &c)) {
    const size_t bytes = c.n * c.size;
    char *out = c.row + SAVED * bytes, *x = out + bytes, *h = x + GATES * bytes;
    for (size_t k = 0; k < c.rows; k++) {
      ky_gru_rows r = map_row(f, dtype, &c, k, out);
      r.g = ky__element(ky__adjoint(f, pc), k * c.n, c.size);
      r.x_adjoint = x;
      r.h_adjoint = h;
      r.previous_adjoint = h + GATES * bytes;
      f->kernels->recurrent->pull_gru[dtype](&r);
      give_row(f, dtype, da, k, GATES * c.n, x);
      give_row(f, dtype, db, k, GATES * c.n, h);
      give_row(f, dtype, dc, k, c.n, r.previous_adjoint);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- sequences --------------------------------------------------------------------------- */

ky_status ky__rule_gru_sequence(ky_query *q) {
  int64_t dims[3];
  KY_TRY(ky__sequence_dims(q, GATES, dims));
  const ky_id x = ky__seq_operand(q->code, q->ins, KY_SEQ_X);
  const int64_t gates = GATES * dims[2];
  KY_TRY(ky__need_dims(q, "recurrent bias", ky__seq_operand(q->code, q->ins, KY_SEQ_EXTRA), 1,
                       &gates));
  ky_layout out;
  KY_TRY(ky__layout_dense(3, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  q->aux_bytes = (size_t)out.count * SAVED * ky_dtype_size(ky__dtype_of(q, x));
  return ky__answer(q, ky__dtype_of(q, x), &out);
}

/* A sequence, and where its arrays are. */
typedef struct gru {
  ky_recurrence s;
  const char *x;  /* [steps,batch,gates] */
  ky_matrix bias; /* the same in each row; null: zeros */
  char *saved;    /* aux: [steps,batch,4 n] */
  char *out;      /* result: [steps,batch,n] */
  char *h;        /* what the states give the gates, [batch,gates] */
  const void *turned;
  /* reverse */
  const char *g;
  char *x_adjoint, *h_adjoint; /* of what enters the gates, [steps,batch,gates] */
  char *state_adjoint;         /* [batch,n] */
} gru;

static bool take_gru(ky_frame *f, ky_id pc, gru *l) {
  const ky_ins *i = &f->code->ins[pc];
  *l = (gru){.s = ky__recurrence(f, pc, GATES)};
  if (l->s.batch * l->s.n == 0) return true; /* there is no aux buffer */
  l->s.state = ky__dense_value(f, ky__seq_operand(f->code, i, KY_SEQ_STATE));
  l->saved = ky__aux(f, pc);
  l->out = ky__data(f, pc);
  return f->fault->status == KY_OK;
}

size_t ky__gru_sequence_scratch(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *x = ky__layout(code, ky__seq_operand(code, i, KY_SEQ_X));
  const ky_layout *w = ky__layout(code, ky__seq_operand(code, i, KY_SEQ_W));
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const size_t states = ky__padded((size_t)(x->dims[1] * w->dims[1]) * size);
  const size_t gates = ky__padded((size_t)(x->dims[1] * x->dims[2]) * size);
  return 2 * states + gates + ky__padded((size_t)w->count * size) +
         2 * ky__padded((size_t)x->count * size) + KY_ALIGN;
}

/* Row `row` of step `t` of an array [steps,batch,columns]. */
static char *at(const gru *l, const void *base, size_t t, size_t row, size_t columns) {
  return ky__element(base, (t * l->s.batch + row) * columns, l->s.size);
}

static ky_gru_rows rows_at(const gru *l, size_t t, size_t begin, size_t end) {
  const ky_recurrence *s = &l->s;
  const char *first = s->state ? at(l, s->state, 0, begin, s->n) : NULL;
  return (ky_gru_rows){.rows = end - begin,
                       .n = s->n,
                       .previous = t ? at(l, l->out, t - 1, begin, s->n) : first,
                       .saved = at(l, l->saved, t, begin, SAVED * s->n),
                       .out = at(l, l->out, t, begin, s->n)};
}

/* Rows of the batch, through all steps. */
static void map_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const gru *l = context;
  const ky_recurrence *s = &l->s;
  const ky_matrix h = ky__rows(s, l->h, begin, s->gates);
  for (size_t t = 0; t < s->steps; t++) {
    ky_gru_rows r = rows_at(l, t, begin, end);
    r.x = at(l, l->x, t, begin, s->gates);
    r.h = h.data;
    const ky_matrix before = {(void *)(uintptr_t)r.previous, (ptrdiff_t)s->n, 1};
    const size_t depth = r.previous ? s->n : 0;
    ky__recurrent_product(s, begin, end, s->gates, depth, before,
                          ky__rows(s, l->turned, 0, s->gates), l->bias, h);
    s->f->kernels->recurrent->map_gru[s->dtype](&r);
  }
}

void fwd_gru_sequence(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_id bias = ky__seq_operand(f->code, i, KY_SEQ_EXTRA);
  const ky_place mark = ky__arena_mark(&f->scratch);
  gru l;
  if (take_gru(f, pc, &l) && l.out) {
    l.x = ky__dense_value(f, ky__seq_operand(f->code, i, KY_SEQ_X));
    if (bias) l.bias = (ky_matrix){ky__data(f, bias), 0, ky__layout(f->code, bias)->strides[0]};
    l.turned = ky__turned_weights(&l.s);
    l.h = ky__scratch(f, l.s.batch * l.s.gates * l.s.size);
    if (f->fault->status == KY_OK)
      ky__team_run(f->team, l.s.batch, ky__recurrence_grain(&l.s), map_rows, &l);
  }
  ky__arena_reset(&f->scratch, mark);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const gru *l = context;
  const ky_recurrence *s = &l->s;
  const ky_matrix state = ky__rows(s, l->state_adjoint, begin, s->n);
  for (size_t t = s->steps; t-- > 0;) {
    ky_gru_rows r = rows_at(l, t, begin, end);
    r.g = at(l, l->g, t, begin, s->n);
    r.more = t + 1 < s->steps ? state.data : NULL;
    r.x_adjoint = at(l, l->x_adjoint, t, begin, s->gates);
    r.h_adjoint = at(l, l->h_adjoint, t, begin, s->gates);
    r.previous_adjoint = state.data;
    s->f->kernels->recurrent->pull_gru[s->dtype](&r);
    if (t > 0 || s->state)
      ky__recurrent_product(s, begin, end, s->n, s->gates,
                            (ky_matrix){r.h_adjoint, (ptrdiff_t)s->gates, 1}, s->w, state,
                            state);
  }
}

/* Gradients go where they are wanted, in the order of their destinations, as operands may be
 * one value; those that the input gives the gates are those of x. */
static void give(const gru *l, const ky_dest d[KY_SEQ_OPERANDS], bool direct) {
  const ky_recurrence *s = &l->s;
  const size_t rows = s->steps * s->batch;
  if (!direct) ky__give(s, d[KY_SEQ_X], l->x_adjoint, rows * s->gates);
  ky__pull_weights(s, d[KY_SEQ_W], l->h_adjoint, l->out);
  ky__give(s, d[KY_SEQ_STATE], l->state_adjoint, s->batch * s->n);
  if (!d[KY_SEQ_EXTRA].ptr) return;
  const int64_t dims[2] = {(int64_t)rows, (int64_t)s->gates};
  ky_layout from = {.rank = 2, .dims = {dims[0], dims[1]}};
  ky_layout to = {.rank = 1, .dims = {dims[1]}};
  ky__layout_settle(&from);
  ky__layout_settle(&to);
  from = ky__dense(&from);
  to = ky__dense(&to);
  ky__sum_to(s->f, s->dtype, d[KY_SEQ_EXTRA], &to, l->h_adjoint, &from);
}

void vjp_gru_sequence(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  ky_dest d[KY_SEQ_OPERANDS];
  for (uint32_t k = 0; k < KY_SEQ_OPERANDS; k++) {
    const ky_id id = ky__seq_operand(f->code, i, k);
    d[k] = ky__dest(f, id, id && ky__wants(f->code, id));
  }
  const ky_place mark = ky__arena_mark(&f->scratch);
  gru l;
  if (take_gru(f, pc, &l)) {
    const ky_recurrence *s = &l.s;
    const size_t bytes = s->steps * s->batch * s->gates * s->size;
    const bool direct = d[KY_SEQ_X].ptr && !d[KY_SEQ_X].beta;
    l.g = ky__adjoint(f, pc);
    l.x_adjoint = direct ? d[KY_SEQ_X].ptr : ky__scratch(f, bytes);
    l.h_adjoint = ky__scratch(f, bytes);
    l.state_adjoint = ky__scratch(f, s->batch * s->n * s->size);
    if (f->fault->status == KY_OK) {
      if (bytes > 0) ky__team_run(f->team, s->batch, ky__recurrence_grain(s), pull_rows, &l);
      give(&l, d, direct);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}
