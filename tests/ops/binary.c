/* SPDX-License-Identifier: MIT */
/* Samples of the binary elementwise operations and of where: oracles in one line, and the ways
 * in which shapes broadcast. */
#include "samples.h"

#include <tgmath.h>

const ky_extents binary_shapes[BINARY_SHAPES][KY_OPERANDS] = {
    {{0}, {0}},
    {DIMS(3, 4), DIMS(3, 4)},
    {DIMS(2, 3, 4), DIMS(4)}, /* a row */
    {DIMS(4), DIMS(2, 3, 4)},
    {DIMS(2, 3, 4), DIMS(3, 1)}, /* a column */
    {DIMS(3, 1), DIMS(1, 4)},    /* both stretched */
    {DIMS(2, 1, 4), DIMS(1, 3, 1)},
    {DIMS(3, 4), {0}},
    {{0}, DIMS(5)},
    {DIMS(37), DIMS(37)},
    {DIMS(37), DIMS(1)},
    {DIMS(1), DIMS(37)},
    {DIMS(1, 1), {0}},
    {DIMS(0, 3), DIMS(3)},
    {DIMS(3, 0), DIMS(1, 1)},
    {DIMS(2, 3, 4, 2), DIMS(3, 1, 2)},
};

static const ky_sample plain[] = {{.operands = 2}};

static const ky_refusal no_broadcast[] = {
    {{.shape = {DIMS(2, 3), DIMS(4)}}, KY_BAD_SHAPE, "[2,3] x [4]: extents 3 and 4"},
    {{.shape = {DIMS(2, 3), DIMS(3, 3)}}, KY_BAD_SHAPE, "[2,3] x [3,3]: extents 2 and 3"},
    {{.shape = {DIMS(0), DIMS(2)}}, KY_BAD_SHAPE, "[0] x [2]: extents 0 and 2"},
};

#define ANYWHERE -3, 3, UNIFORM, 0
#define POSITIVE 0.3, 3, UNIFORM, 0
#define APART    -3, 3, DISTINCT, 0 /* of all others: no ties */
#define INTEGERS -2, 2, INTEGER, 0

#define PARAMETERS(type)                                                                       \
  const type a = x[0], b = x[1];                                                               \
  (void)sample;

#define SAMPLES(name, expression, domain_a, domain_b, ...)                                     \
  ORACLES(name, expression, PARAMETERS)                                                        \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    (void)s;                                                                                   \
    return ky_##name(t, x[0], x[1]);                                                           \
  }                                                                                            \
  const ky_samples samples_##name = {.operands = 2,                                            \
                                     .domain = {{domain_a}, {domain_b}},                       \
                                     .each = oracle_##name,                                    \
                                     .exact = exact_##name,                                    \
                                     .record = record_##name,                                  \
                                     .shapes = binary_shapes,                                  \
                                     .shape_count = BINARY_SHAPES,                             \
                                     LIST(refusal, no_broadcast),                              \
                                     LIST(example, examples_##name),                           \
                                     __VA_ARGS__};

/* ---- arithmetic ------------------------------------------------------------------------- */

/* f(a, b) and its derivatives. */
/* clang-format off */
#define AT(a, b, value, slope_a, slope_b)                                                      \
  {.x = {{a}, {b}}, .r = {value}, .grad = {{slope_a}, {slope_b}}}
#define ONLY(a, b, value) {.x = {{a}, {b}}, .r = {value}, .forward_only = true}
/* clang-format on */

static const ky_example examples_add[] = {AT(1, 2, 3, 1, 1), ONLY(INFINITY, -INFINITY, NAN)};
static const ky_example examples_sub[] = {AT(1, 2, -1, 1, -1), ONLY(INFINITY, INFINITY, NAN)};
static const ky_example examples_mul[] = {AT(3, 2, 6, 2, 3), AT(0, 2, 0, 2, 0),
                                          ONLY(0, INFINITY, NAN)};
static const ky_example examples_div[] = {AT(3, 2, 1.5, 0.5, -0.75), AT(0, 2, 0, 0.5, 0),
                                          ONLY(1, 0, INFINITY), ONLY(0, 0, NAN)};
static const ky_example examples_pow[] = {
    AT(3, 2, 9, 6, 9.887510598012987),
    AT(0, 0, 1, 0, 0), /* 0 ln 0 counts as 0 */
    AT(0, 2, 0, 0, 0),
    AT(0, 0.5, 0, INFINITY, 0),
    AT(5, 0, 1, 0, 1.6094379124341003),
    ONLY(-2, 3, -8),
    ONLY(-2, 0.5, NAN),
};
static const ky_example examples_maximum[] = {AT(2, 2, 2, 0.5, 0.5), AT(1, 2, 2, 0, 1),
                                              AT(2, 1, 2, 1, 0), AT(NAN, 1, NAN, 1, 1),
                                              AT(1, NAN, NAN, 1, 1)};
