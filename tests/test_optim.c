/* SPDX-License-Identifier: MIT */
/* Optimizers: what a step does to weights, and what it refuses. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "close.h"
#include "fault_allocator.h"
#include "kytape/ops.h"
#include "kytape/optim.h"

static int make_sgd(void **state) {
  return ky_sgd_new(NULL, 0.5, NULL, (ky_optimizer **)state) == KY_OK ? 0 : -1;
}

static int free_optimizer(void **state) {
  ky_optimizer_free(*state);
  return 0;
}

/* ---- steps ------------------------------------------------------------------------------- */

static void sgd_descends_along_the_gradient(void **state) {
  double w[3] = {1, 2, 3};
  float v[2] = {1, -1};
  const double gw[3] = {2, 0, -4};
  const float gv[2] = {1, 0.5f};
  ky_tensor *tw, *tv;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(3), w, &tw), KY_OK);
  assert_int_equal(ky_tensor_wrap(NULL, KY_F32, KY_SHAPE(1, 2), v, &tv), KY_OK);
  const ky_grad_pair pairs[2] = {{tw, gw, ky_none()}, {tv, gv, ky_none()}};
  const ky_status status = ky_optimizer_step(*state, &(ky_grads){2, pairs});
  const uint64_t versions = ky_tensor_version(tw) + ky_tensor_version(tv);
  ky_tensor_free(tw);
  ky_tensor_free(tv);
  assert_int_equal(status, KY_OK);
  assert_int_equal(versions, 2);
  const double want[3] = {0, 2, 5};
  for (int k = 0; k < 3; k++) assert_close(w[k], want[k], 0);
  assert_close((double)v[0], 0.5, 0);
  assert_close((double)v[1], -1.25, 0);
}

/* (w - 3)^2 from w = 0: each step of rate 1/4 halves the distance, exactly. */
static void sgd_follows_a_tape(void **state) {
  double w = 0;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  ky_tape *t = ky_tape_new(NULL);
  ky_var loss = ky_square(t, ky_add_scalar(t, ky_param(t, weight), -3));
  ky_status status = ky_optimizer_set_rate(*state, 0.25);
  for (int k = 0; k < 10 && status == KY_OK; k++) {
    ky_grads grads;
    status = ky_forward(t);
    if (status == KY_OK) status = ky_backward(t, loss, &grads);
    if (status == KY_OK) status = ky_optimizer_step(*state, &grads);
  }
  ky_tape_free(t);
  ky_tensor_free(weight);
  assert_int_equal(status, KY_OK);
  assert_close(w, 3 - 3 * 0x1p-10, 0);
}

static void step_makes_the_tape_stale(void **state) {
  double w = 1;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  ky_tape *t = ky_tape_new(NULL);
  ky_var loss = ky_square(t, ky_param(t, weight));
  ky_grads grads;
  const ky_status first = ky_backward(t, loss, &grads);
  const ky_status step = ky_optimizer_step(*state, &grads);
  const ky_status second = ky_backward(t, loss, &grads);
  ky_tape_free(t);
  ky_tensor_free(weight);
  assert_int_equal(first, KY_OK);
  assert_int_equal(step, KY_OK);
  assert_int_equal(second, KY_STALE);
}

static void step_without_gradients_does_nothing(void **state) {
  assert_int_equal(ky_optimizer_step(*state, &(ky_grads){0, NULL}), KY_OK);
}

static void step_accepts_empty_weights(void **state) {
  double none[1] = {42};
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(0, 3), none, &weight), KY_OK);
  const ky_grad_pair pair = {weight, none, ky_none()};
  const ky_status status = ky_optimizer_step(*state, &(ky_grads){1, &pair});
  ky_tensor_free(weight);
  assert_int_equal(status, KY_OK);
  assert_close(none[0], 42, 0);
}

/* ---- PyTorch's numbers ------------------------------------------------------------------- */

