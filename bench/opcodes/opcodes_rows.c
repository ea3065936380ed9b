/* SPDX-License-Identifier: MIT */
/* Opcodes that go along the rows of a matrix: reductions, scans, normalisation, losses. */
#include "opcodes/opcode.h"

#define SMALL    64
#define LARGE    16384
#define SHAPE    KY_SHAPE(n, SCENE_COLUMNS)
#define GIVEN    scene_given(s, SHAPE)
#define TARGET   scene_target(s, SHAPE)
#define LABELS   scene_indices(s, 0, SCENE_COLUMNS, KY_SHAPE(n))
#define MASK     scene_mask(s, SHAPE)
#define WEIGHT   scene_given(s, KY_SHAPE(SCENE_COLUMNS))
#define LAST     KY_AXES(-1)
#define EXP      WORK(.exp_f32 = ALL)
#define OF(call) SMALL, LARGE, NOTHING, NOTHING, call

static const ky_class_options smooth = {.size = sizeof smooth, .smoothing = 0.1};

/* clang-format off */
#define ROWS(X)                                                                                \
  X(sum, OF(ky_sum(s->t, GIVEN, LAST, 0)))                                                     \
  X(mean, OF(ky_mean(s->t, GIVEN, KY_AXES(0), 0)))                                             \
  X(max, OF(ky_max(s->t, GIVEN, LAST, 0)))                                                     \
  X(min, OF(ky_min(s->t, GIVEN, KY_AXES(0), 0)))                                               \
  X(argmax, OF(ky_argmax(s->t, GIVEN, -1, 0)))                                                 \
  X(argmin, OF(ky_argmin(s->t, GIVEN, 0, 0)))                                                  \
  X(prod, OF(ky_prod(s->t, scene_between(s, 0.95, 1.05, SHAPE), LAST, 0)))                     \
  X(variance, OF(ky_variance(s->t, GIVEN, LAST, 0, 1)))                                        \
  X(std, OF(ky_std(s->t, GIVEN, KY_AXES(0), 0, 1)))                                            \
  X(norm, OF(ky_norm(s->t, GIVEN, LAST, 0, 2)))                                                \
  X(logsumexp, SMALL, LARGE, EXP, EXP, ky_logsumexp(s->t, GIVEN, LAST, 0))                     \
  X(any, OF(ky_any(s->t, MASK, LAST, 0)))                                                      \
  X(all, OF(ky_all(s->t, MASK, LAST, 0)))                                                      \
  X(cumsum, OF(ky_cumsum(s->t, GIVEN, -1)))                                                    \
  X(cumprod, OF(ky_cumprod(s->t, scene_between(s, 0.95, 1.05, SHAPE), -1)))                    \
  X(softmax, SMALL, LARGE, EXP, NOTHING, ky_softmax(s->t, GIVEN, -1))                          \
  X(log_softmax, SMALL, LARGE, EXP, EXP, ky_log_softmax(s->t, GIVEN, -1))                      \
  X(layernorm, OF(ky_layernorm(s->t, GIVEN, 1, WEIGHT, WEIGHT, 1e-5)))                         \
  X(rmsnorm, OF(ky_rmsnorm(s->t, GIVEN, 1, WEIGHT, 1e-5)))                                     \
  X(cross_entropy, SMALL, LARGE, EXP, EXP,                                                     \
    ky_cross_entropy(s->t, GIVEN, LABELS, KY_REDUCE_MEAN))                                     \
  X(cross_entropy_with, SMALL, LARGE, EXP, EXP,                                                \
    ky_cross_entropy_with(s->t, GIVEN, LABELS, &smooth))                                       \
  X(nll, OF(ky_nll(s->t, GIVEN, LABELS, KY_REDUCE_MEAN)))                                      \
  X(mse, OF(ky_mse(s->t, GIVEN, TARGET, KY_REDUCE_MEAN)))                                      \
  X(bce, SMALL, LARGE, WORK(.log_f32 = ALL, .log1p_f32 = ALL), NOTHING,                        \
    ky_bce(s->t, GIVEN, TARGET, KY_REDUCE_MEAN))                                               \
  X(bce_with_logits, SMALL, LARGE, WORK(.exp_f32 = ALL, .log1p_f32 = ALL), EXP,                \
    ky_bce_with_logits(s->t, GIVEN, TARGET, KY_REDUCE_MEAN))
/* clang-format on */

ROWS(OPCODE_RECORD)

static const opcode_case cases[] = {ROWS(OPCODE_CASE)};

const opcode_family opcodes_rows = {sizeof cases / sizeof *cases, cases};
