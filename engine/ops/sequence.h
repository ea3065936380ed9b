/* SPDX-License-Identifier: MIT */
/* What others ask about the operations on sequences. */
#ifndef KY_SEQUENCE_H
#define KY_SEQUENCE_H

#include "code.h"

/* Scratch memory that the instruction asks for at most, forward or in reverse, when `threads`
 * share it; 0 for an opcode that is none of these. */
size_t ky__sequence_scratch(const ky_code *code, ky_id pc, uint32_t threads);

/* Its parts, by family. */
size_t ky__attention_scratch(const ky_code *code, ky_id pc, uint32_t threads);
size_t ky__ctc_scratch(const ky_code *code, ky_id pc, uint32_t threads);
size_t ky__gru_cell_scratch(const ky_code *code, ky_id pc);
size_t ky__gru_sequence_scratch(const ky_code *code, ky_id pc);
size_t ky__lstm_cell_scratch(const ky_code *code, ky_id pc);
size_t ky__lstm_sequence_scratch(const ky_code *code, ky_id pc);
size_t ky__rope_scratch(const ky_code *code, ky_id pc);

#endif
