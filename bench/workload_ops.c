/* SPDX-License-Identifier: MIT */
/* ops: every opcode alone on a tape, its forward and its reverse sweep, at a size that stays in
 * the cache and at one that does not. Beside each the time that it cannot do without: a copy of
 * the bytes that it must move, its products at BLIS's rate, its transcendental functions at the
 * vector library's. What must be moved is read off the instruction. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opcodes/opcode.h"
#include "tape/tape.h"
#include "workload.h"

static const bench_extra extras[] = {
    {"GB/s", "gigabytes_per_second", "%.1f"},
    {"ns/element", "ns_per_element", "%.3f"},
};

enum { RATE, PER_ELEMENT, EXTRA_COUNT };

static const opcode_family *const families[] = {&opcodes_elementwise, &opcodes_products,
                                                &opcodes_rows, &opcodes_movement,
                                                &opcodes_sequence};

#define FAMILIES (sizeof families / sizeof *families)

/* Opcodes without a row. */
static const char *const without[KY_OP_COUNT] = {
    [KY_OP_nop] = "no value",
    [KY_OP_input] = "the caller's memory",
    [KY_OP_param] = "the caller's memory",
    [KY_OP_constant] = "the tape's memory",
    [KY_OP_custom] = "the user's code",
    [KY_OP_fused] = "made by passes; chainwise times it",
};

/* Whether each opcode has one row, or else a reason. */
static bool complete(void) {
  int rows[KY_OP_COUNT] = {0};
  bool good = true;
  for (size_t f = 0; f < FAMILIES; f++)
    for (size_t k = 0; k < families[f]->count; k++) rows[families[f]->cases[k].op]++;
  for (int op = 0; op < KY_OP_COUNT; op++) {
    if (rows[op] == !without[op]) continue;
    fprintf(stderr, "kybench: ops: %s has %d rows%s\n", ky__opinfo[op].name, rows[op],
            without[op] ? " and a reason for none" : " and no reason");
    good = false;
  }
  return good;
}

/* ---- what an instruction must move ------------------------------------------------------- */

static double count_of(const ky_code *code, ky_id id) {
  return (double)ky__layout(code, id)->count;
}

static double bytes_of(const ky_code *code, ky_id id) {
  return count_of(code, id) * (double)ky_dtype_size((ky_dtype)code->ins[id].dtype);
}

static double bytes_forward(const ky_code *code, ky_id pc) {
  if (code->ins[pc].flags & KY_VIEW) return 0;
  double bytes = bytes_of(code, pc);
  for (uint32_t k = 0; k < ky__operand_count(code, pc); k++) {
    const ky_id operand = ky__operand(code, pc, k);
    if (operand) bytes += bytes_of(code, operand);
  }
  return bytes;
}

/* The seed is written and read. */
static double bytes_reverse(const ky_code *code, ky_id pc) {
  double bytes = 2 * bytes_of(code, pc);
  if (ky__reads_result(code, pc)) bytes += bytes_of(code, pc);
  for (uint32_t k = 0; k < ky__operand_count(code, pc); k++) {
    const ky_id operand = ky__operand(code, pc, k);
    if (!operand) continue;
    if (ky__reads_operand(code, pc, k)) bytes += bytes_of(code, operand);
    if (ky__wants(code, operand)) bytes += bytes_of(code, operand);
  }
  return bytes;
}

/* ---- measuring --------------------------------------------------------------------------- */

typedef struct subject {
  scene scene;
  ky_var root;
  bound forward, reverse;
} subject;

static void keep(subject *s, ky_status status) {
  if (s->scene.status == KY_OK) s->scene.status = status;
}

static void forward(void *state) {
  subject *s = state;
  keep(s, ky_forward(s->scene.t));
}

static void reverse(void *state) {
  subject *s = state;
  keep(s, ky_backward(s->scene.t, s->root, NULL));
}

#define EDGE  256  /* of the product that BLIS's rate is measured with */
#define CALLS 4096 /* of functions, likewise */

/* Products and calls take a time in proportion to their number, so a part is measured. */
static void open_bound(bound *b, const opcode_work *work, double bytes) {
  *b = (bound){.dtype = KY_F32, .bytes = bytes};
#define X(name, ...) b->calls[BOUND_##name] = work->name;
  RATE_FUNCTIONS_1(X)
  RATE_FUNCTIONS_2(X)
#undef X
  double most = 0;
  for (int k = 0; k < BOUND_FUNCTION_COUNT; k++) most = fmax(most, b->calls[k]);
  if (work->flops > 0) {
    const bound_matrix x = {0, false}, y = {1, false};
    bound_add_product(b, (bound_product){EDGE, EDGE, EDGE, x, y, 2, false});
    b->repeats = work->flops / bound_flops(b);
  } else if (most > CALLS) {
    b->repeats = most / CALLS;
  }
  for (int k = 0; k < BOUND_FUNCTION_COUNT && b->repeats > 0; k++) b->calls[k] /= b->repeats;
  bound_open(b);
}

