/* SPDX-License-Identifier: MIT */
/* The fused instruction: a run of elementwise instructions, taken tile by tile so that what
 * lies between its operands and its result never leaves the nearest cache. The kernels are
 * those that the instructions would have called one after the other, on the same elements, so
 * results have the same bits. In reverse a tile computes again what its adjoints read, and
 * adjoints are added up in the order of the reverse sweep. */
#include "ops/fused.h"

#include <string.h>

#include "ops/machine.h"
#include "ops/turn.h"

/* ---- forward -------------------------------------------------------------------------- */

/* The tiles of begin..end-1. */
static void run_forward(ky_machine *m, int64_t begin, int64_t end) {
  const uint32_t last = m->p.steps - 1u, all = ky__machine_inputs(m);
  char *out = ky__data(m->f, m->pc);
  const size_t out_size = ky_dtype_size((ky_dtype)m->f->code->ins[m->pc].dtype);
  for (uint32_t k = 0; k <= last; k++)
    if (m->p.step[k].forward != KY_NO_REGISTER)
      m->value[m->p.inputs + k].data = ky__register(m, m->p.step[k].forward);
  for (uint32_t k = 0; k <= last; k++) m->value[m->p.inputs + k].stride = 1;
  for (int64_t start = begin; start < end; start += m->tile) {
    const size_t n = ky__tile_length(m, start, end);
    ky__machine_begin(m, n, last + 1);
    ky__machine_feed(m, all, start, n);
    if (!m->tallies) m->value[m->p.inputs + last].data = out + start * (int64_t)out_size;
    for (uint32_t k = 0; k <= last; k++) {
      ky__machine_look_ahead(m);
      ky__machine_compute(m, k, n, (void *)(uintptr_t)m->value[m->p.inputs + k].data);
    }
    if (m->tallies) ky__tally_add(m->f, &m->sum, n, m->value[m->p.inputs + last].data);
  }
}

static void forward_piece(void *context, uint32_t piece, size_t begin, size_t end) {
  ky_machine own = *(const ky_machine *)context;
  ky__machine_move(&own, piece, (int64_t)begin);
  run_forward(&own, (int64_t)begin, (int64_t)end);
}

static void forward(ky_machine *m) {
  const uint32_t all = ky__machine_inputs(m);
  m->tallies = m->p.ending != KY_OP_nop;
  m->pieces = ky__team_size(m->f->team);
  if (m->tallies) ky__machine_cut_for_sum(m, m->p.axes);
  if (!ky__machine_cut_tiles(m, all, m->p.forward_registers, ky__machine_start_feeds(m, all),
                             0))
    return;
  if (m->tallies && !ky__machine_start_sum(m)) return;
  if (m->pieces > 1)
    ky__team_run(m->f->team, (size_t)m->space->count, ky__machine_grain(m), forward_piece, m);
  else
    run_forward(m, 0, m->space->count);
  if (m->tallies) ky__tally_end(&m->sum);
}

void fwd_fused(ky_frame *f, ky_id pc) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  ky_machine m;
  if (ky__machine_start(&m, f, pc)) forward(&m);
  ky__arena_reset(&f->scratch, mark);
}

/* ---- adjoint -------------------------------------------------------------------------- */

/* One contribution of a step to one of its operands, in the order of the reverse sweep. */
typedef struct pull {
  uint8_t step, slot;
  uint8_t p, q; /* refs of what the formula reads; g where there is none */
  uint8_t beta;
  bool in_memory; /* `out` is the operand's adjoint, of which each tile has a piece */
  bool first;     /* and this the first contribution to it */
  char *out;      /* null: the contribution goes to `tally` alone */
  ky_tally tally;
} pull;

typedef struct reversal {
  ky_machine m;
  uint32_t pulls, kernels;
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
  ky_machine *m = &r->m;
  const ky_id id = ky__operand(m->f->code, m->pc, ref);
  const ky_layout *layout = ky__layout(m->f->code, id);
  to->beta = 1;
  const bool met = r->dest[ref].ptr;
  if (!met) {
    r->dest[ref] = ky__dest(m->f, id, KY_WANT_A);
    if (!r->dest[ref].ptr) return false;
    to->beta = (uint8_t)r->dest[ref].beta;
  }
  to->in_memory = layout->count == m->space->count;
  to->first = to->in_memory && !met;
  to->out = to->in_memory ? r->dest[ref].ptr : NULL;
  if (to->in_memory) return true;
  to->tally.out = r->dest[ref].ptr;
  to->tally.beta = to->beta;
  to->tally.divisor = 1;
  return ky__machine_start_tally(m, &to->tally, ky__broadcast_axes(layout, m->space));
}

