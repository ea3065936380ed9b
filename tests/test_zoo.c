/* SPDX-License-Identifier: MIT */
/* Models that people train, each built from recording functions and trained for ten steps of
 * Adam on one small batch: on the tape, and compiled with the updates inside. Losses are finite
 * and fall, and both ways have the same bits. */
#include <math.h>
#include <string.h>

#include "close.h"
#include "kytape/nn.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"

enum { STEPS = 10, WEIGHTS = 64, ROOM = 1 << 16 };

/* A tape, its weights, and room for the data of inputs. */
typedef struct bench {
  ky_tape *t;
  ky_rng rng;
  ky_tensor *weight[WEIGHTS];
  int weights;
  float data[ROOM];
  size_t used;
  int64_t index[1024];
  size_t indices;
} bench;

#define DIMS(...)                                                                              \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

static int64_t product(int rank, const int64_t *dims) {
  int64_t count = 1;
  for (int k = 0; k < rank; k++) count *= dims[k];
  return count;
}

/* Uniform in +-1 / sqrt(fan in), as PyTorch's layers begin; the fan is all extents but the
 * first. */
static ky_var weight(bench *b, int rank, const int64_t *dims) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, rank, dims, &w), KY_OK);
  const double bound = 1 / sqrt((double)(rank > 1 ? product(rank, dims) / dims[0] : dims[0]));
  assert_int_equal(ky_init_uniform(w, &b->rng, -bound, bound), KY_OK);
  assert_in_range(b->weights, 0, WEIGHTS - 1);
  b->weight[b->weights++] = w;
  return ky_param(b->t, w);
}

static ky_var constant_weight(bench *b, int64_t n, double value) {
  const ky_var v = weight(b, 1, &n);
  assert_int_equal(ky_init_constant(b->weight[b->weights - 1], value), KY_OK);
  return v;
}

/* Normal numbers. */
static ky_var data(bench *b, int rank, const int64_t *dims) {
  const size_t count = (size_t)product(rank, dims);
  assert_true(b->used + count <= ROOM);
  float *x = b->data + b->used;
  b->used += count;
  assert_int_equal(ky_rng_normal(&b->rng, KY_F32, count, 0, 1, x), KY_OK);
  return ky_input(b->t, KY_F32, rank, dims, x);
}

/* Numbers in 0..below-1, the same for the same place. */
static ky_var labels(bench *b, int rank, const int64_t *dims, int64_t below) {
  int64_t *x = b->index + b->indices;
  const int64_t count = product(rank, dims);
  for (int64_t k = 0; k < count; k++) x[k] = (k * 7 + k / 3) % below;
  b->indices += (size_t)count;
  assert_true(b->indices <= 1024);
  return ky_input(b->t, KY_I64, rank, dims, x);
}

static ky_var dense(bench *b, ky_var x, int64_t in, int64_t out) {
  return ky_linear(b->t, x, weight(b, DIMS(out, in)), weight(b, DIMS(out)));
}

static ky_var conv(bench *b, ky_var x, int64_t in, int64_t out, int64_t kernel,
                   int64_t stride) {
  const int64_t pad = kernel / 2;
  const ky_conv_options o = {
      .size = sizeof o, .stride = {stride, stride}, .padding = {pad, pad}};
  return ky_conv2d(b->t, x, weight(b, DIMS(out, in, kernel, kernel)), weight(b, DIMS(out)), &o);
}

static ky_var halved(bench *b, ky_var x) {
  const ky_pool_options o = {.size = sizeof o, .kernel = {2, 2}};
  return ky_max_pool2d(b->t, x, &o);
}

static ky_var layernorm(bench *b, ky_var x, int64_t n) {
  return ky_layernorm(b->t, x, 1, constant_weight(b, n, 1), constant_weight(b, n, 0), 1e-5);
}

/* ---- the models -------------------------------------------------------------------------- */

