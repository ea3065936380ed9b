/* SPDX-License-Identifier: MIT */
/* Matrix products at every level: between guard pages, where a read or write outside of an
 * operand is a crash; against sums in double; and bit by bit against parts of themselves. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "close.h"
#include "kernels/gemm.h"

#define ROOM 40960 /* elements of the largest operand */

/* For k terms below 1 and one more, summed in any order: k roundings of a sum below k + 1. */
static double tolerance(ky_dtype dtype, size_t k) {
  return (double)((k + 1) * (k + 1)) * (dtype == KY_F32 ? 6e-8 : 1.2e-16);
}

/* ---- elements ---------------------------------------------------------------------------- */

static double get(ky_dtype dtype, const void *p, ptrdiff_t k) {
  return dtype == KY_F32 ? (double)((const float *)p)[k] : ((const double *)p)[k];
}

static void set(ky_dtype dtype, void *p, ptrdiff_t k, double x) {
  if (dtype == KY_F32)
    ((float *)p)[k] = (float)x;
  else
    ((double *)p)[k] = x;
}

/* Numbers in [-1, 1) with all the digits that there are room for. */
static void fill(ky_dtype dtype, void *p, size_t count, uint64_t seed) {
  for (size_t k = 0; k < count; k++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    set(dtype, p, (ptrdiff_t)k, (double)(int64_t)seed * 0x1p-63);
  }
}

static ptrdiff_t place_of(ky_matrix x, size_t i, size_t j) {
  return (ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column;
}

static double at(ky_dtype dtype, ky_matrix x, size_t i, size_t j) {
  return get(dtype, x.data, place_of(x, i, j));
}

static ky_matrix matrix(void *data, size_t rows, size_t columns, bool turned) {
  return turned ? (ky_matrix){data, 1, (ptrdiff_t)rows}
                : (ky_matrix){data, (ptrdiff_t)columns, 1};
}

/* ---- guard pages ------------------------------------------------------------------------- */

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

/* Where the operands of all products are put, and what c held before. */
typedef struct room {
  guarded a, b, c, d;
  double before[ROOM];
} room;

static int enter(void **state) {
  room *r = malloc(sizeof *r);
  if (!r) return -1;
  const size_t bytes = ROOM * sizeof(double);
  r->a = guard(bytes), r->b = guard(bytes), r->c = guard(bytes), r->d = guard(bytes);
  *state = r;
  return 0;
}

static int leave(void **state) {
  room *r = *state;
  unguard(r->a), unguard(r->b), unguard(r->c), unguard(r->d);
  free(r);
  return 0;
}

/* A matrix of random numbers at one end of `g`, next to an unreadable page. */
static ky_matrix put(ky_dtype dtype, guarded g, size_t rows, size_t columns, bool turned,
                     bool at_end, uint64_t seed) {
  const size_t bytes = rows * columns * ky_dtype_size(dtype);
  assert_true(rows * columns <= ROOM);
  char *data = at_end ? g.end - bytes : g.begin;
  fill(dtype, data, rows * columns, seed);
  return matrix(data, rows, columns, turned);
}

/* ---- products ---------------------------------------------------------------------------- */

enum { TURN_A = 1, TURN_B = 2, TURN_C = 4, NO_D = 0, D_IS_C = 8, BIAS = 16, VARIANTS = 24 };

/* All of a product's operands, in `r`, as the bits of `variant` say. */
static ky_product product(ky_dtype dtype, room *r, size_t m, size_t n, size_t k,
                          unsigned variant, bool at_end) {
  ky_product p = {.m = m, .n = n, .k = k};
  p.a = put(dtype, r->a, m, k, variant & TURN_A, at_end, 1);
  p.b = put(dtype, r->b, k, n, variant & TURN_B, at_end, 2);
  p.c = put(dtype, r->c, m, n, variant & TURN_C, at_end, 3);
  if (variant & D_IS_C) p.d = p.c;
  if (variant & BIAS) {
    p.d = put(dtype, r->d, 1, n, false, at_end, 4);
    p.d.row = 0;
  }
  for (size_t x = 0; x < m * n; x++) r->before[x] = p.d.data ? at(dtype, p.d, x / n, x % n) : 0;
  if (!(variant & D_IS_C)) memset(p.c.data, 0xff, m * n * ky_dtype_size(dtype)); /* NaN */
  return p;
}

/* Every step-th element of c. */
static void check(ky_dtype dtype, const room *r, const ky_product *p, size_t step) {
  for (size_t x = (p->m + p->n + p->k) % step; x < p->m * p->n; x += step) {
    const size_t i = x / p->n, j = x % p->n;
    double want = r->before[x];
    for (size_t l = 0; l < p->k; l++) want += at(dtype, p->a, i, l) * at(dtype, p->b, l, j);
    assert_close(at(dtype, p->c, i, j), want, tolerance(dtype, p->k));
  }
}

static void multiply_and_check(const ky_kernels *kernels, ky_dtype dtype, room *r, size_t m,
                               size_t n, size_t k, unsigned variant) {
  const ky_product p = product(dtype, r, m, n, k, variant, (m + n + k) % 4 != 0);
  ky__multiply(kernels, dtype, &p);
  check(dtype, r, &p, m * n > 64 ? 13 : 1);
}

static const ky_dtype dtypes[] = {KY_F32, KY_F64};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Calls visit(kernels, dtype, r) for every level that this machine can run and both dtypes. */
static void each_kernel(void (*visit)(const ky_kernels *, ky_dtype, room *), room *r) {
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    for (size_t t = 0; kernels && t < LENGTH(dtypes); t++) visit(kernels, dtypes[t], r);
  }
}

