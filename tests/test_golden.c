/* SPDX-License-Identifier: MIT */
/* Golden values: every operator against what PyTorch computed in f64, result and gradients. The
 * values stand in golden/<family>.txt, whose format golden/make_golden.py explains; one test an
 * operator, and with an argument only that one. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"

/* libmvec promises 4 ulp, as do the vector functions of PyTorch; a formula rounds a few times
 * more on each side, and a sum of some dozen terms by the square root of their number. */
#define ROUNDINGS 64

enum { OPERANDS = 8, ATTRIBUTES = 16, ELEMENTS = 512, FEWEST = 8 };

typedef enum scale { EACH, NORM, ONE } scale;

typedef struct array {
  bool given;
  ky_dtype dtype;
  int rank;
  int64_t dims[KY_MAX_RANK];
  int64_t count;
  double at[ELEMENTS];
} array;

typedef struct sample {
  int number, integers, count;
  scale values, slopes;
  double within; /* relative tolerance */
  int64_t n[ATTRIBUTES];
  double s[ATTRIBUTES];
  array x[OPERANDS], grad[OPERANDS], result, cotangent;
} sample;

/* ---- reading ----------------------------------------------------------------------------- */

/* A file as words, one after the other. */
typedef struct reader {
  char *text;
  char *at; /* behind the current word */
  char word[64];
} reader;

static bool next(reader *r) {
  int used = 0;
  r->word[0] = '\0';
  const bool there = sscanf(r->at, " %63s%n", r->word, &used) == 1;
  r->at += used;
  return there;
}

static bool is(const reader *r, const char *word) { return strcmp(r->word, word) == 0; }

static int64_t integer(reader *r) {
  next(r);
  return strtoll(r->word, NULL, 10);
}

static double number(reader *r) {
  char *end = r->at;
  const double x = strtod(r->at, &end);
  assert_true(end != r->at);
  r->at = end;
  return x;
}

static void elements(reader *r, array *a) {
  a->given = true;
  for (int64_t k = 0; k < a->count; k++) a->at[k] = number(r);
}

static const ky_dtype dtypes[] = {KY_F32, KY_F64, KY_I32, KY_I64, KY_MASK};

static void read_array(reader *r, array *a) {
  next(r);
  for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++)
    if (is(r, ky_dtype_name(dtypes[k]))) a->dtype = dtypes[k];
  a->rank = (int)integer(r);
  a->count = 1;
  assert_in_range(a->rank, 0, KY_MAX_RANK);
  for (int k = 0; k < a->rank; k++) a->count *= a->dims[k] = integer(r);
  assert_in_range(a->count, 0, ELEMENTS);
  elements(r, a);
}

/* Like `shape`, with elements of its own. */
static void read_like(reader *r, const array *shape, array *a) {
  *a = *shape;
  elements(r, a);
}

/* Reads up to the next sample or operator. */
static void read_sample(reader *r, sample *e) {
  while (next(r) && !is(r, "sample") && !is(r, "op")) {
    if (is(r, "n")) {
      e->integers = (int)integer(r);
      assert_in_range(e->integers, 0, ATTRIBUTES);
      for (int k = 0; k < e->integers; k++) e->n[k] = integer(r);
    } else if (is(r, "s")) {
      const int count = (int)integer(r);
      assert_in_range(count, 0, ATTRIBUTES);
      for (int k = 0; k < count; k++) e->s[k] = number(r);
    } else if (is(r, "t")) {
      e->within = number(r);
    } else if (is(r, "x")) {
      assert_in_range(e->count, 0, OPERANDS - 1);
      read_array(r, &e->x[e->count++]);
    } else if (is(r, "r")) {
      read_array(r, &e->result);
    } else if (is(r, "w")) {
      read_like(r, &e->result, &e->cotangent);
    } else if (is(r, "g")) {
      const int k = (int)integer(r);
      assert_in_range(k, 0, e->count - 1);
      read_like(r, &e->x[k], &e->grad[k]);
    } else {
      fail_msg("what is \"%s\"?", r->word);
    }
  }
}

