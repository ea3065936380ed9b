/* SPDX-License-Identifier: MIT */
/* The verifier: a sound tape passes; for each of its rules, a tape that breaks it is refused
 * with the instruction and the reason. */
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "opinfo.h"
#include "tape/tape.h"

/* %1 input [2,3]  %2 param [4,3]  %3 linear  %4 clamp  %5 concat  %6 constant  %7 cross_entropy
 * %8 labels come before, see below */
typedef struct sample {
  ky_tape *t;
  ky_tensor *w;
  ky_id input, param, linear, clamp, slice, concat, constant, labels, loss, exp;
} sample;

static int setup(void **state) {
  static sample s;
  static const double x[6] = {1, 2, 3, 4, 5, 6};
  static const int32_t labels[2] = {0, 1};
  s.t = ky_tape_new(NULL);
  if (ky_tensor_new(NULL, KY_F64, KY_SHAPE(4, 3), &s.w) != KY_OK) return -1;
  ky_var in = ky_input(s.t, KY_F64, KY_SHAPE(2, 3), x), w = ky_param(s.t, s.w);
  ky_var y = ky_linear(s.t, in, w, ky_none()), c = ky_clamp(s.t, y, -1, 1);
  ky_var sl = ky_slice(s.t, c, 1, 0, 2, 1), cat = ky_concat(s.t, 2, (ky_var[]){sl, c}, 1);
  ky_var k = ky_constant(s.t, KY_F64, KY_SHAPE(2, 3), x);
  ky_var l = ky_input(s.t, KY_I32, KY_SHAPE(2), labels);
  ky_var loss = ky_cross_entropy(s.t, cat, l, KY_REDUCE_MEAN), e = ky_exp(s.t, loss);
  s.input = in.id, s.param = w.id, s.linear = y.id, s.clamp = c.id, s.slice = sl.id;
  s.concat = cat.id, s.constant = k.id, s.labels = l.id, s.loss = loss.id, s.exp = e.id;
  *state = &s;
  return 0;
}

static int teardown(void **state) {
  sample *s = *state;
  ky_tape_free(s->t);
  ky_tensor_free(s->w);
  return 0;
}

static void assert_refused(sample *s, ky_id pc, const char *reason) {
  assert_int_equal(ky_tape_verify(s->t), KY_BAD_TAPE);
  char head[64];
  snprintf(head, sizeof head, "verify: %%%u ", (unsigned)pc);
  const char *message = ky_tape_message(s->t);
  if (strncmp(message, head, strlen(head)) != 0 || !strstr(message, reason))
    fail_msg("\"%s\" does not say %s... %s", message, head, reason);
}

static ky_ins *ins(sample *s, ky_id id) { return &s->t->code.ins[id]; }

static void sound_tape_passes(void **state) {
  sample *s = *state;
  assert_int_equal(ky_tape_verify(s->t), KY_OK);
  assert_int_equal(ky_backward(s->t, ky__var(s->t, s->exp), NULL), KY_OK);
  assert_int_equal(ky_tape_verify(s->t), KY_OK);
  assert_int_equal(ky_tape_verify(NULL), KY_BAD_ARGUMENT);
}

static void first_instruction_must_be_nop(void **state) {
  sample *s = *state;
  ins(s, 0)->op = KY_OP_input;
  assert_int_equal(ky_tape_verify(s->t), KY_BAD_TAPE);
}

#define REFUSES(name, change, pc, reason)                                                      \
  static void name(void **state) {                                                             \
    sample *s = *state;                                                                        \
    change;                                                                                    \
    assert_refused(s, pc, reason);                                                             \
  }

