/* SPDX-License-Identifier: MIT */
/* Reductions that are more than a sum. As in reduce.c, where the innermost axis is reduced a
 * run of memory becomes one element; where it is kept, a tile of columns is worked on side by
 * side. */
#include "kernels/statistic.h"

#include <assert.h>
#include <math.h>

#include "kernels/loops.h"

#define TILE  128 /* columns at a time: 1 KiB of double for each thing that is kept of them */
#define CHUNK 256 /* exponentials of a run that wait to be used */
static_assert(KY_REDUCE_TILE % TILE == 0, "cuts leave tiles as they are");

/* Whether rows should be walked along the kept axis: it lies closer in memory. */
static bool by_columns(const ky_reduce_plan *plan) {
  const int64_t kept = plan->kept.strides[1][plan->kept.rank - 1];
  const int64_t reduced = plan->reduced.strides[0][plan->reduced.rank - 1];
  return plan->kept.dims[plan->kept.rank - 1] > 1 &&
         (kept < 0 ? -kept : kept) < (reduced < 0 ? -reduced : reduced);
}

typedef double join_fn(double, double);

INLINE double plus(double a, double b) { return a + b; }

INLINE double times(double a, double b) { return a * b; }

/* A NaN beats everything and nothing beats a NaN. */
INLINE double larger(double a, double b) { return b > a || b != b ? b : a; }

static void fill(size_t columns, double *acc, double value) {
  for (size_t k = 0; k < columns; k++) acc[k] = value;
}

static const double nothing[TILE]; /* for steps that are given nothing */

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#include "kernels/statistic.inc"
#undef REAL
#undef NAME
#undef M

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#include "kernels/statistic.inc"
#undef REAL
#undef NAME
#undef M

/* ---- masks ------------------------------------------------------------------------------- */

static void quantify(const ky_reduce_plan *plan, uint8_t *out, const uint8_t *in, bool all) {
  const ky_loop *kept = &plan->kept, *reduced = &plan->reduced;
  const int kl = kept->rank - 1, rl = reduced->rank - 1;
  if (ky__loop_empty(kept)) return;
  ky_walk w = {0};
  do {
    for (int64_t j = 0; j < kept->dims[kl]; j++) {
      const uint8_t *x = in + w.offset[1] + j * kept->strides[1][kl];
      uint8_t found = 0; /* one that decides: a 0 for all, a 1 for any */
      ky_walk v = {0};
      do {
        const uint8_t *run = x + v.offset[0];
        for (int64_t i = 0; i < reduced->dims[rl]; i++)
          found |= (uint8_t)((run[i * reduced->strides[0][rl]] != 0) != all);
      } while (ky__loop_next(reduced, &v));
      out[w.offset[0] + j * kept->strides[0][kl]] = (uint8_t)((found != 0) != all);
    }
  } while (ky__loop_next(kept, &w));
}

#define PAIR(name)                                                                             \
  { name##_f32, name##_f64 }
#define BOTH(name) .name = PAIR(name), .pull_##name = PAIR(pull_##name)
const ky_statistic_kernels KY_TABLE(ky__statistic) = {
    BOTH(prod),
    BOTH(variance),
    BOTH(std),
    .norm = {PAIR(norm_1), PAIR(norm_2), PAIR(norm_inf)},
    .pull_norm = {PAIR(pull_norm_1), PAIR(pull_norm_2), PAIR(pull_norm_inf)},
    BOTH(logsumexp),
    .quantify = quantify,
};
