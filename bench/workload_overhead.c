/* SPDX-License-Identifier: MIT */
/* overhead: many equal instructions on the same operands, and as many direct calls of the
 * kernel, each into a result of its own. What is left of the difference, sample by sample, is
 * the cost of being an instruction. */
#include <stdio.h>
#include <stdlib.h>

#include "kernel_calls.h"
#include "recursive/recursive.h"
#include "taped.h"

static const bench_extra extras[] = {
    {"kernel", "kernel_ns", "%.1f"},
    {"beyond: replayed", "replayed_beyond_ns", "%.1f"},
    {"compiled", "compiled_beyond_ns", "%.1f"},
    {"recorded", "recorded_beyond_ns", "%.1f"},
    {"recursive", "recursive_beyond_ns", "%.1f"},
};

enum {
  EXTRA_KERNEL,
  EXTRA_REPLAYED,
  EXTRA_COMPILED,
  EXTRA_RECORDED,
  EXTRA_RECURSIVE,
  EXTRA_COUNT
};

/* ---- tape -------------------------------------------------------------------------------- */

/* What is recorded: count equal instructions, each of them kept. */
typedef struct equals {
  const kernel_calls *c;
  size_t count;
  ky_var result[KERNEL_CALLS_COUNT];
} equals;

static ky_var tape_one(ky_tape *t, operation op, ky_var a, ky_var b) {
  switch (op) {
  case ADD: return ky_add(t, a, b);
  case MUL: return ky_mul(t, a, b);
  case RELU: return ky_relu(t, a);
  case SUM: return ky_sum_all(t, a);
  case OPERATIONS: break;
  }
  return ky_none();
}

static ky_var record(taped *s) {
  equals *e = s->problem;
  for (size_t k = 0; k < e->count; k++)
    e->result[k] = tape_one(s->t, e->c->op, s->param[0], s->param[1]);
  return e->count ? e->result[e->count - 1] : ky_none();
}

static const taped_model model = {"overhead", record, NULL};

static void recorded(void *state) {
  taped_record(state);
  taped_forward(state);
}

/* The operands are weights, as those of the recursive design are, and below the mark. */
static void tape_open(taped *s, equals *e, const kernel_calls *c, size_t count, float *a,
                      float *b) {
  *e = (equals){.c = c, .count = count};
  const int rank = c->n > 0;
  const int64_t dims[1] = {(int64_t)c->n};
  taped_open(s, &model, e);
  taped_weight(s, KY_F32, rank, dims, a);
  taped_weight(s, KY_F32, rank, dims, b);
  taped_start(s, 0);
}

/* No pass may find out that the instructions are equal. */
static void tape_compile(taped *s, const equals *e) {
  static const char *const without[] = {"common"};
  const ky_compile_options options = {.size = sizeof options,
                                      .keep = e->result,
                                      .keep_count = e->count,
                                      .without = without,
                                      .without_count = 1};
  taped_compile_with(s, ky_none(), &options);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  operation op;
  size_t count;
  rec_heap heap;
  rec_tensor *a, *b, *result[KERNEL_CALLS_COUNT];
} rec_state;

static rec_tensor *rec_one(rec_state *s) {
  rec_tensor *a = rec_keep(s->a);
  switch (s->op) {
  case ADD: return rec_add(&s->heap, a, rec_keep(s->b));
  case MUL: return rec_mul(&s->heap, a, rec_keep(s->b));
  case RELU: return rec_relu(&s->heap, a);
  case SUM: return rec_sum(&s->heap, a);
  case OPERATIONS: break;
  }
  return a;
}

static void recursive(void *state) {
  rec_state *s = state;
  for (size_t k = 0; k < s->count; k++) s->result[k] = rec_one(s);
  for (size_t k = 0; k < s->count; k++) rec_drop(&s->heap, s->result[k]);
}

static void rec_open(rec_state *s, const kernel_calls *c, float *a, float *b) {
  *s = (rec_state){.op = c->op, .count = c->count};
  const int rank = c->n > 0;
  const int64_t dims[1] = {(int64_t)c->n};
  s->a = rec_weight(&s->heap, KY_F32, rank, dims, a);
  s->b = rec_weight(&s->heap, KY_F32, rank, dims, b);
}

static void rec_close(rec_state *s) {
  rec_drop(&s->heap, s->a);
  rec_drop(&s->heap, s->b);
}

/* ---- the workload ------------------------------------------------------------------------ */

enum { RECORDED, REPLAYED, COMPILED, LEAVES, TAPES };

typedef struct variants {
  equals equals[TAPES];
  taped tape[TAPES];
  rec_state recursive;
  kernel_calls kernel;
} variants;

static void kernels(void *state) { kernel_calls_run(state); }

