/* SPDX-License-Identifier: MIT */
/* Levels: the instruction sets that the kernels are compiled for. Each source of a family of
 * kernels is compiled once a level, with KY_LEVEL defined as its name; all it has is static,
 * but for one table, which carries the level's name. */
#ifndef KY_LEVEL_H
#define KY_LEVEL_H

/* One row a level, the best last: its name, and whether this processor has it. `plain` is for
 * any machine and computes one element like any other, by itself: the others are tested against
 * it. The build says which of the others there are (KYTAPE_LEVELS). */
#define KY_LEVELS(X) X(plain, 1) KY_ROW_V2(X) KY_ROW_V3(X) KY_ROW_V4(X)

#ifdef KY_WITH_v2
  #define KY_ROW_V2(X)                                                                         \
    X(v2, KY_CPU_HAS("ssse3") && KY_CPU_HAS("sse4.2") && KY_CPU_HAS("popcnt"))
#else
  #define KY_ROW_V2(X)
#endif
#ifdef KY_WITH_v3
  #define KY_ROW_V3(X) X(v3, KY_CPU_HAS("avx2") && KY_CPU_HAS("bmi2") && KY_CPU_HAS("fma"))
#else
  #define KY_ROW_V3(X)
#endif
#ifdef KY_WITH_v4
  #define KY_ROW_V4(X)                                                                         \
    X(v4, KY_CPU_HAS("avx512bw") && KY_CPU_HAS("avx512cd") && KY_CPU_HAS("avx512dq") &&        \
              KY_CPU_HAS("avx512vl"))
#else
  #define KY_ROW_V4(X)
#endif

/* The name of a table at the level that is being compiled: ky__copy_v3 for ky__copy. */
#define KY_TABLE(name)              KY_TABLE_AT(name, KY_LEVEL)
#define KY_TABLE_AT(name, level)    KY_TABLE_PASTE(name, level)
#define KY_TABLE_PASTE(name, level) name##_##level

#endif
