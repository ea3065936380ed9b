/* SPDX-License-Identifier: MIT */
/* Allocator, growing arrays, arenas; faults and the text in them; tensors. */
#include <string.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/memory.h"
#include "close.h"
#include "fault_allocator.h"
#include "kytape/tensor.h"

static void arrays_at_least_double(void **state) {
  (void)state;
  const ky_allocator a = ky__allocator(NULL);
  int *array = NULL;
  uint32_t capacity = 0;
  assert_int_equal(ky__grow(&a, &array, &capacity, 1, sizeof *array), KY_OK);
  assert_int_equal(capacity, 16);
  array[15] = 7;
  assert_int_equal(ky__grow(&a, &array, &capacity, 17, sizeof *array), KY_OK);
  assert_int_equal(capacity, 32);
  assert_int_equal(array[15], 7);
  assert_int_equal(ky__grow(&a, &array, &capacity, 100, sizeof *array), KY_OK);
  assert_int_equal(capacity, 100);
  ky__resize(&a, array, capacity * sizeof *array, 0);
}

static void failing_growth_leaves_the_array(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator a = fault_allocator(&fa);
  int *array = NULL;
  uint32_t capacity = 0;
  assert_int_equal(ky__grow(&a, &array, &capacity, 1, sizeof *array), KY_OK);
  array[0] = 5;
  fault_allocator_fail_once(&fa, 1);
  assert_int_equal(ky__grow(&a, &array, &capacity, 17, sizeof *array), KY_NO_MEMORY);
  assert_int_equal(capacity, 16);
  assert_int_equal(array[0], 5);
  ky__resize(&a, array, capacity * sizeof *array, 0);
  fault_allocator_free(&fa);
}

static void arena_blocks_are_aligned_and_stay(void **state) {
  (void)state;
  const ky_allocator allocator = ky__allocator(NULL);
  ky_arena a;
  ky__arena_init(&a, &allocator);
  char *first = ky__arena_alloc(&a, 10);
  first[0] = 'x';
  for (size_t k = 0; k < 200; k++) {
    char *p = ky__arena_alloc(&a, 1000 * k);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % KY_ALIGN, 0);
    memset(p, (int)k, 1000 * k);
  }
  assert_int_equal(first[0], 'x');
  ky__arena_free(&a);
}

static void arena_gives_the_same_places_after_a_reset(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  ky_arena a;
  ky__arena_init(&a, &allocator);
  ky__arena_alloc(&a, 100);
  const ky_place mark = ky__arena_mark(&a);
  void *seen[50];
  for (size_t k = 0; k < 50; k++) seen[k] = ky__arena_alloc(&a, 3000);
  const size_t requests = fa.requests;
  ky__arena_reset(&a, mark);
  for (size_t k = 0; k < 50; k++) assert_ptr_equal(ky__arena_alloc(&a, 3000), seen[k]);
  assert_int_equal(fa.requests, requests);
  assert_int_equal(ky__arena_bytes(&a) <= fa.live_bytes, 1);
  ky__arena_free(&a);
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
}

static void what_was_reserved_is_there_whatever_its_size(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  for (size_t bytes = (1 << 20) + 1; bytes < (1 << 20) + 200; bytes += 21) {
    ky_arena a;
    ky__arena_init(&a, &allocator);
    assert_int_equal(ky__arena_reserve(&a, bytes), KY_OK);
    assert_int_equal(ky__arena_bytes(&a), ky__arena_request(bytes));
    const size_t requests = fa.requests;
    assert_non_null(ky__arena_alloc(&a, bytes));
    assert_int_equal(fa.requests, requests);
    ky__arena_free(&a);
  }
  fault_allocator_free(&fa);
}

