/* SPDX-License-Identifier: MIT */
/* Einstein sums. An equation becomes, from left to right: diagonals of repeated labels, sums
 * over labels that nobody else has, and for each further operand one matrix product (or one
 * product of elements where nothing is summed). Axes are permuted and merged by views where
 * strides allow it. Everything is checked before anything is recorded. */
#define KY_NO_SITES
#include "kytape/ops.h"

#include "tape/composition.h"

/* A label: those of the ellipsis, counted from its last axis, then the letters in ASCII order.
 */
enum { UPPER = KY_MAX_RANK, LOWER = UPPER + 26, LABELS = LOWER + 26 };

typedef uint64_t label_set;

/* An operand, or what became of several. */
typedef struct term {
  ky_var v;
  int rank;
  uint8_t label[KY_MAX_RANK]; /* of each axis */
} term;

typedef struct einsum {
  ky_composition c;
  const char *equation;
  int64_t extent[LABELS];   /* 1 may stretch */
  uint32_t waiting[LABELS]; /* operands with this label that are still to come */
  int dots;                 /* axes of the longest ellipsis */
  int rank;                 /* of the output, and its labels */
  uint8_t output[KY_MAX_RANK];
} einsum;

static label_set bit(int label) { return (label_set)1 << label; }

static int label_of(char c) {
  if (c >= 'A' && c <= 'Z') return UPPER + (c - 'A');
  return c >= 'a' && c <= 'z' ? LOWER + (c - 'a') : -1;
}

/* The letter of a label, '.' for those of an ellipsis. */
static char letter_of(int label) {
  return (char)(label < UPPER   ? '.'
                : label < LOWER ? 'A' + (label - UPPER)
                                : 'a' + (label - LOWER));
}

static label_set labels_of(const term *x) {
  label_set set = 0;
  for (int k = 0; k < x->rank; k++) set |= bit(x->label[k]);
  return set;
}

static int64_t extent_of(const einsum *e, const term *x, int axis) {
  return ky__layout(&e->c.t->code, x->v.id)->dims[axis];
}

/* Labels that the output or an operand still to come has. */
static label_set needed(const einsum *e) {
  label_set set = 0;
  for (int l = 0; l < LABELS; l++)
    if (e->waiting[l]) set |= bit(l);
  for (int k = 0; k < e->rank; k++) set |= bit(e->output[k]);
  return set;
}

/* ---- reading the equation ---------------------------------------------------------------- */

/* Reads labels up to a comma, "->" or the end: letters into `label`, and where the ellipsis
 * stands among them (-1: nowhere). Returns the number of letters; -1 after an error. */
static int read_labels(const einsum *e, const char **at, uint8_t label[LABELS], int *ellipsis) {
  int count = 0;
  *ellipsis = -1;
  for (; **at && **at != ',' && **at != '-'; ++*at) {
    const int place = (int)(*at - e->equation);
    if (**at == ' ') continue;
    if (**at == '.') {
      if ((*at)[1] != '.' || (*at)[2] != '.' || *ellipsis >= 0) {
        ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": %s at %d", e->equation,
                   *ellipsis >= 0 ? "a second ellipsis" : "not three dots", place);
        return -1;
      }
      *ellipsis = count;
      *at += 2;
      continue;
    }
    const int l = label_of(**at);
    if (l < 0 || count == LABELS) {
      ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": '%c' at %d is %s", e->equation,
                 **at, place, l < 0 ? "no label" : "one label too many");
      return -1;
    }
    label[count++] = (uint8_t)l;
  }
  return count;
}

