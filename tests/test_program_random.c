/* SPDX-License-Identifier: MIT */
/* Random tapes, compiled in many ways, against the tape itself, bit for bit: values, gradients,
 * and weights after steps. Before each forward sweep the execution's memory is poisoned, so
 * nothing can live on what an earlier run left behind. KYTAPE_TAPES=n sets how many;
 * KYTAPE_SEED=n runs one and prints it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "opinfo.h"
#include "random_tape.h"
#include "tape/execution.h"
#include "tape/tape.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  #define TAPES 1000
#else
  #define TAPES 10000
#endif

enum { ROUNDS = 3, IDS = 1024, VARIANTS = 16 };
static const double rate = 0.0625;

/* ---- what is being checked, for messages ------------------------------------------------- */

static struct {
  uint64_t seed;
  const char *variant;
  int round;
  bool loud;
} now;

static void expect(bool holds, const char *what, uint32_t id) {
  if (holds) return;
  print_error("KYTAPE_SEED=%llu, %s, round %d, %%%u: %s\n", (unsigned long long)now.seed,
              now.variant, now.round, (unsigned)id, what);
  fail();
}

/* ---- an allocator that counts and lets the arena be poisoned ----------------------------- */

typedef struct ledger {
  struct {
    void *ptr;
    size_t bytes;
  } block[32];
  int count;
  size_t requests, requested;
} ledger;

static void *ledger_resize(void *user, void *ptr, size_t old_bytes, size_t new_bytes) {
  ledger *l = user;
  int k = 0;
  while (k < l->count && l->block[k].ptr != ptr) k++;
  expect(ptr ? k < l->count && l->block[k].bytes == old_bytes : old_bytes == 0,
         "a block of another size was given back", 0);
  if (ptr) l->block[k] = l->block[--l->count];
  if (new_bytes == 0) {
    free(ptr);
    return NULL;
  }
  l->requests++;
  l->requested += new_bytes;
  ptr = realloc(ptr, new_bytes);
  l->block[l->count].ptr = ptr;
  l->block[l->count++].bytes = new_bytes;
  return ptr;
}

/* Overwrites the arena, but for the values that are computed once; false when it cannot be told
 * from other blocks. */
static bool poison(ledger *l, const ky_program *p) {
  int found = -1;
  for (int k = 0; k < l->count; k++) {
    if (l->block[k].bytes != p->memory.arena + KY_ALIGN + KY_SLACK) continue;
    if (found >= 0) return false;
    found = k;
  }
  if (found < 0) return p->memory.arena == 0;
  const uintptr_t block = (uintptr_t)l->block[found].ptr;
  unsigned char *base = (unsigned char *)((block + KY_ALIGN - 1) & ~(uintptr_t)(KY_ALIGN - 1));
  unsigned char *spared = calloc(p->memory.arena, 1);
  for (ky_id id = 1; id <= p->constants; id++)
    if (p->value_at[id] != KY_NOWHERE)
      memset(spared + p->value_at[id], 1,
             (size_t)ky__layout(&p->code, id)->count *
                 ky_dtype_size((ky_dtype)p->code.ins[id].dtype));
  for (size_t k = 0; k < p->memory.arena; k++)
    if (!spared[k]) base[k] = 0xff;
  free(spared);
  return true;
}

/* ---- the reference: what the tape says --------------------------------------------------- */

/* A copy of an array, dense; data is null for none. */
typedef struct copy {
  void *data;
  size_t bytes;
} copy;

typedef struct reference {
  copy value[ROUNDS][RANDOM_VALUES], grad[ROUNDS][RANDOM_VALUES];
  copy weight[ROUNDS][RANDOM_LEAVES], first_weight[RANDOM_LEAVES];
} reference;

static copy copy_of(const void *data, size_t bytes) {
  copy c = {malloc(bytes + 1), bytes};
  if (bytes) memcpy(c.data, data, bytes);
  return c;
}

static size_t bytes_of(const ky_array *a) { return (size_t)a->count * ky_dtype_size(a->dtype); }

static void fill_inputs(const random_tape *r, uint64_t round) {
  for (int k = 0; k < r->input_count; k++) random_tape_fill(r, k, round, r->inputs[k].data);
}

static void look_at_weights(const random_tape *r, copy *copies) {
  for (int k = 0; k < r->weight_count; k++) {
    const ky_array a = ky_tensor_array(r->weights[k]);
    copies[k] = copy_of(a.data, bytes_of(&a));
  }
}

