/* SPDX-License-Identifier: MIT */
/* Random numbers: the published vectors of Philox, and what fills promise. Everything is a
 * function of the seeds below, so nothing here passes or fails by chance. */
#include <math.h>
#include <string.h>

#include "close.h"
#include "kytape/rng.h"

enum { MANY = 100000 };

static const uint64_t seed = 2024;

/* Five standard errors of the mean of MANY draws with deviation 1; moments up to the fourth
 * have at most ten times that error. */
static const double five_errors = 5 / 316.0;

/* ---- the block function ------------------------------------------------------------------ */

static void philox_gives_known_answers(void **state) {
  (void)state;
  /* kat_vectors of Random123: counter, key, result */
  static const uint32_t known[][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    uint32_t out[4];
    ky_philox(known[k], known[k] + 4, out);
    assert_memory_equal(out, known[k] + 6, sizeof out);
  }
}

static void philox_works_in_place(void **state) {
  (void)state;
  const uint32_t key[2] = {1, 2};
  uint32_t counter[4] = {3, 4, 5, 6}, out[4];
  ky_philox(counter, key, out);
  ky_philox(counter, key, counter);
  assert_memory_equal(counter, out, sizeof out);
}

static void fill_is_the_block_of_seed_stream_and_position(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(0x299f31d0a4093822, 0x0370734413198a2e);
  rng.position = 0x85a308d3243f6a88; /* the third known answer */
  const uint32_t block[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  float x[4];
  assert_int_equal(ky_rng_uniform(&rng, KY_F32, 4, 0, 1, x), KY_OK);
  for (int k = 0; k < 4; k++) assert_close((double)x[k], (block[k] >> 8) * 0x1p-24, 0);
}

/* ---- determinism ------------------------------------------------------------------------- */

static void fills_can_be_split_at_blocks(void **state) {
  (void)state;
  ky_rng whole = ky_rng_seed(seed, 1), parts = whole;
  float a[12], b[12];
  double c[6], d[6];
  ky_rng_uniform(&whole, KY_F32, 12, -1, 1, a);
  ky_rng_uniform(&parts, KY_F32, 4, -1, 1, b);
  ky_rng_uniform(&parts, KY_F32, 8, -1, 1, b + 4);
  assert_memory_equal(a, b, sizeof a);
  ky_rng_normal(&whole, KY_F64, 6, 0, 1, c);
  ky_rng_normal(&parts, KY_F64, 2, 0, 1, d);
  ky_rng_normal(&parts, KY_F64, 4, 0, 1, d + 2);
  assert_memory_equal(c, d, sizeof c);
  assert_int_equal(whole.position, 3 + 3);
}

static void seeking_repeats_numbers(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 0);
  float a[8], b[4];
  ky_rng_uniform(&rng, KY_F32, 8, 0, 1, a);
  rng.position = 1;
  ky_rng_uniform(&rng, KY_F32, 4, 0, 1, b);
  assert_memory_equal(a + 4, b, sizeof b);
}

static void partial_blocks_count_as_whole_ones(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 0);
  double x[3];
  ky_rng_uniform(&rng, KY_F64, 3, 0, 1, x);
  assert_int_equal(rng.position, 2);
  ky_rng_uniform(&rng, KY_F64, 0, 0, 1, NULL);
  assert_int_equal(rng.position, 2);
}

static void seeds_and_streams_differ(void **state) {
  (void)state;
  ky_rng rng[3] = {ky_rng_seed(seed, 0), ky_rng_seed(seed, 1), ky_rng_seed(seed + 1, 0)};
  double x[3];
  for (int k = 0; k < 3; k++) ky_rng_uniform(&rng[k], KY_F64, 1, 0, 1, &x[k]);
  assert_true(x[0] != x[1] && x[0] != x[2] && x[1] != x[2]);
}

/* ---- distributions ----------------------------------------------------------------------- */

static double moment(const double *x, int power) {
  double sum = 0;
  for (int k = 0; k < MANY; k++) sum += pow(x[k], power);
  return sum / MANY;
}

static void draw(ky_dtype dtype,
                 ky_status (*fill)(ky_rng *, ky_dtype, size_t, double, double, void *),
                 double a, double b, double *x) {
  static float narrow[MANY];
  ky_rng rng = ky_rng_seed(seed, 7);
  void *out = dtype == KY_F64 ? (void *)x : (void *)narrow;
  assert_int_equal(fill(&rng, dtype, MANY, a, b, out), KY_OK);
  for (int k = 0; k < MANY && dtype == KY_F32; k++) x[k] = (double)narrow[k];
}

static void uniform_has_its_moments_and_range(void **state) {
  (void)state;
  static double x[MANY];
  for (int d = KY_F32; d <= KY_F64; d++) {
    draw((ky_dtype)d, ky_rng_uniform, -1, 1, x);
    assert_close(moment(x, 1), 0, five_errors);
    assert_close(moment(x, 2), 1 / 3.0, five_errors);
    assert_close(moment(x, 3), 0, five_errors);
    for (int k = 0; k < MANY; k++) assert_true(x[k] >= -1 && x[k] < 1);
  }
}

