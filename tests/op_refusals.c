/* SPDX-License-Identifier: MIT */
/* Bad calls: each has its status and message, and leaves the tape as it was. */
#include <stdio.h>
#include <string.h>

#include "op_checks.h"
#include "tape/tape.h"

/* ---- the tape as it was ----------------------------------------------------------------- */

typedef struct snapshot {
  uint32_t length, pool, binds, auxes;
  ky_place values, blobs;
  ky_id done;
} snapshot;

static snapshot take(const ky_tape *t) {
  return (snapshot){t->code.count,
                    t->code.pool_count,
                    t->code.bind_count,
                    t->code.aux_count,
                    ky__arena_mark(&t->values),
                    ky__arena_mark(&t->code.blobs),
                    t->done};
}

static void check_unchanged(const op_case *c, const snapshot *was) {
  const snapshot is = take(c->t);
  const bool same =
      was->length == is.length && was->pool == is.pool && was->binds == is.binds &&
      was->auxes == is.auxes && was->values.chunk == is.values.chunk &&
      was->values.offset == is.values.offset && was->blobs.chunk == is.blobs.chunk &&
      was->blobs.offset == is.blobs.offset && was->done == is.done;
  if (!same) case_fail(c, "a refused call changed the tape: %s", ky_tape_message(c->t));
}

/* ---- one refusal ------------------------------------------------------------------------ */

/* Records with operands `v`, which must be refused with `status` and a message that names the
 * operation and contains `says`. */
static void refuse(op_case *c, const char *what, const ky_var *v, ky_status status,
                   const char *says) {
  const snapshot was = take(c->t);
  char name[32];
  snprintf(name, sizeof name, "%s: ", c->name);
  const ky_var r = c->set->record(c->t, v, &c->sample);
  const char *message = ky_tape_message(c->t);
  if (r.id) case_fail(c, "%s was accepted", what);
  const ky_status got = ky_tape_check(c->t);
  if (got != status)
    case_fail(c, "%s: \"%s\", wants \"%s\"; %s", what, ky_status_text(got),
              ky_status_text(status), message);
  if (!strstr(message, name) || !strstr(message, says))
    case_fail(c, "%s: the message \"%s\" lacks \"%s\" or \"%s\"", what, message, name, says);
  if (!strstr(message, ".c:")) case_fail(c, "%s: \"%s\" has no source line", what, message);
  check_unchanged(c, &was);
}

/* "[2,3] x [4]: " of the operands, as messages have it; nothing for lists. */
static void say_shapes(const op_case *c, char *text, size_t size) {
  size_t n = 0;
  text[0] = '\0';
  if (c->info->arity == KY_ARITY_LIST) return;
  for (int k = 0; k < c->sample.operands; k++) {
    n += (size_t)snprintf(text + n, size - n, "%s[", k ? " x " : "");
    for (int d = 0; d < c->sample.shape[k].rank; d++)
      n += (size_t)snprintf(text + n, size - n, "%s%lld", d ? "," : "",
                            (long long)c->sample.shape[k].dims[d]);
    n += (size_t)snprintf(text + n, size - n, "]");
  }
  snprintf(text + n, size - n, ": ");
}

/* ---- what every operation refuses ------------------------------------------------------- */

static void refuse_vars(op_case *c, int k) {
  ky_tape *other = ky_tape_new(NULL);
  const ky_var foreign = ky_scalar(other, KY_F64, 1);
  const ky_mark mark = ky_tape_mark(c->t);
  const ky_var rewound = ky_scalar(c->t, KY_F64, 1);
  assert_int_equal(ky_tape_rewind(c->t, mark), KY_OK);
  ky_tape_free(other); /* its address is all that is compared */
  ky_var v[KY_OPERANDS];
  memcpy(v, c->v, sizeof v);
  v[k] = foreign;
  refuse(c, "a var of another tape", v, KY_BAD_VAR, "of another tape");
  v[k] = rewound;
  refuse(c, "a rewound var", v, KY_BAD_VAR, "was rewound");
  if (ky__optional(c->info, (uint32_t)k)) return;
  v[k] = ky_none();
  refuse(c, "a null var", v, KY_BAD_VAR, "null");
}

static void refuse_dtype(op_case *c, int k, ky_dtype dtype) {
  char shapes[160];
  say_shapes(c, shapes, sizeof shapes);
  const ky_extents *shape = &c->sample.shape[k];
  ky_var v[KY_OPERANDS];
  memcpy(v, c->v, sizeof v);
  v[k] = ky_full(c->t, dtype, shape->rank, shape->dims, 1);
  refuse(c, "a wrong dtype", v, KY_BAD_DTYPE, shapes);
}

static void refuse_dtypes(op_case *c, int k) {
  int reals = 0;
  for (int j = 0; j < c->sample.operands; j++) reals += case_is_real(c, j);
  if (!case_is_real(c, k)) {
    refuse_dtype(c, k, KY_F64);
    return;
  }
  if (!c->set->any_dtype || reals > 1) refuse_dtype(c, k, KY_I32);
  if (!c->set->any_dtype) refuse_dtype(c, k, KY_MASK);
  if (reals > 1) refuse_dtype(c, k, KY_F32);
}

static void refuse_by_rule(op_case *c) {
  const ky_extents *shape = c->set->shapes ? c->set->shapes[1] : NULL;
  case_choose(c, &c->set->samples[0], shape, 0);
  case_draw(c);
  case_put_operands(c, KY_F64);
  for (int k = 0; k < c->sample.operands; k++) {
    refuse_vars(c, k);
    refuse_dtypes(c, k);
  }
  assert_int_equal(c->set->record(NULL, c->v, &c->sample).id, 0);
  if (!c->set->record(c->t, c->v, &c->sample).id || ky_tape_check(c->t) != KY_OK)
    case_fail(c, "after refusals a good call fails: %s", ky_tape_message(c->t));
  case_end(c);
}

void check_refusals(op_case *c) {
  if (c->set->sample_count > 0) refuse_by_rule(c);
  for (int k = 0; k < c->set->refusal_count; k++) {
    const ky_refusal *bad = &c->set->refusals[k];
    case_choose(c, &bad->sample, NULL, k);
    for (int j = 0; j < c->sample.operands; j++) {
      nd_shape(&c->x[j], c->sample.shape[j].rank, c->sample.shape[j].dims);
      for (int64_t n = 0; n < c->x[j].count; n++) c->x[j].at[n] = 1;
    }
    case_put_operands(c, KY_F64);
    refuse(c, "a bad call", c->v, bad->status, bad->says);
    case_end(c);
  }
}
