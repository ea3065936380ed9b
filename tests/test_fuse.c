/* SPDX-License-Identifier: MIT */
/* Fusion: a compiled program gives the bits of its tape, values and gradients, with the pass
 * and without it; what is fused and what is not; the text; what the verifier refuses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/program.h"
#include "opinfo.h"
#include "ops/fusion.h"
#include "tape/program.h"

/* ---- tapes ----------------------------------------------------------------------------- */

#define MOST_VARS 12

/* A tape and what is asked of it: the first `watched` values are differentiated. */
typedef struct scene {
  ky_tape *t;
  ky_dtype dtype;
  uint64_t stream;
  void *data[MOST_VARS];
  int arrays;
  ky_var watched[MOST_VARS], kept[MOST_VARS], root;
  int watched_count, kept_count;
  ky_program *program;
} scene;

static double next(scene *s) {
  s->stream = s->stream * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(s->stream >> 33) * 0x1p-30 - 1;
}

/* An input with numbers of both signs, some of them zero. */
static ky_var array(scene *s, int rank, const int64_t *dims) {
  int64_t count = 1;
  for (int k = 0; k < rank; k++) count *= dims[k];
  void *data = malloc((size_t)count * 8);
  assert_non_null(data);
  for (int64_t k = 0; k < count; k++) {
    const double x = k % 7 == 3 ? 0 : next(s);
    if (s->dtype == KY_F64)
      ((double *)data)[k] = x;
    else
      ((float *)data)[k] = (float)x;
  }
  s->data[s->arrays++] = data;
  return ky_input(s->t, s->dtype, rank, dims, data);
}

static ky_var watched(scene *s, int rank, const int64_t *dims) {
  const ky_var v = array(s, rank, dims);
  assert_int_equal(ky_watch(s->t, v), KY_OK);
  return s->watched[s->watched_count++] = v;
}

static ky_var keep(scene *s, ky_var v) { return s->kept[s->kept_count++] = v; }

typedef void recording(scene *s);

static int setup(void **state) {
  *state = calloc(1, sizeof(scene));
  return *state ? 0 : -1;
}

static void clear(scene *s) {
  ky_program_free(s->program);
  ky_tape_free(s->t);
  for (int k = 0; k < s->arrays; k++) free(s->data[k]);
  memset(s, 0, sizeof *s);
}

static int teardown(void **state) {
  clear(*state);
  free(*state);
  return 0;
}

static void start(scene *s, ky_dtype dtype, recording *record) {
  clear(s);
  s->dtype = dtype;
  s->stream = 42;
  s->t = ky_tape_new(NULL);
  record(s);
  if (ky_tape_check(s->t) != KY_OK) fail_msg("%s", ky_tape_message(s->t));
}

static void compile(scene *s, size_t without_count, const char *const *without) {
  ky_program_free(s->program);
  const ky_compile_options options = {.size = sizeof options,
                                      .keep = s->kept,
                                      .keep_count = (size_t)s->kept_count,
                                      .without = without,
                                      .without_count = without_count,
                                      .fuse_least = 1};
  if (ky_compile(s->t, s->root, &options, &s->program) != KY_OK)
    fail_msg("%s", ky_tape_message(s->t));
}

/* Instructions of the program with this opcode. */
static int count_of(const scene *s, ky_op op) {
  int count = 0;
  for (ky_id pc = 1; pc < s->program->code.count; pc++)
    count += s->program->code.ins[pc].op == op;
  return count;
}

/* ---- the bits -------------------------------------------------------------------------- */

static void assert_same_bits(const char *what, const ky_array *got, const ky_array *want) {
  assert_int_equal(got->count, want->count);
  const size_t size = ky_dtype_size(want->dtype);
  for (int64_t k = 0; k < want->count; k++) {
    const char *a = (const char *)got->data + (size_t)k * size;
    const char *b = (const char *)want->data + (size_t)k * size;
    if (memcmp(a, b, size) == 0) continue;
    const double x = want->dtype == KY_F64 ? *(const double *)a : (double)*(const float *)a;
    const double y = want->dtype == KY_F64 ? *(const double *)b : (double)*(const float *)b;
    fail_msg("%s: element %lld of %lld is %.17g, the tape says %.17g", what, (long long)k,
             (long long)want->count, x, y);
  }
}

