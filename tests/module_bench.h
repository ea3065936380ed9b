/* SPDX-License-Identifier: MIT */
/* What tests of modules stand on: a tape, and what a test makes, so that a failing assert leaks
 * nothing. */
#ifndef KY_MODULE_BENCH_H
#define KY_MODULE_BENCH_H

#include "close.h"
#include "kytape/nn.h"

#define BENCH_SEED 7

typedef struct bench {
  ky_tape *t;
  ky_module *m;
  ky_tensor *w;
  ky_rng rng;
} bench;

/* cmocka's setup and teardown; *state is the bench. */
int bench_set_up(void **state);
int bench_tear_down(void **state);

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

/* A visitor of weights: appends their names to the string `user`, a blank behind each. */
ky_status bench_note_name(void *user, const char *name, ky_tensor *weight);

/* The value is f64 and has just these elements. */
void bench_assert_values(ky_tape *t, ky_var v, const double *want, int64_t count,
                         double tolerance);

/* Fills every weight of an f64 module: element n of weight k becomes (n (7 + k) mod 11) / 10 -
 * 0.5, with which PyTorch gave the numbers in tests. */
void bench_fill(ky_module *m);

/* What makes one module to be looked at. */
typedef ky_status bench_maker(const ky_allocator *allocator, ky_module **out);

/* Lets each allocation of `make` fail in turn, until one attempt gets through: a failed one
 * leaves nothing. */
void bench_assert_survives_failing_memory(bench_maker *make);

#endif
