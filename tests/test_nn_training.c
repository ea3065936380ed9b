/* SPDX-License-Identifier: MIT */
/* Modules that do something else in training than in inference: dropout, batch normalisation
 * and its running statistics. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kytape/optim.h"
#include "module_bench.h"

#define TOLERANCE 1e-14 /* of sums of a few products of numbers near 1 */

/* ---- dropout ----------------------------------------------------------------------------- */

static void dropout_is_there_in_training_alone(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_dropout(NULL, 0.5, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "dropout");
  assert_int_equal(ky_module_weight_count(b->m), 0);
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(1000), 3);
  const ky_var y = ky_module_forward(b->t, b->m, x);
  ky_array a;
  assert_int_equal(ky_data(b->t, y, &a), KY_OK);
  int dropped = 0;
  for (int k = 0; k < 1000; k++) {
    const double v = ((const double *)a.data)[k];
    assert_true(v == 0 || v == 6);
    dropped += v == 0;
  }
  assert_in_range(dropped, 400, 600);
  ky_module_train(b->m, 0);
  assert_int_equal(ky_module_forward(b->t, b->m, x).id, x.id);
  ky_module_train(b->m, 1);
  assert_int_not_equal(ky_module_forward(b->t, b->m, x).id, x.id);
  ky_module_train(NULL, 1);
}

static void dropout_wants_a_probability(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_dropout(NULL, -0.1, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_dropout(NULL, 1.1, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_dropout(NULL, (double)NAN, &b->m), KY_BAD_ARGUMENT);
  assert_null(b->m);
  assert_int_equal(ky_nn_dropout(NULL, 0.5, NULL), KY_BAD_ARGUMENT);
}

/* ---- batch normalisation ----------------------------------------------------------------- */

/* torch.nn.BatchNorm1d(2) of PyTorch 1.13 gave these: two batches in training, then the first
 * one in inference. */
static const double trained[12] = {
    -2.6974719583197784, 1.1470566829668891, 0.786415075484074,  1.2990188943222964,
    1.9159624112242226,  0.3781509547095556, 1.0427169849031852, 1.5553208037414075,
    1.1470566829668891,  -0.390754773547778, 1.2990188943222964, 0.017509347226740413};
static const double inferred[12] = {-1.104684293908491, 0.9122153992555154, 1.0056024991476777,
                                    1.274522458236212,  1.3155953378883167, 0.5088354606227141,
                                    1.1400624786919449, 1.4089824377804792, 0.9122153992555154,
                                    0.1054555219899128, 1.274522458236212,  0.6022225605148764};
static const double running_mean[2] = {0.08958333333333335, 0.010416666666666668};
static const double running_var[2] = {0.8642291666666667, 0.8642291666666667};

static void fill_batch(double x[12], double shift) {
  for (int k = 0; k < 12; k++) x[k] = (double)(k * 5 % 7) / 4 - 0.75 + shift;
}

static void make_norm(bench *b) {
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 2, 1e-5, 0.1, &b->m), KY_OK);
  memcpy(ky_tensor_write(ky_module_weight(b->m, 0)), (double[]){1.5, -0.5}, 16);
  memcpy(ky_tensor_write(ky_module_weight(b->m, 1)), (double[]){0.25, 1}, 16);
}

/* Compares the next of `want` with a buffer. */
static ky_status compare_buffer(void *user, const char *name, ky_tensor *buffer) {
  const double ***next = user, *want = *(*next)++;
  (void)name;
  for (int64_t k = 0; k < ky_tensor_count(buffer); k++)
    assert_close(((const double *)ky_tensor_data(buffer))[k], want[k], TOLERANCE);
  return KY_OK;
}

static void assert_running(const ky_module *m, const double *mean, const double *variance) {
  const double *want[2] = {mean, variance}, **next = want;
  assert_int_equal(ky_module_buffers(m, compare_buffer, &next), KY_OK);
  assert_ptr_equal(next, want + 2);
}

