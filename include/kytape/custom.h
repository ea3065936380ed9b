/* SPDX-License-Identifier: MIT */
/* Operations of one's own: a shape rule, a forward and an adjoint function, which the sweeps of
 * tapes and programs call like those of the library. ky_gradcheck (gradcheck.h) checks them. */
#ifndef KYTAPE_CUSTOM_H
#define KYTAPE_CUSTOM_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KY_CUSTOM_OPERANDS 30 /* at most */

/* What the adjoint reads besides the result's adjoint: operand k, every operand, the result.
 * Bits of ky_custom_op.reads; what is not declared may be gone by then, and is NULL. */
#define KY_CUSTOM_READS(k)     (1u << (k))
#define KY_CUSTOM_READS_ALL    0x3FFFFFFFu
#define KY_CUSTOM_READS_RESULT 0x80000000u

/* Bits of ky_custom_op.flags. */
enum {
  KY_CUSTOM_PURE = 1, /* the same operands give the same result, and nothing else happens:
                         ky_compile may merge calls, and compute those of constants once */
};

/* A recording: operands in, shape of the result out. */
typedef struct ky_custom_shape_call {
  void *user;        /* of the ky_custom_op */
  size_t count;      /* of operands */
  const ky_array *x; /* operands: dtype, rank, dims, count; data is NULL */
  ky_dtype dtype;    /* to be set; that of x[0] beforehand */
  int rank;          /* to be set; beforehand rank and dims of x[0] */
  int64_t dims[KY_MAX_RANK];
  size_t aux_bytes; /* to be set: what forward wants to leave for the adjoint; 0 beforehand */
  char *message;    /* room for the reason of a failure, "" beforehand */
  size_t message_bytes;
} ky_custom_shape_call;

/* One forward execution. */
typedef struct ky_custom_forward_call {
  void *user;
  size_t count;
  const ky_array *x;      /* operands, dense and row-major, not to be changed */
  const ky_array *result; /* dtype, dims and count of the result */
  void *r;                /* its elements, dense: to be written, every one of them */
  void *aux;              /* 64-byte aligned; NULL where aux_bytes is 0 */
  char *message;
  size_t message_bytes;
} ky_custom_forward_call;

/* Where an adjoint puts what it owes to an operand: gx = beta gx + contribution. */
typedef struct ky_custom_dest {
  void *gx; /* dense, the operand's shape and dtype; NULL: no gradient is wanted */
  int beta; /* 0: store to every element, whatever was there; 1: add to every element */
} ky_custom_dest;

/* One adjoint. */
typedef struct ky_custom_adjoint_call {
  void *user;
  size_t count;
  const ky_array *x;        /* operands, dense; data is NULL unless `reads` declares it */
  const ky_array *result;   /* likewise */
  const void *g;            /* adjoint of the result, dense, the result's shape and dtype */
  const void *aux;          /* what forward left */
  const ky_custom_dest *to; /* one an operand; at least one is wanted */
  char *message;
  size_t message_bytes;
} ky_custom_adjoint_call;

/* An operation. Set `size` to sizeof(ky_custom_op).
 * Anything but OK from a function ends the recording or the sweep with that status; what was
 * written to `message` follows the operation's name and source line in the tape's message.
 * Threads: functions are called on the thread that records or runs the sweep. Executions of one
 * program on several threads call at the same time: `user` must not be written to then. They
 * must not use the tape that calls them, and must return. */
typedef struct ky_custom_op {
  size_t size;
  const char *name; /* for messages and dumps */
  uint32_t flags;   /* KY_CUSTOM_PURE */
  uint32_t reads;   /* KY_CUSTOM_READS(k) | ... | KY_CUSTOM_READS_RESULT */
  void *user;       /* handed to the functions */
  ky_status (*shape)(ky_custom_shape_call *call); /* NULL: the result is like operand 0 */
  ky_status (*forward)(const ky_custom_forward_call *call);
  ky_status (*adjoint)(const ky_custom_adjoint_call *call); /* NULL: no gradient passes */
} ky_custom_op;

/* Records a call of an operation of one's own: r = op(x[0], ..., x[count-1]).
 * x of any dtype and shape -> what op->shape says; to the functions operands are dense. The
 * shape is asked for when recording, once; forward and adjoint run as often as their sweeps.
 * op, its name and user: borrowed until the tape and the programs compiled from it are freed
 * (as weights are), and unchanged until then; operations are told apart by their address. x:
 * read during the call. Errors: BAD_ARGUMENT (op, its name or forward is null, its size is not
 * known, x is null, count is not in 1..KY_CUSTOM_OPERANDS), BAD_SHAPE, BAD_DTYPE (of what
 * op->shape set), and those of op->shape; in the sweeps those of forward and adjoint. */
KY_API ky_var ky_custom(ky_tape *t, const ky_custom_op *op, size_t count, const ky_var *x);

#ifndef KY_NO_SITES
  #define ky_custom(t, ...) ky_custom(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
