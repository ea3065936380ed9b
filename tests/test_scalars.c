/* SPDX-License-Identifier: MIT */
/* Runs of scalar instructions give the bits that their instructions give one by one: a tape
 * that checks for finite values runs them so. */
#include <string.h>

#include "close.h"
#include "kytape/ops.h"

enum { WEIGHTS = 3, LENGTH = 600 };

/* Numbers for one tape. */
static uint32_t next(uint32_t *state, uint32_t n) {
  *state = *state * 1664525u + 1013904223u;
  return (*state >> 16) % n;
}

/* Mostly what was computed last, which a run has not read back from memory yet. */
static ky_var pick(uint32_t *state, const ky_var *v, int count) {
  return v[next(state, 3) ? count - 1 : (int)next(state, (uint32_t)count)];
}

static ky_var some(ky_tape *t, uint32_t *state, ky_dtype dtype, const ky_var *v, int count) {
  const ky_var a = pick(state, v, count), b = pick(state, v, count);
  switch (next(state, 8)) {
  case 0: return ky_tanh(t, ky_add(t, a, b));
  case 1: return ky_sin(t, ky_mul(t, a, b));
  case 2: return ky_sub(t, a, b);
  case 3: return ky_mul_scalar(t, a, 0.75);
  case 4: return ky_lerp(t, a, b, ky_sigmoid(t, pick(state, v, count)));
  case 5: return ky_sum_all(t, ky_sin(t, a)); /* ends a run */
  case 6: return ky_cast(t, ky_cos(t, ky_cast(t, a, KY_F64)), dtype);
  default: return ky_clamp(t, a, -0.5, 0.5);
  }
}

typedef struct outcome {
  double value[LENGTH], gradient[WEIGHTS];
} outcome;

static double number(ky_array a) {
  return a.dtype == KY_F32 ? (double)*(const float *)a.data : *(const double *)a.data;
}

static void run(uint32_t seed, ky_dtype dtype, uint32_t flags, outcome *out) {
  ky_tape *t = ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options), .flags = flags});
  const float x32[WEIGHTS] = {0.4f, 0.1f, -0.2f};
  const double x64[WEIGHTS] = {0.4, 0.1, -0.2};
  ky_var v[LENGTH];
  int count = 0;
  for (; count < WEIGHTS; count++) {
    v[count] =
        ky_input(t, dtype, KY_SCALAR,
                 dtype == KY_F32 ? (const void *)&x32[count] : (const void *)&x64[count]);
    assert_int_equal(ky_watch(t, v[count]), KY_OK);
  }
  for (uint32_t state = seed; count < LENGTH; count++)
    v[count] = some(t, &state, dtype, v, count);
  assert_int_equal(ky_backward(t, v[LENGTH - 1], NULL), KY_OK);
  for (int k = 0; k < LENGTH; k++) assert_int_equal(ky_item(t, v[k], &out->value[k]), KY_OK);
  for (int k = 0; k < WEIGHTS; k++) {
    ky_array g;
    const ky_status status = ky_grad(t, v[k], &g);
    out->gradient[k] = status == KY_OK ? number(g) : -1;
    assert_true(status == KY_OK || status == KY_UNCONNECTED);
  }
  ky_tape_free(t);
}

static void a_run_gives_the_bits_of_its_instructions(void **state) {
  (void)state;
  for (uint32_t seed = 1; seed <= 50; seed++)
    for (int dtype = KY_F32; dtype <= KY_F64; dtype++) {
      outcome run_at_once, one_by_one;
      run(seed, (ky_dtype)dtype, 0, &run_at_once);
      run(seed, (ky_dtype)dtype, KY_CHECK_FINITE, &one_by_one);
      if (memcmp(&run_at_once, &one_by_one, sizeof run_at_once) != 0) fail_msg("seed %u", seed);
    }
}

/* By hand: y = x x, z = y y, with both operands just computed; dz/dx = 4 x^3. */
static void an_operand_just_computed_may_stand_twice(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const double three = 3;
  const ky_var x = ky_input(t, KY_F64, KY_SCALAR, &three), y = ky_mul(t, x, x),
               z = ky_mul(t, y, y);
  assert_int_equal(ky_watch(t, x), KY_OK);
  assert_int_equal(ky_backward(t, z, NULL), KY_OK);
  double value;
  ky_array g;
  assert_int_equal(ky_item(t, z, &value), KY_OK);
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  assert_close(value, 81, 0);
  assert_close(number(g), 108, 0);
  ky_tape_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_gives_the_bits_of_its_instructions),
      cmocka_unit_test(an_operand_just_computed_may_stand_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
