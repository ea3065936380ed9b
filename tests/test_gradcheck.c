/* SPDX-License-Identifier: MIT */
/* ky_gradcheck: passes what is right, finds what is wrong and says where, leaves the tape
 * alone. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "kytape/gradcheck.h"

#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"

#define REPORT(name) ky_gradcheck_report name = {.size = sizeof name}

/* A network of one layer: weights of the test, an input that is not watched. */
typedef struct net {
  ky_tape *t;
  ky_tensor *w, *b;
  ky_var x, loss;
} net;

static const double inputs[6] = {0.3, -1.2, 2.5, 1.0, 0.4, -0.7};
static const float inputs_f32[6] = {0.3f, -1.2f, 2.5f, 1.0f, 0.4f, -0.7f};

static void fill(ky_tensor *w) {
  void *p = ky_tensor_write(w);
  for (int64_t k = 0; k < ky_tensor_count(w); k++) {
    const double x = 0.3 * (double)(k % 5) - 0.5;
    if (ky_tensor_dtype(w) == KY_F64)
      ((double *)p)[k] = x;
    else
      ((float *)p)[k] = (float)x;
  }
}

static void make(net *n, ky_dtype dtype) {
  assert_int_equal(ky_tensor_new(NULL, dtype, KY_SHAPE(4, 3), &n->w), KY_OK);
  assert_int_equal(ky_tensor_new(NULL, dtype, KY_SHAPE(4), &n->b), KY_OK);
  fill(n->w);
  fill(n->b);
  n->t = ky_tape_new(NULL);
  const void *data = dtype == KY_F64 ? (const void *)inputs : inputs_f32;
  n->x = ky_input(n->t, dtype, KY_SHAPE(2, 3), data);
  const ky_var h = ky_linear(n->t, n->x, ky_param(n->t, n->w), ky_param(n->t, n->b));
  n->loss = ky_mean_all(n->t, ky_square(n->t, ky_tanh(n->t, h)));
  assert_int_equal(ky_tape_check(n->t), KY_OK);
}

static void drop(net *n) {
  ky_tape_free(n->t);
  ky_tensor_free(n->w);
  ky_tensor_free(n->b);
}

static void dump(const net *n, char *text, size_t size) {
  memset(text, 0, size);
  FILE *out = fmemopen(text, size, "w");
  assert_non_null(out);
  assert_int_equal(ky_tape_dot(n->t, out), KY_OK); /* shows what is differentiated */
  fclose(out);
}

static void right_gradients_pass(void **state) {
  (void)state;
  static const ky_dtype dtypes[] = {KY_F64, KY_F32};
  for (int k = 0; k < 2; k++) {
    net n;
    make(&n, dtypes[k]);
    REPORT(report);
    assert_int_equal(ky_gradcheck(n.t, n.loss, NULL, 0, NULL, &report), KY_OK);
    assert_int_equal(report.status, KY_OK);
    assert_true(report.error <= (k ? 1e-2 : 1e-6));
    assert_int_equal(report.index, -1);
    assert_non_null(strstr(report.text, "mean [] (test_gradcheck.c:"));
    assert_non_null(strstr(report.text, ": ok, largest error "));
    assert_non_null(strstr(report.text, "param [4,3] (test_gradcheck.c:"));
    assert_non_null(strstr(report.text, "param [4] (test_gradcheck.c:"));
    assert_null(strstr(report.text, "input"));
    drop(&n);
  }
}

static void each_element_and_inputs_can_be_asked_for(void **state) {
  (void)state;
  net n;
  make(&n, KY_F64);
  REPORT(report);
  const ky_gradcheck_options o = {.size = sizeof o, .each_element = 1, .tolerance = 1e-7};
  assert_int_equal(ky_gradcheck(n.t, n.loss, &n.x, 1, &o, &report), KY_OK);
  assert_int_equal(report.worst.id, n.x.id);
  assert_in_range(report.index, 0, 5);
  assert_close(report.analytic, report.numeric, 1e-8);
  assert_non_null(report.file);
  assert_true(report.line > 0);
  drop(&n);
}

