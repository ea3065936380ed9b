/* SPDX-License-Identifier: MIT */
/* What random_tape.c, which makes tapes, shares with random_actions.c: how an instruction gets
 * its operands. */
#ifndef KY_TEST_RANDOM_OPERANDS_H
#define KY_TEST_RANDOM_OPERANDS_H

#include <stddef.h>

#include "random_tape.h"

enum { RT_LARGEST = 4096, RT_MOST_RANK = 4 };

/* A number in 0..n-1. */
int rt_below(random_tape *r, int n);

/* Eighths in -2..2: exact in f32, and with ties. */
double rt_number(uint64_t *state);

/* `count` random elements; integers are below `classes`, small ones of either sign if that is
 * 0. */
void rt_fill_array(uint64_t *state, ky_dtype dtype, size_t count, int64_t classes, void *data);

/* Makes `var` a value that others can be computed from; null when it cannot be. */
random_value *rt_put(random_tape *r, ky_var var);

bool rt_is_real(const random_value *v);

/* What a value must be, maybe beside another one. */
typedef bool rt_fits(const random_value *v, const random_value *other);
rt_fits rt_any, rt_real, rt_real_with_axis, rt_with_axis, rt_matrix, rt_mask, rt_alike,
    rt_broadcasts;

/* A value that fits, among the newest ones more often than not; null when there is none. What
 * is computed next depends on it. */
const random_value *rt_pick(random_tape *r, rt_fits *accept, const random_value *other);

/* A new leaf, or a weight that is one already; integers are below `classes` unless that is 0.
 */
const random_value *rt_leaf(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims,
                            int64_t classes);

/* A leaf with the tape's dims, of which some are left out or 1. */
const random_value *rt_typical_leaf(random_tape *r);

/* A value of the same dtype that broadcasts with `v`; one just like it. There already, or made.
 */
const random_value *rt_partner(random_tape *r, const random_value *v);
const random_value *rt_twin(random_tape *r, const random_value *v);

/* Records one or a few instructions whose operands it picks; the null var when there is nothing
 * to pick. */
typedef ky_var rt_action(random_tape *r);

/* Any action; any of those in random_rows.c; any of those in random_layers.c. */
ky_var rt_act(random_tape *r);
ky_var rt_act_along_axes(random_tape *r);
ky_var rt_act_in_layers(random_tape *r);

#endif