/* Reads operand number k; false after an error. */
static bool read_term(einsum *e, const char **at, size_t k, ky_var v, term *x) {
  uint8_t label[LABELS];
  int ellipsis;
  const int count = read_labels(e, at, label, &ellipsis);
  if (count < 0) return false;
  *x = (term){.v = v, .rank = ky__layout(&e->c.t->code, v.id)->rank};
  const int dots = ellipsis < 0 ? 0 : x->rank - count;
  if (dots < 0 || count + dots != x->rank) {
    ky__refuse(e->c.t, KY_BAD_SHAPE, e->c.name,
               "\"%s\": operand %zu has rank %d, the equation %s %d", e->equation, k, x->rank,
               ellipsis < 0 ? "wants" : "wants at least", count);
    return false;
  }
  for (int n = 0, letter = 0; n < x->rank; n++) {
    const bool dot = ellipsis >= 0 && n >= ellipsis && n < ellipsis + dots;
    x->label[n] = dot ? (uint8_t)(ellipsis + dots - 1 - n) : label[letter];
    letter += !dot;
  }
  if (dots > e->dots) e->dots = dots;
  return true;
}

/* Extents of operand k against those so far: equal, or one of them 1. Within one operand they
 * are equal. */
static bool check_extents(einsum *e, size_t k, const term *x) {
  for (int n = 0; n < x->rank; n++) {
    const int l = x->label[n];
    const int64_t extent = extent_of(e, x, n);
    bool fits = extent == e->extent[l] || extent == 1 || e->extent[l] == 1 || !e->waiting[l];
    for (int m = 0; m < n; m++)
      if (x->label[m] == l) fits &= extent == extent_of(e, x, m);
    if (!fits) {
      ky__refuse(e->c.t, KY_BAD_SHAPE, e->c.name,
                 "\"%s\": '%c' is %lld before, %lld in operand %zu", e->equation, letter_of(l),
                 (long long)e->extent[l], (long long)extent, k);
      return false;
    }
    if (!e->waiting[l] || e->extent[l] == 1) e->extent[l] = extent;
    bool again = false;
    for (int m = 0; m < n; m++) again |= x->label[m] == l;
    e->waiting[l] += !again;
  }
  return true;
}

static bool add_output(einsum *e, int label) {
  for (int k = 0; k < e->rank; k++)
    if (e->output[k] == label) {
      ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": '%c' is twice in the output",
                 e->equation, letter_of(label));
      return false;
    }
  if (e->rank == KY_MAX_RANK) {
    ky__refuse(e->c.t, KY_BAD_SHAPE, e->c.name, "\"%s\": the output has more than %d axes",
               e->equation, KY_MAX_RANK);
    return false;
  }
  e->output[e->rank++] = (uint8_t)label;
  return true;
}

static bool add_dots(einsum *e) {
  for (int k = e->dots; k-- > 0;)
    if (!add_output(e, k)) return false;
  return true;
}

/* What stands behind "->". */
static bool read_output(einsum *e, const char *at) {
  uint8_t label[LABELS];
  int ellipsis;
  const int count = read_labels(e, &at, label, &ellipsis);
  if (count < 0) return false;
  if (*at) {
    ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": the output ends at %d", e->equation,
               (int)(at - e->equation));
    return false;
  }
  for (int k = 0; k <= count; k++) {
    if (k == ellipsis && !add_dots(e)) return false;
    if (k == count) break;
    if (!e->waiting[label[k]]) {
      ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name,
                 "\"%s\": the output's '%c' is in no operand", e->equation,
                 letter_of(label[k]));
      return false;
    }
    if (!add_output(e, label[k])) return false;
  }
  return true;
}

/* Without "->": the ellipsis, then what occurs exactly once, in order. */
static bool infer_output(einsum *e) {
  uint32_t occurs[LABELS] = {0};
  for (const char *c = e->equation; *c; c++)
    if (label_of(*c) >= 0) occurs[label_of(*c)]++;
  if (!add_dots(e)) return false;
  for (int l = UPPER; l < LABELS; l++)
    if (occurs[l] == 1 && !add_output(e, l)) return false;
  return true;
}

