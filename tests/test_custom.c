/* SPDX-License-Identifier: MIT */
/* ky_custom: calls on tapes, in eager tapes and in programs; what goes wrong is told by name; a
 * wrong adjoint is caught by ky_gradcheck. */
#include "kytape/custom.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/gradcheck.h"
#include "kytape/ops.h"
#include "kytape/program.h"
#include "tape/tape.h"

/* ---- an operation: scale x^3 ------------------------------------------------------------- */

/* What `user` points at. The counters are for single-threaded tests. */
typedef struct cube_user {
  double scale, wrong; /* wrong: added to the slope */
  ky_status forward_status, adjoint_status, shape_status;
  int forwards, adjoints;
} cube_user;

static ky_status cube_shape(ky_custom_shape_call *call) {
  const cube_user *user = call->user;
  if (user->shape_status != KY_OK)
    snprintf(call->message, call->message_bytes, "wants cubes, got rank %d", call->x[0].rank);
  return user->shape_status;
}

static ky_status cube(const ky_custom_forward_call *call) {
  cube_user *user = call->user;
  user->forwards++;
  const double *x = call->x[0].data;
  for (int64_t n = 0; n < call->result->count; n++)
    ((double *)call->r)[n] = user->scale * x[n] * x[n] * x[n];
  if (user->forward_status != KY_OK)
    snprintf(call->message, call->message_bytes, "no cube of %g", x[0]);
  return user->forward_status;
}

static ky_status pull_cube(const ky_custom_adjoint_call *call) {
  cube_user *user = call->user;
  user->adjoints++;
  const double *x = call->x[0].data, *g = call->g;
  double *gx = call->to[0].gx;
  for (int64_t n = 0; n < call->result->count; n++) {
    const double slope = g[n] * (3 * user->scale * x[n] * x[n] + (n == 4 ? user->wrong : 0));
    gx[n] = call->to[0].beta ? gx[n] + slope : slope;
  }
  return user->adjoint_status;
}

