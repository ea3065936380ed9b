/* SPDX-License-Identifier: MIT */
/* Feeds and tallies. */
#include "ops/tile.h"

#include <string.h>

#include "ops/family.h"

/* ---- feeds ---------------------------------------------------------------------------- */

void ky__feed_start(ky_feed *feed, ky_dtype dtype, const void *data, const ky_layout *layout,
                    const ky_layout *space) {
  feed->data = data;
  feed->dtype = dtype;
  feed->size = ky_dtype_size(dtype);
  feed->gathered = NULL;
  feed->held = 0;
  feed->rank = 1;
  feed->strides[0] = layout->count == 1 ? 0 : 1;
  feed->period = space->count;
  if (layout->count == 1 || (layout->dense && layout->count == space->count)) return;
  ky_loop loop;
  ky__plan(&loop, space, 1, &layout);
  feed->rank = loop.rank;
  for (int k = 0; k < loop.rank; k++) {
    feed->dims[k] = loop.dims[k];
    feed->strides[k] = loop.strides[1][k];
  }
  if (loop.rank > 1 && feed->strides[0] == 0) feed->period /= feed->dims[0];
}

#define REPEAT(name, type)                                                                     \
  static void name(size_t n, type *restrict dst, const type *src) {                            \
    const type x = *src;                                                                       \
    for (size_t i = 0; i < n; i++) dst[i] = x;                                                 \
  }
REPEAT(repeat_1, uint8_t)
REPEAT(repeat_4, uint32_t)
REPEAT(repeat_8, uint64_t)
#undef REPEAT

