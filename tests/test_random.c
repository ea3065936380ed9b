/* SPDX-License-Identifier: MIT */
/* Random operations over time: which steps draw anew, what agrees with what, and that numbers
 * have the distribution they should. Seeds are fixed, so these are no lotteries. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "close.h"
#include "kernels/kernels.h"
#include "kytape/ops.h"
#include "kytape/program.h"

#define N 200

static int make_tape(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int free_tape(void **state) {
  ky_tape_free(*state);
  return 0;
}

static void read(ky_tape *t, ky_var v, double out[N]) {
  assert_int_equal(ky_read(t, v, out, N * sizeof *out), KY_OK);
}

static bool same(const double *a, const double *b) { return memcmp(a, b, N * sizeof *a) == 0; }

/* ---- draws ------------------------------------------------------------------------------- */

static void operations_are_independent(void **state) {
  ky_tape *t = *state;
  double a[N], b[N];
  read(t, ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1), a);
  read(t, ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1), b);
  assert_false(same(a, b));
}

static void replay_draws_anew_and_reading_does_not(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_normal(t, KY_F64, KY_SHAPE(N), 0, 1);
  double first[N], again[N], second[N];
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, x, first);
  read(t, x, again);
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, x, second);
  assert_true(same(first, again));
  assert_false(same(first, second));
}

static void seed_and_draw_name_the_numbers(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1);
  double run[4][N];
  assert_int_equal(ky_tape_seed(t, 7, 0), KY_OK);
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_forward(t), KY_OK);
    read(t, x, run[k]);
  }
  assert_int_equal(ky_tape_seed(t, 7, 1), KY_OK);
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, x, run[2]);
  assert_int_equal(ky_tape_seed(t, 8, 1), KY_OK);
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, x, run[3]);
  assert_false(same(run[0], run[1]));
  assert_true(same(run[1], run[2]));
  assert_false(same(run[2], run[3]));
}

/* A step that is recorded again after a rewind is the next draw, with the streams it had. */
static void rewind_goes_to_the_next_draw(void **state) {
  ky_tape *t = *state;
  const ky_mark mark = ky_tape_mark(t);
  double recorded[3][N], replayed[3][N];
  for (int k = 0; k < 3; k++) {
    read(t, ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1), recorded[k]);
    assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  }
  assert_int_equal(ky_tape_seed(t, 0, 0), KY_OK);
  const ky_var x = ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1);
  for (int k = 0; k < 3; k++) {
    assert_int_equal(ky_forward(t), KY_OK);
    read(t, x, replayed[k]);
    assert_true(same(recorded[k], replayed[k]));
  }
  assert_false(same(recorded[0], recorded[1]));
}

static void what_runs_later_in_a_step_has_its_draw(void **state) {
  ky_tape *t = *state;
  double early[N], at_once[N];
  (void)ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1);
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1), early);
  ky_tape *other = ky_tape_new(NULL);
  (void)ky_uniform(other, KY_F64, KY_SHAPE(N), 0, 1);
  read(other, ky_uniform(other, KY_F64, KY_SHAPE(N), 0, 1), at_once);
  ky_tape_free(other);
  assert_true(same(early, at_once));
}

static void refused_call_takes_no_stream(void **state) {
  ky_tape *t = *state;
  double a[N], b[N];
  assert_int_equal(ky_uniform(t, KY_F64, KY_SHAPE(N), 1, 0).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_ARGUMENT);
  read(t, ky_uniform(t, KY_F64, KY_SHAPE(N), 0, 1), a);
  ky_tape *other = ky_tape_new(NULL);
  read(other, ky_uniform(other, KY_F64, KY_SHAPE(N), 0, 1), b);
  ky_tape_free(other);
  assert_true(same(a, b));
}

static void seed_refuses_what_is_too_large(void **state) {
  ky_tape *t = *state;
  assert_int_equal(ky_tape_seed(NULL, 0, 0), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_seed(t, 0, (uint64_t)1 << 48), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(t), "2^48"));
  assert_int_equal(ky_tape_seed(t, UINT64_MAX, ((uint64_t)1 << 48) - 1), KY_OK);
  assert_int_equal(ky_exec_seed(NULL, 0, 0), KY_BAD_ARGUMENT);
}

