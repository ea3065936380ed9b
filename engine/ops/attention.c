/* SPDX-License-Identifier: MIT */
/* Scaled dot-product attention. A head's rows are taken a tile at a time: product, softmax
 * (kernels/attention.c), product; all that stays of a row is its logsumexp, from which the
 * adjoint computes its weights once more. Tiles depend on the shapes alone, and heads that
 * share keys and values are one unit of work, so that units can run side by side.
 *
 * Operands stand in the pool: q, k, v, the mask or 0; then 1 for causal, and the scale. They
 * may lie in memory as they like: the products take any strides. */
#include <string.h>

#include "kernels/gemm.h"
#include "ops/family.h"
#include "ops/sequence.h"

enum { POOL_Q, POOL_K, POOL_V, POOL_MASK, POOL_CAUSAL, POOL_SCALE };

#define RANK 4

static ky_id operand(const ky_code *code, const ky_ins *i, uint32_t which) {
  return (ky_id)code->pool[i->b + which];
}

/* ---- rule -------------------------------------------------------------------------------- */

static ky_status need_ranks(const ky_query *q, const ky_layout l[3]) {
  if (l[0].rank == RANK && l[1].rank == RANK && l[2].rank == RANK) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "wants q, k and v of rank 4, got %d, %d and %d",
                  (int)l[0].rank, (int)l[1].rank, (int)l[2].rank);
}

static ky_status need_equal(const ky_query *q, const char *what, int64_t a, int64_t b) {
  if (a == b) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "%s %lld and %lld differ", what, (long long)a,
                  (long long)b);
}

static ky_status need_extents(const ky_query *q, const ky_layout *a, const ky_layout *k,
                              const ky_layout *v) {
  KY_TRY(need_equal(q, "the batches of q and k,", a->dims[0], k->dims[0]));
  KY_TRY(need_equal(q, "the batches of q and v,", a->dims[0], v->dims[0]));
  KY_TRY(need_equal(q, "the heads of k and v,", k->dims[1], v->dims[1]));
  KY_TRY(need_equal(q, "the lengths of k and v,", k->dims[2], v->dims[2]));
  KY_TRY(need_equal(q, "the widths of q and k,", a->dims[3], k->dims[3]));
  const int64_t heads = a->dims[1], shared = k->dims[1];
  if (heads == shared || (shared > 0 && heads % shared == 0)) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE, "%lld heads of q do not share %lld of k and v",
                  (long long)heads, (long long)shared);
}

static ky_status need_mask(const ky_query *q, ky_id mask, const ky_layout *scores) {
  if (!mask) return KY_OK;
  const ky_dtype dtype = ky__dtype_of(q, mask);
  if (dtype != KY_MASK) KY_TRY(ky__need_same_dtype(q, operand(q->code, q->ins, POOL_Q), mask));
  const ky_layout *l = ky__layout_of(q, mask);
  const int lead = RANK - l->rank;
  bool fits = lead >= 0;
  for (int k = 0; fits && k < l->rank; k++)
    fits = l->dims[k] == 1 || l->dims[k] == scores->dims[k + lead];
  if (fits) return KY_OK;
  char got[96], wanted[96];
  ky_text is = {got, sizeof got, 0}, want = {wanted, sizeof wanted, 0};
  ky__say_dims(&is, l);
  ky__say_dims(&want, scores);
  return ky__fail(q->fault, KY_BAD_SHAPE, "the mask %s does not broadcast to %s", got, wanted);
}

/* The index space of the scores, [batch,heads,rows,columns]. */
static ky_layout score_space(const ky_layout *q, const ky_layout *k) {
  ky_layout s = *q; /* nobody counts it: there may be too many */
  s.dims[3] = k->dims[2];
  return s;
}

