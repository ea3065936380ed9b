/* SPDX-License-Identifier: MIT */
/* Programs and executions: what they promise, and each documented error. */
#include <math.h>
#include <string.h>

#include "program_desk.h"

/* ---- compiling --------------------------------------------------------------------------- */

static void refuses(desk *d, ky_var root, const ky_compile_options *o, ky_status status,
                    const char *message) {
  ky_program *p = (ky_program *)d;
  assert_int_equal(ky_compile(d->t, root, o, &p), status);
  assert_null(p);
  assert_string_equal(ky_tape_message(d->t), message);
}

static void compile_refuses_null_pointers(void **state) {
  desk *d = *state;
  ky_program *p = (ky_program *)d;
  assert_int_equal(ky_compile(NULL, d->loss, NULL, &p), KY_BAD_ARGUMENT);
  assert_null(p);
  assert_int_equal(ky_compile(d->t, d->loss, NULL, NULL), KY_BAD_ARGUMENT);
  const char *text = "compile: a list in the options is null";
  refuses(d, d->loss, OPTIONS(.keep_count = 1), KY_BAD_ARGUMENT, text);
  refuses(d, d->loss, OPTIONS(.wrt_count = 1), KY_BAD_ARGUMENT, text);
  refuses(d, d->loss, OPTIONS(.without_count = 1), KY_BAD_ARGUMENT, text);
}

static void compile_refuses_vars_that_are_no_values(void **state) {
  desk *d = *state;
  ky_var foreign = ky_scalar(d->other, KY_F32, 1), none = ky_none();
  const ky_mark mark = ky_tape_mark(d->t);
  ky_var gone = ky_neg(d->t, d->loss);
  assert_int_equal(ky_tape_rewind(d->t, mark), KY_OK);
  refuses(d, foreign, NULL, KY_BAD_VAR, "compile: root: the var is of another tape");
  refuses(d, gone, NULL, KY_BAD_VAR, "compile: root: the value was rewound");
  refuses(d, d->loss, OPTIONS(.keep = &foreign, .keep_count = 1), KY_BAD_VAR,
          "compile: keep: the var is of another tape");
  refuses(d, d->loss, OPTIONS(.keep = &none, .keep_count = 1), KY_BAD_VAR,
          "compile: keep: the var is null");
  refuses(d, d->loss, OPTIONS(.wrt = &gone, .wrt_count = 1), KY_BAD_VAR,
          "compile: wrt: the value was rewound");
  refuses(d, none, NULL, KY_BAD_ARGUMENT, "compile: no value was named");
}

static void compile_refuses_roots_that_have_no_gradient(void **state) {
  desk *d = *state;
  ky_tape *t = ky_at(d->t, "desk.c", 2);
  ky_var best = (ky_argmax)(t, d->logits, 1, 0), two = (ky_scalar)(t, KY_F32, 2);
  ky_var four = (ky_mul)(t, two, two), plain = (ky_sum_all)(t, d->x);
  ky_var alone = (ky_sum_all)(t, d->w);
  refuses(d, best, NULL, KY_BAD_DTYPE,
          "compile: the root %7 (argmax, desk.c:2) is i64, wants f32 or f64");
  const char *text = "compile: %9 (mul, desk.c:2) depends on no input and no weight";
  refuses(d, four, NULL, KY_UNCONNECTED, text);
  refuses(d, d->loss, OPTIONS(.keep = &four, .keep_count = 1), KY_UNCONNECTED, text);
  refuses(d, plain, NULL, KY_UNCONNECTED,
          "compile: no weight or wanted value leads to the root %10 (sum, desk.c:2)");
  text = "compile: no weight or wanted value leads to the root %11 (sum, desk.c:2)";
  refuses(d, alone, OPTIONS(.wrt = &d->b, .wrt_count = 1), KY_UNCONNECTED, text);
  static const char *const without[] = {"activity"}; /* whatever the passes do */
  refuses(d, alone,
          OPTIONS(.wrt = &d->b, .wrt_count = 1, .without = without, .without_count = 1),
          KY_UNCONNECTED, text);
  refuses(d, d->loss, OPTIONS(.wrt = &d->x, .wrt_count = 1), KY_BAD_ARGUMENT,
          "compile: wrt: %1 (input, desk.c:1) is no weight and was not watched");
}

