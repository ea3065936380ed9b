/* SPDX-License-Identifier: MIT */
/* From tape to program: copy the code, mark what was named, run the passes, plan the memory. */
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "opinfo.h"
#include "ops/family.h"
#include "tape/program.h"

/* ---- copying ----------------------------------------------------------------------------- */

#define COPY(p, to, from, count)                                                               \
  copy_array(&(p)->allocator, (void *)&(to), from, (count) * sizeof *(from))

static ky_status copy_array(const ky_allocator *a, void **to, const void *from, size_t bytes) {
  *to = NULL;
  if (bytes == 0) return KY_OK;
  *to = ky__resize(a, NULL, 0, bytes);
  if (!*to) return KY_NO_MEMORY;
  memcpy(*to, from, bytes);
  return KY_OK;
}

/* Copies the constants of the program, which lie in `from`, to its own memory. */
static ky_status copy_constants(ky_pass *pass, const ky_arena *from) {
  const ky_code *code = &pass->program->code;
  for (ky_id id = 1; id < code->count; id++) {
    const ky_ins *i = &code->ins[id];
    if (i->op != KY_OP_constant) continue;
    const char *data = from->chunks[i->a].base + (size_t)i->b * KY_ALIGN;
    KY_TRY(ky__make_constant(pass, id, data, ky__value_bytes(code, id)));
  }
  return KY_OK;
}

/* Gives back the memory of constants that passes did away with. */
static ky_status drop_constants(ky_pass *pass) {
  ky_code *code = &pass->program->code;
  uint32_t left = 0;
  for (ky_id id = 1; id < code->count; id++) left += code->ins[id].op == KY_OP_constant;
  if (left == pass->constants) return KY_OK;
  ky_arena all = code->blobs;
  ky__arena_init(&code->blobs, &pass->program->allocator);
  const ky_status status = copy_constants(pass, &all);
  ky__arena_free(&all);
  return status;
}

static ky_status copy_code(ky_pass *pass) {
  ky_program *p = pass->program;
  const ky_tape *t = pass->tape;
  const ky_code *from = &t->code;
  p->capacity = p->map_count = from->count;
  p->code.count = from->count;
  KY_TRY(COPY(p, p->code.ins, from->ins, from->count));
  KY_TRY(COPY(p, p->code.layout, from->layout, from->count));
  KY_TRY(COPY(p, p->code.site, from->site, from->count));
  p->code.pool_count = p->code.pool_capacity = from->pool_count;
  KY_TRY(COPY(p, p->code.pool, from->pool, from->pool_count));
  p->code.file_count = p->code.file_capacity = from->file_count;
  KY_TRY(COPY(p, p->code.files, from->files, from->file_count));
  p->code.custom_count = p->code.custom_capacity = from->custom_count;
  KY_TRY(COPY(p, p->code.customs, from->customs, from->custom_count));
  p->code.bind_count = from->bind_count;
  KY_TRY(COPY(p, p->binds, t->frame.bind, from->bind_count));
  p->bound = ky__pass_alloc(pass, from->bind_count, sizeof *p->bound);
  if (!p->bound) return KY_NO_MEMORY;
  for (uint32_t k = 0; k < from->bind_count; k++) p->bound[k] = p->binds[k].id;
  p->code.aux_count = from->aux_count;
  p->era_count = t->era_count;
  KY_TRY(COPY(p, p->eras, t->eras, t->era_count));
  KY_TRY(ky__layouts_init(&p->code.layouts, &p->allocator));
  for (uint32_t k = 1; k < from->layouts.count; k++) {
    uint32_t number;
    KY_TRY(ky__layouts_intern(&p->code.layouts, &from->layouts.at[k], &number));
  }
  p->map = ky__pass_alloc(pass, p->map_count, sizeof *p->map);
  p->keep = ky__pass_alloc(pass, p->capacity, sizeof *p->keep);
  p->wanted = ky__pass_alloc(pass, p->capacity, sizeof *p->wanted);
  p->origins = ky__pass_alloc(pass, p->map_count, sizeof *p->origins);
  if (!p->map || !p->keep || !p->wanted || !p->origins) return KY_NO_MEMORY;
  for (ky_id id = 0; id < p->map_count; id++) {
    p->map[id] = id;
    p->origins[id] = ky__origin(from, id);
  }
  return copy_constants(pass, &from->blobs);
}

