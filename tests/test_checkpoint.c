/* SPDX-License-Identifier: MIT */
/* Checkpoints as lists: what is added, and a training that goes on from one. */
#include "checkpoint_bench.h"

#include <string.h>

/* ---- a training that goes on ------------------------------------------------------------- */

/* linear, batchnorm, linear with Adam on one batch */
typedef struct training {
  ky_module *net;
  ky_optimizer *adam;
  ky_tape *t;
  ky_var loss;
} training;

static const double input[8] = {1, 2, -1, 0.5, 0.25, -2, 3, 1}, target[4] = {1, 0, -1, 2};

static void begin_training(training *r, uint64_t seed) {
  ky_rng rng = ky_rng_seed(seed, 0);
  ky_module *layers[3];
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 2, 3, 1, &rng, &layers[0]), KY_OK);
  assert_int_equal(ky_nn_batchnorm(NULL, KY_F64, 3, 1e-5, 0.1, &layers[1]), KY_OK);
  assert_int_equal(ky_nn_linear(NULL, KY_F64, 3, 1, 1, &rng, &layers[2]), KY_OK);
  assert_int_equal(ky_nn_sequential(NULL, 3, layers, &r->net), KY_OK);
  assert_int_equal(ky_adam_new(NULL, 0.01, NULL, &r->adam), KY_OK);
  r->t = ky_tape_new(NULL);
  const ky_var y =
      ky_module_forward(r->t, r->net, ky_input(r->t, KY_F64, KY_SHAPE(4, 2), input));
  r->loss = ky_loss_mse(r->t, y, ky_input(r->t, KY_F64, KY_SHAPE(4, 1), target));
}

static void train(training *r, int steps) {
  for (int k = 0; k < steps; k++) {
    ky_grads grads;
    assert_int_equal(ky_forward(r->t), KY_OK);
    assert_int_equal(ky_backward(r->t, r->loss, &grads), KY_OK);
    assert_int_equal(ky_module_update(r->net, r->t), KY_OK);
    assert_int_equal(ky_optimizer_step(r->adam, &grads), KY_OK);
  }
}

static void end_training(training *r) {
  ky_tape_free(r->t);
  ky_optimizer_free(r->adam);
  ky_module_free(r->net);
}

static void name_training(ky_checkpoint *c, training *r) {
  assert_int_equal(ky_checkpoint_add_module(c, "net", r->net), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(c, "adam", r->adam), KY_OK);
}

static ky_status equal_tensor(void *user, const char *name, ky_tensor *w) {
  ky_tensor ***next = user;
  const ky_tensor *other = *(*next)++;
  (void)name;
  assert_int_equal(ky_tensor_count(w), ky_tensor_count(other));
  assert_memory_equal(ky_tensor_data(w), ky_tensor_data(other),
                      (size_t)ky_tensor_count(w) * sizeof(double));
  return KY_OK;
}

static ky_status collect(void *user, const char *name, ky_tensor *w) {
  ky_tensor ***next = user;
  (void)name;
  *(*next)++ = w;
  return KY_OK;
}

static void assert_same(const training *a, const training *b) {
  ky_tensor *tensors[16], **end = tensors, **next = tensors;
  assert_int_equal(ky_module_weights(b->net, collect, &end), KY_OK);
  assert_int_equal(ky_module_buffers(b->net, collect, &end), KY_OK);
  assert_int_equal(end - tensors, 8);
  assert_int_equal(ky_module_weights(a->net, equal_tensor, &next), KY_OK);
  assert_int_equal(ky_module_buffers(a->net, equal_tensor, &next), KY_OK);
}

static void assert_goes_on_alike(training *a, training *b) {
  assert_same(a, b);
  train(a, 2);
  train(b, 2);
  assert_same(a, b);
}

static void training_goes_on_with_the_same_bits(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 2);
  train(&a, 3);
  train(&b, 1); /* what it remembers is replaced */
  name_training(f->c, &a);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  ky_checkpoint *other;
  assert_int_equal(ky_checkpoint_new(NULL, &other), KY_OK);
  name_training(other, &b);
  assert_int_equal(ky_checkpoint_read(other, PATH), KY_OK);
  assert_goes_on_alike(&a, &b);
  ky_checkpoint_free(other);
  end_training(&a);
  end_training(&b);
}

static void optimizer_forgets_what_the_file_lacks(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 1);
  name_training(f->c, &a);
  training *both[2] = {&a, &b}; /* factors stay, whatever is read */
  for (int k = 0; k < 2; k++)
    assert_int_equal(
        ky_optimizer_set_factors(both[k]->adam, ky_module_weight(both[k]->net, 0), 0.25, 1),
        KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK); /* before the first step */
  train(&a, 3);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  assert_goes_on_alike(&a, &b);
  end_training(&a);
  end_training(&b);
}

