/* SPDX-License-Identifier: MIT */
/* Optimizers: they change weights by the gradients that a reverse sweep returned. They know
 * weights and gradients, not tapes or modules. Weights of bf16 and f16 step in f32 and are
 * rounded to the nearest, to even on a tie: a step below half a last place is lost.
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

/* Options of ky_sgd_new. Set `size` to sizeof(ky_sgd_options); zero means without. */
typedef struct ky_sgd_options {
  size_t size;
  double momentum;     /* 0 or more */
  double dampening;    /* of the gradient in the momentum, from the second step on */
  double weight_decay; /* 0 or more */
  int nesterov;        /* 1: Nesterov's momentum; wants momentum and no dampening */
} ky_sgd_options;

/* Gradient descent, with momentum and weight decay as in PyTorch.
 *   t = g + weight_decay w
 *   m = t in the first step of a weight, later momentum m + (1 - dampening) t
 *   w <- w - rate m; with Nesterov's momentum w - rate (t + momentum m), without any w - rate t
 * in the dtype of w, to which the numbers are rounded. allocator: NULL for malloc; copied, its
 * `user` must outlive the optimizer. rate: finite; a negative one ascends. options: copied;
 * NULL for none. *out: the caller frees it with ky_optimizer_free. Errors: BAD_ARGUMENT (out is
 * null, rate is not finite, an option is out of range, the options' size), NO_MEMORY; *out is
 * NULL then. Source: Sutskever et al., "On the importance of initialization and momentum". */
KY_API ky_status ky_sgd_new(const ky_allocator *allocator, double rate,
                            const ky_sgd_options *options, ky_optimizer **out);

/* Options of ky_adam_new and ky_adamw_new. Begin with ky_adam_defaults() or
 * ky_adamw_defaults(): unlike in other options zero is no default here, but the number 0. With
 * beta1 = beta2 = epsilon = 0 an element would step by rate times the sign of its gradient, by
 * 0 / 0 where that is 0; so beta2 and epsilon that are both 0 are refused as out of range. */
typedef struct ky_adam_options {
  size_t size;
  double beta1, beta2; /* of the moments, 0 or more, below 1 */
  double epsilon;      /* added to the root of the second moment, 0 or more */
  double weight_decay; /* 0 or more */
} ky_adam_options;

/* {sizeof(ky_adam_options), 0.9, 0.999, 1e-8, 0}; for AdamW with a weight_decay of 0.01. */
KY_API ky_adam_options ky_adam_defaults(void);
KY_API ky_adam_options ky_adamw_defaults(void);

/* Adam, as in PyTorch. In the k-th step of a weight:
 *   t = g + weight_decay w
 *   m = beta1 m + (1 - beta1) t, m' = m / (1 - beta1^k)
 *   v = beta2 v + (1 - beta2) t^2, v' = v / (1 - beta2^k)
 *   w <- w - rate m' / (v'^(1/2) + epsilon)
 * options: copied; NULL for ky_adam_defaults(). Errors: those of ky_sgd_new. Source: Kingma and
 * Ba, "Adam: A Method for Stochastic Optimization". */
KY_API ky_status ky_adam_new(const ky_allocator *allocator, double rate,
                             const ky_adam_options *options, ky_optimizer **out);

/* AdamW: like Adam, but weight decay goes past the moments.
 *   t = g, w <- (1 - rate weight_decay) w - rate m' / (v'^(1/2) + epsilon)
 * options: NULL for ky_adamw_defaults(). Errors: those of ky_adam_new. Source: Loshchilov and
 * Hutter, "Decoupled Weight Decay Regularization". */
KY_API ky_status ky_adamw_new(const ky_allocator *allocator, double rate,
                              const ky_adam_options *options, ky_optimizer **out);

/* One step: changes every weight of `grads` through ky_tensor_write. grads: of ky_backward,
 * still valid, or some of its pairs, so that groups of weights can have optimizers of their
 * own; no entries, no change. Pairs may be the caller's own: a weight and any dense gradient of
 * its shape, as in a ky_grad_pair, whose `var` is not read. What momentum and Adam remember of
 * a weight is made in its first step, by the address of the weight, and kept until
 * ky_optimizer_forget. Errors: BAD_ARGUMENT (o, grads, its pairs, a weight or a gradient is
 * null), NO_MEMORY; no weight changed. */
KY_API ky_status ky_optimizer_step(ky_optimizer *o, const ky_grads *grads);

/* The optimizer as the update inside of a compiled training step, for ky_exec_options. `o` must
 * outlive the execution. Borrowed until ky_optimizer_free; NULL for NULL. Steps in this way
 * fail with BAD_ARGUMENT while a clip is set, because no gradient waits there for the norm of
 * all: compile without `updates` and give what ky_exec_step returns to ky_optimizer_step.
 * Weights that are not in ky_compile_options.wrt stay as they are. */
KY_API const ky_update *ky_optimizer_update(ky_optimizer *o);

/* The learning rate. NaN for NULL. */
KY_API double ky_optimizer_rate(const ky_optimizer *o);

/* Sets the learning rate of the steps to come.
 * Errors: BAD_ARGUMENT (o is null, or rate is not finite), rate unchanged. */
KY_API ky_status ky_optimizer_set_rate(ky_optimizer *o, double rate);

/* What the learning rate and the weight decay of one weight are multiplied by, instead of 1:
 * (1, 0) for biases and norms, which should not decay, (0.1, 1) for a layer that is trained
 * already. They hold for the steps to come, until ky_optimizer_forget of this weight; a
 * checkpoint does not have them. rate: finite. decay: 0 or more, finite. Errors: BAD_ARGUMENT
 * (a null pointer, or a factor is out of range), NO_MEMORY, factors unchanged. */
KY_API ky_status ky_optimizer_set_factors(ky_optimizer *o, const ky_tensor *weight, double rate,
                                          double decay);

/* Lets steps multiply all gradients by min(1, norm / (n + 1e-6)), where n is the norm of all of
 * them together, as PyTorch's clip_grad_norm_ does; the gradients themselves stay as they are.
 * norm: positive, or 0 for no clipping. Errors: BAD_ARGUMENT (o is null, or norm is negative or
 * not finite), nothing changed. */
KY_API ky_status ky_optimizer_set_clip(ky_optimizer *o, double norm);

/* Forgets what is remembered of a weight, and its factors, as is due before the weight is
 * freed; or what is remembered of all of them, but no factors, as a new run wants. NULL is
 * fine, and then nothing is forgotten. */
KY_API void ky_optimizer_forget(ky_optimizer *o, const ky_tensor *weight);
KY_API void ky_optimizer_forget_all(ky_optimizer *o);

/* The square root of the sum of squares of all elements of all gradients, summed in double.
 * grads: of ky_backward, still valid. Errors: BAD_ARGUMENT (a null pointer, in grads too);
 * *norm is NaN then. */
KY_API ky_status ky_grads_norm(const ky_grads *grads, double *norm);

/* Frees the optimizer, not the weights. NULL is fine. */
KY_API void ky_optimizer_free(ky_optimizer *o);

#ifdef __cplusplus
}
#endif
#endif
