/* SPDX-License-Identifier: MIT */
/* Samples of linear algebra. Matrices are made well-conditioned by adding to the diagonal what
 * s[0] says, within `record` and the oracle: additions pass adjoints on as they are. n[0]: what
 * else becomes of the matrix before the operation; n[1]: flags of triangular_solve. */
#include "samples.h"

#include <string.h>

#include "close.h"

/* n[0] */
enum { PLAIN, SYMMETRIC, TURNED, CROSS /* s[0] on the other diagonal: rows are swapped */ };

#define MOST 72

/* ---- oracles ----------------------------------------------------------------------------- */

static int64_t side(const nd *a) { return a->dims[a->rank - 1]; }

/* Where the batch of the k-th matrix of the result has its matrix in `x`, which may have fewer
 * or stretched batch axes. */
static const double *matrix_at(const nd *x, const nd *out, int64_t k) {
  int64_t index[KY_MAX_RANK] = {0}, place = 0;
  const int rank = out->rank - 2, own = x->rank - 2;
  for (int d = rank; d-- > 0;) {
    index[d] = k % out->dims[d];
    k /= out->dims[d];
  }
  for (int d = 0; d < own; d++)
    place = place * x->dims[d] + (x->dims[d] == 1 ? 0 : index[d + rank - own]);
  return x->at + place * x->dims[own] * x->dims[own + 1];
}

/* The n x n matrix at x as the operation sees it. */
static void prepare(const double *x, int64_t n, const ky_sample *s, double a[MOST][MOST]) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      const double here = x[i * n + j], there = x[j * n + i];
      a[i][j] = s->n[0] == SYMMETRIC ? here + there : s->n[0] == TURNED ? there : here;
      if (j == (s->n[0] == CROSS ? n - 1 - i : i)) a[i][j] += s->s[0];
    }
}

/* Gauss with pivots, on a and the columns of b; ln |det|, and its sign. */
static double eliminate(int64_t n, double a[MOST][MOST], int64_t k, double *b, int *sign) {
  double sum = 0;
  *sign = 1;
  for (int64_t c = 0; c < n; c++) {
    int64_t p = c;
    for (int64_t i = c; i < n; i++)
      if (fabs(a[i][c]) > fabs(a[p][c])) p = i;
    for (int64_t j = 0; j < n && p != c; j++) {
      const double t = a[c][j];
      a[c][j] = a[p][j];
      a[p][j] = t;
    }
    for (int64_t j = 0; j < k && p != c; j++) {
      const double t = b[c * k + j];
      b[c * k + j] = b[p * k + j];
      b[p * k + j] = t;
    }
    if (p != c) *sign = -*sign;
    if (a[c][c] < 0) *sign = -*sign;
    sum += log(fabs(a[c][c]));
    for (int64_t i = c + 1; i < n; i++) {
      const double factor = a[i][c] / a[c][c];
      for (int64_t j = c; j < n; j++) a[i][j] -= factor * a[c][j];
      for (int64_t j = 0; j < k; j++) b[i * k + j] -= factor * b[c * k + j];
    }
  }
  for (int64_t i = n; i-- > 0;)
    for (int64_t j = 0; j < k; j++) {
      for (int64_t c = i + 1; c < n; c++) b[i * k + j] -= a[i][c] * b[c * k + j];
      b[i * k + j] /= a[i][i];
    }
  return sum;
}

/* The dims of a solution: those of b with the batch axes of both. */
static void shape_solution(const nd *const *x, nd *out) {
  const nd *a = x[0], *b = x[1];
  const int rank = a->rank > b->rank ? a->rank : b->rank;
  int64_t dims[KY_MAX_RANK];
  for (int d = 0; d < rank - 2; d++) {
    const int da = d - (rank - a->rank), db = d - (rank - b->rank);
    const int64_t ea = da < 0 ? 1 : a->dims[da], eb = db < 0 ? 1 : b->dims[db];
    dims[d] = ea == 1 ? eb : ea;
  }
  dims[rank - 2] = b->dims[b->rank - 2];
  dims[rank - 1] = b->dims[b->rank - 1];
  nd_shape(out, rank, dims);
}

/* What triangular_solve reads of a, as a whole matrix. */
static void cut(int64_t n, double a[MOST][MOST], unsigned flags) {
  static double t[MOST][MOST];
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      const bool read = i == j || (flags & KY_UPPER ? j > i : j < i);
      t[i][j] = !read ? 0 : i == j && flags & KY_UNIT_DIAGONAL ? 1 : a[i][j];
    }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) a[i][j] = flags & KY_TRANSPOSED ? t[j][i] : t[i][j];
}

