/* SPDX-License-Identifier: MIT */
/* Recording, errors, sweeps, reading, rewinding: what a user of the tape relies on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"

static int make_tape(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int free_tape(void **state) {
  ky_tape_free(*state);
  return 0;
}

static double item(ky_tape *t, ky_var v) {
  double x = 0;
  assert_int_equal(ky_item(t, v, &x), KY_OK);
  return x;
}

/* ---- errors ------------------------------------------------------------------------------ */

static void first_error_stays_until_checked(void **state) {
  ky_tape *t = *state;
  const float x[6] = {0};
  ky_var a = ky_input(t, KY_F32, KY_SHAPE(2, 3), x), b = ky_input(t, KY_F32, KY_SHAPE(3, 2), x);
  const uint32_t length = ky_tape_length(t);
  ky_var bad = ky_tanh(t, ky_add(t, a, b));
  ky_var worse = ky_mul(t, a, b);
  assert_int_equal(bad.id, 0);
  assert_int_equal(worse.id, 0);
  assert_int_equal(ky_tape_length(t), length);
  assert_non_null(
      strstr(ky_tape_message(t), "add: [2,3] x [3,2]: extents 2 and 3 do not broadcast"));
  double out;
  assert_int_equal(ky_item(t, a, &out), KY_BAD_SHAPE); /* every status is a check */
  assert_int_equal(ky_tape_check(t), KY_OK);
}

static void message_names_file_and_line(void **state) {
  ky_tape *t = *state;
  const float x[12] = {0};
  ky_var a = ky_input(t, KY_F32, KY_SHAPE(4, 3), x), b = ky_input(t, KY_F32, KY_SHAPE(4, 3), x);
  char expected[128];
  snprintf(expected, sizeof expected,
           "test_tape.c:%d: matmul: [4,3] x [4,3]: inner extents 3 and 4 differ", __LINE__ + 1);
  ky_matmul(t, a, b);
  assert_string_equal(ky_tape_message(t), expected);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
}

static void functions_work_without_macros(void **state) {
  ky_tape *t = *state;
  ky_at(t, NULL, 0);
  ky_var x = (ky_scalar)(t, KY_F64, 2);
  assert_close((item)(t, (ky_square)(t, x)), 4, 0);
  (ky_add)(t, x, ky_none());
  assert_string_equal(ky_tape_message(t), "add: the var is null");
}

static void plain_functions_record_with_the_line_noted_last(void **state) {
  ky_tape *t = *state;
  char words[64];
  snprintf(words, sizeof words, "%%2 (square, test_tape.c:%d)", __LINE__ + 1);
  const ky_var by_macro = ky_scalar(t, KY_F64, 2), after = (ky_square)(t, by_macro);
  const ky_var noted = (ky_neg)(ky_at(t, "dir/model.py", 7), after);
  const ky_var none = (ky_neg)(ky_at(t, NULL, 0), noted);
  assert_int_equal(ky_backward(t, after, NULL), KY_UNCONNECTED);
  assert_non_null(strstr(ky_tape_message(t), words));
  assert_int_equal(ky_backward(t, noted, NULL), KY_UNCONNECTED);
  assert_non_null(strstr(ky_tape_message(t), "%3 (neg, model.py:7)"));
  assert_int_equal(ky_backward(t, none, NULL), KY_UNCONNECTED);
  assert_non_null(strstr(ky_tape_message(t), "%4 (neg)"));
}

static void foreign_and_rewound_vars_are_refused(void **state) {
  ky_tape *t = *state, *other = ky_tape_new(NULL);
  ky_var x = ky_scalar(t, KY_F64, 1), theirs = ky_scalar(other, KY_F64, 1);
  ky_add(t, x, theirs);
  ky_tape_free(other);
  assert_int_equal(ky_tape_check(t), KY_BAD_VAR);
  assert_non_null(strstr(ky_tape_message(t), "of another tape"));
  const ky_mark mark = ky_tape_mark(t);
  ky_var y = ky_neg(t, x);
  assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  ky_var z = ky_exp(t, x); /* takes y's place */
  assert_int_equal(y.id, z.id);
  double out;
  assert_int_equal(ky_item(t, y, &out), KY_BAD_VAR);
  assert_non_null(strstr(ky_tape_message(t), "rewound"));
  assert_close(item(t, z), exp(1), 1e-15);
}

