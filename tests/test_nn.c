/* SPDX-License-Identifier: MIT */
/* Modules, losses, initialisers: what they record, who owns what, what they refuse. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module_bench.h"

/* linear 3 -> 2, tanh, linear 2 -> 2 without bias. */
static ky_status make_network(const ky_allocator *allocator, ky_rng *rng, ky_module **out) {
  ky_module *part[3] = {NULL};
  *out = NULL;
  ky_status status = ky_nn_linear(allocator, KY_F64, 3, 2, 1, rng, &part[0]);
  if (status == KY_OK) status = ky_nn_tanh(allocator, &part[1]);
  if (status == KY_OK) status = ky_nn_linear(allocator, KY_F64, 2, 2, 0, rng, &part[2]);
  if (status == KY_OK) status = ky_nn_sequential(allocator, 3, part, out);
  for (int k = 0; k < 3; k++) ky_module_free(part[k]);
  return status;
}

static void fill(ky_tensor *w, const double *values) {
  memcpy(ky_tensor_write(w), values, (size_t)ky_tensor_array(w).count * sizeof *values);
}

static void assert_values(ky_tape *t, ky_var v, const double *want, size_t count) {
  double got[8];
  assert_true(count <= 8);
  assert_int_equal(ky_read(t, v, got, count * sizeof *got), KY_OK);
  for (size_t k = 0; k < count; k++) assert_close(got[k], want[k], 1e-15);
}

/* ---- layers ------------------------------------------------------------------------------ */

static void linear_is_x_times_w_transposed_plus_b(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 2, 1, NULL, &b->m), KY_OK);
  fill(ky_module_weight(b->m, 0), (const double[]){1, 2, 3, 4, 5, 6});
  fill(ky_module_weight(b->m, 1), (const double[]){10, 20});
  const double x[6] = {1, 0, 0, 1, 1, 1};
  ky_var y = ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(2, 3), x));
  assert_values(b->t, y, (const double[]){11, 24, 16, 35}, 4);
}

static void linear_without_bias_has_one_weight(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 2, 1, 0, NULL, &b->m), KY_OK);
  assert_int_equal(ky_module_weight_count(b->m), 1);
  fill(ky_module_weight(b->m, 0), (const double[]){1, 2});
  const double x[2] = {3, 4};
  ky_var y = ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(2), x));
  assert_values(b->t, y, (const double[]){11}, 1);
}

static void linear_starts_like_pytorch(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F32, 16, 32, 1, &b->rng, &b->m), KY_OK);
  for (size_t k = 0; k < 2; k++) {
    const ky_array w = ky_tensor_array(ky_module_weight(b->m, k));
    assert_int_equal(w.dtype, KY_F32);
    double least = 1, most = -1;
    for (int64_t i = 0; i < w.count; i++) {
      least = fmin(least, (double)((const float *)w.data)[i]);
      most = fmax(most, (double)((const float *)w.data)[i]);
    }
    assert_true(least >= -0.25 && most < 0.25); /* 1 / sqrt(16) */
    assert_true(least < -0.15 && most > 0.15);  /* of 32 at least */
  }
  assert_int_equal(b->rng.position, 16 * 32 / 4 + 32 / 4);
}

static void linear_without_generator_is_zero(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 2, 1, NULL, &b->m), KY_OK);
  const ky_array w = ky_tensor_array(ky_module_weight(b->m, 0));
  assert_int_equal(w.rank, 2);
  assert_int_equal(w.dims[0], 2);
  assert_int_equal(w.dims[1], 3);
  for (int k = 0; k < 6; k++) assert_close(((const double *)w.data)[k], 0, 0);
}

static void linear_without_inputs_is_its_bias(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 0, 2, 1, &b->rng, &b->m), KY_OK);
  fill(ky_module_weight(b->m, 1), (const double[]){5, 6});
  const double nothing[1] = {0};
  ky_var y = ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(0), nothing));
  assert_values(b->t, y, (const double[]){5, 6}, 2);
}

