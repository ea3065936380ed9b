/* SPDX-License-Identifier: MIT */
/* Trains a classifier of two layers on five samples, one at a time. A step is recorded once and
 * then replayed for each sample. A model for programs of your own: public headers only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kytape.h"

enum { INPUTS = 3, HIDDEN = 2, OUTPUTS = 4, LAYERS = 4, SAMPLES = 5, EPOCHS = 2000 };

static const double rate = 0.1;

static const float samples[SAMPLES][INPUTS] = {
    {1, 3, 5}, {1, 9, 5}, {1, 2, 5}, {0, 9, 5}, {0, 0, 5}};

static const float labels[SAMPLES][OUTPUTS] = {
    {1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}};

/* NumPy's normal draws from seed 42, so that runs can be compared. At this rate the first
 * epochs are chaotic: a difference in the last bit moves the losses of the last ones by tens of
 * percent. */
static const float w1[HIDDEN][INPUTS] = {{0.49671415f, -0.1382643f, 0.64768854f},
                                         {1.52302986f, -0.23415337f, -0.23413696f}};
static const float b1[HIDDEN] = {1.57921282f, 0.76743473f};
static const float w2[OUTPUTS][HIDDEN] = {{-0.46947439f, 0.54256004f},
                                          {-0.46341769f, -0.46572975f},
                                          {0.24196227f, -1.91328024f},
                                          {-1.72491783f, -0.56228753f}};
static const float b2[OUTPUTS] = {-1.01283112f, 0.31424733f, -0.90802408f, -1.4123037f};

typedef struct training {
  ky_module *network;
  ky_optimizer *optimizer;
  ky_tape *tape;
  ky_var x, y, loss;
} training;

static ky_status make_network(ky_module **network) {
  ky_module *layers[LAYERS] = {NULL};
  ky_status status = ky_nn_linear(NULL, KY_F32, INPUTS, HIDDEN, 1, NULL, &layers[0]);
  if (status == KY_OK) status = ky_nn_sin(NULL, &layers[1]);
  if (status == KY_OK)
    status = ky_nn_linear(NULL, KY_F32, HIDDEN, OUTPUTS, 1, NULL, &layers[2]);
  if (status == KY_OK) status = ky_nn_sigmoid(NULL, &layers[3]);
  if (status == KY_OK) status = ky_nn_sequential(NULL, LAYERS, layers, network);
  /* What the network has taken is null here. */
  for (int k = 0; k < LAYERS; k++) ky_module_free(layers[k]);
  return status;
}

static void set_weights(ky_module *network) {
  memcpy(ky_tensor_write(ky_module_weight(network, 0)), w1, sizeof w1);
  memcpy(ky_tensor_write(ky_module_weight(network, 1)), b1, sizeof b1);
  memcpy(ky_tensor_write(ky_module_weight(network, 2)), w2, sizeof w2);
  memcpy(ky_tensor_write(ky_module_weight(network, 3)), b2, sizeof b2);
}

/* Makes the network and the optimizer, and records one step. Nothing is computed yet. */
static ky_status prepare(training *tr) {
  ky_status status = make_network(&tr->network);
  if (status == KY_OK) status = ky_sgd_new(NULL, rate, NULL, &tr->optimizer);
  if (status != KY_OK) return status;
  set_weights(tr->network);
  ky_tape *t = tr->tape = ky_tape_new(NULL);
  if (!t) return KY_NO_MEMORY;
  tr->x = ky_input(t, KY_F32, KY_SHAPE(INPUTS), samples[0]);
  const ky_var prediction = ky_module_forward(t, tr->network, tr->x);
  tr->y = ky_input(t, KY_F32, KY_SHAPE(OUTPUTS), labels[0]);
  /* Steps go down the sum of a sample's losses; their mean is only printed. */
  tr->loss = ky_bce(t, prediction, tr->y, KY_REDUCE_SUM);
  return ky_tape_check(t); /* the first error of all of the above */
}

/* Replays the step with sample k. */
static ky_status step(training *tr, int k, double *loss) {
  ky_grads grads;
  ky_status status = ky_input_set(tr->tape, tr->x, samples[k]);
  if (status == KY_OK) status = ky_input_set(tr->tape, tr->y, labels[k]);
  if (status == KY_OK) status = ky_forward(tr->tape);
  if (status == KY_OK) status = ky_item(tr->tape, tr->loss, loss);
  if (status == KY_OK) status = ky_backward(tr->tape, tr->loss, &grads);
  if (status == KY_OK) status = ky_optimizer_step(tr->optimizer, &grads);
  return status;
}

/* Prints with as many digits as it takes to read the same double again. */
static void report(int epoch, double loss) {
  char text[32];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, loss);
    if (strtod(text, NULL) == loss) break;
  }
  printf("Epoch %d: Loss: %s\n", epoch, text);
}

static ky_status train(training *tr) {
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    double sum = 0;
    for (int k = 0; k < SAMPLES; k++) {
      double loss = 0;
      const ky_status status = step(tr, k, &loss);
      if (status != KY_OK) return status;
      sum += loss;
    }
    if (epoch % 100 == 0) report(epoch, sum / (SAMPLES * OUTPUTS));
  }
  return KY_OK;
}

static int usage(FILE *out, const char *program) {
  fprintf(out,
          "usage: %s [--dump | --help]\n"
          "Trains a two-layer binary classifier and prints its loss every 100 epochs.\n"
          "  --dump  print the tape of one training step instead\n"
          "  --help  print this\n",
          program);
  return out == stdout ? 0 : 2;
}

int main(int argc, char **argv) {
  const char *program = argc > 0 ? argv[0] : "two_layer_binary_classification";
  int dump = 0;
  for (int k = 1; k < argc; k++) {
    if (strcmp(argv[k], "--help") == 0) return usage(stdout, program);
    if (strcmp(argv[k], "--dump") != 0) {
      fprintf(stderr, "%s: unknown argument '%s'\n", program, argv[k]);
      return usage(stderr, program);
    }
    dump = 1;
  }
  training tr = {0};
  ky_status status = prepare(&tr);
  if (status == KY_OK) status = dump ? ky_tape_dump(tr.tape, stdout) : train(&tr);
  if (status != KY_OK) {
    const char *message = tr.tape ? ky_tape_message(tr.tape) : "";
    fprintf(stderr, "%s: %s\n", program, *message ? message : ky_status_text(status));
  }
  ky_tape_free(tr.tape); /* before the weights that it refers to */
  ky_optimizer_free(tr.optimizer);
  ky_module_free(tr.network);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    perror(program);
    return 1;
  }
  return status == KY_OK ? 0 : 1;
}
