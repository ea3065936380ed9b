/* SPDX-License-Identifier: MIT */
/* What every other public header stands on: version, statuses, data types, shapes, allocators.
 * It knows nothing of tapes. */
#ifndef KYTAPE_BASE_H
#define KYTAPE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
  #define KY_API __attribute__((visibility("default")))
#else
  #define KY_API
#endif

#define KY_VERSION_MAJOR 0
#define KY_VERSION_MINOR 1
#define KY_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Statuses -------------------------------------------------------------------------- */

/* One row a status: name, what it means. */
#define KY_STATUSES(X)                                                                         \
  X(OK, "ok")                                                                                  \
  X(NO_MEMORY, "an allocation failed")                                                         \
  X(BAD_ARGUMENT, "an argument is null or out of range")                                       \
  X(BAD_VAR, "a var is null, of another tape, or was rewound")                                 \
  X(BAD_SHAPE, "shapes do not fit the operation, or a size overflows")                         \
  X(BAD_DTYPE, "a data type does not fit the operation")                                       \
  X(BAD_AXIS, "an axis is out of range or repeated")                                           \
  X(BAD_INDEX, "a label or index is out of range")                                             \
  X(STALE, "a weight changed between forward and backward")                                    \
  X(UNCONNECTED, "a value does not depend on what it should, or no gradient is wanted")        \
  X(NO_THREAD, "a thread could not be started")                                                \
  X(NONFINITE, "a value is NaN or infinite")                                                   \
  X(BAD_TAPE, "the verifier refused an instruction")                                           \
  X(BAD_GRADIENT, "a gradient is not what central differences say")                            \
  X(SINGULAR, "a matrix is singular, or not positive definite")                                \
  X(NOT_RUN, "no sweep has computed what is asked for")                                        \
  X(BUSY, "it is in use by another thread or call")                                            \
  X(NO_FILE, "a file cannot be read or written")                                               \
  X(BAD_FILE, "a file is not of its format, or lacks something")

typedef enum ky_status {
#define X(name, text) KY_##name,
  KY_STATUSES(X)
#undef X
} ky_status;

/* The sentence of KY_STATUSES for `status`; "unknown status" for anything else. Static
 * storage. */
KY_API const char *ky_status_text(ky_status status);

/* The version of the library that runs, "0.1.0"; the macros are those of the header. Static. */
KY_API const char *ky_version(void);

/* Which kernels matrix products get on this machine, in words; says so when BLIS fell back to
 * slow ones. Static storage. */
KY_API const char *ky_gemm_info(void);

/* ---- Data types ------------------------------------------------------------------------ */

/* One row a type of values: name, C type, spelling in dumps and messages. f32 and f64 are
 * differentiable; integers are indices and labels; a mask is 0 or 1. */
#define KY_DTYPES(X)                                                                           \
  X(F32, float, "f32")                                                                         \
  X(F64, double, "f64")                                                                        \
  X(I32, int32_t, "i32")                                                                       \
  X(I64, int64_t, "i64")                                                                       \
  X(MASK, uint8_t, "mask")

/* Types of storage, half the size of f32: of the arrays behind weights and inputs, whose values
 * are f32 wherever something is computed. f16: IEEE 754 binary16; bf16: the upper half of an
 * f32. */
#define KY_HALF_DTYPES(X)                                                                      \
  X(BF16, uint16_t, "bf16")                                                                    \
  X(F16, uint16_t, "f16")

typedef enum ky_dtype {
#define X(name, type, text) KY_##name,
  KY_DTYPES(X) KY_HALF_DTYPES(X)
#undef X
} ky_dtype;

/* Bytes of one element; 0 for an unknown type. */
KY_API size_t ky_dtype_size(ky_dtype dtype);

/* "f32", ...; "?" for an unknown type. Static storage. */
KY_API const char *ky_dtype_name(ky_dtype dtype);

/* ---- Shapes ---------------------------------------------------------------------------- */

#define KY_MAX_RANK 8

/* KY_SHAPE(8, 3) stands for the two arguments (rank, dims): 2 and a pointer to {8, 3}, which
 * lives as long as the enclosing expression (C++) or block (C). KY_SCALAR is the shape of rank
 * 0. */
#define KY_SCALAR                                                           0, NULL
#define KY_COUNT_16(a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, n, ...) n
#define KY_COUNT(...)                                                                          \
  KY_COUNT_16(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#ifdef __cplusplus
} /* extern "C" */
struct ky_dims {
  int64_t at[KY_MAX_RANK];
  template <typename... Extents>
  explicit ky_dims(Extents... extents) : at{static_cast<int64_t>(extents)...} {}
  operator const int64_t *() const { return at; }
};
  #define KY_SHAPE(...) KY_COUNT(__VA_ARGS__), ky_dims(__VA_ARGS__)
extern "C" {
#else
  #define KY_SHAPE(...)                                                                        \
    KY_COUNT(__VA_ARGS__), (const int64_t[]) { __VA_ARGS__ }
#endif

/* A borrowed view of an n-dimensional array; strides are in elements, may be 0 or negative. */
typedef struct ky_array {
  const void *data;
  ky_dtype dtype;
  int rank;
  int64_t count; /* product of dims */
  int64_t dims[KY_MAX_RANK];
  int64_t strides[KY_MAX_RANK];
} ky_array;

/* The element at index[0..rank) as a double, to which an i64 beyond 2^53 is rounded. NaN where
 * there is none: a null pointer, an index out of range, a rank or extents that no array has. */
KY_API double ky_array_item(const ky_array *a, const int64_t *index);

/* Prints the elements as ky_array_item gives them, real ones with six digits, in brackets for
 * each axis, and a newline; of more than 1000 of them only the first and last three along each
 * axis. Errors: BAD_ARGUMENT (null, as the data of a mere shape are; a rank or extents that no
 * array has); whether writing failed tells ferror(out). */
KY_API ky_status ky_array_print(const ky_array *a, FILE *out);

/* ---- Memory ---------------------------------------------------------------------------- */

/* The one way the library gets memory. `resize` works like realloc: it grows or shrinks the
 * block `ptr` of `old_bytes` to `new_bytes`; ptr NULL allocates; new_bytes 0 frees and returns
 * NULL. Blocks are aligned for max_align_t. On failure it returns NULL and leaves the block as
 * it was. It is called from the thread that calls the library. */
typedef struct ky_allocator {
  void *user;
  void *(*resize)(void *user, void *ptr, size_t old_bytes, size_t new_bytes);
} ky_allocator;

#ifdef __cplusplus
}
#endif
#endif
