/* SPDX-License-Identifier: MIT */
/* Samples of the fused instruction. No function records it, as passes make it; here its
 * programs are written by hand and put on the tape like any other instruction. n[0] chooses the
 * program. */
#include "samples.h"

#include <string.h>

#include "base/fault.h"
#include "ops/fusion.h"
#include "tape/tape.h"

#define INPUT(k) (k)
#define STEP(k)  (uint8_t)(3 + (k)) /* behind the inputs; moved down where there are fewer */

/* The programs, with an oracle each that computes one element. */
enum { GATE, NEST, CLIP, LONELY, PROGRAMS };

static double element(const double *x, const ky_sample *s) {
  const double a = x[0], b = x[1], c = x[2];
  switch (s->n[0]) {
  case GATE: return tanh(a) * a + b * (a / (1 + exp(-c)) + b);
  case NEST: return exp(sin(a * b) - 0.5 * c * c) * sin(a * b);
  case CLIP: return b > a ? fmin(fmax(c + 2 * b, -1), 1) * a : c - 2 * b;
  default: return 1 / (a * a + 1);
  }
}

/* n[1]: the opcode of an ending, over the axes in dims; n[2]: keepdim. */
static void oracle_fused(const nd *const *x, const ky_sample *s, nd *out) {
  nd_shape(out, x[0]->rank, x[0]->dims);
  for (int k = 1; k < s->operands; k++) nd_broadcast(out, out, x[k]);
  const nd space = {.rank = out->rank, .count = out->count};
  int64_t dims[KY_MAX_RANK], kept[KY_MAX_RANK], index[KY_MAX_RANK];
  int rank = 0;
  memcpy(dims, out->dims, sizeof dims);
  memcpy(kept, dims, sizeof dims);
  for (int k = 0; k < s->dims.rank; k++) kept[s->dims.dims[k]] = 1;
  nd *sums = out;
  nd whole = space;
  memcpy(whole.dims, dims, sizeof dims);
  nd_shape(sums, space.rank, kept);
  for (int64_t n = 0; n < sums->count; n++) sums->at[n] = 0;
  for (int64_t n = 0; n < whole.count; n++) {
    double a[KY_OPERANDS] = {0};
    nd_index(&whole, n, index);
    for (int k = 0; k < s->operands; k++) a[k] = x[k]->at[nd_place(x[k], whole.rank, index)];
    sums->at[nd_place(sums, whole.rank, index)] += element(a, s);
  }
  if (s->n[1] == KY_OP_mean)
    for (int64_t n = 0; n < sums->count; n++)
      sums->at[n] *= (double)sums->count / (double)whole.count;
  for (int k = 0; k < whole.rank; k++)
    if (s->n[2] || kept[k] == dims[k]) kept[rank++] = kept[k];
  nd_shape(out, rank, kept);
}

static const ky_step gate[] = {
    {.op = KY_OP_tanh, .ref = {INPUT(0)}},
    {.op = KY_OP_mul, .ref = {STEP(0), INPUT(0)}},
    {.op = KY_OP_sigmoid, .ref = {INPUT(2)}},
    {.op = KY_OP_mul, .ref = {INPUT(0), STEP(2)}},
    {.op = KY_OP_add, .ref = {STEP(3), INPUT(1)}},
    {.op = KY_OP_mul, .ref = {INPUT(1), STEP(4)}},
    {.op = KY_OP_add, .ref = {STEP(1), STEP(5)}},
};

static const ky_step nest[] = {
    {.op = KY_OP_mul, .ref = {INPUT(0), INPUT(1)}},
    {.op = KY_OP_sin, .ref = {STEP(0)}},
    {.op = KY_OP_square, .ref = {INPUT(2)}},
    {.op = KY_OP_mul_scalar, .ref = {STEP(2)}, .s = 0.5},
    {.op = KY_OP_sub, .ref = {STEP(1), STEP(3)}},
    {.op = KY_OP_exp, .ref = {STEP(4)}},
    {.op = KY_OP_mul, .ref = {STEP(5), STEP(1)}},
};

