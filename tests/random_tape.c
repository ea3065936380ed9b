/* SPDX-License-Identifier: MIT */
/* An action picks operands among the values so far and records one or a few instructions. What
 * the rules refuse, and what grows too large, is rewound. Knows the public API alone. */
#include "random_tape.h"

#include <stdlib.h>
#include <string.h>

#include "kytape/ops.h"

enum { LARGEST = 4096, MOST_RANK = 4 };

/* ---- numbers ----------------------------------------------------------------------------- */

uint64_t random_bits(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

int random_below(uint64_t *state, int n) {
  return (int)((random_bits(state) >> 32) * (uint64_t)n >> 32);
}

static int below(random_tape *r, int n) { return random_below(&r->state, n); }

/* Eighths in -2..2: exact in f32, and with ties. */
static double number(uint64_t *state) { return (random_below(state, 33) - 16) / 8.0; }

static void fill_array(uint64_t *state, ky_dtype dtype, size_t count, int64_t classes,
                       void *data) {
  for (size_t k = 0; k < count; k++) {
    const int64_t whole =
        classes ? random_below(state, (int)classes) : random_below(state, 7) - 3;
    switch (dtype) {
    case KY_F32: ((float *)data)[k] = (float)number(state); break;
    case KY_F64: ((double *)data)[k] = number(state); break;
    case KY_I32: ((int32_t *)data)[k] = (int32_t)whole; break;
    case KY_I64: ((int64_t *)data)[k] = whole; break;
    case KY_MASK: ((uint8_t *)data)[k] = whole & 1; break;
    case KY_BF16:
    case KY_F16: break;
    }
  }
}

void random_tape_fill(const random_tape *r, int k, uint64_t round, void *data) {
  uint64_t state = r->seed ^ (uint64_t)(k + 1) << 40 ^ (round + 1) << 20;
  const random_input *in = &r->inputs[k];
  fill_array(&state, in->dtype, in->count, in->classes, data);
}

void random_tape_reset_weights(const random_tape *r) {
  for (int k = 0; k < r->weight_count; k++) {
    uint64_t state = r->seed ^ (uint64_t)(k + 1) << 50;
    ky_tensor *w = r->weights[k];
    fill_array(&state, ky_tensor_dtype(w), (size_t)ky_tensor_count(w), 0, ky_tensor_write(w));
  }
}

/* ---- values ------------------------------------------------------------------------------ */

static bool is_real(const random_value *v) {
  return v->shape.dtype == KY_F32 || v->shape.dtype == KY_F64;
}

/* Makes `var` a value that others can be computed from. */
static random_value *put(random_tape *r, ky_var var) {
  random_value *v = &r->values[r->count];
  *v = (random_value){.var = var, .depends = r->depends};
  if (r->count >= RANDOM_VALUES - 1 || ky_shape(r->tape, var, &v->shape) != KY_OK) return NULL;
  v->wants = r->wants && is_real(v);
  r->count++;
  return v;
}

/* What is computed next depends on `v`. */
static const random_value *take(random_tape *r, const random_value *v) {
  r->depends |= v->depends;
  r->wants |= v->wants;
  return v;
}

typedef bool fits(const random_value *v, const random_value *other);

/* A value that fits, among the newest ones more often than not; null when there is none. */
static const random_value *pick(random_tape *r, fits *accept, const random_value *other) {
  for (int tries = 0; tries < 12; tries++) {
    const int window = tries < 6 && below(r, 2) ? 4 : r->visible;
    const int back = below(r, window < r->visible ? window : r->visible);
    const random_value *v = &r->values[r->visible - 1 - back];
    if (accept(v, other)) return take(r, v);
  }
  return NULL;
}

static bool any(const random_value *v, const random_value *other) {
  (void)other;
  return v->var.id != 0;
}

static bool real(const random_value *v, const random_value *other) {
  (void)other;
  return is_real(v);
}

static bool real_with_axis(const random_value *v, const random_value *other) {
  (void)other;
  return is_real(v) && v->shape.rank > 0;
}

static bool with_axis(const random_value *v, const random_value *other) {
  (void)other;
  return v->shape.rank > 0;
}

static bool matrix(const random_value *v, const random_value *other) {
  return is_real(v) && v->shape.rank >= 2 && (!other || v->shape.dtype == other->shape.dtype);
}

static bool mask(const random_value *v, const random_value *other) {
  (void)other;
  return v->shape.dtype == KY_MASK;
}

static bool same_dims(const random_value *v, const random_value *other) {
  return v->shape.rank == other->shape.rank &&
         memcmp(v->shape.dims, other->shape.dims,
                (size_t)v->shape.rank * sizeof *v->shape.dims) == 0;
}

static bool alike(const random_value *v, const random_value *other) {
  return v->shape.dtype == other->shape.dtype && same_dims(v, other);
}

static bool broadcasts(const random_value *v, const random_value *other) {
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
  const int old = r->weight_count && below(r, 6) == 0 ? below(r, r->weight_count) : -1;
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
  fill_array(&r->state, dtype, count, classes, data);
  const ky_var v = ky_constant(r->tape, dtype, rank, dims, data);
  free(data);
  return v;
}

/* A new leaf, or a weight that is one already. */
static const random_value *leaf(random_tape *r, ky_dtype dtype, int rank, const int64_t *dims,
                                int64_t classes) {
  const bool depends = r->depends, wants = r->wants;
  r->depends = r->wants = false;
  size_t count = 1;
  for (int k = 0; k < rank; k++) count *= (size_t)dims[k];
  const bool is_float = dtype == KY_F32 || dtype == KY_F64;
  const int kind = below(r, 12);
  const bool room = r->input_count < RANDOM_LEAVES && r->weight_count < RANDOM_LEAVES;
  ky_tensor *w = is_float && kind < 4 && room ? weight(r, dtype, rank, dims) : NULL;
  ky_var v;
  if (w)
    v = ky_param(r->tape, w);
  else if (kind < 8 && room)
    v = input(r, dtype, rank, dims, count, classes);
  else if (kind < 10 || classes)
    v = constant(r, dtype, rank, dims, count, classes);
  else if (kind == 10 && rank == 1 && dtype != KY_MASK)
    v = ky_iota(r->tape, dtype, dims[0], is_float ? number(&r->state) : below(r, 5) - 2);
  else if (rank == 0)
    v = ky_scalar(r->tape, dtype, is_float ? number(&r->state) : below(r, 2));
  else
    v = ky_full(r->tape, dtype, rank, dims, is_float ? number(&r->state) : below(r, 2));
  random_value *made = put(r, v);
  if (made) {
    made->self = w != NULL;
    made->tensor = w;
  }
  r->depends |= depends;
  r->wants |= wants;
  return made;
}

/* A leaf with the tape's dims, of which some are left out or 1. */
static const random_value *typical_leaf(random_tape *r) {
  static const ky_dtype others[] = {KY_F32, KY_F64, KY_I32, KY_I64, KY_MASK, KY_MASK};
  const ky_dtype dtype = below(r, 6) ? r->real : others[below(r, 6)];
  int64_t dims[MOST_RANK];
  const int rank = below(r, 3) ? r->rank : below(r, r->rank + 1);
  for (int k = 0; k < rank; k++) dims[k] = below(r, 4) ? r->dims[r->rank - rank + k] : 1;
  return leaf(r, dtype, rank, dims, 0);
}

/* A value of the same dtype that broadcasts with `v`, there already or made. */
static const random_value *partner(random_tape *r, const random_value *v) {
  const random_value *found = below(r, 4) ? pick(r, broadcasts, v) : NULL;
  if (found) return found;
  int64_t dims[KY_MAX_RANK];
  const int rank = below(r, 3) ? v->shape.rank : below(r, v->shape.rank + 1);
  for (int k = 0; k < rank; k++)
    dims[k] = below(r, 3) ? v->shape.dims[v->shape.rank - rank + k] : 1;
  return leaf(r, v->shape.dtype, rank, dims, 0);
}

/* A value just like `v`, there already or made. */
static const random_value *twin(random_tape *r, const random_value *v) {
  const random_value *found = pick(r, alike, v);
  return found ? found : leaf(r, v->shape.dtype, v->shape.rank, v->shape.dims, 0);
}

/* ---- actions ----------------------------------------------------------------------------- */

/* x brought to 0.5..1.5, mostly: for functions with poles and steep ones. */
static ky_var tame(random_tape *r, ky_var x) {
  if (below(r, 8) == 0) return x;
  return ky_add_scalar(r->tape, ky_sigmoid(r->tape, x), 0.5);
}

static ky_var act_unary(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var);
  static function *const gentle[] = {ky_neg, ky_abs,  ky_sign,    ky_square, ky_sin,
                                     ky_cos, ky_tanh, ky_sigmoid, ky_relu,   ky_softplus};
  static function *const steep[] = {ky_sqrt, ky_rsqrt, ky_recip, ky_exp,
                                    ky_log,  ky_log1p, ky_expm1};
  const random_value *x = pick(r, real, NULL);
  if (!x) return ky_none();
  if (below(r, 3)) return gentle[below(r, 10)](r->tape, x->var);
  return steep[below(r, 7)](r->tape, tame(r, x->var));
}

