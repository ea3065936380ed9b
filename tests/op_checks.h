/* SPDX-License-Identifier: MIT */
/* The checks that every opcode goes through, whatever it computes. Each fails the running test.
 */
#ifndef KY_TEST_OP_CHECKS_H
#define KY_TEST_OP_CHECKS_H

#include "op_case.h"

/* Values, adjoints, accumulation and memory in f64 and f32, for one sample with chosen layouts.
 */
void check_case(op_case *c);

/* Written values and gradients, as they stand and spread over an array. */
void check_example(op_case *c, const ky_example *example);

/* Adjoints of c->grad against central differences of the oracle along random directions. */
void check_differences(op_case *c);

/* The same, as a number: the largest difference between c->grad along a direction and the slope
 * of the oracle, relative to sum |gradient direction| and what rounding of the differences
 * allows. */
double largest_difference(op_case *c);

/* A row declared CONST: no gradient passes, and that is said. */
void check_no_gradient(op_case *c);

/* The recorded operation reads and writes nothing that it should not: everything that its row
 * does not declare is overwritten before the reverse sweep, all results before a replay. */
void check_memory(op_case *c);

/* Calls that must fail: those that any operation refuses, and the set's own. */
void check_refusals(op_case *c);

#endif
