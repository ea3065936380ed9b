/* SPDX-License-Identifier: MIT */
/* Executions with several threads: the bits of one thread, for random tapes and for shapes that
 * are shared out in many ways; and what goes wrong. A grain of 1 has every instruction shared
 * that can be. KYTAPE_TAPES=n sets how many tapes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/nn.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"
#include "kytape/rng.h"
#include "random_tape.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  #define TAPES 300
#else
  #define TAPES 10000
#endif

static const int threads[] = {1, 2, 3, 4, 7};
enum { COUNTS = sizeof threads / sizeof *threads, GRADS = 512 };

static ky_exec *start(const ky_program *p, int count) {
  const ky_exec_options o = {.size = sizeof o, .threads = count, .grain = 1};
  ky_exec *e;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
  return e;
}

static uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 29;
}

/* Of floats; NaNs are all one, as processors choose between those of two operands. */
static uint64_t hash(uint64_t h, ky_dtype dtype, const void *data, int64_t count) {
  for (int64_t k = 0; k < count; k++) {
    uint64_t word = 0;
    const size_t size = ky_dtype_size(dtype);
    memcpy(&word, (const char *)data + (size_t)k * size, size);
    const bool nan =
        dtype == KY_F64 ? isnan(((const double *)data)[k]) : isnan(((const float *)data)[k]);
    h = mix(h, nan ? 1 : word);
  }
  return h;
}

#define HASH_START 0xcbf29ce484222325u

/* Of the root and all gradients after one step. */
static uint64_t bits_of_step(ky_exec *e, ky_var root) {
  ky_grads grads;
  assert_int_equal(ky_exec_step(e, &grads), KY_OK);
  ky_array value;
  assert_int_equal(ky_exec_data(e, root, &value), KY_OK);
  uint64_t h = hash(HASH_START, value.dtype, value.data, value.count);
  for (size_t k = 0; k < grads.count; k++) {
    const ky_tensor *w = grads.pairs[k].weight;
    const ky_dtype stored = ky_tensor_dtype(w); /* gradients of halves are f32 */
    h = hash(h, stored == KY_F64 ? KY_F64 : KY_F32, grads.pairs[k].grad, ky_tensor_count(w));
  }
  return h;
}

/* ---- random tapes ------------------------------------------------------------------------ */

static bool is_dense(const ky_array *a) {
  int64_t stride = 1;
  for (int k = a->rank; k-- > 0; stride *= a->dims[k])
    if (a->dims[k] != 1 && a->strides[k] != stride) return false;
  return true;
}

static void random_tapes_have_the_bits_of_one_thread(void **state) {
  (void)state;
  const char *wanted = getenv("KYTAPE_TAPES");
  const int tapes = wanted ? atoi(wanted) : TAPES;
  int compared = 0;
  for (uint64_t seed = 1; seed <= (uint64_t)tapes; seed++) {
    random_tape *r = random_tape_new(seed);
    ky_program *p;
    ky_array root;
    if (ky_data(r->tape, r->root, &root) == KY_OK && is_dense(&root) &&
        ky_compile(r->tape, r->root, NULL, &p) == KY_OK) {
      uint64_t one = 0;
      for (int k = 0; k < COUNTS; k++) {
        ky_exec *e = start(p, threads[k]);
        const uint64_t bits = bits_of_step(e, r->root);
        if (k == 0) one = bits;
        if (bits != one)
          print_error("KYTAPE_SEED=%llu, %d threads\n", (unsigned long long)seed, threads[k]);
        assert_int_equal(bits, one);
        ky_exec_free(e);
      }
      ky_program_free(p);
      compared++;
    }
    random_tape_free(r);
  }
  assert_true(compared > tapes / 2);
}

/* ---- shapes that are shared out ---------------------------------------------------------- */

enum { ROWS = 203, IN = 150, OUT = 131 };

typedef struct network {
  ky_tape *tape;
  ky_tensor *weights[8];
  int weight_count;
  float *x;
  int64_t label[ROWS];
} network;

static ky_var weight(network *n, ky_dtype dtype, int rank, const int64_t *dims) {
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, dtype, rank, dims, &w), KY_OK);
  ky_rng rng = ky_rng_seed(7, (uint64_t)n->weight_count);
  assert_int_equal(
      ky_rng_uniform(&rng, dtype, (size_t)ky_tensor_count(w), -0.5, 0.5, ky_tensor_write(w)),
      KY_OK);
  n->weights[n->weight_count++] = w;
  return ky_param(n->tape, w);
}