static ky_var act_scalar(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, double);
  static function *const of_reals[] = {ky_add_scalar,  ky_mul_scalar,     ky_div_scalar,
                                       ky_rsub_scalar, ky_maximum_scalar, ky_minimum_scalar,
                                       ky_rdiv_scalar, ky_pow_scalar};
  static function *const tests[] = {ky_lt_scalar, ky_le_scalar, ky_eq_scalar,
                                    ky_ne_scalar, ky_gt_scalar, ky_ge_scalar};
  const int which = below(r, 12);
  const double s = number(&r->state);
  const random_value *x = pick(r, which < 9 ? real : any, NULL);
  if (!x) return ky_none();
  if (which == 8) return ky_clamp(r->tape, x->var, -1 + s / 8, 1 + s / 8);
  if (which > 8) return tests[below(r, 6)](r->tape, x->var, s);
  return of_reals[which](r->tape, which < 6 ? x->var : tame(r, x->var), s == 0 ? 0.5 : s);
}

static ky_var act_binary(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, ky_var);
  static function *const plain[] = {ky_add, ky_sub, ky_mul, ky_maximum, ky_minimum};
  const random_value *a = pick(r, real, NULL);
  const random_value *b = !a || below(r, 8) == 0 ? a : partner(r, a);
  if (!b) return ky_none();
  const ky_var x = a->var, y = b->var;
  switch (below(r, 8)) {
  case 0: return ky_div(r->tape, x, tame(r, y));
  case 1: return ky_pow(r->tape, tame(r, x), y);
  default:
    return below(r, 2) ? plain[below(r, 5)](r->tape, x, y) : plain[below(r, 5)](r->tape, y, x);
  }
}

