/* SPDX-License-Identifier: MIT */
/* A writer of JSON: commas, indentation and escapes. Nesting is the caller's business. */
#ifndef KYBENCH_JSON_H
#define KYBENCH_JSON_H

#include <stdbool.h>
#include <stdio.h>

typedef struct json {
  FILE *out;
  int depth;
  bool first; /* nothing yet inside the innermost brackets */
} json;

/* `key` is NULL inside arrays and at the top. */
void json_open(json *j, const char *key, char bracket);
void json_close(json *j, char bracket);
void json_string(json *j, const char *key, const char *text);
void json_bool(json *j, const char *key, bool value);

/* null where the value is not finite, for JSON has no word for it. */
void json_number(json *j, const char *key, double value);

#endif
