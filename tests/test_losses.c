/* SPDX-License-Identifier: MIT */
/* The losses that are compositions: values and gradients against numbers that PyTorch 1.13 gave
 * for the same operands; reductions; refusals, which leave the tape as it was. */
#include <string.h>

#include "close.h"
#include "kytape/gradcheck.h"
#include "kytape/ops.h"
#include "kytape/program.h"

/* PyTorch's formulas round in another order, and its cosine adds an epsilon. */
#define TOLERANCE 1e-12

enum { COUNT = 6 }; /* elements of every operand: [2,3] */

static const double a[COUNT] = {0.3, -1.2, 2.5, 1.0, 0.4, -0.7};
static const double b[COUNT] = {0.1, 1.4, 0.2, 1.0, -2.0, -0.5};
static const double far[COUNT] = {0.9, -0.3, 1.1, -1.6, 0.8, 0.25};
static const double spread[COUNT] = {0.5, 2.0, 1.5, 0.3, 1.0, 4.0};
static const double sides[COUNT] = {1, -1, 1, -1, 1, -1};
static const double p[COUNT] = {0.2, 0.5, 0.3, 0.6, 0, 0.4};
static const double log_p[COUNT] = {-1.6094379124341003, -0.69314718055994529,
                                    -1.2039728043259361, -0.51082562376599072,
                                    -2.3025850929940455, -1.2039728043259361};
static const double log_q[COUNT] = {-2.3025850929940455, -0.51082562376599072,
                                    -1.2039728043259361, -1.2039728043259361,
                                    -1.2039728043259361, -0.916290731874155};

typedef ky_var record_fn(ky_tape *t, const ky_var *x, ky_reduction reduction);

typedef struct loss_case {
  record_fn *record;
  const double *x[3]; /* null: none */
  double mean;
  double grad[3][COUNT]; /* of the mean */
  int64_t losses;        /* how many there are without reduction */
} loss_case;

static ky_var l1(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_l1(t, x[0], x[1], r);
}
static ky_var smooth_l1(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_smooth_l1(t, x[0], x[1], 0.7, r);
}
static ky_var sharp_l1(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_smooth_l1(t, x[0], x[1], 0, r);
}
static ky_var huber(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_huber(t, x[0], x[1], 0.7, r);
}
static ky_var kl_div(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_kl_div(t, x[0], x[1], r);
}
static ky_var kl_div_log(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_kl_div_log(t, x[0], x[1], r);
}
static ky_var hinge(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_hinge(t, x[0], x[1], r);
}
static ky_var cosine_embedding(ky_tape *t, const ky_var *x, ky_reduction r) {
  const ky_var y = ky_constant(t, KY_F64, KY_SHAPE(2), (const double[]){1, -1});
  return ky_cosine_embedding(t, x[0], x[1], y, -0.5, r);
}
static ky_var triplet(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_triplet(t, x[0], x[1], x[2], 1, r);
}
static ky_var gaussian_nll(ky_tape *t, const ky_var *x, ky_reduction r) {
  return ky_gaussian_nll(t, x[0], x[1], x[2], 1e-6, r);
}

