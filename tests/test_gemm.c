/* SPDX-License-Identifier: MIT */
/* Matrix products between guard pages: every read or write outside of an operand is a crash,
 * every wrong element a failure. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "close.h"
#include "kernels/gemm.h"

/* Sums of at most 40 products of numbers below 1 in f32, in any order. */
static const double f32_tolerance = 40 * 40 * 6e-8;
static const double f64_tolerance = 40 * 40 * 1.2e-16;

/* Memory with an unreadable page on either side. */
typedef struct guarded {
  char *map;
  char *begin, *end;
} guarded;

static guarded guard(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t inner = (bytes + page - 1) / page * page;
  char *map = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(map, MAP_FAILED);
  assert_int_equal(mprotect(map + page, inner, PROT_READ | PROT_WRITE), 0);
  return (guarded){map, map + page, map + page + inner};
}

static void unguard(guarded g) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  munmap(g.map, (size_t)(g.end - g.begin) + 2 * page);
}

static double get(ky_dtype dtype, const void *p, size_t k) {
  return dtype == KY_F32 ? (double)((const float *)p)[k] : ((const double *)p)[k];
}

static void set(ky_dtype dtype, void *p, size_t k, double x) {
  if (dtype == KY_F32)
    ((float *)p)[k] = (float)x;
  else
    ((double *)p)[k] = x;
}

/* Numbers in (-1, 1) that f32 holds exactly, so that both dtypes see the same. */
static void fill(ky_dtype dtype, void *p, size_t count, uint32_t seed) {
  for (size_t k = 0; k < count; k++) {
    seed = seed * 1664525u + 1013904223u;
    set(dtype, p, k, ((int32_t)(seed >> 16) - 32768) / 32768.0);
  }
}

typedef struct room {
  guarded a, b, c;
} room;

static room room_for(size_t extent) {
  const size_t bytes = extent * extent * sizeof(double);
  return (room){guard(bytes), guard(bytes), guard(bytes)};
}

static void leave(room r) {
  unguard(r.a);
  unguard(r.b);
  unguard(r.c);
}

static char *place(guarded g, size_t bytes, bool at_end) {
  return at_end ? g.end - bytes : g.begin;
}

static void check_product(ky_dtype dtype, room r, size_t m, size_t n, size_t k, unsigned trans,
                          int beta, bool at_end) {
  const size_t size = ky_dtype_size(dtype);
  char *a = place(r.a, m * k * size, at_end), *b = place(r.b, k * n * size, at_end);
  char *c = place(r.c, m * n * size, at_end);
  fill(dtype, a, m * k, 1);
  fill(dtype, b, k * n, 2);
  fill(dtype, c, m * n, 3);
  const ky_matrix ma =
      trans & 1 ? (ky_matrix){a, 1, (ptrdiff_t)m} : (ky_matrix){a, (ptrdiff_t)k, 1};
  const ky_matrix mb =
      trans & 2 ? (ky_matrix){b, 1, (ptrdiff_t)k} : (ky_matrix){b, (ptrdiff_t)n, 1};
  const ky_matrix mc =
      trans & 4 ? (ky_matrix){c, 1, (ptrdiff_t)m} : (ky_matrix){c, (ptrdiff_t)n, 1};
  static double before[40 * 40];
  for (size_t x = 0; x < m * n; x++) before[x] = get(dtype, c, x);
  if (!beta) memset(c, 0xff, m * n * size); /* NaN: must not be read */
  ky__gemm[dtype](m, n, k, ma, mb, beta, mc);
  const double tolerance = dtype == KY_F32 ? f32_tolerance : f64_tolerance;
  const size_t step = m * n > 64 ? 7 : 1; /* a seventh of the elements of large products */
  for (size_t x = (m + n + k) % step; x < m * n; x += step) {
    const size_t i = x / n, j = x % n;
    const size_t at = (size_t)((ptrdiff_t)i * mc.row + (ptrdiff_t)j * mc.column);
    double want = beta ? before[at] : 0;
    for (size_t p = 0; p < k; p++)
      want += get(dtype, a, (size_t)((ptrdiff_t)i * ma.row + (ptrdiff_t)p * ma.column)) *
              get(dtype, b, (size_t)((ptrdiff_t)p * mb.row + (ptrdiff_t)j * mb.column));
    assert_close(get(dtype, c, at), want, tolerance);
  }
}

static void products_stay_inside_their_operands(void **state) {
  (void)state;
  static const size_t inner[] = {1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 40};
  const room r = room_for(40);
  for (int dtype = KY_F32; dtype <= KY_F64; dtype++)
    for (size_t m = 1; m <= 40; m++)
      for (size_t n = 1; n <= 40; n++)
        for (size_t k = 0; k < sizeof inner / sizeof *inner; k++)
          for (unsigned variant = 0; variant < 8; variant++) { /* transposes x beta */
            const bool at_end = (m + n + k) % 4 != 0;
            check_product((ky_dtype)dtype, r, m, n, inner[k], variant & 3, (int)(variant >> 2),
                          at_end);
          }
  leave(r);
}

static void transposed_results_are_right(void **state) {
  (void)state;
  const room r = room_for(40);
  for (int dtype = KY_F32; dtype <= KY_F64; dtype++)
    for (size_t m = 1; m <= 40; m += 3)
      for (size_t n = 1; n <= 40; n += 3)
        for (unsigned variant = 0; variant < 8; variant++)
          check_product((ky_dtype)dtype, r, m, n, 37, 4 | (variant & 3), (int)(variant >> 2),
                        true);
  leave(r);
}

static void empty_inner_extent_scales_by_beta(void **state) {
  (void)state;
  float c[4] = {1, 2, 3, 4};
  const ky_matrix none = {c, 1, 1}, result = {c, 2, 1};
  ky__gemm[KY_F32](2, 2, 0, none, none, 1, result);
  assert_close(c[3], 4, 0);
  ky__gemm[KY_F32](2, 2, 0, none, none, 0, result);
  assert_close(c[3], 0, 0);
}

static void small_and_large_paths_agree(void **state) {
  (void)state;
  enum { N = 96 };
  static double a[N * N], b[N * N], c[N * N], d[N * N];
  fill(KY_F64, a, N * N, 5);
  fill(KY_F64, b, N * N, 6);
  const ky_matrix ma = {a, N, 1}, mb = {b, 1, N};
  ky__gemm[KY_F64](N, N, N, ma, mb, 0, (ky_matrix){c, N, 1});
  ky__gemm_small[KY_F64](N, N, N, ma, mb, 0, (ky_matrix){d, N, 1});
  for (int k = 0; k < N * N; k++) assert_close(c[k], d[k], N * N * 1.2e-16);
}

static void info_says_something(void **state) {
  (void)state;
  assert_true(strlen(ky_gemm_info()) > 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_stay_inside_their_operands),
      cmocka_unit_test(transposed_results_are_right),
      cmocka_unit_test(empty_inner_extent_scales_by_beta),
      cmocka_unit_test(small_and_large_paths_agree),
      cmocka_unit_test(info_says_something),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