static void network_free(network *n) {
  ky_tape_free(n->tape);
  for (int k = 0; k < n->weight_count; k++) ky_tensor_free(n->weights[k]);
}

/* Starts a recording. */
static ky_tape *begin(network *n) {
  n->tape = ky_tape_new(NULL);
  n->weight_count = 0;
  return n->tape;
}

/* A loss over everything that has a way of its own to be shared. */
static ky_var record(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  for (int k = 0; k < ROWS; k++) n->label[k] = k % OUT;
  const ky_var x = weight(n, dtype, 2, (int64_t[]){ROWS, IN});
  const ky_var w = weight(n, dtype, 2, (int64_t[]){OUT, IN});
  const ky_var b = weight(n, dtype, 1, (int64_t[]){OUT});
  const ky_var scale = weight(n, dtype, 1, (int64_t[]){OUT});
  const ky_var stack = weight(n, dtype, 3, (int64_t[]){40, 9, ROWS});
  ky_var y = ky_linear(t, x, w, b);
  y = ky_layernorm(t, y, 1, scale, b, 1e-5);
  y = ky_mul(t, ky_tanh(t, y), ky_sigmoid(t, y));
  const ky_var s = ky_softmax(t, y, -1), u = ky_log_softmax(t, y, 0);
  const ky_var m = ky_matmul(t, stack, ky_add(t, s, u));
  const ky_var rows = ky_mean(t, m, 1, (int64_t[]){-1}, 0),
               columns = ky_sum(t, m, 1, (int64_t[]){1}, 0);
  const ky_var labels = ky_input(t, KY_I64, 1, (int64_t[]){ROWS}, n->label);
  return ky_add(
      t, ky_cross_entropy(t, y, labels, KY_REDUCE_MEAN),
      ky_add(t, ky_sum_all(t, ky_square(t, rows)), ky_mean_all(t, ky_abs(t, columns))));
}

typedef ky_var recording(network *n, ky_dtype dtype);

static void assert_bits_of_one_thread(recording *recorded) {
  for (int dtype = KY_F32; dtype <= KY_F64; dtype++) {
    for (int fused = 0; fused < 2; fused++) {
      network n;
      const ky_var loss = recorded(&n, (ky_dtype)dtype);
      const char *const without[] = {"fuse"};
      const ky_compile_options o = {.size = sizeof o,
                                    .without = without,
                                    .without_count = fused ? 0 : 1,
                                    .fuse_least = 1};
      ky_program *p;
      const ky_status status = ky_compile(n.tape, loss, &o, &p);
      if (status != KY_OK) print_error("%s\n", ky_tape_message(n.tape));
      assert_int_equal(status, KY_OK);
      uint64_t one[3] = {0};
      for (int k = 0; k < COUNTS; k++) {
        ky_exec *e = start(p, threads[k]);
        for (int step = 0; step < 3; step++) {
          const uint64_t bits = bits_of_step(e, loss);
          if (k == 0) one[step] = bits;
          assert_int_equal(bits, one[step]);
        }
        ky_exec_free(e);
      }
      ky_program_free(p);
      network_free(&n);
    }
  }
}

/* Sums in fused runs and on their own, over everything and over rows, with operands that are
 * one element, rows, columns and repeated within a tile; several pieces of a sum each. Columns
 * of what is not dense, fewer than threads. */
static ky_var record_sums(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var x = weight(n, dtype, 2, (int64_t[]){5, 20011});
  const ky_var y = weight(n, dtype, 2, (int64_t[]){2731, 30});
  const ky_var one = weight(n, dtype, 1, (int64_t[]){1});
  const ky_var column = weight(n, dtype, 2, (int64_t[]){5, 1});
  const ky_var row = weight(n, dtype, 1, (int64_t[]){30});
  const ky_var full = ky_sum_all(t, ky_mul(t, ky_tanh(t, ky_mul(t, x, one)), ky_exp(t, x)));
  const ky_var rows = ky_mean(t, ky_exp(t, ky_mul(t, x, column)), 1, (int64_t[]){1}, 0);
  const ky_var short_rows = ky_sum(t, ky_sin(t, ky_mul(t, y, one)), 1, (int64_t[]){1}, 0);
  const ky_var repeated = ky_mean_all(t, ky_tanh(t, ky_mul(t, ky_stop_gradient(t, row), y)));
  const ky_var alone = ky_add(t, ky_sum_all(t, y), ky_mean_all(t, x));
  const ky_var z = weight(n, dtype, 3, (int64_t[]){11, 17, 3});
  const ky_var turned = ky_permute(t, ky_div_scalar(t, z, 3), 3, (int64_t[]){1, 0, 2});
  const ky_var few = ky_sum_all(t, ky_sum(t, turned, 2, (int64_t[]){0, 1}, 0));
  return ky_add(t, ky_add(t, ky_add(t, full, few), ky_sum_all(t, ky_square(t, rows))),
                ky_add(t, ky_add(t, repeated, alone), ky_sum_all(t, ky_exp(t, short_rows))));
}

