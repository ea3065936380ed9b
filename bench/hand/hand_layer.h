/* SPDX-License-Identifier: MIT */
/* A linear layer by hand, on batches: y = x w' + b with x [batch,in], w [out,in]. Gradients
 * arrive scaled by the negative rate, so that the products add the update to the weights and no
 * gradient of a weight is ever stored. */
#ifndef KYBENCH_HAND_LAYER_H
#define KYBENCH_HAND_LAYER_H

#include <stddef.h>

/* y, then relu if asked for. */
void hand_layer(size_t batch, size_t in, size_t out, float *y, const float *x, const float *w,
                const float *b, int relu);

/* gx = g w. */
void hand_layer_input(size_t batch, size_t in, size_t out, float *gx, const float *g,
                      const float *w);

/* w += g' x. */
void hand_layer_update(size_t batch, size_t in, size_t out, float *w, const float *g,
                       const float *x);

/* b += column sums of g; before that, if y is not null, g becomes 0 where the relu's result y
 * is. */
void hand_layer_bias(size_t batch, size_t out, float *g, const float *y, float *b);

#endif
