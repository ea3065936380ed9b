/* SPDX-License-Identifier: MIT */
/* Modules for sequences: what they record, their weights, what they refuse, failing memory. */
#include <string.h>

#include "fault_allocator.h"
#include "module_bench.h"

static void assert_same(ky_tape *t, ky_var a, ky_var b) {
  ky_array x, y;
  assert_int_equal(ky_data(t, a, &x), KY_OK);
  assert_int_equal(ky_data(t, b, &y), KY_OK);
  assert_int_equal(x.count, y.count);
  assert_true(x.count > 0);
  assert_memory_equal(x.data, y.data, (size_t)x.count * sizeof(double));
}

static ky_rnn_weights layer_of(bench *b, size_t first) {
  ky_var w[4];
  for (size_t k = 0; k < 4; k++) w[k] = ky_param(b->t, ky_module_weight(b->m, first + k));
  return (ky_rnn_weights){w[0], w[1], w[2], w[3]};
}

static void lstm_puts_layers_on_top_of_each_other(void **state) {
  bench *b = *state;
  char names[256] = "";
  assert_int_equal(ky_nn_lstm(NULL, KY_F64, 3, 4, 2, 1, &b->rng, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "lstm");
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names, "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 "
                             "weight_ih_l1 weight_hh_l1 bias_ih_l1 bias_hh_l1 ");
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(5, 2, 3), 0.5);
  const ky_rnn_weights w0 = layer_of(b, 0), w1 = layer_of(b, 4);
  const ky_var none = ky_none(), y = ky_lstm(b->t, x, &w0, none, none, NULL, NULL);
  assert_same(b->t, ky_module_forward(b->t, b->m, x),
              ky_lstm(b->t, y, &w1, none, none, NULL, NULL));
}

static void gru_puts_layers_on_top_of_each_other(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, 4, 2, 1, &b->rng, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "gru");
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(5, 2, 3), 0.5);
  const ky_rnn_weights w0 = layer_of(b, 0), w1 = layer_of(b, 4);
  const ky_var y = ky_gru(b->t, x, &w0, ky_none(), NULL);
  assert_same(b->t, ky_module_forward(b->t, b->m, x), ky_gru(b->t, y, &w1, ky_none(), NULL));
}

#define STEPS 5
#define SPLIT 2 /* steps of the first part */

static ky_var rows(ky_tape *t, ky_var x, int64_t begin, int64_t end) {
  return ky_slice(t, x, 0, begin, end, 1);
}

/* Against the same sequence in one piece. */
static void recurrent_layers_go_on_where_they_stopped(void **state) {
  bench *b = *state;
  double x[STEPS * 2 * 3];
  for (int k = 0; k < STEPS * 2 * 3; k++) x[k] = (double)(k * 7 % 11) / 11 - 0.5;
  for (int gru = 0; gru < 2; gru++) {
    assert_int_equal((gru ? ky_nn_gru : ky_nn_lstm)(NULL, KY_F64, 3, 4, 2, 1, &b->rng, &b->m),
                     KY_OK);
    const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(STEPS, 2, 3), x);
    const ky_var whole = ky_module_forward(b->t, b->m, in);
    ky_rnn_state s[2];
    const ky_var first = ky_nn_recurrent_forward(b->t, b->m, rows(b->t, in, 0, SPLIT), NULL, s);
    assert_same(b->t, first, rows(b->t, whole, 0, SPLIT));
    assert_same(b->t, s[1].h, ky_select(b->t, first, 0, SPLIT - 1));
    assert_int_equal(s[0].c.id != 0, !gru);
    const ky_var rest = ky_nn_recurrent_forward(b->t, b->m, rows(b->t, in, SPLIT, STEPS), s, s);
    assert_same(b->t, rest, rows(b->t, whole, SPLIT, STEPS));
    assert_same(b->t, s[1].h, ky_select(b->t, whole, 0, STEPS - 1));
    bench_tear_down(state);
    bench_set_up(state);
  }
}

