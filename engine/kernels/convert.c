/* SPDX-License-Identifier: MIT */
/* The public conversions between float dtypes. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kytape/tensor.h"

#define CHUNK 256

static int is_half(ky_dtype dtype) { return dtype == KY_BF16 || dtype == KY_F16; }

static int is_float(ky_dtype dtype) {
  return dtype == KY_F32 || dtype == KY_F64 || is_half(dtype);
}

/* x as a float whose last bit is 1 where it is not exact: rounding that once more gives what
 * rounding x would have (Boldo, Melquiond, "When double rounding is odd"). */
static float to_odd(double x) {
  const float near = (float)x;
  if ((double)near == x || isnan(x)) return near;
  uint32_t bits;
  memcpy(&bits, &near, sizeof bits);
  if (fabs((double)near) > fabs(x)) bits--;
  bits |= 1;
  float odd;
  memcpy(&odd, &bits, sizeof odd);
  return odd;
}

/* Up to CHUNK elements, one of the types being a half. */
static void convert_chunk(const ky_kernels *k, ky_dtype to, void *dst, ky_dtype from,
                          const void *src, size_t n) {
  float wide[CHUNK];
  if (is_half(from)) {
    float *r = to == KY_F32 ? dst : wide;
    k->half->widen[from - KY_BF16](n, r, src);
  } else if (from == KY_F32) {
    memcpy(wide, src, n * sizeof *wide);
  } else {
    for (size_t i = 0; i < n; i++) wide[i] = to_odd(((const double *)src)[i]);
  }
  if (is_half(to)) k->half->narrow[to - KY_BF16](n, dst, wide);
  if (to == KY_F64)
    for (size_t i = 0; i < n; i++) ((double *)dst)[i] = (double)wide[i];
}

ky_status ky_convert(ky_dtype to, void *dst, ky_dtype from, const void *src, int64_t count) {
  if (!is_float(to) || !is_float(from)) return KY_BAD_DTYPE;
  if (count < 0 || (count > 0 && (!dst || !src))) return KY_BAD_ARGUMENT;
  const ky_kernels *kernels = ky__kernels();
  const size_t n = (size_t)count, to_size = ky_dtype_size(to), from_size = ky_dtype_size(from);
  if (to == from) {
    if (n) memcpy(dst, src, n * to_size);
  } else if (!is_half(to) && !is_half(from)) {
    if (n) kernels->cast->convert(to, from, n, dst, src, 1);
  } else {
    for (size_t i = 0; i < n; i += CHUNK)
      convert_chunk(kernels, to, (char *)dst + i * to_size, from,
                    (const char *)src + i * from_size, n - i < CHUNK ? n - i : CHUNK);
  }
  return KY_OK;
}

ky_status ky_tensor_assign(ky_tensor *w, ky_dtype from, const void *src) {
  if (!w) return KY_BAD_ARGUMENT;
  const ky_status status = ky_convert(ky_tensor_dtype(w), NULL, from, NULL, 0);
  if (status != KY_OK) return status;
  if (!src && ky_tensor_count(w)) return KY_BAD_ARGUMENT;
  return ky_convert(ky_tensor_dtype(w), ky_tensor_write(w), from, src, ky_tensor_count(w));
}

ky_status ky_tensor_read(const ky_tensor *w, ky_dtype to, void *dst) {
  if (!w) return KY_BAD_ARGUMENT;
  return ky_convert(to, dst, ky_tensor_dtype(w), ky_tensor_data(w), ky_tensor_count(w));
}
