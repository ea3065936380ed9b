/* SPDX-License-Identifier: MIT */
/* Which values are not kept for the reverse sweep, but computed again where it wants them. */
#ifndef KY_RECOMPUTATION_H
#define KY_RECOMPUTATION_H

#include "tape/program.h"

/* Per instruction: the one before whose adjoint its value is computed again, the first to read
 * it in the reverse sweep; 0 where a value is kept, or nobody reads it there. active: whose
 * adjoints run; base: whose memory a value lies in. Returns whether there are any. */
bool ky__find_recomputed(const ky_program *p, const uint8_t *active, const ky_id *base,
                         ky_id *before);

/* Fills in p->again, with views of what is computed again. */
ky_status ky__list_recomputed(ky_pass *pass, const ky_id *base, const ky_id *before);

#endif
