/* SPDX-License-Identifier: MIT */
/* Random elements. What an element becomes depends on the draw, its index and the parameters,
 * and on nothing else: neither on the order in which elements are asked for nor on how they are
 * split among calls. Kernels over a float dtype are indexed by it.
 *
 * Element i belongs to chunk i / KY_DRAW_CHUNK, which takes the 16 Philox blocks from 16 i /
 * KY_DRAW_CHUNK on. The first word of all 16 blocks goes to 16 elements, then the second word
 * of all, and so on: what stands together in vectors is stored together. An f64 from 53 bits
 * takes two words, and half as many elements make a chunk. */
#ifndef KY_RANDOM_H
#define KY_RANDOM_H

#include "kernels/level.h"
#include "kytape/base.h"

/* Names an endless array of random bits: block `n` of it has the key seed and the counter
 * {n, stream, draw, n >> 32 << 16 | draw >> 32}. Streams from 1 on are another range of
 * counters than that of ky_rng. */
typedef struct ky_draw {
  uint64_t seed;
  uint64_t draw; /* below 2^48 */
  uint32_t stream;
} ky_draw;

#define KY_DRAW_END   ((uint64_t)1 << 48)
#define KY_DRAW_CHUNK 64 /* elements; calls start at multiples of it */

/* Elements first..first+n-1, uniform in [lo, hi). */
typedef void ky_uniform_kernel(const ky_draw *d, size_t first, size_t n, void *out, double lo,
                               double hi);

/* The same, normally distributed. */
typedef void ky_normal_kernel(const ky_draw *d, size_t first, size_t n, void *out, double mean,
                              double deviation);

/* 1 with probability p, else 0; f32, f64 or mask. */
typedef void ky_bernoulli_kernel(const ky_draw *d, size_t first, size_t n, ky_dtype dtype,
                                 void *out, double p);

/* r = beta r + x m, where m is 0 with probability p, else 1 / (1 - p). x may be r. */
typedef void ky_dropout_kernel(const ky_draw *d, size_t first, size_t n, void *r, int beta,
                               const void *x, double p);

typedef struct ky_random_kernels {
  ky_uniform_kernel *uniform[2];
  ky_normal_kernel *normal[2];
  ky_dropout_kernel *dropout[2];
  ky_bernoulli_kernel *bernoulli;
} ky_random_kernels;

#define X(level, supported) extern const ky_random_kernels ky__random_##level;
KY_LEVELS(X)
#undef X

#endif
