/* SPDX-License-Identifier: MIT */
/* The three maps of a convolution, as products. A tile of points times a panel of result
 * channels is computed at a time; the taps are what is summed over. For the weights, points and
 * taps change places: they are summed over the points. Measured at 28 x 28, 32 channels, f32:
 * all three run at the rate of large products, which a matrix of patches and BLIS miss by the
 * time it takes to write the patches down. */
#include "ops/correlate.h"

#include <string.h>

#include "kernels/kernels.h"
#include "ops/family.h"
#include "ops/pointwise.h"
#include "ops/sliding.h"
#include "ops/stencil.h"

#define BLOCK      96  /* points at a time: whole tiles and whole vectors */
#define LONG_BLOCK 256 /* points that are summed over at a time */
#define TILES      48  /* taps that fill some tiles */
#define DEPTH      320 /* taps that are summed over at a time */

typedef struct map {
  ky_frame *f;
  const ky_conv_kernels *kernels;
  ky_sliding s;
  size_t panel;      /* elements in a row of a panel */
  void *weights;     /* [panels,taps,panel] */
  ptrdiff_t *tap_at; /* [taps] */
} map;

/* ---- memory ------------------------------------------------------------------------------ */

static size_t panel_bytes(const ky_sliding *s) {
  const size_t row = (size_t)s->results * s->size;
  return (row + KY_PANEL_BYTES - 1) / KY_PANEL_BYTES * KY_PANEL_BYTES * (size_t)s->taps;
}

static size_t tap_bytes(const ky_sliding *s) { return (size_t)s->taps * sizeof(ptrdiff_t); }

static bool is_empty(const ky_conv *g, bool of_x) {
  int64_t count = g->images * g->groups * (of_x ? g->inputs : g->outputs);
  for (int k = 0; k < KY_CONV_AXES; k++) count *= of_x ? g->axis[k].in : g->axis[k].out;
  return count == 0;
}

static size_t scratch_of(const ky_conv *g, bool pull, uint32_t threads) {
  if (is_empty(g, pull)) return 0;
  const ky_sliding s = ky__sliding(g, pull);
  const size_t copies = ky__sliding_copy_bytes(&s) * ky__sliding_pieces(&s, threads);
  const size_t panels = copies + panel_bytes(&s) + tap_bytes(&s) + 3 * KY_ALIGN;
  const size_t stencil = ky__stencil_scratch(g, pull, threads);
  return panels > stencil ? panels : stencil;
}

size_t ky__conv_scratch(const ky_conv *g, uint32_t threads) {
  const size_t apply = scratch_of(g, false, threads), pull = scratch_of(g, true, threads);
  return apply > pull ? apply : pull;
}

/* False after a fault. */
static bool open(map *m, ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *from,
                 const ky_conv_array *to) {
  *m = (map){.f = f, .kernels = f->kernels->conv, .s = ky__sliding(g, pull)};
  m->panel = m->kernels->panel[g->dtype];
  const size_t bytes =
      ky__sliding_copy_bytes(&m->s) * ky__sliding_pieces(&m->s, ky__team_size(f->team));
  m->weights = ky__scratch(f, panel_bytes(&m->s));
  m->tap_at = ky__scratch(f, tap_bytes(&m->s));
  ky__sliding_open(&m->s, from, to, bytes ? ky__scratch(f, bytes) : NULL);
  if (f->fault->status != KY_OK) return false;
  ky__list_taps(&m->s, m->tap_at);
  return true;
}

/* ---- panels ------------------------------------------------------------------------------ */

static int64_t panels_of(const map *m) {
  return (m->s.results + (int64_t)m->panel - 1) / (int64_t)m->panel;
}

/* How many results panel p has, and the same in whole vectors. */
static size_t columns_of(const map *m, int64_t p) {
  const size_t left = (size_t)m->s.results - (size_t)p * m->panel;
  return left < m->panel ? left : m->panel;
}

static size_t whole(const map *m, size_t columns) {
  const size_t lanes = m->kernels->lanes[m->s.g->dtype];
  return (columns + lanes - 1) / lanes * lanes;
}

