/* SPDX-License-Identifier: MIT */
/* Files of checkpoints: what is written is of the format, files of others are read, and nothing
 * changes where a file is not what it should be. */
#define _XOPEN_SOURCE 700 /* symlink, mkfifo, alarm */
#include "checkpoint_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
    {"{\"w\\n\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", KY_BAD_FILE,
     "lacks w; it has w?"},
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

/* A pipe that nobody writes to: opening it must not wait. */
static void pipes_are_refused_at_once(void **state) {
  fixture *f = *state;
  assert_int_equal(mkfifo(PATH, 0600), 0);
  alarm(10);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_NO_FILE);
  assert_says(f->c, "cannot be read: it is no regular file");
  assert_int_equal(ky_checkpoint_write(f->c, PATH), KY_NO_FILE);
  assert_says(f->c, "cannot be written: it is no regular file");
  alarm(0);
}

/* It is JSON, and nothing in it is asked for; but closing deep brackets takes jsmn long. */
static void deep_headers_are_refused(void **state) {
  fixture *f = *state;
  char header[512], list[65] = "", ends[65] = "";
  memset(list, '[', 64);
  memset(ends, ']', 64);
  snprintf(header, sizeof header, "{\"__metadata__\":%s%s}", list + 1, ends + 1);
  write_file(header, NULL, 0);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  snprintf(header, sizeof header, "{\"__metadata__\":%s%s}", list, ends);
  write_file(header, NULL, 0);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "too deep");
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
  const int64_t negative[5] = {0, 0, 0, -1, 1};
  ky_tensor *w;
  ky_optimizer *adam;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SCALAR, &w), KY_OK);
  assert_int_equal(ky_adam_new(NULL, 0.1, NULL, &adam), KY_OK);
  assert_int_equal(ky_checkpoint_add_optimizer(f->c, "adam", adam), KY_OK);
  assert_int_equal(ky_checkpoint_add(f->c, "w", w), KY_OK);
  write_file(
      "{" SCALAR("w", "F64", "[0,8]") "," SCALAR("adam.tensors", "I64", "[0,8]") "," SCALAR(
          "adam.w.moment1", "F64", "[8,16]") "}",
      negative, 16);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "lacks adam.w.moment2");
  write_file(
      "{" SCALAR("w", "F64", "[0,8]") "," SCALAR("adam.w.moment1", "F64", "[8,16]") "," SCALAR(
          "adam.w.moment2", "F64",
          "[16,24]") "," SCALAR("adam.w.steps", "I64",
                                "[24,32]") "," SCALAR("adam.tensors", "I64", "[32,40]") "}",
      negative, sizeof negative);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_BAD_FILE);
  assert_says(f->c, "adam.w.steps is negative");
  ky_optimizer_free(adam);
  ky_tensor_free(w);
}

/* ---- writing that fails ------------------------------------------------------------------ */

/* The status of writing to PATH when files must not grow. */
static ky_status write_without_room(ky_checkpoint *c) {
  struct rlimit was, none;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
  none = was;
  none.rlim_cur = 0;
  void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
  const ky_status status = ky_checkpoint_write(c, PATH);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
  signal(SIGXFSZ, handler);
  return status;
}

static void old_file_stays_where_writing_fails(void **state) {
  fixture *f = *state;
  char bytes[256];
  struct stat info;
  double x = 1;
  assert_int_equal(ky_checkpoint_add_array(f->c, "x", KY_F64, KY_SCALAR, &x), KY_OK);
  write_bytes("old", 3);
  assert_int_equal(write_without_room(f->c), KY_NO_FILE);
  assert_says(f->c, PATH ": cannot be written: File too large");
  assert_int_equal(read_bytes(bytes, sizeof bytes), 3);
  assert_int_equal(stat(PATH ".part", &info), -1);
  assert_int_equal(ky_checkpoint_write(f->c, "no/such/file"), KY_NO_FILE);
  assert_says(f->c, "no/such/file: cannot be written: No such file");
  assert_int_equal(ky_checkpoint_write(f->c, "."), KY_NO_FILE);
  assert_says(f->c, ".: cannot be written: it is no regular file");
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

/* One link after another, to a file that is not there yet. */
static void links_stay_where_there_is_nothing_behind_them(void **state) {
  fixture *f = *state;
  struct stat info;
  double x = 1;
  char here[512], far[1024];
  assert_non_null(getcwd(here, sizeof here));
  snprintf(far, sizeof far, "%s/%s", here, LINK "2");
  assert_int_equal(ky_checkpoint_add_array(f->c, "x", KY_F64, KY_SCALAR, &x), KY_OK);
  remove(LINK);
  remove(LINK "2");
  assert_int_equal(symlink(far, LINK), 0);
  assert_int_equal(symlink(PATH, LINK "2"), 0);
  const ky_status status = ky_checkpoint_write(f->c, "./" LINK);
  const int links[2] = {lstat(LINK, &info) == 0 && S_ISLNK(info.st_mode),
                        lstat(LINK "2", &info) == 0 && S_ISLNK(info.st_mode)};
  remove(LINK "2");
  assert_int_equal(symlink(LINK "2", LINK "2"), 0); /* a circle */
  const ky_status endless = ky_checkpoint_write(f->c, LINK);
  remove(LINK);
  remove(LINK "2");
  assert_int_equal(status, KY_OK);
  assert_true(links[0] && links[1]);
  assert_int_equal(ky_checkpoint_read(f->c, PATH), KY_OK);
  assert_int_equal(endless, KY_NO_FILE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CHECKPOINT_TEST(file_is_what_the_format_says),
      CHECKPOINT_TEST(files_of_others_are_read),
      CHECKPOINT_TEST(bad_files_change_nothing),
      CHECKPOINT_TEST(pipes_are_refused_at_once),
      CHECKPOINT_TEST(deep_headers_are_refused),
      CHECKPOINT_TEST(no_byte_of_a_file_is_trusted),
      CHECKPOINT_TEST(half_of_a_memory_is_refused),
      CHECKPOINT_TEST(old_file_stays_where_writing_fails),
      CHECKPOINT_TEST(files_of_others_are_not_touched),
      CHECKPOINT_TEST(links_stay_where_there_is_nothing_behind_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
