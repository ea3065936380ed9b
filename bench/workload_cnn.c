/* SPDX-License-Identifier: MIT */
/* cnn: a network for small images, most of whose work is one convolution. */
#include <stdio.h>
#include <stdlib.h>

#include "contest.h"
#include "torch/torch.h"

#define RATE          1e-2
#define ARRAYS        8
#define CHECKED_STEPS 3
#define IMAGE         28
#define CHANNELS      32
#define HIDDEN        128
#define CLASSES       10

/* Extents behind each layer. */
enum { FIRST = IMAGE - 2, SECOND = FIRST - 2, POOLED = SECOND / 2 };
enum { FLAT = CHANNELS * POOLED * POOLED };

static const struct {
  int rank;
  int64_t dims[4];
  double bound; /* of the initial values */
} weights[ARRAYS] = {
    {4, {CHANNELS, 1, 3, 3}, 0.3},
    {1, {CHANNELS}, 0.1},
    {4, {CHANNELS, CHANNELS, 3, 3}, 0.06},
    {1, {CHANNELS}, 0.05},
    {2, {HIDDEN, FLAT}, 0.015},
    {1, {HIDDEN}, 0.015},
    {2, {CLASSES, HIDDEN}, 0.09},
    {1, {CLASSES}, 0.09},
};

typedef struct net {
  int64_t batch;
  float *array[ARRAYS];
  const float *x;
  const int64_t *labels;
} net;

static size_t count_of(int k) {
  size_t count = 1;
  for (int d = 0; d < weights[k].rank; d++) count *= (size_t)weights[k].dims[d];
  return count;
}

static void net_open(net *n, int64_t batch, const float *x, const int64_t *labels) {
  *n = (net){.batch = batch, .x = x, .labels = labels};
  for (int k = 0; k < ARRAYS; k++) {
    n->array[k] = bench_alloc_aligned(count_of(k) * sizeof(float));
    bench_random(KY_F32, 400 + (uint32_t)k, count_of(k), n->array[k], weights[k].bound);
  }
}

static void net_close(net *n) {
  for (int k = 0; k < ARRAYS; k++) free(n->array[k]);
}

/* ---- tape -------------------------------------------------------------------------------- */

static ky_var record(taped *s) {
  ky_tape *t = s->t;
  const net *n = s->problem;
  const ky_var *w = s->param;
  const ky_pool_options halves = {.size = sizeof halves, .kernel = {2, 2}};
  s->data[0] = n->x;
  s->data[1] = n->labels;
  s->inputs = 2;
  s->input[0] = ky_input(t, KY_F32, KY_SHAPE(n->batch, 1, IMAGE, IMAGE), n->x);
  s->input[1] = ky_input(t, KY_I64, KY_SHAPE(n->batch), n->labels);
  const ky_var h1 = ky_relu(t, ky_conv2d(t, s->input[0], w[0], w[1], NULL));
  const ky_var h2 = ky_relu(t, ky_conv2d(t, h1, w[2], w[3], NULL));
  const ky_var flat = ky_reshape(t, ky_max_pool2d(t, h2, &halves), KY_SHAPE(n->batch, FLAT));
  const ky_var h3 = ky_relu(t, ky_linear(t, flat, w[4], w[5]));
  return ky_cross_entropy(t, ky_linear(t, h3, w[6], w[7]), s->input[1], KY_REDUCE_MEAN);
}

static const taped_model model = {"cnn", record, NULL};

static void tape_open(taped *s, net *n) {
  taped_open(s, &model, n);
  for (int k = 0; k < ARRAYS; k++)
    taped_weight(s, KY_F32, weights[k].rank, weights[k].dims, n->array[k]);
  taped_start(s, RATE);
}

/* ---- the bound --------------------------------------------------------------------------- */

/* Arrays of the products: of a convolution three, of the linear layers theirs. */
enum { KERNEL, PATCHES, PLACES, FLAT_X, FLAT_W, HIDDEN_X, HIDDEN_W, LOGITS };

/* Products of a convolution of one image, as if its patches stood in a matrix. The adjoint of x
 * has as many terms as the result. */
static void add_conv(bound *b, size_t channels, size_t extent, bool of_x) {
  const size_t places = extent * extent, taps = 9 * channels;
  const bound_matrix kernel = {KERNEL, false}, patches = {PATCHES, false};
  const bound_matrix turned = {PATCHES, true}, g = {PLACES, false};
  for (int k = 0; k < (of_x ? 2 : 1); k++)
    bound_add_product(b,
                      (bound_product){CHANNELS, places, taps, kernel, patches, PLACES, false});
  bound_add_product(b, (bound_product){CHANNELS, taps, places, g, turned, KERNEL, true});
}

