/* SPDX-License-Identifier: MIT */
/* Elementwise opcodes: those of the formulas' tables, comparisons, masks. */
#include "opcodes/opcode.h"

#define SMALL 64 /* rows: 64 KiB of f32, beside which a dispatch (see `overhead`) is nothing */
#define LARGE 16384
#define SHAPE KY_SHAPE(n, SCENE_COLUMNS)
#define GIVEN scene_given(s, SHAPE)
#define MASK  scene_mask(s, SHAPE)

/* The formulas that call a function, or else divide or take a root: how often a sweep does so
 * for an element. What is divided beside a call is done while that is under way. */
#define CALLED(X)                                                                              \
  X(exp, WORK(.exp_f32 = ALL), NOTHING)                                                        \
  X(expm1, WORK(.expm1_f32 = ALL), NOTHING)                                                    \
  X(log, WORK(.log_f32 = ALL), WORK(.div_f32 = ALL))                                           \
  X(log1p, WORK(.log1p_f32 = ALL), WORK(.div_f32 = ALL))                                       \
  X(sin, WORK(.sin_f32 = ALL), WORK(.cos_f32 = ALL))                                           \
  X(cos, WORK(.cos_f32 = ALL), WORK(.sin_f32 = ALL))                                           \
  X(tanh, WORK(.tanh_f32 = ALL), NOTHING)                                                      \
  X(sigmoid, WORK(.exp_f32 = ALL), NOTHING)                                                    \
  X(softplus, WORK(.exp_f32 = ALL, .log1p_f32 = ALL), WORK(.exp_f32 = ALL))                    \
  X(pow_scalar, WORK(.pow_f32 = ALL), WORK(.pow_f32 = ALL))                                    \
  X(asin, WORK(.asin_f32 = ALL), WORK(.sqrt_f32 = ALL, .div_f32 = ALL))                        \
  X(acos, WORK(.acos_f32 = ALL), WORK(.sqrt_f32 = ALL, .div_f32 = ALL))                        \
  X(atan, WORK(.atan_f32 = ALL), WORK(.div_f32 = ALL))                                         \
  X(sinh, WORK(.sinh_f32 = ALL), WORK(.cosh_f32 = ALL))                                        \
  X(cosh, WORK(.cosh_f32 = ALL), WORK(.sinh_f32 = ALL))                                        \
  X(asinh, WORK(.asinh_f32 = ALL), WORK(.hypot_f32 = ALL))                                     \
  X(acosh, WORK(.acosh_f32 = ALL), WORK(.sqrt_f32 = 2 * ALL, .div_f32 = ALL))                  \
  X(atanh, WORK(.atanh_f32 = ALL), WORK(.div_f32 = ALL))                                       \
  X(tan, WORK(.tan_f32 = ALL), NOTHING)                                                        \
  X(exp2, WORK(.exp2_f32 = ALL), NOTHING)                                                      \
  X(log2, WORK(.log2_f32 = ALL), WORK(.div_f32 = ALL))                                         \
  X(log10, WORK(.log10_f32 = ALL), WORK(.div_f32 = ALL))                                       \
  X(erf, WORK(.erf_f32 = ALL), WORK(.exp_f32 = ALL))                                           \
  X(erfc, WORK(.erfc_f32 = ALL), WORK(.exp_f32 = ALL))                                         \
  X(lgamma, WORK(.lgamma_f32 = ALL), WORK(.digamma_f32 = ALL))                                 \
  X(digamma, WORK(.digamma_f32 = ALL), WORK(.trigamma_f32 = ALL))                              \
  X(trigamma, WORK(.trigamma_f32 = ALL), WORK(.tetragamma_f32 = ALL))                          \
  X(logsigmoid, WORK(.exp_f32 = ALL, .log1p_f32 = ALL), WORK(.exp_f32 = ALL))                  \
  X(elu, WORK(.expm1_f32 = ALL), WORK(.exp_f32 = ALL))                                         \
  X(selu, WORK(.expm1_f32 = ALL), WORK(.exp_f32 = ALL))                                        \
  X(gelu, WORK(.erfc_f32 = ALL), WORK(.erfc_f32 = ALL, .exp_f32 = ALL))                        \
  X(gelu_tanh, WORK(.exp_f32 = ALL), WORK(.exp_f32 = ALL))                                     \
  X(silu, WORK(.exp_f32 = ALL), WORK(.exp_f32 = ALL))                                          \
  X(mish, WORK(.exp_f32 = ALL), WORK(.exp_f32 = ALL))                                          \
  X(pow, WORK(.pow_f32 = ALL), WORK(.pow_f32 = ALL, .log_f32 = ALL))                           \
  X(atan2, WORK(.atan2_f32 = ALL), WORK(.div_f32 = 4 * ALL))                                   \
  X(hypot, WORK(.hypot_f32 = ALL), WORK(.div_f32 = 2 * ALL))                                   \
  X(logaddexp, WORK(.exp_f32 = ALL, .log1p_f32 = ALL), WORK(.exp_f32 = 2 * ALL))               \
  X(sqrt, WORK(.sqrt_f32 = ALL), WORK(.div_f32 = ALL))                                         \
  X(rsqrt, WORK(.sqrt_f32 = ALL, .div_f32 = ALL), NOTHING)                                     \
  X(recip, WORK(.div_f32 = ALL), NOTHING)                                                      \
  X(div, WORK(.div_f32 = ALL), WORK(.div_f32 = 2 * ALL))                                       \
  X(div_scalar, WORK(.div_f32 = ALL), WORK(.div_f32 = ALL))                                    \
  X(rdiv_scalar, WORK(.div_f32 = ALL), WORK(.div_f32 = 2 * ALL))                               \
  X(hardsigmoid, WORK(.div_f32 = ALL), WORK(.div_f32 = ALL))                                   \
  X(hardswish, WORK(.div_f32 = ALL), WORK(.div_f32 = ALL))                                     \
  X(softsign, WORK(.div_f32 = ALL), WORK(.div_f32 = ALL))                                      \
  X(fmod, WORK(.fmod_f32 = ALL), WORK(.div_f32 = ALL))

