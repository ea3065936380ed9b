/* SPDX-License-Identifier: MIT */
/* Pooling: a row of results at a time, one tap of the window after the other, so that loops run
 * along rows. Windows of two by two that do not overlap, and twice as many places, the usual
 * ones, have loops of their own. */
#include "kernels/pool.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/vectors.h"

/* The results of a row whose window has tap `tap` inside of the plane: [*begin, *end). */
static void inside(const ky_pool *s, int axis, int64_t tap, int64_t *begin, int64_t *end) {
  const int64_t stride = s->stride[axis], before = s->padding[axis] - tap;
  const int64_t last = s->in[axis] - 1 + before;
  *begin = before > 0 ? (before + stride - 1) / stride : 0;
  *end = last < 0 ? 0 : last / stride + 1;
  if (*end > s->out[axis]) *end = s->out[axis];
  if (*begin > *end) *begin = *end;
}

static bool is_quarter(const ky_pool *s) {
  for (int k = 0; k < 2; k++)
    if (s->kernel[k] != 2 || s->stride[k] != 2 || s->padding[k] != 0) return false;
  return true;
}

/* Whether a row gets twice as many places, each a quarter off one of its own: then none needs a
 * look at where it is. */
static bool is_doubled(const ky_resample *s) {
  return s->out[1] == 2 * s->in[1] && s->in[1] > 2 && s->place[1][2].weight[0] == 0.25;
}

typedef int32_t int_f32;
typedef int64_t int_f64;

#define REAL       float
#define REAL_BYTES 4
#define NAME(name) name##_f32
#include "kernels/pool.inc"
#undef REAL
#undef REAL_BYTES
#undef NAME

#define REAL       double
#define REAL_BYTES 8
#define NAME(name) name##_f64
#include "kernels/pool.inc"
#undef REAL
#undef REAL_BYTES
#undef NAME

const ky_pool_kernels KY_TABLE(ky__pool) = {
    .max = {max_f32, max_f64},
    .max_pull = {max_pull_f32, max_pull_f64},
    .mean = {mean_f32, mean_f64},
    .mean_pull = {mean_pull_f32, mean_pull_f64},
    .resample = {resample_f32, resample_f64},
    .resample_pull = {resample_pull_f32, resample_pull_f64},
};
