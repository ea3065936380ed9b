/* SPDX-License-Identifier: MIT */
/* Where an instruction may write over what it reads: elementwise ones, at the element that they
 * have just read; adjoints of products, over an operand that they have read to the end. Whether
 * the memory is still needed otherwise is not asked here. */
#ifndef KY_OVERWRITE_H
#define KY_OVERWRITE_H

#include "code.h"

/* base: per instruction, the one whose memory its value lies in. */

/* Whether the result of `pc` may lie where operand k does. */
bool ky__result_over_operand(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k);

/* Whether the first contribution of `pc` to operand k may lie where the adjoint of its result
 * does. */
bool ky__pull_over_adjoint(const ky_code *code, ky_id pc, uint32_t k);

/* Whether the first contribution of `pc` to operand k may lie where the operand itself does. */
bool ky__pull_over_operand(const ky_code *code, const ky_id *base, ky_id pc, uint32_t k);

#endif
