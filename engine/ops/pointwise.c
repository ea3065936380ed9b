/* SPDX-License-Identifier: MIT */
/* Products of pointwise convolutions: [channels,places] of an image is a matrix. */
#include "ops/pointwise.h"

#include "kernels/gemm.h"
#include "ops/family.h"
#include "ops/sliding.h"

#define FEW     16 /* places, which fill no tile */
#define OVERLAP 16 /* products in the time of an element */

static int64_t places_of(const ky_conv *g) {
  int64_t places = 1;
  for (int k = 0; k < KY_CONV_AXES; k++) places *= g->axis[k].in;
  return places;
}

static bool is_flat(const ky_conv *g, const ky_conv_array *a) {
  int64_t places = 1, step = 0; /* between neighbours, once there are any */
  for (int k = KY_CONV_AXES; k-- > 0; places *= g->axis[k].in) {
    if (g->axis[k].in == 1) continue;
    const int64_t stride = a->strides[KY_SPACE + k];
    if (places > 1 && stride != places * step) return false;
    if (places == 1) step = stride;
  }
  return step > 0;
}

bool ky__is_pointwise(const ky_conv *g, const ky_conv_array *x, const ky_conv_array *y) {
  for (int k = 0; k < KY_CONV_AXES; k++) {
    const struct ky_conv_axis *a = &g->axis[k];
    if (a->kernel != 1 || a->stride != 1 || a->padding != 0 || a->in != a->out) return false;
  }
  return places_of(g) >= FEW && is_flat(g, x) && is_flat(g, y);
}

/* The step from one place to the next. */
static ptrdiff_t step_of(const ky_conv *g, const ky_conv_array *a) {
  for (int k = KY_CONV_AXES; k-- > 0;)
    if (g->axis[k].in > 1) return (ptrdiff_t)a->strides[KY_SPACE + k];
  return 1;
}

/* A group of one image: channels are rows. */
static ky_matrix image(const ky_conv *g, const ky_conv_array *a, int64_t n, int64_t channel) {
  const int64_t at = n * a->strides[KY_N] + channel * a->strides[KY_C];
  return (ky_matrix){(char *)a->data + at * (int64_t)ky_dtype_size(g->dtype),
                     (ptrdiff_t)a->strides[KY_C], step_of(g, a)};
}

/* Each channel's bias at all its places, which follow each other in results. */
static void fill(const ky_frame *f, const ky_conv *g, ky_matrix to, int64_t first, size_t rows,
                 const ky_conv_array *bias) {
  const int64_t size = (int64_t)ky_dtype_size(g->dtype);
  for (int64_t r = 0; r < (int64_t)rows; r++) {
    const int64_t at = (first + r) * bias->strides[0];
    const double value = g->dtype == KY_F64 ? ((const double *)bias->data)[at]
                                            : (double)((const float *)bias->data)[at];
    f->kernels->copy->fill(g->dtype, (size_t)places_of(g), (char *)to.data + r * to.row * size,
                           value, 0);
  }
}

/* A map, which is shared out by images. */
typedef struct map {
  const ky_frame *f;
  const ky_conv *g;
  bool pull;
  int beta;
  const ky_conv_array *to, *from, *w, *bias;
} map;

static void map_images(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const map *m = context;
  const ky_conv *g = m->g;
  const int64_t channels = m->pull ? g->outputs : g->inputs;
  const int64_t results = m->pull ? g->inputs : g->outputs;
  const int64_t *step = m->w->strides;
  const int64_t apart = g->outputs * step[KY_N] * (int64_t)ky_dtype_size(g->dtype);
  const bool has_bias = m->bias && m->bias->data;
  for (int64_t n = (int64_t)begin; n < (int64_t)end; n++)
    for (int64_t group = 0; group < g->groups; group++) {
      ky_product p = {.m = (size_t)results,
                      .n = (size_t)places_of(g),
                      .k = (size_t)channels,
                      .a = {(char *)m->w->data + group * apart,
                            (ptrdiff_t)step[m->pull ? KY_C : KY_N],
                            (ptrdiff_t)step[m->pull ? KY_N : KY_C]},
                      .b = image(g, m->from, n, group * channels),
                      .c = image(g, m->to, n, group * results)};
      if (has_bias) fill(m->f, g, p.c, group * results, p.m, m->bias);
      if (m->beta || has_bias) p.d = p.c;
      ky__multiply(m->f->kernels, g->dtype, &p);
    }
}

void ky__pointwise_map(const ky_frame *f, const ky_conv *g, bool pull, const ky_conv_array *to,
                       int beta, const ky_conv_array *from, const ky_conv_array *w,
                       const ky_conv_array *bias) {
  map m = {f, g, pull, beta, to, from, w, bias};
  const size_t work = (size_t)(g->groups * g->inputs * g->outputs * places_of(g)) / OVERLAP;
  ky__team_run(f->team, (size_t)g->images, ky__grain_of(f, work), map_images, &m);
}

void ky__pointwise_weights(const ky_frame *f, const ky_conv *g, void *w, int beta,
                           const ky_conv_array *x, const ky_conv_array *y) {
  const int64_t size = (int64_t)ky_dtype_size(g->dtype);
  for (int64_t group = 0; group < g->groups; group++)
    for (int64_t n = 0; n < g->images; n++) {
      const ky_matrix b = image(g, x, n, group * g->inputs);
      ky_product p = {
          .m = (size_t)g->outputs,
          .n = (size_t)g->inputs,
          .k = (size_t)places_of(g),
          .a = image(g, y, n, group * g->outputs),
          .b = {b.data, b.column, b.row},
          .c = {(char *)w + group * g->outputs * g->inputs * size, (ptrdiff_t)g->inputs, 1}};
      if (beta || n > 0) p.d = p.c;
      ky__product(f, g->dtype, &p);
    }
}