#define SIXTH 0.16666666666666666
static const loss_case cases[] = {
    {l1,
     {a, b},
     1.2833333333333332,
     {{SIXTH, -SIXTH, SIXTH, 0, SIXTH, -SIXTH}, {-SIXTH, SIXTH, -SIXTH, 0, -SIXTH, SIXTH}},
     6},
    {sharp_l1,
     {a, b},
     1.2833333333333332,
     {{SIXTH, -SIXTH, SIXTH, 0, SIXTH, -SIXTH}, {-SIXTH, SIXTH, -SIXTH, 0, -SIXTH, SIXTH}},
     6},
    {smooth_l1,
     {a, b},
     1.0511904761904758,
     {{0.047619047619047609, -SIXTH, SIXTH, 0, SIXTH, -0.047619047619047609},
      {-0.047619047619047609, SIXTH, -SIXTH, 0, -SIXTH, 0.047619047619047609}},
     6},
    {huber,
     {a, b},
     0.73583333333333323,
     {{0.033333333333333326, -0.11666666666666665, 0.11666666666666665, 0, 0.11666666666666665,
       -0.033333333333333326},
      {-0.033333333333333326, 0.11666666666666665, -0.11666666666666665, 0,
       -0.11666666666666665, 0.033333333333333326}},
     6},
    /* g (ln p + 1 - log_q) where p is not 0, -g log_q where it is */
    {kl_div,
     {log_q, p},
     0.077226161008496483,
     {{-0.033333333333333333, -0.083333333333333329, -0.049999999999999996,
       -0.099999999999999992, 0, -0.066666666666666666},
      {0.28219119675999082, 0.13627974053434089, SIXTH, 0.28219119675999082,
       0.20066213405432268, SIXTH}},
     6},
    {kl_div_log,
     {log_q, log_p},
     0.044531852574772289,
     {{-0.033333333333333333, -0.083333333333333329, -0.049999999999999996,
       -0.099999999999999992, -0.01666666666666667, -0.049999999999999996},
      {0.056438239351998175, 0.068139870267170444, 0.049999999999999996, 0.16931471805599452,
       -0.0016435381444684892, 0.035615896377410944}},
     6},
    {hinge,
     {a, sides},
     0.6,
     {{-SIXTH, 0, 0, SIXTH, -SIXTH, SIXTH},
      {-0.05, 0, 0, -SIXTH, -0.066666666666666666, 0.11666666666666665}},
     6},
    {cosine_embedding,
     {a, b},
     0.98884054500956808,
     {{-0.018250818089715889, -0.15458751706979301, -0.072011910022734743, 0.11325493143058347,
       -0.36241578057786705, -0.045301972572233395},
      {-0.045165889112707407, 0.050449920708065935, -0.33056650040010782, 0.15208519363535494,
       0.10354736587939059, -0.1100190762468525}},
     2},
    {triplet,
     {a, b, far},
     1.6596666423760114,
     {{0.19832975794839841, -0.11952334581164825, -0.064925089571309436, -0.46480465628872686,
       0.56978113206207437, 0.12830978577139751},
      {-0.028760009464358735, 0.37387810984606695, -0.33073859894717805,
       -2.0761362088431703e-07, -0.49827289773598177, 0.041522516563242511},
      {-0.16956974848403969, -0.2543547640344187, 0.39566368851848749, 0.46480486390234776,
       -0.071508234326092643, -0.16983230233464003}},
     2},
    {gaussian_nll,
     {a, b, spread},
     1.112037777630732,
     {{0.066666666666666652, -0.21666666666666662, 0.25555555555555554, 0, 0.39999999999999997,
       -0.0083333333333333315},
      {-0.066666666666666652, 0.21666666666666662, -0.25555555555555554, 0,
       -0.39999999999999997, 0.0083333333333333315},
      {0.15333333333333332, -0.099166666666666625, -0.14037037037037031, 0.27777777777777779,
       -0.39666666666666667, 0.020624999999999998}},
     6},
};

static void put(ky_tape *t, const loss_case *c, ky_var x[3]) {
  for (int k = 0; k < 3 && c->x[k]; k++) {
    x[k] = ky_input(t, KY_F64, KY_SHAPE(2, 3), c->x[k]);
    assert_int_equal(ky_watch(t, x[k]), KY_OK);
  }
}

/* Lets a failing case be told by its number. */
static void check_mean(void **state, size_t number, const loss_case *c) {
  ky_tape *t = *state;
  ky_var x[3] = {{0}};
  const ky_mark mark = ky_tape_mark(t);
  put(t, c, x);
  const ky_var r = c->record(t, x, KY_REDUCE_MEAN);
  double mean;
  assert_int_equal(ky_item(t, r, &mean), KY_OK);
  if (!is_close(mean, c->mean, TOLERANCE)) print_error("case %zu\n", number);
  assert_close(mean, c->mean, TOLERANCE);
  assert_int_equal(ky_backward(t, r, NULL), KY_OK);
  for (int k = 0; k < 3 && c->x[k]; k++) {
    ky_array g;
    assert_int_equal(ky_grad(t, x[k], &g), KY_OK);
    for (int n = 0; n < COUNT; n++) {
      const double got = ((const double *)g.data)[n];
      if (!is_close(got, c->grad[k][n], TOLERANCE))
        print_error("case %zu, operand %d, element %d\n", number, k, n);
      assert_close(got, c->grad[k][n], TOLERANCE);
    }
  }
  assert_int_equal(ky_tape_verify(t), KY_OK);
  assert_int_equal(ky_tape_rewind(t, mark), KY_OK);
}

static void losses_equal_pytorch(void **state) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) check_mean(state, k, &cases[k]);
}

