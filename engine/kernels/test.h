/* SPDX-License-Identifier: MIT */
/* Comparisons and selection by a mask, over one run of elements of any dtype. */
#ifndef KY_TEST_H
#define KY_TEST_H

#include "kytape/base.h"

/* One row a comparison: name, C operator. */
#define KY_TESTS(X) X(lt, <) X(le, <=) X(eq, ==) X(ne, !=) X(gt, >) X(ge, >=)

typedef enum ky_test {
#define X(name, sign) KY_TEST_##name,
  KY_TESTS(X)
#undef X
} ky_test;

/* r[i] = a[i sa] ? b[i sb] with both of `dtype`. */
void ky__test(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a, ptrdiff_t sa,
              const void *b, ptrdiff_t sb);

/* r[i] = a[i sa] ? s. An f32 element is compared with s rounded to f32, an integer as a double. */
void ky__test_scalar(ky_test which, ky_dtype dtype, size_t n, uint8_t *r, const void *a,
                     ptrdiff_t sa, double s);

/* r[i] = mask[i sm] ? a[i sa] : b[i sb] for elements of `dtype`. */
void ky__select(ky_dtype dtype, size_t n, void *r, const uint8_t *mask, ptrdiff_t sm,
                const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb);

#endif
