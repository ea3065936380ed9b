/* SPDX-License-Identifier: MIT */
/* What the tests of kernels share: arrays of either dtype, and every instruction-set level that
 * this machine can run. */
#ifndef KY_TEST_KERNEL_LEVELS_H
#define KY_TEST_KERNEL_LEVELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "kernels/kernels.h"

#define SOME 67 /* elements: more than four of the widest vectors, and a remainder */
#define LONG 1500

#define LIST(array) (int)(sizeof(array) / sizeof *(array))

/* Room for LONG elements with strides up to 3, anywhere in a vector. */
typedef union array {
  float f32[3 * LONG + 16];
  double f64[3 * LONG + 16];
} array;

/* Element i, as a double; where it is. */
double get(ky_dtype dtype, const void *a, ptrdiff_t i);
void put(ky_dtype dtype, void *a, ptrdiff_t i, double value);
void *at(ky_dtype dtype, const void *a, ptrdiff_t i);

/* Equal, with the sign of zero; a NaN is a NaN. */
bool same(double a, double b);

/* Within `ulps` epsilons of the element, or of `norm` where that is larger. */
bool within(ky_dtype dtype, double got, double want, double ulps, double norm);

/* Ordinary numbers, with everything special strewn in from `special` on; -1: nothing special.
 */
void draw(ky_dtype dtype, array *a, int count, double low, double high, int special);

/* Calls check(kernels, dtype) for each level that can run. */
void each_level(void (*check)(const ky_kernels *kernels, ky_dtype dtype));

#define EXPECT(condition, ...)                                                                 \
  do {                                                                                         \
    if (condition) break;                                                                      \
    print_error(__VA_ARGS__);                                                                  \
    fail();                                                                                    \
  } while (0)

#endif