static ky_var act_compare(random_tape *r) {
  typedef ky_var function(ky_tape *, ky_var, ky_var);
  static function *const tests[] = {ky_lt, ky_le, ky_eq, ky_ne, ky_gt, ky_ge};
  const random_value *a = pick(r, any, NULL), *b = a ? partner(r, a) : NULL;
  return b ? tests[below(r, 6)](r->tape, a->var, b->var) : ky_none();
}

static ky_var act_where(random_tape *r) {
  const random_value *b = pick(r, below(r, 5) ? real : any, NULL),
                     *c = b ? partner(r, b) : NULL;
  if (!c) return ky_none();
  const random_value *m = below(r, 2) ? pick(r, mask, NULL) : NULL;
  if (m) return ky_where(r->tape, m->var, b->var, c->var);
  return ky_where(r->tape, ky_gt_scalar(r->tape, b->var, number(&r->state)), b->var, c->var);
}

static ky_var act_matmul(random_tape *r) {
  const random_value *a = pick(r, matrix, NULL);
  if (!a) return ky_none();
  const unsigned flags = (unsigned)below(r, 4);
  const int last = a->shape.rank - 1;
  const int64_t inner = a->shape.dims[flags & KY_TRANS_A ? last - 1 : last],
                n = 1 + below(r, 4);
  const random_value *b = below(r, 2) ? pick(r, matrix, a) : NULL;
  if (!b)
    b = flags & KY_TRANS_B ? leaf(r, a->shape.dtype, KY_SHAPE(n, inner), 0)
                           : leaf(r, a->shape.dtype, KY_SHAPE(inner, n), 0);
  if (!b) return ky_none();
  return flags ? ky_matmul_trans(r->tape, a->var, b->var, flags)
               : ky_matmul(r->tape, a->var, b->var);
}

