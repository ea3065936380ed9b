/* SPDX-License-Identifier: MIT */
/* Kernels by opcode, tiles and their registers, cuts, sums. */
#include "ops/machine.h"

#define TILE_LEAST 256
#define TILE_BYTES (24 * 1024) /* of all registers together, while that leaves TILE_LEAST */
#define TILE_GRAIN 64
#define FAR_BYTES  (256 * 1024) /* of an operand: half of a common second cache */

/* ---- steps ---------------------------------------------------------------------------- */

static void find_calls(const ky_frame *f, uint16_t op, ky_dtype dtype, ky_calls *c) {
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

bool ky__machine_start(ky_machine *m, ky_frame *f, ky_id pc) {
  m->f = f;
  m->pc = pc;
  m->registers = NULL;
  m->unit = 1;
  if (!ky__fusion_decode(f->code, &f->code->ins[pc], &m->p)) return false;
  m->space = &f->code->layouts.at[m->p.space];
  m->size = ky_dtype_size((ky_dtype)m->p.dtype);
  m->far = (size_t)m->space->count > FAR_BYTES / m->size;
  for (uint32_t k = 0; k < m->p.steps; k++)
    find_calls(f, m->p.step[k].op, (ky_dtype)m->p.dtype, &m->calls[k]);
  return true;
}

void ky__machine_compute(const ky_machine *m, uint32_t k, size_t n, void *r) {
  const ky_step *s = &m->p.step[k];
  const ky_calls *c = &m->calls[k];
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
  return fit < TILE_LEAST ? TILE_LEAST : fit > KY_TILE_MOST ? KY_TILE_MOST : fit;
}

uint32_t ky__machine_start_feeds(ky_machine *m, uint32_t wanted) {
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

void ky__machine_cut_at(ky_machine *m, int64_t n) {
  m->unit = ky__common_multiple(m->unit, n, m->space->count);
}

void ky__machine_cut_for_sum(ky_machine *m, uint32_t axes) {
  ky_pattern pattern;
  if (!ky__pattern_of(m->space, axes, &pattern) || !pattern.row)
    m->pieces = 1;
  else
    ky__machine_cut_at(m, pattern.row == m->space->count ? KY_SUM_PIECE : pattern.row);
}

size_t ky__machine_grain(const ky_machine *m) {
  const size_t unit = (size_t)(m->unit > 1 ? m->unit : m->tile);
  return ky__whole_grain(m->f, unit);
}

bool ky__machine_cut_tiles(ky_machine *m, uint32_t wanted, uint32_t registers,
                           uint32_t gathered, uint32_t more) {
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
    if (m->tile % m->feed[k].period == 0) ky__machine_cut_at(m, m->feed[k].period);
  }
  if (m->pieces > 1)
    m->pieces = ky__team_pieces(m->f->team, (size_t)m->space->count, ky__machine_grain(m));
  m->stretch = 0;
  if (count == 0) return true;
  m->stretch = ky__whole_lines(count * m->pitch);
  m->registers = ky__scratch(m->f, m->pieces * m->stretch);
  for (uint32_t k = 0; m->registers && k < m->p.inputs; k++)
    if (wanted >> k & 1 && ky__feed_gathers(&m->feed[k]))
      m->feed[k].gathered = ky__register(m, registers++);
  return m->registers != NULL;
}

void ky__machine_begin(ky_machine *m, size_t n, uint32_t kernels) {
  m->streams = 0;
  m->portion = ky__whole_lines(n * m->size / kernels);
}

void ky__machine_expect(ky_machine *m, const void *at, size_t bytes) {
  if (!m->far || m->streams == KY_STREAMS_MOST) return;
  m->stream[m->streams++] = (ky_stream){at, (const char *)at + bytes};
}

void ky__machine_look_ahead(ky_machine *m) {
  for (uint32_t k = 0; k < m->streams; k++) {
    ky_stream *s = &m->stream[k];
    for (size_t done = 0; done < m->portion && s->at < s->end; done += KY_ALIGN) {
      __builtin_prefetch(s->at);
      s->at += KY_ALIGN;
    }
  }
}

void ky__machine_feed(ky_machine *m, uint32_t wanted, int64_t start, size_t n) {
  const bool more = m->space->count - start >= 2 * m->tile;
  for (uint32_t k = 0; k < m->p.inputs; k++) {
    if (!(wanted >> k & 1)) continue;
    m->value[k] = ky__feed_tile(m->f, &m->feed[k], start, n, m->tile);
    const size_t bytes = (size_t)m->tile * m->feed[k].size;
    if (more && m->value[k].stride == 1 && !ky__feed_gathers(&m->feed[k]))
      ky__machine_expect(m, (const char *)m->value[k].data + bytes, bytes);
  }
}

size_t ky__machine_bytes(const ky_fusion *p, uint32_t more) {
  const uint32_t forward = p->forward_registers, reverse = p->reverse_registers + more;
  const uint32_t most = p->inputs + (forward > reverse ? forward : reverse);
  const size_t least = (size_t)most * TILE_LEAST * ky_dtype_size((ky_dtype)p->dtype);
  return ky__whole_lines(least > TILE_BYTES ? least : TILE_BYTES);
}

/* ---- sums ---------------------------------------------------------------------------- */

double ky__machine_divisor(const ky_machine *m) {
  int64_t count = 1;
  for (int k = 0; k < m->space->rank && m->p.ending == KY_OP_mean; k++)
    if (m->p.axes >> k & 1) count *= m->space->dims[k];
  return (double)count;
}

bool ky__machine_start_tally(ky_machine *m, ky_tally *t, uint32_t axes) {
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

void ky__machine_move_tally(ky_tally *t, uint32_t piece, int64_t begin) {
  char *memory = t->block;
  ky__tally_start_at(t, memory + piece * ky__tally_bytes(t->pattern, t->dtype), begin);
}

bool ky__machine_start_sum(ky_machine *m) {
  m->sum.out = ky__data(m->f, m->pc);
  m->sum.beta = 0;
  m->sum.divisor = ky__machine_divisor(m);
  return ky__machine_start_tally(m, &m->sum, m->p.axes);
}

void ky__machine_move(ky_machine *m, uint32_t piece, int64_t begin) {
  if (m->tallies) ky__machine_move_tally(&m->sum, piece, begin);
  if (m->registers) m->registers += piece * m->stretch;
  for (uint32_t k = 0; k < m->p.inputs; k++)
    if (m->feed[k].gathered)
      m->feed[k].gathered = (char *)m->feed[k].gathered + piece * m->stretch;
}
