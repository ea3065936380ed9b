/* SPDX-License-Identifier: MIT */
/* cnn: a network for small images, most of whose work is one convolution. */
#include <stdio.h>
#include <stdlib.h>

#include "training.h"

#define RATE     1e-2
#define ARRAYS   8
#define IMAGE    28
#define CHANNELS 32
#define HIDDEN   128
#define CLASSES  10

/* Extents behind each layer. */
enum { FIRST = IMAGE - 2, SECOND = FIRST - 2, POOLED = SECOND / 2 };
enum { FLAT = CHANNELS * POOLED * POOLED };

static const training_weight weights[ARRAYS] = {
    {4, {CHANNELS, 1, 3, 3}, 0.3},
    {1, {CHANNELS}, 0.1},
    {4, {CHANNELS, CHANNELS, 3, 3}, 0.06},
    {1, {CHANNELS}, 0.05},
    {2, {HIDDEN, FLAT}, 0.015},
    {1, {HIDDEN}, 0.015},
    {2, {CLASSES, HIDDEN}, 0.09},
    {1, {CLASSES}, 0.09},
};

static training_weight weight(const void *problem, int k) {
  (void)problem;
  return weights[k];
}

typedef struct net {
  int64_t batch;
  const float *x;
  const int64_t *labels;
} net;

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
}

/* ---- the workload ------------------------------------------------------------------------ */

bool workload_cnn(const bench_setup *setup, bench_sheet *sheet) {
  net n = {.batch = setup->quick ? 4 : 64};
  const size_t pixels = (size_t)n.batch * IMAGE * IMAGE;
  float *x = bench_alloc_aligned(pixels * sizeof *x);
  int64_t *labels = bench_alloc((size_t)n.batch, sizeof *labels);
  bench_random(KY_F32, 17, pixels, x, 1);
  for (int64_t k = 0; k < n.batch; k++) labels[k] = k * 7 % CLASSES;
  n.x = x;
  n.labels = labels;
  char title[32], argument[16];
  snprintf(title, sizeof title, "batch %d", (int)n.batch);
  snprintf(argument, sizeof argument, "%d", (int)n.batch);
  training v = {.title = title,
                .model = &model,
                .problem = &n,
                .weights = ARRAYS,
                .weight = weight,
                .seed = 400,
                .rate = RATE,
                .passes = 2,
                .argument = argument,
                .torch_tolerance = 1e-5};
  bound_fill(&v.bound, (size_t)n.batch);
  const bool good = training_run(setup, sheet, &v);
  free(x);
  free(labels);
  return good;
}
