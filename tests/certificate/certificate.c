/* SPDX-License-Identifier: MIT */
/* The certificate: every opcode over random cases, in f32 and f64. Results against a long
 * double oracle where elements are computed alone, else the double one; adjoints against
 * central differences of the oracle along random directions; written extremes. One table says
 * how far off they were, how far they may be (bounds.def), and which case was the worst.
 *
 * The exit status is 1 where a bound is exceeded or a case fails, 2 where it cannot start. */
#define _POSIX_C_SOURCE 200809L /* dup */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "op_checks.h"
#include "random_case.h"

/* Cases an opcode and dtype. */
enum { CASES = 300, SAMPLE_CASES = 18 };

static const char usage[] =
    "opcode_certificate [--sample | --cases N] [--table FILE] [OPCODE [NUMBER]]\n\n"
    "Runs random cases of every opcode, in f32 and f64, and prints what they were off by.\n\n"
    "  --sample      a few cases of each, as the test suite runs them\n"
    "  --cases N     N cases of each opcode and dtype; 300 if not given\n"
    "  --table FILE  writes the table there as well\n"
    "  OPCODE        runs that one alone\n"
    "  NUMBER        runs that case alone, and prints each element that is beyond its bound.\n"
    "                The number is the seed: it makes the same case whatever else is run\n";

/* The bounds of adjoints, relative to sum |gradient direction|. Central differences of a double
 * oracle are good to about 1e-8 of it, see op_differences.c. In f32 gradients are computed from
 * rounded values, with some dozen roundings. */
#define ADJOINT_F64 1e-7
#define ADJOINT_F32 (ADJOINT_F64 + 32 * (double)FLT_EPSILON)

typedef struct bound {
  bool given;
  double ulps, terms[2], floor;
  ky_draws draws;
} bound;

