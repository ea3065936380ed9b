/* SPDX-License-Identifier: MIT */
/* A tensor and its GradFn from within: one block of memory holds the tensor, its GradFn and its
 * data, so that an operation costs one malloc. */
#ifndef KYBENCH_GRADFN_H
#define KYBENCH_GRADFN_H

#include <stdbool.h>

#include "kernels/elementwise.h"
#include "recursive/recursive.h"

/* Computes what the inputs get from `grad`, the gradient of `result`, which it takes over, and
 * goes on into them. */
typedef void rec_backward_fn(rec_heap *h, rec_tensor *result, rec_tensor *grad,
                             rec_grads *grads);

typedef struct rec_grad_fn {
  rec_backward_fn *backward;
  rec_tensor *input[3];
  ky_pull1 *const *pull; /* functions of one input: the kernel, and */
  bool reads_result;     /* whether it reads the result, or the input, and */
  double factor;         /* its scalar */
  const int64_t *labels; /* cross entropy, and */
  void *lse;             /* what it keeps of each row, in the tensor's block */
} rec_grad_fn;

struct rec_tensor {
  uint32_t refs;
  uint8_t dtype, rank;
  bool wants;   /* a weight leads here */
  size_t count; /* elements */
  size_t bytes; /* of the block */
  int64_t dims[2];
  size_t entry;    /* a weight's place in the list of gradients, plus one */
  rec_grad_fn *fn; /* null for leaves and where nothing wants a gradient */
  union {
    void *data;
    rec_tensor *next; /* in the queue of those to be freed */
  };
};

/* A tensor with room for its data, which is not filled, and for `extra` bytes behind it; its
 * dtype is that of the first input. With a GradFn if an input wants a gradient. Absent inputs
 * are null. */
rec_tensor *rec_result(rec_heap *h, int rank, const int64_t *dims, size_t extra,
                       rec_backward_fn *backward, rec_tensor *const input[3]);

/* Ends an operation: the GradFn has the references to the inputs, or nobody wants them. */
rec_tensor *rec_finish(rec_heap *h, rec_tensor *result, rec_tensor *const input[3]);

/* Room for a gradient: dtype and shape of `like`. */
rec_tensor *rec_gradient(rec_heap *h, const rec_tensor *like);

/* Goes on from a GradFn to an input: into the input's GradFn, or, for a weight, to the list.
 * Takes `grad` over. */
void rec_descend_into(rec_heap *h, rec_tensor *input, rec_tensor *grad, rec_grads *grads);

#endif
