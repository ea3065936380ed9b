/* SPDX-License-Identifier: MIT */
/* What each pass takes out of a hand-made tape, and what it leaves, as asserted text. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#define KY_NO_SITES
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/program.h"

static const float x6[6] = {1, -2, 3, 0.5F, -1, 2};

/* A tape with one weight [3] and one input [2,3]. */
typedef struct desk {
  ky_tape *t;
  ky_tensor *weight;
  ky_var w, x;
  const ky_var *wrt; /* null for all */
  ky_program *p;
  ky_exec *e;
} desk;

static int set_up(void **state) {
  desk *d = calloc(1, sizeof *d);
  *state = d;
  d->t = ky_tape_new(NULL);
  if (ky_tensor_new(NULL, KY_F32, KY_SHAPE(3), &d->weight) != KY_OK) return 1;
  float *data = ky_tensor_write(d->weight);
  for (int k = 0; k < 3; k++) data[k] = 0.5F * (float)k - 0.25F;
  d->w = ky_param(d->t, d->weight);
  d->x = ky_input(d->t, KY_F32, KY_SHAPE(2, 3), x6);
  return 0;
}

static int tear_down(void **state) {
  desk *d = *state;
  ky_exec_free(d->e);
  ky_program_free(d->p);
  ky_tape_free(d->t);
  ky_tensor_free(d->weight);
  free(d);
  return 0;
}

/* Compiles with one pass alone, or with all for null. */
static void compile(desk *d, ky_var root, const char *only, size_t keep_count,
                    const ky_var *keep) {
  const char *without[16];
  size_t count = 0;
  const char *const *passes = ky_program_passes();
  for (int k = 0; only && passes[k]; k++)
    if (strcmp(passes[k], only) != 0) without[count++] = passes[k];
  ky_exec_free(d->e);
  ky_program_free(d->p);
  d->e = NULL;
  const ky_status status = ky_compile(d->t, root,
                                      &(ky_compile_options){.size = sizeof(ky_compile_options),
                                                            .keep = keep,
                                                            .keep_count = keep_count,
                                                            .wrt = d->wrt,
                                                            .wrt_count = d->wrt != NULL,
                                                            .without = without,
                                                            .without_count = count,
                                                            .fuse_least = 1},
                                      &d->p);
  if (status != KY_OK) print_error("%s\n", ky_tape_message(d->t));
  assert_int_equal(status, KY_OK);
}

static void assert_program(const desk *d, const char *wanted) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  assert_non_null(out);
  assert_int_equal(ky_program_dump(d->p, out), KY_OK);
  fclose(out);
  assert_string_equal(text, wanted);
  free(text);
}

/* One step gives the root, and the gradient of the weight, that the tape gives. */
static void assert_same_step(desk *d, ky_var root) {
  double want, got;
  ky_array want_grad, got_grad;
  assert_int_equal(ky_backward(d->t, root, NULL), KY_OK);
  assert_int_equal(ky_item(d->t, root, &want), KY_OK);
  assert_int_equal(ky_grad(d->t, d->w, &want_grad), KY_OK);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_OK);
  assert_int_equal(ky_exec_item(d->e, root, &got), KY_OK);
  assert_int_equal(ky_exec_grad(d->e, d->w, &got_grad), KY_OK);
  assert_memory_equal(&got, &want, sizeof got);
  assert_memory_equal(got_grad.data, want_grad.data, 3 * sizeof(float));
}

/* ---- dead -------------------------------------------------------------------------------- */

static void dead_drops_what_leads_to_no_named_value(void **state) {
  desk *d = *state;
  ky_var y = ky_mul(d->t, d->x, d->w);
  ky_exp(d->t, ky_neg(d->t, y));
  ky_input(d->t, KY_F32, KY_SHAPE(2, 3), x6);
  ky_var kept = ky_tanh(d->t, d->x), root = ky_sum_all(d->t, y);
  ky_sqrt(d->t, root);
  compile(d, root, "dead", 1, &kept);
  assert_int_equal(ky_program_length(d->p), 6);
  assert_program(d, "%1  param  #0           f32  [3]\n"
                    "%2  input  #1           f32  [2,3]\n"
                    "%3  mul    %2 %1        f32  [2,3]\n"
                    "%4  tanh   %2           f32  [2,3]\n"
                    "%5  sum    %3 axes=0,1  f32  []\n");
  assert_same_step(d, root);
}

