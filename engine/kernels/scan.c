/* SPDX-License-Identifier: MIT */
/* Running sums and products. Contiguous rows are walked one after the other; rows that lie
 * across memory are walked side by side, a tile of them at a time. */
#include "kernels/scan.h"

#define TILE 128

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
