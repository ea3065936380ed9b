/* SPDX-License-Identifier: MIT */
/* Random numbers: uniform, normal, bernoulli as leaves, and dropout. Numbers are recomputed
 * from seed and draw wherever they are needed. What dropout keeps for its adjoint are these
 * two: by then the frame may be at another draw. */
#include <math.h>

#include "base/interval.h"
#include "ops/family.h"

/* Words of the pool, from b on. */
enum { POOL_STREAM, POOL_FIRST, POOL_SECOND };

/* ---- rules ------------------------------------------------------------------------------- */

static ky_status check_probability(const ky_query *q, double p) {
  if (p >= 0 && p <= 1) return KY_OK;
  return ky__fail(q->fault, KY_BAD_ARGUMENT, "the probability is %.17g, wants 0 to 1", p);
}

/* Whether the number is finite in the dtype, too. */
static bool fits(ky_dtype dtype, double x) {
  return isfinite(dtype == KY_F32 ? (double)(float)x : x);
}

static ky_status check_bounds(const ky_query *q, ky_dtype dtype, double lo, double hi) {
  if (!(lo < hi && isfinite(lo) && isfinite(hi) && isfinite(hi - lo)))
    return ky__fail(q->fault, KY_BAD_ARGUMENT,
                    "wants finite bounds lo < hi, got %.17g and %.17g", lo, hi);
  if (!fits(dtype, lo) || !fits(dtype, hi))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "the bounds %g and %g are beyond %s", lo, hi,
                    ky_dtype_name(dtype));
  double first, last;
  ky__interval(dtype, lo, hi, &first, &last);
  if (first <= last) return KY_OK;
  return ky__fail(q->fault, KY_BAD_ARGUMENT, "no %s lies in [%.17g, %.17g)",
                  ky_dtype_name(dtype), lo, hi);
}

static ky_status check_normal(const ky_query *q, ky_dtype dtype, double mean,
                              double deviation) {
  if (fits(dtype, mean) && deviation >= 0 && fits(dtype, deviation)) return KY_OK;
  return ky__fail(q->fault, KY_BAD_ARGUMENT,
                  "wants a finite mean and a deviation of 0 or more, got %g and %g", mean,
                  deviation);
}

ky_status ky__rule_random(ky_query *q) {
  const ky_ins *i = q->ins;
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const bool as_mask = i->op == KY_OP_bernoulli && dtype == KY_MASK;
  if (!ky__is_float(dtype) && !as_mask)
    return ky__fail(q->fault, KY_BAD_DTYPE, "makes f32 or f64%s, not %s",
                    i->op == KY_OP_bernoulli ? " or a mask" : "", ky_dtype_name(dtype));
  const double x = ky__pool_f64(q->code, i->b + POOL_FIRST);
  const double y = ky__pool_f64(q->code, i->b + POOL_SECOND);
  KY_TRY(i->op == KY_OP_uniform  ? check_bounds(q, dtype, x, y)
         : i->op == KY_OP_normal ? check_normal(q, dtype, x, y)
                                 : check_probability(q, x));
  q->klass = q->shape->rank == 0 ? KY_POINT : KY_FLAT;
  return ky__answer(q, dtype, q->shape);
}

ky_status ky__rule_dropout(ky_query *q) {
  const ky_ins *i = q->ins;
  KY_TRY(ky__need_float(q, i->a));
  KY_TRY(check_probability(q, ky__pool_f64(q->code, i->b + POOL_FIRST)));
  const ky_layout *x = ky__layout_of(q, i->a);
  q->klass = x->rank == 0 ? KY_POINT : x->dense ? KY_FLAT : KY_GENERAL;
  q->aux_bytes = sizeof(ky_draw);
  return ky__answer_like(q, ky__dtype_of(q, i->a), i->a);
}

/* ---- sweeps ------------------------------------------------------------------------------ */

static ky_draw draw_of(ky_frame *f, ky_id pc) {
  const int64_t stream = f->code->pool[f->code->ins[pc].b + POOL_STREAM];
  f->drew = true;
  return (ky_draw){f->seed, f->draw, (uint32_t)stream};
}

static double parameter(const ky_frame *f, ky_id pc, uint32_t which) {
  return ky__pool_f64(f->code, f->code->ins[pc].b + which);
}

static size_t count_of(const ky_frame *f, ky_id pc) {
  return (size_t)ky__layout(f->code, pc)->count;
}

/* Numbers to make: element k of a draw is the same, whoever makes it. */
typedef struct making {
  const ky_frame *f;
  ky_op op;
  ky_dtype dtype;
  ky_draw draw;
  double first, second;
  void *out;
  int beta;
  const void *in; /* of a dropout */
} making;

static void make_some(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const making *m = context;
  const ky_random_kernels *kernels = m->f->kernels->random;
  const size_t n = end - begin, size = ky_dtype_size(m->dtype);
  void *out = ky__element(m->out, begin, size);
  if (m->op == KY_OP_uniform)
    kernels->uniform[m->dtype](&m->draw, begin, n, out, m->first, m->second);
  else if (m->op == KY_OP_normal)
    kernels->normal[m->dtype](&m->draw, begin, n, out, m->first, m->second);
  else if (m->op == KY_OP_bernoulli)
    kernels->bernoulli(&m->draw, begin, n, m->dtype, out, m->first);
  else
    kernels->dropout[m->dtype](&m->draw, begin, n, out, m->beta,
                               ky__element(m->in, begin, size), m->first);
}

static void make(const ky_frame *f, ky_id pc, making *m) {
  m->f = f;
  m->op = (ky_op)f->code->ins[pc].op;
  m->dtype = (ky_dtype)f->code->ins[pc].dtype;
  m->first = parameter(f, pc, POOL_FIRST);
  ky__team_run(f->team, count_of(f, pc), ky__whole_grain(f, KY_DRAW_CHUNK), make_some, m);
}

void fwd_uniform(ky_frame *f, ky_id pc) {
  making m = {
      .draw = draw_of(f, pc), .second = parameter(f, pc, POOL_SECOND), .out = ky__data(f, pc)};
  make(f, pc, &m);
}

void fwd_normal(ky_frame *f, ky_id pc) {
  making m = {
      .draw = draw_of(f, pc), .second = parameter(f, pc, POOL_SECOND), .out = ky__data(f, pc)};
  make(f, pc, &m);
}

void fwd_bernoulli(ky_frame *f, ky_id pc) {
  making m = {.draw = draw_of(f, pc), .out = ky__data(f, pc)};
  make(f, pc, &m);
}

/* An operand that is not dense is brought into the result first, and stays there. */
void fwd_dropout(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *x = ky__layout(f->code, i->a), *space = ky__layout(f->code, pc);
  const ky_draw d = draw_of(f, pc);
  *(ky_draw *)ky__aux(f, pc) = d;
  void *r = ky__data(f, pc);
  const void *from = ky__data(f, i->a);
  if (!x->dense) {
    ky__copy(f, (ky_dtype)i->dtype, space, r, space->strides, 0, from, x->strides);
    from = r;
  }
  making m = {.draw = d, .out = r, .in = from};
  make(f, pc, &m);
}

void vjp_dropout(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest to = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!to.ptr) return;
  making m = {.out = to.ptr, .beta = to.beta, .in = ky__adjoint(f, pc)};
  if (count_of(f, pc) > 0) m.draw = *(const ky_draw *)ky__aux(f, pc);
  make(f, pc, &m);
}
