/* SPDX-License-Identifier: MIT */
/* What the families of operations share. */
#include "ops/family.h"

#include <string.h>

#include "kytape/ops.h"

/* ---- shape rules ------------------------------------------------------------------------- */

static ky_status answer(ky_query *q, ky_dtype dtype, const ky_layout *layout, bool view) {
  q->dtype = (uint8_t)dtype;
  q->view = view;
  if (ky__layouts_intern(&q->code->layouts, layout, &q->layout) == KY_OK) return KY_OK;
  return ky__fail(q->fault, KY_NO_MEMORY, "no memory for a layout");
}

ky_status ky__answer(ky_query *q, ky_dtype dtype, const ky_layout *layout) {
  const ky_layout dense = ky__dense(layout);
  return answer(q, dtype, &dense, false);
}

ky_status ky__answer_like(ky_query *q, ky_dtype dtype, ky_id id) {
  const ky_layout *layout = ky__layout_of(q, id);
  if (!layout->dense) return ky__answer(q, dtype, layout);
  q->dtype = (uint8_t)dtype;
  q->view = false;
  q->layout = q->code->layout[id];
  return KY_OK;
}

ky_status ky__answer_view(ky_query *q, ky_dtype dtype, const ky_layout *layout) {
  ky_layout settled = *layout;
  ky__layout_settle(&settled);
  return answer(q, dtype, &settled, true);
}

ky_status ky__check_dtype(int64_t dtype, ky_fault *fault) {
  if (dtype >= 0 && dtype <= UINT32_MAX && ky__is_value((unsigned)dtype)) return KY_OK;
  if (dtype == KY_BF16 || dtype == KY_F16)
    return ky__fail(fault, KY_BAD_DTYPE, "values cannot be of dtype %s",
                    ky_dtype_name((ky_dtype)dtype));
  return ky__fail(fault, KY_BAD_DTYPE, "values cannot be of dtype %lld", (long long)dtype);
}

ky_status ky__check_float(unsigned dtype, ky_fault *fault) {
  if (ky__is_float(dtype)) return KY_OK;
  return ky__fail(fault, KY_BAD_DTYPE, "wants f32 or f64, got %s: see ky_cast",
                  ky_dtype_name((ky_dtype)dtype));
}

ky_status ky__need_float(const ky_query *q, ky_id id) {
  return ky__check_float(ky__dtype_of(q, id), q->fault);
}

ky_status ky__check_dtypes(ky_dtype a, ky_dtype b, ky_fault *fault) {
  if (a == b) return KY_OK;
  return ky__fail(fault, KY_BAD_DTYPE, "dtypes %s and %s differ: see ky_cast", ky_dtype_name(a),
                  ky_dtype_name(b));
}

ky_status ky__need_same_dtype(const ky_query *q, ky_id a, ky_id b) {
  return ky__check_dtypes(ky__dtype_of(q, a), ky__dtype_of(q, b), q->fault);
}

ky_status ky__check_reduction(unsigned reduction, ky_fault *fault) {
  if (reduction <= KY_REDUCE_MEAN) return KY_OK;
  return ky__fail(fault, KY_BAD_ARGUMENT, "unknown reduction %d", (int)reduction);
}

/* ---- walks ------------------------------------------------------------------------------- */

void ky__plan(ky_loop *loop, const ky_layout *space, int operands,
              const ky_layout *const layouts[]) {
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  const ky_layout dense = ky__dense(space);
  ky__broadcast_strides(&dense, space, strides[0]);
  for (int n = 0; n < operands; n++) ky__broadcast_strides(layouts[n], space, strides[n + 1]);
  ky__loop_plan(loop, space, operands + 1, strides);
}

/* The outermost axis that gives every thread several parts, else the longest; -1 for none. The
 * innermost is counted in units. */