static ky_var lenet(bench *b) {
  ky_tape *t = b->t;
  ky_var x = data(b, DIMS(4, 1, 28, 28));
  x = halved(b, ky_tanh(t, conv(b, x, 1, 6, 5, 1)));
  const ky_conv_options none = {.size = sizeof none};
  x = ky_conv2d(t, x, weight(b, DIMS(16, 6, 5, 5)), weight(b, DIMS(16)), &none);
  x = ky_reshape(t, halved(b, ky_tanh(t, x)), DIMS(4, 400));
  x = ky_tanh(t, dense(b, x, 400, 120));
  x = dense(b, ky_tanh(t, dense(b, x, 120, 84)), 84, 10);
  return ky_cross_entropy(t, x, labels(b, DIMS(4), 10), KY_REDUCE_MEAN);
}

static ky_var normed(bench *b, ky_var x, int64_t channels) {
  return ky_batchnorm(b->t, x, constant_weight(b, channels, 1), constant_weight(b, channels, 0),
                      1e-5, NULL, NULL);
}

static ky_var resnet_block(bench *b) {
  ky_tape *t = b->t;
  const ky_var x = data(b, DIMS(4, 8, 10, 10));
  const ky_var h = ky_relu(t, normed(b, conv(b, x, 8, 16, 3, 2), 16));
  const ky_var y = normed(b, conv(b, h, 16, 16, 3, 1), 16);
  const ky_var shortcut = normed(b, conv(b, x, 8, 16, 1, 2), 16);
  const ky_var sum = ky_relu(t, ky_add(t, y, shortcut));
  const ky_var pooled = ky_reshape(t, ky_adaptive_avg_pool2d(t, sum, 1, 1), DIMS(4, 16));
  return ky_cross_entropy(t, dense(b, pooled, 16, 5), labels(b, DIMS(4), 5), KY_REDUCE_MEAN);
}

enum { BATCH = 2, TIME = 12, HEADS = 2, WIDTH = 16, WORDS = 11 };

/* [b,t,c] -> [b,h,t,c/h] */
static ky_var heads(bench *b, ky_var x) {
  x = ky_reshape(b->t, x, DIMS(BATCH, TIME, HEADS, WIDTH / HEADS));
  return ky_transpose(b->t, x, 1, 2);
}

static ky_var gpt_block(bench *b) {
  ky_tape *t = b->t;
  const ky_var words = labels(b, DIMS(BATCH, TIME), WORDS);
  ky_var x = ky_embedding(t, weight(b, DIMS(WORDS, WIDTH)), words, -1);
  ky_var part[3];
  const ky_var qkv =
      ky_linear(t, layernorm(b, x, WIDTH), weight(b, DIMS(3 * WIDTH, WIDTH)), ky_none());
  assert_int_equal(ky_split(t, qkv, -1, 3, NULL, part), KY_OK);
  const ky_var q = ky_rope(t, heads(b, part[0]), 0, 10000, KY_ROPE_HALVES);
  const ky_var k = ky_rope(t, heads(b, part[1]), 0, 10000, KY_ROPE_HALVES);
  ky_var a = ky_attention(t, q, k, heads(b, part[2]), ky_none(), 1, 0);
  a = ky_reshape(t, ky_transpose(t, a, 1, 2), DIMS(BATCH, TIME, WIDTH));
  x = ky_add(t, x, ky_dropout(t, dense(b, a, WIDTH, WIDTH), 0.1));
  const ky_var wide = ky_gelu(t, dense(b, layernorm(b, x, WIDTH), WIDTH, 4 * WIDTH));
  x = ky_add(t, x, dense(b, wide, 4 * WIDTH, WIDTH));
  const ky_var logits = dense(b, layernorm(b, x, WIDTH), WIDTH, WORDS);
  return ky_cross_entropy(t, logits, labels(b, DIMS(BATCH, TIME), WORDS), KY_REDUCE_MEAN);
}

static ky_var lstm_layer(bench *b, ky_var x, int64_t in, int64_t n) {
  const ky_rnn_weights w = {weight(b, DIMS(4 * n, in)), weight(b, DIMS(4 * n, n)),
                            weight(b, DIMS(4 * n)), weight(b, DIMS(4 * n))};
  return ky_lstm(b->t, x, &w, ky_none(), ky_none(), NULL, NULL);
}

