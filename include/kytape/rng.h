/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers: Philox4x32-10. A number is a function of seed, stream and
 * position and of nothing else, so results can be repeated, split over threads and recomputed
 * at will. Knows nothing of tensors or tapes. Not for cryptography.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3"
 * (SC 2011). */
#ifndef KYTAPE_RNG_H
#define KYTAPE_RNG_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The block function: 128 random bits out[0..4) for a counter and a key. Has no state, cannot
 * fail, may be called from any thread. out may be counter. */
KY_API void ky_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A generator, passed and copied by value. The block at `position` is that of the counter
 * {position, stream} and the key seed, the low word first. Setting `position` seeks. */
typedef struct ky_rng {
  uint64_t seed;
  uint64_t stream;
  uint64_t position; /* in blocks of 128 bits: the next one */
} ky_rng;

/* The generator at position 0 of a stream. Streams of one seed are independent: one for each
 * thread, layer or purpose. */
KY_API ky_rng ky_rng_seed(uint64_t seed, uint64_t stream);

/* Fills out[0..count) with numbers that are uniform in [lo, hi), never hi itself, from 24
 * random bits (f32) or 53 (f64) each. A fill begins at a new block; a block gives four f32 or
 * two f64; `position` moves past the blocks used. The same bits on every machine. dtype: f32 or
 * f64. out: dense, borrowed during the call. Errors: BAD_ARGUMENT (rng is null, out is null
 * with count > 0, lo or hi or their distance is not finite, or no number of the dtype lies in
 * [lo, hi)), BAD_DTYPE; nothing changes then. */
KY_API ky_status ky_rng_uniform(ky_rng *rng, ky_dtype dtype, size_t count, double lo, double hi,
                                void *out);

/* Fills out[0..count) with numbers of the normal distribution by the Box-Muller transform, at
 * most 6.7 (f32) or 8.6 (f64) deviations from the mean. Consumes blocks like ky_rng_uniform.
 * The last bit depends on the C library's log, sin and cos. dtype: f32 or f64. out: dense,
 * borrowed during the call. Errors: BAD_ARGUMENT (rng is null, out is null with count > 0, mean
 * or deviation is not finite, or deviation is negative), BAD_DTYPE; nothing changes then. */
KY_API ky_status ky_rng_normal(ky_rng *rng, ky_dtype dtype, size_t count, double mean,
                               double deviation, void *out);

/* Puts 0..count-1 in random order: every order is as likely as another, as far as 53 bits an
 * element tell them apart. An epoch of samples, say: as an index of ky_index_select. Consumes
 * blocks like ky_rng_uniform of f64. out: borrowed during the call. Errors: BAD_ARGUMENT (rng
 * is null, or out is null with count > 0); nothing changes then. */
KY_API ky_status ky_rng_permutation(ky_rng *rng, size_t count, int64_t *out);

#ifdef __cplusplus
}
#endif
#endif
