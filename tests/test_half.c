/* SPDX-License-Identifier: MIT */
/* bf16 and f16: every pattern is converted exactly and back, at every level; what lies between
 * two is rounded to the nearest, to even on a tie. Weights and inputs of these types on tapes
 * and in programs. */
#include <math.h>
#include <string.h>

#include "close.h"
#include "kernels/kernels.h"
#include "kytape/gradcheck.h"
#include "kytape/nn.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"

#define PATTERNS 65536

static uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* What a pattern means, by the definition of the format. */
static double meaning(ky_dtype dtype, uint16_t h) {
  const int mantissa_bits = dtype == KY_F16 ? 10 : 7, bias = dtype == KY_F16 ? 15 : 127;
  const int exponent = h >> mantissa_bits & (dtype == KY_F16 ? 31 : 255);
  const int mantissa = h & ((1 << mantissa_bits) - 1), sign = h >> 15 ? -1 : 1;
  if (exponent == 2 * bias + 1) return mantissa ? (double)NAN : sign * (double)INFINITY;
  if (exponent == 0) return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

static bool is_nan(ky_dtype dtype, uint16_t h) { return isnan(meaning(dtype, h)); }

/* The quiet NaN that a pattern becomes. */
static uint16_t quiet(ky_dtype dtype, uint16_t h) {
  return (uint16_t)(h | (dtype == KY_F16 ? 0x200 : 0x40));
}

static const ky_dtype halves[2] = {KY_BF16, KY_F16};

typedef void check_kernels(const ky_half_kernels *k, ky_dtype dtype);

static void at_each_level(check_kernels *check) {
  for (int level = 0; level < KY_LEVEL_COUNT; level++) {
    const ky_kernels *kernels = ky__kernels_at((ky_level)level);
    for (int d = 0; kernels && d < 2; d++) check(kernels->half, halves[d]);
  }
}

static uint16_t pattern[PATTERNS], back[PATTERNS];
static float wide[PATTERNS];

static void check_patterns(const ky_half_kernels *k, ky_dtype dtype) {
  for (int h = 0; h < PATTERNS; h++) pattern[h] = (uint16_t)h;
  k->widen[dtype - KY_BF16](PATTERNS, wide, pattern);
  k->narrow[dtype - KY_BF16](PATTERNS, back, wide);
  for (int h = 0; h < PATTERNS; h++) {
    const bool nan = is_nan(dtype, pattern[h]);
    const uint16_t want = nan ? quiet(dtype, pattern[h]) : pattern[h];
    assert_int_equal(back[h], want);
    assert_int_equal(isnan(wide[h]) != 0, nan);
    if (!nan) assert_true((double)wide[h] == meaning(dtype, pattern[h]));
    assert_int_equal(signbit(wide[h]) != 0, h >> 15);
    if (nan) { /* sign and payload in the same place at every level */
      const uint32_t shift = dtype == KY_F16 ? 13 : 16, kept = dtype == KY_F16 ? 0x3FF : 0x7F;
      assert_int_equal(bits_of(wide[h]) >> shift & (kept >> 1), pattern[h] & (kept >> 1));
    }
  }
}

static void every_pattern_is_exact(void **state) {
  (void)state;
  at_each_level(check_patterns);
}

/* Between each pattern and the next: just below the middle, the middle, just above. */
static void check_rounding(const ky_half_kernels *k, ky_dtype dtype) {
  const uint16_t infinity = dtype == KY_F16 ? 0x7C00 : 0x7F80;
  for (uint32_t h = 0; h < infinity; h++) {
    const float low = (float)meaning(dtype, (uint16_t)h);
    /* the step that would follow the largest leads to infinity */
    const float high = h + 1 < infinity  ? (float)meaning(dtype, (uint16_t)(h + 1))
                       : dtype == KY_F16 ? 65536.0f
                                         : INFINITY;
    const uint32_t middle = dtype == KY_BF16
                                ? (h << 16) + 0x8000
                                : bits_of((float)(((double)low + (double)high) / 2));
    const uint16_t even = (uint16_t)(h + (h & 1));
    float x[6];
    uint16_t r[6];
    for (uint32_t n = 0; n < 3; n++) {
      x[n] = float_of(middle + n - 1);
      x[n + 3] = -x[n];
    }
    const uint16_t want[3] = {(uint16_t)h, even, (uint16_t)(h + 1)};
    k->narrow[dtype - KY_BF16](6, r, x);
    for (int n = 0; n < 6; n++) assert_int_equal(r[n], want[n % 3] | (n >= 3) << 15);
  }
}

static void rounds_to_nearest_even(void **state) {
  (void)state;
  at_each_level(check_rounding);
}

/* All bits of f32 that matter to a decision, at each level as at the plain one. */
static void check_sweep(const ky_half_kernels *k, ky_dtype dtype) {
  const ky_half_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->half;
  for (uint32_t begin = 0; begin < 0xFFFFFFFFu - 65536u * 257; begin += 65536u * 251) {
    for (uint32_t n = 0; n < PATTERNS; n++) wide[n] = float_of(begin + n * 251);
    plain->narrow[dtype - KY_BF16](PATTERNS, pattern, wide);
    k->narrow[dtype - KY_BF16](PATTERNS - 3, back, wide); /* an odd tail */
    assert_memory_equal(back, pattern, (PATTERNS - 3) * sizeof *back);
  }
}

static void levels_agree(void **state) {
  (void)state;
  at_each_level(check_sweep);
}

/* ---- the public conversions -------------------------------------------------------------- */

static void doubles_are_rounded_once(void **state) {
  (void)state;
  /* a tie of f16 after rounding to f32, but above or below it before */
  const double x[4] = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, 1 + 3 * 0x1p-11 - 0x1p-40, 1e300};
  const uint16_t want[4] = {0x3C01, 0x3C00, 0x3C01, 0x7C00};
  uint16_t r[4];
  assert_int_equal(ky_convert(KY_F16, r, KY_F64, x, 4), KY_OK);
  assert_memory_equal(r, want, sizeof r);
  const double y[3] = {1 + 0x1p-8 + 0x1p-40, -0x1p-200, (double)NAN};
  assert_int_equal(ky_convert(KY_BF16, r, KY_F64, y, 3), KY_OK);
  assert_int_equal(r[0], 0x3F81);
  assert_int_equal(r[1], 0x8000);
  assert_true(is_nan(KY_BF16, r[2]));
}

