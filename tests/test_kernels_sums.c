/* SPDX-License-Identifier: MIT */
/* Running sums, statistics, normalisation, fma and lerp, comparisons and casts at every
 * instruction-set level that this machine can run, against the plain level. What is formed in
 * double, in an order of its own, and what only compares has the same bits at all levels. */
#include "kernel_levels.h"

/* What calls exp by the vector: libmvec's 4 ulp against libm, twice over in a quotient. */
#define VECTOR_ULPS 16

static array got, want, operand[3], cotangent;

static void expect_close(const char *what, const char *level, ky_dtype dtype, ptrdiff_t count,
                         double ulps, double norm) {
  for (ptrdiff_t i = 0; i < count; i++)
    EXPECT(within(dtype, get(dtype, &got, i), get(dtype, &want, i), ulps, norm),
           "%s, %s, %s: element %td is %a, plain %a\n", what, level, ky_dtype_name(dtype), i,
           get(dtype, &got, i), get(dtype, &want, i));
}

static void draw_operands(ky_dtype dtype, int special) {
  for (int k = 0; k < 3; k++) draw(dtype, &operand[k], LONG, -2, 2, special);
  draw(dtype, &cotangent, LONG, -1, 1, -1);
  memset(&got, 0, sizeof got);
  memset(&want, 0, sizeof want);
}

static const size_t widths[] = {1, 4, 7, 16, 100, 187};

/* ---- running sums ------------------------------------------------------------------------ */

static void call_scan(const ky_scan_kernels *k, ky_dtype dtype, int which, size_t n, int beta,
                      ky_pitch at_row, array *r) {
  static array products;
  if (which == 0) k->sum[dtype](8, n, r, beta, at_row, &operand[0], at_row);
  if (which == 1) k->product[dtype](8, n, r, at_row, &operand[0], at_row);
  if (which < 2) return;
  ky__kernels_at(KY_LEVEL_plain)
      ->scan->product[dtype](8, n, &products, at_row, &operand[0], at_row);
  k->pull_product[dtype](8, n, r, beta, &cotangent, &products, at_row, &operand[0], at_row);
}

static void check_scans(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_scan_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->scan;
  for (int k = 0; k < LIST(widths) * 12; k++) {
    const size_t n = widths[k / 12];
    const int which = k % 3, beta = k / 3 % 2, across = k / 6 % 2;
    const ky_pitch at_row = across ? (ky_pitch){1, 8} : (ky_pitch){(ptrdiff_t)n, 1};
    draw_operands(dtype, k % 5 - 1);
    call_scan(kernels->scan, dtype, which, n, beta, at_row, &got);
    call_scan(plain, dtype, which, n, beta, at_row, &want);
    expect_close("scan", kernels->level, dtype, (ptrdiff_t)(8 * n), 0, 0);
  }
}

static void scans_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_scans);
}

/* ---- sums of rows and columns ------------------------------------------------------------ */

static void check_row_sums(const ky_kernels *kernels, ky_dtype dtype) {
  enum { ROWS = 8, MOST = 20 };
  const ky_reduce_kernels *k = kernels->reduce, *plain = ky__kernels_at(KY_LEVEL_plain)->reduce;
  for (size_t n = 1; n <= MOST; n++) {
    double total[2][MOST];
    draw_operands(dtype, -1);
    for (size_t j = 0; j < n; j++) total[0][j] = total[1][j] = (double)j / 3;
    k->put_rows[dtype](ROWS, n, &got, n & 1, 3, &operand[0]);
    plain->put_rows[dtype](ROWS, n, &want, n & 1, 3, &operand[0]);
    expect_close("put_rows", kernels->level, dtype, ROWS, 0, 0);
    k->add_rows[dtype](ROWS, n, total[0], &operand[0]);
    plain->add_rows[dtype](ROWS, n, total[1], &operand[0]);
    EXPECT(memcmp(total[0], total[1], n * sizeof **total) == 0,
           "add_rows, %s, %s: %zu columns differ from the plain ones\n", kernels->level,
           ky_dtype_name(dtype), n);
  }
}

static void sums_of_rows_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_row_sums);
}

/* ---- statistics -------------------------------------------------------------------------- */

typedef struct statistic_row {
  const char *name;
  size_t map, pull;
  double ulps;
} statistic_row;

