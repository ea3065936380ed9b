/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the forward and adjoint functions of the table, answers
 * of shape rules, and walks over operands that are not dense. */
#ifndef KY_FAMILY_H
#define KY_FAMILY_H

#include "code.h"
#include "frame.h"
#include "opinfo.h"

typedef void ky_forward_fn(ky_frame *f, ky_id pc);

#define KY_VJP_DIFF(name)  ky_forward_fn vjp_##name;
#define KY_VJP_CONST(name) /* no gradient passes */
#define OP(name, arity, attr, rule, grad, ...)                                                 \
  ky_forward_fn fwd_##name;                                                                    \
  KY_VJP_##grad(name)
#include "ops.def"
#undef OP
#undef KY_VJP_DIFF
#undef KY_VJP_CONST

/* ---- shape rules ------------------------------------------------------------------------ */

static inline bool ky__is_float(unsigned dtype) { return dtype == KY_F32 || dtype == KY_F64; }

static inline const ky_layout *ky__layout_of(const ky_query *q, ky_id id) {
  return ky__layout(q->code, id);
}

static inline ky_dtype ky__dtype_of(const ky_query *q, ky_id id) {
  return (ky_dtype)q->code->ins[id].dtype;
}

/* The dense layout with the dims of `layout`, interned as the result's. */
ky_status ky__answer(ky_query *q, ky_dtype dtype, const ky_layout *layout);

/* The same with the dims of operand `id`: what is dense already needs no look-up. */
ky_status ky__answer_like(ky_query *q, ky_dtype dtype, ky_id id);

/* The result shares its operand's memory, with exactly these strides. */
ky_status ky__answer_view(ky_query *q, ky_dtype dtype, const ky_layout *layout);

/* BAD_DTYPE, with a reason, unless values can be of this dtype. */
ky_status ky__check_dtype(int64_t dtype, ky_fault *fault);

/* BAD_DTYPE, with a reason, unless an operand of this dtype is f32 or f64. */
ky_status ky__check_float(unsigned dtype, ky_fault *fault);

/* BAD_DTYPE unless operand `id` is f32 or f64. */
ky_status ky__need_float(const ky_query *q, ky_id id);

/* BAD_DTYPE unless operands a and b have one dtype. */
ky_status ky__need_same_dtype(const ky_query *q, ky_id a, ky_id b);

/* BAD_DTYPE, with a reason, unless they are one. */
ky_status ky__check_dtypes(ky_dtype a, ky_dtype b, ky_fault *fault);

/* BAD_ARGUMENT, with a reason, unless it is a ky_reduction. */
ky_status ky__check_reduction(unsigned reduction, ky_fault *fault);

/* ---- shared work ------------------------------------------------------------------------- */

/* The grain of a job whose items have `elements` each. */
static inline size_t ky__grain_of(const ky_frame *f, size_t elements) {
  return elements < f->grain ? f->grain / (elements ? elements : 1) : 1;
}

/* The grain of a job that may be cut at multiples of `unit` elements alone. */
static inline size_t ky__whole_grain(const ky_frame *f, size_t unit) {
  return f->grain > unit ? f->grain / unit * unit : unit;
}

/* The element of an array of elements of `size` bytes. */
static inline void *ky__element(const void *base, size_t index, size_t size) {
  return (char *)(uintptr_t)base + index * size;
}

/* The array that begins `elements` further on, or earlier; null for null. */
static inline void *ky__moved(const void *base, int64_t elements, size_t size) {
  return base ? (char *)(uintptr_t)base + elements * (int64_t)size : NULL;
}

/* ky__multiply, shared by the frame's team. Not from within a job. */
void ky__product(const ky_frame *f, ky_dtype dtype, const ky_product *p);

/* Whether `pc` is a linear layer that hands the gradient of its weight to a sink in parts, if
 * it is the only one to use it: one of few rows, as the factors of others would be read again
 * for each part, and of a weight that is not near anyway. */
bool ky__streams_weight(const ky_code *code, ky_id pc);

/* out = beta out + sum / n for the sum of `count` elements that follow each other, shared by
 * the frame's team. Not from within a job. */
void ky__sum_run(const ky_frame *f, ky_dtype dtype, size_t count, void *out, int beta, double n,
                 const void *in);

/* ---- walks ------------------------------------------------------------------------------- */

#define KY_NARROW 16 /* elements of a row that is not worth a call of its own */

/* Array `n` of a walk, advanced to the current run. */
static inline void *ky__run(const void *base, const ky_walk *w, int n, size_t size) {
  return (char *)(uintptr_t)base + w->offset[n] * (int64_t)size;
}

/* Plans a walk over `space` of a dense array (array 0) and `operands` more, broadcast. */
void ky__plan(ky_loop *loop, const ky_layout *space, int operands,
              const ky_layout *const layouts[]);

/* A part of a loop nest: one axis is cut short, and `at` stands where it begins. */
typedef void ky_loop_job(void *context, uint32_t piece, const ky_loop *part, ky_walk at);

/* Runs `job` over `loop`, whose innermost runs are of items of `each` elements; nothing where
 * an extent is 0. The frame's team shares it, cut along an axis on which array `written` moves:
 * no two parts write the same element. The innermost axis is cut at multiples of `unit`. Not
 * from within a job. */
void ky__share_loop(const ky_frame *f, const ky_loop *loop, int written, size_t each,
                    size_t unit, ky_loop_job *job, void *context);

/* One run of a walk: n elements of each array, `step` elements apart. */
typedef struct ky_strip {
  size_t n;
  void *at[KY_LOOP_ARRAYS];
  ptrdiff_t step[KY_LOOP_ARRAYS];
} ky_strip;

typedef void ky_strip_job(const void *context, const ky_strip *strip);

/* An array that is walked: its first element, and the size of one. */
typedef struct ky_walked {
  const void *base;
  size_t size;
} ky_walked;

/* Runs `job` over all runs of a loop nest over `arrays`, of which the first is written, shared
 * by the frame's team. each: as for ky__share_loop. Not from within a job. */
void ky__walk(const ky_frame *f, const ky_loop *loop, size_t each, const ky_walked *arrays,
              ky_strip_job *job, const void *context);

/* dst = beta dst + src for float dtypes, both in the index space of `space`, each with its
 * strides. With beta 0 any dtype. Shared by the frame's team, as what follows is: not from
 * within a job. */
void ky__copy(const ky_frame *f, ky_dtype dtype, const ky_layout *space, void *dst,
              const int64_t *dst_strides, int beta, const void *src,
              const int64_t *src_strides);

/* The same for `count` elements that follow each other on both sides. */
void ky__copy_run(const ky_frame *f, ky_dtype dtype, size_t count, void *dst, int beta,
                  const void *src);

/* Zeros. */
void ky__clear(const ky_frame *f, void *dst, size_t bytes);

/* The value of `id`, dense: itself or a scratch copy. Null for id 0, and with a fault when
 * memory ran out. */
const void *ky__dense_value(ky_frame *f, ky_id id);

/* A value of a code as an array. dense: as the adjoint lies, in row-major order. */
ky_array ky__describe(const ky_code *code, ky_id id, const void *data, bool dense);

/* Undoes a broadcast: dst (dense, dims of `to`) = beta dst + src (dense, dims of `from`),
 * summed over the axes along which `to` broadcasts to `from`. */
void ky__sum_to(const ky_frame *f, ky_dtype dtype, ky_dest dst, const ky_layout *to,
                const void *src, const ky_layout *from);

#endif