/* ---- what was named ---------------------------------------------------------------------- */

static ky_status name(ky_pass *pass, ky_var v, const char *what, ky_id *id) {
  const char *reason = ky__bad_var(pass->tape, v);
  if (reason) return ky__fail(pass->fault, KY_BAD_VAR, "%s: %s", what, reason);
  *id = v.id;
  return KY_OK;
}

/* Per instruction: whether it depends on an input, a weight or chance. */
static ky_status check_connected(ky_pass *pass) {
  const ky_code *code = &pass->tape->code;
  uint8_t *depends = ky__pass_alloc(pass, code->count, sizeof *depends);
  if (!depends) return KY_NO_MEMORY;
  ky_status status = KY_OK;
  for (ky_id id = 1; id < code->count && status == KY_OK; id++) {
    const ky_attr attr = (ky_attr)ky__opinfo[code->ins[id].op].attr;
    depends[id] = attr == KY_ATTR_BIND || attr == KY_ATTR_RANDOM;
    const uint32_t operands = ky__operand_count(code, id);
    for (uint32_t k = 0; k < operands; k++) depends[id] |= depends[ky__operand(code, id, k)];
    if (pass->program->keep[id] && !depends[id])
      status = ky__fail(pass->fault, KY_UNCONNECTED, "%s depends on no input and no weight",
                        ky__value_name(code, id).text);
  }
  ky__pass_free(pass, depends, code->count, sizeof *depends);
  return status;
}

/* Marks what the root is differentiated with respect to. */
static ky_status mark_wanted(ky_pass *pass, const ky_compile_options *o) {
  ky_program *p = pass->program;
  const ky_code *code = &pass->tape->code;
  for (size_t k = 0; k < o->wrt_count; k++) {
    ky_id id = 0;
    KY_TRY(name(pass, o->wrt[k], "wrt", &id));
    if (!(code->ins[id].flags & KY_WANT_SELF))
      return ky__fail(pass->fault, KY_BAD_ARGUMENT, "wrt: %s is no weight and was not watched",
                      ky__value_name(code, id).text);
    p->wanted[id] = p->keep[id] = 1;
  }
  for (ky_id id = 1; id < code->count && o->wrt_count == 0; id++) {
    p->wanted[id] = (code->ins[id].flags & KY_WANT_SELF) != 0;
    /* what the caller watched stays readable; weights are the caller's */
    if (p->wanted[id] && id <= p->root && code->ins[id].op != KY_OP_param) p->keep[id] = 1;
  }
  return KY_OK;
}

/* Something wanted must lead to the root; found before any pass, which might hide it. */
static ky_status check_wanted(ky_pass *pass) {
  const ky_program *p = pass->program;
  const ky_code *code = &pass->tape->code;
  uint8_t *leads = ky__pass_alloc(pass, code->count, sizeof *leads);
  if (!leads) return KY_NO_MEMORY;
  for (ky_id id = 1; id <= p->root; id++) {
    leads[id] = p->wanted[id];
    if (!ky__has_adjoint(code, &code->ins[id])) continue;
    if (!ky__is_float(code->ins[id].dtype)) continue; /* a cast to an integer or a mask */
    const uint32_t operands = ky__operand_count(code, id);
    for (uint32_t k = 0; k < operands; k++) leads[id] |= leads[ky__operand(code, id, k)];
  }
  const bool connected = leads[p->root];
  ky__pass_free(pass, leads, code->count, sizeof *leads);
  if (connected) return KY_OK;
  return ky__fail(pass->fault, KY_UNCONNECTED, "no weight or wanted value leads to the root %s",
                  ky__value_name(code, p->root).text);
}