static void add_linear(bound *b, size_t batch, size_t in, size_t out, int x, int w, int y) {
  const bound_matrix turned = {y, true};
  bound_add_product(b, (bound_product){batch, out, in, {x, false}, {w, true}, y, false});
  bound_add_product(b, (bound_product){batch, in, out, {y, false}, {w, false}, x, false});
  bound_add_product(b, (bound_product){out, in, batch, turned, {x, false}, w, true});
}

static void bound_fill(bound *b, size_t batch) {
  *b = (bound){.dtype = KY_F32};
  for (size_t n = 0; n < batch; n++) {
    add_conv(b, 1, FIRST, false);
    add_conv(b, CHANNELS, SECOND, true);
  }
  add_linear(b, batch, FLAT, HIDDEN, FLAT_X, FLAT_W, HIDDEN_X);
  add_linear(b, batch, HIDDEN, CLASSES, HIDDEN_X, HIDDEN_W, LOGITS);
  for (int k = 0; k < ARRAYS; k++) b->bytes += 2 * (double)(count_of(k) * sizeof(float));
  bound_open(b);
}

/* ---- the workload ------------------------------------------------------------------------ */

typedef struct variants {
  net net[3];
  taped tape[3]; /* recorded, replayed, compiled */
  bound bound;
  double first; /* loss */
} variants;

/* A program computes what the tape does, bit by bit but for fused products. */
static bool check(variants *v) {
  static bench_call *const step[] = {taped_recorded, taped_replayed, taped_compiled};
  for (int k = 0; k < CHECKED_STEPS; k++)
    for (int i = 0; i < 3; i++) {
      step[i](&v->tape[i]);
      if (k == 0 && i == 0) v->first = v->tape[i].value;
    }
  for (int i = 0; i < 3; i++) {
    const bench_variant variant = (bench_variant)(BENCH_RECORDED + i);
    if (!taped_ok(&v->tape[i], variant) ||
        !bench_agree("cnn", variant, "loss", v->tape[i].value, v->tape[0].value, 1e-5))
      return false;
    for (int k = 0; k < ARRAYS; k++) {
      char what[24];
      snprintf(what, sizeof what, "weight %d", k);
      if (!bench_agree_all("cnn", variant, what, KY_F32, count_of(k), v->net[i].array[k],
                           v->net[0].array[k], 2e-5))
        return false;
    }
  }
  return true;
}

static bool measure(const bench_setup *setup, bench_sheet *sheet, variants *v, int64_t batch) {
  char title[32], argument[16];
  contest c;
  snprintf(title, sizeof title, "batch %d", (int)batch);
  snprintf(argument, sizeof argument, "%d", (int)batch);
  contest_open(&c, setup, sheet, title, &v->bound);
  contest_add_taped(&c, &v->tape[0], &v->tape[1], &v->tape[2]);
  contest_run(&c);
  contest_close(&c);
  return torch_run(setup, sheet, title, argument, v->first, 1e-5);
}

bool workload_cnn(const bench_setup *setup, bench_sheet *sheet) {
  const int64_t batch = setup->quick ? 4 : 64;
  const size_t pixels = (size_t)batch * IMAGE * IMAGE;
  variants *v = bench_alloc(1, sizeof *v);
  float *x = bench_alloc_aligned(pixels * sizeof *x);
  int64_t *labels = bench_alloc((size_t)batch, sizeof *labels);
  bench_random(KY_F32, 17, pixels, x, 1);
  for (int64_t k = 0; k < batch; k++) labels[k] = k * 7 % CLASSES;
  for (int k = 0; k < 3; k++) {
    net_open(&v->net[k], batch, x, labels);
    tape_open(&v->tape[k], &v->net[k]);
  }
  taped_compile(&v->tape[2]);
  taped_share(&v->tape[2]);
  bound_fill(&v->bound, (size_t)batch);
  bool good = check(v) && measure(setup, sheet, v, batch);
  for (int k = 0; k < 3; k++) {
    good = good && taped_ok(&v->tape[k], (bench_variant)(BENCH_RECORDED + k));
    taped_close(&v->tape[k]);
    net_close(&v->net[k]);
  }
  bound_close(&v->bound);
  free(x);
  free(labels);
  free(v);
  return good;
}
