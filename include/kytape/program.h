/* SPDX-License-Identifier: MIT */
/* Programs: a recorded tape, compiled for being replayed many times. A program is immutable and
 * can be shared by threads; an execution (ky_exec) has the memory, the inputs and the results
 * of one run.
 *
 * Compiling drops what leads to no named value, computes once what never changes, and lays
 * values and adjoints out in one block of memory in which later ones reuse the place of earlier
 * ones. So only values that were named can be read afterwards; reading another one is an
 * error. */
#ifndef KYTAPE_PROGRAM_H
#define KYTAPE_PROGRAM_H

#include <stdio.h>

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ky_program ky_program;
typedef struct ky_exec ky_exec;

/* ---- Compiling ------------------------------------------------------------------------- */

/* Options of ky_compile. Set `size` to sizeof(ky_compile_options); zero means the default. */
typedef struct ky_compile_options {
  size_t size;
  ky_allocator allocator; /* of the program; copied; a null function means malloc */
  const ky_var *keep;     /* values to read after a run, besides the root */
  size_t keep_count;
  const ky_var *wrt; /* what to differentiate the root with respect to: weights, or values that
                        were watched; none named means all weights and watched values */
  size_t wrt_count;
  int updates; /* 1: weights change inside of the reverse sweep (ky_exec_options.update), so
                  that gradients need no lasting place */
  const char *const *without; /* names of passes to leave out, see ky_program_passes */
  size_t without_count;
  size_t fuse_least; /* elements that make it worth to fuse what is done to them; 0 means 4096,
                        with which it begins to be faster. Fused or not, the same bits */
} ky_compile_options;

/* Compiles what is recorded on `t`. The tape is not changed and not needed any more; weights,
 * host arrays and names of source files are borrowed as the tape borrows them.
 * root: the value to differentiate, a loss usually; where it is not a scalar, the sum of its
 * elements is differentiated. ky_none() for a program that only computes the values in
 * options->keep. options: NULL for the defaults. *out: free it with ky_program_free.
 * Errors: BAD_VAR, BAD_DTYPE (root is not f32 or f64), UNCONNECTED (the root or a kept value
 * depends on no input, no weight and no random number, or the root on nothing in `wrt`),
 * BAD_ARGUMENT (unknown pass, no value named, something in `wrt` that is no weight and was not
 * watched, a null pointer), NO_MEMORY, or a pending error; the reason is ky_tape_message(t),
 * *out is NULL. */
KY_API ky_status ky_compile(ky_tape *t, ky_var root, const ky_compile_options *options,
                            ky_program **out);

/* Gives the program back: it is freed when its last execution is. NULL is fine. */
KY_API void ky_program_free(ky_program *p);

/* Names of the passes in the order in which they run, NULL after the last. Static storage. */
KY_API const char *const *ky_program_passes(void);

/* Instructions of the program, the leading NOP included. 0 for NULL. */
KY_API uint32_t ky_program_length(const ky_program *p);

/* Bytes that one execution needs, known before any is allocated. */
typedef struct ky_memory {
  size_t weights;     /* of the caller's tensors; not in the total */
  size_t activations; /* values of the forward sweep, if each had a place of its own */
  size_t adjoints;    /* those of the reverse sweep, likewise */
  size_t arena;       /* the block that both share */
  size_t constants;   /* values that are computed once */
  size_t scratch;     /* of single instructions, an upper bound */
  size_t total;       /* what ky_exec_new allocates for one thread; each more adds scratch */
} ky_memory;

KY_API ky_memory ky_program_memory(const ky_program *p);

/* Prints the program like ky_tape_dump. Errors: BAD_ARGUMENT (null). */
KY_API ky_status ky_program_dump(const ky_program *p, FILE *out);

/* ---- Executing ------------------------------------------------------------------------- */

/* Some elements of a weight, and of its gradient. */
typedef struct ky_update_part {
  const ky_tensor *weight;
  void *state;         /* what ky_update.begin said; NULL without it */
  size_t first, count; /* elements first..first + count - 1, in row-major order */
  void *w;             /* the weight's, as it is stored, to be changed */
  const void *grad;    /* the gradient's, as in a ky_grad_pair; borrowed during the call */

  /* Where `grad` is null: the elements are rows of `width`, and the gradient's of row i and
   * column j is left[i] * right[j]. Borrowed likewise. */
  const void *left, *right;
  size_t width;
} ky_update_part;

/* What happens to a weight within the reverse sweep, while its gradient is warm, after the last
 * use of the weight's old value. The engine cuts weights into parts as it likes; an execution
 * with several threads has them call `apply` at the same time, for different parts of one
 * weight. Anything but OK ends the sweep with that status; weights whose turn came before have
 * made their step then. */
typedef struct ky_update {
  size_t size; /* sizeof(ky_update) */
  ky_status (*apply)(void *user, const ky_update_part *part);
  /* Once a step for each weight, right before its parts; may be NULL. */
  ky_status (*begin)(void *user, const ky_tensor *weight, void **state);
  void *user;
  int outer; /* 1: `apply` takes gradients as outer products, too. That of a linear layer is one
                when there is one sample, and is then never put together in memory */
  const char *refusal; /* what BAD_ARGUMENT of the functions means, for messages; static, or
                          null */
} ky_update;