/* What has no name cannot be found, whatever became of it. */
static void hide_nameless(ky_program *p) {
  for (ky_id id = 1; id < p->map_count; id++)
    if (!p->keep[id] && !p->wanted[id] && p->code.ins[id].op != KY_OP_input) p->map[id] = 0;
}

static ky_status mark(ky_pass *pass, ky_var root, const ky_compile_options *o) {
  ky_program *p = pass->program;
  if (root.id) {
    KY_TRY(name(pass, root, "root", &p->root));
    const ky_ins *i = &pass->tape->code.ins[p->root];
    if (!ky__is_float(i->dtype))
      return ky__fail(pass->fault, KY_BAD_DTYPE, "the root %s is %s, wants f32 or f64",
                      ky__value_name(&pass->tape->code, p->root).text,
                      ky_dtype_name((ky_dtype)i->dtype));
    p->keep[p->root] = 1;
  }
  for (size_t k = 0; k < o->keep_count; k++) {
    ky_id id = 0;
    KY_TRY(name(pass, o->keep[k], "keep", &id));
    p->keep[id] = 1;
  }
  if (!root.id && o->keep_count == 0)
    return ky__fail(pass->fault, KY_BAD_ARGUMENT, "no value was named");
  KY_TRY(check_connected(pass));
  if (root.id) {
    KY_TRY(mark_wanted(pass, o));
    KY_TRY(check_wanted(pass));
  }
  hide_nameless(p);
  return KY_OK;
}

/* ---- passes ------------------------------------------------------------------------------ */

const char *const *ky_program_passes(void) {
  static const char *const names[] = {
#define X(name) #name,
      KY_PASSES(X)
#undef X
          NULL};
  return names;
}

static ky_status run_passes(ky_pass *pass, const ky_compile_options *o) {
  static ky_pass_fn *const passes[] = {
#define X(name) ky__pass_##name,
      KY_PASSES(X)
#undef X
  };
  const char *const *names = ky_program_passes();
  for (size_t k = 0; k < o->without_count; k++) {
    size_t n = 0;
    while (names[n] && o->without[k] && strcmp(names[n], o->without[k]) != 0) n++;
    if (!o->without[k] || !names[n])
      return ky__fail(pass->fault, KY_BAD_ARGUMENT, "there is no pass \"%s\"",
                      o->without[k] ? o->without[k] : "(null)");
  }
  for (size_t n = 0; names[n]; n++) {
    bool off = false;
    for (size_t k = 0; k < o->without_count; k++) off |= strcmp(names[n], o->without[k]) == 0;
    if (!off) KY_TRY(passes[n](pass));
  }
  return KY_OK;
}

/* Below, the loops of instructions stay in the nearest cache anyway, and setting up a tile
 * costs more than calling them. */
#define FUSE_LEAST 4096

static int64_t fuse_least(const ky_compile_options *o) {
  const size_t least = o->fuse_least ? o->fuse_least : FUSE_LEAST;
  return least > INT64_MAX ? INT64_MAX : (int64_t)least;
}

static ky_status compile(ky_pass *pass, ky_var root, const ky_compile_options *o) {
  if (copy_code(pass) != KY_OK)
    return ky__fail(pass->fault, KY_NO_MEMORY, "no memory for the program");
  KY_TRY(mark(pass, root, o));
  KY_TRY(run_passes(pass, o));
  KY_TRY(drop_constants(pass));
  return ky__plan_memory(pass);
}

/* ---- the public functions ---------------------------------------------------------------- */

