/* SPDX-License-Identifier: MIT */
/* What a tape looks like in print: asserted text, column by column. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"

static const float x[6] = {0};
static const int64_t labels[2] = {0, 1};

typedef ky_status printer(const ky_tape *t, FILE *out);

static char *print(const ky_tape *t, printer *p) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  assert_non_null(out);
  assert_int_equal(p(t, out), KY_OK);
  fclose(out);
  return text;
}

static void columns_are_aligned(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
#line 12 "src/train.c"
  ky_var in = ky_input(t, KY_F32, KY_SHAPE(2, 3), x);
  ky_var m = ky_matmul_trans(t, in, in, KY_TRANS_B);
  ky_var s = ky_softmax(t, m, -1);
  ky_cross_entropy(t, s, ky_input(t, KY_I64, KY_SHAPE(2), labels), KY_REDUCE_SUM);
#line 39 "test_dump.c"
  char *text = print(t, ky_tape_dump);
  assert_string_equal(text, "%1  input          #0             f32  [2,3]  train.c:12\n"
                            "%2  matmul         %1 %1 trans_b  f32  [2,2]  train.c:13\n"
                            "%3  softmax        %2 axis=1      f32  [2,2]  train.c:14\n"
                            "%4  input          #1             i64  [2]    train.c:15\n"
                            "%5  cross_entropy  %3 %4 sum      f32  []     train.c:15\n");
  free(text);
  ky_tape_free(t);
}

static void every_attribute_is_shown(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  ky_at(t, NULL, 0);
  ky_var in = (ky_input)(t, KY_F32, KY_SHAPE(2, 3), x);
  (ky_add_scalar)(t, in, 0.5);
  (ky_clamp)(t, in, -1, 2);
  (ky_sum)(t, in, KY_AXES(0, 1), 1);
  (ky_argmax)(t, in, 1, 1);
  (ky_permute)(t, in, KY_AXES(1, 0));
  (ky_slice)(t, in, -1, INT64_MAX, INT64_MIN, -1);
  (ky_concat)(t, 3, (ky_var[]){in, in, in}, 0);
  (ky_reshape)(t, in, KY_SHAPE(-1));
  (ky_scalar)(t, KY_F64, 2);
  char *text = print(t, ky_tape_dump);
  assert_string_equal(text, "%1   input       #0                f32  [2,3]\n"
                            "%2   add_scalar  %1 0.5            f32  [2,3]\n"
                            "%3   clamp       %1 -1 2           f32  [2,3]\n"
                            "%4   sum         %1 axes=0,1 keep  f32  [1,1]\n"
                            "%5   argmax      %1 axis=1 keep    i64  [2,1]\n"
                            "%6   permute     %1 axes=1,0       f32  [3,2]\n"
                            "%7   slice       %1 axis=1 ::-1    f32  [2,3]\n"
                            "%8   concat      %1 %1 %1 axis=0   f32  [6,3]\n"
                            "%9   reshape     %1                f32  [6]\n"
                            "%10  full        2                 f64  []\n");
  free(text);
  ky_tape_free(t);
}

static void graph_names_values_and_edges(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  ky_var in = ky_input(t, KY_F32, KY_SHAPE(2, 3), x);
  assert_int_equal(ky_watch(t, in), KY_OK);
  ky_mul(t, in, in);
  char *text = print(t, ky_tape_dot);
  assert_string_equal(text, "digraph tape {\n"
                            "  rankdir=TB;\n"
                            "  node [fontname=\"monospace\", shape=ellipse];\n"
                            "  v1 [label=\"%1 input\\nf32 [2,3]\", shape=box, style=bold];\n"
                            "  v2 [label=\"%2 mul\\nf32 [2,3]\", style=bold];\n"
                            "  v1 -> v2;\n"
                            "  v1 -> v2;\n"
                            "}\n");
  free(text);
  ky_tape_free(t);
}

static void long_argument_lists_are_cut_not_overrun(void **state) {
  (void)state;
  ky_tape *t = ky_tape_new(NULL);
  ky_var in = ky_input(t, KY_F32, KY_SHAPE(2, 3), x), many[500];
  for (int k = 0; k < 500; k++) many[k] = in;
  ky_concat(t, 500, many, 0);
  char *text = print(t, ky_tape_dump);
  assert_non_null(strstr(text, "[1000,3]"));
  free(text);
  ky_tape_free(t);
}

static void null_is_refused(void **state) {
  (void)state;
  assert_int_equal(ky_tape_dump(NULL, stdout), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tape_dot(NULL, stdout), KY_BAD_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(columns_are_aligned),
      cmocka_unit_test(every_attribute_is_shown),
      cmocka_unit_test(graph_names_values_and_edges),
      cmocka_unit_test(long_argument_lists_are_cut_not_overrun),
      cmocka_unit_test(null_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