static void activations_record_their_operation(void **state) {
  bench *b = *state;
  static const struct {
    const char *name;
    ky_status (*make)(const ky_allocator *, ky_module **);
    double at_minus_1, at_2;
  } rows[] = {
      {"sigmoid", ky_nn_sigmoid, 0.2689414213699951, 0.8807970779778823},
      {"relu", ky_nn_relu, 0, 2},
      {"sin", ky_nn_sin, -0.8414709848078965, 0.9092974268256817},
      {"tanh", ky_nn_tanh, -0.7615941559557649, 0.9640275800758169},
      {"softplus", ky_nn_softplus, 0.31326168751822286, 2.1269280110429727},
      {"softsign", ky_nn_softsign, -0.5, 0.6666666666666666},
      {"logsigmoid", ky_nn_logsigmoid, -1.3132616875182228, -0.1269280110429725},
      {"selu", ky_nn_selu, -1.1113307378125625, 2.101401974710961},
      {"gelu", ky_nn_gelu, -0.15865525393145702, 1.9544997361036416},
      {"gelu_tanh", ky_nn_gelu_tanh, -0.15880800939172324, 1.954597694087775},
      {"silu", ky_nn_silu, -0.2689414213699951, 1.7615941559557646},
      {"mish", ky_nn_mish, -0.30340146137410895, 1.9439589595339946},
      {"hardsigmoid", ky_nn_hardsigmoid, 0.3333333333333333, 0.8333333333333334},
      {"hardswish", ky_nn_hardswish, -0.3333333333333333, 1.6666666666666667},
  };
  const double x[2] = {-1, 2};
  ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(2), x);
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    assert_int_equal(rows[k].make(NULL, &b->m), KY_OK);
    assert_string_equal(ky_module_name(b->m), rows[k].name);
    assert_int_equal(ky_module_weight_count(b->m), 0);
    const double want[2] = {rows[k].at_minus_1, rows[k].at_2};
    assert_values(b->t, ky_module_forward(b->t, b->m, v), want, 2);
    ky_module_free(b->m);
    b->m = NULL;
  }
}

static void activations_keep_their_setting(void **state) {
  bench *b = *state;
  const double x[2] = {-1, 2};
  const ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(1, 2), x);
  ky_module *m[4] = {NULL};
  assert_int_equal(ky_nn_leaky_relu(NULL, 0.25, &m[0]), KY_OK);
  assert_int_equal(ky_nn_elu(NULL, 2, &m[1]), KY_OK);
  assert_int_equal(ky_nn_softmax(NULL, -1, &m[2]), KY_OK);
  assert_int_equal(ky_nn_log_softmax(NULL, 0, &m[3]), KY_OK);
  const double want[4][2] = {
      {-0.25, 2}, {-1.2642411176571153, 2}, {0.04742587317756678, 0.9525741268224334}, {0, 0}};
  for (int k = 0; k < 4; k++) {
    assert_values(b->t, ky_module_forward(b->t, m[k], v), want[k], 2);
    ky_module_free(m[k]);
  }
}

/* ---- sequential -------------------------------------------------------------------------- */

static void sequential_runs_modules_in_order(void **state) {
  bench *b = *state;
  assert_int_equal(make_network(NULL, NULL, &b->m), KY_OK);
  fill(ky_module_weight(b->m, 0), (const double[]){1, 0, 0, 0, 1, 0});
  fill(ky_module_weight(b->m, 1), (const double[]){0.5, -0.5});
  fill(ky_module_weight(b->m, 2), (const double[]){1, 1, 2, 0});
  const double x[3] = {1, 2, 3}, p = tanh(1.5), q = tanh(1.5);
  ky_var y = ky_module_forward(b->t, b->m, ky_input(b->t, KY_F64, KY_SHAPE(3), x));
  assert_values(b->t, y, (const double[]){p + q, 2 * p}, 2);
}

