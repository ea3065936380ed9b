/* SPDX-License-Identifier: MIT */
/* What slides a window, beyond the samples of its opcodes: adaptive means, layers, how they
 * print, and a small network as a program. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape.h"

static const uint64_t seed = 11;

typedef struct bench {
  ky_tape *t;
  ky_module *m;
  ky_program *program;
  ky_exec *exec;
  ky_rng rng;
} bench;

static int set_up(void **state) {
  static bench b;
  b = (bench){.t = ky_tape_new(NULL), .rng = ky_rng_seed(seed, 0)};
  *state = &b;
  return b.t ? 0 : -1;
}

static int tear_down(void **state) {
  bench *b = *state;
  ky_exec_free(b->exec);
  ky_program_free(b->program);
  ky_tape_free(b->t);
  ky_module_free(b->m);
  return 0;
}

static void assert_values(ky_tape *t, ky_var v, const double *want, size_t count) {
  double got[16];
  assert_true(count <= 16);
  assert_int_equal(ky_read(t, v, got, count * sizeof *got), KY_OK);
  for (size_t k = 0; k < count; k++) assert_close(got[k], want[k], 2e-14);
}

/* ---- adaptive means ---------------------------------------------------------------------- */

static void adaptive_windows_are_those_of_pytorch(void **state) {
  bench *b = *state;
  const double x[7] = {1, 2, 4, 8, 16, 32, 64};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 7), x);
  assert_values(b->t, ky_adaptive_avg_pool1d(b->t, v, 3),
                (const double[]){7. / 3, 28. / 3, 112. / 3}, 3);
  assert_values(b->t, ky_adaptive_avg_pool1d(b->t, v, 1), (const double[]){127. / 7}, 1);
  assert_values(b->t, ky_adaptive_avg_pool1d(b->t, v, 7), x, 7);
  assert_values(b->t, ky_adaptive_avg_pool1d(b->t, v, 9), /* more than there are */
                (const double[]){1, 1.5, 3, 6, 8, 12, 24, 48, 64}, 9);
}

static void adaptive_means_of_planes_go_along_both_axes(void **state) {
  bench *b = *state;
  const double x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 3, 4), x);
  assert_values(b->t, ky_adaptive_avg_pool2d(b->t, v, 2, 2), /* rows 0..1 and 1..2 */
                (const double[]){3.5, 5.5, 7.5, 9.5}, 4);
  assert_values(b->t, ky_adaptive_avg_pool2d(b->t, v, 3, 2),
                (const double[]){1.5, 3.5, 5.5, 7.5, 9.5, 11.5}, 6);
  assert_values(b->t, ky_adaptive_avg_pool2d(b->t, v, 1, 1), (const double[]){6.5}, 1);
}

static void adaptive_means_pass_gradients(void **state) {
  bench *b = *state;
  const double x[3] = {1, 2, 4};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 3), x);
  assert_int_equal(ky_watch(b->t, v), KY_OK);
  const ky_var r = ky_adaptive_avg_pool1d(b->t, v, 2);
  ky_array g;
  assert_int_equal(ky_backward(b->t, r, NULL), KY_OK);
  assert_int_equal(ky_grad(b->t, v, &g), KY_OK);
  const double want[3] = {0.5, 1, 0.5};
  for (int k = 0; k < 3; k++) assert_close(((const double *)g.data)[k], want[k], 1e-15);
}

static void adaptive_refusals_leave_nothing(void **state) {
  bench *b = *state;
  const double x[4] = {0};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 4), x);
  const ky_var w = ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 4), x);
  const size_t before = ky_tape_length(b->t);
  assert_int_equal(ky_adaptive_avg_pool1d(b->t, v, 2).id, 0);
  assert_non_null(strstr(ky_tape_message(b->t), "adaptive_avg_pool1d: wants rank 3"));
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_int_equal(ky_adaptive_avg_pool1d(b->t, w, 0).id, 0);
  assert_non_null(strstr(ky_tape_message(b->t), "4 places of axis 0 become 0"));
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  assert_int_equal(ky_adaptive_avg_pool2d(b->t, ky_none(), 1, 1).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_VAR);
  assert_int_equal((ky_adaptive_avg_pool1d)(NULL, w, 1).id, 0);
  assert_int_equal(ky_tape_length(b->t), before);
}

/* ---- printing ---------------------------------------------------------------------------- */

