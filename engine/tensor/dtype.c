/* SPDX-License-Identifier: MIT */
/* Sizes and names of data types. */
#include "kytape/base.h"

size_t ky_dtype_size(ky_dtype dtype) {
  static const size_t size[] = {
#define X(name, type, text) sizeof(type),
      KY_DTYPES(X) KY_HALF_DTYPES(X)
#undef X
  };
  return (size_t)dtype < sizeof size / sizeof *size ? size[dtype] : 0;
}

const char *ky_dtype_name(ky_dtype dtype) {
  static const char *const name[] = {
#define X(name, type, text) text,
      KY_DTYPES(X) KY_HALF_DTYPES(X)
#undef X
  };
  return (size_t)dtype < sizeof name / sizeof *name ? name[dtype] : "?";
}
