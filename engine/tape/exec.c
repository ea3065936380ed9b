/* SPDX-License-Identifier: MIT */
/* Executions of programs: the memory, the bindings and the state of one run. The sweeps are
 * those of the tape. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "kernels/gemm.h"
#include "opinfo.h"
#include "ops/family.h"
#include "tape/execution.h"
#include "tensor/array.h"

/* ---- errors and entry -------------------------------------------------------------------- */

ky_status ky__exec_fail(ky_exec *e, ky_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  ky_text text = {e->message, sizeof e->message, 0};
  ky__say_list(&text, format, args);
  va_end(args);
  return status;
}

ky_status ky__exec_enter(ky_exec *e) {
  if (!e) return KY_BAD_ARGUMENT;
  return atomic_flag_test_and_set_explicit(&e->busy, memory_order_acquire) ? KY_BUSY : KY_OK;
}

ky_status ky__exec_leave(ky_exec *e, ky_status status) {
  atomic_flag_clear_explicit(&e->busy, memory_order_release);
  return status;
}

const char *ky_exec_message(const ky_exec *e) {
  return e ? e->message : "the execution is null";
}

/* ---- making and freeing ------------------------------------------------------------------ */

#define ARRAYS 6
#define GRAIN  16384 /* a few microseconds, several times what waking a thread takes */

/* As good as more: grains are rounded up and multiplied. */
#define MOST_GRAIN (SIZE_MAX / 64)

/* The arrays of an execution: where each pointer is kept, and how many bytes it has. */
typedef struct owned {
  void *pointer;
  size_t bytes;
} owned;

static void arrays_of(ky_exec *e, owned list[ARRAYS]) {
  const ky_program *p = e->program;
  const size_t count = p->code.count;
  const owned all[ARRAYS] = {
      {&e->frame.val, count * sizeof(ky_word)},
      {&e->frame.adj, count * sizeof(ky_word)},
      {&e->frame.seen, count},
      {&e->frame.aux, p->code.aux_count * sizeof(void *)},
      {&e->frame.bind, p->code.bind_count * sizeof(ky_bind)},
      {&e->pairs, p->due_count * sizeof(ky_grad_pair)},
  };
  memcpy(list, all, sizeof all);
}

static size_t arena_bytes(const ky_program *p) {
  return p->memory.arena ? p->memory.arena + KY_ALIGN + KY_SLACK : 0;
}

size_t ky__exec_bytes(const ky_program *p) {
  ky_exec e = {.program = p};
  owned list[ARRAYS];
  arrays_of(&e, list);
  size_t bytes = sizeof e + arena_bytes(p);
  for (int k = 0; k < ARRAYS; k++) bytes += list[k].bytes;
  return bytes + (p->memory.scratch ? ky__arena_request(p->memory.scratch) : 0);
}

/* To count its users, who change nothing else of it. */
static ky_program *shared(const ky_program *p) { return (ky_program *)(uintptr_t)p; }

void ky_exec_free(ky_exec *e) {
  if (!e) return;
  owned list[ARRAYS];
  arrays_of(e, list);
  for (int k = 0; k < ARRAYS; k++) {
    void *pointer;
    memcpy(&pointer, list[k].pointer, sizeof pointer);
    if (pointer) ky__resize(&e->allocator, pointer, list[k].bytes, 0);
  }
  if (e->arena) ky__resize(&e->allocator, e->arena, arena_bytes(e->program), 0);
  ky__team_free(e->frame.team);
  ky__arena_free(&e->frame.adjoints);
  ky__arena_free(&e->frame.scratch);
  const ky_allocator a = e->allocator;
  ky_program_free(shared(e->program));
  ky__resize(&a, e, sizeof *e, 0);
}

static ky_status allocate(ky_exec *e, uint32_t threads) {
  owned list[ARRAYS];
  arrays_of(e, list);
  for (int k = 0; k < ARRAYS; k++) {
    if (!list[k].bytes) continue;
    void *pointer = ky__resize(&e->allocator, NULL, 0, list[k].bytes);
    if (!pointer) return KY_NO_MEMORY;
    memset(pointer, 0, list[k].bytes);
    memcpy(list[k].pointer, &pointer, sizeof pointer);
  }
  const ky_program *p = e->program;
  if (arena_bytes(p)) {
    e->arena = ky__resize(&e->allocator, NULL, 0, arena_bytes(p));
    if (!e->arena) return KY_NO_MEMORY;
  }
  const size_t scratch = threads > 1 ? ky__scratch_bound(&p->code, threads) : p->memory.scratch;
  return scratch ? ky__arena_reserve(&e->frame.scratch, scratch) : KY_OK;
}

