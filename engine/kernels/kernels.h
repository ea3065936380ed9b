/* SPDX-License-Identifier: MIT */
/* All kernels of one level, and which level this machine gets. */
#ifndef KY_KERNELS_H
#define KY_KERNELS_H

#include "kernels/attention.h"
#include "kernels/cast.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/ctc.h"
#include "kernels/elementwise.h"
#include "kernels/gemm_small.h"
#include "kernels/half.h"
#include "kernels/loss.h"
#include "kernels/normalize.h"
#include "kernels/random.h"
#include "kernels/pool.h"
#include "kernels/recurrent.h"
#include "kernels/reduce.h"
#include "kernels/rope.h"
#include "kernels/scan.h"
#include "kernels/softmax.h"
#include "kernels/statistic.h"
#include "kernels/test.h"
#include "kernels/triangle.h"

/* One row a family: the header kernels/<family>.h, the table ky__<family>_<level>. */
#define KY_KERNEL_FAMILIES(X, level)                                                           \
  X(attention, level)                                                                          \
  X(cast, level)                                                                               \
  X(conv, level)                                                                               \
  X(copy, level)                                                                               \
  X(ctc, level)                                                                                \
  X(elementwise, level)                                                                        \
  X(gemm_small, level)                                                                         \
  X(half, level)                                                                               \
  X(loss, level)                                                                               \
  X(normalize, level)                                                                          \
  X(random, level)                                                                             \
  X(pool, level)                                                                               \
  X(recurrent, level)                                                                          \
  X(reduce, level)                                                                             \
  X(rope, level)                                                                               \
  X(scan, level)                                                                               \
  X(softmax, level)                                                                            \
  X(statistic, level)                                                                          \
  X(test, level)                                                                               \
  X(triangle, level)

typedef struct ky_kernels {
  const char *level; /* "plain", "v2", ... */
#define X(family, level) const ky_##family##_kernels *family;
  KY_KERNEL_FAMILIES(X, )
#undef X
} ky_kernels;

typedef enum ky_level {
#define X(level, supported) KY_LEVEL_##level,
  KY_LEVELS(X)
#undef X
      KY_LEVEL_COUNT
} ky_level;

/* The kernels of `level`; null where this machine cannot run them. */
const ky_kernels *ky__kernels_at(ky_level level);

/* The kernels of the best level that this machine can run. */
const ky_kernels *ky__kernels(void);

#endif
