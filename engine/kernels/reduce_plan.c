/* SPDX-License-Identifier: MIT */
/* Plans of reductions: which loops over what is kept, which over what is reduced. Touches no
 * elements, and is therefore of no level. */
#include "kernels/reduce.h"

/* One nest for everything, where a dense input becomes one element: there is nothing to sort.
 * False where that is not so. */
static bool plan_run(ky_reduce_plan *plan, const ky_layout *space, const int64_t *out_strides,
                     int arrays) {
  if (!space->dense) return false;
  for (int k = 0; k < space->rank; k++)
    if (out_strides[k] != 0) return false;
  plan->kept.rank = plan->reduced.rank = 1;
  plan->kept.arrays = arrays + 1;
  plan->reduced.arrays = arrays;
  plan->kept.dims[0] = 1;
  plan->reduced.dims[0] = space->count;
  for (int n = 0; n <= arrays; n++) plan->kept.strides[n][0] = 0;
  for (int n = 0; n < arrays; n++) plan->reduced.strides[n][0] = 1;
  plan->by_columns = false;
  return true;
}

static bool lies_by_columns(const ky_reduce_plan *plan) {
  const int kl = plan->kept.rank - 1, rl = plan->reduced.rank - 1;
  const int64_t kept = plan->kept.strides[1][kl], reduced = plan->reduced.strides[0][rl];
  return plan->kept.dims[kl] > 1 &&
         (kept < 0 ? -kept : kept) < (reduced < 0 ? -reduced : reduced);
}

/* Sorts the axes into kept and reduced. The input is `arrays` arrays with the strides in[0],
 * ...; the result is one more in `kept`. */
static void plan_nests(ky_reduce_plan *plan, const ky_layout *space, const int64_t *out_strides,
                       int arrays, const int64_t *const in[]) {
  if (plan_run(plan, space, out_strides, arrays)) return;
  ky_layout kept = {0}, reduced = {0};
  int64_t kept_strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  int64_t reduced_strides[KY_LOOP_ARRAYS][KY_MAX_RANK];
  for (int k = 0; k < space->rank; k++) {
    const bool keep = out_strides[k] != 0 || space->dims[k] == 1;
    ky_layout *nest = keep ? &kept : &reduced;
    if (keep) kept_strides[0][kept.rank] = out_strides[k];
    for (int n = 0; n < arrays; n++)
      if (keep)
        kept_strides[n + 1][kept.rank] = in[n][k];
      else
        reduced_strides[n][reduced.rank] = in[n][k];
    nest->dims[nest->rank++] = space->dims[k];
  }
  ky__loop_plan(&plan->kept, &kept, arrays + 1, kept_strides);
  ky__loop_plan(&plan->reduced, &reduced, arrays, reduced_strides);
  if (ky__loop_empty(&plan->reduced)) { /* one empty run each */
    plan->reduced.rank = 1;
    plan->reduced.dims[0] = 0;
  }
  plan->by_columns = lies_by_columns(plan);
}

void ky__plan_reduction(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides) {
  plan_nests(plan, in, out_strides, 1, (const int64_t *const[]){in->strides});
}

void ky__plan_share(ky_reduce_plan *plan, const ky_layout *in, const int64_t *out_strides) {
  int64_t dense[KY_MAX_RANK], stride = 1;
  for (int k = in->rank; k-- > 0;) {
    dense[k] = stride;
    stride *= in->dims[k] ? in->dims[k] : 1;
  }
  plan_nests(plan, in, out_strides, 2, (const int64_t *const[]){in->strides, dense});
}
