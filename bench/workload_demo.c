/* SPDX-License-Identifier: MIT */
/* demo: linear 3->2, sin, linear 2->4, sigmoid, binary cross entropy, gradient descent; the
 * five samples of the demo in turn. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hand/hand.h"
#include "recursive/recursive.h"
#include "workload.h"

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
  ky_tape *t;
  ky_tensor *weight[4];
  ky_var param[4], x, y, loss;
  ky_optimizer *optimizer;
  ky_mark step;
  double value; /* of the loss */
  ky_status status;
} tape_state;

static void tape_record(tape_state *s, int sample) {
  ky_tape *t = s->t;
  s->x = ky_input(t, KY_F64, KY_SHAPE(3), samples_x[sample]);
  s->y = ky_input(t, KY_F64, KY_SHAPE(4), samples_y[sample]);
  const ky_var hidden = ky_sin(t, ky_linear(t, s->x, s->param[0], s->param[1]));
  const ky_var p = ky_sigmoid(t, ky_linear(t, hidden, s->param[2], s->param[3]));
  s->loss = ky_bce(t, p, s->y, KY_REDUCE_SUM);
}

static bool tape_open(tape_state *s) {
  *s = (tape_state){.net = start, .t = ky_tape_new(NULL)};
  (void)ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(2, 3), s->net.w1, &s->weight[0]);
  (void)ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(2), s->net.b1, &s->weight[1]);
  (void)ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(4, 2), s->net.w2, &s->weight[2]);
  (void)ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(4), s->net.b2, &s->weight[3]);
  for (int k = 0; k < 4; k++) s->param[k] = ky_param(s->t, s->weight[k]);
  s->step = ky_tape_mark(s->t);
  tape_record(s, 0);
  const ky_status status = ky_sgd_new(NULL, RATE, &s->optimizer);
  s->status = status != KY_OK ? status : ky_tape_check(s->t);
  return s->status == KY_OK;
}

static void tape_close(tape_state *s) {
  ky_tape_free(s->t);
  ky_optimizer_free(s->optimizer);
  for (int k = 0; k < 4; k++) ky_tensor_free(s->weight[k]);
}

static void tape_learn(tape_state *s) {
  ky_grads grads;
  const ky_status backward = ky_backward(s->t, s->loss, &grads);
  const ky_status item = ky_item(s->t, s->loss, &s->value);
  const ky_status step = ky_optimizer_step(s->optimizer, &grads);
  if (s->status == KY_OK)
    s->status = backward != KY_OK ? backward : item != KY_OK ? item : step;
}

static void recorded(void *state) {
  tape_state *s = state;
  const ky_status status = ky_tape_rewind(s->t, s->step);
  if (s->status == KY_OK) s->status = status;
  tape_record(s, next_sample(&s->turn));
  tape_learn(s);
}

static void replayed(void *state) {
  tape_state *s = state;
  const int sample = next_sample(&s->turn);
  (void)ky_input_set(s->t, s->x, samples_x[sample]);
  (void)ky_input_set(s->t, s->y, samples_y[sample]);
  const ky_status status = ky_forward(s->t);
  if (s->status == KY_OK) s->status = status;
  tape_learn(s);
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
  tape_state recorded, replayed;
  rec_state recursive;
  hand_state hand;
} variants;

static bool same_weights(bench_variant variant, const hand_demo *got, const hand_demo *want) {
  double g[WEIGHTS], w[WEIGHTS];
  memcpy(g, got, sizeof g);
  memcpy(w, want, sizeof w);
  for (int k = 0; k < WEIGHTS; k++) {
    char what[32];
    snprintf(what, sizeof what, "weight %d", k);
    if (!bench_agree("demo", variant, what, g[k], w[k], 1e-11)) return false;
  }
  return true;
}

static bool check(variants *v) {
  for (int k = 0; k < CHECKED_STEPS; k++) {
    by_hand(&v->hand);
    recorded(&v->recorded);
    replayed(&v->replayed);
    recursive(&v->recursive);
    if (!bench_ok("demo", BENCH_RECORDED, v->recorded.status, v->recorded.t) ||
        !bench_ok("demo", BENCH_REPLAYED, v->replayed.status, v->replayed.t))
      return false;
    const double want = v->hand.value;
    if (!bench_agree("demo", BENCH_RECORDED, "loss", v->recorded.value, want, 1e-11) ||
        !bench_agree("demo", BENCH_REPLAYED, "loss", v->replayed.value, want, 1e-11) ||
        !bench_agree("demo", BENCH_RECURSIVE, "loss", v->recursive.value, want, 1e-11))
      return false;
  }
  return same_weights(BENCH_RECORDED, &v->recorded.net, &v->hand.net) &&
         same_weights(BENCH_REPLAYED, &v->replayed.net, &v->hand.net) &&
         same_weights(BENCH_RECURSIVE, &v->recursive.net, &v->hand.net);
}

static void measure(const bench_setup *setup, bench_sheet *sheet, variants *v) {
  static const bench_variant order[] = {BENCH_RECORDED, BENCH_REPLAYED, BENCH_RECURSIVE,
                                        BENCH_HAND};
  bench_cell cells[] = {{.call = recorded, .state = &v->recorded},
                        {.call = replayed, .state = &v->replayed},
                        {.call = recursive, .state = &v->recursive},
                        {.call = by_hand, .state = &v->hand}};
  bench_measure(&setup->pace, 4, cells);
  const double instructions = ky_tape_length(v->replayed.t) - 1;
  const double bytes[] = {(double)ky_tape_bytes(v->recorded.t),
                          (double)ky_tape_bytes(v->replayed.t), (double)v->recursive.heap.peak,
                          0};
  for (int k = 0; k < 4; k++) {
    bench_row *row = bench_sheet_row(sheet, "step", order[k]);
    row->time = bench_summary(&cells[k]);
    row->instructions = k < 2 ? instructions : 0;
    row->bytes = bytes[k];
  }
}

bool workload_demo(const bench_setup *setup, bench_sheet *sheet) {
  variants *v = bench_alloc(1, sizeof *v);
  bool good = tape_open(&v->recorded) && tape_open(&v->replayed);
  rec_open(&v->recursive);
  v->hand.net = start;
  if (!good) fprintf(stderr, "kybench: demo: %s\n", ky_tape_message(v->recorded.t));
  good = good && check(v);
  if (good) measure(setup, sheet, v);
  good = good && bench_ok("demo", BENCH_RECORDED, v->recorded.status, v->recorded.t) &&
         bench_ok("demo", BENCH_REPLAYED, v->replayed.status, v->replayed.t);
  tape_close(&v->recorded);
  tape_close(&v->replayed);
  rec_close(&v->recursive);
  free(v);
  return good;
}
