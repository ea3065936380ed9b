/* SPDX-License-Identifier: MIT */
/* Normalised values that are not kept for the reverse sweep: which, what it saves, and that the
 * bits are those of the tape. */
#include <stdlib.h>
#include <string.h>

#include "close.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "tape/program.h"

enum { ROWS = 32, WIDTH = 128, MOST = 16, UNIT = ROWS * WIDTH * 8 };

typedef struct scene {
  ky_tape *t;
  ky_program *p;
  ky_tensor *w[MOST];
  int count;
  double x[ROWS * WIDTH];
  ky_var in;
} scene;

static int setup(void **state) {
  scene *s = calloc(1, sizeof *s);
  assert_non_null(s);
  for (int k = 0; k < ROWS * WIDTH; k++) s->x[k] = 0.01 * (k * 37 % 101) - 0.5;
  s->t = ky_tape_new(NULL);
  s->in = ky_input(s->t, KY_F64, KY_SHAPE(ROWS, WIDTH), s->x);
  assert_int_equal(ky_watch(s->t, s->in), KY_OK);
  *state = s;
  return 0;
}

static int teardown(void **state) {
  scene *s = *state;
  ky_program_free(s->p);
  ky_tape_free(s->t);
  for (int k = 0; k < s->count; k++) ky_tensor_free(s->w[k]);
  free(s);
  return 0;
}

static void fill(ky_tensor *w, int seed) {
  double *p = ky_tensor_write(w);
  for (int64_t k = 0; k < ky_tensor_count(w); k++)
    p[k] = 0.02 * (double)((k * 13 + seed) % 17) - 0.1;
}

static ky_var weight(scene *s, int rank, const int64_t *dims) {
  ky_tensor **w = &s->w[s->count];
  assert_int_equal(ky_tensor_new(NULL, KY_F64, rank, dims, w), KY_OK);
  fill(*w, s->count++);
  return ky_param(s->t, *w);
}

static ky_var norm(scene *s, ky_var x) {
  ky_var w = ky_add_scalar(s->t, weight(s, KY_SHAPE(WIDTH)), 1);
  return ky_layernorm(s->t, x, 1, w, weight(s, KY_SHAPE(WIDTH)), 1e-5);
}

static ky_var product(scene *s, ky_var x, int64_t columns) {
  return ky_linear(s->t, x, weight(s, KY_SHAPE(columns, WIDTH)), ky_none());
}

/* Adds an end, and compiles; returns the root. */
static ky_var compile(scene *s, ky_var y, ky_var keep, bool updates) {
  ky_var root = ky_mean_all(s->t, ky_square(s->t, y));
  const ky_compile_options o = {
      .size = sizeof o, .keep = &keep, .keep_count = keep.id != 0, .updates = updates};
  assert_int_equal(ky_compile(s->t, root, &o, &s->p), KY_OK);
  return root;
}

/* Holds value and all gradients against the tape's, run after run, with one thread and more. */
static void assert_same_bits(scene *s, ky_var root) {
  ky_grads want, got;
  double value, other;
  assert_int_equal(ky_backward(s->t, root, &want), KY_OK);
  assert_int_equal(ky_item(s->t, root, &value), KY_OK);
  for (int threads = 1; threads < 4; threads++) {
    const ky_exec_options o = {.size = sizeof o, .threads = threads, .grain = 64};
    ky_exec *e;
    assert_int_equal(ky_exec_new(s->p, &o, &e), KY_OK);
    for (int round = 0; round < 3; round++) {
      if (round == 1) assert_int_equal(ky_exec_forward(e), KY_OK);
      assert_int_equal(round == 1 ? ky_exec_backward(e, &got) : ky_exec_step(e, &got), KY_OK);
      assert_int_equal(ky_exec_item(e, root, &other), KY_OK);
      assert_memory_equal(&other, &value, sizeof value);
      assert_int_equal(got.count, want.count);
      for (size_t k = 0; k < want.count; k++)
        assert_memory_equal(got.pairs[k].grad, want.pairs[k].grad,
                            (size_t)ky_tensor_count(want.pairs[k].weight) * 8);
    }
    ky_exec_free(e);
  }
}

/* ---- what is not kept -------------------------------------------------------------------- */

