/* SPDX-License-Identifier: MIT */
/* The public recording functions. Those of most rows are generated: the row's arity and attr
 * say which arguments a function has and where they go. Leaves stand at the end. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include <string.h>

#include "base/memory.h"
#include "opinfo.h"
#include "ops/family.h"
#include "tape/tape.h"

static ky_var record(ky_tape *t, uint32_t count, const ky_var *operands, ky_draft *d) {
  if (count > 0) d->ins.a = ky__operand_id(t, d, operands[0]);
  if (count > 1) d->ins.b = ky__operand_id(t, d, operands[1]);
  if (count > 2) d->ins.c = ky__operand_id(t, d, operands[2]);
  return ky__record(t, d);
}

/* ---- scalars ----------------------------------------------------------------------------- */

/* Programs made of scalars record nothing else, millions of them: where all operands of an
 * elementwise instruction are live, of rank 0 and of one float dtype, its rule has nothing to
 * say. */
static inline bool takes_points(const ky_tape *t) {
  return t && t->code.count < t->open && t->here.file == t->site_file &&
         (uint32_t)t->here.line < KY_SITE_LINES;
}

static inline bool is_live_point(const ky_tape *t, ky_var v) {
  return ky__is_known(t, v) && ky__is_point(&t->code, v.id);
}

static inline unsigned want_of(const ky_ins *x, unsigned want) {
  return x->flags & KY_WANT_ANY ? want : 0;
}

/* Appends an instruction but for what follows its first operand. Member by member: put together
 * first, they would take a detour through vector registers. */
static inline ky_ins *append_point(ky_tape *t, unsigned op, uint8_t dtype, unsigned wants,
                                   ky_id a) {
  const ky_id id = t->code.count;
  ky_ins *ins = &t->code.ins[id];
  ins->op = (uint16_t)op;
  ins->dtype = dtype;
  ins->flags = (uint8_t)(wants | KY_POINT << KY_CLASS_SHIFT);
  ins->a = a;
  t->code.layout[id] = 0;
  t->code.site[id] = t->site_base | (uint32_t)t->here.line;
  t->code.count = id + 1;
  return ins;
}

/* Everything else. Apart, because a draft is large and would make the functions below save
 * registers; and with their parameters, so that these are passed on where they lie. */
__attribute__((noinline)) static ky_var draft_1(ky_tape *t, ky_var a, double imm, unsigned op) {
  ky_draft d;
  ky__draft(&d, op);
  d.ins.imm = imm;
  return record(t, 1, (ky_var[]){a}, &d);
}

__attribute__((noinline)) static ky_var draft_2(ky_tape *t, ky_var a, ky_var b, unsigned op) {
  ky_draft d;
  ky__draft(&d, op);
  return record(t, 2, (ky_var[]){a, b}, &d);
}

__attribute__((noinline)) static ky_var record_1(ky_tape *t, ky_var a, double imm,
                                                 unsigned op) {
  if (!takes_points(t) || !is_live_point(t, a)) return draft_1(t, a, imm, op);
  const ky_ins *x = &t->code.ins[a.id];
  if (!ky__is_float(x->dtype)) return draft_1(t, a, imm, op);
  append_point(t, op, x->dtype, want_of(x, KY_WANT_A), a.id)->imm = imm;
  return ky__newest_var(t, t->code.count - 1);
}

__attribute__((noinline)) static ky_var record_2(ky_tape *t, ky_var a, ky_var b, unsigned op) {
  if (!takes_points(t) || !is_live_point(t, a) || !is_live_point(t, b))
    return draft_2(t, a, b, op);
  const ky_ins *x = &t->code.ins[a.id], *y = &t->code.ins[b.id];
  if (!ky__is_float(x->dtype) || x->dtype != y->dtype) return draft_2(t, a, b, op);
  ky_ins *ins =
      append_point(t, op, x->dtype, want_of(x, KY_WANT_A) | want_of(y, KY_WANT_B), a.id);
  ins->b = b.id;
  ins->c = 0;
  return ky__newest_var(t, t->code.count - 1);
}

/* ---- generated, by attr ------------------------------------------------------------------ */

#define BUILD_1_NONE(name, rule)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a) {                                                     \
    return (rule == ky__rule_unary ? record_1 : draft_1)(t, a, 0, KY_OP_##name);               \
  }
#define BUILD_1_IMM(name, rule)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, double s) {                                           \
    return (rule == ky__rule_unary ? record_1 : draft_1)(t, a, s, KY_OP_##name);               \
  }
