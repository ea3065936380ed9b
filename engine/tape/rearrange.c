/* SPDX-License-Identifier: MIT */
/* The recording functions of ops_movement.h. Most record views and what joins them. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "tape/composition.h"

/* Marks the axes named, all for a count of 0; false, and the call's error, when one is out of
 * range or (unless `again`) named twice. */
static bool mark_axes(ky_tape *t, const char *call, int rank, int count, const int64_t *axes,
                      bool again, bool marked[KY_MAX_RANK]) {
  for (int k = 0; k < KY_MAX_RANK; k++) marked[k] = count == 0 && k < rank;
  if (!ky__list(t, call, "axes", axes, count, 0, KY_MAX_RANK)) return false;
  for (int k = 0; k < count; k++) {
    int64_t axis = axes[k];
    if (!ky__axis(t, call, rank, &axis)) return false;
    if (marked[axis] && !again) {
      ky__refuse(t, KY_BAD_AXIS, call, "axis %lld is repeated", (long long)axes[k]);
      return false;
    }
    marked[axis] = true;
  }
  return true;
}

/* ---- shape and order --------------------------------------------------------------------- */

ky_var ky_squeeze(ky_tape *t, ky_var x, int count, const int64_t *axes) {
  ky_layout l;
  bool marked[KY_MAX_RANK];
  if (!ky__look(t, x, "squeeze", &l) ||
      !mark_axes(t, "squeeze", l.rank, count, axes, false, marked))
    return ky_none();
  int rank = 0;
  for (int k = 0; k < l.rank; k++)
    if (!marked[k] || l.dims[k] != 1) l.dims[rank++] = l.dims[k];
  return ky_reshape(t, x, rank, l.dims);
}

/* Puts an extent in front of axis `axis`. */
static void insert_axis(ky_layout *l, int64_t axis, int64_t extent) {
  for (int k = l->rank++; k > axis; k--) l->dims[k] = l->dims[k - 1];
  l->dims[axis] = extent;
}

static ky_var unsqueeze(ky_tape *t, const char *call, ky_var x, int64_t axis) {
  ky_layout l;
  if (!ky__look(t, x, call, &l)) return ky_none();
  if (l.rank == KY_MAX_RANK)
    return ky__refuse(t, KY_BAD_SHAPE, call, "rank %d leaves no room for an axis", l.rank);
  if (!ky__axis(t, call, l.rank + 1, &axis)) return ky_none();
  insert_axis(&l, axis, 1);
  return ky_reshape(t, x, l.rank, l.dims);
}

ky_var ky_unsqueeze(ky_tape *t, ky_var x, int64_t axis) {
  return unsqueeze(t, "unsqueeze", x, axis);
}

ky_var ky_select(ky_tape *t, ky_var x, int64_t axis, int64_t index) {
  ky_layout l;
  if (!ky__look(t, x, "select", &l) || !ky__axis(t, "select", l.rank, &axis)) return ky_none();
  const int64_t n = l.dims[axis], at = index < 0 ? index + n : index;
  if (at < 0 || at >= n)
    return ky__refuse(t, KY_BAD_INDEX, "select", "index %lld of an axis of %lld elements",
                      (long long)index, (long long)n);
  const ky_composition c = ky__begin_composition(t, "select");
  return ky__composed(&c, ky_squeeze(t, ky_slice(t, x, axis, at, at + 1, 1), 1, &axis));
}

ky_var ky_transpose(ky_tape *t, ky_var x, int64_t i, int64_t j) {
  ky_layout l;
  if (!ky__look(t, x, "transpose", &l) || !ky__axis(t, "transpose", l.rank, &i) ||
      !ky__axis(t, "transpose", l.rank, &j))
    return ky_none();
  int64_t axes[KY_MAX_RANK];
  for (int k = 0; k < l.rank; k++) axes[k] = k == i ? j : k == j ? i : k;
  return ky_permute(t, x, l.rank, axes);
}

ky_var ky_flip(ky_tape *t, ky_var x, int count, const int64_t *axes) {
  ky_layout l;
  bool marked[KY_MAX_RANK];
  if (!ky__look(t, x, "flip", &l) || !mark_axes(t, "flip", l.rank, count, axes, false, marked))
    return ky_none();
  const ky_composition c = ky__begin_composition(t, "flip");
  for (int k = 0; k < l.rank; k++)
    if (marked[k]) x = ky_slice(t, x, k, INT64_MAX, INT64_MIN, -1);
  return ky__composed(&c, x);
}

