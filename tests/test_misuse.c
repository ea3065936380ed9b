/* SPDX-License-Identifier: MIT */
/* What strangers get wrong: each gets an answer that says so, and nothing is left behind. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape.h"

typedef struct bench {
  ky_tape *t;
  ky_program *p;
  ky_exec *e;
} bench;

static int set_up(void **state) {
  static bench b;
  b = (bench){.t = ky_tape_new(NULL)};
  *state = &b;
  return b.t ? 0 : -1;
}

static int tear_down(void **state) {
  const bench *b = *state;
  ky_exec_free(b->e);
  ky_program_free(b->p);
  ky_tape_free(b->t);
  return 0;
}

/* The call that gave `v` failed with these words, and left the tape as it was. */
static void assert_refused(ky_tape *t, ky_var v, uint32_t length, ky_status status,
                           const char *words) {
  assert_int_equal(v.id, 0);
  assert_int_equal(ky_tape_check(t), status);
  if (!strstr(ky_tape_message(t), words))
    fail_msg("\"%s\" lacks \"%s\"", ky_tape_message(t), words);
  assert_int_equal(ky_tape_length(t), length);
}

/* ---- recording --------------------------------------------------------------------------- */

static void calls_that_fail_late_leave_nothing(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var m = ky_full(t, KY_F64, KY_SHAPE(2, 4), 1),
               a = ky_full(t, KY_F64, KY_SHAPE(3), 1);
  const ky_var mask = ky_full(t, KY_MASK, KY_SHAPE(3), 1);
  const uint32_t length = ky_tape_length(t);
  assert_refused(t, ky_index_select(t, m, 0, a), length, KY_BAD_DTYPE,
                 "index_select: gather: ");
  assert_refused(t, ky_segment_sum(t, a, a, 2), length, KY_BAD_DTYPE,
                 "segment_sum: scatter_sum: ");
  assert_refused(t, ky_masked_fill(t, m, mask, 0), length, KY_BAD_SHAPE,
                 "masked_fill: where: ");
  const ky_var part = ky_full(t, KY_F64, KY_SHAPE(1, 4), 0);
  assert_refused(t, ky_scatter_add(t, m, 0, part, m), length + 1, KY_BAD_DTYPE,
                 "scatter_sum: ");
}

static void nothing_is_recorded_behind_an_error(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1), s = ky_scalar(t, KY_F64, 1);
  const uint32_t length = ky_tape_length(t);
  ky_tensor *weight;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(3), &weight), KY_OK);
  ky_matmul(t, x, x);
  assert_int_equal(ky_neg(t, x).id, 0);
  assert_int_equal(ky_neg(t, s).id, 0);
  assert_int_equal(ky_linear(t, x, x, ky_none()).id, 0);
  assert_int_equal(ky_layernorm(t, x, 1, ky_none(), ky_none(), 0).id, 0);
  assert_int_equal(ky_param(t, weight).id, 0);
  assert_int_equal(ky_flip(t, x, 0, NULL).id, 0);
  assert_refused(t, ky_mse(t, x, x, KY_REDUCE_SUM), length, KY_BAD_SHAPE, "matmul: ");
  assert_int_not_equal(ky_linear(t, x, x, ky_none()).id, 0);
  ky_tensor_free(weight);
}

static ky_status count_calls(ky_custom_shape_call *call) {
  ++*(int *)call->user;
  return KY_OK;
}

static ky_status do_nothing(const ky_custom_forward_call *call) {
  (void)call;
  return KY_OK;
}

/* Whatever is called next, and wherever: the error is that of the call which failed. */
static void an_error_is_not_told_in_the_name_of_a_later_call(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1);
  int calls = 0;
  const ky_custom_op op = {.size = sizeof op,
                           .name = "mine",
                           .user = &calls,
                           .shape = count_calls,
                           .forward = do_nothing};
  char first[256];
  ky_matmul(t, x, x);
  snprintf(first, sizeof first, "%s", ky_tape_message(t));
  for (int line = 0; line < 2; line++) { /* the line of the error, and another one */
    ky_var order = x;
    if (line) ky_at(t, "elsewhere.c", 7);
    (ky_solve)(t, x, x);
    (ky_triangular_solve)(t, x, x, 0);
    (ky_sort)(t, x, 0, 0, &order);
    (ky_custom)(t, &op, 1, &x);
    assert_int_equal(order.id, 0);
    assert_string_equal(ky_tape_message(t), first);
  }
  assert_int_equal(calls, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_SHAPE);
}

