/* SPDX-License-Identifier: MIT */
/* Operations on sequences against what they are made of, and in compiled programs. */
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape.h"

/* A few thousand roundings at most. */
#define TOLERANCE 1e-12

static void fill(size_t n, double *x, uint32_t seed) {
  ky_rng rng = ky_rng_seed(seed, 0);
  assert_int_equal(ky_rng_uniform(&rng, KY_F64, n, -1, 1, x), KY_OK);
}

static void same(const void *got, const double *want, size_t n) {
  const double *x = got;
  for (size_t k = 0; k < n; k++) assert_close(x[k], want[k], TOLERANCE);
}

/* Gradients of two roots with respect to `count` vars of n[k] elements are equal. */
static void same_gradients(ky_tape *t, ky_var a, ky_var b, int count, const ky_var *vars) {
  double *kept[8] = {NULL};
  ky_array g;
  assert_int_equal(ky_backward(t, a, NULL), KY_OK);
  for (int k = 0; k < count; k++) {
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    kept[k] = malloc((size_t)g.count * sizeof **kept);
    assert_non_null(kept[k]);
    memcpy(kept[k], g.data, (size_t)g.count * sizeof **kept);
  }
  assert_int_equal(ky_backward(t, b, NULL), KY_OK);
  for (int k = 0; k < count; k++) {
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    same(g.data, kept[k], (size_t)g.count);
    free(kept[k]);
  }
}

/* One step with `threads` that share what they can: the tape's value and gradients, to the bit.
 */
static void runs(ky_tape *t, const ky_program *p, int threads, ky_var root, int count,
                 const ky_var *vars) {
  ky_exec *e;
  double value, again;
  const ky_exec_options options = {.size = sizeof options, .threads = threads, .grain = 1};
  assert_int_equal(ky_exec_new(p, &options, &e), KY_OK);
  assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(ky_item(t, root, &value), KY_OK);
  assert_int_equal(ky_exec_item(e, root, &again), KY_OK);
  assert_true(value == again);
  for (int k = 0; k < count; k++) {
    ky_array g, h;
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    assert_int_equal(ky_exec_grad(e, vars[k], &h), KY_OK);
    assert_memory_equal(g.data, h.data, (size_t)g.count * sizeof(double));
  }
  ky_exec_free(e);
}

static void compiles(ky_tape *t, ky_var root, int count, const ky_var *vars) {
  ky_program *p;
  const ky_compile_options options = {
      .size = sizeof options, .wrt_count = (size_t)count, .wrt = vars, .fuse_least = 1};
  assert_int_equal(ky_compile(t, root, &options, &p), KY_OK);
  assert_int_equal(ky_backward(t, root, NULL), KY_OK);
  for (int threads = 1; threads <= 3; threads++) runs(t, p, threads, root, count, vars);
  ky_program_free(p);
}

static ky_var watched(ky_tape *t, int rank, const int64_t *dims, const double *x) {
  const ky_var v = ky_input(t, KY_F64, rank, dims, x);
  assert_int_equal(ky_watch(t, v), KY_OK);
  return v;
}

/* ---- attention --------------------------------------------------------------------------- */

/* Long rows, several tiles, heads that share, and a bias. */
static void attention_is_its_composition(void **state) {
  enum { B = 1, H = 2, T = 70, S = 700, D = 3 };
  ky_tape *t = *state;
  static double q[B * H * T * D], k[B * S * D], v[B * S * D], bias[T * S];
  fill(B * H * T * D, q, 1);
  fill(B * S * D, k, 2);
  fill(B * S * D, v, 3);
  fill((size_t)T * S, bias, 4);
  const ky_var x[4] = {watched(t, KY_SHAPE(B, H, T, D), q), watched(t, KY_SHAPE(B, 1, S, D), k),
                       watched(t, KY_SHAPE(B, 1, S, D), v), watched(t, KY_SHAPE(T, S), bias)};
  const ky_var r = ky_attention(t, x[0], x[1], x[2], x[3], 0, 0.7);
  const ky_var scores = ky_mul_scalar(t, ky_matmul_trans(t, x[0], x[1], KY_TRANS_B), 0.7);
  const ky_var w = ky_softmax(t, ky_add(t, scores, x[3]), -1);
  const ky_var want = ky_matmul(t, w, x[2]);
  const ky_var a = ky_sum_all(t, ky_square(t, r)), b = ky_sum_all(t, ky_square(t, want));
  ky_array got, should;
  assert_int_equal(ky_data(t, r, &got), KY_OK);
  assert_int_equal(ky_data(t, want, &should), KY_OK);
  same(got.data, should.data, (size_t)got.count);
  same_gradients(t, a, b, 4, x);
  compiles(t, a, 4, x);
}

