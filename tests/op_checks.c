/* SPDX-License-Identifier: MIT */
/* Values and adjoints of one case, in both dtypes. */
#include "op_checks.h"

/* The oracle computes in another order than a kernel that sums blockwise; samples have at most
 * a few thousand elements and condition numbers near 1, so a few thousand roundings bound the
 * difference. */
#define F64_TOLERANCE 1e-12
/* Eight roundings: the library functions of libmvec are good to 4 ulp, formulas have a few
 * more. */
#define F32_TOLERANCE (8 * (double)FLT_EPSILON)
/* Adjoints recompute from rounded results and multiply; measured against the largest of them.
 */
#define F32_ADJOINT_TOLERANCE (16 * (double)FLT_EPSILON)
/* Adding into an adjoint may round once more than adding afterwards, or be fused with the
 * product. */
#define ACCUMULATION_ROUNDINGS 4

#define ALL_OPERANDS ((1u << KY_OPERANDS) - 1)

/* What rounding is measured against: the element itself where elements are computed alone.
 * Where they are sums, terms cancel, and the measure is what the sum of their magnitudes would
 * be. */
static double norm_of_result(op_case *c) {
  if (c->set->each) return 0;
  const nd *x[KY_OPERANDS];
  for (int k = 0; k < c->sample.operands; k++) {
    nd_copy(&c->moved[k], &c->x[k]);
    for (int64_t n = 0; n < c->x[k].count; n++) c->moved[k].at[n] = fabs(c->x[k].at[n]);
    x[k] = &c->moved[k];
  }
  case_oracle(c, x, &c->part);
  return fmax(nd_norm(&c->want), nd_norm(&c->part));
}

static void check_value(op_case *c) {
  const bool f32 = c->sample.real == KY_F32;
  case_value(c, c->r, case_result_dtype(c), &c->got);
  if (c->got.rank != c->want.rank) case_fail(c, "rank %d, wants %d", c->got.rank, c->want.rank);
  for (int d = 0; d < c->want.rank; d++)
    if (c->got.dims[d] != c->want.dims[d])
      case_fail(c, "extent %d is %lld, wants %lld", d, (long long)c->got.dims[d],
                (long long)c->want.dims[d]);
  case_compare(c, "the value", &c->got, &c->want, f32 ? F32_TOLERANCE : F64_TOLERANCE,
               norm_of_result(c));
}

/* The same for the gradient of operand k. Of an elementwise operation a broadcast operand gets
 * a sum, whose terms are of the order of the cotangent; each is rounded on its own, and the
 * roundings of n terms add up like the square root of n, whatever the terms themselves cancel
 * to. What is computed from the rounded result, as 1 - r^2 is, may cancel too. */
static double norm_of_gradient(const op_case *c, int k) {
  const double norm = nd_norm(&c->grad_f64[k]);
  const bool sum = c->set->each && c->x[k].count < c->want.count;
  const bool of_result = c->set->each && (c->info->reads & KY_READS_R);
  if (!sum && !of_result) return norm;
  const double terms = sum ? (double)c->want.count / (double)c->x[k].count : 1;
  return fmax(norm, nd_norm(&c->cotangent) * sqrt(terms));
}

static void read_gradients(op_case *c) {
  for (int k = 0; k < c->sample.operands; k++)
    if (case_is_real(c, k)) case_gradient(c, c->v[k], &c->grad[k]);
}

/* ---- accumulation ----------------------------------------------------------------------- */

/* sum of v * weights, with weights a constant of v's shape */
static ky_var weighted_sum(op_case *c, ky_var v, const nd *weights) {
  const void *data = case_host(c, c->sample.real, weights);
  const ky_var w = ky_constant(c->t, c->sample.real, weights->rank, weights->dims, data);
  return ky_sum_all(c->t, ky_mul(c->t, v, w));
}

/* Gives every operand a contribution from an instruction behind the operation, so that the
 * operation's adjoint finds it there and has to add (beta = 1). */
static void check_accumulation(op_case *c) {
  ky_var root = weighted_sum(c, c->r, &c->cotangent);
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k) || c->source[k] != k) continue;
    nd *weights = &c->direction[k];
    nd_shape(weights, c->x[k].rank, c->x[k].dims);
    for (int64_t n = 0; n < weights->count; n++) weights->at[n] = (float)case_uniform(c, -1, 1);
    root = ky_add(c->t, root, weighted_sum(c, c->v[k], weights));
  }
  if (ky_backward(c->t, root, NULL) != KY_OK)
    case_fail(c, "accumulation: %s", ky_tape_message(c->t));
  const double epsilon = c->sample.real == KY_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k) || c->source[k] != k) continue;
    case_gradient(c, c->v[k], &c->got);
    nd *sum = &c->moved[k];
    nd_copy(sum, &c->grad[k]);
    double norm = 1; /* of what was there before */
    for (int64_t n = 0; n < sum->count; n++) {
      sum->at[n] += c->direction[k].at[n];
      if (isfinite(c->grad[k].at[n])) norm = fmax(norm, 1 + fabs(c->grad[k].at[n]));
    }
    for (int64_t n = 0; n < sum->count; n++)
      if (!is_close(c->got.at[n], sum->at[n], ACCUMULATION_ROUNDINGS * epsilon * norm))
        case_fail(c, "accumulation: operand %d, element %lld is %.17g, wants %.17g", k,
                  (long long)n, c->got.at[n], sum->at[n]);
  }
}

