/* SPDX-License-Identifier: MIT */
/* Where a convolution's attributes stand in the pool, and what it needs. */
#ifndef KY_CONVOLUTION_H
#define KY_CONVOLUTION_H

#include "code.h"

/* Words in the pool: operands, number of axes, groups, then four words for each of three axes.
 */
enum {
  KY_CONV_X,
  KY_CONV_W,
  KY_CONV_BIAS,
  KY_CONV_RANK,
  KY_CONV_GROUPS,
  KY_CONV_AXIS,
  KY_CONV_STRIDE = 0, /* from KY_CONV_AXIS + 4 * axis on */
  KY_CONV_PADDING,
  KY_CONV_DILATION,
  KY_CONV_OUTPUT_PADDING,
  KY_CONV_WORDS = KY_CONV_AXIS + 3 * 4
};

/* Scratch memory of a conv or conv_transpose, in both sweeps. */
size_t ky__convolution_scratch(const ky_code *code, ky_id pc, uint32_t threads);

#endif
