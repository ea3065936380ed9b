/* SPDX-License-Identifier: MIT */
/* Walks over labelled rows. */
#include "ops/labelled.h"

ky_status ky__need_labelled(const ky_query *q, ky_id rows_id, ky_id labels_id) {
  KY_TRY(ky__need_float(q, rows_id));
  const ky_dtype index = ky__dtype_of(q, labels_id);
  if (index != KY_I32 && index != KY_I64)
    return ky__fail(q->fault, KY_BAD_DTYPE, "labels must be i32 or i64, got %s",
                    ky_dtype_name(index));
  const ky_layout *rows = ky__layout_of(q, rows_id), *labels = ky__layout_of(q, labels_id);
  if (rows->rank == 0) return ky__fail(q->fault, KY_BAD_SHAPE, "logits of rank 0");
  if (rows->rank != labels->rank + 1)
    return ky__fail(q->fault, KY_BAD_SHAPE, "logits of rank %d want labels of rank %d, got %d",
                    (int)rows->rank, (int)rows->rank - 1, (int)labels->rank);
  for (int k = 0; k < labels->rank; k++)
    if (rows->dims[k] != labels->dims[k])
      return ky__fail(q->fault, KY_BAD_SHAPE, "extents %lld and %lld of axis %d differ",
                      (long long)rows->dims[k], (long long)labels->dims[k], k);
  if (rows->dims[labels->rank] == 0 && labels->count > 0)
    return ky__fail(q->fault, KY_BAD_SHAPE, "there are labels but no classes");
  return KY_OK;
}

void ky__batches(const ky_frame *f, ky_id rows_id, ky_id labels_id, ky_batch *b) {
  const ky_layout *rows = ky__layout(f->code, rows_id);
  const ky_layout *labels = ky__layout(f->code, labels_id);
  const ky_layout dense = ky__dense(labels);
  int64_t strides[3][KY_MAX_RANK];
  for (int k = 0; k < labels->rank; k++) {
    strides[0][k] = dense.strides[k];
    strides[1][k] = rows->strides[k];
    strides[2][k] = labels->strides[k];
  }
  b->row_id = rows_id;
  b->label_id = labels_id;
  b->leaves_out = false;
  ky__loop_plan(&b->loop, labels, 3, strides);
  b->walk = (ky_walk){0};
  b->taken = 0;
  b->pitch = (ky_pitch){b->loop.strides[1][b->loop.rank - 1], rows->strides[labels->rank]};
}

/* Widens the batch's labels. */
static bool take_labels(ky_frame *f, ky_batch *b) {
  const ky_layout *layout = ky__layout(f->code, b->row_id);
  const int64_t classes = layout->dims[layout->rank - 1];
  const int64_t stride = b->loop.strides[2][b->loop.rank - 1];
  const int64_t start = b->walk.offset[2] + b->taken * stride, rows = (int64_t)b->rows;
  const void *from = ky__data(f, b->label_id);
  if (f->code->ins[b->label_id].dtype == KY_I32)
    for (int64_t k = 0; k < rows; k++)
      b->label[k] = ((const int32_t *)from)[start + k * stride];
  else
    for (int64_t k = 0; k < rows; k++)
      b->label[k] = ((const int64_t *)from)[start + k * stride];
  for (int64_t k = 0; k < rows; k++) {
    if (b->leaves_out && b->label[k] == b->left_out) {
      b->label[k] = -1;
      continue;
    }
    if (b->label[k] >= 0 && b->label[k] < classes) continue;
    ky__fail(f->fault, KY_BAD_INDEX, "label %lld of row %lld is not in 0..%lld",
             (long long)b->label[k], (long long)(b->first + k), (long long)(classes - 1));
    return false;
  }
  return true;
}

bool ky__next_batch(ky_frame *f, ky_batch *b) {
  const int64_t run = b->loop.dims[b->loop.rank - 1];
  if (b->taken == run) {
    if (!ky__loop_next(&b->loop, &b->walk)) return false;
    b->taken = 0;
  }
  b->rows = (size_t)(run - b->taken < KY_BATCH ? run - b->taken : KY_BATCH);
  b->first = b->walk.offset[0] + b->taken;
  if (!take_labels(f, b)) return false;
  const int64_t at = b->walk.offset[1] + b->taken * b->pitch.row;
  b->data = (const char *)ky__data(f, b->row_id) +
            at * (int64_t)ky_dtype_size((ky_dtype)f->code->ins[b->row_id].dtype);
  b->taken += (int64_t)b->rows;
  return true;
}