static void compare_values(scene *s, ky_exec *e) {
  ky_array got, want;
  for (int k = 0; k <= s->kept_count; k++) {
    const ky_var v = k < s->kept_count ? s->kept[k] : s->root;
    if (!v.id) continue;
    if (ky_exec_data(e, v, &got) != KY_OK) fail_msg("%s", ky_exec_message(e));
    assert_int_equal(ky_data(s->t, v, &want), KY_OK);
    assert_same_bits(k < s->kept_count ? "a kept value" : "the root", &got, &want);
  }
}

static void compare_gradients(scene *s, ky_exec *e) {
  ky_array got, want;
  for (int k = 0; k < s->watched_count; k++) {
    if (ky_grad(s->t, s->watched[k], &want) != KY_OK) {
      assert_int_equal(ky_exec_grad(e, s->watched[k], &got), KY_UNCONNECTED);
      continue;
    }
    if (ky_exec_grad(e, s->watched[k], &got) != KY_OK) fail_msg("%s", ky_exec_message(e));
    char what[32];
    snprintf(what, sizeof what, "gradient %d", k);
    assert_same_bits(what, &got, &want);
  }
}

/* Sweep by sweep, then in one go, over used memory. */
static void assert_runs_like_tape(scene *s) {
  ky_exec *e;
  assert_int_equal(ky_exec_new(s->program, NULL, &e), KY_OK);
  for (int round = 0; round < 3; round++) {
    const bool differentiate = s->watched_count > 0;
    const bool step = differentiate && round > 0;
    if ((step ? ky_exec_step(e, NULL) : ky_exec_forward(e)) != KY_OK)
      fail_msg("%s", ky_exec_message(e));
    assert_int_equal(ky_forward(s->t), KY_OK);
    if (differentiate) assert_int_equal(ky_backward(s->t, s->root, NULL), KY_OK);
    compare_values(s, e);
    if (differentiate && !step && ky_exec_backward(e, NULL) != KY_OK)
      fail_msg("%s", ky_exec_message(e));
    if (differentiate) compare_gradients(s, e);
  }
  ky_exec_free(e);
}

static void assert_verified(scene *s) {
  ky_id pc;
  ky_fault fault = {0};
  if (ky__verify_code(&s->program->code, &pc, &fault) != KY_OK)
    fail_msg("%%%u: %s", (unsigned)pc, fault.text);
}

/* Same bits in both dtypes, with and without the pass; `fused` instructions of that kind,
 * `left` in all without the NOP. */
static void check(scene *s, recording *record, int fused, uint32_t left) {
  for (int dtype = KY_F32; dtype <= KY_F64; dtype++) {
    start(s, (ky_dtype)dtype, record);
    compile(s, 1, (const char *const[]){"fuse"});
    assert_int_equal(count_of(s, KY_OP_fused), 0);
    assert_runs_like_tape(s);
    compile(s, 0, NULL);
    assert_verified(s);
    assert_int_equal(count_of(s, KY_OP_fused), fused);
    assert_int_equal(ky_program_length(s->program), left + 1);
    assert_runs_like_tape(s);
  }
}

/* ---- one run -------------------------------------------------------------------------- */

#define CASE(name, fused, left)                                                                \
  static void record_##name(scene *s);                                                         \
  static void name(void **state) { check(*state, record_##name, fused, left); }                \
  static void record_##name(scene *s)

CASE(chain_becomes_one_instruction, 1, 2) {
  ky_var x = watched(s, KY_SHAPE(5, 37));
  x = ky_mul_scalar(s->t, ky_tanh(s->t, x), 0.5);
  s->root = ky_clamp(s->t, ky_exp(s->t, ky_neg(s->t, x)), 0.7, 1.2);
}

CASE(chain_ends_in_its_sum, 1, 2) {
  const ky_var x = watched(s, KY_SHAPE(3, 4099));
  const ky_var a = ky_mul(s->t, ky_tanh(s->t, x), x);
  s->root = ky_sum_all(s->t, ky_add(s->t, a, ky_mul_scalar(s->t, ky_sigmoid(s->t, x), 0.5)));
}

/* Sums are formed in pieces of 16384 elements: two and a rest, and exactly two. */
CASE(sum_of_several_pieces, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(3, 32768 + 515)), c = watched(s, KY_SHAPE(1));
  s->root = ky_sum_all(s->t, ky_tanh(s->t, ky_mul(s->t, x, c)));
}

CASE(rows_of_several_pieces, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(3, 32768)), c = watched(s, KY_SHAPE(3, 1));
  s->root = ky_mean(s->t, ky_tanh(s->t, ky_mul(s->t, x, c)), KY_AXES(1), 0);
}

