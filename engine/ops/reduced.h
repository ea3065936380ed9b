/* SPDX-License-Identifier: MIT */
/* Shapes and strides of a result that lacks some axes of its operand, or has them with
 * extent 1. */
#ifndef KY_REDUCED_H
#define KY_REDUCED_H

#include "ops/family.h"

/* Answers with the operand's dims without (keep: with 1 for) those in `axes`. The class is
 * GENERAL unless everything is one dense run that becomes one element. */
ky_status ky__answer_reduced(ky_query *q, ky_dtype dtype, uint32_t axes, bool keep);

/* Strides of the dense result of `pc` in the index space of its operand a: 0 along `axes`. */
void ky__reduced_strides(const ky_code *code, ky_id pc, uint32_t axes, bool keep,
                         int64_t strides[KY_MAX_RANK]);

/* A kernel's call for a part of a plan, whose arrays begin `offset` elements behind theirs. */
typedef void ky_reduction_job(const void *context, const ky_reduce_plan *part,
                              const int64_t offset[KY_LOOP_ARRAYS]);

/* Runs `job` over the plan, of which threads take results. Not from within a job. */
void ky__share_reduction(const ky_frame *f, const ky_reduce_plan *plan, ky_reduction_job *job,
                         const void *context);

/* How many elements of operand a become one. */
int64_t ky__reduced_count(const ky_code *code, ky_id pc, uint32_t axes);

#endif