#define ROW(name, ulps)                                                                        \
  {                                                                                            \
    #name, offsetof(ky_statistic_kernels, name), offsetof(ky_statistic_kernels, pull_##name),  \
        ulps                                                                                   \
  }
static const statistic_row statistics[] = {
    ROW(prod, 0),    ROW(variance, 0),           ROW(std, 0), ROW(norm[0], 0), ROW(norm[1], 0),
    ROW(norm[2], 0), ROW(logsumexp, VECTOR_ULPS)};
#define PICK(kernels, offset, dtype)                                                           \
  (((ky_statistic_fn *const *)(const void *)((const char *)(kernels) + (offset)))[dtype])

/* The result, then the adjoint, computed from the plain level's result. */
static void call_statistic(const ky_statistic_kernels *k, const statistic_row *row,
                           ky_dtype dtype, const int64_t dims[2], int axis, bool adjoint,
                           array *out) {
  static array mean, result;
  const ky_layout in = {.rank = 2,
                        .dense = true,
                        .count = dims[0] * dims[1],
                        .dims = {dims[0], dims[1]},
                        .strides = {dims[1], 1}};
  const int64_t kept[2] = {axis == 1, axis == 0};
  ky_reduce_plan plan, share;
  ky__plan_reduction(&plan, &in, kept);
  ky__plan_share(&share, &in, kept);
  ky_statistic s = {.plan = &plan,
                    .x = &operand[0],
                    .r = adjoint ? &result : out,
                    .mean = &mean,
                    .n = (double)dims[axis],
                    .divisor = (double)dims[axis],
                    .g = &cotangent};
  PICK(adjoint ? ky__kernels_at(KY_LEVEL_plain)->statistic : k, row->map, dtype)(&s);
  if (!adjoint) return;
  s.plan = &share;
  s.gx = out;
  PICK(k, row->pull, dtype)(&s);
}

static void check_statistics(const ky_kernels *kernels, ky_dtype dtype) {
  static const int64_t extents[][2] = {{1, 1}, {3, 5}, {2, 700}, {300, 4}, {37, 33}, {1, 1400}};
  const ky_statistic_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->statistic;
  for (int k = 0; k < LIST(statistics); k++)
    for (int e = 0; e < LIST(extents) * 4; e++) {
      const int64_t *dims = extents[e / 4];
      const int axis = e % 2, adjoint = e / 2 % 2;
      draw_operands(dtype, -1);
      call_statistic(kernels->statistic, &statistics[k], dtype, dims, axis, adjoint, &got);
      call_statistic(plain, &statistics[k], dtype, dims, axis, adjoint, &want);
      expect_close(statistics[k].name, kernels->level, dtype,
                   adjoint ? dims[0] * dims[1] : dims[1 - axis], statistics[k].ulps,
                   statistics[k].ulps > 0); /* near 0 terms cancel */
    }
}

static void statistics_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_statistics);
}

/* ---- normalisation ----------------------------------------------------------------------- */

/* Rows, and with `adjoint` what x, the weight and the bias get, one behind the other. */
static void call_normalize(const ky_normalize_kernels *k, ky_dtype dtype, size_t rows, size_t n,
                           bool centred, bool adjoint, int beta, array *out) {
  static array mean, rstd, rest;
  ky_normalize s = {.rows = rows,
                    .n = n,
                    .pitch = n,
                    .x = &operand[0],
                    .w = &operand[1],
                    .b = &operand[2],
                    .mean = centred ? &mean : NULL,
                    .rstd = &rstd,
                    .eps = 1e-5,
                    .r = adjoint ? &rest : out};
  (adjoint ? ky__kernels_at(KY_LEVEL_plain)->normalize : k)->map[dtype](&s);
  if (!adjoint) return;
  s.g = &cotangent;
  s.gx = out;
  s.gw = at(dtype, out, (ptrdiff_t)(rows * n));
  s.gb = at(dtype, out, (ptrdiff_t)(rows * n + n));
  s.beta_x = s.beta_w = s.beta_b = beta;
  k->pull[dtype](&s);
}