static void reductions_agree(void **state) {
  ky_tape *t = *state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    ky_var x[3] = {{0}};
    put(t, &cases[k], x);
    const ky_var each = cases[k].record(t, x, KY_REDUCE_NONE);
    const ky_var sum = cases[k].record(t, x, KY_REDUCE_SUM);
    ky_array shape;
    double total, mean;
    assert_int_equal(ky_shape(t, each, &shape), KY_OK);
    assert_int_equal(shape.count, cases[k].losses);
    assert_int_equal(ky_item(t, sum, &total), KY_OK);
    assert_int_equal(ky_item(t, ky_mean_all(t, each), &mean), KY_OK);
    assert_close(total, (double)cases[k].losses * mean, TOLERANCE);
  }
}

static void cosine_similarity_equals_pytorch(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), a);
  const ky_var y = ky_input(t, KY_F64, KY_SHAPE(2, 3), b);
  const ky_var zero = ky_full(t, KY_F64, KY_SHAPE(2, 3), 0);
  double mean, none;
  assert_int_equal(ky_watch(t, x), KY_OK);
  const ky_var r = ky_mean_all(t, ky_cosine_similarity(t, x, y, -1, 1e-8));
  assert_int_equal(ky_item(t, r, &mean), KY_OK);
  assert_close(mean, -0.05196990814918806, TOLERANCE);
  const ky_var with_zero = ky_sum_all(t, ky_cosine_similarity(t, x, zero, 1, 1e-8));
  assert_int_equal(ky_item(t, with_zero, &none), KY_OK);
  assert_close(none, 0, 0);
}

/* Four rows of three classes; the second is ignored. */
static const double rows[12] = {0.3, -1.2, 2.5, 1.0, 0.4, -0.7, 0.1, 1.4, 0.2, -0.5, 0.8, 0.9};
static const double rough[12] = {0.2, 0.5, 0.3, 0.6, 0, 0.4, 0.1, 0.1, 0.8, 1, 0, 0};
static const double heavy[3] = {0.5, 2, 1.25};
static const int64_t classes[4] = {2, -100, 0, 1};

typedef struct class_case {
  int weighted;
  double smoothing, mean;
} class_case;

static ky_class_options class_options(ky_reduction r, ky_var weights, double smoothing) {
  return (ky_class_options){.size = sizeof(ky_class_options),
                            .reduction = r,
                            .weights = weights,
                            .ignore = 1,
                            .ignore_label = -100,
                            .smoothing = smoothing};
}

static void class_losses_equal_pytorch(void **state) {
  static const class_case all[] = {
      {1, 0.1, 0.81184310738243648}, {1, 0, 0.73809688168032872}, {0, 0.1, 0.9788924720347395}};
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(4, 3), rows);
  const ky_var y = ky_input(t, KY_I64, KY_SHAPE(4), classes);
  const ky_var w = ky_input(t, KY_F64, KY_SHAPE(3), heavy);
  for (int k = 0; k < 3; k++) {
    double mean;
    const ky_class_options o =
        class_options(KY_REDUCE_MEAN, all[k].weighted ? w : ky_none(), all[k].smoothing);
    const ky_var r = ky_cross_entropy_with(t, x, y, &o);
    assert_int_equal(ky_item(t, r, &mean), KY_OK);
    assert_close(mean, all[k].mean, TOLERANCE);
    const ky_var wrt[2] = {x, w};
    assert_int_equal(ky_gradcheck(t, r, wrt, 1 + (size_t)all[k].weighted, NULL, NULL), KY_OK);
  }
  double mean;
  const ky_var q = ky_input(t, KY_F64, KY_SHAPE(4, 3), rough);
  const ky_class_options o = {
      .size = sizeof o, .reduction = KY_REDUCE_MEAN, .weights = w, .smoothing = 0.1};
  const ky_var soft = ky_cross_entropy_soft(t, x, q, &o), wrt[3] = {x, q, w};
  assert_int_equal(ky_item(t, soft, &mean), KY_OK);
  assert_close(mean, 2.0532921896852012, TOLERANCE);
  assert_int_equal(ky_gradcheck(t, soft, wrt, 3, NULL, NULL), KY_OK);
  assert_int_equal(ky_tape_verify(t), KY_OK);
}

