/* SPDX-License-Identifier: MIT */
/* Copies of runs and planes of elements, fills, and the search for what is not finite. */
#include "kernels/copy.h"

#include <math.h>
#include <string.h>

#include "kernels/vectors.h"

#define TILE 16 /* rows and columns of a plane copied at a time: a cache line of f32 */

/* ---- runs -------------------------------------------------------------------------------- */

#define COPY(name, type)                                                                       \
  static void name(size_t n, type *dst, ptrdiff_t sd, const type *src, ptrdiff_t ss) {         \
    for (size_t i = 0; i < n; i++) dst[(ptrdiff_t)i * sd] = src[(ptrdiff_t)i * ss];            \
  }
COPY(copy_1, uint8_t)
COPY(copy_4, uint32_t)
COPY(copy_8, uint64_t)
#undef COPY

#define ADD(name, type)                                                                        \
  static void name(size_t n, type *restrict dst, ptrdiff_t sd, const type *restrict src,       \
                   ptrdiff_t ss) {                                                             \
    if (sd == 1 && ss == 1)                                                                    \
      for (size_t i = 0; i < n; i++) dst[i] += src[i];                                         \
    else                                                                                       \
      for (size_t i = 0; i < n; i++) dst[(ptrdiff_t)i * sd] += src[(ptrdiff_t)i * ss];         \
  }
ADD(add_f32, float)
ADD(add_f64, double)
#undef ADD

static void run(ky_dtype dtype, size_t n, void *dst, ptrdiff_t sd, int beta, const void *src,
                ptrdiff_t ss) {
  const size_t size = ky_dtype_size(dtype);
  if (beta && dtype == KY_F32)
    add_f32(n, dst, sd, src, ss);
  else if (beta)
    add_f64(n, dst, sd, src, ss);
  else if (sd == 1 && ss == 1 && dst == src)
    return; /* an adjoint in the place of another */
  else if (sd == 1 && ss == 1)
    memcpy(dst, src, n * size);
  else if (size == 1)
    copy_1(n, dst, sd, src, ss);
  else if (size == 4)
    copy_4(n, dst, sd, src, ss);
  else
    copy_8(n, dst, sd, src, ss);
}

/* ---- planes ------------------------------------------------------------------------------ */

/* tile[j][i] = src[i * rs + j]: vectors take elements of any type of their size. */
#define TURN(m, real)                                                                          \
  INLINE void turn_##m(void *tile, const void *src, ptrdiff_t rs) {                            \
    enum { SIDE = VECTOR_BYTES / sizeof(real) };                                               \
    for (ptrdiff_t i = 0; i < TILE; i += SIDE)                                                 \
      for (ptrdiff_t j = 0; j < TILE; j += SIDE) {                                             \
        const real *from = (const real *)src + i * rs + j;                                     \
        real *to = (real *)tile + j * TILE + i;                                                \
        vec_##m block[SIDE];                                                                   \
        UNROLL for (int l = 0; l < SIDE; l++) block[l] = load_##m(from + l * rs);              \
        transpose_##m(block);                                                                  \
        UNROLL for (int l = 0; l < SIDE; l++) store_##m(to + l * TILE, block[l]);              \
      }                                                                                        \
  }
TURN(f32, float)
TURN(f64, double)
#undef TURN

INLINE void turn_1(uint8_t tile[TILE][TILE], const uint8_t *src, ptrdiff_t rs) {
  for (ptrdiff_t i = 0; i < TILE; i++)
    for (ptrdiff_t j = 0; j < TILE; j++) tile[j][i] = src[i * rs + j];
}

/* A tile is read by rows and written by columns, so that a line of memory on either side is met
 * once a tile, even where strides make its lines compete for one place in the cache. */
#define PLANE(name, type, turn, beta)                                                          \
  INLINE void name##_tile(ptrdiff_t rows, ptrdiff_t n, type *restrict dst, ptrdiff_t rd,       \
                          ptrdiff_t sd, const type *restrict src, ptrdiff_t rs,                \
                          ptrdiff_t ss) {                                                      \
    type tile[TILE][TILE];                                                                     \
    if (rows == TILE && n == TILE && rd == 1 && ss == 1)                                       \
      turn(tile, src, rs);                                                                     \
    else                                                                                       \
      for (ptrdiff_t i = 0; i < rows; i++)                                                     \
        for (ptrdiff_t j = 0; j < n; j++) tile[j][i] = src[i * rs + j * ss];                   \
    for (ptrdiff_t j = 0; j < n; j++)                                                          \
      for (ptrdiff_t i = 0; i < rows; i++) {                                                   \
        type *to = dst + i * rd + j * sd;                                                      \
        *to = beta ? (type)(*to + tile[j][i]) : tile[j][i];                                    \
      }                                                                                        \
  }                                                                                            \
  static void name(size_t rows, size_t n, type *dst, ptrdiff_t rd, ptrdiff_t sd,               \
                   const type *src, ptrdiff_t rs, ptrdiff_t ss) {                              \
    for (size_t i = 0; i < rows; i += TILE)                                                    \
      for (size_t j = 0; j < n; j += TILE) {                                                   \
        const size_t high = rows - i < TILE ? rows - i : TILE;                                 \
        const size_t wide = n - j < TILE ? n - j : TILE;                                       \
        type *to = dst + (ptrdiff_t)i * rd + (ptrdiff_t)j * sd;                                \
        const type *from = src + (ptrdiff_t)i * rs + (ptrdiff_t)j * ss;                        \
        if (high == TILE && wide == TILE && rd == 1 && ss == 1)                                \
          name##_tile(TILE, TILE, to, 1, sd, from, rs, 1);                                     \
        else                                                                                   \
          name##_tile((ptrdiff_t)high, (ptrdiff_t)wide, to, rd, sd, from, rs, ss);             \
      }                                                                                        \
  }