static void sequential_differentiates_each_weight_once(void **state) {
  bench *b = *state;
  assert_int_equal(make_network(NULL, &b->rng, &b->m), KY_OK);
  const double x[3] = {1, 2, 3};
  ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(3), x);
  ky_var y = ky_add(b->t, ky_module_forward(b->t, b->m, v), ky_module_forward(b->t, b->m, v));
  ky_grads grads;
  assert_int_equal(ky_backward(b->t, y, &grads), KY_OK);
  assert_int_equal(grads.count, 3);
  for (size_t k = 0; k < 3; k++)
    assert_ptr_equal(grads.pairs[k].weight, ky_module_weight(b->m, k));
}

static void empty_sequential_is_the_identity(void **state) {
  bench *b = *state;
  assert_int_equal(ky_nn_sequential(NULL, 0, NULL, &b->m), KY_OK);
  ky_var x = ky_scalar(b->t, KY_F64, 3);
  assert_int_equal(ky_module_forward(b->t, b->m, x).id, x.id);
  assert_int_equal(ky_module_weight_count(b->m), 0);
}

static void sequential_takes_modules_only_on_success(void **state) {
  bench *b = *state;
  ky_module *one, *outer = NULL;
  assert_int_equal(ky_nn_relu(NULL, &one), KY_OK);
  b->m = one;
  ky_module *twice[2] = {one, one}, *gap[2] = {one, NULL}, *good[1] = {one};
  assert_int_equal(ky_nn_sequential(NULL, 2, twice, &outer), KY_BAD_ARGUMENT);
  assert_null(outer);
  assert_int_equal(ky_nn_sequential(NULL, 2, gap, &outer), KY_BAD_ARGUMENT);
  assert_ptr_equal(twice[0], one);
  assert_ptr_equal(gap[0], one);
  assert_int_equal(ky_nn_sequential(NULL, 1, NULL, &outer), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_sequential(NULL, 1, good, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_sequential(NULL, SIZE_MAX / 4, good, &outer), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_sequential(NULL, 1, good, &b->m), KY_OK);
  assert_null(good[0]);
}

/* ---- walking over weights ---------------------------------------------------------------- */

static ky_status stop_at_once(void *user, const char *name, ky_tensor *weight) {
  (void)name;
  (void)weight;
  ++*(int *)user;
  return KY_BAD_INDEX;
}

static void weights_have_paths(void **state) {
  bench *b = *state;
  ky_module *inner = NULL;
  assert_int_equal(make_network(NULL, NULL, &inner), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 1, &inner, &b->m), KY_OK);
  char names[128] = "";
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_OK);
  assert_string_equal(names, "0.0.weight 0.0.bias 0.2.weight ");
}

