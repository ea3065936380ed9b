/* SPDX-License-Identifier: MIT */
/* The fused instruction: a run of elementwise instructions, taken tile by tile so that what
 * lies between its operands and its result never leaves the nearest cache. The kernels are
 * those that the instructions would have called one after the other, on the same elements, so
 * results have the same bits. In reverse a tile computes again what its adjoints read, and
 * adjoints are added up in the order of the reverse sweep. */
#include "ops/fused.h"

#include <string.h>

#include "opinfo.h"
#include "ops/family.h"
#include "ops/tile.h"

#define TILE_MOST  2048 /* elements */
#define TILE_LEAST 256
#define TILE_BYTES (24 * 1024) /* of all registers together, while that leaves TILE_LEAST */
#define TILE_GRAIN 64

/* ---- steps ---------------------------------------------------------------------------- */

/* The kernels of an opcode for one dtype; those of its form are set. */
typedef struct calls {
  ky_map1 *map1;
  ky_pull1 *pull1;
  ky_map2 *map2;
  ky_map3 *map3;
  ky_pull2 *pull2[3];
  ky_test test;
} calls;

static void find_calls(const ky_frame *f, uint16_t op, ky_dtype dtype, calls *c) {
  const ky_elementwise_kernels *kernels = f->kernels->elementwise;
  switch (op) {
#define UNARY(name, ...)                                                                       \
  case KY_OP_##name:                                                                           \
    c->map1 = kernels->map_##name[dtype];                                                      \
    c->pull1 = kernels->pull_##name[dtype];                                                    \
    return;
#include "kernels/unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                      \
  case KY_OP_##name:                                                                           \
    c->map2 = kernels->map_##name[dtype];                                                      \
    c->pull2[0] = kernels->pull_##name##_a[dtype];                                             \
    c->pull2[1] = kernels->pull_##name##_b[dtype];                                             \
    return;
#include "kernels/binary.def"
#undef BINARY
#define TERNARY(name, ...)                                                                     \
  case KY_OP_##name:                                                                           \
    c->map3 = kernels->map_##name[dtype];                                                      \
    c->pull2[0] = kernels->pull_##name##_a[dtype];                                             \
    c->pull2[1] = kernels->pull_##name##_b[dtype];                                             \
    c->pull2[2] = kernels->pull_##name##_c[dtype];                                             \
    return;
#include "kernels/ternary.def"
#undef TERNARY
#define TEST(name, sign)                                                                       \
  case KY_OP_##name:                                                                           \
  case KY_OP_##name##_scalar: c->test = KY_TEST_##name; return;
    KY_TESTS(TEST)
#undef TEST
  default: return;
  }
}

/* A fused instruction while it runs. */
typedef struct machine {
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
  calls calls[KY_FUSION_STEPS];
  ky_feed feed[KY_FUSION_INPUTS];
  bool tallies; /* the last step's results are summed, in `sum` */
  ky_tally sum;
  ky_piece value[KY_FUSION_INPUTS + KY_FUSION_STEPS]; /* of the tile under way, by ref */
} machine;

static char *register_at(const machine *m, uint32_t number) {
  return m->registers + number * m->pitch;
}

static void compute(const machine *m, uint32_t k, size_t n, void *r) {
  const ky_step *s = &m->p.step[k];
  const calls *c = &m->calls[k];
  const ky_test_kernels *test = m->f->kernels->test;
  const ky_dtype dtype = (ky_dtype)m->p.dtype;
  const ky_form *form = &ky__forms[s->op];
  const ky_piece x = m->value[s->ref[0]];
  const ky_piece y = form->operands > 1 ? m->value[s->ref[1]] : x;
  const ky_piece z = form->operands > 2 ? m->value[s->ref[2]] : x;
  switch ((ky_form_kind)form->kind) {
  case KY_MAP1: c->map1(n, r, x.data, x.stride, s->s, s->u); break;
  case KY_MAP2: c->map2(n, r, x.data, x.stride, y.data, y.stride); break;
  case KY_MAP3: c->map3(n, r, x.data, x.stride, y.data, y.stride, z.data, z.stride); break;
  case KY_TEST1: test->compare_scalar(c->test, dtype, n, r, x.data, x.stride, s->s); break;
  case KY_TEST2: test->compare(c->test, dtype, n, r, x.data, x.stride, y.data, y.stride); break;
  case KY_SELECT:
    test->select(dtype, n, r, x.data, x.stride, y.data, y.stride, z.data, z.stride);
    break;
  case KY_NO_STEP: break;
  }
}

