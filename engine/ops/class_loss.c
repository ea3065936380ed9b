/* SPDX-License-Identifier: MIT */
/* cross_entropy_with: cross entropy with weights of the classes, smoothed labels and a label
 * whose rows are left out, in one walk over the logits. The aux buffer has what the mean
 * divides by, the mean itself, and of each row the largest logit and the sum of e^(x -
 * largest).
 */
#include <assert.h>
#include <string.h>

#include "kytape/ops.h"
#include "ops/labelled.h"
#include "ops/turn.h"

/* The operands and the words behind them. */
typedef struct terms {
  ky_id logits, labels, weights; /* weights: 0 for none */
  ky_reduction reduction;
  bool leaves_out;
  int64_t left_out;
  double smoothing;
} terms;

static terms terms_of(const ky_code *code, const ky_ins *i) {
  const int64_t *word = code->pool + i->b;
  return (terms){.logits = (ky_id)word[0],
                 .labels = (ky_id)word[1],
                 .weights = (ky_id)word[2],
                 .reduction = (ky_reduction)word[3],
                 .leaves_out = word[4] != 0,
                 .left_out = word[5],
                 .smoothing = ky__pool_f64(code, i->b + 6)};
}

static ky_status check_weights(const ky_query *q, const terms *p, int64_t classes) {
  KY_TRY(ky__need_float(q, p->weights));
  KY_TRY(ky__need_same_dtype(q, p->logits, p->weights));
  const ky_layout *weights = ky__layout_of(q, p->weights);
  if (weights->rank == 1 && weights->dims[0] == classes) return KY_OK;
  char dims[128];
  ky_text text = {dims, sizeof dims, 0};
  ky__say_dims(&text, weights);
  return ky__fail(q->fault, KY_BAD_SHAPE, "weights are %s, want [%lld]", dims,
                  (long long)classes);
}

/* The leading cells of aux, apart from the rows' for their alignment. */
typedef struct totals {
  double mass; /* weights of the labels, of the rows that count */
  double mean;
} totals;

ky_status ky__rule_class_loss(ky_query *q) {
  const terms p = terms_of(q->code, q->ins);
  KY_TRY(ky__need_labelled(q, p.logits, p.labels));
  const ky_dtype dtype = ky__dtype_of(q, p.logits);
  const ky_layout logits = *ky__layout_of(q, p.logits), labels = *ky__layout_of(q, p.labels);
  if (p.weights) KY_TRY(check_weights(q, &p, logits.dims[labels.rank]));
  KY_TRY(ky__check_reduction(p.reduction, q->fault));
  if (!(p.smoothing >= 0 && p.smoothing <= 1))
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "smoothing is %g, wants 0 to 1", p.smoothing);
  q->klass = KY_GENERAL;
  q->aux_bytes = KY_ALIGN + 2 * (size_t)labels.count * ky_dtype_size(dtype);
  if (p.reduction == KY_REDUCE_NONE) return ky__answer(q, dtype, &labels);
  q->dtype = (uint8_t)dtype;
  q->layout = 0;
  return KY_OK;
}

/* Weights dense, copied if they are strided. False: there was no memory. */
static bool class_terms(ky_frame *f, const terms *p, ky_class_terms *c) {
  const ky_layout *logits = ky__layout(f->code, p->logits);
  const int64_t classes = logits->dims[logits->rank - 1];
  *c = (ky_class_terms){.total = (double)classes, .smoothing = p->smoothing};
  if (!p->weights) return true;
  const ky_dtype dtype = (ky_dtype)f->code->ins[p->weights].dtype;
  c->weight = ky__dense_value(f, p->weights);
  if (f->fault->status != KY_OK) return false;
  c->total = 0;
  for (int64_t j = 0; j < classes; j++)
    c->total += dtype == KY_F64 ? ((const double *)c->weight)[j]
                                : (double)((const float *)c->weight)[j];
  return true;
}

static void begin(const ky_frame *f, const terms *p, ky_batch *b) {
  ky__batches(f, p->logits, p->labels, b);
  b->leaves_out = p->leaves_out;
  b->left_out = p->left_out;
}

/* A batch of rows, shared out by rows; the loss of each is kept, so that they are added up in
 * order. */
typedef struct shared_rows {
  const ky_frame *f;
  ky_batch b;
  ky_class_terms c;
  ky_dtype dtype;
  size_t n, size;
  void *loss, *sums, *gx; /* of the batch's first row; loss may be null */
  const char *g;
  int64_t sg;
  int beta;
  double scale;
  double one[KY_BATCH];
} shared_rows;

static const char *row_of(const shared_rows *s, size_t k) {
  return (const char *)s->b.data + (int64_t)k * s->b.pitch.row * (int64_t)s->size;
}