static uint32_t wants_of(const ky_machine *m) {
  uint32_t wants = 0;
  for (uint32_t k = 0; k < m->p.inputs; k++)
    wants |= (uint32_t)ky__wants(m->f->code, ky__operand(m->f->code, m->pc, k)) << k;
  return wants;
}

/* Lists the contributions of all steps. */
static bool list_pulls(reversal *r) {
  ky_machine *m = &r->m;
  const uint32_t wants = wants_of(m);
  uint32_t seen = 0;
  r->pulls = 0;
  r->kernels = 1; /* the seed's */
  for (uint32_t k = 0; k < m->p.steps; k++)
    r->kernels += m->p.step[k].reverse != KY_NO_REGISTER;
  for (uint32_t k = m->p.steps; k-- > 0;) {
    const ky_step *s = &m->p.step[k];
    for (uint32_t n = 0; n < ky__forms[s->op].operands; n++) {
      const uint32_t ref = s->ref[n];
      if (!ky__fusion_pulls(&m->p, k, n, wants)) continue;
      pull *to = &r->pull[r->pulls++];
      to->step = (uint8_t)k;
      to->slot = (uint8_t)n;
      to->p = (uint8_t)ky__fusion_saved(&m->p, k, n, 0, KY_REF_NONE);
      to->q = (uint8_t)ky__fusion_saved(&m->p, k, n, 1, KY_REF_NONE);
      if (ref < m->p.inputs) {
        if (!pull_to_input(r, to, ref)) return false;
      } else {
        const uint32_t at = ref - m->p.inputs;
        to->in_memory = to->first = false;
        to->out = ky__register(m, m->p.step[at].adjoint);
        to->beta = seen >> at & 1;
        seen |= 1u << at;
      }
    }
  }
  r->kernels += r->pulls;
  return true;
}

/* The tile's elements of `ref`, or of g. */
static inline ky_piece piece_or(const reversal *r, uint8_t ref, const void *g) {
  return ref == KY_REF_NONE ? (ky_piece){g, 1} : r->m.value[ref];
}

/* g where the mask says so, and 0 elsewhere. */
static void select_g(const reversal *r, const pull *to, size_t n, const void *g, void *out) {
  const double zero = 0;
  const ky_piece mask = r->m.value[to->p];
  const bool taken = to->slot == 1;
  r->m.f->kernels->test->select((ky_dtype)r->m.p.dtype, n, out, mask.data, mask.stride,
                                taken ? g : &zero, taken, taken ? &zero : g, !taken);
}

/* The contribution of one tile. */
static void give(reversal *r, pull *to, int64_t start, size_t n, const void *g) {
  const ky_step *s = &r->m.p.step[to->step];
  const ky_form *form = &ky__forms[s->op];
  const ky_calls *c = &r->m.calls[to->step];
  const bool identity = form->identity >> to->slot & 1;
  char *out = to->in_memory ? to->out + start * (int64_t)r->m.size : to->out;
  const int beta = out ? to->beta : 0;
  if (!out && identity) {
    ky__tally_add(r->m.f, &to->tally, n, g);
    return;
  }
  if (!out) out = r->spare;
  const ky_piece p = piece_or(r, to->p, g), q = piece_or(r, to->q, g);
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
  ky_machine *m = &r->m;
  if (m->p.ending == KY_OP_nop) return r->g + start * (int64_t)m->size;
  const ky_piece g = ky__feed_tile(m->f, &r->g_feed, start, n, m->tile);
  const double divisor = ky__machine_divisor(m);
  if (g.stride == 1 && divisor == 1) return g.data;
  if (g.stride == 0 && r->spread_held >= n) return r->spread;
  m->f->kernels->reduce->spread[m->p.dtype](n, r->spread, 0, g.data, g.stride, divisor);
  r->spread_held = n;
  return r->spread;
}

/* What the next tile has of g and of adjoints that it gives to, each the first time. */
static void expect_adjoints(reversal *r, int64_t start) {
  ky_machine *m = &r->m;
  const int64_t next = start + m->tile, size = (int64_t)m->size;
  const size_t bytes = (size_t)(m->tile * size);
  if (m->space->count - next < m->tile) return;
  if (m->p.ending == KY_OP_nop) ky__machine_expect(m, r->g + next * size, bytes);
  for (uint32_t k = 0; k < r->pulls; k++)
    if (r->pull[k].first) ky__machine_expect(m, r->pull[k].out + next * size, bytes);
}