static void large_shapes_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record);
}

static void sums_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_sums);
}

#define DIMS(...)                                                                              \
  (int64_t[]) { __VA_ARGS__ }
#define SUM_OF_ALL(...)                                                                        \
  sum_of_all(t, (ky_var[]){__VA_ARGS__}, sizeof(ky_var[]){__VA_ARGS__} / sizeof(ky_var))

/* A number that every element of every term changes, and whose gradients differ. */
static ky_var sum_of_all(ky_tape *t, const ky_var *terms, size_t count) {
  ky_var total = ky_none();
  for (size_t k = 0; k < count; k++) {
    const ky_var sum = ky_sum_all(t, ky_sin(t, terms[k]));
    total = k ? ky_add(t, total, sum) : sum;
  }
  return total;
}

/* Operands that are not dense, copies, and what comes of elements one by one. */
static ky_var record_movement(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var x = weight(n, dtype, 3, DIMS(7, 61, 43));
  const ky_var y = weight(n, dtype, 2, DIMS(203, 89));
  const ky_var turned = ky_permute(t, x, 3, DIMS(2, 0, 1)), yt = ky_transpose(t, y, 0, 1);
  const ky_var some = ky_slice(t, y, 1, 3, INT64_MAX, 3);
  const ky_var copy = ky_reshape(t, turned, 2, DIMS(43 * 7, 61));
  const ky_var flat = ky_reshape(t, y, 1, DIMS(203 * 89));
  const ky_var wide = ky_concat(t, 3, (ky_var[]){y, some, y}, 1);
  const ky_var high = ky_concat(t, 2, (ky_var[]){yt, ky_tanh(t, yt)}, 0);
  const ky_var both = ky_mul(t, turned, ky_lerp(t, turned, ky_exp(t, turned), turned));
  const ky_var mask = ky_logical_and(t, ky_lt(t, turned, both), ky_isfinite(t, turned));
  const ky_var chosen = ky_where(t, mask, turned, ky_mul_scalar(t, both, 2));
  const ky_var small = ky_cast(t, ky_cast(t, yt, dtype == KY_F32 ? KY_F64 : KY_F32), dtype);
  const ky_var rows =
      ky_mul(t, ky_expand(t, ky_slice(t, yt, 0, 5, 6, 1), 2, DIMS(89, 203)), yt);
  return SUM_OF_ALL(copy, flat, wide, high, both, chosen, small, rows);
}

static ky_var record_borders(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var x = weight(n, dtype, 3, DIMS(5, 31, 29));
  const int64_t *before = DIMS(0, 3, 5), *after = DIMS(0, 2, 1), *all = DIMS(1, 3, 2);
  return SUM_OF_ALL(ky_pad(t, x, 3, all, before, KY_PAD_CONSTANT, 0.25),
                    ky_pad(t, x, 3, before, after, KY_PAD_REFLECT, 0),
                    ky_pad(t, x, 3, before, after, KY_PAD_CIRCULAR, 0),
                    ky_pad(t, x, 3, all, after, KY_PAD_REPLICATE, 0), ky_tril(t, x, 2),
                    ky_triu(t, ky_permute(t, x, 3, DIMS(0, 2, 1)), -1));
}