/* nll_with of log probabilities is cross_entropy_with, row by row and reduced. */
static void nll_with_agrees_with_cross_entropy(void **state) {
  static const int32_t narrow[4] = {2, -100, 0, 1};
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(4, 3), rows), log = ky_log_softmax(t, x, -1);
  const ky_var y[2] = {ky_input(t, KY_I64, KY_SHAPE(4), classes),
                       ky_input(t, KY_I32, KY_SHAPE(4), narrow)};
  const ky_var w = ky_input(t, KY_F64, KY_SHAPE(3), heavy);
  for (int k = 0; k < 6; k++) {
    const ky_class_options o = class_options((ky_reduction)(k % 3), k < 3 ? w : ky_none(), 0);
    const ky_var parts = ky_nll_with(t, log, y[k & 1], &o);
    const ky_var whole = ky_cross_entropy_with(t, x, y[k & 1], &o);
    double got[4], want[4];
    const size_t bytes = (k % 3 ? 1 : 4) * sizeof *got;
    assert_int_equal(ky_read(t, parts, got, bytes), KY_OK);
    assert_int_equal(ky_read(t, whole, want, bytes), KY_OK);
    for (size_t n = 0; n < bytes / sizeof *got; n++) assert_close(got[n], want[n], TOLERANCE);
    const ky_var wrt[2] = {x, w};
    assert_int_equal(ky_gradcheck(t, parts, wrt, k < 3 ? 2 : 1, NULL, NULL), KY_OK);
  }
}

/* An execution with some threads, which share the smallest of work. */
static ky_exec *start(ky_tape *t, ky_var root, int threads, ky_program **program) {
  const ky_exec_options with = {.size = sizeof with, .threads = threads, .grain = 1};
  ky_exec *e;
  assert_int_equal(ky_compile(t, root, NULL, program), KY_OK);
  assert_int_equal(ky_exec_new(*program, &with, &e), KY_OK);
  return e;
}

/* Value and gradient of a compiled loss over 300 rows, with some threads. */
static void run_shared(int threads, float *loss, float grad[900]) {
  static float x[900], few[3] = {0.5f, 2, 1.25f};
  static int64_t y[300];
  for (int k = 0; k < 900; k++) x[k] = (float)(k * 37 % 101) / 25 - 2;
  for (int k = 0; k < 300; k++) y[k] = k % 7 ? k * 5 % 3 : -100;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var in = ky_input(t, KY_F32, KY_SHAPE(300, 3), x);
  assert_int_equal(ky_watch(t, in), KY_OK);
  const ky_class_options o =
      class_options(KY_REDUCE_MEAN, ky_input(t, KY_F32, KY_SHAPE(3), few), 0.1);
  const ky_var r = ky_cross_entropy_with(t, in, ky_input(t, KY_I64, KY_SHAPE(300), y), &o);
  ky_program *program;
  ky_exec *e = start(t, r, threads, &program);
  ky_array g;
  assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  assert_int_equal(ky_exec_read(e, r, loss, sizeof *loss), KY_OK);
  assert_int_equal(ky_exec_grad(e, in, &g), KY_OK);
  memcpy(grad, g.data, 900 * sizeof *grad);
  ky_exec_free(e);
  ky_program_free(program);
  ky_tape_free(t);
}

static void threads_share_rows_without_a_difference(void **state) {
  (void)state;
  static float want[900], got[900];
  float loss, again;
  run_shared(1, &loss, want);
  for (int threads = 2; threads < 4; threads++) {
    run_shared(threads, &again, got);
    assert_memory_equal(&again, &loss, sizeof loss);
    assert_memory_equal(got, want, sizeof want);
  }
}

/* Value and gradient of the mean cross entropy of 300 rows of a strided operand, from a step,
 * which computes both in one walk, or from the two sweeps. */
