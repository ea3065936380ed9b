/* SPDX-License-Identifier: MIT */
/* Conversion between dtypes. C leaves open what becomes of a float that an integer cannot hold;
 * here that is settled before the conversion. */
#include "kernels/cast.h"

/* The bounds are powers of two, exact in either float type; what lies between converts. */
#define TO_INTEGER(name, real, type, low, high)                                                \
  static inline type name(real x) {                                                            \
    const real bound = (real)(low);                                                            \
    return x >= -bound ? (high) : x >= bound ? (type)x : x < bound ? (type)(low) : 0;          \
  }
TO_INTEGER(F32_to_I32, float, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(F32_to_I64, float, int64_t, INT64_MIN, INT64_MAX)
TO_INTEGER(F64_to_I32, double, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(F64_to_I64, double, int64_t, INT64_MIN, INT64_MAX)
#undef TO_INTEGER

#define PLAIN(to, from, type, ctype)                                                           \
  static inline type from##_to_##to(ctype x) { return (type)x; }
#define TO_MASK(from, ctype)                                                                   \
  static inline uint8_t from##_to_MASK(ctype x) { return (uint8_t)(x != 0); }
#define FROM(from, ctype)                                                                      \
  PLAIN(F32, from, float, ctype) PLAIN(F64, from, double, ctype) TO_MASK(from, ctype)
FROM(F32, float)
FROM(F64, double)
FROM(I32, int32_t)
FROM(I64, int64_t)
FROM(MASK, uint8_t)
PLAIN(I32, I32, int32_t, int32_t)
PLAIN(I32, I64, int32_t, int64_t)
PLAIN(I32, MASK, int32_t, uint8_t)
PLAIN(I64, I32, int64_t, int32_t)
PLAIN(I64, I64, int64_t, int64_t)
PLAIN(I64, MASK, int64_t, uint8_t)
#undef PLAIN
#undef TO_MASK
#undef FROM

#define RUN(to, type, from, ctype)                                                             \
  static void from##_as_##to(size_t n, type *restrict r, const ctype *restrict x,              \
                             ptrdiff_t sx) {                                                   \
    if (sx == 1)                                                                               \
      for (size_t i = 0; i < n; i++) r[i] = from##_to_##to(x[i]);                              \
    else                                                                                       \
      for (size_t i = 0; i < n; i++) r[i] = from##_to_##to(x[(ptrdiff_t)i * sx]);              \
  }
#define FROM_EACH(to, type)                                                                    \
  RUN(to, type, F32, float)                                                                    \
  RUN(to, type, F64, double)                                                                   \
  RUN(to, type, I32, int32_t) RUN(to, type, I64, int64_t) RUN(to, type, MASK, uint8_t)
#define X(to, type, text) FROM_EACH(to, type)
KY_DTYPES(X)
#undef X
#undef FROM_EACH
#undef RUN

/* clang-format off */
#define CASE(to, from)                                                                         \
  case KY_##from:                                                                              \
    from##_as_##to(n, r, x, sx);                                                               \
    break;
#define X(to, type, text)                                                                      \
  static void to_##to(ky_dtype from, size_t n, type *r, const void *x, ptrdiff_t sx) {         \
    switch (from) { CASE(to, F32) CASE(to, F64) CASE(to, I32) CASE(to, I64) CASE(to, MASK)     \
    case KY_BF16:                                                                              \
    case KY_F16: break;                                                                        \
    }                                                                                          \
  }
/* clang-format on */
KY_DTYPES(X)
#undef X
#undef CASE

static void convert(ky_dtype to, ky_dtype from, size_t n, void *r, const void *x,
                    ptrdiff_t sx) {
  switch (to) {
#define X(name, type, text)                                                                    \
  case KY_##name: to_##name(from, n, r, x, sx); break;
    KY_DTYPES(X)
#undef X
  case KY_BF16:
  case KY_F16: break;
  }
}

#define ADD(name, to, from)                                                                    \
  static void name(size_t n, to *restrict gx, const from *restrict g) {                        \
    for (size_t i = 0; i < n; i++) gx[i] += (to)g[i];                                          \
  }
ADD(add_F32_F32, float, float)
ADD(add_F32_F64, float, double)
ADD(add_F64_F32, double, float)
ADD(add_F64_F64, double, double)
#undef ADD

static void convert_add(ky_dtype to, ky_dtype from, size_t n, void *gx, const void *g) {
  if (to == KY_F32 && from == KY_F32)
    add_F32_F32(n, gx, g);
  else if (to == KY_F32)
    add_F32_F64(n, gx, g);
  else if (from == KY_F32)
    add_F64_F32(n, gx, g);
  else
    add_F64_F64(n, gx, g);
}

const ky_cast_kernels KY_TABLE(ky__cast) = {convert, convert_add};
