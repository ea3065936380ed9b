/* SPDX-License-Identifier: MIT */
/* Recording of the operations on sequences. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include <math.h>

#include "ops/family.h"
#include "tape/composition.h"

ky_var ky_rope(ky_tape *t, ky_var x, int64_t first, double base, ky_rope_pairs pairs) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, KY_OP_rope);
  if ((unsigned)pairs > KY_ROPE_NEIGHBOURS)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "unknown pairs %d", (int)pairs);
  d.ins.a = ky__operand_id(t, &d, x);
  d.ins.b = ky__push(t, &d, 2, (const int64_t[]){first, ky__f64_bits(base)});
  d.ins.c = (uint32_t)pairs;
  return ky__record(t, &d);
}

ky_var ky_attention(ky_tape *t, ky_var q, ky_var k, ky_var v, ky_var mask, int causal,
                    double scale) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, KY_OP_attention);
  if (!isfinite(scale))
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "scale is %g, wants a finite number", scale);
  const ky_id id = ky__operand_id(t, &d, q);
  if (id && scale == 0) {
    const ky_layout *l = ky__layout(&t->code, id);
    const int64_t width = l->rank ? l->dims[l->rank - 1] : 1;
    scale = width > 0 ? 1 / sqrt((double)width) : 1;
  }
  ky__push_operands(t, &d, 4, (ky_var[]){q, k, v, mask});
  ky__push(t, &d, 2, (const int64_t[]){causal != 0, ky__f64_bits(scale)});
  return ky__record(t, &d);
}

ky_var ky_ctc(ky_tape *t, ky_var log_probs, ky_var targets, ky_var input_lengths,
              ky_var target_lengths, int64_t blank, int zero_infinity, ky_reduction reduction) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, KY_OP_ctc);
  ky__check_reduction(reduction, &d.fault);
  ky__push_operands(t, &d, 4, (ky_var[]){log_probs, targets, input_lengths, target_lengths});
  ky__push(t, &d, 2, (const int64_t[]){blank, (int64_t)reduction | (zero_infinity ? 4 : 0)});
  return ky__record(t, &d);
}

/* ---- recurrent layers -------------------------------------------------------------------- */

static ky_var record_sequence(ky_tape *t, ky_op op, const ky_var vars[4]) {
  if (!t) return ky_none();
  ky_draft d;
  ky__draft(&d, op);
  ky__push_operands(t, &d, 4, vars);
  return ky__record(t, &d);
}

ky_var ky_lstm_sequence(ky_tape *t, ky_var x, ky_var w, ky_var h0, ky_var c0) {
  return record_sequence(t, KY_OP_lstm_sequence, (ky_var[]){x, w, h0, c0});
}

ky_var ky_gru_sequence(ky_tape *t, ky_var x, ky_var w, ky_var h0, ky_var bias) {
  return record_sequence(t, KY_OP_gru_sequence, (ky_var[]){x, w, h0, bias});
}

/* Whether a bias, if there is one, has an element for each gate: the sum of two would be
 * broadcast. */
static bool fits_gates(const ky_composition *c, const char *which, const ky_rnn_weights *w,
                       ky_var bias) {
  if (!bias.id) return true;
  const ky_layout *b = ky__var_layout(c, bias);
  const ky_layout *rows = ky__var_layout(c, w->w_hh);
  if (rows->rank == 0 || (b->rank == 1 && b->count == rows->dims[0])) return true;
  char words[128];
  ky_text text = {words, sizeof words, 0};
  ky__say_dims(&text, b);
  ky__refuse(c->t, KY_BAD_SHAPE, c->name, "the %s bias is %s, wants [%lld]", which, words,
             (long long)rows->dims[0]);
  return false;
}

/* Checks what a layer is given; its steps, or 0 after an error. */
static int64_t begin_layer(ky_composition *c, ky_tape *t, const char *name, ky_var x,
                           const ky_rnn_weights *w, ky_var h0, ky_var c0) {
  if (!t) return 0;
  if (!w) {
    ky__refuse(t, KY_BAD_ARGUMENT, name, "the weights are null");
    return 0;
  }
  const ky_var vars[7] = {x, w->w_ih, w->w_hh, w->b_ih, w->b_hh, h0, c0};
  if (!ky__compose(c, t, name, 7, 3, vars)) return 0;
  if (!fits_gates(c, "input", w, w->b_ih) || !fits_gates(c, "recurrent", w, w->b_hh)) return 0;
  const ky_layout *l = ky__layout(&t->code, x.id);
  if (l->rank == 3 && l->dims[0] > 0) return l->dims[0];
  if (l->rank == 3)
    ky__refuse(t, KY_BAD_SHAPE, name, "there are no steps");
  else
    ky__refuse(t, KY_BAD_SHAPE, name, "wants x [t,b,n], got rank %d", (int)l->rank);
  return 0;
}

ky_var ky_lstm(ky_tape *t, ky_var x, const ky_rnn_weights *w, ky_var h0, ky_var c0, ky_var *h,
               ky_var *c) {
  if (h) *h = ky_none();
  if (c) *c = ky_none();
  ky_composition layer;
  const int64_t steps = begin_layer(&layer, t, "lstm", x, w, h0, c0);
  if (!steps) return ky_none();
  ky_var bias = w->b_ih.id ? w->b_ih : w->b_hh;
  if (w->b_ih.id && w->b_hh.id) bias = ky_add(t, w->b_ih, w->b_hh);
  const ky_var gates = ky_linear(t, x, w->w_ih, bias);
  const ky_var all = ky_lstm_sequence(t, gates, w->w_hh, h0, c0);
  const ky_var last = h && all.id ? ky_select(t, all, 0, steps - 1) : all;
  const ky_var cell = c && last.id ? ky_select(t, all, 0, steps) : last;
  const ky_var out = cell.id ? ky_slice(t, all, 0, 0, steps, 1) : cell;
  if (h && out.id) *h = last;
  if (c && out.id) *c = cell;
  return ky__composed(&layer, out);
}

ky_var ky_gru(ky_tape *t, ky_var x, const ky_rnn_weights *w, ky_var h0, ky_var *h) {
  if (h) *h = ky_none();
  ky_composition layer;
  const int64_t steps = begin_layer(&layer, t, "gru", x, w, h0, ky_none());
  if (!steps) return ky_none();
  const ky_var gates = ky_linear(t, x, w->w_ih, w->b_ih);
  const ky_var out = ky_gru_sequence(t, gates, w->w_hh, h0, w->b_hh);
  const ky_var last = h && out.id ? ky_select(t, out, 0, steps - 1) : out;
  if (h && last.id) *h = last;
  return ky__composed(&layer, last.id ? out : last);
}
