/* SPDX-License-Identifier: MIT */
/* What can be done with an optimizer of any kind. Checks what comes in, so that kinds need not.
 */
#include "optimizer.h"

#include <math.h>

#include "../block.h"

ky_status ky__optimizer_new(const ky_allocator *allocator, const ky_optimizer_kind *kind,
                            double rate, ky_optimizer **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (!isfinite(rate)) return KY_BAD_ARGUMENT;
  ky_allocator used;
  ky_optimizer *o = ky__block_new(allocator, kind->bytes, &used);
  if (!o) return KY_NO_MEMORY;
  o->kind = kind;
  o->allocator = used;
  o->rate = rate;
  *out = o;
  return KY_OK;
}

ky_status ky_optimizer_step(ky_optimizer *o, const ky_grads *grads) {
  if (!o || !grads || (!grads->pairs && grads->count > 0)) return KY_BAD_ARGUMENT;
  for (size_t k = 0; k < grads->count; k++)
    if (!grads->pairs[k].weight || !grads->pairs[k].grad) return KY_BAD_ARGUMENT;
  return o->kind->step(o, grads);
}

double ky_optimizer_rate(const ky_optimizer *o) { return o ? o->rate : (double)NAN; }

ky_status ky_optimizer_set_rate(ky_optimizer *o, double rate) {
  if (!o || !isfinite(rate)) return KY_BAD_ARGUMENT;
  o->rate = rate;
  return KY_OK;
}

void ky_optimizer_free(ky_optimizer *o) {
  if (!o) return;
  if (o->kind->release) o->kind->release(o);
  ky__block_free(o->allocator, o, o->kind->bytes);
}

static ky_status apply(void *user, ky_tensor *weight, const void *grad) {
  const ky_grad_pair pair = {.weight = weight, .grad = grad};
  const ky_grads grads = {1, &pair};
  return ky_optimizer_step(user, &grads);
}

ky_update ky_optimizer_update(ky_optimizer *o) {
  return (ky_update){.apply = o ? apply : NULL, .user = o};
}
