/* SPDX-License-Identifier: MIT */
/* Kernels of layers at every instruction-set level that this machine can run, against the plain
 * level: pooling, recurrent cells, attention, convolution, triangles. */
#include "kernel_levels.h"

/* Roundings of sums, of exponentials and of what is divided by them; FMA leaves some out. */
#define ULPS 64

static array in[6], got[8], want[8];

static void draw_operands(ky_dtype dtype, double low, double high, int special) {
  for (int k = 0; k < LIST(in); k++) draw(dtype, &in[k], 3 * LONG, low, high, special);
}

static void start_results(void) {
  memcpy(got, in, sizeof in);
  memcpy(want, in, sizeof in);
}

static void expect_close(const ky_kernels *kernels, ky_dtype dtype, const char *what,
                         int count) {
  for (int k = 0; k < LIST(got); k++)
    for (int i = 0; i < count; i++) {
      const double is = get(dtype, &got[k], i), wanted = get(dtype, &want[k], i);
      EXPECT(same(is, wanted) || within(dtype, is, wanted, ULPS, 1),
             "%s, %s: %s, array %d, element %d is %a, plain %a\n", kernels->level,
             ky_dtype_name(dtype), what, k, i, is, wanted);
    }
}

/* ---- pooling ----------------------------------------------------------------------------- */

static void call_pool(const ky_pool_kernels *k, ky_dtype dtype, ky_pool s, int32_t *at,
                      array r[8]) {
  s.x = &in[0];
  s.g = &in[1];
  s.at = at;
  s.r = &r[0];
  k->max[dtype](&s);
  s.gx = &r[1];
  k->max_pull[dtype](&s);
  s.r = &r[2];
  k->mean[dtype](&s);
  s.gx = &r[3];
  k->mean_pull[dtype](&s);
}

static void check_pool(const ky_kernels *kernels, ky_dtype dtype) {
  static int32_t at_got[3 * LONG], at_want[3 * LONG];
  for (int special = -1; special < 1; special++)
    for (int64_t kernel = 1; kernel < 4; kernel++)
      for (int64_t stride = 1; stride < 4; stride++)
        for (int64_t width = 3; width < 40; width++) {
          const int64_t pad = kernel / 2;
          ky_pool s = {.planes = 3, .beta = (int)(width & 1)};
          for (int k = 0; k < 2; k++) {
            s.in[k] = k ? width : 5;
            s.kernel[k] = kernel;
            s.stride[k] = stride;
            s.padding[k] = pad;
            s.out[k] = (s.in[k] + 2 * pad - kernel) / stride + 1;
          }
          draw_operands(dtype, -2, 2, special);
          start_results();
          call_pool(kernels->pool, dtype, s, at_got, got);
          call_pool(ky__kernels_at(KY_LEVEL_plain)->pool, dtype, s, at_want, want);
          const size_t count = (size_t)(3 * s.out[0] * s.out[1]);
          assert_memory_equal(at_got, at_want, count * sizeof *at_got);
          expect_close(kernels, dtype, "pool", 3 * 5 * (int)width);
        }
}

static void pools_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_pool);
}

/* ---- recurrent cells --------------------------------------------------------------------- */

static void call_cells(const ky_recurrent_kernels *k, ky_dtype dtype, size_t n, bool first,
                       array r[8]) {
  ky_lstm_rows c = {.rows = 3,
                    .n = n,
                    .gates = &r[0],
                    .previous = first ? NULL : &in[1],
                    .cell = &r[1],
                    .out = &r[2],
                    .g = &in[2],
                    .more = first ? NULL : &in[3],
                    .cell_adjoint = &r[3],
                    .gates_adjoint = &r[4]};
  k->map_lstm[dtype](&c);
  k->pull_lstm[dtype](&c);
}

static void call_gru(const ky_recurrent_kernels *k, ky_dtype dtype, size_t n, bool first,
                     array r[8]) {
  ky_gru_rows c = {.rows = 3,
                   .n = n,
                   .x = &in[0],
                   .h = &in[1],
                   .previous = first ? NULL : &in[2],
                   .saved = &r[0],
                   .out = &r[1],
                   .g = &in[3],
                   .more = first ? NULL : &in[4],
                   .x_adjoint = &r[2],
                   .h_adjoint = &r[3],
                   .previous_adjoint = &r[4]};
  k->map_gru[dtype](&c);
  k->pull_gru[dtype](&c);
}

