/* SPDX-License-Identifier: MIT */
/* What tests of modules stand on. */
#include "module_bench.h"

#include <string.h>

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