static void look(const random_tape *r, reference *ref, int round) {
  for (int k = 0; k < r->count; k++) {
    const random_value *v = &r->values[k];
    copy *value = &ref->value[round][k];
    *value = (copy){malloc(bytes_of(&v->shape) + 1), bytes_of(&v->shape)};
    assert_int_equal(ky_read(r->tape, v->var, value->data, value->bytes), KY_OK);
    ky_array grad;
    if (ky_grad(r->tape, v->var, &grad) == KY_OK)
      ref->grad[round][k] = copy_of(grad.data, bytes_of(&grad));
  }
  look_at_weights(r, ref->weight[round]);
}

static void refer(const random_tape *r, reference *ref, bool updates) {
  ky_optimizer *sgd;
  assert_int_equal(ky_sgd_new(NULL, rate, NULL, &sgd), KY_OK);
  random_tape_reset_weights(r);
  look_at_weights(r, ref->first_weight);
  for (int round = 0; round < ROUNDS; round++) {
    fill_inputs(r, (uint64_t)round);
    ky_grads grads;
    const bool swept =
        ky_forward(r->tape) == KY_OK && ky_backward(r->tape, r->root, &grads) == KY_OK;
    if (!swept) print_error("%s\n", ky_tape_message(r->tape));
    expect(swept, "the sweeps", r->root.id);
    if (updates) assert_int_equal(ky_optimizer_step(sgd, &grads), KY_OK);
    look(r, ref, round);
  }
  ky_optimizer_free(sgd);
}

static void forget(reference *ref) {
  for (int round = 0; round < ROUNDS; round++) {
    for (int k = 0; k < RANDOM_VALUES; k++) {
      free(ref->value[round][k].data);
      free(ref->grad[round][k].data);
    }
    for (int k = 0; k < RANDOM_LEAVES; k++) free(ref->weight[round][k].data);
  }
  for (int k = 0; k < RANDOM_LEAVES; k++) free(ref->first_weight[k].data);
  memset(ref, 0, sizeof *ref);
}

/* Equal bits; the payload of a NaN is the compiler's. */
static bool same_bits(ky_dtype dtype, size_t bytes, const void *a, const void *b) {
  if (bytes == 0 || memcmp(a, b, bytes) == 0) return true;
  const float *fa = a, *fb = b;
  const double *da = a, *db = b;
  for (size_t k = 0; dtype == KY_F32 && k < bytes / sizeof *fa; k++)
    if (memcmp(&fa[k], &fb[k], sizeof *fa) && !(fa[k] != fa[k] && fb[k] != fb[k])) return false;
  for (size_t k = 0; dtype == KY_F64 && k < bytes / sizeof *da; k++)
    if (memcmp(&da[k], &db[k], sizeof *da) && !(da[k] != da[k] && db[k] != db[k])) return false;
  const uint16_t *ha = a, *hb = b;
  const uint16_t infinity = dtype == KY_F16 ? 0x7C00 : 0x7F80;
  const bool half = dtype == KY_F16 || dtype == KY_BF16;
  for (size_t k = 0; half && k < bytes / sizeof *ha; k++)
    if (ha[k] != hb[k] && !((ha[k] & 0x7FFF) > infinity && (hb[k] & 0x7FFF) > infinity))
      return false;
  return half || dtype == KY_F32 || dtype == KY_F64;
}

/* ---- variants ---------------------------------------------------------------------------- */

/* One way to compile a tape. */
typedef struct variant {
  char title[64];
  const char *without[16];
  size_t without_count;
  bool rooted, updates;
  bool keep[IDS], wrt[IDS];
  bool any_wrt;
  ky_program *program;
} variant;

typedef struct trial {
  random_tape *r;
  reference *ref;
  uint64_t state; /* of the choices made here */
  bool updates;
  variant variants[VARIANTS];
  int count;
  void *other[RANDOM_LEAVES]; /* arrays to bind inputs to */
  long runs, poisoned;
} trial;

static void leave_out(variant *v, const char *pass) { v->without[v->without_count++] = pass; }

static void keep_some(trial *b, variant *v, int one_in) {
  for (int k = 0; k < b->r->count; k++)
    if (b->r->values[k].depends && random_below(&b->state, one_in) == 0)
      v->keep[b->r->values[k].var.id] = true;
}

static void want_some(trial *b, variant *v) {
  for (int k = 0; k < b->r->count; k++)
    if (b->r->values[k].self && random_below(&b->state, 3) == 0)
      v->wrt[b->r->values[k].var.id] = v->any_wrt = true;
}

