/* SPDX-License-Identifier: MIT */
/* Softmax and what is made of it. Contiguous rows are worked on one after the other; rows that
 * lie across memory are worked on side by side, a tile of them at a time. */
#include "kernels/softmax.h"

#include "kernels/loops.h"

#define CHUNK 256 /* exponentials of a row that wait to be summed */
#define TILE  64  /* rows side by side */

#define REAL       float
#define NAME(name) name##_f32
#define M(libm)    libm##f
#include "kernels/softmax.inc"
#undef REAL
#undef NAME
#undef M

#define REAL       double
#define NAME(name) name##_f64
#define M(libm)    libm
#include "kernels/softmax.inc"
#undef REAL
#undef NAME
#undef M

const ky_softmax_kernels KY_TABLE(ky__softmax) = {
    .map_softmax = {softmax_f32, softmax_f64},
    .map_log_softmax = {log_softmax_f32, log_softmax_f64},
    .pull_softmax = {pull_softmax_f32, pull_softmax_f64},
    .pull_log_softmax = {pull_log_softmax_f32, pull_log_softmax_f64},
    .map_cross_entropy = {cross_entropy_f32, cross_entropy_f64},
    .pull_cross_entropy = {pull_cross_entropy_f32, pull_cross_entropy_f64},
    .turn_cross_entropy = {turn_cross_entropy_f32, turn_cross_entropy_f64},
    .map_class_loss = {class_loss_f32, class_loss_f64},
    .pull_class_loss = {pull_class_loss_f32, pull_class_loss_f64},
    .turn_class_loss = {turn_class_loss_f32, turn_class_loss_f64},
    .pull_class_weights = {pull_class_weights_f32, pull_class_weights_f64},
};
