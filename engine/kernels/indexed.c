/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that indices name. Nothing here is worth vector instructions: the
 * time goes into finding memory. */
#include "kernels/indexed.h"

/* Along the axis that is indexed, elements and indices lie side by side most of the time. */
static bool is_plain(const ky_indices *x, ptrdiff_t sf, ptrdiff_t st) {
  return x->stride == 1 && sf == 1 && st == 0;
}

/* Runs `statement` for each index, on an element f of `flat` and the element t of `table` that
 * the index names; for indices of a type. */
#define MOVE(name, index_type, flat_type, table_type, statement)                               \
  static inline size_t name##_by(size_t n, flat_type *restrict flat, ptrdiff_t sf,             \
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
      statement;                                                                               \
    }                                                                                          \
    return n;                                                                                  \
  }                                                                                            \
  static size_t name(size_t n, flat_type *flat, ptrdiff_t sf, table_type *table, ptrdiff_t st, \
                     const ky_indices *x, uint64_t passed) {                                   \
    return is_plain(x, sf, st) ? name##_by(n, flat, 1, table, 0, x, 1, passed)                 \
                               : name##_by(n, flat, sf, table, st, x, x->stride, passed);      \
  }
#define TAKE(name, type, index_type, assign)                                                   \
  MOVE(name, index_type, type, const type, *f assign *t)
#define PUT(name, type, index_type)                                                            \
  MOVE(name, index_type, const type, type, if (at != passed) *t += *f)

#define EACH_INDEX(X) X(i32, int32_t) X(i64, int64_t)

#define X(suffix, index_type)                                                                  \
  TAKE(take_1_##suffix, uint8_t, index_type, =)                                                \
  TAKE(take_4_##suffix, uint32_t, index_type, =)                                               \
  TAKE(take_8_##suffix, uint64_t, index_type, =)                                               \
  TAKE(take_add_f32_##suffix, float, index_type, +=)                                           \
  TAKE(take_add_f64_##suffix, double, index_type, +=)                                          \
  PUT(put_f32_##suffix, float, index_type)                                                     \
  PUT(put_f64_##suffix, double, index_type)                                                    \
  static size_t take_##suffix(ky_dtype dtype, size_t n, void *flat, ptrdiff_t sf, int beta,    \
                              const void *table, ptrdiff_t st, const ky_indices *x) {          \
    const size_t size = ky_dtype_size(dtype);                                                  \
    if (beta && dtype == KY_F32) return take_add_f32_##suffix(n, flat, sf, table, st, x, 0);   \
    if (beta) return take_add_f64_##suffix(n, flat, sf, table, st, x, 0);                      \
    if (size == 1) return take_1_##suffix(n, flat, sf, table, st, x, 0);                       \
    if (size == 4) return take_4_##suffix(n, flat, sf, table, st, x, 0);                       \
    return take_8_##suffix(n, flat, sf, table, st, x, 0);                                      \
  }                                                                                            \
  static size_t put_##suffix(ky_dtype dtype, size_t n, void *table, ptrdiff_t st,              \
                             const ky_indices *x, uint64_t passed, const void *flat,           \
                             ptrdiff_t sf) {                                                   \
    return dtype == KY_F32 ? put_f32_##suffix(n, flat, sf, table, st, x, passed)               \
                           : put_f64_##suffix(n, flat, sf, table, st, x, passed);              \
  }
EACH_INDEX(X)
#undef X

bool ky__place_of(const ky_indices *x, int64_t *place) {
  const int64_t at = x->dtype == KY_I32 ? *(const int32_t *)x->data : *(const int64_t *)x->data;
  if ((uint64_t)at >= x->extent) return false;
  *place = at * x->pitch;
  return true;
}

size_t ky__take(ky_dtype dtype, size_t n, void *flat, ptrdiff_t sf, int beta, const void *table,
                ptrdiff_t st, const ky_indices *x) {
  return x->dtype == KY_I32 ? take_i32(dtype, n, flat, sf, beta, table, st, x)
                            : take_i64(dtype, n, flat, sf, beta, table, st, x);
}

size_t ky__put(ky_dtype dtype, size_t n, void *table, ptrdiff_t st, const ky_indices *x,
               int64_t passed, const void *flat, ptrdiff_t sf) {
  return x->dtype == KY_I32 ? put_i32(dtype, n, table, st, x, (uint64_t)passed, flat, sf)
                            : put_i64(dtype, n, table, st, x, (uint64_t)passed, flat, sf);
}
