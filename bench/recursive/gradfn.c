/* SPDX-License-Identifier: MIT */
/* Tensors, their references, and the recursion. */
#include "recursive/gradfn.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"

/* ---- memory ------------------------------------------------------------------------------ */

static void *must(void *block) {
  if (block) return block;
  fprintf(stderr, "kybench: out of memory\n");
  exit(EXIT_FAILURE);
}

static void count_up(rec_heap *h, size_t bytes) {
  h->bytes += bytes;
  if (h->bytes > h->peak) h->peak = h->bytes;
}

static size_t aligned(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

static rec_tensor *block_new(rec_heap *h, ky_dtype dtype, int rank, const int64_t *dims,
                             size_t fn_bytes, size_t data_bytes) {
  const size_t head = aligned(sizeof(rec_tensor) + fn_bytes);
  rec_tensor *t = must(malloc(head + data_bytes));
  count_up(h, head + data_bytes);
  t->refs = 1;
  t->dtype = (uint8_t)dtype;
  t->rank = (uint8_t)rank;
  t->wants = false;
  t->count = 1;
  t->bytes = head + data_bytes;
  t->entry = 0;
  t->fn = fn_bytes ? (rec_grad_fn *)(t + 1) : NULL;
  t->data = (char *)t + head;
  for (int k = 0; k < rank; k++) t->count *= (size_t)(t->dims[k] = dims[k]);
  return t;
}

rec_tensor *rec_input(rec_heap *h, ky_dtype dtype, int rank, const int64_t *dims,
                      const void *data) {
  rec_tensor *t = block_new(h, dtype, rank, dims, 0, 0);
  t->data = (void *)(uintptr_t)data;
  return t;
}

rec_tensor *rec_weight(rec_heap *h, ky_dtype dtype, int rank, const int64_t *dims, void *data) {
  rec_tensor *t = rec_input(h, dtype, rank, dims, data);
  t->wants = true;
  return t;
}

static size_t count_of(int rank, const int64_t *dims) {
  size_t count = 1;
  for (int k = 0; k < rank; k++) count *= (size_t)dims[k];
  return count;
}

rec_tensor *rec_result(rec_heap *h, int rank, const int64_t *dims, size_t extra,
                       rec_backward_fn *backward, rec_tensor *const input[3]) {
  const ky_dtype dtype = (ky_dtype)input[0]->dtype;
  const size_t size = dtype == KY_F64 ? sizeof(double) : sizeof(float);
  bool wants = false;
  for (int k = 0; k < 3; k++) wants |= input[k] && input[k]->wants;
  rec_tensor *t = block_new(h, dtype, rank, dims, wants ? sizeof(rec_grad_fn) : 0,
                            count_of(rank, dims) * size + extra);
  t->wants = wants;
  if (wants) t->fn->backward = backward;
  for (int k = 0; wants && k < 3; k++) t->fn->input[k] = input[k];
  return t;
}

rec_tensor *rec_finish(rec_heap *h, rec_tensor *result, rec_tensor *const input[3]) {
  for (int k = 0; !result->wants && k < 3; k++)
    if (input[k]) rec_drop(h, input[k]);
  return result;
}

rec_tensor *rec_gradient(rec_heap *h, const rec_tensor *like) {
  const size_t size = like->dtype == KY_F64 ? sizeof(double) : sizeof(float);
  return block_new(h, (ky_dtype)like->dtype, like->rank, like->dims, 0, like->count * size);
}

rec_tensor *rec_keep(rec_tensor *t) {
  t->refs++;
  return t;
}

/* Freeing needs no recursion: what has lost its last reference waits in a queue. */
void rec_drop(rec_heap *h, rec_tensor *t) {
  if (--t->refs > 0) return;
  t->next = NULL;
  for (rec_tensor *dead = t; (t = dead);) {
    dead = t->next;
    for (int k = 0; t->fn && k < 3; k++) {
      rec_tensor *input = t->fn->input[k];
      if (!input || --input->refs > 0) continue;
      input->next = dead;
      dead = input;
    }
    h->bytes -= t->bytes;
    free(t);
  }
}

/* ---- reading ----------------------------------------------------------------------------- */

void *rec_data(const rec_tensor *t) { return t->data; }

size_t rec_count(const rec_tensor *t) { return t->count; }

double rec_item(const rec_tensor *t) {
  return t->dtype == KY_F64 ? *(const double *)t->data : (double)*(const float *)t->data;
}

/* ---- gradients --------------------------------------------------------------------------- */

static void list_append(rec_heap *h, rec_grads *grads, rec_tensor *weight, rec_tensor *grad) {
  if (grads->count == grads->capacity) {
    const size_t more = grads->capacity ? grads->capacity : 8;
    grads->pairs = must(realloc(grads->pairs, (grads->capacity + more) * sizeof *grads->pairs));
    grads->capacity += more;
    count_up(h, more * sizeof *grads->pairs);
  }
  grads->pairs[grads->count++] = (rec_pair){grad, weight};
  weight->entry = grads->count;
}

/* A weight met before gets the sum of its gradients. One that only the list refers to is summed
 * up in place. */
static void list_merge(rec_heap *h, rec_grads *grads, rec_tensor *weight, rec_tensor *grad) {
  if (weight->entry == 0) {
    list_append(h, grads, weight, grad);
    return;
  }
  rec_tensor **sum = &grads->pairs[weight->entry - 1].grad;
  const ky_dtype dtype = (ky_dtype)grad->dtype;
  if ((*sum)->refs > 1) {
    rec_tensor *own = rec_gradient(h, *sum);
    ky__kernels()->copy->run(dtype, own->count, own->data, 1, 0, (*sum)->data, 1);
    rec_drop(h, *sum);
    *sum = own;
  }
  if (dtype == KY_F64 && grad->count == 1)
    *(double *)(*sum)->data += *(const double *)grad->data;
  else
    ky__kernels()->copy->run(dtype, grad->count, (*sum)->data, 1, 1, grad->data, 1);
  rec_drop(h, grad);
}

void rec_descend_into(rec_heap *h, rec_tensor *input, rec_tensor *grad, rec_grads *grads) {
  if (input->fn)
    input->fn->backward(h, input, grad, grads);
  else
    list_merge(h, grads, input, grad);
}

void rec_backward(rec_heap *h, rec_tensor *root, rec_grads *grads) {
  if (!root->wants) return;
  rec_tensor *ones = rec_gradient(h, root);
  ky__kernels()->copy->fill((ky_dtype)root->dtype, ones->count, ones->data, 1, 0);
  rec_descend_into(h, root, ones, grads);
}

void rec_descend(const rec_grads *grads, double rate) {
  for (size_t k = 0; k < grads->count; k++) {
    const rec_pair *pair = &grads->pairs[k];
    const size_t n = pair->weight->count;
    if (pair->weight->dtype == KY_F64) {
      double *restrict w = pair->weight->data;
      const double *restrict g = pair->grad->data;
      for (size_t i = 0; i < n; i++) w[i] -= rate * g[i];
    } else {
      float *restrict w = pair->weight->data;
      const float *restrict g = pair->grad->data;
      for (size_t i = 0; i < n; i++) w[i] -= (float)rate * g[i];
    }
  }
}

void rec_clear(rec_heap *h, rec_grads *grads) {
  for (size_t k = 0; k < grads->count; k++) {
    grads->pairs[k].weight->entry = 0;
    rec_drop(h, grads->pairs[k].grad);
  }
  grads->count = 0;
}

void rec_grads_free(rec_heap *h, rec_grads *grads) {
  rec_clear(h, grads);
  h->bytes -= grads->capacity * sizeof *grads->pairs;
  free(grads->pairs);
  *grads = (rec_grads){0};
}