REFUSES(opcode_must_exist, ins(s, s->clamp)->op = 999, s->clamp, "opcode 999")
REFUSES(nop_must_be_first_only, ins(s, s->clamp)->op = KY_OP_nop, s->clamp, "opcode 0")
REFUSES(dtype_must_exist, ins(s, s->clamp)->dtype = 9, s->clamp, "dtype 9")
REFUSES(layout_must_exist, s->t->code.layout[s->clamp] = 77, s->clamp, "layout 77")
REFUSES(site_must_exist, s->t->code.site[s->clamp] = 9u << KY_SITE_SHIFT, s->clamp, "file 9")
REFUSES(operand_must_be_there, ins(s, s->clamp)->a = 0, s->clamp, "operand 0 is missing")
REFUSES(operand_must_come_first, ins(s, s->clamp)->a = s->clamp, s->clamp, "comes later")
REFUSES(list_must_be_inside_the_pool, ins(s, s->concat)->b = 1000, s->concat, "operand list")
REFUSES(list_operands_must_come_first, s->t->code.pool[ins(s, s->concat)->b] = s->exp,
        s->concat, "comes later")
REFUSES(attributes_must_be_inside_the_pool, ins(s, s->clamp)->b = 1000, s->clamp,
        "outside of the pool")
REFUSES(binding_must_exist, ins(s, s->input)->b = 40, s->input, "binding 40")
REFUSES(only_halves_are_loaded_as_another_dtype, ins(s, s->input)->c = KY_I64, s->input,
        "cannot be loaded as f64")
REFUSES(constant_must_be_inside_its_memory, ins(s, s->constant)->b = 1u << 30, s->constant,
        "outside of its memory")
REFUSES(dtype_must_be_the_rules, ins(s, s->exp)->dtype = KY_F32, s->exp, "the rule says f64")
REFUSES(shape_must_be_the_rules, s->t->code.layout[s->linear] = s->t->code.layout[s->input],
        s->linear, "shape or strides")
REFUSES(class_must_be_the_rules, ins(s, s->exp)->flags |= KY_GENERAL << KY_CLASS_SHIFT, s->exp,
        "layout class")
REFUSES(view_flag_must_be_the_rules, ins(s, s->slice)->flags &= (uint8_t)~KY_VIEW, s->slice,
        "view flag")
REFUSES(aux_buffer_must_exist, ins(s, s->loss)->c |= 5u << KY_AUX_SHIFT, s->loss,
        "aux buffer 5")
REFUSES(gradient_flags_must_be_the_operands, ins(s, s->exp)->flags &= (uint8_t)~KY_WANT_A,
        s->exp, "gradient flags")
REFUSES(constants_have_no_derivative, ins(s, s->constant)->flags |= KY_WANT_SELF, s->constant,
        "no derivative")
REFUSES(slice_axis_must_exist, s->t->code.pool[ins(s, s->slice)->b] = 5, s->slice, "axis")
REFUSES(operand_dtype_must_fit, ins(s, s->labels)->dtype = KY_MASK, s->loss,
        "labels must be i32 or i64, got mask")

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(sound_tape_passes),
      CASE(first_instruction_must_be_nop),
      CASE(opcode_must_exist),
      CASE(nop_must_be_first_only),
      CASE(dtype_must_exist),
      CASE(layout_must_exist),
      CASE(site_must_exist),
      CASE(operand_must_be_there),
      CASE(operand_must_come_first),
      CASE(list_must_be_inside_the_pool),
      CASE(list_operands_must_come_first),
      CASE(attributes_must_be_inside_the_pool),
      CASE(binding_must_exist),
      CASE(only_halves_are_loaded_as_another_dtype),
      CASE(constant_must_be_inside_its_memory),
      CASE(dtype_must_be_the_rules),
      CASE(shape_must_be_the_rules),
      CASE(class_must_be_the_rules),
      CASE(view_flag_must_be_the_rules),
      CASE(aux_buffer_must_exist),
      CASE(gradient_flags_must_be_the_operands),
      CASE(constants_have_no_derivative),
      CASE(slice_axis_must_exist),
      CASE(operand_dtype_must_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
