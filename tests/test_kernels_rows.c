/* SPDX-License-Identifier: MIT */
/* Kernels of rows at every instruction-set level that this machine can run, against the plain
 * level, and against what a row gives alone. */
#include "kernel_levels.h"

/* A term of a softmax, divided by a sum of such terms; rounding x - top is the same at all
 * levels. */
#define SOFTMAX_ULPS 16
/* ---- rows of probabilities --------------------------------------------------------------- */

/* Where rows lie, and how many. */
typedef struct row_call {
  size_t rows, n;
  ky_pitch at;
} row_call;

static const int64_t labels[8] = {0, 3, 1, 2, 0, 1, 3, 2};

/* Everything that works on rows. */
static void call_rows(const ky_softmax_kernels *k, ky_dtype dtype, row_call c, array r[6],
                      const void *x, const void *g) {
  array sums;
  k->map_softmax[dtype](c.rows, c.n, &r[0], c.at, x, c.at);
  k->map_log_softmax[dtype](c.rows, c.n, &r[1], c.at, x, c.at);
  k->pull_softmax[dtype](c.rows, c.n, &r[2], 0, g, &r[0], c.at);
  k->pull_log_softmax[dtype](c.rows, c.n, &r[3], 0, g, &r[1], c.at);
  k->map_cross_entropy[dtype](c.rows, c.n, &r[4], &sums, x, c.at, labels);
  k->pull_cross_entropy[dtype](c.rows, c.n, &r[5], 0, g, 1, 0.5, &sums, x, c.at, labels);
}

static array rows_got[6], rows_want[6], logits, cotangent, got, want;

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

/* ---- reductions -------------------------------------------------------------------------- */

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
  k->position(true, dtype, &plan, position, x);
  k->position(false, dtype, &plan, position + (axis ? rows : n), x);
  k->share[dtype](&share, &r[4], 0, &r[0], &r[2], x);
}

static void check_reductions(const ky_kernels *kernels, ky_dtype dtype) {
  static const int64_t extents[][2] = {{1, 1}, {3, 5}, {2, 700}, {300, 4}, {37, 33}, {1, 1400}};
  const ky_kernels *plain = ky__kernels_at(KY_LEVEL_plain);
  static int64_t position_got[2 * LONG], position_want[2 * LONG];
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
        assert_memory_equal(position_got, position_want, 2 * (size_t)kept * sizeof(int64_t));
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

/* ---- copies ------------------------------------------------------------------------------ */

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
      cmocka_unit_test(rows_do_not_depend_on_each_other),
      cmocka_unit_test(rows_agree_with_the_plain_level),
      cmocka_unit_test(reductions_have_the_bits_of_the_plain_level),
      cmocka_unit_test(losses_are_summed),
      cmocka_unit_test(planes_are_copied_and_added),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
