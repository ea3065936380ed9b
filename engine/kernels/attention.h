/* SPDX-License-Identifier: MIT */
/* The softmax between the two products of attention, over tiles of dense rows: scores become
 * weights in place, and gradients of weights become gradients of scores. Kernels are indexed by
 * dtype: KY_F32, KY_F64. */
#ifndef KY_ATTENTION_H
#define KY_ATTENTION_H

#include <stdbool.h>

#include "kernels/level.h"
#include "kytape/base.h"

/* Rows of n scores. Elements of the mask and its gradient stand at i * row + j * step. */
typedef struct ky_attention_tile {
  size_t rows, n;
  bool causal;  /* row i sees columns 0..first+i alone */
  size_t first; /* the tile's first row, counted over all */
  double scale; /* of the scores, before the mask */

  const void *mask; /* null: none */
  bool choice;      /* bytes, 1 where a column is seen; else added to the scores */
  ptrdiff_t mask_row, mask_step;

  void *scores; /* in: products q k'. out: map e^(s - top), pull the weights e^(s - lse) */
  void *lse;    /* [rows] logsumexp, +infinity where a row sees nothing */
  void *factor; /* [rows] map: what the outputs are to be multiplied by */

  void *adjoint;      /* pull, in: gradients of the weights. out: of the products q k' */
  void *mask_adjoint; /* pull: += the gradients of the added mask; null when not wanted */
  ptrdiff_t adjoint_row, adjoint_step;
} ky_attention_tile;

typedef void ky_attention_fn(const ky_attention_tile *t);

/* out [rows,n] *= factor [rows], row by row. */
typedef void ky_attention_finish(size_t rows, size_t n, void *out, const void *factor);

typedef struct ky_attention_kernels {
  ky_attention_fn *map[2], *pull[2];
  ky_attention_finish *finish[2];
} ky_attention_kernels;

#define X(level, supported) extern const ky_attention_kernels ky__attention_##level;
KY_LEVELS(X)
#undef X

#endif
