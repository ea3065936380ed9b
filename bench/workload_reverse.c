/* SPDX-License-Identifier: MIT */
/* reverse: what overhead is for the forward sweep. Equal instructions, each on the result of
 * the one before, are differentiated; a direct call of the kernel of the adjoint stands beside
 * each. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "kernel_calls.h"

static const bench_extra extras[] = {
    {"kernel", "kernel_ns", "%.1f"},
    {"beyond: replayed", "replayed_beyond_ns", "%.1f"},
    {"compiled", "compiled_beyond_ns", "%.1f"},
};

enum { EXTRA_KERNEL, EXTRA_REPLAYED, EXTRA_COMPILED, EXTRA_COUNT };

/* x is the weight; the other operand is all ones, so that nothing grows or fades. */
typedef struct problem {
  const kernel_calls *c;
  size_t count;
  float *x;
} problem;

static ky_var record(taped *s) {
  const problem *p = s->problem;
  ky_var y = s->param[0];
  for (size_t k = 0; k < p->count; k++)
    y = p->c->op == ADD   ? ky_add(s->t, y, s->input[0])
        : p->c->op == MUL ? ky_mul(s->t, y, s->input[0])
                          : ky_relu(s->t, y);
  return y;
}

static const taped_model model = {"reverse", record, NULL};

static void tape_open(taped *s, problem *p) {
  const int rank = p->c->n > 0;
  const int64_t dims[1] = {(int64_t)p->c->n};
  taped_open(s, &model, p);
  s->input[0] = ky_input(s->t, KY_F32, rank, dims, p->c->b);
  taped_weight(s, KY_F32, rank, dims, p->x);
  taped_start(s, 0);
}

/* ---- the calls --------------------------------------------------------------------------- */

static void reverse(void *state) {
  taped *s = state;
  taped_keep(s, ky_backward(s->t, s->root, &s->grads));
}

static void compiled(void *state) {
  taped *s = state;
  taped_keep(s, ky_exec_step(s->exec, &s->grads));
}

static void kernels(void *state) { kernel_calls_pull(state); }

/* ---- the workload ------------------------------------------------------------------------ */

enum { REPLAYED, COMPILED, LEAVES, TAPES };

enum {
  CELL_REPLAYED,
  CELL_STEP,
  CELL_FORWARD,
  CELL_LEAVES,
  CELL_LEAVES_STEP,
  CELL_LEAVES_FORWARD,
  CELL_KERNEL,
  CELL_COUNT
};

static void measure(const bench_setup *setup, bench_sheet *sheet, taped *tape,
                    kernel_calls *c) {
  bench_cell cells[CELL_COUNT] = {
      [CELL_REPLAYED] = {.call = reverse, .state = &tape[REPLAYED]},
      [CELL_STEP] = {.call = compiled, .state = &tape[COMPILED]},
      [CELL_FORWARD] = {.call = taped_compiled_forward, .state = &tape[COMPILED]},
      [CELL_LEAVES] = {.call = reverse, .state = &tape[LEAVES]},
      [CELL_LEAVES_STEP] = {.call = compiled, .state = &tape[LEAVES]},
      [CELL_LEAVES_FORWARD] = {.call = taped_compiled_forward, .state = &tape[LEAVES]},
      [CELL_KERNEL] = {.call = kernels, .state = c},
  };
  const bench_pace pace = kernel_calls_pace(setup);
  bench_measure(&pace, CELL_COUNT, cells);
  const double count = (double)c->count;
  bench_row *row = kernel_calls_row(c, sheet, &cells[CELL_REPLAYED]);
  row->extra[EXTRA_KERNEL] = bench_summary(&cells[CELL_KERNEL]).median / count;
  row->extra[EXTRA_REPLAYED] = bench_difference(cells, (int[]){CELL_REPLAYED, -1},
                                                (int[]){CELL_LEAVES, CELL_KERNEL, -1}) /
                               count;
  row->extra[EXTRA_COMPILED] =
      bench_difference(cells, (int[]){CELL_STEP, CELL_LEAVES_FORWARD, -1},
                       (int[]){CELL_FORWARD, CELL_LEAVES_STEP, CELL_KERNEL, -1}) /
      count;
}

/* Of ones, whatever the operation: the gradient of the sum is one everywhere. */
static bool check(taped *tape) {
  for (int k = 0; k < TAPES; k++) {
    const bench_variant variant = k == COMPILED ? BENCH_COMPILED : BENCH_REPLAYED;
    (k == COMPILED ? compiled : reverse)(&tape[k]);
    if (!taped_ok(&tape[k], variant)) return false;
    const float *grad = taped_grad(&tape[k], 0);
    if (!grad || !bench_agree("reverse", variant, "the gradient", (double)*grad, 1, 1e-6))
      return false;
  }
  return true;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, operation op, size_t n,
                     float *x, const float *ones) {
  kernel_calls c = kernel_calls_open(op, n, x, ones);
  problem p[TAPES];
  taped tape[TAPES];
  for (int k = 0; k < TAPES; k++) {
    p[k] = (problem){&c, k == LEAVES ? 0 : c.count, x};
    tape_open(&tape[k], &p[k]);
    if (k != REPLAYED) taped_compile(&tape[k]);
  }
  bool good = check(tape);
  if (good) measure(setup, sheet, tape, &c);
  for (int k = 0; k < TAPES; k++) {
    good = good && taped_ok(&tape[k], k == COMPILED ? BENCH_COMPILED : BENCH_REPLAYED);
    taped_close(&tape[k]);
  }
  kernel_calls_close(&c);
  return good;
}

bool workload_reverse(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  float *x = bench_alloc_aligned(KERNEL_CALLS_MOST * sizeof *x);
  float *ones = bench_alloc_aligned(KERNEL_CALLS_MOST * sizeof *ones);
  for (int k = 0; k < KERNEL_CALLS_MOST; k++) x[k] = ones[k] = 1;
  bool good = true;
  for (int op = ADD; good && op <= RELU; op++)
    for (int k = 0; good && k < KERNEL_CALLS_SIZES; k++)
      good = run_case(setup, sheet, (operation)op, kernel_calls_sizes[k], x, ones);
  free(x);
  free(ones);
  return good;
}
