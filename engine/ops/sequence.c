/* SPDX-License-Identifier: MIT */
/* What the operations on sequences ask for, by opcode. */
#include "ops/sequence.h"

size_t ky__sequence_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  switch (code->ins[pc].op) {
  case KY_OP_attention: return ky__attention_scratch(code, pc, threads);
  case KY_OP_ctc: return ky__ctc_scratch(code, pc, threads);
  case KY_OP_gru_cell: return ky__gru_cell_scratch(code, pc);
  case KY_OP_gru_sequence: return ky__gru_sequence_scratch(code, pc);
  case KY_OP_lstm_cell: return ky__lstm_cell_scratch(code, pc);
  case KY_OP_lstm_sequence: return ky__lstm_sequence_scratch(code, pc);
  case KY_OP_rope: return ky__rope_scratch(code, pc);
  default: return 0;
  }
}
