/* SPDX-License-Identifier: MIT */
/* Errors pass through modules, and constructors that fail leave the caller what was his. */
#include <string.h>

#include "fault_allocator.h"
#include "module_bench.h"

/* A module behind a linear layer of 3 inputs; takes it. */
static void put_behind_linear(bench *b, ky_module *last) {
  ky_module *parts[2] = {NULL, last};
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 4, 1, &b->rng, &parts[0]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, parts, &b->m), KY_OK);
}

static void assert_linear_is_blamed(void **state, ky_module *last) {
  bench *b = *state;
  put_behind_linear(b, last);
  const ky_var wide = ky_full(b->t, KY_F64, KY_SHAPE(1, 5, 7), 1);
  assert_int_equal(ky_module_forward(b->t, b->m, wide).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(b->t), "linear: [1,5,7] x [4,3]"));
  bench_tear_down(state);
  bench_set_up(state);
}

static void errors_pass_through_modules(void **state) {
  ky_module *m;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 1, 1, NULL, &m), KY_OK);
  assert_linear_is_blamed(state, m);
  assert_int_equal(ky_nn_flatten(NULL, &m), KY_OK);
  assert_linear_is_blamed(state, m);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 5, 1e-5, 0.1, &m), KY_OK);
  assert_linear_is_blamed(state, m);
  assert_int_equal(ky_nn_flatten(NULL, &m), KY_OK);
  assert_int_equal(ky_nn_residual(NULL, &m, &m), KY_OK);
  assert_linear_is_blamed(state, m);
}

static void an_earlier_error_stays_though_the_operand_is_good(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_flatten(NULL, &b->m), KY_OK);
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(2, 3), 1);
  ky_matmul(b->t, x, x);
  ky_array shape;
  assert_int_equal(ky_shape(b->t, x, &shape), KY_OK);
  assert_int_equal(shape.rank, 2);
  assert_int_equal(ky_shape(b->t, ky_none(), &shape), KY_BAD_SHAPE); /* that of matmul */
  ky_module_forward(b->t, b->m, x);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(b->t), "matmul: [2,3] x [2,3]"));
  assert_int_equal(ky_shape(b->t, ky_none(), &shape), KY_BAD_VAR);
  assert_int_equal(ky_shape(b->t, x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_shape(NULL, x, &shape), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_check(b->t), KY_OK);
}

static void the_result_may_go_where_an_operand_was(void **state) {
  bench *b = *state;
  ky_module *list[2] = {NULL};
  assert_int_equal(ky_nn_relu(NULL, &list[0]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, list, &list[0]), KY_BAD_ARGUMENT);
  assert_string_equal(ky_module_name(list[0]), "relu"); /* still the caller's */
  assert_int_equal(ky_nn_bidirectional(NULL, &list[0], &list[1], &list[0]), KY_BAD_ARGUMENT);
  assert_string_equal(ky_module_name(list[0]), "relu");
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator a = fault_allocator(&fa);
  assert_int_equal(ky_nn_tanh(NULL, &list[1]), KY_OK);
  fault_allocator_fail_from(&fa, 1);
  assert_int_equal(ky_nn_sequential(&a, 2, list, &list[1]), KY_NO_MEMORY);
  assert_int_equal(ky_nn_bidirectional(&a, &list[0], &list[1], &list[1]), KY_NO_MEMORY);
  assert_string_equal(ky_module_name(list[1]), "tanh");
  assert_int_equal(ky_nn_sequential(NULL, 2, list, &list[0]), KY_OK);
  assert_null(list[1]);
  assert_int_equal(ky_nn_sin(NULL, &list[1]), KY_OK);
  assert_int_equal(ky_nn_bidirectional(NULL, &list[0], &list[1], &list[1]), KY_OK);
  assert_null(list[0]);
  b->m = list[1];
  assert_string_equal(ky_module_name(b->m), "bidirectional");
  fault_allocator_free(&fa);
}

static ky_status ignore(void *user, const char *name, ky_tensor *weight) {
  (void)user;
  (void)name;
  (void)weight;
  return KY_OK;
}

static void weights_are_found_however_deep_they_are(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 4, 1, &b->rng, &b->m), KY_OK);
  const ky_tensor *bias = ky_module_weight(b->m, 1);
  for (int k = 0; k < 130; k++)
    assert_int_equal(ky_nn_sequential(NULL, 1, &b->m, &b->m), KY_OK);
  assert_int_equal(ky_module_weight_count(b->m), 2);
  assert_ptr_equal(ky_module_weight(b->m, 1), bias);
  assert_int_equal(ky_module_weights(b->m, ignore, NULL), KY_BAD_ARGUMENT); /* the path */
}

/* Modules that record nothing would hand it on. */
static void the_null_var_is_refused(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_dropout(NULL, 0.5, &b->m), KY_OK);
  ky_module_train(b->m, 0);
  assert_int_equal(ky_module_forward(b->t, b->m, ky_none()).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_VAR);
  assert_non_null(strstr(ky_tape_message(b->t), "module_forward: the var is null"));
}

/* Those that record nothing have none to ask. */
static void a_null_tape_gives_the_null_var(void **state) {
  bench *b = *state;
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(2), 1);
  assert_int_equal(ky_nn_sequential(NULL, 0, NULL, &b->m), KY_OK);
  assert_int_equal((ky_module_forward)(NULL, b->m, x).id, 0);
  ky_module_free(b->m);
  assert_int_equal(ky_nn_dropout(NULL, 0.5, &b->m), KY_OK);
  ky_module_train(b->m, 0);
  assert_int_equal((ky_module_forward)(NULL, b->m, x).id, 0);
}

static ky_var forward_itself(ky_module *m, ky_tape *t, ky_var x) {
  (void)m;
  (void)t;
  return x;
}

static void a_kind_without_size_is_refused(void **state) {
  bench *b = *state;
  static const ky_module_kind kind = {.name = "mine", .forward = forward_itself};
  ky_module mine = {&kind};
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(2), 1);
  assert_int_equal(ky_module_forward(b->t, &mine, x).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(b->t), "kind has no size"));
}

static void an_embedding_of_negative_extent_is_no_index(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, -1, 2, -1, NULL, &b->m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 2, -1, -1, NULL, &b->m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 2, 2, 2, NULL, &b->m), KY_BAD_INDEX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BENCH_TEST(errors_pass_through_modules),
      BENCH_TEST(an_earlier_error_stays_though_the_operand_is_good),
      BENCH_TEST(the_result_may_go_where_an_operand_was),
      BENCH_TEST(weights_are_found_however_deep_they_are),
      BENCH_TEST(the_null_var_is_refused),
      BENCH_TEST(a_null_tape_gives_the_null_var),
      BENCH_TEST(a_kind_without_size_is_refused),
      BENCH_TEST(an_embedding_of_negative_extent_is_no_index),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
