/* SPDX-License-Identifier: MIT */
/* Sorting by digits: elements become unsigned keys in the same order, which are dealt into
 * piles by one byte after the other, from the last one to the first. Stable, and not a single
 * comparison of elements. Few elements are inserted one by one. */
#include "kernels/order.h"

#include <math.h>
#include <string.h>

#define DIGIT 256
#define FEW   64 /* elements that are inserted */

/* ---- keys -------------------------------------------------------------------------------- */

/* Signs flipped, negative floats turned round; zeros are equal, NaNs the largest. */
static inline uint32_t key_F32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (isnan(x)) return UINT32_MAX;
  if (x == 0) return UINT32_C(1) << 31;
  return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static inline uint64_t key_F64(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (isnan(x)) return UINT64_MAX;
  if (x == 0) return UINT64_C(1) << 63;
  return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static inline uint32_t key_I32(int32_t x) { return (uint32_t)x ^ UINT32_C(1) << 31; }
static inline uint64_t key_I64(int64_t x) { return (uint64_t)x ^ UINT64_C(1) << 63; }
static inline uint32_t key_MASK(uint8_t x) { return x; }

/* ---- sorting ----------------------------------------------------------------------------- */

/* For keys of `bits` bits: an element by its key and position, a sort that uses both arrays and
 * returns the one that has the result. */
#define SORT(bits)                                                                             \
  typedef struct item_##bits {                                                                 \
    uint##bits##_t key, at;                                                                    \
  } item_##bits;                                                                               \
  static item_##bits *insert_##bits(size_t n, item_##bits *x) {                                \
    for (size_t i = 1; i < n; i++) {                                                           \
      const item_##bits item = x[i];                                                           \
      size_t k = i;                                                                            \
      for (; k > 0 && x[k - 1].key > item.key; k--) x[k] = x[k - 1];                           \
      x[k] = item;                                                                             \
    }                                                                                          \
    return x;                                                                                  \
  }                                                                                            \
  static item_##bits *sort_##bits(size_t n, item_##bits *x, item_##bits *spare) {              \
    size_t count[bits / 8][DIGIT] = {0};                                                       \
    if (n <= FEW) return insert_##bits(n, x);                                                  \
    for (size_t i = 0; i < n; i++)                                                             \
      for (int d = 0; d < bits / 8; d++) count[d][x[i].key >> 8 * d & (DIGIT - 1)]++;          \
    for (int d = 0; d < bits / 8; d++) {                                                       \
      size_t *place = count[d], total = 0;                                                     \
      if (place[x->key >> 8 * d & (DIGIT - 1)] == n) continue; /* all in one pile */           \
      for (int k = 0; k < DIGIT; k++) {                                                        \
        const size_t pile = place[k];                                                          \
        place[k] = total;                                                                      \
        total += pile;                                                                         \
      }                                                                                        \
      for (size_t i = 0; i < n; i++) spare[place[x[i].key >> 8 * d & (DIGIT - 1)]++] = x[i];   \
      item_##bits *const sorted = spare;                                                       \
      spare = x;                                                                               \
      x = sorted;                                                                              \
    }                                                                                          \
    return x;                                                                                  \
  }
SORT(32)
SORT(64)
#undef SORT

/* ---- dtypes ------------------------------------------------------------------------------ */

#define ARGSORT(name, type, bits)                                                              \
  static void argsort_##name(size_t n, int64_t *order, ptrdiff_t so, const void *in,           \
                             ptrdiff_t sx, int descending, void *room) {                       \
    const type *x = in;                                                                        \
    item_##bits *items = room;                                                                 \
    const uint##bits##_t flip = descending ? UINT##bits##_MAX : 0;                             \
    for (size_t i = 0; i < n; i++)                                                             \
      items[i] = (item_##bits){key_##name(x[(ptrdiff_t)i * sx]) ^ flip, (uint##bits##_t)i};    \
    const item_##bits *sorted = sort_##bits(n, items, items + n);                              \
    for (size_t i = 0; i < n; i++) order[(ptrdiff_t)i * so] = (int64_t)sorted[i].at;           \
  }
ARGSORT(F32, float, 32)
ARGSORT(F64, double, 64)
ARGSORT(I32, int32_t, 32)
ARGSORT(I64, int64_t, 64)
ARGSORT(MASK, uint8_t, 32)
#undef ARGSORT

typedef void argsort(size_t n, int64_t *order, ptrdiff_t so, const void *x, ptrdiff_t sx,
                     int descending, void *room);

#define X(name, type, text) [KY_##name] = argsort_##name,
static argsort *const argsorts[] = {KY_DTYPES(X)};
#undef X

size_t ky__argsort_room(ky_dtype dtype, size_t n) {
  return 2 * n * (ky_dtype_size(dtype) == 8 ? sizeof(item_64) : sizeof(item_32));
}

void ky__argsort(ky_dtype dtype, size_t n, int64_t *order, ptrdiff_t so, const void *x,
                 ptrdiff_t sx, int descending, void *room) {
  argsorts[dtype](n, order, so, x, sx, descending, room);
}