CASE(residual_diamond, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(2500)), y = watched(s, KY_SHAPE(2500));
  const ky_var h = ky_sin(s->t, ky_add(s->t, x, y));
  const ky_var a = ky_mul(s->t, h, x), b = ky_square(s->t, h);
  s->root = ky_add(s->t, ky_add(s->t, a, h), ky_div(s->t, b, ky_add_scalar(s->t, b, 1.5)));
}

CASE(broadcast_row, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(70, 33)), w = watched(s, KY_SHAPE(33));
  const ky_var b = watched(s, KY_SHAPE(1, 33));
  s->root = ky_relu(s->t, ky_add(s->t, ky_mul(s->t, x, w), b));
}

CASE(broadcast_row_longer_than_a_tile, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(3, 5003)), w = watched(s, KY_SHAPE(5003));
  const ky_var b = watched(s, KY_SHAPE(5003));
  s->root = ky_relu(s->t, ky_add(s->t, ky_mul(s->t, w, x), b));
}

CASE(broadcast_column, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(70, 33)), w = watched(s, KY_SHAPE(70, 1));
  const ky_var b = watched(s, KY_SHAPE(70, 1));
  s->root = ky_relu(s->t, ky_add(s->t, ky_mul(s->t, x, w), b));
}

CASE(broadcast_column_of_rows_longer_than_a_tile, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(3, 5003)), w = watched(s, KY_SHAPE(3, 1));
  const ky_var b = watched(s, KY_SHAPE(3, 1));
  s->root = ky_tanh(s->t, ky_sub(s->t, b, ky_mul(s->t, x, w)));
}

CASE(broadcast_scalars, 1, 5) {
  const ky_var x = watched(s, KY_SHAPE(2, 1700)), w = watched(s, KY_SCALAR);
  const ky_var b = watched(s, KY_SHAPE(1)), c = watched(s, KY_SHAPE(1, 1));
  const ky_var y = ky_mul(s->t, w, ky_add(s->t, x, b));
  s->root = ky_sub(s->t, ky_div(s->t, y, ky_add(s->t, ky_square(s->t, x), ky_exp(s->t, y))), c);
}

/* One value as a row of several instructions: each contribution is summed by itself. */
CASE(broadcast_operand_with_several_uses, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(31, 65)), w = watched(s, KY_SHAPE(65));
  const ky_var y = ky_add(s->t, ky_mul(s->t, x, w), w);
  s->root = ky_maximum(s->t, ky_mul(s->t, w, y), ky_sub(s->t, y, w));
}

CASE(where_and_comparisons, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(9, 301)), y = watched(s, KY_SHAPE(301));
  const ky_var z = watched(s, KY_SHAPE(9, 1));
  const ky_var m = ky_gt(s->t, x, y), n = ky_lt_scalar(s->t, ky_mul(s->t, x, y), 0.1);
  const ky_var a = ky_where(s->t, m, ky_mul(s->t, x, x), y);
  s->root = ky_where(s->t, n, ky_add(s->t, a, z), ky_where(s->t, m, z, a));
}

CASE(three_operands, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(20, 130)), y = watched(s, KY_SHAPE(130));
  const ky_var z = watched(s, KY_SHAPE(20, 1));
  const ky_var a = ky_fma(s->t, x, y, ky_sin(s->t, x));
  s->root = ky_lerp(s->t, z, a, ky_sigmoid(s->t, ky_fma(s->t, y, x, z)));
}