static void solve_all(const nd *const *x, const ky_sample *s, bool triangular, nd *out) {
  static double a[MOST][MOST];
  shape_solution(x, out);
  const int64_t n = side(x[0]), k = side(x[1]);
  int sign;
  for (int64_t first = 0, m = 0; first < out->count; first += n * k, m++) {
    prepare(matrix_at(x[0], out, m), n, s, a);
    if (triangular) cut(n, a, (unsigned)s->n[1]);
    memcpy(out->at + first, matrix_at(x[1], out, m), (size_t)(n * k) * sizeof *out->at);
    eliminate(n, a, k, out->at + first, &sign);
  }
}

static void oracle_solve(const nd *const *x, const ky_sample *s, nd *out) {
  solve_all(x, s, false, out);
}

static void oracle_triangular_solve(const nd *const *x, const ky_sample *s, nd *out) {
  solve_all(x, s, true, out);
}

static void oracle_cholesky(const nd *const *x, const ky_sample *s, nd *out) {
  static double a[MOST][MOST];
  nd_shape(out, x[0]->rank, x[0]->dims);
  const int64_t n = side(x[0]);
  for (int64_t first = 0; first < out->count; first += n * n) {
    double *l = out->at + first;
    prepare(x[0]->at + first, n, s, a);
    memset(l, 0, (size_t)(n * n) * sizeof *l);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j <= i; j++) {
        double t = a[i][j];
        for (int64_t k = 0; k < j; k++) t -= l[i * n + k] * l[j * n + k];
        l[i * n + j] = i == j ? sqrt(t) : t / l[j * n + j];
      }
  }
}

static void determinants(const nd *const *x, const ky_sample *s, bool absolute, nd *out) {
  static double a[MOST][MOST];
  nd_shape(out, x[0]->rank - 2, x[0]->dims);
  const int64_t n = side(x[0]);
  for (int64_t k = 0; k < out->count; k++) {
    int sign;
    prepare(x[0]->at + k * n * n, n, s, a);
    out->at[k] = eliminate(n, a, 0, NULL, &sign);
    if (sign < 0 && !absolute && isfinite(out->at[k])) out->at[k] = NAN;
  }
}

static void oracle_logdet(const nd *const *x, const ky_sample *s, nd *out) {
  determinants(x, s, false, out);
}

static void oracle_logabsdet(const nd *const *x, const ky_sample *s, nd *out) {
  determinants(x, s, true, out);
}

/* ---- recording --------------------------------------------------------------------------- */

/* x + s[0] I, symmetric or turned as n[0] says; x itself where there is nothing to do. */
static ky_var prepared(ky_tape *t, ky_var x, const ky_sample *s) {
  static double diagonal[MOST * MOST];
  if (!t || (s->n[0] == PLAIN && s->s[0] == 0)) return x;
  ky_array shape;
  if (ky_shape(t, x, &shape) != KY_OK || shape.rank < 2) return x;
  const int64_t n = shape.dims[shape.rank - 1];
  memset(diagonal, 0, (size_t)(n * n) * sizeof *diagonal);
  for (int64_t k = 0; k < n; k++)
    diagonal[k * n + (s->n[0] == CROSS ? n - 1 - k : k)] = s->s[0];
  const ky_var turned = ky_transpose(t, x, -1, -2);
  if (s->n[0] == SYMMETRIC) x = ky_add(t, x, turned);
  if (s->n[0] == TURNED) x = turned;
  if (s->s[0] == 0) return x;
  const ky_var more = ky_constant(t, KY_F64, KY_SHAPE(n, n), diagonal);
  return ky_add(t, x, shape.dtype == KY_F64 ? more : ky_cast(t, more, shape.dtype));
}

static ky_var record_solve(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_solve(t, prepared(t, x[0], s), x[1]);
}

static ky_var record_triangular_solve(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_triangular_solve(t, prepared(t, x[0], s), x[1], (unsigned)s->n[1]);
}

/* A symmetric matrix is turned over, so that it lies there with other strides. */
static ky_var record_cholesky(ky_tape *t, const ky_var *x, const ky_sample *s) {
  const ky_var a = prepared(t, x[0], s);
  return ky_cholesky(t, s->n[0] == SYMMETRIC ? ky_transpose(t, a, -1, -2) : a);
}

static ky_var record_logdet(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_logdet(t, prepared(t, x[0], s));
}

static ky_var record_logabsdet(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_logabsdet(t, prepared(t, x[0], s));
}

/* ---- samples ----------------------------------------------------------------------------- */

