/* SPDX-License-Identifier: MIT */
/* Samples of the products: three nested loops are the oracle. The largest go through the GEMM
 * library, the others through the kernels for small ones. */
#include "samples.h"

#include <string.h>

#define UNIT -1, 1, UNIFORM, 0

/* ---- matmul: n[0] the transpose flags --------------------------------------------------- */

/* Shape of the batch axes, as an nd that has no elements of interest. */
static void batch_shape(const nd *a, nd *batch) { nd_shape(batch, a->rank - 2, a->dims); }

static void oracle_matmul(const nd *const *x, const ky_sample *s, nd *out) {
  static nd batch_a, batch_b, batch;
  const nd *a = x[0], *b = x[1];
  const bool ta = s->n[0] & KY_TRANS_A, tb = s->n[0] & KY_TRANS_B;
  const int64_t *da = a->dims + a->rank - 2, *db = b->dims + b->rank - 2;
  const int64_t rows = da[ta], inner = da[!ta], columns = db[!tb];
  batch_shape(a, &batch_a);
  batch_shape(b, &batch_b);
  nd_broadcast(&batch, &batch_a, &batch_b);
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK];
  memcpy(dims, batch.dims, sizeof dims);
  dims[batch.rank] = rows;
  dims[batch.rank + 1] = columns;
  nd_shape(out, batch.rank + 2, dims);
  for (int64_t n = 0; n < out->count; n++) {
    nd_index(out, n, index);
    const int64_t i = index[batch.rank], j = index[batch.rank + 1];
    const double *pa = a->at + nd_place(&batch_a, batch.rank, index) * rows * inner;
    const double *pb = b->at + nd_place(&batch_b, batch.rank, index) * inner * columns;
    double sum = 0;
    for (int64_t k = 0; k < inner; k++)
      sum += pa[ta ? k * rows + i : i * inner + k] * pb[tb ? j * inner + k : k * columns + j];
    out->at[n] = sum;
  }
}

static ky_var record_matmul(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return s->n[0] ? ky_matmul_trans(t, x[0], x[1], (unsigned)s->n[0]) : ky_matmul(t, x[0], x[1]);
}

static const ky_sample samples_of_matmul[] = {
    {.shape = {DIMS(2, 3), DIMS(3, 4)}},
    {.shape = {DIMS(3, 2), DIMS(3, 4)}, .n = {KY_TRANS_A}},
    {.shape = {DIMS(2, 3), DIMS(4, 3)}, .n = {KY_TRANS_B}},
    {.shape = {DIMS(3, 2), DIMS(4, 3)}, .n = {KY_TRANS_A | KY_TRANS_B}},
    {.shape = {DIMS(3, 3), DIMS(3, 3)}},
    {.shape = {DIMS(3, 3), DIMS(3, 3)}, .n = {KY_TRANS_A}},
    {.shape = {DIMS(1, 1), DIMS(1, 1)}},
    {.shape = {DIMS(1, 5), DIMS(5, 1)}},
    {.shape = {DIMS(5, 1), DIMS(1, 5)}},
    {.shape = {DIMS(17, 9), DIMS(9, 33)}},
    {.shape = {DIMS(2, 3, 4), DIMS(4, 5)}}, /* one matrix for all of a batch */
    {.shape = {DIMS(3, 4), DIMS(2, 4, 5)}},
    {.shape = {DIMS(2, 1, 3, 4), DIMS(3, 4, 2)}}, /* both batches stretched */
    {.shape = {DIMS(2, 4, 3), DIMS(2, 5, 4)}, .n = {KY_TRANS_A | KY_TRANS_B}},
    {.shape = {DIMS(0, 3), DIMS(3, 2)}},
    {.shape = {DIMS(2, 0), DIMS(0, 3)}}, /* sums of nothing */
    {.shape = {DIMS(2, 3), DIMS(3, 0)}},
    {.shape = {DIMS(0, 2, 3), DIMS(3, 2)}},
    {.shape = {DIMS(66, 70), DIMS(70, 65)}},
    {.shape = {DIMS(70, 66), DIMS(65, 70)}, .n = {KY_TRANS_A | KY_TRANS_B}},
};