#define BUILD_2_NONE(name, rule)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_var b) {                                           \
    return (rule == ky__rule_binary ? record_2 : draft_2)(t, a, b, KY_OP_##name);              \
  }
#define BUILD_3_NONE(name, ...)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_var b, ky_var c) {                                 \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    return record(t, 3, (ky_var[]){a, b, c}, &d);                                              \
  }
#define BUILD_3_OPT_C(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_var b, ky_var c) {                                 \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    return record(t, c.id ? 3 : 2, (ky_var[]){a, b, c}, &d);                                   \
  }
#define BUILD_1_IMM2(name, ...)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, double s, double u) {                                 \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    if (t) d.ins.b = ky__push(t, &d, 2, (const int64_t[]){ky__f64_bits(s), ky__f64_bits(u)});  \
    return record(t, 1, (ky_var[]){a}, &d);                                                    \
  }
#define BUILD_1_DTYPE(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_dtype dtype) {                                     \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    d.ins.b = (uint32_t)dtype;                                                                 \
    return record(t, 1, (ky_var[]){a}, &d);                                                    \
  }
#define BUILD_1_AXES(name, ...)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, int count, const int64_t *axes, int keepdim) {        \
    return over_axes(t, KY_OP_##name, a, count, axes, keepdim, 0);                             \
  }                                                                                            \
  ky_var ky_##name##_all(ky_tape *t, ky_var a) {                                               \
    return over_axes(t, KY_OP_##name, a, 0, NULL, 0, 0);                                       \
  }
#define BUILD_1_AXES_N(name, ...)                                                              \
  ky_var ky_##name(ky_tape *t, ky_var a, int count, const int64_t *axes, int keepdim, int n) { \
    return over_axes(t, KY_OP_##name, a, count, axes, keepdim, n);                             \
  }                                                                                            \
  ky_var ky_##name##_all(ky_tape *t, ky_var a, int n) {                                        \
    return over_axes(t, KY_OP_##name, a, 0, NULL, 0, n);                                       \
  }
#define BUILD_1_AXIS(name, ...)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, int64_t axis) {                                       \
    return along_axis(t, KY_OP_##name, a, axis, 0);                                            \
  }
#define BUILD_1_AXIS_KEEP(name, ...)                                                           \
  ky_var ky_##name(ky_tape *t, ky_var a, int64_t axis, int keepdim) {                          \
    return along_axis(t, KY_OP_##name, a, axis, keepdim);                                      \
  }
#define BUILD_1_ORDER(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, int64_t axis, int descending) {                       \
    return along_axis(t, KY_OP_##name, a, axis, descending);                                   \
  }
#define BUILD_2_REDUCTION(name, ...)                                                           \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_var b, ky_reduction reduction) {                   \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    d.ins.c = (uint32_t)reduction;                                                             \
    ky__check_reduction(reduction, &d.fault);                                                  \
    return record(t, 2, (ky_var[]){a, b}, &d);                                                 \
  }
#define BUILD_2_TRANS(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, ky_var b) { return ky_##name##_trans(t, a, b, 0); }   \
  ky_var ky_##name##_trans(ky_tape *t, ky_var a, ky_var b, unsigned flags) {                   \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    d.ins.c = flags;                                                                           \
    if (flags & ~(unsigned)(KY_TRANS_A | KY_TRANS_B))                                          \
      ky__fail(&d.fault, KY_BAD_ARGUMENT, "unknown transpose flags 0x%x", flags);              \
    return record(t, 2, (ky_var[]){a, b}, &d);                                                 \
  }
#define BUILD_1_SHAPE(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, int rank, const int64_t *dims) {                      \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    ky__draft_dims(&d, rank, dims);                                                            \
    return record(t, 1, (ky_var[]){a}, &d);                                                    \
  }
#define BUILD_1_PERM(name, ...)                                                                \
  ky_var ky_##name(ky_tape *t, ky_var a, int rank, const int64_t *axes) {                      \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    draft_permutation(&d, rank, axes);                                                         \
    return record(t, 1, (ky_var[]){a}, &d);                                                    \
  }