static const bound bounds[KY_OP_COUNT] = {
#define BOUND(name, ulps, terms32, terms64, floor, draws)                                      \
  [KY_OP_##name] = {true, ulps, {terms32, terms64}, floor, draws},
#include "bounds.def"
#undef BOUND
};

/* The largest of many numbers, and whose it was. */
typedef struct worst {
  double value, share; /* of its bound */
  int number;
} worst;

typedef struct finding {
  int cases, extremes;
  worst forward, adjoint;
  bool failed;
} finding;

static finding findings[KY_OP_COUNT][2];
static int cases = CASES, only_number = -1;

static void meet(worst *w, double value, double limit, int number) {
  const double share = limit > 0 ? value / limit : value > 0 ? HUGE_VAL : 0;
  if (w->number >= 0 && share <= w->share) return;
  *w = (worst){value, share, number};
}

/* ---- forward ----------------------------------------------------------------------------- */

/* The oracle's result in long double. */
static void ask_exactly(const op_case *c, long double *want) {
  static nd space;
  nd_shape(&space, c->x[0].rank, c->x[0].dims);
  for (int k = 1; k < c->sample.operands; k++) nd_broadcast(&space, &space, &c->x[k]);
  for (int64_t n = 0; n < space.count; n++) {
    int64_t index[KY_MAX_RANK];
    long double a[KY_OPERANDS] = {0};
    nd_index(&space, n, index);
    for (int k = 0; k < c->sample.operands; k++)
      a[k] = (long double)c->x[k].at[nd_place(&c->x[k], space.rank, index)];
    want[n] = c->set->exact(a, &c->sample);
  }
}

/* What the error of sums is relative to: the oracle of magnitudes. */
static double norm_of_result(op_case *c) {
  const nd *x[KY_OPERANDS];
  if (c->set->exact || (c->set->each && !c->set->whole)) return 0;
  for (int k = 0; k < c->sample.operands; k++) {
    nd_copy(&c->moved[k], &c->x[k]);
    for (int64_t n = 0; n < c->x[k].count; n++) c->moved[k].at[n] = fabs(c->x[k].at[n]);
    x[k] = &c->moved[k];
  }
  case_oracle(c, x, &c->part);
  return fmax(nd_norm(&c->want), nd_norm(&c->part));
}

static double extent(const nd *x, int axis) {
  return (double)x->dims[axis < 0 ? axis + x->rank : axis];
}

/* Of products and windows; 0 for other operations. */
static double terms_of_product(const op_case *c) {
  const nd *a = &c->x[0], *b = &c->x[1];
  const int64_t *n = c->sample.n;
  switch ((int)(c->info - ky__opinfo)) {
  case KY_OP_matmul: return extent(a, -1);
  case KY_OP_linear: return extent(a, -1) + 1; /* and the bias */
  case KY_OP_conv: return (double)nd_extent(b, 1, b->rank) + 1;
  case KY_OP_conv_transpose: return extent(b, 0) * (double)nd_extent(b, 2, b->rank) + 1;
  case KY_OP_avg_pool: return (double)(n[0] * n[3]);
  case KY_OP_upsample_linear: return fmax(extent(a, 2), extent(a, -1));
  case KY_OP_attention: return extent(b, 2) + 8 * extent(b, 3); /* see bounds.def */
  case KY_OP_lstm_sequence:
  case KY_OP_gru_sequence: return extent(a, 0) * extent(b, -1); /* steps, products in each */
  case KY_OP_ctc: return extent(a, 0);
  case KY_OP_triangular_solve:
  case KY_OP_cholesky:
  case KY_OP_solve:
  case KY_OP_logdet:
  case KY_OP_logabsdet: return extent(a, -1);
  default: return 0;
  }
}

/* How many terms an element is a sum of, at most. */
static double terms_of(const op_case *c) {
  double terms = fmax(1, terms_of_product(c));
  if (terms_of_product(c) > 0) return terms;
  for (int k = 0; k < c->sample.operands; k++) {
    const nd *x = &c->x[k];
    const double share = (double)x->count / (double)(c->want.count ? c->want.count : 1);
    if (c->info->trait != KY_TRAIT_PROD) terms = fmax(terms, share);
    for (int d = 0; d < x->rank; d++)
      if (c->info->trait == KY_TRAIT_PROD || c->info->attr == KY_ATTR_AXIS ||
          c->info->attr == KY_ATTR_AXIS_C || c->info->attr == KY_ATTR_LIST_NORM ||
          c->info->attr == KY_ATTR_REDUCTION)
        terms = fmax(terms, (double)x->dims[d]);
  }
  return terms;
}

/* Off by how many units of epsilon times the element, or times scale where that is larger;
 * beyond the dtype's range the infinity is right. */
static double ulps_off(double got, long double want, double scale, bool f32) {
  const double most = f32 ? (double)FLT_MAX : DBL_MAX;
  const double epsilon = f32 ? (double)FLT_EPSILON : DBL_EPSILON;
  if (isnan(want)) return isnan(got) ? 0 : HUGE_VAL;
  if (fabsl(want) >= (long double)most * (1 + (long double)epsilon / 4)) {
    const bool right = isinf(got) && (got > 0) == (want > 0);
    if (right || isinf(want)) return right ? 0 : HUGE_VAL;
  }
  if (!isfinite(got)) {
    const bool nearly =
        isinf(got) && fabsl(want) > (long double)most * (1 - 16 * (long double)epsilon);
    return nearly && (got > 0) == (want > 0) ? 0 : HUGE_VAL;
  }
  const double off = (double)fabsl((long double)got - want);
  const double unit = epsilon * fmax((double)fabsl(want), scale);
  return off == 0 ? 0 : off / unit;
}

static void measure_forward(op_case *c, finding *f, const bound *b) {
  static long double want[ND_MAX];
  const bool f32 = c->sample.real == KY_F32;
  case_value(c, c->r, case_result_dtype(c), &c->got);
  const double norm = norm_of_result(c);
  if (c->got.rank != c->want.rank || c->got.count != c->want.count)
    case_fail(c, "has another shape than the oracle's");
  for (int64_t n = 0; n < c->want.count; n++) want[n] = (long double)c->want.at[n];
  if (c->set->exact) ask_exactly(c, want);
  const double normal = f32 ? (double)FLT_MIN : DBL_MIN;
  const double least = b->draws == WIDE ? 0x1p10 * normal : normal;
  const double limit = b->ulps + terms_of(c) * b->terms[f32 ? 0 : 1];
  for (int64_t n = 0; n < c->want.count; n++) {
    const double off = ulps_off(c->got.at[n], want[n], fmax(fmax(norm, b->floor), least), f32);
    meet(&f->forward, off, limit + 0x1p-9, c->number); /* the oracle is not exact either */
    if (only_number >= 0 && off > limit)
      fprintf(stderr, "element %lld of %s is %.17g, wants %.21Lg; x %.17g %.17g\n",
              (long long)n, f32 ? "f32" : "f64", c->got.at[n], want[n],
              c->x[0].count > n ? c->x[0].at[n] : 0, c->x[1].count > n ? c->x[1].at[n] : 0);
  }
}

/* ---- adjoint ----------------------------------------------------------------------------- */

static void measure_adjoint(op_case *c, finding *f) {
  const bool f32 = c->sample.real == KY_F32;
  case_backward(c);
  for (int k = 0; k < c->sample.operands; k++)
    if (case_is_real(c, k)) case_gradient(c, c->v[k], &c->grad[k]);
  const double off = largest_difference(c);
  meet(&f->adjoint, off, f32 ? ADJOINT_F32 : ADJOINT_F64, c->number);
}

/* ---- cases ------------------------------------------------------------------------------- */

/* Draws are exact in f32; in f64 they get all the digits there are. Not where the oracle is a
 * double and has no rounding of its own to show. */
static void fill_digits(op_case *c) {
  const double digits = 1 + 0x1.76cf5d0b09955p-26;
  if (c->set->each && !c->set->exact) return;
  for (int k = 0; k < c->sample.operands; k++)
    for (int64_t n = 0; n < c->x[k].count && case_is_real(c, k); n++) c->x[k].at[n] *= digits;
}

static void run_case(op_case *c, int number, ky_draws draws, ky_dtype real) {
  const ky_op op = (ky_op)(c->info - ky__opinfo);
  finding *f = &findings[op][real == KY_F64];
  if (!random_case(c, number, draws)) return;
  if (real == KY_F64) fill_digits(c);
  c->sample.real = real; /* oracles of random numbers ask */
  case_ask_oracle(c);
  case_record(c, real, (1u << KY_OPERANDS) - 1);
  measure_forward(c, f, &bounds[op]);
  if (draws == PLAIN && case_differentiable(c) && c->sample.operands > 0) measure_adjoint(c, f);
  case_end(c);
  f->cases++;
}

/* Two of three are of the samples' domains, with adjoints. */
static ky_draws draws_of(ky_op op, int number) {
  return number % 3 == 2 ? bounds[op].draws : PLAIN;
}

static void run_opcode(op_case *c) {
  const ky_op op = (ky_op)(c->info - ky__opinfo);
  if (!bounds[op].given) fail_msg("%s has no row in bounds.def", c->name);
  for (int d = 0; d < 2; d++) {
    finding *f = &findings[op][d];
    f->forward.number = f->adjoint.number = -1;
    const int first = only_number < 0 ? 0 : only_number;
    const int end = only_number < 0 ? cases : only_number + 1;
    for (int k = first; k < end; k++) run_case(c, k, draws_of(op, k), d ? KY_F64 : KY_F32);
    f->extremes = c->set->example_count;
    if (only_number < 0 && c->set->sample_count > 0) assert_int_equal(f->cases, cases);
  }
  for (int k = 0; k < c->set->example_count && only_number < 0; k++) {
    case_choose(c, &c->set->examples[k].sample, NULL, k);
    check_example(c, &c->set->examples[k]);
  }
}

static int set_up(void **state) {
  *state = calloc(1, sizeof(op_case));
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  case_drop(*state);
  free(*state);
  return 0;
}

static void start(void **state, const char *name, ky_op op, const ky_samples *set) {
  op_case *c = *state;
  c->name = name;
  c->info = &ky__opinfo[op];
  c->set = set;
  findings[op][0].failed = findings[op][1].failed = true;
  run_opcode(c);
  findings[op][0].failed = findings[op][1].failed = false;
}

#define OP(name, ...)                                                                          \
  static void test_##name(void **state) { start(state, #name, KY_OP_##name, &samples_##name); }
#include "ops.def"
#undef OP

static const struct CMUnitTest tests[] = {
#define OP(name, ...) {#name, test_##name, set_up, tear_down, NULL},
#include "ops.def"
#undef OP
};

/* ---- the table --------------------------------------------------------------------------- */

static bool holds(const finding *f) {
  return !f->failed && f->forward.share <= 1 && f->adjoint.share <= 1;
}

static void say_bound(const bound *b, int d, char *text, size_t size) {
  if (b->terms[d] > 0)
    snprintf(text, size, "%g + %gn", b->ulps, b->terms[d]);
  else
    snprintf(text, size, "%g", b->ulps);
}

static void say_row(FILE *out, ky_op op, int d) {
  static const char *const draws[] = {"-", "wide", "scaled", "special", "-"};
  const finding *f = &findings[op][d];
  const bound *b = &bounds[op];
  const worst *w = f->adjoint.share > f->forward.share ? &f->adjoint : &f->forward;
  char limit[32], adjoint[32] = "-", of_adjoint[16] = "-";
  say_bound(b, d, limit, sizeof limit);
  if (f->adjoint.number >= 0) {
    snprintf(adjoint, sizeof adjoint, "%.1e", f->adjoint.value);
    snprintf(of_adjoint, sizeof of_adjoint, "%.0e", d ? ADJOINT_F64 : ADJOINT_F32);
  }
  fprintf(out, "%-18s %s %6d  %9.3g  %-11s %5.0f%%  %8s  %6s  %4d %-8s %5d  %s\n",
          ky__opinfo[op].name, d ? "f64" : "f32", f->cases, f->forward.value, limit,
          100 * fmin(f->forward.share, 99), adjoint, of_adjoint, f->extremes, draws[b->draws],
          w->number, holds(f) ? "pass" : "FAIL");
}

static int say_table(FILE *out, const char *only) {
  int failures = 0, rows = 0;
  fprintf(
      out,
      "Certificate of kytape's opcodes; seed 0x%llx.\n"
      "forward: largest error in units of epsilon times the element (or the sum of its terms'\n"
      "magnitudes, n of them); adjoint: against central differences, relative to the sum of\n"
      "|gradient direction|; extremes: written kinks, ties, infinities, NaN, and what "
      "elements\n"
      "were drawn from besides the domain; worst: the case nearest to its bound, which\n"
      "`opcode_certificate NAME NUMBER` runs alone. nop and param compute nothing.\n\n"
      "%-18s %-3s %6s  %9s  %-11s %6s  %8s  %6s  %13s %5s\n",
      (unsigned long long)OP_SEED, "opcode", "", "cases", "forward", "bound", "of it",
      "adjoint", "bound", "extremes", "worst");
  for (int op = 0; op < (int)KY_OP_COUNT; op++) {
    if (only && strcmp(only, ky__opinfo[op].name) != 0) continue;
    for (int d = 0; d < 2; d++) {
      say_row(out, (ky_op)op, d);
      failures += !holds(&findings[op][d]);
      rows++;
    }
  }
  fprintf(out, "\n%d rows, %d fail\n", rows, failures);
  return failures;
}

/* What the command line asks for. */
typedef struct request {
  const char *table, *only;
} request;

static bool is_opcode(const char *name) {
  for (int op = 0; op < (int)KY_OP_COUNT; op++)
    if (strcmp(name, ky__opinfo[op].name) == 0) return true;
  return false;
}

static bool read_number(const char *text, int *number) {
  char *end;
  const long n = strtol(text, &end, 10);
  *number = (int)n;
  return end != text && *end == '\0' && n >= 0 && n <= INT_MAX - 1;
}

static bool read_request(int argc, char **argv, request *r) {
  *r = (request){0};
  for (int k = 1; k < argc; k++) {
    const char *word = argv[k];
    const bool more = k + 1 < argc;
    if (strcmp(word, "--sample") == 0)
      cases = SAMPLE_CASES;
    else if (strcmp(word, "--cases") == 0 && more && read_number(argv[k + 1], &cases))
      k++;
    else if (strcmp(word, "--table") == 0 && more)
      r->table = argv[++k];
    else if (!r->only && is_opcode(word))
      r->only = word;
    else if (!r->only || only_number >= 0 || !read_number(word, &only_number))
      return false;
  }
  return true;
}

int main(int argc, char **argv) {
  request r;
  if (!read_request(argc, argv, &r)) {
    fputs(usage, stderr);
    return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
  }
  if (r.only) cmocka_set_test_filter(r.only);
  FILE *out = fdopen(dup(STDOUT_FILENO), "w"); /* without the test framework's lines */
  if (!out || !freopen("/dev/null", "w", stdout)) return 2;
  const int broken = cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
  const int failures = say_table(out, r.only);
  fclose(out);
  FILE *copy = r.table ? fopen(r.table, "w") : NULL;
  if (r.table && !copy) return 2;
  if (copy) say_table(copy, r.only);
  if (copy) fclose(copy);
  return failures || broken;
}