static const ky_example examples_minimum[] = {AT(2, 2, 2, 0.5, 0.5), AT(1, 2, 1, 1, 0),
                                              AT(2, 1, 1, 0, 1), AT(NAN, 1, NAN, 1, 1),
                                              AT(1, NAN, NAN, 1, 1)};

SAMPLES(add, a + b, ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(sub, a - b, ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(mul, (a * b), ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(div, a / b, ANYWHERE, POSITIVE, LIST(sample, plain))
SAMPLES(pow, pow(a, b), POSITIVE, ANYWHERE, LIST(sample, plain))
SAMPLES(maximum, a > b || isnan(a) ? a : b, APART, APART, LIST(sample, plain))
SAMPLES(minimum, a < b || isnan(a) ? a : b, APART, APART, LIST(sample, plain))

/* ---- functions of libm and their kin ---------------------------------------------------- */

#define AWAY     -3, 3, UNIFORM, 0.05  /* from zero */
#define TWICE    2.1, 2.85, UNIFORM, 0 /* twice and a part of ABOUT_1 */
#define ABOUT_1  0.98, 1.02, UNIFORM, 0
#define FRACTION 0.1, 0.9, UNIFORM, 0

static const ky_example examples_atan2[] = {
    AT(1, 1, 0.7853981633974483, 0.5, -0.5),
    AT(1, -1, 2.356194490192345, -0.5, -0.5),
    AT(0, -1, 3.141592653589793, -1, 0),
    AT(-0.0, -1, -3.141592653589793, -1, 0),
    AT(0x1p100, 0x1p100, 0.7853981633974483, 0x1p-101, -0x1p-101), /* squares overflow f32 */
    AT(0, 0, 0, NAN, NAN),
    ONLY(INFINITY, -INFINITY, 2.356194490192345),
    ONLY(NAN, 1, NAN),
};
static const ky_example examples_hypot[] = {
    AT(3, 4, 5, 0.6, 0.8),
    AT(-3, 4, 5, -0.6, 0.8),
    AT(0, -2, 2, 0, -1),
    AT(0, 0, 0, NAN, NAN),
    ONLY(0x1.8p100, 0x1p101, 0x1.4p101),
    ONLY(INFINITY, NAN, INFINITY),
    ONLY(NAN, 1, NAN),
};
static const ky_example examples_fmod[] = {
    AT(5.5, 2, 1.5, 1, -2), AT(-5.5, 2, -1.5, 1, 2),  AT(5.5, -2, 1.5, 1, 2),
    AT(4, 2, 0, 1, -2),     AT(1, INFINITY, 1, 1, 0), ONLY(1, 0, NAN),
    ONLY(INFINITY, 1, NAN), ONLY(NAN, 1, NAN),
};
static const ky_example examples_copysign[] = {
    AT(2, -3, -2, -1, 0),   AT(-2, -3, -2, 1, 0),  AT(-2, 3, 2, -1, 0),
    AT(2, -0.0, -2, -1, 0), AT(0, -1, -0.0, 0, 0), AT(INFINITY, -1, -INFINITY, -1, 0),
    ONLY(3, -INFINITY, -3),
};
static const ky_example examples_logaddexp[] = {
    AT(1, 2, 2.313261687518223, 0.2689414213699951, 0.7310585786300049),
    AT(0, 0, 0.6931471805599453, 0.5, 0.5),
    AT(1000, 0, 1000, 1, 0),
    AT(-INFINITY, 3, 3, 0, 1),
    AT(-INFINITY, -INFINITY, -INFINITY, 0.5, 0.5),
    AT(INFINITY, INFINITY, INFINITY, 0.5, 0.5),
    ONLY(INFINITY, -INFINITY, INFINITY),
    ONLY(NAN, 1, NAN),
    ONLY(1, NAN, NAN),
};

SAMPLES(atan2, atan2(a, b), POSITIVE, POSITIVE, LIST(sample, plain))
SAMPLES(hypot, hypot(a, b), POSITIVE, POSITIVE, LIST(sample, plain))
SAMPLES(fmod, fmod(a, b), TWICE, ABOUT_1, LIST(sample, plain))
SAMPLES(copysign, copysign(a, b), AWAY, AWAY, LIST(sample, plain))
SAMPLES(logaddexp, fmax(a, b) + log1p(exp(a == b ? 0 : -fabs(a - b))), POSITIVE, POSITIVE,
        LIST(sample, plain))

/* ---- ternary ----------------------------------------------------------------------------- */

static const ky_extents ternary_shapes[][KY_OPERANDS] = {
    {{0}, {0}, {0}},
    {DIMS(3, 4), DIMS(3, 4), DIMS(3, 4)},
    {DIMS(37), DIMS(37), DIMS(37)},
    {DIMS(3, 1), DIMS(4), DIMS(3, 4)},
    {{0}, DIMS(2, 3), DIMS(3)},
    {DIMS(2, 3, 4), {0}, DIMS(3, 1)},
    {DIMS(37), DIMS(37), {0}},
    {DIMS(4), DIMS(2, 1, 4), DIMS(3, 1)},
    {DIMS(0), DIMS(1), DIMS(0)},
    {DIMS(2, 0, 3), DIMS(3), {0}},
};

static const ky_refusal refusals_ternary[] = {
    {{.shape = {DIMS(2), DIMS(3), DIMS(3)}}, KY_BAD_SHAPE, "[2] x [3] x [3]: "},
    {{.shape = {DIMS(2), DIMS(2), DIMS(3)}}, KY_BAD_SHAPE, "extents 2 and 3"},
};

static const ky_sample three[] = {{.operands = 3}};

/* clang-format off */
#define AT3(a, b, c, value, slope_a, slope_b, slope_c)                                         \
  {.x = {{a}, {b}, {c}}, .r = {value}, .grad = {{slope_a}, {slope_b}, {slope_c}}}
/* clang-format on */

static const ky_example examples_fma[] = {
    AT3(2, 3, 4, 10, 3, 2, 1),
    AT3(1 + 0x1p-12, 1 - 0x1p-12, -1, -0x1p-24, 1 - 0x1p-12, 1 + 0x1p-12, 1),
    {.x = {{INFINITY}, {0}, {1}}, .r = {NAN}, .forward_only = true},
};
static const ky_example examples_lerp[] = {
    AT3(2, 6, 0.25, 3, 0.75, 0.25, 4),      AT3(2, 6, 0.75, 5, 0.25, 0.75, 4),
    AT3(0x1p60, 1, 1, 1, 0, 1, 1 - 0x1p60), /* exact at the ends */
    AT3(1, 0x1p60, 0, 1, 1, 0, 0x1p60 - 1), AT3(2, 6, 2, 10, -1, 2, 4),
};

#define THREE_PARAMETERS(type)                                                                 \
  const type a = x[0], b = x[1], c = x[2];                                                     \
  (void)sample;

#define TERNARY(name, expression, ...)                                                         \
  ORACLES(name, expression, THREE_PARAMETERS)                                                  \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    (void)s;                                                                                   \
    return ky_##name(t, x[0], x[1], x[2]);                                                     \
  }                                                                                            \
  const ky_samples samples_##name = {                                                          \
      .operands = 3,                                                                           \
      .domain = {__VA_ARGS__},                                                                 \
      .each = oracle_##name,                                                                   \
      .exact = exact_##name,                                                                   \
      .record = record_##name,                                                                 \
      .shapes = ternary_shapes,                                                                \
      .shape_count = (int)(sizeof ternary_shapes / sizeof *ternary_shapes),                    \
      LIST(sample, three),                                                                     \
      LIST(example, examples_##name),                                                          \
      LIST(refusal, refusals_ternary),                                                         \
  };

TERNARY(fma, (a * b) + c, {POSITIVE}, {POSITIVE}, {POSITIVE})
TERNARY(lerp, a + c * (b - a), {FRACTION}, {POSITIVE}, {FRACTION})

/* ---- comparisons ------------------------------------------------------------------------ */

static const ky_sample kinds[] = {
    {.operands = 2},
    {.kind = {INT32, INT32}},
    {.kind = {INT64, INT64}},
    {.kind = {MASK, MASK}},
};

static const ky_example examples_lt[] = {ONLY(NAN, NAN, 0), ONLY(NAN, 1, 0), ONLY(0, 1, 1)};
static const ky_example examples_le[] = {ONLY(NAN, NAN, 0), ONLY(1, NAN, 0), ONLY(1, 1, 1)};
static const ky_example examples_eq[] = {ONLY(NAN, NAN, 0), ONLY(-0.0, 0, 1), ONLY(0, 1, 0)};
static const ky_example examples_ne[] = {ONLY(NAN, NAN, 1), ONLY(-0.0, 0, 0), ONLY(0, 1, 1)};
static const ky_example examples_gt[] = {ONLY(NAN, NAN, 0), ONLY(NAN, 1, 0), ONLY(0, 1, 0)};
static const ky_example examples_ge[] = {ONLY(NAN, NAN, 0), ONLY(1, NAN, 0), ONLY(1, 1, 1)};

#define COMPARISON .result = IS_MASK, .any_dtype = true, LIST(sample, kinds)
SAMPLES(lt, a < b, INTEGERS, INTEGERS, COMPARISON)
SAMPLES(le, a <= b, INTEGERS, INTEGERS, COMPARISON)
SAMPLES(eq, a == b, INTEGERS, INTEGERS, COMPARISON)
SAMPLES(ne, a != b, INTEGERS, INTEGERS, COMPARISON)
SAMPLES(gt, a > b, INTEGERS, INTEGERS, COMPARISON)
SAMPLES(ge, a >= b, INTEGERS, INTEGERS, COMPARISON)

/* ---- logic ------------------------------------------------------------------------------- */

static const ky_sample masks[] = {{.kind = {MASK, MASK}}};

static const ky_refusal refusals_of_masks[] = {
    {{.kind = {MASK, MASK}, .shape = {DIMS(2), DIMS(3)}}, KY_BAD_SHAPE, "[2] x [3]: "},
    {{.kind = {MASK, REAL}, .shape = {DIMS(2), DIMS(2)}}, KY_BAD_DTYPE, "wants masks, got f64"},
    {{.kind = {INT32, MASK}, .shape = {DIMS(2), DIMS(2)}},
     KY_BAD_DTYPE,
     "wants masks, got i32"},
};

#define LOGIC(name, expression)                                                                \
  static double oracle_##name(const double *x, const ky_sample *s) {                           \
    const bool a = x[0] != 0, b = x[1] != 0;                                                   \
    (void)s;                                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    (void)s;                                                                                   \
    return ky_##name(t, x[0], x[1]);                                                           \
  }                                                                                            \
  const ky_samples samples_##name = {.operands = 2,                                            \
                                     .domain = {{INTEGERS}, {INTEGERS}},                       \
                                     .result = IS_MASK,                                        \
                                     .each = oracle_##name,                                    \
                                     .record = record_##name,                                  \
                                     .shapes = binary_shapes,                                  \
                                     .shape_count = BINARY_SHAPES,                             \
                                     LIST(sample, masks),                                      \
                                     LIST(refusal, refusals_of_masks)};