static void check_normalize(const ky_kernels *kernels, ky_dtype dtype) {
  static const size_t extents[][2] = {{1, 1}, {3, 5}, {2, 600}, {130, 4}, {37, 33}, {16, 64}};
  const ky_normalize_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->normalize;
  for (int e = 0; e < LIST(extents) * 8; e++) {
    const size_t rows = extents[e / 8][0], n = extents[e / 8][1];
    const bool centred = e & 1, adjoint = e & 2;
    draw_operands(dtype, -1);
    call_normalize(kernels->normalize, dtype, rows, n, centred, adjoint, e >> 2 & 1, &got);
    call_normalize(plain, dtype, rows, n, centred, adjoint, e >> 2 & 1, &want);
    expect_close("normalize", kernels->level, dtype, (ptrdiff_t)(rows * n + 2 * n), 0, 0);
  }
}

static void normalisation_has_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_normalize);
}

/* ---- fma and lerp ------------------------------------------------------------------------ */

static void check_ternaries(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_elementwise_kernels *k = kernels->elementwise,
                               *plain = ky__kernels_at(KY_LEVEL_plain)->elementwise;
  const void *a = &operand[0], *b = &operand[1], *c = &operand[2];
  for (int special = -1; special < 12; special++) {
    draw_operands(dtype, special);
#define TERNARY(name, ...)                                                                     \
  k->map_##name[dtype](SOME, &got, a, 1, b, 2, c, 1);                                          \
  plain->map_##name[dtype](SOME, &want, a, 1, b, 2, c, 1);                                     \
  expect_close(#name, kernels->level, dtype, SOME, 0, 0);
#include "kernels/ternary.def"
#undef TERNARY
  }
}

static void ternaries_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_ternaries);
}

/* ---- comparisons and casts --------------------------------------------------------------- */

static void check_tests(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_test_kernels *k = kernels->test, *plain = ky__kernels_at(KY_LEVEL_plain)->test;
  static uint8_t mask[2][SOME];
  for (int special = -1; special < 12; special++) {
    draw_operands(dtype, special);
    for (int which = 0; which <= KY_TEST_ge; which++) {
      k->compare((ky_test)which, dtype, SOME, mask[0], &operand[0], 1, &operand[1], 0);
      plain->compare((ky_test)which, dtype, SOME, mask[1], &operand[0], 1, &operand[1], 0);
      assert_memory_equal(mask[0], mask[1], SOME);
      k->compare_scalar((ky_test)which, dtype, SOME, mask[0], &operand[0], 2, 0.5);
      plain->compare_scalar((ky_test)which, dtype, SOME, mask[1], &operand[0], 2, 0.5);
      assert_memory_equal(mask[0], mask[1], SOME);
    }
    k->select(dtype, SOME, &got, mask[0], 1, &operand[0], 1, &operand[1], 3);
    plain->select(dtype, SOME, &want, mask[0], 1, &operand[0], 1, &operand[1], 3);
    expect_close("select", kernels->level, dtype, SOME, 0, 0);
    k->finite(dtype, SOME, mask[0], &operand[0], 1);
    plain->finite(dtype, SOME, mask[1], &operand[0], 1);
    assert_memory_equal(mask[0], mask[1], SOME);
  }
}

static void comparisons_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_tests);
}

static void check_casts(const ky_kernels *kernels, ky_dtype dtype) {
  static const ky_dtype others[] = {KY_F32, KY_F64, KY_I32, KY_I64, KY_MASK};
  const ky_cast_kernels *k = kernels->cast, *plain = ky__kernels_at(KY_LEVEL_plain)->cast;
  for (int special = -1; special < 12; special++)
    for (int to = 0; to < LIST(others); to++) {
      draw_operands(dtype, special);
      k->convert(others[to], dtype, SOME, &got, &operand[0], 1);
      plain->convert(others[to], dtype, SOME, &want, &operand[0], 1);
      if (to < 2)
        expect_close("cast", kernels->level, others[to], SOME, 0, 0);
      else
        assert_memory_equal(&got, &want, SOME * ky_dtype_size(others[to]));
    }
}

static void casts_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_casts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scans_have_the_bits_of_the_plain_level),
      cmocka_unit_test(sums_of_rows_have_the_bits_of_the_plain_level),
      cmocka_unit_test(statistics_agree_with_the_plain_level),
      cmocka_unit_test(normalisation_has_the_bits_of_the_plain_level),
      cmocka_unit_test(ternaries_have_the_bits_of_the_plain_level),
      cmocka_unit_test(comparisons_have_the_bits_of_the_plain_level),
      cmocka_unit_test(casts_have_the_bits_of_the_plain_level),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
