/* SPDX-License-Identifier: MIT */
/* Reductions. Where the innermost axis is reduced, a run of memory becomes one element; where
 * it is kept, rows are reduced together, a tile of columns at a time. */
#include "kernels/reduce.h"

#include <assert.h>

#include "kernels/loops.h"

#define TILE   256          /* columns at a time: 2 KiB of double */
#define NARROW 4            /* columns that are summed in registers */
#define BLOCK  KY_SUM_BLOCK /* elements of a run summed in REAL before they go into doubles */
static_assert(KY_REDUCE_TILE % TILE == 0, "cuts leave tiles as they are");
static_assert(LANES == KY_SUM_LANES, "lanes that a sum is carried on in");
static_assert(KY_SUM_PIECE % BLOCK == 0, "a piece ends where a block does");

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/reduce.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/reduce.inc"
#undef REAL
#undef NAME

/* ---- argmax and argmin ------------------------------------------------------------------- */

/* Reduces a run of n elements for each of `columns` columns, which stand sc apart. */
typedef void position_columns(size_t columns, ptrdiff_t sc, int64_t *out, ptrdiff_t so,
                              size_t n, const void *in, ptrdiff_t sx);

/* `x` comes before `best`: it is larger (smaller), or the first NaN. */
#define BEATS(x, best)                                                                         \
  ((largest ? (x) > (best) : (x) < (best)) || ((x) != (x) && (best) == (best)))

#define X(name, type, text)                                                                    \
  INLINE int64_t position_run_##name(bool largest, size_t n, const type *x, ptrdiff_t sx) {    \
    type best = *x;                                                                            \
    size_t at = 0;                                                                             \
    for (size_t i = 1; i < n; i++) {                                                           \
      const type candidate = x[(ptrdiff_t)i * sx];                                             \
      if (!BEATS(candidate, best)) continue; /* mostly: better than to choose each time */     \
      best = candidate;                                                                        \
      at = i;                                                                                  \
    }                                                                                          \
    return (int64_t)at;                                                                        \
  }                                                                                            \
  INLINE void position_row_##name(bool largest, size_t i, size_t columns, type *restrict best, \
                                  int64_t *restrict at, const type *restrict x,                \
                                  ptrdiff_t sc) {                                              \
    SIMD for (size_t k = 0; k < columns; k++) {                                                \
      const type candidate = x[(ptrdiff_t)k * sc];                                             \
      const bool beats = BEATS(candidate, best[k]);                                            \
      at[k] = beats ? (int64_t)i : at[k];                                                      \
      best[k] = beats ? candidate : best[k];                                                   \
    }                                                                                          \
  }                                                                                            \
  INLINE void position_##name(bool largest, size_t columns, ptrdiff_t sc, int64_t *out,        \
                              ptrdiff_t so, size_t n, const type *x, ptrdiff_t sx) {           \
    if (columns == 1) {                                                                        \
      *out = position_run_##name(largest, n, x, sx);                                           \
      return;                                                                                  \
    }                                                                                          \
    type best[TILE];                                                                           \
    int64_t at[TILE];                                                                          \
    for (size_t k = 0; k < columns; k++) {                                                     \
      best[k] = x[(ptrdiff_t)k * sc];                                                          \
      at[k] = 0;                                                                               \
    }                                                                                          \
    for (size_t i = 1; i < n; i++)                                                             \
      if (sc == 1)                                                                             \
        position_row_##name(largest, i, columns, best, at, x + (ptrdiff_t)i * sx, 1);          \
      else                                                                                     \
        position_row_##name(largest, i, columns, best, at, x + (ptrdiff_t)i * sx, sc);         \
    for (size_t k = 0; k < columns; k++) out[(ptrdiff_t)k * so] = at[k];                       \
  }                                                                                            \
  static void argmax_##name(size_t columns, ptrdiff_t sc, int64_t *out, ptrdiff_t so,          \
                            size_t n, const void *in, ptrdiff_t sx) {                          \
    position_##name(true, columns, sc, out, so, n, in, sx);                                    \
  }                                                                                            \
  static void argmin_##name(size_t columns, ptrdiff_t sc, int64_t *out, ptrdiff_t so,          \
                            size_t n, const void *in, ptrdiff_t sx) {                          \
    position_##name(false, columns, sc, out, so, n, in, sx);                                   \
  }
KY_DTYPES(X)
#undef X
#undef BEATS

#define X(name, type, text) [KY_##name] = {argmin_##name, argmax_##name},
static position_columns *const position_of[][2] = {KY_DTYPES(X)};
#undef X

/* For neighbours in memory. */
static position_columns *const position_row[2][2] = {{argmin_row_f32, argmax_row_f32},
                                                     {argmin_row_f64, argmax_row_f64}};

static void position(bool largest, ky_dtype dtype, const ky_reduce_plan *plan, int64_t *out,
                     const void *in) {
  const ky_loop *kept = &plan->kept, *reduced = &plan->reduced;
  const int kl = kept->rank - 1;
  const int64_t size = (int64_t)ky_dtype_size(dtype), tile = plan->by_columns ? TILE : 1;
  const int64_t so = kept->strides[0][kl], sc = kept->strides[1][kl];
  if (ky__loop_empty(kept)) return;
  const bool row = tile == 1 && reduced->strides[0][0] == 1 && dtype <= KY_F64;
  position_columns *const run = (row ? position_row : position_of)[dtype][largest];
  ky_walk w = {0};
  do {
    for (int64_t j = 0; j < kept->dims[kl]; j += tile) {
      const int64_t left = kept->dims[kl] - j;
      run((size_t)(left < tile ? left : tile), sc, out + w.offset[0] + j * so, so,
          (size_t)reduced->dims[0], (const char *)in + (w.offset[1] + j * sc) * size,
          reduced->strides[0][0]);
    }
  } while (ky__loop_next(kept, &w));
}

#define PAIR(name)                                                                             \
  { name##_f32, name##_f64 }
const ky_reduce_kernels KY_TABLE(ky__reduce) = {
    .sum = PAIR(sum),
    .sum_rows = PAIR(sum_rows),
    .mean = PAIR(mean),
    .mean_run = PAIR(mean_run),
    .sum_piece = PAIR(sum_piece),
    .sum_block = PAIR(sum_block),
    .sum_rest = PAIR(sum_rest),
    .put_rows = PAIR(put_rows),
    .add_rows = PAIR(add_rows),
    .spread = PAIR(spread),
    .max = PAIR(max),
    .min = PAIR(min),
    .share = PAIR(share),
    .position = position,
};
