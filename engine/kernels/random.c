/* SPDX-License-Identifier: MIT */
/* Random elements: Philox over 16 counters at a time. Uniform numbers, Bernoulli's and dropout
 * have the same bits at every level; normal ones follow the level's log, sin and cos. */
#include "kernels/random.h"

#include <assert.h>
#include <math.h>

#include "base/philox.h"
#include "kernels/loops.h"

#define BLOCKS 16 /* of a chunk */

static_assert(4 * BLOCKS == KY_DRAW_CHUNK, "a word an element");

/* A function, so that its arrays are no arrays to the vectoriser of the loop around it. */
INLINE void draw_block(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3,
                       const uint32_t key[2], uint32_t *restrict out) {
  const uint32_t counter[4] = {c0, c1, c2, c3};
  uint32_t word[4];
  ky__philox(counter, key, word);
  out[0] = word[0];
  out[BLOCKS] = word[1];
  out[2 * BLOCKS] = word[2];
  out[3 * BLOCKS] = word[3];
}

/* The words of the chunk whose first block is `at`: word w of block k at w * BLOCKS + k. */
INLINE void draw_words(const ky_draw *d, uint64_t at, uint32_t out[restrict KY_DRAW_CHUNK]) {
  const uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
  const uint32_t low = (uint32_t)at, stream = d->stream, draw = (uint32_t)d->draw;
  const uint32_t high = (uint32_t)(at >> 32) << 16 | (uint32_t)(d->draw >> 32);
  SIMD for (uint32_t k = 0; k < BLOCKS; k++) /* BLOCKS divides 2^32: no carry */
      draw_block(low + k, stream, draw, high, key, out + k);
}

/* Words up to the limit happen with probability p, rounded to a multiple of 2^-32; p = 0 has no
 * limit. */
static bool limit_of(double p, uint32_t *limit) {
  const double words = rint(p * 0x1p32);
  *limit = words > 0 ? (uint32_t)(words - 1) : 0;
  return words > 0;
}

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/random.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/random.inc"
#undef REAL
#undef NAME

static void bernoulli(const ky_draw *d, size_t first, size_t n, ky_dtype dtype, void *out,
                      double p) {
  uint32_t limit;
  const bool some = limit_of(p, &limit);
  for (size_t i = 0; i < n; i += KY_DRAW_CHUNK) {
    uint32_t word[KY_DRAW_CHUNK];
    draw_words(d, (first + i) / 4, word);
    const size_t m = n - i < KY_DRAW_CHUNK ? n - i : KY_DRAW_CHUNK;
    if (dtype == KY_F32)
      for (size_t k = 0; k < m; k++)
        ((float *)out)[i + k] = (some & (word[k] <= limit)) ? 1.0f : 0.0f;
    else if (dtype == KY_F64)
      for (size_t k = 0; k < m; k++)
        ((double *)out)[i + k] = (some & (word[k] <= limit)) ? 1.0 : 0.0;
    else
      for (size_t k = 0; k < m; k++) ((uint8_t *)out)[i + k] = some & (word[k] <= limit);
  }
}

const ky_random_kernels KY_TABLE(ky__random) = {
    .uniform = {uniform_f32, uniform_f64},
    .normal = {normal_f32, normal_f64},
    .dropout = {dropout_f32, dropout_f64},
    .bernoulli = bernoulli,
};