static void open_family(reader *r, const char *family) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s.txt", KY_GOLDEN, family);
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s cannot be read", path);
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  r->text = calloc((size_t)size + 1, 1);
  assert_non_null(r->text);
  r->at = r->text;
  const size_t got = fread(r->text, 1, (size_t)size, file);
  fclose(file);
  assert_int_equal(got, size);
}

/* ---- calls ------------------------------------------------------------------------------- */

static ky_var part_of_split(ky_tape *t, ky_var x, int integers, const int64_t *n) {
  ky_var parts[8] = {{0}};
  assert_in_range(n[1], 1, 8);
  ky_split(t, x, n[2], (size_t)n[1], integers > 3 ? n + 3 : NULL, parts);
  return parts[n[0]];
}

static ky_var padded(ky_tape *t, ky_var x, int integers, const int64_t *n, double value) {
  int64_t before[KY_MAX_RANK] = {0}, after[KY_MAX_RANK] = {0};
  const int rank = integers / 2;
  assert_in_range(rank, 0, KY_MAX_RANK);
  for (int k = 0; k < rank; k++) {
    before[k] = n[1 + 2 * k];
    after[k] = n[2 + 2 * k];
  }
  return ky_pad(t, x, rank, before, after, (ky_pad_mode)n[0], value);
}

static ky_var positions_of_topk(ky_tape *t, ky_var x, const int64_t *n) {
  ky_var positions = {0};
  ky_topk(t, x, n[0], n[1], (int)n[2], &positions);
  return positions;
}

/* The equation is in the integers, eight characters each. */
static ky_var einsum(ky_tape *t, int count, const ky_var *x, int integers, const int64_t *n) {
  char equation[8 * ATTRIBUTES + 1] = {0};
  for (int k = 0; k < 8 * integers; k++) equation[k] = (char)(n[k / 8] >> 7 * (k % 8) & 127);
  return ky_einsum(t, equation, (size_t)count, x);
}

/* Outputs and last states, one after the other. */
static ky_var lstm_with_states(ky_tape *t, const ky_var *x) {
  const ky_rnn_weights w = {x[1], x[2], x[3], x[4]};
  ky_var h, c;
  const ky_var r = ky_lstm(t, x[0], &w, x[5], x[6], &h, &c);
  const ky_var all[3] = {r, ky_unsqueeze(t, h, 0), ky_unsqueeze(t, c, 0)};
  return ky_concat(t, 3, all, 0);
}

static ky_var gru_with_state(ky_tape *t, const ky_var *x) {
  const ky_rnn_weights w = {x[1], x[2], x[3], x[4]};
  ky_var h;
  const ky_var r = ky_gru(t, x[0], &w, x[5], &h);
  return ky_concat(t, 2, (const ky_var[]){r, ky_unsqueeze(t, h, 0)}, 0);
}

/* What rows of calls.def say for short. */
#define KEEP          (int)n[0]
#define OVER(fn, ...) fn(t, x[0], integers - 2, n + 2, __VA_ARGS__)
#define HOW           (ky_reduction) n[0]
#define CLASS_OPTIONS                                                                          \
  (&(ky_class_options){.size = sizeof(ky_class_options),                                       \
                       .reduction = HOW,                                                       \
                       .weights = count > 2 ? x[2] : ky_none(),                                \
                       .ignore = (int)n[1],                                                    \
                       .ignore_label = n[2],                                                   \
                       .smoothing = s[0]})
#define WEIGHT(behind) (n[1] == 1 || n[1] == 2 ? x[behind] : ky_none())
#define BIAS(behind)   (n[1] == 2 ? x[(behind) + 1] : n[1] == 3 ? x[behind] : ky_none())

#define SLIDES                                                                                 \
  (&(ky_conv_options){sizeof(ky_conv_options),                                                 \
                      {n[1], n[2], n[3]},                                                      \
                      {n[4], n[5], n[6]},                                                      \
                      {n[7], n[8], n[9]},                                                      \
                      {n[10], n[11], n[12]},                                                   \
                      n[0]})
#define WINDOW                                                                                 \
  (&(ky_pool_options){sizeof(ky_pool_options), {n[0], n[1]}, {n[2], n[3]}, {n[4], n[5]}})

