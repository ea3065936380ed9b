/* SPDX-License-Identifier: MIT */
/* See value_gradient.h. */
#include "value_gradient.h"

#include "recursive/recursive.h"

static const bench_extra extras[] = {
    {"value us", "value_us", "%.2f"},
    {"step/value", "step_to_value", "%.2f"},
};

enum { EXTRA_VALUE, EXTRA_RATIO, EXTRA_COUNT };

enum { RECORDED, REPLAYED, COMPILED, TAPES };

static bool agree(const value_gradient *v, const taped *s, bench_variant variant) {
  const char *name = v->model->workload;
  if (!taped_ok(s, variant)) return false;
  if (!bench_agree(name, variant, "the value", s->value, *v->value, v->tolerance)) return false;
  const char *want = v->gradient;
  for (size_t k = 0; k < s->weights; k++) {
    const ky_dtype dtype = ky_tensor_dtype(s->weight[k]);
    const size_t n = (size_t)ky_tensor_count(s->weight[k]);
    const void *got = taped_grad(s, k);
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

static bool check(const value_gradient *v, taped *tape) {
  static bench_call *const step[TAPES] = {taped_recorded, taped_replayed, taped_compiled};
  v->hand(v->problem);
  for (int k = 0; k < TAPES; k++) {
    step[k](&tape[k]);
    if (!agree(v, &tape[k], (bench_variant)(BENCH_RECORDED + k))) return false;
  }
  if (!v->recursive) return true;
  v->recursive(v->recursion);
  return bench_agree(v->model->workload, BENCH_RECURSIVE, "the value", *v->recursive_value,
                     *v->value, v->tolerance);
}

static void add_value(const contest *c, bench_variant variant, int aside) {
  bench_row *row = contest_row(c, variant);
  row->extra[EXTRA_VALUE] = contest_median(c, aside) / 1e3;
  row->extra[EXTRA_RATIO] = row->time.median / contest_median(c, aside);
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, value_gradient *v,
                    taped *tape) {
  contest c;
  contest_open(&c, setup, sheet, v->title, &v->bound);
  contest_add_taped(&c, &tape[RECORDED], &tape[REPLAYED], &tape[COMPILED]);
  if (v->recursive) contest_add(&c, BENCH_RECURSIVE, v->recursive, v->recursion);
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
  if (v->recursive)
    contest_row(&c, BENCH_RECURSIVE)->bytes = (double)((const rec_heap *)v->recursion)->peak;
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
  bool good = check(v, tape) && measure(setup, sheet, v, tape);
  for (int k = 0; k < TAPES; k++) {
    good = good && taped_ok(&tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&tape[k]);
  }
  bound_close(&v->bound);
  return good;
}