/* Gives values, adjoints and aux buffers the places of the plan. */
static void settle(ky_exec *e) {
  const ky_program *p = e->program;
  for (ky_id id = 1; id < p->code.count; id++) {
    const size_t value = p->value_at[id], adjoint = p->adjoint_at[id];
    if (value != KY_NOWHERE) e->frame.val[id].ptr = ky__exec_place(e, value);
    if (adjoint != KY_NOWHERE) e->frame.adj[id].ptr = ky__exec_place(e, adjoint);
  }
  for (uint32_t k = 0; k < p->code.aux_count && e->arena; k++)
    e->frame.aux[k] = ky__exec_place(e, p->aux_at[k]);
  if (p->code.bind_count)
    memcpy(e->frame.bind, p->binds, p->code.bind_count * sizeof *p->binds);
}

/* Writes why no execution was made. */
__attribute__((format(printf, 3, 4))) static ky_status
refuse(const ky_exec_options *o, ky_status status, const char *format, ...) {
  if (!o->message || !o->message_bytes) return status;
  o->message[0] = '\0';
  va_list args;
  va_start(args, format);
  ky_text text = {o->message, o->message_bytes, 0};
  ky__say_list(&text, format, args);
  va_end(args);
  return status;
}

static ky_status check(const ky_program *p, const ky_exec_options *o) {
  if (p->updates && !o->update)
    return refuse(o, KY_BAD_ARGUMENT, "the program was compiled with updates, none is given");
  if (!p->updates && o->update)
    return refuse(o, KY_BAD_ARGUMENT, "an update for a program compiled without updates");
  if (o->flags & ~(uint32_t)KY_CHECK_FINITE)
    return refuse(o, KY_BAD_ARGUMENT, "unknown flags 0x%x", (unsigned)o->flags);
  if (o->threads < 0 || o->threads > (int)KY_MAX_THREADS)
    return refuse(o, KY_BAD_ARGUMENT, "%d threads, wants 1 to %u", o->threads, KY_MAX_THREADS);
  return KY_OK;
}

/* Starts the threads, and has BLIS allocate what that many of them need. */
static ky_status gather_team(ky_exec *e, uint32_t threads) {
  if (threads < 2) return KY_OK;
  KY_TRY(ky__team_new(&e->allocator, threads, &e->frame.team));
  const ky_code *code = &e->program->code;
  for (ky_id id = 1; id < code->count; id++)
    if (ky__opinfo[code->ins[id].op].trait == KY_TRAIT_PROD) return ky__gemm_warm_up(threads);
  return KY_OK;
}

/* All that can fail but the first allocation. */
static ky_status set_up(ky_exec *e, const ky_exec_options *o) {
  const uint32_t threads = o->threads > 1 ? (uint32_t)o->threads : 1;
  KY_TRY(allocate(e, threads));
  KY_TRY(gather_team(e, threads));
  settle(e);
  for (ky_id pc = 1; pc <= e->program->references; pc++) {
    if (ky__lacks_data(e, pc))
      e->unbound++;
    else if (ky__sweep_forward(&e->frame, pc, pc + 1, false) == pc)
      return e->fault.status;
  }
  return KY_OK;
}

