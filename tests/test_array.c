/* SPDX-License-Identifier: MIT */
/* Array views: elements by index, and how they are printed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape.h"

/* A view of ascending numbers, whatever they are needed as. */
static float numbers[2 * 3 * 4 * 500];

static ky_array view(int rank, const int64_t *dims) {
  ky_array a = {.data = numbers, .dtype = KY_F32, .rank = rank, .count = 1};
  for (int k = rank - 1; k >= 0; k--) {
    a.dims[k] = dims[k];
    a.strides[k] = a.count;
    a.count *= dims[k];
  }
  return a;
}

static int number(void **state) {
  (void)state;
  for (int k = 0; k < (int)(sizeof numbers / sizeof *numbers); k++) numbers[k] = (float)k;
  return 0;
}

static void assert_prints(const ky_array *a, const char *text) {
  char *printed = NULL;
  size_t count;
  FILE *out = tmpfile();
  assert_non_null(out);
  assert_int_equal(ky_array_print(a, out), KY_OK);
  count = (size_t)ftell(out);
  rewind(out);
  printed = calloc(1, count + 1);
  assert_non_null(printed);
  assert_int_equal(fread(printed, 1, count, out), count);
  fclose(out);
  assert_string_equal(printed, text);
  free(printed);
}

static void axes_are_brackets(void **state) {
  (void)state;
  ky_array a = view(KY_SCALAR);
  assert_prints(&a, "0\n");
  a = view(KY_SHAPE(3));
  assert_prints(&a, "[0, 1, 2]\n");
  a = view(KY_SHAPE(2, 2, 1));
  assert_prints(&a, "[[[0],\n  [1]],\n [[2],\n  [3]]]\n");
  a = view(KY_SHAPE(2, 0));
  assert_prints(&a, "[]\n");
}

static void strides_are_followed(void **state) {
  (void)state;
  ky_array a = view(KY_SHAPE(2, 3));
  a.strides[0] = 1;
  a.strides[1] = 2;
  assert_prints(&a, "[[0, 2, 4],\n [1, 3, 5]]\n");
  a.data = numbers + 5;
  a.strides[0] = -3;
  a.strides[1] = 0;
  assert_prints(&a, "[[5, 5, 5],\n [2, 2, 2]]\n");
}

static void middle_of_long_axes_is_left_out(void **state) {
  (void)state;
  ky_array a = view(KY_SHAPE(1001));
  assert_prints(&a, "[0, 1, 2, ..., 998, 999, 1000]\n");
  a = view(KY_SHAPE(8, 2, 500));
  assert_prints(&a, "[[[0, 1, 2, ..., 497, 498, 499],\n"
                    "  [500, 501, 502, ..., 997, 998, 999]],\n"
                    " [[1000, 1001, 1002, ..., 1497, 1498, 1499],\n"
                    "  [1500, 1501, 1502, ..., 1997, 1998, 1999]],\n"
                    " [[2000, 2001, 2002, ..., 2497, 2498, 2499],\n"
                    "  [2500, 2501, 2502, ..., 2997, 2998, 2999]],\n"
                    " ...,\n"
                    " [[5000, 5001, 5002, ..., 5497, 5498, 5499],\n"
                    "  [5500, 5501, 5502, ..., 5997, 5998, 5999]],\n"
                    " [[6000, 6001, 6002, ..., 6497, 6498, 6499],\n"
                    "  [6500, 6501, 6502, ..., 6997, 6998, 6999]],\n"
                    " [[7000, 7001, 7002, ..., 7497, 7498, 7499],\n"
                    "  [7500, 7501, 7502, ..., 7997, 7998, 7999]]]\n");
}

static void every_type_is_printed(void **state) {
  (void)state;
  static const int64_t i64[2] = {-1, 1234567};
  static const int32_t i32[2] = {-1, 7};
  static const uint8_t mask[2] = {0, 1};
  static const double f64[2] = {1.0 / 3, INFINITY};
  static const uint16_t bf16[2] = {0x3fc0, 0xff80},
                        f16[2] = {0x3e00, 0xfe00}; /* NaN's sign is set */
  ky_array a = view(KY_SHAPE(2));
  a.data = i64, a.dtype = KY_I64;
  assert_prints(&a, "[-1, 1234567]\n");
  a.data = i32, a.dtype = KY_I32;
  assert_prints(&a, "[-1, 7]\n");
  a.data = mask, a.dtype = KY_MASK;
  assert_prints(&a, "[0, 1]\n");
  a.data = f64, a.dtype = KY_F64;
  assert_prints(&a, "[0.333333, inf]\n");
  a.data = bf16, a.dtype = KY_BF16;
  assert_prints(&a, "[1.5, -inf]\n");
  a.data = f16, a.dtype = KY_F16;
  assert_prints(&a, "[1.5, nan]\n");
}

static void items_are_elements_or_nan(void **state) {
  (void)state;
  ky_array a = view(KY_SHAPE(2, 3));
  assert_true(ky_array_item(&a, (const int64_t[]){1, 2}) == 5);
  assert_true(isnan(ky_array_item(&a, (const int64_t[]){1, 3})));
  assert_true(isnan(ky_array_item(&a, (const int64_t[]){-1, 0})));
  assert_true(isnan(ky_array_item(&a, NULL)));
  assert_true(isnan(ky_array_item(NULL, NULL)));
  a.dtype = (ky_dtype)99;
  assert_true(isnan(ky_array_item(&a, (const int64_t[]){0, 0})));
  a = view(KY_SCALAR);
  assert_true(ky_array_item(&a, NULL) == 0);
  assert_int_equal(ky_array_print(&a, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_array_print(NULL, stdout), KY_BAD_ARGUMENT);
  assert_int_equal(ky_array_print(&(ky_array){0}, stdout), KY_BAD_ARGUMENT);
  a.data = NULL;
  assert_int_equal(ky_array_print(&a, stdout), KY_BAD_ARGUMENT);
  assert_true(isnan(ky_array_item(&a, NULL)));
}

static void arrays_that_cannot_be_are_refused(void **state) {
  (void)state;
  const double x[2] = {1, 2};
  const int64_t index[KY_MAX_RANK] = {0};
  const ky_array good = {
      .data = x, .dtype = KY_F64, .rank = 1, .count = 2, .dims = {2}, .strides = {1}};
  ky_array bad[3] = {good, good, good};
  bad[0].rank = KY_MAX_RANK + 1;
  bad[1].rank = -1;
  bad[2].dims[0] = -5;
  assert_close(ky_array_item(&good, index), 1, 0);
  for (int k = 0; k < 3; k++) {
    assert_int_equal(ky_array_print(&bad[k], stdout), KY_BAD_ARGUMENT);
    assert_true(isnan(ky_array_item(&bad[k], index)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(axes_are_brackets),
      cmocka_unit_test(strides_are_followed),
      cmocka_unit_test(middle_of_long_axes_is_left_out),
      cmocka_unit_test(every_type_is_printed),
      cmocka_unit_test(items_are_elements_or_nan),
      cmocka_unit_test(arrays_that_cannot_be_are_refused),
  };
  return cmocka_run_group_tests(tests, number, NULL);
}
