/* SPDX-License-Identifier: MIT */
/* barrier: what it costs to wake a team of threads and to meet at the end of a job,
 * beside two waits at a pthread barrier. More threads than processors must not make it
 * collapse. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/team.h"
#include "contest.h"

#define MOST 4 /* threads */

/* ---- a team ------------------------------------------------------------------------------ */

typedef struct meeting {
  ky_team *team;
  atomic_uint present;
} meeting;

/* Each thread takes a piece and stays until all are there: else the caller would do all. */
static void stay(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece, (void)begin, (void)end;
  meeting *m = context;
  atomic_fetch_add(&m->present, 1);
  for (unsigned k = 0; atomic_load(&m->present) < ky__team_size(m->team); k++)
    if (k > 1000) sched_yield();
}

static void meet(void *state) {
  meeting *m = state;
  atomic_store(&m->present, 0);
  ky__team_run(m->team, ky__team_size(m->team), 1, stay, m);
}

/* ---- by hand ----------------------------------------------------------------------------- */

typedef struct pool {
  pthread_barrier_t start, end;
  pthread_t worker[MOST];
  unsigned workers;
  bool ending;
} pool;

static void *work(void *argument) {
  pool *p = argument;
  for (;;) {
    pthread_barrier_wait(&p->start);
    if (p->ending) return NULL;
    pthread_barrier_wait(&p->end);
  }
}

static void by_hand(void *state) {
  pool *p = state;
  pthread_barrier_wait(&p->start);
  pthread_barrier_wait(&p->end);
}

static void pool_close(pool *p) {
  p->ending = true;
  pthread_barrier_wait(&p->start);
  for (unsigned k = 0; k < p->workers; k++) pthread_join(p->worker[k], NULL);
  pthread_barrier_destroy(&p->start);
  pthread_barrier_destroy(&p->end);
}

/* False when a thread cannot be started; the others wait until the program ends. */
static bool pool_open(pool *p, unsigned threads) {
  *p = (pool){.workers = threads - 1};
  pthread_barrier_init(&p->start, NULL, threads);
  pthread_barrier_init(&p->end, NULL, threads);
  for (unsigned k = 0; k < p->workers; k++)
    if (pthread_create(&p->worker[k], NULL, work, p) != 0) return false;
  return true;
}

/* ---- the workload ------------------------------------------------------------------------ */

static bool run_case(const bench_setup *setup, bench_sheet *sheet, unsigned threads) {
  const ky_allocator allocator = ky__allocator(NULL);
  meeting all = {0};
  pool hand;
  if (ky__team_new(&allocator, threads, &all.team) != KY_OK || !pool_open(&hand, threads)) {
    fprintf(stderr, "kybench: barrier: cannot start %u threads\n", threads);
    return false;
  }
  char title[32];
  snprintf(title, sizeof title, "%u threads", threads);
  contest c;
  contest_open(&c, setup, sheet, title, NULL);
  contest_add(&c, BENCH_COMPILED, meet, &all);
  contest_add(&c, BENCH_HAND, by_hand, &hand);
  contest_run(&c);
  contest_close(&c);
  ky__team_free(all.team);
  pool_close(&hand);
  return true;
}

bool workload_barrier(const bench_setup *setup, bench_sheet *sheet) {
  for (unsigned threads = 2; threads <= (setup->quick ? 2 : MOST); threads *= 2)
    if (!run_case(setup, sheet, threads)) return false;
  return true;
}
