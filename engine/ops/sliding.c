/* SPDX-License-Identifier: MIT */
/* Windows that slide. Where one can leave the array, what it moves over is copied into a margin
 * of zeros, some images or a band of one at a time, so that the copy stays in the cache. */
#include "ops/sliding.h"

#include <string.h>

#include "kernels/kernels.h"

#define COPY_BYTES (512 * 1024) /* half of a usual L2 cache */
#define OVERLAP    16           /* products in the time of an element */
#define FULL       192          /* points of several images, if one has fewer */

/* ---- the geometry of a map --------------------------------------------------------------- */

static ky_slide slide_of(const struct ky_conv_axis *a, bool pull) {
  if (!pull)
    return (ky_slide){.end = a->out,
                      .step = a->stride,
                      .first = -a->padding,
                      .span = (a->kernel - 1) * a->dilation,
                      .extent = a->in,
                      .phases = 1};
  const int64_t span = (a->kernel - 1) * a->dilation / a->stride;
  return (ky_slide){.begin = a->padding / a->stride,
                    .end = (a->in - 1 + a->padding) / a->stride + 1,
                    .step = 1,
                    .first = -span,
                    .span = span,
                    .extent = a->out,
                    .phases = a->stride};
}

static int64_t window_of(const ky_slide *s, int64_t count) {
  return (count - 1) * s->step + s->span + 1;
}

/* Bands, or chunks of images, of which a copy takes COPY_BYTES. */
static void cut(ky_sliding *s, int64_t bytes, int64_t points) {
  ky_slide *a = &s->axis[s->banded];
  s->band = a->end - a->begin;
  s->images = (FULL + points - 1) / points;
  if (s->copies && bytes > COPY_BYTES) {
    const int64_t line = bytes / a->window;
    const int64_t fit = (COPY_BYTES / line - a->span - 1) / a->step + 1;
    s->band = fit < 1 ? 1 : fit < s->band ? fit : s->band;
    a->window = window_of(a, s->band);
    s->images = 1;
  } else if (s->copies && s->images > COPY_BYTES / bytes) {
    s->images = COPY_BYTES / bytes;
  }
  if (s->images > s->g->images) s->images = s->g->images;
  s->bands = (a->end - a->begin + s->band - 1) / s->band;
  s->chunks = (s->g->images + s->images - 1) / s->images;
}

ky_sliding ky__sliding(const ky_conv *g, bool pull) {
  ky_sliding s = {.g = g,
                  .pull = pull,
                  .size = ky_dtype_size(g->dtype),
                  .channels = pull ? g->outputs : g->inputs,
                  .results = pull ? g->inputs : g->outputs,
                  .banded = KY_CONV_AXES - 1};
  s.taps = s.channels;
  int64_t bytes = s.channels * (int64_t)s.size, points = 1;
  for (int k = KY_CONV_AXES; k-- > 0;) {
    ky_slide *a = &s.axis[k];
    *a = slide_of(&g->axis[k], pull);
    const int64_t count = a->end - a->begin;
    a->window = window_of(a, count);
    bytes *= a->window;
    points *= count;
    s.taps *= g->axis[k].kernel;
    if (count > 1) s.banded = k;
    s.copies |= a->begin * a->step + a->first < 0 ||
                (a->end - 1) * a->step + a->first + a->span >= a->extent;
  }
  s.copies &= bytes > 0;
  cut(&s, bytes, points);
  return s;
}