static void say_calls(scene *s, ky_op op, double m) {
  switch ((int)op) {
#define X(name, forth, back)                                                                   \
  case KY_OP_##name: s->forward = forth, s->reverse = back; break;
    CALLED(X)
#undef X
  default: break;
  }
}

/* The arc hyperbolic cosine begins at one. */
static ky_var operand(scene *s, ky_op op, int64_t n) {
  return op == KY_OP_acosh ? scene_between(s, 1.05, 1.95, SHAPE) : GIVEN;
}

#define CALL_0(name) ky_##name(s->t, operand(s, KY_OP_##name, n))
#define CALL_1(name) ky_##name(s->t, operand(s, KY_OP_##name, n), 0.5)
#define CALL_2(name) ky_##name(s->t, operand(s, KY_OP_##name, n), 0.25, 0.75)
#define RECORD(name, call)                                                                     \
  static ky_var record_##name(scene *s, int64_t n) {                                           \
    say_calls(s, KY_OP_##name, (double)n);                                                     \
    return call;                                                                               \
  }
#define UNARY(name, given, ...) RECORD(name, CALL_##given(name))
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...) RECORD(name, ky_##name(s->t, GIVEN, GIVEN))
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...) RECORD(name, ky_##name(s->t, GIVEN, GIVEN, GIVEN))
#include "kernels/ternary.def"
#undef TERNARY

#define PREDICATES(X)                                                                          \
  X(isfinite, ky_isfinite(s->t, GIVEN))                                                        \
  X(lt_scalar, ky_lt_scalar(s->t, GIVEN, 0.5))                                                 \
  X(le_scalar, ky_le_scalar(s->t, GIVEN, 0.5))                                                 \
  X(eq_scalar, ky_eq_scalar(s->t, GIVEN, 0.5))                                                 \
  X(ne_scalar, ky_ne_scalar(s->t, GIVEN, 0.5))                                                 \
  X(gt_scalar, ky_gt_scalar(s->t, GIVEN, 0.5))                                                 \
  X(ge_scalar, ky_ge_scalar(s->t, GIVEN, 0.5))                                                 \
  X(lt, ky_lt(s->t, GIVEN, GIVEN))                                                             \
  X(le, ky_le(s->t, GIVEN, GIVEN))                                                             \
  X(eq, ky_eq(s->t, GIVEN, GIVEN))                                                             \
  X(ne, ky_ne(s->t, GIVEN, GIVEN))                                                             \
  X(gt, ky_gt(s->t, GIVEN, GIVEN))                                                             \
  X(ge, ky_ge(s->t, GIVEN, GIVEN))                                                             \
  X(logical_and, ky_logical_and(s->t, MASK, MASK))                                             \
  X(logical_or, ky_logical_or(s->t, MASK, MASK))                                               \
  X(logical_not, ky_logical_not(s->t, MASK))                                                   \
  X(where, ky_where(s->t, MASK, GIVEN, GIVEN))                                                 \
  X(cast, ky_cast(s->t, GIVEN, KY_F64))
PREDICATES(RECORD)

#define CASE(name, call) {KY_OP_##name, SMALL, LARGE, record_##name},
static const opcode_case cases[] = {
#define UNARY(name, ...) CASE(name, 0)
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...) CASE(name, 0)
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...) CASE(name, 0)
#include "kernels/ternary.def"
#undef TERNARY
    PREDICATES(CASE)};

const opcode_family opcodes_elementwise = {sizeof cases / sizeof *cases, cases};