static void the_mark_of_an_empty_tape_is_no_value(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const ky_mark mark = ky_tape_mark(t);
  assert_int_equal(ky_neg(t, mark.last).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_VAR);
  assert_non_null(strstr(ky_tape_message(t), "neg: the var is null"));
  ky_scalar(t, KY_F64, 1);
  assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  assert_int_equal(ky_tape_length(t), 1);
  assert_int_equal(ky_tape_rewind(t, (ky_mark){0}), KY_BAD_VAR);
  ky_tape_free(t);
}

static void what_did_not_run_is_not_read(void **state) {
  (void)state;
  ky_tape *t =
      ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options), .flags = KY_EAGER});
  const float x[3] = {1, 2, 3};
  int32_t index[2] = {0, 1};
  const int32_t bad[2] = {0, 7};
  const ky_var from = ky_input(t, KY_F32, KY_SHAPE(3), x);
  const ky_var at = ky_input(t, KY_I32, KY_SHAPE(2), index), r = ky_gather(t, from, 0, at);
  assert_int_equal(ky_input_set(t, at, bad), KY_OK);
  assert_int_equal(ky_neg(t, from).id, 0);
  assert_int_equal(ky_tape_check(t), KY_BAD_INDEX);
  ky_array a;
  for (int k = 0; k < 2; k++) assert_int_equal(ky_data(t, r, &a), KY_BAD_INDEX);
  ky_tape_free(t);
}

static void gradients_of_scalars_outlive_recording(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SCALAR, &weight), KY_OK);
  *(double *)ky_tensor_write(weight) = 3;
  const ky_var w = ky_param(t, weight);
  ky_grads grads;
  assert_int_equal(ky_backward(t, ky_square(t, w), &grads), KY_OK);
  ky_var y = w;
  for (int k = 0; k < 5000; k++) y = ky_add_scalar(t, y, 1);
  assert_true(*(const double *)grads.pairs[0].grad == 6);
  ky_tensor_free(weight);
}

static void sizes_that_cannot_be_counted_are_refused(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var one = ky_full(t, KY_F64, KY_SHAPE(1, 1, 1, 1), 1);
  const ky_var w = ky_full(t, KY_F64, KY_SHAPE(1, 1, 2, 2), 1);
  const int64_t far = ((int64_t)1 << 30) - 1, steps = (int64_t)1 << 30;
  const ky_conv_options o = {
      .size = sizeof o, .stride = {far, far}, .padding = {far + 1, far + 1}};
  assert_refused(t, ky_conv2d(t, one, w, ky_none(), &o), ky_tape_length(t), KY_BAD_SHAPE,
                 "too large to be counted");
  const ky_var x =
      ky_expand(t, ky_full(t, KY_F64, KY_SHAPE(1, 1, 2), -1), KY_SHAPE(steps, 2, 2));
  const ky_var zero = ky_full(t, KY_I32, KY_SHAPE(1, 1), 0);
  const ky_var targets = ky_expand(t, zero, KY_SHAPE(2, steps - 1));
  const ky_var two = ky_full(t, KY_I32, KY_SHAPE(2), 1);
  assert_refused(t, ky_ctc(t, x, targets, two, two, 0, 0, KY_REDUCE_SUM), ky_tape_length(t),
                 KY_BAD_SHAPE, "overflow");
}

static void numbers_out_of_range_are_refused(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(1), 1), at = ky_full(t, KY_I32, KY_SHAPE(1), 0);
  const ky_var much = ky_expand(t, x, KY_SHAPE((int64_t)1 << 40));
  const uint32_t length = ky_tape_length(t);
  for (int rank = INT32_MIN; rank <= INT32_MIN + 1; rank++)
    assert_refused(t, ky_scatter_sum(t, x, 0, at, rank, NULL), length, KY_BAD_SHAPE, "rank -");
  assert_refused(t, ky_scatter_sum(t, x, 0, at, KY_MAX_RANK + 1, NULL), length, KY_BAD_SHAPE,
                 "rank 9 is not in 0..8");
  for (int64_t row = UINT32_MAX; row > 0; row = row < INT64_MAX ? INT64_MAX : 0)
    assert_refused(t, ky_embedding(t, x, at, row), length, KY_BAD_INDEX,
                   "neither -1 nor a row");
  assert_refused(t, ky_diag(t, much, INT32_MIN), length, KY_BAD_SHAPE, "a matrix of side");
  assert_refused(t, ky_diag(t, much, INT32_MAX), length, KY_BAD_SHAPE, "a matrix of side");
}

