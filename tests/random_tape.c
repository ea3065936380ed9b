/* SPDX-License-Identifier: MIT */
/* A tape is made of actions. What the rules refuse, and what grows too large, is rewound. */
#include "random_tape.h"

#include <stdlib.h>

#include "kytape/ops.h"
#include "random_operands.h"

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

void random_tape_fill(const random_tape *r, int k, uint64_t round, void *data) {
  uint64_t state = r->seed ^ (uint64_t)(k + 1) << 40 ^ (round + 1) << 20;
  const random_input *in = &r->inputs[k];
  rt_fill_array(&state, in->dtype, in->count, in->classes, data);
}

void random_tape_reset_weights(const random_tape *r) {
  for (int k = 0; k < r->weight_count; k++) {
    uint64_t state = r->seed ^ (uint64_t)(k + 1) << 50;
    ky_tensor *w = r->weights[k];
    rt_fill_array(&state, ky_tensor_dtype(w), (size_t)ky_tensor_count(w), 0,
                  ky_tensor_write(w));
  }
}

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

/* Compositions with nothing to do return their operand. */
static bool is_known(const random_tape *r, ky_var v) {
  for (int k = 0; k < r->count; k++)
    if (r->values[k].var.id == v.id) return true;
  return false;
}

static void act(random_tape *r) {
  if (r->count > RANDOM_VALUES - 8) return;
  const point before = here(r);
  r->depends = r->wants = false;
  const ky_var v = rt_act(r);
  const bool refused = ky_tape_check(r->tape) != KY_OK;
  random_value *made = v.id && !refused && !is_known(r, v) ? rt_put(r, v) : NULL;
  if (refused || (made && made->shape.count > RT_LARGEST)) {
    come_back(r, before);
    return;
  }
  if (made && rt_is_real(made) && rt_below(r, 12) == 0 && ky_watch(r->tape, v) == KY_OK)
    made->wants = made->self = true;
}

/* Acts; now and then twice in the same way, or in vain. */
static void go_on(random_tape *r) {
  r->visible = r->count;
  const uint64_t state = r->state;
  act(r);
  if (rt_below(r, 8) == 0) {
    const uint64_t after = r->state;
    r->state = state;
    act(r);
    r->state = after;
  }
  if (rt_below(r, 40) == 0) {
    const point before = here(r);
    r->visible = r->count;
    act(r);
    act(r);
    come_back(r, before);
  }
}

static void choose_dims(random_tape *r) {
  r->real = rt_below(r, 2) ? KY_F32 : KY_F64;
  r->rank = rt_below(r, 5);
  for (int k = 0; k < r->rank; k++) r->dims[k] = 1 + rt_below(r, 4);
  if (r->rank == 0) return;
  const int odd = rt_below(r, 64);
  if (odd == 0) r->dims[rt_below(r, r->rank)] = 0;
  if (odd > 60) { /* beyond one tile of anything */
    r->rank = 1 + rt_below(r, 2);
    r->dims[r->rank - 1] = 1000 + rt_below(r, 1200);
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
  const random_value *first = rt_pick(r, may_be_root, NULL);
  if (!first) {
    ky_tensor *w = NULL;
    if (ky_tensor_new(NULL, r->real, KY_SCALAR, &w) != KY_OK) return ky_none();
    r->weights[r->weight_count++] = w;
    r->depends = r->wants = true;
    random_value *made = rt_put(r, ky_param(r->tape, w));
    made->self = true;
    made->tensor = w;
    first = made;
  }
  if (rt_below(r, 4) == 0) return first->var;
  ky_var root = reduce[rt_below(r, first->shape.count ? 4 : 3)](r->tape, first->var);
  for (int more = rt_below(r, 4); more > 0; more--) {
    const random_value *next = rt_pick(r, may_be_root, first);
    if (next)
      root = ky_add(r->tape, root,
                    reduce[rt_below(r, next->shape.count ? 4 : 3)](r->tape, next->var));
  }
  rt_put(r, root);
  return root;
}

random_tape *random_tape_new(uint64_t seed) {
  random_tape *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->seed = seed;
  r->state = seed * 0x2545F4914F6CDD1Du + 1;
  r->tape = ky_tape_new(NULL);
  choose_dims(r);
  for (int leaves = 3 + rt_below(r, 5); leaves > 0; leaves--) {
    r->depends = r->wants = false;
    rt_typical_leaf(r);
  }
  for (int steps = 2 + rt_below(r, 40); steps > 0; steps--) go_on(r);
  r->root = choose_root(r);
  for (int steps = rt_below(r, 5); steps > 0; steps--) go_on(r);
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