/* ---- dropout ----------------------------------------------------------------------------- */

/* Even where the frame has gone on to another draw, the adjoint has the mask of the value. */
static void dropout_pulls_back_through_the_mask_of_its_value(void **state) {
  ky_tape *t = *state;
  double x[N], r[N];
  for (int k = 0; k < N; k++) x[k] = 1;
  const ky_var in = ky_input(t, KY_F64, KY_SHAPE(N), x), out = ky_dropout(t, in, 0.5);
  assert_int_equal(ky_watch(t, in), KY_OK);
  for (int step = 0; step < 3; step++) {
    ky_array g;
    assert_int_equal(ky_forward(t), KY_OK);
    assert_int_equal(ky_tape_seed(t, 99, 5), KY_OK);
    assert_int_equal(ky_backward(t, out, NULL), KY_OK);
    assert_int_equal(ky_grad(t, in, &g), KY_OK);
    read(t, out, r);
    assert_true(same(r, g.data));
    int kept = 0;
    for (int k = 0; k < N; k++) kept += r[k] == 2;
    assert_in_range(kept, N / 2 - 25, N / 2 + 25);
  }
}

static void masks_are_the_same_in_both_dtypes(void **state) {
  ky_tape *t = *state;
  ky_tape *other = ky_tape_new(NULL);
  const ky_var a = ky_dropout(t, ky_full(t, KY_F64, KY_SHAPE(N), 1), 0.25);
  const ky_var b = ky_dropout(other, ky_full(other, KY_F32, KY_SHAPE(N), 1), 0.25);
  double r[N];
  float s[N];
  read(t, a, r);
  assert_int_equal(ky_read(other, b, s, sizeof s), KY_OK);
  ky_tape_free(other);
  for (int k = 0; k < N; k++) assert_int_equal(r[k] == 0, s[k] == 0);
}

/* ---- programs ---------------------------------------------------------------------------- */

typedef struct net {
  double x[N];
  ky_var in, loss, noise, kept;
} net;

/* Two dropouts that a merge of common subexpressions must leave apart, one of them of a
 * constant, and noise of which no gradient is wanted. */
static void record_net(ky_tape *t, net *n) {
  for (int k = 0; k < N; k++) n->x[k] = (k + 1) / (double)N;
  n->in = ky_input(t, KY_F64, KY_SHAPE(N), n->x);
  assert_int_equal(ky_watch(t, n->in), KY_OK);
  const ky_var one = ky_full(t, KY_F64, KY_SHAPE(N), 1);
  n->noise = ky_add(t, ky_normal(t, KY_F64, KY_SHAPE(N), 0, 1),
                    ky_normal(t, KY_F64, KY_SHAPE(N), 0, 1));
  n->kept = ky_mul(t, ky_dropout(t, one, 0.5), ky_dropout(t, one, 0.5));
  const ky_var y = ky_mul(t, ky_dropout(t, n->in, 0.5), ky_dropout(t, ky_tanh(t, n->in), 0.5));
  n->loss = ky_sum_all(t, ky_add(t, ky_mul(t, y, n->noise), n->kept));
}

static uint64_t draw_of(const ky_tape *t) {
  uint64_t draw = 99;
  assert_int_equal(ky_tape_draw(t, &draw), KY_OK);
  return draw;
}

/* Three runs, or two, and one that goes on after them. */
static void the_draw_says_where_to_go_on(void **state) {
  ky_tape *t = *state, *later = ky_tape_new(NULL);
  double third[N], on[N];
  assert_int_equal(ky_tape_seed(t, 7, 0), KY_OK);
  const ky_var x = ky_normal(t, KY_F64, KY_SHAPE(N), 0, 1);
  const ky_var y = ky_normal(later, KY_F64, KY_SHAPE(N), 0, 1);
  assert_int_equal(draw_of(t), 0);
  for (uint64_t k = 1; k < 3; k++) {
    assert_int_equal(ky_forward(t), KY_OK);
    assert_int_equal(draw_of(t), k);
  }
  assert_int_equal(ky_tape_seed(later, 7, draw_of(t)), KY_OK);
  assert_int_equal(ky_forward(t), KY_OK);
  read(t, x, third);
  read(later, y, on);
  assert_int_equal(draw_of(later), draw_of(t));
  ky_tape_free(later);
  assert_true(same(third, on));
}

