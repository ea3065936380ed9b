/* SPDX-License-Identifier: MIT */
/* A case: one sample of one opcode, with data, on a tape. Operands can be laid out in memory in
 * several ways; the operation must not notice. Everything is in one struct that the test's
 * state owns, since cmocka leaves a failing test by longjmp. */
#ifndef KY_TEST_OP_CASE_H
#define KY_TEST_OP_CASE_H

#include "close.h"
#include "fault_allocator.h"
#include "opinfo.h"
#include "ops/samples.h"

/* All data are drawn from streams that start here; printed by the test program. */
#define OP_SEED 0x6b79746170650001u

/* How an operand lies in memory. All but the first are views of an input array. */
typedef enum ky_lay {
  LAY_DENSE,
  LAY_PERMUTED,  /* axes in reverse order */
  LAY_SLICED,    /* every other element of a larger array, along each axis */
  LAY_FLIPPED,   /* last element first, along each axis */
  LAY_STRETCHED, /* one axis broadcast: stride 0 */
  LAY_COUNT
} ky_lay;

typedef struct op_host {
  void *data; /* between red zones */
  void *copy; /* what it should still be */
  size_t bytes;
} op_host;

typedef struct op_case {
  /* what is to be run */
  const char *name;
  const ky_opinfo *info;
  const ky_samples *set;
  ky_sample sample; /* shapes, domains and number of operands filled in */
  int number;       /* of the sample in its set */
  ky_lay lay[KY_OPERANDS];
  int source[KY_OPERANDS]; /* operand k is the var of operand source[k] <= k */
  uint64_t stream;         /* state of the random numbers */

  /* data */
  nd x[KY_OPERANDS];
  nd want;      /* the oracle's result */
  nd cotangent; /* random */
  nd grad[KY_OPERANDS], grad_f64[KY_OPERANDS];
  nd got, moved[KY_OPERANDS], part; /* of the checks */
  nd direction[KY_OPERANDS];

  /* on the tape */
  ky_fault_allocator memory, host_memory;
  ky_tape *t;
  op_host host[KY_OPERANDS];
  ky_var v[KY_OPERANDS];
  ky_var r;
} op_case;

/* Starts with a sample: `shape` replaces its shapes unless null. Layouts are dense and every
 * operand is its own source. */
void case_choose(op_case *c, const ky_sample *sample, const ky_extents *shape, int number);

/* Draws operands and cotangent, and asks the oracle. */
void case_draw(op_case *c);

/* Draws nothing: for operands that were written by hand into c->x. */
void case_ask_oracle(op_case *c);

/* Makes a tape in `real` and puts the operands on it. */
void case_put_operands(op_case *c, ky_dtype real);

/* case_put_operands, watches the operands whose bit is set in `watched`, records the operation.
 */
void case_record(op_case *c, ky_dtype real, unsigned watched);

/* Frees tape and arrays; complains about leaks, red zones and inputs that were written to. */
void case_end(op_case *c);

/* The same without complaints, for the teardown of a failed test. */
void case_drop(op_case *c);

/* Whether operand k can be differentiated. */
bool case_is_real(const op_case *c, int k);

/* Whether the result has a gradient. */
bool case_differentiable(const op_case *c);

/* Whether `lay` makes a difference to operand k. */
bool case_can_lay(const op_case *c, int k, ky_lay lay);

ky_dtype case_result_dtype(const op_case *c);

/* Oracle at x. */
void case_oracle(const op_case *c, const nd *const *x, nd *out);

/* Value and gradient of a var as doubles; wrong shapes, dtypes and statuses fail the test. */
void case_value(op_case *c, ky_var v, ky_dtype dtype, nd *out);
void case_gradient(op_case *c, ky_var v, nd *out);

/* Reverse sweep from the result with the case's cotangent. */
void case_backward(op_case *c);

/* An array as the tape's elements, owned by the case. */
void *case_host(op_case *c, ky_dtype dtype, const nd *from);

/* Fails the test with a sentence and the case spelled out. */
_Noreturn __attribute__((format(printf, 2, 3))) void case_fail(const op_case *c,
                                                               const char *format, ...);

/* Fails unless every element of `got` is within tolerance times the larger of its magnitude in
 * `want` and `norm`. */
void case_compare(const op_case *c, const char *what, const nd *got, const nd *want,
                  double tolerance, double norm);

/* Random numbers of the case's stream. */
double case_uniform(op_case *c, double low, double high);

#endif