static void dead_keeps_all_operands_of_a_list(void **state) {
  desk *d = *state;
  ky_var dead = ky_relu(d->t, d->x), a = ky_neg(d->t, d->x), b = ky_mul(d->t, d->x, d->w);
  ky_var root = ky_sum_all(d->t, ky_concat(d->t, 3, (ky_var[]){b, a, b}, 0));
  (void)dead;
  compile(d, root, "dead", 0, NULL);
  assert_program(d, "%1  param   #0               f32  [3]\n"
                    "%2  input   #1               f32  [2,3]\n"
                    "%3  neg     %2               f32  [2,3]\n"
                    "%4  mul     %2 %1            f32  [2,3]\n"
                    "%5  concat  %4 %3 %4 axis=0  f32  [6,3]\n"
                    "%6  sum     %5 axes=0,1      f32  []\n");
  assert_same_step(d, root);
}

/* ---- fold -------------------------------------------------------------------------------- */

static void fold_computes_what_depends_on_constants(void **state) {
  desk *d = *state;
  ky_var two = ky_full(d->t, KY_F32, KY_SHAPE(3), 2), steps = ky_iota(d->t, KY_F32, 3, 1);
  ky_var scale = ky_exp(d->t, ky_mul(d->t, two, steps));
  ky_var root = ky_sum_all(d->t, ky_mul(d->t, ky_mul(d->t, d->x, d->w), scale));
  compile(d, root, "fold", 0, NULL);
  assert_program(d, "%1  param     #0           f32  [3]\n"
                    "%2  input     #1           f32  [2,3]\n"
                    "%3  full      2            f32  [3]\n"
                    "%4  iota      1            f32  [3]\n"
                    "%5  mul       %3 %4        f32  [3]\n"
                    "%6  constant               f32  [3]\n"
                    "%7  mul       %2 %1        f32  [2,3]\n"
                    "%8  mul       %7 %6        f32  [2,3]\n"
                    "%9  sum       %8 axes=0,1  f32  []\n");
  assert_same_step(d, root);
}

static void constants_come_first_and_only_the_last_is_left(void **state) {
  desk *d = *state;
  ky_var scale = ky_sqrt(d->t, ky_full(d->t, KY_F32, KY_SHAPE(3), 2));
  ky_var root = ky_sum_all(d->t, ky_mul(d->t, ky_mul(d->t, d->x, d->w), scale));
  const char *without[] = {"fuse"};
  const char *const *passes = ky_program_passes();
  size_t count = 0;
  for (int k = 0; passes[k]; k++) count |= strcmp(passes[k], "fuse") == 0;
  assert_int_equal(ky_compile(d->t, root,
                              &(ky_compile_options){.size = sizeof(ky_compile_options),
                                                    .without = without,
                                                    .without_count = count},
                              &d->p),
                   KY_OK);
  assert_program(d, "%1  constant               f32  [3]\n"
                    "%2  param     #0           f32  [3]\n"
                    "%3  input     #1           f32  [2,3]\n"
                    "%4  mul       %3 %2        f32  [2,3]\n"
                    "%5  mul       %4 %1        f32  [2,3]\n"
                    "%6  sum       %5 axes=0,1  f32  []\n");
  assert_same_step(d, root);
}

/* A large value that no tile can compute, and what needs no more memory than its operands; of
 * what led to it the program keeps nothing. */
static void fold_computes_large_values_that_tiles_would_not(void **state) {
  desk *d = *state;
  static float table[100][3];
  static int32_t rows[6000];
  for (int k = 0; k < 6000; k++) rows[k] = k % 100;
  ky_var taken = ky_index_select(d->t, ky_constant(d->t, KY_F32, KY_SHAPE(100, 3), table), 0,
                                 ky_constant(d->t, KY_I32, KY_SHAPE(6000), rows));
  ky_var wave = ky_cos(d->t, taken);
  ky_var flat = ky_reshape(d->t, wave, KY_SHAPE(2000, 9));
  ky_var root = ky_add(d->t, ky_sum_all(d->t, ky_mul(d->t, wave, d->w)),
                       ky_sum_all(d->t, ky_mul(d->t, flat, ky_sum_all(d->t, d->x))));
  compile(d, root, "fold", 0, NULL);
  assert_program(d, "%1   param     #0            f32  [3]\n"
                    "%2   input     #1            f32  [2,3]\n"
                    "%3   constant                i32  [6000]\n"
                    "%4   constant                f32  [100,3]\n"
                    "%5   reshape   %3            i32  [6000,1]\n"
                    "%6   expand    %5            i32  [6000,3]\n"
                    "%7   gather    %4 %6 axis=0  f32  [6000,3]\n"
                    "%8   constant                f32  [6000,3]\n"
                    "%9   reshape   %8            f32  [2000,9]\n"
                    "%10  sum       %2 axes=0,1   f32  []\n"
                    "%11  mul       %9 %10        f32  [2000,9]\n"
                    "%12  sum       %11 axes=0,1  f32  []\n"
                    "%13  mul       %8 %1         f32  [6000,3]\n"
                    "%14  sum       %13 axes=0,1  f32  []\n"
                    "%15  add       %14 %12       f32  []\n");
  assert_same_step(d, root);
  compile(d, root, NULL, 0, NULL);
  assert_int_equal(ky_program_memory(d->p).constants, 6000 * 3 * sizeof(float));
  assert_same_step(d, root);
}

