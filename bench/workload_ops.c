/* SPDX-License-Identifier: MIT */
/* ops: every elementwise opcode, and those that go along rows, alone on a tape: how many bytes
 * a second its forward and its reverse sweep move, at a size that stays in the cache and at one
 * that does not, beside a copy of as many bytes. Opcodes that call the vector library or libm
 * for each element are bound by that, not by memory; they are marked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "hand/rates.h"
#include "opinfo.h"
#include "workload.h"

#define SMALL   4096
#define LARGE   (1 << 22)
#define COLUMNS 256

static const bench_extra extras[] = {
    {"ns/element", "ns_per_element", "%.3f"},
    {"GB/s", "gigabytes_per_second", "%.1f"},
    {"of copy", "share_of_copy", "%.0f%%"},
    {"reverse ns/element", "reverse_ns_per_element", "%.3f"},
    {"reverse GB/s", "reverse_gigabytes_per_second", "%.1f"},
    {"reverse of copy", "reverse_share_of_copy", "%.0f%%"},
};

enum { NS, RATE, SHARE, REVERSE_NS, REVERSE_RATE, REVERSE_SHARE, EXTRA_COUNT };

/* ---- the opcodes ------------------------------------------------------------------------- */

/* What a case is recorded from: x, y, z of one shape, weights. */
typedef struct operands {
  ky_tape *t;
  ky_var x, y, z;
  const int64_t *dims;
  int rank;
} operands;

typedef ky_var record_fn(const operands *o);

#define CALL_0(name) ky_##name(o->t, o->x)
#define CALL_1(name) ky_##name(o->t, o->x, 0.5)
#define CALL_2(name) ky_##name(o->t, o->x, 0.25, 0.75)
#define UNARY(name, given, ...)                                                                \
  static ky_var record_##name(const operands *o) { return CALL_##given(name); }
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                      \
  static ky_var record_##name(const operands *o) { return ky_##name(o->t, o->x, o->y); }
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...)                                                                     \
  static ky_var record_##name(const operands *o) { return ky_##name(o->t, o->x, o->y, o->z); }
#include "kernels/ternary.def"
#undef TERNARY

/* One row an opcode that is no formula: name, operands, what records it. */
#define OTHERS(X)                                                                              \
  X(lt, 2, ky_lt(o->t, o->x, o->y))                                                            \
  X(gt_scalar, 1, ky_gt_scalar(o->t, o->x, 0.5))                                               \
  X(isfinite, 1, ky_isfinite(o->t, o->x))                                                      \
  X(where, 2, ky_where(o->t, ky_gt(o->t, o->x, o->y), o->x, o->y))                             \
  X(cast, 1, ky_cast(o->t, o->x, KY_F64))                                                      \
  X(dropout, 1, ky_dropout(o->t, o->x, 0.1))                                                   \
  X(sum, 1, ky_sum(o->t, o->x, KY_AXES(-1), 0))                                                \
  X(mean, 1, ky_mean(o->t, o->x, KY_AXES(0), 0))                                               \
  X(max, 1, ky_max(o->t, o->x, KY_AXES(-1), 0))                                                \
  X(argmax, 1, ky_argmax(o->t, o->x, -1, 0))                                                   \
  X(prod, 1, ky_prod(o->t, o->x, KY_AXES(-1), 0))                                              \
  X(variance, 1, ky_variance(o->t, o->x, KY_AXES(-1), 0, 1))                                   \
  X(norm, 1, ky_norm(o->t, o->x, KY_AXES(-1), 0, 2))                                           \
  X(logsumexp, 1, ky_logsumexp(o->t, o->x, KY_AXES(-1), 0))                                    \
  X(cumsum, 1, ky_cumsum(o->t, o->x, -1))                                                      \
  X(cumprod, 1, ky_cumprod(o->t, o->x, -1))                                                    \
  X(softmax, 1, ky_softmax(o->t, o->x, -1))                                                    \
  X(log_softmax, 1, ky_log_softmax(o->t, o->x, -1))                                            \
  X(layernorm, 1, ky_layernorm(o->t, o->x, 1, ky_none(), ky_none(), 1e-5))                     \
  X(rmsnorm, 1, ky_rmsnorm(o->t, o->x, 1, ky_none(), 1e-5))                                    \
  X(mse, 2, ky_mse(o->t, o->x, o->y, KY_REDUCE_MEAN))                                          \
  X(bce, 2, ky_bce(o->t, o->x, o->y, KY_REDUCE_MEAN))                                          \
  X(bce_with_logits, 2, ky_bce_with_logits(o->t, o->x, o->y, KY_REDUCE_MEAN))                  \
  X(concat, 2, ky_concat(o->t, 2, (ky_var[]){o->x, o->y}, 0))                                  \
  X(pad, 1, ky_pad(o->t, o->x, 2, (int64_t[]){0, 1}, (int64_t[]){0, 1}, KY_PAD_CONSTANT, 0))   \
  X(tril, 1, ky_tril(o->t, o->x, 0))
#define X(name, count, call)                                                                   \
  static ky_var record_##name(const operands *o) { return call; }
OTHERS(X)
#undef X

typedef struct opcode {
  const char *name;
  ky_op op;
  int operands;
  bool calls; /* a function for each element */
  record_fn *record;
} opcode;

enum { P = 1, A = 2, B = 4 };

static const opcode opcodes[] = {
#define UNARY(name, given, saved, vector, ...) {#name, KY_OP_##name, 1, vector, record_##name},
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, vector, ...) {#name, KY_OP_##name, 2, vector, record_##name},
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...) {#name, KY_OP_##name, 3, false, record_##name},
#include "kernels/ternary.def"
#undef TERNARY
#define X(name, count, call) {#name, KY_OP_##name, count, false, record_##name},
    OTHERS(X)
#undef X
};

