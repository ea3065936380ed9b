/* SPDX-License-Identifier: MIT */
/* A sheet becomes a grid of texts; the grid finds its own column widths. */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 64

typedef struct column {
  char head[WIDTH];
  int left; /* aligned left */
  void (*cell)(char *text, const bench_sheet *sheet, const bench_row *row, int extra);
  int extra;
} column;

#define COLUMNS (16 + BENCH_EXTRAS)

/* ---- cells ------------------------------------------------------------------------------- */

/* Three digits that count. */
static void say_scaled(char *text, double value, const char *const units[], double step,
                       int n) {
  int k = 0;
  for (; value >= 999.5 && k < n - 1; k++) value /= step;
  const int digits = value >= 99.95 || (k == 0 && value == floor(value)) ? 0
                     : value >= 9.995                                    ? 1
                                                                         : 2;
  snprintf(text, WIDTH, "%.*f %s", digits, value, units[k]);
}

static void say_time(char *text, double ns) {
  static const char *const units[] = {"ns", "us", "ms", "s"};
  if (isfinite(ns)) say_scaled(text, ns, units, 1e3, 4);
}

static void say_title(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)extra;
  if (row == sheet->rows || strcmp(row[-1].title, row->title) != 0)
    snprintf(text, WIDTH, "%s", row->title);
}

static void say_variant(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  snprintf(text, WIDTH, "%s", bench_variant_name(row->variant));
}

static void say_median(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  say_time(text, row->time.median);
}

static void say_min(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  say_time(text, row->time.min);
}

static void say_spread(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  if (row->time.samples > 1) snprintf(text, WIDTH, "%.0f%%", 100 * row->time.spread);
}

static double per_instruction(const bench_row *row) {
  return row->instructions > 0 ? row->time.median / row->instructions : NAN;
}

static void say_per_instruction(char *text, const bench_sheet *sheet, const bench_row *row,
                                int extra) {
  (void)sheet, (void)extra;
  const double ns = per_instruction(row);
  if (isfinite(ns)) snprintf(text, WIDTH, ns < 100 ? "%.1f" : "%.0f", ns);
}

static double ratio_to(const bench_sheet *sheet, const bench_row *row, bench_variant other) {
  if (row->variant == other) return NAN;
  return row->time.median / bench_sheet_median(sheet, row, other);
}

static double bytes_per_instruction(const bench_row *row) {
  return row->instructions > 0 && row->bytes > 0 ? row->bytes / row->instructions : NAN;
}

static double gflops(const bench_row *row) {
  return row->flops > 0 ? row->flops / row->time.median : NAN;
}

static void say_ratio(char *text, double ratio) {
  if (isfinite(ratio))
    snprintf(text, WIDTH, ratio < 0.01 ? "%.1e" : ratio < 100 ? "%.2f" : "%.0f", ratio);
}

static void say_to_hand(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)extra;
  say_ratio(text, ratio_to(sheet, row, BENCH_HAND));
}

static void say_to_recursive(char *text, const bench_sheet *sheet, const bench_row *row,
                             int extra) {
  (void)extra;
  say_ratio(text, ratio_to(sheet, row, BENCH_RECURSIVE));
}

static void say_to_torch(char *text, const bench_sheet *sheet, const bench_row *row,
                         int extra) {
  (void)extra;
  say_ratio(text, ratio_to(sheet, row, BENCH_TORCH));
}

static void say_to_torch_two(char *text, const bench_sheet *sheet, const bench_row *row,
                             int extra) {
  (void)extra;
  say_ratio(text, ratio_to(sheet, row, BENCH_TORCH_TWO));
}

static void say_bound(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  say_time(text, row->bound);
}

static void say_of_bound(char *text, const bench_sheet *sheet, const bench_row *row,
                         int extra) {
  (void)sheet, (void)extra;
  const double share = row->bound / row->time.median;
  if (isfinite(share)) snprintf(text, WIDTH, share < 0.01 ? "%.1f%%" : "%.0f%%", 100 * share);
}

static void say_gflops(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  const double rate = gflops(row);
  if (isfinite(rate)) snprintf(text, WIDTH, "%.1f", rate);
}

static void say_bytes_per_instruction(char *text, const bench_sheet *sheet,
                                      const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  const double bytes = bytes_per_instruction(row);
  if (isfinite(bytes)) snprintf(text, WIDTH, "%.0f", bytes);
}

static void say_bytes(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
  if (row->bytes > 0) say_scaled(text, row->bytes, units, 1024, 4);
}