/* ---- tiles ---------------------------------------------------------------------------- */

/* Elements of a tile when it has `registers`. */
static int64_t tile_for(uint32_t registers, size_t size) {
  const int64_t fit = TILE_BYTES / (int64_t)(registers * size) / TILE_GRAIN * TILE_GRAIN;
  return fit < TILE_LEAST ? TILE_LEAST : fit > TILE_MOST ? TILE_MOST : fit;
}

/* Starts the inputs in `wanted`, one bit each; returns how many need a register. */
static uint32_t start_feeds(machine *m, uint32_t wanted) {
  uint32_t gathered = 0;
  for (uint32_t k = 0; k < m->p.inputs; k++) {
    if (!(wanted >> k & 1)) continue;
    const ky_id id = ky__operand(m->f->code, m->pc, k);
    ky__feed_start(&m->feed[k], (ky_dtype)m->f->code->ins[id].dtype, ky__data(m->f, id),
                   ky__layout(m->f->code, id), m->space);
    gathered += ky__feed_gathers(&m->feed[k]);
  }
  return gathered;
}

static size_t aligned(size_t bytes) { return (bytes + KY_ALIGN - 1) / KY_ALIGN * KY_ALIGN; }

/* From now on the space may be cut at multiples of `n` alone, too. */
static void cut_at(machine *m, int64_t n) {
  m->unit = ky__common_multiple(m->unit, n, m->space->count);
}

/* Cuts where a sum over `axes` allows it: at its rows, or at its pieces when it is over all.
 * Columns are in order as a whole. */
static void cut_for_sum(machine *m, uint32_t axes) {
  ky_pattern pattern;
  if (!ky__pattern_of(m->space, axes, &pattern) || !pattern.row)
    m->pieces = 1;
  else
    cut_at(m, pattern.row == m->space->count ? KY_SUM_PIECE : pattern.row);
}

/* Elements of a piece: whole units, or whole tiles when nothing is summed. */
static size_t grain_of(const machine *m) {
  const size_t unit = (size_t)(m->unit > 1 ? m->unit : m->tile);
  return ky__whole_grain(m->f, unit);
}

/* Cuts tiles so that the longest operand that repeats within one repeats with each of them, and
 * gives out registers: those of the program first, then one for each feed that needs it, then
 * `more`. */
static bool cut_tiles(machine *m, uint32_t wanted, uint32_t registers, uint32_t gathered,
                      uint32_t more) {
  const uint32_t count = registers + gathered + more;
  m->tile = m->space->count <= TILE_LEAST ? TILE_LEAST : tile_for(count ? count : 1, m->size);
  m->pitch = (size_t)m->tile * m->size;
  int64_t period = 1;
  for (uint32_t k = 0; k < m->p.inputs && gathered && m->space->count > m->tile; k++) {
    if (!(wanted >> k & 1) || !ky__feed_gathers(&m->feed[k])) continue;
    if (m->feed[k].period <= m->tile && m->feed[k].period > period) period = m->feed[k].period;
  }
  if (period > 1) m->tile -= m->tile % period;
  for (uint32_t k = 0; k < m->p.inputs && gathered && m->unit > 1; k++) {
    if (!(wanted >> k & 1) || !ky__feed_gathers(&m->feed[k])) continue;
    if (m->tile % m->feed[k].period == 0) cut_at(m, m->feed[k].period);
  }
  if (m->pieces > 1)
    m->pieces = ky__team_pieces(m->f->team, (size_t)m->space->count, grain_of(m));
  m->stretch = 0;
  if (count == 0) return true;
  m->stretch = aligned(count * m->pitch);
  m->registers = ky__scratch(m->f, m->pieces * m->stretch);
  for (uint32_t k = 0; m->registers && k < m->p.inputs; k++)
    if (wanted >> k & 1 && ky__feed_gathers(&m->feed[k]))
      m->feed[k].gathered = register_at(m, registers++);
  return m->registers != NULL;
}

