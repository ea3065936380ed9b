/* SPDX-License-Identifier: MIT */
/* What others ask about a fused instruction. */
#ifndef KY_FUSED_H
#define KY_FUSED_H

#include "frame.h"
#include "ops/fusion.h"

/* Scratch memory that the instruction asks for at most, forward or in reverse. */
size_t ky__fused_scratch(const ky_code *code, ky_id pc, uint32_t threads);

#endif
