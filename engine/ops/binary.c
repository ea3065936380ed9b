/* SPDX-License-Identifier: MIT */
/* Binary and ternary elementwise operations with broadcasting, comparisons, and where. The
 * formulas are the rows of kernels/binary.def and ternary.def; this file brings them to dense,
 * broadcast and strided operands. Runs of scalars take the loop of point.c instead. */
#include "ops/family.h"

/* ---- rules ------------------------------------------------------------------------------- */

static ky_status answer_broadcast(ky_query *q, ky_dtype dtype, ky_id a, ky_id b) {
  const ky_code *code = q->code;
  if (code->layout[a] == code->layout[b] && ky__layout_of(q, a)->dense) {
    q->klass = ky__is_point(code, a) ? KY_POINT : KY_FLAT;
    return ky__answer_like(q, dtype, a);
  }
  const ky_layout la = *ky__layout_of(q, a), lb = *ky__layout_of(q, b);
  ky_layout out;
  KY_TRY(ky__broadcast(&la, &lb, &out, q->fault));
  const bool a_whole = la.dense && ky__same_dims(&la, &out);
  const bool b_whole = lb.dense && ky__same_dims(&lb, &out);
  if (a_whole && b_whole)
    q->klass = KY_FLAT;
  else if (a_whole && lb.count == 1)
    q->klass = KY_B_ONE;
  else if (b_whole && la.count == 1)
    q->klass = KY_A_ONE;
  else
    q->klass = KY_GENERAL;
  return ky__answer(q, dtype, &out);
}

ky_status ky__rule_binary(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b;
  KY_TRY(ky__need_float(q, a));
  KY_TRY(ky__need_same_dtype(q, a, b));
  return answer_broadcast(q, ky__dtype_of(q, a), a, b);
}

ky_status ky__rule_compare(ky_query *q) {
  KY_TRY(ky__need_same_dtype(q, q->ins->a, q->ins->b));
  return answer_broadcast(q, KY_MASK, q->ins->a, q->ins->b);
}

ky_status ky__rule_where(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b, c = q->ins->c;
  if (ky__dtype_of(q, a) != KY_MASK)
    return ky__fail(q->fault, KY_BAD_DTYPE, "the condition must be a mask, got %s",
                    ky_dtype_name(ky__dtype_of(q, a)));
  KY_TRY(ky__need_same_dtype(q, b, c));
  const ky_layout la = *ky__layout_of(q, a), lb = *ky__layout_of(q, b);
  const ky_layout lc = *ky__layout_of(q, c);
  ky_layout bc, out;
  KY_TRY(ky__broadcast(&lb, &lc, &bc, q->fault));
  KY_TRY(ky__broadcast(&la, &bc, &out, q->fault));
  q->klass = out.rank == 0 ? KY_POINT : KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, b), &out);
}

/* ---- forward ----------------------------------------------------------------------------- */

/* A kernel's calls: r from a and b, or r (a dense adjoint) from g and the saved a and b. Over
 * dense arrays and single elements a stride is 1, or 0 for a single element. */
typedef struct calls {
  ky_map2 *map;
  ky_pull2 *pull;
  size_t size; /* of an element */
  void *r;
  const void *g, *a, *b;
  size_t sa, sb;
  int beta;
} calls;

static void map_dense(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const calls *c = context;
  c->map(end - begin, ky__element(c->r, begin, c->size),
         ky__element(c->a, begin * c->sa, c->size), (ptrdiff_t)c->sa,
         ky__element(c->b, begin * c->sb, c->size), (ptrdiff_t)c->sb);
}

static void pull_dense(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const calls *c = context;
  c->pull(end - begin, ky__element(c->r, begin, c->size), c->beta,
          ky__element(c->g, begin, c->size), ky__element(c->a, begin * c->sa, c->size),
          (ptrdiff_t)c->sa, ky__element(c->b, begin * c->sb, c->size), (ptrdiff_t)c->sb);
}

static void map_strip(const void *context, const ky_strip *t) {
  const calls *c = context;
  c->map(t->n, t->at[0], t->at[1], t->step[1], t->at[2], t->step[2]);
}

static void pull_strip(const void *context, const ky_strip *t) {
  const calls *c = context;
  c->pull(t->n, t->at[0], c->beta, t->at[1], t->at[2], t->step[2], t->at[3], t->step[3]);
}

