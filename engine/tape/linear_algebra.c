/* SPDX-License-Identifier: MIT */
/* The recording functions of ops_linear_algebra.h, einsum aside. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "opinfo.h"
#include "tape/composition.h"

/* Whether an operand has to be expanded to the batch axes that a and b have together; these
 * dims then. False also when it cannot be, which is for the rule to say. */
static bool expands(const ky_layout *l, const ky_layout *batch, int64_t dims[KY_MAX_RANK],
                    int *rank) {
  if (batch->rank + 2 > KY_MAX_RANK) return false;
  *rank = batch->rank + 2;
  for (int k = 0; k < batch->rank; k++) dims[k] = batch->dims[k];
  dims[*rank - 2] = l->dims[l->rank - 2];
  dims[*rank - 1] = l->dims[l->rank - 1];
  bool same = *rank == l->rank;
  for (int k = 0; same && k < *rank; k++) same = dims[k] == l->dims[k];
  return !same;
}

/* Lets a and b have the same batch axes, by views; leaves them when they do not fit. */
static void broadcast_batches(ky_tape *t, ky_var *a, ky_var *b) {
  ky_layout la = *ky__layout(&t->code, a->id), lb = *ky__layout(&t->code, b->id), batch;
  if (la.rank < 2 || lb.rank < 2) return;
  ky_layout batch_a = la, batch_b = lb;
  batch_a.rank -= 2;
  batch_b.rank -= 2;
  ky_fault fault = {0};
  if (ky__broadcast(&batch_a, &batch_b, &batch, &fault) != KY_OK) return;
  int64_t dims[KY_MAX_RANK];
  int rank;
  if (expands(&la, &batch, dims, &rank)) *a = ky_expand(t, *a, rank, dims);
  if (expands(&lb, &batch, dims, &rank)) *b = ky_expand(t, *b, rank, dims);
}

/* One instruction, behind the views that broadcast its operands. */
static ky_var record(ky_tape *t, ky_op op, ky_var a, ky_var b, unsigned flags) {
  ky_draft d;
  ky__draft(&d, op);
  d.ins.a = ky__operand_id(t, &d, a);
  d.ins.b = ky__operand_id(t, &d, b);
  d.ins.c = flags;
  if (!t || d.fault.status != KY_OK) return ky__record(t, &d);
  const ky_composition c = ky__begin_composition(t, ky__opinfo[op].name);
  broadcast_batches(t, &a, &b);
  if (!a.id || !b.id) return ky__composed(&c, (ky_var){0});
  d.ins.a = a.id;
  d.ins.b = b.id;
  return ky__composed(&c, ky__record(t, &d));
}

ky_var ky_triangular_solve(ky_tape *t, ky_var a, ky_var b, unsigned flags) {
  return record(t, KY_OP_triangular_solve, a, b, flags);
}

ky_var ky_solve(ky_tape *t, ky_var a, ky_var b) { return record(t, KY_OP_solve, a, b, 0); }

/* ---- vectors ----------------------------------------------------------------------------- */

static bool are_vectors(const ky_composition *c, ky_var a, ky_var b, bool same) {
  const ky_layout *la = ky__var_layout(c, a), *lb = ky__var_layout(c, b);
  if (la->rank == 1 && lb->rank == 1 && (!same || la->count == lb->count)) return true;
  char words[2][128];
  ky_text ta = {words[0], sizeof words[0], 0}, tb = {words[1], sizeof words[1], 0};
  ky__say_dims(&ta, la);
  ky__say_dims(&tb, lb);
  ky__refuse(c->t, KY_BAD_SHAPE, c->name, "wants two vectors%s, got %s and %s",
             same ? " of one size" : "", words[0], words[1]);
  return false;
}

ky_var ky_dot(ky_tape *t, ky_var a, ky_var b) {
  ky_composition c;
  if (!ky__compose(&c, t, "dot", 2, 2, (ky_var[]){a, b}) || !are_vectors(&c, a, b, true))
    return (ky_var){0};
  return ky__composed(&c, ky_sum_all(t, ky_mul(t, a, b)));
}

ky_var ky_outer(ky_tape *t, ky_var a, ky_var b) {
  ky_composition c;
  if (!ky__compose(&c, t, "outer", 2, 2, (ky_var[]){a, b}) || !are_vectors(&c, a, b, false))
    return (ky_var){0};
  const int64_t m = ky__layout(&t->code, a.id)->count;
  return ky__composed(&c, ky_mul(t, ky_reshape(t, a, KY_SHAPE(m, 1)), b));
}