/* Three steps from {1, -2, 0.5} along these gradients, by torch.optim 1.13 in float64. */
static const double start[3] = {1, -2, 0.5};
static const double along[3][3] = {{0.5, -2, 0}, {1.5, 0.25, -1}, {-0.75, 0, 2}};

typedef struct optim_case {
  const char *name;
  double rate, clip;
  ky_sgd_options sgd;                  /* with a size: descent with these */
  double beta1, beta2, epsilon, decay; /* else Adam; beta2 0: the defaults */
  bool decoupled;
  double end[3];
} optim_case;

#define SGD .sgd.size = sizeof(ky_sgd_options)
static const optim_case optim_cases[] = {
    {"sgd", 0.1, SGD, .end = {0.8749999999999999, -1.825, 0.39999999999999997}},
    {"decay", 0.1, SGD, .sgd.weight_decay = 0.2, .end = {0.821172, -1.714804, 0.368596}},
    {"momentum", 0.1, SGD, .sgd.momentum = 0.9, .end = {0.6545, -1.5055, 0.49}},
    {"dampening", 0.1, SGD, .sgd.momentum = 0.9, .sgd.dampening = 0.3, .sgd.weight_decay = 0.2,
     .end = {0.62807628, -1.31451796, 0.44524804}},
    {"nesterov", 0.1, SGD, .sgd.momentum = 0.9, .sgd.nesterov = 1, .sgd.weight_decay = 0.2,
     .end = {0.429569148, -1.107844936, 0.306044164}},
    {"clipped", 0.1, 1, SGD, .sgd.momentum = 0.9,
     .end = {0.812794248354165, -1.7631900028006013, 0.5107610973212361}},
    {"clip too wide", 0.1, 100, SGD, .end = {0.8749999999999999, -1.825, 0.39999999999999997}},
    {"adam", 0.1, .end = {0.7715192579277631, -1.7984894550672699, 0.542985064598546}},
    {"adam with decay",
     0.05,
     0,
     {0},
     0.8,
     0.95,
     1e-3,
     0.2,
     .end = {0.8794128117035809, -1.8856116285918099, 0.46386978563660136}},
    {"adam, clipped", 0.1, 1,
     .end = {0.7692749524410627, -1.8008779507331059, 0.5484118995597671}},
    {"adamw", 0.1, .decoupled = true,
     .end = {0.7688139350348424, -1.7927526065234414, 0.5414121504172414}},
    {"adamw with more decay",
     0.05,
     0,
     {0},
     0.8,
     0.95,
     1e-3,
     0.2,
     true,
     .end = {0.8596061080092149, -1.845762093473835, 0.5048448931747682}},
};

static ky_optimizer *make_optimizer(const optim_case *c, const ky_allocator *allocator) {
  ky_adam_options a = ky_adam_defaults();
  if (c->beta2 != 0) {
    a.beta1 = c->beta1, a.beta2 = c->beta2;
    a.epsilon = c->epsilon, a.weight_decay = c->decay;
  }
  const ky_adam_options *options = c->beta2 != 0 ? &a : NULL;
  ky_optimizer *o = NULL;
  const ky_status made = c->sgd.size    ? ky_sgd_new(allocator, c->rate, &c->sgd, &o)
                         : c->decoupled ? ky_adamw_new(allocator, c->rate, options, &o)
                                        : ky_adam_new(allocator, c->rate, options, &o);
  assert_int_equal(made, KY_OK);
  assert_int_equal(ky_optimizer_set_clip(o, c->clip), KY_OK);
  return o;
}

/* A few roundings in each of three steps. */
#define F64_STEPS (16 * DBL_EPSILON)
#define F32_STEPS (16 * (double)FLT_EPSILON)