static void normal_has_its_moments(void **state) {
  (void)state;
  static double x[MANY];
  for (int d = KY_F32; d <= KY_F64; d++) {
    draw((ky_dtype)d, ky_rng_normal, 0, 1, x);
    assert_close(moment(x, 1), 0, five_errors);
    assert_close(moment(x, 2), 1, 2 * five_errors);
    assert_close(moment(x, 3), 0, 4 * five_errors);
    assert_close(moment(x, 4), 3, 10 * five_errors);
  }
}

static void normal_scales_and_shifts(void **state) {
  (void)state;
  ky_rng a = ky_rng_seed(seed, 0), b = a;
  double x[5], y[5];
  ky_rng_normal(&a, KY_F64, 5, 0, 1, x);
  ky_rng_normal(&b, KY_F64, 5, 3, 2, y);
  for (int k = 0; k < 5; k++) assert_close(y[k], 3 + 2 * x[k], 1e-15);
}

/* Around 1e8 an f32 is 8 apart, so that most sums round to an end of the interval. */
static void uniform_never_rounds_out_of_the_interval(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 0);
  float x[64];
  assert_int_equal(ky_rng_uniform(&rng, KY_F32, 64, 1e8, 1e8 + 16, x), KY_OK);
  for (int k = 0; k < 64; k++) assert_true((double)x[k] >= 1e8 && (double)x[k] < 1e8 + 16);
  assert_int_equal(ky_rng_uniform(&rng, KY_F32, 64, 1e8 - 1, 1e8 + 1, x), KY_OK);
  for (int k = 0; k < 64; k++) assert_close((double)x[k], 1e8, 0);
}

/* All six orders of three, within five deviations of their share. */
static void orders_are_equally_likely(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 3);
  int seen[27] = {0};
  for (int k = 0; k < 6000; k++) {
    int64_t order[3];
    assert_int_equal(ky_rng_permutation(&rng, 3, order), KY_OK);
    assert_int_equal(rng.position, 2 * (k + 1));
    seen[9 * order[0] + 3 * order[1] + order[2]]++;
  }
  int orders = 0;
  for (int k = 0; k < 27; k++) {
    orders += seen[k] > 0;
    if (seen[k]) assert_in_range(seen[k], 1000 - 145, 1000 + 145);
  }
  assert_int_equal(orders, 6);
}

static void a_permutation_has_each_number_once(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 4), again = rng;
  int64_t order[100], same[100];
  int seen[100] = {0};
  assert_int_equal(ky_rng_permutation(&rng, 100, order), KY_OK);
  for (int k = 0; k < 100; k++) {
    assert_in_range(order[k], 0, 99);
    seen[order[k]]++;
  }
  for (int k = 0; k < 100; k++) assert_int_equal(seen[k], 1);
  assert_int_equal(ky_rng_permutation(&again, 100, same), KY_OK);
  assert_memory_equal(same, order, sizeof order);
  assert_int_equal(ky_rng_permutation(&rng, 0, NULL), KY_OK);
  assert_int_equal(ky_rng_permutation(&rng, 1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_permutation(NULL, 1, order), KY_BAD_ARGUMENT);
  assert_memory_equal(&rng, &again, sizeof rng);
}

/* ---- errors ------------------------------------------------------------------------------ */

static void bad_fills_change_nothing(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(seed, 0);
  const ky_rng before = rng;
  double x = 42;
  assert_int_equal(ky_rng_uniform(NULL, KY_F64, 1, 0, 1, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, 1, 0, 1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, 1, 1, 1, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, 1, 1, 0, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, 1, 0, INFINITY, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, 1, -1.5e308, 1.5e308, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_F32, 1, 1e8 + 1, 1e8 + 2, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_uniform(&rng, KY_I32, 1, 0, 1, &x), KY_BAD_DTYPE);
  assert_int_equal(ky_rng_normal(NULL, KY_F64, 1, 0, 1, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, 1, 0, 1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, 1, NAN, 1, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, 1, 0, INFINITY, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_normal(&rng, KY_F64, 1, 0, -1, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_rng_normal(&rng, KY_MASK, 1, 0, 1, &x), KY_BAD_DTYPE);
  assert_memory_equal(&rng, &before, sizeof rng);
  assert_close(x, 42, 0);
}

int main(void) {
  print_message("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_gives_known_answers),
      cmocka_unit_test(philox_works_in_place),
      cmocka_unit_test(fill_is_the_block_of_seed_stream_and_position),
      cmocka_unit_test(fills_can_be_split_at_blocks),
      cmocka_unit_test(seeking_repeats_numbers),
      cmocka_unit_test(partial_blocks_count_as_whole_ones),
      cmocka_unit_test(seeds_and_streams_differ),
      cmocka_unit_test(uniform_has_its_moments_and_range),
      cmocka_unit_test(normal_has_its_moments),
      cmocka_unit_test(normal_scales_and_shifts),
      cmocka_unit_test(uniform_never_rounds_out_of_the_interval),
      cmocka_unit_test(orders_are_equally_likely),
      cmocka_unit_test(a_permutation_has_each_number_once),
      cmocka_unit_test(bad_fills_change_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