static __attribute__((noinline)) void map_strided(ky_frame *f, ky_id pc, const calls *c) {
  const ky_ins *i = &f->code->ins[pc];
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 2,
           (const ky_layout *const[]){ky__layout(f->code, i->a), ky__layout(f->code, i->b)});
  const ky_walked arrays[] = {{c->r, size}, {c->a, size}, {c->b, size}};
  ky__walk(f, &loop, 1, arrays, map_strip, c);
}

static __attribute__((noinline)) void share(const ky_frame *f, ky_id pc, calls *c,
                                            ky_job *job) {
  c->size = ky_dtype_size((ky_dtype)f->code->ins[pc].dtype);
  ky__team_run(f->team, (size_t)ky__layout(f->code, pc)->count, f->grain, job, c);
}

static void map(ky_frame *f, ky_id pc, ky_map2 *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_class class = ky__class(i);
  calls c = {.map = kernels[i->dtype],
             .r = ky__data(f, pc),
             .a = ky__data(f, i->a),
             .b = ky__data(f, i->b),
             .sa = class != KY_A_ONE,
             .sb = class != KY_B_ONE};
  const size_t n = (size_t)ky__layout(f->code, pc)->count;
  if (class == KY_GENERAL)
    map_strided(f, pc, &c);
  else if (f->team)
    share(f, pc, &c, map_dense);
  else if (n > 0)
    c.map(n, c.r, c.a, (ptrdiff_t)c.sa, c.b, (ptrdiff_t)c.sb);
}

/* ---- adjoint ----------------------------------------------------------------------------- */

/* What an adjoint formula reads beside g, in the index space of the result. */
typedef struct saved {
  const void *data;
  const ky_layout *layout;
} saved;

/* Whether an operand of `space` is walked with one stride: a dense array of its extents, or a
 * single element. */
static bool is_flat(const ky_layout *layout, const ky_layout *space) {
  return layout->count == 1 || (layout->dense && layout->count == space->count);
}

/* out = beta out + kernel(g, p, q), all over the dense index space of the result. */
static void contributions(ky_frame *f, ky_id pc, ky_pull2 *kernel, void *out, int beta, saved p,
                          saved q) {
  const ky_layout *space = ky__layout(f->code, pc);
  calls c = {.pull = kernel,
             .r = out,
             .g = ky__adjoint(f, pc),
             .a = p.data,
             .b = q.data,
             .sa = p.layout->count == space->count,
             .sb = q.layout->count == space->count,
             .beta = beta};
  if (is_flat(p.layout, space) && is_flat(q.layout, space)) {
    share(f, pc, &c, pull_dense);
    return;
  }
  ky_loop loop;
  ky__plan(&loop, space, 3, (const ky_layout *const[]){space, p.layout, q.layout});
  const size_t size = ky_dtype_size((ky_dtype)f->code->ins[pc].dtype);
  const ky_walked arrays[] = {{c.r, size}, {c.g, size}, {c.a, size}, {c.b, size}};
  ky__walk(f, &loop, 1, arrays, pull_strip, &c);
}

/* Gives operand `id` its adjoint; a broadcast operand gets the sum of the contributions. */
static __attribute__((noinline)) void pull_into(ky_frame *f, ky_id pc, ky_id id, ky_dest d,
                                                ky_pull2 *kernel, bool identity, saved p,
                                                saved q) {
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, id);
  if (ky__same_dims(space, operand)) {
    contributions(f, pc, kernel, d.ptr, d.beta, p, q);
    return;
  }
  const void *summand = ky__adjoint(f, pc);
  const ky_place mark = ky__arena_mark(&f->scratch);
  if (!identity) {
    void *scratch = ky__scratch(f, (size_t)space->count * ky_dtype_size(dtype));
    if (!scratch) return;
    contributions(f, pc, kernel, scratch, 0, p, q);
    summand = scratch;
  }
  ky__sum_to(f, dtype, d, operand, summand, space);
  ky__arena_reset(&f->scratch, mark);
}

