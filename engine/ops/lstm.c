/* SPDX-License-Identifier: MIT */
/* LSTM: the cell, and whole sequences. A sequence keeps its activated gates and cell states for
 * the reverse sweep, which leaves the gates' gradients of all steps side by side, for one
 * product over all of them. Gates in PyTorch's order: i, f, g, o. */
#include <string.h>

#include "ops/recurrent.h"
#include "ops/sequence.h"

#define GATES 4

/* ---- the cell: a the gates, b the cell state --------------------------------------------- */

ky_status ky__rule_lstm_cell(ky_query *q) {
  const ky_ins *i = q->ins;
  KY_TRY(ky__need_float(q, i->a));
  KY_TRY(ky__need_same_dtype(q, i->a, i->b));
  const ky_layout gates = *ky__layout_of(q, i->a), c = *ky__layout_of(q, i->b);
  const int last = c.rank - 1;
  bool fits = c.rank >= 1 && gates.rank == c.rank;
  for (int k = 0; fits && k < last; k++) fits = gates.dims[k] == c.dims[k];
  if (!fits || gates.dims[last] % GATES != 0 || gates.dims[last] / GATES != c.dims[last])
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants gates [...,4n] and a cell state [...,n]");
  ky_layout out = c;
  out.dims[last] *= 2;
  KY_TRY(ky__layout_dense(out.rank, out.dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, i->a), &out);
}

/* Operands, and scratch for one row: activated gates, cell state, output, two adjoints. */
typedef struct cell {
  size_t rows, n, size;
  const char *gates, *previous;
  char *row;
} cell;

static bool take_cell(ky_frame *f, ky_id pc, cell *c) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *l = ky__layout(f->code, i->b);
  c->n = (size_t)l->dims[l->rank - 1];
  c->rows = c->n ? (size_t)l->count / c->n : 0;
  c->size = ky_dtype_size((ky_dtype)i->dtype);
  c->gates = ky__dense_value(f, i->a);
  c->previous = ky__dense_value(f, i->b);
  c->row = ky__scratch(f, 11 * c->n * c->size);
  return f->fault->status == KY_OK;
}

size_t ky__lstm_cell_scratch(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *l = ky__layout(code, i->b);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype), count = (size_t)l->count;
  return ky__padded(GATES * count * size) + ky__padded(count * size) +
         ky__padded(11 * (size_t)l->dims[l->rank - 1] * size) + KY_ALIGN;
}

/* The cell of row k, mapped; its gates are in the scratch row. */
static ky_lstm_rows map_row(const ky_frame *f, ky_dtype dtype, const cell *c, size_t k,
                            void *out, void *state) {
  memcpy(c->row, c->gates + k * GATES * c->n * c->size, GATES * c->n * c->size);
  ky_lstm_rows r = {.rows = 1,
                    .n = c->n,
                    .gates = c->row,
                    .previous = c->previous + k * c->n * c->size,
                    .cell = state,
                    .out = out};
  f->kernels->recurrent->map_lstm[dtype](&r);
  return r;
}

void fwd_lstm_cell(ky_frame *f, ky_id pc) {
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  const ky_place mark = ky__arena_mark(&f->scratch);
  cell c;
  if (take_cell(f, pc, &c))
    for (size_t k = 0; k < c.rows; k++) {
      char *out = ky__element(ky__data(f, pc), 2 * k * c.n, c.size);
      map_row(f, dtype, &c, k, out, out + c.n * c.size);
    }
  ky__arena_reset(&f->scratch, mark);
}