static void recurrent_layers_refuse_states_that_do_not_fit(void **state) {
  bench *b = *state;
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(5, 2, 3), 0.5);
  const ky_var h = ky_full(b->t, KY_F64, KY_SHAPE(2, 4), 0);
  const ky_var narrow = ky_full(b->t, KY_F64, KY_SHAPE(2, 3), 0);
  const ky_rnn_state two[2] = {{h, h}, {h, h}}, wrong[2] = {{narrow, ky_none()}};
  ky_rnn_state after[2] = {two[0], two[1]};
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, 4, 2, 1, &b->rng, &b->m), KY_OK);
  assert_int_equal(ky_nn_recurrent_forward(b->t, b->m, x, two, after).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(b->t), "gru: a state has an h alone, got a c, too"));
  assert_true(!after[0].h.id && !after[0].c.id && !after[1].h.id && !after[1].c.id);
  assert_int_equal(ky_nn_recurrent_forward(b->t, b->m, x, wrong, NULL).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  ky_module *relu = NULL;
  assert_int_equal(ky_nn_relu(NULL, &relu), KY_OK);
  assert_int_equal(ky_nn_recurrent_forward(b->t, relu, x, NULL, NULL).id, 0);
  ky_module_free(relu);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(b->t), "ky_nn_lstm or ky_nn_gru, got relu"));
  assert_int_equal(ky_nn_recurrent_forward(b->t, NULL, x, NULL, NULL).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
}

/* Against the same layers, one of them on the rows in reverse. */
static void bidirectional_reads_from_both_ends(void **state) {
  bench *b = *state;
  ky_module *ahead = NULL, *back = NULL;
  char names[256] = "";
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, 4, 1, 1, &b->rng, &ahead), KY_OK);
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, 2, 1, 0, &b->rng, &back), KY_OK);
  double x[5 * 2 * 3];
  for (int k = 0; k < 5 * 2 * 3; k++) x[k] = (double)(k * 7 % 11) / 11;
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(5, 2, 3), x);
  const ky_var from_front = ky_module_forward(b->t, ahead, in);
  const ky_var from_end =
      ky_flip(b->t, ky_module_forward(b->t, back, ky_flip(b->t, in, KY_AXES(0))), KY_AXES(0));
  assert_int_equal(ky_nn_bidirectional(NULL, &ahead, &back, &b->m), KY_OK);
  assert_true(!ahead && !back);
  assert_string_equal(ky_module_name(b->m), "bidirectional");
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names, "ahead.weight_ih_l0 ahead.weight_hh_l0 ahead.bias_ih_l0 "
                             "ahead.bias_hh_l0 back.weight_ih_l0 back.weight_hh_l0 ");
  const ky_var both[2] = {from_front, from_end};
  assert_same(b->t, ky_module_forward(b->t, b->m, in), ky_concat(b->t, 2, both, 2));
}

static void bidirectional_takes_its_modules_only_on_success(void **state) {
  bench *b = *state;
  ky_module *ahead = NULL, *none = NULL;
  assert_int_equal(ky_nn_relu(NULL, &ahead), KY_OK);
  ky_module *same = ahead;
  assert_int_equal(ky_nn_bidirectional(NULL, &ahead, &same, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_bidirectional(NULL, &ahead, &none, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_bidirectional(NULL, &ahead, NULL, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_bidirectional(NULL, &ahead, &none, NULL), KY_BAD_ARGUMENT);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  fault_allocator_fail_once(&fa, 1);
  const ky_allocator a = fault_allocator(&fa);
  assert_int_equal(ky_nn_sin(NULL, &none), KY_OK);
  assert_int_equal(ky_nn_bidirectional(&a, &ahead, &none, &b->m), KY_NO_MEMORY);
  assert_true(ahead && none && !b->m);
  ky_module_free(ahead);
  ky_module_free(none);
  fault_allocator_free(&fa);
}

static void recurrent_weights_are_uniform_and_may_lack_biases(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, 16, 1, 0, &b->rng, &b->m), KY_OK);
  assert_int_equal(ky_module_weight_count(b->m), 2);
  const ky_array w = ky_tensor_array(ky_module_weight(b->m, 1));
  double most = 0;
  for (int64_t k = 0; k < w.count; k++) {
    const double x = ((const double *)w.data)[k];
    if (x > most) most = x;
    assert_true(x >= -0.25 && x < 0.25); /* 1 / sqrt(16) */
  }
  assert_true(most > 0.24);
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(2, 1, 3), 1);
  assert_true(ky_module_forward(b->t, b->m, x).id != 0);
}