static void null_arguments_are_statuses(void **state) {
  ky_tape *t = *state;
  ky_var x = ky_scalar(t, KY_F64, 1);
  assert_int_equal(ky_forward(NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_backward(NULL, x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_data(t, x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_read(t, x, NULL, 8), KY_BAD_ARGUMENT);
  assert_int_equal(ky_item(t, x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_grad(t, x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_dump(t, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_check(NULL), KY_BAD_ARGUMENT);
  assert_int_equal((ky_add)(NULL, x, x).id, 0);
  assert_int_equal(ky_param(t, NULL).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_ARGUMENT);
  assert_int_equal(ky_constant(t, KY_F32, KY_SHAPE(3), NULL).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_ARGUMENT);
  assert_int_equal(ky_input(t, (ky_dtype)77, KY_SHAPE(3), &x).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_DTYPE);
  ky_tape_free(NULL);
}

static void sizes_that_overflow_are_refused(void **state) {
  ky_tape *t = *state;
  const int64_t huge = INT64_C(1) << 40;
  assert_int_equal(ky_full(t, KY_F32, KY_SHAPE(huge, huge), 0).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(t), "overflows"));
  assert_int_equal(ky_full(t, KY_F32, KY_SHAPE(2, -1), 0).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
  assert_int_equal(ky_full(t, KY_F32, 9, NULL, 0).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
}

/* An allocator that has nothing above a megabyte. */
static void *resize_up_to_a_megabyte(void *user, void *ptr, size_t old_bytes,
                                     size_t new_bytes) {
  (void)user;
  (void)old_bytes;
  if (new_bytes == 0) {
    free(ptr);
    return NULL;
  }
  return new_bytes > (1u << 20) ? NULL : realloc(ptr, new_bytes);
}

static void size_that_is_not_there_is_a_status(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options),
                                              .allocator = {NULL, resize_up_to_a_megabyte}});
  const int64_t large = INT64_C(1) << 56;
  assert_int_equal(ky_full(t, KY_F64, KY_SHAPE(large), 0).id, 0);
  assert_int_equal(ky_tape_check(t), KY_NO_MEMORY);
  assert_int_equal(ky_tape_length(t), 1);
  ky_tape_free(t);
}

static void bad_options_make_no_tape(void **state) {
  (void)state;
  assert_null(ky_tape_new(&(ky_tape_options){.size = 3}));
  assert_null(ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options), .flags = 64}));
}

/* ---- sweeps ------------------------------------------------------------------------------ */

static void recording_runs_nothing_until_read(void **state) {
  ky_tape *t = *state;
  double x = 1;
  ky_var y = ky_mul_scalar(t, ky_input(t, KY_F64, KY_SCALAR, &x), 3);
  x = 5;
  assert_close(item(t, y), 15, 0);
}

static void replay_uses_the_inputs_of_now(void **state) {
  ky_tape *t = *state;
  double first[2] = {1, 2}, second[2] = {10, 20};
  ky_var x = ky_input(t, KY_F64, KY_SHAPE(2), first), s = ky_sum_all(t, ky_square(t, x));
  assert_close(item(t, s), 5, 0);
  assert_int_equal(ky_input_set(t, x, second), KY_OK);
  assert_close(item(t, s), 500, 0);
  second[0] = 0;
  assert_int_equal(ky_forward(t), KY_OK);
  assert_close(item(t, s), 400, 0);
  assert_int_equal(ky_input_set(t, s, second), KY_BAD_ARGUMENT);
  assert_int_equal(ky_input_set(t, x, NULL), KY_BAD_ARGUMENT);
}

static ky_tensor *weight_of(double value) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SCALAR, &w), KY_OK);
  *(double *)ky_tensor_write(w) = value;
  return w;
}

static void shared_weight_has_one_summed_gradient(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(3);
  ky_var a = ky_param(t, w), b = ky_param(t, w);
  assert_int_equal(a.id, b.id);
  ky_grads grads;
  assert_int_equal(ky_backward(t, ky_mul(t, ky_mul(t, a, b), a), &grads), KY_OK);
  assert_int_equal(grads.count, 1);
  assert_ptr_equal(grads.pairs[0].weight, w);
  assert_close(*(const double *)grads.pairs[0].grad, 27, 1e-12);
  ky_tensor_free(w);
}

static void scaled_loss_scales_the_gradient(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(3);
  ky_grads grads;
  ky_var loss = ky_mul_scalar(t, ky_square(t, ky_param(t, w)), 10);
  assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
  assert_close(*(const double *)grads.pairs[0].grad, 60, 1e-12);
  ky_tensor_free(w);
}

