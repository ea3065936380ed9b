/* SPDX-License-Identifier: MIT */
/* Operands for random instructions: values that are there already, or new leaves. */
#include "random_operands.h"

#include <stdlib.h>
#include <string.h>

#include "kytape/ops.h"

int rt_below(random_tape *r, int n) { return random_below(&r->state, n); }

/* Eighths in -2..2: exact in f32, and with ties. */
double rt_number(uint64_t *state) { return (random_below(state, 33) - 16) / 8.0; }

void rt_fill_array(uint64_t *state, ky_dtype dtype, size_t count, int64_t classes, void *data) {
  for (size_t k = 0; k < count; k++) {
    const int64_t whole =
        classes ? random_below(state, (int)classes) : random_below(state, 7) - 3;
    switch (dtype) {
    case KY_F32: ((float *)data)[k] = (float)rt_number(state); break;
    case KY_F64: ((double *)data)[k] = rt_number(state); break;
    case KY_I32: ((int32_t *)data)[k] = (int32_t)whole; break;
    case KY_I64: ((int64_t *)data)[k] = whole; break;
    case KY_MASK: ((uint8_t *)data)[k] = whole & 1; break;
    case KY_BF16:
    case KY_F16: {
      const double x = rt_number(state); /* exact in these, too */
      ky_convert(dtype, (uint16_t *)data + k, KY_F64, &x, 1);
      break;
    }
    }
  }
}

/* ---- values ------------------------------------------------------------------------------ */

bool rt_is_real(const random_value *v) {
  return v->shape.dtype == KY_F32 || v->shape.dtype == KY_F64;
}

/* Makes `var` a value that others can be computed from. */
random_value *rt_put(random_tape *r, ky_var var) {
  random_value *v = &r->values[r->count];
  *v = (random_value){.var = var, .depends = r->depends};
  if (r->count >= RANDOM_VALUES - 1 || ky_shape(r->tape, var, &v->shape) != KY_OK) return NULL;
  v->wants = r->wants && rt_is_real(v);
  r->count++;
  return v;
}

/* What is computed next depends on `v`. */
static const random_value *take(random_tape *r, const random_value *v) {
  r->depends |= v->depends;
  r->wants |= v->wants;
  return v;
}

/* A value that fits, among the newest ones more often than not; null when there is none. */
const random_value *rt_pick(random_tape *r, rt_fits *accept, const random_value *other) {
  for (int tries = 0; tries < 12; tries++) {
    const int window = tries < 6 && rt_below(r, 2) ? 4 : r->visible;
    const int back = rt_below(r, window < r->visible ? window : r->visible);
    const random_value *v = &r->values[r->visible - 1 - back];
    if (accept(v, other)) return take(r, v);
  }
  return NULL;
}

bool rt_any(const random_value *v, const random_value *other) {
  (void)other;
  return v->var.id != 0;
}

bool rt_real(const random_value *v, const random_value *other) {
  (void)other;
  return rt_is_real(v);
}

bool rt_real_with_axis(const random_value *v, const random_value *other) {
  (void)other;
  return rt_is_real(v) && v->shape.rank > 0;
}

bool rt_with_axis(const random_value *v, const random_value *other) {
  (void)other;
  return v->shape.rank > 0;
}

bool rt_matrix(const random_value *v, const random_value *other) {
  return rt_is_real(v) && v->shape.rank >= 2 &&
         (!other || v->shape.dtype == other->shape.dtype);
}

bool rt_mask(const random_value *v, const random_value *other) {
  (void)other;
  return v->shape.dtype == KY_MASK;
}

static bool same_dims(const random_value *v, const random_value *other) {
  return v->shape.rank == other->shape.rank &&
         memcmp(v->shape.dims, other->shape.dims,
                (size_t)v->shape.rank * sizeof *v->shape.dims) == 0;
}

bool rt_alike(const random_value *v, const random_value *other) {
  return v->shape.dtype == other->shape.dtype && same_dims(v, other);
}

bool rt_broadcasts(const random_value *v, const random_value *other) {
  if (v->shape.dtype != other->shape.dtype) return false;
  const int rank = v->shape.rank < other->shape.rank ? v->shape.rank : other->shape.rank;
  for (int k = 1; k <= rank; k++) {
    const int64_t a = v->shape.dims[v->shape.rank - k];
    const int64_t b = other->shape.dims[other->shape.rank - k];
    if (a != b && a != 1 && b != 1) return false;
  }
  return true;
}

/* ---- leaves ------------------------------------------------------------------------------ */