static void check_steps(const optim_case *c, ky_dtype dtype) {
  double w64[3], g64[3];
  float w32[3], g32[3];
  for (int k = 0; k < 3; k++) w64[k] = start[k], w32[k] = (float)start[k];
  const bool wide = dtype == KY_F64;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, dtype, KY_SHAPE(3), wide ? (void *)w64 : w32, &weight),
                   KY_OK);
  ky_optimizer *o = make_optimizer(c, NULL);
  ky_status status = KY_OK;
  for (int step = 0; step < 3 && status == KY_OK; step++) {
    for (int k = 0; k < 3; k++) g64[k] = along[step][k], g32[k] = (float)along[step][k];
    const ky_grad_pair pair = {weight, wide ? (void *)g64 : g32, ky_none()};
    status = ky_optimizer_step(o, &(ky_grads){1, &pair});
  }
  ky_optimizer_free(o);
  ky_tensor_free(weight);
  assert_int_equal(status, KY_OK);
  for (int k = 0; k < 3; k++)
    if (!is_close(wide ? w64[k] : (double)w32[k], c->end[k], wide ? F64_STEPS : F32_STEPS))
      fail_msg("%s: weight %d is %.17g, wants %.17g", c->name, k,
               wide ? w64[k] : (double)w32[k], c->end[k]);
}

static void steps_are_those_of_pytorch(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof optim_cases / sizeof *optim_cases; k++) {
    check_steps(&optim_cases[k], KY_F64);
    check_steps(&optim_cases[k], KY_F32);
  }
}

/* The gradient of sum w g is g. Another weight, with a gradient of its own, is in the way. */
static void check_program(const optim_case *c) {
  double w[2][3];
  ky_tensor *weight[2];
  ky_tape *t = ky_tape_new(NULL);
  ky_var loss = ky_scalar(t, KY_F64, 0), in = ky_input(t, KY_F64, KY_SHAPE(3), along[0]);
  for (int n = 0; n < 2; n++) {
    for (int k = 0; k < 3; k++) w[n][k] = start[k];
    assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SHAPE(3), w[n], &weight[n]), KY_OK);
    loss = ky_add(
        t, loss, ky_sum_all(t, ky_mul(t, ky_param(t, weight[n]), ky_mul_scalar(t, in, 1 - n))));
  }
  ky_optimizer *o = make_optimizer(c, NULL);
  ky_program *p;
  ky_exec *e;
  const ky_compile_options options = {.size = sizeof options, .updates = 1, .fuse_least = 1};
  const ky_exec_options running = {.size = sizeof running, .update = ky_optimizer_update(o)};
  assert_int_equal(ky_compile(t, loss, &options, &p), KY_OK);
  assert_int_equal(ky_exec_new(p, &running, &e), KY_OK);
  ky_status status = KY_OK;
  for (int step = 0; step < 3 && status == KY_OK; step++) {
    status = ky_exec_input(e, in, along[step]);
    if (status == KY_OK) status = ky_exec_step(e, NULL);
  }
  if (c->clip > 0)
    assert_non_null(strstr(ky_exec_message(e), "compile without updates and call"));
  ky_exec_free(e);
  ky_program_free(p);
  ky_optimizer_free(o);
  ky_tape_free(t);
  for (int n = 0; n < 2; n++) ky_tensor_free(weight[n]);
  assert_int_equal(status, c->clip > 0 ? KY_BAD_ARGUMENT : KY_OK);
  for (int k = 0; k < 3 && c->clip == 0; k++)
    if (!is_close(w[0][k], c->end[k], F64_STEPS))
      fail_msg("%s: weight %d is %.17g, wants %.17g", c->name, k, w[0][k], c->end[k]);
}

static void updates_within_a_program_are_the_same(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof optim_cases / sizeof *optim_cases; k++)
    check_program(&optim_cases[k]);
}

/* ---- what is remembered ------------------------------------------------------------------ */

typedef struct pair_of_weights {
  double w[2][3];
  float small[2];
  ky_tensor *weight[3];
  ky_grad_pair pairs[3];
} pair_of_weights;