static void *panel_at(const map *m, int64_t p, int64_t row) {
  return (char *)m->weights + (size_t)(p * m->s.taps + row) * m->panel * m->s.size;
}

/* One row of every panel: the weights of a tap, `apart` from one result to the next. */
static void pack_row(const map *m, int64_t row, const char *from, int64_t apart) {
  for (int64_t p = 0; p < panels_of(m); p++) {
    const size_t columns = columns_of(m, p);
    char *to = panel_at(m, p, row);
    m->f->kernels->copy->run(m->s.g->dtype, columns, to, 1, 0, from, (ptrdiff_t)apart);
    memset(to + columns * m->s.size, 0, (whole(m, columns) - columns) * m->s.size);
    from += (int64_t)(m->panel * m->s.size) * apart;
  }
}

/* The same for `rows` taps that follow each other in the weights and in the panels. */
static void pack_rows(const map *m, int64_t row, int64_t rows, const char *from,
                      int64_t apart) {
  for (int64_t p = 0; p < panels_of(m); p++) {
    const size_t columns = columns_of(m, p);
    if (whole(m, columns) != columns)
      memset(panel_at(m, p, row), 0, (size_t)rows * m->panel * m->s.size);
    m->kernels->transpose[m->s.g->dtype]((size_t)rows, columns, panel_at(m, p, row),
                                         (ptrdiff_t)m->panel, 0, from, (ptrdiff_t)apart);
    from += (int64_t)(m->panel * m->s.size) * apart;
  }
}

/* Whether the taps of a channel stand one after the other in the weights, and are all met. */
static bool is_run(const map *m, const ky_conv_array *w) {
  int64_t stride = 1;
  for (int k = KY_CONV_AXES; k-- > 0; stride *= m->s.g->axis[k].kernel)
    if (m->s.axis[k].phases != 1 ||
        (m->s.g->axis[k].kernel > 1 && w->strides[KY_SPACE + k] != stride))
      return false;
  return true;
}

/* The weights of all taps of a group, in the order of the list of taps. */
static void pack(const map *m, int64_t group, const ky_conv_array *w) {
  const ky_sliding *s = &m->s;
  const int64_t size = (int64_t)s->size;
  const int64_t channel_step = w->strides[s->pull ? KY_N : KY_C];
  const int64_t result_step = w->strides[s->pull ? KY_C : KY_N];
  const char *base = (const char *)w->data + group * s->g->outputs * w->strides[KY_N] * size;
  const int64_t each = s->channels ? s->taps / s->channels : 0;
  const bool follow = is_run(m, w);
  int64_t phase[KY_CONV_AXES] = {0}, row = 0;
  do {
    for (int64_t c = 0; c < s->channels; c++) {
      const char *from = base + c * channel_step * size;
      int64_t tap[KY_CONV_AXES] = {0};
      ptrdiff_t at;
      if (follow) {
        pack_rows(m, row, each, from, result_step);
        row += each;
        continue;
      }
      do {
        if (!ky__find_tap(s, phase, tap, &at)) continue;
        int64_t weight = 0;
        for (int k = 0; k < KY_CONV_AXES; k++) weight += tap[k] * w->strides[KY_SPACE + k];
        pack_row(m, row++, from + weight * size, result_step);
      } while (ky__next_tap(s->g, tap));
    }
  } while (ky__next_phase(s, phase));
}

/* ---- points ------------------------------------------------------------------------------ */

static void list_points(const ky_points *w, const ky_stretch *runs, size_t run_count,
                        ptrdiff_t *at) {
  const ptrdiff_t step = (ptrdiff_t)w->from_step[KY_CONV_AXES];
  for (size_t k = 0; k < run_count; k++)
    for (size_t j = 0; j < runs[k].count; j++)
      at[runs[k].first + j] = runs[k].from + (ptrdiff_t)j * step;
}

