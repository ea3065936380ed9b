/* SPDX-License-Identifier: MIT */
/* Which roots turn. */
#include "ops/turn.h"

bool ky__turns(const ky_code *code, const ky_ins *root) {
  if (root->op == KY_OP_fused) return ky__fused_turns(code, root);
  if (root->op == KY_OP_cross_entropy) return ky__cross_entropy_turns(root);
  return root->op == KY_OP_cross_entropy_with && ky__class_loss_turns(code, root);
}

void ky__turn(ky_frame *f, ky_id root) {
  const uint16_t op = f->code->ins[root].op;
  if (op == KY_OP_fused)
    ky__fused_turn(f, root);
  else if (op == KY_OP_cross_entropy)
    ky__cross_entropy_turn(f, root);
  else
    ky__class_loss_turn(f, root);
}
