/* SPDX-License-Identifier: MIT */
/* Samples of the unary elementwise operations: an oracle in one line, a domain in which it is
 * smooth, and examples where it is not. */
#include "samples.h"

#include "close.h"

const ky_extents unary_shapes[UNARY_SHAPES][KY_OPERANDS] = {
    {{0}}, {DIMS(2, 3, 4)}, {DIMS(37)}, {DIMS(1)}, {DIMS(0)}, {DIMS(2, 0, 3)}, {DIMS(3, 1, 5)},
};

static const ky_sample plain[] = {{.operands = 1}};

#define ANYWHERE -3, 3, UNIFORM, 0
#define SMOOTH   -3, 3, UNIFORM, 0.05 /* away from kinks */
#define POSITIVE 0.3, 3, UNIFORM, 0
#define INTEGERS -2, 2, INTEGER, 0

#define ORACLE(name, expression)                                                               \
  static double oracle_##name(const double *x, const ky_sample *sample) {                      \
    const double a = x[0], s = sample->s[0], u = sample->s[1];                                 \
    (void)a, (void)s, (void)u;                                                                 \
    return expression;                                                                         \
  }

/* ---- without scalars -------------------------------------------------------------------- */

/* A written value of f and f' at x. */
/* clang-format off */
#define AT(x0, value, slope) {.x = {{x0}}, .r = {value}, .grad = {{slope}}}
#define ONLY(x0, value)      {.x = {{x0}}, .r = {value}, .forward_only = true}
/* clang-format on */

