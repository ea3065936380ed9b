/* SPDX-License-Identifier: MIT */
/* Checkpoints: what is written comes back, files of others are read, and nothing changes where
 * a file is not what it should be. */
#define _XOPEN_SOURCE 700 /* symlink, lstat */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape.h"

#define PATH "test_checkpoint.safetensors"

typedef struct fixture {
  ky_fault_allocator fa;
  ky_allocator allocator;
  ky_checkpoint *c;
} fixture;

static int open_fixture(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (!f) return -1;
  *state = f;
  fault_allocator_init(&f->fa);
  f->allocator = fault_allocator(&f->fa);
  return ky_checkpoint_new(&f->allocator, &f->c) == KY_OK ? 0 : -1;
}

static int close_fixture(void **state) {
  fixture *f = *state;
  ky_checkpoint_free(f->c);
  const int leaked = f->fa.live_blocks != 0 || fault_allocator_complaint(&f->fa) != NULL;
  fault_allocator_free(&f->fa);
  free(f);
  remove(PATH);
  remove(PATH ".part");
  return leaked ? -1 : 0;
}

/* ---- files ------------------------------------------------------------------------------- */

static void write_bytes(const void *bytes, size_t count) {
  FILE *file = fopen(PATH, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, count, file), count);
  assert_int_equal(fclose(file), 0);
}

static size_t read_bytes(char *to, size_t room) {
  FILE *file = fopen(PATH, "rb");
  if (!file) return 0;
  const size_t count = fread(to, 1, room, file);
  fclose(file);
  return count;
}

/* A file with this header, and `count` bytes of arrays. */
static void write_file(const char *header, const void *arrays, size_t count) {
  char bytes[2048] = {0};
  const size_t length = strlen(header);
  assert_in_range(8 + length + count, 8, sizeof bytes);
  bytes[0] = (char)(length & 0xff);
  bytes[1] = (char)(length >> 8);
  memcpy(bytes + 8, header, length);
  if (count) memcpy(bytes + 8 + length, arrays, count);
  write_bytes(bytes, 8 + length + count);
}

static void assert_says(const ky_checkpoint *c, const char *part) {
  if (!strstr(ky_checkpoint_message(c), part))
    fail_msg("\"%s\" does not say \"%s\"", ky_checkpoint_message(c), part);
}

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
  r->loss = ky_nn_mse(r->t, y, ky_input(r->t, KY_F64, KY_SHAPE(4, 1), target));
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
  assert_same(&a, &b);
  train(&a, 2);
  train(&b, 2);
  assert_same(&a, &b);
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
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK); /* before the first step */
  train(&a, 3);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  assert_same(&a, &b);
  train(&a, 2);
  train(&b, 2);
  assert_same(&a, &b);
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
  assert_same(&a, &b);
  train(&a, 2);
  train(&b, 2);
  assert_same(&a, &b);
  end_training(&a);
  end_training(&b);
}

/* ---- the format -------------------------------------------------------------------------- */

