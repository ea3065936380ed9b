/* SPDX-License-Identifier: MIT */
/* The recording functions of ops_random.h. Each operation gets the next stream of the tape. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "opinfo.h"
#include "tape/tape.h"

static ky_var record(ky_tape *t, ky_draft *d, double first, double second) {
  if (!t) return (ky_var){0};
  const uint32_t stream = t->code.stream_count + 1;
  d->ins.b =
      ky__push(t, d, 3, (const int64_t[]){stream, ky__f64_bits(first), ky__f64_bits(second)});
  const ky_var v = ky__record(t, d);
  if (v.id) t->code.stream_count = stream;
  return v;
}

static ky_var record_leaf(ky_tape *t, ky_op op, ky_dtype dtype, int rank, const int64_t *dims,
                          double first, double second) {
  ky_draft d;
  ky__draft(&d, op);
  d.ins.dtype = (uint8_t)dtype;
  if (ky_dtype_size(dtype) == 0)
    ky__fail(&d.fault, KY_BAD_DTYPE, "unknown dtype %d", (int)dtype);
  else
    ky__layout_dense(rank, dims, &d.shape, &d.fault);
  return record(t, &d, first, second);
}

ky_var ky_uniform(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double lo,
                  double hi) {
  return record_leaf(t, KY_OP_uniform, dtype, rank, dims, lo, hi);
}

ky_var ky_normal(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double mean,
                 double deviation) {
  return record_leaf(t, KY_OP_normal, dtype, rank, dims, mean, deviation);
}

ky_var ky_bernoulli(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double p) {
  return record_leaf(t, KY_OP_bernoulli, dtype, rank, dims, p, 0);
}

ky_var ky_dropout(ky_tape *t, ky_var x, double p) {
  ky_draft d;
  ky__draft(&d, KY_OP_dropout);
  d.ins.a = ky__operand_id(t, &d, x);
  return record(t, &d, p, 0);
}
