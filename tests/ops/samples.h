/* SPDX-License-Identifier: MIT */
/* What a test of an opcode is made of: an oracle, a way to record the operation, and samples.
 * One `samples_<name>` for each row of ops.def, in tests/ops/<family>.c; a forgotten one is a
 * link error. The checks themselves are the same for all opcodes and stand in tests/op_*.c. */
#ifndef KY_TEST_SAMPLES_H
#define KY_TEST_SAMPLES_H

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "kytape/ops.h"
#include "nd.h"

#define KY_OPERANDS 4
#define KY_VALUES   8

/* Element type of an operand. REAL is f32 and f64 in turn. */
typedef enum ky_kind { REAL, INT32, INT64, MASK } ky_kind;

/* How the elements of an operand are drawn. All are exact in f32. */
typedef enum ky_fill {
  UNIFORM,  /* from low..high, and at least `gap` away from the sample's scalars s (0 if none),
             * where the functions of this library have their kinks */
  DISTINCT, /* a shuffle of evenly spaced points of low..high, over all operands: no ties */
  INTEGER,  /* low, low + 1, ... high */
} ky_fill;

typedef struct ky_domain {
  double low, high;
  ky_fill fill;
  double gap;
} ky_domain;

typedef struct ky_extents {
  int rank;
  int64_t dims[5];
} ky_extents;

/* An initializer of ky_extents; {0} is rank 0. */
/* clang-format off */
#define DIMS(...) {KY_COUNT(__VA_ARGS__), {__VA_ARGS__}}
/* clang-format on */

/* One way to call an operation. */
typedef struct ky_sample {
  ky_extents shape[KY_OPERANDS];
  ky_kind kind[KY_OPERANDS];
  ky_domain domain[KY_OPERANDS]; /* all zero: the set's */
  int operands;                  /* 0: the set's */
  double s[2];                   /* scalar attributes */
  int64_t n[6];                  /* integer attributes, as the set's `record` reads them */
  ky_extents dims;               /* attribute: a shape or a list of axes */
  ky_dtype real;                 /* f32 or f64: what REAL is, set by the checks */
} ky_sample;

/* Values worth writing down: kinks, ties, extremes, NaN. An operand of rank 0 stands for any
 * shape. The gradients are those of the sum of the result. */
typedef struct ky_example {
  ky_sample sample;
  double x[KY_OPERANDS][KY_VALUES];
  double r[KY_VALUES];
  double grad[KY_OPERANDS][KY_VALUES];
  bool forward_only;
  bool f64_only;
} ky_example;

/* A call that must fail, and how. */
typedef struct ky_refusal {
  ky_sample sample;
  ky_status status;
  const char *says; /* part of the message */
} ky_refusal;

/* Dice for samples. */
typedef struct ky_dice {
  uint64_t state;
} ky_dice;

/* One of low, low + 1, ... high. */
int64_t dice_roll(ky_dice *dice, int64_t low, int64_t high);

/* Mostly small, sometimes just beyond what kernels take at a time; `most` at the most. */
int64_t dice_extent(ky_dice *dice, int64_t most);

/* dtype of the result. AS_TOLD: n[0], or REAL if n[1]. */
typedef enum ky_result { LIKE_A, LIKE_B, IS_MASK, IS_INT64, AS_TOLD } ky_result;

typedef struct ky_samples {
  int operands;
  ky_domain domain[KY_OPERANDS];
  ky_result result;
  bool any_dtype; /* operands that are REAL may as well be of any other type */
  double (*each)(const double *x, const ky_sample *s); /* elementwise oracle, or null */
  long double (*exact)(const long double *x, const ky_sample *s); /* the same, or null */
  void (*whole)(const nd *const *x, const ky_sample *s, nd *out); /* oracle of the others */
  ky_var (*record)(ky_tape *t, const ky_var *x, const ky_sample *s);
  const ky_extents (*shapes)[KY_OPERANDS]; /* every sample runs with each of them; or null */
  int shape_count;
  const ky_sample *samples;
  int sample_count;
  ky_sample (*random)(
      ky_dice *dice); /* a sample of any shape, where attributes depend on shapes
                       */
  const ky_example *examples;
  int example_count;
  const ky_refusal *refusals;
  int refusal_count;
  void (*also)(void); /* a check of its own, or null */
} ky_samples;

/* Initializes a list of ky_samples: LIST(sample, array). */
#define LIST(field, array)                                                                     \
  .field##s = (array), .field##_count = (int)(sizeof(array) / sizeof *(array))

/* oracle_name and exact_name of one expression, which finds what parameters(type) declares. The
 * file includes <tgmath.h>. */
#define ORACLES(name, expression, parameters)                                                  \
  static double oracle_##name(const double *x, const ky_sample *sample) {                      \
    parameters(double) return (double)(expression);                                            \
  }                                                                                            \
  static long double exact_##name(const long double *x, const ky_sample *sample) {             \
    parameters(long double) return (long double)(expression);                                  \
  }

#define OP(name, ...) extern const ky_samples samples_##name;
#include "ops.def"
#undef OP

/* Shapes that elementwise operations are run with. */
#define UNARY_SHAPES  7
#define BINARY_SHAPES 16
extern const ky_extents unary_shapes[UNARY_SHAPES][KY_OPERANDS];
extern const ky_extents binary_shapes[BINARY_SHAPES][KY_OPERANDS];

/* The dtype of an operand of `kind` when REAL is `real`. */
ky_dtype kind_dtype(ky_kind kind, ky_dtype real);

#endif