static void biases_of_an_lstm_are_not_broadcast(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 1, 3), 1);
  const ky_rnn_weights w = {.w_ih = ky_full(t, KY_F64, KY_SHAPE(8, 3), 1),
                            .w_hh = ky_full(t, KY_F64, KY_SHAPE(8, 2), 1),
                            .b_ih = ky_full(t, KY_F64, KY_SHAPE(8), 1),
                            .b_hh = ky_full(t, KY_F64, KY_SHAPE(1), 1)};
  assert_refused(t, ky_lstm(t, x, &w, ky_none(), ky_none(), NULL, NULL), ky_tape_length(t),
                 KY_BAD_SHAPE, "lstm: the recurrent bias is [1], wants [8]");
}

/* 2^32 + 1 is 1 in 32 bits. */
static void labels_to_ignore_are_not_cut(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const double log_p[2] = {-1, -2};
  const int32_t label[1] = {1};
  const ky_class_options o = {
      .size = sizeof o, .ignore = 1, .ignore_label = ((int64_t)1 << 32) + 1};
  double loss;
  const ky_var p = ky_input(t, KY_F64, KY_SHAPE(1, 2), log_p);
  const ky_var y = ky_nll_with(t, p, ky_input(t, KY_I32, KY_SHAPE(1), label), &o);
  assert_int_equal(ky_item(t, y, &loss), KY_OK);
  assert_true(loss == 2);
}

/* Programs that look at nothing but the last message find the reason there, too. */
static void the_reason_for_a_null_var_is_not_lost(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1), y = ky_sum_all(t, ky_matmul(t, x, x));
  double value;
  assert_int_equal(ky_forward(t), KY_BAD_SHAPE);
  assert_int_equal(ky_backward(t, y, NULL), KY_BAD_VAR);
  assert_int_equal(ky_item(t, y, &value), KY_BAD_VAR);
  const char *const message = ky_tape_message(t);
  assert_ptr_equal(strstr(message, "item: the var is null; the last error was: "), message);
  assert_non_null(strstr(message, "matmul: [2,3] x [2,3]: inner extents"));
  assert_null(strstr(message, "backward"));
}

static void messages_name_what_was_given(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 4), 1),
               y = ky_full(t, KY_F64, KY_SHAPE(3), 1);
  const ky_var none = ky_none(), k = ky_full(t, KY_I32, KY_SHAPE(3), 1);
  const uint32_t n = ky_tape_length(t);
  assert_refused(t, ky_groupnorm(t, x, 0, none, none, 0), n, KY_BAD_ARGUMENT,
                 "4 channels in 0 groups");
  assert_refused(t, ky_groupnorm(t, x, -1, none, none, 0), n, KY_BAD_ARGUMENT, "in -1 groups");
  assert_refused(t, ky_huber(t, x, y, 1, KY_REDUCE_MEAN), n, KY_BAD_SHAPE,
                 "huber: [2,4] x [3]: extents 4 and 3 do not broadcast");
  assert_refused(t, ky_full(t, KY_BF16, KY_SHAPE(2), 1), n, KY_BAD_DTYPE, "dtype bf16");
  assert_refused(t, ky_input(t, (ky_dtype)42, KY_SHAPE(2), NULL), n, KY_BAD_DTYPE, "input: ");
  assert_string_equal(strstr(ky_tape_message(t), "input: "),
                      "input: values cannot be of dtype 42");
  assert_refused(t, ky_full(t, KY_I32, KY_SHAPE(2), 0.5), n, KY_BAD_ARGUMENT,
                 "i32 cannot hold 0.5");
  assert_refused(t, ky_full(t, KY_F64, KY_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 3), 1), n, KY_BAD_SHAPE,
                 "rank 9");
  const ky_var scalar = ky_scalar(t, KY_F64, 1), label = ky_full(t, KY_I32, KY_SCALAR, 0);
  const uint32_t m = ky_tape_length(t);
  assert_refused(t, ky_sum(t, scalar, KY_AXES(0), 0), m, KY_BAD_AXIS,
                 "axis 0 of a value of rank 0");
  assert_refused(t, ky_flip(t, scalar, KY_AXES(-1)), m, KY_BAD_AXIS,
                 "axis -1 of a value of rank 0");
  assert_refused(t, ky_cross_entropy(t, scalar, label, KY_REDUCE_SUM), m, KY_BAD_SHAPE,
                 "logits of rank 0");
  assert_refused(t, ky_mul_scalar(t, k, 2), m, KY_BAD_DTYPE,
                 "mul_scalar: [3]: wants f32 or f64, got i32: see ky_cast");
  const int64_t zero = 0;
  assert_int_not_equal(ky_pad(t, k, 1, &zero, &zero, KY_PAD_REFLECT, 0.5).id, 0);
}