static void batchnorm_agrees_with_pytorch(void **state) {
  bench *b = *state;
  make_norm(b);
  double x[12];
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(3, 2, 2), x);
  const ky_var y = ky_module_forward(b->t, b->m, in);
  for (int batch = 0; batch < 2; batch++) {
    fill_batch(x, 0.5 * batch);
    assert_int_equal(ky_forward(b->t), KY_OK);
    bench_assert_values(b->t, y, trained, 12, TOLERANCE);
    assert_int_equal(ky_module_update(b->m, b->t), KY_OK);
  }
  assert_running(b->m, running_mean, running_var);
  ky_module_train(b->m, 0);
  fill_batch(x, 0);
  bench_assert_values(b->t, ky_module_forward(b->t, b->m, in), inferred, 12, TOLERANCE);
}

static void a_program_keeps_what_running_statistics_follow(void **state) {
  bench *b = *state;
  make_norm(b);
  double x[12];
  ky_var kept[3] = {{0}};
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(3, 2, 2), x);
  assert_int_equal(ky_module_kept(b->m, 3, kept), 0); /* nothing is recorded yet */
  const ky_var root = ky_sum_all(b->t, ky_module_forward(b->t, b->m, in));
  assert_int_equal(ky_module_kept(b->m, 0, NULL), 2);
  assert_int_equal(ky_module_kept(b->m, 3, kept), 2);
  assert_true(kept[0].id && kept[1].id && !kept[2].id);
  const ky_compile_options options = {.size = sizeof options, .keep = kept, .keep_count = 2};
  ky_program *p = NULL;
  ky_exec *e = NULL;
  assert_int_equal(ky_compile(b->t, root, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  const ky_status early = ky_module_update_exec(b->m, e);
  for (int batch = 0; batch < 2; batch++) {
    fill_batch(x, 0.5 * batch);
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    assert_int_equal(ky_module_update_exec(b->m, e), KY_OK);
  }
  ky_exec_free(e);
  ky_program_free(p);
  assert_int_equal(early, KY_NOT_RUN);
  assert_running(b->m, running_mean, running_var);
}

/* As PyTorch refuses it: one element has no variance to follow. */
static void a_program_of_lone_samples_moves_no_statistic(void **state) {
  bench *b = *state;
  make_norm(b);
  static const double x[2] = {3, 4}, zeros[2] = {0, 0}, ones[2] = {1, 1};
  ky_var kept[2];
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(1, 2), x);
  const ky_var root = ky_sum_all(b->t, ky_module_forward(b->t, b->m, in));
  assert_int_equal(ky_module_kept(b->m, 2, kept), 2);
  const ky_compile_options options = {.size = sizeof options, .keep = kept, .keep_count = 2};
  ky_program *p = NULL;
  ky_exec *e = NULL;
  assert_int_equal(ky_compile(b->t, root, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  const ky_status step = ky_exec_step(e, NULL), update = ky_module_update_exec(b->m, e);
  ky_exec_free(e);
  ky_program_free(p);
  assert_int_equal(step, KY_OK);
  assert_int_equal(update, KY_BAD_ARGUMENT);
  assert_running(b->m, zeros, ones);
}

static void no_statistic_moves_unless_all_can(void **state) {
  bench *b = *state;
  ky_module *parts[2] = {NULL};
  for (int k = 0; k < 2; k++)
    assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 2, 1e-5, 0.1, &parts[k]), KY_OK);
  ky_module *const first = parts[0], *const second = parts[1];
  assert_int_equal(ky_nn_sequential(NULL, 2, parts, &b->m), KY_OK);
  const ky_var in = ky_full(b->t, KY_F64, KY_SHAPE(3, 2), 7);
  assert_true(ky_module_forward(b->t, first, in).id);
  const ky_mark mark = ky_tape_mark(b->t);
  assert_true(ky_module_forward(b->t, second, in).id);
  assert_int_equal(ky_tape_rewind(b->t, mark), KY_OK);
  assert_int_equal(ky_module_update(b->m, b->t), KY_BAD_VAR);
  assert_non_null(strstr(ky_tape_message(b->t), "rewound"));
  static const double zeros[2] = {0, 0}, ones[2] = {1, 1};
  assert_running(first, zeros, ones);
  assert_running(second, zeros, ones);
  const ky_var lone = ky_full(b->t, KY_F64, KY_SHAPE(1, 2), 7);
  assert_true(ky_module_forward(b->t, b->m, lone).id);
  assert_int_equal(ky_module_update(b->m, b->t), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(b->t), "one element a channel"));
  assert_int_equal(ky_module_update(b->m, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_module_update(NULL, b->t), KY_BAD_ARGUMENT);
  assert_int_equal(ky_module_update_exec(b->m, NULL), KY_BAD_ARGUMENT);
}