static void compile_refuses_unknown_passes(void **state) {
  desk *d = *state;
  const char *without[] = {"dead", "magic"}, *null[] = {NULL};
  refuses(d, d->loss, OPTIONS(.without = without, .without_count = 2), KY_BAD_ARGUMENT,
          "compile: there is no pass \"magic\"");
  refuses(d, d->loss, OPTIONS(.without = null, .without_count = 1), KY_BAD_ARGUMENT,
          "compile: there is no pass \"(null)\"");
  assert_int_equal(ky_compile(d->t, d->loss, NULL, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_tape_message(d->t), "compile: the result pointer is null");
  assert_int_equal(ky_compile(d->t, d->loss,
                              OPTIONS(.without = ky_program_passes(), .without_count = 1),
                              &d->p),
                   KY_OK);
}

static void compile_returns_a_pending_error(void **state) {
  desk *d = *state;
  ky_var bad = ky_add(d->t, d->x, d->w);
  ky_program *p;
  assert_int_equal(ky_compile(d->t, bad, NULL, &p), KY_BAD_SHAPE);
  assert_null(p);
  assert_int_equal(ky_compile(d->t, d->loss, NULL, &d->p), KY_OK);
}

static void functions_of_nothing_do_nothing(void **state) {
  desk *d = *state;
  ky_program_free(NULL);
  ky_exec_free(NULL);
  assert_int_equal(ky_program_length(NULL), 0);
  assert_int_equal(ky_program_memory(NULL).total, 0);
  assert_int_equal(ky_program_dump(NULL, stdout), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(NULL), "the execution is null");
  desk_start(d, NULL);
  assert_int_equal(ky_program_dump(d->p, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(d->e), "");
}

static void an_execution_outlives_the_name_of_its_program(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  double before, after;
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(d->e, d->loss, &before), KY_OK);
  ky_program_free(d->p);
  d->p = NULL;
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(d->e, d->loss, &after), KY_OK);
  assert_true(before == after);
}

/* Names of an era that is over mean nothing, and those of the program outlive their tape. */
static void names_are_those_of_the_tape_when_it_was_compiled(void **state) {
  desk *d = *state;
  const ky_mark mark = ky_tape_mark(d->t);
  ky_var first = ky_neg(d->t, d->loss);
  assert_int_equal(ky_tape_rewind(d->t, mark), KY_OK);
  ky_var second = ky_exp(d->t, d->loss);
  assert_int_equal(ky_compile(d->t, second, NULL, &d->p), KY_OK);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
  assert_int_equal(ky_tape_rewind(d->t, mark), KY_OK);
  ky_var third = ky_log(d->t, d->loss), fourth = ky_sin(d->t, third);
  assert_int_equal(first.id, third.id);
  ky_tape_free(d->t);
  d->t = NULL;
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  double value;
  assert_int_equal(ky_exec_item(d->e, second, &value), KY_OK);
  assert_true(value > 1);
  assert_int_equal(ky_exec_item(d->e, first, &value), KY_BAD_VAR);
  assert_true(isnan(value));
  assert_int_equal(ky_exec_item(d->e, third, &value), KY_BAD_VAR);
  assert_int_equal(ky_exec_item(d->e, fourth, &value), KY_BAD_VAR);
}

/* ---- inputs ------------------------------------------------------------------------------ */

static void inputs_are_checked(void **state) {
  desk *d = *state;
  ky_var dead = ky_input(d->t, KY_F32, KY_SHAPE(2), d->data);
  ky_var sum = (ky_sum_all)(ky_at(d->t, "desk.c", 2), dead); /* vanishes, but for its name */
  desk_start(d, NULL);
  ky_var later = ky_input(d->t, KY_F32, KY_SHAPE(2), d->data);
  assert_int_equal(ky_exec_input(NULL, d->x, d->data), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_input(d->e, ky_none(), d->data), KY_BAD_VAR);
  assert_string_equal(ky_exec_message(d->e), "input: the var is null");
  assert_int_equal(ky_exec_input(d->e, later, d->data), KY_BAD_VAR);
  assert_int_equal(ky_exec_input(d->e, d->x, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(d->e), "input: the data of %1 (input, desk.c:1) is null");
  assert_int_equal(ky_exec_input(d->e, dead, d->data), KY_OK);
  const ky_var others[] = {d->w, d->logits, d->loss, sum};
  for (int k = 0; k < 4; k++)
    assert_int_equal(ky_exec_input(d->e, others[k], d->data), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(d->e), "input: %8 (sum, desk.c:2) is not an input");
}

static void arrays_are_checked(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  const ky_array good = {.data = d->data,
                         .dtype = KY_F32,
                         .rank = 2,
                         .count = BATCH * IN,
                         .dims = {BATCH, IN},
                         .strides = {IN, 1}};
  ky_array a = good;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_OK);
  a.dtype = KY_F64;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_DTYPE);
  assert_string_equal(ky_exec_message(d->e),
                      "input: %1 (input, desk.c:1) is f32, the array is f64");
  a = good;
  a.rank = 1;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_SHAPE);
  assert_string_equal(ky_exec_message(d->e),
                      "input: %1 (input, desk.c:1) is [4,3], the array [4]");
  a.rank = KY_MAX_RANK + 1;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_SHAPE);
  assert_string_equal(ky_exec_message(d->e),
                      "input: %1 (input, desk.c:1) is [4,3], the array of rank 9");
  a = good;
  a.dims[0] = BATCH + 1;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_SHAPE);
  assert_string_equal(ky_exec_message(d->e),
                      "input: %1 (input, desk.c:1) is [4,3], the array [5,3]");
  a = good;
  a.strides[0] = IN + 1;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_exec_message(d->e),
                         "input: %1 (input, desk.c:1) wants [4,3] dense, row by row"));
  a.data = NULL;
  assert_int_equal(ky_exec_bind(d->e, d->x, &a), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_bind(d->e, d->w, &good), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_bind(d->e, d->x, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_bind(NULL, d->x, &good), KY_BAD_ARGUMENT);
}

