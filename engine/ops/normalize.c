/* SPDX-License-Identifier: MIT */
/* layernorm and rmsnorm over the last axes, with optional weight and bias. The instruction's
 * operands and attributes stand in the pool: x, weight or 0, bias or 0, how many axes, eps. The
 * row kernels are in kernels/normalize.c and want dense arrays; others are copied first. */
#include "kernels/kernels.h"
#include "ops/family.h"

enum { POOL_X, POOL_WEIGHT, POOL_BIAS, POOL_AXES, POOL_EPS };

static ky_id operand(const ky_code *code, const ky_ins *i, uint32_t which) {
  return (ky_id)code->pool[i->b + which];
}

/* ---- rules ------------------------------------------------------------------------------- */

/* BAD_SHAPE unless `id` has the last `axes` extents of x. */
static ky_status need_scale(const ky_query *q, const char *what, ky_id id, const ky_layout *x,
                            int axes) {
  if (!id) return KY_OK;
  KY_TRY(ky__need_same_dtype(q, operand(q->code, q->ins, POOL_X), id));
  const ky_layout *scale = ky__layout_of(q, id);
  bool fits = scale->rank == axes;
  for (int k = 0; fits && k < axes; k++) fits = scale->dims[k] == x->dims[x->rank - axes + k];
  if (fits) return KY_OK;
  char wanted[128], got[128];
  ky_text want = {wanted, sizeof wanted, 0}, is = {got, sizeof got, 0};
  ky_layout last = {.rank = axes};
  for (int k = 0; k < axes; k++) last.dims[k] = x->dims[x->rank - axes + k];
  ky__say_dims(&want, &last);
  ky__say_dims(&is, scale);
  return ky__fail(q->fault, KY_BAD_SHAPE, "the %s is %s, wants %s", what, got, wanted);
}

static ky_status answer(ky_query *q, size_t words) {
  const ky_ins *i = q->ins;
  const ky_id a = operand(q->code, i, POOL_X), w = operand(q->code, i, POOL_WEIGHT);
  const ky_id b = operand(q->code, i, POOL_BIAS);
  KY_TRY(ky__need_float(q, a));
  const ky_layout x = *ky__layout_of(q, a);
  const int64_t axes = q->code->pool[i->b + POOL_AXES];
  const double eps = ky__pool_f64(q->code, i->b + POOL_EPS);
  if (axes < 1 || axes > x.rank)
    return ky__fail(q->fault, KY_BAD_AXIS,
                    x.rank ? "over %lld axes, wants 1 to %d" : "has no axis to be over",
                    (long long)axes, (int)x.rank);
  if (!(eps >= 0))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "eps is %g, wants 0 or more", eps);
  KY_TRY(need_scale(q, "weight", w, &x, (int)axes));
  KY_TRY(need_scale(q, "bias", b, &x, (int)axes));
  const bool dense = x.dense && ky__layout_of(q, w)->dense && ky__layout_of(q, b)->dense;
  int64_t rows = 1;
  for (int k = 0; k < x.rank - axes; k++) rows *= x.dims[k];
  q->klass = dense ? KY_FLAT : KY_GENERAL;
  q->aux_bytes = words * (size_t)rows * ky_dtype_size(ky__dtype_of(q, a));
  return ky__answer_like(q, ky__dtype_of(q, a), a);
}

ky_status ky__rule_layernorm(ky_query *q) { return answer(q, 2); }

ky_status ky__rule_rmsnorm(ky_query *q) { return answer(q, 1); }

/* ---- sweeps ------------------------------------------------------------------------------ */

/* Everything but results and adjoints; false after a fault. */
static bool prepare(ky_frame *f, ky_id pc, bool centred, ky_normalize *s) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *x = ky__layout(f->code, pc);
  const int axes = (int)f->code->pool[i->b + POOL_AXES];
  *s = (ky_normalize){.rows = 1, .n = 1, .eps = ky__pool_f64(f->code, i->b + POOL_EPS)};
  for (int k = 0; k < x->rank; k++)
    *(k < x->rank - axes ? &s->rows : &s->n) *= (size_t)x->dims[k];
  s->pitch = s->n;
  s->x = ky__dense_value(f, operand(f->code, i, POOL_X));
  s->w = ky__dense_value(f, operand(f->code, i, POOL_WEIGHT));
  if (s->rows == 0) return f->fault->status == KY_OK; /* there is no aux buffer */
  s->rstd = ky__aux(f, pc);
  if (centred) s->mean = (char *)s->rstd + s->rows * ky_dtype_size((ky_dtype)i->dtype);
  return f->fault->status == KY_OK;
}