/* Joins runs that follow each other in the result too; returns how many are left. */
static size_t join(const ky_points *w, ky_stretch *runs, size_t run_count) {
  const ptrdiff_t step = (ptrdiff_t)w->to_step[KY_CONV_AXES];
  size_t last = 0;
  for (size_t k = 1; k < run_count; k++) {
    if (runs[k].to == runs[last].to + (ptrdiff_t)runs[last].count * step)
      runs[last].count += runs[k].count;
    else
      runs[++last] = runs[k];
  }
  return run_count ? last + 1 : 0;
}

/* ---- results ----------------------------------------------------------------------------- */

/* A block of points, in the frame of its thread. */
typedef struct block {
  _Alignas(KY_ALIGN) char c[BLOCK * KY_PANEL_BYTES];
  _Alignas(KY_ALIGN) char start[KY_PANEL_BYTES];
  ptrdiff_t at[BLOCK];
  ky_stretch runs[BLOCK];
} block;

static const void *start_of(const map *m, block *b, const ky_conv_array *bias, int64_t group,
                            int64_t p) {
  if (!bias || !bias->data) return NULL;
  const size_t columns = columns_of(m, p);
  const int64_t first = group * m->s.results + p * (int64_t)m->panel;
  const char *from = (const char *)bias->data + first * bias->strides[0] * (int64_t)m->s.size;
  memset(b->start, 0, sizeof b->start);
  m->f->kernels->copy->run(m->s.g->dtype, columns, b->start, 1, 0, from,
                           (ptrdiff_t)bias->strides[0]);
  return b->start;
}

/* Takes a panel of a block to its places. */
static void settle(const map *m, const ky_points *w, const block *b, size_t run_count,
                   int64_t p, int beta) {
  const ptrdiff_t step = (ptrdiff_t)w->to_step[KY_CONV_AXES];
  const ptrdiff_t apart = (ptrdiff_t)m->s.to.strides[KY_C];
  for (size_t k = 0; k < run_count; k++) {
    const ky_stretch *r = &b->runs[k];
    const char *from = b->c + r->first * m->panel * m->s.size;
    const ptrdiff_t at = r->to + (ptrdiff_t)(p * (int64_t)m->panel) * apart;
    char *to = (char *)m->s.to.data + at * (ptrdiff_t)m->s.size;
    if (step == 1 || r->count == 1)
      m->kernels->transpose[m->s.g->dtype](columns_of(m, p), r->count, to, apart, beta, from,
                                           (ptrdiff_t)m->panel);
    else
      m->f->kernels->copy->plane(m->s.g->dtype, columns_of(m, p), r->count, to, apart, step,
                                 beta, from, 1, (ptrdiff_t)m->panel);
  }
}

/* A phase of a region, whose taps are `taps` from `first` on. */
static void map_phase(const map *m, ky_points w, int64_t group, int64_t first, int64_t taps,
                      int beta, const ky_conv_array *bias) {
  block b;
  const int64_t pieces = taps > DEPTH ? (taps + DEPTH - 1) / DEPTH : 1;
  while (!w.done) {
    size_t run_count;
    ky_picked x = {.rows = ky__next_points(&w, BLOCK, b.runs, &run_count),
                   .a = ky__sliding_read(&m->s),
                   .row_at = b.at,
                   .c = b.c};
    list_points(&w, b.runs, run_count, b.at);
    run_count = join(&w, b.runs, run_count);
    for (int64_t p = 0; p < panels_of(m); p++) {
      x.columns = whole(m, columns_of(m, p));
      x.start = start_of(m, &b, bias, group, p);
      for (int64_t k = 0; k < pieces; k++) {
        const int64_t from = taps * k / pieces;
        x.depth = (size_t)(taps * (k + 1) / pieces - from);
        x.depth_at = m->tap_at + first + from;
        x.b = panel_at(m, p, first + from);
        x.adds = k > 0;
        m->kernels->picked[m->s.g->dtype](&x);
      }
      settle(m, &w, &b, run_count, p, beta);
    }
  }
}

/* A group, which is shared out by units. */
typedef struct group_map {
  const map *m;
  int64_t group;
  int beta;
  const ky_conv_array *bias;
} group_map;

