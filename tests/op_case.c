/* SPDX-License-Identifier: MIT */
/* Cases: data, layouts, tapes. */
#include "op_case.h"

#include <stdio.h>
#include <string.h>

/* ---- words about a case ----------------------------------------------------------------- */

static void say_case(const op_case *c, char *text, size_t size) {
  static const char *const lays[LAY_COUNT] = {"dense", "permuted", "sliced", "flipped",
                                              "stretched"};
  size_t n =
      (size_t)snprintf(text, size, "%s: sample %d, %s, scalars %g %g", c->name, c->number,
                       ky_dtype_name(c->sample.real), c->sample.s[0], c->sample.s[1]);
  for (int k = 0; k < c->sample.operands && n < size; k++) {
    n += (size_t)snprintf(text + n, size - n, ", %s [", lays[c->lay[k]]);
    for (int d = 0; d < c->sample.shape[k].rank && n < size; d++)
      n += (size_t)snprintf(text + n, size - n, "%s%lld", d ? "," : "",
                            (long long)c->sample.shape[k].dims[d]);
    if (n < size)
      n += (size_t)snprintf(text + n, size - n, c->source[k] == k ? "]" : "] the same");
  }
}

void case_fail(const op_case *c, const char *format, ...) {
  char words[512], reason[512];
  say_case(c, words, sizeof words);
  va_list args;
  va_start(args, format);
  vsnprintf(reason, sizeof reason, format, args);
  va_end(args);
  print_error("%s: %s\n", words, reason);
  _fail(c->name, c->number);
  for (;;) {
  } /* _fail leaves by longjmp */
}

void case_compare(const op_case *c, const char *what, const nd *got, const nd *want,
                  double tolerance, double norm) {
  assert_int_equal(got->count, want->count);
  for (int64_t k = 0; k < want->count; k++) {
    const double scale = fmax(fabs(want->at[k]), norm);
    if (!is_close(got->at[k], want->at[k], tolerance * scale + DBL_MIN))
      case_fail(c, "%s: element %lld is %.17g, wants %.17g, off by %.3g of %.3g", what,
                (long long)k, got->at[k], want->at[k], got->at[k] - want->at[k], scale);
  }
}

/* ---- data ------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators"). */
static uint64_t next_bits(uint64_t *stream) {
  uint64_t z = *stream += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

int64_t dice_roll(ky_dice *dice, int64_t low, int64_t high) {
  return low + (int64_t)(next_bits(&dice->state) % (uint64_t)(high - low + 1));
}

int64_t dice_extent(ky_dice *dice, int64_t most) {
  static const int64_t odd[] = {1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 65};
  int count = 1;
  while (count < (int)(sizeof odd / sizeof *odd) && odd[count] <= most) count++;
  return odd[dice_roll(dice, 0, count - 1)];
}

double case_uniform(op_case *c, double low, double high) {
  return low + (high - low) * (double)(next_bits(&c->stream) >> 11) * 0x1p-53;
}

static uint64_t stream_of(const char *name, int number) {
  uint64_t h = OP_SEED;
  for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001B3u;
  return h + (uint64_t)number * 0xD1B54A32D192ED03u;
}

static ky_domain domain_of(const op_case *c, int k) {
  const ky_domain own = c->sample.domain[k];
  const ky_domain domain = own.low < own.high ? own : c->set->domain[k];
  if (c->sample.kind[k] == MASK) return (ky_domain){0, 1, INTEGER, 0};
  if (c->sample.kind[k] == REAL || domain.fill == INTEGER) return domain;
  return (ky_domain){-2, 2, INTEGER, 0};
}

static double level(ky_domain d, double part) {
  return (float)(d.low + (d.high - d.low) * part);
}

static double draw_one(op_case *c, ky_domain d) {
  if (d.fill == INTEGER) return floor(case_uniform(c, d.low, d.high + 1));
  for (;;) {
    const double x = (float)case_uniform(c, d.low, d.high);
    if (fabs(x - c->sample.s[0]) >= d.gap && fabs(x - c->sample.s[1]) >= d.gap) return x;
  }
}

/* 0..n-1 in random order. */
static void shuffle(op_case *c, int64_t n, double *levels) {
  for (int64_t k = 0; k < n; k++) {
    const int64_t j = (int64_t)(next_bits(&c->stream) % (uint64_t)(k + 1));
    levels[k] = levels[j];
    levels[j] = (double)k;
  }
}

static void draw_operands(op_case *c) {
  int64_t total = 0, taken = 0;
  for (int k = 0; k < c->sample.operands; k++)
    if (domain_of(c, k).fill == DISTINCT) total += c->x[k].count;
  assert_in_range(total, 0, ND_MAX);
  shuffle(c, total, c->got.at);
  for (int k = 0; k < c->sample.operands; k++) {
    const ky_domain d = domain_of(c, k);
    for (int64_t n = 0; n < c->x[k].count; n++)
      c->x[k].at[n] = d.fill == DISTINCT ? level(d, (c->got.at[taken++] + 0.5) / (double)total)
                                         : draw_one(c, d);
    if (c->source[k] != k) nd_copy(&c->x[k], &c->x[c->source[k]]);
  }
}

/* The axis that LAY_STRETCHED broadcasts; -1 for none. */
static int stretched_axis(const ky_extents *shape) {
  for (int k = 0; k < shape->rank; k++)
    if (shape->dims[k] > 1) return k;
  return -1;
}

/* Makes a stretched operand constant along its axis. */
static void flatten_stretched(op_case *c, int k) {
  nd *x = &c->x[k];
  const int axis = stretched_axis(&c->sample.shape[k]);
  int64_t index[KY_MAX_RANK];
  for (int64_t n = 0; n < x->count; n++) {
    nd_index(x, n, index);
    index[axis] = 0;
    x->at[n] = x->at[nd_place(x, x->rank, index)];
  }
}

void case_oracle(const op_case *c, const nd *const *x, nd *out) {
  if (c->set->whole) {
    c->set->whole(x, &c->sample, out);
    return;
  }
  nd_shape(out, x[0]->rank, x[0]->dims);
  for (int k = 1; k < c->sample.operands; k++) nd_broadcast(out, out, x[k]);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t index[KY_MAX_RANK];
    double a[KY_OPERANDS] = {0};
    nd_index(out, n, index);
    for (int k = 0; k < c->sample.operands; k++)
      a[k] = x[k]->at[nd_place(x[k], out->rank, index)];
    out->at[n] = c->set->each(a, &c->sample);
  }
}