/* Sums hand their adjoint on as it is, unless who gets it gets more. */
CASE(sums_of_sums, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(900)), y = watched(s, KY_SHAPE(900));
  const ky_var a = ky_square(s->t, x), b = ky_exp(s->t, y);
  const ky_var c = ky_add(s->t, a, b), d = ky_add(s->t, c, ky_add(s->t, b, x));
  s->root = ky_sum_all(s->t, ky_add(s->t, ky_add(s->t, d, d), ky_sub(s->t, c, y)));
}

CASE(mask_from_outside, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(40, 60)), c = array(s, KY_SHAPE(40, 60));
  const ky_var m = keep(s, ky_ge_scalar(s->t, ky_tanh(s->t, c), 0.2));
  s->root = ky_sum_all(s->t, ky_where(s->t, m, ky_exp(s->t, x), x));
  s->kept_count = 0;
}

CASE(result_that_is_a_mask, 1, 2) {
  const ky_var x = array(s, KY_SHAPE(1300));
  keep(s, ky_ge(s->t, ky_tanh(s->t, x), ky_square(s->t, x)));
}

CASE(strided_inputs, 1, 8) {
  const ky_var x = watched(s, KY_SHAPE(41, 29)), y = watched(s, KY_SHAPE(29, 82));
  const ky_var z = watched(s, KY_SHAPE(41));
  const ky_var even = ky_permute(s->t, ky_slice(s->t, y, 1, 0, 82, 2), KY_AXES(1, 0));
  const ky_var wide = ky_permute(s->t, ky_expand(s->t, z, KY_SHAPE(29, 41)), KY_AXES(1, 0));
  s->root = ky_mul(s->t, ky_sin(s->t, ky_mul(s->t, x, even)), ky_add(s->t, wide, x));
}

/* ---- sums and means ------------------------------------------------------------------- */

CASE(mean_of_all_with_kept_dims, 1, 2) {
  const ky_var x = watched(s, KY_SHAPE(3, 700));
  s->root = ky_mean(s->t, ky_square(s->t, x), KY_AXES(0, 1), 1);
}

CASE(mean_over_the_last_axes, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(7, 40, 30)), w = watched(s, KY_SHAPE(30));
  s->root = ky_mean(s->t, ky_exp(s->t, ky_mul(s->t, x, w)), KY_AXES(1, 2), 0);
}

CASE(sum_over_the_first_axes, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(7, 40, 30)), w = watched(s, KY_SHAPE(7, 1, 1));
  s->root = ky_sum(s->t, ky_exp(s->t, ky_mul(s->t, x, w)), KY_AXES(0, 1), 1);
}

CASE(sum_over_a_middle_axis_stays, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(7, 40, 30)), w = watched(s, KY_SHAPE(40, 30));
  s->root = ky_sum(s->t, ky_exp(s->t, ky_mul(s->t, x, w)), KY_AXES(1), 0);
}

/* The result of a sum is an operand of the next run. */
CASE(normalisation_is_three_runs, 3, 6) {
  const ky_var x = watched(s, KY_SHAPE(60, 77));
  const ky_var d = ky_sub(s->t, x, ky_mean(s->t, x, KY_AXES(1), 1));
  const ky_var v = ky_mean(s->t, ky_square(s->t, d), KY_AXES(1), 1);
  const ky_var r = ky_rsqrt(s->t, ky_add_scalar(s->t, v, 1e-5));
  s->root = ky_mean_all(s->t, ky_tanh(s->t, ky_mul(s->t, d, r)));
}

/* ---- where runs end ------------------------------------------------------------------- */

CASE(kept_value_ends_a_run, 2, 3) {
  const ky_var x = watched(s, KY_SHAPE(501));
  const ky_var y = keep(s, ky_square(s->t, ky_tanh(s->t, x)));
  s->root = ky_mul(s->t, ky_exp(s->t, y), y);
}

CASE(watched_value_ends_a_run, 2, 3) {
  const ky_var x = watched(s, KY_SHAPE(501));
  const ky_var y = ky_square(s->t, ky_tanh(s->t, x));
  assert_int_equal(ky_watch(s->t, y), KY_OK);
  s->watched[s->watched_count++] = y;
  s->root = ky_mul(s->t, ky_exp(s->t, y), y);
}

