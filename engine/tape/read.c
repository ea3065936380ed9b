/* SPDX-License-Identifier: MIT */
/* Reading values, gradients and shapes. */
#include <math.h>

#include "ops/family.h"
#include "tape/tape.h"
#include "tensor/array.h"

/* What every reader starts with: arguments, pending errors, the var. */
static ky_status enter(ky_tape *t, ky_var v, const char *what, const void *out) {
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  if (!out) return ky__error(t, KY_BAD_ARGUMENT, "%s: the result pointer is null", what);
  return ky__refuse_var(t, what, v);
}

static ky_status data_of(ky_tape *t, ky_var v, const char *what, ky_array *out) {
  KY_TRY(enter(t, v, what, out));
  KY_TRY(ky__run_pending(t, v.id));
  *out = ky__describe(&t->code, v.id, ky__data(&t->frame, v.id), false);
  return KY_OK;
}

ky_status ky_data(ky_tape *t, ky_var v, ky_array *out) {
  if (out) *out = (ky_array){0};
  return data_of(t, v, "data", out);
}

ky_status ky_shape(ky_tape *t, ky_var v, ky_array *out) {
  if (out) *out = (ky_array){0};
  if (!t) return KY_BAD_ARGUMENT;
  const char *reason = out ? ky__bad_var(t, v) : "the result pointer is null";
  if (reason && t->pending != KY_OK) return t->pending; /* the message stays, too */
  if (reason) return ky__error(t, out ? KY_BAD_VAR : KY_BAD_ARGUMENT, "shape: %s", reason);
  *out = ky__describe(&t->code, v.id, NULL, true);
  return KY_OK;
}

ky_status ky_read(ky_tape *t, ky_var v, void *dst, size_t bytes) {
  ky_array array = {0};
  KY_TRY(data_of(t, v, "read", dst ? &array : NULL));
  const size_t wanted = (size_t)array.count * ky_dtype_size(array.dtype);
  if (bytes != wanted)
    return ky__error(t, KY_BAD_ARGUMENT, "read: the buffer has %zu bytes, the value %zu", bytes,
                     wanted);
  const ky_layout *layout = ky__layout(&t->code, v.id), dense = ky__dense(layout);
  ky__copy(&t->frame, array.dtype, layout, dst, dense.strides, 0, array.data, layout->strides);
  return KY_OK;
}

ky_status ky_item(ky_tape *t, ky_var v, double *out) {
  if (out) *out = (double)NAN;
  ky_array array = {0};
  KY_TRY(data_of(t, v, "item", out ? &array : NULL));
  if (array.count != 1)
    return ky__error(t, KY_BAD_SHAPE, "item: %s has %lld elements, wants 1",
                     ky__value_name(&t->code, v.id).text, (long long)array.count);
  *out = ky__number(array.dtype, array.data);
  return KY_OK;
}

ky_status ky_grad(ky_tape *t, ky_var v, ky_array *out) {
  if (out) *out = (ky_array){0};
  KY_TRY(enter(t, v, "grad", out));
  if (v.id > t->root || !t->frame.seen[v.id])
    return ky__error(t, t->root ? KY_UNCONNECTED : KY_NOT_RUN,
                     t->root ? "grad: %s does not lead to the root, or was not watched"
                             : "grad: there was no reverse sweep for %s",
                     ky__value_name(&t->code, v.id).text);
  *out = ky__describe(&t->code, v.id, ky__adjoint(&t->frame, v.id), true);
  return KY_OK;
}