/* Reads and checks all of it. */
static bool read_equation(einsum *e, size_t count, const ky_var *vars) {
  const char *at = e->equation;
  for (size_t k = 0; k < count; k++) {
    term x;
    if (!read_term(e, &at, k, vars[k], &x) || !check_extents(e, k, &x)) return false;
    const bool more = *at == ',';
    if (more == (k + 1 < count)) {
      at += more;
      continue;
    }
    ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": %zu operands for an equation of %s",
               e->equation, count, more ? "more" : "fewer");
    return false;
  }
  if (!*at) return infer_output(e);
  if (at[1] == '>') return read_output(e, at + 2);
  ky__refuse(e->c.t, KY_BAD_ARGUMENT, e->c.name, "\"%s\": no '>' behind the '-' at %d",
             e->equation, (int)(at - e->equation));
  return false;
}

/* ---- one operand ------------------------------------------------------------------------- */

/* Brings the axes into an order; order[k] becomes axis k. */
static void permute(const einsum *e, term *x, const int *order) {
  int64_t axes[KY_MAX_RANK];
  uint8_t label[KY_MAX_RANK];
  bool moved = false;
  for (int k = 0; k < x->rank; k++) {
    axes[k] = order[k];
    label[k] = x->label[order[k]];
    moved |= order[k] != k;
  }
  for (int k = 0; k < x->rank; k++) x->label[k] = label[k];
  if (moved) x->v = ky_permute(e->c.t, x->v, x->rank, axes);
}

static ky_var reshaped(const einsum *e, ky_var v, int rank, const int64_t *dims) {
  if (!v.id) return v;
  const ky_layout *l = ky__layout(&e->c.t->code, v.id);
  bool same = l->rank == rank;
  for (int k = 0; same && k < rank; k++) same = l->dims[k] == dims[k];
  return same ? v : ky_reshape(e->c.t, v, rank, dims);
}

/* Axes p < q have one label: they become one, the last, of the elements where both agree. */
static void take_diagonal(const einsum *e, term *x, int p, int q) {
  int order[KY_MAX_RANK], n = 0;
  for (int k = 0; k < x->rank; k++)
    if (k != p && k != q) order[n++] = k;
  order[n++] = p;
  order[n] = q;
  permute(e, x, order);
  if (!x->v.id) return;
  ky_layout l = *ky__layout(&e->c.t->code, x->v.id);
  const int64_t side = l.dims[l.rank - 1];
  l.dims[l.rank - 2] = side * side;
  x->rank--;
  x->v = ky_reshape(e->c.t, x->v, x->rank, l.dims);
  x->v = ky_slice(e->c.t, x->v, x->rank - 1, 0, side * side, side + 1);
}

static void take_diagonals(const einsum *e, term *x) {
  for (int q = 1; q < x->rank; q++)
    for (int p = 0; p < q; p++)
      if (x->label[p] == x->label[q]) {
        take_diagonal(e, x, p, q);
        if (!x->v.id) return;
        q = 0; /* axes have moved: from the start */
        break;
      }
}

/* Takes axes out of the labels, those in `set`. */
static void drop_labels(term *x, label_set set) {
  int rank = 0;
  for (int k = 0; k < x->rank; k++)
    if (!(set & bit(x->label[k]))) x->label[rank++] = x->label[k];
  x->rank = rank;
}

/* Sums over the axes whose label is not in `kept`. */
static void sum_rest(const einsum *e, term *x, label_set kept) {
  int64_t axes[KY_MAX_RANK];
  int count = 0;
  for (int k = 0; k < x->rank; k++)
    if (!(kept & bit(x->label[k]))) axes[count++] = k;
  if (count == 0) return;
  x->v = ky_sum(e->c.t, x->v, count, axes, 0);
  drop_labels(x, ~kept);
}

