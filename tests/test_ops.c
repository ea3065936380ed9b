/* SPDX-License-Identifier: MIT */
/* Every opcode against its samples: one test a row of ops.def, named after it. With an
 * argument, only that one. A row without samples does not link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_checks.h"

/* Runs a sample in every layout that makes a difference: all operands alike, then mixed. */
static void check_layouts(op_case *c) {
  for (int mixed = 0; mixed < 2; mixed++) {
    if (mixed && c->sample.operands < 2) return;
    for (int lay = 0; lay < LAY_COUNT; lay++) {
      bool different = lay == LAY_DENSE && !mixed;
      for (int k = 0; k < c->sample.operands; k++) {
        const ky_lay wanted = (ky_lay)((lay + k * mixed) % LAY_COUNT);
        c->lay[k] = case_can_lay(c, k, wanted) ? wanted : LAY_DENSE;
        different |= c->lay[k] != LAY_DENSE;
      }
      if (different) check_case(c);
    }
  }
  for (int k = 0; k < KY_OPERANDS; k++) c->lay[k] = LAY_DENSE;
}

static bool can_share(const op_case *c, int j, int k) {
  const ky_extents *a = &c->sample.shape[j], *b = &c->sample.shape[k];
  if (c->sample.kind[j] != c->sample.kind[k] || a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->dims[d] != b->dims[d]) return false;
  return true;
}

/* Runs a sample with one var as two operands, and as three. */
static void check_shared(op_case *c) {
  for (int k = 1; k < c->sample.operands; k++) {
    for (int j = 0; j < k; j++) {
      if (!can_share(c, j, k)) continue;
      c->source[k] = j;
      check_case(c);
      c->source[k] = k;
    }
  }
  if (c->sample.operands == 3 && can_share(c, 0, 1) && can_share(c, 0, 2)) {
    c->source[1] = c->source[2] = 0;
    check_case(c);
  }
}

static void check_opcode(op_case *c) {
  const ky_samples *set = c->set;
  if (set->also) set->also();
  for (int k = 0; k < set->sample_count; k++) {
    for (int s = 0; s < (set->shapes ? set->shape_count : 1); s++) {
      case_choose(c, &set->samples[k], set->shapes ? set->shapes[s] : NULL, k);
      check_layouts(c);
      check_shared(c);
    }
  }
  for (int k = 0; k < set->example_count; k++) {
    case_choose(c, &set->examples[k].sample, NULL, k);
    check_example(c, &set->examples[k]);
  }
  check_refusals(c);
}

static int set_up(void **state) {
  *state = calloc(1, sizeof(op_case));
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  case_drop(*state);
  free(*state);
  return 0;
}

static void start(void **state, const char *name, ky_op op, const ky_samples *set) {
  op_case *c = *state;
  c->name = name;
  c->info = &ky__opinfo[op];
  c->set = set;
  check_opcode(c);
}

#define OP(name, ...)                                                                          \
  static void test_##name(void **state) { start(state, #name, KY_OP_##name, &samples_##name); }
#include "ops.def"
#undef OP

int main(int argc, char **argv) {
  static const struct CMUnitTest tests[] = {
#define OP(name, ...) {#name, test_##name, set_up, tear_down, NULL},
#include "ops.def"
#undef OP
  };
  if (argc > 1) {
    size_t k = 0;
    while (k < sizeof tests / sizeof *tests && strcmp(tests[k].name, argv[1]) != 0) k++;
    if (k == sizeof tests / sizeof *tests) return 2; /* a filter that matches nothing passes */
    cmocka_set_test_filter(argv[1]);
  }
  printf("seed 0x%llx\n", (unsigned long long)OP_SEED);
  return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
