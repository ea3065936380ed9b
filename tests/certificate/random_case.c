/* SPDX-License-Identifier: MIT */
/* Shapes: operands of elementwise operations broadcast to a random space. Those of the others
 * are the samples', in which all extents of one size become another size: what had to be equal
 * still is, and larger ones stay larger, so that attributes and indices keep their meaning.
 * Where that is not enough a set has random samples of its own, and its samples as they are. */
#include "random_case.h"

#include <string.h>

/* Elements of an operand; where the domain has no ties, its points must stay apart for
 * differences. */
#define LARGEST       1500
#define LARGEST_APART 300
/* Of a result of several operands; nd has room for it. */
#define LARGEST_RESULT 5000
/* Factors of a product: it must not leave the range of f32. */
#define LARGEST_PRODUCT 60
/* What leaves with data have in their sample. */
#define LARGEST_LEAF 64

static const int64_t odd[] = {1,  2,  3,  4,  5,  7,   8,   9,   15, 16,
                              17, 31, 33, 63, 65, 100, 127, 129, 257};

static int below(op_case *c, int n) { return (int)case_uniform(c, 0, n); }

static int64_t pick(op_case *c) { return odd[below(c, (int)(sizeof odd / sizeof *odd))]; }

/* Elements; of an empty one as many as there would be, as results need not be empty. */
static int64_t count_of(const ky_extents *e) {
  int64_t n = 1;
  for (int k = 0; k < e->rank; k++) n *= e->dims[k] ? e->dims[k] : 1;
  return n;
}

static int64_t largest(const op_case *c) {
  const ky_op op = (ky_op)(c->info - ky__opinfo);
  if (op == KY_OP_prod || op == KY_OP_cumprod) return LARGEST_PRODUCT;
  for (int k = 0; k < c->sample.operands; k++)
    if (c->set->domain[k].fill == DISTINCT || c->sample.domain[k].fill == DISTINCT)
      return LARGEST_APART;
  return LARGEST;
}

/* ---- elementwise ------------------------------------------------------------------------- */

static void broadcast_shapes(op_case *c, ky_sample *s) {
  ky_extents space = {below(c, 5), {0}};
  const int64_t most = largest(c);
  for (int k = 0, room = (int)most; k < space.rank; k++) {
    const int64_t n = pick(c);
    space.dims[k] = n <= room ? n : 1;
    room /= (int)space.dims[k];
  }
  if (space.rank && below(c, 20) == 0) space.dims[below(c, space.rank)] = 0;
  const int whole =
      below(c, 2) ? -1 : below(c, c->sample.operands); /* the others broadcast to it */
  for (int k = 0; k < c->sample.operands; k++) {
    ky_extents *e = &s->shape[k];
    *e = space;
    if (k == whole || c->sample.operands == 1 || below(c, 2)) continue;
    const int lost = below(c, space.rank + 1);
    e->rank -= lost;
    memmove(e->dims, space.dims + lost, (size_t)e->rank * sizeof *e->dims);
    for (int d = 0; d < e->rank; d++)
      if (below(c, 3) == 0) e->dims[d] = 1;
  }
}

/* ---- the others -------------------------------------------------------------------------- */

/* Extents that occur, and what becomes of them; both rise. */
typedef struct mapping {
  int64_t from[16], to[16];
  int count;
} mapping;

static void note(mapping *m, int64_t extent) {
  int k = 0;
  while (k < m->count && m->from[k] < extent) k++;
  if (extent < 2 || (k < m->count && m->from[k] == extent)) return;
  assert_true(m->count < 16);
  memmove(&m->from[k + 1], &m->from[k], (size_t)(m->count - k) * sizeof *m->from);
  m->from[k] = extent;
  m->count++;
}

static void apply(const mapping *m, ky_extents *e) {
  for (int d = 0; d < e->rank; d++)
    for (int k = m->count; k-- > 0;)
      if (e->dims[d] == m->from[k]) {
        e->dims[d] = m->to[k];
        break;
      }
}

static bool is_shape(const op_case *c) {
  return c->info->attr == KY_ATTR_SHAPE || c->info->attr == KY_ATTR_AXIS_C ||
         c->info->trait == KY_TRAIT_LEAF;
}

/* Whether the shapes are small enough, with the results they may have. */
static bool fits(const op_case *c, const ky_sample *s) {
  const int64_t most = c->sample.operands == 0 ? LARGEST_LEAF : largest(c);
  int64_t counts[KY_OPERANDS] = {0}, widest[KY_OPERANDS], total = 0;
  if (is_shape(c) && count_of(&s->dims) > most) return false;
  for (int k = 0; k < c->sample.operands; k++) {
    total += counts[k] = count_of(&s->shape[k]);
    widest[k] = 1;
    for (int d = 0; d < s->shape[k].rank; d++)
      if (s->shape[k].dims[d] > widest[k]) widest[k] = s->shape[k].dims[d];
  }
  if (total > most) return false;
  for (int j = 0; j < c->sample.operands; j++)
    for (int k = 0; k < c->sample.operands; k++)
      if (j != k && counts[j] * widest[k] > LARGEST_RESULT) return false;
  return c->info->attr != KY_ATTR_CLASSES || total * s->n[0] <= LARGEST_RESULT;
}

