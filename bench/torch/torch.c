/* SPDX-License-Identifier: MIT */
/* See torch.h. The child prints a line a thread count: threads, median, minimum, spread,
 * samples, calls a sample, value, bytes. */
#define _DEFAULT_SOURCE
#include "torch/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"
#define SCRIPT KYBENCH_TORCH_DIR "/steps.py"

typedef struct child {
  pid_t id;
  FILE *out;
} child;

/* BLIS, which Debian's PyTorch multiplies with, gets the kernels that our own products get:
 * where it does not know the processor, its choice would be the slowest ones. */
static void choose_kernels(void) {
  const char *info = ky_gemm_info();
  if (!strstr(info, "does not know")) return;
  setenv("BLIS_ARCH_TYPE", strstr(info, "skx") ? "0" : "3", 0);
}

static bool start(child *c, char *const arguments[]) {
  int ends[2];
  fflush(NULL);
  if (pipe(ends) != 0) return false;
  c->id = fork();
  if (c->id == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    choose_kernels();
    execv(PYTHON, arguments);
    _exit(EXIT_FAILURE);
  }
  close(ends[1]);
  c->out = c->id > 0 ? fdopen(ends[0], "r") : NULL;
  if (!c->out) close(ends[0]);
  return c->out;
}

static bool finish(child *c) {
  int status = 0;
  fclose(c->out);
  return waitpid(c->id, &status, 0) == c->id && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool torch_find(FILE *out) {
  char *const arguments[] = {PYTHON, "-B", SCRIPT, "version", NULL};
  char version[128] = "";
  child c;
  if (start(&c, arguments)) {
    const bool said = fgets(version, sizeof version, c.out);
    if (finish(&c) && said) {
      fprintf(out, "PyTorch %s", version);
      return true;
    }
  }
  fprintf(out, "PyTorch: not found, left out (" PYTHON " has no module torch; Debian's package "
               "is python3-torch)\n");
  return false;
}

typedef struct report {
  bench_stats time;
  int threads;
  double value, bytes;
} report;

static bool read_report(FILE *in, report *r) {
  double calls;
  if (fscanf(in, "%d %lf %lf %lf %d %lf %lf %lf", &r->threads, &r->time.median, &r->time.min,
             &r->time.spread, &r->time.samples, &calls, &r->value, &r->bytes) != 8)
    return false;
  r->time.calls = (uint64_t)calls;
  return true;
}

static void add_row(bench_sheet *sheet, const char *title, const report *r) {
  bench_row *row =
      bench_sheet_row(sheet, title, r->threads == 1 ? BENCH_TORCH : BENCH_TORCH_TWO);
  row->time = r->time;
  row->bytes = r->bytes;
  if (row == sheet->rows || strcmp(row[-1].title, title) != 0) return;
  row->bound = row[-1].bound;
  row->flops = row[-1].flops;
}

bool torch_run(const bench_setup *setup, bench_sheet *sheet, const char *title,
               const char *argument, double want, double tolerance) {
  if (!setup->torch) return true;
  char name[32], words[64], seconds[32], sample[32], slow[32];
  snprintf(name, sizeof name, "%s", sheet->name);
  snprintf(words, sizeof words, "%s", argument);
  snprintf(seconds, sizeof seconds, "%g", setup->pace.cell);
  snprintf(sample, sizeof sample, "%g", setup->pace.sample);
  snprintf(slow, sizeof slow, "%g", setup->pace.slow);
  char *const arguments[] = {PYTHON, "-B", SCRIPT, name, words, seconds, sample, slow, NULL};
  child c;
  report r;
  int lines = 0;
  bool good = true;
  if (!start(&c, arguments)) return true;
  for (; good && read_report(c.out, &r); lines++) {
    good = bench_agree(sheet->name, BENCH_TORCH, "the value", r.value, want, tolerance);
    if (good) add_row(sheet, title, &r);
  }
  if (!finish(&c) || lines == 0) fprintf(stderr, "kybench: %s: PyTorch failed\n", sheet->name);
  return good;
}