CASE(two_readers_end_a_run, 2, 5) {
  const ky_var x = watched(s, KY_SHAPE(50, 50)), w = watched(s, KY_SHAPE(50, 50));
  const ky_var y = ky_square(s->t, ky_tanh(s->t, x));
  const ky_var z = ky_matmul(s->t, y, w);
  s->root = ky_sum_all(s->t, ky_add(s->t, ky_exp(s->t, y), ky_mul_scalar(s->t, z, 2)));
}

CASE(other_index_space_ends_a_run, 2, 4) {
  const ky_var x = watched(s, KY_SHAPE(60, 40)), w = watched(s, KY_SHAPE(40));
  const ky_var v = ky_exp(s->t, ky_mul_scalar(s->t, w, -0.5));
  s->root = ky_square(s->t, ky_mul(s->t, x, v));
}

CASE(single_instruction_stays, 0, 3) {
  const ky_var x = watched(s, KY_SHAPE(60)), y = watched(s, KY_SHAPE(60));
  s->root = ky_mul(s->t, x, y);
}

CASE(scalars_stay, 0, 5) {
  const ky_var x = watched(s, KY_SCALAR);
  s->root = ky_exp(s->t, ky_mul(s->t, ky_tanh(s->t, x), ky_square(s->t, x)));
}

CASE(empty_arrays_stay, 0, 4) {
  const ky_var x = watched(s, KY_SHAPE(0, 3));
  s->root = ky_sum_all(s->t, ky_exp(s->t, ky_tanh(s->t, x)));
}

/* A gradient that would have to be summed over the middle axis. */
CASE(middle_broadcast_stays, 1, 4) {
  const ky_var x = watched(s, KY_SHAPE(4, 5, 6)), w = watched(s, KY_SHAPE(4, 1, 6));
  const ky_var y = ky_mul(s->t, x, w);
  s->root = ky_mul(s->t, ky_tanh(s->t, y), ky_exp(s->t, y));
}

CASE(middle_broadcast_without_gradient_is_fused, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(4, 5, 6)), w = array(s, KY_SHAPE(4, 1, 6));
  s->root = ky_tanh(s->t, ky_mul(s->t, x, w));
}

/* Three contributions to x, of which the one between the others is not the run's. */
CASE(order_of_contributions_is_kept, 1, 5) {
  const ky_var x = watched(s, KY_SHAPE(20, 20)), w = watched(s, KY_SHAPE(20, 20));
  const ky_var a = ky_exp(s->t, ky_mul_scalar(s->t, x, 1.7));
  const ky_var m = ky_matmul(s->t, x, w);
  const ky_var b = ky_mul(s->t, a, ky_tanh(s->t, x));
  s->root = ky_sum_all(s->t, ky_mul(s->t, b, m));
}

/* Longer than a program can be, with more inputs than it can have. */
static void record_long(scene *s, int inputs, int steps) {
  ky_var x = watched(s, KY_SHAPE(300)), in[8] = {x};
  for (int k = 1; k < inputs; k++) in[k] = array(s, KY_SHAPE(300));
  for (int k = 0; k < steps; k++)
    x = ky_tanh(s->t, ky_add(s->t, x, ky_slice(s->t, in[k % inputs], 0, 0, 300, 1)));
  s->root = x;
}

static void record_steps(scene *s) { record_long(s, 2, 50); }

static void long_runs_are_cut(void **state) {
  scene *s = *state;
  start(s, KY_F32, record_steps);
  compile(s, 0, NULL);
  assert_verified(s);
  assert_in_range(count_of(s, KY_OP_fused), 4, 8);
  assert_in_range(count_of(s, KY_OP_tanh) + count_of(s, KY_OP_add), 0, 1);
  assert_runs_like_tape(s);
}

/* ---- what the reverse sweep reads ----------------------------------------------------- */

CASE(gradient_of_a_bias_reads_the_result_alone, 1, 3) {
  const ky_var x = watched(s, KY_SHAPE(64, 64)), b = watched(s, KY_SHAPE(64));
  s->root = ky_sigmoid(s->t, ky_add(s->t, x, b));
}

