/* SPDX-License-Identifier: MIT */
/* What functions that record several instructions for one call need: operands looked at before
 * anything is recorded, refusals in the name of the call. */
#ifndef KY_ARGUMENTS_H
#define KY_ARGUMENTS_H

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

#endif
