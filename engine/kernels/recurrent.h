/* SPDX-License-Identifier: MIT */
/* Cells of recurrent layers: rows of n states from rows of gates, gate after gate in PyTorch's
 * order. Kernels are indexed by dtype: KY_F32, KY_F64. */
#ifndef KY_RECURRENT_H
#define KY_RECURRENT_H

#include "kernels/level.h"
#include "kytape/base.h"

/* Gates i, f, g, o of an LSTM. All arrays are dense, [rows,n] or [rows,4n]. */
typedef struct ky_lstm_rows {
  size_t rows, n;
  void *gates;          /* map, in: before the activations; out, and for pull in: after them */
  const void *previous; /* cell state before; null: zeros */
  void *cell;           /* cell state; written by map */
  void *out;            /* map, and for pull in: o tanh(cell) */

  const void *g, *more; /* pull: two parts of the adjoint of out; more may be null */
  void *cell_adjoint;   /* pull, in: adjoint of cell; out: of previous */
  void *gates_adjoint;  /* pull: adjoint of the gates before the activations */
} ky_lstm_rows;

/* Gates r, z, n of a GRU; n takes its recurrent part times r. Dense [rows,n] or [rows,3n]. */
typedef struct ky_gru_rows {
  size_t rows, n;
  const void *x, *h;    /* map: what the input and what the state contribute to the gates */
  const void *previous; /* null: zeros */
  void *saved; /* [rows,4n] r, z, n and the recurrent part of n; map writes, pull reads */
  void *out;   /* map: (1 - z) n + z previous */

  const void *g, *more;        /* pull: two parts of the adjoint of out; more may be null */
  void *x_adjoint, *h_adjoint; /* pull: adjoints of x and h */
  void *previous_adjoint;      /* pull: of previous, through z alone; may be `more` */
} ky_gru_rows;

typedef void ky_lstm_fn(const ky_lstm_rows *c);
typedef void ky_gru_fn(const ky_gru_rows *c);

typedef struct ky_recurrent_kernels {
  ky_lstm_fn *map_lstm[2], *pull_lstm[2];
  ky_gru_fn *map_gru[2], *pull_gru[2];
} ky_recurrent_kernels;

#define X(level, supported) extern const ky_recurrent_kernels ky__recurrent_##level;
KY_LEVELS(X)
#undef X

#endif