static void operands_that_no_adjoint_reads_are_let_go(void **state) {
  scene *s = *state;
  start(s, KY_F32, record_gradient_of_a_bias_reads_the_result_alone);
  compile(s, 0, NULL);
  const ky_code *code = &s->program->code;
  const ky_id pc = code->count - 1;
  assert_int_equal(code->ins[pc].op, KY_OP_fused);
  assert_false(ky__reads_operand(code, pc, 0));
  assert_false(ky__reads_operand(code, pc, 1));
  assert_true(ky__reads_result(code, pc));
  start(s, KY_F32, record_residual_diamond);
  compile(s, 0, NULL);
  assert_true(ky__reads_operand(&s->program->code, 3, 0));
  assert_false(ky__reads_result(&s->program->code, 3));
}

static void intermediate_values_have_no_place_in_memory(void **state) {
  scene *s = *state;
  start(s, KY_F32, record_chain_ends_in_its_sum);
  compile(s, 1, (const char *const[]){"fuse"});
  const ky_memory before = ky_program_memory(s->program);
  compile(s, 0, NULL);
  const ky_memory after = ky_program_memory(s->program);
  assert_int_equal(before.activations, 5 * 3 * 4099 * sizeof(float));
  assert_int_equal(after.activations, 0);
  assert_int_equal(after.adjoints, 3 * 4099 * sizeof(float));
  assert_true(after.total < before.total / 2);
}

/* ---- text ----------------------------------------------------------------------------- */

static void dump_has_a_line_for_each_step(void **state) {
  scene *s = *state;
  start(s, KY_F32, record_chain_becomes_one_instruction);
  ky_watch(s->t, s->root);
  s->root = ky_mean(s->t, ky_mul(s->t, s->root, s->watched[0]), KY_AXES(1), 1);
  compile(s, 0, NULL);
  char text[4096];
  FILE *out = tmpfile();
  assert_non_null(out);
  assert_int_equal(ky_program_dump(s->program, out), KY_OK);
  rewind(out);
  text[fread(text, 1, sizeof text - 1, out)] = '\0';
  fclose(out);
  static const char *const lines[] = {"%2  fused  %1     f32  [5,37]",
                                      "      r0 = tanh %1\n",
                                      "      r1 = mul_scalar r0 0.5\n",
                                      "      r2 = neg r1\n",
                                      "      r4 = clamp r3 0.69999999999999996 1.2\n",
                                      "%3  fused  %2 %1",
                                      "      r0 = mul %2 %1\n",
                                      "      mean r0 axes=1 keep\n"};
  for (size_t k = 0; k < sizeof lines / sizeof *lines; k++)
    if (!strstr(text, lines[k])) fail_msg("\"%s\" lacks \"%s\"", text, lines[k]);
}

/* ---- the verifier --------------------------------------------------------------------- */

/* A program of two inputs, a mul and a tanh, and a way to spoil it. */
static void record_pair(scene *s) {
  const ky_var x = watched(s, KY_SHAPE(6, 4)), y = watched(s, KY_SHAPE(4));
  s->root = ky_sum(s->t, ky_tanh(s->t, ky_mul(s->t, x, y)), KY_AXES(1), 0);
}

#define REFUSES(name, change, reason)                                                          \
  static void name(void **state) {                                                             \
    scene *s = *state;                                                                         \
    ky_fusion p;                                                                               \
    ky_id pc;                                                                                  \
    ky_fault fault = {0};                                                                      \
    start(s, KY_F64, record_pair);                                                             \
    compile(s, 0, NULL);                                                                       \
    ky_code *code = &s->program->code;                                                         \
    ky_ins *i = &code->ins[3];                                                                 \
    assert_true(ky__fusion_decode(code, i, &p));                                               \
    change;                                                                                    \
    ky__fusion_encode(&p, code->pool + i->b + 2);                                              \
    assert_int_equal(ky__verify_code(code, &pc, &fault), KY_BAD_TAPE);                         \
    assert_int_equal(pc, 3);                                                                   \
    if (!strstr(fault.text, reason)) fail_msg("\"%s\" lacks \"%s\"", fault.text, reason);      \
  }