static void conversions_go_all_ways(void **state) {
  (void)state;
  static const ky_dtype all[4] = {KY_F32, KY_F64, KY_BF16, KY_F16};
  enum { COUNT = 600 };
  static double x[COUNT], y[COUNT];
  static char a[COUNT * sizeof(double)], b[COUNT * sizeof(double)];
  for (int k = 0; k < COUNT; k++) x[k] = (k % 65 - 32) * 0.125;
  for (int from = 0; from < 4; from++)
    for (int to = 0; to < 4; to++) {
      assert_int_equal(ky_convert(all[from], a, KY_F64, x, COUNT), KY_OK);
      assert_int_equal(ky_convert(all[to], b, all[from], a, COUNT), KY_OK);
      assert_int_equal(ky_convert(KY_F64, y, all[to], b, COUNT), KY_OK);
      assert_memory_equal(x, y, sizeof x);
    }
}

static void bad_conversions_are_refused(void **state) {
  (void)state;
  float x = 1;
  uint16_t h = 0;
  ky_tensor *w;
  assert_int_equal(ky_convert(KY_I32, &h, KY_F32, &x, 1), KY_BAD_DTYPE);
  assert_int_equal(ky_convert(KY_F16, &h, KY_MASK, &x, 1), KY_BAD_DTYPE);
  assert_int_equal(ky_convert(KY_F16, NULL, KY_F32, &x, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_convert(KY_F16, &h, KY_F32, NULL, 1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_convert(KY_F16, &h, KY_F32, &x, -1), KY_BAD_ARGUMENT);
  assert_int_equal(ky_convert(KY_F16, NULL, KY_F32, NULL, 0), KY_OK);
  assert_int_equal(ky_tensor_new(NULL, KY_F16, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_tensor_assign(NULL, KY_F32, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_assign(w, KY_F32, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_assign(w, KY_I64, &x), KY_BAD_DTYPE);
  assert_int_equal(ky_tensor_version(w), 0);
  assert_int_equal(ky_tensor_read(NULL, KY_F32, &x), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_read(w, KY_F32, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_tensor_read(w, KY_I64, &x), KY_BAD_DTYPE);
  ky_tensor_free(w);
}

/* ---- on tapes ---------------------------------------------------------------------------- */

/* loss = mean(tanh(x w' + b)^2), x and w halves, b of rank 0 a half, too. The other net has the
 * same numbers in f32. */
typedef struct net {
  ky_tape *t;
  ky_tensor *w, *b;
  uint16_t x[6];
  float wide[6];
  ky_var in, loss;
} net;

static const float numbers[12] = {0.3f, -1.2f, 2.5f,  1.0f, 0.4f,  -0.7f,
                                  0.9f, -0.3f, 0.25f, 1.5f, -0.6f, 0.05f};

static void make(net *n, ky_dtype dtype, ky_dtype as) {
  uint16_t w[12], b[1];
  float w32[12], b32[1];
  assert_int_equal(ky_convert(dtype, n->x, KY_F32, numbers + 2, 6), KY_OK);
  assert_int_equal(ky_convert(dtype, w, KY_F32, numbers, 12), KY_OK);
  assert_int_equal(ky_convert(dtype, b, KY_F32, numbers + 5, 1), KY_OK);
  ky_convert(KY_F32, n->wide, dtype, n->x, 6);
  ky_convert(KY_F32, w32, dtype, w, 12);
  ky_convert(KY_F32, b32, dtype, b, 1);
  assert_int_equal(ky_tensor_new(NULL, as, KY_SHAPE(4, 3), &n->w), KY_OK);
  assert_int_equal(ky_tensor_new(NULL, as, KY_SCALAR, &n->b), KY_OK);
  assert_int_equal(ky_tensor_assign(n->w, KY_F32, w32), KY_OK);
  assert_int_equal(ky_tensor_assign(n->b, KY_F32, b32), KY_OK);
  n->t = ky_tape_new(NULL);
  const void *data = as == KY_F32 ? (const void *)n->wide : n->x;
  n->in = ky_input(n->t, as, KY_SHAPE(2, 3), data);
  const ky_var y = ky_linear(n->t, n->in, ky_param(n->t, n->w), ky_none());
  n->loss =
      ky_mean_all(n->t, ky_square(n->t, ky_tanh(n->t, ky_add(n->t, y, ky_param(n->t, n->b)))));
  assert_int_equal(ky_tape_check(n->t), KY_OK);
}

static void drop(net *n) {
  ky_tape_free(n->t);
  ky_tensor_free(n->w);
  ky_tensor_free(n->b);
}

static void same_grads(const ky_grads *got, const ky_grads *want) {
  assert_int_equal(got->count, 2);
  assert_int_equal(want->count, 2);
  assert_memory_equal(got->pairs[0].grad, want->pairs[0].grad, 12 * sizeof(float));
  assert_memory_equal(got->pairs[1].grad, want->pairs[1].grad, sizeof(float));
}

static void tapes_compute_as_with_f32(void **state) {
  (void)state;
  for (int d = 0; d < 2; d++) {
    net half, full;
    make(&half, halves[d], halves[d]);
    make(&full, halves[d], KY_F32);
    double got, want;
    ky_grads gh, gf;
    ky_array array;
    assert_int_equal(ky_item(half.t, half.loss, &got), KY_OK);
    assert_int_equal(ky_item(full.t, full.loss, &want), KY_OK);
    assert_close(got, want, 0);
    assert_int_equal(ky_backward(half.t, half.loss, &gh), KY_OK);
    assert_int_equal(ky_backward(full.t, full.loss, &gf), KY_OK);
    same_grads(&gh, &gf);
    assert_int_equal(ky_data(half.t, half.in, &array), KY_OK);
    assert_int_equal(array.dtype, KY_F32);
    assert_memory_equal(array.data, half.wide, sizeof half.wide);
    assert_int_equal(ky_tape_verify(half.t), KY_OK);
    const ky_var wrt[3] = {half.in, gh.pairs[0].var, gh.pairs[1].var};
    assert_int_equal(ky_gradcheck(half.t, half.loss, wrt, 3, NULL, NULL), KY_OK);
    assert_int_equal(ky_item(half.t, half.loss, &got), KY_OK);
    assert_close(got, want, 0);
    drop(&half);
    drop(&full);
  }
}

static void programs_compute_as_with_f32(void **state) {
  (void)state;
  for (int d = 0; d < 2; d++) {
    net n[2];
    ky_program *p[2];
    ky_exec *e[2];
    ky_grads g[2];
    double loss[2];
    make(&n[0], halves[d], halves[d]);
    make(&n[1], halves[d], KY_F32);
    for (int k = 0; k < 2; k++) {
      assert_int_equal(ky_compile(n[k].t, n[k].loss, NULL, &p[k]), KY_OK);
      assert_int_equal(ky_exec_new(p[k], NULL, &e[k]), KY_OK);
      assert_int_equal(ky_exec_step(e[k], &g[k]), KY_OK);
      assert_int_equal(ky_exec_item(e[k], n[k].loss, &loss[k]), KY_OK);
    }
    assert_close(loss[0], loss[1], 0);
    same_grads(&g[0], &g[1]);
    assert_int_equal(ky_program_memory(p[0]).weights, 13 * 2);
    assert_int_equal(ky_program_memory(p[1]).weights, 13 * 4);
    const int64_t dims[2] = {2, 3}, strides[2] = {3, 1};
    ky_array array = {.data = n[0].wide, .dtype = KY_F32, .rank = 2, .count = 6};
    memcpy(array.dims, dims, sizeof dims);
    memcpy(array.strides, strides, sizeof strides);
    assert_int_equal(ky_exec_bind(e[0], n[0].in, &array), KY_BAD_DTYPE);
    array.dtype = halves[d];
    array.data = n[0].x;
    assert_int_equal(ky_exec_bind(e[0], n[0].in, &array), KY_OK);
    for (int k = 0; k < 2; k++) {
      ky_exec_free(e[k]);
      ky_program_free(p[k]);
      drop(&n[k]);
    }
  }
}

static void dump_shows_the_storage(void **state) {
  (void)state;
  net n;
  make(&n, KY_F16, KY_F16);
  FILE *out = tmpfile();
  assert_non_null(out);
  assert_int_equal(ky_tape_dump(n.t, out), KY_OK);
  char text[2048] = "";
  rewind(out);
  text[fread(text, 1, sizeof text - 1, out)] = '\0';
  fclose(out);
  assert_non_null(strstr(text, "input   #0 from f16  f32  [2,3]"));
  assert_non_null(strstr(text, "param   #1 from f16  f32  [4,3]"));
  drop(&n);
}

static void changed_weights_are_noticed(void **state) {
  (void)state;
  net n;
  make(&n, KY_BF16, KY_BF16);
  assert_int_equal(ky_backward(n.t, n.loss, NULL), KY_OK);
  assert_int_equal(ky_tensor_assign(n.w, KY_F32, numbers), KY_OK);
  assert_int_equal(ky_backward(n.t, n.loss, NULL), KY_STALE);
  assert_int_equal(ky_forward(n.t), KY_OK);
  assert_int_equal(ky_backward(n.t, n.loss, NULL), KY_OK);
  drop(&n);
}

static void values_are_never_halves(void **state) {
  (void)state;
  static const uint16_t x[3] = {0};
  ky_tape *t = ky_tape_new(NULL);
  for (int d = 0; d < 2; d++) {
    const ky_var v = ky_input(t, halves[d], KY_SHAPE(3), x);
    assert_int_equal(ky_constant(t, halves[d], KY_SHAPE(3), x).id, 0);
    assert_int_equal(ky_tape_check(t), KY_BAD_DTYPE);
    assert_int_equal(ky_full(t, halves[d], KY_SHAPE(3), 1).id, 0);
    assert_int_equal(ky_tape_check(t), KY_BAD_DTYPE);
    assert_int_equal(ky_cast(t, v, halves[d]).id, 0);
    assert_int_equal(ky_tape_check(t), KY_BAD_DTYPE);
    assert_non_null(strstr(ky_tape_message(t), "cast: [3]: values cannot be of dtype"));
  }
  ky_tape_free(t);
}

static void initialisers_round_what_f32_would_get(void **state) {
  (void)state;
  enum { COUNT = 601 };
  static float got[COUNT], full[COUNT];
  static uint16_t want[COUNT];
  ky_tensor *w[3];
  for (int d = 0; d < 2; d++) {
    ky_rng rng[2];
    for (int k = 0; k < 2; k++) {
      assert_int_equal(ky_tensor_new(NULL, k ? KY_F32 : halves[d], KY_SHAPE(COUNT), &w[k]),
                       KY_OK);
      rng[k] = ky_rng_seed(7, 1);
      assert_int_equal(ky_init_normal(w[k], &rng[k], 0.5, 2), KY_OK);
    }
    assert_int_equal(rng[0].position, rng[1].position);
    ky_tensor_read(w[1], KY_F32, full);
    ky_convert(halves[d], want, KY_F32, full, COUNT);
    assert_memory_equal(ky_tensor_data(w[0]), want, sizeof want);
    assert_int_equal(ky_init_constant(w[0], 0.3), KY_OK);
    ky_tensor_read(w[0], KY_F32, got);
    assert_close((double)got[COUNT - 1], 0.3, 0.3 * 0x1p-8);
    assert_int_equal(ky_init_uniform(w[0], &rng[0], 1, 1), KY_BAD_ARGUMENT);
    assert_int_equal(ky_tensor_version(w[0]), 2);
    for (int k = 0; k < 2; k++) ky_tensor_free(w[k]);
  }
}

static void layers_can_be_halves(void **state) {
  (void)state;
  ky_rng rng = ky_rng_seed(3, 0);
  ky_module *layer;
  assert_int_equal(ky_nn_linear(NULL, KY_BF16, 3, 4, 1, &rng, &layer), KY_OK);
  assert_int_equal(ky_tensor_dtype(ky_module_weight(layer, 0)), KY_BF16);
  ky_tape *t = ky_tape_new(NULL);
  const ky_var x = ky_input(t, KY_F32, KY_SHAPE(2, 3), numbers);
  const ky_var loss = ky_mean_all(t, ky_square(t, ky_module_forward(t, layer, x)));
  assert_int_equal(ky_gradcheck(t, loss, NULL, 0, NULL, NULL), KY_OK);
  ky_tape_free(t);
  ky_module_free(layer);
}

/* The steps of a half: computed in f32, rounded back. */
static void sgd_steps_halves(void **state) {
  (void)state;
  for (int d = 0; d < 2; d++)
    for (int compiled = 0; compiled < 2; compiled++) {
      net n;
      make(&n, halves[d], halves[d]);
      float before[12], want[12];
      uint16_t rounded[12];
      ky_tensor_read(n.w, KY_F32, before);
      ky_grads grads;
      assert_int_equal(ky_backward(n.t, n.loss, &grads), KY_OK);
      const float *g = grads.pairs[0].grad;
      for (int k = 0; k < 12; k++) want[k] = before[k] - 0.5f * g[k];
      ky_convert(halves[d], rounded, KY_F32, want, 12);
      ky_optimizer *sgd;
      assert_int_equal(ky_sgd_new(NULL, 0.5, NULL, &sgd), KY_OK);
      if (compiled) {
        ky_program *p;
        ky_exec *e;
        const ky_compile_options o = {.size = sizeof o, .updates = 1, .fuse_least = 1};
        const ky_exec_options r = {.size = sizeof r, .update = ky_optimizer_update(sgd)};
        assert_int_equal(ky_compile(n.t, n.loss, &o, &p), KY_OK);
        assert_int_equal(ky_exec_new(p, &r, &e), KY_OK);
        assert_int_equal(ky_exec_step(e, NULL), KY_OK);
        ky_exec_free(e);
        ky_program_free(p);
      } else {
        assert_int_equal(ky_optimizer_step(sgd, &grads), KY_OK);
      }
      assert_memory_equal(ky_tensor_data(n.w), rounded, sizeof rounded);
      assert_int_equal(ky_tensor_version(n.w), 2);
      ky_optimizer_free(sgd);
      drop(&n);
    }
}

/* Adam with state, several chunks of it: what f32 does from the same numbers, rounded after
 * each step.
 */
static void adam_steps_halves(void **state) {
  (void)state;
  enum { COUNT = 601 };
  static float g[COUNT], full[COUNT];
  static uint16_t want[COUNT];
  for (int k = 0; k < COUNT; k++) g[k] = (float)((k % 29) - 14) * 0.07f;
  for (int d = 0; d < 2; d++) {
    ky_tensor *w[2];
    ky_optimizer *adam[2];
    for (int k = 0; k < 2; k++) {
      assert_int_equal(ky_tensor_new(NULL, k ? KY_F32 : halves[d], KY_SHAPE(COUNT), &w[k]),
                       KY_OK);
      assert_int_equal(ky_init_constant(w[k], 0.5), KY_OK);
      assert_int_equal(ky_adam_new(NULL, 0.01, NULL, &adam[k]), KY_OK);
    }
    for (int step = 0; step < 3; step++) {
      for (int k = 0; k < 2; k++) {
        const ky_grad_pair pair = {w[k], g, ky_none()};
        assert_int_equal(ky_optimizer_step(adam[k], &(ky_grads){1, &pair}), KY_OK);
      }
      ky_tensor_read(w[1], KY_F32, full);
      ky_convert(halves[d], want, KY_F32, full, COUNT);
      assert_memory_equal(ky_tensor_data(w[0]), want, sizeof want);
      assert_int_equal(ky_tensor_assign(w[1], halves[d], want), KY_OK);
    }
    for (int k = 0; k < 2; k++) {
      ky_optimizer_free(adam[k]);
      ky_tensor_free(w[k]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_pattern_is_exact),
      cmocka_unit_test(rounds_to_nearest_even),
      cmocka_unit_test(levels_agree),
      cmocka_unit_test(doubles_are_rounded_once),
      cmocka_unit_test(conversions_go_all_ways),
      cmocka_unit_test(bad_conversions_are_refused),
      cmocka_unit_test(tapes_compute_as_with_f32),
      cmocka_unit_test(programs_compute_as_with_f32),
      cmocka_unit_test(dump_shows_the_storage),
      cmocka_unit_test(changed_weights_are_noticed),
      cmocka_unit_test(values_are_never_halves),
      cmocka_unit_test(initialisers_round_what_f32_would_get),
      cmocka_unit_test(layers_can_be_halves),
      cmocka_unit_test(sgd_steps_halves),
      cmocka_unit_test(adam_steps_halves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
