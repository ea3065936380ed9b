/* SPDX-License-Identifier: MIT */
/* What of an interval a dtype can hold. */
#ifndef KY_INTERVAL_H
#define KY_INTERVAL_H

#include <math.h>

#include "kytape/base.h"

/* The smallest and the largest number of f32 or f64 in [lo, hi): rounding must not lead out of
 * it. first > last where there is none. */
static inline void ky__interval(ky_dtype dtype, double lo, double hi, double *first,
                                double *last) {
  *first = lo;
  *last = nextafter(hi, -(double)INFINITY);
  if (dtype == KY_F64) return;
  const float low = (float)lo, high = (float)hi;
  *first = (double)low < lo ? (double)nextafterf(low, INFINITY) : (double)low;
  *last = (double)high < hi ? (double)high : (double)nextafterf(high, -INFINITY);
}

#endif
