/* SPDX-License-Identifier: MIT */
/* Running sums and products. Rows are walked side by side: contiguous ones a few at a time,
 * rows that lie across memory a tile of them. */
#include "kernels/scan.h"

#include "kernels/loops.h"

#define TILE    256
#define ABREAST 8 /* states that fit the registers */

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/scan.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/scan.inc"
#undef REAL
#undef NAME

#define PAIR(name)                                                                             \
  { name##_f32, name##_f64 }
const ky_scan_kernels KY_TABLE(ky__scan) = {
    .sum = PAIR(sum),
    .product = PAIR(product),
    .pull_product = PAIR(pull_product),
};
