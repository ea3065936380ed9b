/* SPDX-License-Identifier: MIT */
/* Where the attributes of pooling stand in the pool of words, and what resampling needs. */
#ifndef KY_POOLING_H
#define KY_POOLING_H

#include "code.h"

/* Number of axes, then three words for each of two axes. */
enum {
  KY_POOL_RANK,
  KY_POOL_AXIS,
  KY_POOL_KERNEL = 0, /* from KY_POOL_AXIS + 3 * axis on */
  KY_POOL_STRIDE,
  KY_POOL_PADDING,
  KY_POOL_WORDS = KY_POOL_AXIS + 2 * 3
};

/* Scratch memory of an upsample_nearest or upsample_linear, in both sweeps. */
size_t ky__resample_scratch(const ky_code *code, ky_id pc, uint32_t threads);

#endif