/* Takes axes of extent 1 out that the other term has with more elements: they stretch. */
static void drop_stretched(const einsum *e, term *x, const term *other) {
  ky_layout l = *ky__layout(&e->c.t->code, x->v.id);
  label_set set = 0;
  int rank = 0;
  for (int k = 0; k < x->rank; k++) {
    bool stretched = false;
    for (int m = 0; m < other->rank && l.dims[k] == 1; m++)
      stretched |= other->label[m] == x->label[k] && extent_of(e, other, m) != 1;
    if (stretched)
      set |= bit(x->label[k]);
    else
      l.dims[rank++] = l.dims[k];
  }
  if (!set) return;
  x->v = ky_reshape(e->c.t, x->v, rank, l.dims);
  drop_labels(x, set);
}

/* ---- two operands ------------------------------------------------------------------------ */

/* Puts the axes with labels of the first set first, then those of the others. Returns the
 * number of axes of each set. */
static void arrange(const einsum *e, term *x, const label_set *sets, int count, int sizes[3]) {
  int order[KY_MAX_RANK], n = 0;
  for (int s = 0; s < count; s++) {
    sizes[s] = 0;
    for (int l = 0; l < LABELS; l++) /* in the same order in both terms */
      for (int k = 0; k < x->rank && (sets[s] & bit(l)); k++)
        if (x->label[k] == l) {
          order[n++] = k;
          sizes[s]++;
        }
  }
  permute(e, x, order);
}

/* The axes of a term, arranged as batch, rows, columns, as those of a stack of matrices. */
static ky_var as_matrices(const einsum *e, const term *x, const int sizes[3]) {
  const ky_layout *l = ky__layout(&e->c.t->code, x->v.id);
  int64_t dims[KY_MAX_RANK];
  int axis = 0, rank = 0;
  for (; axis < sizes[0]; axis++) dims[rank++] = l->dims[axis];
  for (int s = 1; s < 3; s++, rank++) {
    dims[rank] = 1;
    for (int k = 0; k < sizes[s]; k++) dims[rank] *= l->dims[axis++];
  }
  return reshaped(e, x->v, rank, dims);
}

/* a b, summed over the labels in `summed`; batch: those that both keep. */
static ky_var matrix_product(const einsum *e, term *a, term *b, label_set batch,
                             label_set summed) {
  const label_set left[3] = {batch, labels_of(a) & ~batch & ~summed, summed};
  const label_set right[3] = {batch, summed, labels_of(b) & ~batch & ~summed};
  int m[3], n[3];
  arrange(e, a, left, 3, m);
  arrange(e, b, right, 3, n);
  if (!a->v.id || !b->v.id) return (ky_var){0};
  return ky_matmul(e->c.t, as_matrices(e, a, m), as_matrices(e, b, n));
}

/* Products of elements: an axis for each label of both, in the order of `r`. */
static ky_var spread(const einsum *e, term *x, const term *r) {
  int order[KY_MAX_RANK], n = 0;
  int64_t dims[KY_MAX_RANK];
  for (int k = 0; k < r->rank; k++) {
    dims[k] = 1;
    for (int m = 0; m < x->rank; m++)
      if (x->label[m] == r->label[k]) {
        dims[k] = extent_of(e, x, m);
        order[n++] = m;
      }
  }
  permute(e, x, order);
  return reshaped(e, x->v, r->rank, dims);
}

static int size_of(label_set set) {
  int count = 0;
  for (; set; set &= set - 1) count++;
  return count;
}

/* Appends the labels of a set, in order. False, with an error, when there are too many. */
static bool append(const einsum *e, term *r, label_set set) {
  for (int l = 0; l < LABELS; l++) {
    if (!(set & bit(l))) continue;
    if (r->rank == KY_MAX_RANK) {
      ky__refuse(e->c.t, KY_BAD_SHAPE, e->c.name,
                 "\"%s\": a product on the way has more than %d axes", e->equation,
                 KY_MAX_RANK);
      return false;
    }
    r->label[r->rank++] = (uint8_t)l;
  }
  return true;
}

