/* SPDX-License-Identifier: MIT */
/* Adjoints against central differences of the double oracle, and rows through which no gradient
 * passes. */
#include "op_checks.h"

/* Five points, fourth order: the error is h^4 f'''''/30, which is below 1e-9 of the slope for
 * the domains of the samples, plus rounding of about 3e-13 of the values that are subtracted.
 */
#define STEP 1e-3

/* The agreement that is asked for, relative to the sum of |gradient * direction|. */
#define RELATIVE 1e-7

/* The rounding of the differences, relative to the sum of |cotangent * value|; it decides where
 * the slope is zero or nearly so. */
#define ROUNDING 1e-11

/* part += weight * oracle(x + step * direction) */
static void add_moved(op_case *c, double step, double weight, nd *part) {
  const nd *x[KY_OPERANDS];
  for (int k = 0; k < c->sample.operands; k++) {
    nd_copy(&c->moved[k], &c->x[k]);
    for (int64_t n = 0; n < c->x[k].count; n++)
      c->moved[k].at[n] += step * c->direction[k].at[n];
    x[k] = &c->moved[k];
  }
  case_oracle(c, x, &c->got);
  for (int64_t n = 0; n < part->count; n++) part->at[n] += weight * c->got.at[n];
}

/* Derivative of the sum of result * cotangent along the direction. */
static double slope(op_case *c) {
  nd *part = &c->part;
  nd_shape(part, c->want.rank, c->want.dims);
  for (int64_t n = 0; n < part->count; n++) part->at[n] = 0;
  add_moved(c, +STEP, +8, part);
  add_moved(c, -STEP, -8, part);
  add_moved(c, +2 * STEP, -1, part);
  add_moved(c, -2 * STEP, +1, part);
  double sum = 0;
  for (int64_t n = 0; n < part->count; n++) sum += part->at[n] * c->cotangent.at[n];
  return sum / (12 * STEP);
}

/* Draws a direction for the operands in `moving`, zero for the others. Components are never
 * small, so that no element of a gradient goes unseen. */
static void draw_direction(op_case *c, unsigned moving) {
  for (int k = 0; k < c->sample.operands; k++) {
    nd *d = &c->direction[k];
    nd_shape(d, c->x[k].rank, c->x[k].dims);
    const int source = c->source[k];
    for (int64_t n = 0; n < d->count; n++) {
      const double u = case_uniform(c, -1, 1), away = u < 0 ? u / 2 - 0.5 : u / 2 + 0.5;
      d->at[n] = source != k                              ? c->direction[source].at[n]
                 : moving & 1u << k && case_is_real(c, k) ? away
                                                          : 0;
    }
  }
}

/* What c->grad says the slope along c->direction is, and what the oracle says. */
typedef struct slopes {
  double analytic, numeric;
  double scale;  /* sum |gradient direction| */
  double values; /* sum |cotangent value|, which the differences round */
} slopes;

/* False where nothing moves: empty operands. */
static bool compare_slopes(op_case *c, unsigned moving, slopes *s) {
  int64_t moved = 0;
  draw_direction(c, moving);
  *s = (slopes){0};
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k) || c->source[k] != k) continue;
    for (int64_t n = 0; n < c->x[k].count; n++) {
      const double part = c->grad[k].at[n] * c->direction[k].at[n];
      s->analytic += part;
      s->scale += fabs(part);
      moved += c->direction[k].at[n] != 0;
    }
  }
  if (moved == 0) return false;
  for (int64_t n = 0; n < c->want.count; n++)
    s->values += fabs(c->want.at[n] * c->cotangent.at[n]);
  s->numeric = slope(c);
  return true;
}

/* Calls check(c, moving, slopes) for each operand that can be differentiated, then for all. */
static double each_direction(op_case *c,
                             double (*check)(const op_case *, unsigned, const slopes *)) {
  unsigned real = 0, operands = 0;
  double worst = 0;
  slopes s;
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k) || c->source[k] != k) continue;
    if (compare_slopes(c, 1u << k, &s)) worst = fmax(worst, check(c, 1u << k, &s));
    real |= 1u << k;
    operands++;
  }
  if (operands > 1 && compare_slopes(c, real, &s)) worst = fmax(worst, check(c, real, &s));
  return worst;
}

static double expect_close(const op_case *c, unsigned moving, const slopes *s) {
  if (!is_close(s->analytic, s->numeric, RELATIVE * s->scale + ROUNDING * s->values))
    case_fail(c,
              "the adjoint along operands 0x%x is %.17g, central differences say %.17g: off "
              "by %.3g of %.3g",
              moving, s->analytic, s->numeric, s->analytic - s->numeric, s->scale);
  return 0;
}

void check_differences(op_case *c) { each_direction(c, expect_close); }

/* In the dtype a gradient is rounded relative to the terms that it is the sum of, and to what
 * it is computed from: terms of the order of the cotangent. */
static double relative_difference(const op_case *c, unsigned moving, const slopes *s) {
  double terms = 0;
  (void)moving;
  for (int64_t n = 0; n < c->cotangent.count; n++) terms += fabs(c->cotangent.at[n]);
  const bool f32 = c->sample.real == KY_F32;
  const double scale = s->scale + ROUNDING / RELATIVE * s->values + (f32 ? terms : 0) + DBL_MIN;
  const double off = fabs(s->analytic - s->numeric) / scale;
  return isnan(off) ? HUGE_VAL : off;
}

double largest_difference(op_case *c) { return each_direction(c, relative_difference); }

/* A float that depends on `v`, and on nothing else that could be differentiated. */
static ky_var float_of(op_case *c, ky_var v) {
  ky_tape *t = c->t;
  const ky_dtype dtype = case_result_dtype(c);
  if (dtype == KY_F32 || dtype == KY_F64) return ky_sum_all(t, v);
  const ky_var mask = dtype == KY_MASK ? v : ky_eq_scalar(t, v, 0);
  return ky_where(t, mask, ky_scalar(t, KY_F64, 1), ky_scalar(t, KY_F64, 2));
}

void check_no_gradient(op_case *c) {
  const ky_dtype dtype = case_result_dtype(c);
  if (dtype == KY_F32 || dtype == KY_F64) {
    assert_int_equal(ky_watch(c->t, c->r), KY_BAD_ARGUMENT);
  } else {
    assert_int_equal(ky_watch(c->t, c->r), KY_BAD_DTYPE);
    assert_int_equal(ky_backward(c->t, c->r, NULL), KY_BAD_DTYPE);
  }
  const ky_var root = float_of(c, c->r);
  if (ky_backward(c->t, root, NULL) != KY_UNCONNECTED)
    case_fail(c, "a gradient passes: %s", ky_tape_message(c->t));
}
