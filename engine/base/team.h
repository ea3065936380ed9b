/* SPDX-License-Identifier: MIT */
/* A team of threads that share the work of single kernels: the caller and its workers run one
 * function over the pieces of a job and meet at its end. Between jobs workers spin for a
 * moment, then sleep, so that a machine with fewer cores than threads does not collapse. Knows
 * nothing of tapes. */
#ifndef KY_TEAM_H
#define KY_TEAM_H

#include "kytape/base.h"

#define KY_MAX_THREADS 256u

typedef struct ky_team ky_team;

/* Does what is owed for begin..end-1. The pieces of one job, 0, 1, ..., run in any order, on
 * any thread. */
typedef void ky_job(void *context, uint32_t piece, size_t begin, size_t end);

/* Starts threads - 1 workers. *out is NULL for one thread: a null team is a team of one.
 * Errors: BAD_ARGUMENT (0 or more than KY_MAX_THREADS threads), NO_THREAD (one could not be
 * started), NO_MEMORY. */
ky_status ky__team_new(const ky_allocator *allocator, uint32_t threads, ky_team **out);

/* Ends the workers. NULL is fine. */
void ky__team_free(ky_team *team);

uint32_t ky__team_size(const ky_team *team);

/* Runs `job` over 0..count-1, in one piece for each thread, cut at multiples of `grain`; in
 * fewer pieces when there are fewer grains. Returns when all is done. Not from within a job. */
void ky__team_share(ky_team *team, size_t count, size_t grain, ky_job *job, void *context);

/* How many pieces that gives. */
uint32_t ky__team_pieces(const ky_team *team, size_t count, size_t grain);

static inline void ky__team_run(ky_team *team, size_t count, size_t grain, ky_job *job,
                                void *context) {
  if (team)
    ky__team_share(team, count, grain, job, context);
  else if (count > 0)
    job(context, 0, 0, count);
}

#endif