static inline void pull(ky_frame *f, ky_id pc, ky_id id, unsigned want,
                        ky_pull2 *const kernels[2], bool identity, saved p, saved q) {
  const ky_dest d = ky__dest(f, id, want);
  if (!d.ptr) return;
  const ky_ins *i = &f->code->ins[pc];
  const size_t n = (size_t)ky__layout(f->code, pc)->count;
  if (ky__class(i) == KY_FLAT && !f->team && n > 0) /* nothing to lay out, nobody to share */
    kernels[i->dtype](n, d.ptr, d.beta, ky__adjoint(f, pc), p.data, 1, q.data, 1);
  else
    pull_into(f, pc, id, d, kernels[i->dtype], identity, p, q);
}

#define IDENTITY_G true
#define IDENTITY_A false
#define IDENTITY_B false
#define IDENTITY_R false
#define IDENTITY_N false
#define SAVED_G    SAVED_N
#define SAVED_A    ((saved){ky__data(f, i->a), ky__layout(f->code, i->a)})
#define SAVED_B    ((saved){ky__data(f, i->b), ky__layout(f->code, i->b)})
#define SAVED_R    ((saved){ky__data(f, pc), ky__layout(f->code, pc)})
#define SAVED_N    ((saved){ky__adjoint(f, pc), ky__layout(f->code, pc)})

#define BINARY(name, vector, primal, pa, qa, adjoint_a, pb, qb, adjoint_b)                     \
  void fwd_##name(ky_frame *f, ky_id pc) { map(f, pc, f->kernels->elementwise->map_##name); }  \
  void vjp_##name(ky_frame *f, ky_id pc) {                                                     \
    const ky_ins *i = &f->code->ins[pc];                                                       \
    pull(f, pc, i->a, i->flags &KY_WANT_A, f->kernels->elementwise->pull_##name##_a,           \
         IDENTITY_##pa, SAVED_##pa, SAVED_##qa);                                               \
    pull(f, pc, i->b, i->flags &KY_WANT_B, f->kernels->elementwise->pull_##name##_b,           \
         IDENTITY_##pb, SAVED_##pb, SAVED_##qb);                                               \
  }
#include "kernels/binary.def"
#undef BINARY

/* ---- ternary ----------------------------------------------------------------------------- */

#define IDENTITY_C false
#define SAVED_C    ((saved){ky__data(f, i->c), ky__layout(f->code, i->c)})

ky_status ky__rule_ternary(ky_query *q) {
  const ky_id a = q->ins->a, b = q->ins->b, c = q->ins->c;
  KY_TRY(ky__need_float(q, a));
  KY_TRY(ky__need_same_dtype(q, a, b));
  KY_TRY(ky__need_same_dtype(q, a, c));
  const ky_layout la = *ky__layout_of(q, a), lb = *ky__layout_of(q, b);
  const ky_layout lc = *ky__layout_of(q, c);
  ky_layout ab, out;
  KY_TRY(ky__broadcast(&la, &lb, &ab, q->fault));
  KY_TRY(ky__broadcast(&ab, &lc, &out, q->fault));
  q->klass = out.rank == 0 ? KY_POINT : KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, a), &out);
}

static void map3_strip(const void *context, const ky_strip *t) {
  ky_map3 *const *kernel = context;
  (*kernel)(t->n, t->at[0], t->at[1], t->step[1], t->at[2], t->step[2], t->at[3], t->step[3]);
}

static void map3(ky_frame *f, ky_id pc, ky_map3 *const kernels[2]) {
  const ky_ins *i = &f->code->ins[pc];
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 3,
           (const ky_layout *const[]){ky__layout(f->code, i->a), ky__layout(f->code, i->b),
                                      ky__layout(f->code, i->c)});
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  const ky_walked arrays[] = {{ky__data(f, pc), size},
                              {ky__data(f, i->a), size},
                              {ky__data(f, i->b), size},
                              {ky__data(f, i->c), size}};
  ky__walk(f, &loop, 1, arrays, map3_strip, &kernels[i->dtype]);
}

#define PULL3(name, side, want, p, q)                                                          \
  pull(f, pc, i->side, i->flags &want, f->kernels->elementwise->pull_##name##_##side,          \
       IDENTITY_##p, SAVED_##p, SAVED_##q);
#define TERNARY(name, primal, pa, qa, adjoint_a, pb, qb, adjoint_b, pc_, qc, adjoint_c)        \
  void fwd_##name(ky_frame *f, ky_id pc) { map3(f, pc, f->kernels->elementwise->map_##name); } \
  void vjp_##name(ky_frame *f, ky_id pc) {                                                     \
    const ky_ins *i = &f->code->ins[pc];                                                       \
    PULL3(name, a, KY_WANT_A, pa, qa)                                                          \
    PULL3(name, b, KY_WANT_B, pb, qb)                                                          \
    PULL3(name, c, KY_WANT_C, pc_, qc)                                                         \
  }