PLANE(copy_plane_1, uint8_t, turn_1, 0)
PLANE(copy_plane_4, uint32_t, turn_f32, 0)
PLANE(copy_plane_8, uint64_t, turn_f64, 0)
PLANE(add_plane_f32, float, turn_f32, 1)
PLANE(add_plane_f64, double, turn_f64, 1)
#undef PLANE

/* Rows of few elements, side by side where they go, which are not columns where they come from:
 * they want no tiles. */
#define NARROW 16
#define NARROW_ROWS(name, type)                                                                \
  INLINE void name##_of(size_t rows, size_t n, type *restrict dst, ptrdiff_t rd,               \
                        const type *restrict src, ptrdiff_t rs, ptrdiff_t ss) {                \
    for (ptrdiff_t i = 0; i < (ptrdiff_t)rows; i++)                                            \
      for (ptrdiff_t j = 0; j < (ptrdiff_t)n; j++) dst[i * rd + j] = src[i * rs + j * ss];     \
  }                                                                                            \
  static void name(size_t rows, size_t n, type *dst, ptrdiff_t rd, const type *src,            \
                   ptrdiff_t rs, ptrdiff_t ss) {                                               \
    switch (n) {                                                                               \
    case 2: name##_of(rows, 2, dst, rd, src, rs, ss); break;                                   \
    case 3: name##_of(rows, 3, dst, rd, src, rs, ss); break;                                   \
    case 4: name##_of(rows, 4, dst, rd, src, rs, ss); break;                                   \
    default: name##_of(rows, n, dst, rd, src, rs, ss); break;                                  \
    }                                                                                          \
  }
NARROW_ROWS(narrow_1, uint8_t)
NARROW_ROWS(narrow_4, uint32_t)
NARROW_ROWS(narrow_8, uint64_t)
#undef NARROW_ROWS

static void narrow(size_t size, size_t rows, size_t n, void *dst, ptrdiff_t rd, const void *src,
                   ptrdiff_t rs, ptrdiff_t ss) {
  if (size == 1)
    narrow_1(rows, n, dst, rd, src, rs, ss);
  else if (size == 4)
    narrow_4(rows, n, dst, rd, src, rs, ss);
  else
    narrow_8(rows, n, dst, rd, src, rs, ss);
}

static void plane(ky_dtype dtype, size_t rows, size_t n, void *dst, ptrdiff_t rd, ptrdiff_t sd,
                  int beta, const void *src, ptrdiff_t rs, ptrdiff_t ss) {
  const size_t size = ky_dtype_size(dtype);
  if (!beta && sd == 1 && n <= NARROW && (rs != 1 || ss == 0)) {
    narrow(size, rows, n, dst, rd, src, rs, ss);
    return;
  }
  if (sd == 1 && rs == 1 && rd != 1) { /* the same by columns, as tiles like it */
    plane(dtype, n, rows, dst, 1, rd, beta, src, ss, 1);
    return;
  }
  if (beta && dtype == KY_F32)
    add_plane_f32(rows, n, dst, rd, sd, src, rs, ss);
  else if (beta)
    add_plane_f64(rows, n, dst, rd, sd, src, rs, ss);
  else if (size == 1)
    copy_plane_1(rows, n, dst, rd, sd, src, rs, ss);
  else if (size == 4)
    copy_plane_4(rows, n, dst, rd, sd, src, rs, ss);
  else
    copy_plane_8(rows, n, dst, rd, sd, src, rs, ss);
}

/* ---- fills and checks -------------------------------------------------------------------- */

/* Places are counted in 32 bits, a part at a time: numbers of 64 bits become doubles one by
 * one, which takes ten times as long as storing them. */
#define PART (UINT32_C(1) << 30) /* elements */
#define X(name, type, text)                                                                    \
  static void step_##name(size_t n, type *dst, double start, double step) {                    \
    for (size_t at = 0; at < n; at += PART) {                                                  \
      const int32_t m = (int32_t)(n - at < PART ? n - at : PART);                              \
      const double before = (double)at;                                                        \
      type *part = dst + at;                                                                   \
      for (int32_t i = 0; i < m; i++) part[i] = (type)(start + (before + (double)i) * step);   \
    }                                                                                          \
  }
KY_DTYPES(X)
#undef X
#undef PART

static void fill(ky_dtype dtype, size_t n, void *dst, double start, double step) {
  switch (dtype) {
#define X(name, type, text)                                                                    \
  case KY_##name:                                                                              \
    if (step == 0)                                                                             \
      for (size_t i = 0; i < n; i++) ((type *)dst)[i] = (type)start;                           \
    else                                                                                       \
      step_##name(n, dst, start, step);                                                        \
    break;
    KY_DTYPES(X)
#undef X
  case KY_BF16:
  case KY_F16: break;
  }
}

static size_t first_nonfinite(ky_dtype dtype, size_t n, const void *x, ptrdiff_t sx) {
  size_t i = 0;
  if (dtype == KY_F32)
    while (i < n && isfinite(((const float *)x)[(ptrdiff_t)i * sx])) i++;
  else
    while (i < n && isfinite(((const double *)x)[(ptrdiff_t)i * sx])) i++;
  return i;
}

const ky_copy_kernels KY_TABLE(ky__copy) = {run, plane, fill, first_nonfinite};
