/* SPDX-License-Identifier: MIT */
/* One case of a workload: its variants are timed side by side, and each becomes a row. */
#ifndef KYBENCH_CONTEST_H
#define KYBENCH_CONTEST_H

#include "bound.h"
#include "taped.h"
#include "torch/torch.h"
#include "workload.h"

#define CONTEST_CELLS 24

typedef struct contest {
  const bench_setup *setup;
  bench_sheet *sheet;
  const char *title;
  bound *bound; /* null: not known */
  int rows;     /* the first cells have a row each, the others are asides or the bound's */
  int cells;
  bench_variant variant[CONTEST_CELLS];
  const taped *taped[CONTEST_CELLS]; /* to count what it holds */
  torch_child *torch[CONTEST_CELLS];
  bench_cell *cell;
  size_t first; /* row of the sheet */
} contest;

/* least: the bound, filled in and open, or null. title: lives as long as the contest. */
void contest_open(contest *c, const bench_setup *setup, bench_sheet *sheet, const char *title,
                  bound *least);
void contest_close(contest *c);

/* A variant; they become rows in this order. */
void contest_add(contest *c, bench_variant variant, bench_call *call, void *state);

/* The three ways to run a tape, as variants; and with two threads, if `compiled` is shared. */
void contest_add_taped(contest *c, taped *recorded, taped *replayed, taped *compiled);

/* PyTorch with one thread and with two, if it is there and asked for: as variants, after the
 * others. argument: of the workload in torch/steps.py. want: the root's value in the first
 * step. False, with a message, when PyTorch has another one. */
bool contest_add_torch(contest *c, const char *argument, double want, double tolerance);

/* A call that is timed beside the others without a row; returns its number. Add it after the
 * variants. */
int contest_aside(contest *c, bench_call *call, void *state);

/* Times everything and makes the rows. */
void contest_run(contest *c);

/* After that: the row of a variant, borrowed until the sheet gets another row; */
bench_row *contest_row(const contest *c, bench_variant variant);

/* the median of an aside. */
double contest_median(const contest *c, int aside);

#endif