void case_ask_oracle(op_case *c) {
  const nd *x[KY_OPERANDS];
  for (int k = 0; k < KY_OPERANDS; k++) x[k] = &c->x[k];
  case_oracle(c, x, &c->want);
}

void case_choose(op_case *c, const ky_sample *sample, const ky_extents *shape, int number) {
  c->sample = *sample;
  c->sample.real = KY_F64;
  c->number = number;
  if (c->sample.operands == 0) c->sample.operands = c->set->operands;
  c->stream = stream_of(c->name, number);
  for (int k = 0; k < KY_OPERANDS; k++) {
    if (shape) c->sample.shape[k] = shape[k];
    c->lay[k] = LAY_DENSE;
    c->source[k] = k;
  }
}

void case_draw(op_case *c) {
  for (int k = 0; k < c->sample.operands; k++)
    nd_shape(&c->x[k], c->sample.shape[k].rank, c->sample.shape[k].dims);
  draw_operands(c);
  for (int k = 0; k < c->sample.operands; k++)
    if (c->lay[k] == LAY_STRETCHED) flatten_stretched(c, k);
  case_ask_oracle(c);
  nd_shape(&c->cotangent, c->want.rank, c->want.dims);
  for (int64_t n = 0; n < c->cotangent.count; n++)
    c->cotangent.at[n] = (float)case_uniform(c, -1, 1);
}

/* ---- questions -------------------------------------------------------------------------- */

ky_dtype kind_dtype(ky_kind kind, ky_dtype real) {
  static const ky_dtype dtypes[] = {[INT32] = KY_I32, [INT64] = KY_I64, [MASK] = KY_MASK};
  return kind == REAL ? real : dtypes[kind];
}

ky_dtype case_result_dtype(const op_case *c) {
  switch (c->set->result) {
  case LIKE_A: return kind_dtype(c->sample.kind[0], c->sample.real);
  case LIKE_B: return kind_dtype(c->sample.kind[1], c->sample.real);
  case IS_MASK: return KY_MASK;
  case IS_INT64: return KY_I64;
  case AS_TOLD: return c->sample.n[1] ? c->sample.real : (ky_dtype)c->sample.n[0];
  }
  return KY_F64;
}

bool case_is_real(const op_case *c, int k) {
  return k < c->sample.operands && c->sample.kind[k] == REAL;
}

bool case_differentiable(const op_case *c) {
  const ky_dtype dtype = case_result_dtype(c);
  bool real = c->sample.operands == 0;
  for (int k = 0; k < c->sample.operands; k++) real |= case_is_real(c, k);
  return real && c->info->differentiable && (dtype == KY_F32 || dtype == KY_F64);
}