static variant *add_variant(trial *b, const char *title, const char *pass) {
  variant *v = &b->variants[b->count++];
  assert_true(b->count <= VARIANTS);
  memset(v, 0, sizeof *v);
  snprintf(v->title, sizeof v->title, "%s %s", title, pass);
  v->rooted = true;
  v->updates = b->updates;
  return v;
}

static void choose_variants(trial *b) {
  const char *const *passes = ky_program_passes();
  keep_some(b, add_variant(b, "all passes", ""), 4);
  variant *none = add_variant(b, "no pass", "");
  keep_some(b, none, 4);
  for (int k = 0; passes[k]; k++) {
    leave_out(none, passes[k]);
    variant *v = add_variant(b, "without", passes[k]);
    leave_out(v, passes[k]);
    keep_some(b, v, 6);
    if (random_below(&b->state, 2)) want_some(b, v);
  }
  variant *some = add_variant(b, "some wanted", "");
  want_some(b, some);
  variant *mixed = add_variant(b, "random passes", "");
  for (int k = 0; passes[k]; k++)
    if (random_below(&b->state, 2)) leave_out(mixed, passes[k]);
  keep_some(b, mixed, 3);
  want_some(b, mixed);
  if (b->updates) return;
  variant *rootless = add_variant(b, "no root", "");
  rootless->rooted = false;
  keep_some(b, rootless, 8);
}

/* Whether something that `v` wants leads to the root. */
static bool leads_to_root(const trial *b, const variant *v) {
  if (!v->any_wrt) return true;
  for (int k = 0; k < b->r->count; k++)
    if (v->wrt[b->r->values[k].var.id] && b->ref->grad[0][k].data) return true;
  return false;
}

static void compile(trial *b, variant *v) {
  ky_var keep[RANDOM_VALUES], wrt[RANDOM_VALUES];
  ky_compile_options o = {.size = sizeof o,
                          .keep = keep,
                          .wrt = wrt,
                          .updates = v->updates,
                          .without = v->without,
                          .without_count = v->without_count,
                          .fuse_least = 1};
  for (int k = 0; k < b->r->count; k++) {
    const ky_var var = b->r->values[k].var;
    if (v->keep[var.id]) keep[o.keep_count++] = var;
    if (v->wrt[var.id]) wrt[o.wrt_count++] = var;
  }
  const ky_status want = !v->rooted && !o.keep_count         ? KY_BAD_ARGUMENT
                         : v->rooted && !leads_to_root(b, v) ? KY_UNCONNECTED
                                                             : KY_OK;
  const ky_var root = v->rooted ? b->r->root : ky_none();
  const ky_status got = ky_compile(b->r->tape, root, &o, &v->program);
  if (got != want) print_error("%s\n", ky_tape_message(b->r->tape));
  expect(got == want, "ky_compile", root.id);
  if (now.loud && v->program) {
    fprintf(stderr, "---- %s\n", v->title);
    ky_program_dump(v->program, stderr);
  }
}

/* ---- comparing --------------------------------------------------------------------------- */

/* Whether the gradient of a value of the tape is there after a sweep of `v`. */
static bool differentiates(const variant *v, const random_value *value) {
  return v->rooted && (v->any_wrt ? v->wrt[value->var.id] : value->self);
}

static void compare_values(trial *b, const variant *v, ky_exec *e, int round) {
  for (int k = 0; k < b->r->count; k++) {
    const random_value *value = &b->r->values[k];
    const ky_id id = value->var.id;
    const copy *want = &b->ref->value[round][k];
    const bool named = v->keep[id] || (v->rooted && id == b->r->root.id);
    void *buffer = malloc(want->bytes + 1);
    const ky_status status = ky_exec_read(e, value->var, buffer, want->bytes);
    if (named) expect(status == KY_OK, "a named value cannot be read", id);
    if (!named && !differentiates(v, value))
      expect(status == KY_BAD_VAR, "a value that was not named can be read", id);
    if (status == KY_OK)
      expect(same_bits(value->shape.dtype, want->bytes, buffer, want->data), "the value", id);
    free(buffer);
  }
}

static void compare_grads(trial *b, const variant *v, ky_exec *e, int round) {
  for (int k = 0; k < b->r->count; k++) {
    const random_value *value = &b->r->values[k];
    const ky_id id = value->var.id;
    const copy *want = &b->ref->grad[round][k];
    ky_array got;
    const ky_status status = ky_exec_grad(e, value->var, &got);
    if (!differentiates(v, value)) {
      expect(status == KY_BAD_VAR, "a gradient that nobody asked for can be read", id);
      continue;
    }
    if (v->updates && value->tensor && status == KY_BAD_VAR) continue;
    const bool vanished = status == KY_BAD_VAR && !v->wrt[id]; /* as it leads nowhere */
    expect(want->data ? status == KY_OK : status == KY_UNCONNECTED || vanished,
           "the status of the gradient", id);
    if (status == KY_OK)
      expect(bytes_of(&got) == want->bytes &&
                 same_bits(got.dtype, want->bytes, got.data, want->data),
             "the gradient", id);
  }
}