void ky_program_free(ky_program *p) {
  if (!p || atomic_fetch_sub(&p->users, 1) > 1) return;
  const ky_allocator a = p->allocator;
  ky__resize(&a, p->eras, p->era_count * sizeof *p->eras, 0);
  ky__resize(&a, p->code.ins, p->capacity * sizeof *p->code.ins, 0);
  ky__resize(&a, p->code.layout, p->capacity * sizeof *p->code.layout, 0);
  ky__resize(&a, p->code.site, p->capacity * sizeof *p->code.site, 0);
  ky__resize(&a, p->code.pool, p->code.pool_capacity * sizeof *p->code.pool, 0);
  ky__resize(&a, p->code.files, p->code.file_capacity * sizeof *p->code.files, 0);
  ky__resize(&a, p->code.customs, p->code.custom_capacity * sizeof *p->code.customs, 0);
  ky__resize(&a, p->binds, p->code.bind_count * sizeof *p->binds, 0);
  ky_pass pass = {.program = p};
  ky__pass_free(&pass, p->bound, p->code.bind_count, sizeof *p->bound);
  ky__pass_free(&pass, p->map, p->map_count, sizeof *p->map);
  ky__pass_free(&pass, p->origins, p->map_count, sizeof *p->origins);
  ky__pass_free(&pass, p->keep, p->capacity, sizeof *p->keep);
  ky__pass_free(&pass, p->wanted, p->capacity, sizeof *p->wanted);
  ky__pass_free(&pass, p->value_at, p->capacity, sizeof *p->value_at);
  ky__pass_free(&pass, p->adjoint_at, p->capacity, sizeof *p->adjoint_at);
  ky__pass_free(&pass, p->aux_at, p->code.aux_count, sizeof *p->aux_at);
  ky__pass_free(&pass, p->dues, p->code.bind_count, sizeof *p->dues);
  ky__pass_free(&pass, p->again, p->again_count, sizeof *p->again);
  ky__layouts_free(&p->code.layouts);
  ky__arena_free(&p->code.blobs);
  ky__resize(&a, p, sizeof *p, 0);
}

ky_status ky_compile(ky_tape *t, ky_var root, const ky_compile_options *options,
                     ky_program **out) {
  if (out) *out = NULL;
  if (!t) return KY_BAD_ARGUMENT;
  KY_TRY(ky_tape_check(t));
  if (!out) return ky__error(t, KY_BAD_ARGUMENT, "compile: the result pointer is null");
  ky_compile_options o = {0};
  if (!ky__take_options(&o, sizeof o, options))
    return ky__error(t, KY_BAD_ARGUMENT, "compile: the options have size %zu, wants %zu",
                     options->size, sizeof o);
  if ((o.keep_count && !o.keep) || (o.wrt_count && !o.wrt) || (o.without_count && !o.without))
    return ky__error(t, KY_BAD_ARGUMENT, "compile: a list in the options is null");
  const ky_allocator allocator = ky__allocator(&o.allocator);
  ky_program *p = ky__resize(&allocator, NULL, 0, sizeof *p);
  if (!p) return ky__error(t, KY_NO_MEMORY, "compile: no memory for the program");
  memset(p, 0, sizeof *p);
  p->allocator = allocator;
  atomic_init(&p->users, 1);
  p->tape = t;
  p->check = (t->flags & KY_CHECK_FINITE) != 0;
  p->updates = o.updates != 0;
  p->seed = t->frame.seed;
  p->code.layouts.allocator = allocator;
  ky__arena_init(&p->code.blobs, &allocator);
  ky_fault fault = {0};
  ky_pass pass = {.program = p, .tape = t, .fuse_least = fuse_least(&o), .fault = &fault};
  t->fault.status = KY_OK;
  const ky_status status = compile(&pass, root, &o);
  if (status != KY_OK) {
    ky_program_free(p);
    return ky__error(t, status, "compile: %s", fault.text);
  }
  *out = p;
  return KY_OK;
}

uint32_t ky_program_length(const ky_program *p) { return p ? p->code.count : 0; }

ky_memory ky_program_memory(const ky_program *p) { return p ? p->memory : (ky_memory){0}; }

ky_status ky_program_dump(const ky_program *p, FILE *out) {
  if (!p || !out) return KY_BAD_ARGUMENT;
  ky__dump_code(&p->code, out);
  return KY_OK;
}