/* Places that repeat, and lines that are sorted. */
static ky_var record_places(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var table = weight(n, dtype, 2, DIMS(37, 53));
  const ky_var x = weight(n, dtype, 2, DIMS(ROWS, 53));
  for (int k = 0; k < ROWS; k++) n->label[k] = k * k % 37;
  const ky_var ids = ky_input(t, KY_I64, 1, DIMS(ROWS), n->label);
  const ky_var column = ky_reshape(t, ids, 2, DIMS(ROWS, 1));
  const ky_var each = ky_expand(t, column, 2, DIMS(ROWS, 53));
  ky_var order;
  const ky_var sorted = ky_sort(t, x, 0, 0, &order);
  const ky_var inner = ky_gather(t, x, 1, ky_one_hot(t, ids, 37, KY_I64));
  return SUM_OF_ALL(ky_embedding(t, table, ids, 4), ky_gather(t, table, 0, each), inner,
                    ky_scatter_sum(t, x, 0, each, 2, DIMS(37, 53)), sorted,
                    ky_sort(t, ky_transpose(t, x, 0, 1), 0, 1, &order),
                    ky_gather(t, x, 1, ky_argmin(t, x, 1, 1)));
}

/* Batches of matrices, and one for all threads. */
static ky_var record_matrices(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var many = weight(n, dtype, 3, DIMS(11, 19, 19)),
               one = weight(n, dtype, 2, DIMS(150, 150));
  const ky_var b = weight(n, dtype, 3, DIMS(11, 19, 5)), c = weight(n, dtype, 2, DIMS(150, 70));
  ky_var terms[10];
  int count = 0;
  for (int k = 0; k < 2; k++) {
    const ky_var x = k ? one : many, y = k ? c : b;
    const int64_t extent = k ? 150 : 19;
    const ky_var eye =
        ky_triu(t, ky_tril(t, ky_full(t, dtype, 2, DIMS(extent, extent), 1), 0), 0);
    const ky_var gram = ky_matmul(t, x, ky_transpose(t, x, -1, -2));
    const ky_var a = ky_add(t, gram, ky_mul_scalar(t, eye, 4));
    const ky_var l = ky_cholesky(t, a);
    terms[count++] = l;
    terms[count++] = ky_triangular_solve(t, l, y, 0);
    terms[count++] = ky_solve(t, a, y);
    terms[count++] = ky_logdet(t, a);
    terms[count++] = ky_logabsdet(t, ky_sub(t, a, ky_mul_scalar(t, eye, 9)));
  }
  return sum_of_all(t, terms, (size_t)count);
}

/* Scans, and statistics of rows, of columns and of strided columns. */
static ky_var record_statistics(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var x = weight(n, dtype, 3, DIMS(6, 17, 515));
  const ky_var a = ky_permute(t, x, 3, DIMS(1, 0, 2));
  const int64_t *last = DIMS(2), *first = DIMS(0);
  const ky_var found = ky_any(t, ky_lt(t, x, ky_full(t, dtype, 0, NULL, -0.49)), 1, last, 0);
  const ky_var places = ky_cast(t, ky_argmax(t, a, 1, 0), dtype);
  return SUM_OF_ALL(
      ky_cumsum(t, x, 2), ky_cumsum(t, a, 0), ky_cumprod(t, a, 2), ky_cumprod(t, x, 1),
      ky_variance(t, x, 1, last, 0, 1), ky_std(t, a, 1, first, 1, 0), ky_prod(t, a, 1, last, 0),
      ky_norm(t, x, 1, first, 0, KY_NORM_2), ky_norm(t, a, 1, last, 0, KY_NORM_INF),
      ky_logsumexp(t, x, 1, first, 0), ky_logsumexp(t, a, 1, last, 0), ky_max(t, a, 1, last, 0),
      ky_max(t, x, 2, DIMS(0, 1), 0), ky_mean(t, a, 1, DIMS(1), 0), ky_cast(t, found, dtype),
      places);
}

/* Random numbers: a number depends on its place, not on who makes it. */
static ky_var record_random(network *n, ky_dtype dtype) {
  ky_tape *t = begin(n);
  const ky_var x = weight(n, dtype, 1, (int64_t[]){5003});
  const ky_var u = ky_uniform(t, dtype, 1, (int64_t[]){5003}, -1, 1);
  const ky_var z = ky_normal(t, dtype, 1, (int64_t[]){5003}, 0, 1);
  const ky_var b = ky_bernoulli(t, dtype, 1, (int64_t[]){5003}, 0.3);
  const ky_var y = ky_mul(t, ky_dropout(t, x, 0.4), ky_add(t, u, ky_mul(t, z, b)));
  return ky_sum_all(t, y);
}

static void movement_has_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_movement);
}

static void borders_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_borders);
}

static void places_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_places);
}

static void statistics_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_statistics);
}

