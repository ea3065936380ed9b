/* SPDX-License-Identifier: MIT */
/* upsample_nearest and upsample_linear: planes in another resolution, over the last one or two
 * axes. Which places of the operand a place of the result lies between is worked out once an
 * axis. */
#include "kernels/kernels.h"
#include "ops/family.h"
#include "ops/pooling.h"

#define LARGEST ((int64_t)1 << 31) /* places of an axis */

/* ---- rules ------------------------------------------------------------------------------- */

/* b: number of axes. */
static ky_status answer(ky_query *q) {
  const ky_layout x = *ky__layout_of(q, q->ins->a), *wanted = q->shape;
  const int axes = (int)q->ins->b;
  KY_TRY(ky__need_float(q, q->ins->a));
  if (axes < 1 || axes > 2 || x.rank != axes + 2 || wanted->rank != x.rank)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants rank %d, batch and channels first",
                    axes + 2);
  for (int k = 2; k < x.rank; k++)
    if (x.dims[k] < 1 || x.dims[k] >= LARGEST || wanted->dims[k] < 1 ||
        wanted->dims[k] >= LARGEST)
      return ky__fail(q->fault, KY_BAD_SHAPE, "%lld places of axis %d become %lld",
                      (long long)x.dims[k], k - 2, (long long)wanted->dims[k]);
  ky_layout out;
  KY_TRY(ky__layout_dense(wanted->rank, wanted->dims, &out, q->fault));
  if (out.dims[0] != x.dims[0] || out.dims[1] != x.dims[1])
    return ky__fail(q->fault, KY_BAD_SHAPE, "batch and channels must stay");
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, q->ins->a), &out);
}

ky_status ky__rule_upsample(ky_query *q) { return answer(q); }

/* ---- places ------------------------------------------------------------------------------ */

static void find_nearest(int64_t in, int64_t out, ky_resample_place *place) {
  for (int64_t k = 0; k < out; k++) {
    const int32_t at = (int32_t)(k * in / out);
    place[k] = (ky_resample_place){{at, at}, {1, 0}};
  }
}

/* Aligned, the first and last places of both lie on each other; else their outer edges do. */
static void find_linear(int64_t in, int64_t out, bool aligned, ky_resample_place *place) {
  const double step = !aligned  ? (double)in / (double)out
                      : out > 1 ? (double)(in - 1) / (double)(out - 1)
                                : 0;
  for (int64_t k = 0; k < out; k++) {
    const double centre = aligned ? step * (double)k : step * ((double)k + 0.5) - 0.5;
    const double from = centre > 0 ? centre : 0;
    int32_t at = (int32_t)from;
    if (at > in - 1) at = (int32_t)(in - 1);
    const double far = from - (double)at;
    place[k] = (ky_resample_place){{at, at + (at < in - 1)}, {1 - far, far}};
  }
}

/* ---- sweeps ------------------------------------------------------------------------------ */

/* One axis is the second of two. */
static ky_resample sizes_of(const ky_code *code, ky_id pc) {
  const ky_layout *x = ky__layout(code, code->ins[pc].a), *r = ky__layout(code, pc);
  const int axes = r->rank - 2;
  ky_resample s = {.planes = (size_t)(x->dims[0] * x->dims[1]), .in = {1, 1}, .out = {1, 1}};
  for (int k = 0; k < axes; k++) {
    s.in[2 - axes + k] = x->dims[2 + k];
    s.out[2 - axes + k] = r->dims[2 + k];
  }
  return s;
}

static size_t place_bytes(const ky_resample *s, int axis) {
  return (size_t)s->out[axis] * sizeof(ky_resample_place);
}

/* The room of a piece. */
static size_t room_bytes(const ky_resample *s, size_t size) {
  return ((size_t)s->in[1] * size + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

size_t ky__resample_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_resample s = sizes_of(code, pc);
  const size_t size = ky_dtype_size((ky_dtype)code->ins[pc].dtype);
  return place_bytes(&s, 0) + place_bytes(&s, 1) + threads * room_bytes(&s, size) +
         (size_t)ky__layout(code, code->ins[pc].a)->count * size + 4 * KY_ALIGN;
}

/* False after a fault, and when there is nothing to do. */
static bool prepare(ky_frame *f, ky_id pc, ky_resample *s) {
  const ky_ins *i = &f->code->ins[pc];
  *s = sizes_of(f->code, pc);
  s->nearest = i->op == KY_OP_upsample_nearest;
  ky_resample_place *place[2];
  for (int k = 0; k < 2; k++) s->place[k] = place[k] = ky__scratch(f, place_bytes(s, k));
  s->room =
      ky__scratch(f, ky__team_size(f->team) * room_bytes(s, ky_dtype_size((ky_dtype)i->dtype)));
  if (f->fault->status != KY_OK || s->planes == 0) return false;
  for (int k = 0; k < 2; k++) {
    if (s->nearest)
      find_nearest(s->in[k], s->out[k], place[k]);
    else
      find_linear(s->in[k], s->out[k], i->c, place[k]);
  }
  return true;
}

/* Planes, which are shared out. */
typedef struct planes {
  ky_resample s;
  ky_resample_kernel *run;
  size_t size; /* of an element */
} planes;

static void run_planes(void *context, uint32_t piece, size_t begin, size_t end) {
  const planes *all = context;
  ky_resample s = all->s;
  const size_t in = begin * (size_t)(s.in[0] * s.in[1]) * all->size;
  const size_t out = begin * (size_t)(s.out[0] * s.out[1]) * all->size;
  s.planes = end - begin;
  s.room = (char *)s.room + piece * room_bytes(&s, all->size);
  if (s.x) s.x = (const char *)s.x + in;
  if (s.gx) s.gx = (char *)s.gx + in;
  if (s.r) s.r = (char *)s.r + out;
  if (s.g) s.g = (const char *)s.g + out;
  all->run(&s);
}

static void share(ky_frame *f, const ky_resample *s, ky_resample_kernel *run, ky_dtype dtype) {
  planes all = {*s, run, ky_dtype_size(dtype)};
  const size_t each = (size_t)(s->out[0] * s->out[1]);
  ky__team_run(f->team, s->planes, ky__grain_of(f, each), run_planes, &all);
}

static void forward(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_place mark = ky__arena_mark(&f->scratch);
  ky_resample s;
  if (prepare(f, pc, &s)) {
    s.x = ky__dense_value(f, i->a);
    s.r = ky__data(f, pc);
    if (s.x) share(f, &s, f->kernels->pool->resample[i->dtype], (ky_dtype)i->dtype);
  }
  ky__arena_reset(&f->scratch, mark);
}

static void reverse(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  const ky_place mark = ky__arena_mark(&f->scratch);
  ky_resample s;
  if (prepare(f, pc, &s)) {
    s.g = ky__adjoint(f, pc);
    s.gx = d.ptr;
    s.beta = d.beta;
    share(f, &s, f->kernels->pool->resample_pull[i->dtype], (ky_dtype)i->dtype);
  }
  ky__arena_reset(&f->scratch, mark);
}

void fwd_upsample_nearest(ky_frame *f, ky_id pc) { forward(f, pc); }

void vjp_upsample_nearest(ky_frame *f, ky_id pc) { reverse(f, pc); }

void fwd_upsample_linear(ky_frame *f, ky_id pc) { forward(f, pc); }

void vjp_upsample_linear(ky_frame *f, ky_id pc) { reverse(f, pc); }