static void walk_ends_with_the_visitors_status(void **state) {
  bench *b = *state;
  assert_int_equal(make_network(NULL, NULL, &b->m), KY_OK);
  int calls = 0;
  assert_int_equal(ky_module_weights(b->m, stop_at_once, &calls), KY_BAD_INDEX);
  assert_int_equal(calls, 1);
  assert_int_equal(ky_module_weights(b->m, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_module_weights(NULL, stop_at_once, &calls), KY_BAD_ARGUMENT);
}

static void weight_beyond_the_last_is_null(void **state) {
  bench *b = *state;
  assert_int_equal(make_network(NULL, NULL, &b->m), KY_OK);
  assert_int_equal(ky_module_weight_count(b->m), 3);
  assert_non_null(ky_module_weight(b->m, 2));
  assert_null(ky_module_weight(b->m, 3));
}

/* ---- modules of the user's own ----------------------------------------------------------- */

static const char long_name[] =
    "a name of 300 bytes ...................................................................."
    "........................................................................................"
    "........................................................................................"
    "....................................";

static ky_var twice_forward(ky_module *m, ky_tape *t, ky_var x) {
  (void)m;
  return (ky_mul_scalar)(t, x, 2);
}

static ky_status one_long_name(const ky_module *m, ky_weight_visit *visit, void *user) {
  (void)m;
  return visit(user, long_name, NULL);
}

static const ky_module_kind twice_kind = {.size = sizeof twice_kind,
                                          .name = "twice",
                                          .forward = twice_forward,
                                          .weights = one_long_name};

static void users_module_works_inside_sequential(void **state) {
  bench *b = *state;
  ky_module own = {&twice_kind}, *parts[2] = {&own, NULL};
  assert_int_equal(ky_nn_relu(NULL, &parts[1]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 2, parts, &b->m), KY_OK);
  ky_var y = ky_module_forward(b->t, b->m, ky_scalar(b->t, KY_F64, 4));
  assert_values(b->t, y, (const double[]){8}, 1);
  char names[128] = "";
  assert_int_equal(ky_module_weights(b->m, bench_note_name, names), KY_BAD_ARGUMENT);
  ky_module_free(b->m); /* while `own` is there */
  b->m = NULL;
}

/* ---- losses ------------------------------------------------------------------------------ */

static void losses_are_means(void **state) {
  bench *b = *state;
  const double p[4] = {0.5, 0.25, 0.5, 0.25}, y[4] = {1, 0, 0, 1};
  const int32_t labels[2] = {1, 0};
  ky_var vp = ky_input(b->t, KY_F64, KY_SHAPE(2, 2), p);
  ky_var vy = ky_input(b->t, KY_F64, KY_SHAPE(2, 2), y);
  ky_var vl = ky_input(b->t, KY_I32, KY_SHAPE(2), labels);
  const double bce = (2 * log(2) - log(0.75) - log(0.25)) / 4;
  assert_values(b->t, ky_loss_bce(b->t, vp, vy), &bce, 1);
  const double mse = (2 * 0.25 + 0.0625 + 0.5625) / 4;
  assert_values(b->t, ky_loss_mse(b->t, vp, vy), &mse, 1);
  const double ce = (log(exp(0.5) + exp(0.25)) - 0.25 + log(exp(0.5) + exp(0.25)) - 0.5) / 2;
  assert_values(b->t, ky_loss_cross_entropy(b->t, vp, vl), &ce, 1);
}

static void losses_share_a_type(void **state) {
  bench *b = *state;
  ky_loss *const losses[3] = {ky_loss_bce, ky_loss_mse, ky_loss_cross_entropy};
  for (int k = 0; k < 3; k++) {
    assert_int_equal(losses[k](b->t, ky_none(), ky_none()).id, 0);
    assert_int_equal(ky_tape_check(b->t), KY_BAD_VAR);
  }
}

/* ---- errors ------------------------------------------------------------------------------ */

static void message_names_the_callers_line(void **state) {
  bench *b = *state;
  assert_int_equal(make_network(NULL, NULL, &b->m), KY_OK);
  const double x[4] = {0};
  ky_var v = ky_input(b->t, KY_F64, KY_SHAPE(4), x);
  char want[160];
  snprintf(want, sizeof want,
           "test_nn.c:%d: linear: [4] x [2,3] x [2]: inner extents 4 and 3 differ: wants x "
           "[...,in] and w [out,in]",
           __LINE__ + 1);
  assert_int_equal(ky_module_forward(b->t, b->m, v).id, 0);
  assert_string_equal(ky_tape_message(b->t), want);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
  const double y[3] = {0};
  ky_var two = ky_input(b->t, KY_F64, KY_SHAPE(3), y);
  snprintf(want, sizeof want, "test_nn.c:%d: mse: ", __LINE__ + 1);
  assert_int_equal(ky_loss_mse(b->t, v, two).id, 0);
  assert_memory_equal(ky_tape_message(b->t), want, strlen(want));
  assert_int_equal(ky_tape_check(b->t), KY_BAD_SHAPE);
}

static void null_module_is_an_error_of_the_tape(void **state) {
  bench *b = *state;
  ky_var x = ky_scalar(b->t, KY_F64, 1);
  assert_int_equal(ky_module_forward(b->t, NULL, x).id, 0);
  assert_int_equal(ky_tape_check(b->t), KY_BAD_ARGUMENT);
  assert_int_equal((ky_module_forward)(NULL, NULL, x).id, 0);
}

static void null_is_fine_where_nothing_is_asked(void **state) {
  (void)state;
  assert_int_equal(ky_module_weight_count(NULL), 0);
  assert_null(ky_module_weight(NULL, 0));
  assert_string_equal(ky_module_name(NULL), "");
  ky_module_free(NULL);
}

static void bad_layers_are_refused(void **state) {
  (void)state;
  ky_module *m = (ky_module *)state;
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 2, 1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_linear(NULL, KY_I32, 3, 2, 1, NULL, &m), KY_BAD_DTYPE);
  assert_null(m);
  assert_int_equal(ky_nn_linear(NULL, KY_F64, -1, 2, 1, NULL, &m), KY_BAD_SHAPE);
  assert_int_equal(ky_nn_linear(NULL, KY_F64, INT64_MAX, INT64_MAX, 1, NULL, &m), KY_BAD_SHAPE);
  assert_null(m);
  assert_int_equal(ky_nn_sigmoid(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_relu(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_sin(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_tanh(NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_elu(NULL, 1, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_nn_softmax(NULL, 0, NULL), KY_BAD_ARGUMENT);
}

static ky_status make_from_seed(const ky_allocator *allocator, ky_module **out) {
  ky_rng rng = ky_rng_seed(BENCH_SEED, 0);
  return make_network(allocator, &rng, out);
}

static void failing_allocations_leak_nothing(void **state) {
  (void)state;
  bench_assert_survives_failing_memory(make_from_seed);
}

/* ---- initialisers ------------------------------------------------------------------------ */

static const double *values(const bench *b) { return ky_tensor_data(b->w); }

/* Some of the numbers are near the ends, and none beyond. */
static void assert_fills(const bench *b, double lo, double hi) {
  double least = INFINITY, most = -INFINITY;
  for (int64_t k = 0; k < ky_tensor_count(b->w); k++) {
    least = fmin(least, values(b)[k]);
    most = fmax(most, values(b)[k]);
  }
  assert_true(least >= lo && most < hi);
  assert_close(least, lo, (hi - lo) / 100);
  assert_close(most, hi, (hi - lo) / 100);
}

static void assert_moments(const bench *b, double mean, double deviation) {
  const double n = (double)ky_tensor_count(b->w);
  double sum = 0, squares = 0;
  for (int64_t k = 0; k < ky_tensor_count(b->w); k++) {
    sum += values(b)[k] - mean;
    squares += pow(values(b)[k] - mean, 2);
  }
  assert_close(sum / n, 0, 4 * deviation / sqrt(n));
  assert_close(sqrt(squares / n), deviation, 3 * deviation / sqrt(n));
}

static void initialisers_fill_their_range(void **state) {
  bench *b = *state;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(40, 20, 3), &b->w), KY_OK);
  assert_int_equal(ky_init_constant(b->w, 1.5), KY_OK);
  assert_close(values(b)[0], 1.5, 0);
  assert_close(values(b)[2399], 1.5, 0);
  assert_int_equal(ky_init_uniform(b->w, &b->rng, -2, 3), KY_OK);
  assert_fills(b, -2, 3);
  assert_int_equal(ky_init_normal(b->w, &b->rng, 5, 0.1), KY_OK);
  assert_moments(b, 5, 0.1);
  const double xavier = 2 * sqrt(6 / (60.0 + 120.0)), kaiming = sqrt(6 / 60.0);
  assert_int_equal(ky_init_xavier_uniform(b->w, &b->rng, 2), KY_OK);
  assert_fills(b, -xavier, xavier);
  assert_int_equal(ky_init_kaiming_uniform(b->w, &b->rng, 0), KY_OK);
  assert_fills(b, -kaiming, kaiming);
  assert_int_equal(ky_init_kaiming_uniform(b->w, &b->rng, 2), KY_OK);
  assert_fills(b, -kaiming / sqrt(5), kaiming / sqrt(5));
  assert_int_equal(ky_tensor_version(b->w), 6);
}

static void f32_weights_are_initialised_too(void **state) {
  bench *b = *state;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &b->w), KY_OK);
  const float *w = ky_tensor_data(b->w);
  assert_int_equal(ky_init_constant(b->w, 0.1), KY_OK);
  assert_true(w[0] == 0.1f && w[1] == 0.1f);
  assert_int_equal(ky_init_uniform(b->w, &b->rng, 3, 4), KY_OK);
  assert_true(w[0] >= 3 && w[0] < 4 && w[1] >= 3 && w[1] < 4);
}

static void empty_weights_need_no_fans(void **state) {
  bench *b = *state;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(0, 0), &b->w), KY_OK);
  assert_int_equal(ky_init_xavier_uniform(b->w, &b->rng, 1), KY_OK);
  assert_int_equal(ky_init_kaiming_uniform(b->w, &b->rng, 0), KY_OK);
}

