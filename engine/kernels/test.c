/* SPDX-License-Identifier: MIT */
/* Comparisons, logic and selection by a mask. */
#include "kernels/test.h"

#include <stdbool.h>

#include "kernels/loops.h"
#include "kernels/test_blocks.h"

#define X(dname, type, text)                                                                   \
  static void test_##dname(ky_test which, size_t begin, size_t n, uint8_t *restrict r,         \
                           const type *restrict a, ptrdiff_t sa, const type *restrict b,       \
                           ptrdiff_t sb) {                                                     \
    const type first = n > 0 ? *b : 0;                                                         \
    switch (which) { TEST_CASES }                                                              \
  }
/* Loops of their own for strides that are known, so that they vectorise. */
#define CASE(name, sign)                                                                       \
  case KY_TEST_##name:                                                                         \
    if (sa == 1 && sb == 1)                                                                    \
      for (size_t i = begin; i < n; i++) r[i] = (uint8_t)(a[i] sign b[i]);                     \
    else if (sa == 1 && sb == 0)                                                               \
      for (size_t i = begin; i < n; i++) r[i] = (uint8_t)(a[i] sign first);                    \
    else                                                                                       \
      for (size_t i = begin; i < n; i++)                                                       \
        r[i] = (uint8_t)(a[(ptrdiff_t)i * sa] sign b[(ptrdiff_t)i * sb]);                      \
    break;
#define TEST_CASES KY_TESTS(CASE)
KY_DTYPES(X)
#undef X
#undef CASE
#undef TEST_CASES

static void compare(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a,
                    ptrdiff_t sa, const void *b, ptrdiff_t sb) {
  const size_t begin = dtype == KY_F32 ? compare_blocks(which, n, r, a, sa, b, sb) : 0;
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name: test_##name(which, begin, n, r, a, sa, b, sb); break;
    KY_DTYPES(X)
#undef X
  case KY_BF16:
  case KY_F16: break;
  }
}

#define CHUNK 128 /* integers that are compared as f64 */

static double as_double(ky_dtype dtype, const void *p) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name: return (double)*(const type *)p;
    KY_DTYPES(X)
#undef X
  case KY_BF16:
  case KY_F16: break;
  }
  return 0;
}

static void compare_scalar(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a,
                           ptrdiff_t sa, double s) {
  const float s32 = (float)s;
  if (dtype == KY_F32) {
    const size_t begin = compare_blocks(which, n, r, a, sa, &s32, 0);
    test_F32(which, begin, n, r, a, sa, &s32, 0);
  } else if (dtype == KY_F64) {
    test_F64(which, 0, n, r, a, sa, &s, 0);
  } else {
    const ptrdiff_t step = sa * (ptrdiff_t)ky_dtype_size(dtype);
    double x[CHUNK];
    for (size_t i = 0; i < n; i += CHUNK) {
      const size_t m = n - i < CHUNK ? n - i : CHUNK;
      for (size_t k = 0; k < m; k++)
        x[k] = as_double(dtype, (const char *)a + (ptrdiff_t)(i + k) * step);
      test_F64(which, 0, m, r + i, x, 1, &s, 0);
    }
  }
}

/* Both elements are read before one is taken: branches would be guessed wrong half the time. */
#define TAKE(type, x, y, m)                                                                    \
  for (size_t i = begin; i < n; i++) {                                                         \
    const type from_a = x, from_b = y;                                                         \
    r[i] = m ? from_a : from_b;                                                                \
  }
/* clang-format off */
#define SELECT(name, type)                                                                     \
  static void name(size_t begin, size_t n, type *r, const uint8_t *mask, ptrdiff_t sm,         \
                   const type *a, ptrdiff_t sa, const type *b, ptrdiff_t sb) {                 \
    if (n == 0) return;                                                                        \
    const type first_a = *a, first_b = *b;                                                     \
    if (sm == 1 && sa == 1 && sb == 1)                                                         \
      SIMD TAKE(type, a[i], b[i], mask[i])                                                     \
    else if (sm == 1 && sa == 1 && sb == 0)                                                    \
      SIMD TAKE(type, a[i], first_b, mask[i])                                                  \
    else if (sm == 1 && sa == 0 && sb == 1)                                                    \
      SIMD TAKE(type, first_a, b[i], mask[i])                                                  \
    else                                                                                       \
      TAKE(type, a[(ptrdiff_t)i * sa], b[(ptrdiff_t)i * sb], mask[(ptrdiff_t)i * sm])          \
  }
/* clang-format on */
SELECT(select_1, uint8_t)
SELECT(select_4, uint32_t)
SELECT(select_8, uint64_t)
#undef SELECT
#undef TAKE

static void select_elements(ky_dtype dtype, size_t n, void *r, const uint8_t *mask,
                            ptrdiff_t sm, const void *a, ptrdiff_t sa, const void *b,
                            ptrdiff_t sb) {
  const size_t size = ky_dtype_size(dtype);
  if (size == 1)
    select_1(0, n, r, mask, sm, a, sa, b, sb);
  else if (size == 4)
    select_4(select_blocks(n, r, mask, sm, a, sa, b, sb), n, r, mask, sm, a, sa, b, sb);
  else
    select_8(0, n, r, mask, sm, a, sa, b, sb);
}

/* clang-format off */
#define COMBINE(value, ma, mb)                                                                 \
  for (size_t i = 0; i < n; i++) {                                                             \
    const uint8_t a = ma, b = mb;                                                              \
    r[i] = (uint8_t)(value);                                                                   \
  }
static void combine(ky_logic which, size_t n, uint8_t *r, const uint8_t *as, ptrdiff_t sa,
                    const uint8_t *bs, ptrdiff_t sb) {
  const bool neighbours = sa == 1 && sb == 1;
  switch (which) {
#define X(name, value)                                                                         \
  case KY_LOGIC_##name:                                                                        \
    if (neighbours && as == bs)                                                                \
      EACH COMBINE(value, as[i], as[i])                                                        \
    else if (neighbours)                                                                       \
      EACH COMBINE(value, as[i], bs[i])                                                        \
    else                                                                                       \
      COMBINE(value, as[(ptrdiff_t)i * sa], bs[(ptrdiff_t)i * sb])                             \
    break;
    KY_LOGICS(X)
#undef X
  }
}
#undef COMBINE
/* clang-format on */

/* x - x is 0, and NaN where x is NaN or infinite. */
#define FINITE(name, type)                                                                     \
  static void name(size_t begin, size_t n, uint8_t *restrict r, const type *restrict x,        \
                   ptrdiff_t sx) {                                                             \
    if (sx == 1)                                                                               \
      for (size_t i = begin; i < n; i++) r[i] = (uint8_t)(x[i] - x[i] == 0);                   \
    else                                                                                       \
      for (size_t i = begin; i < n; i++)                                                       \
        r[i] = (uint8_t)(x[(ptrdiff_t)i * sx] - x[(ptrdiff_t)i * sx] == 0);                    \
  }
FINITE(finite_4, float)
FINITE(finite_8, double)
#undef FINITE

static void finite(ky_dtype dtype, size_t n, uint8_t *r, const void *x, ptrdiff_t sx) {
  if (dtype == KY_F32)
    finite_4(finite_blocks(n, r, x, sx), n, r, x, sx);
  else if (dtype == KY_F64)
    finite_8(0, n, r, x, sx);
  else
    for (size_t i = 0; i < n; i++) r[i] = 1;
}

const ky_test_kernels KY_TABLE(ky__test) = {compare, compare_scalar, select_elements, combine,
                                            finite};
