/* SPDX-License-Identifier: MIT */
/* See value_gradient.h. */
#include "value_gradient.h"

#include <stdlib.h>

static const bench_extra extras[] = {
    {"value us", "value_us", "%.2f"},
    {"step/value", "step_to_value", "%.2f"},
};

enum { EXTRA_VALUE, EXTRA_RATIO, EXTRA_COUNT };

enum { RECORDED, REPLAYED, COMPILED, TAPES };

/* ---- the recursive design ---------------------------------------------------------------- */

typedef struct recursion {
  const value_gradient *v;
  rec_heap heap;
  rec_tensor **weight;
  size_t weights;
  rec_grads grads;
} recursion;

/* On the weights that a tape has. */
static void recursion_open(recursion *r, const value_gradient *v, const taped *like) {
  *r = (recursion){.v = v, .weights = like->weights};
  r->weight = bench_alloc(r->weights, sizeof *r->weight);
  for (size_t k = 0; k < r->weights; k++) {
    const ky_array w = ky_tensor_array(like->weight[k]);
    void *data = (void *)(uintptr_t)w.data;
    r->weight[k] = rec_weight(&r->heap, w.dtype, w.rank, w.dims, data);
  }
}

static void recursion_close(recursion *r) {
  rec_grads_free(&r->heap, &r->grads);
  for (size_t k = 0; k < r->weights; k++) rec_drop(&r->heap, r->weight[k]);
  free(r->weight);
}

/* The gradients stay. */
static double differentiate(recursion *r) {
  rec_tensor *root = r->v->recursive(r->v->problem, &r->heap, r->weight);
  rec_backward(&r->heap, root, &r->grads);
  const double value = rec_item(root);
  rec_drop(&r->heap, root);
  return value;
}

static void recursive(void *state) {
  recursion *r = state;
  differentiate(r);
  rec_clear(&r->heap, &r->grads);
}

/* ---- agreement --------------------------------------------------------------------------- */

/* The gradient of the k-th weight by a variant; null when it has none. */
typedef const void *gradient_of(const void *variant, size_t k);

static const void *gradient_of_tape(const void *variant, size_t k) {
  return taped_grad(variant, k);
}

static const void *gradient_of_recursion(const void *variant, size_t k) {
  const recursion *r = variant;
  for (size_t n = 0; n < r->grads.count; n++)
    if (r->grads.pairs[n].weight == r->weight[k]) return rec_data(r->grads.pairs[n].grad);
  return NULL;
}

/* like: a tape with the same weights. */
static bool agree(const value_gradient *v, const taped *like, bench_variant variant,
                  double value, gradient_of *gradient, const void *of) {
  const char *name = v->model->workload;
  if (!bench_agree(name, variant, "the value", value, *v->value, v->tolerance)) return false;
  const char *want = v->gradient;
  for (size_t k = 0; k < like->weights; k++) {
    const ky_dtype dtype = ky_tensor_dtype(like->weight[k]);
    const size_t n = (size_t)ky_tensor_count(like->weight[k]);
    const void *got = gradient(of, k);
    const bool same =
        n == 1 && dtype == KY_F64 && got
            ? bench_agree(name, variant, "a derivative", *(const double *)got,
                          *(const double *)(const void *)want, v->tolerance)
            : bench_agree_all(name, variant, "gradient", dtype, n, got, want, v->tolerance);
    if (!same) return false;
    want += n * ky_dtype_size(dtype);
  }
  return true;
}

static bool check(const value_gradient *v, taped *tape, recursion *r) {
  static bench_call *const step[TAPES] = {taped_recorded, taped_replayed, taped_compiled};
  v->hand(v->problem);
  for (int k = 0; k < TAPES; k++) {
    const bench_variant variant = (bench_variant)(BENCH_RECORDED + k);
    step[k](&tape[k]);
    if (!taped_ok(&tape[k], variant) ||
        !agree(v, &tape[k], variant, tape[k].value, gradient_of_tape, &tape[k]))
      return false;
  }
  if (!v->recursive) return true;
  const double value = differentiate(r);
  const bool same = agree(v, tape, BENCH_RECURSIVE, value, gradient_of_recursion, r);
  rec_clear(&r->heap, &r->grads);
  return same;
}

/* ---- the workload ------------------------------------------------------------------------ */

static void add_value(const contest *c, bench_variant variant, int aside) {
  bench_row *row = contest_row(c, variant);
  row->extra[EXTRA_VALUE] = contest_median(c, aside) / 1e3;
  row->extra[EXTRA_RATIO] = row->time.median / contest_median(c, aside);
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, value_gradient *v,
                    taped *tape, recursion *r) {
  contest c;
  contest_open(&c, setup, sheet, v->title, &v->bound);
  contest_add_taped(&c, &tape[RECORDED], &tape[REPLAYED], &tape[COMPILED]);
  if (v->recursive) contest_add(&c, BENCH_RECURSIVE, recursive, r);
  contest_add(&c, BENCH_HAND, v->hand, v->problem);
  if (v->argument && !contest_add_torch(&c, v->argument, *v->value, v->tolerance)) {
    contest_close(&c);
    return false;
  }
  const int replayed = contest_aside(&c, taped_forward, &tape[REPLAYED]);
  const int compiled = contest_aside(&c, taped_compiled_forward, &tape[COMPILED]);
  const int hand = v->hand_value ? contest_aside(&c, v->hand_value, v->problem) : -1;
  contest_run(&c);
  add_value(&c, BENCH_REPLAYED, replayed);
  add_value(&c, BENCH_COMPILED, compiled);
  if (hand >= 0) add_value(&c, BENCH_HAND, hand);
  if (v->recursive) contest_row(&c, BENCH_RECURSIVE)->bytes = (double)r->heap.peak;
  contest_close(&c);
  return true;
}

bool value_gradient_run(const bench_setup *setup, bench_sheet *sheet, value_gradient *v) {
  taped tape[TAPES];
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  bound_open(&v->bound);
  for (int k = 0; k < TAPES; k++) {
    taped_open(&tape[k], v->model, v->problem);
    v->weights(&tape[k]);
    taped_start(&tape[k], 0);
  }
  taped_compile(&tape[COMPILED]);
  taped_share(&tape[COMPILED]);
  recursion r = {.v = v};
  if (v->recursive) recursion_open(&r, v, tape);
  bool good = check(v, tape, &r) && measure(setup, sheet, v, tape, &r);
  recursion_close(&r);
  for (int k = 0; k < TAPES; k++) {
    good = good && taped_ok(&tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&tape[k]);
  }
  bound_close(&v->bound);
  return good;
}