static void a_recording_that_failed_moves_no_statistic(void **state) {
  bench *b = *state;
  make_norm(b);
  static const double zeros[2] = {0, 0}, ones[2] = {1, 1};
  const ky_var wide = ky_full(b->t, KY_F64, KY_SHAPE(3, 5), 7);
  assert_int_equal(ky_module_forward(b->t, b->m, wide).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_int_equal(ky_module_update(b->m, b->t), KY_OK);
  assert_running(b->m, zeros, ones);
  assert_int_equal(ky_module_kept(b->m, 0, NULL), 0);
}

#define PROGRAMS 3

/* Full batches and a smaller last one: two recordings, each with a program, on two tapes and on
 * one. The module was recorded elsewhere since, too. */
static void each_program_moves_the_statistics_of_its_recording(void **state) {
  bench *b = *state;
  double x[12];
  fill_batch(x, 0);
  ky_tape *tapes[PROGRAMS] = {b->t, ky_tape_new(NULL), b->t};
  ky_program *p[PROGRAMS] = {NULL};
  ky_exec *e[PROGRAMS] = {NULL};
  make_norm(b);
  for (int k = 0; k < PROGRAMS; k++) {
    const ky_var in = ky_input(tapes[k], KY_F64, KY_SHAPE(3 - k, 2, 2), x);
    const ky_var root = ky_sum_all(tapes[k], ky_module_forward(tapes[k], b->m, in));
    ky_var kept[2];
    assert_int_equal(ky_module_kept(b->m, 2, kept), 2);
    const ky_compile_options options = {.size = sizeof options, .keep = kept, .keep_count = 2};
    assert_int_equal(ky_compile(tapes[k], root, &options, &p[k]), KY_OK);
    assert_int_equal(ky_exec_new(p[k], NULL, &e[k]), KY_OK);
  }
  double want[2] = {0, 0};
  for (int k = 0; k < PROGRAMS; k++) {
    assert_int_equal(ky_exec_step(e[k], NULL), KY_OK);
    assert_int_equal(ky_module_update_exec(b->m, e[k]), KY_OK);
    for (int c = 0; c < 2; c++) {
      double sum = 0;
      for (int n = 0; n < 2 * (3 - k); n++) sum += x[n / 2 * 4 + 2 * c + n % 2];
      want[c] = 0.9 * want[c] + 0.1 * sum / (2 * (3 - k));
    }
  }
  const ky_array got = ky_tensor_array(ky_module_find(b->m, "running_mean"));
  for (int c = 0; c < 2; c++) assert_close(((const double *)got.data)[c], want[c], TOLERANCE);
  for (int k = 0; k < PROGRAMS; k++) {
    ky_exec_free(e[k]);
    ky_program_free(p[k]);
  }
  ky_tape_free(tapes[1]);
}

/* On a tape that is recorded anew for each step, the newest counts, however many there were. */
static void recordings_that_were_rewound_are_forgotten(void **state) {
  bench *b = *state;
  double x[12];
  fill_batch(x, 0);
  make_norm(b);
  ky_tape *other = ky_tape_new(NULL);
  const ky_var there = ky_input(other, KY_F64, KY_SHAPE(3, 2, 2), x);
  assert_true(ky_module_forward(other, b->m, there).id);
  const ky_mark mark = ky_tape_mark(b->t);
  for (int step = 0; step < 20; step++) {
    assert_int_equal(ky_tape_rewind(b->t, mark), KY_OK);
    const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(3, 2, 2), x);
    assert_true(ky_module_forward(b->t, b->m, in).id);
    assert_int_equal(ky_module_update(b->m, b->t), KY_OK);
  }
  const ky_status status = ky_module_update(b->m, other);
  ky_tape_free(other);
  assert_int_equal(status, KY_OK);
}