static void fold_leaves_large_and_differentiated_values(void **state) {
  desk *d = *state;
  ky_var large = ky_neg(d->t, ky_full(d->t, KY_F32, KY_SHAPE(6000, 3), 2));
  ky_var watched = ky_neg(d->t, ky_full(d->t, KY_F32, KY_SHAPE(3), 3));
  assert_int_equal(ky_watch(d->t, watched), KY_OK);
  ky_var y = ky_mul(d->t, ky_mul(d->t, large, d->w), watched), root = ky_sum_all(d->t, y);
  compile(d, root, "fold", 0, NULL);
  assert_program(d, "%1  param  #0           f32  [3]\n"
                    "%2  input  #1           f32  [2,3]\n"
                    "%3  full   2            f32  [6000,3]\n"
                    "%4  neg    %3           f32  [6000,3]\n"
                    "%5  full   3            f32  [3]\n"
                    "%6  neg    %5           f32  [3]\n"
                    "%7  mul    %4 %1        f32  [6000,3]\n"
                    "%8  mul    %7 %6        f32  [6000,3]\n"
                    "%9  sum    %8 axes=0,1  f32  []\n");
  assert_same_step(d, root);
  ky_array grad;
  assert_int_equal(ky_exec_grad(d->e, watched, &grad), KY_OK);
}

/* A large view of a strided constant counts on the strides. */
static void fold_leaves_strides_of_views_alone(void **state) {
  desk *d = *state;
  ky_var odd = ky_slice(d->t, ky_iota(d->t, KY_F32, 6, 0), 0, 1, INT64_MAX, 2);
  ky_var large = ky_expand(d->t, odd, KY_SHAPE(8000, 3));
  ky_var square = ky_square(d->t, odd);
  ky_var y = ky_add(d->t, ky_mul(d->t, large, d->w), square), root = ky_sum_all(d->t, y);
  compile(d, root, "fold", 0, NULL);
  assert_program(d, "%1  param     #0              f32  [3]\n"
                    "%2  input     #1              f32  [2,3]\n"
                    "%3  iota      0               f32  [6]\n"
                    "%4  slice     %3 axis=0 1::2  f32  [3]\n"
                    "%5  expand    %4              f32  [8000,3]\n"
                    "%6  constant                  f32  [3]\n"
                    "%7  mul       %5 %1           f32  [8000,3]\n"
                    "%8  add       %7 %6           f32  [8000,3]\n"
                    "%9  sum       %8 axes=0,1     f32  []\n");
  assert_same_step(d, root);
}

/* What cannot be computed fails when it runs, as it does on the tape. */
static void fold_leaves_what_fails(void **state) {
  desk *d = *state;
  static const int32_t labels[2] = {0, 3};
  ky_var logits = ky_full(d->t, KY_F32, KY_SHAPE(2, 3), 1);
  ky_var bad = ky_cross_entropy(d->t, logits, ky_constant(d->t, KY_I32, KY_SHAPE(2), labels),
                                KY_REDUCE_SUM);
  ky_var root = ky_add(d->t, ky_sum_all(d->t, d->w), bad);
  compile(d, root, NULL, 0, NULL);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
  assert_int_equal(ky_exec_step(d->e, NULL), KY_BAD_INDEX);
  assert_string_equal(ky_exec_message(d->e), "cross_entropy: label 3 of row 1 is not in 0..2");
}

/* ---- common ------------------------------------------------------------------------------ */

