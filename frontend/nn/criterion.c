/* SPDX-License-Identifier: MIT */
/* Losses of one type, reduced to their mean, so that a training function can be given one. */
#define KY_NO_SITES
#include "kytape/nn.h"

ky_var ky_loss_bce(ky_tape *t, ky_var prediction, ky_var target) {
  return ky_bce(t, prediction, target, KY_REDUCE_MEAN);
}

ky_var ky_loss_mse(ky_tape *t, ky_var prediction, ky_var target) {
  return ky_mse(t, prediction, target, KY_REDUCE_MEAN);
}

ky_var ky_loss_cross_entropy(ky_tape *t, ky_var prediction, ky_var target) {
  return ky_cross_entropy(t, prediction, target, KY_REDUCE_MEAN);
}