#define BUILD_1_SLICE(name, ...)                                                               \
  ky_var ky_##name(ky_tape *t, ky_var a, int64_t axis, int64_t start, int64_t stop,            \
                   int64_t step) {                                                             \
    ky_draft d;                                                                                \
    ky__draft(&d, KY_OP_##name);                                                               \
    normalize_axis(t, &d, a, &axis);                                                           \
    if (t) d.ins.b = ky__push(t, &d, 4, (const int64_t[]){axis, start, stop, step});           \
    return record(t, 1, (ky_var[]){a}, &d);                                                    \
  }
#define BUILD_LIST_LIST_AXIS(name, ...)                                                        \
  ky_var ky_##name(ky_tape *t, size_t count, const ky_var *vars, int64_t axis) {               \
    return list_along_axis(t, KY_OP_##name, count, vars, axis);                                \
  }
#define BUILD_LIST_FUSED(name, ...)      /* a pass */
#define BUILD_LIST_LIST_CLASS(name, ...) /* class_losses.c */
#define BUILD_LIST_CUSTOM(name, ...)     /* record_custom.c */
#define BUILD_LIST_LIST_CONV(name, ...)  /* window.c */
#define BUILD_LIST_LIST_NORM(name, ...)  /* normalization.c */
#define BUILD_LIST_ATTENTION(name, ...)  /* sequence.c */
#define BUILD_0_RANDOM(name, ...)        /* random.c */
#define BUILD_1_RANDOM(name, ...)        /* random.c */
#define BUILD_1_POOL(name, ...)          /* window.c */
#define BUILD_1_RESIZE(name, ...)        /* window.c */
#define BUILD_1_ROPE(name, ...)          /* sequence.c */
#define BUILD_LIST_RECURRENT(name, ...)  /* sequence.c */
#define BUILD_LIST_CTC(name, ...)        /* sequence.c */
#define BUILD_1_CLASSES(name, ...)       /* choose.c */
#define BUILD_1_DIAGONAL(name, ...)      /* rearrange.c */
#define BUILD_1_PAD(name, ...)           /* rearrange.c */
#define BUILD_2_AXIS_C(name, ...)        /* choose.c */
#define BUILD_2_PADDING(name, ...)       /* choose.c */
#define BUILD_2_MATRICES(name, ...)      /* linear_algebra.c */
#define BUILD_2_TRIANGLE(name, ...)      /* linear_algebra.c */
#define BUILD_0_NONE(name, ...)
#define BUILD_0_BIND(name, ...)
#define BUILD_0_BLOB(name, ...)
#define BUILD_0_IMM(name, ...)

/* Axes count from the end when negative; the instruction stores them from the front. */
static void normalize_axis(ky_tape *t, ky_draft *d, ky_var a, int64_t *axis) {
  const ky_id id = ky__operand_id(t, d, a);
  if (!id) return;
  ky__axis_from_front(axis, ky__layout(&t->code, id)->rank, &d->fault);
}

static ky_var along_axis(ky_tape *t, ky_op op, ky_var a, int64_t axis, int flag) {
  ky_draft d;
  ky__draft(&d, op);
  normalize_axis(t, &d, a, &axis);
  d.ins.b = (uint32_t)axis;
  d.ins.c = flag != 0;
  return record(t, 1, (ky_var[]){a}, &d);
}

/* n: a number that goes with the axes, in attr AXES_N. */
static ky_var over_axes(ky_tape *t, ky_op op, ky_var a, int count, const int64_t *axes,
                        int keepdim, int n) {
  ky_draft d;
  ky__draft(&d, op);
  d.ins.c = (uint32_t)(keepdim != 0) | ((uint32_t)n & 127u) << 1;
  if (n < 0 || n > 127)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "the number %d is not in 0..127", n);
  const ky_id id = ky__operand_id(t, &d, a);
  const int rank = id ? ky__layout(&t->code, id)->rank : 0;
  ky__check_list(&d.fault, "axes", axes, count, 0, KY_MAX_RANK);
  if (count == 0) d.ins.b = (1u << rank) - 1;
  for (int k = 0; k < count && d.fault.status == KY_OK; k++) {
    int64_t axis = axes[k];
    normalize_axis(t, &d, a, &axis);
    if (d.fault.status != KY_OK) break;
    if (d.ins.b & 1u << axis)
      ky__fail(&d.fault, KY_BAD_AXIS, "axis %lld is repeated", (long long)axes[k]);
    d.ins.b |= 1u << axis;
  }
  return record(t, 1, (ky_var[]){a}, &d);
}

