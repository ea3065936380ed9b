/* SPDX-License-Identifier: MIT */
/* Elements at places that integers name: gather, its mirror image scatter_sum, embedding and
 * one_hot. An index operand may be broadcast: where one index stands for a whole run, the run
 * is moved as one. Indices are the caller's and may change between the sweeps, so that every
 * read is checked. */
#include <stdatomic.h>
#include <string.h>

#include "kernels/indexed.h"
#include "ops/family.h"

/* ---- indices ----------------------------------------------------------------------------- */

static ky_status need_index(const ky_query *q, ky_id id) {
  const ky_dtype dtype = ky__dtype_of(q, id);
  if (dtype == KY_I32 || dtype == KY_I64) return KY_OK;
  return ky__fail(q->fault, KY_BAD_DTYPE, "indices must be i32 or i64, got %s",
                  ky_dtype_name(dtype));
}

static ky_status need_extent(const ky_query *q, int64_t extent, const ky_layout *index) {
  if (extent > 0 || index->count == 0) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "there are indices but nothing to point at");
}

static int64_t index_at(const ky_frame *f, ky_id id, int64_t offset) {
  const void *data = ky__data(f, id);
  return f->code->ins[id].dtype == KY_I32 ? ((const int32_t *)data)[offset]
                                          : ((const int64_t *)data)[offset];
}

/* Faults with the first index of `id` that is not in 0..extent-1; an axis along which it is
 * broadcast is no part of its place. */
static void name_bad_index(ky_frame *f, ky_id id, int64_t extent) {
  const ky_layout *layout = ky__layout(f->code, id);
  ky_layout own = {0};
  for (int k = 0; k < layout->rank; k++) {
    if (layout->strides[k] == 0) continue;
    own.dims[own.rank] = layout->dims[k];
    own.strides[own.rank++] = layout->strides[k];
  }
  ky__layout_settle(&own);
  for (int64_t n = 0; n < own.count; n++) {
    const int64_t index = index_at(f, id, ky__offset_of(&own, own.rank, n));
    if (index >= 0 && index < extent) continue;
    char place[192];
    ky_text text = {place, sizeof place, 0};
    ky__say_index(&text, &own, n);
    ky__fail(f->fault, KY_BAD_INDEX, "index %lld at %s is not in 0..%lld", (long long)index,
             place, (long long)(extent - 1));
    return;
  }
}

/* ---- pairings ---------------------------------------------------------------------------- */

/* Elements of an index space, each with an index: it stands at its own place in `flat`, and in
 * `table` where its index says. */
typedef struct pairing {
  ky_dtype dtype, index_dtype;
  ky_loop loop;   /* array 0: flat, 1: the indices, 2: the table, 0 along the indexed axis */
  int64_t extent; /* of the indexed axis */
  int64_t pitch;  /* its stride in the table */
  int64_t passed; /* put: an index that adds nothing; -1 for none */
  bool narrow;    /* the last axis is a row of few elements, all with one index */
} pairing;

static void plan_pairing(pairing *p, const ky_layout *space, const int64_t *flat,
                         const int64_t *index, const int64_t *table) {
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  for (int k = 0; k < space->rank; k++) {
    strides[0][k] = flat[k];
    strides[1][k] = index[k];
    strides[2][k] = table[k];
  }
  ky__loop_plan(&p->loop, space, 3, strides);
  const int last = p->loop.rank - 1;
  p->narrow = last > 0 && p->loop.dims[last] <= KY_NARROW && p->loop.strides[0][last] == 1 &&
              p->loop.strides[1][last] == 0 && p->loop.strides[2][last] == 1;
}

/* The pairing of gather and scatter_sum: all three have the axes of the index operand b. */
static pairing along_axis(const ky_frame *f, ky_id pc, const int64_t *flat,
                          const ky_layout *table) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *index = ky__layout(f->code, i->b);
  int64_t rest[KY_MAX_RANK];
  for (int k = 0; k < index->rank; k++) rest[k] = k == (int)i->c ? 0 : table->strides[k];
  pairing p = {.dtype = (ky_dtype)i->dtype,
               .index_dtype = (ky_dtype)f->code->ins[i->b].dtype,
               .extent = table->dims[i->c],
               .pitch = table->strides[i->c],
               .passed = -1};
  plan_pairing(&p, index, flat, index->strides, rest);
  return p;
}

/* One run of a pairing: n rows, of one element where these are not narrow. */
typedef struct run {
  int64_t n, m, sf, si, st;
  char *flat, *table;
  const char *index;
  bool whole; /* one index for all elements, which stand at different places */
} run;