static ky_var act_linear(random_tape *r) {
  const random_value *x = pick(r, real_with_axis, NULL);
  if (!x) return ky_none();
  const int64_t in = x->shape.dims[x->shape.rank - 1], out = 1 + below(r, 4);
  const random_value *w = leaf(r, x->shape.dtype, KY_SHAPE(out, in), 0);
  if (!w) return ky_none();
  if (below(r, 3) == 0) return ky_linear(r->tape, x->var, w->var, ky_none());
  const random_value *b = leaf(r, x->shape.dtype, KY_SHAPE(out), 0);
  return b ? ky_linear(r->tape, x->var, w->var, b->var) : ky_none();
}

static ky_var act_reduce(random_tape *r) {
  typedef ky_var some(ky_tape *, ky_var, int, const int64_t *, int);
  typedef ky_var all(ky_tape *, ky_var);
  static some *const over[] = {ky_sum, ky_mean, ky_max, ky_min};
  static all *const over_all[] = {ky_sum_all, ky_mean_all, ky_max_all, ky_min_all};
  if (below(r, 6) == 0) {
    const random_value *x = pick(r, with_axis, NULL);
    return x ? ky_argmax(r->tape, x->var, below(r, x->shape.rank), below(r, 2)) : ky_none();
  }
  const random_value *x = pick(r, real, NULL);
  if (!x) return ky_none();
  if (x->shape.rank == 0 || below(r, 4) == 0) return over_all[below(r, 4)](r->tape, x->var);
  int64_t axes[KY_MAX_RANK] = {0};
  int count = 0;
  for (int k = 0; k < x->shape.rank; k++)
    if (below(r, 2)) axes[count++] = below(r, 2) ? k : k - x->shape.rank;
  return over[below(r, 4)](r->tape, x->var, count, axes, below(r, 2));
}

static ky_var act_reshape(random_tape *r) {
  const random_value *x = pick(r, any, NULL);
  if (!x) return ky_none();
  int64_t dims[KY_MAX_RANK + 1];
  int rank = 0;
  switch (below(r, 4)) {
  case 0: dims[rank++] = -1; break;
  case 1: /* as if transposed */
    for (int k = x->shape.rank; k-- > 0;) dims[rank++] = x->shape.dims[k];
    break;
  case 2: /* one axis more, somewhere */
    for (int k = 0, at = below(r, x->shape.rank + 1); k <= x->shape.rank; k++) {
      if (k == at) dims[rank++] = 1;
      if (k < x->shape.rank) dims[rank++] = x->shape.dims[k];
    }
    break;
  default: /* the last two axes become one */
    for (int k = 0; k + 2 < x->shape.rank; k++) dims[rank++] = x->shape.dims[k];
    dims[rank++] = -1;
  }
  return rank > MOST_RANK ? ky_none() : ky_reshape(r->tape, x->var, rank, dims);
}

static ky_var act_permute(random_tape *r) {
  const random_value *x = pick(r, with_axis, NULL);
  if (!x) return ky_none();
  int64_t axes[KY_MAX_RANK] = {0};
  for (int k = 0; k < x->shape.rank; k++) {
    const int at = below(r, k + 1);
    axes[k] = axes[at];
    axes[at] = k;
  }
  return ky_permute(r->tape, x->var, x->shape.rank, axes);
}

static ky_var act_slice(random_tape *r) {
  static const int64_t steps[] = {1, 1, 2, -1, -2, 3};
  const random_value *x = pick(r, with_axis, NULL);
  if (!x) return ky_none();
  const int axis = below(r, x->shape.rank), extent = (int)x->shape.dims[axis];
  const int64_t step = steps[below(r, 6)];
  int64_t start = below(r, extent + 2), stop = start + below(r, extent + 1) - extent / 2;
  if (below(r, 2)) start = step > 0 ? 0 : INT64_MAX;
  if (below(r, 2)) stop = step > 0 ? INT64_MAX : INT64_MIN;
  return ky_slice(r->tape, x->var, axis, start, stop, step);
}

