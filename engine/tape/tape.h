/* SPDX-License-Identifier: MIT */
/* The tape: a code that grows, the frame that runs it, and what recording needs. */
#ifndef KY_TAPE_H
#define KY_TAPE_H

#include "code.h"
#include "frame.h"
#include "kytape/tape.h"

/* Values from `start` up to the next era's start were recorded in era `number`. Starts rise, so
 * an era whose values were all rewound is gone. */
typedef struct ky_era {
  ky_id start;
  uint32_t number;
} ky_era;

/* Which instruction is the param of a weight, so that a weight is recorded once. */
typedef struct ky_weight_slot {
  const ky_tensor *weight;
  ky_id id;
} ky_weight_slot;

/* Arrays with one element an instruction. */
#define KY_COLUMNS 6

struct ky_tape {
  ky_line here; /* first, for ky_here */
  ky_allocator allocator;
  uint32_t flags;
  bool gemm_ready;   /* BLIS has allocated what it needs */
  uint32_t capacity; /* instructions that every column has room for */
  uint32_t column_capacity[KY_COLUMNS];
  uint32_t open; /* capacity, or 0 while an error is pending or the tape is eager: below it,
                    scalars are appended without a further look */
  const char *site_file; /* whose sites begin at site_base; 0 is unknown */
  uint32_t site_base;

  ky_code code;
  ky_frame frame;
  ky_arena values;
  uint32_t bind_capacity;
  uint32_t aux_capacity;

  ky_weight_slot *weight_slots; /* hash table; entries may be out of date */
  uint32_t weight_slot_count;
  uint32_t weight_slot_used;

  ky_era *eras;
  uint32_t era_count;
  uint32_t era_capacity;
  uint32_t era_number; /* of the newest */

  ky_id done; /* first instruction that has not run */
  ky_id root; /* of the last reverse sweep; 0 for none */
  ky_grad_pair *pairs;
  uint32_t pair_capacity;
  ky_word *points; /* gradients of rank 0 in `pairs`: their column may move */
  uint32_t point_capacity;

  ky_status pending;  /* the first error since the last check */
  char message[576];  /* of the newest error */
  ky_fault fault;     /* of the running sweep */
  uint32_t pool_kept; /* pool words that belong to recorded instructions */
};

/* ---- errors ----------------------------------------------------------------------------- */

/* Sets the message; returns `status`. For functions that return one. */
__attribute__((format(printf, 3, 4))) ky_status ky__error(ky_tape *t, ky_status status,
                                                          const char *format, ...);

/* BAD_VAR, and "call: why", unless `v` is live. The message about a null var ends with the last
 * error: it is why the var is null, most likely. */
ky_status ky__refuse_var(ky_tape *t, const char *call, ky_var v);

/* The line that a site stands for; its file is null where that is unknown. */
ky_line ky__line_of(const ky_code *code, uint32_t site);

/* "train.c:12"; nothing for an unknown line. And of a site. */
void ky__say_line(ky_text *text, ky_line at);
void ky__say_site(ky_text *text, const ky_code *code, uint32_t site);

/* What a value was recorded as, and where. */
typedef struct ky_origin {
  uint32_t site;
  uint16_t op;
} ky_origin;

static inline ky_origin ky__origin(const ky_code *code, ky_id id) {
  return (ky_origin){code->site[id], code->ins[id].op};
}

/* "%4 (tanh, train.c:12)", for messages. code: whose files the site refers to. */
typedef struct ky_value_name {
  char text[128];
} ky_value_name;

ky_value_name ky__name_value(const ky_code *code, ky_id id, ky_origin from);

/* The name of a value of this code. */
static inline ky_value_name ky__value_name(const ky_code *code, ky_id id) {
  return ky__name_value(code, id, ky__origin(code, id));
}

/* Makes `status` the pending error, or OK none. */
static inline void ky__set_pending(ky_tape *t, ky_status status) {
  t->pending = status;
  t->open = status == KY_OK && !(t->flags & KY_EAGER) ? t->capacity : 0;
}

/* ---- vars ------------------------------------------------------------------------------- */

/* The number of the era in which instruction `id` was recorded; the first era starts at 0. */
static inline uint32_t ky__era_of(const ky_era *eras, uint32_t count, ky_id id) {
  const ky_era *era = &eras[count - 1];
  while (era->start > id) era--;
  return era->number;
}

ky_var ky__var(const ky_tape *t, ky_id id);