/* Inputs that had no data when they were recorded, of an array, a half, and a number; they are
 * given some one after the other. */
static void inputs_may_wait_for_their_data(void **state) {
  (void)state;
  static const float x[3] = {1, 2, 3};
  static const uint16_t half[3] = {0x3F80, 0x4000, 0x4040}; /* 1, 2, 3 in bf16 */
  static const float scale = 2;
  const void *const data[3] = {x, half, &scale};
  for (int check = 0; check < 2; check++) {
    ky_tape *t = ky_tape_new(NULL);
    const ky_var in[3] = {ky_input(t, KY_F32, KY_SHAPE(3), NULL),
                          ky_input(t, KY_BF16, KY_SHAPE(3), NULL),
                          ky_input(t, KY_F32, KY_SCALAR, NULL)};
    const ky_var nothing = ky_input(t, KY_F32, KY_SHAPE(0), NULL); /* needs none */
    const ky_var sum = ky_sum_all(t, ky_mul(t, ky_mul(t, in[0], in[1]), in[2]));
    const ky_var root = ky_add(t, sum, ky_sum_all(t, nothing));
    const ky_exec_options o = {.size = sizeof o, .flags = check ? KY_CHECK_FINITE : 0};
    ky_program *p;
    ky_exec *e;
    double value[2];
    assert_int_equal(ky_compile(t, root, OPTIONS(.wrt = in, .wrt_count = 1), &p),
                     KY_BAD_ARGUMENT);
    assert_int_equal(ky_compile(t, ky_none(), OPTIONS(.keep = &root, .keep_count = 1), &p),
                     KY_OK);
    assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
    for (int k = 0; k < 3; k++) {
      assert_int_equal(ky_forward(t), KY_BAD_ARGUMENT);
      assert_non_null(
          strstr(ky_tape_message(t), "input: it has no data yet: see ky_input_set"));
      assert_int_equal(ky_exec_forward(e), KY_BAD_ARGUMENT);
      assert_non_null(strstr(ky_exec_message(e), "input: it has no data yet"));
      assert_int_equal(ky_exec_item(e, root, &value[1]), KY_NOT_RUN);
      assert_int_equal(ky_input_set(t, in[k], data[k]), KY_OK);
      assert_int_equal(ky_exec_input(e, in[k], data[k]), KY_OK);
    }
    assert_int_equal(ky_item(t, root, &value[0]), KY_OK);
    assert_int_equal(ky_exec_forward(e), KY_OK);
    assert_int_equal(ky_exec_item(e, root, &value[1]), KY_OK);
    assert_close(value[0], 28, 0);
    assert_close(value[1], 28, 0);
    ky_exec_free(e);
    ky_program_free(p);
    ky_tape_free(t);
  }
}

/* ---- sweeps ------------------------------------------------------------------------------ */

