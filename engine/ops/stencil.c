/* SPDX-License-Identifier: MIT */
/* Stencils: each stretch of places of each result channel, with all its taps. */
#include "ops/stencil.h"

#include <string.h>

#include "kernels/kernels.h"
#include "ops/family.h"
#include "ops/sliding.h"

#define STRETCHES 32
#define MOST      4 /* results */

typedef struct map {
  ky_frame *f;
  ky_sliding s;
  ptrdiff_t *tap_at; /* [taps] */
  char *own;         /* of each piece: its copy, then weights or sums */
  char *weights;     /* [results,taps] */
  char *sums;        /* [results,taps] of lanes */
} map;

/* A vector of channels has `lanes` results, a vector of places as many places but twice the
 * loads; with few places in a row it is not full either. */
bool ky__is_stencil(const ky_frame *f, const ky_conv *g, bool pull) {
  const size_t lanes = f->kernels->conv->lanes[g->dtype];
  const int64_t results = pull ? g->inputs : g->outputs;
  const struct ky_conv_axis *last = &g->axis[KY_CONV_AXES - 1];
  if (results == 1) return true;
  return last->stride == 1 && results <= MOST && MOST * results <= (int64_t)lanes;
}

/* ---- memory ------------------------------------------------------------------------------ */

/* What a piece of the work has of its own. */
static size_t own_bytes(const ky_sliding *s, bool sums) {
  const size_t rows = (size_t)s->results * (size_t)s->taps;
  const size_t bytes = rows * (sums ? KY_PANEL_BYTES : s->size);
  return ky__sliding_copy_bytes(s) + (bytes + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

/* Results are shared out by groups and units, weights by groups and channels. */
static size_t shares_of(const ky_sliding *s, bool sums) {
  return (size_t)(s->g->groups * (sums ? s->channels : ky__units(s)));
}

static size_t scratch_of(const ky_sliding *s, bool sums, uint32_t threads) {
  const size_t shares = shares_of(s, sums), pieces = shares < threads ? shares : threads;
  return (size_t)s->taps * sizeof(ptrdiff_t) + pieces * own_bytes(s, sums) + 2 * KY_ALIGN;
}

size_t ky__stencil_scratch(const ky_conv *g, bool pull, uint32_t threads) {
  const ky_sliding s = ky__sliding(g, pull);
  if (s.results > MOST) return 0;
  const size_t results = scratch_of(&s, false, threads), sums = scratch_of(&s, true, threads);
  return !pull && sums > results ? sums : results;
}

/* False after a fault. */
static bool open(map *m, ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *from,
                 const ky_conv_array *to, bool sums) {
  *m = (map){.f = f, .s = ky__sliding(g, pull)};
  const uint32_t threads = ky__team_size(f->team);
  const size_t shares = shares_of(&m->s, sums), pieces = shares < threads ? shares : threads;
  m->tap_at = ky__scratch(f, (size_t)m->s.taps * sizeof(ptrdiff_t));
  m->own = ky__scratch(f, pieces * own_bytes(&m->s, sums));
  ky__sliding_open(&m->s, from, to, m->own);
  if (f->fault->status != KY_OK) return false;
  ky__list_taps(&m->s, m->tap_at);
  return true;
}

/* With the memory of a piece. */
static map piece_of(const map *all, uint32_t piece, bool sums) {
  map m = *all;
  m.s.copy = all->own + piece * own_bytes(&m.s, sums);
  m.weights = m.sums = (char *)m.s.copy + ky__sliding_copy_bytes(&m.s);
  return m;
}

/* The weights of a group, for each result in the order of the list of taps. */
static void pack(const map *m, int64_t group, const ky_conv_array *w) {
  const ky_sliding *s = &m->s;
  const int64_t channel_step = w->strides[s->pull ? KY_N : KY_C];
  const int64_t result_step = w->strides[s->pull ? KY_C : KY_N];
  const int64_t base = group * s->g->outputs * w->strides[KY_N];
  int64_t phase[KY_CONV_AXES] = {0};
  size_t row = 0;
  do {
    for (int64_t c = 0; c < s->channels; c++) {
      int64_t tap[KY_CONV_AXES] = {0};
      do {
        ptrdiff_t at;
        if (!ky__find_tap(s, phase, tap, &at)) continue;
        int64_t from = base + c * channel_step;
        for (int k = 0; k < KY_CONV_AXES; k++) from += tap[k] * w->strides[KY_SPACE + k];
        m->f->kernels->copy->run(
            s->g->dtype, (size_t)s->results, m->weights + row * s->size, (ptrdiff_t)s->taps, 0,
            (const char *)w->data + from * (int64_t)s->size, (ptrdiff_t)result_step);
        row++;
      } while (ky__next_tap(s->g, tap));
    }
  } while (ky__next_phase(s, phase));
}

/* ---- results ----------------------------------------------------------------------------- */

static double bias_at(const map *m, const ky_conv_array *bias, int64_t channel) {
  if (!bias || !bias->data) return 0;
  const int64_t at = channel * bias->strides[0];
  return m->s.g->dtype == KY_F64 ? ((const double *)bias->data)[at]
                                 : (double)((const float *)bias->data)[at];
}

/* The points of a phase, whose taps are `taps` from `first` on. */
static void map_phase(const map *m, ky_points w, int64_t group, int64_t first, int64_t taps,
                      int beta, const ky_conv_array *bias) {
  const ky_sliding *s = &m->s;
  ky_stencil x = {.taps = (size_t)taps,
                  .r_step = (ptrdiff_t)w.to_step[KY_CONV_AXES],
                  .a_step = (ptrdiff_t)w.from_step[KY_CONV_AXES],
                  .tap_at = m->tap_at + first,
                  .adds = beta};
  while (!w.done) {
    ky_stretch stretches[STRETCHES];
    size_t count;
    ky__next_stretches(&w, STRETCHES, stretches, &count);
    for (int64_t o = 0; o < s->results; o++) {
      x.w = m->weights + (size_t)(o * s->taps + first) * s->size;
      x.start = bias_at(m, bias, group * s->results + o);
      for (size_t k = 0; k < count; k++) {
        const ptrdiff_t to = stretches[k].to + (ptrdiff_t)(o * s->to.strides[KY_C]);
        x.count = stretches[k].count;
        x.r = (char *)s->to.data + to * (ptrdiff_t)s->size;
        x.a = (const char *)ky__sliding_read(s) + stretches[k].from * (ptrdiff_t)s->size;
        m->f->kernels->conv->stencil[s->g->dtype](&x);
      }
    }
  }
}

/* All groups and units. */
typedef struct whole_map {
  const map *m;
  int beta;
  const ky_conv_array *w, *bias;
} whole_map;

static void map_unit(const map *m, int64_t unit, int64_t group, int beta,
                     const ky_conv_array *bias) {
  const ky_region r = ky__region(&m->s, unit);
  int64_t phase[KY_CONV_AXES] = {0}, first = 0;
  ky__copy_region(m->f, &m->s, &r, group, 0, m->s.channels);
  do {
    const int64_t taps = ky__taps_of_phase(&m->s, phase);
    map_phase(m, ky__points(&m->s, &r, phase, group), group, first, taps, beta, bias);
    first += taps;
  } while (ky__next_phase(&m->s, phase));
}

static void map_units(void *context, uint32_t piece, size_t begin, size_t end) {
  const whole_map *all = context;
  const map m = piece_of(all->m, piece, false);
  const size_t units = (size_t)ky__units(&m.s);
  for (size_t k = begin; k < end; k++) {
    const int64_t group = (int64_t)(k / units);
    if (k == begin || k % units == 0) pack(&m, group, all->w);
    map_unit(&m, (int64_t)(k % units), group, all->beta, all->bias);
  }
}

void ky__stencil_map(ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *to,
                     int beta, const ky_conv_array *from, const ky_conv_array *w,
                     const ky_conv_array *bias) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  map m;
  const bool ready = open(&m, f, g, pull, from, to, false);
  whole_map all = {&m, beta, w, bias};
  if (ready)
    ky__team_run(f->team, shares_of(&m.s, false), ky__grain_of(f, ky__sliding_work(&m.s)),
                 map_units, &all);
  ky__arena_reset(&f->scratch, mark);
}

/* ---- weights ----------------------------------------------------------------------------- */

/* What a region adds to the sums of channels begin..end-1. */
static void add_region(const map *m, const ky_region *r, int64_t group, int64_t begin,
                       int64_t end) {
  const ky_sliding *s = &m->s;
  const int64_t phase[KY_CONV_AXES] = {0}, each = s->taps / s->channels;
  ky_points w = ky__points(s, r, phase, group);
  ky_stencil x = {.taps = (size_t)((end - begin) * each),
                  .r_step = (ptrdiff_t)w.to_step[KY_CONV_AXES],
                  .a_step = (ptrdiff_t)w.from_step[KY_CONV_AXES],
                  .tap_at = m->tap_at + begin * each};
  while (!w.done) {
    ky_stretch stretches[STRETCHES];
    size_t count;
    ky__next_stretches(&w, STRETCHES, stretches, &count);
    for (int64_t o = 0; o < s->results; o++) {
      char *sums = m->sums + (size_t)(o * s->taps + begin * each) * KY_PANEL_BYTES;
      for (size_t k = 0; k < count; k++) {
        const ptrdiff_t to = stretches[k].to + (ptrdiff_t)(o * s->to.strides[KY_C]);
        x.count = stretches[k].count;
        x.r = (char *)s->to.data + to * (ptrdiff_t)s->size;
        x.a = (const char *)ky__sliding_read(s) + stretches[k].from * (ptrdiff_t)s->size;
        m->f->kernels->conv->stencil_taps[s->g->dtype](&x, sums);
      }
    }
  }
}

/* All groups and channels. */
typedef struct whole_sums {
  const map *m;
  char *w;
  int beta;
} whole_sums;

static void sum_group(const map *m, int64_t group, int64_t begin, int64_t end, char *w,
                      int beta) {
  const ky_sliding *s = &m->s;
  const int64_t each = s->taps / s->channels;
  memset(m->sums, 0, (size_t)(s->results * s->taps) * KY_PANEL_BYTES);
  for (int64_t unit = 0; unit < ky__units(s); unit++) {
    const ky_region r = ky__region(s, unit);
    ky__copy_region(m->f, s, &r, group, begin, end);
    add_region(m, &r, group, begin, end);
  }
  for (int64_t o = 0; o < s->results; o++) {
    const size_t row = (size_t)(o * s->taps + begin * each);
    const size_t at = (size_t)(group * s->results * s->taps) + row;
    m->f->kernels->conv->stencil_total[s->g->dtype](
        (size_t)((end - begin) * each), w + at * s->size, beta, m->sums + row * KY_PANEL_BYTES);
  }
}

static void sum_channels(void *context, uint32_t piece, size_t begin, size_t end) {
  const whole_sums *all = context;
  const map m = piece_of(all->m, piece, true);
  const size_t channels = (size_t)m.s.channels;
  while (begin < end) {
    const size_t group = begin / channels, first = begin % channels;
    const size_t left = channels - first, count = end - begin < left ? end - begin : left;
    sum_group(&m, (int64_t)group, (int64_t)first, (int64_t)(first + count), all->w, all->beta);
    begin += count;
  }
}

void ky__stencil_weights(ky_frame *f, const ky_conv *g, void *w, int beta,
                         const ky_conv_array *x, const ky_conv_array *y) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  map m;
  const bool ready = open(&m, f, g, false, x, y, true);
  whole_sums all = {&m, w, beta};
  const size_t work = ky__sliding_work(&m.s) * (size_t)ky__units(&m.s);
  if (ready)
    ky__team_run(f->team, shares_of(&m.s, true), ky__grain_of(f, work / (size_t)m.s.channels),
                 sum_channels, &all);
  ky__arena_reset(&f->scratch, mark);
}