/* Matrices and right sides that may be one value, as they are. */
#define ITSELF                                                                                 \
  {                                                                                            \
    .shape = {DIMS(3, 1, 1), DIMS(3, 1, 1)}, .domain = {                                       \
      {0.5, 2, UNIFORM, 0},                                                                    \
      {0.5, 2, UNIFORM, 0}                                                                     \
    }                                                                                          \
  }

static const ky_sample triangular_solves[] = {
    ITSELF,
    {.shape = {DIMS(1, 1), DIMS(1, 2)}, .domain = {{1, 2, UNIFORM, 0}}},
    {.shape = {DIMS(3, 3), DIMS(3, 2)}, .s = {3}},
    {.shape = {DIMS(3, 3), DIMS(3, 2)}, .s = {3}, .n = {0, KY_UPPER}},
    {.shape = {DIMS(4, 4), DIMS(4, 1)}, .s = {3}, .n = {0, KY_TRANSPOSED}},
    {.shape = {DIMS(4, 4), DIMS(4, 3)}, .s = {3}, .n = {TURNED, KY_UPPER | KY_TRANSPOSED}},
    {.shape = {DIMS(4, 4), DIMS(4, 3)}, .n = {0, KY_UNIT_DIAGONAL}},
    {.shape = {DIMS(4, 4), DIMS(4, 3)}, .n = {0, KY_UPPER | KY_UNIT_DIAGONAL}},
    {.shape = {DIMS(4, 4), DIMS(4, 35)}, .n = {0, 7}},
    {.shape = {DIMS(2, 3, 4, 4), DIMS(2, 3, 4, 2)}, .s = {3}},
    {.shape = {DIMS(4, 4), DIMS(3, 4, 2)}, .s = {3}},
    {.shape = {DIMS(3, 1, 4, 4), DIMS(2, 4, 2)}, .s = {3}, .n = {0, KY_UPPER}},
    {.shape = {DIMS(70, 70), DIMS(70, 3)}, .s = {20}},
    {.shape = {DIMS(70, 70), DIMS(70, 3)}, .s = {20}, .n = {0, KY_UPPER}},
    {.shape = {DIMS(0, 0), DIMS(0, 2)}},
    {.shape = {DIMS(3, 3), DIMS(3, 0)}, .s = {3}},
    {.shape = {DIMS(0, 3, 3), DIMS(0, 3, 2)}, .s = {3}},
};

static const ky_sample solves[] = {
    ITSELF,
    {.shape = {DIMS(1, 1), DIMS(1, 2)}, .domain = {{1, 2, UNIFORM, 0}}},
    {.shape = {DIMS(3, 3), DIMS(3, 2)}, .s = {3}},
    {.shape = {DIMS(3, 3), DIMS(3, 1)}, .s = {-3}, .n = {TURNED}},
    {.shape = {DIMS(2, 2), DIMS(2, 2)}, .s = {3}, .n = {CROSS}},
    {.shape = {DIMS(5, 5), DIMS(5, 33)}, .s = {6}, .n = {CROSS}},
    {.shape = {DIMS(2, 3, 4, 4), DIMS(2, 3, 4, 2)}, .s = {3}},
    {.shape = {DIMS(4, 4), DIMS(3, 4, 2)}, .s = {3}},
    {.shape = {DIMS(3, 1, 4, 4), DIMS(2, 4, 2)}, .s = {3}},
    {.shape = {DIMS(20, 20), DIMS(20, 2)}, .s = {8}, .n = {CROSS}},
    {.shape = {DIMS(70, 70), DIMS(70, 3)}, .s = {80}, .n = {CROSS}},
    {.shape = {DIMS(0, 0), DIMS(0, 2)}},
    {.shape = {DIMS(3, 3), DIMS(3, 0)}, .s = {3}},
    {.shape = {DIMS(0, 3, 3), DIMS(0, 3, 2)}, .s = {3}},
};

static const ky_sample choleskys[] = {
    {.shape = {DIMS(1, 1)}, .domain = {{1, 2, UNIFORM, 0}}},
    {.shape = {DIMS(3, 1, 1)}, .domain = {{1, 2, UNIFORM, 0}}},
    {.shape = {DIMS(3, 3)}, .s = {7}, .n = {SYMMETRIC}},
    {.shape = {DIMS(2, 3, 4, 4)}, .s = {9}, .n = {SYMMETRIC}},
    {.shape = {DIMS(19, 19)}, .s = {40}, .n = {SYMMETRIC}},
    {.shape = {DIMS(70, 70)}, .s = {150}, .n = {SYMMETRIC}},
    {.shape = {DIMS(0, 0)}},
    {.shape = {DIMS(0, 3, 3)}},
};