ky_status ky_exec_new(const ky_program *p, const ky_exec_options *options, ky_exec **out) {
  if (out) *out = NULL;
  ky_exec_options o = {0};
  if (!ky__take_options(&o, sizeof o, options)) return KY_BAD_ARGUMENT;
  if (!p || !out)
    return refuse(&o, KY_BAD_ARGUMENT, "the %s is null", p ? "result pointer" : "program");
  KY_TRY(check(p, &o));
  ky_update update = {0};
  if (!ky__take_options(&update, sizeof update, o.update))
    return refuse(&o, KY_BAD_ARGUMENT, "the update has no size");
  if (o.update && !update.apply) return refuse(&o, KY_BAD_ARGUMENT, "the update has no apply");
  const ky_allocator allocator = ky__allocator(&o.allocator);
  ky_exec *e = ky__resize(&allocator, NULL, 0, sizeof *e);
  if (!e) return refuse(&o, KY_NO_MEMORY, "%s", ky_status_text(KY_NO_MEMORY));
  memset(e, 0, sizeof *e);
  e->allocator = allocator;
  e->program = p;
  e->update = update;
  atomic_fetch_add(&shared(p)->users, 1);
  e->check = p->check || (o.flags & KY_CHECK_FINITE) != 0;
  atomic_flag_clear(&e->busy);
  e->frame.code = &p->code;
  e->frame.fault = &e->fault;
  e->frame.kernels = ky__kernels();
  e->frame.grain = !o.grain ? GRAIN : o.grain < MOST_GRAIN ? o.grain : MOST_GRAIN;
  e->frame.seed = p->seed;
  e->frame.planned = true;
  ky__arena_init(&e->frame.adjoints, &allocator);
  ky__arena_init(&e->frame.scratch, &allocator);
  const ky_status status = set_up(e, &o);
  if (status != KY_OK) {
    if (status == KY_NO_MEMORY)
      refuse(&o, status, "%zu bytes: %s", p->memory.total, ky_status_text(status));
    else if (status == KY_NO_THREAD)
      refuse(&o, status, "%d threads: %s", o.threads, ky_status_text(status));
    else
      refuse(&o, status, "%s", e->fault.text);
    ky_exec_free(e);
    return status;
  }
  *out = e;
  if (o.message && o.message_bytes) o.message[0] = '\0';
  return KY_OK;
}

/* ---- names ------------------------------------------------------------------------------- */

ky_var ky__exec_var(const ky_program *p, ky_id id) {
  return (ky_var){p->tape, id, ky__era_of(p->eras, p->era_count, id)};
}

/* What messages call a value of the tape. */
static ky_value_name name_of(const ky_exec *e, ky_id id) {
  const ky_program *p = e->program;
  return ky__name_value(&p->code, id, p->origins[id]);
}

/* The program's id of a var of the tape it was compiled from; `need` says that it must still be
 * there. */
static ky_status find(ky_exec *e, ky_var v, const char *what, bool need, ky_id *id) {
  const ky_program *p = e->program;
  *id = 0;
  if (!v.id || v.tape != p->tape)
    return ky__exec_fail(e, KY_BAD_VAR, "%s: %s", what,
                         v.id ? "the var is not of the tape that was compiled"
                              : "the var is null");
  if (v.id >= p->map_count || ky__era_of(p->eras, p->era_count, v.id) != v.era)
    return ky__exec_fail(e, KY_BAD_VAR,
                         "%s: the value was recorded after the tape was compiled, or rewound "
                         "before",
                         what);
  *id = p->map[v.id];
  if (need && !(*id && p->keep[*id]))
    return ky__exec_fail(e, KY_BAD_VAR,
                         "%s: %s was not named when the program was compiled: it is neither "
                         "root nor in ky_compile_options.keep",
                         what, name_of(e, v.id).text);
  return KY_OK;
}

/* ---- inputs ------------------------------------------------------------------------------ */

