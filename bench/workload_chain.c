/* SPDX-License-Identifier: MIT */
/* chain: a graph as deep as it is long. Recursion runs in a child process first, to see whether
 * and at which depth it dies; where it lives it is timed beside the others. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hand/hand.h"
#include "recursive/recursive.h"
#include "workload.h"

/* So near 1 that neither values nor adjoints of 10,000,000 operations leave the normal numbers.
 */
#define X0 0.999999

#define DEFAULT_STACK ((rlim_t)8 << 20)

static const bench_extra extras[] = {
    {"record/op", "record_ns_per_operation", "%.1f"},
    {"forward/op", "forward_ns_per_operation", "%.1f"},
    {"backward/op", "backward_ns_per_operation", "%.1f"},
    {"bytes/op", "bytes_per_operation", "%.0f"},
};

enum { EXTRA_RECORD, EXTRA_FORWARD, EXTRA_BACKWARD, EXTRA_BYTES, EXTRA_COUNT };

/* ---- tape -------------------------------------------------------------------------------- */

typedef struct tape_state {
  size_t n;
  double x0;
  ky_tape *t;
  ky_tensor *weight;
  ky_var x, y;
  ky_mark start;
  double value, slope;
  ky_status status;
} tape_state;

static void keep_status(tape_state *s, ky_status status) {
  if (s->status == KY_OK) s->status = status;
}

static void tape_record(void *state) {
  tape_state *s = state;
  ky_tape *t = s->t;
  keep_status(s, ky_tape_rewind(t, s->start));
  const ky_var x = s->x;
  ky_var y = x;
  for (size_t k = 0; k + 1 < s->n; k += 2) {
    y = ky_mul(t, y, x);
    y = ky_add(t, y, x);
  }
  if (s->n % 2) y = ky_mul(t, y, x);
  s->y = y;
}

static void tape_forward(void *state) {
  tape_state *s = state;
  keep_status(s, ky_forward(s->t));
}

static void tape_backward(void *state) {
  tape_state *s = state;
  ky_grads grads;
  keep_status(s, ky_backward(s->t, s->y, &grads));
  keep_status(s, ky_item(s->t, s->y, &s->value));
  s->slope = grads.count == 1 ? *(const double *)grads.pairs[0].grad : (double)NAN;
}

static void recorded(void *state) {
  tape_record(state);
  tape_backward(state);
}

static void replayed(void *state) {
  tape_forward(state);
  tape_backward(state);
}

static void tape_open(tape_state *s, size_t n) {
  *s = (tape_state){.n = n, .x0 = X0, .t = ky_tape_new(NULL)};
  keep_status(s, ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &s->x0, &s->weight));
  s->x = ky_param(s->t, s->weight);
  s->start = ky_tape_mark(s->t);
}

static void tape_close(tape_state *s) {
  ky_tape_free(s->t);
  ky_tensor_free(s->weight);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  size_t n;
  double x0;
  rec_heap heap;
  rec_tensor *x, *kept; /* kept: a graph to differentiate again and again */
  rec_grads grads;
  double value, slope;
} rec_state;

static rec_tensor *rec_build(rec_state *s) {
  rec_heap *h = &s->heap;
  rec_tensor *y = rec_keep(s->x);
  for (size_t k = 0; k + 1 < s->n; k += 2) {
    y = rec_mul(h, y, rec_keep(s->x));
    y = rec_add(h, y, rec_keep(s->x));
  }
  return s->n % 2 ? rec_mul(h, y, rec_keep(s->x)) : y;
}

static void rec_differentiate(rec_state *s, rec_tensor *y) {
  rec_backward(&s->heap, y, &s->grads);
  s->value = rec_item(y);
  s->slope = rec_item(s->grads.pairs[0].grad);
  rec_clear(&s->heap, &s->grads);
}

static void recursive(void *state) {
  rec_state *s = state;
  rec_tensor *y = rec_build(s);
  rec_differentiate(s, y);
  rec_drop(&s->heap, y);
}

static void recursive_forward(void *state) {
  rec_state *s = state;
  rec_drop(&s->heap, rec_build(s));
}

static void recursive_backward(void *state) {
  rec_state *s = state;
  rec_differentiate(s, s->kept);
}

