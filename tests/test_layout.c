/* SPDX-License-Identifier: MIT */
/* Shapes, strides, broadcasting, interning, and the nested loops planned from them. */
#include <string.h>

#include "base/memory.h"
#include "close.h"
#include "tensor/layout.h"

static ky_layout dense(int rank, const int64_t *dims) {
  ky_layout l;
  ky_fault fault = {0};
  assert_int_equal(ky__layout_dense(rank, dims, &l, &fault), KY_OK);
  return l;
}

static void dense_strides_are_row_major(void **state) {
  (void)state;
  const ky_layout l = dense(KY_SHAPE(2, 3, 4));
  assert_int_equal(l.count, 24);
  assert_int_equal(l.strides[0], 12);
  assert_int_equal(l.strides[1], 4);
  assert_int_equal(l.strides[2], 1);
  assert_int_equal(dense(KY_SCALAR).count, 1);
  assert_int_equal(dense(KY_SHAPE(3, 0)).count, 0);
}

static void bad_dims_are_refused_with_the_reason(void **state) {
  (void)state;
  ky_layout l;
  ky_fault fault = {0};
  assert_int_equal(ky__layout_dense(KY_SHAPE(3, -2), &l, &fault), KY_BAD_SHAPE);
  assert_string_equal(fault.text, "extent -2 of axis 1 is negative");
  fault.status = KY_OK;
  assert_int_equal(ky__layout_dense(9, NULL, &l, &fault), KY_BAD_SHAPE);
  fault.status = KY_OK;
  assert_int_equal(ky__layout_dense(2, NULL, &l, &fault), KY_BAD_ARGUMENT);
  fault.status = KY_OK;
  const int64_t big = INT64_C(1) << 31;
  assert_int_equal(ky__layout_dense(KY_SHAPE(0, big, big), &l, &fault), KY_BAD_SHAPE);
  assert_non_null(strstr(fault.text, "overflows at axis 2"));
}

static void broadcasting_follows_numpy(void **state) {
  (void)state;
  const ky_layout a = dense(KY_SHAPE(5, 1, 4)), b = dense(KY_SHAPE(3, 1)),
                  c = dense(KY_SHAPE(2));
  ky_layout out;
  ky_fault fault = {0};
  assert_int_equal(ky__broadcast(&a, &b, &out, &fault), KY_OK);
  const ky_layout want = dense(KY_SHAPE(5, 3, 4));
  assert_true(ky__same_dims(&out, &want));
  assert_int_equal(ky__broadcast(&a, &c, &out, &fault), KY_BAD_SHAPE);
  assert_string_equal(fault.text, "extents 4 and 2 do not broadcast");
  int64_t strides[KY_MAX_RANK];
  ky__broadcast_strides(&b, &want, strides);
  assert_int_equal(strides[0], 0);
  assert_int_equal(strides[1], 1);
  assert_int_equal(strides[2], 0);
}

static void empty_extents_broadcast(void **state) {
  (void)state;
  const ky_layout a = dense(KY_SHAPE(0, 3)), b = dense(KY_SHAPE(1, 3)),
                  c = dense(KY_SHAPE(2, 3));
  ky_layout out;
  ky_fault fault = {0};
  assert_int_equal(ky__broadcast(&a, &b, &out, &fault), KY_OK);
  assert_int_equal(out.dims[0], 0);
  assert_int_equal(ky__broadcast(&a, &c, &out, &fault), KY_BAD_SHAPE);
}