static int axis_to_cut(const ky_loop *loop, int written, int64_t unit, uint32_t threads) {
  int longest = -1;
  int64_t most = 1;
  for (int k = 0; k < loop->rank; k++) {
    const int64_t parts = k + 1 < loop->rank ? loop->dims[k] : (loop->dims[k] - 1) / unit + 1;
    if (parts < 2 || loop->strides[written][k] == 0) continue;
    if (parts >= 4 * (int64_t)threads) return k;
    if (parts <= most) continue;
    most = parts;
    longest = k;
  }
  return longest;
}

typedef struct shared_loop {
  const ky_loop *loop;
  int axis;
  ky_loop_job *job;
  void *context;
} shared_loop;

static void run_part(void *context, uint32_t piece, size_t begin, size_t end) {
  const shared_loop *s = context;
  ky_loop part = *s->loop;
  ky_walk at = {0};
  part.dims[s->axis] = (int64_t)(end - begin);
  for (int n = 0; n < part.arrays; n++)
    at.offset[n] = (int64_t)begin * part.strides[n][s->axis];
  s->job(s->context, piece, &part, at);
}

void ky__share_loop(const ky_frame *f, const ky_loop *loop, int written, size_t each,
                    size_t unit, ky_loop_job *job, void *context) {
  if (ky__loop_empty(loop)) return;
  const uint32_t threads = ky__team_size(f->team);
  const int axis = threads > 1 ? axis_to_cut(loop, written, (int64_t)unit, threads) : -1;
  if (axis < 0) {
    job(context, 0, loop, (ky_walk){0});
    return;
  }
  for (int k = 0; k < loop->rank; k++)
    if (k != axis) each *= (size_t)loop->dims[k];
  shared_loop s = {loop, axis, job, context};
  const size_t least = axis + 1 < loop->rank ? 1 : unit;
  const size_t grain = (ky__grain_of(f, each) + least - 1) / least * least;
  ky__team_run(f->team, (size_t)loop->dims[axis], grain, run_part, &s);
}

typedef struct walking {
  const ky_walked *arrays;
  ky_strip_job *job;
  const void *context;
} walking;

static void walk_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const walking *w = context;
  const int last = part->rank - 1;
  ky_strip strip = {.n = (size_t)part->dims[last]};
  for (int n = 0; n < part->arrays; n++) strip.step[n] = part->strides[n][last];
  do {
    for (int n = 0; n < part->arrays; n++)
      strip.at[n] = ky__run(w->arrays[n].base, &at, n, w->arrays[n].size);
    w->job(w->context, &strip);
  } while (ky__loop_next(part, &at));
}

void ky__walk(const ky_frame *f, const ky_loop *loop, size_t each, const ky_walked *arrays,
              ky_strip_job *job, const void *context) {
  walking w = {arrays, job, context};
  ky__share_loop(f, loop, 0, each, 1, walk_part, &w);
}

/* ---- copies ------------------------------------------------------------------------------ */

/* The axis along which an array's elements stand closest. */
static int nearest_axis(const ky_loop *loop, int array) {
  int nearest = loop->rank - 1;
  int64_t least = INT64_MAX;
  for (int k = 0; k < loop->rank; k++) {
    const int64_t stride = loop->strides[array][k];
    const int64_t distance = stride < 0 ? -stride : stride;
    if (distance == 0 || distance >= least) continue;
    least = distance;
    nearest = k;
  }
  return nearest;
}

static void move_axis(ky_loop *loop, int from, int to) {
  for (int k = from; k < to; k++) {
    const int64_t dim = loop->dims[k];
    loop->dims[k] = loop->dims[k + 1];
    loop->dims[k + 1] = dim;
    for (int n = 0; n < loop->arrays; n++) {
      const int64_t stride = loop->strides[n][k];
      loop->strides[n][k] = loop->strides[n][k + 1];
      loop->strides[n][k + 1] = stride;
    }
  }
}

/* Puts the axes along which the two arrays are closest last, the destination's before the
 * source's: then these two make a plane. False, and nothing done, where it is one and the same
 * axis. */
static bool find_plane(ky_loop *loop) {
  const int rows = nearest_axis(loop, 0), columns = nearest_axis(loop, 1);
  if (rows == columns) return false;
  move_axis(loop, columns, loop->rank - 1);
  move_axis(loop, rows - (columns < rows), loop->rank - 2);
  return true;
}