static void small_products(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const size_t inner[] = {1, 2, 5, 8, 17, 31, 32, 40};
  for (size_t m = 1; m <= 40; m += m < 18 ? 1 : 2)
    for (size_t n = 1; n <= 40; n += n < 18 ? 1 : 2)
      for (size_t k = 0; k < LENGTH(inner); k++)
        for (unsigned variant = (unsigned)(m + n + k) % 7; variant < VARIANTS; variant += 7)
          multiply_and_check(kernels, dtype, r, m, n, inner[k], variant);
}

static void small_products_stay_inside_their_operands(void **state) {
  each_kernel(small_products, *state);
}

static void thin_products(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const size_t wide[] = {63, 64, 65, 130, 257}, deep[] = {33, 255, 256, 257, 300, 515};
  for (size_t thin = 1; thin <= 9; thin++)
    for (size_t w = 0; w < LENGTH(wide); w++) {
      for (size_t k = 0; k < LENGTH(deep); k++)
        for (unsigned variant = (unsigned)(w + k) % 3; variant < VARIANTS; variant += 3) {
          if (wide[w] * deep[k] > ROOM) continue;
          multiply_and_check(kernels, dtype, r, thin, wide[w], deep[k], variant);
          multiply_and_check(kernels, dtype, r, wide[w], thin, deep[k], variant);
        }
      for (unsigned variant = 0; variant < VARIANTS; variant++)
        multiply_and_check(kernels, dtype, r, wide[w], 2 * thin + 41, thin, variant);
    }
}

static void thin_products_stay_inside_their_operands(void **state) {
  each_kernel(thin_products, *state);
}

/* The same by BLIS, whatever the extents. */
/* Rows of b a kilobyte apart and more, used often. */
static void wide_products(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const size_t tall[] = {24, 29, 32}, wide[] = {256, 263, 273}, deep[] = {128, 131, 257};
  for (size_t m = 0; m < LENGTH(tall); m++)
    for (size_t n = 0; n < LENGTH(wide); n++)
      for (size_t k = 0; k < LENGTH(deep); k++)
        for (unsigned variant = (unsigned)(m + n + k) % 3; variant < VARIANTS; variant += 3)
          if (wide[n] * deep[k] <= ROOM)
            multiply_and_check(kernels, dtype, r, tall[m], wide[n], deep[k], variant);
}

static void wide_products_stay_inside_their_operands(void **state) {
  each_kernel(wide_products, *state);
}

static void blis_stays_inside_its_operands(void **state) {
  room *r = *state;
  const ky_kernels *kernels = ky__kernels();
  for (size_t t = 0; t < LENGTH(dtypes); t++)
    for (size_t m = 1; m <= 40; m += 3)
      for (size_t n = 1; n <= 40; n += 2)
        for (size_t k = 1; k <= 300; k += k < 40 ? 6 : 109)
          for (unsigned variant = (unsigned)k % 3; variant < VARIANTS; variant += 3) {
            ky_product p = product(dtypes[t], r, m, n, k, variant, (m + n + k) % 4 != 0);
            p.way = KY_GEMM_BLIS;
            ky__multiply(kernels, dtypes[t], &p);
            check(dtypes[t], r, &p, 7);
          }
}

/* Strides of both signs and 0, in every operand; c is every third element of every second row.
 */