bool case_can_lay(const op_case *c, int k, ky_lay lay) {
  const ky_extents *shape = &c->sample.shape[k];
  switch (lay) {
  case LAY_PERMUTED: return shape->rank >= 2;
  case LAY_SLICED:
  case LAY_FLIPPED: return shape->rank >= 1;
  case LAY_STRETCHED: return domain_of(c, k).fill != DISTINCT && stretched_axis(shape) >= 0;
  case LAY_DENSE:
  case LAY_COUNT: return false;
  }
  return false;
}

/* ---- on the tape ------------------------------------------------------------------------ */

static void store(void *array, ky_dtype dtype, int64_t n, double x) {
  switch (dtype) {
  case KY_F32: ((float *)array)[n] = (float)x; break;
  case KY_F64: ((double *)array)[n] = x; break;
  case KY_I32: ((int32_t *)array)[n] = (int32_t)x; break;
  case KY_I64: ((int64_t *)array)[n] = (int64_t)x; break;
  case KY_MASK: ((uint8_t *)array)[n] = (uint8_t)x; break;
  case KY_BF16:
  case KY_F16: break;
  }
}

static double load(const void *array, ky_dtype dtype, int64_t n) {
  switch (dtype) {
  case KY_F32: return (double)((const float *)array)[n];
  case KY_F64: return ((const double *)array)[n];
  case KY_I32: return (double)((const int32_t *)array)[n];
  case KY_I64: return (double)((const int64_t *)array)[n];
  case KY_MASK: return (double)((const uint8_t *)array)[n];
  case KY_BF16:
  case KY_F16: break;
  }
  return 0;
}

static void *new_array(op_case *c, size_t bytes) {
  const ky_allocator a = fault_allocator(&c->host_memory);
  void *array = a.resize(a.user, NULL, 0, bytes ? bytes : 1);
  assert_non_null(array);
  return array;
}

void *case_host(op_case *c, ky_dtype dtype, const nd *from) {
  void *array = new_array(c, (size_t)from->count * ky_dtype_size(dtype));
  for (int64_t n = 0; n < from->count; n++) store(array, dtype, n, from->at[n]);
  return array;
}

/* Extents of the input array behind operand k. */
static void source_dims(const op_case *c, int k, int64_t dims[KY_MAX_RANK]) {
  const ky_extents *shape = &c->sample.shape[k];
  for (int d = 0; d < shape->rank; d++) {
    const int64_t n = shape->dims[d];
    switch (c->lay[k]) {
    case LAY_PERMUTED: dims[shape->rank - 1 - d] = n; break;
    case LAY_SLICED: dims[d] = 2 * n + 1; break;
    case LAY_STRETCHED: dims[d] = d == stretched_axis(shape) ? 1 : n; break;
    case LAY_DENSE:
    case LAY_FLIPPED:
    case LAY_COUNT: dims[d] = n; break;
    }
  }
}

/* Where the element at `index` of operand k stands in the input array. */
static int64_t source_place(const op_case *c, int k, const int64_t *index,
                            const int64_t *dims) {
  const ky_extents *shape = &c->sample.shape[k];
  int64_t place[KY_MAX_RANK], flat = 0;
  for (int d = 0; d < shape->rank; d++) {
    switch (c->lay[k]) {
    case LAY_PERMUTED: place[shape->rank - 1 - d] = index[d]; break;
    case LAY_SLICED: place[d] = 2 * index[d] + 1; break;
    case LAY_FLIPPED: place[d] = shape->dims[d] - 1 - index[d]; break;
    case LAY_STRETCHED: place[d] = d == stretched_axis(shape) ? 0 : index[d]; break;
    case LAY_DENSE:
    case LAY_COUNT: place[d] = index[d]; break;
    }
  }
  for (int d = 0; d < shape->rank; d++) flat = flat * dims[d] + place[d];
  return flat;
}

/* The view of `v` that is operand k. */
static ky_var view(op_case *c, int k, ky_var v) {
  const ky_extents *shape = &c->sample.shape[k];
  int64_t reversed[KY_MAX_RANK];
  for (int d = 0; d < shape->rank; d++) reversed[d] = shape->rank - 1 - d;
  switch (c->lay[k]) {
  case LAY_PERMUTED: return ky_permute(c->t, v, shape->rank, reversed);
  case LAY_SLICED:
    for (int d = 0; d < shape->rank; d++)
      v = ky_slice(c->t, v, d, 1, 1 + 2 * shape->dims[d], 2);
    return v;
  case LAY_FLIPPED:
    for (int d = 0; d < shape->rank; d++) v = ky_slice(c->t, v, d, INT64_MAX, INT64_MIN, -1);
    return v;
  case LAY_STRETCHED: return ky_expand(c->t, v, shape->rank, shape->dims);
  case LAY_DENSE:
  case LAY_COUNT: return v;
  }
  return v;
}

