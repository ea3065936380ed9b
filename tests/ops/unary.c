/* SPDX-License-Identifier: MIT */
/* Samples of the unary elementwise operations: an oracle in one line, a domain in which it is
 * smooth, and examples where it is not. */
#include "samples.h"

#include <tgmath.h>

#include "close.h"

const ky_extents unary_shapes[UNARY_SHAPES][KY_OPERANDS] = {
    {{0}}, {DIMS(2, 3, 4)}, {DIMS(37)}, {DIMS(1)}, {DIMS(0)}, {DIMS(2, 0, 3)}, {DIMS(3, 1, 5)},
};

static const ky_sample plain[] = {{.operands = 1}};

#define ANYWHERE -3, 3, UNIFORM, 0
#define SMOOTH   -3, 3, UNIFORM, 0.05 /* away from kinks */
#define POSITIVE 0.3, 3, UNIFORM, 0
#define INTEGERS -2, 2, INTEGER, 0

#define PARAMETERS(type)                                                                       \
  const type a = x[0], s = (type)sample->s[0], u = (type)sample->s[1];                         \
  (void)a, (void)s, (void)u;
#define ORACLE(name, expression) ORACLES(name, expression, PARAMETERS)

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
                                     .exact = exact_##name,                                    \
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
UNARY(relu, a <= 0 ? 0 : a, SMOOTH, AT(0, 0, 0), AT(1e-30, 1e-30, 1), AT(-INFINITY, 0, 0),
      ONLY(NAN, NAN))
UNARY(softplus, fmax(a, 0) + log1p(exp(-fabs(a))), ANYWHERE, AT(0, 0.6931471805599453, 0.5),
      AT(1000, 1000, 1), AT(-1000, 0, 0), ONLY(-80, 1.8048513878454153e-35), ONLY(NAN, NAN))

/* ---- functions of libm and their kin ---------------------------------------------------- */

#define INSIDE      -0.8, 0.8, UNIFORM, 0
#define ABOVE_1     1.2, 3, UNIFORM, 0
#define FRACTION    0.1, 0.9, UNIFORM, 0 /* between two integers */
#define INSIDE_HALF -0.4, 0.4, UNIFORM, 0

UNARY(asin, asin(a), INSIDE, AT(0.5, 0.5235987755982989, 1.1547005383792515),
      AT(1, 1.5707963267948966, INFINITY), AT(-1, -1.5707963267948966, INFINITY),
      AT(1e-30, 1e-30, 1), ONLY(2, NAN), ONLY(NAN, NAN))
UNARY(acos, acos(a), INSIDE, AT(0.5, 1.0471975511965977, -1.1547005383792515),
      AT(1, 0, -INFINITY), AT(-1, 3.141592653589793, -INFINITY), ONLY(-2, NAN))
UNARY(atan, atan(a), ANYWHERE, AT(1, 0.7853981633974483, 0.5),
      AT(INFINITY, 1.5707963267948966, 0), AT(-INFINITY, -1.5707963267948966, 0),
      AT(1e-30, 1e-30, 1), ONLY(NAN, NAN))
UNARY(sinh, sinh(a), ANYWHERE, AT(0, 0, 1), AT(1, 1.1752011936438014, 1.5430806348152437),
      AT(1e-30, 1e-30, 1), AT(-INFINITY, -INFINITY, INFINITY), ONLY(1000, INFINITY))
UNARY(cosh, cosh(a), ANYWHERE, AT(0, 1, 0), AT(1, 1.5430806348152437, 1.1752011936438014),
      AT(-INFINITY, INFINITY, -INFINITY), ONLY(1000, INFINITY), ONLY(NAN, NAN))
UNARY(asinh, asinh(a), ANYWHERE, AT(0, 0, 1), AT(1e-30, 1e-30, 1),
      AT(0x1p100, 70.007865236554476, 0x1p-100), AT(-INFINITY, -INFINITY, 0), ONLY(NAN, NAN))
