/* SPDX-License-Identifier: MIT */
/* Loops over weights, compiled for several instruction sets and chosen at load time. They
 * neither fuse multiply and add nor sum, so that all of them give the same bits. */
#ifndef KY_CLONES_H
#define KY_CLONES_H

/* Sanitizers are not up yet when the choice is made. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                         \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  #define KY_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
  #define KY_CLONES
#endif

#endif