static void map_units(void *context, uint32_t piece, size_t begin, size_t end) {
  const group_map *all = context;
  map m = *all->m;
  m.s = ky__sliding_piece(&all->m->s, piece);
  for (size_t unit = begin; unit < end; unit++) {
    const ky_region r = ky__region(&m.s, (int64_t)unit);
    int64_t phase[KY_CONV_AXES] = {0}, first = 0;
    ky__copy_region(m.f, &m.s, &r, all->group, 0, m.s.channels);
    do {
      const int64_t taps = ky__taps_of_phase(&m.s, phase);
      map_phase(&m, ky__points(&m.s, &r, phase, all->group), all->group, first, taps, all->beta,
                all->bias);
      first += taps;
    } while (ky__next_phase(&m.s, phase));
  }
}

static void run_map(ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *to, int beta,
                    const ky_conv_array *from, const ky_conv_array *w,
                    const ky_conv_array *bias) {
  if (is_empty(g, pull)) return;
  if (ky__is_pointwise(g, pull ? to : from, pull ? from : to)) {
    ky__pointwise_map(f, g, pull, to, beta, from, w, bias);
    return;
  }
  if (ky__is_stencil(f, g, pull)) {
    ky__stencil_map(f, g, pull, to, beta, from, w, bias);
    return;
  }
  const ky_place mark = ky__arena_mark(&f->scratch);
  map m;
  const bool ready = open(&m, f, g, pull, from, to);
  for (int64_t group = 0; ready && group < g->groups; group++) {
    pack(&m, group, w);
    group_map all = {&m, group, beta, bias};
    ky__team_run(f->team, (size_t)ky__units(&m.s), ky__grain_of(f, ky__sliding_work(&m.s)),
                 map_units, &all);
  }
  ky__arena_reset(&f->scratch, mark);
}

void ky__conv_apply(ky_frame *f, const ky_conv *g, const ky_conv_array *y, int beta,
                    const ky_conv_array *x, const ky_conv_array *w, const ky_conv_array *bias) {
  run_map(f, g, false, y, beta, x, w, bias);
}

void ky__conv_pull(ky_frame *f, const ky_conv *g, const ky_conv_array *x, int beta,
                   const ky_conv_array *y, const ky_conv_array *w, const ky_conv_array *bias) {
  run_map(f, g, true, x, beta, y, w, bias);
}

/* ---- weights ----------------------------------------------------------------------------- */

typedef struct long_block {
  _Alignas(KY_ALIGN) char g[LONG_BLOCK * KY_PANEL_BYTES];
  ptrdiff_t at[LONG_BLOCK];
  ky_stretch runs[LONG_BLOCK];
} long_block;

/* Panel p of the results at a block of points, a row a point. */
static void gather(const map *m, const ky_points *w, long_block *b, size_t rows,
                   size_t run_count, int64_t p) {
  const ptrdiff_t step = (ptrdiff_t)w->to_step[KY_CONV_AXES];
  const ptrdiff_t apart = (ptrdiff_t)m->s.to.strides[KY_C];
  const size_t columns = columns_of(m, p);
  if (columns != whole(m, columns)) memset(b->g, 0, rows * m->panel * m->s.size);
  for (size_t k = 0; k < run_count; k++) {
    const ky_stretch *r = &b->runs[k];
    char *to = b->g + r->first * m->panel * m->s.size;
    const ptrdiff_t at = r->to + (ptrdiff_t)(p * (int64_t)m->panel) * apart;
    const char *from = (const char *)m->s.to.data + at * (ptrdiff_t)m->s.size;
    if (step == 1 || r->count == 1)
      m->kernels->transpose[m->s.g->dtype](r->count, columns, to, (ptrdiff_t)m->panel, 0, from,
                                           apart);
    else
      m->f->kernels->copy->plane(m->s.g->dtype, r->count, columns, to, (ptrdiff_t)m->panel, 1,
                                 0, from, step, apart);
  }
}

