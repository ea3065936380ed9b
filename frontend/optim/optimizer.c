/* SPDX-License-Identifier: MIT */
/* What can be done with an optimizer of any kind. Checks what comes in, so that kinds need not,
 * and keeps what they remember. */
#include "optimizer.h"

#include <math.h>
#include <string.h>

#include "../block.h"

/* ---- making and freeing ------------------------------------------------------------------ */

ky_status ky__optimizer_new(const ky_allocator *allocator, const ky_optimizer_kind *kind,
                            double rate, size_t buffers, ky_optimizer **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (!isfinite(rate)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  ky_optimizer *o = ky__block_new(allocator, kind->bytes, &used);
  if (!o) return KY_NO_MEMORY;
  o->kind = kind;
  o->allocator = used;
  o->rate = rate;
  o->buffers = buffers;
  o->slots.list.size = sizeof(ky_slot);
  o->factors.list.size = sizeof(ky_factors);
  *out = o;
  return KY_OK;
}

static size_t array_bytes(const ky_slot *slot) {
  return slot->count * ky_dtype_size(slot->dtype == KY_F64 ? KY_F64 : KY_F32);
}

static size_t state_bytes(const ky_optimizer *o, const ky_slot *slot) {
  return o->buffers * array_bytes(slot);
}

static void empty_slot(const ky_optimizer *o, const ky_slot *slot) {
  ky__block_free(o->allocator, slot->state, state_bytes(o, slot));
}

void ky__optimizer_forget_steps(ky_optimizer *o, const ky_tensor *weight) {
  ky_slot *slot = ky__weight_find(&o->slots, weight);
  if (slot) empty_slot(o, slot);
  ky__weight_remove(&o->slots, weight);
}

void ky_optimizer_forget(ky_optimizer *o, const ky_tensor *weight) {
  if (!o) return;
  ky__optimizer_forget_steps(o, weight);
  ky__weight_remove(&o->factors, weight);
}

void ky_optimizer_forget_all(ky_optimizer *o) {
  if (!o) return;
  const ky_slot *slots = o->slots.list.at;
  for (size_t k = 0; k < o->slots.list.count; k++) empty_slot(o, &slots[k]);
  o->slots.list.count = o->slots.next = 0;
}

void ky_optimizer_free(ky_optimizer *o) {
  if (!o) return;
  ky_optimizer_forget_all(o);
  ky__weight_table_free(&o->slots, &o->allocator);
  ky__weight_table_free(&o->factors, &o->allocator);
  ky__block_free(o->allocator, o, o->kind->bytes);
}

/* ---- slots ------------------------------------------------------------------------------- */

static bool is_of(const ky_slot *slot, const ky_tensor *weight) {
  return slot->dtype == ky_tensor_dtype(weight) &&
         slot->count == (size_t)ky_tensor_count(weight);
}

/* A weight that has another size is another one at the address of an old one. */
ky_slot *ky__optimizer_slot(ky_optimizer *o, const ky_tensor *weight, bool make) {
  ky_slot *slot = ky__weight_find(&o->slots, weight);
  if (slot && is_of(slot, weight)) return slot;
  if (!make) return NULL;
  ky__optimizer_forget_steps(o, weight);
  slot = ky__weight_append(&o->slots, &o->allocator, weight);
  if (!slot) return NULL;
  slot->dtype = ky_tensor_dtype(weight);
  slot->count = (size_t)ky_tensor_count(weight);
  const size_t bytes = state_bytes(o, slot);
  if (!bytes) return slot;
  slot->state = o->allocator.resize(o->allocator.user, NULL, 0, bytes);
  if (!slot->state) {
    ky__weight_remove(&o->slots, weight);
    return NULL;
  }
  memset(slot->state, 0, bytes);
  return slot;
}

void *ky__slot_array(const ky_slot *slot, size_t k) {
  return (char *)slot->state + k * array_bytes(slot);
}

/* ---- steps ------------------------------------------------------------------------------- */

/* What gradients are multiplied by, as in PyTorch's clip_grad_norm_. */
static double scale_of(const ky_optimizer *o, const ky_grads *grads) {
  if (o->clip == 0) return 1;
  double norm = 0;
  ky_grads_norm(grads, &norm);
  const double scale = o->clip / (norm + 1e-6);
  return scale > 1 ? 1 : scale;
}

#define CHUNK 256

/* A part of a weight of bf16 or f16: steps in f32, rounded back. */
static void change_half(const ky_optimizer *o, const ky_step *step,
                        const ky_update_part *part) {
  const ky_dtype dtype = ky_tensor_dtype(part->weight);
  const size_t size = ky_dtype_size(dtype);
  for (size_t k = 0; k < part->count; k += CHUNK) {
    const size_t n = part->count - k < CHUNK ? part->count - k : CHUNK;
    float w[CHUNK];
    char *stored = (char *)part->w + k * size;
    ky_convert(KY_F32, w, dtype, stored, (int64_t)n);
    o->kind->change[0](o, step, part->first + k, n, w, (const float *)part->grad + k);
    ky_convert(dtype, stored, KY_F32, w, (int64_t)n);
  }
}

static void change(const ky_optimizer *o, const ky_step *step, const ky_update_part *part) {
  const ky_dtype dtype = ky_tensor_dtype(part->weight);
  if (dtype != KY_F32 && dtype != KY_F64)
    change_half(o, step, part);
  else
    o->kind->change[dtype == KY_F64](o, step, part->first, part->count, part->w, part->grad);
}

/* The step of one weight. slot: null without buffers. */
static ky_step step_of(ky_optimizer *o, const ky_tensor *weight, const ky_slot *slot,
                       double scale) {
  const ky_factors *f = o->factors.list.count ? ky__weight_find(&o->factors, weight) : NULL;
  return (ky_step){slot, scale, f ? o->rate * f->rate : o->rate, f ? f->decay : 1};
}

/* Slots first, so that no weight has changed when memory runs out. */
static ky_status step(ky_optimizer *o, const ky_grads *grads) {
  const bool remembers = o->buffers > 0;
  const size_t first = o->slots.next;
  for (size_t k = 0; remembers && k < grads->count; k++)
    if (!ky__optimizer_slot(o, grads->pairs[k].weight, true)) return KY_NO_MEMORY;
  const double scale = scale_of(o, grads);
  o->slots.next = first; /* the same walk again */
  for (size_t k = 0; k < grads->count; k++) {
    const ky_grad_pair *pair = &grads->pairs[k];
    ky_slot *slot = remembers ? ky__weight_find(&o->slots, pair->weight) : NULL;
    if (slot) slot->steps++;
    const ky_step one = step_of(o, pair->weight, slot, scale);
    const ky_update_part whole = {.weight = pair->weight,
                                  .count = (size_t)ky_tensor_count(pair->weight),
                                  .w = ky_tensor_write(pair->weight),
                                  .grad = pair->grad};
    change(o, &one, &whole);
  }
  return KY_OK;
}

static ky_status check_grads(const ky_grads *grads) {
  if (!grads || (!grads->pairs && grads->count > 0)) return KY_BAD_ARGUMENT;
  for (size_t k = 0; k < grads->count; k++)
    if (!grads->pairs[k].weight || !grads->pairs[k].grad) return KY_BAD_ARGUMENT;
  return KY_OK;
}

ky_status ky_optimizer_step(ky_optimizer *o, const ky_grads *grads) {
  if (!o || check_grads(grads) != KY_OK) return KY_BAD_ARGUMENT;
  return step(o, grads);
}

/* ---- steps within the reverse sweep ------------------------------------------------------ */

/* A weight steps as soon as its own gradient is there, before the norm of all of them is known:
 * so a clip is refused. */
static ky_status begin(void *user, const ky_tensor *weight, void **state) {
  ky_optimizer *o = user;
  (void)state;
  if (o->clip != 0) return KY_BAD_ARGUMENT;
  ky_slot *slot = NULL;
  if (o->buffers > 0) {
    slot = ky__optimizer_slot(o, weight, true);
    if (!slot) return KY_NO_MEMORY;
    slot->steps++;
  }
  o->now = step_of(o, weight, slot, 1);
  return KY_OK;
}

static ky_status apply(void *user, const ky_update_part *part) {
  const ky_optimizer *o = user;
  if (part->grad)
    change(o, &o->now, part);
  else
    o->kind->change_outer[ky_tensor_dtype(part->weight) == KY_F64](o, &o->now, part);
  return KY_OK;
}

const ky_update *ky_optimizer_update(ky_optimizer *o) {
  if (!o) return NULL;
  o->update =
      (ky_update){.size = sizeof(ky_update),
                  .apply = apply,
                  .begin = begin,
                  .user = o,
                  .refusal = "the optimizer clips by the norm of all gradients, which is not "
                             "known yet: compile without updates and call ky_optimizer_step",
                  .outer = o->kind->change_outer[0] && o->buffers == 0};
  return &o->update;
}

/* ---- settings ---------------------------------------------------------------------------- */

double ky_optimizer_rate(const ky_optimizer *o) { return o ? o->rate : (double)NAN; }

ky_status ky_optimizer_set_rate(ky_optimizer *o, double rate) {
  if (!o || !isfinite(rate)) return KY_BAD_ARGUMENT;
  o->rate = rate;
  return KY_OK;
}

ky_status ky_optimizer_set_factors(ky_optimizer *o, const ky_tensor *weight, double rate,
                                   double decay) {
  if (!o || !weight || !isfinite(rate) || !(decay >= 0 && isfinite(decay)))
    return KY_BAD_ARGUMENT;
  ky_factors *f = ky__weight_find(&o->factors, weight);
  if (!f) f = ky__weight_append(&o->factors, &o->allocator, weight);
  if (!f) return KY_NO_MEMORY;
  f->rate = rate;
  f->decay = decay;
  return KY_OK;
}

ky_status ky_optimizer_set_clip(ky_optimizer *o, double norm) {
  if (!o || !isfinite(norm) || norm < 0) return KY_BAD_ARGUMENT;
  o->clip = norm;
  return KY_OK;
}

/* ---- the norm of gradients --------------------------------------------------------------- */

#define LANES 16 /* partial sums; the order of the terms depends on the count alone */

#define REAL       float
#define NAME(name) name##_f32
#include "norm.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "norm.inc"
#undef REAL
#undef NAME

ky_status ky_grads_norm(const ky_grads *grads, double *norm) {
  if (!norm) return KY_BAD_ARGUMENT;
  *norm = (double)NAN;
  if (check_grads(grads) != KY_OK) return KY_BAD_ARGUMENT;
  double total = 0;
  for (size_t k = 0; k < grads->count; k++) {
    const ky_tensor *weight = grads->pairs[k].weight;
    const size_t count = (size_t)ky_tensor_count(weight);
    total += ky_tensor_dtype(weight) == KY_F64 ? squares_f64(count, grads->pairs[k].grad)
                                               : squares_f32(count, grads->pairs[k].grad);
  }
  *norm = sqrt(total);
  return KY_OK;
}
