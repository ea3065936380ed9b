/* SPDX-License-Identifier: MIT */
/* See plot.h. A bar begins at 1, where hand-written C is, and ends at the ratio. Bars run down
 * the page in the order of the rows. */
#include "plot.h"

#include <math.h>
#include <string.h>

#define WIDTH  960
#define LEFT   200 /* of the bars; names of cases are left of it */
#define RIGHT  900 /* room for the last figure is right of it */
#define TOP    64
#define BAR    9  /* height of a bar with its gap */
#define TITLE  26 /* of the line above a sheet */
#define GAP    6  /* between cases */
#define LOWEST 0.05
#define MOST   2000 /* longer bars end here */

/* Of those variants that are drawn. Hand-written C is the axis. */
static const char *const colours[] = {
    [BENCH_RECORDED] = "#9aa5b1",  [BENCH_REPLAYED] = "#4c78a8",
    [BENCH_COMPILED] = "#e4572e",  [BENCH_TWO_THREADS] = "#f2a28c",
    [BENCH_RECURSIVE] = "#b8a04a", [BENCH_HAND] = "#222222",
    [BENCH_TORCH] = "#59a14f",     [BENCH_TORCH_TWO] = "#a3cf9b"};

typedef struct axis {
  double low, high; /* logarithms of the ratios at LEFT and RIGHT */
} axis;

static double ratio_of(const bench_sheet *sheet, const bench_row *row) {
  const double ratio = row->time.median / bench_sheet_median(sheet, row, BENCH_HAND);
  return row->variant == BENCH_HAND || !isfinite(ratio) ? NAN : fmax(ratio, LOWEST);
}

static double place(const axis *a, double ratio) {
  return LEFT + (RIGHT - LEFT) * (log10(ratio) - a->low) / (a->high - a->low);
}

static int begins_case(const bench_sheet *sheet, size_t k) {
  return k == 0 || strcmp(sheet->rows[k].title, sheet->rows[k - 1].title) != 0;
}

static int has_bars(const bench_sheet *sheet) {
  for (size_t k = 0; k < sheet->count; k++)
    if (isfinite(ratio_of(sheet, &sheet->rows[k]))) return 1;
  return 0;
}

static double height_of(const bench_sheet *sheet) {
  double height = has_bars(sheet) ? TITLE : 0;
  for (size_t k = 0; k < sheet->count; k++)
    if (isfinite(ratio_of(sheet, &sheet->rows[k])))
      height += BAR + (begins_case(sheet, k) ? GAP : 0);
  return height;
}

/* ---- elements ---------------------------------------------------------------------------- */

static void say(FILE *out, double x, double y, const char *style, const char *text) {
  fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
  for (; *text; text++) {
    if (*text == '<')
      fputs("&lt;", out);
    else if (*text == '&')
      fputs("&amp;", out);
    else
      fputc(*text, out);
  }
  fputs("</text>\n", out);
}

static void draw_axis(FILE *out, const axis *a, double bottom) {
  static const double steps[] = {1, 2, 5};
  for (int power = -2; power < 6; power++)
    for (int k = 0; k < 3; k++) {
      const double ratio = steps[k] * pow(10, power), x = place(a, ratio);
      if (log10(ratio) < a->low - 1e-9 || log10(ratio) > a->high + 1e-9) continue;
      char text[32];
      snprintf(text, sizeof text, "%g", ratio);
      fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\" stroke=\"%s\"/>\n", x,
              x, TOP, bottom, ratio == 1 ? "#222" : "#ddd");
      say(out, x, TOP - 5, "text-anchor=\"middle\" fill=\"#555\"", text);
    }
}

static void draw_legend(FILE *out) {
  double x = LEFT;
  say(out, 12, 20, "font-size=\"13\" font-weight=\"bold\"", "time / hand-written C");
  for (int k = 0; k < (int)(sizeof colours / sizeof *colours); k++) {
    if (k == BENCH_HAND) continue;
    fprintf(out, "<rect x=\"%.1f\" y=\"11\" width=\"10\" height=\"10\" fill=\"%s\"/>\n", x,
            colours[k]);
    say(out, x + 15, 20, "", bench_variant_name((bench_variant)k));
    x += 30 + 6.2 * (double)strlen(bench_variant_name((bench_variant)k));
  }
  say(out, LEFT, 40, "fill=\"#555\"",
      "left of 1 is faster than hand-written C; the axis is logarithmic and ends at 2000");
}

static double draw_sheet(FILE *out, const axis *a, const bench_sheet *sheet, double y) {
  if (!has_bars(sheet)) return y;
  y += TITLE;
  say(out, 12, y - 3, "font-size=\"12\" font-weight=\"bold\"", sheet->name);
  for (size_t k = 0; k < sheet->count; k++) {
    const bench_row *row = &sheet->rows[k];
    const double ratio = ratio_of(sheet, row);
    if (!isfinite(ratio)) continue;
    if (begins_case(sheet, k)) {
      y += GAP;
      say(out, LEFT - 10, y + 8, "text-anchor=\"end\"", row->title);
    }
    const double one = place(a, 1), end = place(a, fmin(ratio, MOST));
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
            fmin(one, end), y, fmax(fabs(end - one), 1), BAR - 2, colours[row->variant]);
    char text[32];
    snprintf(text, sizeof text, ratio < 100 ? "%.2f" : "%.0f", ratio);
    say(out, fmax(one, end) + 4, y + BAR - 2, "font-size=\"9\" fill=\"#555\"", text);
    y += BAR;
  }
  return y;
}

/* ---- the page ---------------------------------------------------------------------------- */

void plot_sheets(FILE *out, size_t count, const bench_sheet *sheets) {
  double low = 0.5, high = 2, height = TOP + 20;
  for (size_t s = 0; s < count; s++) {
    height += height_of(&sheets[s]);
    for (size_t k = 0; k < sheets[s].count; k++) {
      const double ratio = ratio_of(&sheets[s], &sheets[s].rows[k]);
      if (!isfinite(ratio)) continue;
      low = fmin(low, ratio);
      high = fmax(high, fmin(ratio, MOST));
    }
  }
  const axis a = {log10(low) - 0.02, log10(high) + 0.02};
  fprintf(out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
          "viewBox=\"0 0 %d %.0f\" font-family=\"sans-serif\" font-size=\"11\">\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
          WIDTH, height, WIDTH, height);
  draw_legend(out);
  draw_axis(out, &a, height - 12);
  double y = TOP;
  for (size_t s = 0; s < count; s++) y = draw_sheet(out, &a, &sheets[s], y);
  fputs("</svg>\n", out);
}