static void any_strides(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const ptrdiff_t strides[][2] = {{0, 1},   {1, 0},    {0, 0},  {-64, 1},
                                         {64, -1}, {-1, -64}, {3, 64}, {64, 3}};
  enum { MIDDLE = 8192 };
  for (size_t s = 0; s < LENGTH(strides) * LENGTH(strides); s++)
    for (size_t m = 1; m <= 21; m += 5)
      for (size_t n = 1; n <= 21; n += 10) {
        const ptrdiff_t *const sa = strides[s % LENGTH(strides)];
        const ptrdiff_t *const sb = strides[s / LENGTH(strides)];
        ky_product p = product(dtype, r, 128, 128, 128, 0, false);
        p.m = m, p.n = n, p.k = 33;
        p.a = (ky_matrix){p.a.data, sa[0], sa[1]}, p.b = (ky_matrix){p.b.data, sb[0], sb[1]};
        p.c.row = 200, p.c.column = 3;
        const size_t middle = MIDDLE * ky_dtype_size(dtype);
        p.a.data = (char *)p.a.data + middle, p.b.data = (char *)p.b.data + middle;
        memset(r->before, 0, m * n * sizeof *r->before);
        ky__multiply(kernels, dtype, &p);
        check(dtype, r, &p, 1);
        assert_true(isnan(get(dtype, p.c.data, 1)));
      }
}

static void strides_may_be_anything(void **state) { each_kernel(any_strides, *state); }

static void empty_inner_extent_leaves_d(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  for (unsigned variant = 0; variant < VARIANTS; variant++)
    for (size_t n = 1; n < 100; n += 33) {
      ky_product p = product(dtype, r, 2, n, 1, variant, true);
      p.k = 0;
      p.a.data = p.b.data = NULL;
      ky__multiply(kernels, dtype, &p);
      check(dtype, r, &p, 1);
    }
}

static void empty_products_leave_d(void **state) {
  each_kernel(empty_inner_extent_leaves_d, *state);
  const ky_product nothing = {.k = 3};
  ky__multiply(ky__kernels(), KY_F32, &nothing);
}

/* ---- bits -------------------------------------------------------------------------------- */

static void assert_same_bits(ky_dtype dtype, const void *x, const void *y, size_t count) {
  if (memcmp(x, y, count * ky_dtype_size(dtype)) == 0) return;
  for (size_t k = 0; k < count; k++)
    assert_close(get(dtype, x, (ptrdiff_t)k), get(dtype, y, (ptrdiff_t)k), 0);
  fail_msg("zeros of different sign, or NaN");
}

static ky_matrix block_of(ky_dtype dtype, ky_matrix x, size_t i, size_t j) {
  x.data = (char *)x.data + place_of(x, i, j) * (ptrdiff_t)ky_dtype_size(dtype);
  return x;
}

/* Rows [i, i + m) and columns [j, j + n) of a product, on their own, into the same places. */
static ky_product block(ky_dtype dtype, const ky_product *p, size_t i, size_t m, size_t j,
                        size_t n) {
  ky_product part = *p;
  part.m = m, part.n = n;
  part.a = block_of(dtype, p->a, i, 0), part.b = block_of(dtype, p->b, 0, j);
  part.c = block_of(dtype, p->c, i, j);
  if (p->d.data) part.d = block_of(dtype, p->d, i, j);
  return part;
}

/* c by blocks of m x n from element (i, j) on, the first block being smaller. */
static void multiply_by_blocks(const ky_kernels *kernels, ky_dtype dtype, const ky_product *p,
                               size_t m, size_t n) {
  for (size_t i = 0, rows = 1 + p->k % m; i < p->m; i += rows, rows = m) {
    if (rows > p->m - i) rows = p->m - i;
    for (size_t j = 0, columns = 1 + p->k % n; j < p->n; j += columns, columns = n) {
      if (columns > p->n - j) columns = p->n - j;
      const ky_product part = block(dtype, p, i, rows, j, columns);
      ky__multiply(kernels, dtype, &part);
    }
  }
}

/* The way is fixed, as a caller does who splits; for tiles that is no different from ANY,
 * unless a block is thin. */