/* A sweep over the elements of a pairing. */
typedef struct moving {
  const ky_frame *f;
  const pairing *pairing;
  void *flat, *table;
  const void *index;
  int beta;
  atomic_bool failed; /* at an index that is not in range */
} moving;

static run run_at(const moving *m, const ky_loop *loop, const ky_walk *w) {
  const pairing *p = m->pairing;
  const size_t size = ky_dtype_size(p->dtype);
  const int last = loop->rank - 1, axis = p->narrow ? last - 1 : last;
  run r = {.n = loop->dims[axis],
           .m = p->narrow ? loop->dims[last] : 1,
           .sf = loop->strides[0][axis],
           .si = loop->strides[1][axis],
           .st = loop->strides[2][axis],
           .flat = ky__run(m->flat, w, 0, size),
           .table = ky__run(m->table, w, 2, size),
           .index = ky__run(m->index, w, 1, ky_dtype_size(p->index_dtype))};
  r.whole = !p->narrow && r.si == 0 && r.st != 0;
  return r;
}

/* The axes along which runs follow each other, and one more, as ky__loop_next wants them. */
static ky_loop runs_of(const moving *m, const ky_loop *loop) {
  ky_loop runs = *loop;
  if (m->pairing->narrow) runs.rank--;
  return runs;
}

static ky_indices indices_of(const pairing *p, const run *r) {
  return (ky_indices){r->index, r->si, p->index_dtype, (uint64_t)p->extent, p->pitch};
}

/* Moves a run out of the table; false at an index that is not in range. */
static bool take_run(const ky_frame *f, const pairing *p, const run *r, int beta) {
  const size_t n = (size_t)r->n, m = (size_t)r->m;
  const ky_indices x = indices_of(p, r);
  if (!r->whole)
    return ky__take(p->dtype, n, m, r->flat, r->sf, beta, r->table, r->st, &x) == n;
  int64_t place;
  if (!ky__place_of(&x, &place)) return false;
  const char *from = r->table + place * (int64_t)ky_dtype_size(p->dtype);
  f->kernels->copy->run(p->dtype, n, r->flat, r->sf, beta, from, r->st);
  return true;
}

/* Adds a run to the table; false at an index that is not in range. */
static bool put_run(const ky_frame *f, const pairing *p, const run *r) {
  const size_t n = (size_t)r->n, m = (size_t)r->m;
  const ky_indices x = indices_of(p, r);
  if (!r->whole)
    return ky__put(p->dtype, n, m, r->table, r->st, &x, p->passed, r->flat, r->sf) == n;
  int64_t place;
  if (!ky__place_of(&x, &place)) return false;
  char *to = r->table + place * (int64_t)ky_dtype_size(p->dtype);
  if (place != p->passed * p->pitch)
    f->kernels->copy->run(p->dtype, n, to, r->st, 1, r->flat, r->sf);
  return true;
}

static void take_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  moving *m = context;
  const ky_loop runs = runs_of(m, part);
  do {
    const run r = run_at(m, part, &at);
    if (!take_run(m->f, m->pairing, &r, m->beta)) atomic_store(&m->failed, true);
  } while (!atomic_load(&m->failed) && ky__loop_next(&runs, &at));
}

static void put_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  moving *m = context;
  const ky_loop runs = runs_of(m, part);
  do {
    const run r = run_at(m, part, &at);
    if (!put_run(m->f, m->pairing, &r)) atomic_store(&m->failed, true);
  } while (!atomic_load(&m->failed) && ky__loop_next(&runs, &at));
}

/* flat = beta flat + the table's elements at the indices of operand b. */
static void take(ky_frame *f, ky_id pc, const pairing *p, void *flat, int beta,
                 const void *table) {
  const ky_id index = f->code->ins[pc].b;
  moving m = {f, p, flat, (void *)(uintptr_t)table, ky__data(f, index), beta, false};
  ky__share_loop(f, &p->loop, 0, 1, 1, take_part, &m);
  if (m.failed) name_bad_index(f, index, p->extent);
}

/* The table's elements at the indices of operand b get those of flat added, in row-major order.
 * Threads take parts of the table, each all indices: where there is one axis alone, only one
 * thread can. */
static void put(ky_frame *f, ky_id pc, const pairing *p, void *table, const void *flat) {
  const ky_id index = f->code->ins[pc].b;
  moving m = {f, p, (void *)(uintptr_t)flat, table, ky__data(f, index), 1, false};
  ky__share_loop(f, &p->loop, 2, 1, 1, put_part, &m);
  if (m.failed) name_bad_index(f, index, p->extent);
}