static void mapped_shapes(op_case *c, ky_sample *s) {
  mapping m = {.count = 0};
  for (int k = 0; k < c->sample.operands; k++)
    for (int d = 0; d < s->shape[k].rank; d++) note(&m, s->shape[k].dims[d]);
  if (is_shape(c))
    for (int d = 0; d < s->dims.rank; d++) note(&m, s->dims.dims[d]);
  const ky_sample original = *s;
  if (c->sample.operands == 0 && s->kind[0] == MASK) return; /* iota: it cannot count further */
  for (int tries = 0; tries < 24; tries++) {
    int64_t least = 2;
    *s = original;
    for (int k = 0; k < m.count; k++) {
      const int64_t n = below(c, 3) ? pick(c) : m.from[k];
      m.to[k] = n > m.from[k] ? n : m.from[k];
      if (m.to[k] < least) m.to[k] = least;
      least = m.to[k];
    }
    for (int k = 0; k < c->sample.operands; k++) apply(&m, &s->shape[k]);
    if (is_shape(c)) apply(&m, &s->dims);
    if (fits(c, s)) return;
  }
  *s = original;
}

/* A random shape in another: flat, reversed, with an axis more, with an extent to be worked
 * out. */
static void reshape_shapes(op_case *c, ky_sample *s) {
  broadcast_shapes(c, s);
  const ky_extents *from = &s->shape[0];
  ky_extents *to = &s->dims;
  *to = (ky_extents){0};
  const int how = below(c, 4), at = below(c, from->rank + 1);
  bool empty = false;
  for (int k = 0; k < from->rank; k++) empty |= from->dims[k] == 0;
  if (how == 0) *to = (ky_extents){1, {empty ? 0 : count_of(from)}};
  if (how == 1)
    for (int k = from->rank; k-- > 0;) to->dims[to->rank++] = from->dims[k];
  for (int k = 0; k <= from->rank && how > 1; k++) {
    if (k == at) to->dims[to->rank++] = 1;
    if (k < from->rank) to->dims[to->rank++] = from->dims[k];
  }
  if (how == 3 && !empty) to->dims[below(c, to->rank)] = -1;
}

/* ---- layouts and elements ---------------------------------------------------------------- */

static bool alike(const op_case *c, int j, int k) {
  const ky_extents *a = &c->sample.shape[j], *b = &c->sample.shape[k];
  return c->sample.kind[j] == c->sample.kind[k] && a->rank == b->rank &&
         memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static void choose_layouts(op_case *c, bool plain) {
  for (int k = 0; k < c->sample.operands; k++) {
    const ky_lay lay = (ky_lay)below(c, LAY_COUNT);
    if (below(c, 3) && case_can_lay(c, k, lay) && !(plain && lay == LAY_STRETCHED))
      c->lay[k] = lay;
  }
  for (int k = 1; k < c->sample.operands; k++) {
    const int j = below(c, k);
    if (below(c, 4) == 0 && alike(c, j, k)) {
      c->source[k] = c->source[j];
      c->lay[k] = c->lay[j];
    }
  }
}

static double special(op_case *c) {
  static const double values[] = {0.0,         -0.0,     (double)INFINITY, -(double)INFINITY,
                                  (double)NAN, 0x1p-140, -0x1.8p-130,      1};
  return values[below(c, (int)(sizeof values / sizeof *values))];
}

/* Elements of any magnitude, exact in f32. */
static void redraw(op_case *c, ky_draws draws) {
  const double scale = exp2(floor(case_uniform(c, 0, 2)) * 80 - 40);
  for (int k = 0; k < c->sample.operands; k++) {
    if (!case_is_real(c, k)) continue;
    for (int64_t n = 0; n < c->x[k].count; n++) {
      double *x = &c->x[k].at[n];
      if (draws == SCALED)
        *x *= scale;
      else if (below(c, 4) == 0)
        *x = special(c);
      else if (below(c, 4))
        *x = (float)((below(c, 2) ? 1 : -1) * exp2(case_uniform(c, -120, 120)));
    }
    if (c->source[k] != k) nd_copy(&c->x[k], &c->x[c->source[k]]);
  }
}

bool random_case(op_case *c, int number, ky_draws draws) {
  if (c->set->sample_count == 0) return false;
  case_choose(c, &c->set->samples[0], NULL, number);
  ky_dice dice = {c->stream};
  const bool made = c->set->random && dice_roll(&dice, 0, 3);
  ky_sample s = made ? c->set->random(&dice)
                     : c->set->samples[dice_roll(&dice, 0, c->set->sample_count - 1)];
  const uint64_t chosen = dice.state;
  case_choose(c, &s, NULL, number);
  c->stream = chosen;
  if (c->set->shapes)
    broadcast_shapes(c, &s);
  else if (c->info - ky__opinfo == KY_OP_reshape)
    reshape_shapes(c, &s);
  else if (!c->set->random)
    mapped_shapes(c, &s);
  const uint64_t shaped = c->stream;
  case_choose(c, &s, NULL, number);
  c->stream = shaped;
  choose_layouts(c, draws != PLAIN);
  case_draw(c);
  if (draws != PLAIN) redraw(c, draws);
  return true;
}