static void run_rows(ky_dtype dtype, bool plain, int threads, bool at_once, double *loss,
                     double grad[2100]) {
  static float x32[2100];
  static double x64[2100];
  static int32_t y[300];
  for (int k = 0; k < 2100; k++) x64[k] = x32[k] = (float)(k * 37 % 101) * 3 - 150;
  for (int k = 0; k < 300; k++) y[k] = plain || k % 9 ? k * 5 % 7 : -1;
  ky_tape *t = ky_tape_new(NULL);
  const ky_var in = ky_input(t, dtype, KY_SHAPE(7, 300), dtype ? (void *)x64 : (void *)x32);
  assert_int_equal(ky_watch(t, in), KY_OK);
  const ky_var logits = ky_transpose(t, in, 0, 1),
               labels = ky_input(t, KY_I32, KY_SHAPE(300), y);
  const ky_class_options o = {.size = sizeof o,
                              .reduction = KY_REDUCE_MEAN,
                              .weights = ky_add_scalar(t, ky_iota(t, dtype, 7, 0), 0.5),
                              .ignore = 1,
                              .ignore_label = -1,
                              .smoothing = 0.25};
  const ky_var r = plain ? ky_cross_entropy(t, logits, labels, KY_REDUCE_MEAN)
                         : ky_cross_entropy_with(t, logits, labels, &o);
  ky_program *program;
  ky_exec *e = start(t, r, threads, &program);
  ky_array g;
  if (at_once) {
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
  } else {
    assert_int_equal(ky_exec_forward(e), KY_OK);
    assert_int_equal(ky_exec_backward(e, NULL), KY_OK);
  }
  assert_int_equal(ky_exec_item(e, r, loss), KY_OK);
  assert_int_equal(ky_exec_grad(e, in, &g), KY_OK);
  memcpy(grad, g.data, 2100 * ky_dtype_size(dtype));
  y[299] = 7; /* in the second batch */
  assert_int_equal(ky_exec_step(e, NULL), KY_BAD_INDEX);
  assert_non_null(strstr(ky_exec_message(e), "label 7 of row 299 is not in 0..6"));
  ky_exec_free(e);
  ky_program_free(program);
  ky_tape_free(t);
}

static void a_step_has_the_bits_of_two_sweeps(void **state) {
  (void)state;
  static double want[2100], got[2100];
  for (int k = 0; k < 4; k++) {
    const ky_dtype dtype = k & 1 ? KY_F64 : KY_F32;
    double loss, again;
    run_rows(dtype, k & 2, 1, false, &loss, want);
    for (int threads = 1; threads < 4; threads++) {
      run_rows(dtype, k & 2, threads, true, &again, got);
      assert_close(again, loss, 0);
      assert_memory_equal(got, want, 2100 * ky_dtype_size(dtype));
    }
  }
}

static void plain_options_are_the_plain_opcode(void **state) {
  static const int64_t label[2] = {0, 2};
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, 3), a);
  const ky_var y = ky_input(t, KY_I64, KY_SHAPE(2), label);
  const ky_class_options o = {.size = sizeof o, .reduction = KY_REDUCE_SUM};
  double plain, with, nll, nll_with;
  assert_int_equal(ky_item(t, ky_cross_entropy(t, x, y, KY_REDUCE_SUM), &plain), KY_OK);
  const uint32_t length = ky_tape_length(t);
  assert_int_equal(ky_item(t, ky_cross_entropy_with(t, x, y, &o), &with), KY_OK);
  assert_int_equal(ky_tape_length(t), length + 1);
  assert_close(plain, with, 0);
  assert_int_equal(ky_item(t, ky_nll(t, x, y, KY_REDUCE_SUM), &nll), KY_OK);
  assert_int_equal(ky_item(t, ky_nll_with(t, x, y, &o), &nll_with), KY_OK);
  assert_close(nll, nll_with, 0);
}

/* The call is refused with `status` and a message that has `says`, and nothing was recorded. */
static void refused(ky_tape *t, ky_var r, uint32_t length, ky_status status, const char *says) {
  assert_int_equal(r.id, 0);
  assert_int_equal(ky_tape_check(t), status);
  if (!strstr(ky_tape_message(t), says)) print_error("%s\n", ky_tape_message(t));
  assert_non_null(strstr(ky_tape_message(t), says));
  assert_non_null(strstr(ky_tape_message(t), "test_losses.c:"));
  assert_int_equal(ky_tape_length(t), length);
}