/* ---- gather ------------------------------------------------------------------------------ */

/* BAD_SHAPE unless the extents of `index`, `axis` aside, are not above those of `table`. */
static ky_status need_inside(const ky_query *q, const ky_layout *index, const ky_layout *table,
                             uint32_t axis) {
  if (index->rank != table->rank)
    return ky__fail(q->fault, KY_BAD_SHAPE, "indices of rank %d for rank %d", (int)index->rank,
                    (int)table->rank);
  if (axis >= (uint32_t)index->rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "axis %u of a value of rank %d", (unsigned)axis,
                    (int)index->rank);
  for (int k = 0; k < index->rank; k++)
    if (k != (int)axis && index->dims[k] > table->dims[k])
      return ky__fail(q->fault, KY_BAD_SHAPE, "axis %d has %lld indices for %lld elements", k,
                      (long long)index->dims[k], (long long)table->dims[k]);
  return need_extent(q, table->dims[axis], index);
}

ky_status ky__rule_gather(ky_query *q) {
  const ky_layout index = *ky__layout_of(q, q->ins->b);
  KY_TRY(need_index(q, q->ins->b));
  KY_TRY(need_inside(q, &index, ky__layout_of(q, q->ins->a), q->ins->c));
  q->klass = KY_GENERAL;
  return ky__answer_like(q, ky__dtype_of(q, q->ins->a), q->ins->b);
}

void fwd_gather(ky_frame *f, ky_id pc) {
  const ky_id a = f->code->ins[pc].a;
  const pairing p = along_axis(f, pc, ky__layout(f->code, pc)->strides, ky__layout(f->code, a));
  take(f, pc, &p, ky__data(f, pc), 0, ky__data(f, a));
}

/* Lets `d` be dense with the dims of `layout`, and zero when it has nothing yet. */
static ky_layout clear_dest(const ky_frame *f, const ky_ins *i, ky_dest d,
                            const ky_layout *layout) {
  if (!d.beta) ky__clear(f, d.ptr, (size_t)layout->count * ky_dtype_size((ky_dtype)i->dtype));
  return ky__dense(layout);
}

void vjp_gather(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout table = clear_dest(f, i, d, ky__layout(f->code, i->a));
  const pairing p = along_axis(f, pc, ky__layout(f->code, pc)->strides, &table);
  put(f, pc, &p, d.ptr, ky__adjoint(f, pc));
}

/* ---- scatter_sum ------------------------------------------------------------------------- */

ky_status ky__rule_scatter_sum(ky_query *q) {
  KY_TRY(ky__need_float(q, q->ins->a));
  KY_TRY(need_index(q, q->ins->b));
  const ky_layout *source = ky__layout_of(q, q->ins->a), *index = ky__layout_of(q, q->ins->b);
  if (!ky__same_dims(source, index))
    return ky__fail(q->fault, KY_BAD_SHAPE, "every element wants one index");
  ky_layout out;
  KY_TRY(ky__layout_dense(q->shape->rank, q->shape->dims, &out, q->fault));
  KY_TRY(need_inside(q, index, &out, q->ins->c));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &out);
}

void fwd_scatter_sum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *out = ky__layout(f->code, pc);
  const pairing p = along_axis(f, pc, ky__layout(f->code, i->a)->strides, out);
  void *r = ky__data(f, pc);
  ky__clear(f, r, (size_t)out->count * ky_dtype_size((ky_dtype)i->dtype));
  put(f, pc, &p, r, ky__data(f, i->a));
}

void vjp_scatter_sum(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout source = ky__dense(ky__layout(f->code, i->a));
  const pairing p = along_axis(f, pc, source.strides, ky__layout(f->code, pc));
  take(f, pc, &p, d.ptr, d.beta, ky__adjoint(f, pc));
}

/* ---- embedding --------------------------------------------------------------------------- */

