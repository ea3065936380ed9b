/* SPDX-License-Identifier: MIT */
/* See sheet.h. */
#include "sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bench_variant_name(bench_variant variant) {
  static const char *const names[] = {
#define X(name, text) text,
      BENCH_VARIANTS(X)
#undef X
  };
  return names[variant];
}

bench_row *bench_sheet_row(bench_sheet *sheet, const char *title, bench_variant variant) {
  if (sheet->count == sheet->capacity) {
    sheet->capacity = sheet->capacity ? 2 * sheet->capacity : 32;
    sheet->rows = realloc(sheet->rows, sheet->capacity * sizeof *sheet->rows);
    if (!sheet->rows) {
      fprintf(stderr, "kybench: out of memory\n");
      exit(EXIT_FAILURE);
    }
  }
  bench_row *row = &sheet->rows[sheet->count++];
  *row = (bench_row){
      .variant = variant, .time = {.median = NAN, .min = NAN, .spread = NAN}, .bound = NAN};
  snprintf(row->title, sizeof row->title, "%s", title);
  for (int k = 0; k < BENCH_EXTRAS; k++) row->extra[k] = NAN;
  return row;
}

void bench_sheet_free(bench_sheet *sheet) {
  free(sheet->rows);
  sheet->rows = NULL;
  sheet->count = sheet->capacity = 0;
}

double bench_sheet_median(const bench_sheet *sheet, const bench_row *row,
                          bench_variant variant) {
  for (size_t k = 0; k < sheet->count; k++) {
    const bench_row *other = &sheet->rows[k];
    if (other->variant == variant && strcmp(other->title, row->title) == 0)
      return other->time.median;
  }
  return NAN;
}