/* Options of ky_exec_new. Set `size` to sizeof(ky_exec_options); zero means the default. */
typedef struct ky_exec_options {
  size_t size;
  ky_allocator allocator;  /* of the execution; copied; a null function means malloc */
  const ky_update *update; /* for programs compiled with `updates`, else NULL; copied */
  int threads;             /* that share one run, the caller's among them: 1..256; 0 means 1 */
  size_t grain;         /* elements of work that are worth waking a thread for; 0 means 16384 */
  char *message;        /* where ky_exec_new writes why it failed, else ""; may be NULL. Without
                           a `size` it is not known, and left as it is */
  size_t message_bytes; /* of `message`, the ending 0 included */
  uint32_t flags; /* KY_CHECK_FINITE, which is on anyway where the tape had it: sweeps stop
                     at the first value or adjoint with a NaN or infinity, before a weight
                     steps by it; the message names line, instruction and element. Compile
                     without "fuse" to see the steps of a fused instruction one by one */
} ky_exec_options;

/* Makes an execution, which keeps the program alive. Inputs are bound to the host arrays that
 * the tape had. Large instructions are shared by options->threads threads; results have the
 * same bits for any number of them. Idle threads look for work for a moment, then sleep.
 * options: NULL for the defaults.
 * *out: free it with ky_exec_free, which ends the threads. Errors: BAD_ARGUMENT (a null
 * pointer; an update for a program compiled without `updates`, or none for one with; a number
 * of threads out of range; unknown flags; no size in the options or the update), NO_THREAD,
 * NO_MEMORY; *out is NULL then. */
KY_API ky_status ky_exec_new(const ky_program *p, const ky_exec_options *options,
                             ky_exec **out);

/* Frees the execution. NULL is fine. */
KY_API void ky_exec_free(ky_exec *e);

/* Lets an input of the tape read `data` (dense, the input's shape and dtype) from now on;
 * borrowed while runs may read it. What the last run left cannot be read any more: read first,
 * bind then. An input that the program does not need is accepted and ignored. Errors: BAD_VAR,
 * BAD_ARGUMENT (not an input, or data is null). */
KY_API ky_status ky_exec_input(ky_exec *e, ky_var input, const void *data);

/* ky_exec_input of an array with its description, whose dtype, rank, dims and strides (those of
 * a dense array) are checked.
 * Errors: those of ky_exec_input, BAD_ARGUMENT (array is null), BAD_SHAPE, BAD_DTYPE. */
KY_API ky_status ky_exec_bind(ky_exec *e, ky_var input, const ky_array *array);

/* Random numbers as with ky_tape_seed. An execution begins with the seed that the tape had when
 * it was compiled and draw 0, and each forward sweep is one draw: so it has the tape's numbers.
 * Give executions that run side by side seeds of their own. Errors: BAD_ARGUMENT. */
KY_API ky_status ky_exec_seed(ky_exec *e, uint64_t seed, uint64_t draw);

/* The draw of the next forward sweep, as ky_tape_draw. Errors: BAD_ARGUMENT (null). */
KY_API ky_status ky_exec_draw(ky_exec *e, uint64_t *draw);

/* The forward sweep. Errors: BAD_INDEX, NONFINITE (under KY_CHECK_FINITE), BAD_ARGUMENT (null),
 * BUSY (the execution is in use by another thread, or by a call further up; every function says
 * so, and its message is not touched). */
KY_API ky_status ky_exec_forward(ky_exec *e);

/* The reverse sweep, from the last forward sweep. grads: may be NULL; empty with an update,
 * else as with ky_backward. Each reverse sweep wants a forward sweep of its own, as it writes
 * adjoints over values that it has used. Errors: those of ky_exec_forward, STALE, BAD_ARGUMENT
 * (a program without root), NOT_RUN (no forward sweep, or its values are used up). */
KY_API ky_status ky_exec_backward(ky_exec *e, ky_grads *grads);

/* Forward and reverse sweep: with an update, one training step. What can be read afterwards are
 * values of the forward sweep; but a kept value that is a view of a weight shows the weight as
 * it is now. Errors: those of both; a weight whose gradient was complete before the error has
 * made its step. */
KY_API ky_status ky_exec_step(ky_exec *e, ky_grads *grads);

/* Reading, as with the functions of the same names for tapes, of values that were named when
 * the program was compiled: the root, `keep`, and for gradients what was differentiated, but
 * not the weights of a program with `updates` unless `wrt` or `keep` names them. Errors:
 * BAD_VAR (also a value that was not named), BAD_ARGUMENT, BAD_SHAPE, NOT_RUN (no sweep with
 * the inputs of now, or one that failed), UNCONNECTED. */
KY_API ky_status ky_exec_data(ky_exec *e, ky_var v, ky_array *out);
KY_API ky_status ky_exec_read(ky_exec *e, ky_var v, void *dst, size_t bytes);
KY_API ky_status ky_exec_item(ky_exec *e, ky_var v, double *out);
KY_API ky_status ky_exec_grad(ky_exec *e, ky_var v, ky_array *out);

/* The sentence of the newest error; "" before the first. Borrowed until the next one. */
KY_API const char *ky_exec_message(const ky_exec *e);

#ifdef __cplusplus
}
#endif
#endif
