/* SPDX-License-Identifier: MIT */
/* Comparisons and selection by a mask. */
#include "kernels/test.h"

#define X(dname, type, text)                                                                   \
  static void test_##dname(ky_test which, size_t n, uint8_t *r, const type *a, ptrdiff_t sa,   \
                           const type *b, ptrdiff_t sb) {                                      \
    switch (which) { TEST_CASES }                                                              \
  }
#define CASE(name, sign)                                                                       \
  case KY_TEST_##name:                                                                         \
    for (size_t i = 0; i < n; i++)                                                             \
      r[i] = (uint8_t)(a[(ptrdiff_t)i * sa] sign b[(ptrdiff_t)i * sb]);                        \
    break;
#define TEST_CASES KY_TESTS(CASE)
KY_DTYPES(X)
#undef X
#undef CASE
#undef TEST_CASES

void ky__test(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a, ptrdiff_t sa,
              const void *b, ptrdiff_t sb) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name: test_##name(which, n, r, a, sa, b, sb); break;
    KY_DTYPES(X)
#undef X
  }
}

static double as_double(ky_dtype dtype, const void *p) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name: return (double)*(const type *)p;
    KY_DTYPES(X)
#undef X
  }
  return 0;
}

void ky__test_scalar(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a,
                     ptrdiff_t sa, double s) {
  const float s32 = (float)s;
  if (dtype == KY_F32) {
    test_F32(which, n, r, a, sa, &s32, 0);
  } else if (dtype == KY_F64) {
    test_F64(which, n, r, a, sa, &s, 0);
  } else {
    const ptrdiff_t step = sa * (ptrdiff_t)ky_dtype_size(dtype);
    for (size_t i = 0; i < n; i++) {
      const double x = as_double(dtype, (const char *)a + (ptrdiff_t)i * step);
      test_F64(which, 1, r + i, &x, 0, &s, 0);
    }
  }
}

#define SELECT(name, type)                                                                     \
  static void name(size_t n, type *r, const uint8_t *mask, ptrdiff_t sm, const type *a,        \
                   ptrdiff_t sa, const type *b, ptrdiff_t sb) {                                \
    for (size_t i = 0; i < n; i++)                                                             \
      r[i] = mask[(ptrdiff_t)i * sm] ? a[(ptrdiff_t)i * sa] : b[(ptrdiff_t)i * sb];            \
  }
SELECT(select_1, uint8_t)
SELECT(select_4, uint32_t)
SELECT(select_8, uint64_t)
#undef SELECT

void ky__select(ky_dtype dtype, size_t n, void *r, const uint8_t *mask, ptrdiff_t sm,
                const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb) {
  const size_t size = ky_dtype_size(dtype);
  if (size == 1)
    select_1(n, r, mask, sm, a, sa, b, sb);
  else if (size == 4)
    select_4(n, r, mask, sm, a, sa, b, sb);
  else
    select_8(n, r, mask, sm, a, sa, b, sb);
}
