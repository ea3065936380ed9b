/* SPDX-License-Identifier: MIT */
/* Shows sheets: as aligned columns for people, as JSON for programs. */
#ifndef KYBENCH_TABLE_H
#define KYBENCH_TABLE_H

#include <stdio.h>

#include "json.h"
#include "sheet.h"

/* One line a row. Columns in which no row has anything are left out. */
void bench_print_sheet(FILE *out, const bench_sheet *sheet);

/* What the columns mean. */
void bench_print_legend(FILE *out);

/* The rows as objects of the array that is open in `j`. */
void bench_write_sheet(json *j, const bench_sheet *sheet);

#endif
