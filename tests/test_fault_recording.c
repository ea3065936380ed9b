/* SPDX-License-Identifier: MIT */
/* A recording call that fails leaves the tape as it was: whichever of its allocations fails,
 * and whichever of its instructions refuses. Arrays of the tape are filled up beforehand, so
 * that they have to grow at each place within a call. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"
#include "tape/tape.h"

#define OPERANDS     8
#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- calls ------------------------------------------------------------------------------- */

/* Several results: all of them, or none. */
static ky_var all_of(ky_var r, int count, const ky_var *others) {
  for (int k = 0; k < count; k++) assert_int_equal(others[k].id != 0, r.id != 0);
  return r;
}

static ky_var split(ky_tape *t, ky_var x, int64_t axis, size_t count, const int64_t *sizes) {
  ky_var part[4] = {x, x, x, x};
  const bool done = ky_split(t, x, axis, count, sizes, part) == KY_OK;
  assert_int_equal(part[0].id != 0, done);
  return all_of(part[0], (int)count, part);
}

static ky_var sort(ky_tape *t, ky_var x, int64_t axis) {
  ky_var order = x;
  const ky_var r = ky_sort(t, x, axis, 1, &order);
  return all_of(r, 1, &order);
}

static ky_var topk(ky_tape *t, ky_var x, int64_t k, int64_t axis) {
  ky_var order = x;
  const ky_var r = ky_topk(t, x, k, axis, 1, &order);
  return all_of(r, 1, &order);
}

static ky_var batchnorm(ky_tape *t, const ky_var *v, double eps) {
  ky_var statistic[2] = {v[0], v[0]};
  const ky_var r = ky_batchnorm(t, v[0], v[1], v[2], eps, &statistic[0], &statistic[1]);
  return all_of(r, 2, statistic);
}

/* v: x, the four of the weights, h0, c0 */
static ky_var lstm(ky_tape *t, const ky_var *v) {
  ky_var last[2] = {v[0], v[0]};
  const ky_rnn_weights w = {v[1], v[2], v[3], v[4]};
  const ky_var r = ky_lstm(t, v[0], &w, v[5], v[6], &last[0], &last[1]);
  return all_of(r, 2, last);
}

static ky_var gru(ky_tape *t, const ky_var *v) {
  ky_var last = v[0];
  const ky_rnn_weights w = {v[1], v[2], v[3], v[4]};
  const ky_var r = ky_gru(t, v[0], &w, v[5], &last);
  return all_of(r, 1, &last);
}

static ky_tensor *weight; /* of the param row */

#define CLASSES(...)                                                                           \
  &(ky_class_options) { sizeof(ky_class_options), KY_REDUCE_MEAN, __VA_ARGS__ }
#define CONV(...)                                                                              \
  &(ky_conv_options) { .size = sizeof(ky_conv_options), __VA_ARGS__ }
#define POOL(...)                                                                              \
  &(ky_pool_options) { .size = sizeof(ky_pool_options), __VA_ARGS__ }
#define DIMS(...)                                                                              \
  (const int64_t[]) { __VA_ARGS__ }
#define SUM  KY_REDUCE_SUM
#define MEAN KY_REDUCE_MEAN
#define NONE ky_none()

/* Name, operands v[0], v[1], ..., call. An operand is its extents behind a letter: f64 unless f
 * (f32), i (i64), j (i32), b (mask), e (one f64 expanded); s is an f64 of rank 0. */
