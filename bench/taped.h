/* SPDX-License-Identifier: MIT */
/* A step as a tape runs it: recorded anew each time, replayed, or compiled. A workload says
 * what is recorded and which arrays the next step reads; how a tape is driven is told here. */
#ifndef KYBENCH_TAPED_H
#define KYBENCH_TAPED_H

#include "workload.h"

#define TAPED_INPUTS 3

typedef struct taped taped;

/* What a workload adds. */
typedef struct taped_model {
  const char *workload;
  ky_var (*record)(taped *s); /* from s->param and s->data; names s->input; returns the root */
  void (*next)(taped *s);     /* points s->data at the arrays of the next step; may be null */
} taped_model;

struct taped {
  const taped_model *model;
  void *problem; /* the model's */
  ky_tape *t;
  ky_tensor **weight;
  ky_var *param; /* one a weight */
  size_t weights, room;
  ky_var input[TAPED_INPUTS]; /* those of the step, if its data changes */
  const void *data[TAPED_INPUTS];
  int inputs;
  ky_var root;
  ky_mark step;
  ky_optimizer *optimizer; /* null: gradients are all that is asked for */
  ky_program *program;     /* null: not compiled */
  ky_exec *exec;
  ky_exec *two; /* with two threads; null: not asked for */
  ky_grads grads;
  double value; /* of the root */
  ky_status status;
};

/* An empty tape; add weights, then start. */
void taped_open(taped *s, const taped_model *model, void *problem);
void taped_close(taped *s);

/* One more weight on the caller's dense data. */
void taped_weight(taped *s, ky_dtype dtype, int rank, const int64_t *dims, void *data);

/* Records the step for the first time. rate: of gradient descent; 0 for none. */
void taped_start(taped *s, double rate);

/* The same with an optimizer of any kind, which is taken; null for none. */
void taped_start_with(taped *s, ky_optimizer *optimizer);

/* Keeps the first status that is not OK. */
void taped_keep(taped *s, ky_status status);

/* Compiles what was recorded; taped_compiled can run then. */
void taped_compile(taped *s);
void taped_compile_with(taped *s, ky_var root, const ky_compile_options *options);

/* Makes ready for taped_two_threads, after compiling; not if all arrays are small. */
void taped_share(taped *s);

/* The calls to time: the whole step, */
void taped_recorded(void *state);
void taped_replayed(void *state);
void taped_compiled(void *state);
void taped_two_threads(void *state);

/* and parts of it: without the optimizer, on the tape, */
void taped_record(void *state);
void taped_forward(void *state);
void taped_backward(void *state);

/* and on the program. */
void taped_compiled_forward(void *state);

/* The gradient of the k-th weight after a step without optimizer; all of them lead to the
 * root. */
const void *taped_grad(const taped *s, size_t k);

/* Instructions of the tape or the program, and bytes that it holds. */
double taped_length(const taped *s);
double taped_bytes(const taped *s);

/* Whether nothing failed; a message if something did. */
bool taped_ok(const taped *s, bench_variant variant);

#endif
