/* SPDX-License-Identifier: MIT */
/* Tests of f32 neighbours and selection among elements of their size, a block at once.
 * Compilers take twice the instructions to narrow what comparisons find, not knowing that
 * packing cuts nothing off, and to widen masks, whole vectors of them. Each function returns
 * how many elements it did: whole blocks, and none where there are no such instructions. */
#ifndef KY_TEST_BLOCKS_H
#define KY_TEST_BLOCKS_H

#include "kernels/compiler.h"
#include "kernels/test.h"

#if defined(__AVX2__)
  #include <immintrin.h>

  #define BLOCK   32
  #define QUARTER 8

typedef float quarter __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t truth __attribute__((vector_size(32)));

INLINE quarter quarter_at(const float *x) { return *(const quarter *)x; }

/* What was found of a block, -1 or 0 of each element, as bytes 1 or 0. */
INLINE void store_truth(uint8_t *r, const truth found[4]) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packs go by halves */
  const __m256i ab = _mm256_packs_epi32((__m256i)found[0], (__m256i)found[1]);
  const __m256i cd = _mm256_packs_epi32((__m256i)found[2], (__m256i)found[3]);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
  _mm256_storeu_si256((__m256i *)r, _mm256_and_si256(bytes, _mm256_set1_epi8(1)));
}

  /* r[i] = test, of the quarter at k. */
  #define BLOCKS(test)                                                                         \
    for (; n - i >= BLOCK; i += BLOCK) {                                                       \
      truth found[4];                                                                          \
      UNROLL for (size_t q = 0; q < 4; q++) {                                                  \
        const size_t k = i + q * QUARTER;                                                      \
        found[q] = (test);                                                                     \
      }                                                                                        \
      store_truth(r + i, found);                                                               \
    }

static size_t compare_blocks(ky_test which, size_t n, uint8_t *r, const float *a, ptrdiff_t sa,
                             const float *b, ptrdiff_t sb) {
  size_t i = 0;
  if (n < BLOCK || sa != 1 || (sb != 0 && sb != 1)) return 0;
  const quarter all_b = *b - (quarter){0};
  switch (which) {
  #define X(name, sign)                                                                        \
  case KY_TEST_##name:                                                                         \
    if (sb)                                                                                    \
      BLOCKS(quarter_at(a + k) sign quarter_at(b + k))                                         \
    else                                                                                       \
      BLOCKS(quarter_at(a + k) sign all_b)                                                     \
    break;
    KY_TESTS(X)
  #undef X
  }
  return i;
}

/* x - x is 0, and NaN where x is NaN or infinite. */
static size_t finite_blocks(size_t n, uint8_t *r, const float *x, ptrdiff_t sx) {
  size_t i = 0;
  if (sx == 1) BLOCKS(quarter_at(x + k) - quarter_at(x + k) == 0)
  return i;
}

  #undef BLOCKS

INLINE size_t select_each(size_t n, uint32_t *r, const uint8_t *mask, const uint32_t *a,
                          ptrdiff_t sa, const uint32_t *b, ptrdiff_t sb) {
  size_t i = 0;
  if (n < QUARTER) return 0;
  const __m256i all_a = _mm256_set1_epi32((int)*a), all_b = _mm256_set1_epi32((int)*b);
  for (; n - i >= QUARTER; i += QUARTER) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(mask + i)));
    const __m256i of_b = _mm256_cmpeq_epi32(wide, _mm256_setzero_si256());
    const __m256i x = sa ? _mm256_loadu_si256((const __m256i *)(a + i)) : all_a;
    const __m256i y = sb ? _mm256_loadu_si256((const __m256i *)(b + i)) : all_b;
    const __m256i either =
        _mm256_or_si256(_mm256_andnot_si256(of_b, x), _mm256_and_si256(of_b, y));
    _mm256_storeu_si256((__m256i *)(r + i), either);
  }
  return i;
}

static size_t select_blocks(size_t n, uint32_t *r, const uint8_t *mask, ptrdiff_t sm,
                            const uint32_t *a, ptrdiff_t sa, const uint32_t *b, ptrdiff_t sb) {
  if (sm != 1) return 0;
  if (sa == 1 && sb == 1) return select_each(n, r, mask, a, 1, b, 1);
  if (sa == 1 && sb == 0) return select_each(n, r, mask, a, 1, b, 0);
  if (sa == 0 && sb == 1) return select_each(n, r, mask, a, 0, b, 1);
  return 0;
}
#else

static size_t compare_blocks(ky_test which, size_t n, uint8_t *r, const float *a, ptrdiff_t sa,
                             const float *b, ptrdiff_t sb) {
  (void)which, (void)n, (void)r, (void)a, (void)sa, (void)b, (void)sb;
  return 0;
}

static size_t finite_blocks(size_t n, uint8_t *r, const float *x, ptrdiff_t sx) {
  (void)n, (void)r, (void)x, (void)sx;
  return 0;
}

static size_t select_blocks(size_t n, uint32_t *r, const uint8_t *mask, ptrdiff_t sm,
                            const uint32_t *a, ptrdiff_t sa, const uint32_t *b, ptrdiff_t sb) {
  (void)n, (void)r, (void)mask, (void)sm, (void)a, (void)sa, (void)b, (void)sb;
  return 0;
}

#endif
#endif
