/* SPDX-License-Identifier: MIT */
/* The tape: record, forward sweep, reverse sweep, reading, rewinding, printing.
 *
 * Recording appends instructions and, without KY_EAGER, runs nothing. A value is named by a
 * ky_var. The first error since the last check stays in the tape; recording functions answer it
 * with the null var and pass null vars on, so an expression is written as an expression and
 * checked once.
 *
 * Threads: a tape is used by one thread at a time; different tapes are independent. */
#ifndef KYTAPE_TAPE_H
#define KYTAPE_TAPE_H

#include <stdio.h>

#include "base.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ky_tape ky_tape;

/* A value of a tape. id 0 is the null var: "no value". Passed by value; stays valid until a
 * rewind removes it, and is recognised as invalid afterwards. */
typedef struct ky_var {
  const ky_tape *tape;
  uint32_t id;
  uint32_t era; /* tells a value from one recorded later under the same id */
} ky_var;

/* ---- Making tapes ---------------------------------------------------------------------- */

enum {
  KY_EAGER = 1,        /* run each instruction as it is recorded, so errors come at its line */
  KY_CHECK_FINITE = 2, /* NONFINITE as soon as a value or adjoint has a NaN or infinity */
};

/* Options of ky_tape_new. Set `size` to sizeof(ky_tape_options) and leave the rest zero for the
 * defaults. */
typedef struct ky_tape_options {
  size_t size;
  ky_allocator allocator;        /* all memory of the tape; a null function means malloc */
  uint32_t reserve_instructions; /* room made at once; 0 for none */
  size_t reserve_bytes;          /* of values, made at once; 0 for none */
  uint32_t flags;                /* KY_EAGER | KY_CHECK_FINITE */
} ky_tape_options;

/* Makes an empty tape. options: NULL for the defaults; copied.
 * Returns NULL when memory runs out or an option is out of range. Free it with ky_tape_free. */
KY_API ky_tape *ky_tape_new(const ky_tape_options *options);

/* Frees the tape and every value on it; weights and host arrays are the caller's. NULL is
 * fine. */
KY_API void ky_tape_free(ky_tape *t);

/* Instructions recorded so far, the leading NOP included. 0 for NULL. */
KY_API uint32_t ky_tape_length(const ky_tape *t);

/* Bytes the tape holds from its allocator. 0 for NULL. */
KY_API size_t ky_tape_bytes(const ky_tape *t);

/* ---- Errors ---------------------------------------------------------------------------- */

/* The first error since the last check, and OK from then on. Functions that sweep, read, watch,
 * set an input, compile, verify or check gradients are such a check too: they return a pending
 * error instead of working. */
KY_API ky_status ky_tape_check(ky_tape *t);

/* The sentence of the newest error, e.g. "train.c:12: matmul: [8,3] x [4,4]: inner extents 3
 * and 4 differ"; "" before the first. Borrowed until the next error or ky_tape_free. */
KY_API const char *ky_tape_message(const ky_tape *t);

/* Makes "file:line: text" the pending error of the tape, unless there is one; returns the null
 * var. For recording functions of your own. status: not KY_OK, which counts as BAD_ARGUMENT. */
KY_API ky_var ky_tape_fail(ky_tape *t, ky_status status, const char *text);

/* Sets the source line that instructions recorded from now on carry, until the next call or
 * recording macro; returns `t`. `file`: NULL is "unknown"; borrowed until the tape and the
 * programs compiled from it are freed. */
KY_API ky_tape *ky_at(ky_tape *t, const char *file, int line);

/* What ky_at sets. A tape begins with it; nothing else of a tape is public. */
typedef struct ky_line {
  const char *file;
  int line;
} ky_line;

/* ky_at without a call, for the recording macros. */
static inline ky_tape *ky_here(ky_tape *t, const char *file, int line) {
  if (t) {
    ky_line *here = (ky_line *)(void *)t;
    here->file = file;
    here->line = line;
  }
  return t;
}

/* ---- Sweeps ---------------------------------------------------------------------------- */

/* The forward sweep: runs every instruction of the tape with the inputs and weights of now.
 * This is how a tape is replayed. (Values that are only needed once need no call: reading and
 * ky_backward run what is pending.) A value that failed, as ky_cholesky does of a matrix that
 * is not positive definite, fails each later sweep that comes by it, with the same message,
 * until it is rewound or what it is made of changes; it leaves no pending error. Errors:
 * NO_MEMORY, BAD_INDEX, NONFINITE, SINGULAR, or a pending error. */
KY_API ky_status ky_forward(ky_tape *t);

/* A weight and the gradient of the root with respect to it: dense, the weight's shape and dtype
 * (f32 where the weight is bf16 or f16). */
typedef struct ky_grad_pair {
  ky_tensor *weight;
  const void *grad;
  ky_var var;
} ky_grad_pair;

/* What a reverse sweep found: one entry for each weight that the root depends on, in the order
 * in which the weights were recorded. Borrowed until the next sweep, rewind or ky_tape_free. */
typedef struct ky_grads {
  size_t count;
  const ky_grad_pair *pairs;
} ky_grads;

/* The reverse sweep: runs what is pending, then differentiates the sum of the elements of
 * `root`. root: any float value. grads: may be NULL (see ky_grad). Errors: BAD_VAR, BAD_DTYPE
 * (root is not f32 or f64), UNCONNECTED (no weight or watched value leads to root), STALE (a
 * weight changed since the forward sweep: call ky_forward), NO_MEMORY, BAD_INDEX, NONFINITE, or
 * a pending error; *grads is empty then. */