static void file_is_what_the_format_says(void **state) {
  fixture *f = *state;
  const float w[2] = {1.5f, -2};
  int64_t step = 0x0102030405060708;
  ky_tensor *tensor;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2, 1), &tensor), KY_OK);
  assert_int_equal(ky_tensor_assign(tensor, KY_F32, w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "a \"b\"\n", tensor), KY_OK);
  assert_int_equal(ky_checkpoint_add_array(f->c, "step", KY_I64, KY_SCALAR, &step), KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  static const char header[] =
      "{\"step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
      "\"a \\\"b\\\"\\u000a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]}}";
  char bytes[512];
  const size_t count = read_bytes(bytes, sizeof bytes), length = (unsigned char)bytes[0];
  assert_int_equal(length % 8, 0);
  assert_int_equal(count, 8 + length + 16);
  assert_memory_equal(bytes + 8, header, sizeof header - 1);
  for (size_t k = sizeof header - 1; k < length; k++) assert_int_equal(bytes[8 + k], ' ');
  assert_memory_equal(bytes + 8 + length, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
  assert_memory_equal(bytes + 16 + length, "\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8);
  ky_tensor_free(tensor);
}

static void files_of_others_are_read(void **state) {
  fixture *f = *state;
  const double values[3] = {1, 0.1, -3};
  ky_tensor *single, *half;
  uint8_t mask[2] = {0, 0};
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(3), &single), KY_OK);
  assert_int_equal(ky_tensor_new(NULL, KY_BF16, KY_SCALAR, &half), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "h\u00e9\U0001f600/\t", single), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "half", half), KY_OK);
  assert_int_equal(ky_checkpoint_add_array(f->c, "mask", KY_MASK, KY_SHAPE(2), mask), KY_OK);
  char arrays[35];
  memcpy(arrays + 3, values, sizeof values); /* out of step with doubles */
  memcpy(arrays, "\x07\x00\xff", 3);
  memcpy(arrays + 27, &values[1], 8);
  write_file("  {\"__metadata__\" : {\"format\":\"pt\"},\n"
             "\"mask\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]},"
             "\"odd\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[2,3]},"
             "\"deep\":{\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[2,3],\"dtype\":\"U8\"},"
             "\"h\\u00E9\\ud83d\\ude00\\/\\t\":"
             "{\"data_offsets\":[3,27],\"dtype\":\"F64\",\"shape\":[3],\"more\":{\"x\":[1]}},"
             "\"half\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[27,35]}}  ",
             arrays, sizeof arrays);
  const ky_status status = ky_checkpoint_read(f->c, PATH);
  assert_string_equal(ky_checkpoint_message(f->c), "");
  assert_int_equal(status, KY_OK);
  for (int k = 0; k < 3; k++)
    assert_true(((const float *)ky_tensor_data(single))[k] == (float)values[k]);
  assert_int_equal(*(const uint16_t *)ky_tensor_data(half), 0x3dcd); /* 0.1 to the nearest */
  assert_int_equal(mask[0], 1);
  assert_int_equal(mask[1], 0);
  ky_tensor_free(single);
  ky_tensor_free(half);
}

/* ---- bad files --------------------------------------------------------------------------- */

#define ARRAY(type, shape, offsets)                                                            \
  "{\"w\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
  const char *header;
  ky_status status;
  const char *says;
} bad_headers[] = {
    {"", KY_BAD_FILE, "no JSON"},
    {"[]", KY_BAD_FILE, "no JSON object"},
    {"{\"w\"", KY_BAD_FILE, "no JSON"},
    {"{\"w\":{\"dtype\":\"F32\"", KY_BAD_FILE, "no JSON"},
    {"{w:1}", KY_BAD_FILE, "no JSON"},
    {"{} {}", KY_BAD_FILE, "no JSON object"},
    {"{}", KY_BAD_FILE, "lacks w"},
    {"{\"w\":1}", KY_BAD_FILE, "no object"},
    {"{\"w\":{}}", KY_BAD_FILE, "lacks dtype, shape or data_offsets"},
    {ARRAY("F32", "[3]", "[0,8]"), KY_BAD_FILE, "disagree"},
    {ARRAY("F32", "[9223372036854775807,9]", "[0,8]"), KY_BAD_FILE, "disagree"},
    {ARRAY("F32", "[9223372036854775808]", "[0,8]"), KY_BAD_FILE, "no whole number"},
    {ARRAY("F32", "[-2]", "[0,8]"), KY_BAD_FILE, "no whole number"},
    {ARRAY("F32", "[[2]]", "[0,8]"), KY_BAD_FILE, "no whole number"},
    {ARRAY("F32", "2", "[0,8]"), KY_BAD_FILE, "no list"},
    {ARRAY("F32", "[2]", "[8,0]"), KY_BAD_FILE, "cut short"},
    {ARRAY("F32", "[2]", "[8,16]"), KY_BAD_FILE, "cut short"},
    {ARRAY("F32", "[2]", "[0]"), KY_BAD_FILE, "no two whole numbers"},
    {ARRAY("F32", "[2]", "[0,1.5]"), KY_BAD_FILE, "no two whole numbers"},
    {ARRAY("F32", "[1,2]", "[0,8]"), KY_BAD_SHAPE, "w is f32 [1,2], not f32 [2]"},
    {ARRAY("F32", "[1]", "[0,4]"), KY_BAD_SHAPE, "w is f32 [1], not f32 [2]"},
    {ARRAY("I32", "[2]", "[0,8]"), KY_BAD_DTYPE, "w is i32 [2], not f32 [2]"},
    {ARRAY("C64", "[2]", "[0,8]"), KY_BAD_DTYPE, "kytape lacks, not f32 [2]"},
    {ARRAY("F32", "[2,1,1,1,1,1,1,1,1]", "[0,8]"), KY_BAD_SHAPE, "kytape lacks, not f32 [2]"},
    {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F64\"}}", KY_BAD_FILE, "twice"},
    {"{\"w\\u0000x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", KY_BAD_FILE,
     "lacks w"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
     KY_BAD_FILE, "has w twice"},
};

