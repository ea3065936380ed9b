/* SPDX-License-Identifier: MIT */
/* See taped.h. The first status that is not OK stays; whoever runs the calls asks for it. */
#include "taped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void taped_keep(taped *s, ky_status status) {
  if (s->status == KY_OK) s->status = status;
}

void taped_open(taped *s, const taped_model *model, void *problem) {
  *s = (taped){.model = model, .problem = problem, .t = ky_tape_new(NULL)};
}

void taped_close(taped *s) {
  ky_exec_free(s->two);
  ky_exec_free(s->exec);
  ky_program_free(s->program);
  ky_tape_free(s->t);
  ky_optimizer_free(s->optimizer);
  for (size_t k = 0; k < s->weights; k++) ky_tensor_free(s->weight[k]);
  free(s->weight);
  free(s->param);
}

void taped_weight(taped *s, ky_dtype dtype, int rank, const int64_t *dims, void *data) {
  if (s->weights == s->room) {
    s->room = s->room ? 2 * s->room : 16;
    s->weight = bench_resize(s->weight, s->room, sizeof *s->weight);
    s->param = bench_resize(s->param, s->room, sizeof *s->param);
  }
  const size_t k = s->weights++;
  s->weight[k] = NULL;
  taped_keep(s, ky_tensor_wrap(NULL, dtype, rank, dims, data, &s->weight[k]));
  s->param[k] = ky_param(s->t, s->weight[k]);
}

void taped_start(taped *s, double rate) {
  ky_optimizer *sgd = NULL;
  if (rate != 0) taped_keep(s, ky_sgd_new(NULL, rate, NULL, &sgd));
  taped_start_with(s, sgd);
}

void taped_start_with(taped *s, ky_optimizer *optimizer) {
  s->optimizer = optimizer;
  s->step = ky_tape_mark(s->t);
  s->root = s->model->record(s);
  taped_keep(s, ky_tape_check(s->t));
}

/* ---- the tape ---------------------------------------------------------------------------- */

void taped_record(void *state) {
  taped *s = state;
  taped_keep(s, ky_tape_rewind(s->t, s->step));
  s->root = s->model->record(s);
}

void taped_forward(void *state) {
  taped *s = state;
  taped_keep(s, ky_forward(s->t));
}

void taped_backward(void *state) {
  taped *s = state;
  taped_keep(s, ky_backward(s->t, s->root, &s->grads));
  taped_keep(s, ky_item(s->t, s->root, &s->value));
}

static void learn(taped *s) {
  taped_backward(s);
  if (s->optimizer) taped_keep(s, ky_optimizer_step(s->optimizer, &s->grads));
}

void taped_recorded(void *state) {
  taped *s = state;
  if (s->model->next) s->model->next(s);
  taped_record(s);
  learn(s);
}

void taped_replayed(void *state) {
  taped *s = state;
  if (s->model->next) s->model->next(s);
  for (int k = 0; k < s->inputs; k++)
    taped_keep(s, ky_input_set(s->t, s->input[k], s->data[k]));
  taped_forward(s);
  learn(s);
}

/* ---- the program ------------------------------------------------------------------------- */

static ky_exec *execution(taped *s, int threads) {
  ky_exec_options o = {.size = sizeof o, .threads = threads};
  if (s->optimizer) o.update = ky_optimizer_update(s->optimizer);
  ky_exec *exec = NULL;
  if (s->program) taped_keep(s, ky_exec_new(s->program, &o, &exec));
  return exec;
}

void taped_compile_with(taped *s, ky_var root, const ky_compile_options *options) {
  ky_compile_options compiling = {.size = sizeof compiling};
  if (options) compiling = *options;
  if (s->optimizer) compiling.updates = 1;
  taped_keep(s, ky_compile(s->t, root, &compiling, &s->program));
  s->exec = execution(s, 1);
}

void taped_compile(taped *s) { taped_compile_with(s, s->root, NULL); }

#define SHARED_LEAST 65536 /* bytes: smaller arrays stay on one thread */

void taped_share(taped *s) {
  if (!s->program) return;
  const ky_memory need = ky_program_memory(s->program);
  if (need.activations + need.adjoints > SHARED_LEAST) s->two = execution(s, 2);
}

static void step(taped *s, ky_exec *exec) {
  if (s->model->next) s->model->next(s);
  for (int k = 0; k < s->inputs; k++)
    taped_keep(s, ky_exec_input(exec, s->input[k], s->data[k]));
  taped_keep(s, ky_exec_step(exec, &s->grads));
  taped_keep(s, ky_exec_item(exec, s->root, &s->value));
}

void taped_compiled(void *state) { step(state, ((taped *)state)->exec); }

void taped_two_threads(void *state) { step(state, ((taped *)state)->two); }

void taped_compiled_forward(void *state) {
  taped *s = state;
  taped_keep(s, ky_exec_forward(s->exec));
}

/* ---- what came out of it ----------------------------------------------------------------- */

const void *taped_grad(const taped *s, size_t k) {
  return k < s->grads.count ? s->grads.pairs[k].grad : NULL;
}

double taped_length(const taped *s) {
  return (double)(s->program ? ky_program_length(s->program) : ky_tape_length(s->t)) - 1;
}

double taped_bytes(const taped *s) {
  return (double)(s->program ? ky_program_memory(s->program).total : ky_tape_bytes(s->t));
}

bool taped_ok(const taped *s, bench_variant variant) {
  if (s->status == KY_OK) return true;
  fprintf(stderr, "kybench: %s, %s: %s: %s %s\n", s->model->workload,
          bench_variant_name(variant), ky_status_text(s->status), ky_tape_message(s->t),
          s->exec ? ky_exec_message(s->exec) : "");
  return false;
}