static const ky_step clip[] = {
    {.op = KY_OP_gt, .ref = {INPUT(1), INPUT(0)}},
    {.op = KY_OP_mul_scalar, .ref = {INPUT(1)}, .s = 2},
    {.op = KY_OP_add, .ref = {INPUT(2), STEP(1)}},
    {.op = KY_OP_clamp, .ref = {STEP(2)}, .s = -1, .u = 1},
    {.op = KY_OP_mul, .ref = {STEP(3), INPUT(0)}},
    {.op = KY_OP_sub, .ref = {INPUT(2), STEP(1)}},
    {.op = KY_OP_where, .ref = {STEP(0), STEP(4), STEP(5)}},
};

static const ky_step lonely[] = {
    {.op = KY_OP_square, .ref = {INPUT(0)}},
    {.op = KY_OP_add_scalar, .ref = {STEP(0)}, .s = 1},
    {.op = KY_OP_recip, .ref = {STEP(1)}},
};

typedef struct listing {
  const ky_step *steps;
  int count;
} listing;

static const listing listings[PROGRAMS] = {
#define PROGRAM(steps)                                                                         \
  { steps, (int)(sizeof steps / sizeof *steps) }
    PROGRAM(gate),
    PROGRAM(nest),
    PROGRAM(clip),
    PROGRAM(lonely),
#undef PROGRAM
};

/* A program over the dims that the operands broadcast to, in their dtype. */
static void write_program(ky_tape *t, ky_draft *d, const ky_id *operands, const ky_sample *s,
                          ky_fusion *p) {
  const listing *from = &listings[s->n[0]];
  const uint32_t inputs = (uint32_t)s->operands;
  ky_layout space = *ky__layout(&t->code, operands[0]);
  uint32_t wants = 0, number = 0;
  for (uint32_t k = 0; k < inputs; k++) {
    const ky_layout *layout = ky__layout(&t->code, operands[k]);
    ky_layout both;
    if (ky__broadcast(&space, layout, &both, &d->fault) == KY_OK) space = both;
    wants |= (uint32_t)ky__wants(&t->code, operands[k]) << k;
  }
  ky__layout_dense(space.rank, space.dims, &space, &d->fault);
  if (ky__layouts_intern(&t->code.layouts, &space, &number) != KY_OK)
    ky__fail(&d->fault, KY_NO_MEMORY, "no memory for a layout");
  *p = (ky_fusion){.space = number,
                   .dtype = t->code.ins[operands[0]].dtype,
                   .inputs = (uint8_t)inputs,
                   .steps = (uint8_t)from->count,
                   .ending = (uint16_t)s->n[1],
                   .keep = s->n[2] != 0};
  for (int k = 0; k < s->dims.rank; k++) p->axes |= (uint8_t)(1u << s->dims.dims[k]);
  for (int k = 0; k < from->count; k++) {
    p->step[k] = from->steps[k];
    for (int n = 0; n < 3; n++)
      if (p->step[k].ref[n] >= 3) p->step[k].ref[n] = (uint8_t)(p->step[k].ref[n] - 3 + inputs);
  }
  ky__fusion_settle(p, wants);
}

static ky_var record_fused(ky_tape *t, const ky_var *x, const ky_sample *s) {
  ky_draft d;
  if (!t) return (ky_var){0};
  ky__draft(&d, KY_OP_fused);
  ky_at(t, __FILE__, __LINE__);
  ky_id operands[KY_OPERANDS];
  int64_t words[KY_OPERANDS + 2 + 3 * KY_FUSION_STEPS];
  for (int k = 0; k < s->operands; k++) words[k] = operands[k] = ky__operand_id(t, &d, x[k]);
  if (d.fault.status != KY_OK) return ky__record(t, &d);
  ky_fusion p;
  write_program(t, &d, operands, s, &p);
  ky__fusion_encode(&p, words + s->operands);
  d.ins.b = ky__push(t, &d, (uint32_t)s->operands + ky__fusion_words(p.steps), words);
  d.ins.c = (uint32_t)s->operands;
  return ky__record(t, &d);
}