static void embedding_takes_rows_and_leaves_its_padding_alone(void **state) {
  bench *b = *state;
  const int32_t ids[3] = {2, 0, 1};
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 3, 2, 1, &b->rng, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "embedding");
  const double *w = ky_tensor_array(ky_module_weight(b->m, 0)).data;
  const ky_var y = ky_module_forward(b->t, b->m, ky_input(b->t, KY_I32, KY_SHAPE(3), ids));
  double got[6];
  assert_int_equal(ky_read(b->t, y, got, sizeof got), KY_OK);
  const double want[6] = {w[4], w[5], w[0], w[1], 0, 0};
  assert_memory_equal(got, want, sizeof got);
  assert_true(w[0] != 0 && w[5] != 0);
  ky_grads grads;
  assert_int_equal(ky_backward(b->t, y, &grads), KY_OK);
  const double slopes[6] = {1, 1, 0, 0, 1, 1};
  assert_memory_equal(grads.pairs[0].grad, slopes, sizeof slopes);
}

static void layernorm_begins_with_ones_and_zeros(void **state) {
  bench *b = *state;
  const double x[4] = {1, 3, 5, -1};
  assert_int_equal(ky_nn_layernorm(NULL, KY_F64, 2, 0, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "layernorm");
  assert_int_equal(ky_module_weight_count(b->m), 2);
  double got[4];
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(2, 2), x);
  assert_int_equal(ky_read(b->t, ky_module_forward(b->t, b->m, in), got, sizeof got), KY_OK);
  const double want[4] = {-1, 1, 1, -1};
  for (int k = 0; k < 4; k++) assert_close(got[k], want[k], 1e-15);
}

static void constructors_refuse_nonsense(void **state) {
  bench *b = *state;
  ky_module **m = &b->m;
  assert_int_equal(ky_nn_lstm(NULL, KY_F64, 3, 4, 1, 1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_lstm(NULL, KY_F64, 3, 4, 0, 1, NULL, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_lstm(NULL, KY_I32, 3, 4, 1, 1, NULL, m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_lstm(NULL, KY_F64, -3, 4, 1, 1, NULL, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_gru(NULL, KY_F64, 3, INT64_MAX / 2, 1, 1, NULL, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 3, 2, 3, NULL, m), KY_BAD_INDEX);
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 3, 2, -2, NULL, m), KY_BAD_INDEX);
  assert_int_equal(ky_nn_embedding(NULL, KY_I64, 3, 2, -1, NULL, m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_embedding(NULL, KY_F64, 3, 2, -1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_layernorm(NULL, KY_F64, 2, -1, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_layernorm(NULL, KY_MASK, 2, 0, m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_layernorm(NULL, KY_F64, 2, 0, NULL), KY_BAD_ARGUMENT);
  assert_null(b->m);
}

static ky_status make_lstm(const ky_allocator *a, ky_module **out) {
  return ky_nn_lstm(a, KY_F64, 3, 4, 2, 1, NULL, out);
}
static ky_status make_gru(const ky_allocator *a, ky_module **out) {
  return ky_nn_gru(a, KY_F64, 3, 4, 2, 1, NULL, out);
}
static ky_status make_embedding(const ky_allocator *a, ky_module **out) {
  return ky_nn_embedding(a, KY_F64, 3, 4, -1, NULL, out);
}
static ky_status make_layernorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_layernorm(a, KY_F64, 3, 1e-5, out);
}

static void constructors_survive_failing_memory(void **state) {
  (void)state;
  static bench_maker *const makers[] = {make_lstm, make_gru, make_embedding, make_layernorm};
  for (size_t k = 0; k < sizeof makers / sizeof *makers; k++)
    bench_assert_survives_failing_memory(makers[k]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BENCH_TEST(lstm_puts_layers_on_top_of_each_other),
      BENCH_TEST(gru_puts_layers_on_top_of_each_other),
      BENCH_TEST(recurrent_layers_go_on_where_they_stopped),
      BENCH_TEST(recurrent_layers_refuse_states_that_do_not_fit),
      BENCH_TEST(bidirectional_reads_from_both_ends),
      BENCH_TEST(bidirectional_takes_its_modules_only_on_success),
      BENCH_TEST(recurrent_weights_are_uniform_and_may_lack_biases),
      BENCH_TEST(embedding_takes_rows_and_leaves_its_padding_alone),
      BENCH_TEST(layernorm_begins_with_ones_and_zeros),
      BENCH_TEST(constructors_refuse_nonsense),
      BENCH_TEST(constructors_survive_failing_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
