/* SPDX-License-Identifier: MIT */
/* See json.h. */
#include "json.h"

#include <math.h>

static void quoted(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

static void lead(json *j, const char *key) {
  if (j->depth > 0) fprintf(j->out, "%s\n%*s", j->first ? "" : ",", 2 * j->depth, "");
  j->first = false;
  if (!key) return;
  quoted(j->out, key);
  fputs(": ", j->out);
}

void json_open(json *j, const char *key, char bracket) {
  lead(j, key);
  fputc(bracket, j->out);
  j->depth++;
  j->first = true;
}

void json_close(json *j, char bracket) {
  j->depth--;
  if (!j->first) fprintf(j->out, "\n%*s", 2 * j->depth, "");
  fputc(bracket, j->out);
  j->first = false;
  if (j->depth == 0) fputc('\n', j->out);
}

void json_string(json *j, const char *key, const char *text) {
  lead(j, key);
  quoted(j->out, text);
}

void json_bool(json *j, const char *key, bool value) {
  lead(j, key);
  fputs(value ? "true" : "false", j->out);
}

void json_number(json *j, const char *key, double value) {
  lead(j, key);
  if (isfinite(value))
    fprintf(j->out, "%.10g", value);
  else
    fputs("null", j->out);
}