static void draft_permutation(ky_draft *d, int rank, const int64_t *axes) {
  if (rank < 0 || rank > KY_MAX_RANK) {
    ky__fail(&d->fault, KY_BAD_AXIS, "%d axes, wants 0..%d", rank, KY_MAX_RANK);
    return;
  }
  if (rank > 0 && !axes) {
    ky__fail(&d->fault, KY_BAD_ARGUMENT, "axes is null");
    return;
  }
  d->ins.c = (uint32_t)rank;
  for (int k = 0; k < rank; k++) {
    int64_t axis = axes[k];
    ky__axis_from_front(&axis, rank, &d->fault);
    d->ins.b |= ((uint32_t)axis & 15u) << 4 * k;
  }
}

static ky_var list_along_axis(ky_tape *t, ky_op op, size_t count, const ky_var *vars,
                              int64_t axis) {
  ky_draft d;
  ky__draft(&d, op);
  if (!t) return (ky_var){0};
  ky__check_list(&d.fault, "operands", vars, (int64_t)count, 1, UINT32_MAX / 2);
  ky__push_operands(t, &d, (uint32_t)count, vars);
  if (d.fault.status == KY_OK) normalize_axis(t, &d, vars[0], &axis);
  ky__push(t, &d, 1, &axis);
  return ky__record(t, &d);
}

#define OP(name, arity, attr, rule, ...) BUILD_##arity##_##attr(name, ky__rule_##rule)
#include "ops.def"
#undef OP

/* ---- leaves ------------------------------------------------------------------------------ */

static void draft_leaf(ky_draft *d, ky_op op, ky_dtype dtype, int rank, const int64_t *dims) {
  ky__draft(d, op);
  d->ins.dtype = (uint8_t)dtype;
  if (ky__check_dtype((int)dtype, &d->fault) == KY_OK)
    ky__layout_dense(rank, dims, &d->shape, &d->fault);
}

/* A leaf whose array may be of a half dtype; its value is f32 then. */
static void draft_bound(ky_draft *d, ky_op op, ky_dtype dtype, int rank, const int64_t *dims) {
  const bool half = ky__is_half(dtype);
  draft_leaf(d, op, half ? KY_F32 : dtype, rank, dims);
  if (half) d->ins.c = (uint32_t)dtype;
}

/* Appends a leaf that refers to a new binding. */
static ky_var record_bound(ky_tape *t, ky_draft *d, ky_bind bind) {
  if (!t) return (ky_var){0};
  const uint32_t at = t->code.bind_count;
  if (ky__grow(&t->allocator, &t->frame.bind, &t->bind_capacity, at + 1,
               sizeof *t->frame.bind) != KY_OK)
    ky__fail(&d->fault, KY_NO_MEMORY, "no memory for a binding");
  if (d->fault.status == KY_OK) {
    bind.id = t->code.count;
    t->frame.bind[at] = bind;
    d->ins.b = at;
    t->code.bind_count++;
  }
  const ky_var v = ky__record(t, d);
  if (!v.id) t->code.bind_count = at;
  return v;
}

ky_var ky_input(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, const void *data) {
  ky_draft d;
  draft_bound(&d, KY_OP_input, dtype, rank, dims);
  return record_bound(t, &d, (ky_bind){.data = data, .dtype = dtype});
}

ky_status ky_input_set(ky_tape *t, ky_var input, const void *data) {
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  const char *reason = ky__bad_var(t, input);
  if (reason) return ky__error(t, KY_BAD_VAR, "input_set: %s", reason);
  const ky_ins *i = &t->code.ins[input.id];
  if (i->op != KY_OP_input)
    return ky__error(t, KY_BAD_ARGUMENT, "input_set: %s is not an input",
                     ky__value_name(&t->code, input.id).text);
  if (!data && ky__layout(&t->code, input.id)->count != 0)
    return ky__error(t, KY_BAD_ARGUMENT, "input_set: the data of %s is null",
                     ky__value_name(&t->code, input.id).text);
  t->frame.bind[i->b].data = data;
  if (t->done > input.id) t->done = input.id;
  return KY_OK;
}

/* The slot of `w`, taken or free. There is always a free one. */
static ky_weight_slot *weight_slot(ky_weight_slot *slots, uint32_t count, const ky_tensor *w) {
  uint32_t k = (uint32_t)(((uintptr_t)w >> 4) * 0x9E3779B97F4A7C15u >> 32) & (count - 1);
  while (slots[k].weight && slots[k].weight != w) k = (k + 1) & (count - 1);
  return &slots[k];
}