static void blocks_have_the_same_bits(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const size_t shapes[][3] = {{7, 61, 5},   {35, 33, 300}, {64, 64, 64},
                                     {100, 50, 3}, {3, 150, 270}, {90, 5, 40},
                                     {1, 77, 520}, {25, 263, 130}};
  static const size_t blocks[][2] = {{1, 1}, {1, 200}, {200, 1}, {3, 17}, {8, 32}, {13, 40}};
  static double whole[ROOM];
  for (size_t s = 0; s < LENGTH(shapes); s++)
    for (unsigned variant = 0; variant < VARIANTS; variant++)
      for (size_t x = 0; x < LENGTH(blocks); x++) {
        const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        ky_product p = product(dtype, r, m, n, k, variant, true);
        p.way = ky__gemm_own_way(&p);
        ky__multiply(kernels, dtype, &p);
        memcpy(whole, p.c.data, m * n * ky_dtype_size(dtype));
        const ky_gemm_way way = p.way;
        p = product(dtype, r, m, n, k, variant, true);
        p.way = way;
        multiply_by_blocks(kernels, dtype, &p, blocks[x][0], blocks[x][1]);
        assert_same_bits(dtype, p.c.data, whole, m * n);
      }
}

static void an_element_has_the_same_bits_in_every_block(void **state) {
  each_kernel(blocks_have_the_same_bits, *state);
}

static void shares_have_the_same_bits(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  static const size_t shapes[][3] = {{7, 61, 50}, {350, 33, 100}, {3, 150, 270}, {1, 1, 9}};
  static const size_t parts[] = {1, 2, 3, 4, 7, 40};
  static double whole[ROOM];
  for (size_t s = 0; s < LENGTH(shapes); s++)
    for (unsigned variant = 0; variant < VARIANTS; variant++)
      for (size_t x = 0; x < LENGTH(parts); x++) {
        const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        ky_product p = product(dtype, r, m, n, k, variant, true);
        ky__multiply(kernels, dtype, &p);
        memcpy(whole, p.c.data, m * n * ky_dtype_size(dtype));
        p = product(dtype, r, m, n, k, variant, true);
        for (size_t part = 0; part < parts[x]; part++) {
          const ky_product share = ky__gemm_share(dtype, &p, parts[x], part);
          ky__multiply(kernels, dtype, &share);
        }
        assert_same_bits(dtype, p.c.data, whole, m * n);
      }
}

/* Terms taken some at a time, in three goes. */
static void parts_have_the_same_bits(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  for (size_t m = 1; m <= 8; m++)
    for (size_t n = 2; n <= 70; n += 17)
      for (size_t k = 3; k <= KY_GEMM_DEPTH; k += k < 8 ? 1 : 124) {
        ky_product p = product(dtype, r, m, n, k, 0, false);
        p.way = KY_GEMM_TILES;
        ky__multiply(kernels, dtype, &p);
        const size_t bytes = m * (size_t)p.c.row * ky_dtype_size(dtype);
        void *whole = malloc(bytes);
        memcpy(whole, p.c.data, bytes);
        for (size_t part = 0; part < 3; part++) {
          const size_t begin = k * part / 3;
          ky_product some = p;
          some.k = k * (part + 1) / 3 - begin;
          some.a = block_of(dtype, p.a, 0, begin);
          some.b = block_of(dtype, p.b, begin, 0);
          if (part > 0) some.d = some.c;
          kernels->gemm_small->go_on[dtype](&some);
        }
        for (size_t i = 0; i < m; i++)
          assert_same_bits(dtype, block_of(dtype, p.c, i, 0).data,
                           (char *)whole + i * (size_t)p.c.row * ky_dtype_size(dtype), n);
        free(whole);
      }
}

static void parts_make_up_the_whole(void **state) {
  each_kernel(parts_have_the_same_bits, *state);
}

/* Products with a vector, and of two: those without a choice against those with one. */
static void vectors_have_the_same_bits(const ky_kernels *kernels, ky_dtype dtype, room *r) {
  const ky_gemm_small_kernels *small = kernels->gemm_small;
  double bits[ROOM];
  for (size_t m = 1; m <= 20; m++)
    for (size_t k = 1; k < KY_GEMM_LONG; k++)
      for (unsigned variant = 0; variant < VARIANTS; variant += k % 2 ? D_IS_C : TURN_A) {
        if (variant & (TURN_B | TURN_C | BIAS)) continue;
        ky_product p = product(dtype, r, m, 1, k, variant, k % 3 > 0);
        const void *d = p.d.data;
        memcpy(bits, p.c.data, m * ky_dtype_size(dtype));
        small->map_vector[dtype](m, k, bits, p.a, p.b.data, d ? bits : NULL, 1);
        ky__multiply(kernels, dtype, &p);
        assert_same_bits(dtype, p.c.data, bits, m);
        p = product(dtype, r, m, k, 1, variant & D_IS_C, k % 3 > 0);
        memcpy(bits, p.c.data, m * k * ky_dtype_size(dtype));
        small->add_outer[dtype](m, k, bits, p.d.data != NULL, p.a.data, p.b.data);
        ky__multiply(kernels, dtype, &p);
        assert_same_bits(dtype, p.c.data, bits, m * k);
      }
}