static void executions_need_a_program_and_its_kind_of_update(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  ky_optimizer *sgd;
  assert_int_equal(ky_sgd_new(NULL, 0.1, NULL, &sgd), KY_OK);
  ky_exec *e = d->e;
  const ky_exec_options with = {.size = sizeof with, .update = ky_optimizer_update(sgd)};
  assert_int_equal(ky_exec_new(NULL, NULL, &e), KY_BAD_ARGUMENT);
  assert_null(e);
  assert_int_equal(ky_exec_new(d->p, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_new(d->p, &with, &e), KY_BAD_ARGUMENT);
  assert_null(e);
  ky_program *updating;
  assert_int_equal(ky_compile(d->t, d->loss, OPTIONS(.updates = 1), &updating), KY_OK);
  assert_int_equal(ky_exec_new(updating, NULL, &e), KY_BAD_ARGUMENT);
  assert_null(e);
  ky_program_free(updating);
  ky_optimizer_free(sgd);
}

static void a_failed_forward_sweep_can_be_repeated(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  d->labels[2] = OUT;
  ky_grads grads = {1, NULL};
  assert_int_equal(ky_exec_step(d->e, &grads), KY_BAD_INDEX);
  assert_int_equal(grads.count, 0);
  assert_non_null(strstr(ky_exec_message(d->e), "cross_entropy: label 2 of row 2"));
  double value;
  assert_int_equal(ky_exec_item(d->e, d->loss, &value), KY_NOT_RUN);
  assert_int_equal(ky_exec_backward(d->e, &grads), KY_NOT_RUN);
  d->labels[2] = 0;
  assert_int_equal(ky_exec_step(d->e, &grads), KY_OK);
  assert_int_equal(grads.count, 2);
}

static void backward_needs_a_forward_sweep_of_its_own(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  assert_int_equal(ky_exec_forward(NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_backward(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_step(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_NOT_RUN);
  const char *none = "backward: there was no forward sweep with these inputs";
  assert_string_equal(ky_exec_message(d->e), none);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_NOT_RUN);
  assert_string_equal(ky_exec_message(d->e),
                      "backward: the values of the forward sweep are used up by a reverse "
                      "sweep: call ky_exec_forward again");
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  assert_int_equal(ky_exec_input(d->e, d->x, d->data), KY_OK);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_NOT_RUN);
  assert_string_equal(ky_exec_message(d->e), none);
}

static void refuses_grad(desk *d, ky_var v, const char *message) {
  ky_array array;
  assert_int_equal(ky_exec_grad(d->e, v, &array), KY_BAD_VAR);
  assert_null(array.data);
  assert_string_equal(ky_exec_message(d->e), message);
}

static void backward_needs_a_root(void **state) {
  desk *d = *state;
  assert_int_equal(
      ky_compile(d->t, ky_none(), OPTIONS(.keep = &d->logits, .keep_count = 1), &d->p), KY_OK);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(d->e),
                      "backward: the program was compiled without a root");
  ky_array array;
  assert_int_equal(ky_exec_data(d->e, d->logits, &array), KY_NOT_RUN); /* nothing was done */
  refuses_grad(d, d->w,
               "grad: the gradient of %3 (param, desk.c:1) does not exist: the program was "
               "compiled without a root");
}

static void a_weight_that_changed_is_stale(void **state) {
  desk *d = *state;
  desk_start(d, NULL);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  ky_tensor_write(d->bias);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_STALE);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_OK);
}

/* A weight that the program does not need may change; one that it needs, recorded later, may
 * not. */
