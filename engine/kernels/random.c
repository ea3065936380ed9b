/* SPDX-License-Identifier: MIT */
/* Random elements: Philox over 16 counters at a time. Uniform numbers, Bernoulli's and dropout
 * have the same bits at every level; normal ones follow the level's log, sin and cos. */
#include "kernels/random.h"

#include <assert.h>
#include <math.h>
#ifdef __AVX2__
  #include <immintrin.h>
#endif

#include "base/interval.h"
#include "base/philox.h"
#include "kernels/loops.h"

#define BLOCKS 16 /* of a chunk */

static_assert(4 * BLOCKS == KY_DRAW_CHUNK, "a word an element");

#if defined(__AVX512F__)
  #define WIDE_BYTES     64
  #define WIDE_MUL(a, b) (wide) _mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#elif defined(__AVX2__)
  #define WIDE_BYTES     32
  #define WIDE_MUL(a, b) (wide) _mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#endif

#ifdef WIDE_BYTES

  #define WIDE_LANES (WIDE_BYTES / 8)

/* Words of different blocks, each in the lower half of a lane, where factors of products stand.
 * The upper halves hold anything. */
typedef uint64_t wide __attribute__((vector_size(WIDE_BYTES), may_alias, aligned(4)));

/* ky__philox for the blocks of all lanes, two rows of them: one would wait for its products. */
INLINE void wide_philox(wide c[2][4], const uint32_t key[2]) {
  uint32_t k0 = key[0], k1 = key[1];
  #pragma GCC unroll 10
  for (int round = 0; round < KY_PHILOX_ROUNDS; round++) {
  #pragma GCC unroll 2
    for (int row = 0; row < 2; row++) {
      wide *r = c[row];
      const wide p0 = WIDE_MUL(r[0], (wide){0} + KY_PHILOX_MULTIPLIER_0);
      const wide p1 = WIDE_MUL(r[2], (wide){0} + KY_PHILOX_MULTIPLIER_1);
      r[0] = p1 >> 32 ^ (r[1] ^ k0);
      r[2] = p0 >> 32 ^ (r[3] ^ k1);
      r[1] = p1;
      r[3] = p0;
    }
    k0 += KY_PHILOX_WEYL_0;
    k1 += KY_PHILOX_WEYL_1;
  }
}

/* The counters low, low + 1, ...: even and odd ones apart, as two words share a lane in the
 * end. */
INLINE void draw_blocks(uint32_t low, uint32_t c1, uint32_t c2, uint32_t c3,
                        const uint32_t key[2], uint32_t *restrict out) {
  const wide w1 = (wide){0} + c1, w2 = (wide){0} + c2, w3 = (wide){0} + c3;
  wide at = {0};
  for (uint32_t l = 0; l < WIDE_LANES; l++) at[l] = low + 2 * l;
  for (uint32_t k = 0; k < BLOCKS; k += 2 * WIDE_LANES) {
    wide c[2][4] = {{at + k, w1, w2, w3}, {at + k + 1, w1, w2, w3}};
    wide_philox(c, key);
    for (int w = 0; w < 4; w++)
      *(wide *)(out + w * BLOCKS + k) = (c[0][w] & UINT32_MAX) | c[1][w] << 32;
  }
}

#else

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

INLINE void draw_blocks(uint32_t low, uint32_t c1, uint32_t c2, uint32_t c3,
                        const uint32_t key[2], uint32_t *restrict out) {
  SIMD for (uint32_t k = 0; k < BLOCKS; k++) draw_block(low + k, c1, c2, c3, key, out + k);
}

#endif

/* The words of the chunk whose first block is `at`: word w of block k at w * BLOCKS + k. BLOCKS
 * divides 2^32: no carry leaves the low word. */
INLINE void draw_words(const ky_draw *d, uint64_t at, uint32_t out[restrict KY_DRAW_CHUNK]) {
  const uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
  const uint32_t high = (uint32_t)(at >> 32) << 16 | (uint32_t)(d->draw >> 32);
  draw_blocks((uint32_t)at, d->stream, (uint32_t)d->draw, high, key, out);
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
