/* SPDX-License-Identifier: MIT */
/* Products, sliding windows and linear algebra. A product of n, n and k takes 2 n n k flops. */
#include "opcodes/opcode.h"

#define SQUARE KY_SHAPE(n, n)
#define IMAGES scene_given(s, KY_SHAPE(n / 4, n, n, n))
#define HALVES scene_given(s, KY_SHAPE(n / 4, n, n / 2, n / 2))
#define KERNEL scene_given(s, KY_SHAPE(n, n, 3, 3)), scene_given(s, KY_SHAPE(n))
#define CUBE   (m * m * m)
#define WINDOW (18 * m * m * (m / 8)) /* flops for a place, of n / 8 images */

static const ky_pool_options by_two = {.size = sizeof by_two, .kernel = {2, 2}};

static ky_var batch(scene *s, int64_t n) { return scene_given(s, KY_SHAPE(n / 8, n, n, n)); }

/* clang-format off */
#define ROWS(X)                                                                                \
  X(matmul, 64, 1024, WORK(.flops = 2 * CUBE), WORK(.flops = 4 * CUBE),                        \
    ky_matmul(s->t, scene_given(s, SQUARE), scene_given(s, SQUARE)))                           \
  X(linear, 64, 1024, WORK(.flops = 2 * CUBE), WORK(.flops = 4 * CUBE),                        \
    ky_linear(s->t, scene_given(s, SQUARE), scene_given(s, SQUARE),                            \
              scene_given(s, KY_SHAPE(n))))                                                    \
  X(conv, 16, 64, WORK(.flops = WINDOW * (m - 2) * (m - 2)),                                   \
    WORK(.flops = 2 * WINDOW * (m - 2) * (m - 2)), ky_conv2d(s->t, batch(s, n), KERNEL, NULL)) \
  X(conv_transpose, 16, 64, WORK(.flops = WINDOW * m * m), WORK(.flops = 2 * WINDOW * m * m),  \
    ky_conv_transpose2d(s->t, batch(s, n), KERNEL, NULL))                                      \
  X(max_pool, 16, 64, WORK(.kept = CUBE * m / 4), NOTHING,                                     \
    ky_max_pool2d(s->t, IMAGES, &by_two))                                                      \
  X(avg_pool, 16, 64, NOTHING, NOTHING, ky_avg_pool2d(s->t, IMAGES, &by_two))                  \
  X(upsample_nearest, 16, 64, NOTHING, NOTHING, ky_upsample_nearest2d(s->t, HALVES, n, n))     \
  X(upsample_linear, 16, 64, NOTHING, NOTHING, ky_upsample_bilinear2d(s->t, HALVES, n, n, 0))  \
  X(triangular_solve, 64, 512, WORK(.flops = CUBE), WORK(.flops = 2 * CUBE),                   \
    ky_triangular_solve(s->t, scene_dominant(s, n), scene_given(s, SQUARE), 0))                \
  X(cholesky, 64, 512, WORK(.flops = CUBE / 3), WORK(.flops = 2 * CUBE / 3),                   \
    ky_cholesky(s->t, scene_dominant(s, n)))                                                   \
  X(solve, 64, 512, WORK(.flops = 8 * CUBE / 3, .kept = 4 * m * m), WORK(.flops = 4 * CUBE),   \
    ky_solve(s->t, scene_dominant(s, n), scene_given(s, SQUARE)))                              \
  X(logdet, 64, 512, WORK(.flops = 2 * CUBE / 3, .kept = 4 * m * m),                           \
    WORK(.flops = 4 * CUBE / 3), ky_logdet(s->t, scene_dominant(s, n)))                        \
  X(logabsdet, 64, 512, WORK(.flops = 2 * CUBE / 3, .kept = 4 * m * m),                        \
    WORK(.flops = 4 * CUBE / 3), ky_logabsdet(s->t, scene_dominant(s, n)))
/* clang-format on */

ROWS(OPCODE_RECORD)

static const opcode_case cases[] = {ROWS(OPCODE_CASE)};

const opcode_family opcodes_products = {sizeof cases / sizeof *cases, cases};
