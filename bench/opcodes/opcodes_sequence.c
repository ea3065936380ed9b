/* SPDX-License-Identifier: MIT */
/* Opcodes that work on sequences. */
#include "opcodes/opcode.h"

#define HEADS   8
#define WIDTH   64 /* of a head */
#define CLASSES 32 /* of ctc */

#define HEAD     scene_given(s, KY_SHAPE(1, HEADS, n, WIDTH))
#define GATES(k) scene_given(s, KY_SHAPE(n, (k)*SCENE_COLUMNS))
#define STATE    scene_given(s, KY_SHAPE(n, SCENE_COLUMNS))
#define SEEN     (HEADS * m * m / 2) /* scores of a causal attention */

/* A recurrent layer of n cells: n / 4 steps, n / 8 sequences. */
#define STEPS(k)     scene_given(s, KY_SHAPE(n / 4, n / 8, (k)*n))
#define RECURRENT(k) scene_between(s, -0.1, 0.1, KY_SHAPE((k)*n, n))
#define CELLS        (m * m * m / 32)
#define LSTM         (8 * m * CELLS)
#define GRU          (6 * m * CELLS)

/* n steps of n / 16 sequences, n / 4 targets each: the lattice, and what places of it take. */
#define LATTICE (m * (m / 16) * (m / 2 + 1))
#define SUMMED  .exp_f64 = 2 * LATTICE, .log_f64 = LATTICE

static ky_var ctc(scene *s, int64_t n) {
  const int64_t b = n / 16;
  return ky_ctc(s->t, scene_between(s, -4, -3, KY_SHAPE(n, b, CLASSES)),
                scene_indices(s, 1, CLASSES, KY_SHAPE(b, n / 4)),
                scene_indices(s, n, n, KY_SHAPE(b)),
                scene_indices(s, n / 4, n / 4, KY_SHAPE(b)), 0, 0, KY_REDUCE_MEAN);
}

/* clang-format off */
#define ROWS(X)                                                                                \
  X(attention, 64, 1024, WORK(.flops = 4 * WIDTH * SEEN, .exp_f32 = SEEN),                     \
    WORK(.flops = 10 * WIDTH * SEEN, .exp_f32 = SEEN),                                         \
    ky_attention(s->t, HEAD, HEAD, HEAD, ky_none(), 1, 0))                                     \
  X(rope, 8, 8192, NOTHING, NOTHING, ky_rope(s->t, HEAD, 0, 1e4, KY_ROPE_HALVES))              \
  X(lstm_cell, 16, 4096, WORK(.exp_f32 = 3 * ALL, .tanh_f32 = 2 * ALL),                        \
    WORK(.exp_f32 = 3 * ALL, .tanh_f32 = 2 * ALL), ky_lstm_cell(s->t, GATES(4), STATE))        \
  X(gru_cell, 16, 4096, WORK(.exp_f32 = 2 * ALL, .tanh_f32 = ALL),                             \
    WORK(.exp_f32 = 2 * ALL, .tanh_f32 = ALL),                                                 \
    ky_gru_cell(s->t, GATES(3), GATES(3), STATE))                                              \
  X(lstm_sequence, 32, 256,                                                                    \
    WORK(.flops = LSTM, .exp_f32 = 3 * CELLS, .tanh_f32 = 2 * CELLS, .kept = 20 * CELLS),      \
    WORK(.flops = 2 * LSTM, .tanh_f32 = CELLS),                                                \
    ky_lstm_sequence(s->t, STEPS(4), RECURRENT(4), ky_none(), ky_none()))                      \
  X(gru_sequence, 32, 256,                                                                     \
    WORK(.flops = GRU, .exp_f32 = 2 * CELLS, .tanh_f32 = CELLS, .kept = 16 * CELLS),           \
    WORK(.flops = 2 * GRU),                                                                    \
    ky_gru_sequence(s->t, STEPS(3), RECURRENT(3), ky_none(), ky_none()))                       \
  X(ctc, 32, 256, WORK(SUMMED, .kept = 8 * LATTICE),                                           \
    WORK(.exp_f64 = 3 * LATTICE, .log_f64 = LATTICE), ctc(s, n))
/* clang-format on */

ROWS(OPCODE_RECORD)

static const opcode_case cases[] = {ROWS(OPCODE_CASE)};

const opcode_family opcodes_sequence = {sizeof cases / sizeof *cases, cases};