static void sigmoid_far_out_is_no_nan(void **state) {
  ky_tape *t = *state;
  const float x[2] = {-90, 90};
  ky_var in = ky_input(t, KY_F32, KY_SHAPE(2), x);
  assert_int_equal(ky_watch(t, in), KY_OK);
  assert_int_equal(ky_backward(t, ky_sigmoid(t, in), NULL), KY_OK);
  ky_array g;
  assert_int_equal(ky_grad(t, in, &g), KY_OK);
  assert_true(isfinite(((const float *)g.data)[0]) && isfinite(((const float *)g.data)[1]));
}

/* The first contribution is stored, whatever the rank: 0 + -0 would be 0. */
static void negative_zero_gradient_keeps_its_sign(void **state) {
  ky_tape *t = *state;
  const double x = 2;
  const ky_var vars[] = {ky_input(t, KY_F64, KY_SCALAR, &x),
                         ky_input(t, KY_F64, KY_SHAPE(1), &x)};
  for (int k = 0; k < 2; k++) {
    assert_int_equal(ky_watch(t, vars[k]), KY_OK);
    assert_int_equal(ky_backward(t, ky_mul_scalar(t, vars[k], -0.0), NULL), KY_OK);
    ky_array g;
    assert_int_equal(ky_grad(t, vars[k], &g), KY_OK);
    assert_true(signbit(*(const double *)g.data));
  }
}

static void changed_weight_is_stale_until_forward(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(3);
  ky_grads grads;
  ky_var loss = ky_square(t, ky_param(t, w));
  assert_close(item(t, loss), 9, 0);
  *(double *)ky_tensor_write(w) = 4;
  assert_int_equal(ky_backward(t, loss, &grads), KY_STALE);
  assert_int_equal(grads.count, 0);
  assert_non_null(strstr(ky_tape_message(t), "changed since the forward sweep"));
  assert_int_equal(ky_forward(t), KY_OK);
  assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
  assert_close(*(const double *)grads.pairs[0].grad, 8, 1e-12);
  ky_tensor_free(w);
}

static void unconnected_is_not_zero(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(3), *idle = weight_of(1);
  ky_var v = ky_param(t, idle), zero = ky_mul_scalar(t, ky_param(t, w), 0);
  ky_grads grads;
  assert_int_equal(ky_backward(t, zero, &grads), KY_OK);
  assert_int_equal(grads.count, 1);
  assert_close(*(const double *)grads.pairs[0].grad, 0, 0);
  ky_array g;
  assert_int_equal(ky_grad(t, v, &g), KY_UNCONNECTED);
  assert_null(g.data);
  ky_var constant = ky_neg(t, ky_scalar(t, KY_F64, 1));
  assert_int_equal(ky_backward(t, constant, &grads), KY_UNCONNECTED);
  ky_tensor_free(w);
  ky_tensor_free(idle);
}

static void backward_refuses_what_has_no_derivative(void **state) {
  ky_tape *t = *state;
  const int32_t n[2] = {1, 2};
  ky_var x = ky_input(t, KY_I32, KY_SHAPE(2), n);
  assert_int_equal(ky_backward(t, x, NULL), KY_BAD_DTYPE);
  assert_int_equal(ky_backward(t, ky_none(), NULL), KY_BAD_VAR);
  assert_int_equal(ky_watch(t, x), KY_BAD_DTYPE);
  assert_int_equal(ky_watch(t, ky_scalar(t, KY_F32, 1)), KY_BAD_ARGUMENT);
}

static void cotangent_weighs_the_root(void **state) {
  ky_tape *t = *state;
  const double x[3] = {1, 2, 3}, cotangent[3] = {1, 0, -2};
  ky_var in = ky_input(t, KY_F64, KY_SHAPE(3), x);
  ky_var y = ky_square(t, in);
  assert_int_equal(ky_watch(t, in), KY_OK); /* after its use */
  assert_int_equal(ky_backward_from(t, y, cotangent, NULL), KY_OK);
  ky_array g;
  assert_int_equal(ky_grad(t, in, &g), KY_OK);
  const double expected[3] = {2, 0, -12};
  assert_memory_equal(g.data, expected, sizeof expected);
}

static void finite_check_names_line_and_element(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .flags = KY_CHECK_FINITE});
  const float x[4] = {1, 2, 0, 3};
  ky_var in = ky_input(t, KY_F32, KY_SHAPE(2, 2), x);
  char expected[128];
  snprintf(expected, sizeof expected,
           "test_tape.c:%d: log: the value of %%2: element [1,0] is -inf", __LINE__ + 1);
  ky_var y = ky_log(t, in);
  ky_array out;
  assert_int_equal(ky_data(t, y, &out), KY_NONFINITE);
  assert_string_equal(ky_tape_message(t), expected);
  ky_tape_free(t);
}