/* Rows, columns and single elements, within a tile and across tiles. */
#define SHAPES(...)                                                                            \
  {.shape = {DIMS(2, 3), DIMS(2, 3), DIMS(2, 3)}, __VA_ARGS__},                                \
      {.shape = {DIMS(3, 4), DIMS(4), DIMS(3, 1)}, __VA_ARGS__},                               \
      {.shape = {DIMS(2, 3, 4), {0}, DIMS(1, 4)}, __VA_ARGS__},                                \
      {.shape = {DIMS(2, 1, 3), DIMS(3), DIMS(2, 1, 1)}, __VA_ARGS__},                         \
      {.shape = {DIMS(64, 70), DIMS(64, 1), DIMS(70)}, __VA_ARGS__},                           \
      {.shape = {DIMS(300), DIMS(1), DIMS(300)}, __VA_ARGS__},                                 \
      {.shape = {DIMS(5000), DIMS(5000), DIMS(5000)}, __VA_ARGS__},                            \
      {.shape = {DIMS(3, 400), DIMS(3, 1), DIMS(400)}, __VA_ARGS__},                           \
      {.shape = {DIMS(400, 3), DIMS(3), DIMS(400, 1)}, __VA_ARGS__}, {                         \
    .shape = {{0}, {0}, {0}}, __VA_ARGS__                                                      \
  }

#define SUM  KY_OP_sum
#define MEAN KY_OP_mean

static const ky_sample samples_of_fused[] = {
    SHAPES(.n = {GATE}),
    SHAPES(.n = {NEST}),
    SHAPES(.n = {CLIP},
           .domain = {{0.1, 0.4, UNIFORM, 0}, {-2, 2, INTEGER, 0}, {-0.4, 0.4, UNIFORM, 0}}),
    SHAPES(.n = {LONELY}, .operands = 1),
    {.shape = {DIMS(5), DIMS(5), DIMS(5)}, .n = {GATE, SUM}, .dims = DIMS(0)},
    {.shape = {DIMS(40, 70), DIMS(70), {0}}, .n = {GATE, SUM}, .dims = DIMS(0, 1)},
    {.shape = {DIMS(40, 70), DIMS(70), {0}}, .n = {GATE, MEAN, 1}, .dims = DIMS(0, 1)},
    {.shape = {DIMS(40, 70), DIMS(70), DIMS(40, 1)}, .n = {GATE, MEAN}, .dims = DIMS(0)},
    {.shape = {DIMS(4, 70), DIMS(70), DIMS(4, 1)}, .n = {GATE, MEAN}, .dims = DIMS(1)},
    {.shape = {DIMS(4, 2, 9), DIMS(9), {0}}, .n = {NEST, SUM, 1}, .dims = DIMS(0, 1)},
    {.shape = {DIMS(4, 2, 9), DIMS(9), {0}}, .n = {NEST, SUM, 1}, .dims = DIMS(1, 2)},
    {.shape = {DIMS(3, 600), DIMS(3, 1), DIMS(600)}, .n = {GATE, SUM}, .dims = DIMS(1)},
    {.shape = {DIMS(3, 600), DIMS(3, 1), DIMS(600)}, .n = {GATE, SUM}, .dims = DIMS(0)},
};

static const ky_refusal refusals_of_fused[] = {
    {{.shape = {DIMS(2, 0), DIMS(0), DIMS(2, 1)}, .n = {GATE}}, KY_BAD_SHAPE, "empty"},
    {{.shape = {DIMS(4, 2, 9), DIMS(9), {0}}, .n = {GATE, SUM}, .dims = DIMS(1)},
     KY_BAD_ARGUMENT,
     "ends in opcode"},
    {{.shape = {DIMS(4), DIMS(4), {0}}, .n = {GATE, KY_OP_exp}, .dims = DIMS(0)},
     KY_BAD_ARGUMENT,
     "ends in opcode"},
};

const ky_samples samples_fused = {
    .operands = 3,
    .domain = {{0.3, 1.2, UNIFORM, 0}, {0.3, 1.2, UNIFORM, 0}, {0.3, 1.2, UNIFORM, 0}},
    .each = element, /* says that gradients of broadcast operands are sums, which may cancel */
    .whole = oracle_fused,
    .record = record_fused,
    LIST(sample, samples_of_fused),
    LIST(refusal, refusals_of_fused),
};
