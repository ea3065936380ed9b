/* SPDX-License-Identifier: MIT */
/* Activations as modules: one recording function each, no weights. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include "../block.h"

typedef struct activation {
  ky_module base;
  ky_allocator allocator;
  double number; /* of those with one */
  int64_t axis;  /* likewise */
} activation;

static void destroy(ky_module *m) {
  activation *a = (activation *)m;
  ky__block_free(a->allocator, a, sizeof *a);
}

static ky_status make(const ky_allocator *allocator, const ky_module_kind *kind, double number,
                      int64_t axis, ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  ky_allocator used;
  activation *a = ky__block_new(allocator, sizeof *a, &used);
  if (!a) return KY_NO_MEMORY;
  a->base.kind = kind;
  a->allocator = used;
  a->number = number;
  a->axis = axis;
  *out = &a->base;
  return KY_OK;
}

#define PLAIN(X)                                                                               \
  X(sigmoid)                                                                                   \
  X(relu)                                                                                      \
  X(sin)                                                                                       \
  X(tanh)                                                                                      \
  X(softplus)                                                                                  \
  X(softsign)                                                                                  \
  X(logsigmoid)                                                                                \
  X(selu)                                                                                      \
  X(gelu)                                                                                      \
  X(gelu_tanh)                                                                                 \
  X(silu)                                                                                      \
  X(mish)                                                                                      \
  X(hardsigmoid)                                                                               \
  X(hardswish)

#define KIND(op)                                                                               \
  static const ky_module_kind kind_##op = {                                                    \
      .size = sizeof(ky_module_kind), .name = #op, .forward = forward_##op, .free = destroy};

#define X(op)                                                                                  \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    (void)m;                                                                                   \
    return ky_##op(t, x);                                                                      \
  }                                                                                            \
  KIND(op)                                                                                     \
  ky_status ky_nn_##op(const ky_allocator *allocator, ky_module **out) {                       \
    return make(allocator, &kind_##op, 0, 0, out);                                             \
  }
PLAIN(X)
#undef X

#define X(op)                                                                                  \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    return ky_##op(t, x, ((const activation *)m)->number);                                     \
  }                                                                                            \
  KIND(op)                                                                                     \
  ky_status ky_nn_##op(const ky_allocator *allocator, double number, ky_module **out) {        \
    return make(allocator, &kind_##op, number, 0, out);                                        \
  }
X(leaky_relu)
X(elu)
#undef X

#define X(op)                                                                                  \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    return ky_##op(t, x, ((const activation *)m)->axis);                                       \
  }                                                                                            \
  KIND(op)                                                                                     \
  ky_status ky_nn_##op(const ky_allocator *allocator, int64_t axis, ky_module **out) {         \
    return make(allocator, &kind_##op, 0, axis, out);                                          \
  }
X(softmax)
X(log_softmax)
#undef X