static void finite_check_covers_adjoints(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .flags = KY_CHECK_FINITE});
  const float zero = 0;
  ky_var in = ky_input(t, KY_F32, KY_SCALAR, &zero);
  assert_int_equal(ky_watch(t, in), KY_OK);
  assert_int_equal(ky_backward(t, ky_sqrt(t, in), NULL), KY_NONFINITE);
  assert_non_null(strstr(ky_tape_message(t), "the adjoint of %1"));
  ky_tape_free(t);
}

static void eager_tape_fails_at_the_line(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(
      &(ky_tape_options){.size = sizeof(ky_tape_options), .flags = KY_EAGER | KY_CHECK_FINITE});
  ky_var x = ky_scalar(t, KY_F64, -1);
  const uint32_t length = ky_tape_length(t);
  ky_var y = ky_log(t, x);
  assert_int_equal(y.id, 0);
  assert_int_equal(ky_tape_length(t), length);
  assert_int_equal(ky_tape_check(t), KY_NONFINITE);
  assert_close(item(t, ky_neg(t, x)), 1, 0);
  ky_tape_free(t);
}

static void label_out_of_range_is_found_in_the_sweep(void **state) {
  ky_tape *t = *state;
  const float x[4] = {0};
  const int32_t labels[2] = {1, 2};
  ky_var loss = ky_cross_entropy(t, ky_input(t, KY_F32, KY_SHAPE(2, 2), x),
                                 ky_input(t, KY_I32, KY_SHAPE(2), labels), KY_REDUCE_MEAN);
  double out;
  assert_int_equal(ky_item(t, loss, &out), KY_BAD_INDEX);
  assert_true(isnan(out));
  assert_non_null(strstr(ky_tape_message(t), "cross_entropy"));
}

/* ---- reading ----------------------------------------------------------------------------- */

static void views_read_strided_and_dense(void **state) {
  ky_tape *t = *state;
  const double x[6] = {0, 1, 2, 3, 4, 5};
  ky_var v = ky_permute(t, ky_input(t, KY_F64, KY_SHAPE(2, 3), x), KY_AXES(1, 0));
  ky_array a;
  assert_int_equal(ky_data(t, v, &a), KY_OK);
  assert_ptr_equal(a.data, x);
  assert_int_equal(a.strides[0], 1);
  assert_int_equal(a.strides[1], 3);
  double dense[6];
  const double expected[6] = {0, 3, 1, 4, 2, 5};
  assert_int_equal(ky_read(t, v, dense, sizeof dense), KY_OK);
  assert_memory_equal(dense, expected, sizeof dense);
  assert_int_equal(ky_read(t, v, dense, 8), KY_BAD_ARGUMENT);
  double one;
  assert_int_equal(ky_item(t, v, &one), KY_BAD_SHAPE);
  assert_int_equal(ky_shape(t, v, &a), KY_OK);
  assert_null(a.data);
  assert_int_equal(a.dims[0], 3);
}

/* ---- rewinding --------------------------------------------------------------------------- */

static void rewind_keeps_what_is_below(void **state) {
  ky_tape *t = *state;
  ky_var x = ky_scalar(t, KY_F64, 2), y = ky_square(t, x);
  const ky_mark inner = ky_tape_mark(t);
  for (int k = 0; k < 5; k++) {
    ky_var z = ky_add_scalar(t, y, k);
    assert_close(item(t, z), 4 + k, 0);
    assert_int_equal(ky_tape_rewind(t, inner), KY_OK);
  }
  assert_close(item(t, y), 4, 0);
  assert_int_equal(ky_tape_rewind(t, (ky_mark){0}), KY_BAD_VAR);
}

static void mark_that_was_rewound_is_refused(void **state) {
  ky_tape *t = *state;
  const ky_mark outer = ky_tape_mark(t);
  ky_var x = ky_scalar(t, KY_F64, 2);
  const ky_mark inner = ky_tape_mark(t);
  assert_int_equal(ky_tape_rewind(t, outer), KY_OK);
  assert_int_equal(ky_tape_rewind(t, inner), KY_BAD_VAR);
  x = ky_scalar(t, KY_F64, 2);
  assert_int_equal(ky_tape_rewind(t, inner), KY_BAD_VAR);
  assert_close(item(t, x), 2, 0);
}

static void rewound_weight_is_recorded_anew(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(2), *u = weight_of(5);
  const ky_mark mark = ky_tape_mark(t);
  ky_param(t, w);
  assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  ky_var b = ky_param(t, u), a = ky_param(t, w);
  assert_int_not_equal(a.id, b.id);
  assert_close(item(t, a), 2, 0);
  assert_close(item(t, b), 5, 0);
  ky_tensor_free(w);
  ky_tensor_free(u);
}