/* ---- one wanted operand ----------------------------------------------------------------- */

/* Watching one operand alone gives the same bits, and the others have no gradient. */
static void check_alone(op_case *c, ky_dtype real) {
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k)) continue;
    case_record(c, real, 1u << k);
    case_backward(c);
    case_gradient(c, c->v[k], &c->got);
    case_compare(c, "the gradient alone", &c->got, &c->grad[k], 0, 0);
    for (int j = 0; j < c->sample.operands; j++) {
      ky_array none;
      if (j != k && ky_grad(c->t, c->v[j], &none) != KY_UNCONNECTED)
        case_fail(c, "operand %d has a gradient without being watched", j);
    }
    case_end(c);
  }
}

/* ---- all -------------------------------------------------------------------------------- */

static bool is_plain(const op_case *c) {
  for (int k = 0; k < c->sample.operands; k++)
    if (c->lay[k] != LAY_DENSE || c->source[k] != k) return false;
  return true;
}

static void check_dtype(op_case *c, ky_dtype real) {
  case_record(c, real, ALL_OPERANDS);
  if (c->sample.operands == 0) case_ask_oracle(c); /* random bits depend on the dtype */
  check_value(c);
  if (!case_differentiable(c)) {
    if (!c->info->differentiable) check_no_gradient(c);
    case_end(c);
    return;
  }
  if (c->sample.operands == 0) { /* a leaf is differentiated itself */
    assert_int_equal(ky_watch(c->t, c->r), KY_OK);
    case_backward(c);
    case_gradient(c, c->r, &c->got);
    case_compare(c, "the gradient", &c->got, &c->cotangent, 0, 0);
    case_end(c);
    return;
  }
  case_backward(c);
  read_gradients(c);
  if (real == KY_F64) {
    check_differences(c);
    for (int k = 0; k < c->sample.operands; k++)
      if (case_is_real(c, k)) nd_copy(&c->grad_f64[k], &c->grad[k]);
  } else {
    for (int k = 0; k < c->sample.operands; k++)
      if (case_is_real(c, k))
        case_compare(c, "the f32 adjoint", &c->grad[k], &c->grad_f64[k], F32_ADJOINT_TOLERANCE,
                     norm_of_gradient(c, k));
  }
  check_memory(c);
  check_accumulation(c);
  case_end(c);
  if (is_plain(c) && c->sample.operands > 1) check_alone(c, real);
}

void check_case(op_case *c) {
  case_draw(c);
  check_dtype(c, KY_F64);
  check_dtype(c, KY_F32);
}

/* ---- examples --------------------------------------------------------------------------- */

/* Compares with a written array, of which a result of rank 0 repeats the first element. */
static void compare_written(op_case *c, const char *what, const nd *got, const double *written,
                            bool spread) {
  nd *want = &c->part;
  nd_shape(want, got->rank, got->dims);
  for (int64_t n = 0; n < want->count; n++) want->at[n] = written[spread ? 0 : n];
  case_compare(c, what, got, want,
               c->sample.real == KY_F32 ? F32_ADJOINT_TOLERANCE : F64_TOLERANCE, 0);
}

static void run_example(op_case *c, const ky_example *e, ky_dtype real, bool spread) {
  for (int k = 0; k < c->sample.operands; k++) {
    nd_shape(&c->x[k], c->sample.shape[k].rank, c->sample.shape[k].dims);
    for (int64_t n = 0; n < c->x[k].count; n++) c->x[k].at[n] = e->x[k][spread ? 0 : n];
  }
  case_record(c, real, ALL_OPERANDS);
  case_value(c, c->r, case_result_dtype(c), &c->got);
  compare_written(c, "the value", &c->got, e->r, spread);
  if (!e->forward_only && case_differentiable(c)) {
    if (ky_backward(c->t, c->r, NULL) != KY_OK)
      case_fail(c, "backward: %s", ky_tape_message(c->t));
    for (int k = 0; k < c->sample.operands; k++) {
      if (!case_is_real(c, k)) continue;
      case_gradient(c, c->v[k], &c->got);
      compare_written(c, "the gradient", &c->got, e->grad[k], spread);
    }
  }
  case_end(c);
}

void check_example(op_case *c, const ky_example *e) {
  run_example(c, e, KY_F64, false);
  if (!e->f64_only) run_example(c, e, KY_F32, false);
  if (!c->set->each || c->sample.shape[0].rank != 0) return;
  for (int k = 0; k < c->sample.operands; k++) c->sample.shape[k] = (ky_extents)DIMS(19);
  run_example(c, e, KY_F64, true);
  if (!e->f64_only) run_example(c, e, KY_F32, true);
}
