/* SPDX-License-Identifier: MIT */
/* The demo's classifier against the NumPy framework that it comes from (KyTorch). Its first few
 * hundred epochs are chaotic: a last bit decides where they lead. So training begins here with
 * the weights that NumPy had, in f32, before epoch 500; from there on it forgives rounding. */
#include <string.h>

#include "close.h"
#include "kytape.h"

enum {
  INPUTS = 3,
  HIDDEN = 2,
  OUTPUTS = 4,
  SAMPLES = 5,
  WEIGHTS = 4,
  FIRST = 500,
  LAST = 1900
};

static const float samples[SAMPLES][INPUTS] = {
    {1, 3, 5}, {1, 9, 5}, {1, 2, 5}, {0, 9, 5}, {0, 0, 5}};
static const float labels[SAMPLES][OUTPUTS] = {{1}, {1}, {1}, {0}, {0}};

static const float w1[HIDDEN * INPUTS] = {4.25445747f, -4.21413183f, 1.23678589f,
                                          3.06185293f, 6.2815752f,   1.96764028f};
static const float b1[HIDDEN] = {1.69703662f, 1.20778704f};
static const float w2[OUTPUTS * HIDDEN] = {-2.2319901f,   3.39901924f,   -0.235899284f,
                                           -0.235544488f, -0.234981865f, -0.381975859f,
                                           -0.501618862f, -0.357782155f};
static const float b2[OUTPUTS] = {0.663916647f, -5.47915173f, -5.53922224f, -5.51784563f};

/* Mean losses of an epoch as NumPy 1.24 prints them. */
static const struct {
  int epoch;
  double loss;
} expected[] = {{500, 0.004290199186652899},
                {600, 0.003352081310003996},
                {1700, 0.0010693292832002043},
                {1800, 0.0010082000051625073},
                {1900, 0.0009537238045595586}};

/* A step rounds each weight by half an ulp at most, 7000 steps and their loss stay far below:
 * f32 and f64 end 1.3e-5 apart in NumPy too. */
#define ROUNDING 5e-5

typedef struct classifier {
  ky_tensor *weight[WEIGHTS];
  ky_optimizer *sgd;
  ky_tape *t;
  ky_program *program;
  ky_exec *exec;
  ky_var x, y, loss;
} classifier;

static int set_up(void **state) {
  static classifier c;
  c = (classifier){.t = ky_tape_new(NULL)};
  *state = &c;
  return c.t && ky_sgd_new(NULL, 0.1, NULL, &c.sgd) == KY_OK ? 0 : -1;
}

static int tear_down(void **state) {
  classifier *c = *state;
  ky_exec_free(c->exec);
  ky_program_free(c->program);
  ky_tape_free(c->t);
  ky_optimizer_free(c->sgd);
  for (int k = 0; k < WEIGHTS; k++) ky_tensor_free(c->weight[k]);
  return 0;
}

static ky_var weight(classifier *c, int k, int rank, const int64_t *dims, const float *values,
                     size_t bytes) {
  assert_int_equal(ky_tensor_new(NULL, KY_F32, rank, dims, &c->weight[k]), KY_OK);
  memcpy(ky_tensor_write(c->weight[k]), values, bytes);
  return ky_param(c->t, c->weight[k]);
}

static void record(classifier *c) {
  ky_tape *t = c->t;
  c->x = ky_input(t, KY_F32, KY_SHAPE(INPUTS), samples[0]);
  c->y = ky_input(t, KY_F32, KY_SHAPE(OUTPUTS), labels[0]);
  const ky_var hidden =
      ky_linear(t, c->x, weight(c, 0, KY_SHAPE(HIDDEN, INPUTS), w1, sizeof w1),
                weight(c, 1, KY_SHAPE(HIDDEN), b1, sizeof b1));
  const ky_var logits =
      ky_linear(t, ky_sin(t, hidden), weight(c, 2, KY_SHAPE(OUTPUTS, HIDDEN), w2, sizeof w2),
                weight(c, 3, KY_SHAPE(OUTPUTS), b2, sizeof b2));
  c->loss = ky_bce(t, ky_sigmoid(t, logits), c->y, KY_REDUCE_SUM);
  assert_int_equal(ky_tape_check(t), KY_OK);
}

static double tape_step(classifier *c, int k) {
  ky_grads grads;
  double loss;
  assert_int_equal(ky_input_set(c->t, c->x, samples[k]), KY_OK);
  assert_int_equal(ky_input_set(c->t, c->y, labels[k]), KY_OK);
  assert_int_equal(ky_forward(c->t), KY_OK);
  assert_int_equal(ky_item(c->t, c->loss, &loss), KY_OK);
  assert_int_equal(ky_backward(c->t, c->loss, &grads), KY_OK);
  assert_int_equal(ky_optimizer_step(c->sgd, &grads), KY_OK);
  return loss;
}

static double program_step(classifier *c, int k) {
  double loss;
  assert_int_equal(ky_exec_input(c->exec, c->x, samples[k]), KY_OK);
  assert_int_equal(ky_exec_input(c->exec, c->y, labels[k]), KY_OK);
  assert_int_equal(ky_exec_step(c->exec, NULL), KY_OK);
  assert_int_equal(ky_exec_item(c->exec, c->loss, &loss), KY_OK);
  return loss;
}

static void assert_losses(classifier *c, double (*step)(classifier *, int)) {
  const size_t count = sizeof expected / sizeof *expected;
  size_t seen = 0;
  for (int epoch = FIRST; epoch <= LAST; epoch++) {
    double sum = 0;
    for (int k = 0; k < SAMPLES; k++) sum += step(c, k);
    if (seen < count && expected[seen].epoch == epoch) {
      assert_close(sum / (SAMPLES * OUTPUTS) / expected[seen].loss, 1, ROUNDING);
      seen++;
    }
  }
  assert_int_equal(seen, count);
}

static void tape_trains_as_numpy_does(void **state) {
  classifier *c = *state;
  record(c);
  assert_losses(c, tape_step);
}

static void program_trains_as_numpy_does(void **state) {
  classifier *c = *state;
  record(c);
  const ky_compile_options options = {.size = sizeof options, .updates = 1};
  const ky_exec_options running = {.size = sizeof running,
                                   .update = ky_optimizer_update(c->sgd)};
  assert_int_equal(ky_compile(c->t, c->loss, &options, &c->program), KY_OK);
  assert_int_equal(ky_exec_new(c->program, &running, &c->exec), KY_OK);
  assert_losses(c, program_step);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(tape_trains_as_numpy_does, set_up, tear_down),
      cmocka_unit_test_setup_teardown(program_trains_as_numpy_does, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("classifier", tests, NULL, NULL);
}