UNARY(acosh, acosh(a), ABOVE_1, AT(1, 0, INFINITY),
      AT(2, 1.3169578969248166, 0.5773502691896258), AT(0x1p100, 70.007865236554476, 0x1p-100),
      AT(INFINITY, INFINITY, 0), ONLY(0.5, NAN))
UNARY(atanh, atanh(a), INSIDE, AT(0.5, 0.5493061443340549, 1.3333333333333333),
      AT(1e-30, 1e-30, 1), AT(1, INFINITY, INFINITY), AT(-1, -INFINITY, INFINITY), ONLY(2, NAN))
UNARY(tan, tan(a), INSIDE, AT(0, 0, 1), AT(1, 1.5574077246549023, 3.425518820814759),
      AT(1e-30, 1e-30, 1), ONLY(INFINITY, NAN))
UNARY(exp2, exp2(a), ANYWHERE, AT(3, 8, 5.545177444479562), AT(-2000, 0, 0),
      ONLY(2000, INFINITY), ONLY(NAN, NAN))
UNARY(log2, log2(a), POSITIVE, AT(8, 3, 0.18033688011112042), ONLY(0, -INFINITY), ONLY(-1, NAN),
      AT(INFINITY, INFINITY, 0))
UNARY(log10, log10(a), POSITIVE, AT(1000, 3, 0.00043429448190325183), ONLY(0, -INFINITY),
      ONLY(-1, NAN), AT(INFINITY, INFINITY, 0))
UNARY(erf, erf(a), ANYWHERE, AT(0, 0, 1.1283791670955126),
      AT(1, 0.8427007929497149, 0.4151074974205947), AT(INFINITY, 1, 0), AT(-1000, -1, 0),
      ONLY(NAN, NAN))
UNARY(erfc, erfc(a), INSIDE, AT(0, 1, -1.1283791670955126),
      AT(4, 1.5417257900280019e-8, -1.2698234671866558e-7), AT(INFINITY, 0, 0), AT(-1000, 2, 0))
UNARY(floor, floor(a), FRACTION, AT(-2.5, -3, 0), AT(2, 2, 0), AT(-INFINITY, -INFINITY, 0),
      AT(0x1p100, 0x1p100, 0), ONLY(NAN, NAN))
UNARY(ceil, ceil(a), FRACTION, AT(-2.5, -2, 0), AT(2, 2, 0), AT(INFINITY, INFINITY, 0))
UNARY(round, rint(a), INSIDE_HALF, AT(0.5, 0, 0), AT(1.5, 2, 0), AT(2.5, 2, 0), AT(-3.5, -4, 0),
      AT(2.75, 3, 0), AT(-INFINITY, -INFINITY, 0))
UNARY(trunc, trunc(a), FRACTION, AT(-2.5, -2, 0), AT(2.5, 2, 0), AT(INFINITY, INFINITY, 0))
UNARY(logsigmoid, fmin(a, 0) - log1p(exp(-fabs(a))), ANYWHERE, AT(0, -0.6931471805599453, 0.5),
      AT(-80, -80, 1), AT(1000, 0, 0), AT(-1000, -1000, 1), AT(-INFINITY, -INFINITY, 1),
      ONLY(80, -1.8048513878454153e-35), ONLY(NAN, NAN))

/* ---- the gamma function ------------------------------------------------------------------ */

/* Derivative number `order` of ln Gamma at a > 0: steps to 60 and more, then the asymptotic
 * series with the Bernoulli numbers. */
