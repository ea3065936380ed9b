/* SPDX-License-Identifier: MIT */
/* The two sweeps: one walks up and runs the forward functions, one walks down and runs the
 * adjoints. Each is a switch with one line per row of ops.def. No recursion: the tape is the
 * stack. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "opinfo.h"
#include "ops/family.h"
#include "ops/point.h"
#include "tape/tape.h"

/* ---- dispatch ---------------------------------------------------------------------------- */

static inline void forward_step(ky_frame *f, ky_id pc) {
  switch ((ky_op)f->code->ins[pc].op) {
#define OP(name, ...)                                                                          \
  case KY_OP_##name:                                                                           \
    fwd_##name(f, pc);                                                                         \
    break;
#include "ops.def"
#undef OP
  case KY_OP_COUNT: break;
  }
}

#define KY_VJP_DIFF(name)  vjp_##name(f, pc)
#define KY_VJP_CONST(name) (void)0
static inline void reverse_step(ky_frame *f, ky_id pc) {
  switch ((ky_op)f->code->ins[pc].op) {
#define OP(name, arity, attr, rule, grad, ...)                                                 \
  case KY_OP_##name:                                                                           \
    KY_VJP_##grad(name);                                                                       \
    break;
#include "ops.def"
#undef OP
  case KY_OP_COUNT: break;
  }
}
#undef KY_VJP_DIFF
#undef KY_VJP_CONST

/* ---- finite checks ----------------------------------------------------------------------- */

/* Faults with the place of the first element of an array that is NaN or infinite. */
static void check_finite(ky_frame *f, ky_id pc, const char *what, const void *data,
                         const ky_layout *layout) {
  const ky_dtype dtype = (ky_dtype)f->code->ins[pc].dtype;
  if (!ky__is_float(dtype)) return;
  const int last = layout->rank - 1;
  const bool whole = layout->dense || last < 0;
  const int64_t run = whole ? layout->count : layout->dims[last];
  const int64_t step = whole ? 1 : layout->strides[last];
  for (int64_t n = 0; n < layout->count; n += run) {
    const int64_t offset = ky__offset_of(layout, layout->rank, n);
    const char *x = (const char *)data + offset * (int64_t)ky_dtype_size(dtype);
    const int64_t at = (int64_t)f->kernels->copy->first_nonfinite(dtype, (size_t)run, x, step);
    if (at == run) continue;
    char place[128];
    ky_text text = {place, sizeof place, 0};
    ky__say_index(&text, layout, n + at);
    const double value = dtype == KY_F32 ? (double)((const float *)x)[at * step]
                                         : ((const double *)x)[at * step];
    ky__fail(f->fault, KY_NONFINITE, "%s of %%%u: element %s is %g", what, (unsigned)pc, place,
             isnan(value) ? (double)NAN : value); /* without a sign */
    return;
  }
}

void ky__check_adjoint(ky_frame *f, ky_id pc) {
  const ky_layout dense = ky__dense(ky__layout(f->code, pc));
  check_finite(f, pc, "the adjoint", ky__adjoint(f, pc), &dense);
}

/* ---- sweeps of a frame ------------------------------------------------------------------- */

ky_id ky__sweep_forward(ky_frame *f, ky_id begin, ky_id end, bool check) {
  for (ky_id pc = begin; pc < end; pc++) {
    bool done = false;
    if (ky__class(&f->code->ins[pc]) == KY_POINT) { /* checked or not: the same bits */
      const ky_id next = ky__points_forward(f, pc, check ? pc + 1 : end);
      done = check && next > pc;
      if (!check) pc = next;
      if (pc == end) break;
    }
    if (!done) forward_step(f, pc);
    if (check) check_finite(f, pc, "the value", ky__data(f, pc), ky__layout(f->code, pc));
    if (f->fault->status != KY_OK) return pc;
  }
  return end;
}

ky_status ky__seed(ky_frame *f, ky_id root, const void *cotangent) {
  const ky_dest d = ky__dest(f, root, 1);
  if (!d.ptr) return KY_NO_MEMORY;
  const ky_dtype dtype = (ky_dtype)f->code->ins[root].dtype;
  const size_t count = (size_t)ky__layout(f->code, root)->count;
  if (cotangent)
    memcpy(d.ptr, cotangent, count * ky_dtype_size(dtype));
  else
    f->kernels->copy->fill(dtype, count, d.ptr, 1, 0);
  return KY_OK;
}

ky_id ky__sweep_reverse(ky_frame *f, ky_id begin, ky_id end, bool check) {
  for (ky_id pc = begin; pc > end; pc--) {
    if (!check && ky__class(&f->code->ins[pc]) == KY_POINT) {
      pc = ky__points_reverse(f, pc, end);
      if (pc == end) break;
    }
    if (!f->seen[pc]) continue;
    if (check) ky__check_adjoint(f, pc);
    if (!check || ky__class(&f->code->ins[pc]) != KY_POINT ||
        ky__points_reverse(f, pc, pc - 1) == pc)
      reverse_step(f, pc);
    if (f->fault->status != KY_OK) return pc;
  }
  return end;
}

ky_id ky__stale_weight(const ky_code *code, const ky_bind *binds, ky_id root) {
  for (uint32_t k = 0; k < code->bind_count; k++) {
    const ky_bind *bind = &binds[k];
    if (!bind->weight || !bind->id || bind->id > root) continue;
    if (bind->version != ky_tensor_version(bind->weight)) return bind->id;
  }
  return 0;
}

ky_value_name ky__name_value(const ky_code *code, ky_id id, ky_origin from) {
  ky_value_name name;
  ky_text text = {name.text, sizeof name.text, 0};
  ky__say(&text, "%%%u (%s", (unsigned)id, ky__opinfo[from.op].name);
  char place[64];
  ky_text at = {place, sizeof place, 0};
  ky__say_site(&at, code, from.site);
  ky__say(&text, at.length ? ", %s)" : ")", place);
  return name;
}