static void matrices_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_matrices);
}

static void random_numbers_have_the_bits_of_one_thread(void **state) {
  (void)state;
  assert_bits_of_one_thread(record_random);
}

/* ---- training ---------------------------------------------------------------------------- */

enum { DEEP = 300, STEPS = 3 };

typedef ky_status make_optimizer(ky_optimizer **out);

static ky_status make_sgd(ky_optimizer **out) { return ky_sgd_new(NULL, 0.01, NULL, out); }

static ky_status make_momentum(ky_optimizer **out) {
  const ky_sgd_options o = {.size = sizeof o, .momentum = 0.9};
  return ky_sgd_new(NULL, 0.01, &o, out);
}

static ky_status make_adamw(ky_optimizer **out) { return ky_adamw_new(NULL, 0.01, NULL, out); }

/* Two layers with few rows, whose weights are updated on the way; the input of the second one,
 * which is long, has another use. */
static ky_var record_layers(network *n, int64_t rows, const float *x) {
  ky_tape *t = n->tape;
  const ky_var w = weight(n, KY_F32, 2, (int64_t[]){DEEP, IN});
  const ky_var b = weight(n, KY_F32, 1, (int64_t[]){DEEP});
  const ky_var v = weight(n, KY_F32, 2, (int64_t[]){DEEP, DEEP});
  const ky_var u = weight(n, KY_F32, 2, (int64_t[]){DEEP, DEEP});
  ky_var y = ky_linear(t, ky_input(t, KY_F32, 2, (int64_t[]){rows, IN}, x), w, b);
  y = ky_tanh(t, y);
  y = ky_tanh(t, ky_linear(t, y, v, ky_none()));
  y = ky_add(t, ky_linear(t, y, u, ky_none()), y);
  return ky_mean_all(t, ky_square(t, y));
}

/* threads_wanted: 0 for the tape itself. */
static uint64_t bits_of_training(int64_t rows, make_optimizer *make, int threads_wanted) {
  network n = {.tape = ky_tape_new(NULL)};
  float x[4 * IN];
  for (int k = 0; k < 4 * IN; k++) x[k] = (float)(k * 7 % 31) / 16 - 1;
  const ky_var loss = record_layers(&n, rows, x);
  ky_optimizer *optimizer;
  assert_int_equal(make(&optimizer), KY_OK);
  const ky_compile_options c = {.size = sizeof c, .updates = 1, .fuse_least = 1};
  ky_program *p;
  assert_int_equal(ky_compile(n.tape, loss, &c, &p), KY_OK);
  const ky_exec_options o = {.size = sizeof o,
                             .threads = threads_wanted,
                             .grain = 1,
                             .update = ky_optimizer_update(optimizer)};
  ky_exec *e;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
  for (int step = 0; step < STEPS; step++) {
    ky_grads grads;
    if (threads_wanted > 0) {
      assert_int_equal(ky_exec_step(e, NULL), KY_OK);
      continue;
    }
    assert_int_equal(ky_forward(n.tape), KY_OK);
    assert_int_equal(ky_backward(n.tape, loss, &grads), KY_OK);
    assert_int_equal(ky_optimizer_step(optimizer, &grads), KY_OK);
  }
  uint64_t h = HASH_START;
  for (int k = 0; k < n.weight_count; k++)
    h = hash(h, KY_F32, ky_tensor_data(n.weights[k]), ky_tensor_count(n.weights[k]));
  ky_exec_free(e);
  ky_program_free(p);
  ky_optimizer_free(optimizer);
  network_free(&n);
  return h;
}

static void training_has_the_bits_of_the_tape(void **state) {
  (void)state;
  static make_optimizer *const makes[] = {make_sgd, make_momentum, make_adamw};
  for (int64_t rows = 1; rows <= 4; rows += 3)
    for (size_t m = 0; m < sizeof makes / sizeof *makes; m++) {
      const uint64_t tape = bits_of_training(rows, makes[m], 0);
      for (int k = 0; k < COUNTS; k++)
        assert_int_equal(bits_of_training(rows, makes[m], threads[k]), tape);
    }
}

