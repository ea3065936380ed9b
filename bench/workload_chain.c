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

#include "contest.h"
#include "hand/hand.h"
#include "recursive/recursive.h"

/* So near 1 that neither values nor adjoints of 10,000,000 operations cease to be normal. */
#define X0 0.999999

#define DEFAULT_STACK ((rlim_t)8 << 20)

static const bench_extra extras[] = {
    {"record/op", "record_ns_per_operation", "%.1f"},
    {"forward/op", "forward_ns_per_operation", "%.1f"},
    {"backward/op", "backward_ns_per_operation", "%.1f"},
};

enum { EXTRA_RECORD, EXTRA_FORWARD, EXTRA_BACKWARD, EXTRA_COUNT };

/* ---- tape -------------------------------------------------------------------------------- */

typedef struct chain {
  size_t n;
  double x0;
} chain;

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const size_t n = ((const chain *)s->problem)->n;
  const ky_var x = s->param[0];
  ky_var y = x;
  for (size_t k = 0; k + 1 < n; k += 2) {
    y = ky_mul(t, y, x);
    y = ky_add(t, y, x);
  }
  return n % 2 ? ky_mul(t, y, x) : y;
}

static const taped_model model = {"chain", record, NULL};

static void tape_open(taped *s, chain *c) {
  taped_open(s, &model, c);
  taped_weight(s, KY_F64, KY_SCALAR, &c->x0);
  taped_start(s, 0);
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

/* The depth at which recursion dies, to two digits; 0 when `most` is not deep enough. */
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
  chain chain;
  taped tape, compiled; /* the tape is recorded and replayed in turn */
  rec_state rec;
  hand_state hand;
  bool recursion; /* lives at this depth */
} variants;

static bool agree(bench_variant variant, double value, double slope, const hand_state *want) {
  return bench_agree("chain", variant, "the value", value, want->value, 1e-9) &&
         bench_agree("chain", variant, "the derivative", slope, want->slope, 1e-9);
}

static bool taped_agrees(taped *s, bench_variant variant, bench_call *call,
                         const hand_state *want) {
  call(s);
  if (!taped_ok(s, variant)) return false;
  const double *slope = taped_grad(s, 0);
  return agree(variant, s->value, slope ? *slope : (double)NAN, want);
}

static bool check(variants *v) {
  by_hand(&v->hand);
  if (!taped_agrees(&v->tape, BENCH_RECORDED, taped_recorded, &v->hand) ||
      !taped_agrees(&v->tape, BENCH_REPLAYED, taped_replayed, &v->hand) ||
      !taped_agrees(&v->compiled, BENCH_COMPILED, taped_compiled, &v->hand))
    return false;
  if (!v->recursion) return true;
  recursive(&v->rec);
  return agree(BENCH_RECURSIVE, v->rec.value, v->rec.slope, &v->hand);
}

/* Parts of steps, timed beside them. Each of the tape's leaves what the next one needs. */
enum {
  PART_RECORD,
  PART_FORWARD,
  PART_BACKWARD,
  PART_COMPILED_FORWARD,
  PART_HAND_FORWARD,
  PART_HAND_BACKWARD,
  PART_RECURSIVE_FORWARD,
  PART_RECURSIVE_BACKWARD,
  PARTS
};

static void add_parts(contest *c, variants *v, int part[PARTS]) {
  part[PART_RECORD] = contest_aside(c, taped_record, &v->tape);
  part[PART_FORWARD] = contest_aside(c, taped_forward, &v->tape);
  part[PART_BACKWARD] = contest_aside(c, taped_backward, &v->tape);
  part[PART_COMPILED_FORWARD] = contest_aside(c, taped_compiled_forward, &v->compiled);
  part[PART_HAND_FORWARD] = contest_aside(c, hand_forward, &v->hand);
  part[PART_HAND_BACKWARD] = contest_aside(c, hand_backward, &v->hand);
  if (!v->recursion) return;
  v->rec.kept = rec_build(&v->rec);
  part[PART_RECURSIVE_FORWARD] = contest_aside(c, recursive_forward, &v->rec);
  part[PART_RECURSIVE_BACKWARD] = contest_aside(c, recursive_backward, &v->rec);
}