static ky_var act_expand(random_tape *r) {
  const random_value *x = pick(r, any, NULL);
  if (!x) return ky_none();
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  if (x->shape.rank < MOST_RANK && below(r, 2)) dims[rank++] = 1 + below(r, 3);
  for (int k = 0; k < x->shape.rank; k++)
    dims[rank++] = x->shape.dims[k] == 1 ? 1 + below(r, 3) : x->shape.dims[k];
  return ky_expand(r->tape, x->var, rank, dims);
}

static ky_var act_concat(random_tape *r) {
  const random_value *x = pick(r, with_axis, NULL);
  if (!x) return ky_none();
  ky_var parts[4] = {x->var};
  size_t count = 1;
  for (int more = below(r, 4); more > 0; more--) {
    const random_value *next = below(r, 4) ? twin(r, x) : x;
    if (!next) return ky_none();
    parts[count++] = next->var;
  }
  return ky_concat(r->tape, count, parts, below(r, x->shape.rank));
}

static ky_var act_softmax(random_tape *r) {
  const random_value *x = pick(r, real_with_axis, NULL);
  if (!x) return ky_none();
  const int axis = below(r, x->shape.rank);
  return below(r, 2) ? ky_softmax(r->tape, x->var, axis)
                     : ky_log_softmax(r->tape, x->var, axis);
}

static ky_var act_cross_entropy(random_tape *r) {
  const random_value *x = pick(r, real_with_axis, NULL);
  if (!x) return ky_none();
  const ky_reduction how = (ky_reduction)below(r, 3);
  const int last = x->shape.rank - 1;
  const int64_t classes = x->shape.dims[last];
  if (classes == 0) return ky_none();
  if (below(r, 3) == 0)
    return ky_cross_entropy(r->tape, x->var, ky_argmax(r->tape, x->var, last, 0), how);
  const random_value *labels =
      leaf(r, below(r, 2) ? KY_I32 : KY_I64, last, x->shape.dims, classes);
  return labels ? ky_cross_entropy(r->tape, x->var, labels->var, how) : ky_none();
}

static ky_var act_pair_loss(random_tape *r) {
  const random_value *a = pick(r, real, NULL), *b = a ? twin(r, a) : NULL;
  if (!b) return ky_none();
  const ky_reduction how = (ky_reduction)below(r, 3);
  switch (below(r, 3)) {
  case 0: return ky_bce(r->tape, ky_sigmoid(r->tape, a->var), b->var, how);
  case 1: return ky_bce_with_logits(r->tape, a->var, b->var, how);
  default: return ky_mse(r->tape, a->var, b->var, how);
  }
}

static ky_var act_leaf(random_tape *r) {
  typical_leaf(r);
  return ky_none();
}

typedef ky_var action(random_tape *r);

/* Elementwise ones more often: they make long runs. */
static action *const actions[] = {
    act_unary,  act_unary,   act_unary,         act_unary,    act_scalar, act_scalar,
    act_scalar, act_binary,  act_binary,        act_binary,   act_binary, act_binary,
    act_where,  act_compare, act_matmul,        act_linear,   act_reduce, act_reduce,
    act_leaf,   act_reshape, act_permute,       act_slice,    act_expand, act_concat,
    act_leaf,   act_softmax, act_cross_entropy, act_pair_loss};

/* ---- the tape ---------------------------------------------------------------------------- */

/* What there is at some point, to come back to. */
typedef struct point {
  ky_mark mark;
  int values, inputs, weights;
} point;

static point here(const random_tape *r) {
  return (point){ky_tape_mark(r->tape), r->count, r->input_count, r->weight_count};
}

static void come_back(random_tape *r, point p) {
  ky_tape_rewind(r->tape, p.mark);
  r->count = p.values;
  while (r->input_count > p.inputs) free(r->inputs[--r->input_count].data);
  while (r->weight_count > p.weights) ky_tensor_free(r->weights[--r->weight_count]);
}