/* A copy: of planes, which the last two axes make, or of runs. */
typedef struct copying {
  const ky_copy_kernels *kernels;
  ky_dtype dtype;
  size_t size;
  bool planes;
  void *dst;
  int beta;
  const void *src;
} copying;

static void copy_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const copying *c = context;
  const int last = part->rank - 1;
  const int64_t *to = &part->strides[0][last], *from = &part->strides[1][last];
  ky_loop walked = *part;
  walked.rank -= c->planes; /* what is walked is all but the run or plane */
  do {
    void *out = ky__run(c->dst, &at, 0, c->size);
    const void *in = ky__run(c->src, &at, 1, c->size);
    if (c->planes)
      c->kernels->plane(c->dtype, (size_t)part->dims[last - 1], (size_t)part->dims[last], out,
                        to[-1], to[0], c->beta, in, from[-1], from[0]);
    else
      c->kernels->run(c->dtype, (size_t)part->dims[last], out, *to, c->beta, in, *from);
  } while (ky__loop_next(&walked, &at));
}

void ky__copy(const ky_frame *f, ky_dtype dtype, const ky_layout *space, void *dst,
              const int64_t *dst_strides, int beta, const void *src,
              const int64_t *src_strides) {
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  for (int k = 0; k < space->rank; k++) {
    strides[0][k] = dst_strides[k];
    strides[1][k] = src_strides[k];
  }
  ky_loop loop;
  ky__loop_plan(&loop, space, 2, strides);
  copying c = {.kernels = f->kernels->copy,
               .dtype = dtype,
               .size = ky_dtype_size(dtype),
               .planes = find_plane(&loop),
               .dst = dst,
               .beta = beta,
               .src = src};
  ky__share_loop(f, &loop, 0, 1, 1, copy_part, &c);
}

static void copy_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const copying *c = context;
  c->kernels->run(c->dtype, end - begin, ky__element(c->dst, begin, c->size), 1, c->beta,
                  ky__element(c->src, begin, c->size), 1);
}

void ky__copy_run(const ky_frame *f, ky_dtype dtype, size_t count, void *dst, int beta,
                  const void *src) {
  copying c = {.kernels = f->kernels->copy,
               .dtype = dtype,
               .size = ky_dtype_size(dtype),
               .dst = dst,
               .beta = beta,
               .src = src};
  ky__team_run(f->team, count, f->grain, copy_some, &c);
}

static void clear_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  memset((char *)context + begin, 0, end - begin);
}

void ky__clear(const ky_frame *f, void *dst, size_t bytes) {
  ky__team_run(f->team, bytes, ky__whole_grain(f, KY_ALIGN), clear_some, dst);
}

const void *ky__dense_value(ky_frame *f, ky_id id) {
  if (!id) return NULL;
  const ky_layout *layout = ky__layout(f->code, id);
  if (layout->dense) return ky__data(f, id);
  const ky_dtype dtype = (ky_dtype)f->code->ins[id].dtype;
  void *copy = ky__scratch(f, (size_t)layout->count * ky_dtype_size(dtype));
  if (!copy) return NULL;
  const ky_layout dense = ky__dense(layout);
  ky__copy(f, dtype, layout, copy, dense.strides, 0, ky__data(f, id), layout->strides);
  return copy;
}

ky_array ky__describe(const ky_code *code, ky_id id, const void *data, bool dense) {
  const ky_layout layout = dense ? ky__dense(ky__layout(code, id)) : *ky__layout(code, id);
  ky_array array = {.data = data,
                    .dtype = (ky_dtype)code->ins[id].dtype,
                    .rank = layout.rank,
                    .count = layout.count};
  memcpy(array.dims, layout.dims, sizeof array.dims);
  memcpy(array.strides, layout.strides, sizeof array.strides);
  return array;
}

/* ---- sums -------------------------------------------------------------------------------- */