/* Has the cache fetch what will be read or written while the tile is computed. Memory would
 * else be waited for in bursts, one kernel at a time. */
static inline void expect(const void *at, size_t bytes) {
  for (size_t k = 0; k < bytes; k += KY_ALIGN) __builtin_prefetch((const char *)at + k);
}

static inline void expect_stores(const void *at, size_t bytes) {
  for (size_t k = 0; k < bytes; k += KY_ALIGN) __builtin_prefetch((const char *)at + k, 1);
}

/* The tile's elements of the inputs in `wanted`; those of the next tile are on their way. */
static void feed_tile(machine *m, uint32_t wanted, int64_t start, size_t n) {
  const bool more = m->space->count - start >= 2 * m->tile;
  for (uint32_t k = 0; k < m->p.inputs; k++) {
    if (!(wanted >> k & 1)) continue;
    m->value[k] = ky__feed_tile(m->f, &m->feed[k], start, n, m->tile);
    const size_t bytes = (size_t)m->tile * m->feed[k].size;
    if (more && m->value[k].stride == 1 && !ky__feed_gathers(&m->feed[k]))
      expect((const char *)m->value[k].data + bytes, bytes);
  }
}

static bool start_machine(machine *m, ky_frame *f, ky_id pc) {
  m->f = f;
  m->pc = pc;
  m->registers = NULL;
  m->unit = 1;
  if (!ky__fusion_decode(f->code, &f->code->ins[pc], &m->p)) return false;
  m->space = &f->code->layouts.at[m->p.space];
  m->size = ky_dtype_size((ky_dtype)m->p.dtype);
  for (uint32_t k = 0; k < m->p.steps; k++)
    find_calls(f, m->p.step[k].op, (ky_dtype)m->p.dtype, &m->calls[k]);
  return true;
}

static inline size_t tile_length(const machine *m, int64_t start, int64_t end) {
  const int64_t rest = end - start;
  return (size_t)(rest < m->tile ? rest : m->tile);
}

/* How many elements of the space become one of the result: what a mean divides by. */
static double divisor_of(const machine *m) {
  int64_t count = 1;
  for (int k = 0; k < m->space->rank && m->p.ending == KY_OP_mean; k++)
    if (m->p.axes >> k & 1) count *= m->space->dims[k];
  return (double)count;
}

static bool start_tally(machine *m, ky_tally *t, uint32_t axes) {
  ky__pattern_of(m->space, axes, &t->pattern);
  t->dtype = (ky_dtype)m->p.dtype;
  t->parts = NULL;
  if (m->pieces > 1 && t->pattern.row == m->space->count) {
    t->parts = ky__scratch(m->f, ky__tally_parts(t->pattern.row) * sizeof *t->parts);
    if (!t->parts) return false;
  }
  void *memory = ky__scratch(m->f, m->pieces * ky__tally_bytes(t->pattern, t->dtype));
  if (memory) ky__tally_start(t, memory);
  return memory != NULL;
}

/* Makes a copy of a tally that of a piece which starts at `begin`. */
static void move_tally(ky_tally *t, uint32_t piece, int64_t begin) {
  char *memory = t->block;
  ky__tally_start_at(t, memory + piece * ky__tally_bytes(t->pattern, t->dtype), begin);
}

/* The tally of the ending. */
static bool start_sum(machine *m) {
  m->sum.out = ky__data(m->f, m->pc);
  m->sum.beta = 0;
  m->sum.divisor = divisor_of(m);
  return start_tally(m, &m->sum, m->p.axes);
}