static void act(random_tape *r) {
  if (r->count > RANDOM_VALUES - 8) return;
  const point before = here(r);
  r->depends = r->wants = false;
  const ky_var v = actions[below(r, (int)(sizeof actions / sizeof *actions))](r);
  const bool refused = ky_tape_check(r->tape) != KY_OK;
  random_value *made = v.id && !refused ? put(r, v) : NULL;
  if (refused || (made && made->shape.count > LARGEST)) {
    come_back(r, before);
    return;
  }
  if (made && is_real(made) && below(r, 12) == 0 && ky_watch(r->tape, v) == KY_OK)
    made->wants = made->self = true;
}

/* Acts; now and then twice in the same way, or in vain. */
static void go_on(random_tape *r) {
  r->visible = r->count;
  const uint64_t state = r->state;
  act(r);
  if (below(r, 8) == 0) {
    const uint64_t after = r->state;
    r->state = state;
    act(r);
    r->state = after;
  }
  if (below(r, 40) == 0) {
    const point before = here(r);
    r->visible = r->count;
    act(r);
    act(r);
    come_back(r, before);
  }
}

static void choose_dims(random_tape *r) {
  r->real = below(r, 2) ? KY_F32 : KY_F64;
  r->rank = below(r, 5);
  for (int k = 0; k < r->rank; k++) r->dims[k] = 1 + below(r, 4);
  if (r->rank == 0) return;
  const int odd = below(r, 64);
  if (odd == 0) r->dims[below(r, r->rank)] = 0;
  if (odd > 60) { /* beyond one tile of anything */
    r->rank = 1 + below(r, 2);
    r->dims[r->rank - 1] = 1000 + below(r, 1200);
  }
}

static bool may_be_root(const random_value *v, const random_value *other) {
  return v->depends && v->wants && (!other || v->shape.dtype == other->shape.dtype);
}

/* One value that leads to something wanted, or a sum of several. */
static ky_var choose_root(random_tape *r) {
  ky_var (*const reduce[])(ky_tape *, ky_var) = {ky_sum_all, ky_mean_all, ky_sum_all,
                                                 ky_max_all};
  r->visible = r->count;
  r->depends = r->wants = false;
  const random_value *first = pick(r, may_be_root, NULL);
  if (!first) {
    ky_tensor *w = NULL;
    if (ky_tensor_new(NULL, r->real, KY_SCALAR, &w) != KY_OK) return ky_none();
    r->weights[r->weight_count++] = w;
    r->depends = r->wants = true;
    random_value *made = put(r, ky_param(r->tape, w));
    made->self = true;
    made->tensor = w;
    first = made;
  }
  if (below(r, 4) == 0) return first->var;
  ky_var root = reduce[below(r, first->shape.count ? 4 : 3)](r->tape, first->var);
  for (int more = below(r, 4); more > 0; more--) {
    const random_value *next = pick(r, may_be_root, first);
    if (next)
      root = ky_add(r->tape, root,
                    reduce[below(r, next->shape.count ? 4 : 3)](r->tape, next->var));
  }
  put(r, root);
  return root;
}

random_tape *random_tape_new(uint64_t seed) {
  random_tape *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->seed = seed;
  r->state = seed * 0x2545F4914F6CDD1Du + 1;
  r->tape = ky_tape_new(NULL);
  choose_dims(r);
  for (int leaves = 3 + below(r, 5); leaves > 0; leaves--) {
    r->depends = r->wants = false;
    typical_leaf(r);
  }
  for (int steps = 2 + below(r, 40); steps > 0; steps--) go_on(r);
  r->root = choose_root(r);
  for (int steps = below(r, 5); steps > 0; steps--) go_on(r);
  random_tape_reset_weights(r);
  return r;
}

void random_tape_free(random_tape *r) {
  if (!r) return;
  ky_tape_free(r->tape);
  for (int k = 0; k < r->input_count; k++) free(r->inputs[k].data);
  for (int k = 0; k < r->weight_count; k++) ky_tensor_free(r->weights[k]);
  free(r);
}
