/* SPDX-License-Identifier: MIT */
/* Modules for signals and images beyond plain convolution: what PyTorch makes of the same
 * weights, what they begin with, what they refuse, failing memory. */
#include <math.h>
#include <string.h>

#include "module_bench.h"

#define TOLERANCE 1e-14 /* of sums of a few products of numbers near 1 */

/* ---- one of each ------------------------------------------------------------------------- */

static ky_status make_groupnorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_groupnorm(a, KY_F64, 4, 2, 1e-5, out);
}
static ky_status make_instancenorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_instancenorm(a, KY_F64, 3, 1e-5, 1, out);
}
static ky_status make_plain_instancenorm(const ky_allocator *a, ky_module **out) {
  return ky_nn_instancenorm(a, KY_F64, 2, 1e-5, 0, out);
}
static ky_status make_conv3d(const ky_allocator *a, ky_module **out) {
  const ky_conv_options o = {
      .size = sizeof o, .stride = {1, 2, 1}, .padding = {0, 1, 0}, .groups = 2};
  return ky_nn_conv3d(a, KY_F64, 2, 2, (int64_t[]){2, 1, 2}, &o, 1, NULL, out);
}
static ky_status make_conv_transpose1d(const ky_allocator *a, ky_module **out) {
  const ky_conv_options o = {
      .size = sizeof o, .stride = {2}, .padding = {1}, .output_padding = {1}, .groups = 2};
  return ky_nn_conv_transpose1d(a, KY_F64, 4, 2, 3, &o, 1, NULL, out);
}
static ky_status make_conv_transpose2d(const ky_allocator *a, ky_module **out) {
  const ky_conv_options o = {
      .size = sizeof o, .stride = {2, 1}, .padding = {0, 1}, .dilation = {1, 2}};
  return ky_nn_conv_transpose2d(a, KY_F64, 2, 2, (int64_t[]){2, 3}, &o, 1, NULL, out);
}
static ky_status make_conv_transpose3d(const ky_allocator *a, ky_module **out) {
  const ky_conv_options o = {.size = sizeof o, .stride = {1, 2, 1}, .padding = {0, 0, 1}};
  return ky_nn_conv_transpose3d(a, KY_F64, 1, 2, (int64_t[]){1, 2, 2}, &o, 0, NULL, out);
}
static ky_status make_max_pool1d(const ky_allocator *a, ky_module **out) {
  const ky_pool_options o = {.size = sizeof o, .kernel = {3}, .stride = {2}, .padding = {1}};
  return ky_nn_max_pool1d(a, &o, out);
}
static ky_status make_avg_pool1d(const ky_allocator *a, ky_module **out) {
  const ky_pool_options o = {.size = sizeof o, .kernel = {3}, .stride = {2}, .padding = {1}};
  return ky_nn_avg_pool1d(a, &o, out);
}
static ky_status make_adaptive_avg_pool1d(const ky_allocator *a, ky_module **out) {
  return ky_nn_adaptive_avg_pool1d(a, 3, out);
}
static ky_status make_adaptive_avg_pool2d(const ky_allocator *a, ky_module **out) {
  return ky_nn_adaptive_avg_pool2d(a, 2, 3, out);
}
static ky_status make_upsample_nearest1d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_nearest1d(a, 5, out);
}
static ky_status make_upsample_nearest2d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_nearest2d(a, 3, 5, out);
}
static ky_status make_upsample_linear1d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_linear1d(a, 5, 0, out);
}
static ky_status make_aligned_linear1d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_linear1d(a, 5, 1, out);
}
static ky_status make_upsample_bilinear2d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_bilinear2d(a, 3, 5, 0, out);
}
static ky_status make_aligned_bilinear2d(const ky_allocator *a, ky_module **out) {
  return ky_nn_upsample_bilinear2d(a, 3, 5, 1, out);
}

