/* SPDX-License-Identifier: MIT */
/* Einsum beyond its golden values: what it records, and what it refuses. */
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "tape/tape.h"

static int make_tape(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int free_tape(void **state) {
  ky_tape_free(*state);
  return 0;
}

static int count_of(const ky_tape *t, ky_op op) {
  int count = 0;
  for (ky_id id = 1; id < t->code.count; id++) count += t->code.ins[id].op == op;
  return count;
}

static ky_var ones(ky_tape *t, int rank, const int64_t *dims) {
  return ky_full(t, KY_F64, rank, dims, 1);
}

/* Attention's two products: nothing but views around the products. */
static void products_of_matrices_are_matmuls(void **state) {
  ky_tape *t = *state;
  const ky_var q = ones(t, KY_SHAPE(2, 3, 4, 5)), k = ones(t, KY_SHAPE(2, 3, 6, 5));
  const ky_var s = ky_einsum(t, "bhqd,bhkd->bhqk", 2, (ky_var[]){q, k});
  const ky_var r = ky_einsum(t, "bhqk,bhkd->bqhd", 2, (ky_var[]){s, k});
  ky_array shape;
  assert_int_equal(ky_shape(t, r, &shape), KY_OK);
  assert_int_equal(shape.rank, 4);
  assert_int_equal(shape.dims[1], 4);
  assert_int_equal(shape.dims[2], 3);
  assert_int_equal(count_of(t, KY_OP_matmul), 2);
  assert_int_equal(count_of(t, KY_OP_mul) + count_of(t, KY_OP_sum) + count_of(t, KY_OP_reshape),
                   0);
  for (ky_id id = 1; id < t->code.count; id++)
    if (t->code.ins[id].op == KY_OP_permute) assert_true(t->code.ins[id].flags & KY_VIEW);
}

static void nothing_to_do_records_nothing(void **state) {
  ky_tape *t = *state;
  const ky_var x = ones(t, KY_SHAPE(2, 3));
  const uint32_t length = ky_tape_length(t);
  const ky_var same = ky_einsum(t, "ij->ij", 1, &x);
  assert_int_equal(same.id, x.id);
  assert_int_equal(ky_tape_length(t), length);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void refuse(ky_tape *t, const char *equation, size_t count, const ky_var *vars,
                   ky_status status, const char *says) {
  const uint32_t length = ky_tape_length(t);
  const ky_var r = ky_einsum(t, equation, count, vars);
  const ky_status got = ky_tape_check(t);
  const char *message = ky_tape_message(t);
  if (r.id || got != status || !strstr(message, says) || !strstr(message, "einsum: "))
    fail_msg("\"%s\": \"%s\" lacks \"%s\"", equation ? equation : "null", message, says);
  assert_non_null(strstr(message, "test_einsum.c:"));
  assert_int_equal(ky_tape_length(t), length);
}

static void equations_that_are_none_are_refused(void **state) {
  ky_tape *t = *state;
  const ky_var x[2] = {ones(t, KY_SHAPE(2, 3)), ones(t, KY_SHAPE(3, 4))};
  static const struct {
    const char *equation;
    int count;
    const char *says;
  } bad[] = {
      {"i1->i", 1, "'1' at 1 is no label"},
      {"ij>", 1, "'>' at 2 is no label"},
      {"ij-", 1, "no '>' behind the '-' at 2"},
      {"ij->i->j", 1, "the output ends at 5"},
      {"ij->i,j", 1, "the output ends at 5"},
      {"ij->ii", 1, "'i' is twice in the output"},
      {"ij->k", 1, "the output's 'k' is in no operand"},
      {"ij,jk->ik", 1, "1 operands for an equation of more"},
      {"ij->ij", 2, "2 operands for an equation of fewer"},
      {"i..->i", 1, "not three dots at 1"},
      {".ij->i", 1, "not three dots at 0"},
      {"...i...->i", 1, "a second ellipsis at 4"},
      {"i\xC3\xA9->i", 1, "is no label"},
  };
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    refuse(t, bad[k].equation, (size_t)bad[k].count, x, KY_BAD_ARGUMENT, bad[k].says);
  refuse(t, NULL, 1, x, KY_BAD_ARGUMENT, "the equation is null");
  refuse(t, "ij", 0, x, KY_BAD_ARGUMENT, "0 operands, wants 1 or more");
  refuse(t, "ij", 1, NULL, KY_BAD_ARGUMENT, "1 operands, but their array is null");
  assert_int_equal(ky_einsum(NULL, "ij", 1, x).id, 0);
}

static void operands_that_do_not_fit_are_refused(void **state) {
  ky_tape *t = *state;
  const ky_var a = ones(t, KY_SHAPE(2, 3)), b = ones(t, KY_SHAPE(3, 4));
  const ky_var f = ky_full(t, KY_F32, KY_SHAPE(3, 4), 1),
               m = ky_full(t, KY_MASK, KY_SHAPE(2), 1);
  refuse(t, "ij,kj->ik", 2, (ky_var[]){a, b}, KY_BAD_SHAPE, "'j' is 3 before, 4 in operand 1");
  refuse(t, "ii->i", 1, &a, KY_BAD_SHAPE, "'i' is 2 before, 3 in operand 0");
  refuse(t, "ijk->i", 1, &a, KY_BAD_SHAPE, "operand 0 has rank 2, the equation wants 3");
  refuse(t, "ij...k->i", 1, &a, KY_BAD_SHAPE, "wants at least 3");
  refuse(t, "...,...", 2, (ky_var[]){a, b}, KY_BAD_SHAPE, "'.' is 2 before, 3 in operand 1");
  refuse(t, "ij,jk", 2, (ky_var[]){a, f}, KY_BAD_DTYPE, "dtypes f64 and f32 differ");
  refuse(t, "i", 1, &m, KY_BAD_DTYPE, "wants f32 or f64, got mask: see ky_cast");
  refuse(t, "ij,jk", 2, (ky_var[]){a, ky_none()}, KY_BAD_VAR, "null");
}

/* Found on the way: what was recorded by then goes. */
static void too_many_axes_are_refused(void **state) {
  ky_tape *t = *state;
  const ky_var x = ones(t, KY_SHAPE(1, 1, 1, 1, 1));
  refuse(t, "abcde,fghij->abcdefghij", 2, (ky_var[]){x, x}, KY_BAD_SHAPE,
         "the output has more than 8 axes");
  refuse(t, "aabcd,fghij,aabcd,fghij->", 4, (ky_var[]){x, x, x, x}, KY_BAD_SHAPE,
         "on the way has more than 8 axes");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tape, free_tape)
  const struct CMUnitTest tests[] = {
      TEST(products_of_matrices_are_matmuls),    TEST(nothing_to_do_records_nothing),
      TEST(equations_that_are_none_are_refused), TEST(operands_that_do_not_fit_are_refused),
      TEST(too_many_axes_are_refused),
  };
  return cmocka_run_group_tests_name("einsum", tests, NULL, NULL);
}