static void common_merges_what_is_repeated(void **state) {
  desk *d = *state;
  ky_var a = ky_clamp(d->t, ky_tanh(d->t, d->x), -1, 1);
  ky_var b = ky_clamp(d->t, ky_tanh(d->t, d->x), -1, 1);
  ky_var list[2] = {ky_concat(d->t, 2, (ky_var[]){a, b}, 0),
                    ky_concat(d->t, 2, (ky_var[]){b, a}, 0)};
  ky_var root = ky_sum_all(d->t, ky_mul(d->t, ky_sub(d->t, list[0], list[1]), d->w));
  compile(d, root, "common", 2, list);
  assert_program(d, "%1  param   #0            f32  [3]\n"
                    "%2  input   #1            f32  [2,3]\n"
                    "%3  tanh    %2            f32  [2,3]\n"
                    "%4  clamp   %3 -1 1       f32  [2,3]\n"
                    "%5  concat  %4 %4 axis=0  f32  [4,3]\n"
                    "%6  sub     %5 %5         f32  [4,3]\n"
                    "%7  mul     %6 %1         f32  [4,3]\n"
                    "%8  sum     %7 axes=0,1   f32  []\n");
  assert_same_step(d, root);
  ky_array both[2]; /* each name still finds its value */
  for (int k = 0; k < 2; k++) assert_int_equal(ky_exec_data(d->e, list[k], &both[k]), KY_OK);
  assert_ptr_equal(both[0].data, both[1].data);
}

static void common_leaves_what_differs_in_anything(void **state) {
  desk *d = *state;
  ky_var terms[] = {
      ky_clamp(d->t, d->x, -1, 1),
      ky_clamp(d->t, d->x, -1, 2),
      ky_add_scalar(d->t, d->x, 0.0),
      ky_add_scalar(d->t, d->x, -0.0),
      ky_slice(d->t, ky_slice(d->t, d->x, 0, 0, 2, 1), 0, INT64_MAX, INT64_MIN, -1),
      ky_softmax(d->t, d->x, 0),
      ky_softmax(d->t, d->x, 1),
      ky_expand(d->t, ky_sum(d->t, d->x, KY_AXES(1), 1), KY_SHAPE(2, 3)),
      ky_expand(d->t, ky_mean(d->t, d->x, KY_AXES(1), 1), KY_SHAPE(2, 3)),
  };
  const uint32_t before = ky_tape_length(d->t);
  ky_var y = ky_mul(d->t, ky_concat(d->t, sizeof terms / sizeof *terms, terms, 0), d->w);
  ky_var root = ky_sum_all(d->t, y);
  compile(d, root, "common", 0, NULL);
  assert_int_equal(ky_program_length(d->p), before + 3);
  assert_same_step(d, root);
}

/* Merging differentiated values would add up adjoints in another order. */
static void common_leaves_differentiated_values(void **state) {
  desk *d = *state;
  ky_var a = ky_tanh(d->t, d->w), b = ky_tanh(d->t, d->w);
  ky_var root = ky_sum_all(d->t, ky_mul(d->t, a, b));
  compile(d, root, "common", 0, NULL);
  assert_int_equal(ky_program_length(d->p), ky_tape_length(d->t));
  assert_same_step(d, root);
}

static void a_merged_value_keeps_its_name_to_itself(void **state) {
  desk *d = *state;
  ky_var named = ky_tanh(d->t, d->x), nameless = ky_tanh(d->t, d->x);
  ky_var root = ky_sum_all(d->t, ky_mul(d->t, ky_add(d->t, named, nameless), d->w));
  compile(d, root, "common", 1, &named);
  assert_same_step(d, root);
  ky_array array;
  assert_int_equal(ky_exec_data(d->e, named, &array), KY_OK);
  assert_int_equal(ky_exec_data(d->e, nameless, &array), KY_BAD_VAR);
}

/* ---- activity ---------------------------------------------------------------------------- */

static void activity_skips_adjoints_that_nobody_wants(void **state) {
  desk *d = *state;
  assert_int_equal(ky_watch(d->t, d->x), KY_OK);
  ky_var y = ky_mul(d->t, ky_exp(d->t, d->x), d->w), root = ky_sum_all(d->t, y);
  d->wrt = &d->w;
  compile(d, root, "dead", 0, NULL);
  const size_t before = ky_program_memory(d->p).adjoints;
  compile(d, root, "activity", 0, NULL);
  assert_int_equal(before, (6 + 6 + 6 + 3) * sizeof(float)); /* x, exp, y, w */
  assert_int_equal(ky_program_memory(d->p).adjoints, (6 + 3) * sizeof(float)); /* y, w */
  assert_same_step(d, root);
  ky_array grad;
  assert_int_equal(ky_exec_grad(d->e, d->x, &grad), KY_BAD_VAR);
}

/* ---- fuse -------------------------------------------------------------------------------- */