static inline uint32_t every_input(const machine *m) { return (1u << m->p.inputs) - 1; }

/* Makes a copy of a machine that of a piece which starts at `begin`. */
static void move_machine(machine *m, uint32_t piece, int64_t begin) {
  if (m->tallies) move_tally(&m->sum, piece, begin);
  if (m->registers) m->registers += piece * m->stretch;
  for (uint32_t k = 0; k < m->p.inputs; k++)
    if (m->feed[k].gathered)
      m->feed[k].gathered = (char *)m->feed[k].gathered + piece * m->stretch;
}

/* ---- forward -------------------------------------------------------------------------- */

/* The tiles of begin..end-1. */
static void run_forward(machine *m, int64_t begin, int64_t end) {
  const uint32_t last = m->p.steps - 1u, all = every_input(m);
  char *out = ky__data(m->f, m->pc);
  const size_t out_size = ky_dtype_size((ky_dtype)m->f->code->ins[m->pc].dtype);
  for (uint32_t k = 0; k <= last; k++)
    if (m->p.step[k].forward != KY_NO_REGISTER)
      m->value[m->p.inputs + k].data = register_at(m, m->p.step[k].forward);
  for (uint32_t k = 0; k <= last; k++) m->value[m->p.inputs + k].stride = 1;
  for (int64_t start = begin; start < end; start += m->tile) {
    const size_t n = tile_length(m, start, end);
    feed_tile(m, all, start, n);
    if (!m->tallies) m->value[m->p.inputs + last].data = out + start * (int64_t)out_size;
    for (uint32_t k = 0; k <= last; k++)
      compute(m, k, n, (void *)(uintptr_t)m->value[m->p.inputs + k].data);
    if (m->tallies) ky__tally_add(m->f, &m->sum, n, m->value[m->p.inputs + last].data);
  }
}

static void forward_piece(void *context, uint32_t piece, size_t begin, size_t end) {
  machine own = *(const machine *)context;
  move_machine(&own, piece, (int64_t)begin);
  run_forward(&own, (int64_t)begin, (int64_t)end);
}

static void forward(machine *m) {
  const uint32_t all = every_input(m);
  m->tallies = m->p.ending != KY_OP_nop;
  m->pieces = ky__team_size(m->f->team);
  if (m->tallies) cut_for_sum(m, m->p.axes);
  if (!cut_tiles(m, all, m->p.forward_registers, start_feeds(m, all), 0)) return;
  if (m->tallies && !start_sum(m)) return;
  if (m->pieces > 1)
    ky__team_run(m->f->team, (size_t)m->space->count, grain_of(m), forward_piece, m);
  else
    run_forward(m, 0, m->space->count);
  if (m->tallies) ky__tally_end(&m->sum);
}

void fwd_fused(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  machine m;
  if (start_machine(&m, f, pc)) forward(&m);
  ky__arena_reset(&f->scratch, mark);
}

/* ---- adjoint -------------------------------------------------------------------------- */

/* One contribution of a step to one of its operands, in the order of the reverse sweep. */
typedef struct pull {
  uint8_t step, slot;
  uint8_t beta;
  bool in_memory; /* `out` is the operand's adjoint, of which each tile has a piece */
  char *out;      /* null: the contribution goes to `tally` alone */
  ky_tally tally;
} pull;

typedef struct reversal {
  machine m;
  uint32_t pulls;
  ky_dest dest[KY_FUSION_INPUTS]; /* null: not met yet */
  char *spare;                    /* register for what tallies get */
  char *spread;                   /* register for what an ending gives back */
  size_t spread_held;
  const char *g;  /* adjoint of the instruction */
  ky_feed g_feed; /* where an ending spreads it over the space */
  pull pull[2 * KY_FUSION_STEPS];
} reversal;

