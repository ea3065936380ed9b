/* SPDX-License-Identifier: MIT */
/* What tests of modules stand on. */
#include "module_bench.h"

#include <string.h>

#include "fault_allocator.h"

int bench_set_up(void **state) {
  static bench b;
  b = (bench){.t = ky_tape_new(NULL), .rng = ky_rng_seed(BENCH_SEED, 0)};
  *state = &b;
  return b.t ? 0 : -1;
}

int bench_tear_down(void **state) {
  bench *b = *state;
  ky_tape_free(b->t);
  ky_module_free(b->m);
  ky_tensor_free(b->w);
  return 0;
}

ky_status bench_note_name(void *user, const char *name, ky_tensor *weight) {
  (void)weight;
  strcat(user, name);
  strcat(user, " ");
  return KY_OK;
}

void bench_assert_values(ky_tape *t, ky_var v, const double *want, int64_t count,
                         double tolerance) {
  ky_array a;
  assert_int_equal(ky_data(t, v, &a), KY_OK);
  assert_int_equal(a.count, count);
  for (int64_t k = 0; k < count; k++)
    assert_close(((const double *)a.data)[k], want[k], tolerance);
}

void bench_fill(ky_module *m) {
  for (size_t k = 0; k < ky_module_weight_count(m); k++) {
    ky_tensor *w = ky_module_weight(m, k);
    double *to = ky_tensor_write(w);
    for (int64_t n = 0; n < ky_tensor_count(w); n++)
      to[n] = (double)(n * (7 + (int64_t)k) % 11) / 10 - 0.5;
  }
}

void bench_assert_survives_failing_memory(bench_maker *make) {
  ky_status status = KY_NO_MEMORY;
  for (size_t n = 1; status == KY_NO_MEMORY && n < 100; n++) {
    ky_fault_allocator fa;
    fault_allocator_init(&fa);
    fault_allocator_fail_once(&fa, n);
    const ky_allocator a = fault_allocator(&fa);
    ky_module *m = (ky_module *)&fa; /* not null */
    status = make(&a, &m);
    assert_true((status == KY_OK) == (m != NULL));
    ky_module_free(m);
    assert_null(fault_allocator_complaint(&fa));
    assert_int_equal(fa.live_blocks, 0);
    fault_allocator_free(&fa);
  }
  assert_int_equal(status, KY_OK);
}