/* ---- uniform numbers --------------------------------------------------------------------- */

static void uniform_numbers_fill_any_interval_that_has_some(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  ky_array a;
  const ky_var wide = ky_uniform(t, KY_F32, KY_SHAPE(1000), -3e38, 3e38);
  assert_int_equal(ky_data(t, wide, &a), KY_OK);
  int negative = 0, small = 0;
  for (int k = 0; k < 1000; k++) {
    const float x = ((const float *)a.data)[k];
    assert_true(x >= -3e38f && x < 3e38f);
    negative += x < 0;
    small += fabsf(x) < 1.5e38f;
  }
  assert_in_range(negative, 400, 600);
  assert_in_range(small, 400, 600);
  const double low = 1 + 0x1p-25; /* rounds to 1, below itself */
  assert_int_equal(ky_data(t, ky_uniform(t, KY_F32, KY_SHAPE(100), low, 1.5), &a), KY_OK);
  for (int k = 0; k < 100; k++) assert_true((double)((const float *)a.data)[k] >= low);
}

static void uniform_numbers_want_an_interval_that_has_some(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  const uint32_t n = ky_tape_length(t);
  static const double beyond[][2] = {{1e39, 1e40}, {3e38, 1e39}, {-1e39, 1e39}};
  for (int k = 0; k < 3; k++)
    assert_refused(t, ky_uniform(t, KY_F32, KY_SHAPE(6), beyond[k][0], beyond[k][1]), n,
                   KY_BAD_ARGUMENT, "are beyond f32");
  assert_refused(t, ky_uniform(t, KY_F32, KY_SHAPE(6), 1 + 1e-9, 1 + 2e-9), n, KY_BAD_ARGUMENT,
                 "no f32 lies in [1.0000000010000001, ");
  assert_int_not_equal(ky_uniform(t, KY_F64, KY_SHAPE(6), 1 + 1e-9, 1 + 2e-9).id, 0);
}

/* ---- options without a size -------------------------------------------------------------- */

static void options_without_a_size_are_refused(void **state) {
  bench *b = *state;
  ky_tape *t = b->t;
  const double x = 2;
  const int32_t label = 0;
  const ky_var in = ky_input(t, KY_F64, KY_SHAPE(1), &x), y = ky_square(t, in);
  const ky_var labels = ky_input(t, KY_I32, KY_SCALAR, &label);
  assert_int_equal(ky_watch(t, in), KY_OK);
  const ky_compile_options compile = {.keep = &y, .keep_count = 1};
  assert_int_equal(ky_compile(t, y, &compile, &b->p), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(t), "compile: the options have size 0"));
  assert_null(b->p);
  const ky_class_options loss = {.reduction = KY_REDUCE_MEAN};
  const uint32_t n = ky_tape_length(t);
  assert_refused(t, ky_cross_entropy_with(t, y, labels, &loss), n, KY_BAD_ARGUMENT, "size 0");
  assert_refused(t, ky_nll_with(t, y, labels, &loss), n, KY_BAD_ARGUMENT, "size 0");
  assert_refused(t, ky_cross_entropy_soft(t, y, y, &loss), n, KY_BAD_ARGUMENT, "size 0");
  const ky_gradcheck_options check = {.directions = 1};
  ky_gradcheck_report report = {.size = 0};
  assert_int_equal(ky_gradcheck(t, y, NULL, 0, &check, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_gradcheck(t, y, NULL, 0, NULL, &report), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(t), "gradcheck: the size of options or report"));
  assert_int_equal(ky_compile(t, y, NULL, &b->p), KY_OK);
  const ky_exec_options run = {.threads = 2};
  assert_int_equal(ky_exec_new(b->p, &run, &b->e), KY_BAD_ARGUMENT);
  ky_optimizer *o;
  assert_int_equal(ky_sgd_new(NULL, 0.1, &(ky_sgd_options){.momentum = 0.5}, &o),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_adam_new(NULL, 0.1, &(ky_adam_options){.beta1 = 0.5}, &o),
                   KY_BAD_ARGUMENT);
}

