/* SPDX-License-Identifier: MIT */
/* compile: what compiling costs an instruction, over tapes of scalars and of layers, both as
 * long as they are deep, and over slices of one weight that are all joined again. Where the
 * cost grows with the length, a pass is not linear. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"

#define WIDTH 4
#define BATCH 2

static const bench_extra extras[] = {
    {"record ns/instr", "record_ns_per_instruction", "%.1f"},
    {"new execution us", "new_execution_us", "%.1f"},
    {"of instructions left", "share_of_instructions_left", "%.0f%%"},
};

enum { EXTRA_RECORD, EXTRA_NEW, EXTRA_LEFT, EXTRA_COUNT };

/* What is recorded, of about `length` instructions. All weights share their data. */
typedef struct problem {
  size_t length;
  double point;
  float w[WIDTH * WIDTH], b[WIDTH], x[BATCH * WIDTH];
  float *row; /* [length] */
} problem;

static ky_var record_chain(taped *s) {
  const problem *p = s->problem;
  ky_var y = s->param[0];
  for (size_t k = 2; k + 1 < p->length; k += 2)
    y = ky_add(s->t, ky_mul(s->t, y, s->param[0]), s->param[0]);
  return y;
}

static void chain_weights(taped *s) {
  problem *p = s->problem;
  taped_weight(s, KY_F64, KY_SCALAR, &p->point);
}

static ky_var record_layers(taped *s) {
  const problem *p = s->problem;
  const ky_var x = ky_input(s->t, KY_F32, KY_SHAPE(BATCH, WIDTH), p->x);
  ky_var h = x;
  for (size_t k = 0; k + 1 < s->weights; k += 2)
    h = ky_relu(s->t, ky_linear(s->t, h, s->param[k], s->param[k + 1]));
  return ky_mse(s->t, h, x, KY_REDUCE_MEAN);
}

/* A layer is four instructions, its weights included. */
static void layer_weights(taped *s) {
  problem *p = s->problem;
  for (size_t k = 0; k + 4 < p->length; k += 4) {
    taped_weight(s, KY_F32, KY_SHAPE(WIDTH, WIDTH), p->w);
    taped_weight(s, KY_F32, KY_SHAPE(WIDTH), p->b);
  }
}

/* An element of the weight after the other: as wide as the tape is long. */
static ky_var record_slices(taped *s) {
  const int64_t n = ky_tensor_count(s->weight[0]);
  ky_var *const slice = bench_alloc((size_t)n, sizeof *slice);
  for (int64_t k = 0; k < n; k++) slice[k] = ky_slice(s->t, s->param[0], 0, k, k + 1, 1);
  const ky_var loss = ky_sum_all(s->t, ky_square(s->t, ky_concat(s->t, (size_t)n, slice, 0)));
  free(slice);
  return loss;
}

static void slice_weights(taped *s) {
  problem *p = s->problem;
  taped_weight(s, KY_F32, KY_SHAPE((int64_t)p->length), p->row);
}

typedef struct shape {
  const char *name;
  taped_model model;
  void (*weights)(taped *s);
} shape;

static const shape shapes[] = {
    {"scalars", {"compile", record_chain, NULL}, chain_weights},
    {"layers", {"compile", record_layers, NULL}, layer_weights},
    {"slices", {"compile", record_slices, NULL}, slice_weights},
};

#define SHAPES (sizeof shapes / sizeof *shapes)

/* ---- the calls --------------------------------------------------------------------------- */

static void compile(void *state) {
  taped *s = state;
  ky_program *p = NULL;
  taped_keep(s, ky_compile(s->t, s->root, NULL, &p));
  ky_program_free(p);
}

/* Of the program that is there. */
static void execute_new(void *state) {
  taped *s = state;
  ky_exec *e = NULL;
  taped_keep(s, ky_exec_new(s->program, NULL, &e));
  ky_exec_free(e);
}

/* ---- the workload ------------------------------------------------------------------------ */

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t length,
                     const shape *of) {
  problem p = {.length = length, .point = 0.5, .row = bench_alloc(length, sizeof *p.row)};
  taped again, tape; /* one is recorded again and again, the other compiled */
  for (int k = 0; k < 2; k++) {
    taped *s = k ? &tape : &again;
    taped_open(s, &of->model, &p);
    of->weights(s);
    taped_start(s, 0);
  }
  taped_compile(&tape);
  char title[32];
  snprintf(title, sizeof title, "%s, %.0e", of->name, (double)length);
  bool good = taped_ok(&tape, BENCH_COMPILED);
  if (good) {
    contest c;
    contest_open(&c, setup, sheet, title, NULL);
    contest_add(&c, BENCH_COMPILED, compile, &tape);
    const int record = contest_aside(&c, taped_record, &again);
    const int execution = contest_aside(&c, execute_new, &tape);
    contest_run(&c);
    bench_row *row = contest_row(&c, BENCH_COMPILED);
    row->instructions = (double)ky_tape_length(tape.t) - 1;
    row->bytes = taped_bytes(&tape);
    row->extra[EXTRA_RECORD] = contest_median(&c, record) / row->instructions;
    row->extra[EXTRA_NEW] = contest_median(&c, execution) / 1e3;
    row->extra[EXTRA_LEFT] = 100 * taped_length(&tape) / row->instructions;
    contest_close(&c);
    good = taped_ok(&tape, BENCH_COMPILED) && taped_ok(&again, BENCH_RECORDED);
  }
  taped_close(&tape);
  taped_close(&again);
  free(p.row);
  return good;
}

bool workload_compile(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  const size_t most = setup->quick ? 1000 : 1000000;
  for (size_t k = 0; k < SHAPES; k++)
    for (size_t length = 1000; length <= most; length *= 10)
      if (!run_case(setup, sheet, length, &shapes[k])) return false;
  return true;
}