static long double polygamma(int order, long double a) {
  static const long double bernoulli[] = {1 / 6.0L, -1 / 30.0L, 1 / 42.0L, -1 / 30.0L,
                                          5 / 66.0L};
  long double z = a, sum = 0;
  for (; z < 60; z++) sum += order == 1 ? -1 / z : order == 2 ? 1 / (z * z) : -2 / (z * z * z);
  const long double power[] = {0, 1, 1 / z, -1 / (z * z)};
  sum += order == 1 ? logl(z) - 1 / (2 * z) : power[order] * (1 + (order == 2 ? 0.5L : 1) / z);
  for (int k = 0; k < 5; k++) {
    const int n = 2 * (k + 1);
    const long double term = bernoulli[k] * powl(z, -n);
    sum += order == 1 ? -term / n : order == 2 ? term / z : -(n + 1) * term / (z * z);
  }
  return sum;
}

#define FAR_FROM_ZEROS 2.5, 6, UNIFORM, 0

UNARY(lgamma, lgamma(a), FAR_FROM_ZEROS, AT(0.5, 0.5723649429247001, -1.9635100260214235),
      AT(1, 0, -0.5772156649015329), AT(-1.5, 0.860047015376481, 0.7031566406452432),
      AT(16384, 142603.39460147356, 9.70403000995067), AT(0, INFINITY, -INFINITY),
      AT(-1, INFINITY, NAN), ONLY(-INFINITY, INFINITY), AT(INFINITY, INFINITY, INFINITY),
      ONLY(NAN, NAN))
UNARY(digamma, polygamma(1, a), FAR_FROM_ZEROS, AT(1, -0.5772156649015329, 1.6449340668482264),
      AT(-1.5, 0.7031566406452432, 9.379246644989124),
      AT(-0.25, 2.914139120213528, 18.54187964767161),
      AT(9.5, 2.1977378764029495, 0.11099728846909903),
      AT(16384, 9.70403000995067, 6.103701893304484e-5),
      AT(0x1p-40, -1099511627776.5772, 1.2089258196146292e24), AT(0, -INFINITY, INFINITY),
      AT(-0.0, INFINITY, INFINITY), AT(-1, NAN, INFINITY), AT(-64, NAN, INFINITY),
      AT(INFINITY, INFINITY, 0), ONLY(-INFINITY, NAN), ONLY(NAN, NAN))
UNARY(trigamma, polygamma(2, a), POSITIVE, AT(1, 1.6449340668482264, -2.4041138063191886),
      ONLY(-1.5, 9.379246644989124), AT(-0.25, 18.54187964767161, 122.69736678366236),
      AT(9.5, 0.11099728846909903, -0.012307845807709338),
      AT(16384, 6.103701893304484e-5, -3.725517679076251e-9), ONLY(0, INFINITY),
      ONLY(-3, INFINITY), AT(INFINITY, 0, 0), ONLY(-INFINITY, NAN), ONLY(NAN, NAN))

/* ---- activations without scalars --------------------------------------------------------- */

#define CENTRE        -2, 3, UNIFORM, 0 /* where a tail does not magnify the rounding of x */
#define UNBENT        -2.9, 2.9, UNIFORM, 0 /* between the kinks at -3 and 3 */
#define UNBENT_CENTRE -1.5, 1.5, UNIFORM, 0
#define SELU(x)       (1.05070098735548049342L * (x))
#define SELU_A        1.67326324235437728482L
#define PHI(x)        (erfc(-(x) / sqrt(2.0L)) / 2)
#define CUBIC(x)      (sqrt(2 / acos(-1.0L)) * ((x) + 0.044715L * (x) * (x) * (x)))

UNARY(selu, SELU(a > 0 ? a : SELU_A * expm1(a)), SMOOTH, AT(0, 0, 1.7580993408473769),
      AT(1, 1.0507009873554805, 1.0507009873554805),
      AT(-1, -1.1113307378125628, 0.6467686030348141), AT(-INFINITY, -1.7580993408473769, 0),
      AT(INFINITY, INFINITY, 1.0507009873554805), ONLY(NAN, NAN))