#define CALLS(X)                                                                               \
  X(input, "", ky_input(t, KY_F32, KY_SHAPE(2), halves))                                       \
  X(input_of_half, "", ky_input(t, KY_BF16, KY_SHAPE(2), halves))                              \
  X(param, "", ky_param(t, weight))                                                            \
  X(constant, "", ky_constant(t, KY_F64, KY_SHAPE(3), reals))                                  \
  X(uniform, "", ky_uniform(t, KY_F64, KY_SHAPE(5), 0, 1))                                     \
  X(normal, "", ky_normal(t, KY_F64, KY_SHAPE(5), 0, 1))                                       \
  X(dropout, "3x4", ky_dropout(t, x, 0.5))                                                     \
  X(exp_of_scalar, "s", ky_exp(t, x))                                                          \
  X(clamp, "3x4", ky_clamp(t, x, 0, 1))                                                        \
  X(add_of_scalars, "s s", ky_add(t, x, y))                                                    \
  X(fma, "3x4 4 3x1", ky_fma(t, x, y, z))                                                      \
  X(cast, "3x4", ky_cast(t, x, KY_F32))                                                        \
  X(where, "b4 3x4 3x1", ky_where(t, x, y, z))                                                 \
  X(matmul, "2x3x4 4x2", ky_matmul(t, x, y))                                                   \
  X(linear, "2x3x4 5x4 5", ky_linear(t, x, y, z))                                              \
  X(sum, "3x4", ky_sum(t, x, KY_AXES(0), 1))                                                   \
  X(variance, "2x3x4", ky_variance(t, x, KY_AXES(0, 2), 0, 1))                                 \
  X(norm_1, "3x4", ky_norm(t, x, KY_AXES(0), 0, KY_NORM_1))                                    \
  X(logsumexp, "2x3x4", ky_logsumexp(t, x, KY_AXES(0, 2), 0))                                  \
  X(reshape, "3x4", ky_reshape(t, x, KY_SHAPE(2, -1)))                                         \
  X(slice, "3x4", ky_slice(t, x, 1, 1, 4, 2))                                                  \
  X(expand, "3x1", ky_expand(t, x, KY_SHAPE(2, 3, 4)))                                         \
  X(concat, "3x4 2x4 1x4", ky_concat(t, 3, v, 0))                                              \
  X(transpose, "2x3x4", ky_transpose(t, x, 0, 2))                                              \
  X(flip, "2x3x4", ky_flip(t, x, 0, NULL))                                                     \
  X(roll, "3x4", ky_roll(t, x, 1, 1))                                                          \
  X(tile, "2x3x4", ky_tile(t, x, 4, DIMS(2, 3, 2, 2)))                                         \
  X(stack, "3x4 3x4 3x4", ky_stack(t, 3, v, 1))                                                \
  X(split, "2x9", split(t, x, 1, 3, DIMS(2, 3, 4)))                                            \
  X(pad, "3x4", ky_pad(t, x, 2, DIMS(1, 0), DIMS(2, 3), KY_PAD_CONSTANT, 1))                   \
  X(diag_of_vector, "3", ky_diag(t, x, 1))                                                     \
  X(diag_of_matrix, "3x4", ky_diag(t, x, 1))                                                   \
  X(trace, "4x4", ky_trace(t, x))                                                              \
  X(scatter_sum, "2x4 i2x4", ky_scatter_sum(t, x, 0, y, KY_SHAPE(3, 4)))                       \
  X(scatter_add, "3x4 i1x2 2x3", ky_scatter_add(t, x, 0, y, z))                                \
  X(index_select, "3x4x2 i5", ky_index_select(t, x, 1, y))                                     \
  X(index_select_one, "3x4 j", ky_index_select(t, x, 0, y))                                    \
  X(embedding, "5x4 i3x2", ky_embedding(t, x, y, 0))                                           \
  X(segment_sum, "5x4 i5", ky_segment_sum(t, x, y, 3))                                         \
  X(masked_fill, "3x4 b4", ky_masked_fill(t, x, y, 7))                                         \
  X(sort, "3x4", sort(t, x, -1))                                                               \
  X(topk, "3x4", topk(t, x, 2, 1))                                                             \
  X(cross_entropy_with, "3x4 i3 4",                                                            \
    ky_cross_entropy_with(t, x, y, CLASSES(.weights = z, .ignore = 1, .smoothing = 0.1)))      \
  X(cross_entropy_plainly, "3x4 i3", ky_cross_entropy_with(t, x, y, CLASSES(.ignore = 0)))     \
  X(cross_entropy_soft, "3x4 3x4 4",                                                           \
    ky_cross_entropy_soft(t, x, y, CLASSES(.weights = z, .smoothing = 0.1)))                   \
  X(nll_with, "2x3x4 i2x3 4", ky_nll_with(t, x, y, CLASSES(.weights = z, .ignore = 1)))        \
  X(nll_without_weights, "3x4 j3", ky_nll_with(t, x, y, CLASSES(.ignore = 1)))                 \
  X(l1, "3x4 4", ky_l1(t, x, y, MEAN))                                                         \
  X(smooth_l1, "3x4 4", ky_smooth_l1(t, x, y, 0.5, SUM))                                       \
  X(huber, "3x4 4", ky_huber(t, x, y, 0.5, KY_REDUCE_NONE))                                    \
  X(kl_div, "3x4 4", ky_kl_div(t, x, y, SUM))                                                  \
  X(kl_div_log, "3x4 4", ky_kl_div_log(t, x, y, MEAN))                                         \
  X(hinge, "3x4 4", ky_hinge(t, x, y, MEAN))                                                   \
  X(cosine_similarity, "3x4 3x4", ky_cosine_similarity(t, x, y, 1, 1e-8))                      \
  X(cosine_embedding, "3x4 3x4 3", ky_cosine_embedding(t, x, y, z, 0.1, MEAN))                 \
  X(triplet, "3x4 3x4 3x4", ky_triplet(t, x, y, z, 1, MEAN))                                   \
  X(gaussian_nll, "3x4 3x4 3x1", ky_gaussian_nll(t, x, y, z, 1e-6, MEAN))                      \
  X(layernorm, "3x4 4 4", ky_layernorm(t, x, 1, y, z, 1e-5))                                   \
  X(groupnorm, "2x4x3 4 4", ky_groupnorm(t, x, 2, y, z, 1e-5))                                 \
  X(instancenorm, "2x4x3 4 4", ky_instancenorm(t, x, y, z, 1e-5))                              \
  X(batchnorm, "2x4x3 4 4", batchnorm(t, v, 1e-5))                                             \
  X(batchnorm_inference, "2x4x3 4 4 4 4",                                                      \
    ky_batchnorm_inference(t, x, y, z, v[3], v[4], 1e-5))                                      \
  X(attention, "1x4x3x2 1x2x3x2 1x2x3x2 b3x3", ky_attention(t, x, y, z, v[3], 1, 0))           \
  X(ctc, "5x2x4 i2x2 i2 i2", ky_ctc(t, x, y, z, v[3], 3, 1, MEAN))                             \
  X(lstm_cell, "2x8 2x2", ky_lstm_cell(t, x, y))                                               \
  X(lstm_sequence, "3x2x8 8x2 2x2", ky_lstm_sequence(t, x, y, z, NONE))                        \
  X(gru_sequence, "3x2x6 6x2 2x2 6", ky_gru_sequence(t, x, y, z, v[3]))                        \
  X(lstm, "3x2x5 8x5 8x2 8 8 2x2 2x2", lstm(t, v))                                             \
  X(gru, "3x2x5 6x5 6x2 6 6 2x2", gru(t, v))                                                   \
  X(lstm_without_outputs, "3x2x5 8x5 8x2",                                                     \
    ky_lstm(t, x, &(ky_rnn_weights){.w_ih = y, .w_hh = z}, NONE, NONE, NULL, NULL))            \
  X(conv1d, "2x4x6 4x2x3 4", ky_conv1d(t, x, y, z, CONV(.groups = 2)))                         \
  X(conv2d, "1x2x5x5 2x2x3x3 2", ky_conv2d(t, x, y, z, CONV(.padding = {1, 1})))               \
  X(conv3d, "1x1x3x3x3 1x1x2x2x2", ky_conv3d(t, x, y, NONE, NULL))                             \
  X(conv_transpose2d, "1x2x3x3 2x2x3x3 2",                                                     \
    ky_conv_transpose2d(t, x, y, z, CONV(.stride = {2, 2})))                                   \
  X(conv_transpose3d, "1x1x2x2x2 1x1x2x2x2", ky_conv_transpose3d(t, x, y, NONE, NULL))         \
  X(max_pool2d, "1x2x4x4", ky_max_pool2d(t, x, POOL(.kernel = {2, 2})))                        \
  X(avg_pool2d, "1x2x4x4", ky_avg_pool2d(t, x, POOL(.kernel = {2, 2})))                        \
  X(adaptive_avg_pool1d, "2x3x7", ky_adaptive_avg_pool1d(t, x, 3))                             \
  X(adaptive_avg_pool2d, "f2x3x7x5", ky_adaptive_avg_pool2d(t, x, 3, 2))                       \
  X(adaptive_avg_pool_one, "2x3x6x4", ky_adaptive_avg_pool2d(t, x, 1, 1))                      \
  X(upsample_nearest2d, "1x2x3x4", ky_upsample_nearest2d(t, x, 5, 7))                          \
  X(upsample_bilinear2d, "1x2x3x4", ky_upsample_bilinear2d(t, x, 5, 7, 0))                     \
  X(triangular_solve, "4x4 2x4x3", ky_triangular_solve(t, x, y, KY_UPPER))                     \
  X(cholesky, "2x4x4", ky_cholesky(t, x))                                                      \
  X(solve, "3x1x4x4 2x4x3", ky_solve(t, x, y))                                                 \
  X(dot, "4 4", ky_dot(t, x, y))                                                               \
  X(outer, "3 4", ky_outer(t, x, y))                                                           \
  X(einsum_product, "3x4 4x5", ky_einsum(t, "ij,jk->ki", 2, v))                                \
  X(einsum_batch, "2x3x4 5x2x4", ky_einsum(t, "bij,kbj->ibk", 2, v))                           \
  X(einsum_diagonal, "3x3", ky_einsum(t, "ii->i", 1, v))                                       \
  X(einsum_diagonals, "3x2x3x2 4x3", ky_einsum(t, "ijij,ki->jk", 2, v))                        \
  X(einsum_threefold, "3x3x3 3x3", ky_einsum(t, "iii,ij->j", 2, v))                            \
  X(einsum_of_three, "2x3 3x4 4x5", ky_einsum(t, "ij,jk,kl->li", 3, v))                        \
  X(einsum_outer, "3 4 2", ky_einsum(t, "i,j,k", 3, v))                                        \
  X(einsum_elements, "3x4 4x3", ky_einsum(t, "ij,ji->ij", 2, v))                               \
  X(einsum_stretched, "2x1x4 3x4x5", ky_einsum(t, "aij,ijk->ak", 2, v))                        \
  X(einsum_dots, "2x3x4 4x5 6", ky_einsum(t, "...ij,jk,l->i...k", 3, v))