#define UNARY(name, expression, where, ...)                                                    \
  ORACLE(name, expression)                                                                     \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    (void)s;                                                                                   \
    return ky_##name(t, x[0]);                                                                 \
  }                                                                                            \
  static const ky_example examples_##name[] = {__VA_ARGS__};                                   \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{where}},                                      \
                                     .each = oracle_##name,                                    \
                                     .record = record_##name,                                  \
                                     .shapes = unary_shapes,                                   \
                                     .shape_count = UNARY_SHAPES,                              \
                                     LIST(sample, plain),                                      \
                                     LIST(example, examples_##name)};

UNARY(neg, -a, ANYWHERE, AT(0, 0, -1), ONLY(INFINITY, -INFINITY), ONLY(NAN, NAN))
UNARY(abs, fabs(a), SMOOTH, AT(0, 0, 0), AT(-INFINITY, INFINITY, -1), ONLY(NAN, NAN))
UNARY(sign, (a > 0) - (a < 0), SMOOTH, AT(0, 0, 0), AT(1e-30, 1, 0), AT(-INFINITY, -1, 0))
UNARY(square, (a * a), ANYWHERE, AT(0, 0, 0), ONLY(-INFINITY, INFINITY), ONLY(NAN, NAN))
UNARY(sqrt, sqrt(a), POSITIVE, AT(4, 2, 0.25), AT(0, 0, INFINITY), ONLY(-1, NAN))
UNARY(rsqrt, 1 / sqrt(a), POSITIVE, AT(4, 0.5, -0.0625), ONLY(0, INFINITY), ONLY(-1, NAN))
UNARY(recip, 1 / a, POSITIVE, AT(-2, -0.5, -0.25), ONLY(0, INFINITY), ONLY(INFINITY, 0))
UNARY(exp, exp(a), ANYWHERE, AT(0, 1, 1), AT(-1000, 0, 0), ONLY(1000, INFINITY), ONLY(NAN, NAN))
UNARY(expm1, expm1(a), ANYWHERE, AT(0, 0, 1), AT(1e-30, 1e-30, 1), AT(-1000, -1, 0),
      ONLY(1000, INFINITY))
UNARY(log, log(a), POSITIVE, AT(1, 0, 1), ONLY(0, -INFINITY), ONLY(-1, NAN),
      ONLY(INFINITY, INFINITY))
UNARY(log1p, log1p(a), POSITIVE, AT(0, 0, 1), AT(1e-30, 1e-30, 1), ONLY(-1, -INFINITY),
      ONLY(-2, NAN))
UNARY(sin, sin(a), ANYWHERE, AT(0, 0, 1), ONLY(INFINITY, NAN), ONLY(65536, 0.6920654538227232))
UNARY(cos, cos(a), ANYWHERE, AT(0, 1, 0), ONLY(INFINITY, NAN), ONLY(65536, -0.7218347509126642))
UNARY(tanh, tanh(a), ANYWHERE, AT(0, 0, 1), AT(1000, 1, 0), AT(-1000, -1, 0),
      ONLY(1e-30, 1e-30), ONLY(NAN, NAN))
UNARY(sigmoid, 1 / (1 + exp(-a)), ANYWHERE, AT(0, 0.5, 0.25), AT(1000, 1, 0), AT(-1000, 0, 0),
      ONLY(-80, 1.8048513878454153e-35), ONLY(-INFINITY, 0), ONLY(INFINITY, 1), ONLY(NAN, NAN))
UNARY(relu, a > 0 ? a : 0, SMOOTH, AT(0, 0, 0), AT(1e-30, 1e-30, 1), AT(-INFINITY, 0, 0),
      ONLY(NAN, NAN))
UNARY(softplus, log(1 + exp(a)), ANYWHERE, AT(0, 0.6931471805599453, 0.5), AT(1000, 1000, 1),
      AT(-1000, 0, 0), ONLY(-80, 1.8048513878454153e-35), ONLY(NAN, NAN))

/* ---- with scalars ----------------------------------------------------------------------- */

/* clang-format off */
#define WITH(...) {.s = {__VA_ARGS__}}
#define AT_S(s0, x0, value, slope)                                                             \
  {.sample.s = {s0}, .x = {{x0}}, .r = {value}, .grad = {{slope}}}
/* clang-format on */

#define UNARY_SCALAR(name, expression, where, ...)                                             \
  ORACLE(name##_scalar, expression)                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name##_scalar(t, x[0], s->s[0]);                                               \
  }                                                                                            \
  static const ky_sample scalars_##name[] = {WITH(0.75), WITH(-1.5), WITH(2)};                 \
  static const ky_example examples_##name##_scalar[] = {__VA_ARGS__};                          \
  const ky_samples samples_##name##_scalar = {.operands = 1,                                   \
                                              .domain = {{where}},                             \
                                              .each = oracle_##name##_scalar,                  \
                                              .record = record_##name,                         \
                                              .shapes = unary_shapes,                          \
                                              .shape_count = UNARY_SHAPES,                     \
                                              LIST(sample, scalars_##name),                    \
                                              LIST(example, examples_##name##_scalar)};

UNARY_SCALAR(add, a + s, ANYWHERE, AT_S(0, 1, 1, 1))
UNARY_SCALAR(mul, (a * s), ANYWHERE, AT_S(0, 3, 0, 0))
UNARY_SCALAR(div, a / s, ANYWHERE, AT_S(0, 3, INFINITY, INFINITY))
UNARY_SCALAR(rsub, s - a, ANYWHERE, AT_S(0, 3, -3, -1))
UNARY_SCALAR(rdiv, s / a, POSITIVE, AT_S(0, 2, 0, 0), AT_S(3, -2, -1.5, -0.75))
UNARY_SCALAR(pow, pow(a, s), POSITIVE, AT_S(0, 0, 1, 0), AT_S(1, 0, 0, 1), AT_S(2, 0, 0, 0),
             AT_S(3, -2, -8, 12), AT_S(0.5, 4, 2, 0.25), AT_S(-1, -2, -0.5, -0.25))
UNARY_SCALAR(maximum, a > s ? a : s, SMOOTH, AT_S(1, 1, 1, 0.5), AT_S(1, 2, 2, 1),
             AT_S(1, -INFINITY, 1, 0), {.x = {{NAN}}, .r = {NAN}, .forward_only = true})
UNARY_SCALAR(minimum, a < s ? a : s, SMOOTH, AT_S(1, 1, 1, 0.5), AT_S(1, 2, 1, 0),
             AT_S(1, -INFINITY, -INFINITY, 1), {.x = {{NAN}}, .r = {NAN}, .forward_only = true})

ORACLE(clamp, a<s ? s : a> u ? u : a)

static ky_var record_clamp(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_clamp(t, x[0], s->s[0], s->s[1]);
}

static const ky_sample samples_of_clamp[] = {WITH(-1, 1.5), WITH(0, 0), WITH(-INFINITY, 1),
                                             WITH(-1, INFINITY)};

/* clang-format off */
#define CLAMPED(x0, value, slope)                                                              \
  {.sample.s = {-1, 1}, .x = {{x0}}, .r = {value}, .grad = {{slope}}}
/* clang-format on */
static const ky_example examples_clamp[] = {
    CLAMPED(-1, -1, 1),
    CLAMPED(1, 1, 1),
    CLAMPED(INFINITY, 1, 0),
    {.sample.s = {-1, 1}, .x = {{NAN}}, .r = {NAN}, .forward_only = true},
};

const ky_samples samples_clamp = {.operands = 1,
                                  .domain = {{SMOOTH}},
                                  .each = oracle_clamp,
                                  .record = record_clamp,
                                  .shapes = unary_shapes,
                                  .shape_count = UNARY_SHAPES,
                                  LIST(sample, samples_of_clamp),
                                  LIST(example, examples_clamp)};

/* ---- comparisons with a scalar ---------------------------------------------------------- */

static const ky_sample tests[] = {
    WITH(1),
    WITH(0.5),
    {.kind = {INT32}, .s = {1}},
    {.kind = {INT32}, .s = {0.5}},
    {.kind = {INT64}, .s = {-1}},
    {.kind = {MASK}, .s = {1}},
};

#define TEST_SCALAR(name, expression, of_nan, of_equals, extra)                                \
  ORACLE(name##_scalar, expression)                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name##_scalar(t, x[0], s->s[0]);                                               \
  }                                                                                            \
  static const ky_example examples_##name##_scalar[] = {                                       \
      {.x = {{NAN}}, .r = {of_nan}},                                                           \
      {.sample.s = {INFINITY}, .x = {{INFINITY}}, .r = {of_equals}},                           \
  };                                                                                           \
  const ky_samples samples_##name##_scalar = {.operands = 1,                                   \
                                              .domain = {{INTEGERS}},                          \
                                              .result = IS_MASK,                               \
                                              .any_dtype = true,                               \
                                              .each = oracle_##name##_scalar,                  \
                                              .record = record_##name,                         \
                                              .shapes = unary_shapes,                          \
                                              .shape_count = UNARY_SHAPES,                     \
                                              LIST(sample, tests),                             \
                                              LIST(example, examples_##name##_scalar),         \
                                              .also = extra};

/* The scalar is rounded to the dtype of x before it is compared. */
static void check_rounding(void) {
  const float x = 0.1f;
  ky_tape *t = ky_tape_new(NULL);
  double equal;
  ky_item(t, ky_eq_scalar(t, ky_input(t, KY_F32, KY_SCALAR, &x), 0.1), &equal);
  ky_tape_free(t);
  assert_close(equal, 1, 0);
}

TEST_SCALAR(lt, a < s, 0, 0, NULL)
TEST_SCALAR(le, a <= s, 0, 1, NULL)
TEST_SCALAR(eq, a == s, 0, 1, check_rounding)
TEST_SCALAR(ne, a != s, 1, 0, NULL)
TEST_SCALAR(gt, a > s, 0, 0, NULL)
TEST_SCALAR(ge, a >= s, 0, 1, NULL)