/* q is k is v: their gradients meet in one place. */
static void attention_to_itself_adds_up(void **state) {
  enum { T = 40, D = 3 };
  ky_tape *t = *state;
  static double q[2 * T * D];
  fill(2 * T * D, q, 5);
  const ky_var x = watched(t, KY_SHAPE(1, 2, T, D), q);
  const ky_var r = ky_attention(t, x, x, x, ky_none(), 1, 1);
  const ky_var hidden = ky_triu(t, ky_full(t, KY_F64, KY_SHAPE(T, T), -1e9), 1);
  const ky_var scores = ky_add(t, ky_matmul_trans(t, x, x, KY_TRANS_B), hidden);
  const ky_var want = ky_matmul(t, ky_softmax(t, scores, -1), x);
  const ky_var a = ky_sum_all(t, ky_square(t, r)), b = ky_sum_all(t, ky_square(t, want));
  same_gradients(t, a, b, 1, &x);
  compiles(t, a, 1, &x);
}

/* ---- rope -------------------------------------------------------------------------------- */

static void rope_takes_pieces_by_their_position(void **state) {
  enum { T = 9, D = 6 };
  ky_tape *t = *state;
  static double x[T * D];
  fill(T * D, x, 6);
  const ky_var v = watched(t, KY_SHAPE(T, D), x);
  const ky_var whole = ky_rope(t, v, 0, 10000, KY_ROPE_HALVES);
  const ky_var end = ky_rope(t, ky_slice(t, v, 0, 4, T, 1), 4, 10000, KY_ROPE_HALVES);
  ky_array a, b;
  assert_int_equal(ky_data(t, whole, &a), KY_OK);
  assert_int_equal(ky_data(t, end, &b), KY_OK);
  assert_memory_equal((const double *)a.data + 4 * D, b.data, (T - 4) * D * sizeof(double));
  compiles(t, ky_sum_all(t, ky_square(t, ky_square(t, whole))), 1, &v);
}

/* ---- recurrent layers -------------------------------------------------------------------- */

enum { STEPS = 4, BATCH = 11, IN = 3, N = 5 };

static double data_x[STEPS * BATCH * IN], data_h[BATCH * N], data_c[BATCH * N];
static double data_w[4 * N * IN], data_u[4 * N * N], data_b[4 * N], data_d[4 * N];

enum { X, W, U, B, D, H0, C0, VARS };

static void layer_vars(ky_tape *t, int gates, ky_var v[VARS]) {
  fill(STEPS * BATCH * IN, data_x, 10);
  fill((size_t)gates * N * IN, data_w, 11);
  fill((size_t)gates * N * N, data_u, 12);
  fill((size_t)gates * N, data_b, 13);
  fill((size_t)gates * N, data_d, 14);
  fill(BATCH * N, data_h, 15);
  fill(BATCH * N, data_c, 16);
  v[X] = watched(t, KY_SHAPE(STEPS, BATCH, IN), data_x);
  v[W] = watched(t, KY_SHAPE(gates * N, IN), data_w);
  v[U] = watched(t, KY_SHAPE(gates * N, N), data_u);
  v[B] = watched(t, KY_SHAPE(gates * N), data_b);
  v[D] = watched(t, KY_SHAPE(gates * N), data_d);
  v[H0] = watched(t, KY_SHAPE(BATCH, N), data_h);
  v[C0] = watched(t, KY_SHAPE(BATCH, N), data_c);
}

static ky_var step(ky_tape *t, ky_var x, int64_t k) {
  return ky_squeeze(t, ky_slice(t, x, 0, k, k + 1, 1), 1, (const int64_t[]){0});
}

/* sum r^2 + sum h^3 + sum c^3 */
static ky_var root_of(ky_tape *t, ky_var r, ky_var h, ky_var c) {
  const ky_var ends = ky_add(t, ky_mul(t, h, ky_square(t, h)), ky_mul(t, c, ky_square(t, c)));
  return ky_add(t, ky_sum_all(t, ky_square(t, r)), ky_sum_all(t, ends));
}