/* ---- tapes at one address ---------------------------------------------------------------- */

/* An allocator that gives the first block, that of the tape, a place of its own. */
typedef struct place {
  _Alignas(64) char room[4096];
  int taken;
} place;

static void *resize_in(void *user, void *ptr, size_t old_bytes, size_t new_bytes) {
  place *p = user;
  (void)old_bytes;
  if (ptr == p->room) { /* a tape never grows */
    p->taken = 0;
    return NULL;
  }
  if (!ptr && new_bytes > 0 && new_bytes <= sizeof p->room && !p->taken) {
    p->taken = 1;
    return p->room;
  }
  if (new_bytes > 0) return realloc(ptr, new_bytes);
  free(ptr);
  return NULL;
}

/* Of a program that was compiled with a later library, or with an earlier one. */
static void options_may_be_longer_or_shorter(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(1, 1, 4, 4), 1);
  const struct {
    ky_pool_options now;
    int64_t later[2];
  } pool = {.now = {.size = sizeof pool, .kernel = {2, 2}}, .later = {7, 7}};
  ky_module *m[2] = {NULL};
  assert_int_equal(ky_nn_max_pool2d(NULL, &pool.now, &m[0]), KY_OK);
  const ky_conv_options conv = {
      .size = offsetof(ky_conv_options, padding), .stride = {2, 2}, .padding = {9, 9}};
  assert_int_equal(ky_nn_conv2d(NULL, KY_F64, 1, 1, (int64_t[]){2, 2}, &conv, 0, NULL, &m[1]),
                   KY_OK);
  const ky_var w = ky_full(t, KY_F64, KY_SHAPE(1, 1, 2, 2), 1);
  const ky_var all[4] = {ky_max_pool2d(t, x, &pool.now), ky_module_forward(t, m[0], x),
                         ky_conv2d(t, x, w, ky_none(), &conv), ky_module_forward(t, m[1], x)};
  for (int k = 0; k < 4; k++) {
    ky_array a;
    assert_int_equal(ky_data(t, all[k], &a), KY_OK);
    assert_int_equal(a.count, 4);
  }
  ky_tape_free(t);
  for (int k = 0; k < 2; k++) ky_module_free(m[k]);
}

static void vars_of_a_freed_tape_are_foreign_to_the_next(void **state) {
  bench *b = *state;
  static place p;
  const ky_tape_options options = {.size = sizeof options, .allocator = {&p, resize_in}};
  const double x[2] = {1, 2};
  ky_tape *old = ky_tape_new(&options);
  const ky_var in = ky_input(old, KY_F64, KY_SHAPE(2), x);
  const ky_var root = ky_sum_all(old, ky_square(old, in));
  assert_int_equal(ky_watch(old, in), KY_OK);
  assert_int_equal(ky_compile(old, root, NULL, &b->p), KY_OK);
  assert_int_equal(ky_exec_new(b->p, NULL, &b->e), KY_OK);
  assert_int_equal(ky_exec_step(b->e, NULL), KY_OK);
  ky_tape_free(old);
  ky_tape *new = ky_tape_new(&options);
  const int same = new == old;
  const ky_var other = ky_input(new, KY_F64, KY_SHAPE(2), x);
  const ky_var mean = ky_mean_all(new, ky_cos(new, other));
  double value;
  ky_array a;
  const ky_status item = ky_exec_item(b->e, mean, &value);
  const ky_status bind = ky_exec_input(b->e, other, x), data = ky_data(new, root, &a);
  ky_tape_free(new);
  assert_true(same);
  assert_int_equal(item, KY_BAD_VAR);
  assert_int_equal(bind, KY_BAD_VAR);
  assert_int_equal(data, KY_BAD_VAR);
}