static const float small_gradient[2] = {1, -1};

static void make_weights(pair_of_weights *p) {
  for (int n = 0; n < 3; n++) {
    for (int k = 0; k < 3 && n < 2; k++) p->w[n][k] = start[k];
    assert_int_equal(ky_tensor_wrap(NULL, n < 2 ? KY_F64 : KY_F32, n < 2 ? 1 : 0,
                                    (const int64_t[]){3}, n < 2 ? (void *)p->w[n] : p->small,
                                    &p->weight[n]),
                     KY_OK);
    p->pairs[n] = (ky_grad_pair){p->weight[n], n < 2 ? (const void *)along[0] : small_gradient,
                                 ky_none()};
  }
  p->small[0] = p->small[1] = 2;
}

static void free_weights(pair_of_weights *p) {
  for (int n = 0; n < 3; n++) ky_tensor_free(p->weight[n]);
}

/* Weights in another order, and some left out: each goes on from where it was. */
static void weights_are_known_in_any_order(void **state) {
  (void)state;
  pair_of_weights a, b;
  make_weights(&a);
  make_weights(&b);
  ky_optimizer *oa = make_optimizer(&optim_cases[8], NULL);
  ky_optimizer *ob = make_optimizer(&optim_cases[8], NULL);
  const ky_grad_pair mixed[3] = {b.pairs[2], b.pairs[0], b.pairs[1]};
  ky_status status[5] = {
      ky_optimizer_step(oa, &(ky_grads){3, a.pairs}),
      ky_optimizer_step(oa, &(ky_grads){3, a.pairs}),
      ky_optimizer_step(ob, &(ky_grads){1, &b.pairs[1]}),
      ky_optimizer_step(ob, &(ky_grads){3, mixed}),
      ky_optimizer_step(ob, &(ky_grads){2, mixed}),
  };
  ky_optimizer_free(oa);
  ky_optimizer_free(ob);
  free_weights(&a);
  free_weights(&b);
  for (int k = 0; k < 5; k++) assert_int_equal(status[k], KY_OK);
  assert_memory_equal(a.w, b.w, sizeof a.w);
  assert_memory_equal(a.small, b.small, sizeof a.small);
  assert_true(a.small[1] == 2); /* of rank 0 */
}

static void forgotten_weight_starts_anew(void **state) {
  (void)state;
  pair_of_weights a, b;
  make_weights(&a);
  make_weights(&b);
  ky_optimizer *o = make_optimizer(&optim_cases[7], NULL);
  const ky_status first = ky_optimizer_step(o, &(ky_grads){2, a.pairs});
  const double once = a.w[0][0];
  memcpy(a.w, b.w, sizeof a.w);
  ky_optimizer_forget(o, a.weight[0]);
  ky_optimizer_forget(o, NULL);
  const ky_status second = ky_optimizer_step(o, &(ky_grads){2, a.pairs});
  const double again = a.w[0][0], onwards = a.w[1][0];
  ky_optimizer_forget_all(o);
  ky_optimizer_forget_all(NULL);
  ky_optimizer_forget(NULL, NULL);
  ky_optimizer_free(o);
  free_weights(&a);
  free_weights(&b);
  assert_int_equal(first, KY_OK);
  assert_int_equal(second, KY_OK);
  assert_close(again, once, 0);
  assert_close(onwards, once, F64_STEPS); /* Adam's second step along one gradient is as long */
  assert_true(onwards != once);
}

