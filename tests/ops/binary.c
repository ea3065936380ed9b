/* SPDX-License-Identifier: MIT */
/* Samples of the binary elementwise operations and of where: oracles in one line, and the ways
 * in which shapes broadcast. */
#include "samples.h"

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

#define SAMPLES(name, expression, domain_a, domain_b, ...)                                     \
  static double oracle_##name(const double *x, const ky_sample *s) {                           \
    const double a = x[0], b = x[1];                                                           \
    (void)s;                                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  static ky_var record_##name(ky_tape *t, const ky_var *x, const ky_sample *s) {               \
    (void)s;                                                                                   \
    return ky_##name(t, x[0], x[1]);                                                           \
  }                                                                                            \
  const ky_samples samples_##name = {.operands = 2,                                            \
                                     .domain = {{domain_a}, {domain_b}},                       \
                                     .each = oracle_##name,                                    \
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
                                              AT(2, 1, 2, 1, 0), ONLY(NAN, 1, NAN),
                                              ONLY(1, NAN, NAN)};
static const ky_example examples_minimum[] = {AT(2, 2, 2, 0.5, 0.5), AT(1, 2, 1, 1, 0),
                                              AT(2, 1, 1, 0, 1), ONLY(NAN, 1, NAN),
                                              ONLY(1, NAN, NAN)};

SAMPLES(add, a + b, ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(sub, a - b, ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(mul, (a * b), ANYWHERE, ANYWHERE, LIST(sample, plain))
SAMPLES(div, a / b, ANYWHERE, POSITIVE, LIST(sample, plain))
SAMPLES(pow, pow(a, b), POSITIVE, ANYWHERE, LIST(sample, plain))
SAMPLES(maximum, fmax(a, b), APART, APART, LIST(sample, plain))
SAMPLES(minimum, fmin(a, b), APART, APART, LIST(sample, plain))

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