/* ---- operands ---------------------------------------------------------------------------- */

static double reals[256]; /* 4x4 matrices of them are positive definite */
static float singles[256];
static uint16_t halves[2];
static int64_t longs[64];
static int32_t ints[64];
static uint8_t bits[64];

static void fill_operands(void) {
  for (int k = 0; k < 256; k++) {
    reals[k] = k % 16 % 5 == 0 ? 3 : 0.25;
    singles[k] = (float)reals[k];
  }
  for (int k = 0; k < 64; k++) {
    longs[k] = ints[k] = k % 2;
    bits[k] = k % 3 == 0;
  }
}

/* One operand of a row, without a source line: the call is the first to have one. */
static ky_var operand(ky_tape *t, const char **at) {
  int64_t dims[KY_MAX_RANK];
  int rank = 0;
  const char letter = **at >= 'a' ? *(*at)++ : 'd';
  while (**at >= '0' && **at <= '9') {
    char *end;
    dims[rank++] = strtoll(*at, &end, 10);
    *at = end + (*end == 'x');
  }
  switch (letter) {
  case 'f': return (ky_input)(t, KY_F32, rank, dims, singles);
  case 'i': return (ky_input)(t, KY_I64, rank, dims, longs);
  case 'j': return (ky_input)(t, KY_I32, rank, dims, ints);
  case 'b': return (ky_input)(t, KY_MASK, rank, dims, bits);
  case 'e': return (ky_expand)(t, (ky_input)(t, KY_F64, KY_SHAPE(1), reals), rank, dims);
  default: return (ky_input)(t, KY_F64, rank, dims, reals);
  }
}