size_t ky__sliding_copy_bytes(const ky_sliding *s) {
  if (!s->copies) return 0;
  int64_t count = s->images * s->channels;
  for (int k = 0; k < KY_CONV_AXES; k++) count *= s->axis[k].window;
  return ((size_t)count * s->size + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

uint32_t ky__sliding_pieces(const ky_sliding *s, uint32_t threads) {
  const uint64_t units = (uint64_t)ky__units(s);
  return units < threads ? (uint32_t)units : threads;
}

size_t ky__sliding_work(const ky_sliding *s) {
  int64_t work = s->images * s->taps * s->results;
  for (int k = 0; k < KY_CONV_AXES; k++)
    work *= (k == s->banded ? s->band : s->axis[k].end - s->axis[k].begin);
  return (size_t)work / OVERLAP + 1;
}

ky_sliding ky__sliding_piece(const ky_sliding *s, uint32_t piece) {
  ky_sliding own = *s;
  if (s->copies) own.copy = (char *)s->copy + piece * ky__sliding_copy_bytes(s);
  return own;
}

void ky__sliding_open(ky_sliding *s, const ky_conv_array *from, const ky_conv_array *to,
                      void *copy) {
  s->from = *from;
  s->to = *to;
  s->copy = copy;
  memcpy(s->strides, from->strides, sizeof s->strides);
  if (!s->copies) return;
  int64_t stride = 1;
  for (int k = KY_CONV_AXES; k-- > 0; stride *= s->axis[k].window)
    s->strides[KY_SPACE + k] = stride;
  s->strides[KY_C] = stride;
  s->strides[KY_N] = stride * s->channels;
}

/* ---- taps -------------------------------------------------------------------------------- */

/* The same along one axis, as a place. */
static bool tap_place(const ky_sliding *s, int axis, int64_t phase, int64_t tap,
                      int64_t *place) {
  const struct ky_conv_axis *a = &s->g->axis[axis];
  if (!s->pull) {
    *place = tap * a->dilation;
    return true;
  }
  const int64_t far = tap * a->dilation - phase;
  *place = s->axis[axis].span - far / a->stride;
  return far % a->stride == 0;
}

bool ky__next_phase(const ky_sliding *s, int64_t phase[KY_CONV_AXES]) {
  for (int k = KY_CONV_AXES; k-- > 0;) {
    if (++phase[k] < s->axis[k].phases) return true;
    phase[k] = 0;
  }
  return false;
}

bool ky__next_tap(const ky_conv *g, int64_t tap[KY_CONV_AXES]) {
  for (int k = KY_CONV_AXES; k-- > 0;) {
    if (++tap[k] < g->axis[k].kernel) return true;
    tap[k] = 0;
  }
  return false;
}

bool ky__find_tap(const ky_sliding *s, const int64_t phase[KY_CONV_AXES],
                  const int64_t tap[KY_CONV_AXES], ptrdiff_t *at) {
  *at = 0;
  for (int k = 0; k < KY_CONV_AXES; k++) {
    int64_t place;
    if (!tap_place(s, k, phase[k], tap[k], &place)) return false;
    *at += (ptrdiff_t)(place * s->strides[KY_SPACE + k]);
  }
  return true;
}

int64_t ky__taps_of_phase(const ky_sliding *s, const int64_t phase[KY_CONV_AXES]) {
  int64_t count = s->channels;
  for (int k = 0; k < KY_CONV_AXES; k++) {
    int64_t met = 0, place;
    for (int64_t t = 0; t < s->g->axis[k].kernel; t++)
      met += tap_place(s, k, phase[k], t, &place);
    count *= met;
  }
  return count;
}

void ky__list_taps(const ky_sliding *s, ptrdiff_t *at) {
  int64_t phase[KY_CONV_AXES] = {0};
  do {
    for (int64_t c = 0; c < s->channels; c++) {
      int64_t tap[KY_CONV_AXES] = {0};
      do {
        ptrdiff_t found;
        if (ky__find_tap(s, phase, tap, &found))
          *at++ = found + (ptrdiff_t)(c * s->strides[KY_C]);
      } while (ky__next_tap(s->g, tap));
    }
  } while (ky__next_phase(s, phase));
}

/* ---- points ------------------------------------------------------------------------------ */

ky_region ky__region(const ky_sliding *s, int64_t unit) {
  const int64_t chunk = unit / s->bands, band = unit % s->bands;
  ky_region r = {.image = chunk * s->images};
  r.images = s->g->images - r.image < s->images ? s->g->images - r.image : s->images;
  for (int k = 0; k < KY_CONV_AXES; k++) {
    r.begin[k] = s->axis[k].begin;
    r.end[k] = s->axis[k].end;
  }
  const int b = s->banded;
  r.begin[b] += band * s->band;
  if (r.begin[b] + s->band < r.end[b]) r.end[b] = r.begin[b] + s->band;
  return r;
}

/* The points of phase r along an axis, and where they are in the result. */
static void set_axis(const ky_sliding *s, int k, const ky_region *r, int64_t phase,
                     ky_points *w) {
  const struct ky_conv_axis *g = &s->g->axis[k];
  const ky_slide *a = &s->axis[k];
  const int64_t stride = s->strides[KY_SPACE + k], result = s->to.strides[KY_SPACE + k];
  int64_t begin = r->begin[k], end = r->end[k], origin = 0;
  if (s->copies) origin = begin * a->step + a->first;
  if (s->pull) { /* x = u stride + phase - padding must be in 0..in-1 */
    if (begin * g->stride + phase < g->padding) begin++;
    if ((end - 1) * g->stride + phase - g->padding >= g->in) end--;
    w->to_step[1 + k] = g->stride * result;
    w->to += (phase - g->padding) * result;
  } else {
    w->to_step[1 + k] = result;
  }
  w->from_step[1 + k] = a->step * stride;
  w->from += (a->first - origin) * stride;
  w->begin[1 + k] = w->at[1 + k] = begin;
  w->end[1 + k] = end;
  w->done |= begin >= end;
}

ky_points ky__points(const ky_sliding *s, const ky_region *r, const int64_t phase[KY_CONV_AXES],
                     int64_t group) {
  ky_points w = {.end = {r->images}};
  w.from_step[0] = s->strides[KY_N];
  w.to_step[0] = s->to.strides[KY_N];
  w.to = r->image * s->to.strides[KY_N] + group * s->results * s->to.strides[KY_C];
  if (!s->copies) w.from = r->image * s->strides[KY_N] + group * s->channels * s->strides[KY_C];
  for (int k = 0; k < KY_CONV_AXES; k++) set_axis(s, k, r, phase[k], &w);
  return w;
}

/* The next stretch, of `room` points at most. */
static ky_stretch next_stretch(ky_points *w, size_t room) {
  enum { LAST = KY_CONV_AXES };
  const size_t left = (size_t)(w->end[LAST] - w->at[LAST]);
  ky_stretch r = {
      .count = left < room ? left : room, .from = (ptrdiff_t)w->from, .to = (ptrdiff_t)w->to};
  for (int k = 0; k <= LAST; k++) {
    r.from += (ptrdiff_t)(w->at[k] * w->from_step[k]);
    r.to += (ptrdiff_t)(w->at[k] * w->to_step[k]);
  }
  w->at[LAST] += (int64_t)r.count;
  for (int k = LAST; k > 0 && w->at[k] == w->end[k]; k--) {
    w->at[k] = w->begin[k];
    w->at[k - 1]++;
  }
  w->done = w->at[0] == w->end[0];
  return r;
}

size_t ky__next_points(ky_points *w, size_t room, ky_stretch *stretches, size_t *count) {
  size_t points = 0;
  for (*count = 0; points < room && !w->done; ++*count) {
    stretches[*count] = next_stretch(w, room - points);
    stretches[*count].first = points;
    points += stretches[*count].count;
  }
  return points;
}

void ky__next_stretches(ky_points *w, size_t room, ky_stretch *stretches, size_t *count) {
  for (*count = 0; *count < room && !w->done; ++*count)
    stretches[*count] = next_stretch(w, SIZE_MAX);
}

/* ---- the copy ---------------------------------------------------------------------------- */

/* How places origin..origin+count-1 lie over 0..extent-1. */
typedef struct overlap {
  int64_t before, inside, first;
} overlap;

static overlap overlap_of(int64_t origin, int64_t count, int64_t extent) {
  const int64_t before = origin < 0 ? (-origin < count ? -origin : count) : 0;
  const int64_t first = origin + before;
  int64_t inside = (origin + count < extent ? origin + count : extent) - first;
  return (overlap){before, inside > 0 ? inside : 0, first};
}

void ky__copy_region(const ky_frame *f, const ky_sliding *s, const ky_region *r, int64_t group,
                     int64_t begin, int64_t end) {
  if (!s->copies) return;
  overlap o[KY_CONV_AXES];
  int64_t count[KY_CONV_AXES];
  for (int k = 0; k < KY_CONV_AXES; k++) {
    const ky_slide *a = &s->axis[k];
    count[k] = window_of(a, r->end[k] - r->begin[k]);
    o[k] = overlap_of(r->begin[k] * a->step + a->first, count[k], a->extent);
  }
  const int64_t *from = s->from.strides;
  ky_margin plane = {.height = (size_t)count[1],
                     .width = (size_t)count[2],
                     .top = (size_t)o[1].before,
                     .left = (size_t)o[2].before,
                     .columns = (size_t)o[2].inside,
                     .src_row = (ptrdiff_t)from[KY_SPACE + 1],
                     .src_column = (ptrdiff_t)from[KY_SPACE + 2]};
  const int64_t corner = o[1].first * from[KY_SPACE + 1] + o[2].first * from[KY_SPACE + 2];
  for (int64_t n = 0; n < r->images; n++)
    for (int64_t c = begin; c < end; c++)
      for (int64_t z = 0; z < count[0]; z++) {
        const int64_t deep = z - o[0].before;
        const bool inside = deep >= 0 && deep < o[0].inside && plane.columns > 0;
        int64_t at =
            corner + (r->image + n) * from[KY_N] + (group * s->channels + c) * from[KY_C];
        at += (o[0].first + deep) * from[KY_SPACE];
        plane.rows = inside ? (size_t)o[1].inside : 0;
        plane.src = inside ? (const char *)s->from.data + at * (int64_t)s->size : NULL;
        plane.dst = (char *)s->copy +
                    (n * s->strides[KY_N] + c * s->strides[KY_C] + z * s->strides[KY_SPACE]) *
                        (int64_t)s->size;
        f->kernels->conv->margin[s->g->dtype](&plane);
      }
}