static void a_step_that_draws_nothing_is_no_draw(void **state) {
  ky_tape *t = *state;
  ky_square(t, ky_scalar(t, KY_F64, 3));
  assert_int_equal(ky_forward(t), KY_OK);
  assert_int_equal(draw_of(t), 0);
  uint64_t draw;
  assert_int_equal(ky_tape_draw(NULL, &draw), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_draw(t, NULL), KY_BAD_ARGUMENT);
}

static void program_has_the_numbers_of_the_tape(void **state) {
  ky_tape *t = *state;
  net n;
  record_net(t, &n);
  assert_int_equal(ky_tape_seed(t, 11, 0), KY_OK);
  const ky_var keep[2] = {n.noise, n.kept};
  const ky_compile_options options = {
      .size = sizeof options, .keep = keep, .keep_count = 2, .fuse_least = 1};
  ky_program *p;
  ky_exec *e;
  assert_int_equal(ky_compile(t, n.loss, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  for (int step = 0; step < 3; step++) {
    double a[N], b[N], loss[2];
    ky_array ga, gb;
    if (step == 2) {
      assert_int_equal(ky_tape_seed(t, 12, 9), KY_OK);
      assert_int_equal(ky_exec_seed(e, 12, 9), KY_OK);
    }
    assert_int_equal(ky_forward(t), KY_OK);
    assert_int_equal(ky_backward(t, n.loss, NULL), KY_OK);
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    for (int k = 0; k < 2; k++) {
      read(t, keep[k], a);
      assert_int_equal(ky_exec_read(e, keep[k], b, sizeof b), KY_OK);
      assert_true(same(a, b));
    }
    assert_int_equal(ky_item(t, n.loss, &loss[0]), KY_OK);
    assert_int_equal(ky_exec_item(e, n.loss, &loss[1]), KY_OK);
    assert_close(loss[0], loss[1], 0);
    assert_int_equal(ky_grad(t, n.in, &ga), KY_OK);
    assert_int_equal(ky_exec_grad(e, n.in, &gb), KY_OK);
    assert_true(same(ga.data, gb.data));
  }
  uint64_t draw;
  assert_int_equal(ky_exec_draw(e, &draw), KY_OK);
  assert_int_equal(draw, draw_of(t));
  assert_int_equal(draw, 10);
  assert_int_equal(ky_exec_draw(e, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_draw(NULL, &draw), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_seed(e, 0, (uint64_t)1 << 48), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_exec_message(e), "2^48"));
  ky_exec_free(e);
  ky_program_free(p);
}

/* A program without inputs: a sampler. */
static void program_samples(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_square(t, ky_normal(t, KY_F64, KY_SHAPE(N), 0, 1));
  const ky_compile_options options = {
      .size = sizeof options, .keep = &x, .keep_count = 1, .fuse_least = 1};
  ky_program *p;
  ky_exec *e;
  double a[N], b[N];
  assert_int_equal(ky_compile(t, ky_none(), &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  assert_int_equal(ky_exec_forward(e), KY_OK);
  assert_int_equal(ky_exec_read(e, x, a, sizeof a), KY_OK);
  assert_int_equal(ky_exec_forward(e), KY_OK);
  assert_int_equal(ky_exec_read(e, x, b, sizeof b), KY_OK);
  ky_exec_free(e);
  ky_program_free(p);
  assert_false(same(a, b));
}

/* ---- distributions ----------------------------------------------------------------------- */

#define MANY 100000
#define FIVE 5 /* standard errors: once in two million seeds */

static void check_moments(ky_tape *t, ky_var v, double mean, double variance, double fourth) {
  static double x[MANY];
  assert_int_equal(ky_read(t, v, x, sizeof x), KY_OK);
  double first = 0, second = 0;
  for (int k = 0; k < MANY; k++) {
    first += (x[k] - mean) / MANY;
    second += (x[k] - mean) * (x[k] - mean) / MANY;
  }
  assert_close(first, 0, FIVE * sqrt(variance / MANY));
  assert_close(second, variance, FIVE * sqrt((fourth - variance * variance) / MANY));
}

static void moments_are_those_of_the_distribution(void **state) {
  ky_tape *t = *state;
  check_moments(t, ky_uniform(t, KY_F64, KY_SHAPE(MANY), -1, 1), 0, 1.0 / 3, 1.0 / 5);
  check_moments(t, ky_normal(t, KY_F64, KY_SHAPE(MANY), 3, 2), 3, 4, 48);
  check_moments(t, ky_bernoulli(t, KY_F64, KY_SHAPE(MANY), 0.2), 0.2, 0.16, 0.0832);
}

static void uniform_stays_below_its_bound(void **state) {
  static float x[MANY];
  ky_tape *t = *state;
  const ky_var v = ky_uniform(t, KY_F32, KY_SHAPE(MANY), 16777215, 16777216);
  assert_int_equal(ky_read(t, v, x, sizeof x), KY_OK);
  for (int k = 0; k < MANY; k++) assert_true(x[k] >= 16777215 && x[k] < 16777216);
}

/* ---- kernels ----------------------------------------------------------------------------- */

#define PIECE     (3 * KY_DRAW_CHUNK)
#define ROUNDINGS 16 /* of logarithm, root, cosine and products, for numbers up to 6 */

/* Elements of both kinds of kernel in pieces, at one level. */
static void draw_all(const ky_random_kernels *k, size_t piece, float *uniform, double *normal) {
  const ky_draw d = {0x123456789ABCDEFu, 0x123456789u, 77};
  for (size_t i = 0; i < N; i += piece) {
    const size_t n = N - i < piece ? N - i : piece;
    k->uniform[KY_F32](&d, i, n, uniform + i, -1, 1);
    k->normal[KY_F64](&d, i, n, normal + i, 0, 1);
  }
}

static void levels_and_pieces_agree(void **state) {
  (void)state;
  float uniform[2][N];
  double normal[2][N];
  draw_all(ky__kernels_at(KY_LEVEL_plain)->random, N, uniform[0], normal[0]);
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    if (!kernels) continue;
    double whole[N];
    draw_all(kernels->random, N, uniform[1], whole);
    assert_memory_equal(uniform[0], uniform[1], sizeof *uniform);
    draw_all(kernels->random, PIECE, uniform[1], normal[1]);
    assert_memory_equal(uniform[0], uniform[1], sizeof *uniform);
    assert_memory_equal(whole, normal[1], sizeof whole);
    for (int k = 0; k < N; k++)
      assert_close(normal[1][k], normal[0][k], ROUNDINGS * DBL_EPSILON);
  }
}

/* A negative element that is dropped is -0 in any company. */
static void dropout_of_an_element_does_not_depend_on_the_count(void **state) {
  (void)state;
  const ky_draw d = {1, 2, 3};
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    float x[KY_DRAW_CHUNK], whole[KY_DRAW_CHUNK], less[KY_DRAW_CHUNK - 1];
    if (!kernels) continue;
    for (int k = 0; k < KY_DRAW_CHUNK; k++) x[k] = -1;
    kernels->random->dropout[KY_F32](&d, 0, KY_DRAW_CHUNK, whole, 0, x, 0.5);
    kernels->random->dropout[KY_F32](&d, 0, KY_DRAW_CHUNK - 1, less, 0, x, 0.5);
    assert_memory_equal(whole, less, sizeof less);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tape, free_tape)
  const struct CMUnitTest tests[] = {
      TEST(operations_are_independent),
      TEST(replay_draws_anew_and_reading_does_not),
      TEST(seed_and_draw_name_the_numbers),
      TEST(rewind_goes_to_the_next_draw),
      TEST(what_runs_later_in_a_step_has_its_draw),
      TEST(refused_call_takes_no_stream),
      TEST(seed_refuses_what_is_too_large),
      TEST(the_draw_says_where_to_go_on),
      TEST(a_step_that_draws_nothing_is_no_draw),
      TEST(dropout_pulls_back_through_the_mask_of_its_value),
      TEST(masks_are_the_same_in_both_dtypes),
      TEST(program_has_the_numbers_of_the_tape),
      TEST(program_samples),
      TEST(moments_are_those_of_the_distribution),
      TEST(uniform_stays_below_its_bound),
      cmocka_unit_test(levels_and_pieces_agree),
      cmocka_unit_test(dropout_of_an_element_does_not_depend_on_the_count),
  };
  return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