static const struct {
  bench_maker *make;
  const char *name, *weights;
  int rank;
  int64_t dims[5], count; /* of x, of the result */
} layers[] = {
    {make_groupnorm, "groupnorm", "weight bias ", 3, {2, 4, 3}, 24},
    {make_instancenorm, "instancenorm", "weight bias ", 3, {2, 3, 4}, 24},
    {make_plain_instancenorm, "instancenorm", "", 4, {1, 2, 2, 3}, 12},
    {make_conv3d, "conv3d", "weight bias ", 5, {1, 2, 3, 2, 3}, 16},
    {make_conv_transpose1d, "conv_transpose1d", "weight bias ", 3, {1, 4, 3}, 12},
    {make_conv_transpose2d, "conv_transpose2d", "weight bias ", 4, {1, 2, 2, 2}, 32},
    {make_conv_transpose3d, "conv_transpose3d", "weight ", 5, {1, 1, 2, 2, 3}, 32},
    {make_max_pool1d, "max_pool1d", "", 3, {1, 2, 8}, 8},
    {make_avg_pool1d, "avg_pool1d", "", 3, {1, 2, 8}, 8},
    {make_adaptive_avg_pool1d, "adaptive_avg_pool1d", "", 3, {1, 2, 8}, 6},
    {make_adaptive_avg_pool2d, "adaptive_avg_pool2d", "", 4, {1, 2, 3, 5}, 12},
    {make_upsample_nearest1d, "upsample_nearest1d", "", 3, {1, 2, 3}, 10},
    {make_upsample_nearest2d, "upsample_nearest2d", "", 4, {1, 1, 2, 3}, 15},
    {make_upsample_linear1d, "upsample_linear1d", "", 3, {1, 2, 3}, 10},
    {make_aligned_linear1d, "upsample_linear1d", "", 3, {1, 2, 3}, 10},
    {make_upsample_bilinear2d, "upsample_bilinear2d", "", 4, {1, 1, 2, 3}, 15},
    {make_aligned_bilinear2d, "upsample_bilinear2d", "", 4, {1, 1, 2, 3}, 15},
};

enum { LAYERS = sizeof layers / sizeof *layers };

/* Of each layer, for the weights of bench_fill and elements (n 5 mod 7) / 4 - 0.75 of x:
 * PyTorch 1.13 gave these, here to 15 decimals. */