UNARY(gelu, a *PHI(a), CENTRE, AT(0, 0, 0.5), AT(1, 0.8413447460685429, 1.0833154705876863),
      AT(-4, -0.00012668496733247968, -0.0005036496612264215), AT(100, 100, 1), AT(-100, 0, 0),
      ONLY(INFINITY, INFINITY), ONLY(-INFINITY, NAN), ONLY(NAN, NAN))
UNARY(gelu_tanh, a / (1 + exp(-2 * CUBIC(a))), CENTRE, AT(0, 0, 0.5),
      AT(1, 0.8411919906082768, 1.0829640838457826), AT(100, 100, 1), AT(-100, 0, 0),
      AT(0x1p100, 0x1p100, 1), ONLY(INFINITY, INFINITY), ONLY(-INFINITY, NAN), ONLY(NAN, NAN))
UNARY(silu, a / (1 + exp(-a)), ANYWHERE, AT(0, 0, 0.5),
      AT(1, 0.7310585786300049, 0.9276705118714869), AT(1000, 1000, 1), AT(-1000, 0, 0),
      AT(-40, -1.6993417021166355e-16, -1.6568581595637197e-16), ONLY(INFINITY, INFINITY),
      ONLY(-INFINITY, NAN), ONLY(NAN, NAN))
UNARY(mish, a *tanh(log1p(exp(a))), ANYWHERE, AT(0, 0, 0.6),
      AT(1, 0.8650983882673103, 1.0490362200997922), AT(19, 19, 1), AT(0x1p100, 0x1p100, 1),
      AT(-40, -1.6993417021166245e-16, -1.6568581595637197e-16), AT(-1000, 0, 0),
      ONLY(-INFINITY, NAN), ONLY(NAN, NAN))
UNARY(hardsigmoid,
      a <= -3  ? 0
      : a >= 3 ? 1
               : (a + 3) / 6,
      UNBENT, AT(-3, 0, 0), AT(3, 1, 0), AT(0, 0.5, 1.0 / 6), AT(-INFINITY, 0, 0),
      AT(INFINITY, 1, 0), ONLY(NAN, NAN))
UNARY(hardswish, a *fmin(fmax(a + 3, 0), 6) / 6, UNBENT_CENTRE, AT(-3, 0, -0.5), AT(3, 3, 1),
      AT(0, 0, 0.5), AT(-4, 0, 0), AT(4, 4, 1), ONLY(INFINITY, INFINITY), ONLY(NAN, NAN))
UNARY(softsign, a / (1 + fabs(a)), SMOOTH, AT(0, 0, 1), AT(-1, -0.5, 0.25), AT(1e-30, 1e-30, 1),
      ONLY(INFINITY, NAN), ONLY(NAN, NAN))

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
                                              .exact = exact_##name##_scalar,                  \
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
UNARY_SCALAR(maximum, a > s || isnan(a) ? a : s, SMOOTH, AT_S(1, 1, 1, 0.5), AT_S(1, 2, 2, 1),
             AT_S(1, -INFINITY, 1, 0), AT_S(1, NAN, NAN, 1))
UNARY_SCALAR(minimum, a < s || isnan(a) ? a : s, SMOOTH, AT_S(1, 1, 1, 0.5), AT_S(1, 2, 1, 0),
             AT_S(1, -INFINITY, -INFINITY, 1), AT_S(1, NAN, NAN, 1))

/* ---- activations with a scalar ----------------------------------------------------------- */