static void rec_open(rec_state *s, size_t n) {
  *s = (rec_state){.n = n, .x0 = X0};
  s->x = rec_weight(&s->heap, KY_F64, KY_SCALAR, &s->x0);
}

static void rec_close(rec_state *s) {
  if (s->kept) rec_drop(&s->heap, s->kept);
  rec_grads_free(&s->heap, &s->grads);
  rec_drop(&s->heap, s->x);
}

/* ---- the depth at which recursion dies --------------------------------------------------- */

/* In a child: the stack that a process has by default, and silence when it runs out. */
static _Noreturn void recurse_and_exit(size_t n) {
  struct rlimit stack, core = {0, 0};
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur > DEFAULT_STACK) {
    stack.rlim_cur = DEFAULT_STACK;
    setrlimit(RLIMIT_STACK, &stack);
  }
  setrlimit(RLIMIT_CORE, &core);
  const int nowhere = open("/dev/null", O_WRONLY);
  if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
  rec_state s;
  rec_open(&s, n);
  recursive(&s);
  _exit(EXIT_SUCCESS);
}

static bool survives(size_t n) {
  fflush(NULL);
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) recurse_and_exit(n);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* The depth at which recursion dies, to two digits; 0 when `most` is not deep enough to tell.
 */
static size_t deadly_depth(size_t most) {
  size_t alive = 0, dead = 1000;
  while (survives(dead)) {
    if (dead >= most) return 0;
    alive = dead;
    dead = 2 * dead < most ? 2 * dead : most;
  }
  while (dead - alive > dead / 50) {
    const size_t middle = alive + (dead - alive) / 2;
    if (survives(middle))
      alive = middle;
    else
      dead = middle;
  }
  return dead;
}

/* ---- by hand ----------------------------------------------------------------------------- */

typedef struct hand_state {
  size_t n;
  double x0, *saved;
  double value, slope;
} hand_state;

static void hand_forward(void *state) {
  hand_state *s = state;
  s->value = hand_chain_forward(s->n, s->x0, s->saved);
}

static void hand_backward(void *state) {
  hand_state *s = state;
  s->slope = hand_chain_backward(s->n, s->x0, s->saved);
}

static void by_hand(void *state) {
  hand_forward(state);
  hand_backward(state);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  tape_state tape;
  rec_state rec;
  hand_state hand;
  bool recursion; /* lives at this depth */
} variants;

static bool agree(bench_variant variant, double value, double slope, const hand_state *want) {
  return bench_agree("chain", variant, "the value", value, want->value, 1e-9) &&
         bench_agree("chain", variant, "the derivative", slope, want->slope, 1e-9);
}

static bool check(variants *v) {
  by_hand(&v->hand);
  recorded(&v->tape);
  if (!bench_ok("chain", BENCH_RECORDED, v->tape.status, v->tape.t) ||
      !agree(BENCH_RECORDED, v->tape.value, v->tape.slope, &v->hand))
    return false;
  replayed(&v->tape);
  if (!bench_ok("chain", BENCH_REPLAYED, v->tape.status, v->tape.t) ||
      !agree(BENCH_REPLAYED, v->tape.value, v->tape.slope, &v->hand))
    return false;
  if (!v->recursion) return true;
  recursive(&v->rec);
  return agree(BENCH_RECURSIVE, v->rec.value, v->rec.slope, &v->hand);
}

/* Each of the tape's calls leaves what the next one needs. */
enum {
  CELL_RECORD,
  CELL_RECORDED,
  CELL_REPLAYED,
  CELL_FORWARD,
  CELL_BACKWARD,
  CELL_HAND,
  CELL_HAND_FORWARD,
  CELL_HAND_BACKWARD,
  CELL_RECURSIVE,
  CELL_RECURSIVE_FORWARD,
  CELL_RECURSIVE_BACKWARD,
  CELL_COUNT
};

static bench_row *add_row(bench_sheet *sheet, const char *title, bench_variant variant,
                          const bench_cell *step, size_t n, double bytes) {
  bench_row *row = bench_sheet_row(sheet, title, variant);
  row->time = bench_summary(step);
  row->instructions = (double)n;
  row->bytes = bytes;
  row->extra[EXTRA_BYTES] = bytes / (double)n;
  return row;
}

static double per_operation(const bench_cell *cell, size_t n) {
  return bench_summary(cell).median / (double)n;
}