ky_status ky__rule_attention(ky_query *q) {
  const ky_id a = operand(q->code, q->ins, POOL_Q);
  KY_TRY(ky__need_float(q, a));
  KY_TRY(ky__need_same_dtype(q, a, operand(q->code, q->ins, POOL_K)));
  KY_TRY(ky__need_same_dtype(q, a, operand(q->code, q->ins, POOL_V)));
  ky_layout l[3];
  for (uint32_t k = 0; k < 3; k++) l[k] = *ky__layout_of(q, operand(q->code, q->ins, k));
  KY_TRY(need_ranks(q, l));
  KY_TRY(need_extents(q, &l[0], &l[1], &l[2]));
  const ky_layout scores = score_space(&l[0], &l[1]);
  KY_TRY(need_mask(q, operand(q->code, q->ins, POOL_MASK), &scores));
  int64_t dims[RANK];
  for (int k = 0; k < 3; k++) dims[k] = l[0].dims[k];
  dims[3] = l[2].dims[3];
  ky_layout out;
  KY_TRY(ky__layout_dense(RANK, dims, &out, q->fault));
  q->klass = KY_GENERAL;
  q->aux_bytes = (size_t)(dims[0] * dims[1] * dims[2]) * ky_dtype_size(ky__dtype_of(q, a));
  return ky__answer(q, ky__dtype_of(q, a), &out);
}

/* ---- plans ------------------------------------------------------------------------------- */

#define MOST_ROWS  32    /* of a tile */
#define LEAST_ROWS 8     /* so that products stay products, however long rows are */
#define TILE       16384 /* elements of scores that should stay near */

/* An array [batch,heads,rows,columns]. */
typedef struct block {
  const char *data;
  int64_t strides[KY_MAX_RANK];
} block;

typedef struct plan {
  ky_frame *f;
  ky_dtype dtype;
  size_t size;
  int64_t batches, heads, shared; /* heads of q; of k and v */
  size_t rows, columns, width,
      out;     /* of a head: q [rows,width], k [columns,width], v [.,out] */
  size_t tile; /* rows of one */
  block q, k, v, mask;
  bool masked, choice, causal;
  double scale;
  char *lse;
} plan;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t tile_rows(size_t rows, size_t columns) {
  const size_t fit = TILE / (columns ? columns : 1);
  return smaller(rows, fit < LEAST_ROWS ? LEAST_ROWS : smaller(fit, MOST_ROWS));
}

static block block_of(const ky_frame *f, ky_id id, const ky_layout *space) {
  block b = {.data = ky__data(f, id)};
  ky__broadcast_strides(ky__layout(f->code, id), space, b.strides);
  return b;
}

static block dense_block(const void *data, const ky_layout *shape, const ky_layout *space) {
  const ky_layout dense = ky__dense(shape);
  block b = {.data = data};
  ky__broadcast_strides(&dense, space, b.strides);
  return b;
}

static plan make_plan(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_id q = operand(f->code, i, POOL_Q), k = operand(f->code, i, POOL_K);
  const ky_id v = operand(f->code, i, POOL_V), mask = operand(f->code, i, POOL_MASK);
  const ky_layout *lq = ky__layout(f->code, q), *lk = ky__layout(f->code, k);
  const ky_layout *lv = ky__layout(f->code, v), space = score_space(lq, lk);
  plan p = {.f = f,
            .dtype = (ky_dtype)i->dtype,
            .size = ky_dtype_size((ky_dtype)i->dtype),
            .batches = lq->dims[0],
            .heads = lq->dims[1],
            .shared = lk->dims[1],
            .rows = (size_t)lq->dims[2],
            .columns = (size_t)lk->dims[2],
            .width = (size_t)lq->dims[3],
            .out = (size_t)lv->dims[3],
            .q = block_of(f, q, lq),
            .k = block_of(f, k, lk),
            .v = block_of(f, v, lv),
            .masked = mask != 0,
            .choice = f->code->ins[mask].dtype == KY_MASK,
            .causal = f->code->pool[i->b + POOL_CAUSAL] != 0,
            .scale = ky__pool_f64(f->code, i->b + POOL_SCALE)};
  if (mask) p.mask = block_of(f, mask, &space);
  p.tile = tile_rows(p.rows, p.columns);
  if (p.batches * p.heads * lq->dims[2] > 0) p.lse = ky__aux(f, pc); /* else there is none */
  return p;
}