/* The adjoint of input `ref`, for the first contribution or a further one. */
static bool pull_to_input(reversal *r, pull *to, uint32_t ref) {
  machine *m = &r->m;
  const ky_id id = ky__operand(m->f->code, m->pc, ref);
  const ky_layout *layout = ky__layout(m->f->code, id);
  to->beta = 1;
  if (!r->dest[ref].ptr) {
    r->dest[ref] = ky__dest(m->f, id, KY_WANT_A);
    if (!r->dest[ref].ptr) return false;
    to->beta = (uint8_t)r->dest[ref].beta;
  }
  to->in_memory = layout->count == m->space->count;
  to->out = to->in_memory ? r->dest[ref].ptr : NULL;
  if (to->in_memory) return true;
  to->tally.out = r->dest[ref].ptr;
  to->tally.beta = to->beta;
  to->tally.divisor = 1;
  return start_tally(m, &to->tally, ky__broadcast_axes(layout, m->space));
}

static uint32_t wants_of(const machine *m) {
  uint32_t wants = 0;
  for (uint32_t k = 0; k < m->p.inputs; k++)
    wants |= (uint32_t)ky__wants(m->f->code, ky__operand(m->f->code, m->pc, k)) << k;
  return wants;
}

/* Lists the contributions of all steps. */
static bool list_pulls(reversal *r) {
  machine *m = &r->m;
  const uint32_t wants = wants_of(m);
  uint32_t seen = 0;
  r->pulls = 0;
  for (uint32_t k = m->p.steps; k-- > 0;) {
    const ky_step *s = &m->p.step[k];
    for (uint32_t n = 0; n < ky__forms[s->op].operands; n++) {
      const uint32_t ref = s->ref[n];
      if (!ky__fusion_pulls(&m->p, k, n, wants)) continue;
      pull *to = &r->pull[r->pulls++];
      to->step = (uint8_t)k;
      to->slot = (uint8_t)n;
      if (ref < m->p.inputs) {
        if (!pull_to_input(r, to, ref)) return false;
      } else {
        const uint32_t at = ref - m->p.inputs;
        to->in_memory = false;
        to->out = register_at(m, m->p.step[at].adjoint);
        to->beta = seen >> at & 1;
        seen |= 1u << at;
      }
    }
  }
  return true;
}

static ky_piece saved_piece(const reversal *r, const pull *to, int which, const void *g) {
  const ky_step *s = &r->m.p.step[to->step];
  switch ((ky_saved)ky__forms[s->op].saved[to->slot][which]) {
  case KY_SAVED_A: return r->m.value[s->ref[0]];
  case KY_SAVED_B: return r->m.value[s->ref[1]];
  case KY_SAVED_C: return r->m.value[s->ref[2]];
  case KY_SAVED_R: return r->m.value[r->m.p.inputs + to->step];
  case KY_SAVED_N: break;
  }
  return (ky_piece){g, 1};
}

/* g where the mask says so, and 0 elsewhere. */
static void select_g(const reversal *r, const pull *to, size_t n, const void *g, void *out) {
  const double zero = 0;
  const ky_piece mask = saved_piece(r, to, 0, g);
  const bool taken = to->slot == 1;
  r->m.f->kernels->test->select((ky_dtype)r->m.p.dtype, n, out, mask.data, mask.stride,
                                taken ? g : &zero, taken, taken ? &zero : g, !taken);
}

/* The contribution of one tile. */
static void give(reversal *r, pull *to, int64_t start, size_t n, const void *g) {
  const ky_step *s = &r->m.p.step[to->step];
  const ky_form *form = &ky__forms[s->op];
  const calls *c = &r->m.calls[to->step];
  const bool identity = form->identity >> to->slot & 1;
  char *out = to->in_memory ? to->out + start * (int64_t)r->m.size : to->out;
  const int beta = out ? to->beta : 0;
  if (!out && identity) {
    ky__tally_add(r->m.f, &to->tally, n, g);
    return;
  }
  if (!out) out = r->spare;
  const ky_piece p = saved_piece(r, to, 0, g), q = saved_piece(r, to, 1, g);
  if (form->kind == KY_MAP1) {
    c->pull1(n, out, beta, g, p.data, p.stride, s->s, s->u);
  } else if (form->kind == KY_MAP2 || form->kind == KY_MAP3) {
    c->pull2[to->slot](n, out, beta, g, p.data, p.stride, q.data, q.stride);
  } else if (beta) {
    select_g(r, to, n, g, r->spare);
    r->m.f->kernels->copy->run((ky_dtype)r->m.p.dtype, n, out, 1, 1, r->spare, 1);
  } else {
    select_g(r, to, n, g, out);
  }
  if (!to->out) ky__tally_add(r->m.f, &to->tally, n, out);
}