LOGIC(logical_and, a &&b)
LOGIC(logical_or, a || b)

/* ---- where ------------------------------------------------------------------------------ */

static double oracle_where(const double *x, const ky_sample *s) {
  (void)s;
  return x[0] != 0 ? x[1] : x[2];
}

static ky_var record_where(ky_tape *t, const ky_var *x, const ky_sample *s) {
  (void)s;
  return ky_where(t, x[0], x[1], x[2]);
}

static const ky_extents where_shapes[][KY_OPERANDS] = {
    {{0}, {0}, {0}},
    {DIMS(3, 4), DIMS(3, 4), DIMS(3, 4)},
    {DIMS(37), DIMS(37), DIMS(37)},
    {DIMS(3, 1), DIMS(4), DIMS(3, 4)}, /* the mask stretched */
    {{0}, DIMS(2, 3), DIMS(3)},
    {DIMS(2, 3, 4), {0}, DIMS(3, 1)}, /* the choices stretched */
    {DIMS(4), DIMS(2, 1, 4), DIMS(3, 1)},
    {DIMS(5), {0}, {0}},
    {DIMS(0), DIMS(1), DIMS(0)},
    {DIMS(2, 0, 3), DIMS(3), {0}},
};

static const ky_sample samples_of_where[] = {
    {.kind = {MASK, REAL, REAL}},
    {.kind = {MASK, INT32, INT32}},
    {.kind = {MASK, INT64, INT64}},
    {.kind = {MASK, MASK, MASK}},
};

