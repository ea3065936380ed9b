/* SPDX-License-Identifier: MIT */
/* Roots whose value and adjoint come in one walk over their operands, where a step wants both:
 * what both compute is computed once, with the same bits. */
#ifndef KY_TURN_H
#define KY_TURN_H

#include "frame.h"

/* Whether the instruction is such a root. */
bool ky__turns(const ky_code *code, const ky_ins *root);

/* Value and adjoint of a root that turns; its own adjoint is there already. */
void ky__turn(ky_frame *f, ky_id root);

/* ---- by opcode --------------------------------------------------------------------------- */

bool ky__fused_turns(const ky_code *code, const ky_ins *i);
void ky__fused_turn(ky_frame *f, ky_id pc);

bool ky__cross_entropy_turns(const ky_ins *i);
void ky__cross_entropy_turn(ky_frame *f, ky_id pc);

bool ky__class_loss_turns(const ky_code *code, const ky_ins *i);
void ky__class_loss_turn(ky_frame *f, ky_id pc);

#endif
