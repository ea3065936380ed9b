/* SPDX-License-Identifier: MIT */
/* Results and adjoints in the place of what dies where they are born: that it happens, that it
 * does not where something is still read, and that the bits are those of the tape. */
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/program.h"
#include "opinfo.h"
#include "tape/program.h"

enum { N = 1024, BYTES = N * 8 };

/* A tape of vectors, compiled; `v` are values to be looked at. */
typedef struct scene {
  ky_tape *t;
  ky_tensor *w;
  ky_program *p;
  double x[N];
  ky_var in, v[4];
} scene;

static int setup(void **state) {
  scene *s = calloc(1, sizeof *s);
  assert_non_null(s);
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(N), &s->w), KY_OK);
  double *w = ky_tensor_write(s->w);
  for (int k = 0; k < N; k++) {
    s->x[k] = 0.001 * k - 0.4;
    w[k] = 1 - 0.0005 * k;
  }
  s->t = ky_tape_new(NULL);
  s->in = ky_input(s->t, KY_F64, KY_SHAPE(N), s->x);
  *state = s;
  return 0;
}

static int teardown(void **state) {
  scene *s = *state;
  ky_program_free(s->p);
  ky_tape_free(s->t);
  ky_tensor_free(s->w);
  free(s);
  return 0;
}

/* Compiles, without fusion unless `fuses`, and holds value and gradient against the tape's. */
static void compile(scene *s, ky_var root, ky_var grad, bool fuses) {
  static const char *const fuse[] = {"fuse", "common"};
  const ky_compile_options o = {
      .size = sizeof o, .without = fuse, .without_count = fuses ? 0 : 2, .fuse_least = 1};
  assert_int_equal(ky_compile(s->t, root, &o, &s->p), KY_OK);
  ky_exec *e;
  double want, got;
  ky_array want_grad, got_grad;
  assert_int_equal(ky_backward(s->t, root, NULL), KY_OK);
  assert_int_equal(ky_item(s->t, root, &want), KY_OK);
  assert_int_equal(ky_grad(s->t, grad, &want_grad), KY_OK);
  for (int threads = 1; threads < 4; threads++) {
    const ky_exec_options with = {.size = sizeof with, .threads = threads, .grain = 64};
    assert_int_equal(ky_exec_new(s->p, &with, &e), KY_OK);
    for (int round = 0; round < 2; round++) {
      assert_int_equal(ky_exec_forward(e), KY_OK);
      assert_int_equal(ky_exec_backward(e, NULL), KY_OK);
      assert_int_equal(ky_exec_item(e, root, &got), KY_OK);
      assert_memory_equal(&got, &want, sizeof got);
      assert_int_equal(ky_exec_grad(e, grad, &got_grad), KY_OK);
      assert_memory_equal(got_grad.data, want_grad.data, (size_t)got_grad.count * 8);
    }
    ky_exec_free(e);
  }
}

/* The k-th instruction of an opcode in the program. */
static ky_id find(const scene *s, ky_op op, int k) {
  for (ky_id id = 1; id < s->p->code.count; id++)
    if (s->p->code.ins[id].op == op && k-- == 0) return id;
  fail_msg("no %s", ky__opinfo[op].name);
  return 0;
}

static size_t value_at(const scene *s, ky_op op, int k) {
  return s->p->value_at[find(s, op, k)];
}

static size_t adjoint_at(const scene *s, ky_op op, int k) {
  return s->p->adjoint_at[find(s, op, k)];
}

/* ---- forward ----------------------------------------------------------------------------- */