#include "kernels/ternary.def"
#undef TERNARY
#undef PULL3

/* ---- comparisons ------------------------------------------------------------------------- */

typedef struct comparison {
  ky_compare_kernel *kernel;
  ky_test which;
  ky_dtype dtype;
} comparison;

static void compare_strip(const void *context, const ky_strip *t) {
  const comparison *c = context;
  c->kernel(c->which, c->dtype, t->n, t->at[0], t->at[1], t->step[1], t->at[2], t->step[2]);
}

static void compare(ky_frame *f, ky_id pc, ky_test which) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const size_t size = ky_dtype_size(dtype);
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 2,
           (const ky_layout *const[]){ky__layout(f->code, i->a), ky__layout(f->code, i->b)});
  const comparison c = {f->kernels->test->compare, which, dtype};
  const ky_walked arrays[] = {
      {ky__data(f, pc), 1}, {ky__data(f, i->a), size}, {ky__data(f, i->b), size}};
  ky__walk(f, &loop, 1, arrays, compare_strip, &c);
}

#define TEST(name, sign)                                                                       \
  void fwd_##name(ky_frame *f, ky_id pc) { compare(f, pc, KY_TEST_##name); }
KY_TESTS(TEST)
#undef TEST

/* ---- where ------------------------------------------------------------------------------- */

typedef struct selection {
  ky_select_kernel *kernel;
  ky_dtype dtype;
} selection;

static void select_strip(const void *context, const ky_strip *t) {
  const selection *s = context;
  s->kernel(s->dtype, t->n, t->at[0], t->at[1], t->step[1], t->at[2], t->step[2], t->at[3],
            t->step[3]);
}

/* r = mask ? a : b over `space`; r dense, a and b with the given layouts, broadcast. */
static void choose(const ky_frame *f, ky_dtype dtype, const ky_layout *space, void *r,
                   const void *mask, const ky_layout *lm, const void *a, const ky_layout *la,
                   const void *b, const ky_layout *lb) {
  ky_loop loop;
  ky__plan(&loop, space, 3, (const ky_layout *const[]){lm, la, lb});
  const size_t size = ky_dtype_size(dtype);
  const selection s = {f->kernels->test->select, dtype};
  const ky_walked arrays[] = {{r, size}, {mask, 1}, {a, size}, {b, size}};
  ky__walk(f, &loop, 1, arrays, select_strip, &s);
}

void fwd_where(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  choose(f, (ky_dtype)i->dtype, ky__layout(f->code, pc), ky__data(f, pc), ky__data(f, i->a),
         ky__layout(f->code, i->a), ky__data(f, i->b), ky__layout(f->code, i->b),
         ky__data(f, i->c), ky__layout(f->code, i->c));
}

/* g where the mask says so and 0 elsewhere, then the broadcast undone. */
static void pull_where(ky_frame *f, ky_id pc, ky_id id, unsigned want, bool taken) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)i->dtype;
  const ky_layout *space = ky__layout(f->code, pc), *point = &f->code->layouts.at[0];
  const ky_dest d = ky__dest(f, id, want);
  if (!d.ptr) return;
  const ky_layout *operand = ky__layout(f->code, id);
  const bool direct = d.beta == 0 && ky__same_dims(space, operand);
  const ky_place mark = ky__arena_mark(&f->scratch);
  void *part = direct ? d.ptr : ky__scratch(f, (size_t)space->count * ky_dtype_size(dtype));
  if (!part) return;
  const double zero = 0;
  const ky_layout dense = ky__dense(space);
  const void *g = ky__adjoint(f, pc);
  choose(f, dtype, space, part, ky__data(f, i->a), ky__layout(f->code, i->a), taken ? g : &zero,
         taken ? &dense : point, taken ? &zero : g, taken ? point : &dense);
  if (!direct) ky__sum_to(f, dtype, d, operand, part, space);
  ky__arena_reset(&f->scratch, mark);
}

void vjp_where(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  pull_where(f, pc, i->b, i->flags & KY_WANT_B, true);
  pull_where(f, pc, i->c, i->flags & KY_WANT_C, false);
}