void vjp_lstm_cell(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_dest da = ky__dest(f, i->a, i->flags & KY_WANT_A);
  const ky_dest db = ky__dest(f, i->b, i->flags & KY_WANT_B);
  const ky_place mark = ky__arena_mark(&f->scratch);
  cell c;
  if (take_cell(f, pc, &c)) {
    const size_t bytes = c.n * c.size;
    char *state = c.row + GATES * bytes, *out = state + bytes, *gates_adjoint = out + bytes;
    char *cell_adjoint = gates_adjoint + GATES * bytes;
    for (size_t k = 0; k < c.rows; k++) {
      ky_lstm_rows r = map_row(f, dtype, &c, k, out, state);
      r.g = ky__element(ky__adjoint(f, pc), 2 * k * c.n, c.size);
      r.cell_adjoint = memcpy(cell_adjoint, (const char *)r.g + bytes, bytes);
      r.gates_adjoint = gates_adjoint;
      f->kernels->recurrent->pull_lstm[dtype](&r);
      if (da.ptr)
        f->kernels->copy->run(dtype, GATES * c.n, ky__element(da.ptr, k * GATES * c.n, c.size),
                              1, da.beta, gates_adjoint, 1);
      if (db.ptr)
        f->kernels->copy->run(dtype, c.n, ky__element(db.ptr, k * c.n, c.size), 1, db.beta,
                              cell_adjoint, 1);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}

/* ---- sequences --------------------------------------------------------------------------- */

ky_status ky__rule_lstm_sequence(ky_query *q) {
  int64_t dims[3];
  KY_TRY(ky__sequence_dims(q, GATES, dims));
  const ky_id x = ky__seq_operand(q->code, q->ins, KY_SEQ_X);
  KY_TRY(ky__need_dims(q, "initial cell state", ky__seq_operand(q->code, q->ins, KY_SEQ_EXTRA),
                       2, dims + 1));
  const size_t size = ky_dtype_size(ky__dtype_of(q, x));
  q->aux_bytes = (size_t)(ky__layout_of(q, x)->count / GATES) * (GATES + 1) * size;
  dims[0]++; /* the last is the cell state */
  ky_layout out;
  KY_TRY(ky__layout_dense(3, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, x), &out);
}

/* A sequence, and where its arrays are. */
typedef struct lstm {
  ky_recurrence s;
  const char *x; /* [steps,batch,gates], with strides */
  const int64_t *x_strides;
  const char *cell; /* state before the first step; null: zeros */
  char *gates;      /* aux: activated, [steps,batch,gates] */
  char *cells;      /* aux: states, [steps,batch,n] */
  char *out;        /* result: [steps + 1,batch,n] */
  const void *turned;
  /* reverse */
  const char *g;
  char *gates_adjoint;                /* of the gates, [steps,batch,gates] */
  char *state_adjoint, *cell_adjoint; /* [batch,n] */
} lstm;

static bool take_lstm(ky_frame *f, ky_id pc, lstm *l) {
  const ky_ins *i = &f->code->ins[pc];
  *l = (lstm){.s = ky__recurrence(f, pc, GATES)};
  const ky_id x = ky__seq_operand(f->code, i, KY_SEQ_X);
  if (l->s.batch * l->s.n == 0) return true; /* there is no aux buffer */
  l->x = ky__data(f, x);
  l->x_strides = ky__layout(f->code, x)->strides;
  l->s.state = ky__dense_value(f, ky__seq_operand(f->code, i, KY_SEQ_STATE));
  l->cell = ky__dense_value(f, ky__seq_operand(f->code, i, KY_SEQ_EXTRA));
  l->gates = ky__aux(f, pc);
  l->cells = l->gates + l->s.steps * l->s.batch * l->s.gates * l->s.size;
  l->out = ky__data(f, pc);
  return f->fault->status == KY_OK;
}

size_t ky__lstm_sequence_scratch(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *x = ky__layout(code, ky__seq_operand(code, i, KY_SEQ_X));
  const ky_layout *w = ky__layout(code, ky__seq_operand(code, i, KY_SEQ_W));
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const size_t state = ky__padded((size_t)(x->dims[1] * w->dims[1]) * size);
  return 4 * state + ky__padded((size_t)w->count * size) + ky__padded((size_t)x->count * size) +
         KY_ALIGN;
}

/* Row `row` of step `t` of an array [steps,batch,columns]. */
static char *at(const lstm *l, const void *base, size_t t, size_t row, size_t columns) {
  return ky__element(base, (t * l->s.batch + row) * columns, l->s.size);
}

static ky_lstm_rows rows_at(const lstm *l, size_t t, size_t begin, size_t end) {
  const ky_recurrence *s = &l->s;
  const char *first = l->cell ? at(l, l->cell, 0, begin, s->n) : NULL;
  return (ky_lstm_rows){.rows = end - begin,
                        .n = s->n,
                        .gates = at(l, l->gates, t, begin, s->gates),
                        .previous = t ? at(l, l->cells, t - 1, begin, s->n) : first,
                        .cell = at(l, l->cells, t, begin, s->n),
                        .out = at(l, l->out, t, begin, s->n)};
}

/* Rows of the batch, through all steps. */
static void map_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const lstm *l = context;
  const ky_recurrence *s = &l->s;
  for (size_t t = 0; t < s->steps; t++) {
    ky_lstm_rows r = rows_at(l, t, begin, end);
    const void *before = t ? at(l, l->out, t - 1, 0, s->n) : s->state;
    const int64_t place = (int64_t)t * l->x_strides[0] + (int64_t)begin * l->x_strides[1];
    const ky_matrix x = {(char *)(uintptr_t)l->x + place * (int64_t)s->size, l->x_strides[1],
                         l->x_strides[2]};
    const ky_matrix gates = {r.gates, (ptrdiff_t)s->gates, 1};
    if (before)
      ky__recurrent_product(s, begin, end, s->gates, s->n, ky__rows(s, before, begin, s->n),
                            ky__rows(s, l->turned, 0, s->gates), x, gates);
    else
      s->f->kernels->copy->plane(s->dtype, r.rows, s->gates, gates.data, gates.row, 1, 0,
                                 x.data, x.row, x.column);
    s->f->kernels->recurrent->map_lstm[s->dtype](&r);
  }
  memcpy(at(l, l->out, s->steps, begin, s->n), at(l, l->cells, s->steps - 1, begin, s->n),
         (end - begin) * s->n * s->size);
}

void fwd_lstm_sequence(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  lstm l;
  if (take_lstm(f, pc, &l) && l.out && (l.turned = ky__turned_weights(&l.s)))
    ky__team_run(f->team, l.s.batch, ky__recurrence_grain(&l.s), map_rows, &l);
  ky__arena_reset(&f->scratch, mark);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const lstm *l = context;
  const ky_recurrence *s = &l->s;
  const ky_matrix none = {NULL, 0, 0};
  char *state = at(l, l->state_adjoint, 0, begin, s->n);
  char *cells = at(l, l->cell_adjoint, 0, begin, s->n);
  memcpy(cells, at(l, l->g, s->steps, begin, s->n), (end - begin) * s->n * s->size);
  for (size_t t = s->steps; t-- > 0;) {
    ky_lstm_rows r = rows_at(l, t, begin, end);
    r.g = at(l, l->g, t, begin, s->n);
    r.more = t + 1 < s->steps ? state : NULL;
    r.cell_adjoint = cells;
    r.gates_adjoint = at(l, l->gates_adjoint, t, begin, s->gates);
    s->f->kernels->recurrent->pull_lstm[s->dtype](&r);
    if (t > 0 || s->state)
      ky__recurrent_product(s, begin, end, s->n, s->gates,
                            (ky_matrix){r.gates_adjoint, (ptrdiff_t)s->gates, 1}, s->w, none,
                            (ky_matrix){state, (ptrdiff_t)s->n, 1});
  }
}

/* Gradients go where they are wanted, in the order of their destinations, as operands may be
 * one value; those of the gates are those of x. */
void vjp_lstm_sequence(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  ky_dest d[KY_SEQ_OPERANDS];
  for (uint32_t k = 0; k < KY_SEQ_OPERANDS; k++) {
    const ky_id id = ky__seq_operand(f->code, i, k);
    d[k] = ky__dest(f, id, id && ky__wants(f->code, id));
  }
  const ky_place mark = ky__arena_mark(&f->scratch);
  lstm l;
  if (take_lstm(f, pc, &l)) {
    const ky_recurrence *s = &l.s;
    const size_t states = s->batch * s->n, all = s->steps * s->batch * s->gates;
    const bool direct = d[KY_SEQ_X].ptr && !d[KY_SEQ_X].beta;
    l.g = ky__adjoint(f, pc);
    l.gates_adjoint = direct ? d[KY_SEQ_X].ptr : ky__scratch(f, all * s->size);
    l.state_adjoint = ky__scratch(f, states * s->size);
    l.cell_adjoint = ky__scratch(f, states * s->size);
    if (f->fault->status == KY_OK) {
      if (states > 0) ky__team_run(f->team, s->batch, ky__recurrence_grain(s), pull_rows, &l);
      if (!direct) ky__give(s, d[KY_SEQ_X], l.gates_adjoint, all);
      ky__pull_weights(s, d[KY_SEQ_W], l.gates_adjoint, l.out);
      ky__give(s, d[KY_SEQ_STATE], l.state_adjoint, states);
      ky__give(s, d[KY_SEQ_EXTRA], l.cell_adjoint, states);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}