ky_var ky_roll(ky_tape *t, ky_var x, int64_t shift, int64_t axis) {
  ky_layout l;
  if (!ky__look(t, x, "roll", &l) || !ky__axis(t, "roll", l.rank, &axis)) return ky_none();
  const int64_t n = l.dims[axis], first = n ? (shift % n + n) % n : 0;
  if (first == 0) return x;
  const ky_composition c = ky__begin_composition(t, "roll");
  const ky_var parts[2] = {ky_slice(t, x, axis, n - first, n, 1),
                           ky_slice(t, x, axis, 0, n - first, 1)};
  return ky__composed(&c, ky_concat(t, 2, parts, axis));
}

/* ---- repeating, joining, parting --------------------------------------------------------- */

/* x repeated along one axis: one copy, whatever the number of repetitions. */
static ky_var repeat(ky_tape *t, ky_var x, const ky_layout *l, int axis, int64_t times) {
  int64_t outer = 1, inner = 1;
  for (int k = 0; k < axis; k++) outer *= l->dims[k];
  for (int k = axis + 1; k < l->rank; k++) inner *= l->dims[k];
  x = ky_reshape(t, x, KY_SHAPE(outer, 1, l->dims[axis], inner));
  x = ky_expand(t, x, KY_SHAPE(outer, times, l->dims[axis], inner));
  ky_layout out = *l;
  out.dims[axis] *= times;
  return ky_reshape(t, x, out.rank, out.dims);
}

/* Aligns shape and repetitions at the last axis, and answers with both. */
static bool plan_tile(ky_tape *t, ky_layout *l, int count, const int64_t *reps,
                      int64_t times[KY_MAX_RANK]) {
  if (!ky__list(t, "tile", "repetitions", reps, count, 0, KY_MAX_RANK)) return false;
  while (l->rank < count) insert_axis(l, 0, 1);
  ky_layout out = *l, ignored;
  for (int k = 0; k < l->rank; k++) {
    const int n = k - (l->rank - count);
    times[k] = n < 0 ? 1 : reps[n];
    ky_fault fault = {0};
    if (times[k] < 0)
      ky__fail(&fault, KY_BAD_ARGUMENT, "%lld repetitions", (long long)times[k]);
    else if (out.dims[k] > 0 && times[k] > INT64_MAX / out.dims[k])
      ky__fail(&fault, KY_BAD_SHAPE, "the extent of axis %d overflows", k);
    out.dims[k] *= fault.status == KY_OK ? times[k] : 1;
    if (fault.status == KY_OK) ky__layout_dense(out.rank, out.dims, &ignored, &fault);
    if (fault.status == KY_OK) continue;
    ky__refuse(t, fault.status, "tile", "%s", fault.text);
    return false;
  }
  return true;
}

ky_var ky_tile(ky_tape *t, ky_var x, int count, const int64_t *reps) {
  ky_layout l;
  int64_t times[KY_MAX_RANK];
  if (!ky__look(t, x, "tile", &l)) return ky_none();
  const int rank = l.rank;
  if (!plan_tile(t, &l, count, reps, times)) return ky_none();
  const ky_composition c = ky__begin_composition(t, "tile");
  if (l.rank > rank) x = ky_reshape(t, x, l.rank, l.dims);
  for (int k = l.rank; k-- > 0;) { /* the last first: later copies have the longer runs */
    if (times[k] == 1) continue;
    x = repeat(t, x, &l, k, times[k]);
    l.dims[k] *= times[k];
  }
  return ky__composed(&c, x);
}