/* Whether the tape's id is that of an input; `bound` rises. at: its program's instruction. */
static bool is_input(const ky_program *p, ky_id id, ky_id at) {
  const ky_ins *i = &p->code.ins[at];
  if (i->op == KY_OP_input && p->bound[i->b] == id) return true;
  uint32_t low = 0, high = p->code.bind_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (p->bound[middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low < p->code.bind_count && p->bound[low] == id && !p->binds[low].weight;
}

/* That an array is as an input is laid out, which is dense. */
static ky_status check_shape(ky_exec *e, ky_id id, const ky_layout *layout,
                             const ky_array *array) {
  char wanted[128], got[128];
  ky_text text = {wanted, sizeof wanted, 0}, other = {got, sizeof got, 0};
  bool same = array->rank == layout->rank, dense = true;
  for (int k = 0; same && k < layout->rank; k++) {
    same = array->dims[k] == layout->dims[k];
    dense &= array->strides[k] == layout->strides[k] || layout->dims[k] == 1;
  }
  if (same && dense) return KY_OK;
  ky_layout of = {.rank = array->rank};
  if (of.rank >= 0 && of.rank <= KY_MAX_RANK)
    memcpy(of.dims, array->dims, sizeof of.dims);
  else
    of.rank = 0;
  ky__say_dims(&text, layout);
  ky__say_dims(&other, &of);
  if (same)
    return ky__exec_fail(e, KY_BAD_SHAPE,
                         "input: %s wants %s dense, row by row: the strides "
                         "of the array say otherwise",
                         name_of(e, id).text, wanted);
  if (array->rank != of.rank)
    return ky__exec_fail(e, KY_BAD_SHAPE, "input: %s is %s, the array of rank %d",
                         name_of(e, id).text, wanted, array->rank);
  return ky__exec_fail(e, KY_BAD_SHAPE, "input: %s is %s, the array %s", name_of(e, id).text,
                       wanted, got);
}

static ky_status bind(ky_exec *e, ky_var input, const void *data, const ky_array *array) {
  ky_id id;
  KY_TRY(find(e, input, "input", false, &id));
  if (!is_input(e->program, input.id, id))
    return ky__exec_fail(e, KY_BAD_ARGUMENT, "input: %s is not an input",
                         name_of(e, input.id).text);
  if (!id) return KY_OK; /* vanished: nothing reads it */
  const ky_code *code = &e->program->code;
  const ky_ins *i = &code->ins[id];
  const ky_layout *layout = ky__layout(code, id);
  if (!data && layout->count != 0)
    return ky__exec_fail(e, KY_BAD_ARGUMENT, "input: the data of %s is null",
                         name_of(e, input.id).text);
  if (array) {
    const ky_dtype stored = (ky_dtype)(i->c ? i->c : i->dtype);
    if (array->dtype != stored)
      return ky__exec_fail(e, KY_BAD_DTYPE, "input: %s is %s, the array is %s",
                           name_of(e, input.id).text, ky_dtype_name(stored),
                           ky_dtype_name(array->dtype));
    KY_TRY(check_shape(e, input.id, layout, array));
  }
  if (id <= e->program->references) {
    e->unbound -= ky__lacks_data(e, id);
    e->frame.val[id].ptr = (void *)(uintptr_t)data;
  }
  e->frame.bind[i->b].data = data;
  e->state = KY_EXEC_FRESH;
  return KY_OK;
}

ky_status ky_exec_input(ky_exec *e, ky_var input, const void *data) {
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, bind(e, input, data, NULL));
}

ky_status ky_exec_bind(ky_exec *e, ky_var input, const ky_array *array) {
  KY_TRY(ky__exec_enter(e));
  if (!array)
    return ky__exec_leave(e, ky__exec_fail(e, KY_BAD_ARGUMENT, "input: the array is null"));
  return ky__exec_leave(e, bind(e, input, array->data, array));
}

/* ---- random numbers ---------------------------------------------------------------------- */

ky_status ky_exec_seed(ky_exec *e, uint64_t seed, uint64_t draw) {
  KY_TRY(ky__exec_enter(e));
  if (draw >= KY_DRAW_END)
    return ky__exec_leave(e,
                          ky__exec_fail(e, KY_BAD_ARGUMENT, "seed: draw %llu is not below 2^48",
                                        (unsigned long long)draw));
  e->frame.seed = seed;
  e->frame.draw = draw;
  e->frame.drew = false;
  return ky__exec_leave(e, KY_OK);
}

ky_status ky_exec_draw(ky_exec *e, uint64_t *draw) {
  KY_TRY(ky__exec_enter(e));
  if (!draw)
    return ky__exec_leave(e, ky__exec_fail(e, KY_BAD_ARGUMENT, "draw: the result is null"));
  *draw = ky__coming_draw(&e->frame);
  return ky__exec_leave(e, KY_OK);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The instruction whose value `v` has, if a sweep has computed it. */
static ky_status find_value(ky_exec *e, ky_var v, const char *what, ky_id *id) {
  KY_TRY(find(e, v, what, true, id));
  if (*id <= e->program->constants) return KY_OK;
  if (e->state == KY_EXEC_FRESH)
    return ky__exec_fail(e, KY_NOT_RUN, "%s: there was no sweep with these inputs", what);
  if (e->state == KY_EXEC_SPENT)
    return ky__exec_fail(e, KY_NOT_RUN, "%s: the reverse sweep failed, and used the values up",
                         what);
  return KY_OK;
}

static ky_status data(ky_exec *e, ky_var v, const char *what, ky_array *out) {
  if (!out) return ky__exec_fail(e, KY_BAD_ARGUMENT, "%s: the result pointer is null", what);
  ky_id id;
  KY_TRY(find_value(e, v, what, &id));
  *out = ky__describe(&e->program->code, id, ky__data(&e->frame, id), false);
  return KY_OK;
}

ky_status ky_exec_data(ky_exec *e, ky_var v, ky_array *out) {
  if (out) *out = (ky_array){0};
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, data(e, v, "data", out));
}

static ky_status read(ky_exec *e, ky_var v, void *dst, size_t bytes) {
  ky_array from = {0};
  KY_TRY(data(e, v, "read", dst ? &from : NULL));
  const size_t wanted = (size_t)from.count * ky_dtype_size(from.dtype);
  if (bytes != wanted)
    return ky__exec_fail(e, KY_BAD_ARGUMENT, "read: the buffer has %zu bytes, the value %zu",
                         bytes, wanted);
  const ky_layout *layout = ky__layout(&e->program->code, e->program->map[v.id]);
  const ky_layout dense = ky__dense(layout);
  ky__copy(&e->frame, from.dtype, layout, dst, dense.strides, 0, from.data, layout->strides);
  return KY_OK;
}

ky_status ky_exec_read(ky_exec *e, ky_var v, void *dst, size_t bytes) {
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, read(e, v, dst, bytes));
}