static void say_note(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  (void)sheet, (void)extra;
  snprintf(text, WIDTH, "%s", row->note);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats are the workloads' literals */
static void say_extra(char *text, const bench_sheet *sheet, const bench_row *row, int extra) {
  const double value = row->extra[extra];
  if (isfinite(value)) snprintf(text, WIDTH, sheet->extras[extra].format, value);
}
#pragma GCC diagnostic pop

/* ---- the grid ---------------------------------------------------------------------------- */

static int choose_columns(const bench_sheet *sheet, column columns[COLUMNS]) {
  static const column fixed[] = {
      {"case", 1, say_title, 0},
      {"variant", 1, say_variant, 0},
      {"median", 0, say_median, 0},
      {"min", 0, say_min, 0},
      {"spread", 0, say_spread, 0},
      {"ns/instr", 0, say_per_instruction, 0},
      {"/hand", 0, say_to_hand, 0},
      {"/recursive", 0, say_to_recursive, 0},
      {"/PyTorch", 0, say_to_torch, 0},
      {"/PyTorch 2", 0, say_to_torch_two, 0},
      {"bound", 0, say_bound, 0},
      {"of bound", 0, say_of_bound, 0},
      {"GFLOP/s", 0, say_gflops, 0},
      {"bytes", 0, say_bytes, 0},
      {"B/instr", 0, say_bytes_per_instruction, 0},
  };
  int count = 0;
  for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) columns[count++] = fixed[k];
  for (int k = 0; k < sheet->extra_count; k++, count++) {
    columns[count] = (column){"", 0, say_extra, k};
    snprintf(columns[count].head, WIDTH, "%s", sheet->extras[k].name);
  }
  columns[count++] = (column){"note", 1, say_note, 0};
  return count;
}

static int width_of(const bench_sheet *sheet, const column *c) {
  size_t widest = 0;
  for (size_t r = 0; r < sheet->count; r++) {
    char text[WIDTH] = "";
    c->cell(text, sheet, &sheet->rows[r], c->extra);
    if (strlen(text) > widest) widest = strlen(text);
  }
  if (widest == 0) return 0;
  return (int)(widest > strlen(c->head) ? widest : strlen(c->head));
}

static void print_cell(FILE *out, const column *c, int width, const char *text, int last) {
  if (width == 0) return;
  fprintf(out, "  %*s", last ? 0 : c->left ? -width : width, text);
}

void bench_print_sheet(FILE *out, const bench_sheet *sheet) {
  column columns[COLUMNS];
  int width[COLUMNS], last = 0;
  const int count = choose_columns(sheet, columns);
  for (int k = 0; k < count; k++) {
    width[k] = width_of(sheet, &columns[k]);
    if (width[k] > 0) last = k;
  }
  const int flush = columns[last].left ? last : count; /* no blanks at the end of a line */
  fprintf(out, "\n%s: %s\n", sheet->name, sheet->title);
  for (int k = 0; k < count; k++)
    print_cell(out, &columns[k], width[k], columns[k].head, k == flush);
  fputc('\n', out);
  for (size_t r = 0; r < sheet->count; r++) {
    for (int k = 0; k < count; k++) {
      char text[WIDTH] = "";
      columns[k].cell(text, sheet, &sheet->rows[r], columns[k].extra);
      print_cell(out, &columns[k], width[k], text, k == flush);
    }
    fputc('\n', out);
  }
}

void bench_print_legend(FILE *out) {
  static const char text[] =
      "\n"
      "spread: 10th to 90th percentile over the median. /hand, /recursive, /PyTorch:\n"
      "median over theirs; PyTorch with one thread, /PyTorch 2 with two. ns/instr,\n"
      "B/instr: over the instructions of the tape or the program (chain: over its\n"
      "operations). bound: matrix products alone and functions alone (transcendental\n"
      "ones, of some rows roots and divisions) in vectorised loops, or a copy of the\n"
      "bytes that must be read and written, whichever takes longer; measured beside\n"
      "it, with one thread. of bound: bound over median. GFLOP/s: of the products.\n"
      "bytes: at most, besides weights, inputs and what the optimizer keeps; of\n"
      "PyTorch: how much the resident set grows in a step.\n";
  fputs(text, out);
}

/* ---- JSON -------------------------------------------------------------------------------- */

void bench_write_sheet(json *j, const bench_sheet *sheet) {
  for (size_t r = 0; r < sheet->count; r++) {
    const bench_row *row = &sheet->rows[r];
    json_open(j, NULL, '{');
    json_string(j, "workload", sheet->name);
    json_string(j, "case", row->title);
    json_string(j, "variant", bench_variant_name(row->variant));
    json_number(j, "median_ns", row->time.median);
    json_number(j, "min_ns", row->time.min);
    json_number(j, "spread", row->time.spread);
    json_number(j, "samples", row->time.samples);
    json_number(j, "calls_per_sample", (double)row->time.calls);
    json_number(j, "ns_per_instruction", per_instruction(row));
    json_number(j, "ratio_to_hand", ratio_to(sheet, row, BENCH_HAND));
    json_number(j, "ratio_to_recursive", ratio_to(sheet, row, BENCH_RECURSIVE));
    json_number(j, "ratio_to_torch", ratio_to(sheet, row, BENCH_TORCH));
    json_number(j, "ratio_to_torch_2_threads", ratio_to(sheet, row, BENCH_TORCH_TWO));
    json_number(j, "bound_ns", row->bound);
    json_number(j, "share_of_bound", row->bound / row->time.median);
    json_number(j, "gflops", gflops(row));
    json_number(j, "bytes", row->bytes > 0 ? row->bytes : NAN);
    json_number(j, "bytes_per_instruction", bytes_per_instruction(row));
    for (int k = 0; k < sheet->extra_count; k++)
      json_number(j, sheet->extras[k].key, row->extra[k]);
    if (row->note[0]) json_string(j, "note", row->note);
    json_close(j, '}');
  }
}
