/* SPDX-License-Identifier: MIT */
/* Frame: the mutable half of a tape, one execution of a code. A value is one word: rank 0
 * values live in the word itself, others are pointed at. The same holds for adjoints, which are
 * always dense in row-major order. Forward and adjoint functions see a frame and an
 * instruction's index, nothing else. */
#ifndef KY_FRAME_H
#define KY_FRAME_H

#include "base/team.h"
#include "code.h"
#include "kernels/kernels.h"
#include "kytape/tensor.h"

typedef union ky_word {
  double f64;
  float f32;
  int64_t i64;
  int32_t i32;
  uint8_t mask;
  void *ptr;
} ky_word;

static_assert(sizeof(ky_word) == 8, "one word a value");

/* What an input or param instruction refers to. */
typedef struct ky_bind {
  const void *data;  /* input: the caller's array */
  ky_dtype dtype;    /* of data */
  ky_tensor *weight; /* param: the caller's tensor */
  uint64_t version;  /* of the weight when the forward sweep met it */
  ky_id id;
} ky_bind;

/* Who takes the gradient of a weight in parts, from an adjoint that can give it so: then it is
 * never kept as a whole. */
typedef struct ky_sink {
  ky_id pc, param; /* the only adjoint that contributes, and the weight; 0: nobody */
  bool (*begin)(void *context); /* false: the update refused, and nothing is taken */
  void (*take)(void *context, size_t first, size_t count, const void *grad); /* on any thread */
  /* Takes rows of `width` whose element (i, j) is left[i] right[j]; null: they are put together
   * for `take`. */
  void (*take_outer)(void *context, size_t first, size_t count, size_t width, const void *left,
                     const void *right);
  void *context;
} ky_sink;

typedef struct ky_frame {
  const ky_code *code;
  const ky_kernels *kernels; /* of the level that runs it */
  ky_team *team;             /* who shares the work of large instructions; null: nobody */
  size_t grain;              /* elements of work that make it worth to wake a thread */
  ky_word *val;              /* per instruction */
  ky_word *adj;              /* per instruction; meaningful where `seen` */
  uint8_t *seen;             /* per instruction: the adjoint has its first contribution */
  void **aux;
  ky_bind *bind;
  bool planned;      /* adjoints have their places already */
  uint64_t seed;     /* of random numbers */
  uint64_t draw;     /* number of the forward sweep, as far as random numbers care */
  bool drew;         /* a number has been drawn under `draw` */
  bool probes;       /* custom adjoints are asked whether they honour beta */
  ky_arena adjoints; /* reset by every reverse sweep */
  ky_arena scratch;  /* reset after every instruction that used it */
  ky_fault *fault;   /* first failure of a sweep */
  ky_sink sink;
} ky_frame;

/* Elements of a value, wherever they are. */
static inline void *ky__data(const ky_frame *f, ky_id id) {
  return ky__is_point(f->code, id) ? (void *)&f->val[id] : f->val[id].ptr;
}

/* Dense adjoint of `id`, which must be seen. */
static inline const void *ky__adjoint(const ky_frame *f, ky_id id) {
  return ky__is_point(f->code, id) ? (const void *)&f->adj[id] : f->adj[id].ptr;
}

/* Where an adjoint function puts what it owes to an operand. */
typedef struct ky_dest {
  void *ptr; /* dense, in the operand's shape; null: no gradient wanted, return at once */
  int beta;  /* 0: first contribution, store; 1: add */
} ky_dest;

/* Gives the adjoint of `id` a place; false and a fault when memory ran out. */
bool ky__place_adjoint(ky_frame *f, ky_id id);

/* The destination for operand `id`, null unless `want`. Marks the operand as seen: the caller
 * must then write every element. */
static inline ky_dest ky__dest(ky_frame *f, ky_id id, unsigned want) {
  if (!want) return (ky_dest){NULL, 0};
  const int beta = f->seen[id];
  if (!beta && !f->planned && !ky__place_adjoint(f, id)) return (ky_dest){NULL, 0};
  f->seen[id] = 1;
  return (ky_dest){(void *)(uintptr_t)ky__adjoint(f, id), beta};
}

/* The draw of the sweep that comes. */
static inline uint64_t ky__coming_draw(const ky_frame *f) { return f->draw + f->drew; }

/* Gives random instructions new numbers in the sweep that begins, if they have had any. */
static inline void ky__next_draw(ky_frame *f) {
  f->draw = ky__coming_draw(f);
  f->drew = false;
}

/* The instruction's aux buffer. */
static inline void *ky__aux(const ky_frame *f, ky_id pc) {
  return f->aux[f->code->ins[pc].c >> KY_AUX_SHIFT];
}

/* Scratch memory for the current instruction, 64-byte aligned; null (and a fault) when it runs
 * out. */
void *ky__scratch(ky_frame *f, size_t bytes);

#endif
