/* SPDX-License-Identifier: MIT */
/* Comparisons, logic and selection by a mask, over one run of elements of any dtype. */
#ifndef KY_TEST_H
#define KY_TEST_H

#include "kernels/level.h"
#include "kytape/base.h"

/* One row a comparison: name, C operator. */
#define KY_TESTS(X) X(lt, <) X(le, <=) X(eq, ==) X(ne, !=) X(gt, >) X(ge, >=)

typedef enum ky_test {
#define X(name, sign) KY_TEST_##name,
  KY_TESTS(X)
#undef X
} ky_test;

/* One row an operation on masks: name, what it makes of bytes a and b. */
#define KY_LOGICS(X) X(and, a != 0 && b != 0) X(or, (a | b) != 0) X(nor, (a | b) == 0)

typedef enum ky_logic {
#define X(name, value) KY_LOGIC_##name,
  KY_LOGICS(X)
#undef X
} ky_logic;

/* r[i] = a[i sa] ? b[i sb] with both of `dtype`. */
typedef void ky_compare_kernel(ky_test which, ky_dtype dtype, size_t n, uint8_t *r,
                               const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb);

/* r[i] = a[i sa] ? s. An f32 element is compared with s rounded to f32, an integer as a
 * double. */
typedef void ky_compare_scalar_kernel(ky_test which, ky_dtype dtype, size_t n, uint8_t *r,
                                      const void *a, ptrdiff_t sa, double s);

/* r[i] = mask[i sm] ? a[i sa] : b[i sb] for elements of `dtype`. */
typedef void ky_select_kernel(ky_dtype dtype, size_t n, void *r, const uint8_t *mask,
                              ptrdiff_t sm, const void *a, ptrdiff_t sa, const void *b,
                              ptrdiff_t sb);

/* r[i] = a[i sa] and, or, nor b[i sb] */
typedef void ky_combine(ky_logic which, size_t n, uint8_t *r, const uint8_t *a, ptrdiff_t sa,
                        const uint8_t *b, ptrdiff_t sb);

/* r[i] = whether x[i sx] is neither NaN nor infinite; integers never are. */
typedef void ky_finite(ky_dtype dtype, size_t n, uint8_t *r, const void *x, ptrdiff_t sx);

typedef struct ky_test_kernels {
  ky_compare_kernel *compare;
  ky_compare_scalar_kernel *compare_scalar;
  ky_select_kernel *select;
  ky_combine *combine;
  ky_finite *finite;
} ky_test_kernels;

#define X(level, supported) extern const ky_test_kernels ky__test_##level;
KY_LEVELS(X)
#undef X

#endif
