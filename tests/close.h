/* SPDX-License-Identifier: MIT */
/* cmocka, and the comparison of doubles that its version 1.1.5 lacks. */
#ifndef KY_TEST_CLOSE_H
#define KY_TEST_CLOSE_H

/* cmocka.h wants these four first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

/* |got - want| <= tolerance; a NaN is close to a NaN, an infinity to itself. */
bool is_close(double got, double want, double tolerance);

/* Fails the test, naming both numbers, unless they are close. */
void assert_close_at(double got, double want, double tolerance, const char *file, int line);

#define assert_close(got, want, tolerance)                                                     \
  assert_close_at(got, want, tolerance, __FILE__, __LINE__)

#endif
