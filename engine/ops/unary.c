/* SPDX-License-Identifier: MIT */
/* Unary elementwise operations, with and without scalars in the instruction. The formulas are
 * the rows of kernels/unary.def; this file brings them to dense and strided operands. Runs of
 * scalars take the loop of point.c instead. */
#include "ops/family.h"

static ky_status answer_elementwise(ky_query *q, ky_dtype dtype) {
  const ky_layout *operand = ky__layout_of(q, q->ins->a);
  q->klass = operand->rank == 0 ? KY_POINT : operand->dense ? KY_FLAT : KY_GENERAL;
  return ky__answer_like(q, dtype, q->ins->a);
}

ky_status ky__rule_unary(ky_query *q) {
  KY_TRY(ky__need_float(q, q->ins->a));
  return answer_elementwise(q, ky__dtype_of(q, q->ins->a));
}

ky_status ky__rule_test(ky_query *q) { return answer_elementwise(q, KY_MASK); }

typedef struct scalars {
  double s, u;
} scalars;

static inline scalars scalars_of(const ky_code *code, const ky_ins *i, int count) {
  if (count == 0) return (scalars){0, 0};
  if (count == 1) return (scalars){i->imm, 0};
  return (scalars){ky__pool_f64(code, i->b), ky__pool_f64(code, i->b + 1)};
}

/* A kernel's calls: r (or ga) from x (or p) and g. */
typedef struct calls {
  ky_map1 *map;
  ky_pull1 *pull;
  size_t size; /* of an element */
  void *r;
  const void *x, *g;
  int beta;
  scalars k;
} calls;

static void map_dense(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const calls *c = context;
  c->map(end - begin, ky__element(c->r, begin, c->size), ky__element(c->x, begin, c->size), 1,
         c->k.s, c->k.u);
}

static void pull_dense(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const calls *c = context;
  c->pull(end - begin, ky__element(c->r, begin, c->size), c->beta,
          ky__element(c->g, begin, c->size), ky__element(c->x, begin, c->size), 1, c->k.s,
          c->k.u);
}

static void map_strip(const void *context, const ky_strip *t) {
  const calls *c = context;
  c->map(t->n, t->at[0], t->at[1], t->step[1], c->k.s, c->k.u);
}

static void pull_strip(const void *context, const ky_strip *t) {
  const calls *c = context;
  c->pull(t->n, t->at[0], c->beta, t->at[1], t->at[2], t->step[2], c->k.s, c->k.u);
}

static __attribute__((noinline)) void map_strided(ky_frame *f, ky_id pc, const calls *c) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *operand = ky__layout(f->code, i->a);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  ky_loop loop;
  ky__plan(&loop, ky__layout(f->code, pc), 1, &operand);
  const ky_walked arrays[] = {{c->r, size}, {c->x, size}};
  ky__walk(f, &loop, 1, arrays, map_strip, c);
}

static __attribute__((noinline)) void pull_strided(ky_frame *f, ky_id pc, const calls *c) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_layout *space = ky__layout(f->code, pc);
  const size_t size = ky_dtype_size((ky_dtype)i->dtype);
  ky_loop loop;
  ky__plan(&loop, space, 2, (const ky_layout *const[]){space, ky__layout(f->code, i->a)});
  const ky_walked arrays[] = {{c->r, size}, {c->g, size}, {c->x, size}};
  ky__walk(f, &loop, 1, arrays, pull_strip, c);
}

static __attribute__((noinline)) void share(const ky_frame *f, ky_id pc, calls *c,
                                            ky_job *job) {
  c->size = ky_dtype_size((ky_dtype)f->code->ins[pc].dtype);
  ky__team_run(f->team, (size_t)ky__layout(f->code, pc)->count, f->grain, job, c);
}

static void map(ky_frame *f, ky_id pc, ky_map1 *const kernels[2], scalars k) {
  const ky_ins *i = &f->code->ins[pc];
  calls c = {.map = kernels[i->dtype], .r = ky__data(f, pc), .x = ky__data(f, i->a), .k = k};
  const size_t n = (size_t)ky__layout(f->code, pc)->count;
  if (ky__class(i) == KY_GENERAL)
    map_strided(f, pc, &c);
  else if (f->team)
    share(f, pc, &c, map_dense);
  else if (n > 0)
    c.map(n, c.r, c.x, 1, k.s, k.u);
}

/* p: the elements that the formula's p stands for, those of the operand or in the result's
 * space. */
static void pull(ky_frame *f, ky_id pc, ky_pull1 *const kernels[2], bool reads_operand,
                 const void *p, scalars k) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  if (!d.ptr) return;
  calls c = {.pull = kernels[i->dtype],
             .r = d.ptr,
             .x = p,
             .g = ky__adjoint(f, pc),
             .beta = d.beta,
             .k = k};
  const size_t n = (size_t)ky__layout(f->code, pc)->count;
  if (reads_operand && ky__class(i) == KY_GENERAL)
    pull_strided(f, pc, &c);
  else if (f->team)
    share(f, pc, &c, pull_dense);
  else if (n > 0)
    c.pull(n, c.r, c.beta, c.g, c.x, 1, k.s, k.u);
}

#define SAVED_X (ky__data(f, i->a))
#define SAVED_R (ky__data(f, pc))
#define SAVED_N (ky__adjoint(f, pc))
#define IS_X    true
#define IS_R    false
#define IS_N    false

#define UNARY(name, given, saved, ...)                                                         \
  void fwd_##name(ky_frame *f, ky_id pc) {                                                     \
    map(f, pc, f->kernels->elementwise->map_##name,                                            \
        scalars_of(f->code, &f->code->ins[pc], given));                                        \
  }                                                                                            \
  void vjp_##name(ky_frame *f, ky_id pc) {                                                     \
    const ky_ins *i = &f->code->ins[pc];                                                       \
    pull(f, pc, f->kernels->elementwise->pull_##name, IS_##saved, SAVED_##saved,               \
         scalars_of(f->code, i, given));                                                       \
  }
#include "kernels/unary.def"
#undef UNARY

/* ---- comparisons with a scalar ----------------------------------------------------------- */

typedef struct comparison {
  ky_compare_scalar_kernel *kernel;
  ky_test which;
  ky_dtype dtype;
  double scalar;
} comparison;

static void compare_strip(const void *context, const ky_strip *t) {
  const comparison *c = context;
  c->kernel(c->which, c->dtype, t->n, t->at[0], t->at[1], t->step[1], c->scalar);
}

static void compare_scalar(ky_frame *f, ky_id pc, ky_test which) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dtype dtype = (ky_dtype)f->code->ins[i->a].dtype;
  const ky_layout *space = ky__layout(f->code, pc), *operand = ky__layout(f->code, i->a);
  ky_loop loop;
  ky__plan(&loop, space, 1, &operand);
  const comparison c = {f->kernels->test->compare_scalar, which, dtype, i->imm};
  const ky_walked arrays[] = {{ky__data(f, pc), 1}, {ky__data(f, i->a), ky_dtype_size(dtype)}};
  ky__walk(f, &loop, 1, arrays, compare_strip, &c);
}

#define TEST(name, sign)                                                                       \
  void fwd_##name##_scalar(ky_frame *f, ky_id pc) { compare_scalar(f, pc, KY_TEST_##name); }
KY_TESTS(TEST)
#undef TEST
