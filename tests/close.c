/* SPDX-License-Identifier: MIT */
/* Comparison of doubles. */
#include "close.h"

#include <math.h>

bool is_close(double got, double want, double tolerance) {
  if (isnan(want)) return isnan(got);
  return got == want || fabs(got - want) <= tolerance;
}

void assert_close_at(double got, double want, double tolerance, const char *file, int line) {
  if (is_close(got, want, tolerance)) return;
  print_error("%.17g is not within %g of %.17g: off by %g\n", got, tolerance, want, got - want);
  _fail(file, line);
}