static void copy_run(const ky_frame *f, const ky_feed *feed, size_t n, char *dst,
                     const char *src, int64_t stride) {
  if (stride != 0)
    f->kernels->copy->run(feed->dtype, n, dst, 1, 0, src, stride);
  else if (feed->size == 1)
    repeat_1(n, (uint8_t *)dst, (const uint8_t *)src);
  else if (feed->size == 4)
    repeat_4(n, (uint32_t *)(void *)dst, (const uint32_t *)(const void *)src);
  else
    repeat_8(n, (uint64_t *)(void *)dst, (const uint64_t *)(const void *)src);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Puts the n elements from `start` on together. */
static void gather(const ky_frame *f, const ky_feed *feed, int64_t start, size_t n, char *dst) {
  const int last = feed->rank - 1;
  int64_t index[KY_MAX_RANK], offset = 0;
  for (int k = last; k >= 0; k--) {
    index[k] = start % feed->dims[k];
    start /= feed->dims[k];
    offset += index[k] * feed->strides[k];
  }
  const size_t row = (size_t)feed->dims[last];
  while (n > 0) {
    const char *src = feed->data + offset * (int64_t)feed->size;
    size_t run = smaller(row - (size_t)index[last], n), rows = 1;
    if (row <= KY_NARROW && last > 0 && run == row) {
      rows = smaller(n / row, (size_t)(feed->dims[last - 1] - index[last - 1]));
      f->kernels->copy->plane(feed->dtype, rows, row, dst, (ptrdiff_t)row, 1, 0, src,
                              feed->strides[last - 1], feed->strides[last]);
      run = rows * row;
    } else {
      copy_run(f, feed, run, dst, src, feed->strides[last]);
    }
    dst += run * feed->size;
    n -= run;
    offset -= index[last] * feed->strides[last];
    index[last] = 0;
    for (int k = last; k-- > 0; rows = 1) {
      offset += (int64_t)rows * feed->strides[k];
      index[k] += (int64_t)rows;
      if (index[k] < feed->dims[k]) break;
      offset -= feed->strides[k] * feed->dims[k];
      index[k] = 0;
    }
  }
}

ky_piece ky__feed_tile(const ky_frame *f, ky_feed *feed, int64_t start, size_t n,
                       int64_t tile) {
  const int last = feed->rank - 1;
  if (!ky__feed_gathers(feed))
    return (ky_piece){feed->data + start * feed->strides[0] * (int64_t)feed->size,
                      feed->strides[0]};
  const int64_t at = feed->rank == 2 && feed->strides[0] == 0 ? start % feed->period : 0;
  if (feed->rank == 2 && feed->strides[0] == 0 && feed->strides[last] == 1 &&
      at + (int64_t)n <= feed->period)
    return (ky_piece){feed->data + at * (int64_t)feed->size, 1};
  const bool repeats = tile % feed->period == 0;
  if (!repeats || feed->held < n) {
    gather(f, feed, start, n, feed->gathered);
    feed->held = repeats ? n : 0;
  }
  return (ky_piece){feed->gathered, 1};
}

/* ---- patterns ------------------------------------------------------------------------- */

bool ky__pattern_of(const ky_layout *space, uint32_t reduced, ky_pattern *pattern) {
  int64_t inner = 1, outer = 1; /* extents of the last axes of one kind, of those before */
  bool outer_begun = false, inner_reduced = true, inner_begun = false;
  for (int k = space->rank; k-- > 0;) {
    if (space->dims[k] == 1) continue;
    const bool is_reduced = reduced >> k & 1;
    if (!inner_begun) inner_reduced = is_reduced;
    inner_begun = true;
    if (is_reduced != inner_reduced) outer_begun = true;
    if (outer_begun && is_reduced == inner_reduced) return false;
    *(outer_begun ? &outer : &inner) *= space->dims[k];
  }
  *pattern = (ky_pattern){0, 0};
  if (inner_reduced)
    pattern->row = inner;
  else
    pattern->columns = inner;
  return true;
}

uint32_t ky__broadcast_axes(const ky_layout *layout, const ky_layout *space) {
  const int lead = space->rank - layout->rank;
  uint32_t axes = 0;
  for (int k = 0; k < space->rank; k++)
    if (k < lead || layout->dims[k - lead] != space->dims[k]) axes |= 1u << k;
  return axes;
}

bool ky__sums_in_tiles(const ky_layout *operand, const ky_layout *space) {
  ky_pattern pattern;
  return operand->count == space->count ||
         ky__pattern_of(space, ky__broadcast_axes(operand, space), &pattern);
}

/* ---- tallies -------------------------------------------------------------------------- */

int64_t ky__common_multiple(int64_t a, int64_t b, int64_t most) {
  int64_t divisor = a, rest = b;
  while (rest) {
    const int64_t next = divisor % rest;
    divisor = rest;
    rest = next;
  }
  const int64_t times = b / divisor;
  return a > most / times ? most : a * times;
}

size_t ky__tally_bytes(ky_pattern pattern, ky_dtype dtype) {
  return ky__whole_lines(pattern.row ? KY_SUM_BLOCK * ky_dtype_size(dtype)
                                     : (size_t)pattern.columns * sizeof(double));
}

size_t ky__tally_scratch(const ky_layout *space, uint32_t axes, ky_dtype dtype,
                         uint32_t threads) {
  ky_pattern pattern;
  if (!ky__pattern_of(space, axes, &pattern)) return 0;
  if (!pattern.row) return ky__tally_bytes(pattern, dtype);
  const bool whole = pattern.row == space->count;
  return threads * ky__tally_bytes(pattern, dtype) +
         (whole ? ky__whole_lines(ky__tally_parts(pattern.row) * sizeof(double)) : 0);
}

void ky__tally_start(ky_tally *t, void *memory) {
  memset(t->lane, 0, sizeof t->lane);
  t->at = t->index = 0;
  t->held = t->taken = t->part = 0;
  t->total = 0;
  t->block = t->pattern.row ? memory : NULL;
  t->totals = t->pattern.row ? NULL : memory;
  if (t->totals) memset(t->totals, 0, (size_t)t->pattern.columns * sizeof(double));
}

void ky__tally_start_at(ky_tally *t, void *memory, int64_t begin) {
  ky__tally_start(t, memory);
  t->index = begin / t->pattern.row;
  t->at = begin % t->pattern.row;
  t->part = (size_t)t->at / KY_SUM_PIECE;
}

/* Sum `index` is complete. */
static void put(const ky_tally *t, int64_t index, double total) {
  if (t->dtype == KY_F64) {
    double *r = (double *)t->out + index, sum = total / t->divisor;
    *r = t->beta ? *r + sum : sum;
  } else {
    float *r = (float *)t->out + index, sum = (float)(total / t->divisor);
    *r = t->beta ? *r + sum : sum;
  }
}

/* A piece ends with the n elements at x, which no block has. */
static void end_piece(const ky_frame *f, ky_tally *t, size_t n, const void *x) {
  const double total = f->kernels->reduce->sum_rest[t->dtype](t->lane, n, x);
  if (t->parts)
    t->parts[t->part++] = total;
  else
    t->total += total;
  memset(t->lane, 0, sizeof t->lane);
  t->taken = 0;
}

/* Adds n elements of a row, cut into blocks from its beginning on. */
static void add_to_row(const ky_frame *f, ky_tally *t, size_t n, const char *x) {
  const size_t size = ky_dtype_size(t->dtype);
  while (n > 0) {
    const size_t room = KY_SUM_BLOCK - t->held, part = n < room ? n : room;
    if (part < KY_SUM_BLOCK) memcpy((char *)t->block + t->held * size, x, part * size);
    t->held += part;
    if (t->held == KY_SUM_BLOCK) {
      f->kernels->reduce->sum_block[t->dtype](t->lane, part < KY_SUM_BLOCK ? t->block : x);
      t->held = 0;
      t->taken += KY_SUM_BLOCK;
      if (t->taken == KY_SUM_PIECE) end_piece(f, t, 0, x);
    }
    x += part * size;
    n -= part;
  }
}

/* Adds the last n elements of row `index`. */
static void end_row(const ky_frame *f, ky_tally *t, int64_t index, size_t n, const char *x) {
  const size_t size = ky_dtype_size(t->dtype);
  const size_t whole = (t->held + n) / KY_SUM_BLOCK * KY_SUM_BLOCK;
  const size_t before = whole     ? whole - t->held
                        : t->held ? n
                                  : 0; /* what goes through blocks */
  add_to_row(f, t, before, x);
  end_piece(f, t, t->held ? t->held : n - before, t->held ? t->block : x + before * size);
  if (!t->parts) put(t, index, t->total);
  t->held = 0;
  t->total = 0;
}

/* Adds the rows that lie in the next n elements as a whole; returns how many elements these
 * have. */
static size_t add_whole_rows(const ky_frame *f, ky_tally *t, size_t n, const char *x) {
  const size_t row = (size_t)t->pattern.row, columns = (size_t)t->pattern.columns;
  if (t->totals && t->at == 0 && n >= columns) {
    f->kernels->reduce->add_rows[t->dtype](n / columns, columns, t->totals, x);
    return n / columns * columns;
  }
  if (!row || n < row || t->at || t->parts || row > KY_SUM_PIECE) return 0;
  char *out = (char *)t->out + t->index * (int64_t)ky_dtype_size(t->dtype);
  f->kernels->reduce->put_rows[t->dtype](n / row, row, out, t->beta, t->divisor, x);
  t->index += (int64_t)(n / row);
  return n / row * row;
}

void ky__tally_add(const ky_frame *f, ky_tally *t, size_t n, const void *x) {
  const char *from = x;
  const size_t size = ky_dtype_size(t->dtype);
  const int64_t period = t->pattern.row ? t->pattern.row : t->pattern.columns;
  while (n > 0) {
    const size_t taken = add_whole_rows(f, t, n, from);
    from += taken * size;
    n -= taken;
    if (n == 0) return;
    const size_t rest = (size_t)(period - t->at), part = smaller(rest, n);
    if (t->totals)
      f->kernels->reduce->add_rows[t->dtype](1, part, t->totals + t->at, from);
    else if (part < rest)
      add_to_row(f, t, part, from);
    else
      end_row(f, t, t->index++, part, from);
    t->at = part < rest ? t->at + (int64_t)part : 0;
    from += part * size;
    n -= part;
  }
}

void ky__tally_end(ky_tally *t) {
  if (t->parts) {
    double total = 0;
    for (size_t k = 0; k < ky__tally_parts(t->pattern.row); k++) total += t->parts[k];
    put(t, 0, total);
  }
  for (int64_t k = 0; t->totals && k < t->pattern.columns; k++) put(t, k, t->totals[k]);
}
