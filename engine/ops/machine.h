/* SPDX-License-Identifier: MIT */
/* The machine that takes a register program through its index space, tile by tile: kernels of
 * the steps, operands of a tile, registers, cuts for threads, sums. It knows of no direction:
 * the sweeps are in fused.c. */
#ifndef KY_MACHINE_H
#define KY_MACHINE_H

#include "ops/family.h"
#include "ops/fusion.h"
#include "ops/tile.h"

#define KY_TILE_MOST    2048 /* elements */
#define KY_STREAMS_MOST (2 * KY_FUSION_INPUTS)

/* The kernels of an opcode for one dtype; those of its form are set. */
typedef struct ky_calls {
  ky_map1 *map1;
  ky_pull1 *pull1;
  ky_map2 *map2;
  ky_map3 *map3;
  ky_pull2 *pull2[3];
  ky_test test;
} ky_calls;

/* What the next tile has in memory, as far as the cache has not been told of it. */
typedef struct ky_stream {
  const char *at, *end;
} ky_stream;

/* A fused instruction while it runs. */
typedef struct ky_machine {
  ky_frame *f;
  ky_id pc;
  ky_fusion p;
  const ky_layout *space;
  size_t size; /* of an element that is no mask */
  int64_t tile;
  char *registers;
  size_t pitch;    /* bytes from one register to the next */
  int64_t unit;    /* at whose multiples sums allow to cut the space for threads */
  uint32_t pieces; /* that the space is taken in, each with registers of its own */
  size_t stretch;  /* bytes from the registers of one piece to those of the next */
  ky_calls calls[KY_FUSION_STEPS];
  ky_feed feed[KY_FUSION_INPUTS];
  bool far; /* operands do not stay in the cache from one run to the next */
  uint32_t streams;
  size_t portion; /* bytes of each stream that a kernel's time is enough for */
  ky_stream stream[KY_STREAMS_MOST];
  bool tallies; /* the last step's results are summed, in `sum` */
  ky_tally sum;
  ky_piece value[KY_FUSION_INPUTS + KY_FUSION_STEPS]; /* of the tile under way, by ref */
} ky_machine;

/* Starts with the instruction `pc`; `tallies` is the caller's to set. */
bool ky__machine_start(ky_machine *m, ky_frame *f, ky_id pc);

static inline uint32_t ky__machine_inputs(const ky_machine *m) {
  return (1u << m->p.inputs) - 1;
}

static inline char *ky__register(const ky_machine *m, uint32_t number) {
  return m->registers + number * m->pitch;
}

static inline size_t ky__tile_length(const ky_machine *m, int64_t start, int64_t end) {
  const int64_t rest = end - start;
  return (size_t)(rest < m->tile ? rest : m->tile);
}

/* ---- cutting ---------------------------------------------------------------------------- */

/* Starts the inputs in `wanted`, one bit each; returns how many need a register. */
uint32_t ky__machine_start_feeds(ky_machine *m, uint32_t wanted);

/* From now on the space may be cut at multiples of `n` alone, too. */
void ky__machine_cut_at(ky_machine *m, int64_t n);

/* Cuts where a sum over `axes` allows it: at its rows, or at its pieces when it is over all.
 * Columns are in order as a whole. */
void ky__machine_cut_for_sum(ky_machine *m, uint32_t axes);

/* Elements of a piece: whole units, or whole tiles when nothing is summed. */
size_t ky__machine_grain(const ky_machine *m);

/* Cuts tiles so that the longest operand that repeats within one repeats with each of them, and
 * gives out registers: those of the program first, then one for each feed that needs it, then
 * `more`. */
bool ky__machine_cut_tiles(ky_machine *m, uint32_t wanted, uint32_t registers,
                           uint32_t gathered, uint32_t more);

/* Bytes of the registers of a piece, `more` included, at most. */
size_t ky__machine_bytes(const ky_fusion *p, uint32_t more);

/* Makes a copy of a machine that of a piece which starts at `begin`. */
void ky__machine_move(ky_machine *m, uint32_t piece, int64_t begin);

/* ---- a tile ------------------------------------------------------------------------------ */

/* Begins a tile of n elements that takes `kernels` calls. */
void ky__machine_begin(ky_machine *m, size_t n, uint32_t kernels);

/* The next tile will read or write these bytes. */
void ky__machine_expect(ky_machine *m, const void *at, size_t bytes);

/* Has the cache fetch a portion of what is expected, while a kernel runs: memory would else be
 * waited for in bursts. */
void ky__machine_look_ahead(ky_machine *m);

/* The tile's elements of the inputs in `wanted`; those of the next tile are expected. */
void ky__machine_feed(ky_machine *m, uint32_t wanted, int64_t start, size_t n);

/* r = the result of step k. */
void ky__machine_compute(const ky_machine *m, uint32_t k, size_t n, void *r);

/* ---- sums -------------------------------------------------------------------------------- */

/* How many elements of the space become one of the result: what a mean divides by. */
double ky__machine_divisor(const ky_machine *m);

/* A tally over `axes`, with `out`, `beta` and `divisor` set. */
bool ky__machine_start_tally(ky_machine *m, ky_tally *t, uint32_t axes);

/* Makes a copy of a tally that of a piece which starts at `begin`. */
void ky__machine_move_tally(ky_tally *t, uint32_t piece, int64_t begin);

/* The tally of the ending. */
bool ky__machine_start_sum(ky_machine *m);

#endif