#define CUBE(name, flag, pull)                                                                 \
  cube_user name##_user = {.scale = 0.5};                                                      \
  const ky_custom_op name = {sizeof name,  #name,      flag, KY_CUSTOM_READS(0),               \
                             &name##_user, cube_shape, cube, pull}

static const double inputs[6] = {0.3, -1.2, 2.5, 1.0, 0.4, -0.7};

/* mean(tanh(op(2 x))) + op(x)[0,0], of a watched x */
static ky_var program(ky_tape *t, const ky_custom_op *op, ky_var *x) {
  *x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  assert_int_equal(ky_watch(t, *x), KY_OK);
  const ky_var doubled = ky_mul_scalar(t, *x, 2);
  const ky_var a = ky_tanh(t, ky_custom(t, op, 1, &doubled)), b = ky_custom(t, op, 1, x);
  const ky_var corner = ky_slice(t, ky_slice(t, b, 0, 0, 1, 1), 1, 0, 1, 1);
  return ky_add(t, ky_mean_all(t, a), ky_sum_all(t, corner));
}

/* ---- what works -------------------------------------------------------------------------- */

static void gradients_are_right(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  for (uint32_t eager = 0; eager < 2; eager++) {
    const ky_tape_options o = {.size = sizeof o, .flags = eager ? KY_EAGER : 0};
    ky_tape *t = ky_tape_new(&o);
    ky_var x;
    const ky_var loss = program(t, &op, &x);
    assert_int_equal(op_user.forwards, eager ? 2 : 0);
    assert_int_equal(ky_gradcheck(t, loss, &x, 1, NULL, NULL), KY_OK);
    assert_int_equal(ky_tape_verify(t), KY_OK);
    ky_tape_free(t);
    op_user.forwards = 0;
  }
}

static void programs_give_the_bits_of_the_tape(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  ky_var x;
  const ky_var loss = program(t, &op, &x);
  ky_array g;
  double value, again, grad[6], grad_again[6];
  assert_int_equal(ky_item(t, loss, &value), KY_OK);
  assert_int_equal(ky_backward(t, loss, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  memcpy(grad, g.data, sizeof grad);
  ky_program *p;
  ky_exec *e;
  assert_int_equal(ky_compile(t, loss, NULL, &p), KY_OK);
  ky_tape_free(t);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    assert_int_equal(ky_exec_item(e, loss, &again), KY_OK);
    assert_int_equal(ky_exec_grad(e, x, &g), KY_OK);
    memcpy(grad_again, g.data, sizeof grad_again);
    assert_memory_equal(&value, &again, sizeof value);
    assert_memory_equal(grad, grad_again, sizeof grad);
  }
  ky_exec_free(e);
  ky_program_free(p);
}

static void only_pure_operations_are_merged_and_folded(void **state) {
  (void)state;
  CUBE(pure, KY_CUSTOM_PURE, pull_cube);
  CUBE(impure, 0, pull_cube);
  const ky_custom_op *ops[2] = {&impure, &pure};
  uint32_t length[2];
  for (int k = 0; k < 2; k++) {
    ky_tape *t = ky_tape_new(NULL);
    const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
    const ky_var c = ky_full(t, KY_F64, KY_SHAPE(2, 3), 2);
    const ky_var folded = ky_custom(t, ops[k], 1, &c);
    const ky_var twice = ky_matmul_trans(t, ky_custom(t, ops[k], 1, &x),
                                         ky_custom(t, ops[k], 1, &x), KY_TRANS_B);
    const ky_var keep[2] = {twice, ky_mul(t, folded, x)};
    const ky_compile_options o = {.size = sizeof o, .keep = keep, .keep_count = 2};
    ky_program *p;
    assert_int_equal(ky_compile(t, ky_none(), &o, &p), KY_OK);
    length[k] = ky_program_length(p);
    ky_program_free(p);
    ky_tape_free(t);
  }
  assert_int_equal(length[0], 8); /* nop, full, input, three calls, matmul, mul */
  assert_int_equal(length[1], 6); /* the call of a constant is one, of x once */
}

static void operations_without_adjoint_pass_no_gradient(void **state) {
  (void)state;
  CUBE(op, 0, NULL);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  assert_int_equal(ky_watch(t, x), KY_OK);
  const ky_var y = ky_custom(t, &op, 1, &x), loss = ky_sum_all(t, y);
  assert_int_equal(ky_backward(t, loss, NULL), KY_UNCONNECTED);
  assert_int_equal(ky_watch(t, y), KY_BAD_ARGUMENT);
  ky_array g;
  const ky_var both = ky_add(t, y, x);
  assert_int_equal(ky_backward(t, both, NULL), KY_OK);
  assert_int_equal(ky_grad(t, x, &g), KY_OK);
  assert_close(((const double *)g.data)[1], 1, 0);
  assert_int_equal(ky_tape_verify(t), KY_OK);
  ky_tape_free(t);
}

static void dump_names_the_operation(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  ky_custom(t, &op, 1, &x);
  FILE *out = tmpfile();
  assert_non_null(out);
  assert_int_equal(ky_tape_dump(t, out), KY_OK);
  char text[1024] = "";
  rewind(out);
  const size_t read = fread(text, 1, sizeof text - 1, out);
  fclose(out);
  text[read] = '\0';
  assert_non_null(strstr(text, "custom  %1 op  f64  [2,3]  test_custom.c:"));
  ky_tape_free(t);
}

/* ---- what goes wrong --------------------------------------------------------------------- */

static void says(const ky_tape *t, const char *words) {
  if (!strstr(ky_tape_message(t), words)) print_error("%s\n", ky_tape_message(t));
  assert_non_null(strstr(ky_tape_message(t), words));
}

static void wrong_adjoint_is_caught(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  op_user.wrong = 0.01;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  const ky_var loss = ky_sum_all(t, ky_custom(t, &op, 1, &x));
  ky_gradcheck_report report = {.size = sizeof report};
  assert_int_equal(ky_gradcheck(t, loss, &x, 1, NULL, &report), KY_BAD_GRADIENT);
  assert_int_equal(report.index, 4);
  assert_int_equal(report.smooth, 1);
  assert_close(report.numeric, 1.5 * 0.4 * 0.4, 1e-8);
  assert_close(report.analytic, 1.5 * 0.4 * 0.4 + 0.01, 1e-12);
  says(t, " at [1,1]: error 0.0");
  ky_tape_free(t);
}

static ky_status store_always(const ky_custom_adjoint_call *call) {
  const double *x = call->x[0].data, *g = call->g;
  for (int64_t n = 0; n < call->result->count; n++)
    ((double *)call->to[0].gx)[n] = 1.5 * x[n] * x[n] * g[n];
  return KY_OK;
}

static ky_status add_always(const ky_custom_adjoint_call *call) {
  const double *x = call->x[0].data, *g = call->g;
  for (int64_t n = 0; n < call->result->count; n++)
    ((double *)call->to[0].gx)[n] += 1.5 * x[n] * x[n] * g[n];
  return KY_OK;
}

static ky_status leave_the_last(const ky_custom_adjoint_call *call) {
  const double *x = call->x[0].data, *g = call->g;
  double *gx = call->to[0].gx;
  for (int64_t n = 0; n + 1 < call->result->count; n++)
    gx[n] = (call->to[0].beta ? gx[n] : 0) + 1.5 * x[n] * x[n] * g[n];
  return KY_OK;
}

/* Slopes that are right, in adjoints that would be wrong beside another use of the operand, or
 * by what happens to be in memory. */
static void adjoints_that_ignore_beta_are_caught(void **state) {
  (void)state;
  static ky_status (*const pulls[3])(const ky_custom_adjoint_call *) = {
      store_always, add_always, leave_the_last};
  static const char *const element[3] = {"element 0", "element 0", "element 5"};
  for (int k = 0; k < 3; k++) {
    CUBE(op, 0, pulls[k]);
    ky_tape *t = ky_tape_new(NULL);
    const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
    const ky_var loss = ky_sum_all(t, ky_custom(t, &op, 1, &x));
    ky_gradcheck_report report = {.size = sizeof report};
    assert_int_equal(ky_gradcheck(t, loss, &x, 1, NULL, &report), KY_BAD_GRADIENT);
    assert_true(isinf(report.error));
    says(t, "custom: op: the adjoint does not honour beta: to ");
    says(t, element[k]);
    assert_non_null(strstr(report.text, ky_tape_message(t)));
    assert_int_equal(ky_forward(t), KY_OK); /* the tape goes on */
    ky_tape_free(t);
  }
}

static void failures_are_told_by_name(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  assert_int_equal(ky_watch(t, x), KY_OK);
  const uint32_t length = ky_tape_length(t);
  op_user.shape_status = KY_BAD_SHAPE;
  assert_int_equal(ky_custom(t, &op, 1, &x).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
  says(t, "test_custom.c:");
  says(t, ": custom: op: wants cubes, got rank 2");
  assert_int_equal(ky_tape_length(t), length);
  op_user.shape_status = KY_OK;
  const ky_var y = ky_custom(t, &op, 1, &x);
  op_user.adjoint_status = KY_UNCONNECTED;
  assert_int_equal(ky_backward(t, y, NULL), KY_UNCONNECTED);
  says(t, ": custom: op: a value does not depend on what it should");
  op_user.forward_status = KY_NONFINITE;
  assert_int_equal(ky_forward(t), KY_NONFINITE);
  says(t, "test_custom.c:");
  says(t, ": custom: op: no cube of 0.3");
  op_user.forward_status = op_user.adjoint_status = KY_OK;
  assert_int_equal(ky_forward(t), KY_OK);
  assert_int_equal(ky_backward(t, y, NULL), KY_OK);
  ky_tape_free(t);
}

static void failures_in_programs_are_told_by_name(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  ky_var x;
  const ky_var loss = program(t, &op, &x);
  ky_program *p;
  ky_exec *e;
  assert_int_equal(ky_compile(t, loss, NULL, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, NULL, &e), KY_OK);
  op_user.forward_status = KY_NONFINITE;
  assert_int_equal(ky_exec_step(e, NULL), KY_NONFINITE);
  assert_non_null(strstr(ky_exec_message(e), "test_custom.c:"));
  assert_non_null(strstr(ky_exec_message(e), ": custom: op: no cube of "));
  ky_exec_free(e);
  ky_program_free(p);
  ky_tape_free(t);
}

static void refused(ky_tape *t, ky_var r, const char *words) {
  assert_int_equal(r.id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_ARGUMENT);
  says(t, words);
  assert_int_equal(ky_tape_length(t), 2);
}

static ky_status large(ky_custom_shape_call *call) {
  call->rank = KY_MAX_RANK + 1;
  return KY_OK;
}

static ky_status strange(ky_custom_shape_call *call) {
  call->dtype = (ky_dtype)99;
  return KY_OK;
}

static void bad_operations_are_refused(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs), many[31] = {x};
  ky_custom_op bad = op;
  refused(t, ky_custom(t, NULL, 1, &x), "custom: the operation is null");
  bad.size = 8;
  refused(t, ky_custom(t, &bad, 1, &x), "has no known size");
  bad = op;
  bad.name = NULL;
  refused(t, ky_custom(t, &bad, 1, &x), "has no name");
  bad = op;
  bad.forward = NULL;
  refused(t, ky_custom(t, &bad, 1, &x), "has no forward function");
  refused(t, ky_custom(t, &op, 31, many), "op: 31 operands, wants 30 at most");
  refused(t, ky_custom(t, &op, 0, many), "op: 0 operands, wants 1 or more");
  refused(t, ky_custom(t, &op, 1, NULL), "op: 1 operands, but their array is null");
  bad = op;
  bad.shape = large;
  assert_int_equal(ky_custom(t, &bad, 1, &x).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
  bad.shape = strange;
  assert_int_equal(ky_custom(t, &bad, 1, &x).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_DTYPE);
  assert_int_equal((ky_custom)(NULL, &op, 1, &x).id, 0);
  ky_tape_free(t);
}

/* The words behind the operand of instruction 2: number of the operation, dtype, bytes of aux.
 */
static void verifier_looks_at_the_attributes(void **state) {
  (void)state;
  static const struct {
    int word;
    int64_t value;
    const char *says;
  } bad[] = {{KY_CUSTOM_NUMBER, 1, "operation 1 does not exist"},
             {KY_CUSTOM_NUMBER, -1, "operation -1 does not exist"},
             {KY_CUSTOM_DTYPE, KY_F16, "values cannot be of dtype"},
             {KY_CUSTOM_DTYPE, KY_F32, "dtype is f64, the rule says f32"},
             {KY_CUSTOM_AUX, -8, "an aux buffer of -8 bytes"}};
  CUBE(op, 0, pull_cube);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
  const ky_var y = ky_custom(t, &op, 1, &x);
  int64_t *word = t->code.pool + t->code.ins[y.id].b + 1;
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    const int64_t good = word[bad[k].word];
    word[bad[k].word] = bad[k].value;
    assert_int_equal(ky_tape_verify(t), KY_BAD_TAPE);
    says(t, bad[k].says);
    word[bad[k].word] = good;
  }
  t->code.pool_count--;
  assert_int_equal(ky_tape_verify(t), KY_BAD_TAPE);
  says(t, "attributes lie outside of the pool");
  t->code.pool_count++;
  assert_int_equal(ky_tape_verify(t), KY_OK);
  ky_tape_free(t);
}

static void failing_allocations_are_a_status(void **state) {
  (void)state;
  CUBE(op, 0, pull_cube);
  bool failed = true;
  for (size_t n = 1; failed; n++) {
    ky_fault_allocator fa;
    fault_allocator_init(&fa);
    fault_allocator_fail_once(&fa, n);
    const ky_tape_options o = {.size = sizeof o, .allocator = fault_allocator(&fa)};
    ky_tape *t = ky_tape_new(&o);
    if (t) {
      const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), inputs);
      const ky_var y = ky_transpose(t, x, 0, 1);
      const ky_status status = ky_read(t, ky_custom(t, &op, 1, &y), (double[6]){0}, 48);
      assert_int_equal(status, fa.failures ? KY_NO_MEMORY : KY_OK);
    }
    failed = fa.failures > 0;
    ky_tape_free(t);
    assert_null(fault_allocator_complaint(&fa));
    assert_int_equal(fa.live_blocks, 0);
    fault_allocator_free(&fa);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_right),
      cmocka_unit_test(programs_give_the_bits_of_the_tape),
      cmocka_unit_test(only_pure_operations_are_merged_and_folded),
      cmocka_unit_test(operations_without_adjoint_pass_no_gradient),
      cmocka_unit_test(dump_names_the_operation),
      cmocka_unit_test(wrong_adjoint_is_caught),
      cmocka_unit_test(adjoints_that_ignore_beta_are_caught),
      cmocka_unit_test(failures_are_told_by_name),
      cmocka_unit_test(failures_in_programs_are_told_by_name),
      cmocka_unit_test(bad_operations_are_refused),
      cmocka_unit_test(verifier_looks_at_the_attributes),
      cmocka_unit_test(failing_allocations_are_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