static void attributes_are_printed(void **state) {
  bench *b = *state;
  const float x[2 * 4 * 4] = {0}, w[2 * 9] = {0};
  const ky_conv_options conv = {
      .size = sizeof conv, .stride = {2, 1}, .padding = {1, 1}, .groups = 2};
  const ky_pool_options pool = {.size = sizeof pool, .kernel = {2, 1}, .stride = {1, 1}};
  const ky_var v = ky_input(b->t, KY_F32, KY_SHAPE(1, 2, 4, 4), x);
  ky_var r =
      ky_conv2d(b->t, v, ky_input(b->t, KY_F32, KY_SHAPE(2, 1, 3, 3), w), ky_none(), &conv);
  r = ky_max_pool2d(b->t, r, &pool);
  r = ky_upsample_bilinear2d(b->t, r, 2, 2, 1);
  assert_int_equal(ky_tape_check(b->t), KY_OK);
  assert_int_equal(ky_tape_verify(b->t), KY_OK);
  char text[4096] = "";
  FILE *out = fmemopen(text, sizeof text, "w");
  assert_non_null(out);
  ky_tape_dump(b->t, out);
  fclose(out);
  assert_non_null(strstr(text, "%1 %2 stride=2,1 padding=1,1 groups=2"));
  assert_non_null(strstr(text, "%3 kernel=2,1 stride=1,1 padding=0,0"));
  assert_non_null(strstr(text, "%4 aligned"));
}

/* ---- layers ------------------------------------------------------------------------------ */

/* conv 1 -> 4 of 3 x 3, relu, max pool, flatten, linear 16 -> 3. */
static ky_status make_network(const ky_allocator *allocator, ky_rng *rng, ky_module **out) {
  const ky_pool_options half = {.size = sizeof half, .kernel = {2, 2}};
  const int64_t kernel[2] = {3, 3};
  ky_module *part[5] = {NULL};
  ky_status status = ky_nn_conv2d(allocator, KY_F64, 1, 4, kernel, NULL, 1, rng, &part[0]);
  if (status == KY_OK) status = ky_nn_relu(allocator, &part[1]);
  if (status == KY_OK) status = ky_nn_max_pool2d(allocator, &half, &part[2]);
  if (status == KY_OK) status = ky_nn_flatten(allocator, &part[3]);
  if (status == KY_OK) status = ky_nn_linear(allocator, KY_F64, 16, 3, 1, rng, &part[4]);
  if (status == KY_OK) status = ky_nn_sequential(allocator, 5, part, out);
  for (int k = 0; k < 5; k++) ky_module_free(part[k]);
  return status;
}

static void conv_layer_is_the_recorded_operation(void **state) {
  bench *b = *state;
  const ky_conv_options options = {.size = sizeof options, .padding = {1}};
  assert_int_equal(ky_nn_conv1d(NULL, KY_F64, 1, 1, 2, &options, 1, NULL, &b->m), KY_OK);
  assert_string_equal(ky_module_name(b->m), "conv1d");
  assert_int_equal(ky_module_weight_count(b->m), 2);
  double *w = ky_tensor_write(ky_module_weight(b->m, 0));
  w[0] = 10, w[1] = 1;
  *(double *)ky_tensor_write(ky_module_weight(b->m, 1)) = 100;
  const double x[3] = {1, 2, 3};
  const ky_var r = ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 3), x));
  assert_values(b->t, r, (const double[]){101, 112, 123, 130}, 4);
}

static void conv_layer_starts_like_pytorch(void **state) {
  bench *b = *state;
  const int64_t kernel[2] = {2, 2};
  const ky_conv_options options = {.size = sizeof options, .groups = 2};
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 8, 32, kernel, &options, 1, &b->rng, &b->m),
                   KY_OK);
  const ky_array w = ky_tensor_array(ky_module_weight(b->m, 0));
  assert_int_equal(w.dims[1], 4);
  double largest = 0;
  for (int64_t k = 0; k < w.count; k++)
    largest = fmax(largest, fabs((double)((const float *)w.data)[k]));
  assert_true(largest <= 0.25 && largest > 0.245); /* 1 / sqrt(4 x 4) */
}