/* The list has each weight that leads to the root and is wanted, once, in the order of
 * recording. */
static void compare_list(trial *b, const variant *v, const ky_grads *grads, int round) {
  const uint32_t count = (uint32_t)grads->count;
  uint32_t met = 0;
  for (ky_id id = 1; id < IDS; id++) {
    const random_value *value = NULL;
    const copy *want = NULL;
    for (int k = 0; k < b->r->count; k++)
      if (b->r->values[k].var.id == id) {
        value = &b->r->values[k];
        want = &b->ref->grad[round][k];
      }
    if (v->updates || !value || !value->tensor || !differentiates(v, value) || !want->data)
      continue;
    expect(met < count && grads->pairs[met].var.id == id, "is not in the list of gradients",
           id);
    expect(same_bits(value->shape.dtype, want->bytes, grads->pairs[met].grad, want->data),
           "the gradient in the list", id);
    met++;
  }
  expect(met == count, "the list of gradients is too long", 0);
}

static bool is_wanted(const trial *b, const variant *v, const ky_tensor *w) {
  for (int k = 0; k < b->r->count; k++)
    if (b->r->values[k].tensor == w && v->wrt[b->r->values[k].var.id]) return true;
  return !v->any_wrt;
}

/* Weights that are wanted have made the step, the others have not. */
static void compare_weights(trial *b, const variant *v, int round) {
  for (int k = 0; k < b->r->weight_count; k++) {
    const ky_tensor *w = b->r->weights[k];
    const copy *want =
        is_wanted(b, v, w) ? &b->ref->weight[round][k] : &b->ref->first_weight[k];
    expect(same_bits(ky_tensor_dtype(w), want->bytes, ky_tensor_data(w), want->data),
           "a weight after the step", (uint32_t)k);
  }
}

/* ---- running ----------------------------------------------------------------------------- */

/* Takes back what an execution was given beyond the scratch memory that was planned: arenas
 * round up. */
static void cut_scratch(ky_exec *e, const ky_program *p) {
  const size_t planned = ky_program_memory(p).scratch;
  ky_arena *scratch = &e->frame.scratch;
  expect((scratch->count > 0) == (planned > 0), "scratch memory was not given as planned", 0);
  if (planned) scratch->chunks[0].size = planned;
}

static ky_exec *start(const variant *v, ky_optimizer *sgd, ledger *l) {
  ky_exec_options o = {.size = sizeof o, .allocator = {l, ledger_resize}};
  if (v->updates) o.update = ky_optimizer_update(sgd);
  ky_exec *e;
  *l = (ledger){0};
  assert_int_equal(ky_exec_new(v->program, &o, &e), KY_OK);
  expect(l->requested == ky_program_memory(v->program).total, "the memory is not the total", 0);
  cut_scratch(e, v->program);
  return e;
}

/* Lets inputs read other arrays with the data of `round`; those of the tape hold rubbish then.
 */
static void bind_elsewhere(trial *b, ky_exec *e, int round) {
  for (int k = 0; k < b->r->input_count; k++) {
    random_tape_fill(b->r, k, (uint64_t)round, b->other[k]);
    expect(ky_exec_input(e, b->r->inputs[k].var, b->other[k]) == KY_OK, "ky_exec_input",
           b->r->inputs[k].var.id);
  }
  fill_inputs(b->r, 1000);
}

static void step(trial *b, const variant *v, ky_exec *e, int round, bool compares_values) {
  ky_grads grads = {0};
  const ky_status status = v->rooted ? ky_exec_step(e, &grads) : ky_exec_forward(e);
  if (status != KY_OK) print_error("%s\n", ky_exec_message(e));
  expect(status == KY_OK, "the step", 0);
  if (compares_values) compare_values(b, v, e, round);
  compare_grads(b, v, e, round);
  compare_list(b, v, &grads, round);
  if (v->updates) compare_weights(b, v, round);
}

