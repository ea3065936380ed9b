/* SPDX-License-Identifier: MIT */
/* Recording functions that record several instructions: they check their operands first, under
 * their own name, and leave nothing behind when one of the instructions fails. */
#ifndef KY_COMPOSITION_H
#define KY_COMPOSITION_H

#include "kytape/ops.h"
#include "tape/tape.h"

/* The call's error, unless one is pending: "train.c:12: flip: " and the reason. The null var.
 */
__attribute__((format(printf, 4, 5))) ky_var
ky__refuse(ky_tape *t, ky_status status, const char *call, const char *reason, ...);

/* Copies the layout of `v`; false, and the call's error, when that is no value of the tape. */
bool ky__look(ky_tape *t, ky_var v, const char *call, ky_layout *layout);

/* Counts `*axis` from the front; false, and the call's error, when it is not in -rank..rank-1.
 */
bool ky__axis(ky_tape *t, const char *call, int rank, int64_t *axis);

/* False, and the call's error, unless the dtype is f32 or f64; unless the dtypes are one. */
bool ky__float_dtype(ky_tape *t, const char *call, unsigned dtype);
bool ky__one_dtype(ky_tape *t, const char *call, unsigned a, unsigned b);

/* False, and the call's error, unless a list has least..most things; null is for 0 alone. */
bool ky__list(ky_tape *t, const char *call, const char *things, const void *list, int64_t count,
              int64_t least, int64_t most);

typedef struct ky_composition {
  ky_tape *t;
  const char *name;
  ky_mark mark;
  bool drew; /* random numbers when it began: a call that fails is no step */
  bool late; /* an error was pending before: it is not the call's */
} ky_composition;

/* Begins without a look at operands: the caller has checked them. t: not null. */
ky_composition ky__begin_composition(ky_tape *t, const char *name);

/* Begins; false, with a pending error, unless `count` vars are live and of one float dtype.
 * Those from number `required` on may be ky_none(). A null tape is false as well. */
bool ky__compose(ky_composition *c, ky_tape *t, const char *name, int count, int required,
                 const ky_var *vars);

/* The layout of an operand, until something is recorded: that moves layouts. */
static inline const ky_layout *ky__var_layout(const ky_composition *c, ky_var v) {
  return ky__layout(&c->t->code, v.id);
}

/* False, and the call's error, unless `reduction` is one. */
bool ky__known_reduction(const ky_composition *c, ky_reduction reduction);

/* Ends with the result `r`; where that is null, what was recorded goes, and the message names
 * the call. */
ky_var ky__composed(const ky_composition *c, ky_var r);

/* The same with what `reduction` makes of losses. */
ky_var ky__reduced(const ky_composition *c, ky_var losses, ky_reduction reduction);

#endif