/* The operand of a comparison wants a gradient, what is chosen by it does not. */
static void fuse_wants_no_gradient_that_ends_within_a_run(void **state) {
  desk *d = *state;
  const ky_var some = ky_input(d->t, KY_F32, KY_SHAPE(3), x6),
               low = ky_lt_scalar(d->t, ky_exp(d->t, d->w), 1),
               chosen = ky_where(d->t, low, ky_scalar(d->t, KY_F32, -1), some);
  const ky_var both = ky_concat(d->t, 2, (const ky_var[]){chosen, d->w}, 0);
  const ky_var root = ky_sum_all(d->t, ky_cumsum(d->t, both, 0));
  compile(d, root, NULL, 0, NULL);
  const size_t fused = ky_program_memory(d->p).adjoints;
  assert_program(d, "%1  full    -1            f32  []\n"
                    "%2  param   #0            f32  [3]\n"
                    "%3  input   #2            f32  [3]\n"
                    "%4  fused   %2 %1 %3      f32  [3]\n"
                    "      r0 = exp %2\n"
                    "      r1 = lt_scalar r0 1\n"
                    "      r2 = where r1 %1 %3\n"
                    "%5  concat  %4 %2 axis=0  f32  [6]\n"
                    "%6  cumsum  %5 axis=0     f32  [6]\n"
                    "%7  sum     %6 axes=0     f32  []\n");
  assert_int_equal(fused, (6 + 6 + 3) * sizeof(float)); /* cumsum, concat, w */
  assert_same_step(d, root);
}

/* layernorm adds the gradient of its weight up in blocks of rows: a run may not put its own
 * contribution before them. */
static void fuse_keeps_contributions_in_order_where_one_is_many(void **state) {
  desk *d = *state;
  static float many[20000 * 3];
  for (int k = 0; k < 20000 * 3; k++) many[k] = sinf((float)k);
  const ky_var y = ky_square(d->t, d->w);
  const ky_var x = ky_input(d->t, KY_F32, KY_SHAPE(20000, 3), many);
  const ky_var h = ky_square(d->t, ky_layernorm(d->t, x, 1, d->w, ky_none(), 1e-5));
  const ky_var z = ky_mul_scalar(d->t, ky_sin(d->t, ky_mul_scalar(d->t, y, 3)), 100);
  const ky_var root = ky_add(d->t, ky_sum_all(d->t, h), ky_sum_all(d->t, z));
  compile(d, root, "fuse", 0, NULL);
  assert_same_step(d, root);
}

/* Instructions of a program for two elementwise operations on a [n], which become one if they
 * are fused. */
static uint32_t length_with(desk *d, int64_t n, size_t least) {
  static const float zeros[4096];
  const ky_var y = ky_neg(d->t, ky_exp(d->t, ky_input(d->t, KY_F32, KY_SHAPE(n), zeros)));
  ky_program *p;
  assert_int_equal(ky_compile(d->t, ky_none(),
                              &(ky_compile_options){.size = sizeof(ky_compile_options),
                                                    .keep = &y,
                                                    .keep_count = 1,
                                                    .fuse_least = least},
                              &p),
                   KY_OK);
  const uint32_t length = ky_program_length(p);
  ky_program_free(p);
  return length;
}

static void fuse_leaves_what_is_done_to_few_elements(void **state) {
  desk *d = *state;
  enum { APART = 4, FUSED = 3 }; /* nop and input among them */
  assert_int_equal(length_with(d, 4095, 0), APART);
  assert_int_equal(length_with(d, 4096, 0), FUSED);
  assert_int_equal(length_with(d, 7, 8), APART);
  assert_int_equal(length_with(d, 8, 8), FUSED);
  assert_int_equal(length_with(d, 1, 1), FUSED);
  assert_int_equal(length_with(d, 4096, SIZE_MAX), APART);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(dead_drops_what_leads_to_no_named_value),
      TEST(dead_keeps_all_operands_of_a_list),
      TEST(fold_computes_what_depends_on_constants),
      TEST(constants_come_first_and_only_the_last_is_left),
      TEST(fold_computes_large_values_that_tiles_would_not),
      TEST(fold_leaves_large_and_differentiated_values),
      TEST(fold_leaves_strides_of_views_alone),
      TEST(fold_leaves_what_fails),
      TEST(common_merges_what_is_repeated),
      TEST(common_leaves_what_differs_in_anything),
      TEST(common_leaves_differentiated_values),
      TEST(a_merged_value_keeps_its_name_to_itself),
      TEST(activity_skips_adjoints_that_nobody_wants),
      TEST(fuse_wants_no_gradient_that_ends_within_a_run),
      TEST(fuse_keeps_contributions_in_order_where_one_is_many),
      TEST(fuse_leaves_what_is_done_to_few_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