enum {
  CELL_RECORDED,
  CELL_REPLAYED,
  CELL_COMPILED,
  CELL_LEAVES,
  CELL_RECURSIVE,
  CELL_KERNEL,
  CELL_COUNT
};

static bool check(variants *v) {
  static bench_call *const call[] = {recorded, taped_forward, taped_compiled_forward};
  kernels(&v->kernel);
  rec_tensor *one = rec_one(&v->recursive);
  const double want = (double)v->kernel.results[0], rec = rec_item(one);
  rec_drop(&v->recursive.heap, one);
  for (int k = RECORDED; k <= COMPILED; k++) {
    taped *s = &v->tape[k];
    const bench_variant variant = (bench_variant)(BENCH_RECORDED + k);
    ky_array got = {0};
    call[k](s);
    if (s->status == KY_OK)
      s->status =
          k == COMPILED ? ky_exec_data(s->exec, s->root, &got) : ky_data(s->t, s->root, &got);
    if (!taped_ok(s, variant) || !bench_agree("overhead", variant, "the result",
                                              (double)*(const float *)got.data, want, 1e-6))
      return false;
  }
  return bench_agree("overhead", BENCH_RECURSIVE, "the result", rec, want, 1e-6);
}

/* Nanoseconds an instruction that `cell` takes more than the kernel, and than an empty tape. */
static double beyond(const bench_cell *cells, int cell, size_t count) {
  return bench_difference(cells, (int[]){cell, -1}, (int[]){CELL_KERNEL, CELL_LEAVES, -1}) /
         (double)count;
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v) {
  bench_cell cells[CELL_COUNT] = {
      [CELL_RECORDED] = {.call = recorded, .state = &v->tape[RECORDED]},
      [CELL_REPLAYED] = {.call = taped_forward, .state = &v->tape[REPLAYED]},
      [CELL_COMPILED] = {.call = taped_compiled_forward, .state = &v->tape[COMPILED]},
      [CELL_LEAVES] = {.call = taped_forward, .state = &v->tape[LEAVES]},
      [CELL_RECURSIVE] = {.call = recursive, .state = &v->recursive},
      [CELL_KERNEL] = {.call = kernels, .state = &v->kernel},
  };
  const bench_pace pace = kernel_calls_pace(setup);
  bench_measure(&pace, CELL_COUNT, cells);
  const size_t count = v->kernel.count;
  bench_row *row = kernel_calls_row(&v->kernel, sheet, &cells[CELL_REPLAYED]);
  row->extra[EXTRA_KERNEL] = bench_summary(&cells[CELL_KERNEL]).median / (double)count;
  row->extra[EXTRA_REPLAYED] = beyond(cells, CELL_REPLAYED, count);
  row->extra[EXTRA_COMPILED] = beyond(cells, CELL_COMPILED, count);
  row->extra[EXTRA_RECORDED] = beyond(cells, CELL_RECORDED, count);
  row->extra[EXTRA_RECURSIVE] =
      bench_difference(cells, (int[]){CELL_RECURSIVE, -1}, (int[]){CELL_KERNEL, -1}) /
      (double)count;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, operation op, size_t n,
                     float *a, float *b) {
  variants *v = bench_alloc(1, sizeof *v);
  kernel_calls *c = &v->kernel;
  *c = kernel_calls_open(op, n, a, b);
  for (int k = 0; k < TAPES; k++)
    tape_open(&v->tape[k], &v->equals[k], c, k == LEAVES ? 0 : c->count, a, b);
  tape_compile(&v->tape[COMPILED], &v->equals[COMPILED]);
  rec_open(&v->recursive, c, a, b);
  bool good = check(v);
  if (good) measure(setup, sheet, v);
  for (int k = 0; k < TAPES; k++) {
    good = good && (k == LEAVES || taped_ok(&v->tape[k], (bench_variant)(BENCH_RECORDED + k)));
    taped_close(&v->tape[k]);
  }
  rec_close(&v->recursive);
  kernel_calls_close(c);
  free(v);
  return good;
}

bool workload_overhead(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  float *a = bench_alloc_aligned(KERNEL_CALLS_MOST * sizeof *a),
        *b = bench_alloc_aligned(KERNEL_CALLS_MOST * sizeof *b);
  bench_random(KY_F32, 1, KERNEL_CALLS_MOST, a, 1);
  bench_random(KY_F32, 2, KERNEL_CALLS_MOST, b, 1);
  bool good = true;
  for (int op = 0; good && op < OPERATIONS; op++)
    for (int k = 0; good && k < KERNEL_CALLS_SIZES; k++) {
      const size_t n = kernel_calls_sizes[k];
      if (op == SUM && n == 0) continue; /* nothing to add up */
      good = run_case(setup, sheet, (operation)op, n, a, b);
    }
  free(a);
  free(b);
  return good;
}
