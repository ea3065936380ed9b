/* SPDX-License-Identifier: MIT */
/* Connectionist temporal classification. The states of a sample are its targets with blanks
 * between them and around; a path stays, moves on by one, or by two past a blank between two
 * different targets. alpha[t][s] is the logarithm of what all paths have that are in state s
 * after step t; it is kept for the reverse sweep, which finds what follows (beta) row by row.
 *
 * Operands in the pool: log_probs [steps,batch,classes], targets, input and target lengths;
 * then the blank, and the reduction with bit ZERO_INFINITY. */
#include <math.h>
#include <string.h>

#include "kytape/ops.h"
#include "ops/family.h"
#include "ops/sequence.h"

enum { POOL_X, POOL_TARGETS, POOL_STEPS, POOL_LENGTHS, POOL_BLANK, POOL_HOW, OPERANDS = 4 };

#define ZERO_INFINITY 4

static ky_id operand(const ky_code *code, const ky_ins *i, uint32_t which) {
  return (ky_id)code->pool[i->b + which];
}

/* ---- rule -------------------------------------------------------------------------------- */

static ky_status need_integers(const ky_query *q, const char *what, ky_id id) {
  const ky_dtype dtype = ky__dtype_of(q, id);
  if (dtype == KY_I32 || dtype == KY_I64) return KY_OK;
  return ky__fail(q->fault, KY_BAD_DTYPE, "%s must be i32 or i64, got %s", what,
                  ky_dtype_name(dtype));
}

static ky_status need_batch(const ky_query *q, const char *what, const ky_layout *l,
                            int64_t batch) {
  if (l->rank == 1 && l->dims[0] == batch) return KY_OK;
  char got[96];
  ky_text text = {got, sizeof got, 0};
  ky__say_dims(&text, l);
  return ky__fail(q->fault, KY_BAD_SHAPE, "the %s are %s, want [%lld]", what, got,
                  (long long)batch);
}

/* Numbers of alpha for one step, over all samples. */
static size_t states_of(const ky_layout *x, const ky_layout *targets) {
  return 2 * (size_t)targets->count + (size_t)x->dims[1];
}

ky_status ky__rule_ctc(ky_query *q) {
  ky_id id[OPERANDS];
  for (uint32_t k = 0; k < OPERANDS; k++) id[k] = operand(q->code, q->ins, k);
  KY_TRY(ky__need_float(q, id[POOL_X]));
  KY_TRY(need_integers(q, "targets", id[POOL_TARGETS]));
  KY_TRY(need_integers(q, "input lengths", id[POOL_STEPS]));
  KY_TRY(need_integers(q, "target lengths", id[POOL_LENGTHS]));
  const ky_layout x = *ky__layout_of(q, id[POOL_X]),
                  *targets = ky__layout_of(q, id[POOL_TARGETS]);
  const int64_t blank = q->code->pool[q->ins->b + POOL_BLANK];
  if (x.rank != 3)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants log_probs [t,b,c], got rank %d",
                    (int)x.rank);
  if (blank < 0 || blank >= x.dims[2])
    return ky__fail(q->fault, KY_BAD_INDEX, "the blank %lld is not in 0..%lld",
                    (long long)blank, (long long)x.dims[2] - 1);
  if (targets->rank != 1 && !(targets->rank == 2 && targets->dims[0] == x.dims[1]))
    return ky__fail(q->fault, KY_BAD_SHAPE, "%lld samples want targets [%lld,s] or [n]",
                    (long long)x.dims[1], (long long)x.dims[1]);
  KY_TRY(need_batch(q, "input lengths", ky__layout_of(q, id[POOL_STEPS]), x.dims[1]));
  KY_TRY(need_batch(q, "target lengths", ky__layout_of(q, id[POOL_LENGTHS]), x.dims[1]));
  q->klass = KY_GENERAL;
  const size_t states = states_of(&x, targets), most = INT64_MAX / 2 / sizeof(double);
  if (x.dims[0] > 0 && states > (most - (size_t)x.dims[1]) / (size_t)x.dims[0])
    return ky__fail(q->fault, KY_BAD_SHAPE, "%lld steps of %zu states overflow",
                    (long long)x.dims[0], states);
  q->aux_bytes = ((size_t)x.dims[1] + (size_t)x.dims[0] * states) * sizeof(double);
  const int64_t how = q->code->pool[q->ins->b + POOL_HOW] & ~(int64_t)ZERO_INFINITY;
  ky_layout out;
  KY_TRY(ky__layout_dense(how == KY_REDUCE_NONE, x.dims + 1, &out, q->fault));
  return ky__answer(q, ky__dtype_of(q, id[POOL_X]), &out);
}

