/* SPDX-License-Identifier: MIT */
/* See contest.h. */
#include "contest.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

void contest_open(contest *c, const bench_setup *setup, bench_sheet *sheet, const char *title,
                  bound *least) {
  *c = (contest){.setup = setup, .sheet = sheet, .title = title, .bound = least};
  c->cell = bench_alloc(CONTEST_CELLS, sizeof *c->cell);
}

void contest_close(contest *c) {
  for (int k = 0; k < c->rows; k++) torch_close(c->torch[k]);
  free(c->cell);
}

int contest_aside(contest *c, bench_call *call, void *state) {
  assert(c->cells + BOUND_CELLS < CONTEST_CELLS);
  c->cell[c->cells].call = call;
  c->cell[c->cells].state = state;
  return c->cells++;
}

void contest_add(contest *c, bench_variant variant, bench_call *call, void *state) {
  assert(c->rows == c->cells);
  c->variant[c->rows] = variant;
  c->rows = contest_aside(c, call, state) + 1;
}

void contest_add_taped(contest *c, taped *recorded, taped *replayed, taped *compiled) {
  const taped *const all[] = {recorded, replayed, compiled};
  for (int k = 0; k < 3; k++) c->taped[c->rows + k] = all[k];
  contest_add(c, BENCH_RECORDED, taped_recorded, recorded);
  contest_add(c, BENCH_REPLAYED, taped_replayed, replayed);
  contest_add(c, BENCH_COMPILED, taped_compiled, compiled);
  if (!compiled->two) return;
  c->taped[c->rows] = compiled;
  contest_add(c, BENCH_TWO_THREADS, taped_two_threads, compiled);
}

bool contest_add_torch(contest *c, const char *argument, double want, double tolerance) {
  const char *workload = c->sheet->name;
  for (int threads = 1; threads <= 2 && c->setup->torch; threads++) {
    torch_child *child = torch_open(workload, argument, threads);
    if (!child) continue;
    c->torch[c->rows] = child;
    c->cell[c->cells].timed = torch_time;
    contest_add(c, threads == 1 ? BENCH_TORCH : BENCH_TORCH_TWO, NULL, child);
    if (!bench_agree(workload, BENCH_TORCH, "the value", torch_value(child), want, tolerance))
      return false;
  }
  return true;
}

void contest_run(contest *c) {
  const int bounds = c->bound ? bound_cells(c->bound, c->cell + c->cells) : 0;
  bench_measure(&c->setup->pace, c->cells + bounds, c->cell);
  c->first = c->sheet->count;
  for (int k = 0; k < c->rows; k++) {
    if (isinf(c->cell[k].spent)) continue; /* a child that failed */
    bench_row *row = bench_sheet_row(c->sheet, c->title, c->variant[k]);
    row->time = bench_summary(&c->cell[k]);
    if (c->bound) {
      row->bound = bound_time(c->bound, c->cell + c->cells);
      row->flops = bound_flops(c->bound);
    }
    if (c->torch[k]) row->bytes = torch_bytes(c->torch[k]);
    if (!c->taped[k]) continue;
    row->instructions = taped_length(c->taped[k]);
    row->bytes = taped_bytes(c->taped[k]);
  }
}

bench_row *contest_row(const contest *c, bench_variant variant) {
  int k = 0;
  while (k + 1 < c->rows && c->variant[k] != variant) k++;
  assert(c->variant[k] == variant);
  return &c->sheet->rows[c->first + (size_t)k];
}

double contest_median(const contest *c, int aside) {
  return bench_summary(&c->cell[aside]).median;
}