static void check_recurrent(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_recurrent_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->recurrent;
  for (size_t n = 0; n < SOME; n++)
    for (int first = 0; first < 2; first++) {
      draw_operands(dtype, -3, 3, -1);
      start_results();
      call_cells(kernels->recurrent, dtype, n, first, got);
      call_cells(plain, dtype, n, first, want);
      expect_close(kernels, dtype, "lstm", 12 * SOME);
      start_results();
      call_gru(kernels->recurrent, dtype, n, first, got);
      call_gru(plain, dtype, n, first, want);
      expect_close(kernels, dtype, "gru", 12 * SOME);
    }
}

static void recurrent_cells_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_recurrent);
}

/* ---- convolution ------------------------------------------------------------------------- */

static void call_conv(const ky_conv_kernels *k, ky_dtype dtype, size_t n, int step,
                      array r[8]) {
  const ptrdiff_t tap_at[3] = {0, 1, 5};
  ky_stencil s = {.count = n,
                  .taps = 3,
                  .r = &r[0],
                  .r_step = step,
                  .a = &in[0],
                  .a_step = step,
                  .tap_at = tap_at,
                  .w = &in[1],
                  .start = 0.5,
                  .adds = n & 1};
  k->stencil[dtype](&s);
  memset(&r[1], 0, sizeof r[1]);
  s.r = &in[2];
  k->stencil_taps[dtype](&s, &r[1]);
  k->stencil_total[dtype](3, &r[2], (int)(n & 1), &r[1]);
  memset(&r[1], 0, sizeof r[1]); /* as many lanes as a level likes */
  k->transpose[dtype](n, 7, &r[3], 9, (int)(n & 1), &in[3], (ptrdiff_t)n);
  const ky_margin m = {.height = 6,
                       .width = n + 3,
                       .top = 1,
                       .rows = 4,
                       .left = 2,
                       .columns = n,
                       .dst = &r[4],
                       .src = &in[4],
                       .src_row = step * (ptrdiff_t)n,
                       .src_column = step};
  k->margin[dtype](&m);
}

static void check_conv(const ky_kernels *kernels, ky_dtype dtype) {
  for (size_t n = 1; n < SOME; n++)
    for (int step = 1; step < 3; step++) {
      draw_operands(dtype, -1, 1, -1);
      start_results();
      call_conv(kernels->conv, dtype, n, step, got);
      call_conv(ky__kernels_at(KY_LEVEL_plain)->conv, dtype, n, step, want);
      expect_close(kernels, dtype, "conv", 10 * SOME);
    }
}

static void convolutions_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_conv);
}

/* ---- attention --------------------------------------------------------------------------- */

static void call_attention(const ky_attention_kernels *k, ky_dtype dtype, size_t n, bool causal,
                           bool masked, array r[8]) {
  ky_attention_tile t = {.rows = 5,
                         .n = n,
                         .causal = causal,
                         .first = 3,
                         .scale = 0.5,
                         .mask = masked ? &in[5] : NULL,
                         .mask_row = (ptrdiff_t)n,
                         .mask_step = 1,
                         .scores = &r[0],
                         .lse = &r[1],
                         .factor = &r[2]};
  k->map[dtype](&t);
  memcpy(&r[4], &in[0], sizeof r[4]);
  t.scores = &r[4];
  t.adjoint = &r[3];
  t.mask_adjoint = masked ? &r[5] : NULL;
  t.adjoint_row = (ptrdiff_t)n;
  t.adjoint_step = 1;
  k->pull[dtype](&t);
}

static void check_attention(const ky_kernels *kernels, ky_dtype dtype) {
  for (size_t n = 1; n < SOME; n++)
    for (int kind = 0; kind < 4; kind++) {
      draw_operands(dtype, -3, 3, -1);
      start_results();
      call_attention(kernels->attention, dtype, n, kind & 1, kind & 2, got);
      call_attention(ky__kernels_at(KY_LEVEL_plain)->attention, dtype, n, kind & 1, kind & 2,
                     want);
      expect_close(kernels, dtype, "attention", 5 * SOME);
    }
}

static void attention_agrees_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_attention);
}

/* ---- triangles --------------------------------------------------------------------------- */