#define ACTIVATION(name, expression, ...)                                                      \
  ORACLE(name, expression)                                                                     \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    return ky_##name(t, x[0], s->s[0]);                                                        \
  }                                                                                            \
  static const ky_sample samples_of_##name[] = {WITH(0.25), WITH(-1.5), WITH(1)};              \
  static const ky_example examples_##name[] = {__VA_ARGS__};                                   \
  const ky_samples samples_##name = {.operands = 1,                                            \
                                     .domain = {{SMOOTH}},                                     \
                                     .each = oracle_##name,                                    \
                                     .exact = exact_##name,                                    \
                                     .record = record_##name,                                  \
                                     .shapes = unary_shapes,                                   \
                                     .shape_count = UNARY_SHAPES,                              \
                                     LIST(sample, samples_of_##name),                          \
                                     LIST(example, examples_##name)};

ACTIVATION(leaky_relu, a > 0 ? a : a * s, AT_S(0.25, 0, 0, 0.25), AT_S(0.25, -4, -1, 0.25),
           AT_S(0.25, 4, 4, 1), AT_S(0.25, -INFINITY, -INFINITY, 0.25),
           {.x = {{NAN}}, .r = {NAN}, .forward_only = true})
ACTIVATION(elu, a > 0 ? a : s * expm1(a), AT_S(0.5, 0, 0, 0.5),
           AT_S(0.5, -1, -0.31606027941427884, 0.18393972058572116), AT_S(0.5, 4, 4, 1),
           AT_S(0.5, -INFINITY, -0.5, 0), AT_S(0.5, 1000, 1000, 1),
           AT_S(0.5, -1e-30, -5e-31, 0.5), {.x = {{NAN}}, .r = {NAN}, .forward_only = true})

/* min(max(a, s), u), where NaN stays NaN. */
#define HELD (a < s && s <= u ? s : a < s || a > u ? u : a)

ORACLE(clamp, HELD)

static ky_var record_clamp(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_clamp(t, x[0], s->s[0], s->s[1]);
}

static const ky_sample samples_of_clamp[] = {WITH(-1, 1.5), WITH(0, 0), WITH(-INFINITY, 1),
                                             WITH(-1, INFINITY), WITH(1, -1)};

/* clang-format off */
#define CLAMPED(x0, value, slope)                                                              \
  {.sample.s = {-1, 1}, .x = {{x0}}, .r = {value}, .grad = {{slope}}}
/* clang-format on */
static const ky_example examples_clamp[] = {
    CLAMPED(-1, -1, 1),
    CLAMPED(1, 1, 1),
    CLAMPED(INFINITY, 1, 0),
    {.sample.s = {-1, 1}, .x = {{NAN}}, .r = {NAN}, .forward_only = true},
    {.sample.s = {1, 0}, .x = {{-3}}, .r = {0}, .grad = {{0}}},
};

const ky_samples samples_clamp = {.operands = 1,
                                  .domain = {{SMOOTH}},
                                  .each = oracle_clamp,
                                  .exact = exact_clamp,
                                  .record = record_clamp,
                                  .shapes = unary_shapes,
                                  .shape_count = UNARY_SHAPES,
                                  LIST(sample, samples_of_clamp),
                                  LIST(example, examples_clamp)};

ORACLE(hardtanh, HELD)

static ky_var record_hardtanh(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_hardtanh(t, x[0], s->s[0], s->s[1]);
}

static const ky_sample samples_of_hardtanh[] = {WITH(-1, 1.5), WITH(0, 6), WITH(-INFINITY, 1),
                                                WITH(1, -1)};

static const ky_example examples_hardtanh[] = {
    CLAMPED(-1, -1, 0),   CLAMPED(1, 1, 0),
    CLAMPED(0.5, 0.5, 1), CLAMPED(-INFINITY, -1, 0),
    CLAMPED(NAN, NAN, 0), {.sample.s = {1, 0}, .x = {{-3}}, .r = {0}, .grad = {{0}}},
};

const ky_samples samples_hardtanh = {.operands = 1,
                                     .domain = {{SMOOTH}},
                                     .each = oracle_hardtanh,
                                     .exact = exact_hardtanh,
                                     .record = record_hardtanh,
                                     .shapes = unary_shapes,
                                     .shape_count = UNARY_SHAPES,
                                     LIST(sample, samples_of_hardtanh),
                                     LIST(example, examples_hardtanh)};

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
                                              .exact = exact_##name##_scalar,                  \
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
