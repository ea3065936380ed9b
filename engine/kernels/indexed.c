/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that indices name. Nothing here is worth vector instructions: the
 * time goes into finding memory. */
#include "kernels/indexed.h"

/* Runs `statement` for each index, on each of m elements f of `flat` and t of `table`, where
 * the index names their row; for indices of a type. Rows of one element, side by side like
 * their indices, are the most common ones; those of a few want no loop. */
#define MOVE(name, index_type, flat_type, table_type, statement)                               \
  static inline size_t name##_by(size_t n, size_t m, flat_type *restrict flat, ptrdiff_t sf,   \
                                 table_type *restrict table, ptrdiff_t st,                     \
                                 const ky_indices *x, ptrdiff_t si, uint64_t passed) {         \
    const index_type *restrict index = x->data;                                                \
    const uint64_t extent = x->extent;                                                         \
    const ptrdiff_t pitch = x->pitch;                                                          \
    (void)passed;                                                                              \
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {                                             \
      const uint64_t at = (uint64_t)index[i * si];                                             \
      if (at >= extent) return (size_t)i;                                                      \
      flat_type *f = &flat[i * sf];                                                            \
      table_type *t = &table[(ptrdiff_t)at * pitch + i * st];                                  \
      for (size_t j = 0; j < m; j++, f++, t++) statement;                                      \
    }                                                                                          \
    return n;                                                                                  \
  }                                                                                            \
  static size_t name(size_t n, size_t m, flat_type *flat, ptrdiff_t sf, table_type *table,     \
                     ptrdiff_t st, const ky_indices *x, uint64_t passed) {                     \
    const ptrdiff_t si = x->stride;                                                            \
    if (m == 1 && si == 1 && sf == 1 && st == 0)                                               \
      return name##_by(n, 1, flat, 1, table, 0, x, 1, passed);                                 \
    switch (m) {                                                                               \
    case 1: return name##_by(n, 1, flat, sf, table, st, x, si, passed);                        \
    case 2: return name##_by(n, 2, flat, sf, table, st, x, si, passed);                        \
    case 3: return name##_by(n, 3, flat, sf, table, st, x, si, passed);                        \
    case 4: return name##_by(n, 4, flat, sf, table, st, x, si, passed);                        \
    default: return name##_by(n, m, flat, sf, table, st, x, si, passed);                       \
    }                                                                                          \
  }
#define TAKE(name, type, index_type, assign)                                                   \
  MOVE(name, index_type, type, const type, *f assign *t)
#define PUT(name, type, index_type)                                                            \
  MOVE(name, index_type, const type, type, {                                                   \
    if (at != passed) *t += *f;                                                                \
  })

#define EACH_INDEX(X) X(i32, int32_t) X(i64, int64_t)

#define X(suffix, index_type)                                                                  \
  TAKE(take_1_##suffix, uint8_t, index_type, =)                                                \
  TAKE(take_4_##suffix, uint32_t, index_type, =)                                               \
  TAKE(take_8_##suffix, uint64_t, index_type, =)                                               \
  TAKE(take_add_f32_##suffix, float, index_type, +=)                                           \
  TAKE(take_add_f64_##suffix, double, index_type, +=)                                          \
  PUT(put_f32_##suffix, float, index_type)                                                     \
  PUT(put_f64_##suffix, double, index_type)                                                    \
  static size_t take_##suffix(ky_dtype dtype, size_t n, size_t m, void *flat, ptrdiff_t sf,    \
                              int beta, const void *table, ptrdiff_t st,                       \
                              const ky_indices *x) {                                           \
    const size_t size = ky_dtype_size(dtype);                                                  \
    if (beta && dtype == KY_F32)                                                               \
      return take_add_f32_##suffix(n, m, flat, sf, table, st, x, 0);                           \
    if (beta) return take_add_f64_##suffix(n, m, flat, sf, table, st, x, 0);                   \
    if (size == 1) return take_1_##suffix(n, m, flat, sf, table, st, x, 0);                    \
    if (size == 4) return take_4_##suffix(n, m, flat, sf, table, st, x, 0);                    \
    return take_8_##suffix(n, m, flat, sf, table, st, x, 0);                                   \
  }                                                                                            \
  static size_t put_##suffix(ky_dtype dtype, size_t n, size_t m, void *table, ptrdiff_t st,    \
                             const ky_indices *x, uint64_t passed, const void *flat,           \
                             ptrdiff_t sf) {                                                   \
    return dtype == KY_F32 ? put_f32_##suffix(n, m, flat, sf, table, st, x, passed)            \
                           : put_f64_##suffix(n, m, flat, sf, table, st, x, passed);           \
  }
EACH_INDEX(X)
#undef X

bool ky__place_of(const ky_indices *x, int64_t *place) {
  const int64_t at = x->dtype == KY_I32 ? *(const int32_t *)x->data : *(const int64_t *)x->data;
  if ((uint64_t)at >= x->extent) return false;
  *place = at * x->pitch;
  return true;
}

size_t ky__take(ky_dtype dtype, size_t n, size_t m, void *flat, ptrdiff_t sf, int beta,
                const void *table, ptrdiff_t st, const ky_indices *x) {
  return x->dtype == KY_I32 ? take_i32(dtype, n, m, flat, sf, beta, table, st, x)
                            : take_i64(dtype, n, m, flat, sf, beta, table, st, x);
}

size_t ky__put(ky_dtype dtype, size_t n, size_t m, void *table, ptrdiff_t st,
               const ky_indices *x, int64_t passed, const void *flat, ptrdiff_t sf) {
  return x->dtype == KY_I32 ? put_i32(dtype, n, m, table, st, x, (uint64_t)passed, flat, sf)
                            : put_i64(dtype, n, m, table, st, x, (uint64_t)passed, flat, sf);
}
