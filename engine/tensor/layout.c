/* SPDX-License-Identifier: MIT */
/* Layouts, broadcasting, nested loops. */
#include "tensor/layout.h"

#include <string.h>

#include "base/memory.h"

#define MAX_ELEMENTS (INT64_MAX / 16)

/* ---- making and comparing ---------------------------------------------------------------- */

ky_layout ky__dense(const ky_layout *layout) {
  ky_layout dense = {.rank = layout->rank, .dense = true, .count = layout->count};
  int64_t stride = 1;
  for (int k = layout->rank; k-- > 0;) {
    dense.dims[k] = layout->dims[k];
    dense.strides[k] = stride;
    stride *= layout->dims[k] ? layout->dims[k] : 1;
  }
  return dense;
}

ky_status ky__layout_dense(int rank, const int64_t *dims, ky_layout *out, ky_fault *fault) {
  if (rank < 0 || rank > KY_MAX_RANK)
    return ky__fail(fault, KY_BAD_SHAPE, "rank %d is not in 0..%d", rank, KY_MAX_RANK);
  if (rank > 0 && !dims) return ky__fail(fault, KY_BAD_ARGUMENT, "dims is null");
  ky_layout made = {.rank = rank, .dense = true, .count = 1}; /* dims may be out's own */
  int64_t padded = 1; /* with empty axes counted as 1, so that strides cannot overflow either */
  for (int k = 0; k < rank; k++) {
    if (dims[k] < 0)
      return ky__fail(fault, KY_BAD_SHAPE, "extent %lld of axis %d is negative",
                      (long long)dims[k], k);
    made.dims[k] = dims[k];
    made.count *= dims[k] ? 1 : 0;
    if (__builtin_mul_overflow(padded, dims[k] ? dims[k] : 1, &padded) || padded > MAX_ELEMENTS)
      return ky__fail(fault, KY_BAD_SHAPE, "the number of elements overflows at axis %d", k);
  }
  made.count *= padded;
  *out = ky__dense(&made);
  return KY_OK;
}

ky_status ky__axis_from_front(int64_t *axis, int rank, ky_fault *fault) {
  if (rank == 0)
    return ky__fail(fault, KY_BAD_AXIS, "axis %lld of a value of rank 0", (long long)*axis);
  if (*axis < -rank || *axis >= rank)
    return ky__fail(fault, KY_BAD_AXIS, "axis %lld is not in %d..%d", (long long)*axis, -rank,
                    rank - 1);
  if (*axis < 0) *axis += rank;
  return KY_OK;
}

void ky__layout_settle(ky_layout *l) {
  const ky_layout dense = ky__dense(l);
  l->count = 1;
  l->dense = true;
  for (int k = 0; k < l->rank; k++) l->count *= l->dims[k];
  for (int k = 0; k < l->rank; k++)
    if (l->dims[k] == 1 || l->count == 0)
      l->strides[k] = dense.strides[k]; /* never stepped along: one spelling */
    else if (l->strides[k] != dense.strides[k])
      l->dense = false;
}

bool ky__same_dims(const ky_layout *a, const ky_layout *b) {
  bool same = a->rank == b->rank;
  for (int k = 0; same && k < a->rank; k++) same = a->dims[k] == b->dims[k];
  return same;
}

static bool is_same(const ky_layout *a, const ky_layout *b) {
  bool same = ky__same_dims(a, b);
  for (int k = 0; same && k < a->rank; k++) same = a->strides[k] == b->strides[k];
  return same;
}

int64_t ky__offset_of(const ky_layout *layout, int axes, int64_t n) {
  int64_t offset = 0;
  for (int k = axes; k-- > 0; n /= layout->dims[k])
    offset += n % layout->dims[k] * layout->strides[k];
  return offset;
}

static void say_list(ky_text *text, int count, const int64_t *numbers) {
  ky__say(text, "[");
  for (int k = 0; k < count; k++) ky__say(text, "%s%lld", k ? "," : "", (long long)numbers[k]);
  ky__say(text, "]");
}

void ky__say_dims(ky_text *text, const ky_layout *layout) {
  say_list(text, layout->rank, layout->dims);
}

void ky__say_index(ky_text *text, const ky_layout *layout, int64_t n) {
  int64_t index[KY_MAX_RANK];
  for (int k = layout->rank; k-- > 0; n /= layout->dims[k]) index[k] = n % layout->dims[k];
  say_list(text, layout->rank, index);
}

void ky__say_axes(ky_text *text, uint32_t axes) {
  const char *separator = "axes=";
  for (int k = 0; k < KY_MAX_RANK; k++)
    if (axes >> k & 1) {
      ky__say(text, "%s%d", separator, k);
      separator = ",";
    }
}

/* ---- interning --------------------------------------------------------------------------- */

static uint64_t hash(const ky_layout *l) {
  uint64_t h = 1469598103934665603u ^ (uint64_t)l->rank;
  for (int k = 0; k < l->rank; k++) {
    h = (h ^ (uint64_t)l->dims[k]) * 1099511628211u;
    h = (h ^ (uint64_t)l->strides[k]) * 1099511628211u;
  }
  return h ^ (h >> 29);
}