static const ky_sample logdets[] = {
    {.shape = {DIMS(1, 1)}, .domain = {{1, 2, UNIFORM, 0}}},
    {.shape = {DIMS(3, 3)}, .s = {3}},
    {.shape = {DIMS(4, 4)}, .s = {-4}, .n = {TURNED}},
    {.shape = {DIMS(2, 3, 4, 4)}, .s = {4}},
    {.shape = {DIMS(20, 20)}, .s = {8}},
    {.shape = {DIMS(70, 70)}, .s = {20}},
    {.shape = {DIMS(0, 0)}},
    {.shape = {DIMS(2, 0, 0)}},
    {.shape = {DIMS(0, 3, 3)}},
};

static const ky_sample logabsdets[] = {
    {.shape = {DIMS(1, 1)}, .domain = {{-2, -1, UNIFORM, 0}}},
    {.shape = {DIMS(3, 3)}, .s = {-3}},
    {.shape = {DIMS(2, 2, 2)}, .s = {3}, .n = {CROSS}},
    {.shape = {DIMS(20, 20)}, .s = {8}, .n = {CROSS}},
    {.shape = {DIMS(2, 3, 5, 5)}, .s = {-4}},
    {.shape = {DIMS(70, 70)}, .s = {80}, .n = {CROSS}},
    {.shape = {DIMS(0, 0)}},
};

/* ---- random samples ---------------------------------------------------------------------- */

/* Square matrices, and axes before them. */
static ky_extents roll_matrices(ky_dice *dice, int64_t n) {
  ky_extents e = {n > 9 ? 0 : (int)dice_roll(dice, 0, 2), {0}};
  for (int k = 0; k < e.rank; k++)
    e.dims[k] = dice_roll(dice, 0, 19) ? dice_roll(dice, 1, 3) : 0;
  e.dims[e.rank++] = n;
  e.dims[e.rank++] = n;
  return e;
}

/* Diagonals of n + 1 dominate rows of -1..1. */
static ky_sample random_logdet(ky_dice *dice) {
  const int64_t n = dice_roll(dice, 0, 19) ? dice_extent(dice, 33) : 0;
  return (ky_sample){.shape = {roll_matrices(dice, n)},
                     .s = {(double)n + 1},
                     .n = {dice_roll(dice, 0, 1) ? PLAIN : TURNED}};
}

static ky_sample random_logabsdet(ky_dice *dice) {
  ky_sample s = random_logdet(dice);
  if (dice_roll(dice, 0, 1)) s.s[0] = -s.s[0];
  if (dice_roll(dice, 0, 1)) s.n[0] = CROSS;
  return s;
}

static ky_sample random_cholesky(ky_dice *dice) {
  ky_sample s = random_logdet(dice);
  s.n[0] = SYMMETRIC;
  s.s[0] *= 2;
  return s;
}

/* The right sides have the batch axes of the matrices, none, or one that these lack. */
static ky_sample random_solve(ky_dice *dice) {
  ky_sample s = random_logabsdet(dice);
  const ky_extents *a = &s.shape[0];
  const int64_t columns = dice_roll(dice, 0, 19) ? dice_extent(dice, 5) : 0;
  const int64_t n = a->dims[a->rank - 1];
  s.shape[1] = *a;
  s.shape[1].dims[a->rank - 1] = columns;
  if (dice_roll(dice, 0, 2) == 0) s.shape[1] = (ky_extents)DIMS(n, columns);
  if (dice_roll(dice, 0, 2) == 0 && a->rank == 2) s.shape[1] = (ky_extents)DIMS(2, n, columns);
  return s;
}

static ky_sample random_triangular_solve(ky_dice *dice) {
  ky_sample s = random_solve(dice);
  const int64_t n = s.shape[0].dims[s.shape[0].rank - 1];
  if (s.n[0] == CROSS) s.n[0] = PLAIN;
  s.n[1] = dice_roll(dice, 0, 7);
  if (n > 5) s.n[1] &= ~(int64_t)KY_UNIT_DIAGONAL; /* it dominates nothing: errors grow */
  return s;
}

/* ---- values worth writing down ----------------------------------------------------------- */

static const ky_example examples_solve[] = {
    /* the first pivot is 0: rows are swapped */
    {{.shape = {DIMS(2, 2), DIMS(2, 1)}},
     .x = {{0, 2, 4, 0}, {6, 8}},
     .r = {2, 3},
     .grad = {{-1, -1.5, -0.5, -0.75}, {0.5, 0.25}}},
};

