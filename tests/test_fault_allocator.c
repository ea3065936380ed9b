/* SPDX-License-Identifier: MIT */
/* The tests' own allocator: what other tests conclude from it depends on it. */
#include <string.h>

#include "close.h"
#include "fault_allocator.h"

static void *resize(ky_fault_allocator *fa, void *ptr, size_t old_bytes, size_t new_bytes) {
  const ky_allocator a = fault_allocator(fa);
  return a.resize(a.user, ptr, old_bytes, new_bytes);
}

static int set_up(void **state) {
  static ky_fault_allocator fa;
  fault_allocator_init(&fa);
  *state = &fa;
  return 0;
}

static int tear_down(void **state) {
  fault_allocator_free(*state);
  return 0;
}

static void allocator_counts_and_keeps_bytes_when_resized(void **state) {
  ky_fault_allocator *fa = *state;
  char *block = resize(fa, NULL, 0, 5);
  memcpy(block, "tape", 5);
  block = resize(fa, block, 5, 500);
  assert_string_equal(block, "tape");
  assert_int_equal(fa->live_bytes, 500);
  assert_int_equal(fa->live_blocks, 1);
  assert_null(resize(fa, block, 500, 0));
  assert_int_equal(fa->requests, 2);
  assert_int_equal(fa->releases, 1);
  assert_int_equal(fa->live_bytes, 0);
  assert_int_equal(fa->live_blocks, 0);
  assert_null(fault_allocator_complaint(fa));
}

static void allocator_fails_once_when_told(void **state) {
  ky_fault_allocator *fa = *state;
  fault_allocator_fail_once(fa, 2);
  void *block = resize(fa, NULL, 0, 8);
  assert_non_null(block);
  assert_null(resize(fa, block, 8, 16)); /* and the block is as it was */
  assert_int_equal(fa->live_bytes, 8);
  assert_non_null(resize(fa, block, 8, 16));
  assert_int_equal(fa->failures, 1);
}

static void allocator_fails_from_there_on_until_it_relents(void **state) {
  ky_fault_allocator *fa = *state;
  fault_allocator_fail_from(fa, 2);
  void *block = resize(fa, NULL, 0, 8);
  assert_null(resize(fa, NULL, 0, 8));
  assert_null(resize(fa, NULL, 0, 8));
  assert_null(resize(fa, block, 8, 0)); /* freeing works */
  assert_int_equal(fa->live_blocks, 0);
  fault_allocator_relent(fa);
  assert_non_null(resize(fa, NULL, 0, 8));
  assert_int_equal(fa->failures, 2);
}

static void allocator_complains_about_a_wrong_size(void **state) {
  ky_fault_allocator *fa = *state;
  void *block = resize(fa, NULL, 0, 8);
  resize(fa, block, 7, 0);
  assert_non_null(strstr(fault_allocator_complaint(fa), "8 bytes was said to have 7"));
}

static void allocator_complains_about_a_wild_pointer(void **state) {
  ky_fault_allocator *fa = *state;
  int wild = 0;
  assert_null(resize(fa, &wild, sizeof wild, 16));
  assert_non_null(strstr(fault_allocator_complaint(fa), "not a live block"));
}

static void allocator_complains_about_red_zones_of_live_blocks(void **state) {
  ky_fault_allocator *fa = *state;
  char *block = resize(fa, NULL, 0, 8);
  block[8] = 0;
  assert_non_null(strstr(fault_allocator_complaint(fa), "behind a block of 8 bytes"));
}

static void allocator_complains_about_red_zones_of_freed_blocks(void **state) {
  ky_fault_allocator *fa = *state;
  char *block = resize(fa, NULL, 0, 8);
  block[-1] = 0;
  resize(fa, block, 8, 0);
  assert_non_null(strstr(fault_allocator_complaint(fa), "before a block of 8 bytes"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(allocator_counts_and_keeps_bytes_when_resized),
      TEST(allocator_fails_once_when_told),
      TEST(allocator_fails_from_there_on_until_it_relents),
      TEST(allocator_complains_about_a_wrong_size),
      TEST(allocator_complains_about_a_wild_pointer),
      TEST(allocator_complains_about_red_zones_of_live_blocks),
      TEST(allocator_complains_about_red_zones_of_freed_blocks),
  };
#undef TEST
  return cmocka_run_group_tests_name("fault_allocator", tests, NULL, NULL);
}