static void tensor_of_two_names_is_remembered_once(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 1);
  train(&a, 2);
  train(&b, 2);
  name_training(f->c, &a);
  assert_int_equal(ky_checkpoint_add(f->c, "tied", ky_module_weight(a.net, 0)), KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  train(&a, 1);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  assert_goes_on_alike(&a, &b);
  end_training(&a);
  end_training(&b);
}

/* ---- what does not belong together ------------------------------------------------------ */

static void memory_that_has_no_place_is_no_loss(void **state) {
  fixture *f = *state;
  training a;
  ky_checkpoint *other;
  begin_training(&a, 1);
  train(&a, 1);
  name_training(f->c, &a);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  assert_int_equal(ky_checkpoint_new(NULL, &other), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(other, "adam", a.adam), KY_OK);
  assert_int_equal(ky_checkpoint_add(other, "net.0.bias", ky_module_weight(a.net, 1)), KY_OK);
  assert_int_equal(ky_checkpoint_read(other, PATH), KY_BAD_FILE);
  assert_says(other, "adam remembers 6 tensors there, of which the list has 1");
  ky_checkpoint_free(other);
  assert_int_equal(ky_checkpoint_new(NULL, &other), KY_OK);
  assert_int_equal(ky_checkpoint_add_module(other, "net", a.net), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(other, "adma", a.adam), KY_OK);
  assert_int_equal(ky_checkpoint_read(other, PATH), KY_BAD_FILE);
  assert_says(other,
              "lacks adma.tensors; it has adam.tensors, and 18 more that are not in the list");
  ky_checkpoint_free(other);
  write_bytes("PK\x03\x04 zip", 8);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "torch.save");
  end_training(&a);
}

static void names_that_became_one_are_refused(void **state) {
  fixture *f = *state;
  training a;
  begin_training(&a, 1);
  train(&a, 1);
  double there = 0;
  assert_int_equal(ky_checkpoint_add_module(f->c, NULL, a.net), KY_OK);
  assert_int_equal(
      ky_checkpoint_add_array(f->c, "adam.0.bias.steps", KY_F64, KY_SCALAR, &there), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", a.adam), KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_BAD_ARGUMENT);
  assert_says(f->c, "two arrays are named adam.0.bias.steps");
  end_training(&a);
}

/* ---- adding ------------------------------------------------------------------------------ */

/* A byte more than a name may have. */
static const char *endless(void) {
  static char name[KY_CHECKPOINT_NAME + 1];
  memset(name, 'x', sizeof name - 1);
  return name;
}

static void wrong_tensors_are_refused(void **state) {
  fixture *f = *state;
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_BAD_ARGUMENT);
  assert_says(f->c, "w is there already");
  assert_int_equal(ky_checkpoint_add(f->c, "", w), KY_BAD_ARGUMENT);
  assert_says(f->c, "a name is empty");
  assert_int_equal(ky_checkpoint_add(f->c, endless(), w), KY_BAD_ARGUMENT);
  assert_says(f->c, "longer than 255 bytes");
  assert_int_equal(ky_checkpoint_add(f->c, endless() + 1, w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "__metadata__", w), KY_BAD_ARGUMENT);
  assert_says(f->c, "__metadata__ for other things");
  static const char *const no_utf8[] = {
      "\x80", "a\xff", "\xc3", "\xc1\x81", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
  for (size_t k = 0; k < sizeof no_utf8 / sizeof *no_utf8; k++) {
    assert_int_equal(ky_checkpoint_add(f->c, no_utf8[k], w), KY_BAD_ARGUMENT);
    assert_says(f->c, "not UTF-8");
  }
  assert_int_equal(ky_checkpoint_add(f->c, NULL, w), KY_BAD_ARGUMENT);
  assert_says(f->c, "checkpoint_add: an argument is null");
  assert_int_equal(ky_checkpoint_add(f->c, "v", NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add(NULL, "v", w), KY_BAD_ARGUMENT);
  ky_tensor_free(w);
}

static void wrong_arrays_are_refused(void **state) {
  fixture *f = *state;
  double data[2] = {0};
  ky_checkpoint *c = f->c;
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, KY_SHAPE(-2), data), KY_BAD_SHAPE);
  assert_says(c, "f64 [-2]");
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, 9, NULL, data), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, 9, (int64_t[9]){0}, data),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, -1, NULL, data), KY_BAD_SHAPE);
  assert_int_equal(ky_checkpoint_add_array(c, "v", (ky_dtype)99, KY_SHAPE(2), data),
                   KY_BAD_DTYPE);
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, KY_SHAPE(INT64_MAX, 2), data),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_checkpoint_add_array(c, "v", KY_F64, KY_SHAPE(2), NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_array(c, NULL, KY_F64, KY_SHAPE(2), data),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_array(NULL, "v", KY_F64, KY_SHAPE(2), data),
                   KY_BAD_ARGUMENT);
}