static void call_triangle(const ky_triangle_kernels *k, ky_dtype dtype, int n, array r[8],
                          int32_t *pivots) {
  const ky_matrix a = {&in[0], n, 1};
  k->solve[dtype]((size_t)n, 5, a, n & 1, &r[1], 5);
  assert_int_equal(k->cholesky[dtype]((size_t)n, &r[2], n), n);
  assert_int_equal(k->lu[dtype]((size_t)n, (size_t)n, 0, (size_t)n, &r[3], pivots), n);
  k->negate[dtype](5, (size_t)n, &r[4], n, &in[4], n);
  k->reflect[dtype]((size_t)n, 0.5, &r[5], n, &r[5], n);
  k->pull_cholesky[dtype]((size_t)n, &r[2], n, &r[6], n);
}

static void check_triangle(const ky_kernels *kernels, ky_dtype dtype) {
  int32_t pivots[2][40];
  for (int n = 1; n < 40; n++) {
    draw_operands(dtype, -1.0 / n, 1.0 / n, -1);
    for (int k = 0; k < LIST(in); k++) /* well conditioned */
      for (int i = 0; i < n; i++) put(dtype, &in[k], i * n + i, 2);
    start_results();
    call_triangle(kernels->triangle, dtype, n, got, pivots[0]);
    call_triangle(ky__kernels_at(KY_LEVEL_plain)->triangle, dtype, n, want, pivots[1]);
    assert_memory_equal(pivots[0], pivots[1], (size_t)n * sizeof **pivots);
    expect_close(kernels, dtype, "triangle", n * n);
  }
}

static void triangles_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_triangle);
}

/* ---- rotary embedding -------------------------------------------------------------------- */

/* Far out, where an ulp of a frequency is many of its sines: every level has libm's powers. */
static void check_tables(const ky_kernels *kernels, ky_dtype dtype) {
  for (size_t pairs = 1; pairs < SOME; pairs++) {
    start_results();
    kernels->rope->table[dtype](3, pairs, 1e6, 1e4, &got[0], &got[1]);
    ky__kernels_at(KY_LEVEL_plain)->rope->table[dtype](3, pairs, 1e6, 1e4, &want[0], &want[1]);
    expect_close(kernels, dtype, "rope's table", 3 * (int)pairs);
  }
}

static void tables_agree_with_the_plain_level(void **state) {
  (void)state;
  each_level(check_tables);
}

/* Products and sums alone: the bits of the plain level, for one table. */
static void check_rotations(const ky_kernels *kernels, ky_dtype dtype) {
  const ky_rope_kernels *plain = ky__kernels_at(KY_LEVEL_plain)->rope;
  for (size_t pairs = 1; pairs < SOME; pairs++)
    for (int kind = 0; kind < 8; kind++) {
      const bool neighbours = kind & 1, back = kind & 2;
      draw_operands(dtype, -3, 3.3, -1); /* with all digits: their products are rounded */
      start_results();
      kernels->rope->rotate[dtype](3, pairs, neighbours, back, &got[0], kind >> 2, &in[1],
                                   2 * (ptrdiff_t)pairs, 1, &in[2], &in[3]);
      plain->rotate[dtype](3, pairs, neighbours, back, &want[0], kind >> 2, &in[1],
                           2 * (ptrdiff_t)pairs, 1, &in[2], &in[3]);
      for (ptrdiff_t i = 0; i < 6 * (ptrdiff_t)pairs; i++)
        EXPECT(same(get(dtype, &got[0], i), get(dtype, &want[0], i)),
               "%s, %s: %zu pairs, kind %d, element %td\n", kernels->level,
               ky_dtype_name(dtype), pairs, kind, i);
    }
}

static void rotations_have_the_bits_of_the_plain_level(void **state) {
  (void)state;
  each_level(check_rotations);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pools_agree_with_the_plain_level),
      cmocka_unit_test(recurrent_cells_agree_with_the_plain_level),
      cmocka_unit_test(convolutions_agree_with_the_plain_level),
      cmocka_unit_test(attention_agrees_with_the_plain_level),
      cmocka_unit_test(triangles_agree_with_the_plain_level),
      cmocka_unit_test(tables_agree_with_the_plain_level),
      cmocka_unit_test(rotations_have_the_bits_of_the_plain_level),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