static void bad_files_change_nothing(void **state) {
  fixture *f = *state;
  const float old[2] = {1, 2}, other[2] = {3, 4};
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_tensor_assign(w, KY_F32, old), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  const uint64_t version = ky_tensor_version(w);
  for (size_t k = 0; k < sizeof bad_headers / sizeof *bad_headers; k++) {
    write_file(bad_headers[k].header, other, sizeof other);
    const ky_status status = ky_checkpoint_read(f->c, PATH);
    assert_says(f->c, bad_headers[k].says);
    assert_says(f->c, PATH ": ");
    assert_int_equal(status, bad_headers[k].status);
  }
  assert_int_equal(ky_tensor_version(w), version);
  write_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  write_bytes("\x02", 1);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "no safetensors file");
  assert_int_equal(ky_checkpoint_read(f->c, "no/such/file"), KY_NO_FILE);
  assert_says(f->c, "no/such/file: cannot be read: No such file");
  assert_int_equal(ky_checkpoint_read(f->c, "."), KY_NO_FILE);
  assert_says(f->c, ".: cannot be read: it is no regular file");
  assert_int_equal(ky_tensor_version(w), version);
  assert_memory_equal(ky_tensor_data(w), old, sizeof old);
  ky_tensor_free(w);
}

static void deep_headers_are_refused_at_once(void **state) {
  fixture *f = *state;
  static char header[60001];
  memset(header, '[', sizeof header / 2);
  memset(header + sizeof header / 2, ']', sizeof header / 2);
  char *bytes = calloc(1, 8 + sizeof header);
  assert_non_null(bytes);
  bytes[0] = (char)(60000 & 0xff);
  bytes[1] = (char)(60000 >> 8);
  memcpy(bytes + 8, header, 60000);
  write_bytes(bytes, 60008);
  free(bytes);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "no JSON");
}

/* Any byte of a good file, turned to something else: a status, or other numbers. */
static void no_byte_of_a_file_is_trusted(void **state) {
  fixture *f = *state;
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_OK);
  char good[256];
  const size_t count = read_bytes(good, sizeof good);
  for (size_t k = 0; k < count; k++)
    for (int bit = 0; bit < 8; bit++) {
      char bad[256];
      memcpy(bad, good, count);
      bad[k] = (char)(bad[k] ^ 1 << bit);
      write_bytes(bad, count);
      const ky_status status = ky_checkpoint_read(f->c, PATH);
      assert_true(status == KY_OK || *ky_checkpoint_message(f->c));
    }
  for (size_t k = 0; k < count; k++) {
    write_bytes(good, k);
    assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  }
  ky_tensor_free(w);
}

#define SCALAR(name, type, offsets)                                                            \
  "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[],\"data_offsets\":" offsets "}"

static void half_of_a_memory_is_refused(void **state) {
  fixture *f = *state;
  const int64_t negative[4] = {0, 0, 0, -1};
  ky_tensor *w;
  ky_optimizer *adam;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SCALAR, &w), KY_OK);
  assert_int_equal(ky_adam_new(NULL, 0.1, NULL, &adam), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", adam), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  write_file("{" SCALAR("w", "F64", "[0,8]") "," SCALAR("adam.w.moment1", "F64", "[8,16]") "}",
             negative, 16);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "lacks adam.w.moment2");
  write_file(
      "{" SCALAR("w", "F64", "[0,8]") "," SCALAR("adam.w.moment1", "F64", "[8,16]") "," SCALAR(
          "adam.w.moment2", "F64", "[16,24]") "," SCALAR("adam.w.steps", "I64", "[24,32]") "}",
      negative, sizeof negative);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "adam.w.steps is negative");
  ky_optimizer_free(adam);
  ky_tensor_free(w);
}

/* ---- writing that fails ------------------------------------------------------------------ */

static void old_file_stays_where_writing_fails(void **state) {
  fixture *f = *state;
  ky_tensor *w;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  assert_int_equal(ky_checkpoint_write(f->c, "no/such/file"), KY_NO_FILE);
  assert_says(f->c, "no/such/file: cannot be written: No such file");
  assert_int_equal(ky_checkpoint_write(f->c, "."), KY_NO_FILE);
  assert_says(f->c, ".: cannot be written: it is no regular file");
  ky_tensor_free(w);
}

#define LINK "test_checkpoint.link"

