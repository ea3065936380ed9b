/* SPDX-License-Identifier: MIT */
/* Reductions that are more than a sum. As in reduce.c, where the innermost axis is reduced a
 * run of memory becomes one element; where it is kept, a tile of columns is worked on side by
 * side. */
#include "kernels/statistic.h"

#include <assert.h>
#include <math.h>

#include "kernels/loops.h"

#define TILE   256  /* columns at a time: 2 KiB of double for each thing that is kept of them */
#define CHUNK  256  /* exponentials of a run that wait to be used */
#define CACHED 4096 /* elements that stay in the cache between two passes */
static_assert(KY_REDUCE_TILE % TILE == 0, "cuts leave tiles as they are");
static_assert(CHUNK >= TILE, "a row of a tile waits there, too");

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
#include "kernels/statistic.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/statistic.inc"
#undef REAL
#undef NAME

/* ---- masks ------------------------------------------------------------------------------- */

/* found[k] |= whether a column has one that decides: a 0 for all, a 1 for any. */
INLINE void decide(size_t columns, uint8_t *restrict found, const uint8_t *restrict x,
                   ptrdiff_t sx, bool all) {
  if (sx == 1)
    for (size_t k = 0; k < columns; k++) found[k] |= (uint8_t)((x[k] != 0) != all);
  else
    for (size_t k = 0; k < columns; k++)
      found[k] |= (uint8_t)((x[(ptrdiff_t)k * sx] != 0) != all);
}

/* The same of one column. */
INLINE uint8_t decides(size_t n, const uint8_t *x, ptrdiff_t sx, bool all) {
  uint8_t found = 0;
  if (sx == 1)
    for (size_t i = 0; i < n; i++) found |= (uint8_t)((x[i] != 0) != all);
  else
    for (size_t i = 0; i < n; i++) found |= (uint8_t)((x[(ptrdiff_t)i * sx] != 0) != all);
  return found;
}

static void quantify(const ky_reduce_plan *plan, uint8_t *out, const uint8_t *in, bool all) {
  const ky_loop *kept = &plan->kept, *reduced = &plan->reduced;
  const int kl = kept->rank - 1, rl = reduced->rank - 1;
  const size_t n = (size_t)reduced->dims[rl];
  const int64_t most = plan->by_columns ? TILE : 1, s = reduced->strides[0][rl];
  if (ky__loop_empty(kept)) return;
  ky_walk w = {0};
  do {
    for (int64_t j = 0; j < kept->dims[kl]; j += most) {
      const int64_t left = kept->dims[kl] - j, columns = left < most ? left : most;
      const uint8_t *x = in + w.offset[1] + j * kept->strides[1][kl];
      uint8_t found[TILE], *r = out + w.offset[0] + j * kept->strides[0][kl];
      memset(found, 0, (size_t)columns);
      ky_walk v = {0};
      do {
        const uint8_t *run = x + v.offset[0];
        if (most == 1)
          *found |= decides(n, run, s, all);
        else
          for (size_t i = 0; i < n; i++, run += s)
            decide((size_t)columns, found, run, kept->strides[1][kl], all);
      } while (ky__loop_next(reduced, &v));
      for (int64_t k = 0; k < columns; k++)
        r[k * kept->strides[0][kl]] = (uint8_t)((found[k] != 0) != all);
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