/* The largest of the result and the first operand. */
static ky_id largest(const ky_code *code, ky_id pc) {
  const ky_id operand = ky__operand_count(code, pc) ? ky__operand(code, pc, 0) : 0;
  return operand && count_of(code, operand) >= count_of(code, pc) ? operand : pc;
}

static void say_title(char *title, size_t size, const ky_code *code, ky_id pc) {
  const ky_layout *l = ky__layout(code, largest(code, pc));
  int at = snprintf(title, size, "%s [", ky__opinfo[code->ins[pc].op].name);
  for (int k = 0; k < l->rank; k++)
    at +=
        snprintf(title + at, size - (size_t)at, "%s%lld", k ? "," : "", (long long)l->dims[k]);
  snprintf(title + at, size - (size_t)at, "]");
}

static void add_row(bench_sheet *sheet, const ky_code *code, ky_id pc, bench_variant variant,
                    const bench_cell *cell, const bound *least, const bench_cell *cells) {
  char title[64];
  say_title(title, sizeof title, code, pc);
  bench_row *row = bench_sheet_row(sheet, title, variant);
  row->time = bench_summary(cell);
  row->bound = bound_time(least, cells);
  row->flops = bound_flops(least);
  const char *limit = bound_limit(least, cells);
  snprintf(row->note, sizeof row->note, limit ? "bound by %s" : "a view: nothing moves", limit);
  if (row->flops > 0 || !limit) return;
  row->extra[RATE] = least->bytes / row->time.median;
  row->extra[PER_ELEMENT] = row->time.median / count_of(code, largest(code, pc));
}

static void measure(const bench_setup *setup, bench_sheet *sheet, subject *s, ky_id pc) {
  const ky_code *code = &s->scene.t->code;
  const bool back = ky__opinfo[code->ins[pc].op].differentiable && ky__wants(code, pc);
  bench_cell *cells = bench_alloc(2 + 2 * BOUND_CELLS, sizeof *cells);
  int count = 0;
  cells[count++] = (bench_cell){.call = forward, .state = s};
  count += bound_cells(&s->forward, cells + count);
  const int at = count;
  if (back) {
    cells[count++] = (bench_cell){.call = reverse, .state = s};
    count += bound_cells(&s->reverse, cells + count);
  }
  bench_pace pace = setup->pace;
  pace.cell /= 15; /* there are many cases */
  pace.sample /= 20;
  pace.slow /= 5;
  bench_measure(&pace, count, cells);
  add_row(sheet, code, pc, BENCH_FORWARD, cells, &s->forward, cells + 1);
  if (back) add_row(sheet, code, pc, BENCH_REVERSE, cells + at, &s->reverse, cells + at + 1);
  free(cells);
}

/* Whether the case is what its row says, and its numbers are worth a measurement. */
static bool check(subject *s, const opcode_case *c) {
  ky_array r;
  keep(s, ky_data(s->scene.t, s->root, &r));
  if (s->scene.status != KY_OK) return false;
  const ky_code *code = &s->scene.t->code;
  if (code->ins[code->count - 1].op != c->op) return false;
  for (ky_id k = 1; k + 1 < code->count; k++)
    if (ky__opinfo[code->ins[k].op].trait != KY_TRAIT_LEAF) return false;
  if (r.dtype != KY_F32 || code->ins[code->count - 1].flags & KY_VIEW) return true;
  for (int64_t k = 0; k < r.count; k++)
    if (!isfinite(((const float *)r.data)[k])) return false;
  return true;
}

static bool run_case(const bench_setup *setup, bench_sheet *sheet, const opcode_case *c,
                     int64_t n) {
  subject *s = bench_alloc(1, sizeof *s);
  scene_open(&s->scene);
  s->root = c->record(&s->scene, n);
  bool good = check(s, c);
  if (good) {
    const ky_code *code = &s->scene.t->code;
    const ky_id pc = code->count - 1;
    const double kept = s->scene.forward.kept;
    open_bound(&s->forward, &s->scene.forward, bytes_forward(code, pc) + kept);
    open_bound(&s->reverse, &s->scene.reverse, bytes_reverse(code, pc) + kept);
    measure(setup, sheet, s, pc);
    bound_close(&s->forward);
    bound_close(&s->reverse);
    good = s->scene.status == KY_OK;
  }
  if (!good)
    fprintf(stderr, "kybench: ops: %s is not what its row says: %s\n", ky__opinfo[c->op].name,
            ky_tape_message(s->scene.t));
  scene_close(&s->scene);
  free(s);
  return good;
}

bool workload_ops(const bench_setup *setup, bench_sheet *sheet) {
  sheet->extras = extras;
  sheet->extra_count = EXTRA_COUNT;
  bool good = complete();
  for (size_t f = 0; good && f < FAMILIES; f++)
    for (size_t k = 0; good && k < families[f]->count; k++) {
      const opcode_case *c = &families[f]->cases[k];
      if (setup->only && !strstr(ky__opinfo[c->op].name, setup->only)) continue;
      good = run_case(setup, sheet, c, c->small) &&
             (setup->quick || run_case(setup, sheet, c, c->large));
    }
  if (!good || sheet->count > 0) return good;
  fprintf(stderr, "kybench: ops: no opcode is called something with '%s'\n", setup->only);
  return false;
}