typedef ky_var call_fn(ky_tape *t, const ky_var *v);

typedef struct call {
  const char *name, *operands;
  call_fn *record;
} call;

#define X(name, operands, expression)                                                          \
  static ky_var call_##name(ky_tape *t, const ky_var *v) {                                     \
    const ky_var x = v[0], y = v[1], z = v[2];                                                 \
    return (void)x, (void)y, (void)z, expression;                                              \
  }
CALLS(X)
#undef X

static const call calls[] = {
#define X(name, operands, expression) {#name, operands, call_##name},
    CALLS(X)
#undef X
};

/* ---- arrays of a tape that are about to be full ------------------------------------------ */

typedef enum array_id { INSTRUCTIONS, WORDS, LAYOUTS, VALUES } array_id;

/* Pieces in use, and how many more there is room for. */
typedef struct pieces {
  size_t used, room;
} pieces;

static pieces pieces_of(const ky_tape *t, array_id array) {
  const ky_code *c = &t->code;
  const ky_arena *a = &t->values;
  switch (array) {
  case INSTRUCTIONS: return (pieces){c->count, t->capacity - c->count};
  case WORDS: return (pieces){c->pool_count, c->pool_capacity - c->pool_count};
  case LAYOUTS: return (pieces){c->layouts.count, c->layouts.slot_count / 2 - c->layouts.count};
  case VALUES:
    return (pieces){a->used / KY_ALIGN, (a->chunks[a->current].size - a->used) / KY_ALIGN};
  }
  return (pieces){0, 0};
}

