/* SPDX-License-Identifier: MIT */
/* Steady state: replaying, and recording again after a rewind, allocates nothing; results do
 * not depend on the run; very long tapes are just tapes. */
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"

enum { BATCH = 8, IN = 5, HIDDEN = 7, OUT = 3 };

/* A two-layer classifier with a view, a broadcast and an aux buffer on the way. */
typedef struct net {
  ky_tensor *w1, *b1, *w2;
  float x[BATCH * IN];
  int32_t labels[BATCH];
} net;

static ky_tensor *weight(int rank, const int64_t *dims, float scale) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, rank, dims, &w), KY_OK);
  float *p = ky_tensor_write(w);
  for (int64_t k = 0; k < ky_tensor_array(w).count; k++)
    p[k] = scale * (float)((k * 7919) % 13 - 6);
  return w;
}

static void net_make(net *n) {
  n->w1 = weight(KY_SHAPE(HIDDEN, IN), 0.1f);
  n->b1 = weight(KY_SHAPE(HIDDEN), 0.05f);
  n->w2 = weight(KY_SHAPE(OUT, HIDDEN), 0.2f);
  for (int k = 0; k < BATCH * IN; k++) n->x[k] = (float)((k * 31) % 17) / 17 - 0.5f;
  for (int k = 0; k < BATCH; k++) n->labels[k] = k % OUT;
}

static void net_free(net *n) {
  ky_tensor_free(n->w1);
  ky_tensor_free(n->b1);
  ky_tensor_free(n->w2);
}

static ky_var net_record(ky_tape *t, net *n, ky_var *input) {
  ky_var x = ky_input(t, KY_F32, KY_SHAPE(BATCH, IN), n->x);
  ky_var labels = ky_input(t, KY_I32, KY_SHAPE(BATCH), n->labels);
  ky_var w1 = ky_permute(t, ky_param(t, n->w1), KY_AXES(1, 0));
  ky_var h = ky_tanh(t, ky_add(t, ky_matmul(t, x, w1), ky_param(t, n->b1)));
  ky_var scaled = ky_mul(t, h, ky_mean(t, ky_square(t, h), KY_AXES(1), 1));
  ky_var logits = ky_linear(t, scaled, ky_param(t, n->w2), ky_none());
  if (input) *input = x;
  return ky_cross_entropy(t, logits, labels, KY_REDUCE_MEAN);
}

static void replay_allocates_nothing(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .allocator = fault_allocator(&fa)});
  net n;
  net_make(&n);
  ky_var x, loss = net_record(t, &n, &x);
  ky_grads grads;
  assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
  const size_t requests = fa.requests;
  for (int k = 0; k < 3; k++) {
    assert_int_equal(ky_input_set(t, x, n.x), KY_OK);
    assert_int_equal(ky_forward(t), KY_OK);
    assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
    assert_int_equal(grads.count, 3);
  }
  assert_int_equal(fa.requests, requests);
  ky_tape_free(t);
  assert_null(fault_allocator_complaint(&fa));
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
  net_free(&n);
}

static void recording_again_after_rewind_allocates_nothing(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .allocator = fault_allocator(&fa)});
  net n;
  net_make(&n);
  const ky_mark start = ky_tape_mark(t);
  size_t requests = 0;
  double first = 0;
  for (int k = 0; k < 5; k++) {
    ky_var loss = net_record(t, &n, NULL);
    ky_grads grads;
    assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
    double value;
    assert_int_equal(ky_item(t, loss, &value), KY_OK);
    if (k == 0) first = value;
    assert_close(value, first, 0);
    if (k == 1) requests = fa.requests; /* the first rewind may grow the list of eras */
    assert_int_equal(ky_tape_rewind(t, start), KY_OK);
  }
  assert_int_equal(fa.requests, requests);
  ky_tape_free(t);
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
  net_free(&n);
}

static void same_input_gives_same_bits(void **state) {
  (void)state;
  net n;
  net_make(&n);
  float grads_seen[2][HIDDEN * IN];
  for (int k = 0; k < 2; k++) {
    ky_tape *t = ky_tape_new(NULL);
    for (int pad = 0; pad < 3 * k; pad++) ky_full(t, KY_F32, KY_SHAPE(3), 1); /* other places */
    ky_grads grads;
    assert_int_equal(ky_backward(t, net_record(t, &n, NULL), &grads), KY_OK);
    memcpy(grads_seen[k], grads.pairs[0].grad, sizeof grads_seen[k]);
    ky_tape_free(t);
  }
  assert_memory_equal(grads_seen[0], grads_seen[1], sizeof grads_seen[0]);
  net_free(&n);
}

static void ten_million_scalars_are_no_problem(void **state) {
  (void)state;
  enum { N = 10000000 };
  ky_tape *t = ky_tape_new(NULL);
  double one = 1;
  ky_var x = ky_input(t, KY_F64, KY_SCALAR, &one), y = x;
  assert_int_equal(ky_watch(t, x), KY_OK);
  ky_var c = ky_scalar(t, KY_F64, 1);
  for (int k = 0; k < N / 2; k++) y = ky_mul(t, ky_add(t, y, x), c);
  assert_int_equal(ky_tape_length(t), N + 3);
  assert_int_equal(ky_backward(t, y, NULL), KY_OK);
  double value;
  assert_int_equal(ky_item(t, y, &value), KY_OK);
  assert_close(value, N / 2 + 1, 0);
  ky_array g;
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  assert_close(*(const double *)g.data, N / 2 + 1, 0);
  ky_tape_free(t);
}

static void long_tensor_tape_replays(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const float x[2] = {1, 2};
  ky_var v = ky_input(t, KY_F32, KY_SHAPE(2), x), y = v;
  assert_int_equal(ky_watch(t, v), KY_OK);
  for (int k = 0; k < 100000; k++) y = ky_neg(t, y);
  assert_int_equal(ky_backward(t, y, NULL), KY_OK);
  ky_array g;
  assert_int_equal(ky_grad(t, v, &g), KY_OK);
  assert_close(((const float *)g.data)[1], 1, 0);
  ky_tape_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(replay_allocates_nothing),
      cmocka_unit_test(recording_again_after_rewind_allocates_nothing),
      cmocka_unit_test(same_input_gives_same_bits),
      cmocka_unit_test(ten_million_scalars_are_no_problem),
      cmocka_unit_test(long_tensor_tape_replays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