static void tape_is_as_before(void **state) {
  (void)state;
  static char before[4096], after[4096];
  net n;
  make(&n, KY_F64);
  double loss, again, w[12];
  assert_int_equal(ky_item(n.t, n.loss, &loss), KY_OK);
  memcpy(w, ky_tensor_data(n.w), sizeof w);
  const uint64_t version = ky_tensor_version(n.w);
  dump(&n, before, sizeof before);
  assert_int_equal(ky_gradcheck(n.t, n.loss, &n.x, 1, NULL, NULL), KY_OK);
  assert_int_equal(ky_gradcheck(n.t, n.loss, NULL, 0, NULL, NULL), KY_OK);
  dump(&n, after, sizeof after);
  assert_string_equal(before, after);
  assert_memory_equal(w, ky_tensor_data(n.w), sizeof w);
  assert_int_equal(ky_tensor_version(n.w), version);
  assert_int_equal(ky_item(n.t, n.loss, &again), KY_OK);
  assert_memory_equal(&loss, &again, sizeof loss);
  ky_array g;
  assert_int_equal(ky_grad(n.t, n.x, &g), KY_NOT_RUN);
  assert_int_equal(ky_tape_verify(n.t), KY_OK);
  ky_grads grads;
  assert_int_equal(ky_backward(n.t, n.loss, &grads), KY_OK);
  assert_int_equal(grads.count, 2);
  drop(&n);
}

static void stepped_weights_are_met_as_they_are(void **state) {
  (void)state;
  net n;
  make(&n, KY_F64);
  assert_int_equal(ky_backward(n.t, n.loss, NULL), KY_OK);
  ((double *)ky_tensor_write(n.w))[3] = 1.25;
  assert_int_equal(ky_gradcheck(n.t, n.loss, NULL, 0, NULL, NULL), KY_OK);
  assert_int_equal(ky_backward(n.t, n.loss, NULL), KY_OK);
  drop(&n);
}

/* Where a derivative does not exist, the check says which element, and why. */
static void kinks_are_found(void **state) {
  (void)state;
  static const double near[] = {0, 1e-9, 1e-7, 1e-6, 4e-6, 1e-5}; /* within a step of 1.5e-5 */
  for (size_t k = 0; k < sizeof near / sizeof *near; k++) {
    ky_tape *t = ky_tape_new(NULL);
    const double at[6] = {1, -1, 2, near[k], 3, -2};
    const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), at);
    const ky_var y = ky_sum_all(t, ky_relu(t, x));
    REPORT(report);
    assert_int_equal(ky_gradcheck(t, y, &x, 1, NULL, &report), KY_BAD_GRADIENT);
    assert_int_equal(report.status, KY_BAD_GRADIENT);
    assert_int_equal(report.index, 3);
    assert_int_equal(report.smooth, 0);
    assert_close(report.analytic, k > 0, 1e-9);
    assert_non_null(strstr(report.text, ": WRONG, largest error "));
    assert_non_null(strstr(report.text, "input [2,3] (test_gradcheck.c:"));
    assert_non_null(strstr(report.text, " at [1,0]: error "));
    assert_non_null(strstr(ky_tape_message(t), "gradcheck: %1 input [2,3]"));
    ky_tape_free(t);
  }
}

static void strided_outputs_and_empty_variables_are_fine(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  const ky_var none = ky_input(t, KY_F64, KY_SHAPE(0), inputs);
  const ky_var y = ky_transpose(t, ky_exp(t, x), 0, 1);
  const ky_var wrt[3] = {none, x, x};
  assert_int_equal(ky_gradcheck(t, y, wrt, 3, NULL, NULL), KY_OK);
  ky_tape_free(t);
}

/* The mask is one and the same in all sweeps of the check, and afterwards. */
static void dropout_can_be_checked(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  const ky_var y = ky_exp(t, ky_dropout(t, x, 0.5));
  double before[6], after[6];
  assert_int_equal(ky_forward(t), KY_OK);
  assert_int_equal(ky_read(t, y, before, sizeof before), KY_OK);
  assert_int_equal(ky_gradcheck(t, y, &x, 1, NULL, NULL), KY_OK);
  assert_int_equal(ky_read(t, y, after, sizeof after), KY_OK);
  assert_memory_equal(before, after, sizeof before);
  ky_tape_free(t);
}

static void refused(net *n, ky_status got, ky_status want, const char *says) {
  assert_int_equal(got, want);
  if (!strstr(ky_tape_message(n->t), says)) print_error("%s\n", ky_tape_message(n->t));
  assert_non_null(strstr(ky_tape_message(n->t), says));
}