/* ---- samples ----------------------------------------------------------------------------- */

typedef struct sample {
  int64_t steps, length; /* of the input, of the targets */
  int64_t first;         /* its first target */
  size_t alpha;          /* where its alpha begins */
} sample;

typedef struct ctc {
  ky_frame *f;
  ky_id pc;
  ky_dtype dtype;
  const ky_layout *x, *targets;
  int64_t batch, blank;
  bool zero_infinity;
  ky_reduction how;
  sample *samples;
  double *loss;  /* aux: of each sample */
  double *alpha; /* aux: [steps,states] of each sample */
  char *rows;    /* scratch of a piece */
  size_t most;   /* states of a sample */
  void *out;     /* where a gradient goes, dense */
} ctc;

enum { ROW_SKIP, ROW_SKIP_BACK, ROW_FROM, ROW_NEXT, ROW_EMISSION, ROW_LABEL, ROWS };

/* States, and two places in front of them. */
static size_t most_states(const ky_layout *targets) {
  return 2 * (size_t)targets->dims[targets->rank - 1] + 1;
}

static size_t row_bytes(size_t most) {
  return ((most + 2) * sizeof(double) + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

size_t ky__ctc_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_ins *i = &code->ins[pc];
  const size_t batch = (size_t)ky__layout(code, operand(code, i, POOL_X))->dims[1];
  const size_t most = most_states(ky__layout(code, operand(code, i, POOL_TARGETS)));
  return threads * ROWS * row_bytes(most) + batch * sizeof(sample) + 2 * KY_ALIGN;
}

static int64_t integer_at(const ky_frame *f, ky_id id, int64_t place) {
  const void *data = ky__data(f, id);
  return f->code->ins[id].dtype == KY_I32 ? ((const int32_t *)data)[place]
                                          : ((const int64_t *)data)[place];
}

static int64_t target_at(const ctc *c, const sample *e, int64_t b, int64_t k) {
  const ky_id id = operand(c->f->code, &c->f->code->ins[c->pc], POOL_TARGETS);
  const int64_t *strides = c->targets->strides;
  const int64_t place =
      c->targets->rank == 2 ? b * strides[0] + k * strides[1] : (e->first + k) * strides[0];
  return integer_at(c->f, id, place);
}

static bool fail(const ctc *c, const char *what, int64_t got, int64_t b, int64_t most) {
  ky__fail(c->f->fault, KY_BAD_INDEX, "%s %lld of sample %lld is not in 0..%lld", what,
           (long long)got, (long long)b, (long long)most);
  return false;
}

/* Lengths and targets are the caller's, and may have changed since the forward sweep. */
static bool read_sample(const ctc *c, int64_t b, int64_t first, sample *e) {
  const ky_code *code = c->f->code;
  const ky_ins *i = &code->ins[c->pc];
  const ky_id steps = operand(code, i, POOL_STEPS), lengths = operand(code, i, POOL_LENGTHS);
  const bool rows = c->targets->rank == 2;
  const int64_t room = rows ? c->targets->dims[1] : c->targets->dims[0] - first;
  e->steps = integer_at(c->f, steps, b * ky__layout(code, steps)->strides[0]);
  e->length = integer_at(c->f, lengths, b * ky__layout(code, lengths)->strides[0]);
  e->first = first;
  e->alpha = (size_t)c->x->dims[0] * (2 * (size_t)first + (size_t)b);
  if (e->steps < 0 || e->steps > c->x->dims[0])
    return fail(c, "input length", e->steps, b, c->x->dims[0]);
  if (e->length < 0 || e->length > room) return fail(c, "target length", e->length, b, room);
  for (int64_t k = 0; k < e->length; k++) {
    const int64_t label = target_at(c, e, b, k);
    if (label < 0 || label >= c->x->dims[2])
      return fail(c, "target", label, b, c->x->dims[2] - 1);
    if (label == c->blank)
      return ky__fail(c->f->fault, KY_BAD_INDEX, "target %lld of sample %lld is the blank",
                      (long long)k, (long long)b),
             false;
  }
  return true;
}

static bool read_samples(const ctc *c) {
  const bool rows = c->targets->rank == 2;
  int64_t first = 0;
  for (int64_t b = 0; b < c->batch; b++) {
    if (!read_sample(c, b, first, &c->samples[b])) return false;
    first += rows ? c->targets->dims[1] : c->samples[b].length;
  }
  return true;
}

/* Everything that one piece after the other needs; false after a fault, or with no samples. */
static bool take(ky_frame *f, ky_id pc, ctc *c, size_t *grain) {
  const ky_code *code = f->code;
  const ky_ins *i = &code->ins[pc];
  const int64_t how = code->pool[i->b + POOL_HOW];
  *c = (ctc){.f = f,
             .pc = pc,
             .dtype = (ky_dtype)i->dtype,
             .x = ky__layout(code, operand(code, i, POOL_X)),
             .targets = ky__layout(code, operand(code, i, POOL_TARGETS)),
             .blank = code->pool[i->b + POOL_BLANK],
             .zero_infinity = (how & ZERO_INFINITY) != 0,
             .how = (ky_reduction)(how & ~(int64_t)ZERO_INFINITY)};
  c->batch = c->x->dims[1];
  c->most = most_states(c->targets);
  if (c->batch == 0) return false; /* there is no aux buffer */
  *grain = ky__grain_of(f, 8 * (size_t)c->x->dims[0] * c->most);
  c->loss = ky__aux(f, pc);
  c->alpha = c->loss + c->batch;
  c->samples = ky__scratch(f, (size_t)c->batch * sizeof *c->samples);
  c->rows = ky__scratch(f, ky__team_pieces(f->team, (size_t)c->batch, *grain) * ROWS *
                               row_bytes(c->most));
  return f->fault->status == KY_OK && read_samples(c);
}

/* ---- rows -------------------------------------------------------------------------------- */

/* State 0 of a scratch row. */
static double *row(const ctc *c, uint32_t piece, int which) {
  return (double *)(void *)(c->rows + (piece * ROWS + (size_t)which) * row_bytes(c->most)) + 2;
}

static double number_at(const ctc *c, int64_t t, int64_t b, int64_t label) {
  const int64_t *s = c->x->strides;
  const int64_t place = t * s[0] + b * s[1] + label * s[2];
  const void *x = ky__data(c->f, operand(c->f->code, &c->f->code->ins[c->pc], POOL_X));
  return c->dtype == KY_F32 ? (double)((const float *)x)[place] : ((const double *)x)[place];
}

/* Labels of the states, and where two may be taken at once. */
static void start_rows(const ctc *c, uint32_t piece, int64_t b) {
  const sample *e = &c->samples[b];
  const int64_t n = 2 * e->length + 1;
  double *skip = row(c, piece, ROW_SKIP), *back = row(c, piece, ROW_SKIP_BACK);
  double *label = row(c, piece, ROW_LABEL);
  for (int64_t s = 0; s < n; s++)
    label[s] = (double)(s % 2 ? target_at(c, e, b, s / 2) : c->blank);
  for (int64_t s = 0; s < n; s++)
    skip[s] = s % 2 && s > 1 && label[s] != label[s - 2] ? 0 : -INFINITY;
  for (int64_t s = 0; s < n; s++) back[s] = s > 1 ? skip[n + 1 - s] : -INFINITY;
  for (int k = ROW_FROM; k <= ROW_NEXT; k++) {
    double *from = row(c, piece, k);
    from[-1] = from[-2] = -INFINITY;
  }
}

static void read_emissions(const ctc *c, uint32_t piece, int64_t t, int64_t b) {
  const int64_t n = 2 * c->samples[b].length + 1;
  const double *label = row(c, piece, ROW_LABEL);
  double *emission = row(c, piece, ROW_EMISSION);
  const double blank = number_at(c, t, b, c->blank);
  for (int64_t s = 0; s < n; s++)
    emission[s] = s % 2 ? number_at(c, t, b, (int64_t)label[s]) : blank;
}

static double log_of_sum(double a, double b) {
  const double top = a > b ? a : b;
  return top == -INFINITY ? top : top + log(exp(a - top) + exp(b - top));
}

/* ---- forward ----------------------------------------------------------------------------- */

/* A path begins in one of the first two states, and ends in one of the last two. */
static double map_sample(const ctc *c, uint32_t piece, int64_t b) {
  const sample *e = &c->samples[b];
  const size_t n = 2 * (size_t)e->length + 1;
  if (e->steps == 0) return e->length == 0 ? 0 : INFINITY;
  double *alpha = c->alpha + e->alpha, *from = row(c, piece, ROW_FROM);
  const double *emission = row(c, piece, ROW_EMISSION);
  start_rows(c, piece, b);
  for (int64_t t = 0; t < e->steps; t++, alpha += n) {
    read_emissions(c, piece, t, b);
    if (t > 0)
      c->f->kernels->ctc->step(n, alpha, from, row(c, piece, ROW_SKIP));
    else
      for (size_t s = 0; s < n; s++) alpha[s] = s < 2 ? 0 : -INFINITY;
    for (size_t s = 0; s < n; s++) from[s] = alpha[s] += emission[s];
  }
  return -log_of_sum(from[n - 1], n > 1 ? from[n - 2] : -INFINITY);
}

static void map_samples(void *context, uint32_t piece, size_t begin, size_t end) {
  const ctc *c = context;
  for (int64_t b = (int64_t)begin; b < (int64_t)end; b++) c->loss[b] = map_sample(c, piece, b);
}

static double weight_of(const ctc *c, int64_t b) {
  if (c->zero_infinity && c->loss[b] == INFINITY) return 0;
  const int64_t length = c->samples[b].length;
  return c->how == KY_REDUCE_MEAN ? 1 / ((double)(length > 0 ? length : 1) * (double)c->batch)
                                  : 1;
}

static void put(void *array, ky_dtype dtype, int64_t at, double value) {
  if (dtype == KY_F64)
    ((double *)array)[at] = value;
  else
    ((float *)array)[at] = (float)value;
}

void fwd_ctc(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  ctc c;
  size_t grain;
  double total = 0;
  if (take(f, pc, &c, &grain)) {
    ky__team_run(f->team, (size_t)c.batch, grain, map_samples, &c);
    for (int64_t b = 0; b < c.batch; b++) {
      const double weight = weight_of(&c, b), loss = weight == 0 ? 0 : weight * c.loss[b];
      if (c.how == KY_REDUCE_NONE) put(ky__data(f, pc), c.dtype, b, loss);
      total += loss;
    }
  }
  if (c.batch == 0 && c.how == KY_REDUCE_MEAN) total = NAN;
  if (c.how != KY_REDUCE_NONE) put(ky__data(f, pc), c.dtype, 0, total);
  ky__arena_reset(&f->scratch, mark);
}

/* ---- adjoint ----------------------------------------------------------------------------- */

/* A step's number of a class gets -weight times the share of the paths that are in one of its
 * states then. Rows of beta are reversed, so that one kernel makes both. */
static void pull_sample(const ctc *c, uint32_t piece, int64_t b, double weight) {
  const sample *e = &c->samples[b];
  const size_t n = 2 * (size_t)e->length + 1, classes = (size_t)c->x->dims[2];
  double *from = row(c, piece, ROW_FROM), *next = row(c, piece, ROW_NEXT);
  double *emission = row(c, piece, ROW_EMISSION);
  const double *label = row(c, piece, ROW_LABEL);
  start_rows(c, piece, b);
  for (int64_t t = e->steps; t-- > 0;) {
    const double *alpha = c->alpha + e->alpha + (size_t)t * n;
    if (t + 1 < e->steps)
      c->f->kernels->ctc->step(n, next, from, row(c, piece, ROW_SKIP_BACK));
    else
      for (size_t s = 0; s < n; s++) next[s] = s < 2 ? 0 : -INFINITY;
    read_emissions(c, piece, t, b);
    for (size_t s = 0; s < n; s++) from[s] = next[s] + emission[n - 1 - s];
    for (size_t s = 0; s < n; s++) emission[s] = next[n - 1 - s];
    c->f->kernels->ctc->joint(n, next, alpha, emission, c->loss[b]);
    const size_t place = ((size_t)t * (size_t)c->batch + (size_t)b) * classes;
    for (size_t s = 0; s < n; s++) {
      const size_t at = place + (size_t)label[s];
      if (c->dtype == KY_F64)
        ((double *)c->out)[at] -= weight * next[s];
      else
        ((float *)c->out)[at] -= (float)(weight * next[s]);
    }
  }
}

static void pull_samples(void *context, uint32_t piece, size_t begin, size_t end) {
  const ctc *c = context;
  const void *g = ky__adjoint(c->f, c->pc);
  for (int64_t b = (int64_t)begin; b < (int64_t)end; b++) {
    const int64_t at = c->how == KY_REDUCE_NONE ? b : 0;
    const double one =
        c->dtype == KY_F64 ? ((const double *)g)[at] : (double)((const float *)g)[at];
    const double weight = weight_of(c, b);
    if (weight != 0) pull_sample(c, piece, b, weight * one);
  }
}

void vjp_ctc(ky_frame *f, ky_id pc) {
  const ky_id x = operand(f->code, &f->code->ins[pc], POOL_X);
  const ky_dest d = ky__dest(f, x, ky__wants(f->code, x));
  if (!d.ptr) return;
  if (!d.beta)
    memset(d.ptr, 0,
           (size_t)ky__layout(f->code, x)->count *
               ky_dtype_size((ky_dtype)f->code->ins[pc].dtype));
  const ky_place mark = ky__arena_mark(&f->scratch);
  ctc c;
  size_t grain;
  if (take(f, pc, &c, &grain)) {
    c.out = d.ptr;
    ky__team_run(f->team, (size_t)c.batch, grain, pull_samples, &c);
  }
  ky__arena_reset(&f->scratch, mark);
}