ky_var ky_stack(ky_tape *t, size_t count, const ky_var *vars, int64_t axis) {
  ky_layout first, next;
  if (!t) return ky_none();
  if (!ky__list(t, "stack", "operands", vars, (int64_t)count, 1, UINT32_MAX / 2))
    return ky_none();
  for (size_t k = 0; k < count; k++) {
    if (!ky__look(t, vars[k], "stack", k ? &next : &first)) return ky_none();
    if (k > 0 && !ky__same_dims(&first, &next))
      return ky__refuse(t, KY_BAD_SHAPE, "stack", "the shapes of operands 0 and %zu differ", k);
    const ky_ins *ins = t->code.ins;
    if (ins[vars[k].id].dtype != ins[vars[0].id].dtype)
      return ky__refuse(t, KY_BAD_DTYPE, "stack", "the dtypes of operands 0 and %zu differ", k);
  }
  const ky_composition c = ky__begin_composition(t, "stack");
  const ky_id begin = t->code.count;
  for (size_t k = 0; k < count; k++)
    if (!unsqueeze(t, "stack", vars[k], axis).id) return ky__composed(&c, ky_none());
  if (axis < 0) axis += first.rank + 1;
  ky_draft d;
  ky__draft(&d, KY_OP_concat);
  d.ins.b = t->code.pool_count;
  d.ins.c = (uint32_t)count;
  for (size_t k = 0; k < count; k++) ky__push(t, &d, 1, (const int64_t[]){begin + (int64_t)k});
  ky__push(t, &d, 1, &axis);
  return ky__composed(&c, ky__record(t, &d));
}

/* Whether the sizes, equal ones unless given, make up the extent. */
static bool check_sizes(ky_tape *t, int64_t extent, size_t count, const int64_t *sizes) {
  int64_t rest = extent;
  bool fits = sizes || extent % (int64_t)count == 0;
  for (size_t k = 0; k < count && sizes && fits; k++) {
    fits = sizes[k] >= 0 && sizes[k] <= rest;
    rest -= fits ? sizes[k] : 0;
  }
  if (fits && (!sizes || rest == 0)) return true;
  ky__refuse(t, KY_BAD_SHAPE, "split", "%zu %s do not make up the extent %lld", count,
             sizes ? "sizes" : "equal parts", (long long)extent);
  return false;
}

ky_status ky_split(ky_tape *t, ky_var x, int64_t axis, size_t count, const int64_t *sizes,
                   ky_var *parts) {
  if (!t) return KY_BAD_ARGUMENT;
  for (size_t k = 0; k < count && parts; k++) parts[k] = ky_none();
  ky_layout l;
  if (!ky__look(t, x, "split", &l)) return t->pending;
  if (!ky__list(t, "split", "parts", parts, (int64_t)count, 1, UINT32_MAX)) return t->pending;
  if (!ky__axis(t, "split", l.rank, &axis) || !check_sizes(t, l.dims[axis], count, sizes))
    return t->pending;
  const ky_composition c = ky__begin_composition(t, "split");
  int64_t at = 0;
  for (size_t k = 0; k < count; k++) {
    const int64_t size = sizes ? sizes[k] : l.dims[axis] / (int64_t)count;
    parts[k] = ky_slice(t, x, axis, at, at + size, 1);
    at += size;
  }
  if (t->pending != KY_OK) ky__composed(&c, ky_none());
  for (size_t k = 0; k < count && t->pending != KY_OK; k++) parts[k] = ky_none();
  return t->pending;
}

/* ---- padding ----------------------------------------------------------------------------- */

ky_var ky_pad(ky_tape *t, ky_var x, int rank, const int64_t *before, const int64_t *after,
              ky_pad_mode mode, double value) {
  ky_draft d;
  ky__draft(&d, KY_OP_pad);
  if (!t) return ky_none();
  d.ins.a = ky__operand_id(t, &d, x);
  ky__check_list(&d.fault, "axes to pad", before ? after : NULL, rank, 0, KY_MAX_RANK);
  if ((unsigned)mode > KY_PAD_CIRCULAR)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "unknown mode %d", (int)mode);
  if (d.fault.status != KY_OK) return ky__record(t, &d);
  int64_t words[2 * KY_MAX_RANK + 1];
  for (int k = 0; k < rank; k++) {
    words[2 * k] = before[k];
    words[2 * k + 1] = after[k];
  }
  words[2 * rank] = ky__f64_bits(value);
  d.ins.b = ky__push(t, &d, 2 * (uint32_t)rank + 1, words);
  d.ins.c = (uint32_t)mode | (uint32_t)rank << KY_AUX_SHIFT;
  return ky__record(t, &d);
}

/* ---- diagonals --------------------------------------------------------------------------- */