static void reverse_tile(reversal *r, int64_t start, size_t n) {
  ky_machine *m = &r->m;
  const uint32_t last = m->p.steps - 1u;
  ky__machine_begin(m, n, r->kernels);
  ky__machine_feed(m, m->p.reads, start, n);
  expect_adjoints(r, start);
  if (m->p.reads_result)
    m->value[m->p.inputs + last] =
        (ky_piece){(const char *)ky__data(m->f, m->pc) + start * (int64_t)m->size, 1};
  for (uint32_t k = 0; k <= last; k++) {
    if (m->p.step[k].reverse == KY_NO_REGISTER) continue;
    ky__machine_look_ahead(m);
    char *to = ky__register(m, m->p.step[k].reverse);
    ky__machine_compute(m, k, n, to);
    m->value[m->p.inputs + k] = (ky_piece){to, 1};
  }
  if (m->tallies) ky__tally_add(m->f, &m->sum, n, m->value[m->p.inputs + last].data);
  const void *seed = seed_tile(r, start, n);
  for (uint32_t k = 0; k < r->pulls; k++) {
    const uint32_t step = r->pull[k].step, at = m->p.step[step].adjoint;
    const bool seeded = step == last || at == KY_SEED_REGISTER;
    ky__machine_look_ahead(m);
    give(r, &r->pull[k], start, n, seeded ? seed : ky__register(m, at));
  }
}

/* The adjoint of a reduced result as an operand that is broadcast over the space. */
static void start_g(reversal *r) {
  ky_machine *m = &r->m;
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
  ky__machine_move(&own.m, piece, from);
  own.spare += ahead;
  own.spread += ahead;
  own.g_feed.gathered = (char *)own.g_feed.gathered + ahead;
  for (uint32_t k = 0; k < own.pulls; k++) {
    if (!own.pull[k].out)
      ky__machine_move_tally(&own.pull[k].tally, piece, from);
    else if (!own.pull[k].in_memory)
      own.pull[k].out += ahead;
  }
  for (int64_t start = from; start < to; start += own.m.tile)
    reverse_tile(&own, start, ky__tile_length(&own.m, start, to));
}

/* Cuts where the sums allow it that operands get which are broadcast over the space. */
static void cut_for_pulls(ky_machine *m) {
  for (uint32_t k = 0; k < m->p.inputs; k++) {
    const ky_id id = ky__operand(m->f->code, m->pc, k);
    const ky_layout *layout = ky__layout(m->f->code, id);
    if (ky__wants(m->f->code, id) && layout->count != m->space->count)
      ky__machine_cut_for_sum(m, ky__broadcast_axes(layout, m->space));
  }
}

static void run_reverse(reversal *r) {
  ky_machine *m = &r->m;
  m->pieces = ky__team_size(m->f->team);
  if (m->tallies) ky__machine_cut_for_sum(m, m->p.axes);
  cut_for_pulls(m);
  start_g(r);
  if (m->unit > 1 && m->p.ending != KY_OP_nop && r->g_feed.period <= KY_TILE_MOST)
    ky__machine_cut_at(m, r->g_feed.period);
  const uint32_t gathered = ky__machine_start_feeds(m, m->p.reads),
                 registers = m->p.reverse_registers;
  if (!ky__machine_cut_tiles(m, m->p.reads, registers, gathered, 3)) return;
  r->spare = ky__register(m, registers + gathered);
  r->spread = ky__register(m, registers + gathered + 1);
  r->g_feed.gathered = ky__register(m, registers + gathered + 2);
  memset(r->dest, 0, sizeof r->dest);
  if (!list_pulls(r)) return;
  if (m->tallies && !ky__machine_start_sum(m)) return;
  if (m->pieces > 1) {
    ky__team_run(m->f->team, (size_t)m->space->count, ky__machine_grain(m), reverse_piece, r);
  } else {
    for (int64_t start = 0; start < m->space->count; start += m->tile)
      reverse_tile(r, start, ky__tile_length(m, start, m->space->count));
  }
  if (m->tallies) ky__tally_end(&m->sum);
  for (uint32_t k = 0; k < r->pulls; k++)
    if (!r->pull[k].out) ky__tally_end(&r->pull[k].tally);
}

static void reverse(ky_frame *f, ky_id pc, bool turns) {
  const ky_place mark = ky__arena_mark(&f->scratch);
  reversal r;
  r.m.tallies = turns;
  if (ky__machine_start(&r.m, f, pc)) run_reverse(&r);
  ky__arena_reset(&f->scratch, mark);
}

void vjp_fused(ky_frame *f, ky_id pc) { reverse(f, pc, false); }

bool ky__fused_turns(const ky_code *code, const ky_ins *i) {
  return (uint64_t)code->pool[i->b + i->c] >> 50 & 1;
}

void ky__fused_turn(ky_frame *f, ky_id pc) { reverse(f, pc, true); }

/* ---- memory --------------------------------------------------------------------------- */

size_t ky__fused_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  ky_fusion p;
  if (!ky__fusion_decode(code, &code->ins[pc], &p)) return 0;
  size_t bytes = threads * ky__machine_bytes(&p, 3);
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