static void lstm_is_its_cells(void **state) {
  ky_tape *t = *state;
  ky_var v[VARS], h, c, out[STEPS];
  layer_vars(t, 4, v);
  const ky_rnn_weights w = {v[W], v[U], v[B], v[D]};
  const ky_var r = ky_lstm(t, v[X], &w, v[H0], v[C0], &h, &c);
  const ky_var a = root_of(t, r, h, c);
  ky_var hk = v[H0], ck = v[C0];
  for (int k = 0; k < STEPS; k++) {
    const ky_var in = ky_linear(t, step(t, v[X], k), v[W], v[B]);
    const ky_var both = ky_lstm_cell(t, ky_add(t, in, ky_linear(t, hk, v[U], v[D])), ck);
    out[k] = hk = ky_slice(t, both, 1, 0, N, 1);
    ck = ky_slice(t, both, 1, N, 2 * N, 1);
  }
  const ky_var b = root_of(t, ky_stack(t, STEPS, out, 0), hk, ck);
  double got, want;
  assert_int_equal(ky_item(t, a, &got), KY_OK);
  assert_int_equal(ky_item(t, b, &want), KY_OK);
  assert_close(got, want, TOLERANCE * want);
  same_gradients(t, a, b, VARS, v);
  compiles(t, a, VARS, v);
  compiles(t, b, VARS, v);
}

static void gru_is_its_cells(void **state) {
  ky_tape *t = *state;
  ky_var v[VARS], h, out[STEPS];
  layer_vars(t, 3, v);
  const ky_rnn_weights w = {v[W], v[U], v[B], v[D]};
  const ky_var r = ky_gru(t, v[X], &w, v[H0], &h);
  const ky_var a = root_of(t, r, h, h);
  ky_var hk = v[H0];
  for (int k = 0; k < STEPS; k++)
    out[k] = hk = ky_gru_cell(t, ky_linear(t, step(t, v[X], k), v[W], v[B]),
                              ky_linear(t, hk, v[U], v[D]), hk);
  const ky_var b = root_of(t, ky_stack(t, STEPS, out, 0), hk, hk);
  double got, want;
  assert_int_equal(ky_item(t, a, &got), KY_OK);
  assert_int_equal(ky_item(t, b, &want), KY_OK);
  assert_close(got, want, TOLERANCE * want);
  same_gradients(t, a, b, C0, v);
  compiles(t, a, C0, v);
  compiles(t, b, C0, v);
}

/* Its operands are all that it has there. */
static void recurrence_may_end_the_pool(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 1, 3), 1);
  const ky_var w = ky_full(t, KY_F64, KY_SHAPE(3, 1), 1);
  assert_int_not_equal(ky_gru_sequence(t, x, w, ky_none(), ky_none()).id, 0);
  assert_int_equal(ky_tape_verify(t), KY_OK);
}

/* The call is refused with `status` and a message that has `says`, and nothing was recorded. */
static void refused(ky_tape *t, ky_var r, uint32_t length, ky_status status, const char *says) {
  assert_int_equal(r.id, 0);
  assert_int_equal(ky_tape_check(t), status);
  if (!strstr(ky_tape_message(t), says)) print_error("%s\n", ky_tape_message(t));
  assert_non_null(strstr(ky_tape_message(t), says));
  assert_non_null(strstr(ky_tape_message(t), "test_sequence.c:"));
  assert_int_equal(ky_tape_length(t), length);
}

static void layers_refuse_what_does_not_fit(void **state) {
  ky_tape *t = *state;
  ky_var v[VARS], h = ky_scalar(t, KY_F64, 1), c = h;
  layer_vars(t, 4, v);
  const ky_rnn_weights w = {v[W], v[U], v[B], v[D]}, none = {0};
  const ky_var empty = ky_full(t, KY_F64, KY_SHAPE(0, BATCH, IN), 0);
  const ky_var wrong = ky_full(t, KY_F64, KY_SHAPE(BATCH, N + 1), 0);
  const ky_var flat = ky_full(t, KY_F64, KY_SHAPE(BATCH, IN), 0);
  const ky_var f32 = ky_full(t, KY_F32, KY_SHAPE(BATCH, N), 0);
  const uint32_t n = ky_tape_length(t);
  refused(t, ky_lstm(t, v[X], NULL, v[H0], v[C0], &h, &c), n, KY_BAD_ARGUMENT,
          "lstm: the weights are null");
  assert_int_equal(h.id + c.id, 0);
  refused(t, ky_gru(t, v[X], NULL, v[H0], &h), n, KY_BAD_ARGUMENT, "gru: the weights are null");
  refused(t, ky_lstm(t, v[X], &none, v[H0], v[C0], &h, &c), n, KY_BAD_VAR, "lstm: ");
  refused(t, ky_lstm(t, empty, &w, v[H0], v[C0], &h, &c), n, KY_BAD_SHAPE,
          "there are no steps");
  refused(t, ky_gru(t, flat, &w, v[H0], NULL), n, KY_BAD_SHAPE,
          "gru: wants x [t,b,n], got rank 2");
  refused(t, ky_lstm(t, v[X], &w, wrong, v[C0], &h, &c), n, KY_BAD_SHAPE,
          "the initial state is [11,6], wants [11,5]");
  refused(t, ky_lstm(t, v[X], &w, v[H0], f32, &h, &c), n, KY_BAD_DTYPE,
          "lstm: dtypes f64 and f32 differ");
  refused(t, ky_gru(t, v[X], &w, v[H0], &h), n, KY_BAD_SHAPE, "gru_sequence: 3 gates want");
  assert_int_equal((ky_lstm)(NULL, v[X], &w, v[H0], v[C0], &h, &c).id, 0);
  assert_int_equal((ky_gru)(NULL, v[X], &w, v[H0], &h).id, 0);
}

