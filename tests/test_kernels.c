/* SPDX-License-Identifier: MIT */
/* Kernels at every instruction-set level that this machine can run: each level against the
 * plain one, and what becomes of an element against where the element stands. */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "kernels/kernels.h"

/* Twice the 4 ulp that libmvec promises, as sigmoid and softplus call it and round some more,
 * plus the half that libm may be off. */
#define VECTOR_ULPS 10
/* A term of a softmax, divided by a sum of such terms; rounding x - top is the same at all
 * levels. */
#define SOFTMAX_ULPS 16
/* Losses are differences of logarithms; the clip of bce bounds these, and a label is in 0..1.
 */
#define LOGARITHM 17
#define SOME      67 /* elements: more than four of the widest vectors, and a remainder */
#define LONG      1500

#define LIST(array) (int)(sizeof(array) / sizeof *(array))

/* ---- elements of either dtype --------------------------------------------------------------
 */

/* Room for LONG elements with strides up to 3, anywhere in a vector. */
typedef union array {
  float f32[3 * LONG + 16];
  double f64[3 * LONG + 16];
} array;

static double get(ky_dtype dtype, const void *a, ptrdiff_t i) {
  return dtype == KY_F32 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static void put(ky_dtype dtype, void *a, ptrdiff_t i, double value) {
  if (dtype == KY_F32)
    ((float *)a)[i] = (float)value;
  else
    ((double *)a)[i] = value;
}

static void *at(ky_dtype dtype, const void *a, ptrdiff_t i) {
  return (char *)(uintptr_t)a + i * (ptrdiff_t)ky_dtype_size(dtype);
}

static bool same(double a, double b) {
  return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool within(ky_dtype dtype, double got, double want, double ulps, double norm) {
  const double epsilon = dtype == KY_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
  const double smallest = fmax(norm, dtype == KY_F32 ? (double)FLT_MIN : DBL_MIN);
  return same(got, want) || fabs(got - want) <= ulps * epsilon * fmax(fabs(want), smallest);
}

/* Ordinary numbers, with everything special strewn in from `special` on. */
static void draw(ky_dtype dtype, array *a, int count, double low, double high, int special) {
  const double tiny = dtype == KY_F32 ? 0x1p-140 : 0x1p-1060;
  const double specials[] = {0,  -0.0, INFINITY, -INFINITY, NAN, tiny, -tiny, 1,
                             -1, 0.5,  88.5,     -104,      710, -746, 1e30,  -3e4};
  uint32_t state = 12345u + (uint32_t)special;
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    const double u = (double)(state >> 8) * 0x1p-24;
    const bool plain = special < 0 || (i + special) % 3;
    put(dtype, a, i, plain ? low + u * (high - low) : specials[(i + special) / 3 % 16]);
  }
}

static const ky_dtype dtypes[] = {KY_F32, KY_F64};

/* Calls check(kernels, dtype) for each level that can run. */
static void each_level(void (*check)(const ky_kernels *kernels, ky_dtype dtype)) {
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    for (int d = 0; kernels && d < LIST(dtypes); d++) check(kernels, dtypes[d]);
  }
}

#define EXPECT(condition, ...)                                                                 \
  do {                                                                                         \
    if (condition) break;                                                                      \
    print_error(__VA_ARGS__);                                                                  \
    fail();                                                                                    \
  } while (0)

/* ---- the rows ------------------------------------------------------------------------------
 */

enum { P = 1, A = 2, B = 4 };

/* A row of unary.def: its kernels in a table, and which formulas use the vector library. */
typedef struct unary_row {
  const char *name;
  size_t map, pull;
  int vector;
} unary_row;

typedef struct binary_row {
  const char *name;
  size_t map, pull[2];
  int vector;
} binary_row;