void ky__say_fault(ky_text *text, const ky_code *code, ky_id pc, const ky_fault *fault) {
  ky__say_site(text, code, code->site[pc]);
  ky__say(text, "%s%s: %s", text->length ? ": " : "", ky__opinfo[code->ins[pc].op].name,
          fault->text);
}

/* ---- sweeps of a tape -------------------------------------------------------------------- */

/* Makes the fault of instruction `pc` the tape's message. */
static ky_status report(ky_tape *t, ky_id pc) {
  ky_text text = {t->message, sizeof t->message, 0};
  ky__say_fault(&text, &t->code, pc, &t->fault);
  return t->fault.status;
}

static ky_status run(ky_tape *t, ky_id begin, ky_id end) {
  t->fault.status = KY_OK;
  t->done = ky__sweep_forward(&t->frame, begin, end, (t->flags & KY_CHECK_FINITE) != 0);
  return t->done == end ? KY_OK : report(t, t->done);
}

ky_status ky__run_pending(ky_tape *t, ky_id id) {
  const ky_status status = run(t, t->done, t->code.count);
  if (t->done <= id) return status;
  t->fault.status = KY_OK;
  return KY_OK;
}

ky_status ky_forward(ky_tape *t) {
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  t->root = 0;
  ky__next_draw(&t->frame);
  return run(t, 1, t->code.count);
}

/* A weight that changed since the forward sweep met it would give the gradient of nothing. */
static ky_status check_weights(ky_tape *t, ky_id root) {
  const ky_id stale = ky__stale_weight(&t->code, t->frame.bind, root);
  if (!stale) return KY_OK;
  ky__fail(
      &t->fault, KY_STALE,
      "the weight %%%u changed since the forward sweep: call ky_forward, or where the step "
      "is recorded again, ky_tape_rewind before that",
      (unsigned)stale);
  return report(t, stale);
}

static ky_status reverse(ky_tape *t, ky_id root, const void *cotangent) {
  ky_frame *f = &t->frame;
  memset(f->seen, 0, root + 1);
  ky__arena_reset(&f->adjoints, (ky_place){0, 0});
  if (ky__seed(f, root, cotangent) != KY_OK) return report(t, root);
  const ky_id pc = ky__sweep_reverse(f, root, 0, (t->flags & KY_CHECK_FINITE) != 0);
  return pc ? report(t, pc) : KY_OK;
}

static ky_status collect(ky_tape *t, ky_id root, ky_grads *grads) {
  const uint32_t binds = t->code.bind_count;
  if (ky__grow(&t->allocator, &t->pairs, &t->pair_capacity, binds, sizeof *t->pairs) != KY_OK ||
      ky__grow(&t->allocator, &t->points, &t->point_capacity, binds, sizeof *t->points) !=
          KY_OK)
    return ky__error(t, KY_NO_MEMORY, "backward: no memory for the list of gradients");
  size_t count = 0;
  for (uint32_t k = 0; k < binds; k++) {
    const ky_bind *bind = &t->frame.bind[k];
    if (!bind->weight || bind->id > root || !t->frame.seen[bind->id]) continue;
    const void *grad = ky__adjoint(&t->frame, bind->id);
    if (ky__is_point(&t->code, bind->id)) {
      t->points[count] = t->frame.adj[bind->id];
      grad = &t->points[count];
    }
    t->pairs[count++] = (ky_grad_pair){bind->weight, grad, ky__var(t, bind->id)};
  }
  *grads = (ky_grads){count, t->pairs};
  return KY_OK;
}

ky_status ky_backward_from(ky_tape *t, ky_var root, const void *cotangent, ky_grads *grads) {
  if (grads) *grads = (ky_grads){0, NULL};
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  KY_TRY(ky__refuse_var(t, "backward", root));
  const ky_dtype dtype = (ky_dtype)t->code.ins[root.id].dtype;
  if (!ky__is_float(dtype))
    return ky__error(t, KY_BAD_DTYPE, "backward: the root %s is %s, wants f32 or f64",
                     ky__value_name(&t->code, root.id).text, ky_dtype_name(dtype));
  if (!ky__wants(&t->code, root.id))
    return ky__error(t, KY_UNCONNECTED,
                     "backward: no weight or watched value leads to the root %s",
                     ky__value_name(&t->code, root.id).text);
  t->root = 0;
  KY_TRY(ky__run_pending(t, root.id));
  KY_TRY(check_weights(t, root.id));
  KY_TRY(reverse(t, root.id, cotangent));
  t->root = root.id;
  return grads ? collect(t, root.id, grads) : KY_OK;
}

ky_status ky_backward(ky_tape *t, ky_var root, ky_grads *grads) {
  return ky_backward_from(t, root, NULL, grads);
}

ky_status ky_watch(ky_tape *t, ky_var v) {
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  KY_TRY(ky__refuse_var(t, "watch", v));
  if (!ky__is_float(t->code.ins[v.id].dtype))
    return ky__error(t, KY_BAD_DTYPE, "watch: %s is %s, wants f32 or f64",
                     ky__value_name(&t->code, v.id).text,
                     ky_dtype_name((ky_dtype)t->code.ins[v.id].dtype));
  if (!ky__has_adjoint(&t->code, &t->code.ins[v.id]))
    return ky__error(t, KY_BAD_ARGUMENT,
                     "watch: %s is the result of an operation without derivative",
                     ky__value_name(&t->code, v.id).text);
  t->code.ins[v.id].flags |= KY_WANT_SELF;
  ky__spread_wants(t, v.id + 1);
  return KY_OK;
}
