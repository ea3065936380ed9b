/* SPDX-License-Identifier: MIT */
/* See training.h. */
#include "training.h"

#include <stdio.h>
#include <stdlib.h>

#include "torch/torch.h"

#define STEPS 3 /* that are compared */

enum { RECORDED, REPLAYED, COMPILED, TAPES };

/* One of the variants, with its weights. */
typedef struct student {
  taped tape;
  float **array;
} student;

static size_t count_of(const training *v, int k) {
  const training_weight w = v->weight(v->problem, k);
  size_t count = 1;
  for (int d = 0; d < w.rank; d++) count *= (size_t)w.dims[d];
  return count;
}

static void open_student(const training *v, student *s) {
  taped_open(&s->tape, v->model, v->problem);
  s->array = bench_alloc((size_t)v->weights, sizeof *s->array);
  for (int k = 0; k < v->weights; k++) {
    const training_weight w = v->weight(v->problem, k);
    s->array[k] = bench_alloc_aligned(count_of(v, k) * sizeof(float));
    bench_random(KY_F32, v->seed + (uint32_t)k, count_of(v, k), s->array[k], w.bound);
    taped_weight(&s->tape, KY_F32, w.rank, w.dims, s->array[k]);
  }
  ky_optimizer *adamw = NULL;
  if (v->adamw) taped_keep(&s->tape, ky_adamw_new(NULL, v->rate, NULL, &adamw));
  if (v->adamw)
    taped_start_with(&s->tape, adamw);
  else
    taped_start(&s->tape, v->rate);
}

static void close_student(const training *v, student *s) {
  taped_close(&s->tape);
  for (int k = 0; k < v->weights; k++) free(s->array[k]);
  free(s->array);
}

static bool agrees(const training *v, const student *got, const student *want,
                   bench_variant variant) {
  const char *name = v->model->workload;
  if (!taped_ok(&got->tape, variant) ||
      !bench_agree(name, variant, "loss", got->tape.value, want->tape.value, 0))
    return false;
  for (int k = 0; k < v->weights; k++) {
    char what[24];
    snprintf(what, sizeof what, "weight %d", k);
    if (!bench_agree_all(name, variant, what, KY_F32, count_of(v, k), got->array[k],
                         want->array[k], 0))
      return false;
  }
  return true;
}

/* first: gets the loss of the first step. */
static bool check(const training *v, student *s, double *first) {
  static bench_call *const step[TAPES] = {taped_recorded, taped_replayed, taped_compiled};
  for (int k = 0; k < STEPS; k++)
    for (int i = 0; i < TAPES; i++) {
      step[i](&s[i].tape);
      if (k == 0) *first = s[i].tape.value;
    }
  for (int i = 0; i < TAPES; i++)
    if (!agrees(v, &s[i], &s[RECORDED], (bench_variant)(BENCH_RECORDED + i))) return false;
  return true;
}

bool training_run(const bench_setup *setup, bench_sheet *sheet, training *v) {
  student s[TAPES];
  for (int k = 0; k < TAPES; k++) open_student(v, &s[k]);
  taped_compile(&s[COMPILED].tape);
  taped_share(&s[COMPILED].tape);
  for (int k = 0; k < v->weights; k++)
    v->bound.bytes += v->passes * (double)(count_of(v, k) * sizeof(float));
  bound_open(&v->bound);
  double first = 0;
  bool good = check(v, s, &first);
  if (good) {
    contest c;
    contest_open(&c, setup, sheet, v->title, &v->bound);
    contest_add_taped(&c, &s[RECORDED].tape, &s[REPLAYED].tape, &s[COMPILED].tape);
    contest_run(&c);
    contest_close(&c);
  }
  for (int k = 0; k < TAPES; k++) {
    good = good && taped_ok(&s[k].tape, (bench_variant)(BENCH_RECORDED + k));
    close_student(v, &s[k]);
  }
  bound_close(&v->bound);
  return good && torch_run(setup, sheet, v->title, v->argument, first, v->torch_tolerance);
}