/* What is not chosen does not matter. */
static const ky_example examples_where[] = {
    {.sample.kind = {MASK, REAL, REAL},
     .x = {{1}, {2}, {NAN}},
     .r = {2},
     .grad = {{0}, {1}, {0}}},
    {.sample.kind = {MASK, REAL, REAL},
     .x = {{0}, {2}, {3}},
     .r = {3},
     .grad = {{0}, {0}, {1}}},
};

static const ky_refusal refusals_of_where[] = {
    {{.kind = {MASK}, .shape = {DIMS(2), DIMS(3), DIMS(3)}}, KY_BAD_SHAPE, "[2] x [3] x [3]: "},
    {{.kind = {MASK}, .shape = {DIMS(2), DIMS(3), DIMS(2)}}, KY_BAD_SHAPE, "extents 3 and 2"},
    {{.kind = {REAL}, .shape = {DIMS(2), DIMS(2), DIMS(2)}}, KY_BAD_DTYPE, "mask, got f64"},
};

const ky_samples samples_where = {
    .operands = 3,
    .domain = {{INTEGERS}, {ANYWHERE}, {ANYWHERE}},
    .result = LIKE_B,
    .any_dtype = true,
    .each = oracle_where,
    .record = record_where,
    .shapes = where_shapes,
    .shape_count = (int)(sizeof where_shapes / sizeof *where_shapes),
    LIST(sample, samples_of_where),
    LIST(example, examples_where),
    LIST(refusal, refusals_of_where),
};