static void batchnorm_refuses_what_is_no_number(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 2, -1, 0.1, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 2, 0, 1.1, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 2, 0, 0.1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_I32, 2, 0, 0.1, &b->m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, -2, 0, 0.1, &b->m), KY_BAD_SHAPE);
  assert_null(b->m);
  make_norm(b);
  assert_int_equal(ky_module_forward(b->t, b->m, ky_full(b->t, KY_F64, KY_SHAPE(2, 3), 1)).id,
                   0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_int_equal(ky_module_kept(b->m, 0, NULL), 0);
  assert_int_equal(ky_module_buffers(b->m, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_module_statistics(b->m, NULL, NULL), KY_BAD_ARGUMENT);
}

static ky_status make_batchnorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_batchnorm(a, KY_F32, 4, 1e-5, 0.1, out);
}
static ky_status make_dropout(const ky_allocator *a, ky_module **out) {
  return ky_nn_dropout(a, 0.5, out);
}

static void a_failed_allocation_leaves_nothing(void **state) {
  (void)state;
  bench_assert_survives_failing_memory(make_batchnorm);
  bench_assert_survives_failing_memory(make_dropout);
}

/* ---- all together ------------------------------------------------------------------------ */

static ky_module *block_of(bench *b, int64_t width) {
  ky_module *part[4], *inside = NULL;
  assert_int_equal(ky_nn_linear(NULL, KY_F32, width, width, 1, &b->rng, &part[0]), KY_OK);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F32, width, 1e-5, 0.1, &part[1]), KY_OK);
  assert_int_equal(ky_nn_relu(NULL, &part[2]), KY_OK);
  assert_int_equal(ky_nn_dropout(NULL, 0.1, &part[3]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 4, part, &inside), KY_OK);
  assert_int_equal(ky_nn_residual(NULL, &inside, &inside), KY_OK);
  return inside;
}

static void names_of_buffers_tell_where_they_are(void **state) {
  bench *b = *state;
  ky_module *part[2] = {block_of(b, 2), block_of(b, 2)};
  assert_int_equal(ky_nn_sequential(NULL, 2, part, &b->m), KY_OK);
  char names[256] = "";
  assert_int_equal(ky_module_buffers(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names,
                      "0.1.running_mean 0.1.running_var 1.1.running_mean 1.1.running_var ");
  names[0] = 0;
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names, "0.0.weight 0.0.bias 0.1.weight 0.1.bias "
                             "1.0.weight 1.0.bias 1.1.weight 1.1.bias ");
}

/* Mean squared error of a network against a target that it can learn. */
static double error_of(bench *b, ky_optimizer *o, const float *x, const float *y) {
  const ky_mark start = ky_tape_mark(b->t);
  const ky_var in = ky_input(b->t, KY_F32, KY_SHAPE(16, 4), x);
  const ky_var want = ky_input(b->t, KY_F32, KY_SHAPE(16, 4), y);
  const ky_var loss = ky_loss_mse(b->t, ky_module_forward(b->t, b->m, in), want);
  double error = (double)NAN;
  assert_int_equal(ky_item(b->t, loss, &error), KY_OK);
  ky_grads grads;
  if (o) {
    assert_int_equal(ky_backward(b->t, loss, &grads), KY_OK);
    assert_int_equal(ky_optimizer_step(o, &grads), KY_OK);
    assert_int_equal(ky_module_update(b->m, b->t), KY_OK);
  }
  assert_int_equal(ky_tape_rewind(b->t, start), KY_OK);
  return error;
}

