/* SPDX-License-Identifier: MIT */
/* What transformers are made of: attention, root mean square norms, residual connections. */
#include <string.h>

#include "fault_allocator.h"
#include "kytape/optim.h"
#include "module_bench.h"

#define TOLERANCE 1e-14 /* of sums of a few products of numbers near 1 */

/* ---- attention --------------------------------------------------------------------------- */

/* torch.nn.MultiheadAttention(4, 2) of PyTorch 1.13 gave these. */
static void attention_agrees_with_pytorch(void **state) {
  bench *b = *state;
  static const double want[2][12] = {
      {-0.5780002987799491, 0.006950138959907148, 0.7752603247133916, 0.5561432690447261,
       -0.5059713926408468, -0.05063871762846084, 0.7647953519566061, 0.5752914032286652,
       -0.5753594200468878, -0.004358920349091244, 0.7810644465381393, 0.558869380426687},
      {-0.9025, 0.3475, 0.7175, 0.4, -0.7198814435734825, 0.0744324074171438,
       0.8611110784034108, 0.5569647127174867, -0.5753594200468878, -0.004358920349091244,
       0.7810644465381393, 0.558869380426687}};
  double x[12];
  for (int k = 0; k < 12; k++) x[k] = (double)(k * 5 % 7) / 4 - 0.75;
  for (int causal = 0; causal < 2; causal++) {
    char names[256] = "";
    assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, causal, 1, NULL, &b->m), KY_OK);
    assert_string_equal(ky_module_name(b->m), "attention");
    assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
    assert_string_equal(names, "in_proj_weight in_proj_bias out_proj.weight out_proj.bias ");
    bench_fill(b->m);
    const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(1, 3, 4), x);
    bench_assert_values(b->t, ky_module_forward(b->t, b->m, in), want[causal], 12, TOLERANCE);
    bench_tear_down(state);
    bench_set_up(state);
  }
}

/* torch.nn.MultiheadAttention(4, 2) of PyTorch 1.13 gave these, with key_padding_mask. */
static void attention_sees_what_its_mask_says(void **state) {
  bench *b = *state;
  static const double want[12] = {
      -0.5668818938935481,  0.0857130580390123,   0.6421350764500982, 0.48744599211797734,
      -0.46740156021880797, 0.006861442821117669, 0.6202844265393206, 0.5134655332622364,
      -0.56306462399748,    0.07179899747317542,  0.6455305949440782, 0.4893093471326762};
  double x[12];
  for (int k = 0; k < 12; k++) x[k] = (double)(k * 5 % 7) / 4 - 0.75;
  const uint8_t seen[3] = {1, 0, 1};
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 0, 1, NULL, &b->m), KY_OK);
  bench_fill(b->m);
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(1, 3, 4), x);
  const ky_var mask = ky_input(b->t, KY_MASK, KY_SHAPE(1, 1, 1, 3), seen);
  bench_assert_values(b->t, ky_nn_attention_forward(b->t, b->m, in, ky_none(), mask), want, 12,
                      TOLERANCE);
}

/* torch.nn.MultiheadAttention(4, 2) of PyTorch 1.13 gave these, for m(x, memory, memory). */
static void attention_takes_keys_and_values_from_memory(void **state) {
  bench *b = *state;
  static const double want[12] = {-0.7608190507445198, 0.2199751415965262,  0.6626751057434377,
                                  0.5557153646743214,  -0.7673835903770483, 0.21987856167122333,
                                  0.6672864696177312,  0.5609516027750137,  -0.7562941702220001,
                                  0.21998674187214745, 0.6720849906862298,  0.5613137860452992};
  double x[12], memory[8];
  for (int k = 0; k < 12; k++) x[k] = (double)(k * 5 % 7) / 4 - 0.75;
  for (int k = 0; k < 8; k++) memory[k] = (double)(k * 3 % 5) / 4 - 0.5;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 0, 1, NULL, &b->m), KY_OK);
  bench_fill(b->m);
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(1, 3, 4), x);
  const ky_var from = ky_input(b->t, KY_F64, KY_SHAPE(1, 2, 4), memory);
  const ky_var y = ky_nn_attention_forward(b->t, b->m, in, from, ky_none());
  bench_assert_values(b->t, y, want, 12, TOLERANCE);
  ky_grads grads;
  assert_int_equal(ky_backward(b->t, y, &grads), KY_OK);
  assert_int_equal(grads.count, 4); /* each weight once, though the first is taken in parts */
}

static void attention_begins_with_random_weights_and_may_lack_biases(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 16, 4, 1, 0, &b->rng, &b->m), KY_OK);
  assert_int_equal(ky_module_weight_count(b->m), 2);
  static const double most[2] = {0.30618621784789724, 0.25}; /* (6/64)^(1/2), 16^(-1/2) */
  for (size_t k = 0; k < 2; k++) {
    const ky_array w = ky_tensor_array(ky_module_weight(b->m, k));
    double top = 0;
    for (int64_t n = 0; n < w.count; n++) {
      const double x = ((const double *)w.data)[n];
      if (x > top) top = x;
      assert_true(x >= -most[k] && x < most[k]);
    }
    assert_true(top > 0.95 * most[k]);
  }
}