static void a_program_does_not_know_what_came_after_it(void **state) {
  bench *b = *state;
  const double x = 3;
  const ky_var in = ky_input(b->t, KY_F64, KY_SCALAR, &x), root = ky_square(b->t, in);
  assert_int_equal(ky_watch(b->t, in), KY_OK);
  assert_int_equal(ky_compile(b->t, root, NULL, &b->p), KY_OK);
  assert_int_equal(ky_exec_new(b->p, NULL, &b->e), KY_OK);
  double value;
  assert_int_equal(ky_exec_item(b->e, ky_exp(b->t, root), &value), KY_BAD_VAR);
  assert_non_null(strstr(ky_exec_message(b->e), "recorded after the tape was compiled"));
}

/* ---- a gradient check that cannot clean up ----------------------------------------------- */

typedef struct failing {
  int left; /* calls that succeed */
} failing;

static ky_status copy_until(const ky_custom_forward_call *call) {
  failing *f = call->user;
  if (f->left-- <= 0) return KY_NONFINITE;
  memcpy(call->r, call->x[0].data, (size_t)call->x[0].count * sizeof(double));
  return KY_OK;
}

static ky_status add_slope(const ky_custom_adjoint_call *call) {
  double *gx = call->to[0].gx;
  for (int64_t k = 0; k < call->x[0].count; k++)
    gx[k] = (call->to[0].beta ? gx[k] : 0) + ((const double *)call->g)[k];
  return KY_OK;
}

static void values_are_not_read_where_a_check_could_not_restore_them(void **state) {
  ky_tape *t = ((bench *)*state)->t;
  failing f = {1000};
  const ky_custom_op copy = {.size = sizeof copy,
                             .name = "copy",
                             .user = &f,
                             .forward = copy_until,
                             .adjoint = add_slope};
  const double x[3] = {1, 2, 4};
  const ky_var in = ky_input(t, KY_F64, KY_SHAPE(3), x);
  const ky_var sum = ky_sum_all(t, ky_square(t, ky_custom(t, &copy, 1, &in)));
  for (int calls = 1; calls < 30; calls++) {
    double value;
    f.left = 1000;
    assert_int_equal(ky_item(t, sum, &value), KY_OK);
    assert_true(value == 21);
    f.left = calls;
    const ky_status status = ky_gradcheck(t, sum, &in, 1, NULL, NULL);
    f.left = 0;
    const ky_status read = ky_item(t, sum, &value);
    assert_true(status == KY_OK || status == KY_NONFINITE);
    assert_true(read == KY_NONFINITE || value == 21);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(calls_that_fail_late_leave_nothing),
      TEST(nothing_is_recorded_behind_an_error),
      TEST(an_error_is_not_told_in_the_name_of_a_later_call),
      TEST(the_mark_of_an_empty_tape_is_no_value),
      TEST(what_did_not_run_is_not_read),
      TEST(gradients_of_scalars_outlive_recording),
      TEST(sizes_that_cannot_be_counted_are_refused),
      TEST(numbers_out_of_range_are_refused),
      TEST(biases_of_an_lstm_are_not_broadcast),
      TEST(labels_to_ignore_are_not_cut),
      TEST(the_reason_for_a_null_var_is_not_lost),
      TEST(messages_name_what_was_given),
      TEST(uniform_numbers_fill_any_interval_that_has_some),
      TEST(uniform_numbers_want_an_interval_that_has_some),
      TEST(options_without_a_size_are_refused),
      TEST(options_may_be_longer_or_shorter),
      TEST(vars_of_a_freed_tape_are_foreign_to_the_next),
      TEST(a_program_does_not_know_what_came_after_it),
      TEST(values_are_not_read_where_a_check_could_not_restore_them),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