#define PARTS 512 /* pieces of a sum at a time: their totals take 4 KiB */

typedef struct run_sum {
  const ky_frame *f;
  ky_dtype dtype;
  const void *in;
  double part[PARTS];
} run_sum;

static void sum_pieces(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  run_sum *s = context;
  const size_t size = ky_dtype_size(s->dtype);
  for (size_t at = begin; at < end; at += KY_SUM_PIECE) {
    const size_t n = end - at < KY_SUM_PIECE ? end - at : KY_SUM_PIECE;
    s->part[at / KY_SUM_PIECE] =
        s->f->kernels->reduce->sum_piece[s->dtype](n, ky__element(s->in, at, size));
  }
}

/* Of more than a piece. */
static double sum_long_run(const ky_frame *f, ky_dtype dtype, size_t count, const void *in) {
  const size_t most = PARTS * (size_t)KY_SUM_PIECE;
  const size_t grain = ky__whole_grain(f, KY_SUM_PIECE);
  run_sum s;
  s.f = f;
  s.dtype = dtype;
  double total = 0;
  for (size_t done = 0; done < count; done += most) {
    const size_t some = count - done < most ? count - done : most;
    s.in = ky__element(in, done, ky_dtype_size(dtype));
    ky__team_run(f->team, some, grain, sum_pieces, &s);
    for (size_t k = 0; k * KY_SUM_PIECE < some; k++) total += s.part[k];
  }
  return total;
}

void ky__sum_run(const ky_frame *f, ky_dtype dtype, size_t count, void *out, int beta, double n,
                 const void *in) {
  const double sum = count > KY_SUM_PIECE ? sum_long_run(f, dtype, count, in)
                                          : f->kernels->reduce->sum_piece[dtype](count, in);
  const double total = sum / n;
  if (dtype == KY_F64)
    *(double *)out = beta ? *(double *)out + total : total;
  else
    *(float *)out = beta ? *(float *)out + (float)total : (float)total;
}

/* Whether `to`, leading ones aside, is the end of `from`: then `from` is rows of it. */
static bool is_row_of(const ky_layout *to, const ky_layout *from) {
  const int lead = from->rank - to->rank;
  int k = 0;
  while (k < to->rank && to->dims[k] == 1) k++;
  while (k < to->rank && to->dims[k] == from->dims[k + lead]) k++;
  return k == to->rank;
}

/* A column sum. */
typedef struct columns {
  const ky_frame *f;
  ky_dtype dtype;
  size_t rows, n;
  ky_dest to;
  const void *from;
} columns;

static void sum_columns(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const columns *c = context;
  const size_t size = ky_dtype_size(c->dtype);
  c->f->kernels->reduce->sum_rows[c->dtype](c->rows, end - begin, c->n,
                                            ky__element(c->to.ptr, begin, size), c->to.beta,
                                            ky__element(c->from, begin, size));
}

void ky__sum_to(const ky_frame *f, ky_dtype dtype, ky_dest dst, const ky_layout *to,
                const void *src, const ky_layout *from) {
  if (to->count == from->count) {
    ky__copy_run(f, dtype, (size_t)to->count, dst.ptr, dst.beta, src);
    return;
  }
  if (to->count == 1) {
    ky__sum_run(f, dtype, (size_t)from->count, dst.ptr, dst.beta, 1, src);
    return;
  }
  if (to->count > 0 && is_row_of(to, from)) {
    columns c = {f, dtype, (size_t)(from->count / to->count), (size_t)to->count, dst, src};
    ky__team_run(f->team, c.n, ky__grain_of(f, c.rows), sum_columns, &c);
    return;
  }
  const ky_layout dense_to = ky__dense(to), dense_from = ky__dense(from);
  int64_t out_strides[KY_MAX_RANK];
  ky__broadcast_strides(&dense_to, from, out_strides);
  ky_reduce_plan plan;
  ky__plan_reduction(&plan, &dense_from, out_strides);
  f->kernels->reduce->sum[dtype](&plan, dst.ptr, dst.beta, 1, src);
}