static void refusals_name_the_loss(void **state) {
  ky_tape *t = *state;
  const ky_reduction mean = KY_REDUCE_MEAN;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1),
               y = ky_full(t, KY_F64, KY_SHAPE(4), 1);
  const ky_var f = ky_full(t, KY_F32, KY_SHAPE(2, 3), 1),
               i = ky_full(t, KY_I32, KY_SHAPE(2, 3), 1);
  const ky_var s = ky_scalar(t, KY_F64, 1);
  const uint32_t n = ky_tape_length(t);
  refused(t, ky_l1(t, x, y, mean), n, KY_BAD_SHAPE, "l1: ");
  refused(t, ky_l1(t, x, f, mean), n, KY_BAD_DTYPE, "l1: dtypes f64 and f32 differ");
  refused(t, ky_hinge(t, i, x, mean), n, KY_BAD_DTYPE,
          "hinge: wants f32 or f64, got i32: see ky_cast");
  refused(t, ky_l1(t, x, ky_none(), mean), n, KY_BAD_VAR, "l1: ");
  refused(t, ky_kl_div(t, x, x, (ky_reduction)3), n, KY_BAD_ARGUMENT,
          "kl_div: unknown reduction 3");
  refused(t, ky_smooth_l1(t, x, x, -1, mean), n, KY_BAD_ARGUMENT, "smooth_l1: beta is -1");
  refused(t, ky_huber(t, x, x, 0, mean), n, KY_BAD_ARGUMENT, "huber: delta is 0");
  refused(t, ky_gaussian_nll(t, x, x, x, 0, mean), n, KY_BAD_ARGUMENT,
          "gaussian_nll: eps is 0");
  refused(t, ky_cosine_similarity(t, x, y, 0, 1e-8), n, KY_BAD_SHAPE,
          "cosine_similarity: shapes [2,3] and [4] differ");
  refused(t, ky_cosine_similarity(t, x, x, 2, 1e-8), n, KY_BAD_AXIS, "axis 2 is not in -2..1");
  refused(t, ky_cosine_similarity(t, x, x, 0, 0), n, KY_BAD_ARGUMENT, "eps is 0");
  refused(t, ky_cosine_embedding(t, x, x, y, 0, mean), n, KY_BAD_SHAPE, "cosine_embedding: ");
  refused(t, ky_triplet(t, s, s, s, 1, mean), n, KY_BAD_SHAPE, "triplet: wants vectors");
  assert_int_equal((ky_l1)(NULL, x, x, mean).id, 0);
}

static void refusals_of_class_losses(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 3), 1),
               y = ky_full(t, KY_I64, KY_SHAPE(2), 1);
  const ky_var w = ky_full(t, KY_F64, KY_SHAPE(2), 1), f = ky_full(t, KY_F32, KY_SHAPE(3), 1);
  const ky_var s = ky_scalar(t, KY_F64, 1);
  const uint32_t n = ky_tape_length(t);
  const ky_class_options short_of = {.size = sizeof short_of, .weights = w},
                         other = {.size = sizeof other, .weights = f},
                         ignore = {.size = sizeof ignore, .ignore = 1},
                         smooth = {.size = sizeof smooth, .smoothing = 0.1},
                         much = {.size = sizeof much, .smoothing = -1},
                         third = {.size = sizeof third, .reduction = (ky_reduction)3};
  refused(t, ky_nll_with(t, x, y, &short_of), n, KY_BAD_SHAPE,
          "nll_with: weights are [2], want [3]");
  refused(t, ky_nll_with(t, x, y, &other), n, KY_BAD_DTYPE, "nll_with: dtypes f64 and f32");
  refused(t, ky_nll_with(t, x, y, &smooth), n, KY_BAD_ARGUMENT, "smoothing is 0.1, wants 0");
  refused(t, ky_nll_with(t, x, x, &ignore), n, KY_BAD_DTYPE, "labels must be i32 or i64");
  refused(t, ky_nll_with(t, x, ky_none(), &ignore), n, KY_BAD_VAR, "nll_with: ");
  refused(t, ky_nll_with(t, s, y, &ignore), n, KY_BAD_SHAPE, "nll_with: wants rows");
  refused(t, ky_cross_entropy_soft(t, x, s, NULL), n, KY_BAD_SHAPE,
          "cross_entropy_soft: the shapes");
  refused(t, ky_cross_entropy_soft(t, x, x, &ignore), n, KY_BAD_ARGUMENT, "no label to ignore");
  refused(t, ky_cross_entropy_soft(t, x, x, &much), n, KY_BAD_ARGUMENT, "smoothing is -1");
  refused(t, ky_cross_entropy_soft(t, x, x, &third), n, KY_BAD_ARGUMENT,
          "cross_entropy_soft: unknown reduction 3");
  assert_int_equal((ky_cross_entropy_with)(NULL, x, y, NULL).id, 0);
}

static int set_up(void **state) {
  *state = ky_tape_new(NULL);
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  ky_tape_free(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(losses_equal_pytorch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reductions_agree, set_up, tear_down),
      cmocka_unit_test_setup_teardown(cosine_similarity_equals_pytorch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(class_losses_equal_pytorch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nll_with_agrees_with_cross_entropy, set_up, tear_down),
      cmocka_unit_test(threads_share_rows_without_a_difference),
      cmocka_unit_test(a_step_has_the_bits_of_two_sweeps),
      cmocka_unit_test_setup_teardown(plain_options_are_the_plain_opcode, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refusals_name_the_loss, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refusals_of_class_losses, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