static void a_result_takes_the_place_of_an_operand_that_dies(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var y = ky_neg(s->t, ky_neg(s->t, w));        /* neg reads nothing back */
  y = ky_sub(s->t, s->in, ky_add(s->t, y, s->in)); /* nor do these */
  y = ky_add(s->t, ky_sum_all(s->t, s->in), ky_mul_scalar(s->t, y, 2)); /* A_ONE */
  compile(s, ky_sum_all(s->t, y), w, false);
  const size_t place = value_at(s, KY_OP_neg, 0);
  assert_int_equal(value_at(s, KY_OP_neg, 1), place);
  assert_int_equal(value_at(s, KY_OP_add, 0), place);
  assert_int_equal(value_at(s, KY_OP_sub, 0), place);
  assert_int_equal(value_at(s, KY_OP_mul_scalar, 0), place);
  assert_int_equal(value_at(s, KY_OP_add, 1), place);
  assert_true(ky_program_memory(s->p).arena <= 3 * BYTES); /* and the adjoints, in one */
}

static void a_fused_result_takes_the_place_of_an_operand(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var sums = ky_cumsum(s->t, w, 0);
  ky_var y = ky_add_scalar(s->t, ky_mul_scalar(s->t, sums, 0.5), 1);
  y = ky_cumsum(s->t, y, 0);
  compile(s, ky_sum_all(s->t, y), w, true);
  assert_int_equal(value_at(s, KY_OP_fused, 0), value_at(s, KY_OP_cumsum, 0));
}

static void what_is_read_later_keeps_its_place(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var a = ky_exp(s->t, w); /* read by its own adjoint */
  ky_var b = ky_neg(s->t, a);
  ky_var c = ky_neg(s->t, b);    /* b is read again */
  ky_var d = ky_mul(s->t, c, b); /* both are read back */
  compile(s, ky_sum_all(s->t, ky_neg(s->t, d)), w, false);
  assert_int_not_equal(value_at(s, KY_OP_neg, 0), value_at(s, KY_OP_exp, 0));
  assert_int_not_equal(value_at(s, KY_OP_neg, 1), value_at(s, KY_OP_neg, 0));
  assert_int_not_equal(value_at(s, KY_OP_mul, 0), value_at(s, KY_OP_neg, 0));
  assert_int_not_equal(value_at(s, KY_OP_mul, 0), value_at(s, KY_OP_neg, 1));
  assert_int_equal(value_at(s, KY_OP_neg, 2), value_at(s, KY_OP_mul, 0));
}

static void views_of_other_elements_keep_the_place(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var a = ky_neg(s->t, w);
  ky_var y = ky_sub(s->t, a, ky_slice(s->t, a, 0, 3, 4, 1)); /* a[3] to all */
  ky_var b = ky_neg(s->t, y);
  ky_var z = ky_sub(s->t, b, ky_slice(s->t, b, 0, -1, INT64_MIN, -1)); /* backwards */
  ky_var c = ky_neg(s->t, z);
  ky_var u = ky_sub(s->t, ky_reshape(s->t, c, KY_SHAPE(2, N / 2)), /* as it lies */
                    ky_reshape(s->t, c, KY_SHAPE(2, N / 2)));
  for (int fuses = 0; fuses < 2; fuses++) {
    compile(s, ky_sum_all(s->t, ky_exp(s->t, u)), w, fuses);
    if (fuses) break;
    assert_int_not_equal(value_at(s, KY_OP_sub, 0), value_at(s, KY_OP_neg, 0));
    assert_int_not_equal(value_at(s, KY_OP_sub, 1), value_at(s, KY_OP_neg, 1));
    assert_int_equal(value_at(s, KY_OP_sub, 2), value_at(s, KY_OP_neg, 2));
    ky_program_free(s->p);
  }
}

static void leaves_constants_and_named_values_keep_their_places(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w), kept = ky_neg(s->t, w);
  ky_var root = ky_sum_all(s->t, ky_neg(s->t, kept));
  const ky_compile_options o = {.size = sizeof o,
                                .keep = &kept,
                                .keep_count = 1,
                                .without = (const char *[]){"fuse"},
                                .without_count = 1};
  assert_int_equal(ky_compile(s->t, root, &o, &s->p), KY_OK);
  assert_int_equal(value_at(s, KY_OP_param, 0), KY_NOWHERE);
  assert_int_not_equal(value_at(s, KY_OP_neg, 1), value_at(s, KY_OP_neg, 0));
}

