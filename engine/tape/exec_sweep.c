/* SPDX-License-Identifier: MIT */
/* What an execution runs: the sweeps of the tape, and in the reverse one the updates of
 * weights, and values that are computed again. */
#include <string.h>

#include "opinfo.h"
#include "ops/turn.h"
#include "tape/execution.h"

static ky_status report(ky_exec *e, ky_id pc) {
  ky_text text = {e->message, sizeof e->message, 0};
  ky__say_fault(&text, &e->program->code, pc, &e->fault);
  return e->fault.status;
}

/* "train.c:12: update of the weight %3: why", by the line and the id that the weight has on the
 * tape. */
static ky_status blame_weight(ky_exec *e, ky_id param, ky_status status, const char *call,
                              const char *why) {
  const ky_program *p = e->program;
  ky_text text = {e->message, sizeof e->message, 0};
  ky__say_site(&text, &p->code, p->code.site[param]);
  ky__say(&text, "%s%s of the weight %%%u: %s", text.length ? ": " : "", call,
          (unsigned)p->bound[p->code.ins[param].b], why);
  return status;
}

/* Points values that a reverse sweep computed again back to their places in the forward one. */
static void go_back(ky_exec *e) {
  const ky_program *p = e->program;
  for (uint32_t k = 0; k < p->again_count; k++) {
    const ky_again *a = &p->again[k];
    if (a->at != KY_NOWHERE) e->frame.val[a->id].ptr = ky__exec_place(e, p->value_at[a->id]);
  }
}

/* What an input without data says when it runs; but references do not run. */
static ky_status blame_input(ky_exec *e) {
  ky_id pc = e->program->constants + 1;
  while (!ky__lacks_data(e, pc)) pc++;
  e->fault.status = KY_OK;
  ky__sweep_forward(&e->frame, pc, pc + 1, false);
  return report(e, pc);
}

/* Runs the instructions before `end`. With checks those that refer to memory of the caller's
 * run too, so that it is looked at. */
static ky_status forward(ky_exec *e, ky_id end) {
  const ky_program *p = e->program;
  if (e->unbound) return blame_input(e);
  go_back(e);
  e->fault.status = KY_OK;
  e->state = KY_EXEC_FRESH;
  ky__next_draw(&e->frame);
  const ky_id before = e->check ? p->constants : p->references;
  const ky_id pc = ky__sweep_forward(&e->frame, before + 1, end, e->check);
  if (pc < end) return report(e, pc);
  e->state = KY_EXEC_FORWARD;
  return KY_OK;
}

/* Before the weight steps by it, not when the sweep comes by. */
static ky_status check_gradient(ky_exec *e, ky_id param) {
  ky__check_adjoint(&e->frame, param);
  return e->fault.status == KY_OK ? KY_OK : report(e, param);
}

/* The update of one weight, under way. */
typedef struct updating {
  ky_exec *e;
  ky_id param; /* 0: not begun */
  ky_update_part whole;
  size_t size;       /* of an element as it is stored */
  size_t grad_size;  /* of one of its gradient */
  atomic_int status; /* the first one that is not OK */
} updating;

/* Describes the whole of a weight, and tells its update that the weight's turn has come. */
static ky_status begin_whole(ky_exec *e, ky_id param, ky_update_part *whole) {
  ky_tensor *weight = e->frame.bind[e->program->code.ins[param].b].weight;
  *whole = (ky_update_part){
      .weight = weight, .count = (size_t)ky_tensor_count(weight), .w = ky_tensor_write(weight)};
  return e->update.begin ? e->update.begin(e->update.user, weight, &whole->state) : KY_OK;
}

static ky_status end_update(ky_exec *e, ky_id param, ky_status status) {
  if (status == KY_OK) return KY_OK;
  const bool refused = status == KY_BAD_ARGUMENT && e->update.refusal;
  return blame_weight(e, param, status, "update",
                      refused ? e->update.refusal : ky_status_text(status));
}

static bool begin_parts(updating *u, ky_exec *e, ky_id param) {
  u->e = e;
  u->param = param;
  const ky_status status = begin_whole(e, param, &u->whole);
  u->size = ky_dtype_size(ky_tensor_dtype(u->whole.weight));
  u->grad_size = ky_dtype_size((ky_dtype)e->program->code.ins[param].dtype);
  atomic_init(&u->status, (int)status);
  return status == KY_OK;
}

static ky_update_part part_of(const updating *u, size_t first, size_t count) {
  ky_update_part part = u->whole;
  part.first = first;
  part.count = count;
  part.w = (char *)part.w + first * u->size;
  return part;
}

