/* SPDX-License-Identifier: MIT */
/* The smallest program that uses an installed kytape: the loss mean((x w - y)^2) of a line
 * through the origin and its derivative, both known by hand. */
#include <kytape.h>

#include <stdio.h>

int main(void) {
  const float x[4] = {1, 2, 3, 4}, y[4] = {2, 4, 6, 8};
  ky_tensor *w = NULL;
  ky_tape *t = ky_tape_new(NULL);
  if (ky_tensor_new(NULL, KY_F32, KY_SHAPE(1, 1), &w) != KY_OK) return 1;
  const ky_var predicted = ky_matmul(t, ky_input(t, KY_F32, KY_SHAPE(4, 1), x), ky_param(t, w));
  const ky_var error = ky_sub(t, predicted, ky_input(t, KY_F32, KY_SHAPE(4, 1), y));
  const ky_var loss = ky_mean_all(t, ky_square(t, error));
  double value = 0;
  ky_grads grads = {0};
  if (ky_backward(t, loss, &grads) != KY_OK || ky_item(t, loss, &value) != KY_OK)
    fprintf(stderr, "%s\n", ky_tape_message(t));
  const float slope = grads.count == 1 ? *(const float *)grads.pairs[0].grad : 0;
  printf("kytape %s (%s): loss %g, slope %g\n", ky_version(), ky_gemm_info(), value,
         (double)slope);
  ky_tape_free(t);
  ky_tensor_free(w);
  return value == 30 && slope == -30 ? 0 : 1;
}
