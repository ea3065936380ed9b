/* SPDX-License-Identifier: MIT */
/* Placement, in two ways, of which the one counts that takes less. A walk along the time line
 * gives what is born the smallest gap that it fits into, and takes back what died; it does not
 * know what will be born later, and wants a gap of this size or that. So the largest tenants
 * are also placed in the order of their sizes, each into the smallest gap between those that
 * live when it does, and the walk has the others above them. Only so many are placed like that,
 * so that the time all of it takes is in proportion to the time line. */
#include "tape/placement.h"

#include <stdlib.h>
#include <string.h>

/* ---- free memory ------------------------------------------------------------------------- */

typedef struct gap {
  size_t offset, bytes;
} gap;

/* The free part of the arena: gaps in the order of their offsets, and everything from `top` on.
 */
typedef struct ground {
  gap *gaps;
  size_t count;
  size_t top;
} ground;

static size_t take(ground *g, size_t bytes) {
  size_t best = g->count;
  for (size_t k = 0; k < g->count; k++)
    if (g->gaps[k].bytes >= bytes &&
        (best == g->count || g->gaps[k].bytes < g->gaps[best].bytes))
      best = k;
  if (best < g->count) {
    gap *found = &g->gaps[best];
    const size_t offset = found->offset;
    found->offset += bytes;
    found->bytes -= bytes;
    if (!found->bytes) memmove(found, found + 1, (--g->count - best) * sizeof *found);
    return offset;
  }
  size_t offset = g->top;
  if (g->count && g->gaps[g->count - 1].offset + g->gaps[g->count - 1].bytes == g->top)
    offset = g->gaps[--g->count].offset; /* the last gap, made longer */
  g->top = offset + bytes;
  return offset;
}

static void give_back(ground *g, size_t offset, size_t bytes) {
  size_t k = g->count;
  while (k > 0 && g->gaps[k - 1].offset > offset) k--;
  const bool joins_left = k > 0 && g->gaps[k - 1].offset + g->gaps[k - 1].bytes == offset;
  const bool joins_right = k < g->count && offset + bytes == g->gaps[k].offset;
  if (joins_left && joins_right) {
    g->gaps[k - 1].bytes += bytes + g->gaps[k].bytes;
    memmove(&g->gaps[k], &g->gaps[k + 1], (--g->count - k) * sizeof *g->gaps);
  } else if (joins_left) {
    g->gaps[k - 1].bytes += bytes;
  } else if (joins_right) {
    g->gaps[k] = (gap){offset, bytes + g->gaps[k].bytes};
  } else {
    memmove(&g->gaps[k + 1], &g->gaps[k], (g->count++ - k) * sizeof *g->gaps);
    g->gaps[k] = (gap){offset, bytes};
  }
}

/* ---- along the time line ----------------------------------------------------------------- */

/* Lists of tenants by a time, as heads and links; index + 1, 0 ends. */
typedef struct calendar {
  uint32_t *head, *next;
} calendar;

typedef struct settlement {
  const ky_tenant *tenants;
  size_t count;
  uint64_t end;
  calendar births, deaths;
  ground free;
  size_t *at;   /* per tenant that nobody had the place of before: its place */
  size_t large; /* bytes from which on a tenant is placed by its size */
} settlement;

static bool walks(const settlement *s, size_t k) {
  return !s->tenants[k].over && s->tenants[k].bytes < s->large;
}

/* Births come in order of index within a list because they are pushed from the back. */
static void fill(const settlement *s, calendar *c, bool births) {
  memset(c->head, 0, (s->end + 1) * sizeof *c->head);
  for (size_t k = s->count; k-- > 0;) {
    if (!walks(s, k)) continue;
    const uint64_t time = births ? s->tenants[k].birth : s->tenants[k].until;
    c->next[k] = c->head[time];
    c->head[time] = (uint32_t)k + 1;
  }
}

/* From `top` upwards. Returns the bytes that live at once at most; false when they need more
 * than an address space. */
static bool walk(settlement *s, size_t top, size_t *most) {
  size_t live = *most = 0;
  fill(s, &s->births, true);
  fill(s, &s->deaths, false);
  s->free.count = 0;
  s->free.top = top;
  for (uint64_t time = 0; time <= s->end; time++) {
    for (uint32_t k = s->births.head[time]; k; k = s->births.next[k - 1]) {
      s->at[k - 1] = take(&s->free, s->tenants[k - 1].bytes);
      live += s->tenants[k - 1].bytes;
      if (s->free.top > KY_MOST_BYTES) return false;
    }
    if (live > *most) *most = live;
    for (uint32_t k = s->deaths.head[time]; k; k = s->deaths.next[k - 1]) {
      give_back(&s->free, s->at[k - 1], s->tenants[k - 1].bytes);
      live -= s->tenants[k - 1].bytes;
    }
  }
  return true;
}