static void wrong_uses_are_named(void **state) {
  (void)state;
  net n;
  make(&n, KY_F64);
  const ky_var i = ky_full(n.t, KY_I64, KY_SHAPE(2), 1), none = {0};
  const ky_var unused = ky_input(n.t, KY_F64, KY_SHAPE(2), inputs);
  const ky_gradcheck_options o = {.size = sizeof o, .step = -1};
  REPORT(report);
  refused(&n, ky_gradcheck(n.t, i, NULL, 0, NULL, &report), KY_BAD_DTYPE,
          "gradcheck: the output %8 (full, test_gradcheck.c:");
  assert_int_equal(report.status, KY_BAD_DTYPE);
  assert_non_null(strstr(report.text, ") is i64, wants f32 or f64"));
  refused(&n, ky_gradcheck(n.t, none, NULL, 0, NULL, NULL), KY_BAD_VAR, "the output: ");
  refused(&n, ky_gradcheck(n.t, n.loss, &none, 1, NULL, NULL), KY_BAD_VAR, "variable 0: ");
  refused(&n, ky_gradcheck(n.t, n.loss, &n.loss, 1, NULL, NULL), KY_BAD_ARGUMENT,
          "(mean, test_gradcheck.c:");
  assert_non_null(strstr(ky_tape_message(n.t), ") is no input and no weight"));
  refused(&n, ky_gradcheck(n.t, n.loss, NULL, 1, NULL, NULL), KY_BAD_ARGUMENT, "wrt is null");
  refused(&n, ky_gradcheck(n.t, n.loss, NULL, 0, &o, NULL), KY_BAD_ARGUMENT, "step -1");
  refused(&n, ky_gradcheck(n.t, n.loss, &unused, 1, NULL, NULL), KY_UNCONNECTED,
          "no variable leads to the output %7 (mean, test_gradcheck.c:");
  assert_int_equal(ky_gradcheck(NULL, n.loss, NULL, 0, NULL, &report), KY_BAD_ARGUMENT);
  ky_add(n.t, n.loss, i);
  assert_int_equal(ky_gradcheck(n.t, n.loss, NULL, 0, NULL, NULL), KY_BAD_DTYPE);
  assert_int_equal(ky_gradcheck(n.t, n.loss, NULL, 0, NULL, NULL), KY_OK);
  drop(&n);
}

static void integer_variables_are_refused(void **state) {
  (void)state;
  static const int64_t index[2] = {1, 0};
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  const ky_var i = ky_input(t, KY_I64, KY_SHAPE(2), index);
  const ky_var y = ky_index_select(t, x, 0, i);
  assert_int_equal(ky_gradcheck(t, y, &i, 1, NULL, NULL), KY_BAD_DTYPE);
  assert_int_equal(ky_gradcheck(t, y, &x, 1, NULL, NULL), KY_OK);
  ky_tape_free(t);
}

static void failing_allocations_are_a_status(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_tape_options o = {.size = sizeof o, .allocator = fault_allocator(&fa)};
  ky_tape *t = ky_tape_new(&o);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs), y = ky_sin(t, x);
  bool failed = true;
  for (size_t n = 1; failed; n++) {
    const size_t failures = fa.failures, blocks = fa.live_blocks;
    fault_allocator_fail_once(&fa, n);
    const ky_status status = ky_gradcheck(t, y, &x, 1, NULL, NULL);
    fault_allocator_relent(&fa);
    failed = fa.failures > failures;
    assert_int_equal(status, failed ? KY_NO_MEMORY : KY_OK);
    if (n > 8) assert_int_equal(fa.live_blocks, blocks); /* the arenas have grown */
  }
  ky_tape_free(t);
  assert_null(fault_allocator_complaint(&fa));
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(right_gradients_pass),
      cmocka_unit_test(each_element_and_inputs_can_be_asked_for),
      cmocka_unit_test(tape_is_as_before),
      cmocka_unit_test(stepped_weights_are_met_as_they_are),
      cmocka_unit_test(kinks_are_found),
      cmocka_unit_test(strided_outputs_and_empty_variables_are_fine),
      cmocka_unit_test(dropout_can_be_checked),
      cmocka_unit_test(wrong_uses_are_named),
      cmocka_unit_test(integer_variables_are_refused),
      cmocka_unit_test(failing_allocations_are_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