/* Extents of the axes of r, which is made of a and b. */
static void extents_of_product(const einsum *e, const term *r, const term *a, const term *b,
                               int64_t dims[KY_MAX_RANK]) {
  for (int k = 0; k < r->rank; k++) {
    for (int m = 0; m < a->rank; m++)
      if (a->label[m] == r->label[k]) dims[k] = extent_of(e, a, m);
    for (int m = 0; m < b->rank; m++)
      if (b->label[m] == r->label[k]) dims[k] = extent_of(e, b, m);
  }
}

/* Lets a be the product of a and b, summed over what nobody needs any more. Whatever one of
 * them has alone is needed. */
static void contract(const einsum *e, term *a, term *b, label_set kept) {
  const label_set both = labels_of(a) & labels_of(b), summed = both & ~kept;
  const label_set batch = both & kept;
  const label_set own_a = labels_of(a) & ~both, own_b = labels_of(b) & ~both;
  const bool product =
      summed && (own_a || own_b || !batch) && size_of(batch) + 2 <= KY_MAX_RANK;
  term r = {.rank = 0};
  if (append(e, &r, batch) && append(e, &r, own_a) && append(e, &r, own_b) &&
      append(e, &r, product ? 0 : summed)) {
    int64_t dims[KY_MAX_RANK];
    extents_of_product(e, &r, a, b, dims);
    if (product) {
      r.v = reshaped(e, matrix_product(e, a, b, batch, summed), r.rank, dims);
    } else {
      const ky_var x = spread(e, a, &r), y = spread(e, b, &r);
      r.v = x.id && y.id ? ky_mul(e->c.t, x, y) : (ky_var){0};
      if (r.v.id) sum_rest(e, &r, ~summed);
    }
  }
  *a = r;
}

/* ---- all of it --------------------------------------------------------------------------- */

/* The axes of the output, in its order; what was stretched by no operand is as it is. */
static ky_var finish(const einsum *e, term *x) {
  int order[KY_MAX_RANK];
  for (int k = 0; k < e->rank; k++)
    for (int m = 0; m < x->rank; m++)
      if (x->label[m] == e->output[k]) order[k] = m;
  permute(e, x, order);
  return x->v;
}

static ky_var record(einsum *e, size_t count, const ky_var *vars) {
  const char *at = e->equation;
  term r = {.rank = 0};
  for (size_t k = 0; k < count; k++, at++) {
    term x;
    if (!read_term(e, &at, k, vars[k], &x)) return (ky_var){0};
    take_diagonals(e, &x);
    if (!x.v.id) return x.v;
    for (int l = 0; l < LABELS; l++) e->waiting[l] -= (labels_of(&x) & bit(l)) != 0;
    const label_set kept = needed(e);
    if (k > 0) {
      drop_stretched(e, &x, &r);
      if (x.v.id) drop_stretched(e, &r, &x);
      if (!x.v.id || !r.v.id) return (ky_var){0};
    }
    sum_rest(e, &x, kept | (k > 0 ? labels_of(&r) : 0));
    if (k > 0 && x.v.id) {
      sum_rest(e, &r, kept | labels_of(&x));
      if (r.v.id) contract(e, &r, &x, kept);
    } else {
      r = x;
    }
    if (!r.v.id || !x.v.id) return (ky_var){0};
  }
  return finish(e, &r);
}

ky_var ky_einsum(ky_tape *t, const char *equation, size_t count, const ky_var *vars) {
  if (!t) return (ky_var){0};
  if (!equation) return ky__refuse(t, KY_BAD_ARGUMENT, "einsum", "the equation is null");
  if (!ky__list(t, "einsum", "operands", vars, (int64_t)count, 1, INT32_MAX)) return ky_none();
  einsum e = {.equation = equation};
  if (!ky__compose(&e.c, t, "einsum", (int)count, (int)count, vars) ||
      !read_equation(&e, count, vars))
    return (ky_var){0};
  return ky__composed(&e.c, record(&e, count, vars));
}