static ky_var input(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims, size_t count,
                    int64_t classes) {
  random_input *in = &r->inputs[r->input_count];
  *in = (random_input){.dtype = dtype, .count = count, .classes = classes};
  in->data = malloc(count * ky_dtype_size(dtype) + 1);
  if (!in->data) return ky_none();
  random_tape_fill(r, r->input_count, 0, in->data);
  in->var = ky_input(r->tape, dtype, rank, dims, in->data);
  r->input_count++;
  r->depends = true;
  return in->var;
}

static ky_tensor *weight(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims) {
  const int old = r->weight_count && rt_below(r, 6) == 0 ? rt_below(r, r->weight_count) : -1;
  ky_tensor *w = NULL;
  if (old >= 0) w = r->weights[old]; /* a second use, of whatever shape */
  if (old < 0 && ky_tensor_new(NULL, dtype, rank, dims, &w) == KY_OK)
    r->weights[r->weight_count++] = w;
  r->depends = r->wants = true;
  return w;
}

static ky_var constant(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims,
                       size_t count, int64_t classes) {
  void *data = malloc(count * ky_dtype_size(dtype) + 1);
  if (!data) return ky_none();
  rt_fill_array(&r->state, dtype, count, classes, data);
  const ky_var v = ky_constant(r->tape, dtype, rank, dims, data);
  free(data);
  return v;
}

/* What an array of f32 values is stored in. */
static ky_dtype storage(random_tape *r) {
  switch (rt_below(r, 10)) {
  case 0: return KY_BF16;
  case 1: return KY_F16;
  default: return KY_F32;
  }
}

/* A new leaf, or a weight that is one already. */
const random_value *rt_leaf(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims,
                            int64_t classes) {
  const bool depends = r->depends, wants = r->wants;
  r->depends = r->wants = false;
  size_t count = 1;
  for (int k = 0; k < rank; k++) count *= (size_t)dims[k];
  const bool is_float = dtype == KY_F32 || dtype == KY_F64;
  const int kind = rt_below(r, 12);
  const bool room = r->input_count < RANDOM_LEAVES && r->weight_count < RANDOM_LEAVES;
  const ky_dtype stored = dtype == KY_F32 && kind < 8 ? storage(r) : dtype;
  ky_tensor *w = is_float && kind < 4 && room ? weight(r, stored, rank, dims) : NULL;
  ky_var v;
  if (w)
    v = ky_param(r->tape, w);
  else if (kind < 8 && room)
    v = input(r, stored, rank, dims, count, classes);
  else if (kind < 10 || classes)
    v = constant(r, dtype, rank, dims, count, classes);
  else if (kind == 10 && rank == 1 && dtype != KY_MASK)
    v = ky_iota(r->tape, dtype, dims[0], is_float ? rt_number(&r->state) : rt_below(r, 5) - 2);
  else if (rank == 0)
    v = ky_scalar(r->tape, dtype, is_float ? rt_number(&r->state) : rt_below(r, 2));
  else
    v = ky_full(r->tape, dtype, rank, dims, is_float ? rt_number(&r->state) : rt_below(r, 2));
  random_value *made = rt_put(r, v);
  if (made) {
    made->self = w != NULL;
    made->tensor = w;
  }
  r->depends |= depends;
  r->wants |= wants;
  return made;
}

/* A leaf with the tape's dims, of which some are left out or 1. */
const random_value *rt_typical_leaf(random_tape *r) {
  static const ky_dtype others[] = {KY_F32, KY_F64, KY_I32, KY_I64, KY_MASK, KY_MASK};
  const ky_dtype dtype = rt_below(r, 6) ? r->real : others[rt_below(r, 6)];
  int64_t dims[RT_MOST_RANK];
  const int rank = rt_below(r, 3) ? r->rank : rt_below(r, r->rank + 1);
  for (int k = 0; k < rank; k++) dims[k] = rt_below(r, 4) ? r->dims[r->rank - rank + k] : 1;
  return rt_leaf(r, dtype, rank, dims, 0);
}

/* A value of the same dtype that broadcasts with `v`, there already or made. */
const random_value *rt_partner(random_tape *r, const random_value *v) {
  const random_value *found = rt_below(r, 4) ? rt_pick(r, rt_broadcasts, v) : NULL;
  if (found) return found;
  int64_t dims[KY_MAX_RANK];
  const int rank = rt_below(r, 3) ? v->shape.rank : rt_below(r, v->shape.rank + 1);
  for (int k = 0; k < rank; k++)
    dims[k] = rt_below(r, 3) ? v->shape.dims[v->shape.rank - rank + k] : 1;
  return rt_leaf(r, v->shape.dtype, rank, dims, 0);
}

/* A value just like `v`, there already or made. */
const random_value *rt_twin(random_tape *r, const random_value *v) {
  const random_value *found = rt_pick(r, rt_alike, v);
  return found ? found : rt_leaf(r, v->shape.dtype, v->shape.rank, v->shape.dims, 0);
}