static void a_mask_makes_no_room_for_a_number(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var mask = ky_slice(s->t, ky_sort(s->t, s->in, 0, 0, NULL), 0, 0, 2, 1);
  mask = ky_cast(s->t, mask, KY_MASK);
  ky_var two = ky_slice(s->t, w, 0, 0, 2, 1);
  ky_var y = ky_where(s->t, mask, ky_neg(s->t, two), two); /* two bytes, sixteen */
  compile(s, ky_sum_all(s->t, ky_cumsum(s->t, y, 0)), w, true);
  assert_int_not_equal(value_at(s, KY_OP_fused, 0), value_at(s, KY_OP_cast, 0));
}

/* ---- reverse ----------------------------------------------------------------------------- */

static void an_adjoint_takes_the_place_of_the_result_s(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var a = ky_exp(s->t, w), b = ky_sin(s->t, w);
  ky_var y = ky_neg(s->t, ky_mul(s->t, a, b)); /* a is pulled first, then b */
  ky_var z = ky_reshape(s->t, y, KY_SHAPE(2, N / 2));
  compile(s, ky_sum_all(s->t, ky_exp(s->t, z)), w, false);
  const size_t place = adjoint_at(s, KY_OP_exp, 1);
  assert_int_equal(adjoint_at(s, KY_OP_reshape, 0), place);
  assert_int_equal(adjoint_at(s, KY_OP_neg, 0), place);
  assert_int_equal(adjoint_at(s, KY_OP_mul, 0), place);
  assert_int_equal(adjoint_at(s, KY_OP_sin, 0), place);
  assert_int_not_equal(adjoint_at(s, KY_OP_exp, 0), place);
}

static void an_operand_met_twice_does_not_take_it(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w), a = ky_exp(s->t, w), y = ky_mul(s->t, a, a);
  compile(s, ky_sum_all(s->t, y), w, false);
  assert_int_not_equal(adjoint_at(s, KY_OP_exp, 0), adjoint_at(s, KY_OP_mul, 0));
  assert_int_not_equal(adjoint_at(s, KY_OP_exp, 0), value_at(s, KY_OP_exp, 0));
}

static void an_adjoint_that_was_asked_for_keeps_its_place(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w), a = ky_neg(s->t, w), b = ky_neg(s->t, a);
  assert_int_equal(ky_watch(s->t, b), KY_OK);
  compile(s, ky_sum_all(s->t, b), b, false);
  assert_int_not_equal(adjoint_at(s, KY_OP_neg, 0), adjoint_at(s, KY_OP_neg, 1));
}

/* The sum of squares: its adjoint is one number, and x is read once more, for its own. */
static void an_adjoint_takes_the_place_of_the_operand_itself(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w), sums = ky_cumsum(s->t, w, 0);
  compile(s, ky_sum_all(s->t, ky_square(s->t, sums)), w, true);
  assert_int_equal(adjoint_at(s, KY_OP_cumsum, 0), value_at(s, KY_OP_cumsum, 0));
}

/* Adjoint of x first, which the other's still reads; and that of y last. */
static void what_a_later_contribution_reads_keeps_its_place(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var x = ky_cumsum(s->t, w, 0), y = ky_cumsum(s->t, ky_neg(s->t, w), 0);
  compile(s, ky_sum_all(s->t, ky_mul(s->t, x, y)), w, true);
  assert_int_not_equal(adjoint_at(s, KY_OP_cumsum, 0), value_at(s, KY_OP_cumsum, 0));
  assert_int_equal(adjoint_at(s, KY_OP_cumsum, 1), value_at(s, KY_OP_cumsum, 1));
}

