/* SPDX-License-Identifier: MIT */
/* See training.h. */
#include "training.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS 3 /* that are compared */

enum { RECORDED, REPLAYED, COMPILED, TAPES, RECURSIVE = TAPES, HAND, STUDENTS };

/* One of the variants, with its weights. */
typedef struct student {
  const training *v;
  float **array;
  double loss; /* of the last step, if not the tape's */
  taped tape;
  rec_heap heap;
  rec_tensor **weight;
  rec_grads grads;
  float *room;
} student;

static size_t count_of(const training *v, int k) {
  const training_weight w = v->weight(v->problem, k);
  size_t count = 1;
  for (int d = 0; d < w.rank; d++) count *= (size_t)w.dims[d];
  return count;
}

/* ---- the variants ------------------------------------------------------------------------ */

static void recursive(void *state) {
  student *s = state;
  rec_tensor *loss = s->v->recursive(s->v->problem, &s->heap, s->weight);
  rec_backward(&s->heap, loss, &s->grads);
  s->loss = rec_item(loss);
  rec_descend(&s->grads, s->v->rate);
  rec_clear(&s->heap, &s->grads);
  rec_drop(&s->heap, loss);
}

static void by_hand(void *state) {
  student *s = state;
  s->loss = s->v->hand(s->v->problem, s->array, s->room);
}

static void open_tape(student *s) {
  const training *v = s->v;
  taped_open(&s->tape, v->model, v->problem);
  for (int k = 0; k < v->weights; k++) {
    const training_weight w = v->weight(v->problem, k);
    taped_weight(&s->tape, KY_F32, w.rank, w.dims, s->array[k]);
  }
  ky_optimizer *adamw = NULL;
  if (v->adamw) taped_keep(&s->tape, ky_adamw_new(NULL, v->rate, NULL, &adamw));
  if (v->adamw)
    taped_start_with(&s->tape, adamw);
  else
    taped_start(&s->tape, v->rate);
}

static void open_recursion(student *s) {
  s->weight = bench_alloc((size_t)s->v->weights, sizeof *s->weight);
  for (int k = 0; k < s->v->weights; k++) {
    const training_weight w = s->v->weight(s->v->problem, k);
    s->weight[k] = rec_weight(&s->heap, KY_F32, w.rank, w.dims, s->array[k]);
  }
}

static void open_student(const training *v, student *s, int which) {
  *s = (student){.v = v};
  s->array = bench_alloc((size_t)v->weights, sizeof *s->array);
  for (int k = 0; k < v->weights; k++) {
    s->array[k] = bench_alloc_aligned(count_of(v, k) * sizeof(float));
    bench_random(KY_F32, v->seed + (uint32_t)k, count_of(v, k), s->array[k],
                 v->weight(v->problem, k).bound);
  }
  if (which < TAPES) open_tape(s);
  if (which == RECURSIVE) open_recursion(s);
  if (which == HAND) s->room = bench_alloc_aligned(v->room * sizeof(float));
}

static void close_student(student *s, int which) {
  if (which < TAPES) taped_close(&s->tape);
  for (int k = 0; k < s->v->weights; k++) {
    if (s->weight) rec_drop(&s->heap, s->weight[k]);
    free(s->array[k]);
  }
  rec_grads_free(&s->heap, &s->grads);
  free(s->weight);
  free(s->array);
  free(s->room);
}

/* ---- agreement --------------------------------------------------------------------------- */

static double loss_of(const student *s, int which) {
  return which < TAPES ? s->tape.value : s->loss;
}

static bool agrees(const training *v, const student *s, int which) {
  static const bench_variant variants[STUDENTS] = {BENCH_RECORDED, BENCH_REPLAYED,
                                                   BENCH_COMPILED, BENCH_RECURSIVE, BENCH_HAND};
  const char *name = v->model->workload;
  const student *got = &s[which], *want = &s[RECORDED];
  const double tolerance = which < TAPES ? 0 : v->tolerance;
  if (which < TAPES && !taped_ok(&got->tape, variants[which])) return false;
  if (!bench_agree(name, variants[which], "loss", loss_of(got, which), want->tape.value,
                   tolerance))
    return false;
  for (int k = 0; k < v->weights; k++) {
    char what[24];
    snprintf(what, sizeof what, "weight %d", k);
    if (!bench_agree_all(name, variants[which], what, KY_F32, count_of(v, k), got->array[k],
                         want->array[k], tolerance))
      return false;
  }
  return true;
}

/* first: gets the loss of the first step. */
static bool check(const training *v, student *s, int count, double *first) {
  static bench_call *const step[STUDENTS] = {taped_recorded, taped_replayed, taped_compiled,
                                             recursive, by_hand};
  for (int k = 0; k < STEPS; k++) {
    for (int i = 0; i < count; i++) step[i](i < TAPES ? (void *)&s[i].tape : (void *)&s[i]);
    if (k == 0) *first = s[RECORDED].tape.value;
  }
  for (int i = 0; i < count; i++)
    if (!agrees(v, s, i)) return false;
  return true;
}

/* ---- the workload ------------------------------------------------------------------------ */

/* first: the loss of the first step. */
static bool measure(const bench_setup *setup, bench_sheet *sheet, training *v, student *s,
                    double first) {
  contest c;
  contest_open(&c, setup, sheet, v->title, &v->bound);
  contest_add_taped(&c, &s[RECORDED].tape, &s[REPLAYED].tape, &s[COMPILED].tape);
  if (v->hand) {
    contest_add(&c, BENCH_RECURSIVE, recursive, &s[RECURSIVE]);
    contest_add(&c, BENCH_HAND, by_hand, &s[HAND]);
  }
  const bool good = contest_add_torch(&c, v->argument, first, v->torch_tolerance);
  if (good) contest_run(&c);
  if (good && v->hand) {
    contest_row(&c, BENCH_RECURSIVE)->bytes = (double)s[RECURSIVE].heap.peak;
    contest_row(&c, BENCH_HAND)->bytes = (double)(v->room * sizeof(float));
  }
  contest_close(&c);
  return good;
}

bool training_run(const bench_setup *setup, bench_sheet *sheet, training *v) {
  student s[STUDENTS];
  const int count = v->hand ? STUDENTS : TAPES;
  for (int k = 0; k < count; k++) open_student(v, &s[k], k);
  taped_compile(&s[COMPILED].tape);
  taped_share(&s[COMPILED].tape);
  for (int k = 0; k < v->weights; k++)
    v->bound.bytes += v->passes * (double)(count_of(v, k) * sizeof(float));
  bound_open(&v->bound);
  double first = 0;
  bool good = check(v, s, count, &first) && measure(setup, sheet, v, s, first);
  for (int k = 0; k < count; k++) {
    good = good && (k >= TAPES || taped_ok(&s[k].tape, (bench_variant)(BENCH_RECORDED + k)));
    close_student(&s[k], k);
  }
  bound_close(&v->bound);
  return good;
}
