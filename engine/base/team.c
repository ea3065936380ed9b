/* SPDX-License-Identifier: MIT */
/* A team of threads. A job is published as a ticket: its number, how many pieces it has, how
 * many are taken. Threads take pieces by raising the ticket, so the caller never waits for a
 * worker that the machine did not wake in time; and a late worker finds a ticket of another
 * number, or one that is used up, and takes nothing. */
#define _POSIX_C_SOURCE 200809L

#include "base/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"

/* How long to wait before sleeping: some looks in a row, then some between which other threads
 * may have the core. Longer, where cores are free, than the gaps between most instructions. */
#define LOOKS  200
#define YIELDS 200

/* A ticket: job << 32 | pieces << 16 | taken. */
#define TICKET(job, pieces) ((uint64_t)(job) << 32 | (uint64_t)(pieces) << 16)
#define JOB(ticket)         ((uint32_t)((ticket) >> 32))
#define PIECES(ticket)      ((uint32_t)((ticket) >> 16 & 0xffff))
#define TAKEN(ticket)       ((uint32_t)((ticket)&0xffff))

struct ky_team {
  ky_allocator allocator;
  uint32_t size;
  uint32_t started;
  pthread_t *workers; /* size - 1 */

  _Atomic uint64_t ticket;
  atomic_uint finished; /* pieces of the newest job */
  atomic_bool ending;
  ky_job *job; /* of the newest ticket; read only by who holds a piece of it */
  void *context;
  size_t count, grain;

  atomic_uint asleep;  /* workers */
  atomic_bool waiting; /* the caller sleeps */
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* One more look at what is waited for; false when it is time to sleep. */
static bool wait_a_little(unsigned *looks) {
  if (*looks < LOOKS)
    relax();
  else
    sched_yield();
  return ++*looks < LOOKS + YIELDS;
}

static inline size_t grains_of(size_t count, size_t grain) {
  return count / grain + (count % grain != 0);
}

/* The first grain of a piece: grains * piece / pieces, of a product that may be too large. */
static inline size_t first_grain(size_t grains, uint32_t piece, uint32_t pieces) {
  return grains / pieces * piece + grains % pieces * piece / pieces;
}

static void run_piece(ky_team *team, uint32_t piece, uint32_t pieces) {
  const size_t grains = grains_of(team->count, team->grain);
  const size_t begin = first_grain(grains, piece, pieces) * team->grain;
  const size_t end = first_grain(grains, piece + 1, pieces) * team->grain;
  team->job(team->context, piece, begin, end < team->count ? end : team->count);
  atomic_fetch_add(&team->finished, 1); /* who waits says so before the last look at it */
  if (!atomic_load(&team->waiting)) return;
  pthread_mutex_lock(&team->mutex);
  pthread_cond_signal(&team->done);
  pthread_mutex_unlock(&team->mutex);
}

/* Runs pieces of `job` while there are any. */
static void take_pieces(ky_team *team, uint32_t job) {
  uint64_t ticket = atomic_load_explicit(&team->ticket, memory_order_acquire);
  while (JOB(ticket) == job && TAKEN(ticket) < PIECES(ticket)) {
    if (!atomic_compare_exchange_weak_explicit(&team->ticket, &ticket, ticket + 1,
                                               memory_order_acq_rel, memory_order_acquire))
      continue;
    run_piece(team, TAKEN(ticket), PIECES(ticket));
    ticket = atomic_load_explicit(&team->ticket, memory_order_acquire);
  }
}

static inline uint32_t newest_job(ky_team *team) { return JOB(atomic_load(&team->ticket)); }

/* Waits for a job other than `seen`, and returns its number. */
static uint32_t await_job(ky_team *team, uint32_t seen) {
  unsigned looks = 0;
  do {
    if (newest_job(team) != seen) return newest_job(team);
  } while (wait_a_little(&looks));
  pthread_mutex_lock(&team->mutex);
  atomic_fetch_add(&team->asleep, 1); /* before the last look: who publishes looks after it */
  while (newest_job(team) == seen) pthread_cond_wait(&team->wake, &team->mutex);
  atomic_fetch_sub(&team->asleep, 1);
  pthread_mutex_unlock(&team->mutex);
  return newest_job(team);
}

static void *work(void *argument) {
  ky_team *team = argument;
  uint32_t job = 0;
  for (;;) {
    job = await_job(team, job);
    if (atomic_load(&team->ending)) return NULL;
    take_pieces(team, job);
  }
}

static uint32_t publish(ky_team *team, uint32_t pieces) {
  const uint32_t job = newest_job(team) + 1;
  atomic_store(&team->ticket, TICKET(job, pieces));
  if (atomic_load(&team->asleep) > 0) {
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->mutex);
  }
  return job;
}