/* g goes to both operands: to the second in its own place. */
static void a_fused_adjoint_takes_the_place_of_one_read_no_more(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  ky_var x = ky_cumsum(s->t, w, 0), y = ky_cumsum(s->t, ky_neg(s->t, w), 0);
  ky_var z = ky_sub(s->t, ky_mul_scalar(s->t, x, 0.5), ky_mul_scalar(s->t, y, 3));
  compile(s, ky_sum_all(s->t, ky_cumsum(s->t, z, 0)), w, true);
  const size_t g = adjoint_at(s, KY_OP_fused, 0);
  const int over =
      (adjoint_at(s, KY_OP_cumsum, 0) == g) + (adjoint_at(s, KY_OP_cumsum, 1) == g);
  assert_int_equal(over, 1);
}

/* A matrix that nobody reads but one product, and what came of its adjoint. */
static ky_var matrix(scene *s, ky_var w) {
  return ky_reshape(s->t, ky_cumsum(s->t, w, 0), KY_SHAPE(32, 32));
}

static void a_product_gives_to_its_first_operand_in_its_place(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w);
  const int64_t four[4] = {1, 4, 16, 16}, kernel[4] = {4, 4, 1, 1};
  for (int k = 0; k < 4; k++) {
    ky_var x = matrix(s, w), b = ky_reshape(s->t, s->in, KY_SHAPE(32, 32)), y;
    ky_var image = ky_reshape(s->t, x, 4, four);
    ky_var taps = ky_reshape(s->t, ky_slice(s->t, w, 0, 0, 16, 1), 4, kernel);
    if (k == 0) y = ky_matmul(s->t, x, b);
    if (k == 1) y = ky_linear(s->t, x, ky_mul(s->t, b, b), ky_none());
    if (k == 2) y = ky_conv2d(s->t, image, taps, ky_none(), NULL);
    if (k == 3) y = ky_conv_transpose2d(s->t, image, taps, ky_none(), NULL);
    compile(s, ky_sum_all(s->t, ky_square(s->t, y)), w, k % 2);
    assert_int_equal(adjoint_at(s, KY_OP_cumsum, 0), value_at(s, KY_OP_cumsum, 0));
    if (k < 3) ky_program_free(s->p);
  }
}

static void a_product_reads_its_second_operand_to_the_end(void **state) {
  scene *s = *state;
  ky_var w = ky_param(s->t, s->w), x = matrix(s, w);
  ky_var y = ky_matmul(s->t, ky_reshape(s->t, s->in, KY_SHAPE(32, 32)), x);
  compile(s, ky_sum_all(s->t, ky_square(s->t, y)), w, false);
  assert_int_not_equal(adjoint_at(s, KY_OP_cumsum, 0), value_at(s, KY_OP_cumsum, 0));
  ky_program_free(s->p);
  y = ky_matmul(s->t, x, ky_transpose(s->t, x, 0, 1));
  compile(s, ky_sum_all(s->t, ky_square(s->t, y)), w, false);
  assert_int_not_equal(adjoint_at(s, KY_OP_cumsum, 0), value_at(s, KY_OP_cumsum, 0));
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(a_result_takes_the_place_of_an_operand_that_dies),
      SCENE(a_fused_result_takes_the_place_of_an_operand),
      SCENE(what_is_read_later_keeps_its_place),
      SCENE(views_of_other_elements_keep_the_place),
      SCENE(leaves_constants_and_named_values_keep_their_places),
      SCENE(a_mask_makes_no_room_for_a_number),
      SCENE(an_adjoint_takes_the_place_of_the_result_s),
      SCENE(an_operand_met_twice_does_not_take_it),
      SCENE(an_adjoint_that_was_asked_for_keeps_its_place),
      SCENE(an_adjoint_takes_the_place_of_the_operand_itself),
      SCENE(what_a_later_contribution_reads_keeps_its_place),
      SCENE(a_fused_adjoint_takes_the_place_of_one_read_no_more),
      SCENE(a_product_gives_to_its_first_operand_in_its_place),
      SCENE(a_product_reads_its_second_operand_to_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