static ky_status item(ky_exec *e, ky_var v, double *out) {
  if (!out) return ky__exec_fail(e, KY_BAD_ARGUMENT, "item: the result pointer is null");
  ky_id id;
  KY_TRY(find_value(e, v, "item", &id));
  const ky_code *code = &e->program->code;
  const int64_t count = ky__layout(code, id)->count;
  if (count != 1)
    return ky__exec_fail(e, KY_BAD_SHAPE, "item: %s has %lld elements, wants 1",
                         name_of(e, v.id).text, (long long)count);
  *out = ky__number((ky_dtype)code->ins[id].dtype, ky__data(&e->frame, id));
  return KY_OK;
}

ky_status ky_exec_item(ky_exec *e, ky_var v, double *out) {
  if (out) *out = (double)NAN;
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, item(e, v, out));
}

/* What is said of a gradient that there is no place for. id: 0 for a value that has gone. */
static const char *why_no_grad(const ky_program *p, ky_id id) {
  if (!p->root) return "does not exist: the program was compiled without a root";
  if (p->wanted[id]) return "is used up by an update: name it in ky_compile_options.keep";
  if (id == p->root) return "is 1 for each element: it is the root";
  return "was not asked for, or it does not lead to the root: see ky_watch and "
         "ky_compile_options.wrt";
}

static ky_status grad(ky_exec *e, ky_var v, ky_array *out) {
  if (!out) return ky__exec_fail(e, KY_BAD_ARGUMENT, "grad: the result pointer is null");
  ky_id id;
  KY_TRY(find(e, v, "grad", false, &id));
  const ky_program *p = e->program;
  if (!p->wanted[id] || (p->updates && !p->keep[id]))
    return ky__exec_fail(e, KY_BAD_VAR, "grad: the gradient of %s %s", name_of(e, v.id).text,
                         why_no_grad(p, id));
  if (e->state != KY_EXEC_REVERSE)
    return ky__exec_fail(e, KY_NOT_RUN, "grad: there was no reverse sweep with these inputs");
  if (id > p->root || !e->frame.seen[id])
    return ky__exec_fail(e, KY_UNCONNECTED, "grad: %s does not lead to the root",
                         name_of(e, v.id).text);
  *out = ky__describe(&p->code, id, ky__adjoint(&e->frame, id), true);
  return KY_OK;
}

ky_status ky_exec_grad(ky_exec *e, ky_var v, ky_array *out) {
  if (out) *out = (ky_array){0};
  KY_TRY(ky__exec_enter(e));
  return ky__exec_leave(e, grad(e, v, out));
}
