/* SPDX-License-Identifier: MIT */
/* Opcodes to be timed alone: how each is recorded at two sizes, and what it cannot do without
 * besides moving its operands and its result, which its instruction tells. */
#ifndef KYBENCH_OPCODE_H
#define KYBENCH_OPCODE_H

#include "bound.h"
#include "kytape.h"
#include "opinfo.h"

/* What a sweep has to do. */
typedef struct opcode_work {
  double flops;                   /* of products: multiplications and additions */
  double kept;                    /* bytes that the forward sweep leaves for the reverse one */
#define X(name, ...) double name; /* calls */
  RATE_FUNCTIONS_1(X) RATE_FUNCTIONS_2(X)
#undef X
} opcode_work;

#define WORK(...)     ((opcode_work){__VA_ARGS__})
#define NOTHING       ((opcode_work){0})
#define SCENE_ARRAYS  8
#define SCENE_COLUMNS 256 /* of a matrix that is worked on by rows */

/* A tape with an instruction and its operands; every array is the scene's. */
typedef struct scene {
  ky_tape *t;
  ky_status status; /* the first one that is not OK */
  opcode_work forward, reverse;
  void *array[SCENE_ARRAYS];
  ky_tensor *weight[SCENE_ARRAYS];
  int arrays;
} scene;

void scene_open(scene *s);
void scene_close(scene *s);

/* Operands in f32. They want a gradient: of 0.05 to 0.95, where nearly all opcodes are defined;
 * of lo to hi; a symmetric matrix whose diagonal dominates. */
ky_var scene_given(scene *s, int rank, const int64_t *dims);
ky_var scene_between(scene *s, double lo, double hi, int rank, const int64_t *dims);
ky_var scene_dominant(scene *s, int64_t n);

/* Operands without: of 0.05 to 0.95; masks; integers from first to last - 1; all the same. */
ky_var scene_target(scene *s, int rank, const int64_t *dims);
ky_var scene_mask(scene *s, int rank, const int64_t *dims);
ky_var scene_indices(scene *s, int64_t first, int64_t last, int rank, const int64_t *dims);

typedef struct opcode_case {
  ky_op op;
  int64_t small, large;                  /* for the cache, for memory */
  ky_var (*record)(scene *s, int64_t n); /* and says what work it is */
} opcode_case;

typedef struct opcode_family {
  size_t count;
  const opcode_case *cases;
} opcode_family;

extern const opcode_family opcodes_elementwise, opcodes_rows, opcodes_movement,
    opcodes_products, opcodes_sequence;

/* The rows of a family's table, as functions and as cases: name, n small and large, work of the
 * forward and of the reverse sweep, the call. They may speak of the scene s, of n, of m, n as a
 * double, and of ALL, the elements of a matrix of n rows. */
#define ALL (m * SCENE_COLUMNS)

#define OPCODE_RECORD(name, ...) OPCODE_FUNCTION(name, __VA_ARGS__)
#define OPCODE_FUNCTION(name, small, large, forth, back, call)                                 \
  static ky_var record_##name(scene *s, int64_t n) {                                           \
    const double m = (double)n;                                                                \
    (void)m;                                                                                   \
    s->forward = forth;                                                                        \
    s->reverse = back;                                                                         \
    return call;                                                                               \
  }

#define OPCODE_CASE(name, ...)                OPCODE_ENTRY(name, __VA_ARGS__)
#define OPCODE_ENTRY(name, small, large, ...) {KY_OP_##name, small, large, record_##name},

#endif
