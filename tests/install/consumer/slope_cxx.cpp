/* SPDX-License-Identifier: MIT */
/* The same as slope.c, from C++: the headers link, and KY_SHAPE takes extents of any integer
 * type. */
#include <kytape.h>

#include <cstdio>
#include <memory>

int main() {
  const float x[4] = {1, 2, 3, 4}, y[4] = {2, 4, 6, 8};
  ky_tensor *raw = nullptr;
  if (ky_tensor_new(nullptr, KY_F32, KY_SHAPE(1, 1), &raw) != KY_OK) return 1;
  const std::unique_ptr<ky_tensor, decltype(&ky_tensor_free)> w(raw, ky_tensor_free);
  const std::unique_ptr<ky_tape, decltype(&ky_tape_free)> tape(ky_tape_new(nullptr),
                                                               ky_tape_free);
  ky_tape *t = tape.get();
  const ky_var predicted =
      ky_matmul(t, ky_input(t, KY_F32, KY_SHAPE(sizeof x / sizeof *x, 1), x),
                ky_param(t, w.get()));
  const ky_var error = ky_sub(t, predicted, ky_input(t, KY_F32, KY_SHAPE(4, 1), y));
  const ky_var loss = ky_mean_all(t, ky_square(t, error));
  double value = 0;
  ky_grads grads = {};
  if (ky_backward(t, loss, &grads) != KY_OK || ky_item(t, loss, &value) != KY_OK)
    std::fprintf(stderr, "%s\n", ky_tape_message(t));
  const float slope = grads.count == 1 ? *static_cast<const float *>(grads.pairs[0].grad) : 0;
  std::printf("kytape %s (%s): loss %g, slope %g\n", ky_version(), ky_gemm_info(), value,
              static_cast<double>(slope));
  return value == 30 && slope == -30 ? 0 : 1;
}