/* Records something that takes a piece of the array, of `surplus` that are left at most. */
static void take_from(ky_tape *t, array_id array, size_t surplus) {
  const ky_var one = {t, 1, t->eras[0].number}; /* [1] */
  switch (array) {
  case INSTRUCTIONS: (ky_scalar)(t, KY_F64, 0); return;
  case WORDS: (ky_concat)(t, surplus % 2 ? 2 : 1, (ky_var[]){one, one}, 0); return;
  case LAYOUTS: (ky_full)(t, KY_MASK, KY_SHAPE(ky_tape_length(t), 0), 0); return;
  case VALUES: (ky_full)(t, KY_MASK, KY_SHAPE((int64_t)(KY_ALIGN * surplus)), 0); return;
  }
}

/* Has the next rewind behind the end ask for memory. */
static void fill_eras(ky_tape *t) {
  while (t->era_count < t->era_capacity) {
    (ky_scalar)(t, KY_F64, 0);
    const ky_mark mark = ky_tape_mark(t);
    (ky_scalar)(t, KY_F64, 0);
    assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
  }
}

/* What a tape is short of, how it works, and how allocations fail: once, or for good on a tape
 * that has no room for eras either, so that nothing can be undone with new memory. */
typedef struct shortage {
  const char *name;
  array_id array;
  bool for_good;
  uint32_t flags;
} shortage;

/* Arrays that are not there yet, of aux buffers, bindings and files, grow anyway. */
static const shortage shortages[] = {
    {"instructions", INSTRUCTIONS, false, 0},
    {"words", WORDS, false, 0},
    {"layouts", LAYOUTS, false, 0},
    {"values", VALUES, false, 0},
    {"instructions and no eras", INSTRUCTIONS, true, 0},
    {"eager", INSTRUCTIONS, false, KY_EAGER},
};

/* ---- a tape with operands on it ---------------------------------------------------------- */

static ky_fault_allocator memory;
static ky_tape *tape;
static ky_var given[OPERANDS];

static int tear_down(void **state) {
  (void)state;
  ky_tape_free(tape);
  tape = NULL;
  fault_allocator_free(&memory);
  return 0;
}

static void end_tape(const char *name) {
  ky_tape_free(tape);
  tape = NULL;
  const char *complaint = fault_allocator_complaint(&memory);
  if (complaint) fail_msg("%s: %s", name, complaint);
  assert_int_equal(memory.live_blocks, 0);
}

static void begin_tape(const char *operands, uint32_t flags) {
  fault_allocator_init(&memory);
  tape = ky_tape_new(&(ky_tape_options){.size = sizeof(ky_tape_options),
                                        .allocator = fault_allocator(&memory),
                                        .reserve_bytes = 4096,
                                        .flags = flags});
  assert_non_null(tape);
  (ky_full)(tape, KY_F64, KY_SHAPE(1), 0); /* for take_from */
  memset(given, 0, sizeof given);
  for (int k = 0; *operands; k++) {
    given[k] = operand(tape, &operands);
    operands += *operands == ' ';
  }
  if (ky_tape_check(tape) != KY_OK) fail_msg("operands: %s", ky_tape_message(tape));
}

/* begin_tape, with `room` pieces left in the array that is short. */
static void begin_short(const call *c, const shortage *s, size_t room) {
  begin_tape(c->operands, s->flags);
  if (s->for_good) fill_eras(tape);
  for (size_t k; (k = pieces_of(tape, s->array).room) != room;)
    take_from(tape, s->array, k > room ? k - room : k + 1);
  assert_int_equal(ky_tape_check(tape), KY_OK);
}

/* ---- the tape as it was ------------------------------------------------------------------ */

static const char *const members[] = {
    "instructions", "words",       "words kept",   "binds",      "auxes",
    "streams",      "value chunk", "value offset", "blob chunk", "blob offset",
    "done",         "root",        "draw",         "drew",       "pending",
};

typedef struct snapshot {
  uint64_t member[COUNT(members)];
  char text[1 << 15]; /* the dump */
} snapshot;

static snapshot before, after, undisturbed;

static void dump(snapshot *s) {
  FILE *out = fmemopen(s->text, sizeof s->text, "w");
  assert_non_null(out);
  assert_int_equal(ky_tape_dump(tape, out), KY_OK);
  assert_int_equal(fclose(out), 0);
}