static void run(trial *b, const variant *v) {
  ky_optimizer *sgd;
  assert_int_equal(ky_sgd_new(NULL, rate, NULL, &sgd), KY_OK);
  ledger l;
  ky_exec *e = start(v, sgd, &l);
  const size_t requests = l.requests;
  random_tape_reset_weights(b->r);
  /* weights that are not wanted stay behind those of the tape */
  const bool diverges = v->updates && v->any_wrt;
  for (now.round = 0; now.round < (diverges ? 1 : ROUNDS); now.round++) {
    fill_inputs(b->r, (uint64_t)now.round);
    if (now.round == ROUNDS - 1) bind_elsewhere(b, e, now.round);
    b->poisoned += poison(&l, v->program);
    b->runs++;
    step(b, v, e, now.round, !diverges);
  }
  expect(l.requests == requests, "a step allocates", 0);
  ky_exec_free(e);
  expect(l.count == 0, "a leak", 0);
  ky_optimizer_free(sgd);
}

/* Two executions of one program, each in the middle of its own round. */
static void interleave(trial *b, const variant *v) {
  ledger books[2];
  ky_exec *e[2];
  random_tape_reset_weights(b->r);
  for (int k = 0; k < 2; k++) e[k] = start(v, NULL, &books[k]);
  bind_elsewhere(b, e[1], 1);
  expect(ky_exec_seed(e[1], 0, 1) == KY_OK, "ky_exec_seed", 0);
  fill_inputs(b->r, 0);
  for (int k = 0; k < 2; k++) expect(ky_exec_forward(e[k]) == KY_OK, "the forward sweep", 0);
  for (int k = 0; k < 2; k++)
    expect(ky_exec_backward(e[k], NULL) == KY_OK, "the reverse sweep", 0);
  for (now.round = 0; now.round < 2; now.round++) {
    compare_values(b, v, e[now.round], now.round);
    compare_grads(b, v, e[now.round], now.round);
  }
  for (int k = 0; k < 2; k++) ky_exec_free(e[k]);
}

/* Opcodes that the tapes had. */
static bool met[KY_OP_COUNT];

static void meet(const ky_tape *t) {
  for (ky_id id = 0; id < t->code.count; id++) met[t->code.ins[id].op] = true;
}

static void say_what_was_not_met(void) {
  for (int op = 0; op < (int)KY_OP_COUNT; op++)
    if (!met[op]) print_message("no tape had %s\n", ky__opinfo[op].name);
}

static void check(trial *b, uint64_t seed) {
  static reference ref;
  now.seed = seed;
  now.variant = "the tape";
  random_tape *r = random_tape_new(seed);
  assert_non_null(r);
  if (now.loud) ky_tape_dump(r->tape, stderr);
  expect(ky_tape_check(r->tape) == KY_OK && ky_tape_length(r->tape) < IDS, "recording", 0);
  meet(r->tape);
  b->r = r;
  b->ref = &ref;
  b->state = seed;
  b->count = 0;
  b->updates = random_below(&b->state, 3) == 0;
  refer(r, &ref, b->updates);
  for (int k = 0; k < r->input_count; k++)
    b->other[k] = malloc(r->inputs[k].count * ky_dtype_size(r->inputs[k].dtype) + 1);
  choose_variants(b);
  for (int k = 0; k < b->count; k++) {
    now.variant = b->variants[k].title;
    compile(b, &b->variants[k]);
  }
  ky_tape_free(r->tape); /* programs do not need it */
  r->tape = NULL;
  for (int k = 0; k < b->count; k++) {
    now.variant = b->variants[k].title;
    if (b->variants[k].program) run(b, &b->variants[k]);
    if (b->variants[k].program && k == 0 && !b->updates) interleave(b, &b->variants[k]);
    ky_program_free(b->variants[k].program);
  }
  for (int k = 0; k < r->input_count; k++) free(b->other[k]);
  forget(&ref);
  random_tape_free(r);
}

/* Seeds beyond the usual ones that have found something: a label that is left out, and whose
 * row's gradient stays the -0 that it was. */
static const uint64_t telling[] = {133002};

static void random_programs_give_the_bits_of_the_tape(void **state) {
  (void)state;
  static trial b;
  const char *seed = getenv("KYTAPE_SEED"), *tapes = getenv("KYTAPE_TAPES");
  now.loud = seed != NULL;
  const uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
  const uint64_t count = seed ? 1 : tapes ? strtoull(tapes, NULL, 10) : TAPES;
  for (size_t k = 0; !seed && k < sizeof telling / sizeof *telling; k++) check(&b, telling[k]);
  for (uint64_t k = 0; k < count; k++) check(&b, first + k);
  print_message("%llu tapes, %ld programs run\n", (unsigned long long)count, b.runs);
  say_what_was_not_met();
  if (count > 100) assert_true(b.poisoned * 10 >= b.runs * 9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_programs_give_the_bits_of_the_tape)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