/* Makes room for one more weight, forgetting those that were rewound. */
static ky_status weight_slots_grow(ky_tape *t) {
  if (2 * (t->weight_slot_used + 1) <= t->weight_slot_count) return KY_OK;
  uint32_t count = 16;
  while (count < 4 * (t->code.bind_count + 1)) count *= 2;
  ky_weight_slot *slots = ky__resize(&t->allocator, NULL, 0, count * sizeof *slots);
  if (!slots) return KY_NO_MEMORY;
  memset(slots, 0, count * sizeof *slots);
  t->weight_slot_used = 0;
  for (uint32_t k = 0; k < t->code.bind_count; k++) {
    const ky_bind *bind = &t->frame.bind[k];
    if (!bind->weight) continue;
    *weight_slot(slots, count, bind->weight) = (ky_weight_slot){bind->weight, bind->id};
    t->weight_slot_used++;
  }
  ky__resize(&t->allocator, t->weight_slots, t->weight_slot_count * sizeof *slots, 0);
  t->weight_slots = slots;
  t->weight_slot_count = count;
  return KY_OK;
}

/* Whether `slot` names a param that is still on the tape. */
static bool slot_is_live(const ky_tape *t, const ky_weight_slot *slot) {
  if (!slot->weight || slot->id >= t->code.count) return false;
  const ky_ins *i = &t->code.ins[slot->id];
  return i->op == KY_OP_param && t->frame.bind[i->b].weight == slot->weight;
}

ky_var ky_param(ky_tape *t, ky_tensor *weight) {
  ky_draft d;
  if (!t || t->pending != KY_OK) return (ky_var){0};
  const ky_array array = ky_tensor_array(weight);
  draft_bound(&d, KY_OP_param, array.dtype, array.rank, array.dims);
  d.ins.flags = KY_WANT_SELF;
  if (!weight)
    ky__fail(&d.fault, KY_BAD_ARGUMENT, "the tensor is null");
  else if (weight_slots_grow(t) != KY_OK)
    ky__fail(&d.fault, KY_NO_MEMORY, "no memory for the table of weights");
  if (d.fault.status != KY_OK) return ky__record(t, &d);
  ky_weight_slot *slot = weight_slot(t->weight_slots, t->weight_slot_count, weight);
  if (slot_is_live(t, slot)) return ky__var(t, slot->id);
  const ky_var v = record_bound(t, &d, (ky_bind){.weight = weight});
  if (!v.id) return v;
  t->weight_slot_used += !slot->weight;
  *slot = (ky_weight_slot){weight, v.id};
  return v;
}

ky_var ky_constant(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims,
                   const void *data) {
  ky_draft d;
  if (!t) return (ky_var){0};
  draft_leaf(&d, KY_OP_constant, dtype, rank, dims);
  if (!data && d.shape.count != 0) ky__fail(&d.fault, KY_BAD_ARGUMENT, "data is null");
  const ky_place mark = ky__arena_mark(&t->code.blobs);
  if (d.fault.status == KY_OK) {
    const size_t bytes = (size_t)d.shape.count * ky_dtype_size(dtype);
    char *blob = ky__arena_alloc(&t->code.blobs, bytes);
    if (blob) {
      if (bytes) memcpy(blob, data, bytes);
      d.ins.a = t->code.blobs.current;
      d.ins.b = (uint32_t)((size_t)(blob - t->code.blobs.chunks[d.ins.a].base) / KY_ALIGN);
    } else {
      ky__fail(&d.fault, KY_NO_MEMORY, "no memory for %zu bytes", bytes);
    }
  }
  const ky_var v = ky__record(t, &d);
  if (!v.id) ky__arena_reset(&t->code.blobs, mark);
  return v;
}

ky_var ky_full(ky_tape *t, ky_dtype dtype, int rank, const int64_t *dims, double value) {
  ky_draft d;
  draft_leaf(&d, KY_OP_full, dtype, rank, dims);
  d.ins.imm = value;
  return ky__record(t, &d);
}

ky_var ky_scalar(ky_tape *t, ky_dtype dtype, double value) {
  return ky_full(t, dtype, KY_SCALAR, value);
}

ky_var ky_iota(ky_tape *t, ky_dtype dtype, int64_t count, double start) {
  ky_draft d;
  draft_leaf(&d, KY_OP_iota, dtype, 1, &count);
  d.ins.imm = start;
  return ky__record(t, &d);
}
