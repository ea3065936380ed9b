/* SPDX-License-Identifier: MIT */
/* What the library says of itself. */
#include "kernels/gemm.h"

#define TEXT_OF(x)    #x
#define TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *ky_version(void) {
  return TEXT(KY_VERSION_MAJOR, KY_VERSION_MINOR, KY_VERSION_PATCH);
}

const char *ky_gemm_info(void) { return ky__gemm_info(); }