/* Where head (b, h), and of it row `row`, begins. */
static char *at(const block *x, size_t size, int64_t b, int64_t h, size_t row) {
  const int64_t place = b * x->strides[0] + h * x->strides[1] + (int64_t)row * x->strides[2];
  return (char *)(uintptr_t)x->data + place * (int64_t)size;
}

static ky_matrix matrix(const block *x, size_t size, int64_t b, int64_t h, size_t row) {
  return (ky_matrix){at(x, size, b, h, row), x->strides[2], x->strides[3]};
}

static ky_matrix dense_matrix(void *data, size_t columns) {
  return (ky_matrix){data, (ptrdiff_t)columns, 1};
}

/* c [m,n] = beta c + a [m,k] b [k,n] */
static void multiply(const plan *p, size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b,
                     int beta, ky_matrix c) {
  ky_product product = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = c};
  if (beta) product.d = c;
  ky__multiply(p->f->kernels, p->dtype, &product);
}

/* The tile from `row` on of head (b, h); its scores are not computed. */
static ky_attention_tile tile_at(const plan *p, int64_t b, int64_t h, size_t row,
                                 char *scores) {
  ky_attention_tile t = {.rows = smaller(p->tile, p->rows - row),
                         .n = p->columns,
                         .causal = p->causal,
                         .first = row,
                         .scale = p->scale,
                         .choice = p->choice,
                         .scores = scores};
  if (p->causal) t.n = smaller(t.n, row + t.rows);
  if (p->masked) {
    t.mask = at(&p->mask, p->choice ? 1 : p->size, b, h, row);
    t.mask_row = p->mask.strides[2];
    t.mask_step = p->mask.strides[3];
  }
  t.lse = p->lse + ((size_t)(b * p->heads + h) * p->rows + row) * p->size;
  return t;
}

/* A copy of x [rows,columns] with columns contiguous, so that tile after tile can use it as the
 * right factor of a product: made once a head. */
static ky_matrix transpose_once(const plan *p, void *room, ky_matrix x, size_t rows,
                                size_t columns) {
  p->f->kernels->copy->plane(p->dtype, columns, rows, room, (ptrdiff_t)rows, 1, 0, x.data,
                             x.column, x.row);
  return dense_matrix(room, rows);
}

/* x' for a product with each tile of a head. */
static ky_matrix right_factor(const plan *p, void *room, ky_matrix x, size_t columns) {
  return p->tile < p->rows ? transpose_once(p, room, x, p->columns, columns)
                           : ky__transposed(x);
}

static size_t padded(size_t bytes) { return (bytes + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN; }

/* Scratch of one piece of a job: two tiles, factors of a tile's rows; k' and v'. */
typedef struct room {
  size_t tile, factor, k, v, bytes;
} room;

static room room_for(size_t tile, size_t columns, size_t width, size_t out, size_t size) {
  room r = {.tile = padded(tile * columns * size)};
  r.factor = 2 * r.tile;
  r.k = r.factor + padded(tile * size);
  r.v = r.k + padded(columns * width * size);
  r.bytes = r.v + padded(columns * out * size);
  return r;
}

size_t ky__attention_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *q = ky__layout(code, operand(code, i, POOL_Q));
  const ky_layout *k = ky__layout(code, operand(code, i, POOL_K));
  const ky_layout *v = ky__layout(code, operand(code, i, POOL_V));
  const size_t columns = (size_t)k->dims[2];
  return threads * room_for(tile_rows((size_t)q->dims[2], columns), columns, (size_t)q->dims[3],
                            (size_t)v->dims[3], ky_dtype_size((ky_dtype)i->dtype))
                       .bytes +
         KY_ALIGN;
}

