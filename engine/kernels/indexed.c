/* SPDX-License-Identifier: MIT */
/* Runs of elements at places that other numbers name. Nothing here is worth vector
 * instructions: the time goes into finding memory. */
#include "kernels/indexed.h"

#define PLACES(name, type)                                                                     \
  static size_t name(size_t n, int64_t *place, const type *index, ptrdiff_t stride,            \
                     int64_t extent, int64_t pitch) {                                          \
    for (size_t i = 0; i < n; i++) {                                                           \
      const int64_t at = index[(ptrdiff_t)i * stride];                                         \
      if (at < 0 || at >= extent) return i;                                                    \
      place[i] = at * pitch;                                                                   \
    }                                                                                          \
    return n;                                                                                  \
  }
PLACES(places_i32, int32_t)
PLACES(places_i64, int64_t)
#undef PLACES

#define TAKE(name, type, assign)                                                               \
  static void name(size_t n, type *restrict flat, ptrdiff_t sf, const type *restrict table,    \
                   ptrdiff_t st, const int64_t *restrict place) {                              \
    for (size_t i = 0; i < n; i++)                                                             \
      flat[(ptrdiff_t)i * sf] assign table[place[i] + (ptrdiff_t)i * st];                      \
  }
TAKE(take_1, uint8_t, =)
TAKE(take_4, uint32_t, =)
TAKE(take_8, uint64_t, =)
TAKE(take_add_f32, float, +=)
TAKE(take_add_f64, double, +=)
#undef TAKE

#define PUT(name, type)                                                                        \
  static void name(size_t n, type *restrict table, ptrdiff_t st,                               \
                   const int64_t *restrict place, const type *restrict flat, ptrdiff_t sf) {   \
    for (size_t i = 0; i < n; i++)                                                             \
      table[place[i] + (ptrdiff_t)i * st] += flat[(ptrdiff_t)i * sf];                          \
  }
PUT(put_f32, float)
PUT(put_f64, double)
#undef PUT

size_t ky__places(ky_dtype dtype, size_t n, int64_t *place, const void *index, ptrdiff_t stride,
                  int64_t extent, int64_t pitch) {
  return dtype == KY_I32 ? places_i32(n, place, index, stride, extent, pitch)
                         : places_i64(n, place, index, stride, extent, pitch);
}

void ky__take(ky_dtype dtype, size_t n, void *flat, ptrdiff_t sf, int beta, const void *table,
              ptrdiff_t st, const int64_t *place) {
  const size_t size = ky_dtype_size(dtype);
  if (beta && dtype == KY_F32)
    take_add_f32(n, flat, sf, table, st, place);
  else if (beta)
    take_add_f64(n, flat, sf, table, st, place);
  else if (size == 1)
    take_1(n, flat, sf, table, st, place);
  else if (size == 4)
    take_4(n, flat, sf, table, st, place);
  else
    take_8(n, flat, sf, table, st, place);
}

void ky__put(ky_dtype dtype, size_t n, void *table, ptrdiff_t st, const int64_t *place,
             const void *flat, ptrdiff_t sf) {
  if (dtype == KY_F32)
    put_f32(n, table, st, place, flat, sf);
  else
    put_f64(n, table, st, place, flat, sf);
}