static void attention_says_what_it_wants(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 0, 1, NULL, &b->m), KY_OK);
  const ky_var flat = ky_full(b->t, KY_F64, KY_SHAPE(3, 4), 1);
  assert_int_equal(ky_module_forward(b->t, b->m, flat).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(
      strstr(ky_tape_message(b->t), "attention: x is of rank 2, wants [b,t,width]"));
  const ky_var wide = ky_full(b->t, KY_F64, KY_SHAPE(1, 3, 6), 1);
  assert_int_equal(ky_module_forward(b->t, b->m, wide).id, 0);
  assert_non_null(strstr(ky_tape_message(b->t), "inner extents 6 and 4 differ"));
  assert_int_equal(ky_module_forward(b->t, b->m, ky_none()).id, 0);
  assert_int_equal(ky_module_forward(NULL, b->m, ky_none()).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE); /* the first one */
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(1, 3, 4), 1), none = ky_none();
  assert_int_equal(ky_nn_attention_forward(b->t, b->m, x, flat, none).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(b->t), "attention: memory is of rank 2"));
  assert_int_equal(ky_nn_attention_forward(b->t, b->m, x, x, x).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(b->t), "the mask [1,3,4] does not broadcast"));
  assert_int_equal(ky_nn_attention_forward(NULL, b->m, none, none, none).id, 0);
}

/* Though it has the id of x. */
static void attention_takes_no_memory_of_another_tape(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 0, 1, NULL, &b->m), KY_OK);
  ky_tape *other = ky_tape_new(NULL);
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(1, 3, 4), 1);
  const ky_var foreign = ky_full(other, KY_F64, KY_SHAPE(1, 3, 4), 1);
  const ky_var y = ky_nn_attention_forward(b->t, b->m, x, foreign, ky_none());
  ky_tape_free(other);
  assert_int_equal(x.id, foreign.id);
  assert_int_equal(y.id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_VAR);
}

static void attention_forward_takes_no_other_module(void **state) {
  bench *b = *state;
  const ky_var x = ky_full(b->t, KY_F64, KY_SHAPE(1, 3, 4), 1), none = ky_none();
  assert_int_equal(ky_nn_relu(NULL, &b->m), KY_OK);
  assert_int_equal(ky_nn_attention_forward(b->t, b->m, x, none, none).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
  assert_non_null(strstr(ky_tape_message(b->t), "wants a module of ky_nn_attention, got relu"));
  assert_int_equal(ky_nn_attention_forward(b->t, NULL, x, none, none).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
}

/* ---- norms and residuals ----------------------------------------------------------------- */

static void rmsnorm_begins_with_ones(void **state) {
  bench *b = *state;
  const double x[4] = {3, 4, -1, 1}, want[4] = {0.8485281374238571, 1.1313708498984762, -1, 1};
  assert_int_equal(ky_nn_rmsnorm(NULL, KY_F64, 2, 0, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "rmsnorm");
  assert_int_equal(ky_module_weight_count(b->m), 1);
  bench_assert_values(b->t,
                      ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(2, 2), x)),
                      want, 4, TOLERANCE);
}

static void residual_adds_what_went_in(void **state) {
  bench *b = *state;
  const double x[3] = {-1, 0, 2}, want[3] = {-1, 0, 4};
  ky_module *inner = NULL;
  assert_int_equal(ky_nn_relu(NULL, &inner), KY_OK);
  assert_int_equal(ky_nn_residual(NULL, &inner, &b->m), KY_OK);
  assert_null(inner);
  assert_string_equal(ky_module_name(b->m), "residual");
  bench_assert_values(b->t,
                      ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(3), x)),
                      want, 3, TOLERANCE);
}

static void residual_takes_its_module_only_on_success(void **state) {
  bench *b = *state;
  ky_module *out = NULL;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 2, 2, 1, NULL, &b->m), KY_OK);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  fault_allocator_fail_once(&fa, 1);
  const ky_allocator a = fault_allocator(&fa);
  assert_int_equal(ky_nn_residual(&a, &b->m, &out), KY_NO_MEMORY);
  assert_null(out);
  assert_int_equal(ky_nn_residual(&a, &b->m, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_module_name(b->m), "linear");
  assert_int_equal(ky_nn_residual(NULL, &b->m, &b->m), KY_OK); /* in its place */
  char names[64] = "";
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names, "weight bias ");
  assert_int_equal(ky_nn_residual(NULL, &out, &out), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_residual(NULL, NULL, &out), KY_BAD_ARGUMENT);
  fault_allocator_free(&fa);
}

/* ---- all together ------------------------------------------------------------------------ */