static void put_operand(op_case *c, int k) {
  const ky_dtype dtype = kind_dtype(c->sample.kind[k], c->sample.real);
  const int rank = c->sample.shape[k].rank;
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK], count = 1;
  source_dims(c, k, dims);
  for (int d = 0; d < rank; d++) count *= dims[d];
  op_host *host = &c->host[k];
  host->bytes = (size_t)count * ky_dtype_size(dtype);
  host->data = new_array(c, host->bytes);
  host->copy = new_array(c, host->bytes);
  memset(host->data, 0xFF, host->bytes); /* what is not part of the operand is NaN, or wrong */
  for (int64_t n = 0; n < c->x[k].count; n++) {
    nd_index(&c->x[k], n, index);
    store(host->data, dtype, source_place(c, k, index, dims), c->x[k].at[n]);
  }
  memcpy(host->copy, host->data, host->bytes);
  c->v[k] = view(c, k, ky_input(c->t, dtype, rank, dims, host->data));
}

void case_put_operands(op_case *c, ky_dtype real) {
  c->sample.real = real;
  fault_allocator_init(&c->memory);
  fault_allocator_init(&c->host_memory);
  const ky_tape_options options = {.size = sizeof options,
                                   .allocator = fault_allocator(&c->memory)};
  c->t = ky_tape_new(&options);
  assert_non_null(c->t);
  memset(c->host, 0, sizeof c->host);
  for (int k = 0; k < c->sample.operands; k++) {
    if (c->source[k] == k)
      put_operand(c, k);
    else
      c->v[k] = c->v[c->source[k]];
  }
  if (ky_tape_check(c->t) != KY_OK) case_fail(c, "operands: %s", ky_tape_message(c->t));
}

void case_record(op_case *c, ky_dtype real, unsigned watched) {
  case_put_operands(c, real);
  for (int k = 0; k < c->sample.operands; k++)
    if (watched & 1u << k && case_is_real(c, k) && ky_watch(c->t, c->v[k]) != KY_OK)
      case_fail(c, "watch: %s", ky_tape_message(c->t));
  c->r = c->set->record(c->t, c->v, &c->sample);
  if (ky_tape_check(c->t) != KY_OK || !c->r.id)
    case_fail(c, "was not recorded: %s", ky_tape_message(c->t));
}

void case_drop(op_case *c) {
  ky_tape_free(c->t);
  c->t = NULL;
  fault_allocator_free(&c->memory);
  fault_allocator_free(&c->host_memory);
}

void case_end(op_case *c) {
  for (int k = 0; k < c->sample.operands; k++)
    if (c->host[k].bytes && memcmp(c->host[k].data, c->host[k].copy, c->host[k].bytes) != 0)
      case_fail(c, "operand %d was written to", k);
  const char *host_complaint = fault_allocator_complaint(&c->host_memory);
  if (host_complaint) case_fail(c, "host arrays: %s", host_complaint);
  ky_tape_free(c->t);
  c->t = NULL;
  const char *complaint = fault_allocator_complaint(&c->memory);
  if (complaint) case_fail(c, "%s", complaint);
  if (c->memory.live_blocks) case_fail(c, "%zu blocks leaked", c->memory.live_blocks);
  case_drop(c);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void copy_out(const op_case *c, const char *what, const ky_array *array, ky_dtype dtype,
                     nd *out) {
  if (array->dtype != dtype)
    case_fail(c, "%s is %s, wants %s", what, ky_dtype_name(array->dtype), ky_dtype_name(dtype));
  nd_shape(out, array->rank, array->dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t index[KY_MAX_RANK], place = 0;
    nd_index(out, n, index);
    for (int d = 0; d < array->rank; d++) place += index[d] * array->strides[d];
    out->at[n] = load(array->data, dtype, place);
  }
}

void case_value(op_case *c, ky_var v, ky_dtype dtype, nd *out) {
  ky_array array;
  if (ky_data(c->t, v, &array) != KY_OK) case_fail(c, "data: %s", ky_tape_message(c->t));
  copy_out(c, "the value", &array, dtype, out);
}

void case_gradient(op_case *c, ky_var v, nd *out) {
  ky_array array;
  if (ky_grad(c->t, v, &array) != KY_OK) case_fail(c, "grad: %s", ky_tape_message(c->t));
  copy_out(c, "the gradient", &array, c->sample.real, out);
}

void case_backward(op_case *c) {
  const void *cotangent = case_host(c, c->sample.real, &c->cotangent);
  if (ky_backward_from(c->t, c->r, cotangent, NULL) != KY_OK)
    case_fail(c, "backward: %s", ky_tape_message(c->t));
}