ky_status ky__layouts_init(ky_layouts *l, const ky_allocator *allocator) {
  *l = (ky_layouts){.allocator = *allocator};
  const ky_layout point = {.rank = 0, .dense = true, .count = 1};
  uint32_t number;
  return ky__layouts_intern(l, &point, &number);
}

void ky__layouts_free(ky_layouts *l) {
  ky__resize(&l->allocator, l->at, l->capacity * sizeof *l->at, 0);
  ky__resize(&l->allocator, l->slots, l->slot_count * sizeof *l->slots, 0);
  *l = (ky_layouts){.allocator = l->allocator};
}

static uint32_t *find(uint32_t *slots, uint32_t slot_count, const ky_layout *at,
                      const ky_layout *wanted) {
  uint32_t k = (uint32_t)hash(wanted) & (slot_count - 1);
  while (slots[k] && !is_same(&at[slots[k] - 1], wanted)) k = (k + 1) & (slot_count - 1);
  return &slots[k];
}

static ky_status rehash(ky_layouts *l, uint32_t slot_count) {
  uint32_t *slots = ky__resize(&l->allocator, NULL, 0, slot_count * sizeof *slots);
  if (!slots) return KY_NO_MEMORY;
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t k = 0; k < l->count; k++) *find(slots, slot_count, l->at, &l->at[k]) = k + 1;
  ky__resize(&l->allocator, l->slots, l->slot_count * sizeof *l->slots, 0);
  l->slots = slots;
  l->slot_count = slot_count;
  return KY_OK;
}

ky_status ky__layouts_intern(ky_layouts *l, const ky_layout *layout, uint32_t *number) {
  if (2 * (l->count + 1) > l->slot_count)
    KY_TRY(rehash(l, l->slot_count ? 2 * l->slot_count : 64));
  uint32_t *slot = find(l->slots, l->slot_count, l->at, layout);
  if (!*slot) {
    KY_TRY(ky__grow(&l->allocator, &l->at, &l->capacity, l->count + 1, sizeof *l->at));
    l->at[l->count] = *layout;
    *slot = ++l->count;
  }
  *number = *slot - 1;
  return KY_OK;
}

/* ---- broadcasting ------------------------------------------------------------------------ */

ky_status ky__broadcast(const ky_layout *a, const ky_layout *b, ky_layout *out,
                        ky_fault *fault) {
  const int rank = a->rank > b->rank ? a->rank : b->rank;
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < rank; k++) {
    const int ka = k - (rank - a->rank), kb = k - (rank - b->rank);
    const int64_t da = ka < 0 ? 1 : a->dims[ka], db = kb < 0 ? 1 : b->dims[kb];
    if (da != db && da != 1 && db != 1)
      return ky__fail(fault, KY_BAD_SHAPE, "extents %lld and %lld do not broadcast",
                      (long long)da, (long long)db);
    dims[k] = da == 1 ? db : da;
  }
  return ky__layout_dense(rank, dims, out, fault);
}

void ky__broadcast_strides(const ky_layout *operand, const ky_layout *over,
                           int64_t strides[KY_MAX_RANK]) {
  const int lead = over->rank - operand->rank;
  for (int k = 0; k < over->rank; k++) {
    const bool spread = k < lead || (operand->dims[k - lead] == 1 && over->dims[k] != 1);
    strides[k] = spread ? 0 : operand->strides[k - lead];
  }
}

/* ---- nested loops ------------------------------------------------------------------------ */

void ky__loop_plan(ky_loop *loop, const ky_layout *space, int arrays,
                   int64_t strides[][KY_MAX_RANK]) {
  loop->rank = 0;
  loop->arrays = arrays;
  for (int k = 0; k < space->rank; k++) {
    if (space->dims[k] == 1) continue;
    const int last = loop->rank - 1;
    bool merge = last >= 0;
    for (int n = 0; n < arrays && merge; n++)
      merge = loop->strides[n][last] == strides[n][k] * space->dims[k];
    const int at = merge ? last : loop->rank++;
    loop->dims[at] = (merge ? loop->dims[at] : 1) * space->dims[k];
    for (int n = 0; n < arrays; n++) loop->strides[n][at] = strides[n][k];
  }
  if (loop->rank > 0) return;
  loop->rank = 1;
  loop->dims[0] = 1;
  for (int n = 0; n < arrays; n++) loop->strides[n][0] = 0;
}

bool ky__loop_empty(const ky_loop *loop) {
  for (int k = 0; k < loop->rank; k++)
    if (loop->dims[k] == 0) return true;
  return false;
}

bool ky__loop_next(const ky_loop *loop, ky_walk *walk) {
  for (int k = loop->rank - 1; k-- > 0;) {
    if (++walk->index[k] < loop->dims[k]) {
      for (int n = 0; n < loop->arrays; n++) walk->offset[n] += loop->strides[n][k];
      return true;
    }
    walk->index[k] = 0;
    for (int n = 0; n < loop->arrays; n++)
      walk->offset[n] -= loop->strides[n][k] * (loop->dims[k] - 1);
  }
  return false;
}
