/* SPDX-License-Identifier: MIT */
/* Optimizers: they change weights by the gradients that a reverse sweep returned. They know
 * weights and gradients, not tapes or modules.
 *
 * Threads: an optimizer and the weights it changes are used by one thread at a time. */
#ifndef KYTAPE_OPTIM_H
#define KYTAPE_OPTIM_H

#include "program.h"
#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ky_optimizer ky_optimizer;

/* Gradient descent: w <- w - rate * g, in the dtype of w; rate is rounded to it.
 * allocator: NULL for malloc; copied, its `user` must outlive the optimizer. rate: finite; a
 * negative one ascends. *out: the caller frees it with ky_optimizer_free. Errors: BAD_ARGUMENT
 * (out is null, or rate is not finite), NO_MEMORY; *out is NULL then. */
KY_API ky_status ky_sgd_new(const ky_allocator *allocator, double rate, ky_optimizer **out);

/* One step: changes every weight of `grads` through ky_tensor_write. grads: of ky_backward,
 * still valid; no entries, no change. Errors: BAD_ARGUMENT (o, grads, its pairs, a weight or a
 * gradient is null), no weight changed. */
KY_API ky_status ky_optimizer_step(ky_optimizer *o, const ky_grads *grads);

/* The optimizer as the update inside of a compiled training step, for ky_exec_options. `o` must
 * outlive the execution; a null function for NULL. */
KY_API ky_update ky_optimizer_update(ky_optimizer *o);

/* The learning rate. NaN for NULL. */
KY_API double ky_optimizer_rate(const ky_optimizer *o);

/* Sets the learning rate of the steps to come.
 * Errors: BAD_ARGUMENT (o is null, or rate is not finite), rate unchanged. */
KY_API ky_status ky_optimizer_set_rate(ky_optimizer *o, double rate);

/* Frees the optimizer, not the weights. NULL is fine. */
KY_API void ky_optimizer_free(ky_optimizer *o);

#ifdef __cplusplus
}
#endif
#endif