/* The adjoint of the last step's result. One number all over stays in its register. */
static const void *seed_tile(reversal *r, int64_t start, size_t n) {
  machine *m = &r->m;
  if (m->p.ending == KY_OP_nop) return r->g + start * (int64_t)m->size;
  const ky_piece g = ky__feed_tile(m->f, &r->g_feed, start, n, m->tile);
  if (g.stride == 0 && r->spread_held >= n) return r->spread;
  m->f->kernels->reduce->spread[m->p.dtype](n, r->spread, 0, g.data, g.stride, divisor_of(m));
  r->spread_held = n;
  return r->spread;
}

static void reverse_tile(reversal *r, int64_t start, size_t n) {
  machine *m = &r->m;
  const uint32_t last = m->p.steps - 1u;
  feed_tile(m, m->p.reads, start, n);
  for (uint32_t k = 0; k < r->pulls; k++)
    if (r->pull[k].in_memory)
      expect_stores(r->pull[k].out + start * (int64_t)m->size, n * m->size);
  if (m->p.reads_result)
    m->value[m->p.inputs + last] =
        (ky_piece){(const char *)ky__data(m->f, m->pc) + start * (int64_t)m->size, 1};
  for (uint32_t k = 0; k <= last; k++) {
    if (m->p.step[k].reverse == KY_NO_REGISTER) continue;
    char *to = register_at(m, m->p.step[k].reverse);
    compute(m, k, n, to);
    m->value[m->p.inputs + k] = (ky_piece){to, 1};
  }
  if (m->tallies) ky__tally_add(m->f, &m->sum, n, m->value[m->p.inputs + last].data);
  const void *seed = seed_tile(r, start, n);
  for (uint32_t k = 0; k < r->pulls; k++) {
    const uint32_t step = r->pull[k].step, at = m->p.step[step].adjoint;
    const bool seeded = step == last || at == KY_SEED_REGISTER;
    give(r, &r->pull[k], start, n, seeded ? seed : register_at(m, at));
  }
}

/* The adjoint of a reduced result as an operand that is broadcast over the space. */
static void start_g(reversal *r) {
  machine *m = &r->m;
  const ky_layout *result = ky__layout(m->f->code, m->pc);
  const ky_dtype dtype = (ky_dtype)m->p.dtype;
  r->g = ky__adjoint(m->f, m->pc);
  r->spread_held = 0;
  if (m->p.ending == KY_OP_nop) return;
  if (result->count == 1) {
    ky__feed_start(&r->g_feed, dtype, r->g, result, m->space);
    return;
  }
  ky_layout kept = *m->space;
  for (int k = 0; k < kept.rank; k++)
    if (m->p.axes >> k & 1) kept.dims[k] = 1;
  kept = ky__dense(&kept);
  ky__layout_settle(&kept);
  ky__feed_start(&r->g_feed, dtype, r->g, &kept, m->space);
}

static void reverse_piece(void *context, uint32_t piece, size_t begin, size_t end) {
  reversal own = *(const reversal *)context;
  const size_t ahead = piece * own.m.stretch;
  const int64_t from = (int64_t)begin, to = (int64_t)end;
  move_machine(&own.m, piece, from);
  own.spare += ahead;
  own.spread += ahead;
  own.g_feed.gathered = (char *)own.g_feed.gathered + ahead;
  for (uint32_t k = 0; k < own.pulls; k++) {
    if (!own.pull[k].out)
      move_tally(&own.pull[k].tally, piece, from);
    else if (!own.pull[k].in_memory)
      own.pull[k].out += ahead;
  }
  for (int64_t start = from; start < to; start += own.m.tile)
    reverse_tile(&own, start, tile_length(&own.m, start, to));
}

