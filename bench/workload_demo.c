/* SPDX-License-Identifier: MIT */
/* demo: linear 3->2, sin, linear 2->4, sigmoid, binary cross entropy, gradient descent; the
 * five samples of the demo in turn. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contest.h"
#include "hand/hand.h"
#include "recursive/recursive.h"

#define SAMPLES       5
#define RATE          0.1
#define WEIGHTS       20
#define CHECKED_STEPS 10

static const double samples_x[SAMPLES][3] = {
    {1, 3, 5}, {1, 9, 5}, {1, 2, 5}, {0, 9, 5}, {0, 0, 5}};
static const double samples_y[SAMPLES][4] = {{1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}};

static const hand_demo start = {
    .w1 = {{0.49671415, -0.1382643, 0.64768854}, {1.52302986, -0.23415337, -0.23413696}},
    .b1 = {1.57921282, 0.76743473},
    .w2 = {{-0.46947439, 0.54256004},
           {-0.46341769, -0.46572975},
           {0.24196227, -1.91328024},
           {-1.72491783, -0.56228753}},
    .b2 = {-1.01283112, 0.31424733, -0.90802408, -1.4123037},
};
static_assert(sizeof(hand_demo) == WEIGHTS * sizeof(double), "weights without gaps");

/* The sample of a step. */
typedef struct turn {
  int at;
} turn;

static int next_sample(turn *t) {
  t->at = t->at + 1 < SAMPLES ? t->at + 1 : 0;
  return t->at;
}

/* ---- tape -------------------------------------------------------------------------------- */

typedef struct tape_state {
  hand_demo net;
  turn turn;
  taped tape;
} tape_state;

static void next(taped *s) {
  tape_state *all = s->problem;
  const int sample = next_sample(&all->turn);
  s->data[0] = samples_x[sample];
  s->data[1] = samples_y[sample];
}

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_F64, KY_SHAPE(3), s->data[0]);
  s->input[1] = ky_input(t, KY_F64, KY_SHAPE(4), s->data[1]);
  const ky_var hidden = ky_sin(t, ky_linear(t, s->input[0], s->param[0], s->param[1]));
  const ky_var p = ky_sigmoid(t, ky_linear(t, hidden, s->param[2], s->param[3]));
  return ky_bce(t, p, s->input[1], KY_REDUCE_SUM);
}

static const taped_model model = {"demo", record, next};

static void tape_open(tape_state *s) {
  s->net = start;
  taped_open(&s->tape, &model, s);
  taped_weight(&s->tape, KY_F64, KY_SHAPE(2, 3), s->net.w1);
  taped_weight(&s->tape, KY_F64, KY_SHAPE(2), s->net.b1);
  taped_weight(&s->tape, KY_F64, KY_SHAPE(4, 2), s->net.w2);
  taped_weight(&s->tape, KY_F64, KY_SHAPE(4), s->net.b2);
  s->tape.data[0] = samples_x[0];
  s->tape.data[1] = samples_y[0];
  taped_start(&s->tape, RATE);
}

/* ---- recursive --------------------------------------------------------------------------- */

typedef struct rec_state {
  hand_demo net;
  turn turn;
  rec_heap heap;
  rec_tensor *weight[4];
  rec_grads grads;
  double value;
} rec_state;

static void rec_open(rec_state *s) {
  *s = (rec_state){.net = start};
  const int64_t dims[4][2] = {{2, 3}, {2}, {4, 2}, {4}};
  double *const data[4] = {s->net.w1[0], s->net.b1, s->net.w2[0], s->net.b2};
  for (int k = 0; k < 4; k++)
    s->weight[k] = rec_weight(&s->heap, KY_F64, k % 2 ? 1 : 2, dims[k], data[k]);
}

static void rec_close(rec_state *s) {
  rec_grads_free(&s->heap, &s->grads);
  for (int k = 0; k < 4; k++) rec_drop(&s->heap, s->weight[k]);
}