KY_API ky_status ky_backward(ky_tape *t, ky_var root, ky_grads *grads);

/* Like ky_backward, for the sum of root * cotangent: a vector-Jacobian product.
 * cotangent: dense, root's shape and dtype, read during the call; NULL stands for ones. */
KY_API ky_status ky_backward_from(ky_tape *t, ky_var root, const void *cotangent,
                                  ky_grads *grads);

/* Asks for the gradient with respect to `v`, a value that is no weight: an input, usually.
 * Errors: BAD_VAR, BAD_DTYPE (not f32 or f64), BAD_ARGUMENT (a constant or the result of an
 * operation without derivative), or a pending error. */
KY_API ky_status ky_watch(ky_tape *t, ky_var v);

/* ---- Random numbers -------------------------------------------------------------------- */

/* Lets random numbers (ky_uniform, ky_normal, ky_bernoulli, ky_dropout) be those of `seed` from
 * now on, beginning with draw number `draw`: 0, or to go on where another run stopped, how many
 * it made. Without this call the seed is 0. What has run keeps its numbers until it runs again.
 *
 * A number is a function of seed, draw, stream and place in its array, and of nothing else. The
 * stream is given by the tape: the k-th random operation on it has stream k, and gets it again
 * when it is recorded again after a rewind. The draw goes up by one when ky_forward replays
 * random operations, or ky_tape_rewind removes values that have run: so each step has new
 * numbers, within a step everything has the same, and the forward and reverse sweep agree.
 * draw: below 2^48. Errors: BAD_ARGUMENT. */
KY_API ky_status ky_tape_seed(ky_tape *t, uint64_t seed, uint64_t draw);

/* The draw of the next step: with it, and the same seed, ky_tape_seed lets another run go on
 * after what this one has run. Errors: BAD_ARGUMENT (a null pointer). */
KY_API ky_status ky_tape_draw(const ky_tape *t, uint64_t *draw);

/* ---- Reading --------------------------------------------------------------------------- */

/* The value of `v` as a borrowed array, which may be strided; runs what is pending.
 * Valid until the next sweep, rewind or ky_tape_free, rank 0 values until the next recording.
 * Errors: BAD_VAR, BAD_ARGUMENT, those of ky_forward; *out is zero then. */
KY_API ky_status ky_data(ky_tape *t, ky_var v, ky_array *out);

/* Copies the value of `v`, dense and row-major, into dst[0..bytes).
 * Errors: those of ky_data, BAD_ARGUMENT (bytes is not the size of the value). */
KY_API ky_status ky_read(ky_tape *t, ky_var v, void *dst, size_t bytes);

/* The only element of `v`, of any dtype, as a double; runs what is pending.
 * Errors: those of ky_data, BAD_SHAPE (not exactly one element); *out is NaN then. */
KY_API ky_status ky_item(ky_tape *t, ky_var v, double *out);

/* The gradient of the last root with respect to `v`, dense, as a borrowed array.
 * Valid until the next sweep, rewind or ky_tape_free, of rank 0 until the next recording.
 * Errors: BAD_VAR, UNCONNECTED (v does not lead to the root, or its gradient was not wanted),
 * NOT_RUN (there was no reverse sweep), or a pending error; *out is zero then. */
KY_API ky_status ky_grad(ky_tape *t, ky_var v, ky_array *out);

/* Shape and dtype of `v`, without running anything; data is NULL. No check: a pending error
 * stays, so that functions which record can look at their operands. Errors: BAD_VAR,
 * BAD_ARGUMENT (t or out is null), or the pending error instead of them. */
KY_API ky_status ky_shape(ky_tape *t, ky_var v, ky_array *out);

/* ---- Rewinding ------------------------------------------------------------------------- */

/* A position of a tape. */
typedef struct ky_mark {
  ky_var last; /* the newest value below the mark */
  uint32_t pool, binds, auxes, streams;
  uint32_t value_chunk, blob_chunk;
  size_t value_offset, blob_offset;
} ky_mark;

/* The current end of the tape, to rewind to. */
KY_API ky_mark ky_tape_mark(const ky_tape *t);

/* Removes all that was recorded after `mark`; vars of it become invalid. Memory is kept, so
 * that recording the same again allocates nothing. Gradients of the last sweep become
 * unreadable. A pending error is kept. Errors: BAD_VAR (mark of another tape, or itself
 * rewound), NO_MEMORY. */
KY_API ky_status ky_tape_rewind(ky_tape *t, ky_mark mark);

/* ---- Looking at a tape ----------------------------------------------------------------- */

/* Prints the tape, one line an instruction, in aligned columns: id, opcode, operands and
 * attributes, dtype, shape, source line. Errors: BAD_ARGUMENT (null); whether writing failed
 * tells ferror(out). */
KY_API ky_status ky_tape_dump(const ky_tape *t, FILE *out);

/* Prints the tape as a Graphviz digraph: one node an instruction, one edge an operand.
 * Errors: BAD_ARGUMENT (null); ferror(out), likewise. */
KY_API ky_status ky_tape_dot(const ky_tape *t, FILE *out);

/* Checks every instruction against the rules of the instruction set, as one would check a tape
 * that came from somewhere else. Errors: BAD_ARGUMENT (null), BAD_TAPE (ky_tape_message has id,
 * opcode and what is wrong), or a pending error. */
KY_API ky_status ky_tape_verify(ky_tape *t);

#ifdef __cplusplus
}
#endif
#endif
