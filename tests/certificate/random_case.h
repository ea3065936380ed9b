/* SPDX-License-Identifier: MIT */
/* Random cases of an opcode, around its samples: shapes, layouts, shared operands, magnitudes.
 * A number makes the same case on every machine. */
#ifndef KY_TEST_RANDOM_CASE_H
#define KY_TEST_RANDOM_CASE_H

#include "op_case.h"

/* What elements are drawn from, besides the samples' domains. */
typedef enum ky_draws { PLAIN, WIDE, SCALED, SPECIAL } ky_draws;

/* Chooses and draws case `number` of c->set, with elements as `draws` says unless PLAIN; asks
 * no oracle in that case. False where the set has no samples. */
bool random_case(op_case *c, int number, ky_draws draws);

#endif