static void apply_part(updating *u, const ky_update_part *part) {
  const ky_status status = u->e->update.apply(u->e->update.user, part);
  int ok = KY_OK;
  if (status != KY_OK) atomic_compare_exchange_strong(&u->status, &ok, (int)status);
}

static void take_part(void *context, size_t first, size_t count, const void *grad) {
  ky_update_part part = part_of(context, first, count);
  part.grad = grad;
  apply_part(context, &part);
}

static void take_outer(void *context, size_t first, size_t count, size_t width,
                       const void *left, const void *right) {
  ky_update_part part = part_of(context, first, count);
  part.grad = NULL;
  part.left = left;
  part.right = right;
  part.width = width;
  apply_part(context, &part);
}

/* Whether the update of a weight takes outer products: as the weight is stored, not rounded. */
static bool takes_outer(const ky_exec *e, ky_id param) {
  const ky_ins *i = &e->program->code.ins[param];
  return e->update.outer && ky_tensor_dtype(e->frame.bind[i->b].weight) == (ky_dtype)i->dtype;
}

static void take_piece(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const updating *u = context;
  take_part(context, begin, end - begin, (const char *)u->whole.grad + begin * u->grad_size);
}

static ky_status end_parts(const updating *u) {
  return end_update(u->e, u->param, (ky_status)atomic_load(&u->status));
}

static ky_status update_shared(ky_exec *e, ky_id param) {
  updating u;
  if (begin_parts(&u, e, param)) {
    u.whole.grad = ky__adjoint(&e->frame, param);
    ky__team_run(e->frame.team, u.whole.count, e->frame.grain, take_piece, &u);
  }
  return end_parts(&u);
}

static ky_status update(ky_exec *e, ky_id param) {
  if (e->check) KY_TRY(check_gradient(e, param));
  if (e->frame.team) return update_shared(e, param);
  ky_update_part whole;
  ky_status status = begin_whole(e, param, &whole);
  whole.grad = ky__adjoint(&e->frame, param);
  if (status == KY_OK && whole.count > 0) status = e->update.apply(e->update.user, &whole);
  return end_update(e, param, status);
}

static bool begin_sink(void *context) {
  updating *u = context;
  return begin_parts(u, u->e, u->e->frame.sink.param);
}

/* Runs the adjoints from `pc` down to the one behind `end`, and computes again what they want
 * on the way. *k: the index of the next entry of p->again. */
static ky_status sweep(ky_exec *e, ky_id pc, ky_id end, uint32_t *k) {
  const ky_program *p = e->program;
  ky_frame *f = &e->frame;
  ky_id stopped;
  for (; *k < p->again_count && p->again[*k].before > end; ++*k) {
    const ky_again *a = &p->again[*k];
    stopped = ky__sweep_reverse(f, pc, a->before, e->check);
    if (stopped > a->before) return report(e, stopped);
    pc = a->before;
    if (a->at != KY_NOWHERE) f->val[a->id].ptr = ky__exec_place(e, a->at);
    if (ky__sweep_forward(f, a->id, a->id + 1, e->check) == a->id) return report(e, a->id);
  }
  stopped = ky__sweep_reverse(f, pc, end, e->check);
  return stopped > end ? report(e, stopped) : KY_OK;
}

/* Runs the adjoints from `pc` down to the one that makes dues[k] due, and those that follow it.
 * It may update one of these weights on the way. */
static ky_status reverse_to(ky_exec *e, ky_id pc, uint32_t k, uint32_t *again,
                            updating *streamed) {
  const ky_program *p = e->program;
  ky_frame *f = &e->frame;
  const ky_id after = p->dues[k].after;
  streamed->param = 0;
  for (; !e->check && k < p->due_count && p->dues[k].after == after; k++)
    if (p->dues[k].streams)
      f->sink = (ky_sink){after,
                          p->dues[k].param,
                          begin_sink,
                          take_part,
                          takes_outer(e, p->dues[k].param) ? take_outer : NULL,
                          streamed};
  const ky_status status = sweep(e, pc, after - 1, again);
  f->sink.pc = 0;
  if (status != KY_OK) return status;
  return streamed->param ? end_parts(streamed) : KY_OK;
}

