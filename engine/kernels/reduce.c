/* SPDX-License-Identifier: MIT */
/* Reductions. Where the innermost axis is reduced, a run of memory becomes one element; where
 * it is kept, rows are added up in a tile of columns. */
#include "kernels/reduce.h"

#include <math.h>

#define TILE  256 /* columns added up at a time: 2 KiB of double */
#define LANES 16  /* independent partial sums of a run */
#define BLOCK 512 /* elements summed in REAL before they go into a double */

/* Sorts the axes into kept and reduced. The input is `arrays` arrays with the strides in[0],
 * ...; the result is one more in `kept`. */
static void plan_nests(ky_reduce_plan *plan, const ky_layout *space, const int64_t *out_strides,
                       int arrays, const int64_t *const in[]) {
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
  if (!ky__loop_empty(&plan->reduced)) return;
  plan->reduced.rank = 1; /* one empty run each */
  plan->reduced.dims[0] = 0;
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

/* Whether rows should be walked along the kept axis: it lies closer in memory. */
static bool by_columns(const ky_reduce_plan *plan) {
  const int64_t kept = plan->kept.strides[1][plan->kept.rank - 1];
  const int64_t reduced = plan->reduced.strides[0][plan->reduced.rank - 1];
  return plan->kept.dims[plan->kept.rank - 1] > 1 &&
         (kept < 0 ? -kept : kept) < (reduced < 0 ? -reduced : reduced);
}

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/reduce.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/reduce.inc"
#undef REAL
#undef NAME

ky_sum *const ky__sum[2] = {sum_f32, sum_f64};
ky_sum_rows *const ky__sum_rows[2] = {sum_rows_f32, sum_rows_f64};
ky_mean *const ky__mean[2] = {mean_f32, mean_f64};
ky_mean_run *const ky__mean_run[2] = {mean_run_f32, mean_run_f64};
ky_spread *const ky__spread[2] = {spread_f32, spread_f64};
ky_share *const ky__share[2] = {share_f32, share_f64};
ky_extremum *const ky__max[2] = {max_f32, max_f64};
ky_extremum *const ky__min[2] = {min_f32, min_f64};

/* ---- argmax
 * ----------------------------------------------------------------------------------- */

typedef int64_t argmax_run(size_t n, const void *in, ptrdiff_t sx);

#define X(name, type, text)                                                                    \
  static int64_t argmax_##name(size_t n, const void *in, ptrdiff_t sx) {                       \
    const type *x = in;                                                                        \
    type best = *x;                                                                            \
    size_t at = 0;                                                                             \
    for (size_t i = 1; i < n && !isnan((double)best); i++) {                                   \
      const type candidate = x[(ptrdiff_t)i * sx];                                             \
      if (candidate <= best) continue;                                                         \
      best = candidate;                                                                        \
      at = i;                                                                                  \
    }                                                                                          \
    return (int64_t)at;                                                                        \
  }
KY_DTYPES(X)
#undef X

#define X(name, type, text) [KY_##name] = argmax_##name,
static argmax_run *const argmax_runs[] = {KY_DTYPES(X)};
#undef X

void ky__argmax(ky_dtype dtype, const ky_reduce_plan *plan, int64_t *out, const void *in) {
  const ky_loop *kept = &plan->kept, *reduced = &plan->reduced;
  const int kl = kept->rank - 1;
  const int64_t size = (int64_t)ky_dtype_size(dtype);
  if (ky__loop_empty(kept)) return;
  ky_walk w = {0};
  do {
    for (int64_t j = 0; j < kept->dims[kl]; j++)
      out[w.offset[0] + j * kept->strides[0][kl]] =
          argmax_runs[dtype]((size_t)reduced->dims[0],
                             (const char *)in + (w.offset[1] + j * kept->strides[1][kl]) * size,
                             reduced->strides[0][0]);
  } while (ky__loop_next(kept, &w));
}
