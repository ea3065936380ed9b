/* SPDX-License-Identifier: MIT */
/* What the printers of tapes share. */
#ifndef KY_PRINT_H
#define KY_PRINT_H

#include "tape/tape.h"

/* "%1 %2 axes=0,1 keep": operands, then attributes. */
void ky__say_arguments(ky_text *text, const ky_code *code, ky_id pc);

#endif