static const ky_refusal refusals_of_matmul[] = {
    {{.shape = {DIMS(8, 3), DIMS(4, 4)}},
     KY_BAD_SHAPE,
     "matmul: [8,3] x [4,4]: inner extents 3 and 4 differ"},
    {{.shape = {DIMS(3, 8), DIMS(8, 3)}, .n = {KY_TRANS_A}}, KY_BAD_SHAPE, "extents 3 and 8"},
    {{.shape = {DIMS(3), DIMS(3, 2)}}, KY_BAD_SHAPE, "[3] x [3,2]: "},
    {{.shape = {{0}, DIMS(3, 2)}}, KY_BAD_SHAPE, "[] x [3,2]: "},
    {{.shape = {DIMS(2, 3, 4), DIMS(3, 4, 2)}}, KY_BAD_SHAPE, "[2,3,4] x [3,4,2]: "},
    {{.shape = {DIMS(2, 2), DIMS(2, 2)}, .n = {4}}, KY_BAD_ARGUMENT, "transpose flags 0x4"},
};

const ky_samples samples_matmul = {.operands = 2,
                                   .domain = {{UNIT}, {UNIT}},
                                   .whole = oracle_matmul,
                                   .record = record_matmul,
                                   LIST(sample, samples_of_matmul),
                                   LIST(refusal, refusals_of_matmul)};

/* ---- linear: two operands are the form without bias ------------------------------------- */

static void oracle_linear(const nd *const *x, const ky_sample *s, nd *out) {
  const int64_t inner = x[1]->dims[1], outer = x[1]->dims[0];
  int64_t dims[KY_MAX_RANK];
  memcpy(dims, x[0]->dims, sizeof dims);
  dims[x[0]->rank - 1] = outer;
  nd_shape(out, x[0]->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    const int64_t row = n / outer, unit = n % outer;
    double sum = s->operands == 3 ? x[2]->at[unit] : 0;
    for (int64_t k = 0; k < inner; k++)
      sum += x[0]->at[row * inner + k] * x[1]->at[unit * inner + k];
    out->at[n] = sum;
  }
}

static ky_var record_linear(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_linear(t, x[0], x[1], s->operands == 3 ? x[2] : ky_none());
}

static const ky_sample samples_of_linear[] = {
    {.shape = {DIMS(2, 3), DIMS(4, 3), DIMS(4)}},
    {.shape = {DIMS(2, 3), DIMS(4, 3)}, .operands = 2},
    {.shape = {DIMS(1, 3), DIMS(2, 3), DIMS(2)}},
    {.shape = {DIMS(3), DIMS(4, 3), DIMS(4)}}, /* no batch axis */
    {.shape = {DIMS(3), DIMS(4, 3)}, .operands = 2},
    {.shape = {DIMS(2, 3, 4), DIMS(5, 4), DIMS(5)}},
    {.shape = {DIMS(3, 3), DIMS(3, 3), DIMS(3)}},
    {.shape = {DIMS(1, 1), DIMS(1, 1), DIMS(1)}},
    {.shape = {DIMS(17, 9), DIMS(33, 9), DIMS(33)}},
    {.shape = {DIMS(0, 3), DIMS(2, 3), DIMS(2)}},
    {.shape = {DIMS(2, 0), DIMS(3, 0), DIMS(3)}}, /* only the bias */
    {.shape = {DIMS(2, 3), DIMS(0, 3), DIMS(0)}},
    {.shape = {DIMS(65, 70), DIMS(66, 70), DIMS(66)}},
};

static const ky_refusal refusals_of_linear[] = {
    {{.shape = {DIMS(2, 3), DIMS(4, 2), DIMS(4)}},
     KY_BAD_SHAPE,
     "linear: [2,3] x [4,2] x [4]: inner extents 3 and 2 differ"},
    {{.shape = {DIMS(2, 3), DIMS(4, 3), DIMS(3)}}, KY_BAD_SHAPE, "the bias must be [4]"},
    {{.shape = {DIMS(2, 3), DIMS(4, 3), DIMS(1, 4)}}, KY_BAD_SHAPE, "the bias must be [4]"},
    {{.shape = {DIMS(2, 3), DIMS(3)}, .operands = 2}, KY_BAD_SHAPE, "[2,3] x [3]: "},
    {{.shape = {{0}, DIMS(4, 3)}, .operands = 2}, KY_BAD_SHAPE, "[] x [4,3]: "},
};

const ky_samples samples_linear = {.operands = 3,
                                   .domain = {{UNIT}, {UNIT}, {UNIT}},
                                   .whole = oracle_linear,
                                   .record = record_linear,
                                   LIST(sample, samples_of_linear),
                                   LIST(refusal, refusals_of_linear)};
