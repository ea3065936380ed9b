/* SPDX-License-Identifier: MIT */
/* Every allocation of a tour through the whole API is made to fail, once and from then on: no
 * crash, no leak, a status, and a retry gives the same bits. */
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"

/* What the tour computes; compared bit by bit between runs. */
typedef struct souvenir {
  double value;
  double grads[64];
  size_t count;
} souvenir;

/* One of each kind of operation, so that every kind of memory is asked for. */
static ky_var record_all(ky_tape *t, ky_var x, ky_var w, ky_var b, ky_var labels) {
  ky_var y = ky_add(t, ky_matmul(t, x, ky_permute(t, w, KY_AXES(1, 0))), b);
  y = ky_mul(t, ky_tanh(t, y), ky_reshape(t, ky_iota(t, KY_F64, 3, 1), KY_SHAPE(1, 3)));
  y = ky_where(t, ky_gt_scalar(t, y, 0.1), y, ky_mul_scalar(t, y, 0.5));
  y = ky_concat(t, 2, (ky_var[]){y, ky_slice(t, y, 0, INT64_MAX, INT64_MIN, -1)}, 1);
  y = ky_clamp(t, ky_div(t, y, ky_max(t, y, KY_AXES(1), 1)), -2, 2);
  ky_var p = ky_softmax(t, y, 1);
  ky_var q = ky_bce(t, p, ky_full(t, KY_F64, KY_SHAPE(4, 6), 0.25), KY_REDUCE_SUM);
  const double half = 0.5;
  q = ky_mul(t, q, ky_constant(t, KY_F64, KY_SCALAR, &half));
  return ky_add(t, ky_cross_entropy(t, y, labels, KY_REDUCE_MEAN), q);
}

static ky_status tour(const ky_allocator *allocator, ky_tensor *w, ky_tensor *b, souvenir *s) {
  static const double x[8] = {1, -2, 0.5, 3, -1, 0.25, 2, -0.75};
  static const int64_t labels[4] = {0, 5, 2, 1};
  ky_tape *t =
      ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options), .allocator = *allocator});
  if (!t) return KY_NO_MEMORY;
  ky_var pw = ky_param(t, w), pb = ky_param(t, b);
  const ky_mark mark = ky_tape_mark(t);
  ky_status status = KY_OK;
  for (int k = 0; k < 2 && status == KY_OK; k++) {
    ky_var in = ky_input(t, KY_F64, KY_SHAPE(4, 2), x);
    ky_var loss = record_all(t, in, pw, pb, ky_input(t, KY_I64, KY_SHAPE(4), labels));
    ky_grads grads;
    status = ky_backward(t, loss, &grads);
    if (status == KY_OK) status = ky_item(t, loss, &s->value);
    s->count = 0;
    for (size_t p = 0; status == KY_OK && p < grads.count; p++) {
      const size_t n = (size_t)ky_tensor_array(grads.pairs[p].weight).count;
      memcpy(s->grads + s->count, grads.pairs[p].grad, n * sizeof(double));
      s->count += n;
    }
    if (status == KY_OK) status = ky_tape_rewind(t, mark);
  }
  ky_tape_free(t);
  return status;
}

static ky_tensor *weight(int rank, const int64_t *dims) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, rank, dims, &w), KY_OK);
  double *p = ky_tensor_write(w);
  for (int64_t k = 0; k < ky_tensor_array(w).count; k++) p[k] = 0.3 * (double)(k % 5) - 0.5;
  return w;
}

static void each_failing_allocation_is_a_status(void **state) {
  const bool persistent = *(bool *)*state;
  ky_tensor *w = weight(KY_SHAPE(3, 2)), *b = weight(KY_SHAPE(3));
  souvenir want = {0};
  const ky_allocator plain = {0};
  assert_int_equal(tour(&plain, w, b, &want), KY_OK);
  assert_int_equal(want.count, 9);
  size_t n = 1;
  for (bool reached = true; reached; n++) {
    ky_fault_allocator fa;
    fault_allocator_init(&fa);
    if (persistent)
      fault_allocator_fail_from(&fa, n);
    else
      fault_allocator_fail_once(&fa, n);
    souvenir got = {0};
    const ky_allocator failing = fault_allocator(&fa);
    const ky_status status = tour(&failing, w, b, &got);
    reached = fa.failures > 0;
    assert_int_equal(status, reached ? KY_NO_MEMORY : KY_OK);
    fault_allocator_relent(&fa);
    assert_int_equal(tour(&failing, w, b, &got), KY_OK);
    assert_memory_equal(&got, &want, sizeof want);
    assert_null(fault_allocator_complaint(&fa));
    assert_int_equal(fa.live_blocks, 0);
    fault_allocator_free(&fa);
  }
  assert_true(n > 15); /* the tour does allocate */
  ky_tensor_free(w);
  ky_tensor_free(b);
}

/* The same tape goes on after a failure: what failed is simply asked for again. */
static void tape_survives_a_failing_allocation(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .allocator = fault_allocator(&fa)});
  ky_var y = ky_scalar(t, KY_F64, 1);
  int failures = 0;
  while (ky_tape_length(t) < 2000) {
    fault_allocator_fail_once(&fa, 1);
    ky_var next = ky_add(t, y, ky_full(t, KY_F64, KY_SHAPE(ky_tape_length(t) % 7 + 1), 1));
    if (ky_tape_check(t) != KY_OK) {
      failures++;
      fault_allocator_relent(&fa);
      next = ky_add_scalar(t, y, 1);
    }
    assert_int_not_equal(next.id, 0);
  }
  fault_allocator_relent(&fa);
  assert_true(failures > 3);
  assert_int_equal(ky_tape_verify(t), KY_OK);
  assert_int_equal(ky_forward(t), KY_OK);
  ky_tape_free(t);
  assert_null(fault_allocator_complaint(&fa));
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
}

static void tensor_survives_a_failing_allocation(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  for (size_t n = 1; n <= 2; n++) {
    fault_allocator_fail_once(&fa, n);
    ky_tensor *w = (ky_tensor *)&fa;
    assert_int_equal(ky_tensor_new(&allocator, KY_F32, KY_SHAPE(3), &w), KY_NO_MEMORY);
    assert_null(w);
  }
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
}

int main(void) {
  static bool once = false, persistent = true;
  const struct CMUnitTest tests[] = {
      {"each_allocation_failing_once_is_a_status", each_failing_allocation_is_a_status, NULL,
       NULL, &once},
      {"each_allocation_failing_for_good_is_a_status", each_failing_allocation_is_a_status,
       NULL, NULL, &persistent},
      cmocka_unit_test(tape_survives_a_failing_allocation),
      cmocka_unit_test(tensor_survives_a_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
