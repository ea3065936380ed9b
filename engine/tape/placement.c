/* SPDX-License-Identifier: MIT */
/* Placement: a walk along the time line, which gives what is born the smallest gap that it fits
 * into, and takes back what died. */
#include "tape/placement.h"

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
} settlement;

/* Those who get the place of another one are not in it. Births come in order of index within a
 * list because they are pushed from the back. */
static void fill(const settlement *s, calendar *c, bool births) {
  for (size_t k = s->count; k-- > 0;) {
    const ky_tenant *t = &s->tenants[k];
    if (t->over) continue;
    const uint64_t time = births ? t->birth : t->until;
    c->next[k] = c->head[time];
    c->head[time] = (uint32_t)k + 1;
  }
}

/* False when they need more than an address space. */
static bool walk(settlement *s) {
  for (uint64_t time = 0; time <= s->end; time++) {
    for (uint32_t k = s->births.head[time]; k; k = s->births.next[k - 1]) {
      *s->tenants[k - 1].place = take(&s->free, s->tenants[k - 1].bytes);
      if (s->free.top > KY_MOST_BYTES) return false;
    }
    for (uint32_t k = s->deaths.head[time]; k; k = s->deaths.next[k - 1])
      give_back(&s->free, *s->tenants[k - 1].place, s->tenants[k - 1].bytes);
  }
  return true;
}

static bool settle(settlement *s) {
  fill(s, &s->births, true);
  fill(s, &s->deaths, false);
  if (!walk(s)) return false;
  for (size_t k = 0; k < s->count; k++) {
    const ky_tenant *t = &s->tenants[k];
    if (t->over) *t->place = *s->tenants[t->over - 1].place;
  }
  return true;
}

ky_status ky__place(ky_pass *pass, const ky_tenant *tenants, size_t count, uint64_t end,
                    size_t *arena) {
  settlement s = {.tenants = tenants, .count = count, .end = end};
  s.free.gaps = ky__pass_alloc(pass, count + 1, sizeof *s.free.gaps);
  calendar *const both[2] = {&s.births, &s.deaths};
  bool ok = s.free.gaps != NULL;
  for (int k = 0; k < 2; k++) {
    both[k]->head = ky__pass_alloc(pass, end + 1, sizeof *both[k]->head);
    both[k]->next = ky__pass_alloc(pass, count, sizeof *both[k]->next);
    ok &= both[k]->head && both[k]->next;
  }
  ok = ok && settle(&s);
  for (int k = 0; k < 2; k++) {
    ky__pass_free(pass, both[k]->head, end + 1, sizeof *both[k]->head);
    ky__pass_free(pass, both[k]->next, count, sizeof *both[k]->next);
  }
  ky__pass_free(pass, s.free.gaps, count + 1, sizeof *s.free.gaps);
  *arena = s.free.top;
  if (ok) return KY_OK;
  return ky__fail(pass->fault, KY_NO_MEMORY, "no memory for values and adjoints of one run");
}
