/* SPDX-License-Identifier: MIT */
/* Weights: arrays that outlive tapes. A tensor owns its data or wraps the caller's; every
 * change goes through ky_tensor_write, which counts a version, so that a tape can tell that a
 * weight is no longer the one it computed with. */
#ifndef KYTAPE_TENSOR_H
#define KYTAPE_TENSOR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ky_tensor ky_tensor;

/* Makes a zero-filled, dense, row-major tensor of `dtype` f32, f64, bf16 or f16.
 * allocator: NULL for malloc; copied, its `user` must outlive the tensor.
 * *out: the caller frees it with ky_tensor_free, after the tapes that refer to it.
 * Errors: NO_MEMORY, BAD_ARGUMENT (out, or dims with rank > 0, is null), BAD_SHAPE, BAD_DTYPE;
 * *out is NULL then. */
KY_API ky_status ky_tensor_new(const ky_allocator *allocator, ky_dtype dtype, int rank,
                               const int64_t *dims, ky_tensor **out);

/* Like ky_tensor_new, on the caller's `data` (dense, row-major), which is borrowed until
 * ky_tensor_free and must change through ky_tensor_write only. Errors: those of ky_tensor_new,
 * BAD_ARGUMENT (data is null, be there elements or not). */
KY_API ky_status ky_tensor_wrap(const ky_allocator *allocator, ky_dtype dtype, int rank,
                                const int64_t *dims, void *data, ky_tensor **out);

/* Frees the tensor (not wrapped data). NULL is fine. */
KY_API void ky_tensor_free(ky_tensor *w);

/* The elements, to read. Borrowed until ky_tensor_free. NULL for NULL. */
KY_API const void *ky_tensor_data(const ky_tensor *w);

/* The elements, to change: counts one version up, so a tape that used the old values says STALE
 * instead of a silently different gradient. Call it again for each round of changes. */
KY_API void *ky_tensor_write(ky_tensor *w);

/* How many times ky_tensor_write was called. 0 for NULL. */
KY_API uint64_t ky_tensor_version(const ky_tensor *w);

/* The elements' type, and how many there are, for loops that must not wait for an array view.
 * F32 and 0 for NULL. */
KY_API ky_dtype ky_tensor_dtype(const ky_tensor *w);
KY_API int64_t ky_tensor_count(const ky_tensor *w);

/* Converts src[0..count) to dst[0..count) between f32, f64, bf16 and f16: rounded to the
 * nearest, to even on a tie, once; what is too large becomes infinity, denormals are exact, a
 * NaN stays one. dst and src: dense, not overlapping. Errors: BAD_DTYPE, BAD_ARGUMENT (null,
 * count is negative). Any thread. */
KY_API ky_status ky_convert(ky_dtype to, void *dst, ky_dtype from, const void *src,
                            int64_t count);

/* ky_convert of all elements into the tensor, through ky_tensor_write. src: ky_tensor_count
 * elements of dtype `from`, dense. Errors: BAD_DTYPE, BAD_ARGUMENT (null); the tensor is as it
 * was. */
KY_API ky_status ky_tensor_assign(ky_tensor *w, ky_dtype from, const void *src);

/* ky_convert of all elements out of the tensor. dst: room for ky_tensor_count elements of dtype
 * `to`, dense. Errors: those of ky_tensor_assign. */
KY_API ky_status ky_tensor_read(const ky_tensor *w, ky_dtype to, void *dst);

/* Shape and data as an array view. Borrowed until ky_tensor_free. All zero for NULL. */
KY_API ky_array ky_tensor_array(const ky_tensor *w);

#ifdef __cplusplus
}
#endif
#endif