static void add_rows(bench_sheet *sheet, const variants *v, const bench_cell *cells,
                     const char *title, double rec_bytes) {
  const size_t n = v->tape.n;
  const double tape_bytes = (double)ky_tape_bytes(v->tape.t);
  bench_row *row = add_row(sheet, title, BENCH_RECORDED, &cells[CELL_RECORDED], n, tape_bytes);
  row->extra[EXTRA_RECORD] = per_operation(&cells[CELL_RECORD], n);
  row = add_row(sheet, title, BENCH_REPLAYED, &cells[CELL_REPLAYED], n, tape_bytes);
  row->extra[EXTRA_FORWARD] = per_operation(&cells[CELL_FORWARD], n);
  row->extra[EXTRA_BACKWARD] = per_operation(&cells[CELL_BACKWARD], n);
  if (v->recursion) {
    row = add_row(sheet, title, BENCH_RECURSIVE, &cells[CELL_RECURSIVE], n, rec_bytes);
    row->extra[EXTRA_FORWARD] = per_operation(&cells[CELL_RECURSIVE_FORWARD], n);
    row->extra[EXTRA_BACKWARD] = per_operation(&cells[CELL_RECURSIVE_BACKWARD], n);
  } else {
    bench_sheet_row(sheet, title, BENCH_RECURSIVE);
  }
  row = add_row(sheet, title, BENCH_HAND, &cells[CELL_HAND], n,
                (double)((n + 1) / 2 * sizeof(double)));
  row->extra[EXTRA_FORWARD] = per_operation(&cells[CELL_HAND_FORWARD], n);
  row->extra[EXTRA_BACKWARD] = per_operation(&cells[CELL_HAND_BACKWARD], n);
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v,
                    const char *title) {
  bench_cell *cells = bench_alloc(CELL_COUNT, sizeof *cells);
  static bench_call *const calls[CELL_COUNT] = {
      [CELL_RECORD] = tape_record,
      [CELL_RECORDED] = recorded,
      [CELL_REPLAYED] = replayed,
      [CELL_FORWARD] = tape_forward,
      [CELL_BACKWARD] = tape_backward,
      [CELL_HAND] = by_hand,
      [CELL_HAND_FORWARD] = hand_forward,
      [CELL_HAND_BACKWARD] = hand_backward,
      [CELL_RECURSIVE] = recursive,
      [CELL_RECURSIVE_FORWARD] = recursive_forward,
      [CELL_RECURSIVE_BACKWARD] = recursive_backward,
  };
  const double rec_bytes = (double)v->rec.heap.peak;
  if (v->recursion) v->rec.kept = rec_build(&v->rec);
  for (int k = 0; k < CELL_COUNT; k++) {
    cells[k].call = calls[k];
    cells[k].state = k < CELL_HAND        ? (void *)&v->tape
                     : k < CELL_RECURSIVE ? (void *)&v->hand
                                          : (void *)&v->rec;
  }
  bench_measure(&setup->pace, v->recursion ? CELL_COUNT : CELL_RECURSIVE, cells);
  add_rows(sheet, v, cells, title, rec_bytes);
  free(cells);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t n, size_t deadly) {
  variants *v = bench_alloc(1, sizeof *v);
  v->recursion = deadly == 0 || n < deadly - deadly / 4; /* its frames are not the only ones */
  tape_open(&v->tape, n);
  rec_open(&v->rec, n);
  v->hand = (hand_state){.n = n, .x0 = X0, .saved = bench_alloc((n + 1) / 2, sizeof(double))};
  char title[32];
  snprintf(title, sizeof title, "N = %.0e", (double)n);
  bool good = check(v);
  if (good) measure(setup, sheet, v, title);
  good = good && bench_ok("chain", BENCH_REPLAYED, v->tape.status, v->tape.t);
  if (good && !v->recursion)
    snprintf(sheet->rows[sheet->count - 2].note, sizeof sheet->rows->note,
             "the stack ends at depth %.2g", (double)deadly);
  tape_close(&v->tape);
  rec_close(&v->rec);
  free(v->hand.saved);
  free(v);
  return good;
}

bool workload_chain(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  const size_t most = setup->quick ? 10000 : 10000000;
  const size_t deadly = deadly_depth(most);
  for (size_t n = 100; n <= most; n *= 10)
    if (!run_case(setup, sheet, n, deadly)) return false;
  return true;
}
