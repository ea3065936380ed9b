/* SPDX-License-Identifier: MIT */
/* Convolutions with so few channels in a group that a vector of channels would be mostly empty:
 * depthwise ones, and those to a single channel. Vectors run along the last axis. */
#ifndef KY_STENCIL_H
#define KY_STENCIL_H

#include "ops/correlate.h"

/* Whether the map is better done this way. */
bool ky__is_stencil(const ky_frame *f, const ky_conv *g, bool pull);

/* Scratch memory that a map takes, and the weights with that to y. */
size_t ky__stencil_scratch(const ky_conv *g, bool pull, uint32_t threads);

/* The maps of correlate.h. */
void ky__stencil_map(ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *to,
                     int beta, const ky_conv_array *from, const ky_conv_array *w,
                     const ky_conv_array *bias);
void ky__stencil_weights(ky_frame *f, const ky_conv *g, void *w, int beta,
                         const ky_conv_array *x, const ky_conv_array *y);

#endif