/* A program's reverse sweep cannot run twice on one forward sweep: what a step takes more. */
static void fill_parts(const contest *c, const variants *v, const int part[PARTS]) {
  const double n = (double)v->chain.n;
  bench_row *row = contest_row(c, BENCH_RECORDED);
  row->extra[EXTRA_RECORD] = contest_median(c, part[PART_RECORD]) / n;
  row = contest_row(c, BENCH_REPLAYED);
  row->extra[EXTRA_FORWARD] = contest_median(c, part[PART_FORWARD]) / n;
  row->extra[EXTRA_BACKWARD] = contest_median(c, part[PART_BACKWARD]) / n;
  row = contest_row(c, BENCH_COMPILED);
  const double forward = contest_median(c, part[PART_COMPILED_FORWARD]);
  row->extra[EXTRA_FORWARD] = forward / n;
  row->extra[EXTRA_BACKWARD] = (row->time.median - forward) / n;
  row = contest_row(c, BENCH_HAND);
  row->extra[EXTRA_FORWARD] = contest_median(c, part[PART_HAND_FORWARD]) / n;
  row->extra[EXTRA_BACKWARD] = contest_median(c, part[PART_HAND_BACKWARD]) / n;
  row->bytes = (n + 1) / 2 * sizeof(double);
  if (!v->recursion) return;
  row = contest_row(c, BENCH_RECURSIVE);
  row->extra[EXTRA_FORWARD] = contest_median(c, part[PART_RECURSIVE_FORWARD]) / n;
  row->extra[EXTRA_BACKWARD] = contest_median(c, part[PART_RECURSIVE_BACKWARD]) / n;
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v,
                    const char *title, size_t deadly) {
  const double rec_bytes = (double)v->rec.heap.peak;
  int part[PARTS] = {0};
  contest c;
  contest_open(&c, setup, sheet, title, NULL);
  contest_add_taped(&c, &v->tape, &v->tape, &v->compiled);
  if (v->recursion) contest_add(&c, BENCH_RECURSIVE, recursive, &v->rec);
  contest_add(&c, BENCH_HAND, by_hand, &v->hand);
  add_parts(&c, v, part);
  contest_run(&c);
  fill_parts(&c, v, part);
  if (v->recursion) contest_row(&c, BENCH_RECURSIVE)->bytes = rec_bytes;
  for (size_t k = c.first; k < sheet->count; k++)
    sheet->rows[k].instructions = (double)v->chain.n;
  contest_close(&c);
  if (v->recursion) return;
  bench_row *row = bench_sheet_row(sheet, title, BENCH_RECURSIVE);
  snprintf(row->note, sizeof row->note, "the stack ends at depth %.2g", (double)deadly);
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, size_t n, size_t deadly) {
  variants *v = bench_alloc(1, sizeof *v);
  v->recursion = deadly == 0 || n < deadly - deadly / 4; /* its frames are not the only ones */
  v->chain = (chain){n, X0};
  tape_open(&v->tape, &v->chain);
  tape_open(&v->compiled, &v->chain);
  taped_compile(&v->compiled);
  rec_open(&v->rec, n);
  v->hand = (hand_state){.n = n, .x0 = X0, .saved = bench_alloc((n + 1) / 2, sizeof(double))};
  char title[32];
  snprintf(title, sizeof title, "N = %.0e", (double)n);
  bool good = check(v);
  if (good) measure(setup, sheet, v, title, deadly);
  good = good && taped_ok(&v->tape, BENCH_REPLAYED) && taped_ok(&v->compiled, BENCH_COMPILED);
  taped_close(&v->tape);
  taped_close(&v->compiled);
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