static void layers_keep_what_comes_in_but_no_norms(void **state) {
  enum { LAYERS = 5 };
  scene *s = *state;
  ky_var x = s->in;
  for (int k = 0; k < LAYERS; k++) x = ky_add(s->t, x, product(s, norm(s, x), WIDTH));
  compile(s, x, ky_none(), true); /* gradients of weights are gone before others come */
  assert_int_equal(s->p->again_count, LAYERS);
  assert_true(ky_program_memory(s->p).arena < (LAYERS + 8) * UNIT);
  ky_program_free(s->p);
  ky_var root = compile(s, x, ky_none(), false);
  assert_same_bits(s, root);
}

static void views_come_along_and_the_first_reader_decides(void **state) {
  scene *s = *state;
  ky_var y = ky_rmsnorm(s->t, ky_sin(s->t, s->in), 1, weight(s, KY_SHAPE(WIDTH)), 1e-5);
  ky_var turned = ky_transpose(s->t, ky_reshape(s->t, y, KY_SHAPE(2, ROWS / 2, WIDTH)), 0, 1);
  ky_var z = product(s, turned, WIDTH); /* reads a view of a view */
  y = ky_matmul(s->t, y, weight(s, KY_SHAPE(WIDTH, 2 * WIDTH)));
  y = ky_add(s->t, ky_sum_all(s->t, z), ky_exp(s->t, y));
  ky_var root = compile(s, y, ky_none(), false);
  assert_int_equal(s->p->again_count, 3);
  assert_true(s->p->again[0].at != KY_NOWHERE && s->p->again[1].at == KY_NOWHERE);
  assert_same_bits(s, root);
}

/* Losses of some steps of the tape. */
static void learn(scene *s, ky_var root, ky_optimizer *sgd, int steps, double *losses) {
  for (int k = 0; k < steps; k++) {
    ky_grads grads;
    assert_int_equal(ky_forward(s->t), KY_OK);
    assert_int_equal(ky_backward(s->t, root, &grads), KY_OK);
    assert_int_equal(ky_item(s->t, root, &losses[k]), KY_OK);
    assert_int_equal(ky_optimizer_step(sgd, &grads), KY_OK);
  }
}

static void weights_step_as_those_of_the_tape(void **state) {
  scene *s = *state;
  ky_var x = ky_add(s->t, s->in, product(s, norm(s, s->in), WIDTH));
  ky_var root = compile(s, product(s, norm(s, x), 2 * WIDTH), ky_none(), true);
  assert_int_equal(s->p->again_count, 2);
  ky_optimizer *sgd;
  ky_exec *e;
  double want[3], got;
  assert_int_equal(ky_sgd_new(NULL, 0.01, NULL, &sgd), KY_OK);
  learn(s, root, sgd, 3, want);
  assert_true(want[2] < want[0]);
  for (int k = 0; k < s->count; k++) fill(s->w[k], k);
  const ky_exec_options o = {.size = sizeof o, .update = ky_optimizer_update(sgd)};
  assert_int_equal(ky_exec_new(s->p, &o, &e), KY_OK);
  for (int k = 0; k < 3; k++) {
    assert_int_equal(ky_exec_step(e, NULL), KY_OK);
    assert_int_equal(ky_exec_item(e, root, &got), KY_OK);
    assert_memory_equal(&got, &want[k], sizeof got);
  }
  ky_exec_free(e);
  ky_optimizer_free(sgd);
}

/* ---- what is kept ------------------------------------------------------------------------ */

static void what_others_read_back_is_kept(void **state) {
  scene *s = *state;
  ky_var y = norm(s, s->in);
  y = ky_add(s->t, product(s, y, WIDTH), ky_cumsum(s->t, ky_sin(s->t, y), 0));
  ky_var root = compile(s, y, ky_none(), false);
  assert_int_equal(s->p->again_count, 0);
  assert_same_bits(s, root);
}

static void what_was_named_is_kept(void **state) {
  scene *s = *state;
  ky_var y = norm(s, s->in), view = ky_reshape(s->t, y, KY_SHAPE(WIDTH, ROWS));
  ky_var root = compile(s, product(s, y, WIDTH), view, false);
  assert_int_equal(s->p->again_count, 0);
  assert_same_bits(s, root);
}

static void what_only_a_narrow_product_reads_is_kept(void **state) {
  scene *s = *state;
  ky_var root = compile(s, product(s, norm(s, s->in), 2), ky_none(), false);
  assert_int_equal(s->p->again_count, 0);
  assert_same_bits(s, root);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(layers_keep_what_comes_in_but_no_norms),
      SCENE(views_come_along_and_the_first_reader_decides),
      SCENE(weights_step_as_those_of_the_tape),
      SCENE(what_others_read_back_is_kept),
      SCENE(what_was_named_is_kept),
      SCENE(what_only_a_narrow_product_reads_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