static const ky_example examples_cholesky[] = {
    /* the upper triangle is not read; the gradient is symmetric */
    {{.shape = {DIMS(2, 2)}},
     .x = {{4, NAN, 2, 5}},
     .r = {2, 0, 1, 2},
     .grad = {{0.1875, 0.125, 0.125, 0.25}}},
};

static const ky_example examples_triangular_solve[] = {
    /* what is not read may be anything, and has the gradient 0 */
    {{.shape = {DIMS(2, 2), DIMS(2, 1)}},
     .x = {{2, NAN, 1, 4}, {2, 9}},
     .r = {1, 2},
     .grad = {{-0.375, 0, -0.25, -0.5}, {0.375, 0.25}}},
    {{.shape = {DIMS(2, 2), DIMS(2, 1)}, .n = {0, KY_UNIT_DIAGONAL}},
     .x = {{NAN, NAN, 3, NAN}, {2, 9}},
     .r = {2, 3},
     .grad = {{0, 0, -2, 0}, {-2, 1}}},
    {{.shape = {DIMS(2, 2), DIMS(2, 1)}},
     .x = {{0, 0, 1, 1}, {1, 1}},
     .r = {INFINITY, -INFINITY},
     .forward_only = true},
};

static const ky_example examples_logdet[] = {
    {{.shape = {DIMS(2, 2)}}, .x = {{0, 1, 1, 0}}, .r = {NAN}, .forward_only = true},
    {{.shape = {DIMS(2, 2)}}, .x = {{1, 2, 2, 4}}, .r = {-INFINITY}, .forward_only = true},
    {{.shape = {DIMS(2, 2)}}, .x = {{0, -1, 1, 0}}, .r = {0}, .grad = {{0, -1, 1, 0}}},
};

static const ky_example examples_logabsdet[] = {
    {{.shape = {DIMS(2, 2)}}, .x = {{0, 1, 1, 0}}, .r = {0}, .grad = {{0, 1, 1, 0}}},
    {{.shape = {DIMS(2, 2)}}, .x = {{0, 0, 0, 0}}, .r = {-INFINITY}, .forward_only = true},
};

/* ---- refusals ---------------------------------------------------------------------------- */

/* clang-format off */
#define NOT_SQUARE(...)                                                                        \
  {{.shape = {DIMS(3) __VA_ARGS__}}, KY_BAD_SHAPE, "wants matrices, got rank 1"},              \
  {{.shape = {DIMS(2, 3) __VA_ARGS__}}, KY_BAD_SHAPE, "wants square matrices, got 2 x 3"}
#define BAD_SIDES                                                                              \
  NOT_SQUARE(, DIMS(3, 1)),                                                                    \
  {{.shape = {DIMS(3, 3), DIMS(3)}}, KY_BAD_SHAPE, "right sides [n,k], got rank 1"},           \
  {{.shape = {DIMS(3, 3), DIMS(2, 1)}}, \
   KY_BAD_SHAPE, "3 equations have right sides of 2 rows"}, \
  {{.shape = {DIMS(2, 3, 3), DIMS(4, 3, 1)}}, KY_BAD_SHAPE, "batch axes differ"},              \
  {{.shape = {DIMS(2, 3, 3), DIMS(5, 1, 4, 1)}}, KY_BAD_SHAPE, "3 equations"}
/* clang-format on */

static const ky_refusal bad_triangular_solves[] = {
    BAD_SIDES,
    {{.shape = {DIMS(3, 3), DIMS(3, 1)}, .n = {0, 8}}, KY_BAD_ARGUMENT, "unknown flags 0x8"},
};
static const ky_refusal bad_solves[] = {BAD_SIDES};
static const ky_refusal bad_choleskys[] = {NOT_SQUARE()};
static const ky_refusal bad_logdets[] = {NOT_SQUARE()};
static const ky_refusal bad_logabsdets[] = {NOT_SQUARE()};

#define SAMPLES(name, count)                                                                   \
  const ky_samples samples_##name = {.operands = count,                                        \
                                     .domain = {{-1, 1, UNIFORM, 0}, {-1, 1, UNIFORM, 0}},     \
                                     .whole = oracle_##name,                                   \
                                     .record = record_##name,                                  \
                                     LIST(sample, name##s),                                    \
                                     .random = random_##name,                                  \
                                     LIST(example, examples_##name),                           \
                                     LIST(refusal, bad_##name##s)};
SAMPLES(triangular_solve, 2)
SAMPLES(cholesky, 1)
SAMPLES(solve, 2)
SAMPLES(logdet, 1)
SAMPLES(logabsdet, 1)