static void vectors_are_products(void **state) {
  each_kernel(vectors_have_the_same_bits, *state);
}

static void shares_make_up_the_whole(void **state) {
  each_kernel(shares_have_the_same_bits, *state);
}

/* What the choice between BLIS and our kernels rests on, where both fuse multiply and add. */
static void blis_rounds_as_our_kernels_do(void **state) {
#ifdef __x86_64__
  room *r = *state;
  const ky_kernels *kernels = ky__kernels_at(KY_LEVEL_v3);
  if (!kernels || strstr(ky__gemm_info(), "generic")) skip();
  static const size_t depths[] = {1, 40, 255, 257, 400, 513, 900};
  static double own[ROOM];
  for (size_t t = 0; t < LENGTH(dtypes); t++)
    for (size_t k = 0; k < LENGTH(depths); k++)
      for (unsigned variant = 0; variant < VARIANTS; variant++) {
        const ky_dtype dtype = dtypes[t];
        ky_product p = product(dtype, r, 37, 43, depths[k], variant, true);
        p.way = KY_GEMM_TILES;
        ky__multiply(kernels, dtype, &p);
        memcpy(own, p.c.data, p.m * p.n * ky_dtype_size(dtype));
        p = product(dtype, r, 37, 43, depths[k], variant, true);
        p.way = KY_GEMM_BLIS;
        ky__multiply(kernels, dtype, &p);
        assert_same_bits(dtype, p.c.data, own, p.m * p.n);
      }
#else
  (void)state;
  skip();
#endif
}

/* ---- large products ---------------------------------------------------------------------- */

/* Elements of a product that is large for either dtype, spread over all of it. */
static void large_product(ky_dtype dtype, size_t m, size_t n, size_t k) {
  const size_t size = ky_dtype_size(dtype);
  char *a = malloc(m * k * size), *b = malloc(k * n * size), *c = malloc(m * n * size);
  assert_true(a && b && c);
  fill(dtype, a, m * k, 1);
  fill(dtype, b, k * n, 2);
  const ky_matrix ma = matrix(a, m, k, true), mb = matrix(b, k, n, false);
  const ky_matrix mc = matrix(c, m, n, false);
  ky__gemm[dtype](m, n, k, ma, mb, 0, mc);
  ky__gemm[dtype](m, n, k, ma, mb, 1, mc);
  for (size_t x = 0; x < 200; x++) {
    const size_t i = x * 7919 % m, j = x * 104729 % n;
    double want = 0;
    for (size_t l = 0; l < k; l++) want += 2 * at(dtype, ma, i, l) * at(dtype, mb, l, j);
    assert_close(at(dtype, mc, i, j), want, 2 * tolerance(dtype, k) / (double)k);
  }
  free(a), free(b), free(c);
}

static void large_products_are_right(void **state) {
  (void)state;
  for (size_t t = 0; t < LENGTH(dtypes); t++) {
    large_product(dtypes[t], 520, 530, 540);
    large_product(dtypes[t], 1100, 40, 1030);
    large_product(dtypes[t], 30, 2000, 700);
  }
}

static void info_says_something(void **state) {
  (void)state;
  assert_true(strlen(ky_gemm_info()) > 4);
}

#define IN_A_ROOM(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_A_ROOM(small_products_stay_inside_their_operands),
      IN_A_ROOM(thin_products_stay_inside_their_operands),
      IN_A_ROOM(wide_products_stay_inside_their_operands),
      IN_A_ROOM(blis_stays_inside_its_operands),
      IN_A_ROOM(strides_may_be_anything),
      IN_A_ROOM(empty_products_leave_d),
      IN_A_ROOM(an_element_has_the_same_bits_in_every_block),
      IN_A_ROOM(shares_make_up_the_whole),
      IN_A_ROOM(parts_make_up_the_whole),
      IN_A_ROOM(vectors_are_products),
      IN_A_ROOM(blis_rounds_as_our_kernels_do),
      cmocka_unit_test(large_products_are_right),
      cmocka_unit_test(info_says_something),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
