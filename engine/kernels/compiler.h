/* SPDX-License-Identifier: MIT */
/* What kernels ask of the compiler. */
#ifndef KY_COMPILER_H
#define KY_COMPILER_H

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define INLINE        static ALWAYS_INLINE
#define UNROLL        _Pragma("GCC unroll 16")

/* Keeps a short loop whole until it is vectorised. clang does not need it, and complains where
 * it cannot obey. */
#ifdef __clang__
  #define SIMD
#else
  #define SIMD _Pragma("omp simd")
#endif

#endif