#define GOLDEN(family, name, ...)                                                              \
  static ky_var call_##name(ky_tape *t, const ky_var *x, const sample *e) {                    \
    const int64_t *n = e->n;                                                                   \
    const double *s = e->s;                                                                    \
    const int count = e->count, integers = e->integers;                                        \
    (void)n, (void)s, (void)x, (void)count, (void)integers;                                    \
    return __VA_ARGS__;                                                                        \
  }
#include "golden/calls.def"
#undef GOLDEN

typedef ky_var caller(ky_tape *t, const ky_var *x, const sample *e);

typedef struct operation {
  const char *family, *name;
  caller *call;
} operation;

static const operation operations[] = {
#define GOLDEN(family, name, ...) {#family, #name, call_##name},
#include "golden/calls.def"
#undef GOLDEN
};

enum { COUNT = (int)(sizeof operations / sizeof *operations) };

/* ---- comparing --------------------------------------------------------------------------- */

static void store(ky_dtype dtype, void *to, int64_t k, double x) {
  switch (dtype) {
  case KY_F32: ((float *)to)[k] = (float)x; break;
  case KY_F64: ((double *)to)[k] = x; break;
  case KY_I32: ((int32_t *)to)[k] = (int32_t)x; break;
  case KY_I64: ((int64_t *)to)[k] = (int64_t)x; break;
  case KY_MASK: ((uint8_t *)to)[k] = x != 0; break;
  case KY_BF16:
  case KY_F16: break;
  }
}

static double load(const ky_array *a, int64_t flat) {
  int64_t place = 0;
  for (int d = a->rank; d-- > 0; flat /= a->dims[d]) place += flat % a->dims[d] * a->strides[d];
  switch (a->dtype) {
  case KY_F32: return (double)((const float *)a->data)[place];
  case KY_F64: return ((const double *)a->data)[place];
  case KY_I32: return (double)((const int32_t *)a->data)[place];
  case KY_I64: return (double)((const int64_t *)a->data)[place];
  case KY_MASK: return (double)((const uint8_t *)a->data)[place];
  case KY_BF16:
  case KY_F16: break;
  }
  return 0;
}

/* Counts what differs, and says the first few. */
static int differences(const sample *e, const char *what, int which, const ky_array *got,
                       const array *want, scale measure) {
  double norm = 0;
  int wrong = got->dtype != want->dtype || got->rank != want->rank || got->count != want->count;
  for (int k = 0; k < want->rank && !wrong; k++) wrong |= got->dims[k] != want->dims[k];
  if (wrong) {
    print_error("sample %d: %s has another shape or type\n", e->number, what);
    return 1;
  }
  for (int64_t k = 0; k < want->count && measure != EACH; k++)
    if (isfinite(want->at[k])) norm = fmax(norm, fabs(want->at[k]));
  if (measure == ONE) norm = fmax(norm, 1);
  for (int64_t k = 0; k < want->count; k++) {
    const double is = load(got, k), wants = want->at[k];
    const double off = e->within * fmax(fabs(wants), norm) + DBL_TRUE_MIN;
    if (is_close(is, wants, off)) continue;
    if (wrong++ < 6)
      print_error(
          "sample %d: %s %d, element %lld is %.17g, PyTorch says %.17g; x %.17g %.17g\n",
          e->number, what, which, (long long)k, is, wants,
          e->count && k < e->x[0].count ? e->x[0].at[k] : 0,
          e->count > 1 && k < e->x[1].count ? e->x[1].at[k] : 0);
  }
  return wrong;
}

static ky_var input(ky_tape *t, const array *a, double *room) {
  for (int64_t k = 0; k < a->count; k++) store(a->dtype, room, k, a->at[k]);
  return ky_input(t, a->dtype, a->rank, a->dims, room);
}

