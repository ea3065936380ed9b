/* SPDX-License-Identifier: MIT */
/* Tiles: pieces of a dense index space, taken in its row-major order. A feed brings an operand,
 * however it lies, to a tile; a tally sums what tiles give to something that is broadcast over
 * the space. The sums have the bits of those in kernels/reduce.h, wherever the tiles are cut.
 */
#ifndef KY_TILE_H
#define KY_TILE_H

#include "frame.h"

/* ---- feeds ---------------------------------------------------------------------------- */

/* Elements of a tile: in the array itself where they lie there one after the other. */
typedef struct ky_piece {
  const void *data;
  ptrdiff_t stride; /* 1, or 0 for one element all over */
} ky_piece;

typedef struct ky_feed {
  const char *data;
  ky_dtype dtype;
  size_t size;
  int32_t rank;   /* of the nest of loops over it: 1 where a single stride will do */
  int64_t period; /* elements after which it repeats */
  void *gathered; /* where a tile is put together; null if never */
  size_t held;    /* elements there from position 0 on, of a feed that repeats with each tile */
  int64_t dims[KY_MAX_RANK];
  int64_t strides[KY_MAX_RANK];
} ky_feed;

/* Starts feeding an array that broadcasts to `space`. */
void ky__feed_start(ky_feed *feed, ky_dtype dtype, const void *data, const ky_layout *layout,
                    const ky_layout *space);

/* Whether tiles have to be put together: `gathered` must then have room for the largest. */
static inline bool ky__feed_gathers(const ky_feed *feed) {
  return feed->rank > 1 || (feed->strides[0] != 0 && feed->strides[0] != 1);
}

/* The n elements from position `start` of the space on. tile: elements of every tile but the
 * last. */
ky_piece ky__feed_tile(const ky_frame *f, ky_feed *feed, int64_t start, size_t n, int64_t tile);

/* ---- tallies -------------------------------------------------------------------------- */

/* How the elements of a space are summed. */
typedef struct ky_pattern {
  int64_t row;     /* each `row` elements that follow each other give one sum; 0: */
  int64_t columns; /* the k-th sum is over positions k, k + columns, ... */
} ky_pattern;

/* The pattern of a sum over the axes of `space` that are in `reduced`; false when it is neither
 * rows nor columns. */
bool ky__pattern_of(const ky_layout *space, uint32_t reduced, ky_pattern *pattern);

/* The axes of `space` along which `layout` is broadcast. */
uint32_t ky__broadcast_axes(const ky_layout *layout, const ky_layout *space);

/* Whether what `operand` gets can be summed tile by tile, as its broadcast over `space`
 * demands. */
bool ky__sums_in_tiles(const ky_layout *operand, const ky_layout *space);

typedef struct ky_tally {
  ky_pattern pattern;
  ky_dtype dtype;
  void *out; /* out = beta out + sum / divisor */
  int beta;
  double divisor;
  int64_t at, index;         /* position in the row under way; its number */
  double lane[KY_SUM_LANES]; /* of the row under way */
  size_t taken;              /* elements that the lanes have of the piece under way */
  double total;              /* of the row's pieces before it */
  double *parts;             /* where the totals of pieces go instead; null: nowhere */
  size_t part;               /* number of the piece under way, with `parts` */
  size_t held;               /* elements in `block` */
  void *block;               /* rows: a block that the last tile cut */
  double *totals;            /* columns */
} ky_tally;

/* The least common multiple, or `most` when it is larger. */
int64_t ky__common_multiple(int64_t a, int64_t b, int64_t most);

/* Rounded up to whole lines of the cache. */
static inline size_t ky__whole_lines(size_t bytes) {
  return (bytes + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

/* What a tally over `axes` takes of scratch memory, shared by `threads`, `parts` included. */
size_t ky__tally_scratch(const ky_layout *space, uint32_t axes, ky_dtype dtype,
                         uint32_t threads);

/* Bytes of memory that a tally takes, or one thread's part of it: whole lines of the cache. */
size_t ky__tally_bytes(ky_pattern pattern, ky_dtype dtype);

/* Starts with pattern, dtype, out, beta, divisor and parts set; `memory` has ky__tally_bytes.
 */
void ky__tally_start(ky_tally *tally, void *memory);

/* How many totals a row of n elements has. */
static inline size_t ky__tally_parts(int64_t n) { return (size_t)n / KY_SUM_PIECE + 1; }

/* Starts a copy of a tally of rows at position `begin` of the space, which is the beginning of
 * a row or, when rows have `parts`, of a piece. */
void ky__tally_start_at(ky_tally *tally, void *memory, int64_t begin);

/* Adds the next n elements of the space. */
void ky__tally_add(const ky_frame *f, ky_tally *tally, size_t n, const void *x);

/* Writes what is not written yet: columns, and the only row of a tally with `parts`, all of
 * which are there. */
void ky__tally_end(ky_tally *tally);

#endif
