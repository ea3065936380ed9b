/* SPDX-License-Identifier: MIT */
/* The normalisations that are compositions, against numbers that PyTorch 1.13 gave for the same
 * operands; running statistics; refusals, which leave the tape as it was. */
#include <math.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"

/* PyTorch's formulas round in another order. */
#define TOLERANCE 1e-12

enum { ELEMENTS = 24, CHANNELS = 4 }; /* x is [2,4,3] */

static const double x_data[ELEMENTS] = {0.5,  -1,  2,   0.25, 1,   -0.75, 1.5,  3,
                                        -2,   0.1, 0.7, -0.3, 0.4, 0.8,   -1.1, 2.2,
                                        -0.6, 0.9, 1.3, -1.7, 0.2, 0.6,   -0.4, 1.9};
static const double weight_data[CHANNELS] = {1.5, -0.5, 2, 0.75};
static const double bias_data[CHANNELS] = {0.1, 0.2, -0.3, 0.4};

/* What a step with momentum 0.1 from 0 and 1 makes of the batch's statistics. */
static const double running_mean[CHANNELS] = {0.02666666666666667, 0.05, 0.03833333333333333,
                                              0.043333333333333335};
static const double running_variance[CHANNELS] = {1.0366666666666666, 1.0227,
                                                  1.2797666666666667, 0.9718666666666667};

typedef ky_var record_fn(ky_tape *t, ky_var x, ky_var weight, ky_var bias);

static ky_var groups(ky_tape *t, ky_var x, ky_var weight, ky_var bias) {
  return ky_groupnorm(t, x, 2, weight, bias, 1e-5);
}

static ky_var instances(ky_tape *t, ky_var x, ky_var weight, ky_var bias) {
  return ky_instancenorm(t, x, weight, bias, 1e-5);
}

static ky_var batch(ky_tape *t, ky_var x, ky_var weight, ky_var bias) {
  return ky_batchnorm(t, x, weight, bias, 1e-5, NULL, NULL);
}

static ky_var inference(ky_tape *t, ky_var x, ky_var weight, ky_var bias) {
  const ky_var mean = ky_constant(t, KY_F64, KY_SHAPE(CHANNELS), running_mean);
  const ky_var variance = ky_constant(t, KY_F64, KY_SHAPE(CHANNELS), running_variance);
  return ky_batchnorm_inference(t, x, weight, bias, mean, variance, 1e-5);
}

/* The sum of r cos(0, 1, 2, ...), and its gradients. */
static const struct {
  record_fn *record;
  double value, x[ELEMENTS], weight[CHANNELS], bias[CHANNELS];
} cases[] = {
    {groups,
     -2.4710932697675685,
     {1.1275759024668603,    0.083758084246836062, -0.59474600419812496, 0.078592817425472861,
      0.09623639964773556,   -0.79141719958878021, 0.74910696176489278,  0.038254739535871454,
      0.3547251646143087,    -0.52067042476645253, -0.66331446167893893, 0.041898020530318505,
      0.58736793984831592,   0.65563393633972533,  -0.32446229107779151, -0.33244227154849987,
      -0.095000562364224161, -0.49109675119752561, 1.078251961275293,    0.69530385810161754,
      0.29830425307886604,   -0.62835127871851371, -1.2349072622771287,  -0.20860153146013355},
     {-1.1376290453488898, -1.0980796461118676, 0.88087623971470941, -0.11725595433986591},
     {3.0121934277115194, -3.3524846632346343, 3.6256758954291985, -3.8262991999253817}},
    {instances,
     -1.4139980425518563,
     {0.76580777013737755,  -0.38289998042046225,  -0.3829077897169153,
      0.34086541732288728,  -0.19477335749920935,  -0.14609205982367815,
      0.28766263754542776,  -0.20136267785021131,  -0.086299959695216477,
      -0.69413934337947314, 0.27761372483062102,   0.41652561854885189,
      0.10851453446932552,  -0.085657100738484232, -0.022857433730841356,
      0.089820040633607115, 0.077844738758310536,  -0.16766477939191765,
      0.24805782803248022,  0.14361576597002837,   -0.39167359400250884,
      0.1315410337667024,   -0.074351292618314802, -0.057189741148387485},
     {-0.13191998724597864, -0.96138336925217049, 0.79491167887521286, -0.39884408744628286},
     {3.0121934277115194, -3.3524846632346343, 3.6256758954291985, -3.8262991999253817}},
    {batch,
     -1.5430975712018979,
     {0.73653047089328327,  -0.14493865565980729, -1.0186081008969232,   0.2289927894575069,
      0.015409155426698365, -0.33775832957601309, 0.2769807652673667,    -0.12031166531387415,
      -0.58014034701178607, -0.26162742839270514, -0.19781829913390164,  0.62968740164221648,
      0.50136903579541547,  0.65350908301268285,  -0.72786183314465136,  -0.0077885845982520645,
      0.26657860304494602,  -0.16543363375488618, -0.038075700520089656, 0.66190589945745693,
      -0.20035895187907368, 0.085536099062714574, -0.34269499342680515,  0.086917220248480989},
     {-0.7147349769573853, -0.77335510386923778, 1.0468702204390454, 0.04811591986154265},
     {3.0121934277115194, -3.3524846632346343, 3.6256758954291985, -3.8262991999253817}},
    {inference,
     2.4833087349893859,
     {1.4732267544830722,   0.79598781251383965,  -0.6130786533947441,  0.4894695236839372,
      0.32317278450271059,  -0.14024752236265337, 1.6975053980846011,   1.3328397724537331,
      -0.25723259326556386, -0.69316425183709574, -0.63834383843975839, 0.0033669561456542317,
      1.2431882288811615,   1.3368748767019822,   0.20144492819737034,  0.37560292843868448,
      0.4734835175972818,   0.13604554425805407,  1.1673879022023301,   1.7479518475186775,
      0.72145692531930283,  -0.41669820305090011, -0.76074423942465208, -0.40536553042318724},
     {-0.039122094730035695, -2.2650535804575394, 2.7519534650795161, -1.4759224064382321},
     {3.0121934277115194, -3.3524846632346343, 3.6256758954291985, -3.8262991999253817}},
};