/* The loop of a define-by-run program: weights below the mark, stepped between rounds. */
static void weight_stepped_before_a_rewind_is_read_anew(void **state) {
  ky_tape *t = *state;
  ky_tensor *w = weight_of(3);
  ky_var p = ky_param(t, w), twice = ky_mul_scalar(t, p, 2);
  const ky_mark mark = ky_tape_mark(t);
  for (int k = 0; k < 3; k++) {
    const double x = *(const double *)ky_tensor_data(w);
    ky_var loss = ky_square(t, twice);
    ky_grads grads;
    assert_int_equal(ky_backward(t, loss, &grads), KY_OK);
    assert_close(item(t, loss), 4 * x * x, 1e-12);
    assert_close(*(const double *)grads.pairs[0].grad, 8 * x, 1e-12);
    *(double *)ky_tensor_write(w) = x - 0.5;
    assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  }
  ky_tensor_free(w);
}

static void own_recording_functions_can_fail(void **state) {
  ky_tape *t = *state;
  ky_at(t, "mine.c", 7);
  assert_int_equal(ky_tape_fail(t, KY_BAD_SHAPE, "spline: wants four knots").id, 0);
  assert_string_equal(ky_tape_message(t), "mine.c:7: spline: wants four knots");
  ky_tape_fail(t, KY_BAD_DTYPE, "later");
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
}

static void bytes_are_those_of_the_allocator(void **state) {
  (void)state;
  static ky_fault_allocator memory;
  fault_allocator_init(&memory);
  ky_tape *t = ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options),
                                              .allocator = fault_allocator(&memory)});
  assert_int_equal(ky_tape_bytes(NULL), 0);
  assert_int_equal(ky_tape_bytes(t), memory.live_bytes);
  ky_tensor *w = weight_of(3);
  ky_var y = ky_mul(t, ky_param(t, w), ky_constant(t, KY_F64, KY_SCALAR, &(double){2}));
  for (int k = 0; k < 100; k++) y = ky_clamp(t, ky_reshape(t, y, 1, &(int64_t){1}), -k, k + 9);
  for (int k = 0; k < 3; k++) {
    const ky_mark mark = ky_tape_mark(t);
    const ky_var norm =
        ky_layernorm(t, ky_expand(t, y, KY_SHAPE(5, k + 1)), 1, ky_none(), ky_none(), 1);
    ky_grads grads;
    assert_int_equal(ky_backward(t, ky_add(t, ky_sum_all(t, norm), ky_sum_all(t, y)), &grads),
                     KY_OK);
    assert_int_equal(ky_tape_bytes(t), memory.live_bytes);
    assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  }
  assert_int_equal(ky_tape_bytes(t), memory.live_bytes);
  ky_tape_free(t);
  ky_tensor_free(w);
  fault_allocator_free(&memory);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_tape, free_tape)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(first_error_stays_until_checked),
      CASE(message_names_file_and_line),
      CASE(functions_work_without_macros),
      CASE(plain_functions_record_with_the_line_noted_last),
      CASE(foreign_and_rewound_vars_are_refused),
      CASE(null_arguments_are_statuses),
      CASE(sizes_that_overflow_are_refused),
      CASE(size_that_is_not_there_is_a_status),
      CASE(bad_options_make_no_tape),
      CASE(bytes_are_those_of_the_allocator),
      CASE(recording_runs_nothing_until_read),
      CASE(replay_uses_the_inputs_of_now),
      CASE(shared_weight_has_one_summed_gradient),
      CASE(scaled_loss_scales_the_gradient),
      CASE(sigmoid_far_out_is_no_nan),
      CASE(negative_zero_gradient_keeps_its_sign),
      CASE(changed_weight_is_stale_until_forward),
      CASE(unconnected_is_not_zero),
      CASE(backward_refuses_what_has_no_derivative),
      CASE(cotangent_weighs_the_root),
      CASE(finite_check_names_line_and_element),
      CASE(finite_check_covers_adjoints),
      CASE(eager_tape_fails_at_the_line),
      CASE(label_out_of_range_is_found_in_the_sweep),
      CASE(views_read_strided_and_dense),
      CASE(rewind_keeps_what_is_below),
      CASE(mark_that_was_rewound_is_refused),
      CASE(rewound_weight_is_recorded_anew),
      CASE(weight_stepped_before_a_rewind_is_read_anew),
      CASE(own_recording_functions_can_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