static const double results[LAYERS][32] = {
    /* groupnorm */
    {0.248691493304689,  -0.933452969807978, -0.460595184562911, 0.095094959727138,
     0.567952744972204,  0.378809630874178,  0.078809630874178,  0.267952744972205,
     -0.204905040272862, -0.260595184562911, -0.733452969807978, 0.448691493304689,
     -0.939142987927213, -0.353619004024262, 0.231904979878688,  0.592761991951475,
     0.358552398390295,  0.124342804829115,  -0.270443798155072, -0.067610949538768,
     0.135221899077536,  -1.145136869234598, 0.122568434617299,  -0.38451368692346},
    /* instancenorm */
    {0.085837389859046,  -1.21602347649439,  -0.695279129953016, -0.174534783411641,
     0.568323864152493,  0.389441288050831,  0.210558711949169,  0.031676135847507,
     -0.130186086635344, 0.078111651981206,  0.286409390597756,  -0.234334955943619,
     -0.825465216588359, -0.304720870046985, 0.21602347649439,   -1.085837389859047,
     0.244531345742931,  0.022656728714657,  0.577343271285343,  0.355468654257069,
     0.055468654257069,  0.277343271285343,  -0.277343271285343, -0.055468654257069},
    /* plain_instancenorm */
    {-1.497382986609378, 0.866905939615956, -0.078809630874178, -1.024525201364311,
     1.339763724861022, 0.394048154370889, -0.394048154370889, -1.339763724861022,
     1.024525201364311, 0.078809630874178, -0.866905939615956, 1.497382986609378},
    /* conv3d */
    {-0.5, -0.5, -0.35, -0.35, -0.5, -0.5, -0.7, -0.35, 0.3, 0.3, -0.025, 0.05, 0.3, 0.3, 0.6,
     -0.025},
    /* conv_transpose1d */
    {-0.7, -0.075, -0.325, -0.7, -0.475, -0.575, 0.3, -0.05, 0.35, 1.275, 0.225, -0.275},
    /* conv_transpose2d */
    {-0.7,   -0.8,   -0.45,  0.025,  -0.225, -0.8,  -0.525, 0.025, -0.4,  -0.45, -0.45,
     -0.625, -0.825, -0.425, -0.325, -0.6,   0.5,   0,      0.2,   0.825, 0.425, 0,
     0.125,  0.825,  0.1,    0.4,    0.6,    0.225, 0.225,  0.425, 0.725, 0.25},
    /* conv_transpose3d */
    {-0.4,   0.1,  -0.475, 0.25,  -0.475, 0.025, -0.4,  0.325, 0.325, -0.4,  0.025,
     -0.475, 0.25, -0.475, 0.1,   -0.4,   0.275, -0.15, 0.2,   0,     0.225, -0.2,
     0.3,    0.1,  0,      0.275, -0.3,   0.2,   -0.05, 0.225, -0.2,  0.3},
    /* max_pool1d */
    {0.5, 0.5, 0.75, 0.25, 0.5, 0.75, 0.75, 0.5},
    /* avg_pool1d */
    {-0.083333333333333, 0, 0.166666666666667, -0.25, 0.166666666666667, 0.083333333333333,
     0.25, -0.166666666666667},
    /* adaptive_avg_pool1d */
    {-0.083333333333333, 0.125, -0.25, 0, 0.0625, -0.166666666666667},
    /* adaptive_avg_pool2d */
    {-0.0625, -0.083333333333333, 0.1875, 0.0625, 0.041666666666667, -0.125, -0.125, 0, 0.125,
     0, -0.166666666666667, -0.1875},
    /* upsample_nearest1d */
    {-0.75, -0.75, 0.5, 0.5, 0, -0.5, -0.5, 0.75, 0.75, 0.25},
    /* upsample_nearest2d */
    {-0.75, -0.75, 0.5, 0.5, 0, -0.75, -0.75, 0.5, 0.5, 0, -0.5, -0.5, 0.75, 0.75, 0.25},
    /* upsample_linear1d */
    {-0.75, -0.25, 0.5, 0.2, 0, -0.5, 0, 0.75, 0.45, 0.25},
    /* aligned_linear1d */
    {-0.75, -0.125, 0.5, 0.25, 0, -0.5, 0.125, 0.75, 0.5, 0.25},
    /* upsample_bilinear2d */
    {-0.75, -0.25, 0.5, 0.2, 0, -0.625, -0.125, 0.625, 0.325, 0.125, -0.5, 0, 0.75, 0.45, 0.25},
    /* aligned_bilinear2d */
    {-0.75, -0.125, 0.5, 0.25, 0, -0.625, 0, 0.625, 0.375, 0.125, -0.5, 0.125, 0.75, 0.5, 0.25},
};

static void layers_agree_with_pytorch(void **state) {
  bench *b = *state;
  double x[36];
  for (int n = 0; n < 36; n++) x[n] = (double)(n * 5 % 7) / 4 - 0.75;
  for (int k = 0; k < LAYERS; k++) {
    char names[32] = "";
    assert_int_equal(layers[k].make(NULL, &b->m), KY_OK);
    assert_string_equal(ky_module_name(b->m), layers[k].name);
    assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
    assert_string_equal(names, layers[k].weights);
    bench_fill(b->m);
    const ky_var in = ky_input(b->t, KY_F64, layers[k].rank, layers[k].dims, x);
    bench_assert_values(b->t, ky_module_forward(b->t, b->m, in), results[k], layers[k].count,
                        TOLERANCE);
    bench_tear_down(state); /* weights outlive their tape */
    bench_set_up(state);
  }
}

static ky_status make_unflatten(const ky_allocator *a, ky_module **out) {
  return ky_nn_unflatten(a, KY_SHAPE(2, 3), out);
}

static void layers_survive_failing_memory(void **state) {
  (void)state;
  for (int k = 0; k < LAYERS; k++) bench_assert_survives_failing_memory(layers[k].make);
  bench_assert_survives_failing_memory(make_unflatten);
}