static void a_network_learns_and_infers_as_it_learned(void **state) {
  bench *b = *state;
  ky_module *part[3] = {block_of(b, 4), block_of(b, 4), NULL};
  assert_int_equal(ky_nn_linear(NULL, KY_F32, 4, 4, 1, &b->rng, &part[2]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 3, part, &b->m), KY_OK);
  float x[64], y[64];
  for (int k = 0; k < 64; k++) {
    x[k] = (float)(k * 37 % 23) / 8 - 1;
    y[k] = x[k] * x[k] / 2 + 0.25f;
  }
  ky_optimizer *o = NULL;
  assert_int_equal(ky_adam_new(NULL, 0.02, NULL, &o), KY_OK);
  const double before = error_of(b, NULL, x, y);
  for (int step = 0; step < 300; step++) error_of(b, o, x, y);
  ky_optimizer_free(o);
  ky_module_train(b->m, 0);
  const double after = error_of(b, NULL, x, y), again = error_of(b, NULL, x, y);
  assert_true(after < 0.2 * before);
  assert_true(after == again); /* nothing is dropped */
}

/* ---- kinds of older programs ------------------------------------------------------------- */

static ky_var identity(ky_module *m, ky_tape *t, ky_var x) {
  (void)m;
  (void)t;
  return x;
}

static void never(ky_module *m, int training) {
  (void)m;
  (void)training;
  fail_msg("a function behind the size of a kind was called");
}

static void functions_behind_the_size_of_a_kind_are_not_called(void **state) {
  (void)state;
  const ky_module_kind old = {.size = offsetof(ky_module_kind, inner),
                              .name = "old",
                              .forward = identity,
                              .train = never};
  ky_module m = {&old};
  ky_module_train(&m, 0);
  assert_int_equal(ky_module_weight_count(&m), 0);
  assert_int_equal(ky_module_kept(&m, 0, NULL), 0);
  assert_int_equal(ky_module_kept(NULL, 0, NULL), 0);
}

static void tensors_are_found_by_their_path(void **state) {
  bench *b = *state;
  ky_module *list[3];
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 2, 3, 1, NULL, &list[0]), KY_OK);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 3, 1e-5, 0.1, &list[1]), KY_OK);
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 1, 0, NULL, &list[2]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 3, list, &b->m), KY_OK);
  assert_ptr_equal(ky_module_find(b->m, "0.weight"), ky_module_weight(b->m, 0));
  assert_ptr_equal(ky_module_find(b->m, "2.weight"), ky_module_weight(b->m, 4));
  assert_int_equal(ky_tensor_count(ky_module_find(b->m, "1.running_var")), 3);
  assert_null(ky_module_find(b->m, "2.bias"));
  assert_null(ky_module_find(b->m, ""));
  assert_null(ky_module_find(b->m, NULL));
  assert_null(ky_module_find(NULL, "0.weight"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BENCH_TEST(dropout_is_there_in_training_alone),
      BENCH_TEST(dropout_wants_a_probability),
      BENCH_TEST(batchnorm_agrees_with_pytorch),
      BENCH_TEST(each_program_moves_the_statistics_of_its_recording),
      BENCH_TEST(recordings_that_were_rewound_are_forgotten),
      BENCH_TEST(a_program_keeps_what_running_statistics_follow),
      BENCH_TEST(a_program_of_lone_samples_moves_no_statistic),
      BENCH_TEST(no_statistic_moves_unless_all_can),
      BENCH_TEST(a_recording_that_failed_moves_no_statistic),
      BENCH_TEST(batchnorm_refuses_what_is_no_number),
      cmocka_unit_test(a_failed_allocation_leaves_nothing),
      BENCH_TEST(names_of_buffers_tell_where_they_are),
      BENCH_TEST(a_network_learns_and_infers_as_it_learned),
      cmocka_unit_test(functions_behind_the_size_of_a_kind_are_not_called),
      BENCH_TEST(tensors_are_found_by_their_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