/* Cuts where the sums allow it that operands get which are broadcast over the space. */
static void cut_for_pulls(machine *m) {
  for (uint32_t k = 0; k < m->p.inputs; k++) {
    const ky_id id = ky__operand(m->f->code, m->pc, k);
    const ky_layout *layout = ky__layout(m->f->code, id);
    if (ky__wants(m->f->code, id) && layout->count != m->space->count)
      cut_for_sum(m, ky__broadcast_axes(layout, m->space));
  }
}

static void run_reverse(reversal *r) {
  machine *m = &r->m;
  m->pieces = ky__team_size(m->f->team);
  if (m->tallies) cut_for_sum(m, m->p.axes);
  cut_for_pulls(m);
  start_g(r);
  if (m->unit > 1 && m->p.ending != KY_OP_nop && r->g_feed.period <= TILE_MOST)
    cut_at(m, r->g_feed.period);
  const uint32_t gathered = start_feeds(m, m->p.reads), registers = m->p.reverse_registers;
  if (!cut_tiles(m, m->p.reads, registers, gathered, 3)) return;
  r->spare = register_at(m, registers + gathered);
  r->spread = register_at(m, registers + gathered + 1);
  r->g_feed.gathered = register_at(m, registers + gathered + 2);
  memset(r->dest, 0, sizeof r->dest);
  if (!list_pulls(r)) return;
  if (m->tallies && !start_sum(m)) return;
  if (m->pieces > 1) {
    ky__team_run(m->f->team, (size_t)m->space->count, grain_of(m), reverse_piece, r);
  } else {
    for (int64_t start = 0; start < m->space->count; start += m->tile)
      reverse_tile(r, start, tile_length(m, start, m->space->count));
  }
  if (m->tallies) ky__tally_end(&m->sum);
  for (uint32_t k = 0; k < r->pulls; k++)
    if (!r->pull[k].out) ky__tally_end(&r->pull[k].tally);
}

static void reverse(ky_frame *f, ky_id pc, bool turns) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  reversal r;
  r.m.tallies = turns;
  if (start_machine(&r.m, f, pc)) run_reverse(&r);
  ky__arena_reset(&f->scratch, mark);
}

void vjp_fused(ky_frame *f, ky_id pc) { reverse(f, pc, false); }

void ky__fused_turn(ky_frame *f, ky_id pc) { reverse(f, pc, true); }

/* ---- memory --------------------------------------------------------------------------- */

size_t ky__fused_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  ky_fusion p;
  if (!ky__fusion_decode(code, &code->ins[pc], &p)) return 0;
  const size_t size = ky_dtype_size((ky_dtype)p.dtype);
  const uint32_t forward = p.forward_registers, reverse = p.reverse_registers + 3u;
  const uint32_t most = p.inputs + (forward > reverse ? forward : reverse);
  const size_t least = (size_t)most * TILE_LEAST * size;
  size_t bytes = threads * aligned(least > TILE_BYTES ? least : TILE_BYTES);
  const ky_layout *space = &code->layouts.at[p.space];
  if (p.ending != KY_OP_nop)
    bytes += ky__tally_scratch(space, p.axes, (ky_dtype)p.dtype, threads);
  for (uint32_t k = 0; k < p.steps; k++) {
    for (uint32_t n = 0; n < ky__forms[p.step[k].op].operands; n++) {
      const uint32_t ref = p.step[k].ref[n];
      if (ref >= p.inputs || !(ky__forms[p.step[k].op].pulled >> n & 1)) continue;
      const ky_layout *layout = ky__layout(code, ky__operand(code, pc, ref));
      const uint32_t axes = ky__broadcast_axes(layout, space);
      if (layout->count != space->count)
        bytes += ky__tally_scratch(space, axes, (ky_dtype)p.dtype, threads);
    }
  }
  return bytes;
}