static void map_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  shared_rows *s = context;
  for (size_t k = begin; k < end; k++)
    s->one[k] = s->f->kernels->softmax->map_class_loss[s->dtype](
        1, s->n, s->loss ? ky__element(s->loss, k, s->size) : NULL,
        ky__element(s->sums, 2 * k, s->size), row_of(s, k), s->b.pitch, s->b.label + k, &s->c);
}

static void pull_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const shared_rows *s = context;
  s->f->kernels->softmax->pull_class_loss[s->dtype](
      end - begin, s->n, ky__element(s->gx, begin * s->n, s->size), s->beta,
      s->g + s->sg * (int64_t)(begin * s->size), s->sg, s->scale,
      ky__element(s->sums, 2 * begin, s->size), row_of(s, begin), s->b.pitch,
      s->b.label + begin, &s->c);
}

static void turn_rows(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  shared_rows *s = context;
  for (size_t k = begin; k < end; k++)
    s->one[k] = s->f->kernels->softmax->turn_class_loss[s->dtype](
        1, s->n, ky__element(s->gx, k * s->n, s->size), s->g, s->scale, row_of(s, k),
        s->b.pitch, s->b.label + k, &s->c);
}

/* Before the first batch. False: there was no memory. */
static bool start_rows(ky_frame *f, ky_id pc, const terms *p, shared_rows *s) {
  const ky_layout *logits = ky__layout(f->code, p->logits);
  s->f = f;
  s->dtype = (ky_dtype)f->code->ins[pc].dtype;
  s->n = (size_t)logits->dims[logits->rank - 1];
  s->size = ky_dtype_size(s->dtype);
  s->loss = NULL;
  if (!class_terms(f, p, &s->c)) return false;
  begin(f, p, &s->b);
  return true;
}

/* The weights of the labels of a batch, added to *mass one after the other. */
static void add_mass(const shared_rows *s, double *mass) {
  for (size_t k = 0; k < s->b.rows; k++) {
    const int64_t label = s->b.label[k];
    if (label < 0) continue;
    if (!s->c.weight)
      *mass += 1;
    else
      *mass += s->dtype == KY_F64 ? ((const double *)s->c.weight)[label]
                                  : (double)((const float *)s->c.weight)[label];
  }
}

static void add_losses(const shared_rows *s, double *total) {
  for (size_t k = 0; k < s->b.rows; k++) *total += s->one[k];
}

/* The sum of the losses, and of the weights. */
static void sum_rows(ky_frame *f, ky_id pc, const terms *p, double *total, totals *sums) {
  shared_rows s;
  if (!start_rows(f, pc, p, &s)) return;
  while (ky__next_batch(f, &s.b)) {
    const size_t first = (size_t)s.b.first;
    s.sums = ky__element((char *)ky__aux(f, pc) + KY_ALIGN, 2 * first, s.size);
    if (p->reduction == KY_REDUCE_NONE) s.loss = ky__element(ky__data(f, pc), first, s.size);
    ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), map_rows, &s);
    add_losses(&s, total);
    add_mass(&s, &sums->mass);
  }
}

static void put_result(ky_frame *f, ky_id pc, double value) {
  if (f->code->ins[pc].dtype == KY_F64)
    f->val[pc].f64 = value;
  else
    f->val[pc].f32 = (float)value;
}

void fwd_cross_entropy_with(ky_frame *f, ky_id pc) {
  const terms p = terms_of(f->code, &f->code->ins[pc]);
  double total = 0;
  totals sums = {0, 0};
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (ky__layout(f->code, p.labels)->count > 0) sum_rows(f, pc, &p, &total, &sums);
  ky__arena_reset(&f->scratch, mark);
  if (f->fault->status != KY_OK) return;
  sums.mean = total / sums.mass;
  memcpy(ky__aux(f, pc), &sums, sizeof sums);
  if (p.reduction != KY_REDUCE_NONE)
    put_result(f, pc, p.reduction == KY_REDUCE_MEAN ? sums.mean : total);
}

bool ky__class_loss_turns(const ky_code *code, const ky_ins *i) {
  const terms p = terms_of(code, i);
  return p.reduction != KY_REDUCE_NONE && ky__wants(code, p.logits) &&
         !(p.weights && ky__wants(code, p.weights));
}

/* The mean's divisor is known before the first adjoint: labels are walked over twice. */
static void turn_batches(ky_frame *f, ky_id pc, const terms *p, void *gx, totals *sums,
                         double *total) {
  shared_rows s;
  if (!start_rows(f, pc, p, &s)) return;
  while (ky__next_batch(f, &s.b)) add_mass(&s, &sums->mass);
  begin(f, p, &s.b);
  s.g = ky__adjoint(f, pc);
  s.scale = p->reduction == KY_REDUCE_MEAN ? 1 / sums->mass : 1;
  while (ky__next_batch(f, &s.b)) {
    s.gx = ky__element(gx, (size_t)s.b.first * s.n, s.size);
    ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), turn_rows, &s);
    add_losses(&s, total);
  }
}