/* Each allocation of a first step fails in turn: no weight changes, and a later step works. */
static void step_without_memory_changes_no_weight(void **state) {
  (void)state;
  pair_of_weights a;
  make_weights(&a);
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  size_t failures = 0;
  bool unchanged = true;
  ky_status status = KY_NO_MEMORY, later = KY_OK;
  while (status == KY_NO_MEMORY) {
    ky_optimizer *o = make_optimizer(&optim_cases[7], &allocator);
    fault_allocator_fail_once(&fa, failures + 1);
    status = ky_optimizer_step(o, &(ky_grads){3, a.pairs});
    fault_allocator_relent(&fa);
    if (status == KY_NO_MEMORY) {
      unchanged &= a.w[0][0] == start[0] && a.small[0] == 2;
      failures++;
    } else if (later == KY_OK) {
      later = ky_optimizer_step(o, &(ky_grads){3, a.pairs});
    }
    ky_optimizer_free(o);
  }
  const size_t left = fa.live_blocks;
  fault_allocator_free(&fa);
  free_weights(&a);
  assert_int_equal(status, KY_OK);
  assert_int_equal(later, KY_OK);
  assert_int_equal(failures, 4); /* the list and three weights */
  assert_true(unchanged);
  assert_int_equal(left, 0);
}

/* ---- the norm ---------------------------------------------------------------------------- */

static void norm_is_over_all_gradients(void **state) {
  (void)state;
  static double many[1003];
  for (int k = 0; k < 1003; k++) many[k] = 2;
  const float few[2] = {3, 0};
  ky_tensor *w, *v;
  assert_int_equal(ky_tensor_new(NULL, KY_F64, KY_SHAPE(1003), &w), KY_OK);
  assert_int_equal(ky_tensor_new(NULL, KY_F32, KY_SHAPE(2), &v), KY_OK);
  const ky_grad_pair pairs[2] = {{w, many, ky_none()}, {v, few, ky_none()}};
  double norm = 0, nothing = 1, bad = 0;
  const ky_status status = ky_grads_norm(&(ky_grads){2, pairs}, &norm);
  const ky_status empty = ky_grads_norm(&(ky_grads){0, NULL}, &nothing);
  const ky_status refused = ky_grads_norm(NULL, &bad);
  ky_tensor_free(w);
  ky_tensor_free(v);
  assert_int_equal(status, KY_OK);
  assert_close(norm, sqrt(4 * 1003 + 9), 4 * DBL_EPSILON);
  assert_int_equal(empty, KY_OK);
  assert_close(nothing, 0, 0);
  assert_int_equal(refused, KY_BAD_ARGUMENT);
  assert_true(isnan(bad));
  assert_int_equal(ky_grads_norm(&(ky_grads){0, NULL}, NULL), KY_BAD_ARGUMENT);
}

/* ---- errors ------------------------------------------------------------------------------ */

static void bad_step_changes_no_weight(void **state) {
  double w = 1;
  const double g = 1;
  ky_tensor *weight;
  assert_int_equal(ky_tensor_wrap(NULL, KY_F64, KY_SCALAR, &w, &weight), KY_OK);
  const ky_grad_pair no_grad[2] = {{weight, &g, ky_none()}, {weight, NULL, ky_none()}};
  const ky_grad_pair no_weight[2] = {{weight, &g, ky_none()}, {NULL, &g, ky_none()}};
  const ky_status status[] = {
      ky_optimizer_step(*state, &(ky_grads){2, no_grad}),
      ky_optimizer_step(*state, &(ky_grads){2, no_weight}),
      ky_optimizer_step(*state, &(ky_grads){1, NULL}),
      ky_optimizer_step(*state, NULL),
      ky_optimizer_step(NULL, &(ky_grads){1, no_grad}),
  };
  ky_tensor_free(weight);
  for (size_t k = 0; k < sizeof status / sizeof *status; k++)
    assert_int_equal(status[k], KY_BAD_ARGUMENT);
  assert_close(w, 1, 0);
}

static void rate_must_be_finite(void **state) {
  const double bad[] = {NAN, INFINITY, -INFINITY};
  for (int k = 0; k < 3; k++) {
    ky_optimizer *o = *state;
    assert_int_equal(ky_optimizer_set_rate(o, bad[k]), KY_BAD_ARGUMENT);
    assert_close(ky_optimizer_rate(o), 0.5, 0);
    assert_int_equal(ky_sgd_new(NULL, bad[k], NULL, &o), KY_BAD_ARGUMENT);
    assert_null(o);
  }
}

