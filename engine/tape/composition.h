/* SPDX-License-Identifier: MIT */
/* Recording functions that record several instructions: they check their operands first, under
 * their own name, and leave nothing behind when one of the instructions fails. */
#ifndef KY_COMPOSITION_H
#define KY_COMPOSITION_H

#include "tape/tape.h"

typedef struct ky_composition {
  ky_tape *t;
  const char *name;
  ky_mark mark;
  bool drew; /* random numbers when it began: a call that fails is no step */
} ky_composition;

/* Begins without a look at operands: the caller has checked them. t: not null. */
ky_composition ky__begin_composition(ky_tape *t, const char *name);

/* Begins; false, with a pending error, unless `count` vars are live and of one float dtype.
 * Those from number `required` on may be ky_none(). A null tape is false as well. */
bool ky__compose(ky_composition *c, ky_tape *t, const char *name, int count, int required,
                 const ky_var *vars);

/* "name: text" becomes the pending error; returns the null var. */
__attribute__((format(printf, 3, 4))) ky_var
ky__compose_fail(const ky_composition *c, ky_status status, const char *format, ...);

/* Ends with the result `r`; where that is null, what was recorded goes, and the message names
 * the call. */
ky_var ky__composed(const ky_composition *c, ky_var r);

#endif
