/* SPDX-License-Identifier: MIT */
/* What lstm.c and gru.c share: checks of shapes, dense operands, the products of a sequence. */
#ifndef KY_OPS_RECURRENT_H
#define KY_OPS_RECURRENT_H

#include "kernels/gemm.h"
#include "ops/family.h"

/* Where operands of a sequence stand in its list; the last two may be absent. */
enum { KY_SEQ_X, KY_SEQ_W, KY_SEQ_STATE, KY_SEQ_EXTRA, KY_SEQ_OPERANDS };

static inline ky_id ky__seq_operand(const ky_code *code, const ky_ins *i, uint32_t which) {
  return (ky_id)code->pool[i->b + which];
}

/* BAD_SHAPE unless `id` has these dims: "the `what` is [2], wants [3]". An absent one is fine.
 */
ky_status ky__need_dims(const ky_query *q, const char *what, ky_id id, int rank,
                        const int64_t *dims);

/* Checks x [steps,batch,gates n] and w [gates n,n]; steps, batch and n go to dims. */
ky_status ky__sequence_dims(const ky_query *q, int gates, int64_t dims[3]);

/* A sequence under way. */
typedef struct ky_recurrence {
  ky_frame *f;
  ky_dtype dtype;
  size_t size;            /* of an element */
  size_t steps, batch, n; /* n: of the state */
  size_t gates;           /* 4 n or 3 n */
  const void *state;      /* [batch,n] before the first step, dense; null: zeros */
  ky_matrix w;            /* [gates,n] */
} ky_recurrence;

/* Fills in all but `state`, for which a copy may be needed. */
ky_recurrence ky__recurrence(ky_frame *f, ky_id pc, size_t gates_of_n);

/* w' [n,gates], contiguous: made once, used in each step. Null after a fault. */
void *ky__turned_weights(const ky_recurrence *s);

/* Work on rows of the batch: how many make a piece worth while. */
size_t ky__recurrence_grain(const ky_recurrence *s);

/* Rows begin..end-1 of c [batch,columns] = d + a b with a [batch,depth], b [depth,columns], the
 * way that all rows would go together. c and d are at their first rows; no d if its data is
 * null. */
void ky__recurrent_product(const ky_recurrence *s, size_t begin, size_t end, size_t columns,
                           size_t depth, ky_matrix a, ky_matrix b, ky_matrix d, ky_matrix c);

/* What the recurrent weights get: the sum over steps of the gates' adjoint [steps,batch,gates]
 * times the state before each step; `out` has the states after, [steps,batch,n] at least. */
void ky__pull_weights(const ky_recurrence *s, ky_dest to, const void *gates_adjoint,
                      const void *out);

/* to = beta to + from, `count` elements. */
void ky__give(const ky_recurrence *s, ky_dest to, const void *from, size_t count);

static inline ky_matrix ky__rows(const ky_recurrence *s, const void *base, size_t row,
                                 size_t columns) {
  return (ky_matrix){ky__element(base, row * columns, s->size), (ptrdiff_t)columns, 1};
}

static inline size_t ky__padded(size_t bytes) {
  return (bytes + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN;
}

#endif