/* ---- measuring --------------------------------------------------------------------------- */

typedef struct subject {
  ky_tape *t;
  ky_var root;
  bool differentiable;
  ky_status status;
  size_t lines; /* of the copies */
  char *from, *to;
} subject;

static void forward(void *state) {
  subject *s = state;
  const ky_status status = ky_forward(s->t);
  if (status != KY_OK) s->status = status;
}

static void reverse(void *state) {
  subject *s = state;
  const ky_status status = ky_backward(s->t, s->root, NULL);
  if (status != KY_OK) s->status = status;
}

static void copy(void *state) {
  const subject *s = state;
  rate_copy(s->lines, s->to, s->from);
}

/* Bytes that must be read and written at least: operands and result; in reverse the seed, once
 * written and read, what the row says that the adjoint reads, and the operands' adjoints. */
static double bytes_forward(const opcode *c, size_t n, double result) {
  return (double)c->operands * (double)n * sizeof(float) + result;
}

static double bytes_reverse(const opcode *c, size_t n, double result) {
  const uint8_t reads = ky__opinfo[c->op].reads;
  double bytes = 2 * result + (double)c->operands * (double)n * sizeof(float);
  for (int k = 0; k < c->operands; k++)
    if (reads >> k & 1) bytes += (double)n * sizeof(float);
  return reads & KY_READS_R ? bytes + result : bytes;
}

static void add_row(bench_sheet *sheet, const opcode *c, size_t n, const bench_cell *cells,
                    const subject *s, double result) {
  char title[32];
  snprintf(title, sizeof title, "%s [%zu]", c->name, n);
  bench_row *row = bench_sheet_row(sheet, title, BENCH_REPLAYED);
  row->time = bench_summary(&cells[0]);
  const double copied = (double)(2 * s->lines * RATE_LINE) / bench_summary(&cells[1]).median;
  const double there = bytes_forward(c, n, result) / row->time.median;
  row->extra[NS] = row->time.median / (double)n;
  row->extra[RATE] = there;
  row->extra[SHARE] = 100 * there / copied;
  if (c->calls) snprintf(row->note, sizeof row->note, "calls the vector library");
  if (!s->differentiable) return;
  const double median = bench_summary(&cells[2]).median;
  const double back = bytes_reverse(c, n, result) / median;
  row->extra[REVERSE_NS] = median / (double)n;
  row->extra[REVERSE_RATE] = back;
  row->extra[REVERSE_SHARE] = 100 * back / copied;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, const opcode *c, size_t n,
                     const ky_tensor *const x[3], subject *s) {
  const int64_t dims[2] = {(int64_t)n / COLUMNS, COLUMNS};
  s->t = ky_tape_new(NULL);
  s->status = KY_OK;
  operands o = {.t = s->t, .dims = dims, .rank = 2};
  ky_var *const at[3] = {&o.x, &o.y, &o.z};
  for (int k = 0; k < c->operands; k++) *at[k] = ky_param(s->t, (ky_tensor *)(uintptr_t)x[k]);
  s->root = c->record(&o);
  s->differentiable = ky__opinfo[c->op].differentiable;
  ky_array r;
  bool good = ky_data(s->t, s->root, &r) == KY_OK;
  if (good) {
    bench_cell cells[3] = {{.call = forward, .state = s},
                           {.call = copy, .state = s},
                           {.call = reverse, .state = s}};
    bench_pace pace = setup->pace;
    pace.cell /= 20; /* there are many cases */
    pace.sample /= 20;
    bench_measure(&pace, s->differentiable ? 3 : 2, cells);
    add_row(sheet, c, n, cells, s, (double)r.count * (double)ky_dtype_size(r.dtype));
    good = s->status == KY_OK;
  }
  if (!good) fprintf(stderr, "kybench: ops: %s: %s\n", c->name, ky_tape_message(s->t));
  ky_tape_free(s->t);
  return good;
}

static bool run_size(const bench_setup *setup, bench_sheet *sheet, size_t n) {
  subject s = {.lines = n * sizeof(float) / RATE_LINE};
  s.from = bench_alloc_aligned(n * sizeof(float));
  s.to = bench_alloc_aligned(n * sizeof(float));
  float *data[3];
  ky_tensor *x[3] = {NULL};
  bool good = true;
  for (int k = 0; k < 3; k++) {
    data[k] = bench_alloc_aligned(n * sizeof(float));
    bench_random(KY_F32, 1 + (uint32_t)k, n, data[k], 0.45);
    for (size_t i = 0; i < n; i++) data[k][i] += 0.5F; /* where all of them are defined */
    good = good && ky_tensor_wrap(NULL, KY_F32, KY_SHAPE((int64_t)n / COLUMNS, COLUMNS),
                                  data[k], &x[k]) == KY_OK;
  }
  const ky_tensor *const all[3] = {x[0], x[1], x[2]};
  for (size_t k = 0; good && k < sizeof opcodes / sizeof *opcodes; k++)
    good = run_case(setup, sheet, &opcodes[k], n, all, &s);
  for (int k = 0; k < 3; k++) {
    ky_tensor_free(x[k]);
    free(data[k]);
  }
  free(s.from);
  free(s.to);
  return good;
}

bool workload_ops(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  if (setup->quick) return run_size(setup, sheet, 2 * COLUMNS);
  return run_size(setup, sheet, SMALL) && run_size(setup, sheet, LARGE);
}