static void assert_gradient(ky_tape *t, ky_var v, const double *want, int count) {
  ky_array g;
  assert_int_equal(ky_grad(t, v, &g), KY_OK);
  assert_int_equal(g.count, count);
  for (int k = 0; k < count; k++) assert_close(((const double *)g.data)[k], want[k], TOLERANCE);
}

static void normalisations_equal_pytorch(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, CHANNELS, 3), x_data);
  const ky_var weight = ky_input(t, KY_F64, KY_SHAPE(CHANNELS), weight_data);
  const ky_var bias = ky_input(t, KY_F64, KY_SHAPE(CHANNELS), bias_data);
  const ky_var wave =
      ky_reshape(t, ky_cos(t, ky_iota(t, KY_F64, ELEMENTS, 0)), KY_SHAPE(2, CHANNELS, 3));
  ky_watch(t, x), ky_watch(t, weight), ky_watch(t, bias);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double value;
    const ky_var r = ky_sum_all(t, ky_mul(t, cases[k].record(t, x, weight, bias), wave));
    assert_int_equal(ky_item(t, r, &value), KY_OK);
    assert_close(value, cases[k].value, TOLERANCE);
    assert_int_equal(ky_backward(t, r, NULL), KY_OK);
    assert_gradient(t, x, cases[k].x, ELEMENTS);
    assert_gradient(t, weight, cases[k].weight, CHANNELS);
    assert_gradient(t, bias, cases[k].bias, CHANNELS);
  }
  assert_int_equal(ky_tape_verify(t), KY_OK);
}

static void weight_and_bias_may_be_absent(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, CHANNELS, 3), x_data);
  const ky_var plain = ky_batchnorm(t, x, ky_none(), ky_none(), 0, NULL, NULL);
  double mean, square;
  assert_int_equal(ky_item(t, ky_mean_all(t, plain), &mean), KY_OK);
  assert_int_equal(ky_item(t, ky_mean_all(t, ky_square(t, plain)), &square), KY_OK);
  assert_close(mean, 0, TOLERANCE);
  assert_close(square, 1, TOLERANCE);
  assert_true(ky_instancenorm(t, x, ky_none(), ky_none(), 1e-5).id != 0);
  assert_true(ky_groupnorm(t, x, 4, ky_none(), ky_none(), 1e-5).id != 0);
}

static void running_statistics_move_towards_the_batch(void **state) {
  ky_tape *t = *state;
  double mean_data[CHANNELS] = {0}, variance_data[CHANNELS] = {1, 1, 1, 1};
  ky_tensor *mean, *variance;
  ky_var batch_mean, batch_variance;
  ky_array m, v;
  const ky_var x = ky_input(t, KY_F64, KY_SHAPE(2, CHANNELS, 3), x_data);
  ky_batchnorm(t, x, ky_none(), ky_none(), 1e-5, &batch_mean, &batch_variance);
  assert_int_equal(ky_data(t, batch_mean, &m), KY_OK);
  assert_int_equal(ky_data(t, batch_variance, &v), KY_OK);
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(CHANNELS), mean_data, &mean), KY_OK);
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(CHANNELS), variance_data, &variance),
                   KY_OK);
  const ky_status status = ky_batchnorm_update(mean, variance, &m, &v, 6, 0.1);
  const ky_status few = ky_batchnorm_update(mean, variance, &m, &v, 1, 0.1);
  const ky_status wild = ky_batchnorm_update(mean, variance, &m, &v, 6, 1.5);
  const ky_status null = ky_batchnorm_update(mean, NULL, &m, &v, 6, 0.1);
  v.dtype = KY_F32;
  const ky_status mixed = ky_batchnorm_update(mean, variance, &m, &v, 6, 0.1);
  v.dtype = KY_F64;
  v.count--;
  const ky_status short_one = ky_batchnorm_update(mean, variance, &m, &v, 6, 0.1);
  ky_tensor_free(mean);
  ky_tensor_free(variance);
  assert_int_equal(status, KY_OK);
  assert_int_equal(few, KY_BAD_ARGUMENT);
  assert_int_equal(wild, KY_BAD_ARGUMENT);
  assert_int_equal(null, KY_BAD_ARGUMENT);
  assert_int_equal(mixed, KY_BAD_DTYPE);
  assert_int_equal(short_one, KY_BAD_SHAPE);
  for (int k = 0; k < CHANNELS; k++) {
    assert_close(mean_data[k], running_mean[k], TOLERANCE);
    assert_close(variance_data[k], running_variance[k], TOLERANCE);
  }
}