static void equal_layouts_have_equal_numbers(void **state) {
  (void)state;
  const ky_allocator allocator = ky__allocator(NULL);
  ky_layouts l;
  assert_int_equal(ky__layouts_init(&l, &allocator), KY_OK);
  const ky_layout point = dense(KY_SCALAR);
  uint32_t number, again;
  assert_int_equal(ky__layouts_intern(&l, &point, &number), KY_OK);
  assert_int_equal(number, 0);
  for (int64_t k = 1; k < 300; k++) { /* through several rehashes */
    const ky_layout x = dense(KY_SHAPE(k, 3));
    assert_int_equal(ky__layouts_intern(&l, &x, &number), KY_OK);
    assert_int_equal(number, k);
  }
  ky_layout x = dense(KY_SHAPE(17, 3));
  assert_int_equal(ky__layouts_intern(&l, &x, &again), KY_OK);
  assert_int_equal(again, 17);
  x.strides[0] = 6;
  assert_int_equal(ky__layouts_intern(&l, &x, &again), KY_OK);
  assert_int_equal(again, 300);
  ky__layouts_free(&l);
}

static void unstepped_axes_have_one_spelling(void **state) {
  (void)state;
  ky_layout l = dense(KY_SHAPE(1, 3));
  l.strides[0] = 77;
  ky__layout_settle(&l);
  assert_true(l.dense);
  l.strides[1] = -1;
  ky__layout_settle(&l);
  assert_false(l.dense);
}

/* Adds up the offsets that a loop visits. */
static int64_t visit(const ky_loop *loop, int array, int64_t *runs) {
  if (ky__loop_empty(loop)) return 0;
  ky_walk w = {0};
  int64_t total = 0;
  const int last = loop->rank - 1;
  *runs = 0;
  do {
    for (int64_t k = 0; k < loop->dims[last]; k++)
      total += w.offset[array] + k * loop->strides[array][last];
    ++*runs;
  } while (ky__loop_next(loop, &w));
  return total;
}

static void loops_merge_axes_where_strides_allow(void **state) {
  (void)state;
  const ky_layout space = dense(KY_SHAPE(4, 5, 6));
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK] = {{30, 6, 1}, {30, 6, 1}};
  ky_loop loop;
  ky__loop_plan(&loop, &space, 2, strides);
  assert_int_equal(loop.rank, 1);
  assert_int_equal(loop.dims[0], 120);
  strides[1][0] = 0; /* broadcast along the first axis */
  ky__loop_plan(&loop, &space, 2, strides);
  assert_int_equal(loop.rank, 2);
  assert_int_equal(loop.dims[1], 30);
  int64_t runs;
  assert_int_equal(visit(&loop, 0, &runs), 120 * 119 / 2);
  assert_int_equal(runs, 4);
  assert_int_equal(visit(&loop, 1, &runs), 4 * 30 * 29 / 2);
}

static void loops_walk_negative_strides_and_points(void **state) {
  (void)state;
  const ky_layout space = dense(KY_SHAPE(3, 2)), point = dense(KY_SCALAR);
  int64_t strides[KY_LOOP_ARRAYS][KY_MAX_RANK] = {{2, 1}, {-2, 1}};
  ky_loop loop;
  int64_t runs;
  ky__loop_plan(&loop, &space, 2, strides);
  assert_int_equal(visit(&loop, 1, &runs), -9);
  ky__loop_plan(&loop, &point, 2, strides);
  assert_int_equal(loop.rank, 1);
  assert_int_equal(loop.dims[0], 1);
}

static void dtypes_have_sizes_and_names(void **state) {
  (void)state;
  assert_int_equal(ky_dtype_size(KY_F32), 4);
  assert_int_equal(ky_dtype_size(KY_MASK), 1);
  assert_int_equal(ky_dtype_size((ky_dtype)12), 0);
  assert_string_equal(ky_dtype_name(KY_I64), "i64");
  assert_string_equal(ky_dtype_name((ky_dtype)12), "?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dense_strides_are_row_major),
      cmocka_unit_test(bad_dims_are_refused_with_the_reason),
      cmocka_unit_test(broadcasting_follows_numpy),
      cmocka_unit_test(empty_extents_broadcast),
      cmocka_unit_test(equal_layouts_have_equal_numbers),
      cmocka_unit_test(unstepped_axes_have_one_spelling),
      cmocka_unit_test(loops_merge_axes_where_strides_allow),
      cmocka_unit_test(loops_walk_negative_strides_and_points),
      cmocka_unit_test(dtypes_have_sizes_and_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