static void take(const ky_tape *t, snapshot *s) {
  const ky_code *c = &t->code;
  const uint64_t all[COUNT(members)] = {
      c->count,        c->pool_count,     t->pool_kept,   c->bind_count,    c->aux_count,
      c->stream_count, t->values.current, t->values.used, c->blobs.current, c->blobs.used,
      t->done,         t->root,           t->frame.draw,  t->frame.drew,    t->pending,
  };
  memcpy(s->member, all, sizeof all);
  dump(s);
}

/* The tape must be what it was `before`. */
static void check_unchanged(const char *what) {
  take(tape, &after);
  for (size_t k = 0; k < COUNT(members); k++)
    if (after.member[k] != before.member[k])
      fail_msg("%s: %s: %llu, was %llu; %s\nbefore:\n%safter:\n%s", what, members[k],
               (unsigned long long)after.member[k], (unsigned long long)before.member[k],
               ky_tape_message(tape), before.text, after.text);
  assert_string_equal(after.text, before.text);
  assert_int_equal(ky_tape_verify(tape), KY_OK);
}

/* `r` is what a call gave that must have failed, on a tape that was `before`. */
static void check_failure(const char *what, ky_var r, ky_status want) {
  const ky_status got = ky_tape_check(tape);
  const char *message = ky_tape_message(tape);
  if (r.id || got != want)
    fail_msg("%s: %%%u, \"%s\", wants \"%s\"; %s", what, (unsigned)r.id, ky_status_text(got),
             ky_status_text(want), message);
  check_unchanged(what);
  if (strncmp(message, "test_fault_recording.c:", 23) != 0)
    fail_msg("%s: the message \"%s\" has no source line", what, message);
}

/* ---- allocations that fail --------------------------------------------------------------- */

/* The call with its n-th allocation failing, and then without, on a tape as it was `before`;
 * false when it does not ask for so many. */
static bool fail_nth(const call *c, const shortage *s, size_t room, size_t n) {
  char what[128];
  snprintf(what, sizeof what, "%s, room for %zu %s, request %zu fails %s", c->name, room,
           s->name, n, s->for_good ? "for good" : "once");
  begin_short(c, s, room);
  if (s->for_good)
    fault_allocator_fail_from(&memory, n);
  else
    fault_allocator_fail_once(&memory, n);
  const ky_var r = c->record(tape, given);
  const bool reached = memory.failures > 0;
  fault_allocator_relent(&memory);
  if (reached) {
    check_failure(what, r, KY_NO_MEMORY);
    if (!c->record(tape, given).id) fail_msg("%s: again: %s", what, ky_tape_message(tape));
  }
  dump(&after);
  if (strcmp(after.text, undisturbed.text) != 0)
    fail_msg("%s: it became\n%snot\n%s", what, after.text, undisturbed.text);
  end_tape(what);
  return reached;
}

/* How many pieces of the array the call takes. */
static size_t taken_by(const call *c, const shortage *s) {
  begin_tape(c->operands, s->flags);
  const size_t used = pieces_of(tape, s->array).used;
  if (!c->record(tape, given).id) fail_msg("%s: %s", c->name, ky_tape_message(tape));
  const size_t taken = pieces_of(tape, s->array).used - used;
  end_tape(c->name);
  return taken;
}

static void each_failing_allocation_leaves_the_tape(void **state) {
  const call *c = *state;
  const size_t length = taken_by(c, &shortages[0]); /* of as many places an array is short at */
  size_t failures = 0;
  for (size_t k = 0; k < COUNT(shortages); k++) {
    const shortage *s = &shortages[k];
    const size_t taken = taken_by(c, s);
    const size_t step = taken > length ? taken / length : 1;
    for (size_t room = 0; room < taken; room += step) {
      begin_short(c, s, room);
      take(tape, &before);
      c->record(tape, given);
      dump(&undisturbed);
      end_tape(c->name);
      for (size_t n = 1; fail_nth(c, s, room, n); n++) failures++;
    }
  }
  assert_in_range(failures, 1, SIZE_MAX);
}

/* ---- instructions that refuse ------------------------------------------------------------ */

#define EAGER  KY_EAGER
#define FINITE (KY_EAGER | KY_CHECK_FINITE)
#define WIDE   "e1099511627776" /* 2^40 elements that are one */