static void a_grain_keeps_small_work_on_one_thread(void **state) {
  (void)state;
  network n;
  const ky_var loss = record(&n, KY_F32);
  ky_program *p;
  assert_int_equal(ky_compile(n.tape, loss, NULL, &p), KY_OK);
  const ky_exec_options o = {.size = sizeof o, .threads = 3, .grain = SIZE_MAX};
  ky_exec *coarse, *one = start(p, 1);
  assert_int_equal(ky_exec_new(p, &o, &coarse), KY_OK);
  assert_int_equal(bits_of_step(coarse, loss), bits_of_step(one, loss));
  ky_exec_free(coarse);
  ky_exec_free(one);
  ky_program_free(p);
  network_free(&n);
}

/* ---- what goes wrong --------------------------------------------------------------------- */

static void no_grain_is_too_large(void **state) {
  (void)state;
  network n;
  ky_tape *t = begin(&n);
  const ky_var x = weight(&n, KY_F32, 2, (int64_t[]){1000, 1});
  const ky_var loss = ky_sum_all(t, ky_max(t, x, 1, (int64_t[]){1}, 0));
  ky_program *p;
  assert_int_equal(ky_compile(t, loss, NULL, &p), KY_OK);
  const ky_exec_options o = {.size = sizeof o, .threads = 2, .grain = SIZE_MAX};
  ky_exec *e;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_OK);
  bits_of_step(e, loss);
  ky_exec_free(e);
  ky_program_free(p);
  network_free(&n);
}

static void absurd_options_are_refused_with_a_sentence(void **state) {
  (void)state;
  network n;
  const ky_var loss = record(&n, KY_F32);
  ky_program *p;
  assert_int_equal(ky_compile(n.tape, loss, NULL, &p), KY_OK);
  char message[128] = "";
  ky_exec_options o = {.size = sizeof o, .message = message, .message_bytes = sizeof message};
  ky_exec *e;
  o.threads = -1;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_BAD_ARGUMENT);
  assert_null(e);
  assert_string_equal(message, "-1 threads, wants 1 to 256");
  o.threads = 257;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_BAD_ARGUMENT);
  assert_string_equal(message, "257 threads, wants 1 to 256");
  o.threads = 1;
  assert_int_equal(ky_exec_new(NULL, &o, &e), KY_BAD_ARGUMENT);
  assert_string_equal(message, "the program is null");
  o.threads = 257;
  o.message_bytes = 5;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_BAD_ARGUMENT);
  assert_string_equal(message, "257 ");
  o.message_bytes = 1;
  assert_int_equal(ky_exec_new(p, &o, &e), KY_BAD_ARGUMENT);
  assert_string_equal(message, "");
  ky_program_free(p);
  network_free(&n);
}

static void failing_memory_leaves_no_thread_behind(void **state) {
  (void)state;
  network n;
  const ky_var loss = record(&n, KY_F32);
  ky_program *p;
  assert_int_equal(ky_compile(n.tape, loss, NULL, &p), KY_OK);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_exec_options o = {.size = sizeof o, .allocator = fault_allocator(&fa), .threads = 3};
  ky_exec *e = NULL;
  size_t failed = 0;
  for (;; failed++) {
    fault_allocator_fail_once(&fa, failed + 1);
    const ky_status status = ky_exec_new(p, &o, &e);
    if (status == KY_OK) break;
    assert_int_equal(status, KY_NO_MEMORY);
    assert_int_equal(fa.live_blocks, 0);
  }
  assert_true(failed > 4);
  ky_exec_free(e);
  assert_int_equal(fa.live_blocks, 0);
  fault_allocator_free(&fa);
  ky_program_free(p);
  network_free(&n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_tapes_have_the_bits_of_one_thread),
      cmocka_unit_test(large_shapes_have_the_bits_of_one_thread),
      cmocka_unit_test(sums_have_the_bits_of_one_thread),
      cmocka_unit_test(movement_has_the_bits_of_one_thread),
      cmocka_unit_test(borders_have_the_bits_of_one_thread),
      cmocka_unit_test(places_have_the_bits_of_one_thread),
      cmocka_unit_test(statistics_have_the_bits_of_one_thread),
      cmocka_unit_test(matrices_have_the_bits_of_one_thread),
      cmocka_unit_test(random_numbers_have_the_bits_of_one_thread),
      cmocka_unit_test(training_has_the_bits_of_the_tape),
      cmocka_unit_test(a_grain_keeps_small_work_on_one_thread),
      cmocka_unit_test(no_grain_is_too_large),
      cmocka_unit_test(absurd_options_are_refused_with_a_sentence),
      cmocka_unit_test(failing_memory_leaves_no_thread_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