static void recursive(void *state) {
  rec_state *s = state;
  rec_heap *h = &s->heap;
  rec_tensor *const *w = s->weight;
  const int sample = next_sample(&s->turn);
  rec_tensor *x = rec_input(h, KY_F64, KY_SHAPE(3), samples_x[sample]);
  rec_tensor *y = rec_input(h, KY_F64, KY_SHAPE(4), samples_y[sample]);
  rec_tensor *hidden = rec_sin(h, rec_linear(h, x, rec_keep(w[0]), rec_keep(w[1])));
  rec_tensor *p = rec_sigmoid(h, rec_linear(h, hidden, rec_keep(w[2]), rec_keep(w[3])));
  rec_tensor *loss = rec_bce(h, p, y);
  s->value = rec_item(loss);
  rec_backward(h, loss, &s->grads);
  rec_descend(&s->grads, RATE);
  rec_clear(h, &s->grads);
  rec_drop(h, loss);
}

/* ---- by hand ----------------------------------------------------------------------------- */

typedef struct hand_state {
  hand_demo net;
  turn turn;
  double value;
} hand_state;

static void by_hand(void *state) {
  hand_state *s = state;
  const int sample = next_sample(&s->turn);
  s->value = hand_demo_step(&s->net, samples_x[sample], samples_y[sample], RATE);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  tape_state tape[3]; /* recorded, replayed, compiled */
  rec_state recursive;
  hand_state hand;
  double first; /* loss */
} variants;

static bool same_weights(bench_variant variant, const hand_demo *got, const hand_demo *want) {
  double g[WEIGHTS], w[WEIGHTS];
  memcpy(g, got, sizeof g);
  memcpy(w, want, sizeof w);
  return bench_agree_all("demo", variant, "weights", KY_F64, WEIGHTS, g, w, 1e-11);
}

static bool check(variants *v) {
  static bench_call *const step[] = {taped_recorded, taped_replayed, taped_compiled};
  for (int k = 0; k < CHECKED_STEPS; k++) {
    by_hand(&v->hand);
    recursive(&v->recursive);
    const double want = v->hand.value;
    if (k == 0) v->first = want;
    if (!bench_agree("demo", BENCH_RECURSIVE, "loss", v->recursive.value, want, 1e-11))
      return false;
    for (int i = 0; i < 3; i++) {
      const bench_variant variant = (bench_variant)(BENCH_RECORDED + i);
      step[i](&v->tape[i].tape);
      if (!taped_ok(&v->tape[i].tape, variant) ||
          !bench_agree("demo", variant, "loss", v->tape[i].tape.value, want, 1e-11))
        return false;
    }
  }
  for (int i = 0; i < 3; i++)
    if (!same_weights((bench_variant)(BENCH_RECORDED + i), &v->tape[i].net, &v->hand.net))
      return false;
  return same_weights(BENCH_RECURSIVE, &v->recursive.net, &v->hand.net);
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, variants *v) {
  static const char title[] = "step";
  contest c;
  contest_open(&c, setup, sheet, title, NULL);
  contest_add_taped(&c, &v->tape[0].tape, &v->tape[1].tape, &v->tape[2].tape);
  contest_add(&c, BENCH_RECURSIVE, recursive, &v->recursive);
  contest_add(&c, BENCH_HAND, by_hand, &v->hand);
  const bool good = contest_add_torch(&c, "1", v->first, 1e-11);
  if (good) contest_run(&c);
  if (good) contest_row(&c, BENCH_RECURSIVE)->bytes = (double)v->recursive.heap.peak;
  contest_close(&c);
  return good;
}

bool workload_demo(const bench_setup *setup, bench_sheet *sheet) {
  variants *v = bench_alloc(1, sizeof *v);
  for (int k = 0; k < 3; k++) tape_open(&v->tape[k]);
  taped_compile(&v->tape[2].tape);
  rec_open(&v->recursive);
  v->hand.net = start;
  bool good = check(v) && measure(setup, sheet, v);
  for (int k = 0; k < 3; k++) {
    good = good && taped_ok(&v->tape[k].tape, (bench_variant)(BENCH_RECORDED + k));
    taped_close(&v->tape[k].tape);
  }
  rec_close(&v->recursive);
  free(v);
  return good;
}