/* Gradients, as dense arrays; data is null where none is wanted. */
typedef struct pulls {
  block g, q, k, v, mask;
} pulls;

typedef struct job {
  const plan *p;
  const pulls *d;
  room room;
  char *scratch;
  char *out;
} job;

/* Shares `units` of as many heads each. A mask may be one for all of them: its gradient is
 * summed by one piece. */
static void share(job *j, ky_job *run, size_t units, size_t heads) {
  const plan *p = j->p;
  ky_frame *f = p->f;
  const size_t work = heads * p->rows * p->columns * (2 + (p->width + p->out) / 16);
  const bool together = j->d && j->d->mask.data;
  const size_t grain = together ? units : ky__grain_of(f, work);
  const uint32_t pieces = ky__team_pieces(f->team, units, grain);
  const ky_place mark = ky__arena_mark(&f->scratch);
  j->room = room_for(p->tile, p->columns, p->width, p->out, p->size);
  j->scratch = ky__scratch(f, pieces * j->room.bytes);
  if (j->scratch) ky__team_run(f->team, units, grain, run, j);
  ky__arena_reset(&f->scratch, mark);
}

static char *own_room(const job *j, uint32_t piece) {
  return j->scratch + piece * j->room.bytes;
}

/* ---- forward ----------------------------------------------------------------------------- */

static void map_head(const job *j, char *own, int64_t b, int64_t h) {
  const plan *p = j->p;
  const int64_t g = h / (p->heads / p->shared);
  const ky_matrix v = matrix(&p->v, p->size, b, g, 0);
  const ky_matrix k =
      right_factor(p, own + j->room.k, matrix(&p->k, p->size, b, g, 0), p->width);
  char *out = j->out + (size_t)(b * p->heads + h) * p->rows * p->out * p->size;
  for (size_t row = 0; row < p->rows; row += p->tile, out += p->tile * p->out * p->size) {
    ky_attention_tile t = tile_at(p, b, h, row, own);
    t.factor = own + j->room.factor;
    const ky_matrix scores = dense_matrix(t.scores, t.n);
    multiply(p, t.rows, t.n, p->width, matrix(&p->q, p->size, b, h, row), k, 0, scores);
    p->f->kernels->attention->map[p->dtype](&t);
    multiply(p, t.rows, p->out, t.n, scores, v, 0, dense_matrix(out, p->out));
    p->f->kernels->attention->finish[p->dtype](t.rows, p->out, out, t.factor);
  }
}

static void map_heads(void *context, uint32_t piece, size_t begin, size_t end) {
  const job *j = context;
  for (int64_t n = (int64_t)begin; n < (int64_t)end; n++)
    map_head(j, own_room(j, piece), n / j->p->heads, n % j->p->heads);
}

void fwd_attention(ky_frame *f, ky_id pc) {
  const plan p = make_plan(f, pc);
  job j = {.p = &p, .out = ky__data(f, pc)};
  const size_t heads = (size_t)(p.batches * p.heads);
  if (heads > 0) share(&j, map_heads, heads, 1);
}

/* ---- adjoint ----------------------------------------------------------------------------- */

/* With g the gradient of the output and w the weights: gv += w' g, the weights get g v', and
 * from what the scores s = q k' get of that, gq += gs k and gk += gs' q. */