static void layers_want_an_axis_behind_the_channels(void **state) {
  bench *b = *state;
  for (int k = 0; k < LAYERS; k++) {
    assert_int_equal(layers[k].make(NULL, &b->m), KY_OK);
    const ky_var flat = ky_full(b->t, KY_F64, KY_SHAPE(6), 1);
    assert_int_equal(ky_module_forward(b->t, b->m, flat).id, 0);
    assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
    bench_tear_down(state);
    bench_set_up(state);
  }
}

/* ---- first weights ----------------------------------------------------------------------- */

static void transposed_convolution_starts_like_pytorch(void **state) {
  bench *b = *state;
  const ky_conv_options o = {.size = sizeof o, .groups = 2};
  const int64_t kernel[2] = {2, 2};
  assert_int_equal(ky_nn_conv_transpose2d(NULL, KY_F64, 32, 8, kernel, &o, 1, &b->rng, &b->m),
                   KY_OK);
  const ky_array w = ky_tensor_array(ky_module_weight(b->m, 0));
  const ky_array bias = ky_tensor_array(ky_module_weight(b->m, 1));
  assert_int_equal(w.dims[0], 32);
  assert_int_equal(w.dims[1], 4);
  assert_int_equal(bias.count, 8);
  double most = 0, most_of_bias = 0;
  for (int64_t k = 0; k < w.count; k++) most = fmax(most, fabs(((const double *)w.data)[k]));
  for (int64_t k = 0; k < bias.count; k++)
    most_of_bias = fmax(most_of_bias, fabs(((const double *)bias.data)[k]));
  assert_true(most <= 0.25 && most > 0.245); /* 1 / sqrt(4 x 4) */
  assert_true(most_of_bias <= 0.25 && most_of_bias > 0.1);
}