REFUSES(program_must_lie_in_the_pool, code->pool_count -= 1, "does not lie in the pool")
REFUSES(program_must_have_steps, p.steps = 0, "does not lie in the pool")
REFUSES(step_must_be_elementwise, p.step[1].op = KY_OP_matmul, "is no step")
REFUSES(step_must_exist, p.step[1].op = KY_OP_COUNT, "is no step")
REFUSES(value_must_be_known_before_use, p.step[0].ref[0] = 2, "not known yet")
REFUSES(input_must_exist, p.step[1].ref[0] = 9, "not known yet")
REFUSES(registers_must_be_those_of_the_program, p.step[0].reverse = 3, "registers")
REFUSES(register_count_must_be_that_of_the_program, p.forward_registers++, "registers")
REFUSES(reads_must_be_those_of_the_program, p.reads = 0, "registers")
REFUSES(dtype_must_be_that_of_the_inputs, p.dtype = KY_F32, "must be f32")
REFUSES(condition_must_be_a_mask, p.step[1] = (ky_step){.op = KY_OP_where}, "must be mask")
REFUSES(space_must_exist, p.space = 99, "index space 99")
REFUSES(space_must_be_that_of_the_inputs, p.space = code->layout[2], "larger than")
REFUSES(ending_must_be_a_reduction, p.ending = KY_OP_max, "ends in opcode")
REFUSES(ending_must_have_axes_of_the_space, p.axes = 4, "ends in opcode")
REFUSES(result_must_be_that_of_the_ending, p.keep = true, "shape")
REFUSES(gradient_flag_must_be_that_of_the_inputs, i->flags &= (uint8_t)~KY_WANT_A,
        "gradient flags")

/* ---- the list ------------------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(chain_becomes_one_instruction),
      TEST(chain_ends_in_its_sum),
      TEST(sum_of_several_pieces),
      TEST(rows_of_several_pieces),
      TEST(residual_diamond),
      TEST(broadcast_row),
      TEST(broadcast_row_longer_than_a_tile),
      TEST(broadcast_column),
      TEST(broadcast_column_of_rows_longer_than_a_tile),
      TEST(broadcast_scalars),
      TEST(broadcast_operand_with_several_uses),
      TEST(where_and_comparisons),
      TEST(three_operands),
      TEST(sums_of_sums),
      TEST(mask_from_outside),
      TEST(result_that_is_a_mask),
      TEST(strided_inputs),
      TEST(mean_of_all_with_kept_dims),
      TEST(mean_over_the_last_axes),
      TEST(sum_over_the_first_axes),
      TEST(sum_over_a_middle_axis_stays),
      TEST(normalisation_is_three_runs),
      TEST(kept_value_ends_a_run),
      TEST(watched_value_ends_a_run),
      TEST(two_readers_end_a_run),
      TEST(other_index_space_ends_a_run),
      TEST(single_instruction_stays),
      TEST(scalars_stay),
      TEST(empty_arrays_stay),
      TEST(middle_broadcast_stays),
      TEST(middle_broadcast_without_gradient_is_fused),
      TEST(order_of_contributions_is_kept),
      TEST(long_runs_are_cut),
      TEST(gradient_of_a_bias_reads_the_result_alone),
      TEST(operands_that_no_adjoint_reads_are_let_go),
      TEST(intermediate_values_have_no_place_in_memory),
      TEST(dump_has_a_line_for_each_step),
      TEST(program_must_lie_in_the_pool),
      TEST(program_must_have_steps),
      TEST(step_must_be_elementwise),
      TEST(step_must_exist),
      TEST(value_must_be_known_before_use),
      TEST(input_must_exist),
      TEST(registers_must_be_those_of_the_program),
      TEST(register_count_must_be_that_of_the_program),
      TEST(reads_must_be_those_of_the_program),
      TEST(dtype_must_be_that_of_the_inputs),
      TEST(condition_must_be_a_mask),
      TEST(space_must_exist),
      TEST(space_must_be_that_of_the_inputs),
      TEST(ending_must_be_a_reduction),
      TEST(ending_must_have_axes_of_the_space),
      TEST(result_must_be_that_of_the_ending),
      TEST(gradient_flag_must_be_that_of_the_inputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