/* x + attention(norm(x)), then x + wide(norm(x)). */
static ky_module *transformer_layer(bench *b, int64_t width) {
  ky_module *attend[2], *think[4], *both[2], *layer = NULL;
  assert_int_equal(ky_nn_layernorm(NULL, KY_F32, width, 1e-5, &attend[0]), KY_OK);
  assert_int_equal(ky_nn_attention(NULL, KY_F32, width, 2, 1, 1, &b->rng, &attend[1]), KY_OK);
  assert_int_equal(ky_nn_rmsnorm(NULL, KY_F32, width, 1e-5, &think[0]), KY_OK);
  assert_int_equal(ky_nn_linear(NULL, KY_F32, width, 4 * width, 1, &b->rng, &think[1]), KY_OK);
  assert_int_equal(ky_nn_gelu(NULL, &think[2]), KY_OK);
  assert_int_equal(ky_nn_linear(NULL, KY_F32, 4 * width, width, 1, &b->rng, &think[3]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, attend, &both[0]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 4, think, &both[1]), KY_OK);
  for (int k = 0; k < 2; k++) assert_int_equal(ky_nn_residual(NULL, &both[k], &both[k]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, both, &layer), KY_OK);
  return layer;
}

/* Letters in a circle: the next one is known. */
static void a_transformer_learns(void **state) {
  bench *b = *state;
  enum { LETTERS = 5, TIME = 6, BATCH = 4, WIDTH = 8 };
  int64_t x[BATCH * TIME], y[BATCH * TIME];
  for (int k = 0; k < BATCH * TIME; k++) {
    x[k] = (k + k / TIME) % LETTERS;
    y[k] = (x[k] + 1) % LETTERS;
  }
  ky_module *part[3];
  assert_int_equal(ky_nn_embedding(NULL, KY_F32, LETTERS, WIDTH, -1, &b->rng, &part[0]), KY_OK);
  part[1] = transformer_layer(b, WIDTH);
  assert_int_equal(ky_nn_linear(NULL, KY_F32, WIDTH, LETTERS, 1, &b->rng, &part[2]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 3, part, &b->m), KY_OK);
  const ky_var in = ky_input(b->t, KY_I64, KY_SHAPE(BATCH, TIME), x);
  const ky_var want = ky_input(b->t, KY_I64, KY_SHAPE(BATCH, TIME), y);
  const ky_var loss = ky_loss_cross_entropy(b->t, ky_module_forward(b->t, b->m, in), want);
  ky_optimizer *adam;
  assert_int_equal(ky_adam_new(NULL, 0.01, NULL, &adam), KY_OK);
  double first = 0, last = 0;
  for (int step = 0; step < 60; step++) {
    ky_grads grads;
    assert_int_equal(ky_forward(b->t), KY_OK);
    assert_int_equal(ky_backward(b->t, loss, &grads), KY_OK);
    assert_int_equal(grads.count, ky_module_weight_count(b->m));
    assert_int_equal(ky_item(b->t, loss, step ? &last : &first), KY_OK);
    assert_int_equal(ky_optimizer_step(adam, &grads), KY_OK);
  }
  assert_true(last < first / 10);
  ky_optimizer_free(adam);
}

/* ---- refusals and failing memory --------------------------------------------------------- */

static void constructors_refuse_nonsense(void **state) {
  bench *b = *state;
  ky_module **m = &b->m;
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 2, 0, 1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 0, 0, 1, NULL, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_attention(NULL, KY_F64, 4, 3, 0, 1, NULL, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_attention(NULL, KY_F64, -4, 2, 0, 1, NULL, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_attention(NULL, KY_F64, INT64_MAX - 1, 2, 0, 1, NULL, m),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_nn_attention(NULL, KY_I32, 4, 2, 0, 1, NULL, m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_rmsnorm(NULL, KY_F64, 2, -1, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_rmsnorm(NULL, KY_F64, 2, 0, NULL), KY_BAD_ARGUMENT);
  assert_null(b->m);
}

static ky_status make_attention(const ky_allocator *a, ky_module **out) {
  return ky_nn_attention(a, KY_F64, 4, 2, 0, 1, NULL, out);
}

static ky_status make_rmsnorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_rmsnorm(a, KY_F64, 4, 1e-5, out);
}

static void constructors_survive_failing_memory(void **state) {
  (void)state;
  bench_assert_survives_failing_memory(make_attention);
  bench_assert_survives_failing_memory(make_rmsnorm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BENCH_TEST(attention_agrees_with_pytorch),
      BENCH_TEST(attention_sees_what_its_mask_says),
      BENCH_TEST(attention_takes_keys_and_values_from_memory),
      BENCH_TEST(attention_begins_with_random_weights_and_may_lack_biases),
      BENCH_TEST(attention_says_what_it_wants),
      BENCH_TEST(attention_takes_no_memory_of_another_tape),
      BENCH_TEST(attention_forward_takes_no_other_module),
      BENCH_TEST(rmsnorm_begins_with_ones),
      BENCH_TEST(residual_adds_what_went_in),
      BENCH_TEST(residual_takes_its_module_only_on_success),
      BENCH_TEST(a_transformer_learns),
      BENCH_TEST(constructors_refuse_nonsense),
      cmocka_unit_test(constructors_survive_failing_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