static const unary_row unary_rows[] = {
#define UNARY(name, scalars, saved, vector, ...)                                               \
  {#name, offsetof(ky_elementwise_kernels, map_##name),                                        \
   offsetof(ky_elementwise_kernels, pull_##name), vector},
#include "kernels/unary.def"
#undef UNARY
};

static const binary_row binary_rows[] = {
#define BINARY(name, vector, ...)                                                              \
  {#name,                                                                                      \
   offsetof(ky_elementwise_kernels, map_##name),                                               \
   {offsetof(ky_elementwise_kernels, pull_##name##_a),                                         \
    offsetof(ky_elementwise_kernels, pull_##name##_b)},                                        \
   vector},
#include "kernels/binary.def"
#undef BINARY
};

/* Any elementwise kernel, as r = beta r + f(x, y, z): one of the pointers is set. What it has
 * no use for is ignored; scalars are s = 1.5, u = 2.5. */
typedef struct kernel {
  const char *name;
  ky_map1 *map1;
  ky_pull1 *pull1;
  ky_map2 *map2;
  ky_pull2 *pull2;
  ky_pair_pull *pair;
  bool by_vector;
  double norm; /* rounding is measured against this where the result is smaller */
} kernel;

/* x is dense where it is an adjoint. */
static void call(const kernel *k, size_t n, void *r, int beta, const void *x, const void *y,
                 ptrdiff_t sy, const void *z, ptrdiff_t sz) {
  if (k->map1)
    k->map1(n, r, y, sy, 1.5, 2.5);
  else if (k->pull1)
    k->pull1(n, r, beta, x, y, sy, 1.5, 2.5);
  else if (k->map2)
    k->map2(n, r, y, sy, z, sz);
  else if (k->pull2)
    k->pull2(n, r, beta, x, y, sy, z, sz);
  else
    k->pair(n, r, beta, x, 1, 0.5, y, sy, z, sz);
}

/* The kernel of `dtype` whose pair stands `offset` bytes into the table. */
#define PICK(kernels, type, offset, dtype)                                                     \
  (((type *const *)(const void *)((const char *)(kernels)->elementwise + (offset)))[dtype])

/* A check of one kernel, beside which stands the same one of the plain level. */
typedef void check_kernel(const kernel *k, const kernel *plain, const char *level,
                          ky_dtype dtype);

/* What a row's rounding is measured against where its result is smaller: the terms that cancel
 * near the zeros of digamma, and of logaddexp. 0: the result alone. */
static double norm_of(const char *name, bool adjoint) {
  if (strcmp(name, adjoint ? "lgamma" : "digamma") == 0) return 16;
  return strcmp(name, "logaddexp") == 0 && !adjoint ? 1 : 0;
}

static void each_unary(const ky_kernels *kernels, const ky_kernels *plain, ky_dtype dtype,
                       check_kernel *check) {
  for (int n = 0; n < LIST(unary_rows); n++) {
    const unary_row *row = &unary_rows[n];
    const kernel map = {.name = row->name,
                        .map1 = PICK(kernels, ky_map1, row->map, dtype),
                        .by_vector = row->vector & P,
                        .norm = norm_of(row->name, false)};
    const kernel plain_map = {.map1 = PICK(plain, ky_map1, row->map, dtype)};
    check(&map, &plain_map, kernels->level, dtype);
    const kernel pull = {.name = row->name,
                         .pull1 = PICK(kernels, ky_pull1, row->pull, dtype),
                         .by_vector = row->vector & A,
                         .norm = norm_of(row->name, true)};
    const kernel plain_pull = {.pull1 = PICK(plain, ky_pull1, row->pull, dtype)};
    check(&pull, &plain_pull, kernels->level, dtype);
  }
}

static void each_binary(const ky_kernels *kernels, const ky_kernels *plain, ky_dtype dtype,
                        check_kernel *check) {
  for (int n = 0; n < LIST(binary_rows); n++) {
    const binary_row *row = &binary_rows[n];
    const kernel map = {.name = row->name,
                        .map2 = PICK(kernels, ky_map2, row->map, dtype),
                        .by_vector = row->vector & P,
                        .norm = norm_of(row->name, false)};
    const kernel plain_map = {.map2 = PICK(plain, ky_map2, row->map, dtype)};
    check(&map, &plain_map, kernels->level, dtype);
    for (int side = 0; side < 2; side++) {
      const kernel pull = {.name = row->name,
                           .pull2 = PICK(kernels, ky_pull2, row->pull[side], dtype),
                           .by_vector = row->vector & (side ? B : A)};
      const kernel plain_pull = {.pull2 = PICK(plain, ky_pull2, row->pull[side], dtype)};
      check(&pull, &plain_pull, kernels->level, dtype);
    }
  }
}

static void check_loss(const char *name, int vector, const ky_pair_loss *loss,
                       const ky_pair_loss *plain, const char *level, ky_dtype dtype,
                       check_kernel *check) {
  const kernel of_level[] = {
      {.name = name, .map2 = loss->map, .by_vector = vector & P, .norm = LOGARITHM},
      {.name = name, .pair = loss->pull_a, .by_vector = vector & A, .norm = 1},
      {.name = name, .pair = loss->pull_b, .by_vector = vector & B, .norm = LOGARITHM}};
  const kernel of_plain[] = {
      {.map2 = plain->map}, {.pair = plain->pull_a}, {.pair = plain->pull_b}};
  for (int k = 0; k < LIST(of_level); k++) check(&of_level[k], &of_plain[k], level, dtype);
}

static void each_kernel(const ky_kernels *kernels, ky_dtype dtype, check_kernel *check) {
  const ky_kernels *plain = ky__kernels_at(KY_LEVEL_plain);
  each_unary(kernels, plain, dtype, check);
  each_binary(kernels, plain, dtype, check);
#define X(name, vector)                                                                        \
  check_loss(#name, vector, &kernels->loss->name[dtype], &plain->loss->name[dtype],            \
             kernels->level, dtype, check);
  KY_PAIR_LOSSES(X)
#undef X
}

/* ---- an element and its place --------------------------------------------------------------
 */

static array operand[3], got, want;

static void draw_operands(ky_dtype dtype, int special) {
  draw(dtype, &operand[0], 3 * SOME + 16, -2, 2, -1);
  draw(dtype, &operand[1], 3 * SOME + 16, 0.1, 4, special);
  draw(dtype, &operand[2], 3 * SOME + 16, -3, 3, special < 0 ? special : special + 1);
}

static void expect_same(const kernel *k, const char *level, ky_dtype dtype, const char *how) {
  for (int i = 0; i < SOME; i++)
    EXPECT(same(get(dtype, &got, i), get(dtype, &want, i)),
           "%s, %s, %s, %s: element %d is %a, alone %a; operands %a, %a\n", k->name, level,
           ky_dtype_name(dtype), how, i, get(dtype, &got, i), get(dtype, &want, i),
           get(dtype, &operand[1], i), get(dtype, &operand[2], i));
}

/* In one run, in runs that begin and end anywhere, with strides. */
static void check_places(const kernel *k, int beta, ptrdiff_t sy, ptrdiff_t sz,
                         const char *level, ky_dtype dtype) {
  const void *x = &operand[0];
  const ptrdiff_t oy = sy < 0 ? SOME : 0, oz = sz < 0 ? SOME : 0;
  const void *y = at(dtype, &operand[1], oy), *z = at(dtype, &operand[2], oz);
  memcpy(&want, &operand[2], sizeof want);
  for (int i = 0; i < SOME; i++)
    call(k, 1, at(dtype, &want, i), beta, at(dtype, x, i), at(dtype, y, i * sy), 1,
         at(dtype, z, i * sz), 1);
  memcpy(&got, &operand[2], sizeof got);
  call(k, SOME, &got, beta, x, y, sy, z, sz);
  expect_same(k, level, dtype, "in one run");
  memcpy(&got, &operand[2], sizeof got);
  for (int i = 0, n = 1; i < SOME; i += n, n = n % 21 + 2)
    call(k, (size_t)(SOME - i < n ? SOME - i : n), at(dtype, &got, i), beta, at(dtype, x, i),
         at(dtype, y, i * sy), sy, at(dtype, z, i * sz), sz);
  expect_same(k, level, dtype, "in parts");
}

static void check_place(const kernel *k, const kernel *plain, const char *level,
                        ky_dtype dtype) {
  static const ptrdiff_t strides[][2] = {{1, 1}, {1, 0}, {0, 1}, {3, 1}, {2, -1}, {0, 0}};
  (void)plain;
  for (int special = -1; special < 3; special++) {
    draw_operands(dtype, special);
    for (int s = 0; s < LIST(strides); s++)
      for (int beta = 0; beta < 2; beta++)
        check_places(k, beta, strides[s][0], strides[s][1], level, dtype);
  }
}

static void check_all_places(const ky_kernels *kernels, ky_dtype dtype) {
  each_kernel(kernels, dtype, check_place);
}

static void elements_do_not_depend_on_their_place(void **state) {
  (void)state;
  each_level(check_all_places);
}

/* ---- a level and the plain one -------------------------------------------------------------
 */

static void check_level(const kernel *k, const kernel *plain, const char *level,
                        ky_dtype dtype) {
  for (int special = -1; special < 48; special++) {
    draw_operands(dtype, special);
    if (k->norm > 0) draw(dtype, &operand[2], SOME, 0, 1, -1); /* a loss's labels */
    call(k, SOME, &got, 0, &operand[0], &operand[1], 1, &operand[2], 1);
    call(plain, SOME, &want, 0, &operand[0], &operand[1], 1, &operand[2], 1);
    for (int i = 0; i < SOME; i++)
      EXPECT(within(dtype, get(dtype, &got, i), get(dtype, &want, i),
                    k->by_vector ? VECTOR_ULPS : 0, k->norm),
             "%s, %s, %s: element %d of %a, %a is %a, plain %a\n", k->name, level,
             ky_dtype_name(dtype), i, get(dtype, &operand[1], i), get(dtype, &operand[2], i),
             get(dtype, &got, i), get(dtype, &want, i));
  }
}

static void check_all_levels(const ky_kernels *kernels, ky_dtype dtype) {
  each_kernel(kernels, dtype, check_level);
}

static void levels_agree_with_the_plain_one(void **state) {
  (void)state;
  each_level(check_all_levels);
}

static void the_best_level_is_chosen(void **state) {
  (void)state;
  const ky_kernels *best = NULL;
  for (int level = 0; level < KY_LEVEL_COUNT; level++)
    if (ky__kernels_at((ky_level)level)) best = ky__kernels_at((ky_level)level);
  assert_non_null(ky__kernels_at(KY_LEVEL_plain));
  assert_string_equal(ky__kernels_at(KY_LEVEL_plain)->level, "plain");
  assert_null(ky__kernels_at(KY_LEVEL_COUNT));
  assert_ptr_equal(ky__kernels(), best);
  print_message("kernels: %s\n", best->level);
}

/* ---- rows of probabilities -----------------------------------------------------------------
 */

/* Where rows lie, and how many. */
typedef struct row_call {
  size_t rows, n;
  ky_pitch at;
} row_call;

static const int64_t labels[8] = {0, 3, 1, 2, 0, 1, 3, 2};

/* Everything that works on rows. */
static void call_rows(const ky_softmax_kernels *k, ky_dtype dtype, row_call c, array r[6],
                      const void *x, const void *g) {
  array lse;
  k->map_softmax[dtype](c.rows, c.n, &r[0], c.at, x, c.at);
  k->map_log_softmax[dtype](c.rows, c.n, &r[1], c.at, x, c.at);
  k->pull_softmax[dtype](c.rows, c.n, &r[2], 0, g, &r[0], c.at);
  k->pull_log_softmax[dtype](c.rows, c.n, &r[3], 0, g, &r[1], c.at);
  k->map_cross_entropy[dtype](c.rows, c.n, &r[4], &lse, x, c.at, labels);
  k->pull_cross_entropy[dtype](c.rows, c.n, &r[5], 0, g, 1, 0.5, &lse, x, c.at, labels);
}

static array rows_got[6], rows_want[6], logits, cotangent;

/* Of 8 rows each is what it is alone, whether rows lie along memory or across it. */
static void check_rows_alone(const ky_kernels *kernels, ky_dtype dtype) {
  static const size_t widths[] = {4, 7, 16, 100, 187};
  draw(dtype, &logits, LONG, -9, 9, -1);
  draw(dtype, &cotangent, LONG, -1, 1, -1);
  for (int w = 0; w < LIST(widths); w++)
    for (int across = 0; across < 2; across++) {
      const ptrdiff_t n = (ptrdiff_t)widths[w];
      const ky_pitch at_row = across ? (ky_pitch){1, 8} : (ky_pitch){n, 1};
      call_rows(kernels->softmax, dtype, (row_call){8, widths[w], at_row}, rows_got, &logits,
                &cotangent);
      for (ptrdiff_t i = 0; i < 8; i++) {
        call_rows(kernels->softmax, dtype, (row_call){1, widths[w], at_row}, rows_want,
                  at(dtype, &logits, i * at_row.row), at(dtype, &cotangent, i * at_row.row));
        for (int f = 0; f < 4; f++)
          for (ptrdiff_t j = 0; j < n; j++)
            EXPECT(same(get(dtype, &rows_got[f], i * at_row.row + j * at_row.step),
                        get(dtype, &rows_want[f], j * at_row.step)),
                   "%s, %s: function %d of [8,%td], row %td, element %td\n", kernels->level,
                   ky_dtype_name(dtype), f, n, i, j);
        if (i == 0) /* the label of row 0 */
          EXPECT(same(get(dtype, &rows_got[4], 0), get(dtype, &rows_want[4], 0)), "loss\n");
      }
    }
}

static void rows_do_not_depend_on_each_other(void **state) {
  (void)state;
  each_level(check_rows_alone);
}

static void check_rows_of_level(const ky_kernels *kernels, ky_dtype dtype) {
  static const size_t widths[] = {4, 7, 16, 100, 187};
  const ky_softmax_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->softmax;
  draw(dtype, &logits, LONG, -9, 9, -1);
  draw(dtype, &cotangent, LONG, -1, 1, -1);
  const double epsilon = dtype == KY_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
  for (int w = 0; w < LIST(widths); w++)
    for (int across = 0; across < 2; across++) {
      const ptrdiff_t n = (ptrdiff_t)widths[w];
      const row_call c = {8, widths[w], across ? (ky_pitch){1, 8} : (ky_pitch){n, 1}};
      call_rows(kernels->softmax, dtype, c, rows_got, &logits, &cotangent);
      call_rows(plain, dtype, c, rows_want, &logits, &cotangent);
      for (int f = 0; f < 6; f++)
        for (ptrdiff_t i = 0; i < (f == 4 ? 8 : 8 * n); i++) {
          const double is = get(dtype, &rows_got[f], i), wanted = get(dtype, &rows_want[f], i);
          EXPECT(is_close(is, wanted, SOFTMAX_ULPS * epsilon * fmax(fabs(wanted), 1)),
                 "%s, %s: function %d of [8,%td], element %td is %a, plain %a\n",
                 kernels->level, ky_dtype_name(dtype), f, n, i, is, wanted);
        }
    }
}

static void rows_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_rows_of_level);
}

/* ---- reductions ----------------------------------------------------------------------------
 */

/* All reductions of a [rows,n] along `axis`, into r. */
static void call_reductions(const ky_reduce_kernels *k, ky_dtype dtype, int64_t rows, int64_t n,
                            int axis, array r[5], int64_t *position, const void *x) {
  const ky_layout in = {
      .rank = 2, .dense = true, .count = rows * n, .dims = {rows, n}, .strides = {n, 1}};
  const int64_t kept[2] = {axis == 1, axis == 0};
  ky_reduce_plan plan, share;
  ky__plan_reduction(&plan, &in, kept);
  ky__plan_share(&share, &in, kept);
  k->sum[dtype](&plan, &r[0], 0, 1, x);
  k->mean[dtype](&plan, &r[1], 3, x);
  k->max[dtype](&plan, &r[2], x);
  k->min[dtype](&plan, &r[3], x);
  k->argmax(dtype, &plan, position, x);
  k->share[dtype](&share, &r[4], 0, &r[0], &r[2], x);
}

static void check_reductions(const ky_kernels *kernels, ky_dtype dtype) {
  static const int64_t extents[][2] = {{1, 1}, {3, 5}, {2, 700}, {300, 4}, {37, 33}, {1, 1400}};
  const ky_kernels *plain = ky__kernels_at(KY_LEVEL_plain);
  static int64_t position_got[LONG], position_want[LONG];
  for (int special = -1; special < 2; special++)
    for (int e = 0; e < LIST(extents); e++)
      for (int axis = 0; axis < 2; axis++) {
        const int64_t rows = extents[e][0], n = extents[e][1], kept = axis ? rows : n;
        draw(dtype, &logits, LONG, -2, 2, special);
        call_reductions(kernels->reduce, dtype, rows, n, axis, rows_got, position_got, &logits);
        call_reductions(plain->reduce, dtype, rows, n, axis, rows_want, position_want, &logits);
        for (int f = 0; f < 5; f++)
          for (int64_t i = 0; i < (f == 4 ? rows * n : kept); i++)
            EXPECT(same(get(dtype, &rows_got[f], i), get(dtype, &rows_want[f], i)),
                   "%s, %s: reduction %d of [%lld,%lld], axis %d, element %lld: %a, plain %a\n",
                   kernels->level, ky_dtype_name(dtype), f, (long long)rows, (long long)n, axis,
                   (long long)i, get(dtype, &rows_got[f], i), get(dtype, &rows_want[f], i));
        assert_memory_equal(position_got, position_want, (size_t)kept * sizeof(int64_t));
      }
}

/* Lanes are added up in one order at all levels. */
static void reductions_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_reductions);
}

static void check_sum_of_losses(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_pair_loss *losses[] = {&kernels->loss->bce[dtype],
                                  &kernels->loss->bce_with_logits[dtype],
                                  &kernels->loss->mse[dtype]};
  draw(dtype, &logits, LONG, 0.01, 0.99, -1);
  draw(dtype, &cotangent, 2 * LONG, 0, 1, -1);
  for (int k = 0; k < LIST(losses); k++)
    for (size_t n = 0; n < LONG; n = n < 40 ? n + 1 : 3 * n) {
      losses[k]->map(n, &got, &logits, 1, &cotangent, 2);
      double total = 0;
      for (size_t i = 0; i < n; i++) total += get(dtype, &got, (ptrdiff_t)i);
      assert_close(losses[k]->sum(n, &logits, 1, &cotangent, 2), total,
                   LONG * DBL_EPSILON * fabs(total));
    }
}

static void losses_are_summed(void **state) {
  (void)state;
  each_level(check_sum_of_losses);
}

/* ---- copies --------------------------------------------------------------------------------
 */

static void check_planes(const ky_kernels *kernels, ky_dtype dtype) {
  static const ptrdiff_t extents[][2] = {{1, 1},  {16, 16}, {17, 33},
                                         {5, 40}, {40, 3},  {32, 32}};
  draw(dtype, &logits, 2 * LONG, -2, 2, 0);
  draw(dtype, &cotangent, 2 * LONG, -2, 2, -1);
  for (int e = 0; e < LIST(extents); e++)
    for (int beta = 0; beta < 2; beta++)
      for (ptrdiff_t gap = 1; gap < 3; gap++) {
        const ptrdiff_t rows = extents[e][0], n = extents[e][1];
        memcpy(&got, &cotangent, sizeof got);
        kernels->copy->plane(dtype, (size_t)rows, (size_t)n, &got, gap, gap * rows, beta,
                             &logits, n, 1);
        for (ptrdiff_t i = 0; i < rows; i++)
          for (ptrdiff_t j = 0; j < n; j++) {
            const double x = get(dtype, &logits, i * n + j);
            const ptrdiff_t to = gap * (i + j * rows);
            put(dtype, &want, 0, beta ? get(dtype, &cotangent, to) + x : x);
            assert_true(same(get(dtype, &got, to), get(dtype, &want, 0)));
            if (gap > 1)
              assert_true(same(get(dtype, &got, to + 1), get(dtype, &cotangent, to + 1)));
          }
      }
}

static void planes_are_copied_and_added(void **state) {
  (void)state;
  each_level(check_planes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_level_is_chosen),
      cmocka_unit_test(elements_do_not_depend_on_their_place),
      cmocka_unit_test(levels_agree_with_the_plain_one),
      cmocka_unit_test(rows_do_not_depend_on_each_other),
      cmocka_unit_test(rows_agree_with_the_plain_level),
      cmocka_unit_test(reductions_have_the_bits_of_the_plain_level),
      cmocka_unit_test(losses_are_summed),
      cmocka_unit_test(planes_are_copied_and_added),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