static void norms_begin_with_ones_and_zeros(void **state) {
  bench *b = *state;
  for (int k = 0; k < 2; k++) {
    assert_int_equal(k ? make_groupnorm(NULL, &b->m) : make_instancenorm(NULL, &b->m), KY_OK);
    const ky_array w = ky_tensor_array(ky_module_weight(b->m, 0));
    const ky_array bias = ky_tensor_array(ky_module_weight(b->m, 1));
    assert_int_equal(w.count, 3 + k);
    for (int64_t c = 0; c < w.count; c++) {
      assert_close(((const double *)w.data)[c], 1, 0);
      assert_close(((const double *)bias.data)[c], 0, 0);
    }
    ky_module_free(b->m);
    b->m = NULL;
  }
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void rows_become_samples_again(void **state) {
  bench *b = *state;
  ky_module *list[2];
  assert_int_equal(ky_nn_flatten(NULL, &list[0]), KY_OK);
  assert_int_equal(ky_nn_unflatten(NULL, KY_SHAPE(1, 2, 3), &list[1]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, list, &b->m), KY_OK);
  for (int64_t n = 0; n < 3; n++) {
    ky_array a;
    const ky_var x = ky_full(b->t, KY_F32, KY_SHAPE(n, 1, 2, 3), 1);
    assert_int_equal(ky_shape(b->t, ky_module_forward(b->t, b->m, x), &a), KY_OK);
    const int64_t want[4] = {n, 1, 2, 3};
    assert_int_equal(a.rank, 4);
    assert_memory_equal(a.dims, want, sizeof want);
  }
  ky_module_forward(b->t, b->m, ky_full(b->t, KY_F32, KY_SHAPE(2, 5), 1));
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_non_null(strstr(ky_tape_message(b->t), "reshape: [2,5]: "));
}

static void unflatten_refuses_nonsense(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_unflatten(NULL, KY_SHAPE(2), NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_unflatten(NULL, 1, NULL, &b->m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_unflatten(NULL, -1, NULL, &b->m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_unflatten(NULL, KY_MAX_RANK, NULL, &b->m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_unflatten(NULL, KY_SHAPE(2, -1), &b->m), KY_BAD_SHAPE);
  assert_null(b->m);
}

static void norms_refuse_nonsense(void **state) {
  bench *b = *state;
  ky_module **m = &b->m;
  assert_int_equal(ky_nn_groupnorm(NULL, KY_F64, 4, 2, 0, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_groupnorm(NULL, KY_F64, 4, 2, NAN, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_groupnorm(NULL, KY_F64, 4, 0, 0, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_groupnorm(NULL, KY_F64, 4, 3, 0, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_groupnorm(NULL, KY_F64, -4, 2, 0, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_groupnorm(NULL, KY_I32, 4, 2, 0, m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_instancenorm(NULL, KY_F64, 3, 0, 1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_instancenorm(NULL, KY_F64, 3, -1, 0, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_instancenorm(NULL, KY_F64, -3, 0, 1, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_instancenorm(NULL, KY_I32, 3, 0, 1, m), KY_BAD_DTYPE);
  assert_null(b->m);
}

static void convolutions_refuse_nonsense(void **state) {
  bench *b = *state;
  ky_module **m = &b->m;
  static const ky_conv_options unsized = {.groups = 1};
  static const ky_conv_options two = {.size = sizeof two, .groups = 2};
  static const ky_conv_options negative = {.size = sizeof negative, .groups = -1};
  static const int64_t kernel[3] = {3, 3, 3}, empty[3] = {3, 3, 0};
  const ky_dtype d = KY_F64;
  assert_int_equal(ky_nn_conv_transpose1d(NULL, d, 2, 2, 3, NULL, 1, NULL, NULL),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv_transpose1d(NULL, d, 2, 2, 3, &unsized, 1, NULL, m),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv_transpose2d(NULL, d, 2, 2, kernel, &negative, 1, NULL, m),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv_transpose2d(NULL, d, 3, 2, kernel, &two, 1, NULL, m),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv_transpose2d(NULL, d, 2, 3, kernel, &two, 1, NULL, m),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv_transpose2d(NULL, d, 2, -2, kernel, NULL, 1, NULL, m),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv_transpose3d(NULL, d, 2, INT64_MAX, kernel, NULL, 1, NULL, m),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv_transpose3d(NULL, d, 2, 2, NULL, NULL, 1, NULL, m),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv3d(NULL, d, 2, 2, NULL, NULL, 1, NULL, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv3d(NULL, d, 2, 2, empty, NULL, 1, NULL, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv3d(NULL, KY_I32, 2, 2, kernel, NULL, 1, NULL, m), KY_BAD_DTYPE);
  assert_null(b->m);
}

static void pooling_and_resampling_refuse_nonsense(void **state) {
  bench *b = *state;
  ky_module **m = &b->m;
  static const ky_pool_options unsized = {.kernel = {2}};
  static const ky_pool_options pair = {.size = sizeof pair, .kernel = {2}};
  assert_int_equal(ky_nn_max_pool1d(NULL, &pair, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_max_pool1d(NULL, NULL, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_avg_pool1d(NULL, &unsized, m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_adaptive_avg_pool1d(NULL, 3, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_adaptive_avg_pool1d(NULL, 0, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_adaptive_avg_pool2d(NULL, 2, -1, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_upsample_nearest1d(NULL, 0, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_upsample_nearest2d(NULL, 0, 2, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_upsample_nearest2d(NULL, 2, 2, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_upsample_linear1d(NULL, -5, 0, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_upsample_bilinear2d(NULL, 2, 0, 1, m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_upsample_bilinear2d(NULL, 2, 2, 1, NULL), KY_BAD_ARGUMENT);
  assert_null(b->m);
}

int main(void) {
  print_message("seed %d\n", BENCH_SEED);
  const struct CMUnitTest tests[] = {
      BENCH_TEST(layers_agree_with_pytorch),
      BENCH_TEST(layers_survive_failing_memory),
      BENCH_TEST(layers_want_an_axis_behind_the_channels),
      BENCH_TEST(transposed_convolution_starts_like_pytorch),
      BENCH_TEST(norms_begin_with_ones_and_zeros),
      BENCH_TEST(rows_become_samples_again),
      BENCH_TEST(unflatten_refuses_nonsense),
      BENCH_TEST(norms_refuse_nonsense),
      BENCH_TEST(convolutions_refuse_nonsense),
      BENCH_TEST(pooling_and_resampling_refuse_nonsense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
