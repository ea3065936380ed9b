/* SPDX-License-Identifier: MIT */
/* What the tests of programs and executions begin with: a classifier on a tape. */
#ifndef KY_TEST_PROGRAM_DESK_H
#define KY_TEST_PROGRAM_DESK_H

#include "close.h"
#include "kytape.h"

enum { BATCH = 4, IN = 3, OUT = 2 };

/* A linear classifier, compiled with all defaults unless a test does it. */
typedef struct desk {
  ky_tape *t, *other;
  ky_tensor *weight, *bias;
  float data[BATCH * IN];
  int32_t labels[BATCH];
  ky_var x, y, w, b, logits, loss;
  ky_program *p;
  ky_exec *e;
} desk;

void desk_fill(desk *d); /* gives the weights their first values */

/* Setup and teardown. */
int desk_open(void **state);
int desk_close(void **state);
#define DESK_TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

#define OPTIONS(...)                                                                           \
  &(ky_compile_options) { .size = sizeof(ky_compile_options), __VA_ARGS__ }

/* Compiles the loss and makes an execution. */
void desk_start(desk *d, const ky_compile_options *options);

#endif