ky_status ky__rule_embedding(ky_query *q) {
  const ky_layout *table = ky__layout_of(q, q->ins->a), *index = ky__layout_of(q, q->ins->b);
  KY_TRY(ky__need_float(q, q->ins->a));
  KY_TRY(need_index(q, q->ins->b));
  if (table->rank != 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants a table of rank 2, got rank %d",
                    table->rank);
  if ((int64_t)q->ins->c > table->dims[0])
    return ky__fail(q->fault, KY_BAD_INDEX, "padding %lld is not in 0..%lld",
                    (long long)q->ins->c - 1, (long long)table->dims[0] - 1);
  if (index->rank == KY_MAX_RANK)
    return ky__fail(q->fault, KY_BAD_SHAPE, "indices of rank %d leave no room for an axis",
                    index->rank);
  KY_TRY(need_extent(q, table->dims[0], index));
  int64_t dims[KY_MAX_RANK];
  memcpy(dims, index->dims, sizeof dims);
  dims[index->rank] = table->dims[1];
  ky_layout out;
  KY_TRY(ky__layout_dense(index->rank + 1, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &out);
}

/* Rows of `table`, one for each index. */
static pairing rows_of(const ky_frame *f, ky_id pc, const ky_layout *table) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *index = ky__layout(f->code, i->b), *space = ky__layout(f->code, pc);
  int64_t index_strides[KY_MAX_RANK] = {0}, rest[KY_MAX_RANK] = {0};
  memcpy(index_strides, index->strides, (size_t)index->rank * sizeof *index_strides);
  rest[index->rank] = table->strides[1];
  pairing p = {.dtype = (ky_dtype)i->dtype,
               .index_dtype = (ky_dtype)f->code->ins[i->b].dtype,
               .extent = table->dims[0],
               .pitch = table->strides[0],
               .passed = (int64_t)i->c - 1};
  plan_pairing(&p, space, space->strides, index_strides, rest);
  return p;
}

void fwd_embedding(ky_frame *f, ky_id pc) {
  const ky_id a = f->code->ins[pc].a;
  const pairing p = rows_of(f, pc, ky__layout(f->code, a));
  take(f, pc, &p, ky__data(f, pc), 0, ky__data(f, a));
}

void vjp_embedding(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_layout table = clear_dest(f, i, d, ky__layout(f->code, i->a));
  const pairing p = rows_of(f, pc, &table);
  put(f, pc, &p, d.ptr, ky__adjoint(f, pc));
}

/* ---- one_hot ----------------------------------------------------------------------------- */

ky_status ky__rule_one_hot(ky_query *q) {
  const ky_layout *index = ky__layout_of(q, q->ins->a);
  const ky_dtype dtype = (ky_dtype)q->ins->c;
  KY_TRY(need_index(q, q->ins->a));
  KY_TRY(ky__check_dtype(dtype, q->fault));
  if (index->rank == KY_MAX_RANK)
    return ky__fail(q->fault, KY_BAD_SHAPE, "indices of rank %d leave no room for an axis",
                    index->rank);
  KY_TRY(need_extent(q, q->ins->b, index));
  int64_t dims[KY_MAX_RANK];
  memcpy(dims, index->dims, sizeof dims);
  dims[index->rank] = q->ins->b;
  ky_layout out;
  KY_TRY(ky__layout_dense(index->rank + 1, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  return ky__answer(q, dtype, &out);
}

/* Rows of one_hot, and their indices. */
typedef struct marking {
  char *out;
  const char *index;
  ky_dtype index_dtype;
  size_t size, classes;
  ky_word one;
  atomic_bool failed;
} marking;

static bool mark_run(const marking *m, int64_t n, char *row, const char *index, int64_t step) {
  const size_t bytes = m->classes * m->size;
  for (int64_t k = 0; k < n; k++, row += bytes, index += step) {
    const ky_indices x = {index, 0, m->index_dtype, m->classes, (int64_t)m->size};
    int64_t place;
    if (!ky__place_of(&x, &place)) return false;
    memset(row, 0, bytes);
    memcpy(row + place, &m->one, m->size);
  }
  return true;
}

static void mark_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  marking *m = context;
  const int last = part->rank - 1;
  const size_t size = ky_dtype_size(m->index_dtype);
  do {
    if (!mark_run(m, part->dims[last], ky__run(m->out, &at, 0, m->classes * m->size),
                  ky__run(m->index, &at, 1, size), part->strides[1][last] * (int64_t)size))
      atomic_store(&m->failed, true);
  } while (!atomic_load(&m->failed) && ky__loop_next(part, &at));
}

/* Ones go where indices point; the result is filled row by row. */
void fwd_one_hot(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *index = ky__layout(f->code, i->a);
  if (ky__layout(f->code, pc)->count == 0) return;
  marking m = {.out = ky__data(f, pc),
               .index = ky__data(f, i->a),
               .index_dtype = (ky_dtype)f->code->ins[i->a].dtype,
               .size = ky_dtype_size((ky_dtype)i->dtype),
               .classes = i->b};
  f->kernels->copy->fill((ky_dtype)i->dtype, 1, &m.one, 1, 0);
  ky_loop loop;
  ky__plan(&loop, index, 1, &index);
  ky__share_loop(f, &loop, 0, m.classes, 1, mark_part, &m);
  if (m.failed) name_bad_index(f, i->a, i->b);
}
