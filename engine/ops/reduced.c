/* SPDX-License-Identifier: MIT */
/* Shapes and strides of reduced results. */
#include "ops/reduced.h"

ky_status ky__answer_reduced(ky_query *q, ky_dtype dtype, uint32_t axes, bool keep) {
  const ky_layout *in = ky__layout_of(q, q->ins->a);
  if (axes >> in->rank)
    return ky__fail(q->fault, KY_BAD_AXIS, "the axes 0x%x of a value of rank %d",
                    (unsigned)axes, in->rank);
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < in->rank; k++) {
    const bool reduced = axes >> k & 1u;
    if (!reduced || keep) dims[rank++] = reduced ? 1 : in->dims[k];
  }
  ky_layout out;
  KY_TRY(ky__layout_dense(rank, dims, &out, q->fault));
  q->klass = in->rank == 0 ? KY_POINT : in->dense && out.count == 1 ? KY_FLAT : KY_GENERAL;
  return ky__answer(q, dtype, &out);
}

void ky__reduced_strides(const ky_code *code, ky_id pc, uint32_t axes, bool keep,
                         int64_t strides[KY_MAX_RANK]) {
  const ky_layout *in = ky__layout(code, code->ins[pc].a), *out = ky__layout(code, pc);
  for (int k = 0, n = 0; k < in->rank; k++) {
    const bool reduced = axes >> k & 1u;
    strides[k] = reduced ? 0 : out->strides[n];
    n += !reduced || keep;
  }
}

int64_t ky__reduced_count(const ky_code *code, ky_id pc, uint32_t axes) {
  const ky_layout *in = ky__layout(code, code->ins[pc].a);
  int64_t count = 1;
  for (int k = 0; k < in->rank; k++)
    if (axes >> k & 1u) count *= in->dims[k];
  return count;
}

typedef struct shared_plan {
  const ky_reduce_plan *plan;
  ky_reduction_job *job;
  const void *context;
} shared_plan;

static void reduce_part(void *context, uint32_t piece, const ky_loop *part, ky_walk at) {
  (void)piece;
  const shared_plan *s = context;
  if (part == &s->plan->kept) { /* the whole: a plan is not copied for a few elements */
    s->job(s->context, s->plan, at.offset);
    return;
  }
  ky_reduce_plan plan = *s->plan;
  plan.kept = *part;
  s->job(s->context, &plan, at.offset);
}

void ky__share_reduction(const ky_frame *f, const ky_reduce_plan *plan, ky_reduction_job *job,
                         const void *context) {
  shared_plan s = {plan, job, context};
  size_t each = 1;
  for (int k = 0; k < plan->reduced.rank; k++) each *= (size_t)plan->reduced.dims[k];
  ky__share_loop(f, &plan->kept, 0, each, KY_REDUCE_TILE, reduce_part, &s);
}