/* A normalisation that is shared out by rows, or for gw and gb by columns. */
typedef struct shared {
  ky_normalize_fn *run;
  ky_normalize s;
  size_t size; /* of an element */
} shared;

static void run_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared *all = context;
  ky_normalize s = all->s;
  const size_t at = begin * s.pitch;
  s.rows = end - begin;
  s.x = ky__moved(s.x, (int64_t)at, all->size);
  s.r = ky__moved(s.r, (int64_t)at, all->size);
  s.g = ky__moved(s.g, (int64_t)at, all->size);
  s.gx = ky__moved(s.gx, (int64_t)at, all->size);
  s.mean = ky__moved(s.mean, (int64_t)begin, all->size);
  s.rstd = ky__moved(s.rstd, (int64_t)begin, all->size);
  all->run(&s);
}

static void run_columns(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared *all = context;
  ky_normalize s = all->s;
  s.n = end - begin;
  s.x = ky__moved(s.x, (int64_t)begin, all->size);
  s.g = ky__moved(s.g, (int64_t)begin, all->size);
  s.gw = ky__moved(s.gw, (int64_t)begin, all->size);
  s.gb = ky__moved(s.gb, (int64_t)begin, all->size);
  all->run(&s);
}

/* One thread reads x and g once for all adjoints; several do the rows, then the columns. */
static void pull(const ky_frame *f, shared *all) {
  const ky_normalize s = all->s;
  if (ky__team_pieces(f->team, s.rows * s.n, f->grain) < 2) {
    all->run(&all->s);
    return;
  }
  all->s.gw = all->s.gb = NULL;
  if (s.gx) ky__team_run(f->team, s.rows, ky__grain_of(f, s.n), run_rows, all);
  all->s.gx = NULL;
  all->s.gw = s.gw;
  all->s.gb = s.gb;
  if (s.gw || s.gb) ky__team_run(f->team, s.n, ky__grain_of(f, s.rows), run_columns, all);
}

static void forward(ky_frame *f, ky_id pc, bool centred) {
  const ky_ins *i = &f->code->ins[pc];
  shared all = {f->kernels->normalize->map[i->dtype], {0}, ky_dtype_size((ky_dtype)i->dtype)};
  ky_normalize *s = &all.s;
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (prepare(f, pc, centred, s)) {
    s->b = ky__dense_value(f, operand(f->code, i, POOL_BIAS));
    s->r = ky__data(f, pc);
    if (f->fault->status == KY_OK)
      ky__team_run(f->team, s->rows, ky__grain_of(f, s->n), run_rows, &all);
  }
  ky__arena_reset(&f->scratch, mark);
}

static void reverse(ky_frame *f, ky_id pc, bool centred) {
  const ky_ins *i = &f->code->ins[pc];
  ky_dest d[3];
  for (uint32_t k = 0; k < 3; k++) {
    const ky_id id = operand(f->code, i, k);
    d[k] = ky__dest(f, id, id && ky__wants(f->code, id));
  }
  shared all = {f->kernels->normalize->pull[i->dtype], {0}, ky_dtype_size((ky_dtype)i->dtype)};
  ky_normalize *s = &all.s;
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (prepare(f, pc, centred, s)) {
    s->g = ky__adjoint(f, pc);
    s->gx = d[POOL_X].ptr, s->beta_x = d[POOL_X].beta;
    s->gw = d[POOL_WEIGHT].ptr, s->beta_w = d[POOL_WEIGHT].beta;
    s->gb = d[POOL_BIAS].ptr, s->beta_b = d[POOL_BIAS].beta;
    pull(f, &all);
  }
  ky__arena_reset(&f->scratch, mark);
}

void fwd_layernorm(ky_frame *f, ky_id pc) { forward(f, pc, true); }

void vjp_layernorm(ky_frame *f, ky_id pc) { reverse(f, pc, true); }

void fwd_rmsnorm(ky_frame *f, ky_id pc) { forward(f, pc, false); }

void vjp_rmsnorm(ky_frame *f, ky_id pc) { reverse(f, pc, false); }