static void wrong_modules_and_optimizers_are_refused(void **state) {
  fixture *f = *state;
  training a;
  begin_training(&a, 1);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(NULL, "net", a.net), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(f->c, endless(), a.net), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", a.net), KY_OK);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", a.net), KY_BAD_ARGUMENT);
  assert_says(f->c, "net.0.weight is there already");
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, NULL, a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "", a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, endless(), a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(NULL, "adam", a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", a.adam), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", a.adam), KY_BAD_ARGUMENT);
  assert_says(f->c, "adam is there already");
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "new", a.adam), KY_BAD_ARGUMENT);
  assert_says(f->c, "new is there already, as adam");
  end_training(&a);
}

static void null_is_refused_or_fine(void **state) {
  fixture *f = *state;
  assert_int_equal(ky_checkpoint_write(f->c, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_read(f->c, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_write(NULL, PATH), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_read(NULL, PATH), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_new(NULL, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_checkpoint_message(NULL), "");
  ky_checkpoint_free(NULL);
}

/* ---- memory that runs out ---------------------------------------------------------------- */

static ky_status add_and_turn(ky_allocator *allocator, training *r, bool write) {
  ky_checkpoint *c;
  ky_status status = ky_checkpoint_new(allocator, &c);
  if (status != KY_OK) return status;
  status = ky_checkpoint_add_module(c, "net", r->net);
  if (status == KY_OK) status = ky_checkpoint_add_optimizer(c, "adam", r->adam);
  if (status == KY_OK && write) status = ky_checkpoint_write(c, PATH);
  if (status == KY_OK && !write) status = ky_checkpoint_read(c, PATH);
  if (status != KY_OK) assert_string_not_equal(ky_checkpoint_message(c), "");
  ky_checkpoint_free(c);
  return status;
}

/* What is read differs from what is there. */
static void every_allocation_may_fail(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 1);
  for (int way = 0; way < 2; way++) {
    ky_status status = KY_NO_MEMORY;
    train(&a, 2);
    train(&b, 2);
    for (size_t n = 1; status == KY_NO_MEMORY; n++) {
      assert_in_range(n, 1, 1000);
      fault_allocator_fail_once(&f->fa, n);
      status = add_and_turn(&f->allocator, &a, way == 0);
      if (status != KY_OK) assert_same(&a, &b);
    }
    fault_allocator_relent(&f->fa);
    assert_int_equal(status, KY_OK);
  }
  end_training(&b);
  begin_training(&b, 1);
  train(&b, 2);
  assert_goes_on_alike(&a, &b);
  end_training(&a);
  end_training(&b);
}

/* Here it is the optimizer that gets no memory, for a weight that it has to remember. */
static void optimizers_stay_as_they_were_where_memory_runs_out(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 1);
  ky_optimizer_free(a.adam);
  assert_int_equal(ky_adam_new(&f->allocator, 0.01, NULL, &a.adam), KY_OK);
  train(&a, 1);
  train(&b, 1);
  name_training(f->c, &a);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  ky_status status = KY_NO_MEMORY;
  for (size_t n = 1; status == KY_NO_MEMORY; n++) {
    assert_in_range(n, 1, 1000);
    for (size_t k = 0; k < 6; k += 2) {
      ky_optimizer_forget(a.adam, ky_module_weight(a.net, k));
      ky_optimizer_forget(b.adam, ky_module_weight(b.net, k));
    }
    fault_allocator_fail_once(&f->fa, n);
    status = ky_checkpoint_read(f->c, PATH);
    fault_allocator_relent(&f->fa);
    if (status != KY_OK) assert_goes_on_alike(&a, &b);
  }
  assert_int_equal(status, KY_OK);
  end_training(&a);
  end_training(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CHECKPOINT_TEST(training_goes_on_with_the_same_bits),
      CHECKPOINT_TEST(optimizer_forgets_what_the_file_lacks),
      CHECKPOINT_TEST(tensor_of_two_names_is_remembered_once),
      CHECKPOINT_TEST(memory_that_has_no_place_is_no_loss),
      CHECKPOINT_TEST(names_that_became_one_are_refused),
      CHECKPOINT_TEST(wrong_tensors_are_refused),
      CHECKPOINT_TEST(wrong_arrays_are_refused),
      CHECKPOINT_TEST(wrong_modules_and_optimizers_are_refused),
      CHECKPOINT_TEST(null_is_refused_or_fine),
      CHECKPOINT_TEST(every_allocation_may_fail),
      CHECKPOINT_TEST(optimizers_stay_as_they_were_where_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