static ky_var lstm_language_model(bench *b) {
  ky_tape *t = b->t;
  ky_var x =
      ky_embedding(t, weight(b, DIMS(WORDS, WIDTH)), labels(b, DIMS(TIME, BATCH), WORDS), -1);
  x = lstm_layer(b, lstm_layer(b, x, WIDTH, WIDTH), WIDTH, WIDTH);
  return ky_cross_entropy(t, dense(b, x, WIDTH, WORDS), labels(b, DIMS(TIME, BATCH), WORDS),
                          KY_REDUCE_MEAN);
}

/* The noise is drawn anew in each step. */
static ky_var variational_autoencoder(bench *b) {
  enum { IN = 24, HIDDEN = 32, CODE = 3, N = 8 };
  ky_tape *t = b->t;
  const ky_var x = ky_sigmoid(t, data(b, DIMS(N, IN)));
  const ky_var h = ky_relu(t, dense(b, x, IN, HIDDEN));
  const ky_var mean = dense(b, h, HIDDEN, CODE), log_variance = dense(b, h, HIDDEN, CODE);
  const ky_var noise = ky_normal(t, KY_F32, DIMS(N, CODE), 0, 1);
  const ky_var deviation = ky_exp(t, ky_mul_scalar(t, log_variance, 0.5));
  const ky_var code = ky_fma(t, deviation, noise, mean);
  const ky_var y = dense(b, ky_relu(t, dense(b, code, CODE, HIDDEN)), HIDDEN, IN);
  const ky_var error = ky_bce_with_logits(t, y, x, KY_REDUCE_SUM);
  /* the divergence from the standard normal distribution */
  const ky_var spread = ky_sub(t, ky_expm1(t, log_variance), log_variance);
  const ky_var kl = ky_mul_scalar(t, ky_sum_all(t, ky_add(t, spread, ky_square(t, mean))), 0.5);
  return ky_div_scalar(t, ky_add(t, error, kl), N);
}

static ky_var unet(bench *b) {
  ky_tape *t = b->t;
  const ky_var x = data(b, DIMS(2, 3, 12, 12));
  const ky_var fine = ky_relu(t, conv(b, x, 3, 8, 3, 1));
  const ky_var coarse = ky_relu(t, conv(b, halved(b, fine), 8, 16, 3, 1));
  const ky_conv_options twice = {.size = sizeof twice, .stride = {2, 2}};
  const ky_var up =
      ky_conv_transpose2d(t, coarse, weight(b, DIMS(16, 8, 2, 2)), weight(b, DIMS(8)), &twice);
  const ky_var smooth = ky_upsample_bilinear2d(t, coarse, 12, 12, 0);
  const ky_var all = ky_concat(t, 3, (ky_var[]){fine, up, smooth}, 1);
  const ky_var y = conv(b, ky_relu(t, conv(b, all, 32, 8, 3, 1)), 8, 1, 1, 1);
  return ky_mse(t, y, data(b, DIMS(2, 1, 12, 12)), KY_REDUCE_MEAN);
}

/* Gated recurrent units read frames, and say words that are not aligned with them. */
static ky_var ctc_labeller(bench *b) {
  enum { FRAMES = 14, FEATURES = 6, LONGEST = 4 };
  ky_tape *t = b->t;
  const ky_rnn_weights w = {weight(b, DIMS(3 * WIDTH, FEATURES)),
                            weight(b, DIMS(3 * WIDTH, WIDTH)), weight(b, DIMS(3 * WIDTH)),
                            weight(b, DIMS(3 * WIDTH))};
  const ky_var x = data(b, DIMS(FRAMES, BATCH, FEATURES));
  const ky_var h = ky_gru(t, x, &w, ky_none(), NULL);
  const ky_var log_p = ky_log_softmax(t, dense(b, h, WIDTH, WORDS), -1);
  static const int64_t words[BATCH][LONGEST] = {{3, 5, 5, 1}, {7, 2, 0, 0}};
  static const int64_t frames[BATCH] = {FRAMES, FRAMES - 3}, lengths[BATCH] = {LONGEST, 2};
  return ky_ctc(t, log_p, ky_input(t, KY_I64, DIMS(BATCH, LONGEST), words),
                ky_input(t, KY_I64, DIMS(BATCH), frames),
                ky_input(t, KY_I64, DIMS(BATCH), lengths), 0, 0, KY_REDUCE_MEAN);
}