static ky_var triangle(ky_tape *t, ky_op op, ky_var x, int64_t diagonal) {
  ky_draft d;
  ky__draft(&d, op);
  d.ins.a = ky__operand_id(t, &d, x);
  d.ins.b = (uint32_t)(int32_t)diagonal;
  if (diagonal < INT32_MIN || diagonal > INT32_MAX)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "diagonal %lld", (long long)diagonal);
  return ky__record(t, &d);
}

ky_var ky_tril(ky_tape *t, ky_var x, int64_t diagonal) {
  return triangle(t, KY_OP_tril, x, diagonal);
}

ky_var ky_triu(ky_tape *t, ky_var x, int64_t diagonal) {
  return triangle(t, KY_OP_triu, x, diagonal);
}

/* The diagonal of [m,n]: every (n + 1)st element from its first on. */
static ky_var diagonal_of(ky_tape *t, const char *call, ky_var x, const ky_layout *l,
                          int64_t diagonal) {
  const int64_t m = l->dims[0], n = l->dims[1];
  const int64_t row = diagonal < 0 ? -diagonal : 0, column = diagonal > 0 ? diagonal : 0;
  if (row > m || column > n)
    return ky__refuse(t, KY_BAD_SHAPE, call, "[%lld,%lld] has no diagonal %lld", (long long)m,
                      (long long)n, (long long)diagonal);
  const int64_t count = m - row < n - column ? m - row : n - column;
  const int64_t first = row * n + column;
  const ky_var flat = ky_reshape(t, x, KY_SHAPE(m * n));
  return ky_slice(t, flat, 0, first, first + count * (n + 1), n + 1);
}

/* The matrix of side n + |diagonal| = s: each element with s zeros behind it, read in rows of
 * s. */
static ky_var diagonal_matrix(ky_tape *t, ky_var x, int64_t n, int64_t diagonal) {
  const int64_t off = diagonal < 0 ? -diagonal : diagonal, side = n + off, none = 0;
  if (side > INT32_MAX || side * side > INT64_MAX / 16)
    return ky__refuse(t, KY_BAD_SHAPE, "diag", "a matrix of side %lld", (long long)side);
  ky_var flat = ky_reshape(t, x, KY_SHAPE(n, 1));
  flat = ky_pad(t, flat, 2, (const int64_t[]){0, 0}, (const int64_t[]){0, side},
                KY_PAD_CONSTANT, 0);
  flat = ky_reshape(t, flat, KY_SHAPE(n * (side + 1)));
  const int64_t first = diagonal < 0 ? off * side : off;
  const int64_t used = n ? (n - 1) * (side + 1) + 1 : 0, behind = side * side - first - used;
  flat = ky_slice(t, flat, 0, 0, used, 1);
  if (first > 0 || behind > 0)
    flat = ky_pad(t, flat, 1, n ? &first : &none, (const int64_t[]){n ? behind : side * side},
                  KY_PAD_CONSTANT, 0);
  return ky_reshape(t, flat, KY_SHAPE(side, side));
}

ky_var ky_diag(ky_tape *t, ky_var x, int64_t diagonal) {
  ky_layout l;
  if (!ky__look(t, x, "diag", &l)) return ky_none();
  if (diagonal < INT32_MIN || diagonal > INT32_MAX)
    return ky__refuse(t, KY_BAD_ARGUMENT, "diag", "diagonal %lld", (long long)diagonal);
  const ky_composition c = ky__begin_composition(t, "diag");
  if (l.rank == 1) return ky__composed(&c, diagonal_matrix(t, x, l.dims[0], diagonal));
  if (l.rank == 2) return ky__composed(&c, diagonal_of(t, "diag", x, &l, diagonal));
  return ky__refuse(t, KY_BAD_SHAPE, "diag", "wants rank 1 or 2, got rank %d", l.rank);
}

ky_var ky_trace(ky_tape *t, ky_var x) {
  ky_layout l;
  if (!ky__look(t, x, "trace", &l)) return ky_none();
  if (l.rank != 2)
    return ky__refuse(t, KY_BAD_SHAPE, "trace", "wants rank 2, got rank %d", l.rank);
  if (!ky__float_dtype(t, "trace", t->code.ins[x.id].dtype)) return ky_none();
  const ky_composition c = ky__begin_composition(t, "trace");
  return ky__composed(&c, ky_sum_all(t, diagonal_of(t, "trace", x, &l, 0)));
}