/* The same of an instruction that has just been recorded. */
static inline ky_var ky__newest_var(const ky_tape *t, ky_id id) {
  return (ky_var){t, id, t->era_number};
}

/* Whether `v` names an instruction of the tape; and whether that has a value, as all have but
 * the first. */
static inline bool ky__is_known(const ky_tape *t, ky_var v) {
  return v.tape == t && v.id < t->code.count &&
         (v.era == t->era_number || v.era == ky__era_of(t->eras, t->era_count, v.id));
}

static inline bool ky__is_live(const ky_tape *t, ky_var v) {
  return v.id && ky__is_known(t, v);
}

/* Why `v` is no live value of `t`, as a sentence; NULL when it is one. */
const char *ky__bad_var(const ky_tape *t, ky_var v);

/* ---- recording -------------------------------------------------------------------------- */

/* Takes back what was recorded since the mark and no caller has seen: unlike ky_tape_rewind it
 * takes no memory, and leaves the last sweeps alone. */
void ky__withdraw(ky_tape *t, ky_mark mark);

/* Where the pointers to the arrays are kept, and the sizes of their elements. */
void ky__columns(ky_tape *t, void *columns[KY_COLUMNS]);
extern const size_t ky__column_bytes[KY_COLUMNS];

/* Makes room for `need` instructions. */
ky_status ky__reserve(ky_tape *t, uint32_t need);

/* A recording under way: what a builder gathers, and the first thing wrong with it. Large
 * members are not cleared: recording a scalar must cost nanoseconds. */
typedef struct ky_draft {
  ky_ins ins;
  ky_fault fault;
  ky_layout shape; /* for leaves and attr SHAPE, else its rank is 0 */
} ky_draft;

static inline void ky__draft(ky_draft *d, unsigned op) {
  d->ins = (ky_ins){.op = (uint16_t)op};
  d->fault.status = KY_OK;
  d->shape.rank = 0;
  d->shape.count = 0;
}

/* The operand's id. A null, foreign or rewound var becomes the draft's fault. */
ky_id ky__operand_id(const ky_tape *t, ky_draft *d, ky_var v);

/* Keeps dims for the rule, which judges them; -1 is left for reshape to work out. */
void ky__draft_dims(ky_draft *d, int rank, const int64_t *dims);

/* Appends words to the pool, cut off again if the recording fails; returns the first one's
 * index. */
uint32_t ky__push(ky_tape *t, ky_draft *d, uint32_t count, const int64_t *words);

/* Appends the ids of operands as the draft's list; words that are pushed next stand behind it.
 * One that may be absent, and is the null var, is 0. */
void ky__push_operands(ky_tape *t, ky_draft *d, uint32_t count, const ky_var *vars);

/* Appends the draft's instruction if its rule agrees. Otherwise the tape is as it was, the
 * reason is its pending error ("file:line: op: shapes: reason"), and the null var comes back.
 */
ky_var ky__record(ky_tape *t, ky_draft *d);

/* Bits of the operands that want a gradient. */
uint8_t ky__wanted_flags(const ky_code *code, const ky_ins *ins);

/* Marks the operands that want a gradient in the instructions from `begin` on. */
void ky__spread_wants(ky_tape *t, ky_id begin);

/* ---- sweeps ------------------------------------------------------------------------------ */

/* Runs the instructions begin..end-1; returns `end`, or the one that faulted. check: stop at
 * values that are not finite. */
ky_id ky__sweep_forward(ky_frame *f, ky_id begin, ky_id end, bool check);

/* Gives the root its adjoint: the cotangent, or ones. */
ky_status ky__seed(ky_frame *f, ky_id root, const void *cotangent);

/* Runs the adjoints of begin, begin-1, ..., end+1; returns `end`, or the one that faulted. */
ky_id ky__sweep_reverse(ky_frame *f, ky_id begin, ky_id end, bool check);

/* Faults unless the adjoint of `pc`, which must be seen, is finite. */
void ky__check_adjoint(ky_frame *f, ky_id pc);

/* A weight below `root` that changed since the forward sweep met it; 0 for none. */
ky_id ky__stale_weight(const ky_code *code, const ky_bind *binds, ky_id root);

/* "train.c:12: log: " and the fault's text. */
void ky__say_fault(ky_text *text, const ky_code *code, ky_id pc, const ky_fault *fault);

/* Runs what is pending. OK when `id` has run, whatever fails behind it. */
ky_status ky__run_pending(ky_tape *t, ky_id id);

#endif