/* Gradients of the operands that PyTorch gives one; it gives none where it is not connected. */
static int compare_gradients(ky_tape *t, const sample *e, ky_var r, const ky_var *x) {
  int wrong = 0;
  if (!e->cotangent.given) return 0;
  if (ky_backward_from(t, r, e->cotangent.at, NULL) != KY_OK)
    fail_msg("sample %d: %s", e->number, ky_tape_message(t));
  for (int k = 0; k < e->count; k++) {
    ky_array got;
    if (!e->grad[k].given) continue;
    if (ky_grad(t, x[k], &got) != KY_OK)
      fail_msg("sample %d: %s", e->number, ky_tape_message(t));
    wrong += differences(e, "gradient", k, &got, &e->grad[k], e->slopes);
  }
  return wrong;
}

static int compare(ky_tape *t, const operation *o, const sample *e) {
  static double room[OPERANDS][ELEMENTS];
  ky_var x[OPERANDS] = {{0}};
  for (int k = 0; k < e->count; k++) {
    x[k] = input(t, &e->x[k], room[k]);
    if (e->grad[k].given) ky_watch(t, x[k]);
  }
  const ky_var r = o->call(t, x, e);
  ky_array got;
  if (ky_data(t, r, &got) != KY_OK) fail_msg("sample %d: %s", e->number, ky_tape_message(t));
  return differences(e, "value", 0, &got, &e->result, e->values) +
         compare_gradients(t, e, r, x);
}

static scale read_measure(reader *r) {
  next(r);
  assert_true(is(r, "each") || is(r, "norm") || is(r, "one"));
  return is(r, "norm") ? NORM : is(r, "one") ? ONE : EACH;
}

static reader file;
static ky_tape *tape;

static int tear_down(void **state) {
  (void)state;
  free(file.text);
  file.text = NULL;
  ky_tape_free(tape);
  tape = NULL;
  return 0;
}

static void check(void **state) {
  static sample e;
  const operation *o = *state;
  open_family(&file, o->family);
  while (next(&file))
    if (is(&file, "op") && next(&file) && is(&file, o->name)) break;
  if (!is(&file, o->name)) fail_msg("%s.txt has no %s", o->family, o->name);
  const scale values = read_measure(&file), slopes = read_measure(&file);
  const int samples = (int)integer(&file);
  assert_true(samples >= FEWEST);
  int wrong = 0;
  next(&file);
  for (int k = 0; k < samples; k++) {
    assert_true(is(&file, "sample"));
    memset(&e, 0, sizeof e);
    e.number = k;
    e.values = values;
    e.slopes = slopes;
    e.within = ROUNDINGS * DBL_EPSILON;
    read_sample(&file, &e);
    tape = ky_tape_new(NULL);
    wrong += compare(tape, o, &e);
    ky_tape_free(tape);
    tape = NULL;
  }
  assert_true(is(&file, "op") || is(&file, ""));
  if (wrong) fail_msg("%d numbers differ", wrong);
}

/* ---- all --------------------------------------------------------------------------------- */

/* What there are values of is checked. */
static void every_operator_of_the_files_is_called(void **state) {
  (void)state;
  for (int k = 0; k < COUNT; k++) {
    if (k && strcmp(operations[k].family, operations[k - 1].family) == 0) continue;
    open_family(&file, operations[k].family);
    while (next(&file)) {
      if (!is(&file, "op")) continue;
      next(&file);
      int n = 0;
      while (n < COUNT && !is(&file, operations[n].name)) n++;
      if (n == COUNT) fail_msg("calls.def has no %s", file.word);
    }
    tear_down(NULL);
  }
}

int main(int argc, char **argv) {
  struct CMUnitTest tests[COUNT + 1];
  for (int k = 0; k < COUNT; k++)
    tests[k] = (struct CMUnitTest){operations[k].name, check, NULL, tear_down,
                                   (void *)(uintptr_t)&operations[k]};
  tests[COUNT] = (struct CMUnitTest){"files", every_operator_of_the_files_is_called, NULL,
                                     tear_down, NULL};
  if (argc > 1) {
    int k = 0;
    while (k <= COUNT && strcmp(tests[k].name, argv[1]) != 0) k++;
    if (k > COUNT) return 2; /* a filter that matches nothing passes */
    cmocka_set_test_filter(argv[1]);
  }
  return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