static void refused(ky_tape *t, ky_var r, uint32_t length, ky_status status, const char *says) {
  assert_int_equal(r.id, 0);
  assert_int_equal(ky_tape_check(t), status);
  if (!strstr(ky_tape_message(t), says)) print_error("%s\n", ky_tape_message(t));
  assert_non_null(strstr(ky_tape_message(t), says));
  assert_int_equal(ky_tape_length(t), length);
}

static void refusals_name_the_normalisation(void **state) {
  ky_tape *t = *state;
  const ky_var x = ky_full(t, KY_F64, KY_SHAPE(2, 4, 3), 1), none = ky_none();
  const ky_var row = ky_full(t, KY_F64, KY_SHAPE(3), 1);
  const ky_var single = ky_full(t, KY_F32, KY_SHAPE(4), 1);
  const uint32_t n = ky_tape_length(t);
  refused(t, ky_groupnorm(t, x, 3, none, none, 0), n, KY_BAD_SHAPE,
          "groupnorm: 4 channels in 3 groups");
  refused(t, ky_groupnorm(t, x, 0, none, none, 0), n, KY_BAD_ARGUMENT, "groupnorm: ");
  refused(t, ky_instancenorm(t, row, none, none, 0), n, KY_BAD_SHAPE,
          "instancenorm: wants [n,c,...], got rank 1");
  refused(t, ky_batchnorm(t, x, row, none, 0, NULL, NULL), n, KY_BAD_SHAPE,
          "batchnorm: [3] does not fit 4 channels");
  refused(t, ky_batchnorm(t, x, single, none, 0, NULL, NULL), n, KY_BAD_DTYPE,
          "batchnorm: dtypes f64 and f32 differ");
  refused(t, ky_batchnorm(t, x, none, none, -1, NULL, NULL), n, KY_BAD_ARGUMENT,
          "batchnorm: eps is -1");
  refused(t, ky_batchnorm_inference(t, x, none, none, none, none, 0), n, KY_BAD_VAR,
          "batchnorm_inference: ");
}

/* ---- statistics of more than stays in the cache ------------------------------------------ */

/* The variance of the batch of x [batch,channels,width] about a mean that is 10,000 deviations
 * away: half of the digits would be lost if squares were subtracted. */
static void check_far_mean(ky_tape *t, int64_t batch, int64_t channels, int64_t width) {
  static double x[20000];
  assert_true(batch * channels * width <= 20000);
  for (int64_t i = 0; i < batch * channels * width; i++)
    x[i] = 1e4 + (double)(i * 2654435761 % 4294967296) / 4294967296 +
           (double)(i / width % channels);
  const ky_var in = ky_input(t, KY_F64, KY_SHAPE(batch, channels, width), x);
  ky_array v;
  assert_int_equal(ky_data(t, ky_variance(t, in, KY_AXES(0, 2), 0, 0), &v), KY_OK);
  for (int64_t c = 0; c < channels; c++) {
    long double mean = 0, square = 0;
    for (int64_t i = 0; i < batch * width; i++)
      mean += x[(i / width * channels + c) * width + i % width];
    mean /= (long double)(batch * width);
    for (int64_t i = 0; i < batch * width; i++) {
      const long double off = x[(i / width * channels + c) * width + i % width] - mean;
      square += off * off;
    }
    assert_close(((const double *)v.data)[c], (double)(square / (long double)(batch * width)),
                 1e-13);
  }
}

static void variances_of_many_keep_their_digits(void **state) {
  check_far_mean(*state, 1, 2, 10000); /* runs of more than a block */
  check_far_mean(*state, 7, 2, 1300);  /* runs that are blocks */
  check_far_mean(*state, 4000, 3, 1);  /* few columns */
  check_far_mean(*state, 61, 300, 1);  /* columns of more than a tile */
  check_far_mean(*state, 800, 5, 4);   /* runs too short to be blocks */
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
      cmocka_unit_test_setup_teardown(normalisations_equal_pytorch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(weight_and_bias_may_be_absent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(running_statistics_move_towards_the_batch, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(variances_of_many_keep_their_digits, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refusals_name_the_normalisation, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