/* Name, operands, flags of the tape, status, call: it begins well. */
#define REFUSALS(X)                                                                            \
  X(flip_twice, "3x4", 0, BAD_AXIS, ky_flip(t, x, KY_AXES(0, 0)))                              \
  X(diag_too_far, "0", 0, BAD_SHAPE, ky_diag(t, x, INT32_MAX))                                 \
  X(stack_shapes, "3x4 3x4 3x5", 0, BAD_SHAPE, ky_stack(t, 3, v, 0))                           \
  X(stack_dtypes, "3x4 3x4 f3x4", 0, BAD_DTYPE, ky_stack(t, 3, v, 0))                          \
  X(stack_axis, "3x4 3x4", 0, BAD_AXIS, ky_stack(t, 2, v, 3))                                  \
  X(split_sizes, "2x9", 0, BAD_SHAPE, split(t, x, 1, 3, DIMS(2, 3, 5)))                        \
  X(tile_overflow, "e1x1x1099511627776", 0, BAD_SHAPE,                                         \
    ky_tile(t, x, 3, DIMS(2, 2, 1099511627776)))                                               \
  X(concat_third, "3x4 2x4 1x5", 0, BAD_SHAPE, ky_concat(t, 3, v, 0))                          \
  X(sort_axis, "3x4", 0, BAD_AXIS, sort(t, x, 2))                                              \
  X(index_select_real, "3x4x2 5", 0, BAD_DTYPE, ky_index_select(t, x, 1, y))                   \
  X(index_select_outside, "3x1 i5", EAGER, BAD_INDEX, ky_index_select(t, x, 1, y))             \
  X(segment_sum_real, "5x4 5", 0, BAD_DTYPE, ky_segment_sum(t, x, y, 3))                       \
  X(segment_sum_negative, "5x4 i5", 0, BAD_SHAPE, ky_segment_sum(t, x, y, -1))                 \
  X(segment_sum_outside, "5x4 i5", EAGER, BAD_INDEX, ky_segment_sum(t, x, y, 1))               \
  X(scatter_add_axis, "3x4 i1x2 2x3", 0, BAD_AXIS, ky_scatter_add(t, x, 2, y, z))              \
  X(scatter_add_real, "3x4 1x2 2x3", 0, BAD_DTYPE, ky_scatter_add(t, x, 0, y, z))              \
  X(scatter_add_wide, "3x2 i1x4 2x5", 0, BAD_SHAPE, ky_scatter_add(t, x, 0, y, z))             \
  X(scatter_add_outside, "1x4 i2x2 2x3", EAGER, BAD_INDEX, ky_scatter_add(t, x, 0, y, z))      \
  X(masked_fill_shapes, "3x4 b5", 0, BAD_SHAPE, ky_masked_fill(t, x, y, 7))                    \
  X(masked_fill_value, "i3x4 b4", 0, BAD_ARGUMENT, ky_masked_fill(t, x, y, 1e30))              \
  X(nll_with_shapes, "3x4 i2", 0, BAD_SHAPE, ky_nll_with(t, x, y, CLASSES(.ignore = 1)))       \
  X(nll_with_outside, "3x1 i3", EAGER, BAD_INDEX, ky_nll_with(t, x, y, CLASSES(.ignore = 1)))  \
  X(nll_with_nothing, "1x4 i1", FINITE, NONFINITE, ky_nll_with(t, x, y, CLASSES(.ignore = 1))) \
  X(batchnorm_eps, "2x4x3", 0, BAD_ARGUMENT, batchnorm(t, v, NAN))                             \
  X(batchnorm_flat, "e2x4x3 4", FINITE, NONFINITE, batchnorm(t, v, 0))                         \
  X(lstm_w_ih, "3x2x5 8x4 8x2 8 8", 0, BAD_SHAPE, lstm(t, v))                                  \
  X(lstm_w_hh, "3x2x5 8x5 8x3 8 8", 0, BAD_SHAPE, lstm(t, v))                                  \
  X(lstm_h0, "3x2x5 8x5 8x2 8 8 2x3", 0, BAD_SHAPE, lstm(t, v))                                \
  X(lstm_c0, "3x2x5 8x5 8x2 8 8 2x2 3x2", 0, BAD_SHAPE, lstm(t, v))                            \
  X(gru_w_hh, "3x2x5 6x5 6x3 6 6", 0, BAD_SHAPE, gru(t, v))                                    \
  X(gru_bias, "3x2x5 6x5 6x2 6 5", 0, BAD_SHAPE, gru(t, v))                                    \
  X(adaptive_overflow, "2x3x7", 0, BAD_SHAPE, ky_adaptive_avg_pool1d(t, x, INT64_MAX))         \
  X(solve_rows, "3x1x4x4 2x5x3", 0, BAD_SHAPE, ky_solve(t, x, y))                              \
  X(solve_square, "3x1x4x5 2x4x3", 0, BAD_SHAPE, ky_solve(t, x, y))                            \
  X(solve_singular, "e3x1x4x4 2x4x3", EAGER, SINGULAR, ky_solve(t, x, y))                      \
  X(triangle_flags, "3x1x4x4 2x4x3", 0, BAD_ARGUMENT, ky_triangular_solve(t, x, y, 64))        \
  X(outer_overflow, WIDE " " WIDE, 0, BAD_SHAPE, ky_outer(t, x, y))                            \
  X(einsum_overflow, WIDE " " WIDE, 0, BAD_SHAPE, ky_einsum(t, "i,j->ij", 2, v))               \
  X(einsum_axes, "2x2x2x2x2x2 2x2x2x2x2 2x2x2x2x2 2x2x2x2x2", 0, BAD_SHAPE,                    \
    ky_einsum(t, "aabcde,fghij,abcde,fghij->", 4, v))                                          \
  X(constant_infinite, "", FINITE, NONFINITE,                                                  \
    ky_constant(t, KY_F64, KY_SCALAR, &(double){INFINITY}))                                    \
  X(input_infinite, "", FINITE, NONFINITE,                                                     \
    ky_input(t, KY_F64, KY_SCALAR, &(double){INFINITY}))                                       \
  X(normal_infinite, "", FINITE, NONFINITE,                                                    \
    ky_normal(t, KY_F64, KY_SHAPE(64), 1.7e308, 1.7e308))

