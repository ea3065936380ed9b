/* SPDX-License-Identifier: MIT */
/* What sorting asks of the memory plan. */
#ifndef KY_ARGSORT_H
#define KY_ARGSORT_H

#include "code.h"

/* Bytes of scratch memory that an argsort takes at most. */
size_t ky__argsort_scratch(const ky_code *code, ky_id pc, uint32_t threads);

#endif