void ky__class_loss_turn(ky_frame *f, ky_id pc) {
  const terms p = terms_of(f->code, &f->code->ins[pc]);
  const ky_dest d = ky__dest(f, p.logits, ky__wants(f->code, p.logits));
  assert(!d.beta); /* the root is the first to contribute */
  double total = 0;
  totals sums = {0, 0};
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (d.ptr && ky__layout(f->code, p.labels)->count > 0)
    turn_batches(f, pc, &p, d.ptr, &sums, &total);
  ky__arena_reset(&f->scratch, mark);
  put_result(f, pc, p.reduction == KY_REDUCE_MEAN ? total / sums.mass : total);
}

/* What is common to both adjoints. */
typedef struct pull {
  const ky_ins *i;
  terms p;
  int64_t classes, size;
  const char *g;
  char *sums;
  int64_t sg;   /* 0 when there is one g for all rows */
  double scale; /* of g */
  double shift; /* what the mean takes from each row's weight */
} pull;

static pull pull_of(const ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const terms p = terms_of(f->code, i);
  const ky_layout *logits = ky__layout(f->code, p.logits);
  char *aux = ky__aux(f, pc);
  totals sums;
  memcpy(&sums, aux, sizeof sums);
  pull u = {.i = i,
            .p = p,
            .classes = logits->dims[logits->rank - 1],
            .size = (int64_t)ky_dtype_size((ky_dtype)i->dtype),
            .g = ky__adjoint(f, pc),
            .sums = aux + KY_ALIGN,
            .sg = p.reduction == KY_REDUCE_NONE,
            .scale = 1};
  if (p.reduction != KY_REDUCE_MEAN) return u;
  const double g = i->dtype == KY_F64 ? *(const double *)u.g : (double)*(const float *)u.g;
  u.scale = 1 / sums.mass;
  u.shift = g * sums.mean / sums.mass;
  return u;
}

static void pull_logits(ky_frame *f, ky_id pc, const pull *u, ky_dest d) {
  if (!d.ptr || ky__layout(f->code, u->p.logits)->count == 0) return;
  shared_rows s;
  if (!start_rows(f, pc, &u->p, &s)) return;
  s.sg = u->sg;
  s.beta = d.beta;
  s.scale = u->scale;
  while (ky__next_batch(f, &s.b)) {
    const size_t first = (size_t)s.b.first;
    s.sums = ky__element(u->sums, 2 * first, s.size);
    s.gx = ky__element(d.ptr, first * s.n, s.size);
    s.g = u->g + u->sg * s.b.first * u->size;
    ky__team_run(f->team, s.b.rows, ky__grain_of(f, s.n), pull_rows, &s);
  }
}

static void pull_weights(ky_frame *f, const pull *u, ky_dest d) {
  if (!d.ptr || u->classes == 0) return;
  double *gw = ky__scratch(f, (size_t)u->classes * sizeof *gw);
  if (!gw) return;
  memset(gw, 0, (size_t)u->classes * sizeof *gw);
  if (ky__layout(f->code, u->p.labels)->count > 0) {
    ky_batch b;
    begin(f, &u->p, &b);
    while (ky__next_batch(f, &b))
      f->kernels->softmax->pull_class_weights[u->i->dtype](
          b.rows, (size_t)u->classes, gw, u->g + u->sg * b.first * u->size, u->sg, u->scale,
          u->shift, u->sums + 2 * b.first * u->size, b.data, b.pitch, b.label, u->p.smoothing);
  }
  for (int64_t j = 0; j < u->classes; j++) {
    double *wide = (double *)d.ptr + j;
    float *narrow = (float *)d.ptr + j;
    if (u->i->dtype == KY_F64)
      *wide = gw[j] + (d.beta ? *wide : 0);
    else
      *narrow = (float)(gw[j] + (d.beta ? (double)*narrow : 0));
  }
}

void vjp_cross_entropy_with(ky_frame *f, ky_id pc) {
  const pull u = pull_of(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  pull_logits(f, pc, &u, ky__dest(f, u.p.logits, ky__wants(f->code, u.p.logits)));
  if (f->fault->status == KY_OK && u.p.weights)
    pull_weights(f, &u, ky__dest(f, u.p.weights, ky__wants(f->code, u.p.weights)));
  ky__arena_reset(&f->scratch, mark);
}
