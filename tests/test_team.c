/* SPDX-License-Identifier: MIT */
/* Teams of threads: every piece runs once, jobs follow each other, sleepers wake up. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/memory.h"
#include "base/team.h"
#include "close.h"
#include "fault_allocator.h"

enum { COUNT = 2300 };

/* How many threads can still be started; negative: as many as wanted. */
static int startable = -1;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument) {
  if (startable == 0) return EAGAIN;
  if (startable > 0) startable--;
  return __real_pthread_create(thread, attributes, run, argument);
}

static void visit(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  atomic_int *seen = context;
  for (size_t k = begin; k < end; k++) atomic_fetch_add(&seen[k], 1);
}

static void run_and_check(ky_team *team, size_t count, size_t grain) {
  static atomic_int seen[COUNT];
  for (size_t k = 0; k < COUNT; k++) atomic_init(&seen[k], 0);
  ky__team_run(team, count, grain, visit, seen);
  for (size_t k = 0; k < COUNT; k++) assert_int_equal(atomic_load(&seen[k]), k < count);
}

static ky_team *team_of(uint32_t threads) {
  const ky_allocator a = ky__allocator(NULL);
  ky_team *team = NULL;
  assert_int_equal(ky__team_new(&a, threads, &team), KY_OK);
  assert_int_equal(ky__team_size(team), threads);
  return team;
}

static void every_element_is_met_once_whatever_the_team(void **state) {
  (void)state;
  static const uint32_t threads[] = {1, 2, 3, 4, 7};
  for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
    ky_team *team = team_of(threads[k]);
    for (size_t count = 0; count < COUNT; count += 37)
      for (size_t grain = 1; grain < 1000; grain *= 7) run_and_check(team, count, grain);
    ky__team_free(team);
  }
}

typedef struct cuts {
  size_t grain, count;
  atomic_int pieces, crooked;
} cuts;

static void note_cut(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  cuts *c = context;
  atomic_fetch_add(&c->pieces, 1);
  if (begin % c->grain || (end % c->grain && end != c->count) || begin >= end)
    atomic_fetch_add(&c->crooked, 1);
}

static void pieces_are_whole_grains_and_never_more_than_threads(void **state) {
  (void)state;
  ky_team *team = team_of(4);
  for (size_t count = 1; count < 200; count += 3) {
    cuts c = {.grain = 16, .count = count};
    ky__team_run(team, count, c.grain, note_cut, &c);
    const size_t grains = (count + 15) / 16;
    assert_int_equal(atomic_load(&c.pieces), grains < 4 ? grains : 4);
    assert_int_equal(atomic_load(&c.crooked), 0);
  }
  ky__team_free(team);
}

static void note_place(void *context, uint32_t piece, size_t begin, size_t end) {
  size_t(*at)[2] = context;
  at[piece][0] = begin;
  at[piece][1] = end;
}

/* Rows without an element can be as many as a shape has. */
static void huge_counts_are_cut_like_others(void **state) {
  (void)state;
  const size_t count = (size_t)1 << 59;
  size_t at[64][2];
  ky_team *team = team_of(64);
  ky__team_run(team, count, 1, note_place, at);
  for (size_t k = 0; k < 64; k++) {
    assert_int_equal(at[k][0], count / 64 * k);
    assert_int_equal(at[k][1], count / 64 * (k + 1));
  }
  ky__team_free(team);
}

static void sleeping_workers_wake_up(void **state) {
  (void)state;
  ky_team *team = team_of(3);
  for (int job = 0; job < 5; job++) {
    const struct timespec pause = {0, 3000000};
    nanosleep(&pause, NULL);
    run_and_check(team, COUNT, 1);
  }
  ky__team_free(team);
}

/* Longer than the caller looks before it sleeps. */
static void dawdle(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const struct timespec pause = {0, begin == 0 ? 0 : 5000000};
  nanosleep(&pause, NULL);
  atomic_fetch_add((atomic_int *)context, (int)(end - begin));
}

static void a_caller_that_sleeps_is_woken(void **state) {
  (void)state;
  ky_team *team = team_of(2);
  for (int job = 0; job < 5; job++) {
    atomic_int done = 0;
    ky__team_run(team, 2, 1, dawdle, &done);
    assert_int_equal(atomic_load(&done), 2);
  }
  ky__team_free(team);
}

static void absurd_sizes_and_failing_memory_are_statuses(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator a = fault_allocator(&fa);
  ky_team *team;
  assert_int_equal(ky__team_new(&a, 0, &team), KY_BAD_ARGUMENT);
  assert_int_equal(ky__team_new(&a, KY_MAX_THREADS + 1, &team), KY_BAD_ARGUMENT);
  for (size_t n = 1; n <= 2; n++) {
    fault_allocator_fail_once(&fa, n);
    assert_int_equal(ky__team_new(&a, 2, &team), KY_NO_MEMORY);
    assert_null(team);
  }
  assert_int_equal(fa.live_blocks, 0);
  ky__team_free(NULL);
  fault_allocator_free(&fa);
}

static void a_worker_that_cannot_start_is_a_status(void **state) {
  (void)state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator a = fault_allocator(&fa);
  for (startable = 0; startable < 3;) {
    const int before = startable;
    ky_team *team;
    assert_int_equal(ky__team_new(&a, 4, &team), KY_NO_THREAD);
    assert_null(team);
    startable = before + 1;
  }
  startable = -1;
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_element_is_met_once_whatever_the_team),
      cmocka_unit_test(pieces_are_whole_grains_and_never_more_than_threads),
      cmocka_unit_test(huge_counts_are_cut_like_others),
      cmocka_unit_test(sleeping_workers_wake_up),
      cmocka_unit_test(a_caller_that_sleeps_is_woken),
      cmocka_unit_test(a_worker_that_cannot_start_is_a_status),
      cmocka_unit_test(absurd_sizes_and_failing_memory_are_statuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