/* ---- ctc --------------------------------------------------------------------------------- */

enum { CLASSES = 4, TARGETS = 3 };

static double data_probs[STEPS * BATCH * CLASSES];
static int64_t data_targets[BATCH * TARGETS], data_steps[BATCH], data_lengths[BATCH];

static ky_var ctc_loss(ky_tape *t, ky_var logits) {
  const ky_var targets = ky_input(t, KY_I64, KY_SHAPE(BATCH, TARGETS), data_targets);
  const ky_var steps = ky_input(t, KY_I64, KY_SHAPE(BATCH), data_steps);
  const ky_var lengths = ky_input(t, KY_I64, KY_SHAPE(BATCH), data_lengths);
  return ky_ctc(t, ky_log_softmax(t, logits, -1), targets, steps, lengths, 0, 0,
                KY_REDUCE_MEAN);
}

static void ctc_data(void) {
  fill(STEPS * BATCH * CLASSES, data_probs, 20);
  for (int b = 0; b < BATCH; b++) {
    for (int k = 0; k < TARGETS; k++) data_targets[b * TARGETS + k] = 1 + (b + k) % 3;
    data_steps[b] = STEPS - b % 2;
    data_lengths[b] = b % (TARGETS + 1);
  }
}

static void ctc_compiles(void **state) {
  ky_tape *t = *state;
  ctc_data();
  const ky_var x = watched(t, KY_SHAPE(STEPS, BATCH, CLASSES), data_probs);
  compiles(t, ctc_loss(t, x), 1, &x);
}

static void ctc_names_what_is_out_of_range(void **state) {
  ky_tape *t = *state;
  ctc_data();
  const ky_var x = watched(t, KY_SHAPE(STEPS, BATCH, CLASSES), data_probs);
  const ky_var loss = ctc_loss(t, x);
  const struct {
    int64_t *at, value;
    const char *says;
  } bad[] = {
      {&data_targets[TARGETS], CLASSES, "target 4 of sample 1 is not in 0..3"},
      {&data_targets[TARGETS], -1, "target -1 of sample 1 is not in 0..3"},
      {&data_targets[TARGETS], 0, "target 0 of sample 1 is the blank"},
      {&data_steps[2], STEPS + 1, "input length 5 of sample 2 is not in 0..4"},
      {&data_steps[2], -1, "input length -1 of sample 2"},
      {&data_lengths[3], TARGETS + 1, "target length 4 of sample 3 is not in 0..3"},
  };
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    const int64_t good = *bad[k].at;
    *bad[k].at = bad[k].value;
    assert_int_equal(ky_forward(t), KY_BAD_INDEX);
    if (!strstr(ky_tape_message(t), bad[k].says)) print_error("%s\n", ky_tape_message(t));
    assert_non_null(strstr(ky_tape_message(t), bad[k].says));
    *bad[k].at = good;
    assert_int_equal(ky_forward(t), KY_OK);
    *bad[k].at = bad[k].value; /* between the sweeps */
    assert_int_equal(ky_backward(t, loss, NULL), KY_BAD_INDEX);
    *bad[k].at = good;
  }
}

static int set_up(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  ky_tape_free(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(attention_is_its_composition, set_up, tear_down),
      cmocka_unit_test_setup_teardown(attention_to_itself_adds_up, set_up, tear_down),
      cmocka_unit_test_setup_teardown(rope_takes_pieces_by_their_position, set_up, tear_down),
      cmocka_unit_test_setup_teardown(lstm_is_its_cells, set_up, tear_down),
      cmocka_unit_test_setup_teardown(gru_is_its_cells, set_up, tear_down),
      cmocka_unit_test_setup_teardown(recurrence_may_end_the_pool, set_up, tear_down),
      cmocka_unit_test_setup_teardown(layers_refuse_what_does_not_fit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ctc_compiles, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ctc_names_what_is_out_of_range, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