/* ---- by size ----------------------------------------------------------------------------- */

#define LARGE 512 /* tenants that are placed by size */

typedef struct large {
  size_t bytes, at;
  uint64_t birth, until;
  size_t tenant;
} large;

static int by_size(const void *a, const void *b) {
  const large *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  if (x->birth != y->birth) return x->birth > y->birth ? 1 : -1;
  return x->tenant > y->tenant ? 1 : -1;
}

/* The power of two from which on there are no more than LARGE tenants; SIZE_MAX for none. */
static size_t large_bytes(const settlement *s) {
  size_t of_log[64] = {0}, sum = 0;
  int log = 64;
  for (size_t k = 0; k < s->count; k++)
    if (!s->tenants[k].over) of_log[63 - __builtin_clzll(s->tenants[k].bytes)]++;
  while (log > 0 && sum + of_log[log - 1] <= LARGE) sum += of_log[--log];
  return sum ? (size_t)1 << log : SIZE_MAX;
}

/* The smallest gap between those that live when `t` does, or behind them; `placed` are in the
 * order of their places. */
static size_t gap_for(const large *placed, size_t count, const large *t) {
  size_t end = 0, room = SIZE_MAX, at = 0;
  for (size_t k = 0; k < count; k++) {
    const large *other = &placed[k];
    if (other->until < t->birth || other->birth > t->until) continue;
    if (other->at >= end + t->bytes && other->at - end < room) {
      room = other->at - end;
      at = end;
    }
    if (other->at + other->bytes > end) end = other->at + other->bytes;
  }
  return room == SIZE_MAX ? end : at;
}

/* Places those that do not walk; returns where they end. */
static size_t place_large(settlement *s) {
  large queue[LARGE], placed[LARGE];
  size_t count = 0, top = 0;
  for (size_t k = 0; k < s->count; k++) {
    const ky_tenant *t = &s->tenants[k];
    if (t->over || walks(s, k)) continue;
    queue[count++] = (large){t->bytes, 0, t->birth, t->until, k};
  }
  qsort(queue, count, sizeof *queue, by_size);
  for (size_t n = 0; n < count && top <= KY_MOST_BYTES; n++) {
    large *t = &queue[n];
    t->at = s->at[t->tenant] = gap_for(placed, n, t);
    if (t->at + t->bytes > top) top = t->at + t->bytes;
    size_t k = n;
    while (k > 0 && placed[k - 1].at > t->at) k--;
    memmove(&placed[k + 1], &placed[k], (n - k) * sizeof *placed);
    placed[k] = *t;
  }
  return top;
}

/* ---- both -------------------------------------------------------------------------------- */

/* Places all tenants; `spare` is one more s->at. False as in walk. */
static bool settle(settlement *s, size_t *spare, size_t *arena) {
  size_t most, rest, *at = s->at;
  s->large = SIZE_MAX;
  if (!walk(s, 0, &most)) return false;
  *arena = s->free.top;
  if (*arena > most) {
    s->at = spare;
    s->large = large_bytes(s);
    if (s->large < SIZE_MAX && walk(s, place_large(s), &rest) && s->free.top < *arena) {
      *arena = s->free.top;
      at = spare;
    }
  }
  for (size_t k = 0; k < s->count; k++)
    *s->tenants[k].place = at[s->tenants[k].over ? s->tenants[k].over - 1 : k];
  return true;
}

ky_status ky__place(ky_pass *pass, const ky_tenant *tenants, size_t count, uint64_t end,
                    size_t *arena) {
  settlement s = {.tenants = tenants, .count = count, .end = end};
  s.free.gaps = ky__pass_alloc(pass, count + 1, sizeof *s.free.gaps);
  s.at = ky__pass_alloc(pass, 2 * count, sizeof *s.at);
  size_t *const at = s.at;
  calendar *const both[2] = {&s.births, &s.deaths};
  bool ok = s.free.gaps && at;
  for (int k = 0; k < 2; k++) {
    both[k]->head = ky__pass_alloc(pass, end + 1, sizeof *both[k]->head);
    both[k]->next = ky__pass_alloc(pass, count, sizeof *both[k]->next);
    ok &= both[k]->head && both[k]->next;
  }
  ok = ok && settle(&s, at + count, arena);
  for (int k = 0; k < 2; k++) {
    ky__pass_free(pass, both[k]->head, end + 1, sizeof *both[k]->head);
    ky__pass_free(pass, both[k]->next, count, sizeof *both[k]->next);
  }
  ky__pass_free(pass, at, 2 * count, sizeof *at);
  ky__pass_free(pass, s.free.gaps, count + 1, sizeof *s.free.gaps);
  if (ok) return KY_OK;
  return ky__fail(pass->fault, KY_NO_MEMORY, "no memory for values and adjoints of one run");
}
