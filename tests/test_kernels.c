/* SPDX-License-Identifier: MIT */
/* Elementwise kernels at every instruction-set level that this machine can run: each level
 * against the plain one, and what becomes of an element against where the element stands. */
#include "kernel_levels.h"

/* Twice the 4 ulp that libmvec promises, as sigmoid and softplus call it and round some more,
 * plus the half that libm may be off. */
#define VECTOR_ULPS 10
/* Losses are differences of logarithms; the clip of bce bounds these, and a label is in 0..1.
 */
#define LOGARITHM 17
/* ---- the rows ---------------------------------------------------------------------------- */

enum { P = 1, A = 2, B = 4, Q = 8 };

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

/* ---- an element and its place ------------------------------------------------------------ */

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

/* ---- a level and the plain one ----------------------------------------------------------- */

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_level_is_chosen),
      cmocka_unit_test(elements_do_not_depend_on_their_place),
      cmocka_unit_test(levels_agree_with_the_plain_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