static void arena_says_when_memory_runs_out(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  ky_arena a;
  ky__arena_init(&a, &allocator);
  fault_allocator_fail_from(&fa, 1);
  assert_null(ky__arena_alloc(&a, 100));
  assert_int_equal(ky__arena_reserve(&a, 100), KY_NO_MEMORY);
  fault_allocator_relent(&fa);
  assert_null(ky__arena_alloc(&a, SIZE_MAX - 8));
  assert_int_equal(ky__arena_reserve(&a, 1 << 20), KY_OK);
  const size_t requests = fa.requests;
  assert_non_null(ky__arena_alloc(&a, 1 << 20));
  assert_int_equal(fa.requests, requests);
  ky__arena_free(&a);
  fault_allocator_free(&fa);
}

static void fault_keeps_the_first_failure(void **state) {
  (void)state;
  ky_fault fault = {0};
  assert_int_equal(ky__fail(&fault, KY_BAD_SHAPE, "extent %d", 3), KY_BAD_SHAPE);
  assert_int_equal(ky__fail(&fault, KY_BAD_AXIS, "axis %d", 4), KY_BAD_AXIS);
  assert_int_equal(fault.status, KY_BAD_SHAPE);
  assert_string_equal(fault.text, "extent 3");
}

static void text_is_cut_at_its_end(void **state) {
  (void)state;
  char buffer[8];
  ky_text text = {buffer, sizeof buffer, 0};
  ky__say(&text, "abc%d", 45678);
  ky__say(&text, "more");
  assert_string_equal(buffer, "abc4567");
}

static void every_status_has_a_sentence(void **state) {
  (void)state;
  assert_string_equal(ky_status_text(KY_OK), "ok");
#define X(name, text) assert_string_equal(ky_status_text(KY_##name), text);
  KY_STATUSES(X)
#undef X
  assert_string_equal(ky_status_text((ky_status)999), "unknown status");
  assert_string_equal(ky_version(), "0.1.0");
}

static void tensor_owns_or_wraps(void **state) {
  (void)state;
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2, 3), &w), KY_OK);
  assert_int_equal((uintptr_t)ky_tensor_data(w) % KY_ALIGN, 0);
  assert_int_equal(ky_tensor_version(w), 0);
  ((float *)ky_tensor_write(w))[5] = 3;
  assert_int_equal(ky_tensor_version(w), 1);
  assert_int_equal(ky_tensor_array(w).count, 6);
  assert_int_equal(ky_tensor_array(w).strides[0], 3);
  ky_tensor_free(w);
  double mine[2] = {1, 2};
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(2), mine, &w), KY_OK);
  assert_ptr_equal(ky_tensor_data(w), mine);
  ky_tensor_free(w);
  assert_close(mine[1], 2, 0);
}

static void tensor_refuses_nonsense(void **state) {
  (void)state;
  ky_tensor *w;
  double mine[2];
  assert_int_equal(ky_tensor_new(NULL, KY_I32, KY_SHAPE(2), &w), KY_BAD_DTYPE);
  assert_null(w);
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(-2), &w), KY_BAD_SHAPE);
  assert_int_equal(ky_tensor_new(NULL, KY_F32, 1, NULL, &w), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_wrap(NULL, KY_F32, KY_SHAPE(2), NULL, &w), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_wrap(NULL, KY_MASK, KY_SHAPE(2), mine, &w), KY_BAD_DTYPE);
  assert_null(ky_tensor_data(NULL));
  assert_null(ky_tensor_write(NULL));
  assert_int_equal(ky_tensor_version(NULL), 0);
  assert_int_equal(ky_tensor_array(NULL).count, 0);
  ky_tensor_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arrays_at_least_double),
      cmocka_unit_test(failing_growth_leaves_the_array),
      cmocka_unit_test(arena_blocks_are_aligned_and_stay),
      cmocka_unit_test(arena_gives_the_same_places_after_a_reset),
      cmocka_unit_test(what_was_reserved_is_there_whatever_its_size),
      cmocka_unit_test(arena_says_when_memory_runs_out),
      cmocka_unit_test(fault_keeps_the_first_failure),
      cmocka_unit_test(text_is_cut_at_its_end),
      cmocka_unit_test(every_status_has_a_sentence),
      cmocka_unit_test(tensor_owns_or_wraps),
      cmocka_unit_test(tensor_refuses_nonsense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
