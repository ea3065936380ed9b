/* SPDX-License-Identifier: MIT */
/* Weights: arrays that outlive tapes. */
#include "kytape/tensor.h"

#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "tensor/layout.h"

struct ky_tensor {
  ky_allocator allocator;
  ky_dtype dtype;
  ky_layout layout;
  uint64_t version;
  void *data;
  void *block; /* owned memory; NULL when the data is the caller's */
  size_t block_bytes;
};

static ky_status make(const ky_allocator *wanted, ky_dtype dtype, int rank, const int64_t *dims,
                      ky_tensor **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (dtype != KY_F32 && dtype != KY_F64 && dtype != KY_BF16 && dtype != KY_F16)
    return KY_BAD_DTYPE;
  ky_layout layout;
  ky_fault fault = {0};
  KY_TRY(ky__layout_dense(rank, dims, &layout, &fault));
  const ky_allocator allocator = ky__allocator(wanted);
  ky_tensor *w = ky__resize(&allocator, NULL, 0, sizeof *w);
  if (!w) return KY_NO_MEMORY;
  *w = (ky_tensor){.allocator = allocator, .dtype = dtype, .layout = layout};
  *out = w;
  return KY_OK;
}

ky_status ky_tensor_new(const ky_allocator *allocator, ky_dtype dtype, int rank,
                        const int64_t *dims, ky_tensor **out) {
  KY_TRY(make(allocator, dtype, rank, dims, out));
  ky_tensor *w = *out;
  const size_t bytes = (size_t)w->layout.count * ky_dtype_size(dtype);
  w->block_bytes = bytes + KY_ALIGN + KY_SLACK;
  w->block = ky__resize(&w->allocator, NULL, 0, w->block_bytes);
  if (!w->block) {
    ky_tensor_free(w);
    *out = NULL;
    return KY_NO_MEMORY;
  }
  w->data = (void *)(((uintptr_t)w->block + KY_ALIGN - 1) & ~(uintptr_t)(KY_ALIGN - 1));
  memset(w->data, 0, bytes);
  return KY_OK;
}

ky_status ky_tensor_wrap(const ky_allocator *allocator, ky_dtype dtype, int rank,
                         const int64_t *dims, void *data, ky_tensor **out) {
  if (!data) {
    if (out) *out = NULL;
    return KY_BAD_ARGUMENT;
  }
  KY_TRY(make(allocator, dtype, rank, dims, out));
  (*out)->data = data;
  return KY_OK;
}

void ky_tensor_free(ky_tensor *w) {
  if (!w) return;
  const ky_allocator allocator = w->allocator;
  ky__resize(&allocator, w->block, w->block_bytes, 0);
  ky__resize(&allocator, w, sizeof *w, 0);
}

const void *ky_tensor_data(const ky_tensor *w) { return w ? w->data : NULL; }

void *ky_tensor_write(ky_tensor *w) {
  if (!w) return NULL;
  w->version++;
  return w->data;
}

uint64_t ky_tensor_version(const ky_tensor *w) { return w ? w->version : 0; }

ky_dtype ky_tensor_dtype(const ky_tensor *w) { return w ? w->dtype : KY_F32; }

int64_t ky_tensor_count(const ky_tensor *w) { return w ? w->layout.count : 0; }

ky_array ky_tensor_array(const ky_tensor *w) {
  ky_array array = {0};
  if (!w) return array;
  array.data = w->data;
  array.dtype = w->dtype;
  array.rank = w->layout.rank;
  array.count = w->layout.count;
  memcpy(array.dims, w->layout.dims, sizeof array.dims);
  memcpy(array.strides, w->layout.strides, sizeof array.strides);
  return array;
}