static void defaults_are_those_of_pytorch(void **state) {
  (void)state;
  const ky_adam_options adam = ky_adam_defaults(), adamw = ky_adamw_defaults();
  assert_true(adam.beta1 == 0.9 && adam.beta2 == 0.999 && adam.epsilon == 1e-8);
  assert_true(adamw.beta1 == 0.9 && adamw.beta2 == 0.999 && adamw.epsilon == 1e-8);
  assert_true(adam.weight_decay == 0 && adamw.weight_decay == 0.01);
}

static void options_out_of_range_are_refused(void **state) {
  const ky_sgd_options sgd[] = {
      {.momentum = -1},
      {.momentum = INFINITY},
      {.momentum = NAN},
      {.dampening = NAN},
      {.weight_decay = -0.1},
      {.nesterov = 1},
      {.nesterov = 1, .momentum = 0.9, .dampening = 0.1},
  };
  ky_optimizer *o = (ky_optimizer *)state; /* not null */
  for (size_t k = 0; k < sizeof sgd / sizeof *sgd; k++) {
    ky_sgd_options options = sgd[k];
    options.size = sizeof options;
    assert_int_equal(ky_sgd_new(NULL, 0.1, &options, &o), KY_BAD_ARGUMENT);
    assert_null(o);
  }
  const double adam[][4] = {{-0.1, 0.9, 0, 0}, {1, 0.9, 0, 0},     {0.9, 1, 0, 0},
                            {0.9, NAN, 0, 0},  {0.9, 0.9, -1, 0},  {0.9, 0.9, NAN, 0},
                            {0.9, 0.9, 0, -1}, {0.9, 0.9, 0, NAN}, {0, 0, 0, 0}};
  for (size_t k = 0; k < sizeof adam / sizeof *adam; k++) {
    const ky_adam_options options = {sizeof options, adam[k][0], adam[k][1], adam[k][2],
                                     adam[k][3]};
    assert_int_equal(ky_adam_new(NULL, 0.1, &options, &o), KY_BAD_ARGUMENT);
    assert_int_equal(ky_adamw_new(NULL, 0.1, &options, &o), KY_BAD_ARGUMENT);
    assert_null(o);
  }
  assert_int_equal(ky_adam_new(NULL, NAN, NULL, &o), KY_BAD_ARGUMENT);
  assert_int_equal(ky_adam_new(NULL, 0.1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_adamw_new(NULL, 0.1, NULL, NULL), KY_BAD_ARGUMENT);
}

static void options_without_size_are_refused(void **state) {
  ky_optimizer *o = (ky_optimizer *)state; /* not null */
  ky_adam_options adam = ky_adam_defaults();
  adam.size = 0;
  assert_int_equal(ky_sgd_new(NULL, 0.1, &(ky_sgd_options){.momentum = 0.9}, &o),
                   KY_BAD_ARGUMENT);
  assert_null(o);
  assert_int_equal(ky_adam_new(NULL, 0.1, &adam, &o), KY_BAD_ARGUMENT);
  assert_int_equal(ky_adamw_new(NULL, 0.1, &adam, &o), KY_BAD_ARGUMENT);
}

/* Of programs that were compiled when there were fewer options, or will be when there are more:
 * what both sides know counts, the defaults stand for the rest. */
static void options_of_other_sizes_are_read_as_far_as_they_are_known(void **state) {
  (void)state;
  const ky_sgd_options few = {.size = offsetof(ky_sgd_options, dampening), .dampening = NAN};
  const struct {
    ky_adam_options now;
    double later;
  } many = {.now = {sizeof many, 0.8, 0.9, 1e-6, 0}, .later = NAN};
  const ky_adam_options no_beta2 = {
      .size = offsetof(ky_adam_options, beta2), .beta1 = 0.8, .beta2 = -1, .epsilon = -1};
  ky_optimizer *o;
  assert_int_equal(ky_sgd_new(NULL, 0.1, &few, &o), KY_OK);
  ky_optimizer_free(o);
  assert_int_equal(ky_adam_new(NULL, 0.1, &many.now, &o), KY_OK);
  ky_optimizer_free(o);
  assert_int_equal(ky_adamw_new(NULL, 0.1, &no_beta2, &o), KY_OK);
  ky_optimizer_free(o);
}

static void clip_must_be_a_norm(void **state) {
  const double bad[] = {-1, NAN, INFINITY};
  for (int k = 0; k < 3; k++)
    assert_int_equal(ky_optimizer_set_clip(*state, bad[k]), KY_BAD_ARGUMENT);
  assert_int_equal(ky_optimizer_set_clip(NULL, 1), KY_BAD_ARGUMENT);
}

static void null_is_an_argument_error(void **state) {
  (void)state;
  assert_int_equal(ky_sgd_new(NULL, 0.1, NULL, NULL), KY_BAD_ARGUMENT);
  assert_int_equal(ky_optimizer_set_rate(NULL, 0.1), KY_BAD_ARGUMENT);
  assert_true(isnan(ky_optimizer_rate(NULL)));
  ky_optimizer_free(NULL);
}

static void optimizers_use_and_survive_their_allocator(void **state) {
  static const optim_case kinds[] = {
      {.rate = 0.1, SGD}, {.rate = 0.1}, {.rate = 0.1, .decoupled = true}};
  ky_fault_allocator fa;
  fault_allocator_init(&fa);
  const ky_allocator allocator = fault_allocator(&fa);
  for (int k = 0; k < 3; k++) {
    ky_optimizer *o = (ky_optimizer *)state; /* not null */
    fault_allocator_fail_once(&fa, 1);
    assert_int_equal(k == 0   ? ky_sgd_new(&allocator, 0.1, NULL, &o)
                     : k == 1 ? ky_adam_new(&allocator, 0.1, NULL, &o)
                              : ky_adamw_new(&allocator, 0.1, NULL, &o),
                     KY_NO_MEMORY);
    assert_null(o);
    o = make_optimizer(&kinds[k], &allocator);
    assert_int_equal(fa.live_blocks, 1);
    ky_optimizer_free(o);
    assert_int_equal(fa.live_blocks, 0);
  }
  assert_null(fault_allocator_complaint(&fa));
  fault_allocator_free(&fa);
}

#define WITH_SGD(test) cmocka_unit_test_setup_teardown(test, make_sgd, free_optimizer)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_SGD(sgd_descends_along_the_gradient),
      WITH_SGD(sgd_follows_a_tape),
      WITH_SGD(step_makes_the_tape_stale),
      WITH_SGD(step_without_gradients_does_nothing),
      WITH_SGD(step_accepts_empty_weights),
      WITH_SGD(bad_step_changes_no_weight),
      WITH_SGD(rate_must_be_finite),
      WITH_SGD(clip_must_be_a_norm),
      cmocka_unit_test(steps_are_those_of_pytorch),
      cmocka_unit_test(updates_within_a_program_are_the_same),
      cmocka_unit_test(weights_are_known_in_any_order),
      cmocka_unit_test(forgotten_weight_starts_anew),
      cmocka_unit_test(step_without_memory_changes_no_weight),
      cmocka_unit_test(norm_is_over_all_gradients),
      cmocka_unit_test(defaults_are_those_of_pytorch),
      cmocka_unit_test(options_out_of_range_are_refused),
      cmocka_unit_test(options_without_size_are_refused),
      cmocka_unit_test(options_of_other_sizes_are_read_as_far_as_they_are_known),
      cmocka_unit_test(null_is_an_argument_error),
      cmocka_unit_test(optimizers_use_and_survive_their_allocator),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