/* The reverse sweep from `pc` down, stopping where a weight is due. */
static ky_status reverse(ky_exec *e, ky_id pc) {
  const ky_program *p = e->program;
  uint32_t again = 0;
  updating streamed;
  streamed.e = e;
  streamed.param = 0;
  for (uint32_t k = 0; e->update.apply && k < p->due_count; k++) {
    const ky_due due = p->dues[k];
    if (pc >= due.after) {
      KY_TRY(reverse_to(e, pc, k, &again, &streamed));
      pc = due.after - 1;
    }
    if (!e->frame.seen[due.param] || streamed.param == due.param) continue;
    KY_TRY(update(e, due.param));
    /* its place may be another's now, so it is not looked at again */
    if (e->check && !p->keep[due.param]) e->frame.seen[due.param] = 0;
  }
  const ky_id end = e->check ? 0 : p->references; /* leaves have nothing to hand on */
  return pc > end ? sweep(e, pc, end, &again) : KY_OK;
}

static void collect(ky_exec *e, ky_grads *grads) {
  const ky_program *p = e->program;
  size_t count = 0;
  for (uint32_t k = 0; k < p->code.bind_count; k++) {
    const ky_bind *bind = &e->frame.bind[k];
    if (!bind->weight || !p->wanted[bind->id] || bind->id > p->root || !e->frame.seen[bind->id])
      continue;
    e->pairs[count++] = (ky_grad_pair){bind->weight, ky__adjoint(&e->frame, bind->id),
                                       ky__exec_var(p, p->bound[k])};
  }
  *grads = (ky_grads){count, e->pairs};
}

static ky_status check_root(ky_exec *e) {
  return e->program->root ? KY_OK
                          : ky__exec_fail(e, KY_BAD_ARGUMENT,
                                          "backward: the program was compiled without a root");
}

/* Notes the versions of the weights that a forward sweep has met. */
static void note_weights(ky_exec *e) {
  for (uint32_t k = 0; k < e->program->code.bind_count; k++) {
    ky_bind *bind = &e->frame.bind[k];
    if (bind->weight) bind->version = ky_tensor_version(bind->weight);
  }
}

static ky_status check_weights(ky_exec *e) {
  const ky_program *p = e->program;
  const ky_id stale = ky__stale_weight(&p->code, e->frame.bind, p->root);
  return stale ? blame_weight(e, stale, KY_STALE, "gradient",
                              "it changed since the forward sweep: call ky_exec_forward")
               : KY_OK;
}

/* turns: the root's value has not been computed yet, and comes with its adjoint. */
static ky_status backward(ky_exec *e, ky_grads *grads, bool turns) {
  const ky_program *p = e->program;
  e->fault.status = KY_OK;
  e->state = KY_EXEC_SPENT; /* values may lie where adjoints go now */
  memset(e->frame.seen, 0, p->root + 1);
  if (ky__seed(&e->frame, p->root, NULL) != KY_OK) return report(e, p->root);
  if (turns) {
    ky__turn(&e->frame, p->root);
    if (e->fault.status != KY_OK) return report(e, p->root);
  }
  KY_TRY(reverse(e, turns ? p->root - 1 : p->root));
  e->state = KY_EXEC_REVERSE;
  if (grads && !e->update.apply) collect(e, grads);
  return KY_OK;
}

ky_status ky_exec_forward(ky_exec *e) {
  KY_TRY(ky__exec_enter(e));
  note_weights(e);
  return ky__exec_leave(e, forward(e, e->program->code.count));
}

/* The reverse sweep of a forward sweep that was asked for by itself. */
static ky_status backward_alone(ky_exec *e, ky_grads *grads) {
  KY_TRY(check_root(e));
  if (e->state == KY_EXEC_FRESH)
    return ky__exec_fail(e, KY_NOT_RUN,
                         "backward: there was no forward sweep with these inputs");
  if (e->state != KY_EXEC_FORWARD)
    return ky__exec_fail(e, KY_NOT_RUN,
                         "backward: the values of the forward sweep are used up by a reverse "
                         "sweep: call ky_exec_forward again");
  KY_TRY(check_weights(e));
  return backward(e, grads, false);
}

ky_status ky_exec_backward(ky_exec *e, ky_grads *grads) {
  if (grads) *grads = (ky_grads){0, NULL};
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, backward_alone(e, grads));
}

/* The forward sweep and the reverse one behind it. The root's value is looked at before its
 * adjoint, under checks; else both may come in one walk. */
static ky_status step(ky_exec *e, ky_grads *grads) {
  const ky_program *p = e->program;
  const bool turns = p->turns && !e->check;
  KY_TRY(check_root(e));
  KY_TRY(forward(e, turns ? p->root : p->code.count));
  return backward(e, grads, turns);
}

ky_status ky_exec_step(ky_exec *e, ky_grads *grads) {
  if (grads) *grads = (ky_grads){0, NULL};
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, step(e, grads));
}
