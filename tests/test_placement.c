/* SPDX-License-Identifier: MIT */
/* Places in one block of memory: that nothing overlaps what lives when it does, and that little
 * is lost between them. */
#include <stdlib.h>

#include "base/memory.h"
#include "close.h"
#include "tape/placement.h"

enum { UNIT = 64, END = 2000, MANY = 3000 };

typedef struct scene {
  ky_tenant t[MANY];
  size_t at[MANY], count, arena;
} scene;

static int setup(void **state) {
  *state = calloc(1, sizeof(scene));
  assert_non_null(*state);
  return 0;
}

static int teardown(void **state) {
  free(*state);
  return 0;
}

static void add(scene *s, size_t units, uint64_t birth, uint64_t death) {
  s->t[s->count] = (ky_tenant){.birth = birth,
                               .death = death,
                               .until = death,
                               .bytes = units * UNIT,
                               .place = &s->at[s->count]};
  s->count++;
}

static ky_status place(scene *s) {
  ky_program p = {.allocator = ky__allocator(NULL)};
  ky_fault fault = {0};
  ky_pass pass = {.program = &p, .fault = &fault};
  return ky__place(&pass, s->t, s->count, END, &s->arena);
}

static void assert_apart(const scene *s) {
  for (size_t k = 0; k < s->count; k++) {
    const ky_tenant *x = &s->t[k];
    assert_true(s->at[k] % UNIT == 0 && s->at[k] + x->bytes <= s->arena);
    for (size_t n = 0; n < k; n++) {
      const ky_tenant *y = &s->t[n];
      if (x->until < y->birth || y->until < x->birth) continue;
      assert_true(s->at[k] >= s->at[n] + y->bytes || s->at[n] >= s->at[k] + x->bytes);
    }
  }
}

/* Whoever goes by time puts the second behind the first, and finds no room for the third. */
static void add_trap(scene *s, size_t units) {
  add(s, 3 * units, 0, 1);
  add(s, 3 * units, 0, 4);
  add(s, 4 * units, 2, 4);
}

static void what_comes_later_finds_a_gap_of_its_size(void **state) {
  scene *s = *state;
  add_trap(s, 1);
  assert_int_equal(place(s), KY_OK);
  assert_apart(s);
  assert_int_equal(s->arena, 7 * UNIT);
}

/* Too many to be placed by their sizes: but the large ones are. */
static void many_small_ones_lie_above_the_large(void **state) {
  scene *s = *state;
  add_trap(s, 1000);
  while (s->count < MANY) add(s, 1 + s->count % 2, s->count % END, s->count % END);
  assert_int_equal(place(s), KY_OK);
  assert_apart(s);
  assert_true(s->arena >= 7000 * UNIT && s->arena <= 7006 * UNIT);
}

static void equal_ones_take_what_lives_at_once(void **state) {
  scene *s = *state;
  while (s->count < MANY) add(s, 5, s->count % END, s->count % END + 3);
  for (size_t k = 0; k < s->count; k++)
    if (s->t[k].until > END) s->t[k].until = s->t[k].death = END;
  assert_int_equal(place(s), KY_OK);
  assert_apart(s);
  assert_int_equal(s->arena, 2 * 4 * 5 * UNIT);
}

static void a_place_that_is_handed_on_is_taken_until_the_last_one_dies(void **state) {
  scene *s = *state;
  add(s, 2, 0, 5);
  add(s, 2, 5, 9);
  add(s, 1, 7, 8);
  s->t[0].until = 9;
  s->t[1].over = 1;
  assert_int_equal(place(s), KY_OK);
  assert_int_equal(s->at[1], s->at[0]);
  assert_int_equal(s->arena, 3 * UNIT);
}

static void random_lives_never_share_a_place(void **state) {
  scene *s = *state;
  uint64_t random = 12345;
  for (size_t count = 1; count < MANY; count = count * 3 + 1) {
    for (s->count = 0; s->count < count;) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const uint64_t birth = (random >> 33) % (END - 300), units = 1 + (random >> 50) % 60;
      add(s, units * units, birth, birth + (random >> 20) % 300);
    }
    assert_int_equal(place(s), KY_OK);
    assert_apart(s);
  }
}

static void more_than_an_address_space_is_refused(void **state) {
  scene *s = *state;
  for (int k = 0; k < 9; k++) add(s, KY_MOST_BYTES / UNIT, 0, 1);
  assert_int_equal(place(s), KY_NO_MEMORY);
}

/* One after the other, of many sizes: they would need more side by side. */
static void huge_ones_that_follow_each_other_fit(void **state) {
  scene *s = *state;
  for (uint64_t k = 0; k < 300; k++) add(s, KY_MOST_BYTES / UNIT - 9 - (size_t)k, k, k);
  add(s, 1, 0, END);
  add(s, 1, 0, 0);
  assert_int_equal(place(s), KY_OK);
  assert_apart(s);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(what_comes_later_finds_a_gap_of_its_size),
      SCENE(many_small_ones_lie_above_the_large),
      SCENE(equal_ones_take_what_lives_at_once),
      SCENE(a_place_that_is_handed_on_is_taken_until_the_last_one_dies),
      SCENE(random_lives_never_share_a_place),
      SCENE(more_than_an_address_space_is_refused),
      SCENE(huge_ones_that_follow_each_other_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