static void pooling_layers_record_their_operation(void **state) {
  bench *b = *state;
  const ky_pool_options whole = {.size = sizeof whole, .kernel = {2, 2}};
  const double x[4] = {1, 2, 3, 6};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 1, 2, 2), x);
  assert_int_equal(ky_nn_max_pool2d(NULL, &whole, &b->m), KY_OK);
  assert_values(b->t, ky_module_forward(b->t, b->m, v), (const double[]){6}, 1);
  ky_module_free(b->m);
  assert_int_equal(ky_nn_avg_pool2d(NULL, &whole, &b->m), KY_OK);
  assert_values(b->t, ky_module_forward(b->t, b->m, v), (const double[]){3}, 1);
  ky_module_free(b->m);
  assert_int_equal(ky_nn_flatten(NULL, &b->m), KY_OK);
  ky_array a;
  assert_int_equal(ky_shape(b->t, ky_module_forward(b->t, b->m, v), &a), KY_OK);
  assert_int_equal(a.rank, 2);
  assert_int_equal(a.dims[1], 4);
  assert_int_equal(ky_module_forward(b->t, b->m, ky_none()).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_VAR);
}

static void bad_layers_are_refused(void **state) {
  (void)state;
  ky_module *m = NULL;
  const int64_t kernel[2] = {3, 3}, empty[2] = {3, 0};
  const ky_conv_options small = {.size = 8}, odd = {.size = sizeof odd, .groups = 2};
  const ky_conv_options negative = {.size = sizeof negative, .groups = -1};
  const ky_pool_options old = {.size = 8};
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 1, 1, kernel, NULL, 1, NULL, NULL),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 1, 1, NULL, NULL, 1, NULL, &m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 1, 1, kernel, &small, 1, NULL, &m),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 2, 2, kernel, &negative, 1, NULL, &m),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 3, 4, kernel, &odd, 1, NULL, &m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 4, 3, kernel, &odd, 1, NULL, &m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv2d(NULL, KY_F32, 1, 1, empty, NULL, 1, NULL, &m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_conv1d(NULL, KY_I32, 1, 1, 2, NULL, 1, NULL, &m), KY_BAD_DTYPE);
  assert_int_equal(ky_nn_conv1d(NULL, KY_F32, -1, 1, 2, NULL, 1, NULL, &m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_max_pool2d(NULL, NULL, &m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_max_pool2d(NULL, &old, &m), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_avg_pool2d(NULL, &old, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_flatten(NULL, NULL), KY_BAD_ARGUMENT);
  assert_null(m);
}

static void failing_allocations_leak_nothing(void **state) {
  bench *b = *state;
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  ky_status status = KY_NO_MEMORY;
  size_t attempts = 0, leaked = 0;
  while (status == KY_NO_MEMORY && attempts < 100) {
    fault_allocator_fail_once(&fa, ++attempts);
    status = make_network(&allocator, &b->rng, &b->m);
    if (status != KY_OK) leaked += fa.live_blocks + (b->m != NULL);
  }
  ky_module_free(b->m);
  b->m = NULL;
  leaked += fa.live_blocks;
  const char *complaint = fault_allocator_complaint(&fa);
  fault_allocator_free(&fa);
  assert_null(complaint);
  assert_int_equal(status, KY_OK);
  assert_int_equal(leaked, 0);
  assert_true(attempts > 12);
}

/* ---- programs ---------------------------------------------------------------------------- */

/* A program gives the tape's bits, and a step allocates nothing. */
static void network_compiles(void **state) {
  bench *b = *state;
  double x[2 * 36];
  const int64_t labels[2] = {2, 0};
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  assert_int_equal(ky_rng_uniform(&b->rng, KY_F64, 72, -1, 1, x), KY_OK);
  assert_int_equal(make_network(NULL, &b->rng, &b->m), KY_OK);
  const ky_var in = ky_input(b->t, KY_F64, KY_SHAPE(2, 1, 6, 6), x);
  const ky_var want = ky_input(b->t, KY_I64, KY_SHAPE(2), labels);
  const ky_var loss = ky_loss_cross_entropy(b->t, ky_module_forward(b->t, b->m, in), want);
  const ky_exec_options options = {.size = sizeof options, .allocator = allocator};
  assert_int_equal(ky_compile(b->t, loss, NULL, &b->program), KY_OK);
  assert_int_equal(ky_exec_new(b->program, &options, &b->exec), KY_OK);
  ky_grads taped, run;
  assert_int_equal(ky_backward(b->t, loss, &taped), KY_OK);
  fault_allocator_fail_once(&fa, 1);
  const ky_status status = ky_exec_step(b->exec, &run);
  bool same = status == KY_OK && run.count == taped.count;
  for (size_t k = 0; same && k < run.count; k++)
    for (size_t j = 0; j < taped.count; j++)
      if (taped.pairs[j].weight == run.pairs[k].weight)
        same &=
            memcmp(taped.pairs[j].grad, run.pairs[k].grad,
                   (size_t)ky_tensor_array(run.pairs[k].weight).count * sizeof(double)) == 0;
  ky_exec_free(b->exec);
  b->exec = NULL;
  fault_allocator_free(&fa);
  assert_int_equal(status, KY_OK);
  assert_true(same);
}

/* ---- threads ----------------------------------------------------------------------------- */

enum { WATCHED = 6 };

/* One of each way to slide: tiles, phases, stencils, products; planes. watched: what to ask the
 * gradients of. */
static ky_var record_all_ways(ky_tape *t, ky_rng *rng, float *data, ky_var watched[WATCHED]) {
  static const int64_t dims[WATCHED][4] = {{5, 3, 13, 11}, {20, 3, 3, 3}, {20, 1, 3, 3},
                                           {18, 20, 1, 1}, {18, 9, 3, 2}, {2, 9, 3, 3}};
  const ky_conv_options padded = {.size = sizeof padded, .padding = {1, 1}};
  const ky_conv_options depthwise = {.size = sizeof depthwise, .padding = {1, 1}, .groups = 20};
  const ky_conv_options halved = {.size = sizeof halved, .stride = {2, 2}};
  const ky_pool_options halves = {.size = sizeof halves, .kernel = {2, 2}};
  for (int k = 0; k < WATCHED; k++) {
    const int64_t *d = dims[k], count = d[0] * d[1] * d[2] * d[3];
    ky_rng_uniform(rng, KY_F32, (size_t)count, -1, 1, data);
    watched[k] = ky_input(t, KY_F32, KY_SHAPE(d[0], d[1], d[2], d[3]), data);
    ky_watch(t, watched[k]);
    data += count;
  }
  ky_var r = ky_conv2d(t, watched[0], watched[1], ky_none(), &padded);
  r = ky_conv2d(t, r, watched[2], ky_none(), &depthwise);
  r = ky_max_pool2d(t, ky_conv2d(t, r, watched[3], ky_none(), NULL), &halves);
  r = ky_conv_transpose2d(t, r, watched[4], ky_none(), &halved);
  r = ky_conv2d(t, ky_avg_pool2d(t, r, &halves), watched[5], ky_none(), &padded);
  return ky_sum_all(t, ky_square(t, ky_upsample_bilinear2d(t, r, 9, 7, 0)));
}

static void bits_do_not_depend_on_threads(void **state) {
  bench *b = *state;
  static float data[5 * 3 * 13 * 11 + 20 * 27 + 20 * 9 + 18 * 20 + 18 * 9 * 6 + 2 * 81];
  static float kept[WATCHED][5 * 3 * 13 * 11];
  ky_var watched[WATCHED];
  const ky_var loss = record_all_ways(b->t, &b->rng, data, watched);
  ky_compile_options wanted = {
      .size = sizeof wanted, .wrt = watched, .wrt_count = WATCHED, .fuse_least = 1};
  assert_int_equal(ky_compile(b->t, loss, &wanted, &b->program), KY_OK);
  const int threads[3] = {1, 2, 5};
  for (int n = 0; n < 3; n++) {
    const ky_exec_options o = {.size = sizeof o, .threads = threads[n], .grain = 1};
    assert_int_equal(ky_exec_new(b->program, &o, &b->exec), KY_OK);
    assert_int_equal(ky_exec_step(b->exec, NULL), KY_OK);
    for (int k = 0; k < WATCHED; k++) {
      ky_array g;
      assert_int_equal(ky_exec_grad(b->exec, watched[k], &g), KY_OK);
      if (n == 0) memcpy(kept[k], g.data, (size_t)g.count * sizeof(float));
      assert_memory_equal(kept[k], g.data, (size_t)g.count * sizeof(float));
    }
    ky_exec_free(b->exec);
    b->exec = NULL;
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  print_message("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      TEST(adaptive_windows_are_those_of_pytorch),
      TEST(adaptive_means_of_planes_go_along_both_axes),
      TEST(adaptive_means_pass_gradients),
      TEST(adaptive_refusals_leave_nothing),
      TEST(attributes_are_printed),
      TEST(conv_layer_is_the_recorded_operation),
      TEST(conv_layer_starts_like_pytorch),
      TEST(pooling_layers_record_their_operation),
      TEST(bad_layers_are_refused),
      TEST(failing_allocations_leak_nothing),
      TEST(network_compiles),
      TEST(bits_do_not_depend_on_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
