/* SPDX-License-Identifier: MIT */
/* A program: code that passes have rewritten, and the plan of the memory that runs it.
 * Immutable once ky_compile has returned it. */
#ifndef KY_PROGRAM_H
#define KY_PROGRAM_H

#include <stdatomic.h>

#include "code.h"
#include "kytape/program.h"
#include "tape/tape.h"

/* The passes in their order: name in text and of the function ky__pass_<name>. */
#define KY_PASSES(X) X(activity) X(fold) X(common) X(dead) X(fuse)

#define KY_NOWHERE SIZE_MAX /* no place in the arena */

/* A weight whose gradient is complete, and whose old value is not needed any more, once the
 * adjoint of `after` has run. */
typedef struct ky_due {
  ky_id after;
  ky_id param;
  bool streams; /* `after` can hand the gradient over in parts */
} ky_due;

/* A value that is computed again before the adjoint of `before` runs, or a view of one. */
typedef struct ky_again {
  ky_id before, id;
  size_t at; /* its place from then on; KY_NOWHERE: it is a view */
} ky_again;

struct ky_program {
  ky_allocator allocator;
  atomic_uint users;   /* its owner, and its executions */
  const ky_tape *tape; /* whose vars name the program's values; not dereferenced */
  ky_era *eras;        /* of the tape when it was compiled */
  uint32_t era_count;
  ky_id *map;         /* tape id -> program id, of inputs and of what was named; else 0 */
  ky_origin *origins; /* by tape id, as passes merge and drop instructions; for messages */
  uint32_t map_count;

  ky_code code;
  uint32_t capacity;
  ky_bind *binds;   /* what inputs and params refer to unless an execution says otherwise */
  ky_id *bound;     /* per binding: the tape's id */
  uint8_t *keep;    /* per instruction: was named, can be read */
  uint8_t *wanted;  /* per instruction: its gradient was asked for */
  ky_id root;       /* 0 for none */
  ky_id constants;  /* instructions 1..constants run once, when an execution is made, */
  ky_id references; /* and those up to here whenever what they refer to is bound */
  bool check;       /* executions stop at what is not finite, as the tape did */
  bool updates;     /* weights are updated inside of the reverse sweep */
  uint64_t seed;    /* of the tape; executions start with it */
  bool turns;       /* the root is last, and its value and adjoint can come in one go */

  size_t *value_at;   /* per instruction: offset in the arena, or KY_NOWHERE */
  size_t *adjoint_at; /* likewise */
  size_t *aux_at;     /* per aux buffer */
  ky_due *dues;       /* in the order of the reverse sweep */
  uint32_t due_count;
  ky_again *again; /* in the order of the reverse sweep */
  uint32_t again_count;
  ky_memory memory;
};

/* A pass at work: it reads and rewrites p->code through the functions below. */
typedef struct ky_pass {
  ky_program *program;
  ky_tape *tape;      /* for values that never change */
  int64_t fuse_least; /* elements, at least 1 */
  uint32_t constants; /* whose bytes the program has got */
  ky_fault *fault;
} ky_pass;

typedef ky_status ky_pass_fn(ky_pass *pass);

#define X(name) ky_pass_fn ky__pass_##name;
KY_PASSES(X)
#undef X

/* Bytes of the elements of a value. */
static inline size_t ky__value_bytes(const ky_code *code, ky_id id) {
  return (size_t)ky__layout(code, id)->count * ky_dtype_size((ky_dtype)code->ins[id].dtype);
}

/* Memory for `count` elements of a pass; null and a fault when it runs out. */
void *ky__pass_alloc(ky_pass *pass, size_t count, size_t element);
void ky__pass_free(ky_pass *pass, void *array, size_t count, size_t element);

/* Rewrites the code: instructions with live[id] 0 go; operands that were id become become[id]
 * (NULL: themselves; become[id] <= id, and live). Constants move to the front. */
ky_status ky__rebuild(ky_pass *pass, const uint8_t *live, const ky_id *become);

/* Turns instruction `id` into a constant with these bytes. */
ky_status ky__make_constant(ky_pass *pass, ky_id id, const void *data, size_t bytes);

/* Whether an instruction is a leaf that is the same in every run. */
bool ky__is_constant(const ky_code *code, ky_id id);

/* Lays out values, adjoints and aux buffers; fills in the plan and its memory. */
ky_status ky__plan_memory(ky_pass *pass);

/* Bytes of scratch memory that any instruction takes when `threads` share it. */
size_t ky__scratch_bound(const ky_code *code, uint32_t threads);

/* What ky_exec_new asks the allocator for, once arena and scratch of p->memory are known. */
size_t ky__exec_bytes(const ky_program *p);

/* Like ky_tape_dump. */
void ky__dump_code(const ky_code *code, FILE *out);

/* Holds every instruction against its row. BAD_TAPE with the reason in `fault`, *pc the
 * culprit. */
ky_status ky__verify_code(ky_code *code, ky_id *pc, ky_fault *fault);

#endif
