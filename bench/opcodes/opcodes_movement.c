/* SPDX-License-Identifier: MIT */
/* Opcodes that put elements elsewhere, by place or by index, and those that make them: fills
 * and random numbers. */
#include "opcodes/opcode.h"

#define SMALL    16
#define LARGE    16384
#define COLUMNS  SCENE_COLUMNS
#define SHAPE    KY_SHAPE(n, COLUMNS)
#define GIVEN    scene_given(s, SHAPE)
#define INDEX    scene_indices(s, 0, COLUMNS, SHAPE)
#define OF(call) SMALL, LARGE, NOTHING, NOTHING, call

static ky_var concat(scene *s, int64_t n) {
  const ky_var parts[2] = {scene_given(s, KY_SHAPE(n / 2, COLUMNS)),
                           scene_given(s, KY_SHAPE(n / 2, COLUMNS))};
  return ky_concat(s->t, 2, parts, 0);
}

static ky_var pad(scene *s, int64_t n) {
  const int64_t width[2] = {1, 1};
  return ky_pad(s->t, GIVEN, 2, width, width, KY_PAD_REFLECT, 0);
}

/* clang-format off */
#define ROWS(X)                                                                                \
  X(full, OF(ky_full(s->t, KY_F32, SHAPE, 0.5)))                                               \
  X(iota, OF(ky_iota(s->t, KY_F32, n * COLUMNS, 0)))                                           \
  X(reshape, OF(ky_reshape(s->t, GIVEN, KY_SHAPE(n / 4, 4 * COLUMNS))))                        \
  X(permute, OF(ky_permute(s->t, GIVEN, KY_AXES(1, 0))))                                       \
  X(slice, OF(ky_slice(s->t, GIVEN, 1, COLUMNS / 4, 3 * COLUMNS / 4, 1)))                      \
  X(expand, OF(ky_expand(s->t, scene_given(s, KY_SHAPE(1, COLUMNS)), SHAPE)))                  \
  X(stop_gradient, OF(ky_stop_gradient(s->t, GIVEN)))                                          \
  X(concat, OF(concat(s, n)))                                                                  \
  X(pad, OF(pad(s, n)))                                                                        \
  X(tril, 64, 2048, NOTHING, NOTHING, ky_tril(s->t, scene_given(s, KY_SHAPE(n, n)), 0))        \
  X(triu, 64, 2048, NOTHING, NOTHING, ky_triu(s->t, scene_given(s, KY_SHAPE(n, n)), 0))        \
  X(gather, OF(ky_gather(s->t, GIVEN, 1, INDEX)))                                              \
  X(scatter_sum, OF(ky_scatter_sum(s->t, GIVEN, 1, INDEX, SHAPE)))                             \
  X(embedding, OF(ky_embedding(s->t, GIVEN, scene_indices(s, 0, n, KY_SHAPE(n)), -1)))         \
  X(one_hot, OF(ky_one_hot(s->t, scene_indices(s, 0, COLUMNS, KY_SHAPE(n)), COLUMNS, KY_F32))) \
  X(argsort, SMALL, 2048, NOTHING, NOTHING, ky_argsort(s->t, GIVEN, -1, 0))                    \
  X(uniform, OF(ky_uniform(s->t, KY_F32, SHAPE, 0, 1)))                                        \
  X(normal, SMALL, LARGE,                                                                      \
    WORK(.log_f32 = ALL / 2, .sin_f32 = ALL / 2, .cos_f32 = ALL / 2), NOTHING,                 \
    ky_normal(s->t, KY_F32, SHAPE, 0, 1))                                                      \
  X(bernoulli, OF(ky_bernoulli(s->t, KY_F32, SHAPE, 0.5)))                                     \
  X(dropout, OF(ky_dropout(s->t, GIVEN, 0.1)))
/* clang-format on */

ROWS(OPCODE_RECORD)

static const opcode_case cases[] = {ROWS(OPCODE_CASE)};

const opcode_family opcodes_movement = {sizeof cases / sizeof *cases, cases};