static void bad_initialisation_changes_nothing(void **state) {
  bench *b = *state;
  ky_rng *rng = &b->rng;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(2), &b->w), KY_OK);
  assert_int_equal(ky_init_constant(NULL, 0), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_uniform(NULL, rng, 0, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_uniform(b->w, NULL, 0, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_uniform(b->w, rng, 1, 0), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_normal(NULL, rng, 0, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_normal(b->w, NULL, 0, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_normal(b->w, rng, 0, -1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_xavier_uniform(NULL, rng, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_xavier_uniform(b->w, rng, 0), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_xavier_uniform(b->w, rng, 1), KY_BAD_SHAPE);
  assert_int_equal(ky_init_kaiming_uniform(NULL, rng, 0), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_kaiming_uniform(b->w, rng, NAN), KY_BAD_ARGUMENT);
  assert_int_equal(ky_init_kaiming_uniform(b->w, rng, 0), KY_BAD_SHAPE);
  assert_int_equal(ky_tensor_version(b->w), 0);
  assert_int_equal(rng->position, 0);
}

int main(void) {
  print_message("seed %d\n", BENCH_SEED);
  const struct CMUnitTest tests[] = {
      BENCH_TEST(linear_is_x_times_w_transposed_plus_b),
      BENCH_TEST(linear_without_bias_has_one_weight),
      BENCH_TEST(linear_starts_like_pytorch),
      BENCH_TEST(linear_without_generator_is_zero),
      BENCH_TEST(linear_without_inputs_is_its_bias),
      BENCH_TEST(activations_record_their_operation),
      BENCH_TEST(activations_keep_their_setting),
      BENCH_TEST(sequential_runs_modules_in_order),
      BENCH_TEST(sequential_differentiates_each_weight_once),
      BENCH_TEST(empty_sequential_is_the_identity),
      BENCH_TEST(sequential_takes_modules_only_on_success),
      BENCH_TEST(weights_have_paths),
      BENCH_TEST(walk_ends_with_the_visitors_status),
      BENCH_TEST(weight_beyond_the_last_is_null),
      BENCH_TEST(users_module_works_inside_sequential),
      BENCH_TEST(losses_are_means),
      BENCH_TEST(losses_share_a_type),
      BENCH_TEST(message_names_the_callers_line),
      BENCH_TEST(null_module_is_an_error_of_the_tape),
      BENCH_TEST(null_is_fine_where_nothing_is_asked),
      BENCH_TEST(bad_layers_are_refused),
      cmocka_unit_test(failing_allocations_leak_nothing),
      BENCH_TEST(initialisers_fill_their_range),
      BENCH_TEST(f32_weights_are_initialised_too),
      BENCH_TEST(empty_weights_need_no_fans),
      BENCH_TEST(bad_initialisation_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
