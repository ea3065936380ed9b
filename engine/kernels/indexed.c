/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that indices name. Nothing here is worth vector instructions: the
 * time goes into finding memory. */
#include "kernels/indexed.h"

/* Along the axis that is indexed, elements and indices lie side by side most of the time. */
static bool is_plain(const ky_indices *x, ptrdiff_t sf, ptrdiff_t st) {
  return x->stride == 1 && sf == 1 && st == 0;
}

/* For elements of a type and indices of a type. */
#define TAKE(name, type, index_type, assign)                                                   \
  static inline size_t name##_by(size_t n, type *restrict flat, ptrdiff_t sf,                  \
                                 const type *restrict table, ptrdiff_t st,                     \
                                 const ky_indices *x, ptrdiff_t si) {                          \
    const index_type *restrict index = x->data;                                                \
    const uint64_t extent = x->extent;                                                         \
    const ptrdiff_t pitch = x->pitch;                                                          \
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {                                             \
      const uint64_t at = (uint64_t)index[i * si];                                             \
      if (at >= extent) return (size_t)i;                                                      \
      flat[i * sf] assign table[(ptrdiff_t)at * pitch + i * st];                               \
    }                                                                                          \
    return n;                                                                                  \
  }                                                                                            \
  static size_t name(size_t n, type *restrict flat, ptrdiff_t sf, const type *restrict table,  \
                     ptrdiff_t st, const ky_indices *x) {                                      \
    return is_plain(x, sf, st) ? name##_by(n, flat, 1, table, 0, x, 1)                         \
                               : name##_by(n, flat, sf, table, st, x, x->stride);              \
  }

#define PUT(name, type, index_type)                                                            \
  static inline size_t name##_by(size_t n, type *restrict table, ptrdiff_t st,                 \
                                 const ky_indices *x, ptrdiff_t si, uint64_t passed,           \
                                 const type *restrict flat, ptrdiff_t sf) {                    \
    const index_type *restrict index = x->data;                                                \
    const uint64_t extent = x->extent;                                                         \
    const ptrdiff_t pitch = x->pitch;                                                          \
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {                                             \
      const uint64_t at = (uint64_t)index[i * si];                                             \
      if (at >= extent) return (size_t)i;                                                      \
      if (at != passed) table[(ptrdiff_t)at * pitch + i * st] += flat[i * sf];                 \
    }                                                                                          \
    return n;                                                                                  \
  }                                                                                            \
  static size_t name(size_t n, type *restrict table, ptrdiff_t st, const ky_indices *x,        \
                     uint64_t passed, const type *restrict flat, ptrdiff_t sf) {               \
    return is_plain(x, sf, st) ? name##_by(n, table, 0, x, 1, passed, flat, 1)                 \
                               : name##_by(n, table, st, x, x->stride, passed, flat, sf);      \
  }

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
    if (beta && dtype == KY_F32) return take_add_f32_##suffix(n, flat, sf, table, st, x);      \
    if (beta) return take_add_f64_##suffix(n, flat, sf, table, st, x);                         \
    if (size == 1) return take_1_##suffix(n, flat, sf, table, st, x);                          \
    if (size == 4) return take_4_##suffix(n, flat, sf, table, st, x);                          \
    return take_8_##suffix(n, flat, sf, table, st, x);                                         \
  }                                                                                            \
  static size_t put_##suffix(ky_dtype dtype, size_t n, void *table, ptrdiff_t st,              \
                             const ky_indices *x, uint64_t passed, const void *flat,           \
                             ptrdiff_t sf) {                                                   \
    return dtype == KY_F32 ? put_f32_##suffix(n, table, st, x, passed, flat, sf)               \
                           : put_f64_##suffix(n, table, st, x, passed, flat, sf);              \
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