/* ---- training ---------------------------------------------------------------------------- */

typedef ky_var model(bench *b);

static void start(bench *b, model *build, ky_var *loss) {
  b->t = ky_tape_new(NULL);
  b->rng = ky_rng_seed(11, 0);
  b->weights = 0;
  b->used = b->indices = 0;
  *loss = build(b);
  const ky_status status = ky_tape_check(b->t);
  if (status != KY_OK) print_error("%s\n", ky_tape_message(b->t));
  assert_int_equal(status, KY_OK);
  assert_int_equal(ky_tape_seed(b->t, 5, 0), KY_OK);
}

static void finish(bench *b) {
  ky_tape_free(b->t);
  for (int k = 0; k < b->weights; k++) ky_tensor_free(b->weight[k]);
}

static ky_optimizer *adam(void) {
  ky_optimizer *o;
  assert_int_equal(ky_adam_new(NULL, 0.01, NULL, &o), KY_OK);
  return o;
}

static void train_on_the_tape(bench *b, model *build, double losses[STEPS]) {
  ky_var loss;
  start(b, build, &loss);
  ky_optimizer *o = adam();
  for (int k = 0; k < STEPS; k++) {
    ky_grads grads;
    assert_int_equal(ky_forward(b->t), KY_OK);
    assert_int_equal(ky_backward(b->t, loss, &grads), KY_OK);
    assert_int_equal(grads.count, b->weights);
    assert_int_equal(ky_item(b->t, loss, &losses[k]), KY_OK);
    assert_int_equal(ky_optimizer_step(o, &grads), KY_OK);
  }
  ky_optimizer_free(o);
  finish(b);
}

static void train_compiled(bench *b, model *build, int threads, double losses[STEPS]) {
  ky_var loss;
  start(b, build, &loss);
  ky_optimizer *o = adam();
  const ky_compile_options c = {.size = sizeof c, .updates = 1, .fuse_least = 1};
  ky_program *p;
  assert_int_equal(ky_compile(b->t, loss, &c, &p), KY_OK);
  const ky_exec_options e_options = {.size = sizeof e_options,
                                     .update = ky_optimizer_update(o),
                                     .threads = threads,
                                     .grain = 1};
  ky_exec *e;
  assert_int_equal(ky_exec_new(p, &e_options, &e), KY_OK);
  for (int k = 0; k < STEPS; k++) {
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    assert_int_equal(ky_exec_item(e, loss, &losses[k]), KY_OK);
  }
  ky_exec_free(e);
  ky_program_free(p);
  ky_optimizer_free(o);
  finish(b);
}

static void train(model *build) {
  static bench b;
  double losses[STEPS], compiled[STEPS], shared[STEPS];
  train_on_the_tape(&b, build, losses);
  train_compiled(&b, build, 1, compiled);
  train_compiled(&b, build, 3, shared);
  for (int k = 0; k < STEPS; k++) {
    assert_true(isfinite(losses[k]));
    assert_true(losses[k] == compiled[k]);
    assert_true(losses[k] == shared[k]);
  }
  print_message("loss %g, then %g\n", losses[0], losses[STEPS - 1]);
  assert_true(losses[STEPS - 1] < 0.98 * losses[0]);
}

#define MODELS(X)                                                                              \
  X(lenet)                                                                                     \
  X(resnet_block)                                                                              \
  X(gpt_block)                                                                                 \
  X(lstm_language_model)                                                                       \
  X(variational_autoencoder)                                                                   \
  X(unet)                                                                                      \
  X(ctc_labeller)

#define X(name)                                                                                \
  static void name##_learns(void **state) {                                                    \
    (void)state;                                                                               \
    train(name);                                                                               \
  }
MODELS(X)
#undef X

int main(void) {
  const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(name##_learns),
      MODELS(X)
#undef X
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