/* What a region adds to the sums of channels begin..end-1. */
static void add_region(const map *m, const ky_region *r, int64_t group, int64_t begin,
                       int64_t end) {
  const int64_t phase[KY_CONV_AXES] = {0}, each = m->s.taps / m->s.channels;
  long_block b;
  ky_points w = ky__points(&m->s, r, phase, group);
  int64_t points = r->images;
  for (int k = 0; k < KY_CONV_AXES; k++) points *= r->end[k] - r->begin[k];
  const int64_t pieces = (points + LONG_BLOCK - 1) / LONG_BLOCK;
  const size_t room = pieces ? (size_t)((points + pieces - 1) / pieces) : 1;
  while (!w.done) {
    size_t run_count;
    ky_picked x = {.rows = (size_t)((end - begin) * each),
                   .a = ky__sliding_read(&m->s),
                   .row_at = m->tap_at + begin * each,
                   .depth_at = b.at,
                   .b = b.g,
                   .adds = true};
    x.depth = ky__next_points(&w, room, b.runs, &run_count);
    list_points(&w, b.runs, run_count, b.at);
    run_count = join(&w, b.runs, run_count);
    for (int64_t p = 0; p < panels_of(m); p++) {
      gather(m, &w, &b, x.depth, run_count, p);
      x.columns = whole(m, columns_of(m, p));
      x.c = panel_at(m, p, begin * each);
      m->kernels->picked[m->s.g->dtype](&x);
    }
  }
}

/* Sums of some channels of a group, which no other piece touches, nor their part of the copy.
 */
static void sum_channels(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const group_map *all = context;
  const map *m = all->m;
  for (int64_t unit = 0; unit < ky__units(&m->s); unit++) {
    const ky_region r = ky__region(&m->s, unit);
    ky__copy_region(m->f, &m->s, &r, all->group, (int64_t)begin, (int64_t)end);
    add_region(m, &r, all->group, (int64_t)begin, (int64_t)end);
  }
}

/* Channels that are worth a thread, and whose taps fill tiles. */
static size_t grain_of_channels(const map *m) {
  const size_t channels = (size_t)m->s.channels, each = (size_t)m->s.taps / channels;
  const size_t work = ky__sliding_work(&m->s) * (size_t)ky__units(&m->s) / channels;
  const size_t grain = ky__grain_of(m->f, work), tiles = (TILES + each - 1) / each;
  return grain > tiles ? grain : tiles;
}

void ky__conv_weights(ky_frame *f, const ky_conv *g, void *w, int beta, const ky_conv_array *x,
                      const ky_conv_array *y) {
  int64_t taps = g->inputs;
  for (int k = 0; k < KY_CONV_AXES; k++) taps *= g->axis[k].kernel;
  const size_t row = (size_t)taps * ky_dtype_size(g->dtype);
  if (is_empty(g, false) || taps == 0) {
    if (!beta) memset(w, 0, (size_t)(g->groups * g->outputs) * row);
    return;
  }
  if (ky__is_pointwise(g, x, y)) {
    ky__pointwise_weights(f, g, w, beta, x, y);
    return;
  }
  if (ky__is_stencil(f, g, false)) {
    ky__stencil_weights(f, g, w, beta, x, y);
    return;
  }
  const ky_place mark = ky__arena_mark(&f->scratch);
  map m;
  const bool ready = open(&m, f, g, false, x, y);
  for (int64_t group = 0; ready && group < g->groups; group++) {
    memset(m.weights, 0, panel_bytes(&m.s));
    group_map all = {.m = &m, .group = group};
    ky__team_run(f->team, (size_t)g->inputs, grain_of_channels(&m), sum_channels, &all);
    for (int64_t p = 0; p < panels_of(&m); p++) {
      const int64_t first = group * g->outputs + p * (int64_t)m.panel;
      m.kernels->transpose[g->dtype](columns_of(&m, p), (size_t)taps,
                                     (char *)w + (size_t)first * row, (ptrdiff_t)taps, beta,
                                     panel_at(&m, p, 0), (ptrdiff_t)m.panel);
    }
  }
  ky__arena_reset(&f->scratch, mark);
}
