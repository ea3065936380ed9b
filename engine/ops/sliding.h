/* SPDX-License-Identifier: MIT */
/* A window that slides over an array: where it can be, what it shows there, and the copy with
 * margins that it is read from. The window's place is counted by u along each axis: in the map
 * to y, u is the place in y; in the map to x, it is the place in x plus padding, divided by the
 * stride, and the remainders, phases, are done one after the other, each with the taps that it
 * meets. So there are no products with zeros between the places of a stride. */
#ifndef KY_SLIDING_H
#define KY_SLIDING_H

#include "ops/correlate.h"

enum { KY_N, KY_C, KY_SPACE }; /* the first two strides; those of axis k at KY_SPACE + k */

/* What slides, along one axis: at u the window shows places u step + first + tap of what is
 * read.
 */
typedef struct ky_slide {
  int64_t begin, end; /* u */
  int64_t step, first;
  int64_t span;   /* the largest tap */
  int64_t extent; /* of what is read */
  int64_t phases; /* 1, or the stride */
  int64_t window; /* places that a copy holds */
} ky_slide;

typedef struct ky_sliding {
  const ky_conv *g;
  bool pull; /* the map to x */
  size_t size;
  int64_t channels, results; /* of a group: what is summed over, what is not */
  int64_t taps;              /* summed over, of all phases and channels */
  ky_slide axis[KY_CONV_AXES];
  bool copies;
  int banded;     /* the axis that is cut into bands */
  int64_t band;   /* u of a band, */
  int64_t bands;  /* their number, */
  int64_t images; /* and of images in a chunk */
  int64_t chunks;
  ky_conv_array from, to;            /* what is read; what has a place for each u and phase */
  void *copy;                        /* of what is read, with margins; or null */
  int64_t strides[2 + KY_CONV_AXES]; /* of what is read in the end */
} ky_sliding;

/* All but the arrays. */
ky_sliding ky__sliding(const ky_conv *g, bool pull);

/* Bytes of the copy of one unit. */
size_t ky__sliding_copy_bytes(const ky_sliding *s);

/* How many pieces `threads` take the units in, at most: each has a copy of its own. */
uint32_t ky__sliding_pieces(const ky_sliding *s, uint32_t threads);

/* With the copy of a piece. */
ky_sliding ky__sliding_piece(const ky_sliding *s, uint32_t piece);

/* Elements of work in a unit, as ky__grain_of counts them. */
size_t ky__sliding_work(const ky_sliding *s);

/* Names the arrays. copy: as many bytes for each piece, or null for none. */
void ky__sliding_open(ky_sliding *s, const ky_conv_array *from, const ky_conv_array *to,
                      void *copy);

static inline const void *ky__sliding_read(const ky_sliding *s) {
  return s->copies ? s->copy : s->from.data;
}

/* ---- taps -------------------------------------------------------------------------------- */

/* Moves on to the next phase; false behind the last. */
bool ky__next_phase(const ky_sliding *s, int64_t phase[KY_CONV_AXES]);

/* Moves on to the next tap of the kernel; false behind the last. */
bool ky__next_tap(const ky_conv *g, int64_t tap[KY_CONV_AXES]);

/* Where a tap looks, as an offset; false when the phase does not meet it. */
bool ky__find_tap(const ky_sliding *s, const int64_t phase[KY_CONV_AXES],
                  const int64_t tap[KY_CONV_AXES], ptrdiff_t *at);

/* How many taps a phase meets, over all channels. */
int64_t ky__taps_of_phase(const ky_sliding *s, const int64_t phase[KY_CONV_AXES]);

/* Offsets of all taps: phase by phase, channel by channel. */
void ky__list_taps(const ky_sliding *s, ptrdiff_t *at);

/* ---- points ------------------------------------------------------------------------------ */

/* Some images, and a part of the places along the axes. */
typedef struct ky_region {
  int64_t image, images;
  int64_t begin[KY_CONV_AXES], end[KY_CONV_AXES]; /* u */
} ky_region;

/* Units of work: chunks of images, or bands of one. */
static inline int64_t ky__units(const ky_sliding *s) { return s->chunks * s->bands; }

ky_region ky__region(const ky_sliding *s, int64_t unit);

/* Copies what a region reads of channels begin..end-1 of a group, if anything is copied. */
void ky__copy_region(const ky_frame *f, const ky_sliding *s, const ky_region *r, int64_t group,
                     int64_t begin, int64_t end);

/* Points that follow each other along the last axis. */
typedef struct ky_stretch {
  size_t first, count; /* in a block */
  ptrdiff_t from, to;  /* offsets of the first */
} ky_stretch;

/* Walks over the points of a region: images and the three axes. */
typedef struct ky_points {
  int64_t begin[1 + KY_CONV_AXES], end[1 + KY_CONV_AXES], at[1 + KY_CONV_AXES];
  int64_t from_step[1 + KY_CONV_AXES], to_step[1 + KY_CONV_AXES];
  int64_t from, to;
  bool done;
} ky_points;

ky_points ky__points(const ky_sliding *s, const ky_region *r, const int64_t phase[KY_CONV_AXES],
                     int64_t group);

/* The next points, `room` at most: how many, and the stretches they make. */
size_t ky__next_points(ky_points *w, size_t room, ky_stretch *stretches, size_t *count);

/* The next stretches, `room` at most, as long as they are. */
void ky__next_stretches(ky_points *w, size_t room, ky_stretch *stretches, size_t *count);

#endif
