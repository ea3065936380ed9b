/* SPDX-License-Identifier: MIT */
/* Random well-typed tapes over all recording functions: leaves of every kind, views,
 * broadcasts, shared operands, rank 0 runs, constant and repeated subexpressions, watched
 * values, dead code, eras left behind by rewinding. A seed makes the same tape on every
 * machine. */
#ifndef KY_TEST_RANDOM_TAPE_H
#define KY_TEST_RANDOM_TAPE_H

#include <stdbool.h>

#include "kytape/tape.h"

enum { RANDOM_VALUES = 160, RANDOM_LEAVES = 96 };

/* A value of the tape that may be named. */
typedef struct random_value {
  ky_var var;
  ky_array shape;
  bool depends;      /* on an input or a weight */
  bool wants;        /* a gradient is wanted of it */
  bool self;         /* a weight, or watched */
  ky_tensor *tensor; /* of a weight */
} random_value;

/* An input and the array it reads. */
typedef struct random_input {
  ky_var var;
  ky_dtype dtype;
  size_t count;
  int64_t classes; /* integers are below; 0: small ones of either sign */
  void *data;
} random_input;

typedef struct random_tape {
  uint64_t seed;
  uint64_t state; /* of the generator */
  ky_tape *tape;
  ky_var root;
  random_value values[RANDOM_VALUES];
  int count;
  random_input inputs[RANDOM_LEAVES];
  int input_count;
  ky_tensor *weights[RANDOM_LEAVES];
  int weight_count;

  /* of the tape being made */
  ky_dtype real;
  int rank;
  int64_t dims[4];
  int visible;         /* values that may be picked as operands */
  bool depends, wants; /* of the operands picked so far */
} random_tape;

/* The next 64 bits of splitmix64. */
uint64_t random_bits(uint64_t *state);

/* A number in 0..n-1. */
int random_below(uint64_t *state, int n);

/* Makes the tape of `seed`; its inputs have the data of round 0. */
random_tape *random_tape_new(uint64_t seed);

/* Frees all of it; the tape may be gone already (null). */
void random_tape_free(random_tape *r);

/* What input k has in a round, into its own or another array of its size. */
void random_tape_fill(const random_tape *r, int k, uint64_t round, void *data);

/* Gives the weights their first values. */
void random_tape_reset_weights(const random_tape *r);

#endif