static void await_end(ky_team *team, uint32_t pieces) {
  unsigned looks = 0;
  do {
    if (atomic_load(&team->finished) == pieces) return;
  } while (wait_a_little(&looks));
  pthread_mutex_lock(&team->mutex);
  atomic_store(&team->waiting, true);
  while (atomic_load(&team->finished) < pieces) pthread_cond_wait(&team->done, &team->mutex);
  atomic_store(&team->waiting, false);
  pthread_mutex_unlock(&team->mutex);
}

uint32_t ky__team_size(const ky_team *team) { return team ? team->size : 1; }

uint32_t ky__team_pieces(const ky_team *team, size_t count, size_t grain) {
  if (!team) return 1;
  const size_t grains = grains_of(count, grain);
  return grains < team->size ? (uint32_t)grains : team->size;
}

void ky__team_share(ky_team *team, size_t count, size_t grain, ky_job *job, void *context) {
  const uint32_t pieces = ky__team_pieces(team, count, grain);
  if (pieces < 2) {
    if (count > 0) job(context, 0, 0, count);
    return;
  }
  team->job = job;
  team->context = context;
  team->count = count;
  team->grain = grain;
  atomic_store_explicit(&team->finished, 0, memory_order_relaxed);
  take_pieces(team, publish(team, pieces));
  await_end(team, pieces);
}

void ky__team_free(ky_team *team) {
  if (!team) return;
  atomic_store(&team->ending, true);
  publish(team, 0);
  for (uint32_t k = 0; k < team->started; k++) pthread_join(team->workers[k], NULL);
  pthread_cond_destroy(&team->wake);
  pthread_cond_destroy(&team->done);
  pthread_mutex_destroy(&team->mutex);
  const ky_allocator a = team->allocator;
  ky__resize(&a, team->workers, (team->size - 1) * sizeof *team->workers, 0);
  ky__resize(&a, team, sizeof *team, 0);
}

ky_status ky__team_new(const ky_allocator *allocator, uint32_t threads, ky_team **out) {
  *out = NULL;
  if (threads == 0 || threads > KY_MAX_THREADS) return KY_BAD_ARGUMENT;
  if (threads == 1) return KY_OK;
  ky_team *team = ky__resize(allocator, NULL, 0, sizeof *team);
  if (!team) return KY_NO_MEMORY;
  *team = (ky_team){.allocator = *allocator, .size = threads};
  team->workers = ky__resize(allocator, NULL, 0, (threads - 1) * sizeof *team->workers);
  if (!team->workers) {
    ky__resize(allocator, team, sizeof *team, 0);
    return KY_NO_MEMORY;
  }
  pthread_mutex_init(&team->mutex, NULL);
  pthread_cond_init(&team->wake, NULL);
  pthread_cond_init(&team->done, NULL);
  for (; team->started + 1 < threads; team->started++) {
    if (pthread_create(&team->workers[team->started], NULL, work, team) == 0) continue;
    ky__team_free(team);
    return KY_NO_THREAD;
  }
  *out = team;
  return KY_OK;
}