static void pull_tile(const plan *p, const pulls *d, const ky_attention_tile *t, int64_t b,
                      int64_t h, ky_matrix k_turned, ky_matrix v_turned) {
  const int64_t g = h / (p->heads / p->shared);
  const size_t row = t->first, size = p->size;
  const ky_matrix q = matrix(&p->q, size, b, h, row), dg = matrix(&d->g, size, b, h, row);
  const ky_matrix w = dense_matrix(t->scores, t->n), s = dense_matrix(t->adjoint, t->n);
  multiply(p, t->rows, t->n, p->width, q, k_turned, 0, w);
  if (t->adjoint) multiply(p, t->rows, t->n, p->out, dg, v_turned, 0, s);
  p->f->kernels->attention->pull[p->dtype](t);
  if (d->v.data)
    multiply(p, t->n, p->out, t->rows, ky__transposed(w), dg, 1, matrix(&d->v, size, b, g, 0));
  if (d->q.data)
    multiply(p, t->rows, p->width, t->n, s, matrix(&p->k, size, b, g, 0), 1,
             matrix(&d->q, size, b, h, row));
  if (d->k.data)
    multiply(p, t->n, p->width, t->rows, ky__transposed(s), q, 1, matrix(&d->k, size, b, g, 0));
}

static void pull_head(const job *j, char *own, int64_t b, int64_t h, ky_matrix k_turned,
                      ky_matrix v_turned) {
  const plan *p = j->p;
  const pulls *d = j->d;
  for (size_t row = 0; row < p->rows; row += p->tile) {
    ky_attention_tile t = tile_at(p, b, h, row, own);
    if (d->q.data || d->k.data || d->mask.data) t.adjoint = own + j->room.tile;
    if (d->mask.data) {
      t.mask_adjoint = at(&d->mask, p->size, b, h, row);
      t.adjoint_row = d->mask.strides[2];
      t.adjoint_step = d->mask.strides[3];
    }
    pull_tile(p, d, &t, b, h, k_turned, v_turned);
  }
}

/* Units: the heads that share keys and values. */
static void pull_units(void *context, uint32_t piece, size_t begin, size_t end) {
  const job *j = context;
  const plan *p = j->p;
  const int64_t group = p->heads / p->shared;
  char *own = own_room(j, piece);
  for (int64_t n = (int64_t)begin; n < (int64_t)end; n++) {
    const int64_t b = n / p->shared, g = n % p->shared;
    const ky_matrix k_turned =
        right_factor(p, own + j->room.k, matrix(&p->k, p->size, b, g, 0), p->width);
    const ky_matrix v_turned =
        right_factor(p, own + j->room.v, matrix(&p->v, p->size, b, g, 0), p->out);
    for (int64_t h = g * group; h < (g + 1) * group; h++)
      pull_head(j, own, b, h, k_turned, v_turned);
  }
}

/* A destination as a block of zeros, to be added to, unless there is something in it. */
static block destination(ky_frame *f, ky_id id, const ky_layout *space) {
  const ky_dest d = ky__dest(f, id, id && ky__wants(f->code, id));
  const ky_layout *layout = ky__layout(f->code, id);
  if (!d.ptr) return (block){.data = NULL};
  if (!d.beta)
    memset(d.ptr, 0, (size_t)layout->count * ky_dtype_size((ky_dtype)f->code->ins[id].dtype));
  return dense_block(d.ptr, layout, space ? space : layout);
}

void vjp_attention(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const plan p = make_plan(f, pc);
  const ky_id q = operand(f->code, i, POOL_Q), k = operand(f->code, i, POOL_K);
  const ky_layout *lr = ky__layout(f->code, pc), *lq = ky__layout(f->code, q);
  const ky_layout space = score_space(lq, ky__layout(f->code, k));
  pulls d = {.g = dense_block(ky__adjoint(f, pc), lr, lr)};
  d.q = destination(f, q, NULL);
  d.k = destination(f, k, NULL);
  d.v = destination(f, operand(f->code, i, POOL_V), NULL);
  d.mask = destination(f, operand(f->code, i, POOL_MASK), &space);
  if (f->fault->status != KY_OK) return;
  job j = {.p = &p, .d = &d};
  const size_t units = (size_t)(p.batches * p.shared);
  if (units > 0) share(&j, pull_units, units, (size_t)(p.heads / p.shared));
}
