/* SPDX-License-Identifier: MIT */
/* The recursive design: values are heap-allocated tensors; each holds its data and, unless it
 * is a leaf, a GradFn that refers to the input tensors. backward starts at the loss, each
 * GradFn calls those of its inputs, and the (gradient, weight) pairs met on the way are merged
 * into one list. Tensors are counted references; a graph is freed with its last one. Operations
 * run at once, on the kernels of the tape. Memory that runs out ends the program. */
#ifndef KYBENCH_RECURSIVE_H
#define KYBENCH_RECURSIVE_H

#include "kytape/base.h"

typedef struct rec_tensor rec_tensor;

/* What the tensors of one computation take from malloc. */
typedef struct rec_heap {
  size_t bytes, peak;
} rec_heap;

typedef struct rec_pair {
  rec_tensor *grad, *weight;
} rec_pair;

/* One entry a weight. Kept from step to step, so that it stops growing. */
typedef struct rec_grads {
  rec_pair *pairs;
  size_t count, capacity;
} rec_grads;

/* ---- tensors ----------------------------------------------------------------------------- */

/* Leaves on the caller's dense `data`, of rank up to 2; a weight gets a gradient. */
rec_tensor *rec_input(rec_heap *h, ky_dtype dtype, int rank, const int64_t *dims,
                      const void *data);
rec_tensor *rec_weight(rec_heap *h, ky_dtype dtype, int rank, const int64_t *dims, void *data);

/* One more reference to t, or one less. */
rec_tensor *rec_keep(rec_tensor *t);
void rec_drop(rec_heap *h, rec_tensor *t);

void *rec_data(const rec_tensor *t);
size_t rec_count(const rec_tensor *t);

/* The first element. */
double rec_item(const rec_tensor *t);

/* ---- operations: each takes over one reference to every operand */

rec_tensor *rec_add(rec_heap *h, rec_tensor *a, rec_tensor *b); /* a and b of one shape */
rec_tensor *rec_mul(rec_heap *h, rec_tensor *a, rec_tensor *b);
rec_tensor *rec_sin(rec_heap *h, rec_tensor *x);
rec_tensor *rec_tanh(rec_heap *h, rec_tensor *x);
rec_tensor *rec_sigmoid(rec_heap *h, rec_tensor *x);
rec_tensor *rec_relu(rec_heap *h, rec_tensor *x);
rec_tensor *rec_scale(rec_heap *h, rec_tensor *x, double s); /* x s */
rec_tensor *rec_sum(rec_heap *h, rec_tensor *x);             /* over all elements */
rec_tensor *rec_linear(rec_heap *h, rec_tensor *x, rec_tensor *w, rec_tensor *bias);
rec_tensor *rec_bce(rec_heap *h, rec_tensor *p, rec_tensor *y); /* summed */
rec_tensor *rec_mse(rec_heap *h, rec_tensor *p, rec_tensor *y); /* mean */

/* Mean over the rows of x; one label a row, borrowed until the result is freed. */
rec_tensor *rec_cross_entropy(rec_heap *h, rec_tensor *x, const int64_t *labels);

/* What a workload computes from weights, whose references it leaves; returns the root. */
typedef rec_tensor *rec_model(const void *problem, rec_heap *heap, rec_tensor *const *weight);

/* ---- gradients */

/* Adds the pairs of d root / d weight to `grads`, which starts empty. */
void rec_backward(rec_heap *h, rec_tensor *root, rec_grads *grads);

/* w <- w - rate * g for every pair. */
void rec_descend(const rec_grads *grads, double rate);

/* Drops the gradients; the list is empty then. */
void rec_clear(rec_heap *h, rec_grads *grads);

/* Frees the list itself. */
void rec_grads_free(rec_heap *h, rec_grads *grads);

#endif
