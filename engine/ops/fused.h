/* SPDX-License-Identifier: MIT */
/* What others ask about a fused instruction. */
#ifndef KY_FUSED_H
#define KY_FUSED_H

#include "ops/fusion.h"

/* Scratch memory that the instruction asks for at most, forward or in reverse. */
size_t ky__fused_scratch(const ky_code *code, ky_id pc);

/* Whether what `operand` gets can be summed tile by tile, as its broadcast over `space`
 * demands. */
bool ky__sums_in_tiles(const ky_layout *operand, const ky_layout *space);

#endif
