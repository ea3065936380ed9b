/* SPDX-License-Identifier: MIT */
/* Layers without weights whose result has the extents that they were made with, whatever those
 * of x are: adaptive means and interpolation. */
#define KY_NO_SITES
#include "kytape/nn.h"

#include "../block.h"

typedef struct resampling {
  ky_module base;
  ky_allocator allocator;
  int64_t extents[2]; /* length, or height and width */
  int align_corners;  /* of those that interpolate */
} resampling;

static void destroy(ky_module *m) {
  resampling *r = (resampling *)m;
  ky__block_free(r->allocator, r, sizeof *r);
}

static ky_status make(const ky_allocator *allocator, const ky_module_kind *kind,
                      int64_t first_extent, int64_t second_extent, int align_corners,
                      ky_module **out) {
  if (!out) return KY_BAD_ARGUMENT;
  *out = NULL;
  if (first_extent < 1 || second_extent < 1) return KY_BAD_SHAPE;
  ky_allocator used;
  resampling *r = ky__block_new(allocator, sizeof *r, &used);
  if (!r) return KY_NO_MEMORY;
  r->base.kind = kind;
  r->allocator = used;
  r->extents[0] = first_extent;
  r->extents[1] = second_extent;
  r->align_corners = align_corners;
  *out = &r->base;
  return KY_OK;
}

/* `...`: what the recording function takes behind x. */
#define KIND(op, ...)                                                                          \
  static ky_var forward_##op(ky_module *m, ky_tape *t, ky_var x) {                             \
    const resampling *r = (const resampling *)m;                                               \
    return ky_##op(t, x, __VA_ARGS__);                                                         \
  }                                                                                            \
  static const ky_module_kind kind_##op = {                                                    \
      .size = sizeof(ky_module_kind), .name = #op, .forward = forward_##op, .free = destroy};

#define X(op)                                                                                  \
  KIND(op, r->extents[0])                                                                      \
  ky_status ky_nn_##op(const ky_allocator *allocator, int64_t length, ky_module **out) {       \
    return make(allocator, &kind_##op, length, 1, 0, out);                                     \
  }
X(adaptive_avg_pool1d)
X(upsample_nearest1d)
#undef X

#define X(op)                                                                                  \
  KIND(op, r->extents[0], r->extents[1])                                                       \
  ky_status ky_nn_##op(const ky_allocator *allocator, int64_t height, int64_t width,           \
                       ky_module **out) {                                                      \
    return make(allocator, &kind_##op, height, width, 0, out);                                 \
  }
X(adaptive_avg_pool2d)
X(upsample_nearest2d)
#undef X

KIND(upsample_linear1d, r->extents[0], r->align_corners)
ky_status ky_nn_upsample_linear1d(const ky_allocator *allocator, int64_t length,
                                  int align_corners, ky_module **out) {
  return make(allocator, &kind_upsample_linear1d, length, 1, align_corners, out);
}

KIND(upsample_bilinear2d, r->extents[0], r->extents[1], r->align_corners)
ky_status ky_nn_upsample_bilinear2d(const ky_allocator *allocator, int64_t height,
                                    int64_t width, int align_corners, ky_module **out) {
  return make(allocator, &kind_upsample_bilinear2d, height, width, align_corners, out);
}