static void files_of_others_are_not_touched(void **state) {
  fixture *f = *state;
  struct stat info;
  char bytes[256];
  double x = 1;
  assert_int_equal(ky_checkpoint_add_array(f->c, "x", KY_F64, KY_SCALAR, &x), KY_OK);
  write_bytes("old", 3);
  assert_int_equal(rename(PATH, PATH ".part"), 0); /* somebody's */
  write_bytes("old", 3);
  assert_int_equal(chmod(PATH, 0600), 0);
  remove(LINK);
  assert_int_equal(symlink(PATH, LINK), 0);
  assert_int_equal(ky_checkpoint_write(f->c, LINK), KY_OK);
  assert_int_equal(lstat(LINK, &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(stat(PATH, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  x = 2;
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  assert_true(x == 1);
  assert_int_equal(rename(PATH ".part", PATH), 0);
  assert_int_equal(read_bytes(bytes, sizeof bytes), 3);
  assert_int_equal(stat(PATH ".part1", &info), -1);
  remove(LINK);
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

static void wrong_additions_are_refused(void **state) {
  fixture *f = *state;
  double data[2] = {0};
  char endless[KY_CHECKPOINT_NAME + 1];
  training a;
  ky_tensor *w;
  begin_training(&a, 1);
  memset(endless, 'x', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_BAD_ARGUMENT);
  assert_says(f->c, "w is there already");
  assert_int_equal(ky_checkpoint_add(f->c, "", w), KY_BAD_ARGUMENT);
  assert_says(f->c, "a name is empty");
  assert_int_equal(ky_checkpoint_add(f->c, endless, w), KY_BAD_ARGUMENT);
  assert_says(f->c, "longer than 255 bytes");
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
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", KY_F64, KY_SHAPE(-2), data),
                   KY_BAD_SHAPE);
  assert_says(f->c, "f64 [-2]");
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", KY_F64, 9, NULL, data), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", KY_F64, -1, NULL, data), KY_BAD_SHAPE);
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", (ky_dtype)99, KY_SHAPE(2), data),
                   KY_BAD_DTYPE);
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", KY_F64, KY_SHAPE(INT64_MAX, 2), data),
                   KY_BAD_SHAPE);
  assert_int_equal(ky_checkpoint_add_array(f->c, "v", KY_F64, KY_SHAPE(2), NULL),
                   KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(f->c, endless, a.net), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", a.net), KY_OK);
  assert_int_equal(ky_checkpoint_add_module(f->c, "net", a.net), KY_BAD_ARGUMENT);
  assert_says(f->c, "net.0.weight is there already");
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, NULL, a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "", a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, endless, a.adam), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", a.adam), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", a.adam), KY_BAD_ARGUMENT);
  assert_says(f->c, "adam is there already");
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "new", a.adam), KY_BAD_ARGUMENT);
  assert_says(f->c, "new is there already, as adam");
  assert_int_equal(ky_checkpoint_write(f->c, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_read(f->c, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_checkpoint_new(NULL, NULL), KY_BAD_ARGUMENT);
  assert_string_equal(ky_checkpoint_message(NULL), "");
  ky_checkpoint_free(NULL);
  end_training(&a);
  ky_tensor_free(w);
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

static void every_allocation_may_fail(void **state) {
  fixture *f = *state;
  training a, b;
  begin_training(&a, 1);
  begin_training(&b, 1);
  train(&a, 2);
  train(&b, 2);
  for (int way = 0; way < 2; way++) {
    ky_status status = KY_NO_MEMORY;
    for (size_t n = 1; status == KY_NO_MEMORY; n++) {
      assert_in_range(n, 1, 1000);
      fault_allocator_fail_once(&f->fa, n);
      status = add_and_turn(&f->allocator, &a, way == 0);
      assert_same(&a, &b);
    }
    fault_allocator_relent(&f->fa);
    assert_int_equal(status, KY_OK);
  }
  end_training(&a);
  end_training(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(training_goes_on_with_the_same_bits),
      TEST(optimizer_forgets_what_the_file_lacks),
      TEST(tensor_of_two_names_is_remembered_once),
      TEST(file_is_what_the_format_says),
      TEST(files_of_others_are_read),
      TEST(bad_files_change_nothing),
      TEST(deep_headers_are_refused_at_once),
      TEST(no_byte_of_a_file_is_trusted),
      TEST(half_of_a_memory_is_refused),
      TEST(old_file_stays_where_writing_fails),
      TEST(files_of_others_are_not_touched),
      TEST(names_that_became_one_are_refused),
      TEST(wrong_additions_are_refused),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