typedef struct refusal {
  call call;
  const char *later; /* its name after a sweep */
  uint32_t flags;
  ky_status status;
} refusal;

#define X(name, operands, flags, status, expression)                                           \
  static ky_var refusal_##name(ky_tape *t, const ky_var *v) {                                  \
    const ky_var x = v[0], y = v[1], z = v[2];                                                 \
    return (void)x, (void)y, (void)z, expression;                                              \
  }
REFUSALS(X)
#undef X

static const refusal refusals[] = {
#define X(name, operands, flags, status, expression)                                           \
  {{#name, operands, refusal_##name}, #name "_after_a_sweep", flags, KY_##status},
    REFUSALS(X)
#undef X
};

static void a_refusal_leaves_the_tape(void **state) {
  const refusal *bad = *state;
  begin_tape(bad->call.operands, bad->flags);
  take(tape, &before);
  check_failure(bad->call.name, bad->call.record(tape, given), bad->status);
  end_tape(bad->call.name);
}

/* Gradients can still be read, and what has run need not run again. */
static void a_refusal_leaves_the_sweeps(void **state) {
  const refusal *bad = *state;
  begin_tape(bad->call.operands, bad->flags);
  const ky_var w = ky_param(tape, weight);
  assert_int_equal(ky_backward(tape, ky_sum_all(tape, ky_square(tape, w)), NULL), KY_OK);
  take(tape, &before);
  ky_tensor_write(weight);
  check_failure(bad->call.name, bad->call.record(tape, given), bad->status);
  ky_array gradient;
  assert_int_equal(ky_grad(tape, w, &gradient), KY_OK);
  end_tape(bad->call.name);
}

/* ---- all of it --------------------------------------------------------------------------- */

static int set_up_group(void **state) {
  (void)state;
  fill_operands();
  return ky_tensor_new(NULL, KY_F64, KY_SHAPE(3), &weight) == KY_OK ? 0 : -1;
}

static int tear_down_group(void **state) {
  (void)state;
  ky_tensor_free(weight);
  return 0;
}

int main(void) {
  static struct CMUnitTest tests[COUNT(calls) + 2 * COUNT(refusals)];
  size_t count = 0;
  for (const call *c = calls; c < calls + COUNT(calls); c++)
    tests[count++] = (struct CMUnitTest){c->name, each_failing_allocation_leaves_the_tape, NULL,
                                         tear_down, (void *)(uintptr_t)c};
  for (const refusal *r = refusals; r < refusals + COUNT(refusals); r++) {
    void *const row = (void *)(uintptr_t)r;
    tests[count++] =
        (struct CMUnitTest){r->call.name, a_refusal_leaves_the_tape, NULL, tear_down, row};
    tests[count++] =
        (struct CMUnitTest){r->later, a_refusal_leaves_the_sweeps, NULL, tear_down, row};
  }
  return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
