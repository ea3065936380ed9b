/* SPDX-License-Identifier: MIT */
/* Transcendental functions and copies at the rate that vectorised loops of the compiler reach.
 */
#ifndef KYBENCH_RATES_H
#define KYBENCH_RATES_H

#include <stddef.h>

/* At least n evaluations, on data in the first-level cache. */
typedef void rate_call(size_t n);

rate_call rate_exp_f32, rate_tanh_f32, rate_exp_f64;

/* Copies whole cache lines in a loop, as a kernel's loads and stores would. (memcpy goes past
 * the cache when there is much to copy.) Both at the start of a line. */
void rate_copy(size_t lines, void *to, const void *from);

#define RATE_LINE 64

#endif