static void a_vanished_weight_hides_no_stale_one(void **state) {
  desk *d = *state;
  ky_var root = ky_sum_all(d->t, ky_square(d->t, d->b));
  assert_int_equal(ky_compile(d->t, root, NULL, &d->p), KY_OK);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  ky_tensor_write(d->weight);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  ky_tensor_write(d->weight);
  ky_tensor_write(d->bias);
  assert_int_equal(ky_exec_backward(d->e, NULL), KY_STALE);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void values_are_there_after_a_sweep(void **state) {
  desk *d = *state;
  desk_start(d, OPTIONS(.keep = &d->logits, .keep_count = 1));
  ky_array array;
  double value;
  float logits[BATCH * OUT];
  assert_int_equal(ky_exec_data(d->e, d->loss, &array), KY_NOT_RUN);
  assert_null(array.data);
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  assert_int_equal(ky_exec_data(d->e, d->logits, &array), KY_OK);
  assert_int_equal(array.count, BATCH * OUT);
  assert_int_equal(ky_exec_read(d->e, d->logits, logits, sizeof logits), KY_OK);
  assert_memory_equal(array.data, logits, sizeof logits);
  assert_int_equal(ky_exec_read(d->e, d->logits, logits, sizeof logits - 1), KY_BAD_ARGUMENT);
  assert_string_equal(ky_exec_message(d->e), "read: the buffer has 31 bytes, the value 32");
  assert_int_equal(ky_exec_read(d->e, d->logits, NULL, sizeof logits), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_data(d->e, d->logits, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_item(d->e, d->logits, &value), KY_BAD_SHAPE);
  assert_string_equal(ky_exec_message(d->e),
                      "item: %5 (linear, desk.c:1) has 8 elements, wants 1");
  assert_true(isnan(value));
  assert_int_equal(ky_exec_item(d->e, d->loss, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_data(d->e, d->x, &array), KY_BAD_VAR);
  assert_string_equal(
      ky_exec_message(d->e),
      "data: %1 (input, desk.c:1) was not named when the program was compiled: it is neither "
      "root nor in ky_compile_options.keep");
  assert_int_equal(ky_exec_data(d->e, ky_scalar(d->other, KY_F32, 1), &array), KY_BAD_VAR);
  assert_int_equal(ky_exec_input(d->e, d->x, d->data), KY_OK);
  assert_int_equal(ky_exec_data(d->e, d->logits, &array), KY_NOT_RUN);
  assert_int_equal(ky_exec_data(NULL, d->logits, &array), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_read(NULL, d->logits, logits, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_item(NULL, d->loss, &value), KY_BAD_ARGUMENT);
}

static void gradients_are_there_after_a_reverse_sweep(void **state) {
  desk *d = *state;
  desk_start(d, OPTIONS(.wrt = &d->w, .wrt_count = 1, .keep = &d->logits, .keep_count = 1));
  ky_array array;
  assert_int_equal(ky_exec_forward(d->e), KY_OK);
  assert_int_equal(ky_exec_grad(d->e, d->w, &array), KY_NOT_RUN);
  assert_null(array.data);
  ky_grads grads;
  assert_int_equal(ky_exec_backward(d->e, &grads), KY_OK);
  assert_int_equal(grads.count, 1);
  assert_ptr_equal(grads.pairs[0].weight, d->weight);
  assert_int_equal(grads.pairs[0].var.id, d->w.id);
  assert_int_equal(ky_exec_grad(d->e, grads.pairs[0].var, &array), KY_OK);
  assert_ptr_equal(array.data, grads.pairs[0].grad);
  refuses_grad(d, d->b,
               "grad: the gradient of %4 (param, desk.c:1) was not asked for, or it does not "
               "lead to the root: see ky_watch and ky_compile_options.wrt");
  refuses_grad(d, d->logits, /* kept is not wanted */
               "grad: the gradient of %5 (linear, desk.c:1) was not asked for, or it does not "
               "lead to the root: see ky_watch and ky_compile_options.wrt");
  refuses_grad(d, d->loss,
               "grad: the gradient of %6 (cross_entropy, desk.c:1) is 1 for each element: it "
               "is the root");
  assert_int_equal(ky_exec_grad(d->e, d->w, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_grad(NULL, d->w, &array), KY_BAD_ARGUMENT);
  assert_int_equal(ky_exec_grad(d->e, ky_none(), &array), KY_BAD_VAR);
}

/* What is wanted must not depend on which passes run. */
static void only_what_is_wanted_is_listed(void **state) {
  desk *d = *state;
  desk_start(d, OPTIONS(.wrt = &d->b, .wrt_count = 1, .without = ky_program_passes(),
                        .without_count = 1));
  ky_grads grads;
  assert_int_equal(ky_exec_step(d->e, &grads), KY_OK);
  assert_int_equal(grads.count, 1);
  assert_ptr_equal(grads.pairs[0].weight, d->bias);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DESK_TEST(compile_refuses_null_pointers),
      DESK_TEST(compile_refuses_vars_that_are_no_values),
      DESK_TEST(compile_refuses_roots_that_have_no_gradient),
      DESK_TEST(compile_refuses_unknown_passes),
      DESK_TEST(compile_returns_a_pending_error),
      DESK_TEST(functions_of_nothing_do_nothing),
      DESK_TEST(an_execution_outlives_the_name_of_its_program),
      DESK_TEST(names_are_those_of_the_tape_when_it_was_compiled),
      DESK_TEST(inputs_are_checked),
      DESK_TEST(arrays_are_checked),
      cmocka_unit_test(inputs_may_wait_for_their_data),
      DESK_TEST(executions_need_a_program_and_its_kind_of_update),
      DESK_TEST(a_failed_forward_sweep_can_be_repeated),
      DESK_TEST(backward_needs_a_forward_sweep_of_its_own),
      DESK_TEST(backward_needs_a_root),
      DESK_TEST(a_weight_that_changed_is_stale),
      DESK_TEST(a_vanished_weight_hides_no_stale_one),
      DESK_TEST(values_are_there_after_a_sweep),
      DESK_TEST(gradients_are_there_after_a_reverse_sweep),
      DESK_TEST(only_what_is_wanted_is_listed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
